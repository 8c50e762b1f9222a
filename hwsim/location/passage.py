"""Locate in the steps behind an accumulator: fits, roundings, tables, leaky slopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine import Engine
from hwsim.engine.ledger import positions_of
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words, integers
from hwsim.errors import HwsimError
from hwsim.location import recipe
from hwsim.location.found import Finder, Found, index_of
from hwsim.location.location import Kind, Location, Operand, located
from hwsim.program.records import (
    Absolute,
    AddConstant,
    ClipHigh,
    ClipLow,
    FitTo,
    IntOperation,
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
    Sum,
)
from hwsim_kernels.fast.features import PLAIN
from hwsim_kernels.wide import WORD, WORD_BITS

Array = NDArray[Any]
Ints = NDArray[np.int64]

LOSSY = (FitTo, ScaleFixed, ScaleFloat, LookUp)
ENTRANCES = ("accumulator", "division", "interpolation", "normalized", "product", "requantize")
"""What values are called in a trace where they enter the steps."""

STOCHASTIC = "the rounding draws random numbers, which come by the place of a value; the line has the number drawn"


@dataclass(frozen=True, eq=False)
class Passage:
    """Values (rows, channels) on their way: ``before`` and ``after`` the step, and those at the ``entrance``.

    ``lead`` are the steps before it. ``input`` names the tensor whose codes entered, "" for what an accumulator holds.
    ``places`` (rows, channels) are those of the values in the output, in row-major order.
    """

    step: Step
    lead: tuple[Step, ...]
    entrance: Array
    before: Array
    after: Array
    places: Ints
    input: str = ""


@dataclass(frozen=True, eq=False)
class StepFinder(Finder):
    """Looks at a point of the post-pipeline of an operation, or of the steps of its inputs."""

    one: IntOperation
    point: Point
    kind: Kind

    def meets(self, steps: Sequence[Step]) -> bool:
        """Whether one of ``steps`` is what the point counts."""
        return any(step.point == self.point.name and isinstance(step, LOSSY) for step in steps)

    def survey(self, inputs: Sequence[Array], sample: int) -> Found:
        """Return all values of a sample that lost something."""
        shape = positions_of(self.one), self.one.channels
        hits, error = np.zeros(shape, np.int64), np.zeros(shape)
        for passage in self.passages(inputs, sample):
            lost, put = self._lost(passage)
            hits.reshape(-1)[passage.places] += lost
            error.reshape(-1)[passage.places] += put
        return Found.of(hits, error)

    def describe(self, inputs: Sequence[Array], sample: int, position: int, channel: int) -> Location:
        """Return one value in full."""
        place = position * self.one.channels + channel
        here = [(one, np.argwhere((one.places == place) & self._lost(one)[0])) for one in self.passages(inputs, sample)]
        passage, own = next((one, each[0]) for one, each in here if len(each))
        at = int(own[0]), int(own[1])
        name = passage.input or "accumulator"
        index = (*index_of(position, self.one.output.shape), channel)
        entrance, before, after = (int(one[at]) for one in (passage.entrance, passage.before, passage.after))
        text, note = self._recipe(passage, at, entrance, before)
        return located(
            self.one.layer,
            self.point,
            self.kind,
            sample,
            index,
            exact=recipe.text_of(self._exact(passage.step, before, at[1])),
            result=after,
            operands=(Operand(name=name, index=index, value=entrance),),
            recipe=text,
            note=note,
        )

    def passages(self, inputs: Sequence[Array], sample: int) -> list[Passage]:
        """Return the values at the point: of the post-pipeline once, of steps of inputs for each that has the point."""
        one, found = self.one, []
        behind: Sequence[Step] = getattr(one, "steps", ())
        if isinstance(one, Sum):
            for number, steps in enumerate(one.input_steps):
                codes = np.broadcast_to(inputs[number], one.output.shape)
                found += self._through(steps, codes.reshape(-1, one.channels), sample, one.inputs[number])
        if isinstance(one, Join):
            found += self._joined(one, inputs, sample)
        if isinstance(one, Rescale):
            found += self._through(one.steps, inputs[0].reshape(-1, one.channels), sample, one.inputs[0])
        elif self.meets(behind):
            found += self._through(behind, traced(one, inputs, sample), sample, "")
        return found

    def _joined(self, one: Join, inputs: Sequence[Array], sample: int) -> Iterator[Passage]:
        """Yield the passages of tensors that are joined, each with its places in the whole."""
        places, offset = np.arange(positions_of(one) * one.channels).reshape(one.output.shape), 0
        for name, codes, steps in zip(one.inputs, inputs, one.input_steps, strict=True):
            mine = np.take(places, range(offset, offset + codes.shape[one.axis]), axis=one.axis)
            offset += codes.shape[one.axis]
            channels = codes.shape[-1]
            own = mine.reshape(-1, channels)
            yield from self._through(steps, codes.reshape(-1, channels), sample, name, own)

    def _through(
        self, steps: Sequence[Step], entrance: Array, sample: int, name: str, mine: Ints | None = None
    ) -> list[Passage]:
        """Return the passage of values through the step of the point, if it is among these."""
        places = [n for n, step in enumerate(steps) if step.point == self.point.name and isinstance(step, LOSSY)]
        if not places:
            return []
        tally = Tally.of(self.one, sample, tier=PLAIN).part(entrance.shape[1])
        words = words_of(entrance, self.one.wide)
        draws = getattr(self.one, "draws")  # noqa: B009  every operation with steps has them
        run_steps(steps[: places[0]], words, draws, 1, tally)
        before = integers(words)
        run_steps([steps[places[0]]], words, draws, 1, tally)
        return [
            Passage(
                step=steps[places[0]],
                lead=tuple(steps[: places[0]]),
                entrance=entrance,
                before=before,
                after=integers(words),
                places=np.arange(entrance.size).reshape(entrance.shape) if mine is None else mine,
                input=name,
            )
        ]

    def _lost(self, passage: Passage) -> tuple[Array, Array]:
        """Return which values (rows, channels) lost something, and what was put into them, in LSB of the result."""
        step, before, after = passage.step, passage.before, passage.after
        if isinstance(step, FitTo):
            return before != after, (after - before).astype(np.float64)
        lost = np.zeros(before.shape, np.bool_)
        error = np.zeros(before.shape)
        for channel in range(before.shape[1]):
            values = before[:, channel].astype(object)
            up, down = _ratio(step, values, channel)
            if down is None:
                lost[:, channel], error[:, channel] = _float_loss(step, before[:, channel], after[:, channel], channel)
                continue
            rest = up - after[:, channel].astype(object) * down
            inexact = up % down != 0
            lost[:, channel] = inexact
            error[:, channel] = np.where(inexact, -(rest / down).astype(np.float64), 0.0)
        return lost, error

    def _exact(self, step: Step, before: int, channel: int) -> Fraction:
        if isinstance(step, FitTo):
            return Fraction(before)
        if isinstance(step, ScaleFloat):
            return Fraction(float(_float_values(step, np.array([before]), channel)[0]))
        up, down = _ratio(step, np.array([before], object), channel)
        assert down is not None
        return Fraction(int(up[0]), int(np.broadcast_to(down, (1,))[0]))

    def _recipe(self, passage: Passage, at: tuple[int, int], entrance: int, before: int) -> tuple[str, str]:
        """Return the line of Python and a note; ``at`` is the place among the passage's values."""
        step, note, channel = passage.step, "", at[1]
        x = _written(passage.lead, entrance, before, channel)
        if isinstance(step, FitTo):
            return recipe.clamping(x, [int(each) for each in step.field]), note
        exact = self._exact(step, before, channel)
        draw = self._draw(step, at[0] * passage.before.shape[1] + channel)
        line, shown = _rounding_line(step, channel, before, draw)
        if not line:
            return "", f"hwsim_kernels has no function of its own for this {type(step).__name__}"
        imports = "import numpy as np; " if "np." in line else ""
        text = f"{imports}{recipe.IMPORT}x = {x}; {line}, {recipe.exact_of(exact, shown)})"
        return text, STOCHASTIC if draw is not None else ""

    def _draw(self, step: Step, number: int) -> int | None:
        rounding = getattr(step, "rounding", None)
        if rounding is None or not rounding.stochastic:
            return None
        draws: Ints = getattr(self.one, "draws")  # noqa: B009
        return int(draws[number % draws.size])


