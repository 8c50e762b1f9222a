"""Each kind of operation in training: its float layer against the integer program and against other judges."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keras import layers
from numpy.typing import NDArray
from pipeline.every_function import function_network
from pipeline.functions import PARAMETERS
from pipeline.strategies import networks
from pipeline.tiny import Json, dense, reals, target_with
from train.exact import MODES, exact_target, exact_targets, planned, tame

import hwsim
from hwsim.errors import DataError, PlanError
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Constant,
    Curve,
    Dense,
    Embedding,
    Input,
    MatMul,
    Multiply,
    Network,
    Normalize,
    Operation,
    Prelu,
    Rearrange,
    Relu,
    Reshape,
    Resize,
    Softmax,
    Subtract,
)
from hwsim.network.curve import CURVES
from hwsim.target import Target
from hwsim.train import agree, fake_quantize, keras_model, network_of, program_of, through
from hwsim.train.curve import curved
from hwsim.train.description import describe, rebuild
from hwsim.train.forms import FORMS
from hwsim.train.layers import TrainedLayer
from oracle.rounding import rounded_fraction

SLOW_DRAWS = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.large_base_example)
RUNTIMES = ["tflite-int8", "tflite-int8-single-rounding", "tflite-int8-xnnpack"]
STORED: Json = {"step": "power_of_two", "bits": 6}
EXACT: Json = {"activations": STORED, "weights": {**STORED, "symmetric": True}, "requantize": {"kind": "float64"}}


# Models are trained eagerly where they are large for what they learn: TensorFlow takes longer to trace them.


def chain(*operations: Operation, shape: tuple[int, ...] = (4,), indices: int = 0) -> Network:
    """Return a network of operations behind the input ``x``; the last one gives its result."""
    source = Input(name="x", shape=shape, indices=indices)
    return Network(name="chain", operations=(source, *operations), outputs=(operations[-1].name,))


def data_of(network: Network, samples: int, seed: int) -> list[NDArray[np.float32]]:
    """Return seeded data: indices where a network asks for them."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, one.indices, (samples, *one.shape)).astype(np.float32)
        if one.indices
        else reals(samples, *one.shape, seed=seed + number)
        for number, one in enumerate(network.inputs)
    ]


def compared(network: Network, target: Target, data: Any) -> Any:
    """Return how the codes of both simulations compare."""
    plan = planned(network, target, data)
    return agree(fake_quantize(network, plan, target=target), hwsim.lower(network, plan, target), data)


def exact_in_float(network: Network) -> bool:
    """Return whether a network's values are of one size, and no normalisation is among them."""
    return tame(network) and not any(isinstance(one, Normalize) for one in network.operations)


