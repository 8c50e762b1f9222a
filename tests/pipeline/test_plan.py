"""Plans: how they are decided, and that they are used exactly as they are given."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.tiny import Json, double_network, image_network, reals, rows_of, target_with, vector_network

import hwsim
from hwsim.errors import DataError, PlanError
from hwsim.formats import IntFormat
from hwsim.network import Dense, Input, Network
from hwsim.network.stored import Codes, Stored
from hwsim.quantize import Plan, Statistics, collect, decide
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.quantize.ranges import activation_range, weight_range, weight_ranges
from hwsim.quantize.scales import choose_scale, power_of_two_above
from hwsim.quantize.stored import stored_plan
from hwsim.target.settings import RangeMethod, Weights

DATA = reals(20, 6, 6, 3, seed=7)


@pytest.fixture(scope="module")
def base() -> hwsim.Result:
    """A run with a plan of its own."""
    return hwsim.run(image_network(), "generic-int8", DATA, trace=("stem",))


def document(plan: Plan) -> Json:
    """Return a plan as the JSON of its file."""
    fields: Json = json.loads(plan.to_json())
    return fields


def run_with(path: Path, fields: Json, **options: Any) -> hwsim.Result:
    """Save ``fields`` as a plan and run with it."""
    path.write_text(json.dumps(fields))
    return hwsim.run(image_network(), "generic-int8", DATA, plan=path, **options)


# Files


def test_a_plan_is_saved_and_loaded_as_it_is(base: hwsim.Result, tmp_path: Path) -> None:
    base.plan.save(tmp_path / "deep" / "plan.json")
    loaded = Plan.load(str(tmp_path / "deep" / "plan.json"))
    assert loaded == base.plan
    assert loaded.to_json() == base.plan.to_json() == (tmp_path / "deep" / "plan.json").read_text()


@settings(max_examples=200, deadline=None)
@given(st.floats(2.0**-126, 2.0**130), st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=3))
def test_scales_are_read_as_they_were_written(scale: float, scales: list[float]) -> None:
    plan = Plan(
        network="n",
        target="t",
        tensors={"x": TensorPlan(bits=8, signed=True, scale=scale)},
        weights={"x": WeightPlan(bits=8, signed=True, scale=tuple(scales), zero_point=(0,) * len(scales))},
    )
    assert Plan.model_validate_json(plan.to_json()) == plan


def test_a_plan_prints_every_tensor(base: hwsim.Result) -> None:
    lines = str(base.plan).splitlines()
    assert lines[0] == "plan of tiny for generic-int8"
    for name in (*base.plan.tensors, *base.plan.weights):
        assert any(line.startswith(f"{name} ") and " s8 " in line for line in lines), name
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("target", ["generic-int8", "pow2-int8", "edge-npu-acc20"])
def test_a_plan_passed_back_changes_nothing(target: str, tmp_path: Path) -> None:
    first = hwsim.run(image_network(), target, DATA)
    first.plan.save(tmp_path / "plan.json")
    for form in (first.plan, tmp_path / "plan.json", str(tmp_path / "plan.json")):
        again = hwsim.run(image_network(), target, DATA, plan=form)
        assert again.plan == first.plan
        np.testing.assert_array_equal(again.codes, first.codes)
        assert again.ledger == first.ledger


def test_a_plan_serves_other_data_without_a_calibration(base: hwsim.Result) -> None:
    other = reals(3, 6, 6, 3, seed=8) * 100
    result = hwsim.run(image_network(), "generic-int8", other, plan=base.plan)
    assert result.plan == base.plan
    assert rows_of(result.ledger)["image", "input"].hit_rate > 0.5


# Edits


def test_an_edited_scale_is_used_as_given(base: hwsim.Result, tmp_path: Path) -> None:
    fields = document(base.plan)
    fields["tensors"]["logits"]["scale"] *= 2
    result = run_with(tmp_path / "plan.json", fields)
    before, after = base.plan.tensors["logits"], result.plan.tensors["logits"]
    assert after == before.model_copy(update={"scale": 2 * before.scale})
    assert {**result.plan.tensors, "logits": before} == base.plan.tensors
    changed = {row.layer for row in result.ledger} - same_layers(base, result)
    assert changed == {"logits"}
    np.testing.assert_array_equal(result.outputs, after.scale * (result.codes - float(after.zero_point)))
    assert np.abs(result.outputs - base.outputs).max() <= 1.5 * after.scale


def same_layers(one: hwsim.Result, two: hwsim.Result) -> set[str]:
    """Return the layers whose rows of the ledger are equal in both runs."""
    first, second = rows_of(one.ledger), rows_of(two.ledger)
    assert first.keys() == second.keys()
    different = {
        key[0]
        for key, row in first.items()
        if not (np.array_equal(row.counts, second[key].counts) and np.array_equal(row.histogram, second[key].histogram))
    }
    return {layer for layer, _ in first} - different


def test_edited_bits_are_used_as_given(base: hwsim.Result, tmp_path: Path) -> None:
    fields = document(base.plan)
    entry = fields["tensors"]["logits"]
    entry |= {"bits": 4, "scale": entry["scale"] * 16, "zero_point": 0}
    result = run_with(tmp_path / "plan.json", fields)
    assert -8 <= result.codes.min() <= result.codes.max() <= 7
    assert result.program.tensors["logits"].format == IntFormat(bits=4)
    assert {row.layer for row in result.ledger} - same_layers(base, result) == {"logits"}


def test_an_edited_scale_of_weights_is_used_as_given(base: hwsim.Result, tmp_path: Path) -> None:
    fields = document(base.plan)
    entry = fields["weights"]["stem"]
    entry["scale"][2] /= 4
    result = run_with(tmp_path / "plan.json", fields, trace=("stem",))
    before, after = (rows_of(one.ledger)["stem", "weight"] for one in (base, result))
    hits = (after.counts[1] + after.counts[2]).tolist()
    assert hits[2] > 0
    assert hits[:2] + hits[3:] == [0, 0, 0]
    assert before.hits == 0
    others = [0, 1, 3]
    np.testing.assert_array_equal(
        base.trace["stem"]["accumulator"][:, others], result.trace["stem"]["accumulator"][:, others]
    )
    assert (base.trace["stem"]["accumulator"][:, 2] != result.trace["stem"]["accumulator"][:, 2]).any()


def test_an_edited_zero_point_is_used_as_given(base: hwsim.Result, tmp_path: Path) -> None:
    fields = document(base.plan)
    fields["tensors"]["logits"]["zero_point"] = zero_point = base.plan.tensors["logits"].zero_point + 3
    result = run_with(tmp_path / "plan.json", fields)
    inside = (base.codes > -128) & (base.codes + 3 <= 127)
    np.testing.assert_array_equal(result.codes[inside], base.codes[inside] + 3)
    assert result.program.tensors["logits"].zero_point == zero_point


def test_one_scale_stands_for_all_channels(base: hwsim.Result, tmp_path: Path) -> None:
    fields = document(base.plan)
    entry = fields["weights"]["logits"]
    largest = max(entry["scale"])
    entry |= {"scale": [largest], "zero_point": [0]}
    one = run_with(tmp_path / "plan.json", fields)
    entry |= {"scale": [largest] * 5, "zero_point": [0] * 5}
    five = run_with(tmp_path / "plan.json", fields)
    np.testing.assert_array_equal(one.codes, five.codes)
    assert one.ledger == five.ledger


# Mistakes


def put(*path: str | int, value: Any) -> Callable[[Json], None]:
    """Return a change of one value of a plan's file."""

    def change(fields: Any) -> None:
        for key in path[:-1]:
            fields = fields[key]
        fields[path[-1]] = value

    return change


