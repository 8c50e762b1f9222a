"""Recurrent layers of Keras: unrolled they agree with Keras, and with an oracle on every integer; they classify."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline.test_oracle_agreement import Case, agree

import hwsim
from hwsim.errors import UnsupportedError
from hwsim.network import Activation, Add, Constant, Curve, Dense, Network
from hwsim.quantize.sharing import shared_with
from hwsim.reference import run_network
from hwsim.reference.proof import prove_import
from hwsim.target import Target, load_target

layers: Any = keras.layers

Build = Callable[[Any], Any]

STEPS, CHANNELS, UNITS = 5, 4, 3


def reals(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def both_ways(mode: str | None, **options: Any) -> Build:
    """Return a Bidirectional of two layers that differ."""
    backward = layers.GRU(UNITS, go_backwards=True, **options)
    found: Build = layers.Bidirectional(layers.LSTM(UNITS, **options), backward_layer=backward, merge_mode=mode)
    return found


def encoded(x: Any) -> Any:
    """Return a decoder that starts from an encoder's states."""
    _, hidden, cell = layers.LSTM(UNITS, return_state=True)(x)
    return layers.LSTM(UNITS, return_sequences=True)(x, initial_state=[hidden, cell])


def encoded_both_ways(x: Any) -> Any:
    """Return a decoder in both directions that starts from an encoder's states in both directions."""
    states = layers.Bidirectional(layers.GRU(UNITS, return_state=True))(x)[1:]
    return layers.Bidirectional(layers.GRU(UNITS, return_sequences=True))(x, initial_state=states)


def stacked(**options: Any) -> Build:
    """Return cells of all kinds, one behind another."""
    found: Build = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2), layers.SimpleRNNCell(4)], **options)
    return found


LAYERS: Mapping[str, Build] = {
    "lstm": layers.LSTM(UNITS),
    "lstm, sequences": layers.LSTM(UNITS, return_sequences=True),
    "lstm, states": layers.LSTM(UNITS, return_state=True),
    "lstm, sequences and states": layers.LSTM(UNITS, return_sequences=True, return_state=True),
    "lstm, backwards": layers.LSTM(UNITS, return_sequences=True, go_backwards=True),
    "lstm, backwards to the end": layers.LSTM(UNITS, go_backwards=True),
    "lstm, no bias": layers.LSTM(UNITS, use_bias=False),
    "lstm, other bias": layers.LSTM(UNITS, unit_forget_bias=False, bias_initializer="random_normal"),
    "lstm, other functions": layers.LSTM(UNITS, activation="relu", recurrent_activation="hard_sigmoid"),
    "lstm, linear": layers.LSTM(UNITS, activation=None, recurrent_activation="sigmoid", return_sequences=True),
    "lstm, unrolled, dropouts": layers.LSTM(UNITS, unroll=True, dropout=0.5, recurrent_dropout=0.5),
    "gru": layers.GRU(UNITS),
    "gru, sequences": layers.GRU(UNITS, return_sequences=True, return_state=True),
    "gru, reset before": layers.GRU(UNITS, reset_after=False, return_sequences=True),
    "gru, reset before, backwards, no bias": layers.GRU(UNITS, reset_after=False, go_backwards=True, use_bias=False),
    "gru, no bias": layers.GRU(UNITS, use_bias=False, return_state=True),
    "gru, relu": layers.GRU(UNITS, activation="relu"),
    "gru, linear": layers.GRU(UNITS, activation="linear", recurrent_activation="tanh"),
    "simple": layers.SimpleRNN(UNITS),
    "simple, relu": layers.SimpleRNN(UNITS, activation="relu", return_sequences=True, return_state=True),
    "simple, linear": layers.SimpleRNN(UNITS, activation=None, go_backwards=True, use_bias=False),
    "a cell": layers.RNN(layers.LSTMCell(UNITS), return_sequences=True),
    "cells": stacked(),
    "cells, all results": stacked(return_sequences=True, return_state=True),
    "cells, backwards": stacked(return_sequences=True, go_backwards=True),
    "layers behind layers": lambda x: layers.GRU(2)(layers.LSTM(UNITS, return_sequences=True)(x)),
    "one step": lambda x: layers.LSTM(UNITS, return_sequences=True)(layers.Cropping1D((2, 2))(x)),
    "an encoder": encoded,
    "an encoder both ways": encoded_both_ways,
    "both ways, cells": layers.Bidirectional(stacked(return_sequences=True), merge_mode="ave"),
    **{
        f"both ways, {mode}, {'sequences' if sequences else 'last'}": both_ways(mode, return_sequences=sequences)
        for mode in ("concat", "sum", "mul", "ave", None)
        for sequences in (False, True)
    },
    "both ways, states": layers.Bidirectional(layers.LSTM(UNITS, return_state=True)),
    "both ways, two results and states": both_ways(None, return_sequences=True, return_state=False),
    "both ways, starting at the end": layers.Bidirectional(
        layers.GRU(UNITS, go_backwards=True, return_sequences=True),
        backward_layer=layers.GRU(UNITS, return_sequences=True),
    ),
}