@settings(max_examples=10, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(networks(functions=True).filter(exact_in_float), exact_targets, st.integers(0, 99))
def test_random_functions_agree_in_every_code(network: Network, target: Target, seed: int) -> None:
    agree_in_every_code(network, target, seed)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(networks(functions=True).filter(exact_in_float), exact_targets, st.integers(0, 99))
def test_random_functions_agree_at_length(network: Network, target: Target, seed: int) -> None:
    agree_in_every_code(network, target, seed)


def agree_in_every_code(network: Network, target: Target, seed: int) -> None:
    """Hold the codes of both simulations against each other."""
    data = data_of(network, 4, seed)
    try:
        found = compared(network, target, data)
    except DataError:  # a function without a value where its input lies
        assume(False)
        return
    assert found.exact, f"{network}\n{found}"
    assert found.values > 0


@pytest.mark.parametrize(
    "sections",
    [
        {"addition": {"kind": "weighted", "rounding": "floor"}},
        {"addition": {"kind": "float32", "rounding": "ceil"}},
        {"mac": {"second_zero_point": "ignored"}},
        {"resize": {"zero_point": "kept", "positions": "float32", "fraction_bits": 11, "rounding": "half_up"}},
        {"activation": {"slope": "apart"}, "requantize": {"kind": "float64", "rounding": "half_away"}},
        {"curve": {"form": "interpolated", "index_bits": 4, "hard_silu": "fixed", "precision": 32}},
        {"pooling": {"zero_point": "kept"}, "activations": {**STORED, "step": "codebook", "bits": 4}},
        {"activations": {**STORED, "symmetric": True, "granularity": "channel"}},
    ],
    ids="-".join,
)
def test_what_targets_say_of_functions(sections: Json) -> None:
    network = function_network()
    if {"codebook", "channel"}.intersection(sections.get("activations", {}).values()):
        # only 0 can be filled in where codes are no plain integers
        held = (replace(one, fill=0.0) if isinstance(one, Rearrange) else one for one in network.operations)
        network = replace(network, operations=tuple(held))
    pool = AveragePool(name="mean", inputs=("conv",), window=(2, 3), strides=(1, 2))
    network = replace(network, operations=(*network.operations, pool), outputs=("logits", "mean"))
    target = target_with(**{**EXACT, **sections})
    found = compared(network, target, [reals(32, 4, 4, 2, seed=3)])
    assert [one.layer for one in found.layers] == list(network.by_name)
    assert found.exact, found


@pytest.mark.parametrize("kind", [Add, Subtract, Multiply])
@pytest.mark.parametrize("mode", MODES)
def test_constants_in_exact_fractions(kind: type[Add | Multiply], mode: str) -> None:
    # in float32 the last one would be a tie
    values = np.array([0.75, -1.5, 0.0, 0.125 * (1 + 2.0**-40)])
    ends = ("x", "c") if kind is not Subtract else ("c", "x")
    network = chain(Constant(name="c", inputs=("x",), values=values), kind(name="y", inputs=ends))
    target = target_with(
        activations={"bits": 5, "step": "power_of_two", "rounding": mode},
        requantize={"kind": "float64", "rounding": mode},
        addition={"left_shift": 8},
    )
    data = np.linspace(-3, 3, 4 * 97, dtype=np.float32).reshape(97, 4)
    plan = planned(network, target, [data])
    model = fake_quantize(network, plan, target=target)

    def code(real: Fraction, name: str) -> int:
        entry = plan.tensors[name]
        held = rounded_fraction(real / Fraction(entry.scale), mode).value + entry.zero_point
        return min(max(held, entry.format.minimum), entry.format.maximum)

    def held(real: Any, name: str) -> Fraction:
        entry = plan.tensors[name]
        return Fraction(entry.scale) * (code(Fraction(float(real)), name) - entry.zero_point)

    combine: Any = {Add: Fraction.__add__, Subtract: Fraction.__sub__, Multiply: Fraction.__mul__}[kind]
    expected = []
    for row in data:
        operands = {"x": [held(one, "x") for one in row], "c": [held(one, "c") for one in values]}
        expected.append([code(combine(*pair), "y") for pair in zip(*(operands[end] for end in ends), strict=True)])
    entry = plan.tensors["y"]
    codes = np.rint(model.predict(data, verbose=0) / entry.scale) + entry.zero_point
    assert codes.tolist() == expected
    assert hwsim.lower(network, plan, target).run(data).codes["y"].tolist() == expected


def constants_model() -> Any:
    """Return a Keras model with constants in its middle that no layer can take in."""
    inputs = keras.Input((6, 6, 2))
    x = layers.Rescaling(1 / 3, offset=-0.25)(inputs)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    norm = layers.Normalization(mean=[0.1, 0.5, 0.2, 0.9], variance=[1.0, 0.25, 2.0, 4.0])
    x = layers.MaxPooling2D()(norm(x))
    bent = layers.ReLU()(x)
    x = layers.Add()([bent * np.array([0.5, 2.0, -1.0, 1.5], np.float32), x])
    x = layers.Dense(3)(layers.Flatten()(1.0 - x))
    model = keras.Model(inputs, x, name="constants")
    for number, weight in enumerate(model.trainable_weights):
        weight.assign(reals(*weight.shape, seed=number, width=0.4))
    return model


def trained_network(network: Network, model: Any) -> Network:
    """Return a network with the weights that a model made of it has now."""
    arrays = {
        one.operation.name: {field: np.asarray(value) for field, value in one.arrays.items()}
        for one in model.layers
        if isinstance(one, TrainedLayer)
    }
    changed = (replace(cast("Any", one), **arrays.get(one.name, {})) for one in network.operations)
    return replace(network, operations=tuple(changed))


@pytest.mark.parametrize("name", [RUNTIMES[0], *(pytest.param(one, marks=pytest.mark.slow) for one in RUNTIMES[1:])])
def test_keras_models_with_constants_are_trained(name: str, tmp_path: Path) -> None:
    target = hwsim.load_target(name)
    network = hwsim.load(constants_model(), target=target)
    constants = [one for one in network.operations if isinstance(one, Constant)]
    assert {one.kind for one in network.operations} >= {"constant", "multiply", "subtract"}
    data, wanted = reals(64, 6, 6, 2, seed=5), reals(64, 3, seed=6)
    plan = planned(network, target, data)
    model = fake_quantize(network, plan, target=target)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    before = model.evaluate(data, wanted, verbose=0)
    model.fit(data, wanted, epochs=4, batch_size=16, verbose=0)
    assert model.evaluate(data, wanted, verbose=0) < before
    now = trained_network(network, model)
    found = agree(model, hwsim.lower(now, plan, target), data)
    assert {one.name for one in constants} <= {one.layer for one in found.layers if not one.differing}
    assert found.differing <= found.values // 100
    assert max(one.furthest for one in found.layers) <= 3
    model.save(tmp_path / "fake.keras")
    again = keras.models.load_model(tmp_path / "fake.keras")
    assert (again.predict(data, verbose=0) == model.predict(data, verbose=0)).all()


def test_constants_run_through_the_engine(tmp_path: Path) -> None:
    data, wanted = reals(32, 6, 6, 2, seed=5), reals(32, 3, seed=6)
    model = through(constants_model(), "tflite-int8", data=data)
    before = network_of(model)
    model.compile(keras.optimizers.Adam(1e-3), "mse", run_eagerly=True)
    model.fit(data, wanted, epochs=2, batch_size=16, verbose=0)
    program = program_of(model)
    assert agree(model, program, data).exact
    (name,) = program.outputs
    assert (model.predict(data, verbose=0) == program.run(data).outputs[name].astype(np.float32)).all()
    after = network_of(model)
    for one in before.operations:
        if isinstance(one, Constant):
            kept: Any = after.by_name[one.name]
            assert kept.values.tobytes() == one.values.tobytes()
    model.save(tmp_path / "through.keras")
    again = keras.models.load_model(tmp_path / "through.keras")
    assert (program_of(again).run(data).codes[name] == program.run(data).codes[name]).all()


def table_network() -> Network:
    """Return rows by index, slopes, a normalisation and a masked softmax, behind a dense layer each."""
    mask = np.array([[True, False, True], [True, True, True]])
    return chain(
        Embedding(name="rows", inputs=("x",), table=reals(5, 4, seed=1)),
        dense("fc", "rows", 4, 4, seed=2),
        Prelu(name="bent", inputs=("fc",), slopes=np.array([0.25, -0.5, 0.0, 1.5], np.float32)),
        Normalize(name="even", inputs=("bent",), epsilon=1e-3, groups=2),
        dense("scores", "even", 4, 3, seed=3),
        Softmax(name="shares", inputs=("scores",), axis=1, mask=mask),
        shape=(2,),
        indices=5,
    )


@pytest.mark.parametrize("network", [function_network(), table_network()], ids=["functions", "tables"])
def test_in_float_every_form_is_the_reference(network: Network) -> None:
    data = data_of(network, 16, 4)
    expected = hwsim.run(network, "generic-int8", data).reference
    assert keras_model(network).predict(data[0], verbose=0) == pytest.approx(expected, abs=1e-5)


def test_tables_and_slopes_are_trained_through_the_engine(tmp_path: Path) -> None:
    network, target = table_network(), target_with()
    (data,), wanted = (
        data_of(network, 48, 4),
        np.eye(3, dtype=np.float32)[np.random.default_rng(0).integers(0, 3, (48, 2))],
    )
    model = through(network, target, data=data)
    model.compile(keras.optimizers.Adam(1e-2), "mse", run_eagerly=True)
    before = model.evaluate(data, wanted, verbose=0)
    model.fit(data, wanted, epochs=4, batch_size=16, verbose=0)
    assert model.evaluate(data, wanted, verbose=0) < before
    program = program_of(model)
    shown = model.predict(data, verbose=0)
    assert (shown == program.run(data).outputs["shares"].astype(np.float32)).all()
    assert (shown[:, 0, 1] == 0).all(), "what the mask leaves out"
    after: Any = network_of(model).by_name
    assert (after["rows"].table != reals(5, 4, seed=1)).any()
    assert np.count_nonzero(after["bent"].slopes != [0.25, -0.5, 0.0, 1.5]) > 1
    model.save(tmp_path / "through.keras")
    again = keras.models.load_model(tmp_path / "through.keras")
    assert (again.predict(data, verbose=0) == shown).all()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("centered", [False, True])
def test_normalised_values_are_a_code_away_at_most(whole: bool, centered: bool) -> None:
    even = Normalize(name="even", inputs=("x",), epsilon=1e-3, groups=2, whole=whole, centered=centered)
    found = compared(chain(even, shape=(3, 5, 8)), target_with(), [reals(64, 3, 5, 8, seed=1)])["even"]
    assert found.furthest <= 1
    assert found.differing <= found.values // 25


def test_functions_survive_a_file(tmp_path: Path) -> None:
    network, data = function_network(), reals(8, 4, 4, 2)
    for number, model in enumerate((fake_quantize(network, "tflite-int8", data), keras_model(network))):
        model.save(tmp_path / f"{number}.keras")
        again = keras.models.load_model(tmp_path / f"{number}.keras")
        assert (again.predict(data, verbose=0) == model.predict(data, verbose=0)).all()


def elu(values: Any) -> Any:
    """Return ELU with the parameter of ``PARAMETERS``."""
    return tf.where(values > 0, values, 1.3 * tf.math.expm1(tf.minimum(values, 0)))


def mish(values: Any) -> Any:
    """Return mish."""
    return values * tf.tanh(tf.nn.softplus(values))


JUDGES: dict[str, Any] = {
    "elu": elu,
    "exp": tf.exp,
    "gelu": tf.nn.gelu,
    "gelu_tanh": partial(tf.nn.gelu, approximate=True),
    "mish": mish,
    "selu": tf.nn.selu,
    "sigmoid": tf.sigmoid,
    "silu": tf.nn.silu,
    "softplus": tf.nn.softplus,
    "softsign": tf.nn.softsign,
    "square": tf.square,
    "tanh": tf.tanh,
}


@pytest.mark.parametrize("function", JUDGES)
def test_curves_have_the_derivatives_of_tensorflow(function: str) -> None:
    values = tf.constant(np.linspace(-6, 6, 241).astype(np.float32) + np.float32(0.01))
    curve = Curve(name="c", inputs=("x",), function=function, parameters=PARAMETERS.get(function, ()))
    slopes = []
    for real in (partial(curved, curve), JUDGES[function]):
        with tf.GradientTape() as tape:
            tape.watch(values)
            total = tf.reduce_sum(real(values))
        slopes.append(np.asarray(tape.gradient(total, values)))
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("function", CURVES)
def test_every_curve_has_a_finite_gradient(function: str) -> None:
    curve = Curve(name="c", inputs=("x",), function=function, parameters=PARAMETERS.get(function, ()))
    values = tf.constant(np.linspace(-4, 4, 65).astype(np.float32))  # 0 among them
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(curved(curve, values))
    assert np.isfinite(np.asarray(tape.gradient(total, values))).all()


def test_the_gradient_of_a_curve_ends_where_its_result_does() -> None:
    network = chain(Curve(name="c", inputs=("x",), function="square"), shape=(1,))
    target = target_with()
    plan = planned(network, target, [reals(64, 1)])
    narrow = plan.tensors["c"].model_copy(update={"scale": 1 / 255, "zero_point": -128})
    model = fake_quantize(network, plan.model_copy(update={"tensors": {**plan.tensors, "c": narrow}}), target=target)
    values = tf.constant([[0.5], [0.9], [1.4], [-0.5]])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(model(values))
    held = np.rint(values.numpy() / plan.tensors["x"].scale) * plan.tensors["x"].scale
    expected = np.where(held**2 <= 1, 2 * held, 0)
    assert np.asarray(tape.gradient(total, values)) == pytest.approx(expected, abs=1e-4)


def test_a_product_s_gradient_goes_to_both_inputs() -> None:
    values = reals(4, 6, seed=1)
    network = chain(
        Reshape(name="left", inputs=("x",), shape=(2, 3)),
        Constant(name="right", inputs=("x",), values=reals(3, 2, seed=2).astype(np.float64)),
        MatMul(name="y", inputs=("left", "right")),
        shape=(6,),
    )
    with tf.GradientTape() as tape:
        given = tf.constant(values)
        tape.watch(given)
        total = tf.reduce_sum(fake_quantize(network, target_with(activations=STORED), reals(64, 6))(given) ** 2)
    found = np.asarray(tape.gradient(total, given))
    assert found.shape == values.shape
    assert np.count_nonzero(found) > values.size // 2


def test_arrays_that_are_not_trained_are_kept_to_the_last_bit() -> None:
    kept = {
        "values": Constant(name="c", inputs=("x",), values=np.array([[0.1, 1 / 3]])),
        "index": Rearrange(name="r", inputs=("x",), index=np.array([[3, -1], [0, 2]])),
        "mask": Softmax(name="s", inputs=("x",), axis=0, mask=np.array([True, False])),
    }
    for field, operation in kept.items():
        array, again = (getattr(one, field) for one in (operation, rebuild(describe(operation))))
        assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())
    for operation in (dense("fc", "x", 3, 2), table_network().by_name["rows"], table_network().by_name["bent"]):
        assert not any(one.any() for one in vars(rebuild(describe(operation))).values() if isinstance(one, np.ndarray))


