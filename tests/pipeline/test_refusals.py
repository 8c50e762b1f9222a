"""What a run refuses: each mistake with one sentence that says where it is and what is wrong."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from pipeline.tiny import (
    DIGITS,
    Json,
    dense,
    image_network,
    keras_model,
    narrow_target,
    reals,
    rows_of,
    target_with,
    vector_network,
)

import hwsim
from hwsim.errors import (
    DatapathOverflow,
    HwsimError,
    ModelError,
    PlanError,
    ProgramError,
    TargetError,
    UnsupportedError,
    WidthError,
)
from hwsim.network import Concatenate, Conv2D, Input, Network
from hwsim.quantize.plan import TensorPlan

VECTORS = reals(9, 6, seed=1)
IMAGES = reals(9, 6, 6, 3, seed=2)


# Beyond the simulator's own 125 bits


def stage(bits: int, **keys: Any) -> Json:
    """Return a datapath with one stage."""
    return {"stages": [{"name": "accumulator", "bits": bits, **keys}]}


def test_a_ratio_is_too_wide() -> None:
    plan = hwsim.run(vector_network(), "generic-int8", VECTORS).plan
    fields = json.loads(plan.to_json())
    fields["tensors"]["fc"]["scale"] = 2e-38
    with pytest.raises(WidthError, match=r"^fc: the product before requantize needs \d+ bits, the simulator has 125$"):
        hwsim.run(vector_network(), "generic-int8", VECTORS, plan=hwsim.Plan.model_validate_json(json.dumps(fields)))


def test_a_ratio_is_infinite_in_float32() -> None:
    steps = [{"step": "multiply_float", "precision": 32, "rounding": "half_even"}]
    target, network = target_with(requantize={"kind": "steps", "steps": steps}), image_network()
    plan = with_scale(plan_for(target), "stem", 2.0**-126)
    coarse = with_scale(plan, "image", 2.0**126)
    with pytest.raises(
        PlanError, match=r"^stem: the ratio of its scales is [0-9.]+e\+\d+, which is infinite in float32$"
    ):
        hwsim.lower(network, coarse, target)


def test_a_ratio_that_multipliers_make_0_is_refused_where_sums_would_show_it() -> None:
    plan = hwsim.run(vector_network(), "generic-int8", VECTORS).plan
    fields = json.loads(plan.to_json())
    fields["tensors"]["fc"]["scale"] = 1e30
    still = hwsim.run(
        vector_network(), "generic-int8", VECTORS, plan=hwsim.Plan.model_validate_json(json.dumps(fields))
    )
    assert not np.any(still.codes - still.plan.tensors["fc"].zero_point)
    target = target_with(requantize={"kind": "steps", "steps": AFTER_A_SHIFT})
    with pytest.raises(
        PlanError, match=r"^fc: channel 0 is to be multiplied by [\d.e+-]+, which the target's multipliers"
    ):
        hwsim.run(vector_network(), target, VECTORS)


AFTER_A_SHIFT: list[Json] = [
    {"step": "multiply", "by": 0xFFFFFFFF},
    {"step": "multiply", "by": 0xFFFFFFFF},
    {"step": "multiply"},
    {"step": "shift_right"},
]
"""A list that leaves less than 2**-62 to its multiplier."""


def test_a_correction_in_other_units_is_refused() -> None:
    target = target_with(
        activations={"symmetric": True},
        mac={"input_zero_point": "corrected", "stages": [{"name": "accumulator", "shift": 4}]},
        operations={"input": {"activations": {"symmetric": False}}},
    )
    with pytest.raises(PlanError, match=r"^fc: its input 'x/codes' has the zero point -?\d+, which the target"):
        hwsim.run(vector_network(), target, np.abs(VECTORS))


def test_an_accumulator_is_too_wide() -> None:
    target = target_with(mac=stage(64, shift=62, signed=False), bias={"bits": 64, "position": "last"})
    with pytest.raises(WidthError, match=r"^fc: stage 'accumulator' needs 127 bits, the simulator has 125$"):
        hwsim.run(vector_network(), target, VECTORS)


@pytest.mark.parametrize("bits", [33, 48, 63, 64])
def test_wide_accumulators_are_fine_where_they_are_proved_to_stay_empty(bits: int) -> None:
    wide = hwsim.run(image_network(), target_with(mac=stage(bits, overflow="saturate")), IMAGES)
    plain = hwsim.run(image_network(), target_with(mac=stage(32)), IMAGES)
    np.testing.assert_array_equal(wide.codes, plain.codes)


# Overflow mode `error`


def test_an_overflow_of_mode_error_names_its_place() -> None:
    target = narrow_target(13, "error")
    with pytest.raises(DatapathOverflow) as caught:
        hwsim.run(image_network(), target, IMAGES)
    saturating = hwsim.run(image_network(), narrow_target(13), IMAGES, plan=plan_for(target))
    row = rows_of(saturating.ledger)["stem", "accumulator"]
    assert row.first is not None
    assert row.seen is not None
    assert str(caught.value) == (
        f"stem: accumulator left s13 (-4096 to 4095) first at {row.first}; "
        f"values seen there reach from {row.seen[0]} to {row.seen[1]}, {row.bits_needed} bits"
    )


def plan_for(target: hwsim.Target) -> hwsim.Plan:
    """Return the plan of the images' network."""
    network = image_network()
    return hwsim.decide(network, hwsim.profile(network, IMAGES), target)


