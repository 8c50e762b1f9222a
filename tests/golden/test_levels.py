"""Levels and shifts by a model in plain integers and fractions, written from ``docs/arithmetic.md`` and
``docs/ledger.md`` alone: codes and ledger figures of small networks are ``==``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import product
from math import floor
from typing import Any

import numpy as np
import pytest

from hwsim.engine import Execution, execute
from hwsim.network import (
    Add,
    AveragePool,
    Concatenate,
    Conv2D,
    Dense,
    Input,
    MaxPool,
    Network,
    Operation,
    Relu,
    Reshape,
)
from hwsim.program import lower
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.target import Target
from hwsim_kernels import counting

Json = dict[str, Any]
Codes = np.ndarray
"""Integers of one sample, (…, channels), dtype object."""

LSB = 1 << 16
LEFT_SHIFT = 4
STAGE: Json = {"name": "accumulator", "bits": 40}
TARGET: Json = {
    "name": "judged",
    "activations": {"symmetric": True},
    "requantize": {"kind": "float64", "rounding": "half_up"},
    "mac": {"stages": [STAGE]},
    "addition": {"left_shift": LEFT_SHIFT, "accumulator": {"bits": 32}},
    "pooling": {"rounding": "half_up", "accumulator": {"bits": 32}},
    "output": {"overflow": "saturate"},
}


def half_up(x: Fraction) -> int:
    return floor(x + Fraction(1, 2))


def clamp(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


def exact(value: float) -> Fraction:
    return Fraction(float(value))


class Figures:
    """The figures of one channel of a point."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.low = self.high = self.inexact = self.bias = self.energy = self.injected = 0

    def rounded(self, came: int, x: Fraction, q: int, factor: int = 1) -> None:
        """``x`` was rounded to ``q``, and ``came`` is noted in minimum and maximum."""
        error = (q * LSB - floor(x * LSB)) * factor
        self.seen.append(came)
        self.inexact += q != x
        self.bias += error
        self.energy += error**2

    def fitted(self, came: int, code: int, factor: int = 1) -> None:
        """``came`` was fitted to ``code``."""
        self.low += came < code
        self.high += came > code
        self.injected += ((code - came) * factor) ** 2

    def all(self) -> tuple[int, ...]:
        ends = (min(self.seen), max(self.seen))
        return (len(self.seen), self.low, self.high, *ends, self.inexact, self.bias, self.energy, self.injected)


def engine_figures(execution: Execution, layer: str, point: str) -> list[tuple[int, ...]]:
    (row,) = [one for one in execution.ledger if (one.layer, one.point.name) == (layer, point)]
    counts = row.counts
    columns = ("VALUES", "LOW", "HIGH", "MINIMUM", "MAXIMUM", "INEXACT", "ROUND_BIAS")
    plain = [counts[getattr(counting, name)].tolist() for name in columns]
    sums = [counting.long_sum(counts, one) for one in (counting.ROUND_ENERGY, counting.CLAMP_ENERGY)]
    assert row.persistent == row.low + row.high
    return list(zip(*plain, *sums, strict=True))


def has_point(execution: Execution, layer: str, point: str) -> bool:
    return any((one.layer, one.point.name) == (layer, point) for one in execution.ledger)


# Weights


def nearest(levels: Sequence[int], x: Fraction | int) -> int:
    return sum(low + high <= 2 * x for low, high in zip(levels, levels[1:], strict=False))