@pytest.mark.parametrize("mode", ["floor", "jam", "magnitude"])
def test_curves_read_the_codes_as_they_are(mode: str) -> None:
    curve = Curve(name="y", inputs=("x",), function="sigmoid")
    target = target_with(activations={"symmetric": False, "rounding": mode}, curve={"rounding": "half_up"})
    assert compared(chain(curve, shape=(16,)), target, [reals(64, 16)]).exact


@pytest.mark.parametrize("mode", ["floor", "jam", "magnitude"])
def test_indices_stay_as_they_are(mode: str) -> None:
    network = chain(Embedding(name="rows", inputs=("x",), table=reals(5, 4, seed=1)), shape=(2,), indices=5)
    found = compared(network, target_with(activations={"rounding": mode}), data_of(network, 32, 1))
    assert found.exact


@pytest.mark.parametrize("granularity", ["layer", "output_channel"])
def test_slopes_are_held_as_weights_are(granularity: str) -> None:
    slopes = np.array([0.3, -0.7, 0.01, 0.0], np.float32)
    network = chain(Prelu(name="bent", inputs=("x",), slopes=slopes))
    target = target_with(**{**EXACT, "weights": {"bits": 4, "step": "power_of_two", "granularity": granularity}})
    found = compared(network, target, [reals(64, 4)])
    assert found.exact
    assert found["bent"].values == 256