def model_of(build: Build) -> Any:
    """Return a model with random weights, biases too, all of whose results count."""
    x = keras.Input((STEPS, CHANNELS))
    model = keras.Model(x, keras.tree.flatten(build(x)))
    for number, weight in enumerate(model.weights):
        weight.assign(0.5 * reals(*weight.shape, seed=number))
    return model


@pytest.mark.parametrize("name", LAYERS)
def test_agrees_with_keras(name: str) -> None:
    """In float, on every result, to the last digits; a wrong gate or order would differ in the first one."""
    model = model_of(LAYERS[name])
    network = prove_import(hwsim.load(model), model)
    assert network.import_error is not None
    assert network.import_error < 1e-6
    data = reals(7, STEPS, CHANNELS, seed=99)
    found = run_network(network, [data], keep=network.outputs)
    for ours, theirs in zip(network.outputs, keras.tree.flatten(model(data, training=False)), strict=True):
        np.testing.assert_allclose(found[ours], theirs, atol=2e-6, rtol=0)


def test_from_a_file(tmp_path: Path) -> None:
    model = model_of(both_ways("concat", return_sequences=True))
    model.save(tmp_path / "m.keras")
    data = reals(3, STEPS, CHANNELS)
    one, other = (hwsim.run(each, "generic-int8", data) for each in (model, tmp_path / "m.keras"))
    np.testing.assert_array_equal(one.codes, other.codes)


# What is refused


def refusal(build: Build, shape: tuple[int, ...] = (STEPS, CHANNELS), batch: int | None = None) -> str:
    x = keras.Input(shape, batch_size=batch)
    with pytest.raises(UnsupportedError) as caught:
        hwsim.load(keras.Model(x, build(x)))
    return str(caught.value.layers)


class OwnCell(keras.layers.LSTMCell):  # type: ignore[misc]
    """A class of the user's own."""


def test_what_cannot_be_unrolled_is_refused() -> None:
    assert "memory (GRU: stateful; hwsim starts" in refusal(layers.GRU(2, stateful=True, name="memory"), batch=1)
    both = layers.Bidirectional(layers.GRU(2, stateful=True), name="memory")
    assert "memory (Bidirectional: stateful" in refusal(both, batch=1)
    masked = refusal(lambda x: layers.LSTM(2, name="memory")(layers.Masking(name="mask")(x)))
    assert "mask (Masking: masks time steps" in masked
    assert "memory (LSTM: called with a mask" in masked
    assert "NotEqual" not in masked
    assert "a cell of the class OwnCell" in refusal(layers.RNN(OwnCell(2)))
    assert "a cell of the class OwnCell" in refusal(layers.RNN([layers.LSTMCell(2), OwnCell(2)]))
    assert "sparsemax" in refusal(layers.LSTM(2, activation="sparsemax"))
    zeros = np.zeros((1, 2), np.float32)
    assert "starts from states" in refusal(lambda x: layers.GRU(2)(x, initial_state=[zeros]), batch=1)
    assert "does not know" in refusal(layers.ConvLSTM1D(2, 2), (STEPS, 6, CHANNELS))


# One tensor, one scale


def unrolled() -> Network:
    return hwsim.load(model_of(LAYERS["lstm, sequences"]))