@pytest.mark.parametrize(
    ("sections", "layer", "point", "form"),
    [
        ({"mac": {"product": {"bits": 10, "overflow": "error"}}}, "stem", "product", "s10 (-512 to 511)"),
        (
            {"mac": {"stages": [{"name": "lane", "bits": 12, "terms": 2, "overflow": "error"}, {"name": "outer"}]}},
            "stem",
            "lane",
            "s12 (-2048 to 2047)",
        ),
        (
            {
                "output": {"overflow": "error"},
                "activations": {"symmetric": False, "range": {"method": "percentile", "percent": 90}},
            },
            "stem",
            "output",
            "s8 (-128 to 127)",
        ),
        (
            {"addition": {"accumulator": {"bits": 12, "overflow": "error"}}},
            "join",
            "accumulator",
            "s12 (-2048 to 2047)",
        ),
        ({"pooling": {"accumulator": {"bits": 8, "overflow": "error"}}}, "mean", "accumulator", "s8 (-128 to 127)"),
    ],
    ids=["product", "stage", "output", "addition", "pooling"],
)
def test_every_point_can_stop_a_run(sections: Json, layer: str, point: str, form: str) -> None:
    place = r"first at sample \d+, position \d+, channel \d+, step \d+"
    values = r"values seen there reach from -?\d+ to -?\d+, \d+ bits"
    form = form.replace("(", r"\(").replace(")", r"\)")
    choices: list[dict[str, Any]] = [{}, {"reference": False}, {"batch_size": 2}]
    for options in choices:
        with pytest.raises(DatapathOverflow, match=f"^{layer}: {point} left {form} {place}; {values}$"):
            hwsim.run(image_network(), target_with(**sections), IMAGES, **options)


def test_a_bias_can_stop_a_run() -> None:
    target = target_with(bias={"bits": 6, "overflow": "error"})
    with pytest.raises(
        DatapathOverflow, match=r"^stem: bias left s6 \(-32 to 31\) first in channel \d, where it is -?\d+$"
    ):
        hwsim.run(image_network(), target, IMAGES)


def test_a_program_stops_too() -> None:
    target, network = narrow_target(13, "error"), image_network()
    program = hwsim.lower(network, plan_for(target), target)
    with pytest.raises(DatapathOverflow, match="^stem: accumulator left s13"):
        program.run(IMAGES)
    assert program.run(IMAGES * np.float32(1e-3)).samples == 9


def test_mode_error_is_silent_where_all_is_well() -> None:
    result = hwsim.run(image_network(), target_with(mac=stage(32, overflow="error")), IMAGES)
    plain = hwsim.run(image_network(), target_with(mac=stage(32)), IMAGES)
    np.testing.assert_array_equal(result.codes, plain.codes)


# Requantisation that the plan must allow

UNSCALED: Json = {
    "requantize": {"kind": "none"},
    "activations": {"symmetric": True, "bits": 16},
    "weights": {"granularity": "layer"},
}


def with_scale(plan: hwsim.Plan, name: str, scale: float) -> hwsim.Plan:
    """Return a plan with another scale of one tensor."""
    return plan.model_copy(
        update={"tensors": {**plan.tensors, name: plan.tensors[name].model_copy(update={"scale": scale})}}
    )


def test_without_requantisation_the_output_is_the_accumulator() -> None:
    target = target_with(**UNSCALED)
    result = hwsim.run(vector_network(), target, VECTORS, trace=("fc",))
    assert result.plan.tensors["fc"].scale == result.plan.tensors["x"].scale * result.plan.weights["fc"].scale[0]
    np.testing.assert_array_equal(result.codes, np.clip(result.trace["fc"]["accumulator"], -(1 << 15), (1 << 15) - 1))
    with pytest.raises(
        PlanError, match="^fc: the target does not requantise by the ratio of scales, so the plan must give the "
    ):
        hwsim.run(vector_network(), target, VECTORS, plan=with_scale(result.plan, "fc", 0.3))