def traced(one: IntOperation, inputs: Sequence[Array], sample: int) -> Array:
    """Return the values (rows, channels) of a sample where they enter the steps of an operation."""
    with Engine(1, [one.layer], tier=PLAIN) as engine:
        _, tally = engine.run_part(one, [codes[np.newaxis] for codes in inputs], sample)
    trace = tally.trace or {}
    return next(trace[name] for name in ENTRANCES if name in trace)


def words_of(values: Array, wide: bool) -> Ints:
    """Return integers (rows, channels), Python's own too, as (words, rows, channels)."""
    if values.dtype != object:
        return in_words(values, wide)
    assert wide
    return np.stack([(values >> WORD_BITS).astype(np.int64), (values & WORD).astype(np.int64)])


def _ratio(step: Step, values: Array, channel: int) -> tuple[Array, Array | int | None]:
    """Return numerators and denominators of what a rounding gets, exactly; None for a product of floats."""
    if isinstance(step, ScaleFixed):
        factor, shift = int(step.multiplier[channel]), int(step.shift[channel])
        ratio = values * factor, np.full(len(values), 1 << shift, object)
        if step.negatives_only:
            above = values >= 0
            return np.where(above, values, ratio[0]), np.where(above, 1, ratio[1])
        return ratio
    if isinstance(step, LookUp) and step.rounding is not None:
        index, part, entries = _entries(step, values, channel)
        slope = (entries[np.minimum(index + 1, len(entries) - 1)] - entries[index]).astype(object)
        whole = entries[index].astype(object)
        return (whole << step.shift) + slope * part, 1 << step.shift
    if isinstance(step, ScaleFloat):
        return values, None
    raise HwsimError(
        f"{step.point}: the entries of this table were rounded when it was made, from real numbers that the program no "
        "longer holds; its losses cannot be located"
    )


