"""Settings, operations and tensors of small networks for the oracle."""

from __future__ import annotations

import copy
from typing import Any

from oracle.network import Result, run

Json = dict[str, Any]


def fit_section(bits: int = 32, overflow: str = "wrap", signed: bool = True, saturated_bits: int = 0) -> Json:
    return {"bits": bits, "signed": signed, "overflow": overflow, "saturated_bits": saturated_bits}


def requantize(kind: str, rounding: str = "half_up", bits: int = 32, rule: str = "nearest") -> Json:
    return {"kind": kind, "multiplier_bits": bits, "rounding": rounding, "rule": rule, "steps": None}


def listed(*steps: Json) -> Json:
    return {**requantize("steps"), "steps": list(steps)}


def shift_right(by: int | str = "ratio", rounding: str = "half_up", name: str | None = None, guard: Any = None) -> Json:
    return {"step": "shift_right", "by": by, "rounding": rounding, "guard_bits": guard, "name": name}


def times(by: int | str = "ratio", bits: int = 32, rule: str = "nearest") -> Json:
    return {"step": "multiply", "by": by, "bits": bits, "rule": rule}


def to_fit(bits: int, overflow: str = "wrap", name: str | None = None) -> Json:
    return {"step": "fit", **fit_section(bits, overflow), "name": name}


def shift_left(by: int | str = "ratio") -> Json:
    return {"step": "shift_left", "by": by}


def stage(bits: int = 32, overflow: str = "wrap", name: str = "accumulator", **other: Any) -> Json:
    rest = {"terms": None, "check": "each", "shape": "chain", "shift": 0, "rounding": "floor"}
    return {"name": name, **fit_section(bits, overflow), **rest, **other}


AXES = {"h": "kernel_height", "w": "kernel_width", "c": "input_channel", "t": "input_channel_tile"}


def mac(*stages: Json, product: Json | None = None, order: str = "hwc", tile: int | None = None) -> Json:
    return {
        "order": [AXES[one] for one in order],
        "tile": {"input_channel": tile} if tile else None,
        "product": product,
        "stages": list(stages) or [stage()],
    }


SETTINGS: Json = {
    "weights": {"rounding": "half_even"},
    "activations": {"rounding": "half_even"},
    "mac": mac(),
    "bias": {"bits": 32, "position": "first", "rounding": "half_even", "overflow": "saturate"},
    "requantize": requantize("fixed"),
    "multiplication": {"product": None},
    "activation": {"position": "after_requantize", "multiplier_bits": 16, "rounding": "half_up", "slope": "after"},
    "output": {"overflow": "saturate"},
    "pooling": {"accumulator": fit_section(), "rounding": "half_away", "zero_point": "removed"},
    "addition": {"left_shift": 8, "accumulator": fit_section()},
    "softmax": {"run_on": "host"},
    "normalization": {},
    "random": {"bits": 16, "taps": [16, 15, 13, 4], "seed": 1},
}


def tensor(scale: float = 1.0, zero_point: int = 0, bits: int = 8) -> Json:
    return {"bits": bits, "signed": True, "narrow": False, "scale": scale, "zero_point": zero_point}


def network(
    *operations: Json,
    data: list[Any],
    tensors: Json,
    weights: Json | None = None,
    change: dict[str, Json] | None = None,
) -> Result:
    """Run operations, each with the settings above but for what ``change`` says by section."""
    settings = copy.deepcopy(SETTINGS)
    for section, changes in (change or {}).items():
        settings[section].update(changes)
    plan = {"tensors": tensors, "weights": weights or {}}
    each = {operation["name"]: settings for operation in operations}
    return run({"operations": list(operations), "outputs": [operations[-1]["name"]]}, plan, each, data)


def source(name: str, *shape: int) -> Json:
    return {"op": "Input", "name": name, "inputs": [], "shape": list(shape)}


def after(op: str, name: str, *inputs: str, **fields: Any) -> Json:
    return {"op": op, "name": name, "inputs": list(inputs), **fields}


def one_scale(scale: float = 1.0, zero_point: int = 0) -> Json:
    return {**tensor(), "scale": [scale], "zero_point": [zero_point]}
