"""Real machines, said in the schema, against models of them in plain integers: equal codes, bit for bit.

``machines`` holds the targets, ``models`` the models. Values are drawn so that what makes each machine special really
happens; the ledger bears witness, and so do mutants: targets with one thing different give other codes somewhere.
All targets are the shipped files.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from golden import machines, models
from golden.case import codes, dense, program_of, row, sums, tensor, weight
from golden.machines import Json, machine
from golden.models import Groups
from numpy.typing import NDArray

import hwsim
from hwsim.engine import Execution, execute
from hwsim.errors import PlanError
from hwsim.network import AveragePool, Conv2D, Dense, Input, MaxPool, Network, Relu, Reshape, Weighted
from hwsim.network.pooling import Pool
from hwsim.program import lower
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.target import Target
from hwsim.target.target import merge

Ints = NDArray[np.int64]
Plans = tuple[TensorPlan, WeightPlan, TensorPlan]
Model = Callable[[Groups, int, int, bool], int]
"""From an output's operands, its bias code, its channel and whether there is a ReLU, to its code."""

OUTPUTS = 4
"""Output channels."""

SEEDS = range(24)

STRIDES, PADDING = (2, 1), ((1, 1), (0, 1))


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A machine at work: scales that make its shifts and multipliers, and what shall be seen in the ledger.

    ``kinds`` of layers have this arithmetic. ``unit`` is what an LSB of a bias is worth, where that is not the sum's.

    ``bias`` draws the code of one. ``depth``: channels of the convolution's and of the dense layer's input. ``block``:
    channels that the machine takes at a time, 0 for all. ``seen``: points and figures that are not 0 in the end.
    ``mutants``: other targets, which must give other codes. ``target``: keys that differ from the file's.
    """

    text: str
    plans: Plans
    model: Model
    bias: Callable[[np.random.Generator], int]
    seen: Mapping[str, tuple[str, ...]]
    mutants: Mapping[str, Json]
    target: Json | None = None
    depth: tuple[int, int] = (5, 37)
    block: int = 0
    kinds: tuple[str, ...] = ("conv", "dense")
    unit: float | None = None


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A layer, codes for its input (n, h, w, c) less the zero point, and the codes that the model wants."""

    layer: Weighted
    inputs: Ints
    wanted: Ints


# --- values ---------------------------------------------------------------------------------------------


