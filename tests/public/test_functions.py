"""Every function on arrays, against the oracle's plain integers, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import COMPILED, OVERFLOWS, ROUNDINGS, STEADY, Json, draw_of, examples, fits, integers
from public.cases import SHAPES, Shape, check, draws_for, form, forms, generators, parameters, read_only, tensors

import hwsim_kernels as kernels
from hwsim_kernels import Format
from oracle.overflow import Format as OracleFormat
from oracle.overflow import fit
from oracle.quantize import quantize
from oracle.rounding import rounded_shift
from oracle.steps import entry, interpolated

LARGEST = 1 << 124
SHIFTS = st.integers(-92, 124) | st.sampled_from([-92, -62, -1, 0, 1, 31, 32, 33, 61, 62, 63, 94, 124])


def rounded(value: int, shift: int, mode: str, number: int, random: Json, guard: int | None = None) -> int:
    """Round one value by the oracle."""
    return rounded_shift(value, shift, mode, *draw_of(random, number, mode), guard).value


def channel(number: int, shape: Shape) -> int:
    """Return the channel of value ``number``."""
    return number % shape[-1] if shape else 0


@examples(300)
@given(st.data(), st.sampled_from(ROUNDINGS), generators)
def test_round_shift(data: st.DataObject, mode: str, random: Json) -> None:
    values, shape, given_values = data.draw(tensors(data.draw(st.sampled_from([8, 31, 63, 64, 90, 123]))))
    shifts, given_shifts = data.draw(parameters(shape, SHIFTS))
    guard = data.draw(st.none() | st.integers(1, 32))
    pairs = [(value, shifts[channel(i, shape)]) for i, value in enumerate(values)]
    arguments: Json = {"guard_bits": guard, "draws": draws_for(random, mode)}
    if any(abs(value) << max(-shift, 0) >= LARGEST for value, shift in pairs):
        with pytest.raises(OverflowError, match="125 bits"):
            kernels.round_shift(given_values, given_shifts, mode, **arguments)
        return
    wanted = [rounded(value, shift, mode, i, random, guard) for i, (value, shift) in enumerate(pairs)]
    check(kernels.round_shift(given_values, given_shifts, mode, **arguments), wanted, shape)


@pytest.mark.parametrize("mode", STEADY)
def test_round_shift_at_every_tie(mode: str) -> None:
    for shift in (1, 2, 5, 62, 63, 90, 123):
        half = 1 << (shift - 1)
        near = [k * half + offset for k in range(-5, 6) for offset in (-1, 0, 1)]
        values = [value for value in near if abs(value) < LARGEST]
        wanted = [rounded_shift(value, shift, mode).value for value in values]
        assert kernels.round_shift(values, shift, mode).tolist() == wanted, shift


@examples(300)
@given(st.data(), st.sampled_from(ROUNDINGS), generators)
def test_requantize(data: st.DataObject, mode: str, random: Json) -> None:
    values, shape, given_values = data.draw(tensors(data.draw(st.sampled_from([8, 31, 63, 90]))))
    factors, given_factors = data.draw(
        parameters(shape, st.integers(0, (1 << 32) - 1) | st.sampled_from([0, 1, 1 << 31, (1 << 32) - 1]))
    )
    shifts, given_shifts = data.draw(parameters(shape, st.integers(-4, 62) | SHIFTS))
    guard, zero_point = data.draw(st.none() | st.integers(1, 32)), data.draw(integers(63))
    output = data.draw(st.none() | fits())
    arguments: Json = {
        "guard_bits": guard,
        "zero_point": zero_point,
        "output": form(output) if output else None,
        "draws": draws_for(random, mode),
    }
    wanted: list[int] = []
    for i, value in enumerate(values):
        factor, shift = factors[channel(i, shape)], shifts[channel(i, shape)]
        if abs(value) * factor << max(-shift, 0) >= LARGEST:
            with pytest.raises(OverflowError, match="125 bits"):
                kernels.requantize(given_values, given_factors, given_shifts, mode, **arguments)
            return
        result = rounded(value * factor, shift, mode, i, random, guard) + zero_point
        wanted.append(OracleFormat.of(output).fit(result) if output else result)
    check(kernels.requantize(given_values, given_factors, given_shifts, mode, **arguments), wanted, shape)


@examples(400)
@given(st.data(), fits())
def test_fit(data: st.DataObject, section: Json) -> None:
    values, shape, given_values = data.draw(tensors(data.draw(st.sampled_from([9, section["bits"] + 1, 64, 123]))))
    wanted = [OracleFormat.of(section).fit(value) for value in values]
    made = kernels.fit(
        given_values,
        section["bits"],
        section["overflow"],
        signed=section["signed"],
        saturated_bits=section["saturated_bits"],
    )
    check(made, wanted, shape)


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("bits", [1, 2, 3, 8, 31, 32, 33, 61, 62, 63, 64])
def test_fit_around_every_limit(bits: int, overflow: str) -> None:
    for signed in (True, False) if overflow != "wrap_sign_magnitude" else (True,):
        powers = [sign << n for n in (bits - 1, bits, bits + 1, 100) for sign in (-1, 1)]
        values = [0, *(power + offset for power in powers for offset in range(-2, 3))]
        for saturated_bits in {0, 1, bits // 2, bits} if "wrap" in overflow else {0}:
            wanted = [fit(value, bits, signed, overflow, saturated_bits) for value in values]
            made = kernels.fit(values, bits, overflow, signed=signed, saturated_bits=saturated_bits)
            assert made.tolist() == wanted


REALS = st.floats(-1e6, 1e6) | st.sampled_from([-2.5, -0.5, -0.0, 0.5, 1.5, 1e300, -1e300, 5e-324]) | st.integers(-9, 9)
SCALES = st.floats(1e-6, 1e6) | st.sampled_from([1.0, 0.5, 2.0**-299, 2.0**299])


@examples(300)
@given(st.data(), st.sampled_from(STEADY), fits())
def test_quantize(data: st.DataObject, mode: str, output: Json) -> None:
    shape: Shape = data.draw(st.sampled_from(SHAPES))
    size, channels = prod(shape), shape[-1] if shape else 1
    reals = data.draw(st.lists(REALS, min_size=size, max_size=size))
    scales = [data.draw(SCALES)] * channels
    scale: Any = scales[0] if scales else 1.0
    if data.draw(st.booleans()) and shape:
        scale = scales = data.draw(st.lists(SCALES, min_size=channels, max_size=channels))
    zero_points, given_points = data.draw(parameters(shape, integers(62)))
    values: Any = np.array(reals, np.float64).reshape(shape)
    values = data.draw(st.sampled_from([values, values.copy("F"), read_only(values), values.astype(object)]))
    wanted: list[int] = []
    for i, real in enumerate(reals):
        c = channel(i, shape)
        quotient = quantize(float(real), scales[c], zero_points[c], mode).value
        wanted.append(OracleFormat.of(output).fit(quotient))
    made = kernels.quantize(values, scale, given_points, output=form(output), rounding=mode)
    if not shape:
        assert isinstance(made, int)
        assert made == wanted[0]
        return
    assert made.shape == shape
    assert made.dtype == (np.uint64 if output["bits"] == 64 and not output["signed"] else np.int64)
    assert made.reshape(-1).tolist() == wanted


@examples(200)
@given(st.data(), fits())
def test_add(data: st.DataObject, section: Json) -> None:
    bits = data.draw(st.sampled_from([8, 63, 64, 120]))
    first, shape, given_first = data.draw(tensors(bits))
    columns, passed = [first], [given_first]
    for _ in range(data.draw(st.integers(0, 3))):
        values, _, given_values = data.draw(tensors(bits, [shape]))
        columns.append(values)
        passed.append(given_values)
    wanted = [in_turn(terms, section) for terms in zip(*columns, strict=True)]
    check(kernels.add(*passed, accumulator=form(section)), wanted, shape)


def in_turn(terms: Sequence[int], section: Json) -> int:
    """Add one value after another, fitting after each."""
    total = 0
    for term in terms:
        total = OracleFormat.of(section).fit(total + term)
    return total


BROADCASTS: tuple[tuple[Shape, Shape], ...] = (
    ((), ()),
    ((3,), ()),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((0, 3), (3,)),
    ((2, 1, 2), (3, 1)),
)


@examples(200)
@given(st.data(), st.sampled_from(BROADCASTS), st.sampled_from(ROUNDINGS), generators)
def test_multiply(data: st.DataObject, shapes: tuple[Shape, Shape], mode: str, random: Json) -> None:
    bits = data.draw(st.sampled_from([7, 15, 31]))
    one, _, given_one = data.draw(tensors(bits, [shapes[0]]))
    two, _, given_two = data.draw(tensors(bits, [shapes[1]]))
    points = (data.draw(integers(min(bits, 30))), data.draw(integers(min(bits, 30))))
    product = data.draw(st.none() | fits())
    shift = data.draw(st.integers(0, 62) | st.just(3)) if product else 0
    arguments: Json = {
        "zero_points": points,
        "product": form(product) if product else None,
        "shift": shift,
        "rounding": mode,
        "draws": draws_for(random, mode),
    }
    shape = np.broadcast_shapes(*shapes)
    repeated = [np.broadcast_to(np.array(v, object).reshape(s), shape) for v, s in zip((one, two), shapes, strict=True)]
    wanted: list[int] = []
    for i, (a, b) in enumerate(zip(repeated[0].flat, repeated[1].flat, strict=True)):
        exact = (int(a) - points[0]) * (int(b) - points[1])
        value = rounded(exact, shift, mode, i, random)
        wanted.append(OracleFormat.of(product).fit(value) if product else value)
    if not product:
        arguments["rounding"], arguments["draws"] = "floor", None
    check(kernels.multiply(given_one, given_two, **arguments), wanted, shape)


@examples(200)
@given(st.data(), st.sampled_from(ROUNDINGS), generators)
def test_lookup(data: st.DataObject, mode: str, random: Json) -> None:
    values, shape, given_values = data.draw(tensors(data.draw(st.sampled_from([5, 9, 63, 100]))))
    size = data.draw(st.integers(1, 6))
    table = data.draw(st.lists(integers(31), min_size=size, max_size=size))
    first, shift = data.draw(integers(6) | integers(63)), data.draw(st.integers(0, 24))
    step = {"table": table, "first": first, "shift": shift, "rounding": mode}
    linear = data.draw(st.booleans())
    wanted = [
        interpolated(value, step, *draw_of(random, i, mode)).value if linear else table[entry(value, step)[0]]
        for i, value in enumerate(values)
    ]
    made = kernels.lookup(
        given_values,
        data.draw(forms(table, (size,))),
        first,
        shift,
        interpolation="linear" if linear else "none",
        rounding=mode,
        draws=draws_for(random, mode),
    )
    check(made, wanted, shape)


def test_numbers_of_numpy_are_as_good_as_pythons() -> None:
    narrow = Format(np.int64(64), "saturate", np.bool_(True))  # type: ignore[arg-type]
    assert (narrow.bits, narrow.limits) == (64, (-(1 << 63), (1 << 63) - 1))
    assert kernels.requantize(
        np.array([300], np.int16),
        np.uint32(1 << 31),
        np.int8(31),
        guard_bits=np.int8(4),  # type: ignore[arg-type]
        zero_point=np.int8(-100),  # type: ignore[arg-type]
        output=Format(np.uint8(8), "saturate"),  # type: ignore[arg-type]
    ).tolist() == [127]
    assert kernels.multiply([5], [7], zero_points=(np.int8(1), np.int64(2))).tolist() == [20]  # type: ignore[arg-type]
    assert kernels.lookup([5], [1, 2, 3], np.int64(4), np.int8(0)).tolist() == [2]  # type: ignore[arg-type]


def test_draws_come_in_any_form() -> None:
    cycle = kernels.lfsr(4, (4, 3), 9)
    wanted = kernels.round_shift(np.arange(40), 3, "stochastic_weighted", draws=cycle).tolist()
    for draws in (cycle.tolist(), cycle.astype(np.uint32), cycle.astype(object), np.repeat(cycle, 2)[::2]):
        assert kernels.round_shift(np.arange(40), 3, "stochastic_weighted", draws=draws).tolist() == wanted


def test_what_is_passed_stays_as_it_was() -> None:
    values, table, shifts = np.arange(-4, 4), np.arange(3), np.full(8, 1)
    before = [array.copy() for array in (values, table, shifts)]
    kernels.requantize(values, 3, shifts, zero_point=5, output=Format(3))
    kernels.lookup(values, table)
    kernels.add(values, values, accumulator=Format(3))
    for array, copy in zip((values, table, shifts), before, strict=True):
        assert array.tolist() == copy.tolist()


def test_a_long_row_of_values() -> None:
    row = np.arange(-(1 << 17), 1 << 17, 1 if COMPILED else 100)
    assert kernels.round_shift(row, 4).tolist() == (row >> 4).tolist()