def _entries(step: LookUp, values: Array, channel: int) -> tuple[NDArray[np.intp], Array, Ints]:
    """Return the entries at or below values, and how far beyond they lie, 0 outside of the table."""
    entries: Ints = step.table[channel if len(step.table) > 1 else 0]
    last = (len(entries) - 1) << step.shift
    distance = np.clip(values - step.first, 0, last)
    return (distance >> step.shift).astype(np.intp), distance & ((1 << step.shift) - 1), entries


def _float_values(step: ScaleFloat, values: Array, channel: int) -> NDArray[np.float64]:
    """Return what a rounding of float values gets, less what was added to it."""
    form: Any = np.float32 if step.precision == 32 else np.float64
    added = int(step.added[channel])
    found = values.astype(form) * form(step.ratio[channel]) / form(step.divisor[channel]) + form(added)
    return np.asarray(found, np.float64) - added


def _float_loss(step: Step, before: Array, after: Array, channel: int) -> tuple[Array, Array]:
    assert isinstance(step, ScaleFloat)
    products = _float_values(step, before, channel)
    lost = products != np.floor(products)
    return lost, np.where(lost, after.astype(np.float64) - products, 0.0)


def _rounding_line(step: Step, channel: int, before: int, draw: int | None) -> tuple[str, str]:
    """Return the beginning of a print of the rounded ``x``, and the exact value as Python."""
    if isinstance(step, ScaleFixed):
        factor, shift = int(step.multiplier[channel]), int(step.shift[channel])
        return f"print({_scaled(step, 'x', channel, draw)}", f"x * {factor} / {1 << shift}"
    if isinstance(step, LookUp) and step.rounding is not None and draw is None:
        index, _, entries = _entries(step, np.array([before], object), channel)
        at = int(index[0])
        pair = [int(each) for each in entries[at : at + 2]]
        first = step.first + (at << step.shift)
        words = f'{pair}, {first}, {step.shift}, interpolation="linear", rounding="{step.rounding}"'
        shown = f"{pair[0]} + {recipe.number(pair[-1] - pair[0])} * (x - {recipe.number(first)}) / {1 << step.shift}"
        return f"print(hk.lookup(x, {words})", shown
    if isinstance(step, ScaleFloat) and draw is None:
        ratio = float(step.ratio[channel])
        divisor, added = float(step.divisor[channel]), int(step.added[channel])
        begin, end = ("np.float32(", ")") if step.precision == 32 else ("", "")
        product = f"{begin}x{end} * {begin}{ratio!r}{end}"
        product += f" / {begin}{divisor!r}{end}" if divisor != 1 else ""
        product += f" + {added}" if added else ""
        line = f'p = float({product}); print(hk.quantize(p, 1.0, output=hk.Format(64), rounding="{step.rounding}")'
        return (f"{line} - {added}", f"p - {added}") if added else (line, "p")
    return "", ""


def _scaled(step: ScaleFixed, x: str, channel: int, draw: int | None) -> str:
    factor, shift = int(step.multiplier[channel]), int(step.shift[channel])
    guard = f", guard_bits={step.guard_bits}" if step.guard_bits else ""
    drawn = "" if draw is None else f", draws=[{draw}]"
    return f'hk.requantize({x}, {factor}, {shift}, "{step.rounding}"{guard}{drawn})'


def _written(lead: Sequence[Step], entrance: int, before: int, channel: int) -> str:
    """Return what comes to a step as Python, from the value at the entrance; the value itself if steps have no form."""
    x = recipe.number(entrance)
    for step in lead:
        if isinstance(step, AddConstant):
            constant = int(step.constant[channel])
            x = f"{x} {'-' if constant < 0 else '+'} {abs(constant)}" if constant else x
        elif isinstance(step, ShiftLeft):
            x = f"({x}) * {1 << int(step.shift[channel])}"
        elif isinstance(step, MultiplyBy):
            x = f"({x}) * {int(step.multiplier[channel])}"
        elif isinstance(step, Absolute):
            x = f"abs({x})"
        elif isinstance(step, Negate):
            x = f"-({x})" if int(step.where[channel]) else x
        elif isinstance(step, ClipLow):
            x = f"max({x}, {int(step.limit[channel])})"
        elif isinstance(step, ClipHigh):
            x = f"min({x}, {int(step.limit[channel])})"
        elif isinstance(step, FitTo):
            x = recipe.fit(x, [int(each) for each in step.field])
        elif isinstance(step, ScaleFixed) and not step.negatives_only and not step.rounding.stochastic:
            x = _scaled(step, x, channel, None)
        else:
            return recipe.number(before)
    return x