def some_codes(
    generator: np.random.Generator, shape: tuple[int, ...], plan: TensorPlan | WeightPlan, flavour: int
) -> Ints:
    """Return codes: many 0 and powers of two, whose sums are ties (flavour 0), any (1), or mostly extremes (2).

    Extremes come in runs, so that sums go far: of 24 input channels in weights, of a whole sample in inputs.
    """
    repeat = isinstance(plan, WeightPlan)
    low, high = plan.format.minimum, plan.format.maximum
    if flavour == 1:
        return generator.integers(low, high + 1, shape)
    powers: Ints = np.clip(generator.choice([-1, 1], shape) << generator.integers(0, plan.bits, shape), low, high)
    if flavour == 0:
        return np.where(generator.random(shape) < 0.4, powers, max(low, 0))
    many = -(-shape[-2] // 24)
    ends = generator.choice([low, high], (*shape[:-2], many, shape[-1]) if repeat else (shape[0], 1, 1, 1))
    runs = ends.repeat(24, -2)[..., : shape[-2], :] if repeat else ends
    return np.where(generator.random(shape) < 0.2, powers, runs)


def bias_of(magnitude: int) -> Callable[[np.random.Generator], int]:
    """Return what draws biases: none, some of any magnitude, or the largest."""

    def one(generator: np.random.Generator) -> int:
        limit, reach = 1 << (magnitude - 1), 1 << int(generator.integers(0, magnitude))
        choices = [0, int(generator.integers(0, reach)), -int(generator.integers(0, reach)), limit - 1, -limit]
        return int(generator.choice(choices))

    return one


def stored(codes: Ints, scale: NDArray[np.float64] | float) -> NDArray[np.float32]:
    """Return real values that are stored as these codes, and make sure of it."""
    reals = (codes * scale).astype(np.float32)
    assert np.array_equal(np.rint(reals.astype(np.float64) / scale), codes)
    return reals


@cache
def draw(name: str, kind: str, seed: int) -> Drawn:
    """Return a layer, its inputs and what the model makes of them."""
    setup = SETUPS[name]
    generator = np.random.default_rng([seed, zlib.crc32(name.encode()), kind == "conv"])
    flavour, relu = seed % 3, seed % 2 == 1
    source, weights, _ = setup.plans
    depth = setup.depth[kind == "dense"]
    shape = (2, 5, 4, depth) if kind == "conv" else (6, 1, 1, depth)
    inputs = some_codes(generator, shape, source, flavour) - source.zero_point
    kernel = some_codes(generator, (*((3, 2) if kind == "conv" else (1, 1)), depth, OUTPUTS), weights, flavour)
    if weights.levels:
        kernel = np.array(weights.levels)[kernel - weights.format.minimum]
    scales = np.broadcast_to(np.array(weights.scale), (OUTPUTS,))
    target = machine(setup.text, setup.target)
    unit = source.scale * scales * 2.0 ** (dropped(target) + target.bias.shift)
    if setup.unit or weights.bias_scale:
        unit = np.full(OUTPUTS, setup.unit or weights.bias_scale)
    # large biases are no float32: what counts is what is nearest to the one that is
    reals = np.array([setup.bias(generator) for _ in range(OUTPUTS)] * unit, np.float32)
    biases = np.rint(reals.astype(np.float64) / unit).astype(np.int64)
    limit = 1 << (target.bias.bits - 1)
    biases = np.clip(biases, -limit, limit - 1)
    function = Relu() if relu else None
    layer: Weighted
    if kind == "conv":
        layer = Conv2D(
            name="layer",
            inputs=("x",),
            kernel=stored(kernel, scales),
            bias=reals,
            activation=function,
            strides=STRIDES,
            padding=PADDING,
        )
    else:
        layer = Dense(name="layer", inputs=("x",), kernel=stored(kernel[0, 0], scales), bias=reals, activation=function)
    wanted = [
        setup.model(groups, int(biases[channel]), channel, relu)
        for channel, groups in operands(inputs, kernel, kind, setup.block)
    ]
    return Drawn(layer=layer, inputs=inputs, wanted=np.array(wanted))


def dropped(target: Target) -> int:
    """Return how many bits products and sums drop, and the steps before a bias among them."""
    product, listed = target.mac.product, target.requantize.expanded()
    before = 0
    if target.bias.position == "steps":
        at = next(number for number, one in enumerate(listed) if one.step == "bias")
        before = sum(one.model_dump()["by"] for one in listed[:at] if one.step == "shift_right")
    return before + (product.shift if product else 0) + sum(stage.shift for stage in target.mac.stages)


def operands(inputs: Ints, kernel: Ints, kind: str, block: int) -> Iterator[tuple[int, Groups]]:
    """Yield each output's channel and operands, in groups that the machine takes at once; 0 outside the image."""
    (top, bottom), (left, right) = PADDING if kind == "conv" else ((0, 0), (0, 0))
    padded = np.pad(inputs, ((0, 0), (top, bottom), (left, right), (0, 0)))
    height, width, depth, outputs = kernel.shape
    down, across = STRIDES if kind == "conv" else (1, 1)
    size = block or depth
    places = [
        [(y, x, c) for c in range(begin, min(begin + size, depth))]
        for begin in range(0, depth, size)
        for y in range(height)
        for x in range(width)
    ]
    for image in padded:
        for y0 in range(0, padded.shape[1] - height + 1, down):
            for x0 in range(0, padded.shape[2] - width + 1, across):
                for o in range(outputs):
                    seen = image[y0:, x0:]
                    yield o, [[(int(seen[place]), int(kernel[*place, o])) for place in group] for group in places]


def ran(setup: Setup, drawn: Drawn, target: Target) -> Execution:
    """Run a drawn layer."""
    samples = drawn.inputs if isinstance(drawn.layer, Conv2D) else drawn.inputs[:, 0, 0]
    program = program_of(drawn.layer, samples.shape[1:], target, setup.plans)
    return execute(program, stored(samples, setup.plans[0].scale), trace=["layer"])


# --- the machines at work ---------------------------------------------------------------------------------

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


SETUPS = {
    "tflite-micro": Setup(
        text=machines.TFLITE_MICRO,
        plans=TFLITE_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_micro(
            groups, bias, ratio_of(TFLITE_PLANS, channel), 11, relu=relu
        ),
        bias=bias_of(32),
        seen={"bias_sum": ("hits",), "left_shift": ("hits",), "high_multiply": ("inexact",), "output": ("hits",)},
        mutants={
            "one rounding": {"requantize": {"kind": "fixed", "rounding": "half_up"}},
            "the sum saturates": stages(bits=32, overflow="saturate"),
            "ruy": steps(
                step("shift_left"), FIT_32, step("multiply"), HIGH_MULTIPLY, step("shift_right", rounding="half_up")
            ),
            "the left shift saturates": steps(
                step("shift_left"),
                step("fit", bits=32, overflow="saturate"),
                step("multiply"),
                HIGH_MULTIPLY,
                step("shift_right", rounding="half_away"),
            ),
        },
    ),
    "tflite-int16x8": Setup(
        text=machines.TFLITE_16X8,
        plans=WIDE_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_16x8(
            groups, bias, ratio_of(WIDE_PLANS, channel), relu=relu
        ),
        bias=bias_of(42),
        seen={"narrow": ("hits",), "requantize": ("inexact",), "output": ("hits",)},
        kinds=("conv",),
        mutants={
            "32 bits of multiplier": of_convolutions(
                step("multiply", bits=32), step("shift_right", rounding="half_up"), {**FIT_32, "name": "narrow"}
            ),
            "no cast": of_convolutions(
                step("multiply", bits=16, rule="reduced"), step("shift_right", rounding="half_up")
            ),
            "a 32-bit sum": {**stages(bits=32, overflow="wrap"), "bias": {"bits": 32}},
            "cast first, as CMSIS-NN": of_convolutions(
                step("multiply", bits=16, rule="reduced"),
                step("shift_right", by=1),
                step("shift_right", name="again"),
                FIT_32,
            ),
        },
    ),
    "tflite-int16x8, fully connected": Setup(
        text=machines.TFLITE_16X8,
        plans=HALVES_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_16x8_dense(
            groups, bias, ratio_of(HALVES_PLANS, channel), relu=relu
        ),
        bias=bias_of(24),
        kinds=("dense",),
        seen={"requantize": ("inexact",), "output": ("hits",)},
        mutants={
            "half up": {"operations": {"dense": {"requantize": {"rounding": "half_up"}}}},
            "half even": {"operations": {"dense": {"requantize": {"rounding": "half_even"}}}},
            "16 bits of multiplier": {
                "operations": {
                    "dense": {"requantize": {"kind": "fixed_reduced", "multiplier_bits": 16, "rounding": "half_up"}}
                }
            },
        },
    ),
    "gemmini": Setup(
        text=machines.GEMMINI,
        plans=GEMMINI_PLANS,
        model=lambda groups, bias, channel, relu: models.gemmini(
            groups, bias, ratio_of(GEMMINI_PLANS, channel), relu=relu
        ),
        bias=bias_of(32),
        seen={"accumulator": ("hits",), "requantize": ("inexact",), "output": ("hits",)},
        mutants={
            "the sum saturates": stages(bits=32, overflow="saturate"),
            "rounds down": {"requantize": {"rounding": "floor"}},
        },
        depth=(20, 70),
    ),
    "gemmini, a mesh of 64 rows": Setup(
        text=machines.GEMMINI,
        target=two_stages("mesh", 64, 20),
        plans=GEMMINI_PLANS,
        model=lambda groups, bias, channel, relu: models.gemmini(
            groups, bias, ratio_of(GEMMINI_PLANS, channel), relu=relu, rows=64
        ),
        bias=bias_of(20),
        seen={"mesh": ("hits",), "requantize": ("inexact",), "output": ("hits",)},
        mutants={"16 rows": two_stages("mesh", 16, 20)},
        depth=(20, 140),
    ),
    "nvdla": Setup(
        text=machines.NVDLA,
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu),
        bias=bias_of(16),
        seen={"truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "truncates half up": truncating(4, rounding="half_up"),
            "the bias in the sum": {"bias": {"position": "last"}, **bias_behind("")},
            "a bias behind the activation": bias_behind("activation"),
            "a bias behind the multiplier": bias_behind("multiply"),
        },
        depth=(13, 52),
        block=8,
    ),
    "nvdla, a sum of 19 bits": Setup(
        text=machines.NVDLA,
        target={"mac": nvdla_stages(19)},
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu, width=19),
        bias=bias_of(16),
        seen={"accumulator": ("transient", "persistent"), "truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "the sum wraps": {"mac": nvdla_stages(19, "wrap")},
            "every product saturates": {"mac": nvdla_stages(19, terms=1)},
            "all blocks of a pixel first": {
                "mac": {"order": ["kernel_height", "kernel_width", "input_channel_tile", "input_channel"]}
            },
        },
        depth=(12, 180),
        block=8,
    ),
    "nvdla, few channels and a sum of 16 bits": Setup(
        text=machines.NVDLA,
        target={"mac": nvdla_stages(16)},
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu, width=16),
        bias=bias_of(12),
        seen={"accumulator": ("transient", "persistent"), "truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "channels of two pixels at once": {"mac": nvdla_stages(16, within=None)},
            "channels of two columns at once": {"mac": nvdla_stages(16, within="kernel_width")},
        },
        depth=(3, 30),
        block=8,
    ),
    "nvdla, seeing 3 of 6 bits": Setup(
        text=machines.NVDLA,
        target=truncating(6, guard_bits=3),
        plans=nvdla_plans(6, (16384, 16)),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 6, (16384, 16), relu=relu, kept=3),
        bias=bias_of(9),
        seen={"truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "sees every bit": truncating(6, guard_bits=None),
            "sees 4 bits": truncating(6, guard_bits=4),
        },
        depth=(9, 18),
        block=8,
    ),
    "nvdla, 64 channels at once": Setup(
        text=machines.NVDLA_FULL,
        target={"mac": nvdla_stages(21, terms=64, dot=22)},
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu, width=21),
        bias=bias_of(16),
        seen={"accumulator": ("hits",), "truncate": ("inexact",), "convert": ("inexact",)},
        mutants={"8 channels at once": {"mac": nvdla_stages(21)}, "small": {"mac": {"tile": {"input_channel": 8}}}},
        depth=(70, 600),
        block=64,
    ),
    "tensil": Setup(
        text=machines.TENSIL,
        plans=(tensor(16, scale=2.0**-8), weight(16, 2.0**-8), tensor(16, scale=2.0**-8)),
        model=lambda groups, bias, channel, relu: models.tensil(groups, bias, relu=relu),
        bias=bias_of(16),
        seen={"array": ("transient", "persistent", "inexact"), "accumulator": ("hits",)},
        mutants={
            "rounds once": tensil_stages(check="last"),
            "rounds half up": tensil_stages(rounding="half_up"),
            "wraps": tensil_stages(overflow="wrap"),
            "one long column": stages(bits=16, overflow="saturate", shift=8, rounding="half_even"),
            "channels of two pixels at once": tensil_stages(within=None),
            "the bias in the accumulator": {"bias": {"position": "first"}},
            "the bias last": {"bias": {"position": "last"}},
        },
        block=8,
    ),
    "hls4ml": Setup(
        text=machines.HLS4ML,
        plans=(tensor(16, scale=2.0**-10), weight(16, 2.0**-10), tensor(16, scale=2.0**-10)),
        model=lambda groups, bias, channel, relu: models.hls4ml(groups, bias, relu=relu),
        bias=bias_of(16),
        seen={"product": ("hits", "inexact"), "accumulator": ("transient", "persistent")},
        mutants={
            "products are exact": {"mac": {"product": None, **stages(bits=16, shift=10, check="last")["mac"]}},
            "products saturate": {"mac": {"product": {"overflow": "saturate"}}},
            "products round half up": {"mac": {"product": {"rounding": "ap_fixed:AP_RND"}}},
            "the sum saturates": stages(bits=16, overflow="saturate"),
        },
    ),
    "hls4ml, reused 4 times": Setup(
        text=machines.HLS4ML_RESOURCE,
        plans=(tensor(16, scale=2.0**-10), weight(16, 2.0**-10), tensor(16, scale=2.0**-10)),
        model=lambda groups, bias, channel, relu: models.hls4ml_resource(groups, bias, 4, relu=relu),
        bias=bias_of(16),
        seen={"product": ("hits", "inexact"), "accumulator": ("transient", "persistent")},
        mutants={
            "one input after another": {
                "mac": {"order": ["kernel_height", "kernel_width", "input_channel"], "tile": None}
            },
            "in strides of 2": {"mac": {"tile": {"input_channel": 2}}},
            "in strides of each pixel": {
                "mac": {"order": ["kernel_height", "kernel_width", "input_channel", "input_channel_tile"]}
            },
        },
        depth=(12, 40),
    ),
    "vpmaddubsw": Setup(
        text=machines.VPMADDUBSW,
        plans=VPMADDUBSW_PLANS,
        model=lambda groups, bias, channel, relu: models.vpmaddubsw(
            groups, bias, models.float_ratio(1, 1, 300.7), (117, 90), relu=relu
        ),
        bias=bias_of(18),
        seen={"pair": ("low", "high"), "requantize": ("inexact",), "output": ("low", "high")},
        mutants={
            "less its zero point first": {"mac": {"input_zero_point": "removed"}},
            "one sum": stages(bits=32, overflow="wrap"),
            "pairs wrap": two_stages("pair", 2, 16, check="last"),
            "four at a time": two_stages("pair", 4, 16, overflow="saturate", check="last"),
        },
    ),
    "pulp-nn": Setup(
        text=machines.PULP_NN,
        plans=(tensor(signed=False), ONE, tensor(signed=False, scale=2.0**6 / 113)),
        model=lambda groups, bias, channel, relu: models.pulp_nn(groups, bias, 113, 6),
        bias=bias_of(26),
        seen={"multiplied": ("hits",), "shift_right": ("inexact",), "narrowed": ("hits",)},
        mutants={
            "cut to 0 to 255 at once": steps(step("multiply", bits=8), FIT_32, step("shift_right")),
            "rounds half up": steps(
                step("multiply", bits=8),
                FIT_32,
                step("shift_right", rounding="half_up"),
                FIT_16,
                step("clip", low=0, high=255),
            ),
        },
    ),
    "pulp-nn, a shift by 18 bits": Setup(
        text=machines.PULP_NN,
        plans=(tensor(signed=False), ONE, tensor(signed=False, scale=2.0**18 / 77)),
        model=lambda groups, bias, channel, relu: models.pulp_nn(groups, bias, 77, 18),
        bias=bias_of(26),
        seen={"multiplied": ("hits",), "shift_right": ("inexact",)},
        mutants={
            "64 bits of product": steps(
                step("multiply", bits=8), step("shift_right"), FIT_16, step("clip", low=0, high=255)
            ),
        },
    ),
    "max78000": Setup(
        text=machines.MAX78000,
        plans=(tensor(scale=2.0**-7), weight(scale=2.0**-7), tensor(scale=2.0**-5)),
        model=lambda groups, bias, channel, relu: models.max78000(groups, bias, -2, relu=relu),
        bias=bias_of(8),
        seen={"shift_right": ("inexact",), "clipped": ("low", "high")},
        mutants={
            "half away": steps(step("shift_right", rounding="half_away")),
            "half even": steps(step("shift_right", rounding="half_even")),
            "a bias times 64": {"bias": {"shift": 6}},
        },
    ),
    "max78000, shifted left, magnitudes": Setup(
        text=machines.MAX78000,
        target=steps(
            step("shift_right", rounding="half_up"),
            step("fit", bits=8, overflow="saturate", name="clipped"),
            step("activation"),
            step("absolute"),
        ),
        plans=(tensor(scale=2.0**-7), weight(scale=2.0**-7), tensor(scale=2.0**-15)),
        model=lambda groups, bias, channel, relu: models.max78000(groups, bias, 8, relu=relu, absolute=True),
        bias=lambda generator: 0,
        seen={"clipped": ("low", "high"), "output": ("high",)},
        mutants={"not the magnitude": steps(step("shift_right", rounding="half_up"), step("activation"))},
        depth=(1, 1),
    ),
    "vitis-dpu": Setup(
        text=machines.VITIS_DPU,
        plans=DPU_PLANS,
        model=lambda groups, bias, channel, relu: models.vitis_dpu(groups, bias, 4, 10, relu=relu),
        bias=bias_of(8),
        seen={"requantize": ("inexact",), "output": ("low", "high")},
        mutants={
            "half away": {"requantize": {"rounding": "half_away"}},
            "half even": {"requantize": {"rounding": "half_even"}},
            "down": {"requantize": {"rounding": "floor"}},
        },
    ),
    "vitis-dpu, a bias finer than its sum": Setup(
        text=machines.VITIS_DPU,
        plans=dpu_plans(2.0**-14),
        model=lambda groups, bias, channel, relu: models.vitis_dpu(groups, bias, -3, 10, relu=relu),
        bias=bias_of(8),
        seen={"requantize": ("inexact",), "output": ("low", "high")},
        mutants={"half away": {"requantize": {"rounding": "half_away"}}},
    ),
    "cmsis-nn": Setup(
        text=machines.CMSIS_NN,
        plans=TFLITE_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_micro(
            groups, bias, ratio_of(TFLITE_PLANS, channel), 11, relu=relu
        ),
        bias=bias_of(32),
        seen={"bias_sum": ("hits",), "left_shift": ("hits",), "high_multiply": ("inexact",), "output": ("hits",)},
        mutants={"single rounding": {"requantize": {"kind": "fixed", "rounding": "half_up"}}},
    ),
    "onnxruntime": Setup(
        text=machines.ONNX_RUNTIME,
        plans=ONNX_PLANS,
        model=lambda groups, bias, channel, relu: models.onnx_runtime(
            groups, bias, models.float_ratio(0.5, ONNX_PLANS[1].scale[channel], 16.0), 90, relu=relu
        ),
        bias=bias_of(14),
        seen={"requantize": ("inexact",), "output": ("low", "high")},
        mutants={
            "half away": {"requantize": {"rounding": "half_away"}},
            "half up": {"requantize": {"rounding": "half_up"}},
            "without VNNI": merge(
                {"mac": {"input_zero_point": "corrected"}}, two_stages("pair", 2, 16, overflow="saturate", check="last")
            ),
        },
    ),
    "ethos-u55": Setup(
        text=machines.ETHOS_U55,
        plans=ETHOS_PLANS,
        model=lambda groups, bias, channel, relu: models.ethos_u55(
            groups, bias, ratio_of(ETHOS_PLANS, channel), 11, relu=relu
        ),
        bias=bias_of(32),
        seen={"bias_sum": ("hits",), "high_multiply": ("inexact",), "scale": ("inexact",), "output": ("hits",)},
        mutants={
            "one rounding, NATURAL": {"requantize": {"kind": "fixed", "rounding": "half_up", "steps": None}},
            "the left shift wraps, as TensorFlow Lite": {"requantize": {"kind": "fixed_double", "steps": None}},
        },
    ),
    "ne16": Setup(
        text=machines.NE16,
        plans=NE16_PLANS,
        # 113 / 2^11 is 226 / 2^12
        model=lambda groups, bias, channel, relu: models.ne16(groups, bias, 226, 12),
        bias=bias_of(32),
        unit=NE16_PLANS[2].scale * 2.0**-12,
        seen={"biased": ("hits",), "shift_right": ("inexact",), "output": ("low", "high")},
        mutants={
            "rounds half up": ne16_steps(4, rounding="half_up"),
            "the bias saturates": ne16_steps(3, overflow="saturate"),
        },
    ),
    "ne16, sums that the scale makes wrap": Setup(
        text=machines.NE16,
        plans=(tensor(signed=False), ONE, tensor(signed=False, scale=2.0**18 / 113)),
        model=lambda groups, bias, channel, relu: models.ne16(groups, bias, 226, 19),
        bias=bias_of(31),
        unit=2.0**18 / 113 * 2.0**-19,
        seen={"normalised": ("hits",), "shift_right": ("inexact",)},
        mutants={"what is scaled saturates": ne16_steps(1, overflow="saturate")},
        depth=(1, 3000),
        kinds=("dense",),
    ),
    "qonnx-threshold": Setup(
        text=machines.QONNX_THRESHOLD,
        plans=THRESHOLD_PLANS,
        model=lambda groups, bias, channel, relu: models.qonnx_threshold(
            groups, bias, ratio_of(THRESHOLD_PLANS, channel), relu=relu
        ),
        bias=bias_of(9),
        seen={"shift_right": ("inexact",)},
        mutants={
            "thresholds one step above": thresholds(first=-8, levels=[*range(-1919, 1666, 256)]),
            "one threshold less": thresholds(first=-8, levels=[*range(-1920, 1409, 256)]),
            "counts from -7": thresholds(first=-7, levels=[*range(-1920, 1665, 256)]),
        },
    ),
    "ternary-weights": Setup(
        text=machines.TERNARY,
        plans=TERNARY_PLANS,
        model=lambda groups, bias, channel, relu: models.weights_alone(
            groups, bias, ratio_of(TERNARY_PLANS, channel), 3, relu=relu
        ),
        bias=bias_of(12),
        seen={"requantize": ("inexact",), "output": ("hits",)},
        mutants={"half away": {"requantize": {"rounding": "half_away"}}},
    ),
    "binary-weights": Setup(
        text=machines.BINARY,
        plans=BINARY_PLANS,
        model=lambda groups, bias, channel, relu: models.weights_alone(
            groups, bias, ratio_of(BINARY_PLANS, channel), 3, relu=relu
        ),
        bias=bias_of(12),
        seen={"requantize": ("inexact",), "output": ("hits",)},
        mutants={"half away": {"requantize": {"rounding": "half_away"}}},
    ),
    "imc-adc6": Setup(
        text=machines.IMC,
        plans=IMC_PLANS,
        model=lambda groups, bias, channel, relu: models.imc(
            groups, bias, ratio_of(IMC_PLANS, channel) * 16, relu=relu
        ),
        bias=bias_of(6),
        seen={"converter": ("low", "high", "inexact"), "requantize": ("inexact",)},
        mutants={
            "a converter of 7 bits": converter(bits=7),
            "a converter that rounds down": converter(rounding="floor"),
            "64 rows": converter(terms=64),
        },
        depth=(60, 300),
    ),
}
"""Every machine, and some of them with a part that is narrower than on the chip, so that small layers fill it."""


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in SETUPS for kind in SETUPS[name].kinds])
def test_a_machine(name: str, kind: str) -> None:
    setup, seen = SETUPS[name], Counter[tuple[str, str]]()
    target = machine(setup.text, setup.target)
    for seed in SEEDS:
        drawn = draw(name, kind, seed)
        execution = ran(setup, drawn, target)
        assert np.array_equal(execution.codes["layer"].ravel(), drawn.wanted), seed
        for point, figures in setup.seen.items():
            for figure in figures:
                seen[point, figure] += getattr(row(execution, point), figure)
    wanted = {(point, figure) for point, figures in setup.seen.items() for figure in figures}
    assert {one for one in wanted if not seen[one]} == set()