def drop(*path: str) -> Callable[[Json], None]:
    """Return a change that leaves out one key."""

    def change(fields: Any) -> None:
        for key in path[:-1]:
            fields = fields[key]
        del fields[path[-1]]

    return change


MALFORMED: dict[str, tuple[Callable[[Json], None], str]] = {
    "wrong key": (
        put("tensors", "stem", "skale", value=1),
        "tensors.stem.skale: Extra inputs are not permitted (got 1)",
    ),
    "wrong key of the plan": (put("notes", value="mine"), "notes: Extra inputs are not permitted (got 'mine')"),
    "missing key": (drop("tensors", "stem", "bits"), "tensors.stem.bits: Field required"),
    "missing section": (drop("weights"), "weights: Field required"),
    "negative scale": (
        put("tensors", "stem", "scale", value=-0.5),
        "tensors.stem.scale: a scale is from 1.2e-38 to 1.4e+39 (got -0.5)",
    ),
    "zero scale": (
        put("weights", "stem", "scale", 1, value=0),
        "weights.stem.scale.1: a scale is from 1.2e-38 to 1.4e+39 (got 0)",
    ),
    "tiny scale": (
        put("tensors", "stem", "scale", value=1e-300),
        "tensors.stem.scale: a scale is from 1.2e-38 to 1.4e+39 (got 1e-300)",
    ),
    "huge scale": (
        put("tensors", "stem", "scale", value=1e300),
        "tensors.stem.scale: a scale is from 1.2e-38 to 1.4e+39 (got 1e+300)",
    ),
    "NaN": (put("tensors", "stem", "scale", value=math.nan), "tensors.stem.scale: a scale is from 1.2e-38 to 1.4e+39"),
    "infinity": (
        put("tensors", "stem", "scale", value=math.inf),
        "tensors.stem.scale: a scale is from 1.2e-38 to 1.4e+39 (got inf)",
    ),
    "scale of text": (
        put("tensors", "stem", "scale", value="0.5"),
        "tensors.stem.scale: Input should be a valid number (got '0.5')",
    ),
    "bits of text": (
        put("tensors", "stem", "bits", value="8"),
        "tensors.stem.bits: Input should be a valid integer (got '8')",
    ),
    "half a bit": (
        put("tensors", "stem", "bits", value=7.5),
        "tensors.stem.bits: Input should be a valid integer (got 7.5)",
    ),
    "17 bits": (
        put("tensors", "stem", "bits", value=17),
        "tensors.stem.bits: Input should be less than or equal to 16 (got 17)",
    ),
    "0 bits": (
        put("weights", "stem", "bits", value=0),
        "weights.stem.bits: Input should be greater than or equal to 1 (got 0)",
    ),
    "signed by text": (
        put("tensors", "stem", "signed", value="yes"),
        "tensors.stem.signed: Input should be a valid boolean (got 'yes')",
    ),
    "zero point outside": (
        put("tensors", "stem", "zero_point", value=128),
        "tensors.stem: zero_point 128 is no code of the format, -128 to 127",
    ),
    "zero point far outside": (
        put("tensors", "stem", "zero_point", value=-(10**30)),
        f"tensors.stem: zero_point -{10**30} is no code of the format, -128 to 127",
    ),
    "zero point of weights outside": (
        put("weights", "stem", "zero_point", 3, value=-128),
        "weights.stem: zero_point -128 is no code of the format, -127 to 127",
    ),
    "numbers of scales and zero points": (
        put("weights", "stem", "scale", value=[0.1, 0.1]),
        "weights.stem: 2 scales but 4 zero points",
    ),
    "no scales": (put("weights", "stem", "scale", value=[]), "weights.stem: has no scale"),
    "another version": (put("hwsim_plan", value=2), "hwsim_plan: Input should be 1 (got 2)"),
}


