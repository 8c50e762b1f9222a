"""Whole runs: what comes out, and that it depends on nothing but the model, the target and the data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from pipeline.tiny import (
    DIGITS,
    IMAGES,
    Reals,
    digits,
    double_network,
    image_network,
    keras_model,
    narrow_target,
    reals,
    rows_of,
    target_with,
    vector_network,
)

import hwsim
from hwsim.network import Dense, Input, Network, Reshape
from hwsim.reference import run_network

TARGETS = [
    "edge-npu-acc20",
    "generic-int16",
    "generic-int8",
    "narrow-acc12-wrap",
    "narrow-acc16-saturate",
    "pow2-int8",
]


@pytest.fixture(scope="module")
def demo() -> hwsim.Result:
    """The demonstration on its whole data."""
    return hwsim.run(str(DIGITS), "generic-int8", str(IMAGES), trace=("stem", "block1_add", "logits"))


# What comes out


def test_accuracy_of_the_demonstration(demo: hwsim.Result) -> None:
    _, labels = digits()
    assert (demo.outputs.argmax(axis=-1) == labels).mean() >= 0.97
    assert (demo.reference.argmax(axis=-1) == labels).mean() >= 0.97
    (output,) = demo.report.outputs
    assert output.top1_agreement is not None
    assert output.top1_agreement >= 0.99
    assert output.flip_count == (demo.outputs.argmax(-1) != demo.reference.argmax(-1)).sum()


def test_the_demonstration_is_whole(demo: hwsim.Result) -> None:
    assert demo.codes.shape == demo.outputs.shape == demo.reference.shape == (400, 10)
    assert demo.reference.dtype == np.float32
    assert demo.report.samples == 400
    assert [one.name for one in demo.report.layers] == [one.name for one in demo.network.operations]
    assert len(demo.report.points) == len(list(demo.ledger))
    assert demo.report.network == "digits"
    assert demo.report.target == demo.program.target == demo.plan.target == "generic-int8"
    np.testing.assert_allclose(demo.outputs.sum(axis=-1), 1, rtol=1e-12)


def test_the_reference_is_what_keras_predicts(demo: hwsim.Result) -> None:
    images, _ = digits()
    wanted = keras.models.load_model(DIGITS, compile=False).predict(images, verbose=0)
    np.testing.assert_allclose(demo.reference, wanted, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_outputs_are_dequantised_codes(target: str) -> None:
    network, data = image_network(), reals(5, 6, 6, 3)
    result = hwsim.run(network, target, data)
    planned = result.plan.tensors["logits"]
    assert result.codes.dtype == np.int32
    assert result.codes.shape == (5, 5)
    assert planned.format.minimum <= result.codes.min() <= result.codes.max() <= planned.format.maximum
    np.testing.assert_array_equal(
        result.outputs, planned.scale * (result.codes.astype(np.float64) - planned.zero_point)
    )
    np.testing.assert_allclose(result.reference, run_network(network, [data])["logits"], rtol=1e-5, atol=1e-6)


def test_a_softmax_on_the_host_is_real(demo: hwsim.Result) -> None:
    assert demo.codes.dtype == np.float64
    np.testing.assert_array_equal(demo.codes, demo.outputs)
    logits = demo.trace["logits"]["output"]
    planned = demo.plan.tensors["logits"]
    powers = np.exp(planned.scale * (logits - planned.zero_point))
    np.testing.assert_allclose(demo.outputs, powers / powers.sum(axis=-1, keepdims=True), rtol=1e-12)


def test_an_error_shrinks_with_the_width() -> None:
    data, found = reals(20, 6, 6, 3), {}
    for bits in (4, 8, 12, 16):
        stages = [{"name": "accumulator", "bits": 48}]
        form = {"bits": bits}
        requantize = {"multiplier_bits": 16}
        target = target_with(weights=form, activations=form, mac={"stages": stages}, requantize=requantize)
        found[bits] = hwsim.run(image_network(), target, data).report.outputs[0].sqnr_db or 0
    for bits in (4, 8, 12):
        assert found[bits] + 15 < found[bits + 4] < found[bits] + 33  # 6 dB a bit


def test_sqnr_is_what_its_name_says() -> None:
    result = hwsim.run(image_network(), "generic-int8", reals(9, 6, 6, 3))
    exact = result.reference.astype(np.float64)
    error = result.outputs - exact
    (output,) = result.report.outputs
    assert output.sqnr_db == pytest.approx(10 * np.log10((exact**2).sum() / (error**2).sum()), rel=1e-12)
    assert output.max_error == np.abs(error).max()
    last = result.report.layers[-1]
    assert last.sqnr_cumulative_db == output.sqnr_db
    assert last.rmse_lsb == pytest.approx(np.sqrt((error**2).mean()) / result.plan.tensors["logits"].scale)


def test_an_exact_network_has_no_error() -> None:
    whole = np.random.default_rng(0).integers(-7, 8, (16, 3)).astype(np.float32)
    whole[0] = 7
    network = Network(
        name="exact",
        operations=(
            Input(name="x", shape=(4, 4)),
            Reshape(name="flat", inputs=("x",), shape=(16,)),
            Dense(name="fc", inputs=("flat",), kernel=whole, bias=np.zeros(3, np.float32)),
        ),
        outputs=("fc",),
    )
    target = target_with(
        weights={"bits": 4, "step": "power_of_two"},
        activations={"bits": 8, "symmetric": True, "step": "power_of_two"},
        requantize={"kind": "power_of_two"},
        operations={"dense": {"activations": {"bits": 16}}},
    )
    data = np.random.default_rng(1).integers(-64, 64, (6, 4, 4)).astype(np.float32)
    data[0, 0, 0] = 127
    result = hwsim.run(network, target, data)
    np.testing.assert_array_equal(result.outputs, result.reference)
    assert result.report.outputs[0].sqnr_db == np.inf
    assert result.report.outputs[0].max_error == 0
    assert '"infinity"' in result.report.to_json()
    json.loads(result.report.to_json())


# Notes


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("generic-int8", "any order: proved"),
        ("narrow-acc16-saturate", "any order where a sum is proved"),
        ("narrow-acc12-wrap", "step by step"),
    ],
)
def test_a_layer_says_how_its_sums_are_computed(target: str, path: str) -> None:
    layers = hwsim.run(str(DIGITS), target, digits()[0][:2], reference=False).report.layers
    assert {one.path.startswith(path) for one in layers if one.name == "block2_conv"} == {True}
    assert {one.path for one in layers if one.name == "block1_add"} == {""}


def test_synthetic_data_is_the_first_line_of_the_report() -> None:
    result = hwsim.run(image_network(), "generic-int8")
    assert result.report.samples == len(result.codes) == 16
    assert result.report.notes == (
        "data: 16 synthetic samples, uniform in [0, 1), seed 0, since none were given",
        "calibration: on the data itself, its first 128 samples at most",
    )
    lines = str(result.report).splitlines()
    assert any(line.startswith("data: 16 synthetic samples") for line in lines[:4])
    again = hwsim.run(image_network(), "generic-int8")
    np.testing.assert_array_equal(result.codes, again.codes)


def test_notes_on_data_import_calibration_and_plan() -> None:
    model, data = keras_model(), reals(4, 6, 6, 2)
    first = hwsim.run(model, "generic-int8", data, calibration=reals(7, 6, 6, 2, seed=1))
    imported, *rest = first.report.notes
    assert imported.startswith("import: the float network differs from Keras by ")
    assert "calibration: on the data itself, its first 128 samples at most" not in rest
    given = hwsim.run(model, "generic-int8", data, plan=first.plan)
    assert given.report.notes == (imported, "plan: as given")
    np.testing.assert_array_equal(given.codes, first.codes)
    own = hwsim.run(model, "generic-int8", data)
    assert own.report.notes[1:] == ("calibration: on the data itself, its first 128 samples at most",)


def test_calibration_chooses_the_ranges() -> None:
    data = reals(5, 6, seed=1)
    wide = hwsim.run(vector_network(), "generic-int8", data, calibration=data * 10)
    own = hwsim.run(vector_network(), "generic-int8", data)
    assert wide.plan.tensors["x"].scale == pytest.approx(10 * own.plan.tensors["x"].scale, rel=1e-6)
    assert (wide.report.outputs[0].sqnr_db or 0) < (own.report.outputs[0].sqnr_db or 0)


def test_a_calibration_has_the_forms_of_data(tmp_path: Path) -> None:
    data, calibration = reals(5, 6, seed=1), reals(40, 6, seed=2)
    np.savez(tmp_path / "some.npz", images=calibration)
    plans = [
        hwsim.run(vector_network(), "generic-int8", data, calibration=one, reference=False).plan
        for one in (calibration, tmp_path / "some.npz", iter(calibration), [calibration[:3], calibration[3:]])
    ]
    assert all(plan == plans[0] for plan in plans)


def test_only_the_first_128_samples_calibrate() -> None:
    data = reals(200, 6, seed=1)
    data[128:] *= 100
    result = hwsim.run(vector_network(), "generic-int8", data)
    assert result.plan.tensors["x"].maximum == data[:128].max()
    assert rows_of(result.ledger)["x", "input"].hits > 0


# Without the reference


@pytest.mark.parametrize("target", ["generic-int8", "narrow-acc12-wrap"])
def test_without_the_reference_the_integers_are_the_same(target: str) -> None:
    data = reals(33, 6, 6, 3)
    bare = hwsim.run(image_network(), target, data, reference=False)
    full = hwsim.run(image_network(), target, data)
    assert bare.reference is None
    assert full.reference is not None
    np.testing.assert_array_equal(bare.codes, full.codes)
    assert bare.ledger == full.ledger
    assert bare.report.points == full.report.points
    for layer in bare.report.layers:
        assert layer.sqnr_cumulative_db is layer.sqnr_local_db is layer.rmse_lsb is layer.max_error is None
    (output,) = bare.report.outputs
    assert output.sqnr_db is output.max_error is output.top1_agreement is None
    assert str(bare.report)
    assert json.loads(bare.report.to_json())


# Several inputs and outputs


def test_several_results_are_mappings() -> None:
    result = hwsim.run(double_network(), "generic-int8", [reals(7, 4), reals(7, 3)])
    for values in (result.codes, result.outputs, result.reference):
        assert {name: one.shape for name, one in values.items()} == {"sum": (7, 2), "left": (7, 2)}
    for name, codes in result.codes.items():
        planned = result.plan.tensors[name]
        np.testing.assert_array_equal(result.outputs[name], planned.scale * (codes - float(planned.zero_point)))
    assert {one.name for one in result.report.outputs} == {"sum", "left"}


def test_several_inputs_and_results_of_a_keras_model() -> None:
    keras.utils.set_random_seed(5)
    one, two = keras.Input((4,), name="one"), keras.Input((3,), name="two")
    joined = layers.Concatenate(name="joined")([layers.Dense(5, name="wide")(one), two])
    model = keras.Model([one, two], [layers.Dense(2, name="head")(joined), joined])
    data = {"two": reals(6, 3, seed=1), "one": reals(6, 4, seed=2)}
    result = hwsim.run(model, "generic-int8", data)
    assert {name: values.shape for name, values in result.codes.items()} == {"head": (6, 2), "joined": (6, 8)}
    wanted = model.predict([data["one"], data["two"]], verbose=0)
    for exact, name in zip(wanted, ("head", "joined"), strict=True):
        np.testing.assert_allclose(result.reference[name], exact, atol=1e-5)
        np.testing.assert_allclose(result.outputs[name], exact, atol=0.2)


def test_an_input_may_be_a_result() -> None:
    operations = (Input(name="x", shape=(4,)), Reshape(name="grid", inputs=("x",), shape=(2, 2)))
    network = Network(name="through", operations=operations, outputs=("x", "grid"))
    result = hwsim.run(network, "generic-int8", reals(3, 4))
    assert result.codes.keys() == result.outputs.keys() == result.reference.keys() == {"x", "grid"}
    np.testing.assert_array_equal(result.codes["x"].reshape(3, 2, 2), result.codes["grid"])


# Forms of model and target


def test_every_form_of_model_gives_the_same(tmp_path: Path) -> None:
    model, data = keras_model(), reals(5, 6, 6, 2)
    wanted = hwsim.run(model, "generic-int8", data)
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"small{suffix}"
        model.save(path)
        for form in (path, str(path)):
            np.testing.assert_array_equal(hwsim.run(form, "generic-int8", data).codes, wanted.codes)
    np.testing.assert_array_equal(hwsim.run(wanted.network, "generic-int8", data).codes, wanted.codes)


def test_every_form_of_target_gives_the_same(tmp_path: Path) -> None:
    data = reals(5, 6, 6, 3)
    target = hwsim.load_target("edge-npu-acc20")
    path = tmp_path / "mine.yaml"
    path.write_text(target.to_yaml())
    wanted = hwsim.run(image_network(), target, data)
    for form in ("edge-npu-acc20", path, str(path)):
        result = hwsim.run(image_network(), form, data)
        np.testing.assert_array_equal(result.codes, wanted.codes)
        assert result.ledger == wanted.ledger


def test_run_is_the_composition_of_the_public_stages() -> None:
    network, data = image_network(), reals(9, 6, 6, 3)
    target = hwsim.load_target("narrow-acc16-saturate")
    plan = hwsim.decide(network, hwsim.profile(network, data), target)
    execution = hwsim.execute(hwsim.lower(network, plan, target), data)
    result = hwsim.run(network, target, data)
    assert result.plan == plan
    np.testing.assert_array_equal(result.codes, execution.codes["logits"])
    assert result.ledger == execution.ledger
    assert execution.samples == 9


# Trace


def test_traces_have_the_shapes_of_the_layers(demo: hwsim.Result) -> None:
    shapes = demo.network.shapes
    assert demo.trace.keys() == {"stem", "block1_add", "logits"}
    for layer, points in demo.trace.items():
        rows = 400 * int(np.prod(shapes[layer][:-1]))
        assert {"accumulator", "requantize", "output"} <= points.keys()
        for values in points.values():
            assert values.shape == (rows, shapes[layer][-1])


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_traced_values_follow_from_one_another(batch_size: int) -> None:
    data = reals(11, 6, 6, 3)
    target = narrow_target(14)
    result = hwsim.run(image_network(), target, data, trace=("stem", "logits"), batch_size=batch_size)
    planned = result.plan.tensors["logits"]
    values = result.trace["logits"]
    np.testing.assert_array_equal(values["output"], result.codes)
    np.testing.assert_array_equal(
        values["output"],
        np.clip(values["requantize"] + planned.zero_point, planned.format.minimum, planned.format.maximum),
    )
    assert np.abs(values["accumulator"]).max() <= 1 << 13
    ratio = result.plan.tensors["flat"].scale * np.asarray(result.plan.weights["logits"].scale) / planned.scale
    assert np.abs(values["requantize"] - values["accumulator"] * ratio).max() <= 0.5 + 1e-3
    assert (result.trace["stem"]["activation"] >= 0).all()


def test_a_run_without_a_trace_keeps_nothing(demo: hwsim.Result) -> None:
    assert not hwsim.run(vector_network(), "generic-int8", reals(3, 6)).trace
    assert demo.program.run(digits()[0][:3]).trace == {}


# Nothing depends on how the data is cut


def everything(result: hwsim.Result) -> tuple[str, bytes, bytes, bytes, list[Any]]:
    """Return all of a result's figures in a form that can be compared."""
    ledger = [[row.layer, row.point.name, row.counts.tolist(), row.histogram.tolist()] for row in result.ledger]
    reference = b"" if result.reference is None else result.reference.tobytes()
    return result.report.to_json(), result.codes.tobytes(), result.outputs.tobytes(), reference, ledger