@pytest.mark.parametrize(("name", "mutant"), [(name, mutant) for name in SETUPS for mutant in SETUPS[name].mutants])
def test_a_mutant_is_seen(name: str, mutant: str) -> None:
    setup = SETUPS[name]
    target = machine(setup.text, merge(setup.target or {}, setup.mutants[mutant]))
    cases = (draw(name, kind, seed) for seed in range(3 * len(SEEDS)) for kind in setup.kinds)
    assert any(not np.array_equal(ran(setup, one, target).codes["layer"].ravel(), one.wanted) for one in cases)


@pytest.mark.parametrize("name", [name for name in vars(machines) if name.isupper()])
def test_a_machine_plans_for_itself(name: str) -> None:
    # scales from data: whatever they are, the machine can follow them
    generator = np.random.default_rng(7)
    images = generator.normal(0, 1, (4, 6, 6, 3)).astype(np.float32)
    result = hwsim.run(image_network(generator), machine(getattr(machines, name)), np.abs(images))
    again = result.program.run(np.abs(images), batch_size=1)
    assert np.array_equal(result.codes, again.codes["logits"])


def image_network(generator: np.random.Generator) -> Network:
    """Return two convolutions and a dense layer."""

    def reals(*shape: int) -> NDArray[np.float32]:
        return generator.normal(0, 0.3, shape).astype(np.float32)

    return Network(
        name="images",
        operations=(
            Input(name="image", shape=(6, 6, 3)),
            Conv2D(name="one", inputs=("image",), kernel=reals(3, 3, 3, 8), bias=reals(8), activation=Relu()),
            Conv2D(name="two", inputs=("one",), kernel=reals(3, 3, 1, 8), bias=reals(8), groups=8),
            Reshape(name="flat", inputs=("two",), shape=(32,)),
            Dense(name="logits", inputs=("flat",), kernel=reals(32, 5), bias=reals(5)),
        ),
        outputs=("logits",),
    )