def weight_integers(kernel: np.ndarray, plan: WeightPlan) -> tuple[Codes, list[Figures]]:
    """Return what the multiplier gets for (…, input channels, outputs), and the row ``weight``."""
    outputs = kernel.shape[-1]
    figures = [Figures() for _ in range(outputs)]
    integers = np.zeros(kernel.shape, object)
    lowest, highest = plan.format.minimum, plan.format.maximum
    for at in np.ndindex(*kernel.shape):
        i, o = at[-2:]
        shift = plan.shift[i // plan.group][o] if plan.shift else 0
        v = exact(float(kernel[at])) / exact(plan.scale[o % len(plan.scale)]) / 2**shift
        n, here = round(v), figures[o]
        if plan.levels is None:
            code = clamp(n, lowest, highest)
            here.rounded(n, v, n, 2**shift)
            here.fitted(n, code, 2**shift)
            integers[at] = code * 2**shift
            continue
        level = plan.levels[nearest(plan.levels, v)]
        integers[at] = level
        if plan.levels[0] <= v <= plan.levels[-1]:
            here.rounded(n, v, level)
        else:
            here.rounded(n, v, n)
            here.low += v < plan.levels[0]
            here.high += v > plan.levels[-1]
            here.injected += (level - n) ** 2
    return integers, figures


# Tensors


def by_channel(values: Codes, change: Callable[[int, Any], int]) -> Codes:
    """Apply ``change(channel, value)`` to (…, channels)."""
    changed = np.zeros(values.shape, object)
    for at in np.ndindex(*values.shape):
        changed[at] = change(at[-1], values[at])
    return changed


def decoded(codes: Codes, plan: TensorPlan) -> Codes:
    """Return the integers that arithmetic sees, in units of the plan's scale."""
    if plan.levels is not None:
        table, first = list(plan.levels), plan.format.minimum

        def level(_: int, code: int) -> int:
            return table[code - first]

        return by_channel(codes, level)
    return by_channel(codes, lambda c, code: code * 2 ** (plan.shift[c] if plan.shift else 0))


def scale_of(plan: TensorPlan, channel: int) -> Fraction:
    return exact(plan.scale) * (1 << plan.shift[channel] if plan.shift else 1)


def level_format(plan: TensorPlan) -> tuple[int, int]:
    """Return the ends of the format that what makes a tensor is fitted to."""
    if plan.levels is None:
        return plan.format.minimum, plan.format.maximum
    low, high = plan.levels[0], plan.levels[-1]
    bits = 0
    if low < 0:
        while not (-(1 << bits) <= low and high < 1 << bits):
            bits += 1
        return -(1 << bits), (1 << bits) - 1
    return 0, (1 << high.bit_length()) - 1


class Judge:
    """Codes and figures of each tensor of a network, worked out one sample at a time."""

    def __init__(self, tensors: dict[str, TensorPlan]) -> None:
        self.tensors = tensors
        self.figures: dict[tuple[str, str], list[Figures]] = {}

    def point(self, layer: str, name: str, channels: int) -> list[Figures]:
        return self.figures.setdefault((layer, name), [Figures() for _ in range(channels)])

    def encode(self, layer: str, x: Codes) -> Codes:
        plan = self.tensors[layer]
        if plan.levels is None:
            return x
        table, figures = plan.levels, self.point(layer, "encode", x.shape[-1])

        def one(channel: int, value: int) -> int:
            index = nearest(table, value)
            figures[channel].rounded(table[index], Fraction(value), table[index])
            return plan.format.minimum + index

        return by_channel(x, one)

    def output(self, layer: str, x: Codes, point: str = "output") -> Codes:
        """Fit and encode."""
        low, high = level_format(self.tensors[layer])
        figures = self.point(layer, point, x.shape[-1])

        def one(channel: int, value: int) -> int:
            fitted = clamp(value, low, high)
            figures[channel].rounded(value, Fraction(value), value)
            figures[channel].fitted(value, fitted)
            return fitted

        return self.encode(layer, by_channel(x, one))

    def source(self, layer: str, data: np.ndarray) -> Codes:
        plan = self.tensors[layer]
        low, high = level_format(plan)
        figures = self.point(layer, "input", data.shape[-1])

        def one(channel: int, real: float) -> int:
            v = exact(real) / scale_of(plan, channel)
            fitted = clamp(round(v), low, high)
            figures[channel].rounded(round(v), v, round(v))
            figures[channel].fitted(round(v), fitted)
            return fitted

        return self.encode(layer, by_channel(data.astype(object), one))

    def requantised(self, layer: str, sums: Codes, units: Sequence[Fraction], relu: bool = False) -> Codes:
        plan = self.tensors[layer]
        x = by_channel(sums, lambda c, s: half_up((max(s, 0) if relu else s) * units[c] / scale_of(plan, c)))
        return self.output(layer, x)

    def weighted(self, layer: Conv2D | Dense, codes: Codes, plan: WeightPlan) -> Codes:
        source = self.tensors[layer.inputs[0]]
        integers, figures = weight_integers(layer.kernel, plan)
        self.figures[layer.name, "weight"] = figures
        units = [exact(source.scale) * exact(plan.scale[o % len(plan.scale)]) for o in range(integers.shape[-1])]
        bias = [round(exact(one) / unit) for one, unit in zip(layer.bias, units, strict=True)]
        values = decoded(codes, source)
        sums = np.dot(values, integers) if isinstance(layer, Dense) else convolved(layer, values, integers)
        return self.requantised(
            layer.name, by_channel(sums, lambda c, s: s + bias[c]), units, layer.activation is not None
        )

    def mean(self, layer: str, source: str, codes: Codes) -> Codes:
        plan = self.tensors[source]
        values = decoded(codes, plan) if plan.levels is not None else codes
        return self.output(layer, pooled(values, lambda window: half_up(Fraction(sum(window), len(window)))))

    def add(self, layer: str, inputs: Sequence[tuple[str, Codes]]) -> Codes:
        plans = [self.tensors[name] for name, _ in inputs]
        common = 2 * max(exact(one.scale) for one in plans)
        total: Any = 0
        for plan, (_, codes) in zip(plans, inputs, strict=True):
            factor = 2**LEFT_SHIFT * exact(plan.scale) / common
            total = total + by_channel(decoded(codes, plan), lambda _, v, f=factor: half_up(v * f))  # type: ignore[misc]
        return self.requantised(layer, total, [common / 2**LEFT_SHIFT] * total.shape[-1])

    def join(self, layer: str, inputs: Sequence[tuple[str, Codes]]) -> Codes:
        """Concatenate along the last axis tensors that all differ from the output: decode, rescale, fit, encode."""
        parts = []
        for name, codes in inputs:
            ratio = exact(self.tensors[name].scale) / exact(self.tensors[layer].scale)
            parts.append(by_channel(decoded(codes, self.tensors[name]), lambda _, v, m=ratio: half_up(v * m)))  # type: ignore[misc]
        return self.output(layer, np.concatenate(parts, axis=-1))


def convolved(layer: Conv2D, values: Codes, integers: Codes) -> Codes:
    (top, bottom), (left, right) = layer.padding
    height, width, channels = values.shape
    padded = np.zeros((height + top + bottom, width + left + right, channels), object)
    padded[top : top + height, left : left + width] = values
    rows, columns, depth, outputs = integers.shape
    sums = np.zeros((padded.shape[0] - rows + 1, padded.shape[1] - columns + 1, outputs), object)
    for y, x, o in np.ndindex(*sums.shape):
        first = o // (outputs // layer.groups) * depth
        for r, s, i in product(range(rows), range(columns), range(depth)):
            sums[y, x, o] += padded[y + r, x + s, first + i] * integers[r, s, i, o]
    return sums


def pooled(values: Codes, of: Callable[[list[int]], int]) -> Codes:
    """Reduce windows of 2 x 2."""
    height, width, channels = values.shape
    result = np.zeros((height // 2, width // 2, channels), object)
    for y, x, c in np.ndindex(*result.shape):
        result[y, x, c] = of(list(values[2 * y : 2 * y + 2, 2 * x : 2 * x + 2, c].ravel()))
    return result


def run(
    operations: Sequence[Operation],
    tensors: dict[str, TensorPlan],
    weights: dict[str, WeightPlan],
    data: np.ndarray,
    sections: dict[str, Json],
) -> Execution:
    where = Target.from_dict({**TARGET, **sections})
    network = Network(name="judged", operations=tuple(operations), outputs=tuple(one.name for one in operations[1:]))
    plan = Plan(network="judged", target="judged", tensors=tensors, weights=weights)
    return execute(lower(network, plan, where), data)


def agree(execution: Execution, judge: Judge, codes: dict[str, list[Codes]]) -> None:
    for name, wanted in codes.items():
        if name != "x":
            assert execution.codes[name].tolist() == np.stack(wanted).tolist(), name
    for (layer, point), figures in judge.figures.items():
        assert engine_figures(execution, layer, point) == [one.all() for one in figures], (layer, point)


def eighths(dice: random.Random, shape: Iterable[int], reach: int) -> np.ndarray:
    """Return multiples of 1/8 up to ``reach``: many ties, exact in every float."""
    shape = tuple(shape)
    flat = [dice.randint(-8 * reach, 8 * reach) / 8 for _ in range(int(np.prod(shape)))]
    return np.array(flat, np.float32).reshape(shape)


TABLES = [(-20, -9, -3, -1, 0, 2, 5, 17), (-300, -7, -6, -1, 3, 4, 200, 201), (1, 2, 4, 7, 8, 9, 16, 31)]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("scales", [(0.5,), (0.5, 0.25, 1.0, 2.0)])
def test_codebook_weights(table: tuple[int, ...], scales: tuple[float, ...]) -> None:
    dice = random.Random(7)
    between = [(low + high) / 2 for low, high in zip(table, table[1:], strict=False)]
    ends = [table[0] - 0.5, table[0] - 10.5, table[-1] + 0.5, table[-1] + 1.5, table[0] - 1 / 8, table[-1] + 1 / 8]
    column = [*table, *between, *ends, -0.5, 0.5, 1.5, 1 / 3, -2 / 3, *(dice.uniform(-40, 40) for _ in range(9))]
    kernel = np.array([[v * scales[o % len(scales)] for o in range(4)] for v in column], np.float32)
    layer = Dense(name="d", inputs=("x",), kernel=kernel, bias=np.array([1, -2, 3.5, 0], np.float32))
    tensors = {"x": TensorPlan(bits=8, signed=True, scale=1.0), "d": TensorPlan(bits=8, signed=True, scale=64.0)}
    plan = WeightPlan(bits=3, signed=True, scale=scales, zero_point=(0,) * len(scales), levels=table)
    data = eighths(dice, (3, len(column)), 9)
    kind = "layer" if len(scales) == 1 else "output_channel"
    settings = {"step": "codebook", "bits": 3, "levels": list(table), "granularity": kind}
    execution = run([Input(name="x", shape=data.shape[1:]), layer], tensors, {"d": plan}, data, {"weights": settings})
    judge = Judge(tensors)
    codes: dict[str, list[Codes]] = {"d": [judge.weighted(layer, judge.source("x", one), plan) for one in data]}
    agree(execution, judge, codes)
    assert sum(one.low for one in judge.figures["d", "weight"]) and sum(
        one.high for one in judge.figures["d", "weight"]
    )


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_shifted_weights(group: int, seed: int) -> None:
    dice = random.Random(seed)
    rows = -(-3 // group)
    shift = tuple(tuple(dice.randint(0, 5) for _ in range(4)) for _ in range(rows))
    kernel = eighths(dice, (3, 3, 3, 4), 60)
    bias = np.array([30, -200, 5, 0], np.float32)
    layer = Conv2D(name="c", inputs=("x",), kernel=kernel, bias=bias, groups=2, padding=((1, 1), (1, 0)))
    tensors = {"x": TensorPlan(bits=6, signed=True, scale=0.25), "c": TensorPlan(bits=8, signed=True, scale=32.0)}
    scales = (1.0, 0.5, 2.0, 0.25)
    plan = WeightPlan(bits=4, signed=True, scale=scales, zero_point=(0,) * 4, shift=shift, group=group)
    data = eighths(dice, (2, 5, 5, 6), 9)
    settings: Json = {"bits": 4, "granularity": "full_channel"}
    if group > 1:
        settings = {"bits": 4, "granularity": "group", "group": group}
    execution = run([Input(name="x", shape=data.shape[1:]), layer], tensors, {"c": plan}, data, {"weights": settings})
    judge = Judge(tensors)
    agree(execution, judge, {"c": [judge.weighted(layer, judge.source("x", one), plan) for one in data]})
    assert any(one.injected for one in judge.figures["c", "weight"])


def quadratic(bits: int, signed: bool, scale: float) -> TensorPlan:
    codes = range(-(1 << bits - 1), 1 << bits - 1) if signed else range(1 << bits)
    levels = tuple(q * abs(q) for q in codes)
    return TensorPlan(bits=bits, signed=signed, scale=scale, levels=levels)


def flat_weights(outputs: int, scale: float) -> WeightPlan:
    return WeightPlan(bits=8, signed=True, scale=(scale,) * outputs, zero_point=(0,) * outputs)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [3, 4, 7])
def test_quadratic_levels(signed: bool, bits: int) -> None:
    dice = random.Random(bits)
    reach = (1 << (2 * bits - 2 * signed)) * 5 // 4
    first = Dense(
        name="d",
        inputs=("x",),
        kernel=eighths(dice, (2, 3), 3),
        bias=np.array([5, -3, 1], np.float32),
        activation=Relu() if bits == 4 else None,
    )
    last = Dense(name="head", inputs=("flat",), kernel=eighths(dice, (24, 2), 3), bias=np.array([2, -2], np.float32))
    window = {"window": (2, 2), "strides": (2, 2)}
    operations: list[Operation] = [
        Input(name="x", shape=(4, 4, 2)),
        first,
        MaxPool(name="peak", inputs=("d",), **window),  # type: ignore[arg-type]
        AveragePool(name="mean", inputs=("d",), **window),  # type: ignore[arg-type]
        Add(name="sum", inputs=("peak", "mean")),
        Concatenate(name="same", inputs=("peak", "mean"), axis=2),
        Concatenate(name="other", inputs=("peak", "sum"), axis=2),
        Reshape(name="flat", inputs=("other",), shape=(24,)),
        last,
    ]
    tensors = {name: quadratic(bits, signed, 2.0) for name in ("d", "peak", "mean", "same")}
    tensors |= {"x": quadratic(bits, signed, 1.0), "sum": quadratic(bits, signed, 4.0)}
    tensors |= {name: quadratic(bits, signed, 1.0) for name in ("other", "flat")}
    tensors["head"] = quadratic(bits, signed, 8.0)
    weights = {"d": flat_weights(3, 0.125), "head": flat_weights(2, 0.125)}
    data = eighths(dice, (3, 4, 4, 2), reach)
    settings = {"symmetric": True, "step": "quadratic", "bits": bits, "signed": signed}
    execution = run(operations, tensors, weights, data, {"activations": settings})
    judge = Judge(tensors)
    codes: dict[str, list[Codes]] = {one.name: [] for one in operations}
    for sample in data:
        made: dict[str, Codes] = {"x": judge.source("x", sample)}
        made["d"] = judge.weighted(first, made["x"], weights["d"])
        made["peak"] = pooled(made["d"], max)
        made["mean"] = judge.mean("mean", "d", made["d"])
        made["sum"] = judge.add("sum", [("peak", made["peak"]), ("mean", made["mean"])])
        made["same"] = np.concatenate([made["peak"], made["mean"]], axis=-1)
        made["other"] = judge.join("other", [("peak", made["peak"]), ("sum", made["sum"])])
        made["flat"] = made["other"].reshape(24)
        made["head"] = judge.weighted(last, made["flat"], weights["head"])
        for name, one in made.items():
            codes[name].append(one)
    agree(execution, judge, codes)
    assert not any(has_point(execution, name, "encode") for name in ("peak", "same", "flat"))


@pytest.mark.parametrize("seed", range(4))
def test_shifted_activations(seed: int) -> None:
    dice = random.Random(seed)
    spread = [tuple(dice.randint(0, 4) for _ in range(4)) for _ in range(3)]
    entry = [
        TensorPlan(bits=6, signed=True, scale=s, shift=one) for s, one in zip((0.5, 2.0, 1.0), spread, strict=True)
    ]
    tensors = {"x": entry[0], "depth": entry[1], "peak": entry[1], "mean": entry[1], "sum": entry[2]}
    tensors["flat"] = TensorPlan(bits=6, signed=True, scale=1.0, shift=spread[2] * 4)
    tensors["head"] = TensorPlan(bits=6, signed=True, scale=16.0, shift=(3, 0))
    depth = Conv2D(
        name="depth",
        inputs=("x",),
        kernel=eighths(dice, (3, 3, 1, 4), 3),
        bias=eighths(dice, (4,), 20),
        groups=4,
        padding=((1, 1), (1, 1)),
        activation=Relu() if seed % 2 else None,
    )
    last = Dense(name="head", inputs=("flat",), kernel=eighths(dice, (16, 2), 3), bias=np.array([2, -9], np.float32))
    window = {"window": (2, 2), "strides": (2, 2)}
    operations: list[Operation] = [
        Input(name="x", shape=(4, 4, 4)),
        depth,
        MaxPool(name="peak", inputs=("depth",), **window),  # type: ignore[arg-type]
        AveragePool(name="mean", inputs=("depth",), **window),  # type: ignore[arg-type]
        Add(name="sum", inputs=("peak", "mean")),
        Reshape(name="flat", inputs=("sum",), shape=(16,)),
        last,
    ]
    weights = {
        "depth": WeightPlan(bits=8, signed=True, scale=(0.125, 0.25, 0.5, 0.0625), zero_point=(0,) * 4),
        "head": flat_weights(2, 0.125),
    }
    data = eighths(dice, (3, 4, 4, 4), 60)
    settings = {"symmetric": True, "granularity": "channel", "bits": 6}
    execution = run(operations, tensors, weights, data, {"activations": settings})
    judge = Judge(tensors)
    codes: dict[str, list[Codes]] = {one.name: [] for one in operations}
    for sample in data:
        made: dict[str, Codes] = {"x": judge.source("x", sample)}
        made["depth"] = judge.weighted(depth, made["x"], weights["depth"])
        made["peak"] = pooled(made["depth"], max)
        made["mean"] = judge.mean("mean", "depth", made["depth"])
        made["sum"] = judge.add("sum", [("peak", made["peak"]), ("mean", made["mean"])])
        made["flat"] = made["sum"].reshape(16)
        made["head"] = judge.weighted(last, made["flat"], weights["head"])
        for name, one in made.items():
            codes[name].append(one)
    agree(execution, judge, codes)
