"""Two runs of the shipped network, the fault being a change of the target's YAML."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from pipeline.tiny import DIGITS, digits

import hwsim

TARGETS = Path(hwsim.__file__).parent.parent / "targets"
IMAGES = digits()[0][:24]


@cache
def base(name: str) -> hwsim.Result:
    return hwsim.run(DIGITS, name, IMAGES, tensors=True, reference=False)


def changed(name: str, layers: str, folder: Path) -> hwsim.Result:
    """Run with other settings of a layer and with the plan of the target as it is shipped."""
    path = folder / "other.yaml"
    path.write_text((TARGETS / f"{name}.yaml").read_text() + f"layers: {{{layers}}}\n")
    return hwsim.run(DIGITS, path, IMAGES, plan=base(name).plan, tensors=True, reference=False)


def stage(bits: int, overflow: str) -> str:
    stages = f"[{{name: accumulator, bits: {bits}, overflow: {overflow}, check: each}}]"
    return f"{{mac: {{stages: {stages}}}, bias: {{bits: {bits}}}}}"


def fixed(rounding: str) -> str:
    return f"{{requantize: {{kind: fixed, multiplier_bits: 32, rounding: {rounding}}}}}"


def power_of_two(rounding: str) -> str:
    return f"{{requantize: {{kind: power_of_two, rounding: {rounding}}}}}"


FAULTS = [
    ("generic-int8", "block1_pointwise", fixed("floor"), "rounding", "of 'requantize' is floor, not half_up"),
    ("generic-int8", "block1_add", fixed("floor"), "rounding", "every rounding is floor"),
    ("generic-int8", "block2_conv", stage(16, "saturate"), "accumulator", "is s16 saturate, not s32 wrap"),
    ("generic-int8", "stem", stage(15, "wrap"), "accumulator", "is s15 wrap, not s32 wrap"),
    ("generic-int8", "average_pool", "{pooling: {rounding: ceil}}", "rounding", "of 'division' is ceil"),
    ("generic-int8", "block3_conv", "{output: {overflow: saturate_zero}}", "overflow", "s8 saturate_zero, not s8 sat"),
    ("pow2-int8", "block1_pointwise", power_of_two("half_even"), "rounding", "half_even"),
    ("pow2-int8", "block2_conv", power_of_two("half_odd"), "rounding", "half_odd"),
]


@pytest.mark.parametrize(("target", "layer", "settings", "kind", "said"), FAULTS)
def test_the_layer_and_the_cause_are_named(
    target: str, layer: str, settings: str, kind: str, said: str, tmp_path: Path
) -> None:
    result = hwsim.diff(base(target), changed(target, f"{layer}: {settings}", tmp_path))
    assert result.first is not None
    assert result.first.name == layer
    assert result.causes[0].kind == kind
    assert result.causes[0].whole
    assert said in result.causes[0].says


def test_another_zero_point_in_the_plan() -> None:
    plan = base("generic-int8").plan
    entry = plan.tensors["logits"]
    other = plan.model_copy(
        update={
            "tensors": dict(plan.tensors) | {"logits": entry.model_copy(update={"zero_point": entry.zero_point - 2})}
        }
    )
    b = hwsim.run(DIGITS, "generic-int8", IMAGES, plan=other, tensors=True, reference=False)
    for sides in ((base("generic-int8"), b), (base("generic-int8").tensors, b.tensors)):
        result = hwsim.diff(*sides)
        assert result.first is not None
        assert result.first.name == "logits"
        assert result.causes[0].kind == "zero_point"
        assert result.causes[0].whole
        assert "by -2" in result.causes[0].says


def test_run_writes_the_same_tensors_as_program_run(tmp_path: Path) -> None:
    result = base("generic-int8")
    again = result.program.run(IMAGES, batch_size=5, tensors=True)
    measured = hwsim.run(DIGITS, "generic-int8", IMAGES, plan=result.plan, tensors=True, batch_size=7)
    assert hwsim.diff(result, again).equal
    assert hwsim.diff(measured, again).equal
    assert list(measured.tensors) == list(again.tensors) == list(result.tensors)
    assert result.tensors["logits"].shape == (24, 10)
    assert hwsim.run(DIGITS, "generic-int8", IMAGES, plan=result.plan, reference=False).tensors == {}
