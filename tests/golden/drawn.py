"""Layers and codes for a machine, drawn so that what makes it special really happens."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from golden.case import program_of
from golden.machines import machine
from golden.models import Groups
from golden.setups import SETUPS, Setup
from numpy.typing import NDArray

from hwsim.engine import Execution, execute
from hwsim.network import Conv2D, Dense, Relu, Weighted
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.target import Target

Ints = NDArray[np.int64]

OUTPUTS = 4
"""Output channels."""

SEEDS, MORE_SEEDS = range(10), range(10, 24)
"""Of quick tests and of slow ones."""

STRIDES, PADDING = (2, 1), ((1, 1), (0, 1))


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A layer, codes for its input (n, h, w, c) less the zero point, and the codes that the model wants."""

    layer: Weighted
    inputs: Ints
    wanted: Ints


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