# --- by hand ----------------------------------------------------------------------------------------------


def test_gemmini_by_hand() -> None:
    # 40 * (-128)^2 = 655360 in one column: less 2^20
    layer, data = dense([-128] * 40), [-128] * 40
    assert sums(one(layer, data, machine(machines.GEMMINI, two_stages("mesh", 64, 20)))) == [-393216]
    assert sums(one(layer, data, machine(machines.GEMMINI))) == [655360]


def test_nvdla_saturates_at_34_bits() -> None:
    # 2^19 + 64 products of (-128)^2 = 2^14 are more than 2^33, which stays at 2^33 - 1; 8 products of -128 * 127 and
    # one of 1 are taken off and added; a truncation by 4 bits, and a 2^23th of it: 2^29 / 2^23 = 64, less very little
    ups = (1 << 19) + 64
    data, weights = [-128] * (ups + 8) + [1], [-128] * ups + [127] * 8 + [1]
    execution = one(dense(weights), data, machine(machines.NVDLA), nvdla_plans(4, (16384, 37)))
    assert sums(execution) == [(1 << 33) - 1 - 8 * 128 * 127 + 1]
    assert codes(execution) == [64]
    seen = row(execution, "accumulator")
    assert (seen.high, seen.persistent) == (9, 1)  # the sum is 2^33 with 2^16 dots of 8, of which 8 more follow