@pytest.mark.parametrize("mistake", MALFORMED)
def test_malformed_plans(base: hwsim.Result, tmp_path: Path, mistake: str) -> None:
    change, message = MALFORMED[mistake]
    fields = document(base.plan)
    change(fields)
    path = tmp_path / "plan.json"
    with pytest.raises(PlanError) as caught:
        run_with(path, fields)
    assert str(caught.value) == f"{path}: {message}"


def test_all_mistakes_of_a_plan_are_told_at_once(base: hwsim.Result, tmp_path: Path) -> None:
    fields = document(base.plan)
    for name in ("negative scale", "17 bits", "wrong key of the plan"):
        MALFORMED[name][0](fields)
    with pytest.raises(PlanError) as caught:
        run_with(tmp_path / "plan.json", fields)
    assert len(str(caught.value).splitlines()) == 3


UNFITTING: dict[str, tuple[Callable[[Json], None], str]] = {
    "missing tensor": (drop("tensors", "depthwise"), "the plan of 'tiny' has no tensor 'depthwise'"),
    "missing weights": (drop("weights", "depthwise"), "the plan of 'tiny' has no weights 'depthwise'"),
    "unknown tensor": (
        put("tensors", "stemm", value={"bits": 8, "signed": True, "scale": 1.0}),
        "the plan names stemm, which the network 'tiny' does not have",
    ),
    "weights of what has none": (
        put("weights", "mean", value={"bits": 8, "signed": True, "scale": [1.0], "zero_point": [0]}),
        "the plan gives weights to mean, which have none",
    ),
    "number of channel scales": (
        put("weights", "stem", value={"bits": 8, "signed": True, "scale": [1.0] * 3, "zero_point": [0] * 3}),
        "stem: the plan has 3 weight scales, the layer 4 channels",
    ),
    "another scale behind a pooling": (
        put("tensors", "largest", "scale", value=1.0),
        "largest: max_pool moves codes unchanged, so the plan must give it the scale, zero point and format of 'join'",
    ),
}


