"""Compare two sets of tensors: match them, find the first that differs, and guess why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.divergence import order, values
from hwsim.divergence.case import Case, Cause, by_channel
from hwsim.divergence.dump import Tensor, read_dump
from hwsim.divergence.hexfile import MOST_BITS
from hwsim.divergence.layout import Beside, lay_beside
from hwsim.divergence.match import Matched, match
from hwsim.divergence.replay import Replayed, replayed
from hwsim.divergence.result import Compared, Diff, Place
from hwsim.errors import DataError
from hwsim.formats import IntFormat
from hwsim.program import Program

Array = NDArray[Any]

MOST_GAPS = 12
MOST_CAUSES = 6

GUESSES = (
    order.samples,
    order.channels,
    order.axes,
    values.narrower,
    values.constants,
    values.shifts,
    values.borders,
    values.clipped,
    values.rounding,
)
"""What is guessed from values alone, in the order in which it convinces where it explains everything."""

REPLAYED_BEFORE = ("rounding", "overflow", "shift", "activation", "accumulator", "padding", "input_zero_point")
"""What the program confirms comes before all guesses; another bias, which has much freedom, behind those of order."""


def diff(  # noqa: PLR0913  one argument for each choice
    a: object,
    b: object,
    *,
    program: Program | str | Path | None = None,
    bits: int | None = None,
    signed: bool | None = None,
    shape: Sequence[int] | None = None,
) -> Diff:
    """Compare two sets of integer tensors, name the first difference, and guess its cause.

    a, b: each the path of an .npz, .npy or .hex file or of a folder of .npy and .hex files (in the order of their
        names), an array, a mapping of arrays, or what ``hwsim.run(..., tensors=True)`` or
        ``program.run(..., tensors=True)`` gave.
    program: the Program of one of the sides, or its path; the layer that differs first is then run again with one thing
        changed at a time: every rounding mode, other registers, padding, shifts, bias. By default that of a run.
    bits, signed: the width of the words of .hex files, and whether they are in two's complement; by default as the
        other side says. ``bits`` and ``signed`` also say what format all values have, for guesses.
    shape: the shape (samples, …, channels) of tensors from .hex files; by default that of the other side.

    Raises DataError for files and arrays that cannot be compared, ProgramError for a program that cannot be read.
    """
    if bits is not None and not 1 <= bits <= MOST_BITS:
        raise DataError(f"bits must be 1 to {MOST_BITS}, not {bits}")
    dumps = read_dump(a, "A"), read_dump(b, "B")
    code = _program(program, a, b)
    found = match(*dumps)
    if not found.pairs:
        names = [", ".join([repr(one.name) for one in dump.tensors[:3]]) for dump in dumps]
        raise DataError(
            f"no tensor of {dumps[0].label} ({names[0]}) belongs to one of {dumps[1].label} ({names[1]}): "
            "they share no name and no size"
        )
    read = [_read(one, two, (bits, signed, shape)) for one, two in found.pairs]
    laid = [lay_beside(one.values, two.values) for one, two in read]
    tensors = tuple(_compared(pair, beside) for pair, beside in zip(read, laid, strict=True))
    result = Diff(
        a=dumps[0].label,
        b=dumps[1].label,
        matched=found.how,
        tensors=tensors,
        only_a=tuple(one.name for one in found.only_a),
        only_b=tuple(one.name for one in found.only_b),
    )
    number = next((number for number, one in enumerate(tensors) if not one.equal), None)
    if number is None or tensors[number].problem:
        return result
    case = _case(read[number], laid[number], (bits, signed), code)
    known = _known(found, read, laid, code) if code is not None else {}
    return _explained(result, case, code, known, tensors[number])


def _program(program: Program | str | Path | None, a: object, b: object) -> Program | None:
    if program is None:
        runs = [one.program for one in (a, b) if isinstance(getattr(one, "program", None), Program)]  # type: ignore[attr-defined]
        return runs[0] if runs else None
    return program if isinstance(program, Program) else Program.load(program)


def _read(
    one: Tensor, two: Tensor, given: tuple[int | None, bool | None, Sequence[int] | None]
) -> tuple[Tensor, Tensor]:
    """Give words of .hex files their width, sign and shape, from the options or from the other side."""
    bits, signed, shape = given

    def read(words: Tensor, other: Tensor) -> Tensor:
        if words.words is None:
            return words
        form = other.format if other.words is None else None
        width = bits or (form.bits if form is not None else words.words.digits_bits)
        negative = other.words is None and bool((other.values < 0).any())
        sign = signed if signed is not None else (form.signed if form is not None else negative)
        found = words.words.integers(width, sign)
        if shape is not None:
            if prod(shape) != found.size:
                raise DataError(f"{words.words.path}: {found.size} words are no tensor of shape {tuple(shape)}")
            found = found.reshape(tuple(shape))
        return replace(words, values=found, format=IntFormat(bits=width, signed=sign))

    return read(one, two), read(two, one)


def _compared(pair: tuple[Tensor, Tensor], beside: Beside) -> Compared:
    a, b = beside.a, beside.b
    names = {"name": pair[0].name, "other": pair[1].name, "shape": a.shape, "notes": beside.notes}
    if beside.problem:
        return Compared(values=0, count=0, largest=0, first=None, problem=beside.problem, **names)  # type: ignore[arg-type]
    differs = a != b
    count = int(np.count_nonzero(differs))
    largest, first = 0, None
    if count:
        largest = int(np.abs(b[differs].astype(np.int64) - a[differs].astype(np.int64)).max())
        seen = by_channel(differs)
        at = np.unravel_index(int(np.argmax(seen)), seen.shape)
        first = Place(
            sample=int(at[0]),
            position=tuple(int(one) for one in at[1:-1]),
            channel=int(at[-1]),
            a=int(by_channel(a)[at]),
            b=int(by_channel(b)[at]),
        )
    return Compared(values=a.size, count=count, largest=largest, first=first, **names)  # type: ignore[arg-type]


def _case(
    pair: tuple[Tensor, Tensor], beside: Beside, given: tuple[int | None, bool | None], program: Program | None
) -> Case:
    """Return what is to be explained, with the format and the zero point that any side knows."""
    a, b = (by_channel(one).astype(np.int64) for one in (beside.a, beside.b))
    made = None if program is None else program.tensors.get(pair[0].name) or program.tensors.get(pair[1].name)
    form = (made.format if made is not None else None) or pair[0].format or pair[1].format
    bits, signed = given
    if bits is not None:
        sign = signed if signed is not None else form.signed if form is not None else bool(min(a.min(), b.min()) < 0)
        form = IntFormat(bits=bits, signed=sign)
    points = [made.zero_point if made is not None else None, pair[0].zero_point, pair[1].zero_point]
    return Case(a=a, b=b, format=form, zero_point=next((one for one in points if one is not None), None))


def _known(
    found: Matched, read: Sequence[tuple[Tensor, Tensor]], laid: Sequence[Beside], program: Program
) -> Mapping[str, Array]:
    """Return the tensors of a program that are the same on both sides, or that one side alone has, by its names."""
    known: dict[str, Array] = {}
    for one in (*found.only_b, *found.only_a):
        if one.words is None:
            known[one.name] = one.values
    for (one, two), beside in zip(read, laid, strict=True):
        name = one.name if one.name in program.tensors else two.name
        known.pop(name, None)
        if not beside.problem and np.array_equal(beside.a, beside.b):
            known[name] = beside.a
    return known


def _explained(result: Diff, case: Case, program: Program | None, known: Mapping[str, Array], first: Compared) -> Diff:
    """Add causes, the histogram, and what to know about them."""
    guessed = [one for guess in GUESSES for one in guess(case) if one is not None]
    ranked = [(one, float(number)) for number, one in enumerate(guessed, start=1)]
    notes: tuple[str, ...] = ()
    if program is not None:
        name = first.name if first.name in program.tensors else first.other
        found = replayed(program, name, known, case)
        notes = (found.note,)
        whole = any(one.kind == "rounding" and one.whole for one in found.causes)
        ranked = [(_known_ties(one, found), rank) for one, rank in ranked if not (whole and one.kind == "rounding")]
        ranked += [(one, _rank(one, guessed)) for one in found.causes]
    ranked.sort(key=lambda pair: (not pair[0].whole, pair[1] if pair[0].whole else -pair[0].net))
    causes = tuple(one for one, _ in ranked[:MOST_CAUSES]) or (_unknown(case),)
    return replace(result, causes=causes, histogram=tuple(_histogram(case)), notes=notes)


def _known_ties(one: Cause, found: Replayed) -> Cause:
    """Say of a guessed rounding what the program knows: that no other mode gives it, and how many are ties."""
    if not found.ran:
        return one
    known = "no other mode gives it" + (f", {found.ties}" if found.ties else "")
    return replace(one, says=one.says.replace(values.TIES_UNKNOWN, known))


def _rank(one: Cause, guessed: Sequence[Cause]) -> float:
    """Place a confirmed cause among guesses; another bias comes behind what moves values or shifts all channels."""
    if one.kind in REPLAYED_BEFORE:
        return 0
    better = [n for n, guess in enumerate(guessed, 1) if guess.kind in ("samples", "channels", "axes", "zero_point")]
    return max(better, default=0) + 0.5


def _histogram(case: Case) -> Iterator[tuple[int, int]]:
    gaps, counts = np.unique(case.gaps, return_counts=True)
    for at in np.argsort(-counts, kind="stable")[:MOST_GAPS]:
        yield int(gaps[at]), int(counts[at])


def _unknown(case: Case) -> Cause:
    listed = ", ".join(f"{gap:+d} ({count:,})" for gap, count in _histogram(case))
    more = len(np.unique(case.gaps)) - MOST_GAPS
    says = f"unknown: none of the causes looked for explains half of it; differences, B less A: {listed}"
    says += f" and {more:,} others" if more > 0 else ""
    return Cause(kind="unknown", says=says, explained=0, differences=case.count)