def test_the_steps_of_a_loop_share_scales_and_weights() -> None:
    network, data = unrolled(), reals(40, STEPS, CHANNELS)
    profile = hwsim.profile(network, data)
    (loop,) = network.outputs
    assert profile.tensors.keys() == {one.tensor for one in network.operations}
    floats = run_network(network, [data])
    for part in ("hidden", "cell_state", "forget_gate", "sum", "recurrent"):
        steps = [
            one for one in network.operations if one.name in {f"{loop}/{at}/{part}" for at in ("start", *range(5))}
        ]
        assert len({one.tensor for one in steps}) == 1
        seen = np.stack([floats[one.name] for one in steps])
        statistics = profile.tensors[steps[0].tensor]
        assert (statistics.minimum, statistics.maximum) == (seen.min(), seen.max())
        for target in ("generic-int8", "edge-npu-acc20"):
            plan = hwsim.decide(network, profile, load_target(target))
            assert all(plan.tensors[one.name] == plan.tensors[steps[0].name] for one in steps)
    plan = hwsim.decide(network, profile, load_target("generic-int8"))
    assert plan.tensors[f"{loop}/start/hidden"] == plan.tensors[f"{loop}/4/hidden"] == plan.tensors[loop]
    recurrent = [one for one in network.operations if isinstance(one, Dense) and one.step_of]
    assert len(recurrent) == STEPS
    assert len({id(one.kernel) for one in recurrent}) == 1
    assert all(plan.weights[one.name] == plan.weights[recurrent[0].name] for one in recurrent)


def test_joining_the_steps_loses_nothing() -> None:
    """Codes are copied, so that the layer's result has no point in the ledger."""
    network, data = unrolled(), reals(9, STEPS, CHANNELS)
    result = hwsim.run(network, "generic-int8", data, tensors=True)
    (loop,) = network.outputs
    assert not [row for row in result.ledger if row.layer == loop]
    steps = [result.tensors[f"{loop}/{step}/hidden"] for step in range(STEPS)]
    np.testing.assert_array_equal(np.concatenate(steps, axis=1), result.codes)


def test_states_that_are_given_come_to_the_scale_of_the_state() -> None:
    network = hwsim.load(model_of(encoded))
    plan = hwsim.decide(network, hwsim.profile(network, reals(20, STEPS, CHANNELS)), load_target("generic-int8"))
    loop = network.outputs[0]
    assert isinstance(network.by_name[f"{loop}/start/hidden"], Activation)
    assert plan.tensors[f"{loop}/start/hidden"].scale == plan.tensors[f"{loop}/0/hidden"].scale
    assert plan.tensors[f"{loop}/start/cell_state"].scale == plan.tensors[f"{loop}/3/cell_state"].scale


def test_what_shares_with_a_concatenation_shares_with_all_steps() -> None:
    network = hwsim.load(model_of(LAYERS["both ways, concat, sequences"]))
    sharing = Target.from_dict({"name": "t", "concatenation": {"input_scales": "output"}})
    source = shared_with(network, sharing)
    (result,) = network.outputs
    for way in ("forward", "backward"):
        names = [f"{result}/{way}", f"{result}/{way}/start/hidden", f"{result}/{way}/0/hidden"]
        assert {source[name] for name in names} == {result}
    plan = hwsim.decide(network, hwsim.profile(network, reals(20, STEPS, CHANNELS)), sharing)
    assert len({plan.tensors[name].scale for name in (result, *source)}) == 1


def test_all_steps_are_alike() -> None:
    """The first step is no special case, a ReLU is fused in every step or in none, and each step has as many parts."""
    for name in ("lstm, other functions", "gru, relu", "simple, relu"):
        network = hwsim.load(model_of(LAYERS[name]))
        loop = network.outputs[0].removesuffix("/end/hidden")
        steps = [
            [
                (one.name.removeprefix(f"{loop}/{step}/"), type(one), getattr(one, "activation", None))
                for one in network.operations
                if one.name.startswith(f"{loop}/{step}/")
            ]
            for step in range(STEPS)
        ]
        assert all(one == steps[0] for one in steps)
        assert {type(one) for one in network.operations if "/start/" in one.name} == {Constant}
    assert [one for one in network.operations if isinstance(one, Add) and one.activation is not None]
    assert not [one for one in network.operations if isinstance(one, Curve | Activation)]


def test_a_batch_normalisation_in_front_is_folded() -> None:
    def build(x: Any) -> Any:
        return layers.LSTM(UNITS)(layers.BatchNormalization()(x))

    x = keras.Input((STEPS, CHANNELS))
    network = hwsim.load(keras.Model(x, build(x)))
    assert "scale_shift" not in {one.kind for one in network.operations}


def test_weights_lie_once_in_a_program(tmp_path: Path) -> None:
    network, data = unrolled(), reals(9, STEPS, CHANNELS)
    program = hwsim.run(network, "generic-int8", data, reference=False).program
    program.save(tmp_path / "p.hwsim")
    loaded = hwsim.Program.load(tmp_path / "p.hwsim")
    for one in (program, loaded):
        held = [each.weights for each in one.operations if each.name.endswith("/recurrent")]  # type: ignore[attr-defined]
        assert len(held) == STEPS
        assert len({id(weights) for weights in held}) == 1
    assert loaded.run(data).ledger == program.run(data).ledger