@pytest.mark.parametrize("limit", [None, 0.6])
def test_a_slope_that_is_part_of_a_ratio_is_rounded_once(limit: float | None) -> None:
    function = Relu(negative_slope=0.3, max_value=limit)
    network = chain(Activation(name="y", inputs=("x",), function=function))
    sections: Json = {"activation": {"slope": "apart"}, "requantize": {"kind": "float64", "rounding": "half_away"}}
    assert compared(network, target_with(**{**EXACT, **sections}), [reals(256, 4)]).exact


def test_resizes_are_exact_whatever_their_corners() -> None:
    target = exact_target(6, "half_up", "after_requantize", False)
    for aligned, half in ((True, False), (False, True), (False, False)):
        resize = Resize(name="y", inputs=("x",), size=(7, 2), align_corners=aligned, half_pixel=half)
        assert compared(chain(resize, shape=(3, 5, 2)), target, [reals(16, 3, 5, 2)]).exact


LOOPS: dict[str, Any] = {
    "lstm": partial(layers.LSTM, 4, return_sequences=True),
    "gru": partial(layers.GRU, 4),
    "both": partial(layers.SimpleRNN, 3),
}


def loop_model(kind: str) -> Any:
    """Return a Keras model with a loop over two time steps of three values."""
    inputs = keras.Input((2, 3))
    loop = layers.Bidirectional(LOOPS[kind]()) if kind == "both" else LOOPS[kind]()
    model = keras.Model(inputs, layers.Dense(2, name="dense")(layers.Flatten()(loop(inputs))), name=kind)
    for number, weight in enumerate(model.trainable_weights):
        weight.assign(reals(*weight.shape, seed=number, width=0.5))
    return model