@pytest.mark.parametrize("mistake", UNFITTING)
def test_plans_that_do_not_fit_the_network(base: hwsim.Result, tmp_path: Path, mistake: str) -> None:
    change, message = UNFITTING[mistake]
    fields = document(base.plan)
    change(fields)
    with pytest.raises(PlanError) as caught:
        run_with(tmp_path / "plan.json", fields)
    assert str(caught.value) == message


def test_the_plan_of_another_network(base: hwsim.Result) -> None:
    other = hwsim.run(double_network(), "generic-int8").plan
    with pytest.raises(PlanError, match=r"^the plan names a, b, left, right, sum, which the network 'tiny' does not"):
        hwsim.run(image_network(), "generic-int8", DATA, plan=other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Invalid JSON: EOF while parsing a value"),
        ("scale: 1", "Invalid JSON: expected value at line 1 column 1"),
        ('{"hwsim_plan": 1,', "Invalid JSON: EOF while parsing"),
        ("[]", "Input should be an object"),
        ("7", "Input should be an object"),
        ("{}", "network: Field required"),
        (b"\xff\xfe\x00", "Invalid JSON: "),
        ('{"tensors": ' * 500, "Invalid JSON: "),
    ],
    ids=["empty", "words", "cut", "list", "number", "nothing", "bytes", "nested"],
)
def test_files_that_are_no_plan(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PlanError) as caught:
        hwsim.run(image_network(), "generic-int8", DATA, plan=path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_missing_plans(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with pytest.raises(PlanError, match="cannot be read: No such file or directory") as caught:
        hwsim.run(image_network(), "generic-int8", DATA, plan=path)
    assert str(path) in str(caught.value)
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        hwsim.run(image_network(), "generic-int8", DATA, plan=tmp_path)


# Calibration


def outliers(count: int = 4000) -> Any:
    """Return values of which a few stand far outside."""
    values = reals(count, 6, seed=11)
    values[::500] *= 50
    return values


@pytest.mark.parametrize("percent", [99.0, 99.9, 99.99])
def test_percentiles_leave_outliers_outside(percent: float) -> None:
    data = outliers()
    chosen = {"method": "percentile", "percent": percent}
    network = vector_network()
    target = target_with(activations={"symmetric": False, "range": chosen})
    widest = decide(network, collect(network, [[data]]), target_with()).tensors["x"]
    found = decide(network, collect(network, [[data]]), target).tensors["x"]
    low, high = np.quantile(data, [1 - percent / 100, percent / 100], method="inverted_cdf")
    assert found.minimum is not None
    assert found.maximum is not None
    assert found.minimum == pytest.approx(low, rel=0.01)
    assert found.maximum == pytest.approx(high, rel=0.01)
    assert (widest.minimum, widest.maximum) == (data.min(), data.max())
    assert found.scale < widest.scale
    assert found.scale == (found.maximum - found.minimum) / 255


@pytest.mark.parametrize("kind", ["bell", "positive", "negative", "zeros", "tiny", "few"])
@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3, 0.5, 0.9, 0.9999, 1.0])
def test_quantiles(kind: str, share: float) -> None:
    values = reals(5000, seed=3)
    match kind:
        case "positive":
            values = np.abs(values) ** 3
        case "negative":
            values = -np.abs(values)
        case "zeros":
            values[values < 0.3] = 0
        case "tiny":
            values *= np.float32(1e-36)
        case "few":
            values = values[:3]
        case _:
            pass
    statistics = Statistics()
    statistics.add(values)
    wanted = float(np.quantile(values, share, method="inverted_cdf"))
    assert statistics.quantile(share) == pytest.approx(wanted, rel=0.01, abs=1e-40)
    assert statistics.minimum <= statistics.quantile(share) <= statistics.maximum