def test_techniques_leave_loops_alone() -> None:
    """Rounding the same weights otherwise in every step would need them many times."""
    network, data = unrolled(), reals(40, STEPS, CHANNELS)
    result = hwsim.run(network, "generic-int8", data, techniques=["adaround", "correct_bias"], reference=False)
    (loop,) = network.outputs
    changed = [
        one.name
        for one in result.network.operations
        if isinstance(one, Dense) and not np.array_equal(one.bias, network.by_name[one.name].bias)  # type: ignore[attr-defined]
    ]
    assert changed == [f"{loop}/given"]


def test_an_analysis_and_the_storage_see_one_loop() -> None:
    network, data = unrolled(), reals(40, STEPS, CHANNELS)
    profile = hwsim.profile(network, data)
    (loop,) = network.outputs
    analysis = hwsim.analyse(network, profile, "generic-int8")
    names = [(one.layer, one.part) for one in analysis.findings]
    assert len(names) == len(set(names))
    assert names.count((f"{loop}/recurrent", "weights")) == 1
    assert names.count((loop, "activations")) == 1
    assert list(hwsim.profile_weights(network).kernels) == [f"{loop}/given", f"{loop}/recurrent"]


# Integers


@pytest.mark.parametrize(
    "name", ["lstm, sequences", "gru", "gru, reset before", "both ways, ave, last", "simple, relu"]
)
@pytest.mark.parametrize("target", ["generic-int8", "edge-npu-acc20"])
def test_every_integer_of_a_loop_is_the_oracles(name: str, target: str) -> None:
    network, data = hwsim.load(model_of(LAYERS[name])), reals(3, STEPS, CHANNELS, seed=5)
    chosen = load_target(target)
    plan = hwsim.decide(network, hwsim.profile(network, data), chosen)
    agree(Case(network, chosen, plan, hwsim.lower(network, plan, chosen), [data], 2))


# Sequences that are classified

TONES = (0.5, 1.0, 1.7)
LONG = 10


def tones(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return noisy sines of any phase (count, LONG, 1), and which of three frequencies each has."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(TONES), count)
    phases = generator.uniform(0, 2 * np.pi, (count, 1))
    waves = np.sin(phases + np.array(TONES)[labels][:, None] * np.arange(LONG))
    return (waves + generator.normal(0, 0.1, waves.shape))[..., None].astype(np.float32), labels


@pytest.fixture(
    scope="module",
    params=[pytest.param(layers.LSTM, id="lstm"), pytest.param(layers.GRU, id="gru", marks=pytest.mark.slow)],
)
def trained(request: pytest.FixtureRequest) -> Any:
    """A small network that has learnt to tell the tones apart."""
    keras.utils.set_random_seed(3)
    x = keras.Input((LONG, 1))
    model = keras.Model(x, layers.Dense(3, name="logits")(request.param(10, name="memory")(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    model.fit(*tones(1200, 0), epochs=6, batch_size=64, verbose=0)
    data, labels = tones(200, 1)
    assert np.mean(np.argmax(model.predict(data, verbose=0), axis=1) == labels) > 0.95
    return model


@pytest.mark.parametrize("target", ["generic-int8", "edge-npu-acc20"])
def test_integers_tell_tones_apart(trained: Any, target: str) -> None:
    data, labels = tones(200, 1)
    result = hwsim.run(trained, target, data, calibration=tones(100, 2)[0], reference=False)
    assert np.mean(np.argmax(result.codes, axis=1) == labels) > 0.94


def test_sixteen_bits_are_near_float_at_every_step(trained: Any) -> None:
    """Weights have 16 bits, too: with 8, as the target has them, they alone leave about 40 dB."""
    target = load_target("generic-int16").model_copy()
    data = tones(64, 1)[0]
    finer = Target.from_dict({**target.model_dump(exclude_unset=True), "weights": {"bits": 16, "narrow": True}})
    for aim, least in ((target, 35.0), (finer, 55.0)):
        report = hwsim.run(trained, aim, data).report
        figures = {one.name: one.sqnr_cumulative_db for one in report.layers if "/start/" not in one.name}
        quiet = {name: value for name, value in figures.items() if value is not None and value < least}
        assert not quiet
        assert report.outputs[0].sqnr_db is not None
        assert report.outputs[0].sqnr_db > 40
        assert report.outputs[0].top1_agreement == 1.0