@pytest.mark.parametrize("kind", ["both", *(pytest.param(one, marks=pytest.mark.slow) for one in ("lstm", "gru"))])
def test_the_steps_of_a_loop_keep_the_same_weights(kind: str, tmp_path: Path) -> None:
    data, wanted = reals(32, 2, 3, seed=5), reals(32, 2, seed=6)
    source = loop_model(kind)
    model = through(source, "pow2-int8", data=data)
    assert len(model.trainable_weights) <= len(source.trainable_weights) + 2  # biases, where Keras has none
    assert agree(fake_quantize(source, model.engine().plan, target="pow2-int8"), program_of(model), data).exact
    model.compile(keras.optimizers.Adam(1e-2), "mse", run_eagerly=True)
    before = model.evaluate(data, wanted, verbose=0)
    model.fit(data, wanted, epochs=2, batch_size=16, verbose=0)
    assert model.evaluate(data, wanted, verbose=0) < before
    program = program_of(model)
    assert agree(model, program, data).exact
    network = network_of(model)
    loops: dict[str, set[bytes]] = {}
    for one in network.operations:
        if isinstance(one, Dense) and one.step_of:
            loops.setdefault(one.step_of, set()).add(one.kernel.tobytes() + one.bias.tobytes())
    assert loops
    assert all(len(different) == 1 for different in loops.values())
    model.save(tmp_path / "through.keras")
    again = keras.models.load_model(tmp_path / "through.keras")
    assert (program_of(again).run(data).codes["dense"] == program.run(data).codes["dense"]).all()


def test_steps_of_different_scales_have_no_common_weights() -> None:
    data = reals(32, 2, 3, seed=5)
    network, target = hwsim.load(loop_model("gru")), hwsim.load_target("pow2-int8")
    plan = planned(network, target, data)
    name = next(one.name for one in reversed(network.operations) if isinstance(one, Dense) and one.step_of)
    tensors = {**plan.tensors, name: plan.tensors[name].model_copy(update={"scale": 2 * plan.tensors[name].scale})}
    weights = {**plan.weights, name: plan.weights[name].model_copy(update={"scale": (0.5,)})}
    edited = plan.model_copy(update={"tensors": tensors, "weights": weights})
    with pytest.raises(PlanError, match="the same weights"):
        fake_quantize(network, edited, target=target)


def test_every_record_of_a_network_has_a_layer() -> None:
    records = [one for one in vars(hwsim.network).values() if isinstance(one, type) and issubclass(one, Operation)]
    without = [one for one in records if not issubclass(one, (Input, Activation, *FORMS))]
    assert without == [Operation]