def test_nvdla_sees_16_bits() -> None:
    # -65535 / 2^17 = -0.49999: the 16 bits that are seen are those of a tie, which goes to -1
    for bits, code in ((16, -1), (None, 0)):
        target = machine(machines.NVDLA, truncating(17, guard_bits=bits))
        layer = dense([-128, -128, -128, -128, 7])  # 4 * 127 * -128 - 73 * 7 = -65535
        execution = one(layer, [127, 127, 127, 127, -73], target, nvdla_plans(17, (16384, 14)))
        assert (sums(execution), codes(execution)) == ([-65535], [code])


def test_the_dpu_rounds_stored_values_away_and_others_up() -> None:
    # inputs -0.5, 0.5, 1.5 and weights 0.5, 1.5, -0.5 go away from 0: -1, 1, 2 and 1, 2, -1; bias -2.5: -3
    # -1 + 2 - 2 - 3 = -4, and an 8th of it, -0.5, goes up
    plans = (tensor(), weight().model_copy(update={"bias_scale": 1.0}), tensor(scale=8.0))
    layer = Dense(name="layer", inputs=("x",), kernel=column(0.5, 1.5, -0.5), bias=np.array([-2.5], np.float32))
    execution = one(layer, [-0.5, 0.5, 1.5], machine(machines.VITIS_DPU), plans)
    assert (sums(execution), codes(execution)) == ([-1], [0])
    assert execution.trace["layer"]["bias_sum"].tolist() == [[-4]]