def test_the_whole_range_is_minmax() -> None:
    statistics = Statistics()
    statistics.add(outliers())
    assert statistics.range("minmax", 99.0) == (statistics.minimum, statistics.maximum)
    assert statistics.range("percentile", 100.0) == (statistics.minimum, statistics.maximum)


def test_percentiles_of_weights_are_exact() -> None:
    values = outliers()
    form = Weights(range=RangeMethod(method="percentile", percent=99.9))
    low, high = weight_range(values, form)
    assert low == pytest.approx(np.quantile(values.astype(np.float64), 0.001), rel=1e-9)
    assert high == pytest.approx(np.quantile(values.astype(np.float64), 0.999), rel=1e-9)
    assert weight_range(values, Weights()) == (values.min(), values.max())


@pytest.mark.parametrize("method", ["mean_square", "kl", "fitted"])
def test_ranges_that_are_searched_make_the_plan(method: str) -> None:
    data = outliers()
    network = vector_network()
    chosen = RangeMethod.model_validate({"method": method})
    form = {"bits": 4, "range": chosen.model_dump()}
    target = target_with(activations={"symmetric": False, **form}, weights=form)
    settings_of = target.settings("input", "x")
    seen = collect(network, [[data]])
    plan = decide(network, seen, target)
    found = plan.tensors["x"]
    assert (found.minimum, found.maximum) == activation_range(seen.tensors["x"], settings_of.activations)
    assert found.minimum is not None
    assert found.maximum is not None
    assert data.min() <= found.minimum < 0 < found.maximum <= data.max()
    assert found.maximum - found.minimum < 0.98 * (data.max() - data.min())
    assert found.scale == (found.maximum - found.minimum) / 15
    kernel = next(one.kernel for one in network.operations if isinstance(one, Dense))
    ranges = weight_ranges(kernel.T, settings_of.weights)
    assert next(iter(plan.weights.values())).scale == tuple(max(-low, high) / 7 for low, high in ranges)


# Profiles


@pytest.mark.parametrize("cut", [1, 7, 500, 999])
def test_statistics_of_parts_merge_to_those_of_the_whole(cut: int) -> None:
    values = outliers(1000)
    whole, first, second = Statistics(), Statistics(), Statistics()
    whole.add(values)
    first.add(values[:cut])
    second.add(values[cut:])
    for one, other in ((first, second), (second, first)):
        merged = Statistics(one.count, one.minimum, one.maximum, one.bins.copy())
        merged.merge(other)
        assert (merged.count, merged.minimum, merged.maximum) == (whole.count, whole.minimum, whole.maximum)
        np.testing.assert_array_equal(merged.bins, whole.bins)


def test_profiles_of_parts_merge_to_that_of_the_whole() -> None:
    # whole numbers, so that the float run is exact however it is cut
    network = Network(
        name="whole",
        operations=(
            Input(name="x", shape=(6,)),
            Dense(
                name="fc",
                inputs=("x",),
                kernel=np.rint(reals(6, 3) * 5).astype(np.float32),
                bias=np.ones(3, np.float32),
            ),
        ),
        outputs=("fc",),
    )
    data = np.rint(reals(50, 6, seed=2) * 10).astype(np.float32)
    whole = collect(network, [[data]])
    for parts in ([data[:20], data[20:]], [data[at : at + 1] for at in range(50)]):
        found = collect(network, [[parts[0]]])
        for part in parts[1:]:
            found.merge(collect(network, [[part]]))
        streamed = collect(network, [[part] for part in parts])
        for name, statistics in whole.tensors.items():
            for one in (found.tensors[name], streamed.tensors[name]):
                assert (one.count, one.minimum, one.maximum) == (
                    statistics.count,
                    statistics.minimum,
                    statistics.maximum,
                )
                np.testing.assert_array_equal(one.bins, statistics.bins)
        assert decide(network, found, target_with()) == decide(network, whole, target_with())


def test_a_float_run_that_leaves_float32_is_refused() -> None:
    kernel = np.full((6, 3), 1e38, np.float32)
    fc = Dense(name="fc", inputs=("x",), kernel=kernel, bias=np.zeros(3, np.float32))
    network = Network(name="big", operations=(Input(name="x", shape=(6,)), fc), outputs=("fc",))
    data = np.abs(reals(4, 6)) * 100
    message = "^fc: the float run gives infinity or NaN; the data or the weights are too large$"
    with pytest.raises(DataError, match=message):
        hwsim.run(network, "generic-int8", data)
    with pytest.raises(DataError, match=message):
        hwsim.run(network, "generic-int8", data, calibration=data * np.float32(1e-6))