def cut(data: Reals, *sizes: int) -> Iterator[Reals]:
    """Yield ``data`` in chunks of these sizes, again and again."""
    first = number = 0
    while first < len(data):
        size = sizes[number % len(sizes)]
        yield data[first : first + size]
        first, number = first + size, number + 1


@pytest.fixture(scope="module")
def network() -> Network:
    """The demonstration's network."""
    return hwsim.load(DIGITS)


@pytest.fixture(scope="module", params=["generic-int8", "edge-npu-acc20", "narrow-acc12-wrap"])
def whole(request: pytest.FixtureRequest, network: Network) -> tuple[str, Any]:
    """A target, and what the demonstration's first images give on it: more than the float run takes at a time."""
    return request.param, everything(hwsim.run(network, request.param, digits()[0][:135]))


@pytest.mark.parametrize("batch_size", [1, 7, 32, 128])
def test_batch_sizes(whole: tuple[str, Any], network: Network, batch_size: int) -> None:
    target, wanted = whole
    assert everything(hwsim.run(network, target, digits()[0][:135], batch_size=batch_size)) == wanted


@pytest.mark.parametrize("threads", ["1", "4"])
def test_threads(whole: tuple[str, Any], network: Network, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, wanted = whole
    monkeypatch.setenv("HWSIM_THREADS", threads)
    for batch_size in (5, 64):
        assert everything(hwsim.run(network, target, digits()[0][:135], batch_size=batch_size)) == wanted


@pytest.mark.parametrize("form", ["odd chunks", "one by one", "one chunk", "list of chunks"])
def test_chunks_of_the_data(network: Network, form: str) -> None:
    images = digits()[0][:135]
    forms: dict[str, Callable[[], Any]] = {
        "odd chunks": lambda: cut(images, 1, 13, 5, 31),
        "one by one": lambda: iter(images),
        "one chunk": lambda: iter([images]),
        "list of chunks": lambda: list(cut(images, 41)),
    }
    found = hwsim.run(network, "edge-npu-acc20", forms[form](), batch_size=9)
    assert everything(found) == everything(hwsim.run(network, "edge-npu-acc20", images))


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_stochastic_rounding_and_several_stages_repeat(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_with(
        mac={
            "order": ["input_channel_tile", "kernel_height", "kernel_width", "input_channel"],
            "tile": {"input_channel": 2},
            "product": {"bits": 12, "shift": 2, "rounding": "stochastic_weighted", "overflow": "saturate"},
            "stages": [
                {"name": "lane", "bits": 12, "terms": 3, "overflow": "wrap"},
                {"name": "accumulator", "bits": 13, "overflow": "saturate", "shift": 1, "rounding": "stochastic_equal"},
            ],
        },
        bias={"bits": 13},
        requantize={"kind": "fixed", "rounding": "stochastic_weighted"},
        pooling={"rounding": "stochastic_weighted"},
    )
    data = reals(29, 6, 6, 3)
    monkeypatch.setenv("HWSIM_THREADS", "1")
    wanted = everything(hwsim.run(image_network(), target, data))
    monkeypatch.setenv("HWSIM_THREADS", "3")
    result = hwsim.run(image_network(), target, data, batch_size=batch_size)
    assert everything(result) == wanted
    rows = rows_of(result.ledger)
    assert rows["stem", "lane"].hits > 0
    assert rows["stem", "product"].inexact > 0


def test_without_the_reference_batches_do_not_matter_either(monkeypatch: pytest.MonkeyPatch) -> None:
    data = reals(29, 6, 6, 3)
    found = []
    for threads, batch_size in (("1", 1), ("1", 32), ("2", 7), ("5", 3)):
        monkeypatch.setenv("HWSIM_THREADS", threads)
        result = hwsim.run(image_network(), "narrow-acc12-wrap", data, batch_size=batch_size, reference=False)
        found.append(everything(result))
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("value", ["0", "-3", "many", "", " 2", "²"])
def test_odd_numbers_of_threads_are_ignored(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSIM_THREADS", value)
    data = reals(4, 6)
    np.testing.assert_array_equal(
        hwsim.run(vector_network(), "generic-int8", data).codes,
        hwsim.run(vector_network(), "generic-int8", data, batch_size=1).codes,
    )


def test_the_samples_of_a_batch_do_not_touch_one_another() -> None:
    network, data = image_network(), reals(12, 6, 6, 3)
    result = hwsim.run(network, "narrow-acc12-wrap", data)
    for sample in (0, 5, 11):
        alone = result.program.run(data[sample : sample + 1])
        np.testing.assert_array_equal(alone.codes["logits"][0], result.codes[sample])


def test_parts_of_the_data_add_up() -> None:
    network, data = image_network(), reals(12, 6, 6, 3)
    result = hwsim.run(network, "narrow-acc16-saturate", data)
    rows = rows_of(result.ledger)
    parts = [rows_of(result.program.run(part).ledger) for part in (data[:5], data[5:])]
    for key, row in rows.items():
        if not row.point.once:
            assert row.values == sum(part[key].values for part in parts)
            assert row.hits == sum(part[key].hits for part in parts)
            assert row.clamp_energy == sum(part[key].clamp_energy for part in parts)
            assert (row.histogram == sum(part[key].histogram for part in parts)).all()


def test_a_result_prints_and_saves_its_report(demo: hwsim.Result, tmp_path: Path) -> None:
    assert "digits on generic-int8: 400 samples" in str(demo.report)
    demo.report.to_html(tmp_path / "report.html")
    demo.report.to_json(tmp_path / "report.json")
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert hwsim.Report.from_json((tmp_path / "report.json").read_text()) == demo.report
    assert len(demo.report.to_frame()) == len(demo.report.points)


def test_each_input_of_an_addition_is_traced_by_itself(demo: hwsim.Result) -> None:
    values = demo.trace["block1_add"]
    assert {"input 0", "input 1", "accumulator", "output"} <= values.keys()
    np.testing.assert_array_equal(values["input 0"] + values["input 1"], values["accumulator"])


def test_a_result_like_its_input_is_no_decision() -> None:
    inputs = keras.Input((6,))
    autoencoder = keras.Model(inputs, layers.Dense(6)(layers.Dense(2)(inputs)))
    (output,) = hwsim.run(autoencoder, "generic-int8").report.outputs
    assert output.top1_agreement is None
    assert output.flips == ()


def test_a_softmax_in_the_middle_comes_back_to_the_datapath() -> None:
    inputs = keras.Input((6,))
    shares = layers.Softmax(name="shares")(layers.Dense(4, name="scores")(inputs))
    model = keras.Model(inputs, layers.Dense(3, name="mixture")(shares))
    result = hwsim.run(model, "generic-int8")
    figures = {one.name: one for one in result.report.layers}
    assert figures["shares"].format == "s8"
    assert figures["shares"].sqnr_cumulative_db is not None
    assert [one.point for one in result.report.points if one.layer == "shares"] == ["input"]
    assert figures["mixture"].sqnr_local_db is not None
    assert np.abs(result.outputs - result.reference).max() < 0.1