def test_without_requantisation_branches_need_one_scale() -> None:
    with pytest.raises(PlanError, match=r"^join: the target does not requantise, so inputs and output need one scale"):
        hwsim.run(image_network(), target_with(**UNSCALED), IMAGES)


def test_shifts_need_powers_of_two() -> None:
    result = hwsim.run(vector_network(), "pow2-int8", VECTORS)
    message = r"^fc: the plan asks for a ratio of 0\.\d+, the target shifts by powers of two$"
    for scale in (0.3, result.plan.tensors["fc"].scale * 3):
        with pytest.raises(PlanError, match=message):
            hwsim.run(vector_network(), "pow2-int8", VECTORS, plan=with_scale(result.plan, "fc", scale))
    doubled = with_scale(result.plan, "fc", result.plan.tensors["fc"].scale * 2)
    assert hwsim.run(vector_network(), "pow2-int8", VECTORS, plan=doubled).plan == doubled


def test_the_plan_of_another_target_is_refused_where_it_does_not_fit() -> None:
    plan = hwsim.run(vector_network(), "generic-int8", VECTORS).plan
    with pytest.raises(PlanError, match="^fc: the plan asks for a ratio of "):
        hwsim.run(vector_network(), "pow2-int8", VECTORS, plan=plan)


# Options


@pytest.mark.parametrize(
    ("sizes", "allowed"), [((4, 2), 1), ((3, 5), 1), ((1, 1), 1), ((4, 3), 0), ((3, 1), 0), ((1, 2), 0)]
)
def test_vectors_take_the_inputs_of_a_concatenation_apart_alike(sizes: tuple[int, int], allowed: int) -> None:
    shift = {"step": "shift_right", "vector": 2, "rounding": "floor", "tail_rounding": "ceil"}
    target = target_with(requantize={"kind": "steps", "steps": [{"step": "multiply"}, shift]})
    sources = [Input(name=f"x{number}", shape=(size,)) for number, size in enumerate(sizes)]
    join = Concatenate(name="y", inputs=("x0", "x1"), axis=0)
    network = Network(name="joined", operations=(*sources, join), outputs=("y",))
    tensors = {
        name: TensorPlan(bits=8, signed=True, scale=scale)
        for name, scale in zip(network.by_name, (0.1, 0.2, 0.3), strict=True)
    }
    plan = hwsim.Plan(network="joined", target=target.name, tensors=tensors, weights={})
    if allowed:
        assert hwsim.lower(network, plan, target).operations
        return
    message = rf"^y: joins inputs of {sizes[0]}, {sizes[1]} channels, which the vector of a shift_right takes apart in"
    with pytest.raises(PlanError, match=message):
        hwsim.lower(network, plan, target)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_sizes_below_one(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"^batch_size must be at least 1 sample, not {batch_size}$"):
        hwsim.run(vector_network(), "generic-int8", VECTORS, batch_size=batch_size)


def test_unknown_layers_in_a_trace() -> None:
    with pytest.raises(ProgramError) as caught:
        hwsim.run(image_network(), "generic-int8", IMAGES, trace=("stem", "depthwse", "elsewhere"))
    assert str(caught.value) == (
        "cannot trace ['depthwse', 'elsewhere']: the program has no such layers; did you mean 'depthwise'?"
    )
    with pytest.raises(ProgramError, match=r"^cannot trace \['zzz'\]: the program has no such layers$"):
        hwsim.run(image_network(), "generic-int8", IMAGES, trace=["zzz"])


def test_one_layer_may_be_traced_by_its_bare_name() -> None:
    assert hwsim.run(vector_network(), "generic-int8", VECTORS, trace="fc").trace.keys() == {"fc"}


# Targets


