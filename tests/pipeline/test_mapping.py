"""Steps read from tables of all bytes against the same steps run on each code: results, ledger and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from hwsim.engine import mapping
from hwsim.engine.mapping import maps
from hwsim.engine.operations import RUN
from hwsim.engine.tally import Tally
from hwsim.formats import IntFormat, Rounding
from hwsim.program.records import (
    Absolute,
    AddConstant,
    ClipHigh,
    ClipLow,
    CountLevels,
    FitTo,
    Join,
    LookUp,
    MultiplyBy,
    Negate,
    Point,
    Rescale,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Tensor,
)
from hwsim_kernels.fast.features import PLAIN, PORTABLE, tier

CHANNELS = 3
STEADY = [mode for mode in Rounding if not mode.stochastic]
WHOLE_TENSOR = {"field", "table", "errors", "levels"}

small = st.integers(-300, 300)


def every(value: int) -> np.ndarray:
    """Return the value of all channels."""
    return np.full(CHANNELS, value, np.int64)


@composite
def drawn_steps(draw: DrawFn) -> list[Step]:
    """Draw some steps that treat all channels alike, then a fit to 8 bits."""
    steps: list[Step] = []
    for number in range(draw(st.integers(0, 4))):
        point = f"point {number}"
        kind = draw(st.integers(0, 10))
        if kind == 0:
            steps.append(AddConstant(constant=every(draw(small))))
        elif kind == 1:
            steps.append(draw(st.sampled_from([ClipLow, ClipHigh]))(limit=every(draw(small))))
        elif kind == 2:
            steps.append(Absolute())
        elif kind == 3:
            steps.append(Negate(where=every(draw(st.integers(0, 1)))))
        elif kind == 4:
            steps.append(ShiftLeft(shift=every(draw(st.integers(0, 5)))))
        elif kind == 5:
            steps.append(MultiplyBy(multiplier=every(draw(st.integers(0, 99)))))
        elif kind == 6:
            steps.append(draw(drawn_table(point)))
        elif kind == 7:
            levels = np.unique(np.array(draw(st.lists(small, min_size=1, max_size=9)), np.int64))
            steps.append(CountLevels(levels=levels, first=draw(small)))
        elif kind == 8:
            ratio = np.full(CHANNELS, draw(st.floats(0.001, 3.0)))
            precision = draw(st.sampled_from([32, 64]))
            steps.append(
                ScaleFloat(
                    point=point,
                    ratio=ratio,
                    divisor=draw(st.sampled_from([1.0, 0.7, 3e-5])) * np.ones(ratio.size),
                    added=np.full(ratio.size, draw(st.integers(-128, 127)), np.int64),
                    precision=precision,
                    rounding=draw(st.sampled_from(STEADY)),
                )
            )
        elif kind == 9:
            steps.append(draw(drawn_scaling(point)))
        else:
            steps.append(draw(drawn_fit(point)))
    return [*steps, draw(drawn_fit("output", 8))]


@composite
def drawn_table(draw: DrawFn, point: str) -> LookUp:
    """Draw a table, read at a code with the errors of its entries, or between two."""
    linear = draw(st.booleans())
    table = np.array([draw(st.lists(small, min_size=2, max_size=9))], np.int64)
    errors = table * 7 % 40000 - 20000 if not linear and draw(st.booleans()) else np.zeros((0, 0), np.int64)
    rounding = draw(st.sampled_from(STEADY)) if linear else None
    shift = draw(st.integers(0, 6))
    return LookUp(point=point, table=table, errors=errors, first=draw(small), shift=shift, rounding=rounding)


@composite
def drawn_scaling(draw: DrawFn, point: str) -> ScaleFixed:
    """Draw a multiplier and a shift."""
    multiplier, shift = every(draw(st.integers(0, 1 << 12))), every(draw(st.integers(0, 14)))
    negatives, rounding = draw(st.booleans()), draw(st.sampled_from(STEADY))
    return ScaleFixed(point=point, multiplier=multiplier, shift=shift, rounding=rounding, negatives_only=negatives)


@composite
def drawn_fit(draw: DrawFn, point: str, bits: int | None = None) -> FitTo:
    """Draw a fit, half of them with a histogram."""
    bits = draw(st.integers(2, 12)) if bits is None else bits
    field = np.array([bits, 1, draw(st.integers(0, 1)), 0], np.int64)
    return FitTo(point=point, field=field, histogram=draw(st.booleans()), offset=draw(small))


def points_of(steps: Sequence[Step]) -> tuple[Point, ...]:
    """Return a point for each step that names one."""
    return tuple(Point(name=step.point, unit=np.ones(CHANNELS)) for step in steps if step.point)


def rescale(steps: Sequence[Step]) -> Rescale:
    """Return an operation of such steps."""
    output = Tensor(name="y", shape=(2, 2, CHANNELS), format=IntFormat(bits=8))
    return Rescale(
        name="y", layer="y", kind="activation", inputs=("x",), output=output,
        points=points_of(steps), steps=tuple(steps), draws=np.zeros(1, np.int64),
    )  # fmt: skip


def counted(one: Rescale | Join, inputs: Sequence[np.ndarray], tier_used: int) -> tuple[object, object, object]:
    """Run an operation from sample 5 on."""
    tally = Tally.of(one, 5, tier=tier_used)
    out = np.zeros((len(inputs[0]), *one.output.shape), np.int8)
    RUN[type(one)](one, inputs, tally, out)
    return out.tolist(), tally.counts.tolist(), tally.histograms.tolist()


@settings(max_examples=150, deadline=None)
@given(drawn_steps(), st.binary(min_size=24, max_size=60), st.booleans())
def test_tables_give_what_steps_give(steps: list[Step], data: bytes, signed: bool) -> None:
    size = len(data) // 12 * 12
    codes = np.frombuffer(data[:size], np.int8 if signed else np.uint8).reshape(-1, 2, 2, CHANNELS)
    one = rescale(steps)
    assert maps(one, steps, codes.reshape(-1, CHANNELS), Tally.of(one, 0, tier=PORTABLE))
    assert counted(one, [codes], PORTABLE) == counted(one, [codes], PLAIN)


@pytest.mark.parametrize("axis", [0, 2])
def test_inputs_that_are_joined_are_mapped_in_place(axis: int) -> None:
    steps = (
        ScaleFixed(point="input", multiplier=every(3), shift=every(1), rounding=Rounding.HALF_EVEN),
        FitTo(point="output", field=np.array([8, 1, 0, 0], np.int64), histogram=True, offset=3),
    )
    shape = [2, 2, CHANNELS]
    shape[axis] *= 2
    output = Tensor(name="y", shape=tuple(shape), format=IntFormat(bits=8))
    one = Join(
        name="y", layer="y", kind="concatenate", inputs=("x", "z"), output=output, axis=axis, input_steps=(steps, ()),
        points=tuple(Point(name=name, unit=np.ones(shape[-1])) for name in ("input", "output")),
        draws=np.zeros(1, np.int64),
    )  # fmt: skip
    rng = np.random.default_rng(1)
    inputs = [rng.integers(-128, 128, (4, 2, 2, CHANNELS)).astype(np.int8) for _ in range(2)]
    assert counted(one, inputs, PORTABLE) == counted(one, inputs, PLAIN)


def test_what_tables_cannot_say_is_left_to_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = rescale([FitTo(point="output", field=np.array([8, 1, 0, 0], np.int64))]).steps
    one, rows = rescale(steps), np.zeros((40, CHANNELS), np.int8)
    tally = Tally.of(one, 0, tier=tier())
    assert maps(one, steps, rows, tally) == (tier() >= PORTABLE)
    tally.tier = PORTABLE
    assert maps(one, steps, rows, tally)
    assert not maps(one, steps, rows.astype(np.int16), tally), "more than a byte"
    assert not maps(one, [*steps, AddConstant(constant=np.arange(CHANNELS))], rows, tally), "channels differ"
    assert not maps(one, steps, rows, Tally.of(one, 0, tier=PORTABLE, trace=True)), "values are traced"
    assert not maps(one, steps, rows, Tally.of(one, 0, tier=PLAIN)), "plain kernels are wanted"
    monkeypatch.setattr(mapping, "FEW_ROWS", 41)
    assert not maps(one, steps, rows, tally), "too few"


def test_steps_say_which_arrays_have_a_value_for_each_channel() -> None:
    for kind in Step.__subclasses__():
        arrays = {field.name for field in fields(kind) if field.type in {"Ints", "Reals", "Flags", "Codes"}}
        assert arrays - set(kind.by_channel) <= WHOLE_TENSOR, kind.__name__
        assert set(kind.by_channel) <= arrays, kind.__name__
