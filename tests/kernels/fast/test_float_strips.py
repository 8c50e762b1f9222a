"""Steps in floating point on lanes against exact fractions: every value and every counter."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.fast.datapaths import compiled
from kernels.fast.test_strips import Block, Counted, Move, Rows, counted, moved_blocks
from kernels.plain import STEADY, code_of, examples

from hwsim_kernels.fast import float_strips, strip_loop, strips
from oracle.rescale import float_scaled
from oracle.rounding import Rounded, rounded_fraction

pytestmark = [compiled, pytest.mark.slow]

# --- quantisation -------------------------------------------------------------------------------------


def bits_of(values: Sequence[Sequence[float]]) -> Rows:
    """Return the bits of float32 values as integers."""
    rows: Rows = np.array(values, np.float32).view(np.int32).tolist()
    return rows


def check_quantization(values: list[list[float]], scale: Sequence[float], zero_point: Sequence[int], mode: str) -> None:
    """Compare a quantisation of float32 values with docs/arithmetic.md section 3."""
    columns = len(scale)
    parameters, counters = strips.moves(columns), strip_loop.counters(columns)
    parameters[float_strips.DIVISOR] = np.array(scale, np.float64).view(np.int64)
    parameters[strips.ADD], parameters[strips.TABLE] = zero_point, strips.table_of(code_of(mode))
    expected: list[Counted] = [Counted() for _ in scale]
    wanted: Rows = []
    for row in values:
        wanted.append([])
        for value, divisor, zero, one in zip(row, scale, zero_point, expected, strict=True):
            made = rounded_fraction(Fraction(float(np.float32(value)) / divisor), mode)
            one.round(Rounded(made.value + zero, made.inexact, made.e16))
            wanted[-1].append(made.value + zero)
    lanes = np.array(bits_of(values), np.int32)
    float_strips.quantize(lanes, parameters, counters)
    assert lanes.tolist() == wanted
    assert counted(counters) == expected


@examples(120)
@given(st.data(), st.sampled_from(STEADY))
def test_quantize(data: st.DataObject, mode: str) -> None:
    scales = st.sampled_from([1.0, 0.5, 0.1, 1 / 3, 2.0**-20, 3.7e-9, 2.0**90]) | st.floats(1e-9, 1e9)
    scale = data.draw(st.lists(scales, min_size=16, max_size=16))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    values: list[list[float]] = []
    for _ in range(data.draw(st.integers(1, 6))):
        kind = int(generator.integers(0, 4))
        if kind == 0:  # ties and their neighbours
            whole = generator.integers(-9, 10, 16) / 2 * np.array(scale)
            near = whole.astype(np.float32)
            values.append(np.nextafter(near, near + generator.choice([-1, 0, 1], 16)).tolist())
        elif kind == 1:  # as large as can be, with the magnitude of a lane
            most = np.minimum(np.array(scale) * (2.0**29 - 64), 3e38)
            values.append((generator.choice([-1, 1], 16) * most).astype(np.float32).tolist())
        elif kind == 2:  # smaller than any fraction of 16 bits
            values.append((generator.choice([-1, 0, 1], 16) * 2.0**-149).astype(np.float32).tolist())
        else:
            values.append((generator.normal(0, 50, 16) * np.array(scale)).clip(-3e38, 3e38).astype(np.float32).tolist())
    ends = st.sampled_from([0, -128, 127, 65535, 1 << 29, -(1 << 29)]) | st.integers(-(2**15), 2**15)
    check_quantization(values, scale, data.draw(st.lists(ends, min_size=16, max_size=16)), mode)


@pytest.mark.parametrize("mode", STEADY)
def test_real_values_at_ties_sixteenths_and_signed_zeros(mode: str) -> None:
    steps = [0.0, -0.0, 2.0**-149, -(2.0**-149), 2.0**-17, -(2.0**-17), 2.0**-16, -(2.0**-16), 3 * 2.0**-17]
    steps += [0.5, -0.5, 0.5 - 2.0**-25, 0.5 + 2.0**-24, -0.5 + 2.0**-25, -0.5 - 2.0**-24]
    steps += [1.0, -1.0, 1.5, -1.5, 2.5, -2.5]
    steps += [1 - 2.0**-24, -1 + 2.0**-24, 8388607.5, -8388607.5, 2.0**29 - 32, -(2.0**29) + 32]
    for zero_point in (0, 3, -128):
        check_quantization([[step] * 16 for step in steps], [1.0] * 16, [zero_point] * 16, mode)


# --- scalings -----------------------------------------------------------------------------------------


def check_scaling(
    block: Block, ratio: Sequence[float], divisor: Sequence[float], added: Sequence[int], precision: int, mode: str
) -> int:
    """Compare a scaling of a block with the oracle, value by value and figure by figure; return its way."""
    columns = len(ratio)
    given = np.array(ratio, np.float64), np.array(divisor, np.float64), np.array(added, np.int64)
    way = float_strips.scaling(block.parameters, *given, precision, code_of(mode))
    counters, expected = strip_loop.counters(columns), [Counted() for _ in range(columns)]
    wanted: Rows = []
    for row in block.values:
        wanted.append([])
        for value, move, one, *by, more in zip(row, block.moves, expected, ratio, divisor, added, strict=True):
            real = float_scaled(move.of(value), by[0], precision, by[1], more)
            made = rounded_fraction(real, mode)
            one.round(Rounded(made.value - more, made.inexact, made.e16))
            wanted[-1].append(made.value - more)
    assert block.run(lambda values: float_strips.scale(values, block.parameters, counters, way)) == wanted
    assert counted(counters) == expected
    return way


NEAR = [1.0, 0.5, 0.25, 0.1, 1 / 3, 1.5, 3.0, 2.0**-24, 2.0**-31, 1 - 2.0**-24, 2.0**-126, 2.0**-140, 2.0**-160, 0.0]
quotients = st.sampled_from(NEAR) | st.floats(2.0**-40, 4.0)


@pytest.mark.parametrize("precision", [32, 64])
@examples(150)
@given(st.data(), st.sampled_from([*STEADY, *["half_even"] * 8]), st.booleans(), st.booleans())
def test_scale(precision: int, data: st.DataObject, mode: str, divides: bool, adds: bool) -> None:
    columns = data.draw(st.sampled_from([16, 32]))
    ratio = data.draw(st.lists(quotients, min_size=columns, max_size=columns))
    by = st.sampled_from([0.1, 3.0, 1.0, 2.0**60, 2.0**-60]) | st.floats(2.0**-40, 2.0**40)
    divisor = data.draw(st.lists(by, min_size=columns, max_size=columns)) if divides else [1.0] * columns
    if divides:  # back to where quotients stay in lanes
        ratio = [one * down for one, down in zip(ratio, divisor, strict=True)]
    offsets = st.sampled_from([1, -1, 127, -128, 65535])
    added = data.draw(st.lists(offsets, min_size=columns, max_size=columns)) if adds else [0] * columns
    most = (1 << 30) - (1 << 17)
    limits = [min(most, int(most / max(one / down, 2.0**-30))) for one, down in zip(ratio, divisor, strict=True)]
    way = check_scaling(data.draw(moved_blocks(limits)), ratio, divisor, added, precision, mode)
    short = mode == "half_even" and divisor == [1.0] * columns
    assert way == (
        float_strips.ANY_LONG if precision == 64 else float_strips.HALF_EVEN_ONCE if short else float_strips.ANY
    )


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("precision", [32, 64])
def test_scalings_at_ties_and_beyond_the_digits_of_float32(precision: int, mode: str) -> None:
    values = [0, 1, 2, 3, 5, 7, 9, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, (1 << 25) + 3, (1 << 29) + 33, (1 << 30) - 65]
    rows = [[sign * value] * 16 for value, sign in product(values, (1, -1))]
    ratios = [1.0, 0.5, 0.25, 0.75, 2.0**-8, 2.0**-17, 2.0**-25, 2.0**-31, 2.0**-60, 2.0**-149, 0.1, 1 / 3, 1 / 7]
    ratio = [*ratios, 0.5 - 2.0**-25, 0.5 + 2.0**-24, 1 - 2.0**-24]
    for added in (0, 1, -128, 65535):
        check_scaling(Block(rows, strips.moves(16), 0, [Move()] * 16), ratio, [1.0] * 16, [added] * 16, precision, mode)