def test_no_such_target() -> None:
    with pytest.raises(TargetError, match=r"^no target named 'generic-int9'; did you mean 'generic-int8'\? Shipped: "):
        hwsim.run(vector_network(), "generic-int9", VECTORS)
    with pytest.raises(TargetError, match="^nowhere.yaml: no such file$"):
        hwsim.run(vector_network(), "nowhere.yaml", VECTORS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: t\nmac:\n\tstages: []\n", ":3: a tab, but only spaces may stand here; replace it"),
        ("name: t\nbias: {bits: 8}\nbias: {bits: 9}\n", ":3: "),
        ("name: t\nweigths: {bits: 8}\n", ":2: weigths: no such key; did you mean weights?"),
        ("name: t\nweights: {bits: wide}\n", ":2: weights.bits: 'wide' is text, but must be a whole number"),
        ("name: t\nweights: [8]\n", ":2: weights: "),
        (
            "name: t\nmac:\n  stages:\n    - {name: acc, bits: 0}\n",
            ":4: mac.stages[0].bits: 0 bits, but an accumulator has 1 to 64",
        ),
        (
            "name: t\nmac:\n  stages:\n    - {name: acc, bits: 65}\n",
            ":4: mac.stages[0].bits: 65 bits, but an accumulator has 1 to 64",
        ),
        ("name: t\nrequantize: {rounding: half_upp}\n", ":2: requantize.rounding: 'half_upp', but must be one of "),
        ("", ":1: "),
        ("name: [\n", ": not YAML: "),
        ("weights: {bits: 8}\n", ": name: "),
    ],
    ids=["tab", "duplicate", "unknown", "text", "list", "0 bits", "65 bits", "word", "empty", "cut", "no name"],
)
def test_mistakes_in_a_target_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(TargetError) as caught:
        hwsim.run(vector_network(), path, VECTORS)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{path}:")
    assert message in mistake


def test_all_mistakes_in_a_target_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: t\nweights: {bits: 99}\nbiass: 3\nmac: {stages: [{name: a, bits: 65}]}\n")
    with pytest.raises(TargetError) as caught:
        hwsim.run(vector_network(), path, VECTORS)
    assert [mistake.removeprefix(f"{path}:")[0] for mistake in caught.value.mistakes] == ["2", "3", "4"]


def test_a_target_is_read_before_the_model() -> None:
    with pytest.raises(TargetError):
        hwsim.run("nowhere.keras", "nowhere.yaml", "nowhere.npz")


# Models


def doubled(values: Any) -> Any:
    """Return twice the values."""
    return values * 2


def test_code_in_a_model() -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Lambda(doubled, name="mine"), layers.Dense(3)])
    with pytest.raises(UnsupportedError, match=r"no integer form for these layers:\n  mine \(Lambda: "):
        hwsim.run(model, "generic-int8", VECTORS)


class Doubled(layers.Layer):  # type: ignore[misc]
    """A layer that hwsim does not know."""

    def call(self, values: Any) -> Any:
        """Double the values."""
        return values * 2


def test_a_layer_of_ones_own() -> None:
    model = keras.Sequential([keras.Input((6,)), Doubled(name="twice"), layers.Dense(3, name="fc")])
    with pytest.raises(UnsupportedError, match=r"\n  twice \(Doubled: "):
        hwsim.run(model, "generic-int8", VECTORS)


class Subclassed(keras.Model):  # type: ignore[misc]
    """A model that is a Python program."""

    def __init__(self) -> None:
        super().__init__(name="program")
        self.dense = layers.Dense(3)

    def call(self, values: Any) -> Any:
        """Run a dense layer."""
        return self.dense(values)


def test_a_subclassed_model() -> None:
    model = Subclassed()
    model(VECTORS)
    with pytest.raises(ModelError, match="^program: Subclassed is a subclassed model, a Python program; rebuild it"):
        hwsim.run(model, "generic-int8", VECTORS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(value: float) -> None:
    model = keras_model()
    kernel, bias = model.get_layer("conv").get_weights()
    kernel[0, 0, 0, 1] = value
    model.get_layer("conv").set_weights([kernel, bias])
    with pytest.raises(ModelError, match=r"^conv: "):
        hwsim.run(model, "generic-int8", reals(3, 6, 6, 2))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_cut_model_file(tmp_path: Path, share: float) -> None:
    whole = DIGITS.read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError) as caught:
        hwsim.run(path, "generic-int8")
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 1000


def test_a_model_file_with_damaged_weights(tmp_path: Path) -> None:
    path = tmp_path / "bad.keras"
    with zipfile.ZipFile(DIGITS) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[: len(content) // 2] if name.endswith(".h5") else content)
    with pytest.raises(ModelError, match="Keras cannot read this model") as caught:
        hwsim.run(path, "generic-int8")
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("model", ["nowhere.keras", "nowhere.h5", "model.tflite", 5, None, b"model.keras"])
def test_what_is_no_model(model: Any) -> None:
    with pytest.raises(ModelError):
        hwsim.run(model, "generic-int8")


def test_a_network_that_makes_no_sense() -> None:
    stem = Conv2D(name="stem", inputs=("x",), kernel=reals(3, 3, 3, 4), bias=reals(4))
    with pytest.raises((ValueError, HwsimError)):
        operations = (Input(name="x", shape=(2, 2, 3)), stem, dense("fc", "stem", 4, 2))
        hwsim.run(Network(name="bad", operations=operations, outputs=("fc",)), "generic-int8")