def test_pulp_wraps_before_it_cuts() -> None:
    # 75000 is 9464 modulo 2^16, which is cut to 255; 65536 is 0 modulo 2^16
    plans = (tensor(signed=False), weight(), tensor(signed=False))
    for bias, narrow, code in ((75000, 9464, 255), (65536, 0, 0), (40000, 40000 - 65536, 0), (255, 255, 255)):
        layer = Dense(name="layer", inputs=("x",), kernel=column(1), bias=np.array([bias], np.float32))
        execution = one(layer, [0], machine(machines.PULP_NN), plans)
        assert execution.trace["layer"]["narrowed"].tolist() == [[narrow]]
        assert codes(execution) == [code]


def column(*weights: float) -> NDArray[np.float32]:
    """Return the weights of one output."""
    return np.array(weights, np.float32)[:, None]


def one(
    layer: Weighted, data: Sequence[object] | NDArray[Any], target: Target, plans: Plans | None = None
) -> Execution:
    """Run one sample through a layer."""
    sample = np.array(data, np.float32)
    program = program_of(layer, sample.shape, target, plans or (tensor(), ONE, tensor(scale=8192.0)))
    return execute(program, sample[None], trace=["layer"])


# --- single options, by hand ------------------------------------------------------------------------------


def test_tflite_rounds_limits_away() -> None:
    # ReLU6 with a scale of 12: 6 / 12 = 0.5, which TensorFlow Lite rounds to 1 (quantization_util.cc:343-386)
    assert limited(12.0, {}) == 1 == models.tflite_limit(6.0, 12.0)
    assert limited(12.0, {"limit_rounding": "half_even"}) == 0


def test_tflite_divides_limits_in_float32() -> None:
    # 6 by what is nearest to 6 / 2.5 and the like is beside a tie in float64, and often the tie itself in float32
    generator = np.random.default_rng(3)
    differing = 0
    for steps_up in generator.integers(0, 127, 40).tolist():
        scale = float(np.float32(6 / (steps_up + 0.5)))
        wanted = models.tflite_limit(6.0, scale)
        assert limited(scale, {}) == min(wanted, 127)
        differing += limited(scale, {"limit_precision": 64}) != min(wanted, 127)
    assert differing


def limited(scale: float, activation: Json) -> int:
    """Return what TensorFlow Lite Micro makes of a large value behind a ReLU6; an output has ``scale``."""
    layer = Dense(
        name="layer", inputs=("x",), kernel=column(100), bias=np.zeros(1, np.float32), activation=Relu(max_value=6.0)
    )
    target = machine(machines.TFLITE_MICRO, {"activation": activation})
    (code,) = codes(one(layer, [100], target, (tensor(), ONE, tensor(scale=scale))))
    return code


def test_nvdla_takes_no_channels_of_two_pixels_at_once() -> None:
    # 4 channels in blocks of 8, a sum of 16 bits: each pixel's dot comes alone. 64516 stays at 32767, less 64516
    kernel = np.array([[[127] * 4, [-127] * 4]])[..., None].astype(np.float32)
    layer = Conv2D(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(1, np.float32))
    for within, total in (("input_channel", 32767 - 4 * 127 * 127), (None, 0), ("kernel_width", 0)):
        target = machine(machines.NVDLA, {"mac": nvdla_stages(16, within=within)})
        execution = one(layer, [[[127] * 4, [127] * 4]], target, nvdla_plans(4, (16384, 14)))
        assert sums(execution) == [total]


def test_nvdla_adds_the_bias_behind_the_truncation() -> None:
    # -24 / 16 = -1.5 goes to -2, and a bias of 3 makes it 1; added before, as 48, it is 24 / 16 = 1.5, which goes to 2
    scale = (16384, 14)
    layer = Dense(name="layer", inputs=("x",), kernel=column(1), bias=np.array([48], np.float32))
    assert models.nvdla([[(-24, 1)]], 3, 4, scale, relu=False) == 1
    assert codes(one(layer, [-24], machine(machines.NVDLA), nvdla_plans(4, scale))) == [1]
    before = machine(machines.NVDLA, {"bias": {"position": "last"}, **bias_behind("")})
    assert codes(one(layer, [-24], before, nvdla_plans(4, scale))) == [2]


def test_tensil_starts_its_first_block_from_the_bias() -> None:
    # an array of 2 rows: 32767 + 100 stays at 32767, less 200; a second block of 0 is added. From the last stage's
    # start it would be 32767 and -100
    bias = np.array([32767 / 256], np.float32)
    layer = Dense(name="layer", inputs=("x",), kernel=column(100 / 256, -200 / 256, 0, 0), bias=bias)
    assert models.tensil([[(256, 100), (256, -200)]], 32767, relu=False) == 32567
    for position, code in (("inner", 32567), ("first", 32667)):
        target = machine(machines.TENSIL, merge(tensil_stages(terms=2), {"bias": {"position": position}}))
        assert codes(one(layer, [1.0] * 4, target, SETUPS["tensil"].plans)) == [code]


def test_hls4ml_visits_inputs_in_strides() -> None:
    # nnet_dense_resource.h:58 with a reuse factor of 2 takes inputs 0, 2, then 1, 3. 31 + 31 stays at 32 - 1/1024,
    # and twice less 31 is -30 and a 1024th less; in order 31 - 31 + 31 - 31 is 0
    layer = dense([31, -31, 31, -31])
    for order, total in (
        (["input_channel", "kernel_height", "kernel_width", "input_channel_tile"], -30 * 1024 - 1),
        (
            ["input_channel_tile", "kernel_height", "kernel_width", "input_channel"],
            0,
        ),
    ):
        target = machine(machines.HLS4ML_RESOURCE, {"mac": {"order": order, "tile": {"input_channel": 2}}})
        assert sums(one(layer, [1.0] * 4, target, SETUPS["hls4ml"].plans)) == [total]