# Scales: docs/arithmetic.md section 3


def scale_of(low: float, high: float, *, symmetric: bool = False, two: bool = False, **form: Any) -> tuple[float, int]:
    """Return the scale and the zero point of a range."""
    return choose_scale(low, high, IntFormat(**form), symmetric=symmetric, power_of_two=two)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        # symmetric: the larger side reaches the largest code, the zero point is 0
        ((2.0, 0), scale_of(-254, 127, bits=8, symmetric=True)),
        ((2.0, 0), scale_of(-100, 254, bits=8, symmetric=True)),
        ((2.0, 0), scale_of(-254, 127, bits=8, narrow=True, symmetric=True)),
        ((254.0, 0), scale_of(-254, 127, bits=2, symmetric=True)),
        ((3.0, 0), scale_of(-100, 765, bits=8, signed=False, symmetric=True)),
        ((254.0, 0), scale_of(-254, 127, bits=1, symmetric=True)),
        ((127.0, 0), scale_of(-254, 127, bits=1, signed=False, symmetric=True)),
        # asymmetric: the range fills the format
        ((1.0, 0), scale_of(-128, 127, bits=8)),
        ((1.0, -128), scale_of(0, 255, bits=8)),
        ((1.0, 127), scale_of(-255, 0, bits=8)),
        ((1.0, -127), scale_of(0, 254, bits=8, narrow=True)),
        ((1.0, 55), scale_of(-55, 200, bits=8, signed=False)),
        ((2.0, 0), scale_of(-255, 255, bits=8)),  # -128 + 127.5 is a tie, and goes to even
        ((2.0, -1), scale_of(-253.99, 256.01, bits=8)),
        ((1.0, -1), scale_of(0, 1, bits=1)),
        ((1.0, 0), scale_of(-1, 0, bits=1)),
        ((1.0, 0), scale_of(0, 1, bits=1, signed=False)),
        # the range always holds 0
        ((1.0, -128), scale_of(100, 255, bits=8)),
        ((1.0, 127), scale_of(-255, -100, bits=8)),
        ((1.0, 0), scale_of(100, 127, bits=8, symmetric=True)),
        # powers of two, rounded up before the zero point is derived
        ((2.0, 0), scale_of(-254, 127, bits=8, symmetric=True, two=True)),
        ((4.0, 0), scale_of(-254.001, 127, bits=8, symmetric=True, two=True)),
        ((0.5, 0), scale_of(0, 33, bits=8, symmetric=True, two=True)),
        ((2.0, -128), scale_of(0, 300, bits=8, two=True)),
        ((2.0, -78), scale_of(-100, 300, bits=8, two=True)),
        # a range of nothing
        ((1.0, 0), scale_of(0, 0, bits=8, symmetric=True)),
        ((1.0, -128), scale_of(0, 0, bits=8)),
        ((1.0, 0), scale_of(0, 5, bits=1, symmetric=True)),
        ((1.0, 0), scale_of(-5, 0, bits=8, signed=False, symmetric=True)),
        ((1.0, 0), scale_of(0, 1e-44, bits=8, symmetric=True, two=True)),
    ],
)
def test_scales(wanted: tuple[float, int], found: tuple[float, int]) -> None:
    assert found == wanted


@settings(max_examples=300, deadline=None)
@given(
    st.floats(-1e6, 1e6, width=32),
    st.floats(-1e6, 1e6, width=32),
    st.integers(2, 16),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_every_scale_covers_its_range(  # noqa: FBT001
    one: float, two: float, bits: int, signed: bool, symmetric: bool, power: bool
) -> None:
    low, high = sorted((one, two))
    form = IntFormat(bits=bits, signed=signed)
    scale, zero_point = choose_scale(low, high, form, symmetric=symmetric, power_of_two=power)
    assert scale > 0
    assert form.holds(zero_point, zero_point)
    assert not (symmetric and zero_point)
    assert not (power and math.frexp(scale)[0] != 0.5)
    if symmetric and not signed:
        low = max(low, 0.0)
    # a code below or above the ends by less than one step
    assert form.minimum - 1 <= low / scale + zero_point
    assert high / scale + zero_point <= form.maximum + 1
    widest = form.maximum if symmetric else form.maximum - form.minimum
    span = max(-low, high, 0) if symmetric else max(high, 0) - min(low, 0)
    if span / widest >= 2.0**-126:
        assert span / widest * (1 - 1e-12) <= scale <= span / widest * (2 if power else 1 + 1e-12)


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-30, 1e30))
def test_the_next_power_of_two(scale: float) -> None:
    power = Fraction(power_of_two_above(scale))
    assert power / 2 < Fraction(scale) <= power


