"""The fake-quantised model and the integer engine give the same codes; training runs through the engine."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline.strategies import networks
from pipeline.tiny import (
    DIGITS,
    digits,
    double_network,
    image_network,
    narrow_target,
    reals,
    target_with,
    vector_network,
)
from train.exact import MODES, exact_target, exact_targets, planned, tame

import hwsim
from hwsim.errors import ModelError, PlanError, ProgramError
from hwsim.network import Dense, Input, Mean, Network, Operation, Reshape, Softmax
from hwsim.target import Target
from hwsim.train import agree, fake_quantize, keras_model, network_of, program_of, through

SLOW_DRAWS = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example)


@settings(max_examples=6, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(networks(functions=False).filter(tame), exact_targets, st.integers(0, 99))
def test_random_networks_agree_in_every_code(network: Network, target: Target, seed: int) -> None:
    agree_in_every_code(network, target, seed)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(networks(functions=False).filter(tame), exact_targets, st.integers(0, 99))
def test_random_networks_agree_at_length(network: Network, target: Target, seed: int) -> None:
    agree_in_every_code(network, target, seed)


def agree_in_every_code(network: Network, target: Target, seed: int) -> None:
    """Hold the codes of both simulations against each other."""
    data = [reals(4, *one.shape, seed=seed + number) for number, one in enumerate(network.inputs)]
    plan = planned(network, target, data)
    found = agree(fake_quantize(network, plan, target=target), hwsim.lower(network, plan, target), data)
    assert found.exact, f"{network}\n{found}"
    assert found.values > 0


def test_a_mean_and_a_softmax_in_fixed_point() -> None:
    """The mean agrees in every code, shares of a real softmax within one."""
    operations: tuple[Operation, ...] = (
        Input(name="x", shape=(2, 4, 3)),
        Mean(name="mean", inputs=("x",)),
        Reshape(name="flat", inputs=("mean",), shape=(3,)),
        Dense(name="fc", inputs=("flat",), kernel=reals(3, 4, width=4), bias=reals(4)),
        Softmax(name="shares", inputs=("fc",), axis=0),
    )
    network = Network(name="shares", operations=operations, outputs=("shares",))
    forms = {"step": "power_of_two", "symmetric": True}
    target = target_with(activations=forms, weights={**forms, "granularity": "layer"}, softmax={"run_on": "fixed"})
    data = [reals(50, 2, 4, 3, seed=9)]
    plan = planned(network, target, data)
    found = agree(fake_quantize(network, plan, target=target), hwsim.lower(network, plan, target), data)
    layers = {one.layer: one for one in found.layers}
    assert layers["shares"].values == 200
    assert layers["shares"].furthest <= 1
    assert not any(one.differing for name, one in layers.items() if name != "shares")


@pytest.mark.parametrize("mode", MODES)
def test_every_layer_of_a_network_agrees(mode: str) -> None:
    network, data = image_network(), [reals(16, 6, 6, 3, seed=9)]
    target = exact_target(6, mode, "after_requantize", False)
    plan = planned(network, target, data)
    found = agree(fake_quantize(network, plan, target=target), hwsim.lower(network, plan, target), data[0])
    assert [one.layer for one in found.layers] == list(network.by_name)
    assert found.exact, found


@pytest.mark.parametrize(
    "name", ["generic-int8", "pow2-int8", "codebook-int4", "companding-int8", "shared-exponent-int8"]
)
def test_shipped_targets_agree_but_for_ties(name: str) -> None:
    network, data = image_network(), reals(64, 6, 6, 3, seed=2)
    target = hwsim.load_target(name)
    plan = planned(network, target, [data])
    found = agree(fake_quantize(network, plan), hwsim.lower(network, plan, target), data)
    assert found.differing <= found.values // 10_000
    assert all(one.furthest <= 1 for one in found.layers)


def test_what_differs_is_counted_and_located() -> None:
    network, data = vector_network(), reals(9, 6, seed=4)
    target = target_with()
    plan = planned(network, target, [data])
    narrow = narrow_target(9)
    program = hwsim.lower(network, plan, narrow)
    model = fake_quantize(network, plan, target=target)
    found = agree(model, program, data)["fc"]
    floats = np.rint(model.predict(data, verbose=0) / plan.tensors["fc"].scale) + plan.tensors["fc"].zero_point
    apart = np.abs(floats - program.run(data).codes["fc"])
    assert found.differing == np.count_nonzero(apart) > 0
    assert found.furthest == apart.max()
    assert found.first == tuple(np.argwhere(apart)[0])
    assert "codes differ" in str(agree(model, program, data))


def test_another_network_s_program_is_refused() -> None:
    model = fake_quantize(vector_network(), target_with(), reals(4, 6))
    network, target = double_network(), target_with()
    plan = planned(network, target, [reals(4, 4), reals(4, 3)])
    with pytest.raises(ProgramError, match="fc, x"):
        agree(model, hwsim.lower(network, plan, target), reals(4, 6))
    with pytest.raises(PlanError, match="no tensor"):
        fake_quantize(vector_network(), plan, target=target)
    with pytest.raises(PlanError, match="data is needed"):
        fake_quantize(vector_network(), target)


def test_in_float_a_network_is_what_it_was() -> None:
    network, data = image_network(), reals(8, 6, 6, 3)
    expected = hwsim.run(network, "generic-int8", data).reference
    assert keras_model(network).predict(data, verbose=0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "network", [vector_network(), pytest.param(image_network(), marks=pytest.mark.slow)], ids=["vector", "image"]
)
def test_fake_models_train_and_survive_a_file(network: Network, tmp_path: Path) -> None:
    data = reals(32, *network.inputs[0].shape)
    model = fake_quantize(network, "generic-int8", data)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    wanted = reals(32, *network.shapes[network.outputs[0]], seed=7)
    losses = model.fit(data, wanted, epochs=5, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "fake.keras")
    again = keras.models.load_model(tmp_path / "fake.keras")
    assert (again.predict(data, verbose=0) == model.predict(data, verbose=0)).all()


@pytest.mark.parametrize(
    ("network", "bits", "eager"),
    [
        pytest.param(vector_network(), 15, False, id="vector"),
        pytest.param(vector_network(), 15, True, id="vector-eager"),
        pytest.param(image_network(), 11, False, id="image", marks=pytest.mark.slow),
    ],
)
def test_training_runs_through_the_engine(network: Network, bits: int, eager: bool, tmp_path: Path) -> None:
    data, wanted = reals(48, *network.inputs[0].shape), reals(48, *network.shapes[network.outputs[0]], seed=7)
    target, name = narrow_target(bits), network.outputs[0]
    model = through(network, target, data=data)
    shown = [model.predict(data, verbose=0)]
    model.compile(keras.optimizers.Adam(3e-3), "mse", run_eagerly=eager)
    before = model.evaluate(data, wanted, verbose=0)
    model.fit(data, wanted, epochs=3, batch_size=16, verbose=0)
    assert model.evaluate(data, wanted, verbose=0) < before
    shown.append(model.predict(data, verbose=0))
    assert (shown[0] != shown[1]).any()
    program = program_of(model)
    result = program.run(data)
    assert (shown[1] == result.outputs[name].astype(np.float32)).all()
    assert agree(model, program, data).exact
    # a narrow accumulator shows, or this would not be the real datapath
    assert not agree(fake_quantize(network_of(model), model.engine().plan, target=target), program, data).exact
    model.save(tmp_path / "through.keras")
    again = keras.models.load_model(tmp_path / "through.keras")
    assert (again.predict(data, verbose=0) == shown[1]).all()
    assert (program_of(again).run(data).codes[name] == result.codes[name]).all()


def test_the_gradient_is_the_fake_model_s() -> None:
    network, data = vector_network(), reals(16, 6, seed=1)
    target = exact_target(6, "half_up", "after_requantize", True)
    plan = planned(network, target, [data])
    gradients = []
    for model in (through(network, target, plan), fake_quantize(network, plan, target=target)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(data) ** 2)
        gradients.append([np.asarray(one) for one in tape.gradient(loss, model.trainable_weights)])
    assert all((one == other).all() for one, other in zip(*gradients, strict=True))
    assert any(one.any() for one in gradients[0])


def test_several_inputs_and_outputs() -> None:
    network, target = double_network(), narrow_target(12)
    data = [reals(8, 4), reals(8, 3)]
    model = through(network, target, data=data)
    found = program_of(model).run(data).outputs
    for name, values in zip(network.outputs, model.predict(data, verbose=0), strict=True):
        assert (values == found[name].astype(np.float32)).all()


def test_other_models_have_no_program() -> None:
    with pytest.raises(ModelError, match="was not made by"):
        program_of(keras_model(vector_network()))


@pytest.mark.slow
def test_digits_regain_what_a_narrow_accumulator_costs() -> None:
    images, labels = digits()
    keras.utils.set_random_seed(0)
    model = through(DIGITS, "narrow-acc16-saturate", data=images[:100])
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.evaluate(images[300:], labels[300:], verbose=0)[1]
    model.fit(images[:300], labels[:300], epochs=3, batch_size=32, verbose=0)
    after = model.evaluate(images[300:], labels[300:], verbose=0)[1]
    assert before < 0.75
    assert after > 0.9
    assert agree(model, program_of(model), images[300:]).exact