def test_x86_multiplies_raw_codes() -> None:
    # a zero point of 128: the pair is 255 * 127 + 255 * 127, which saturates to 32767, and 128 * (127 + 127) is taken
    # off in 32 bits. Less the zero point first, the pair is 127 * 127 * 2 = 32258 and nothing saturates
    plans = (tensor(signed=False, zero_point=128), ONE, tensor(signed=False))
    for point, pair, total in (("corrected", 32767, 32767 - 128 * 254), ("removed", 32258, 32258)):
        target = machine(machines.VPMADDUBSW, {"mac": {"input_zero_point": point}})
        execution = one(dense([127, 127]), [127, 127], target, plans)
        assert sums(execution) == [pair]
        assert execution.trace["layer"]["bias_sum"].tolist() == [[total]]


def test_x86_multiplies_padding_by_its_zero_point() -> None:
    # the pixel before the image is 200 as well, and so are both: 200 * 100 * 2 saturates; twice 200 * 100 is taken off
    plans = (tensor(signed=False, zero_point=200), ONE, tensor(signed=False))
    kernel = np.array([[[100], [100]]])[..., None].astype(np.float32)
    padding = ((0, 0), (1, 0))
    layer = Conv2D(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(1, np.float32), padding=padding)
    execution = one(layer, [[[0]]], machine(machines.VPMADDUBSW), plans)
    assert sums(execution) == [32767]
    assert execution.trace["layer"]["bias_sum"].ravel().tolist() == [32767 - 40000]


def test_max78000_has_biases_of_8_bits() -> None:
    # tornadocnn.py:169: a bias is an 8-bit code times 128, so 100 is no bias of this machine; 128 is the nearest
    for bias, wanted in ((100, 128), (64, 0), (65, 128), (192, 256), (-20000, -16384), (20000, 127 * 128)):
        layer = Dense(name="layer", inputs=("x",), kernel=column(0), bias=np.array([bias], np.float32))
        execution = one(layer, [0], machine(machines.MAX78000), (tensor(), ONE, tensor()))
        assert execution.trace["layer"]["bias_sum"].tolist() == [[wanted]]


DPU_BIAS = Dense(name="layer", inputs=("x",), kernel=np.zeros((1, 1), np.float32), bias=np.array([0.7], np.float32))


def test_the_dpu_keeps_what_is_finer_than_a_sum() -> None:
    # 3 and a bias of 5/8 are 29/8, half of which goes to 2, and half of 21/8 to 1. -3 + 5/8 is -19/8, and half of it,
    # -1.19, goes to -1; a bias without its fraction would be 1 or 0, and the half -1 or -1.5
    weights = weight().model_copy(update={"bias_scale": 0.125})
    layer = Dense(name="layer", inputs=("x",), kernel=column(1), bias=np.array([0.625], np.float32))
    for x, wanted in ((3, 29), (2, 21), (0, 5), (-3, -19)):
        execution = one(layer, [x], machine(machines.VITIS_DPU), (tensor(), weights, tensor(scale=2.0)))
        assert execution.trace["layer"]["bias_sum"].tolist() == [[wanted]]
        assert codes(execution) == [(wanted + 8) >> 4]