@pytest.mark.parametrize("granularity", ["layer", "output_channel"])
def test_weights_have_one_scale_or_one_for_each_channel(granularity: str) -> None:
    network = image_network()
    target = target_with(weights={"granularity": granularity, "symmetric": False, "bits": 6})
    plan = decide(network, collect(network, [[DATA]]), target)
    for name, channels in (("stem", 4), ("depthwise", 4), ("logits", 5)):
        entry, kernel = plan.weights[name], getattr(network.by_name[name], "kernel")  # noqa: B009
        parts = kernel.reshape(-1, channels).T if granularity == "output_channel" else [kernel]
        assert len(entry.scale) == len(entry.zero_point) == len(parts)
        for scale, zero_point, values in zip(entry.scale, entry.zero_point, parts, strict=True):
            wanted = choose_scale(
                float(values.min()), float(values.max()), IntFormat(bits=6), symmetric=False, power_of_two=False
            )
            assert (scale, zero_point) == wanted


def test_layers_without_arithmetic_keep_their_inputs_scale() -> None:
    plan = hwsim.run(image_network(), "generic-int8", DATA).plan
    assert plan.tensors["flat"] == plan.tensors["mean"] == plan.tensors["largest"] == plan.tensors["join"]


def test_settings_of_single_layers_reach_the_plan() -> None:
    target = target_with(
        layers={"st?m": {"weights": {"bits": 4}, "activations": {"bits": 6}}},
        operations={"dense": {"weights": {"bits": 3}}},
    )
    plan = hwsim.run(image_network(), target, DATA).plan
    assert {name: entry.bits for name, entry in plan.weights.items()} == {"stem": 4, "depthwise": 8, "logits": 3}
    assert (plan.tensors["stem"].bits, plan.tensors["depthwise"].bits) == (6, 8)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    entry = '{"bits": 8, "signed": true, "scale": 0.5}'
    path.write_text(
        f'{{"network": "n", "target": "t", "tensors": {{"a": {entry}, "a": {entry}}}, "weights": {{}}}}',
        encoding="utf-8",
    )
    with pytest.raises(PlanError, match='plan.json: the key "a" stands twice in one place'):
        Plan.load(path)


def test_a_fixed_ratio_that_misses_the_binary_point_is_refused() -> None:
    point = {"symmetric": True, "fraction_bits": 4}
    target = target_with(
        weights={"granularity": "layer", "fraction_bits": 7}, activations=point, requantize={"kind": "none"}
    )
    with pytest.raises(PlanError, match=r"^fc: as nothing goes by the ratio of scales, its sums have units of"):
        hwsim.run(vector_network(), target, reals(4, 6, seed=1))
    product = {"bits": 16, "shift": 7}
    fitting = target_with(
        weights={"granularity": "layer", "fraction_bits": 7},
        activations=point,
        mac={"product": product},
        requantize={"kind": "none"},
    )
    plan = hwsim.run(vector_network(), fitting, reals(4, 6, seed=1)).plan
    assert {entry.scale for entry in plan.tensors.values()} == {2.0**-4}


@pytest.mark.parametrize("part", ["tensors", "weights"])
def test_scales_of_a_file_that_no_plan_can_hold_are_refused_by_name(part: str) -> None:
    codes = Codes(format=IntFormat(bits=16, signed=True), scale=(0.5, 3.5e-43), zero_point=(0, 0))
    network = replace(vector_network(), stored=Stored(**{part: {"dead": codes}}))
    words = r"dead: the file gives it the scale 3\.5e-43, a scale is from 1\.2e-38 to 1\.4e\+39"
    with pytest.raises(PlanError, match=words):
        stored_plan(network, hwsim.load_target("tflite-int16x8"))
