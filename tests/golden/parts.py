"""What setups of machines are made of: scales, biases, and keys of targets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from golden import machines
from golden.case import tensor, weight
from golden.machines import Json, machine

from hwsim.quantize.plan import TensorPlan, WeightPlan

Plans = tuple[TensorPlan, WeightPlan, TensorPlan]


def bias_of(magnitude: int) -> Callable[[np.random.Generator], int]:
    """Return what draws biases: none, some of any magnitude, or the largest."""

    def one(generator: np.random.Generator) -> int:
        limit, reach = 1 << (magnitude - 1), 1 << int(generator.integers(0, magnitude))
        choices = [0, int(generator.integers(0, reach)), -int(generator.integers(0, reach)), limit - 1, -limit]
        return int(generator.choice(choices))

    return one


ONE = weight()

SCALES = (0.02, 0.75, 41.0, 2.0**-45)
"""Of weights: a multiplier with a shift to the right, one without, one with a shift to the left, and one that is 0."""


def ratio_of(plans: Plans, channel: int) -> float:
    """Return the real ratio of a channel, in float64."""
    source, weights, output = plans
    return (source.scale * weights.scale[channel if len(weights.scale) > 1 else 0]) / output.scale


def channels(*scales: float) -> WeightPlan:
    """Return the plan of narrow weights with a scale per channel."""
    return WeightPlan(bits=8, signed=True, narrow=True, scale=scales, zero_point=(0,) * len(scales))


TFLITE_PLANS = (tensor(scale=0.05, zero_point=-7), channels(*SCALES), tensor(scale=0.1, zero_point=11))

HALVES_PLANS = (tensor(16, scale=2.0**-12), channels(1.37e-4, 0.01, 0.5, 0.25), tensor(16, scale=2.0**-3))

WIDE_PLANS = (tensor(16, scale=2.0**-12), channels(1.37e-4, 0.01, 3.0, 0.5), tensor(16, scale=1e-4))

GEMMINI_PLANS = (tensor(), ONE, tensor(scale=5000.1))

VPMADDUBSW_PLANS = (
    tensor(signed=False, zero_point=117),
    ONE,
    tensor(signed=False, scale=300.7, zero_point=90),
)

ONNX_PLANS = (
    tensor(signed=False, scale=0.5, zero_point=128),
    channels(2.0**-4, 0.0387, 0.01, 0.002),
    tensor(signed=False, scale=16.0, zero_point=90),
)

ETHOS_PLANS = (tensor(scale=0.05, zero_point=-7), channels(0.02, 0.75, 41.0, 2.0**-45), TFLITE_PLANS[2])

NE16_PLANS = (tensor(signed=False), ONE, tensor(signed=False, scale=2.0**11 / 113))

THRESHOLD_PLANS = (tensor(4, scale=0.25), channels(1.0, 0.3, 0.07, 0.0123), tensor(4, scale=2.0))

TERNARY_PLANS = (tensor(zero_point=-5), channels(1.0, 0.37, 0.11, 0.02), tensor(scale=4.0, zero_point=3))

BINARY_PLANS = (
    TERNARY_PLANS[0],
    WeightPlan(bits=1, signed=True, scale=(1.0, 0.37, 0.11, 0.02), zero_point=(0,) * 4, levels=(-1, 1)),
    TERNARY_PLANS[2],
)

IMC_PLANS = (tensor(4, scale=1.0), channels(1.0, 0.37, 0.11, 0.02), tensor(4, scale=64.0))


def dpu_plans(bias_scale: float) -> Plans:
    """Return scales that shift sums by 10 bits, and that of biases."""
    weights = weight(scale=2.0**-6).model_copy(update={"bias_scale": bias_scale})
    return tensor(scale=2.0**-5), weights, tensor(scale=2.0**-1)


DPU_PLANS = dpu_plans(2.0**-7)

NVDLA_SCALE = (19661, 16)
"""A multiplier and a shift: 19661 / 2^16, behind a truncation by 4 bits."""


def nvdla_plans(truncate: int, scale: tuple[int, int]) -> Plans:
    """Return scales that make a multiplier and a shift behind a truncation."""
    return tensor(), ONE, tensor(scale=2.0 ** (truncate + scale[1]) / scale[0])


def truncating(truncate: int, **other: object) -> Json:
    """Return NVDLA's steps with another truncation."""
    first, *rest = machine(machines.NVDLA).model_dump(mode="json", exclude_unset=True)["requantize"]["steps"]
    return {"requantize": {"steps": [{**first, "by": truncate, **other}, *rest]}}


def bias_behind(word: str) -> Json:
    """Return NVDLA's steps with the bias behind another step, or with none."""
    listed = machine(machines.NVDLA).model_dump(mode="json", exclude_unset=True)["requantize"]["steps"]
    rest = [one for one in listed if one["step"] != "bias"]
    at = 1 + next(number for number, one in enumerate(rest) if one["step"] == word) if word else len(rest)
    return {"requantize": {"steps": [*rest[:at], *([{"step": "bias"}] if word else []), *rest[at:]]}}


def nvdla_stages(
    bits: int, overflow: str = "saturate", terms: int = 8, within: str | None = "input_channel", dot: int = 19
) -> Json:
    """Return NVDLA's stages with another accumulator."""
    atomic = {"name": "atomic", "terms": terms, "within": within, "bits": dot, "overflow": "error", "check": "last"}
    return {"stages": [atomic, {"name": "accumulator", "bits": bits, "overflow": overflow}]}


def tensil_stages(**array: object) -> Json:
    """Return Tensil's stages with another array."""
    first, last = machine(machines.TENSIL).model_dump(mode="json", exclude_unset=True)["mac"]["stages"]
    return {"mac": {"stages": [{**first, **array}, last]}}


def stages(**last: object) -> Json:
    """Return a section of one stage."""
    return {"mac": {"stages": [{"name": "accumulator", **last}]}}


def two_stages(name: str, terms: int, bits: int, **other: object) -> Json:
    """Return a section of a stage in front of an accumulator of 32 bits that wraps."""
    return {"mac": {"stages": [{"name": name, "terms": terms, "bits": bits, **other}, {"name": "accumulator"}]}}


def steps(*listed: Json) -> Json:
    """Return a section of steps."""
    return {"requantize": {"kind": "steps", "steps": list(listed)}}


def step(word: str, **keys: object) -> Json:
    """Return a step."""
    return {"step": word, **keys}


def of_convolutions(*listed: Json) -> Json:
    """Return steps for convolutions alone."""
    return {"operations": {"conv2d": steps(*listed)}}


HIGH_MULTIPLY = step("shift_right", by=31, rounding="half_up", name="high_multiply")

FIT_32 = step("fit", bits=32, overflow="wrap", name="multiplied")

FIT_16 = step("fit", bits=16, overflow="wrap", name="narrowed")


def ne16_steps(number: int, **keys: object) -> Json:
    """Return NE16's steps with something else in one of them."""
    listed = machine(machines.NE16).model_dump(mode="json", exclude_unset=True)["requantize"]["steps"]
    return {"requantize": {"steps": [{**one, **(keys if at == number else {})} for at, one in enumerate(listed)]}}


def thresholds(**keys: object) -> Json:
    """Return other thresholds."""
    return steps(
        step("multiply", bits=32),
        step("shift_right", rounding="floor"),
        step("thresholds", shift=8, **keys),
    )


def converter(**keys: object) -> Json:
    """Return the tile's stages with another converter."""
    first, last = machine(machines.IMC).model_dump(mode="json", exclude_unset=True)["mac"]["stages"]
    return {"mac": {"stages": [{**first, **keys}, last]}}