@pytest.mark.parametrize("window", [(1, 1), (2, 2), (3, 3), (2, 3), (5, 5), (6, 6), (7, 7), (4, 9), (14, 14)])
def test_the_dpu_multiplies_averages(window: tuple[int, int]) -> None:
    generator = np.random.default_rng(window)
    height, width = window
    rows, columns, padding = height + 3, width + 2, ((height // 2, (height - 1) // 2), (0, width // 2))
    pool = AveragePool(name="mean", inputs=("x",), window=window, strides=(2, 1), padding=padding)
    network = Network(name="means", operations=(Input(name="x", shape=(rows, columns, 3)), pool), outputs=("mean",))
    plan = Plan(
        network="means", target="vitis-dpu", tensors={"x": tensor(scale=0.25), "mean": tensor(scale=0.25)}, weights={}
    )
    reach = generator.choice([3, 20, 128], (8, 1, 1, 3))
    data = np.clip(generator.integers(-128, 128, (8, rows, columns, 3)), -reach, reach - 1)
    target = machine(machines.VITIS_DPU)
    found = execute(lower(network, plan, target), (data * 0.25).astype(np.float32)).codes["mean"]
    wanted = np.zeros_like(found)
    for n, y, x, c in np.ndindex(found.shape):
        top, left = 2 * y - padding[0][0], x - padding[1][0]
        inside = data[n, max(top, 0) : top + height, max(left, 0) : left + width, c]
        wanted[n, y, x, c] = models.dpu_average(inside.ravel().tolist(), height, width)
    assert np.array_equal(found, wanted)
    changes = [{"division": "count"}] if window != (1, 1) else []
    changes += [{"rounding": "half_away"}] if window in ((2, 2), (3, 3)) else []  # small sums, which reach ties
    for change in changes:
        other = lower(network, plan, machine(machines.VITIS_DPU, {"pooling": change}))
        assert not np.array_equal(execute(other, (data * 0.25).astype(np.float32)).codes["mean"], wanted)


def test_a_plan_must_give_biases_their_scale() -> None:
    plans = (tensor(), weight(), tensor(scale=2.0))
    with pytest.raises(PlanError, match="bias.scale is own, but the plan has none"):
        one(DPU_BIAS, [0], machine(machines.VITIS_DPU), plans)
    with pytest.raises(PlanError, match="shifts by powers of two"):
        weights = weight().model_copy(update={"bias_scale": 0.3})
        one(DPU_BIAS, [0], machine(machines.VITIS_DPU), (tensor(), weights, tensor(scale=2.0)))
    with pytest.raises(PlanError, match="bias.scale is sum, but the plan has one"):
        one(DPU_BIAS, [0], machine(machines.GEMMINI), DPU_PLANS)


@pytest.mark.parametrize(
    ("text", "scale"),
    [(machines.HLS4ML, 2.0**-10), (machines.HLS4ML_RESOURCE, 2.0**-10), (machines.TENSIL, 2.0**-8)],
)
def test_a_binary_point_is_part_of_the_machine(text: str, scale: float) -> None:
    generator = np.random.default_rng(7)
    network = image_network(generator)
    result = hwsim.run(network, machine(text), generator.normal(0, 1, (2, 6, 6, 3)).astype(np.float32))
    assert {one.scale for one in result.plan.tensors.values()} == {scale}
    assert {one.scale for one in result.plan.weights.values()} == {(scale,)}
    assert {one.zero_point for one in result.plan.tensors.values()} == {0}


# --- what was missing in the schema once ------------------------------------------------------------------


def test_onnx_runtime_forms_its_ratio_in_float32() -> None:
    # float32(float32(a * b) / c) = 0.0061197225, one step above float32(a * b / c); 18710 times it is above 114.5
    scales = (0.00688695115968585, 0.0386962816119194, 0.043547630310058594)
    source, weights, output = (float(np.float32(scale)) for scale in scales)
    ratio = models.single(models.single(source * weights) / output)
    plans = (tensor(signed=False, scale=source), weight(scale=weights), tensor(signed=False, scale=output))
    layer = Dense(  # 255 * 73 + 95 = 18710
        name="layer", inputs=("x",), kernel=column(73 * weights, weights), bias=np.zeros(1, np.float32)
    )
    execution = one(layer, np.array([255, 95]) * source, machine(machines.VPMADDUBSW), plans)
    assert sums(execution) == [18710]
    assert codes(execution) == [round(models.single(18710 * ratio))]


def test_the_dpu_chooses_the_scale_of_its_biases() -> None:
    execution = one(DPU_BIAS, [0], machine(machines.VITIS_DPU), DPU_PLANS)
    assert execution.trace["layer"]["bias_sum"].tolist() == [[90 << 4]]
    # 0.7 / 127 is above 2^-8; and where sums count 2^0, so do biases, as a finer one would only be shifted away
    for unit, wanted in ((2.0**-11, 2.0**-7), (1.0, 1.0)):
        values = np.array([[0.0], [127 * unit * 2.0**6]], np.float32)
        layer = Dense(
            name="layer",
            inputs=("x",),
            kernel=np.array([[127 * 2.0**-6]], np.float32),
            bias=np.array([0.7], np.float32),
        )
        network = Network(name="one", operations=(Input(name="x", shape=(1,)), layer), outputs=("layer",))
        entry = hwsim.run(network, machine(machines.VITIS_DPU), values).plan.weights["layer"]
        assert entry.bias_scale == wanted


def pooled(pool: Pool, data: Sequence[object], target: Target) -> list[int]:
    """Return the codes of a pooled image, all scales 1."""
    sample = np.array(data, np.float32)[..., None]
    network = Network(name="pool", operations=(Input(name="x", shape=sample.shape), pool), outputs=("pool",))
    plan = Plan(network="pool", target=target.name, tensors={"x": tensor(), "pool": tensor()}, weights={})
    return execute(lower(network, plan, target), sample[None]).codes["pool"].ravel().tolist()


@pytest.mark.parametrize("text", [machines.GEMMINI, machines.MAX78000])
def test_maxima_read_zeros_outside(text: str) -> None:
    # libgemmini gemmini.cc:316-345 and ai8x compute.py: what is outside is 0, so no maximum at the border is below it
    for padding in (((1, 0), (1, 0)), ((1, 0), (0, 1)), ((0, 1), (0, 1)), ((0, 1), (1, 0))):
        pool = MaxPool(name="pool", inputs=("x",), window=(2, 2), strides=(2, 2), padding=padding)
        assert pooled(pool, [[-5]], machine(text)) == [0]
        assert pooled(pool, [[5]], machine(text)) == [5]
        assert pooled(pool, [[-5]], machine(text, {"pooling": {"max_padding": "skipped"}})) == [-5]
    pool = MaxPool(name="pool", inputs=("x",), window=(2, 2), strides=(1, 1))
    assert pooled(pool, [[-5, -7], [-9, -6]], machine(text)) == [-5]


@pytest.mark.parametrize("text", [machines.NVDLA, machines.NVDLA_FULL])
def test_nvdla_averages_in_two_steps(text: str) -> None:
    # pdp cal2d.v:4768-4827: 5 in 2 x 2 is 2.5, to 3, and then 1.5, to 2; divided once it is 1.25, to 1. 51 in 6 x 6,
    # times 10922 / 2^16, is 8.4996 and goes to 8, and then 1.33, to 1; by 10923, the nearest to 1 / 6, to 9 and 2
    for size, values, wanted in ((2, [2, 1, 1, 1], 2), (2, [-2, -1, -1, -1], -2), (6, [6] * 3 + [1] * 33, 1)):
        pool = AveragePool(name="pool", inputs=("x",), window=(size, size), strides=(size, size))
        image = np.array(values).reshape(size, size)
        assert models.nvdla_average(values, size, size) == wanted
        assert pooled(pool, image.tolist(), machine(text)) == [wanted]


@pytest.mark.parametrize("window", [(1, 1), (2, 2), (3, 3), (2, 3), (5, 4), (6, 6), (7, 1), (8, 8)])
def test_nvdla_averages_windows(window: tuple[int, int]) -> None:
    generator = np.random.default_rng(window)
    (height, width), (rows, columns) = window, (11, 9)
    padding = ((height // 2, (height - 1) // 2), (0, width // 2))
    pool = AveragePool(name="pool", inputs=("x",), window=window, strides=(2, 1), padding=padding)
    differ = {"division": False, "rounding": False}
    for reach in (3, 20, 128) * 3:
        data = np.clip(generator.integers(-reach, reach + 1, (rows, columns)), -128, 127)
        whole = np.pad(data, padding)
        wanted = [
            models.nvdla_average(whole[y : y + height, x : x + width].ravel().tolist(), height, width)
            for y in range(0, len(whole) - height + 1, 2)
            for x in range(whole.shape[1] - width + 1)
        ]
        assert pooled(pool, data.tolist(), machine(machines.NVDLA)) == wanted
        for key, other in (("division", "count"), ("rounding", "half_even")):
            differ[key] |= pooled(pool, data.tolist(), machine(machines.NVDLA, {"pooling": {key: other}})) != wanted
    assert differ["division"] == (window != (1, 1))
    assert differ["rounding"] == bool({2, 4, 8} & {height, width})  # others have no ties
