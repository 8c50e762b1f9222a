"""Build the steps behind an accumulator, and prove on the way how wide their values can get."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError, WidthError
from hwsim.formats import IntFormat, Overflow, Rounding
from hwsim.network import Relu
from hwsim.program.ratio import Ratio
from hwsim.program.records import (
    Absolute,
    AddConstant,
    ClipHigh,
    ClipLow,
    CountLevels,
    FitTo,
    LookUp,
    MultiplyBy,
    Negate,
    Point,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Tensor,
)
from hwsim.target import Settings
from hwsim.target import steps as post
from hwsim.target.section import Fit
from hwsim.target.settings import ActivationFunction
from hwsim_kernels.multiplier import nearest
from hwsim_kernels.rounding import round_float
from hwsim_kernels.wide import FLOAT_LIMIT

ONE_WORD = 1 << 62
"""Magnitudes below this are held in one word."""

NARROW = 1 << 30
"""Magnitudes below this are held in 32-bit lanes, with room for a limit and a constant."""

LIMIT = 1 << 124
"""Magnitudes below this are held in two words, and so are their differences; what could reach it is refused."""

MAX_SHIFT = 124

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

_ABOVE_FLOAT32 = 2.0**128 - 2.0**103
"""Numbers from here on are infinite in float32."""

NO_ERRORS = np.zeros((0, 0), np.int64)
"""Of a table whose entries are what the target gives."""


def refuse_wider(place: str, needed: int) -> None:
    """Raise WidthError if a magnitude of ``needed`` does not fit the simulator's two words."""
    if needed >= LIMIT:
        raise WidthError(f"{place} needs {needed.bit_length() + 1} bits, the simulator has {LIMIT.bit_length()}")


def held(form: IntFormat, overflow: Overflow, bound: tuple[int, int]) -> int:
    """Return the largest magnitude that a register can hold to which values within ``bound`` are sent.

    What was fitted once can be anything in the format, however small the values are: an unsigned wrap of -1.
    """
    return max(-bound[0], bound[1]) if form.under(overflow).holds(*bound) else form.magnitude


def running_sum(layer: str, section: Fit, unit: Reals, count: int, bound: tuple[int, int]) -> tuple[Point, bool]:
    """Describe an accumulator that is fitted after each of ``count`` additions, whose exact sums lie within ``bound``.

    Return it, and whether it needs two words.
    """
    form = IntFormat(bits=section.bits, signed=section.signed)
    needed = held(form, section.overflow, bound) + max(-bound[0], bound[1])
    refuse_wider(f"{layer}: accumulator", needed)
    point = Point(
        name="accumulator",
        unit=unit,
        format=form,
        overflow=section.overflow,
        saturated_bits=section.saturated_bits,
        steps=count,
        stage=True,
        proven=form.under(section.overflow).holds(*bound),
        bound=bound,
    )
    return point, needed >= ONE_WORD


def fit_field(section: Fit) -> tuple[int, bool, int, int]:
    """Return a width as the kernels take it: bits, signed, overflow, saturated_bits."""
    return section.bits, section.signed, section.overflow.code, section.saturated_bits


def limits(value: float, unit: Reals, settings: ActivationFunction) -> Ints:
    """Return the largest integers (channels,) that a bounded ReLU lets through, where an LSB is worth ``unit``."""
    found: list[int] = []
    for one in unit.tolist():
        real = math.inf  # a ratio that became 0 leaves no limit
        if one > 0 and settings.limit_precision == 32:
            with np.errstate(all="ignore"):  # beyond float32 lies infinity
                real = float(np.float32(value) / np.float32(one))
        elif one > 0:
            real = value / one
        high, low = round_float(min(real, 2.0**62), settings.limit_rounding.code)
        found.append(min((int(high) << 62) + int(low), ONE_WORD - 1))
    return np.asarray(found, np.int64)


def prefixed(name: str, prefix: str) -> str:
    """Return the name of a point among those of inputs, if there is a prefix for them.

    >>> prefixed("requantize", ""), prefixed("requantize", "input"), prefixed("narrow", "input")
    ('requantize', 'input', 'input_narrow')
    """
    return name if not prefix or not name else prefix if name == "requantize" else f"{prefix}_{name}"


@dataclass
class Pipeline:
    """Steps under construction for values of ``channels`` channels that lie within ``bound`` (low, high).

    ``layer`` is named in errors. ``unit`` (channels,) is the real value of one LSB of the values so far. ``wide`` says
    that they have needed two words, ``narrow`` that 32-bit lanes have been enough for them, and 62 bits for products.
    """

    layer: str
    bound: tuple[int, int]
    unit: Reals
    wide: bool = False
    narrow: bool = True
    steps: list[Step] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.narrow &= max(-self.bound[0], self.bound[1]) < NARROW

    @property
    def channels(self) -> int:
        """How many channels the values have."""
        return self.unit.size

    def _advance(self, step: Step, low: int, high: int) -> None:
        needed = max(-low, high)
        refuse_wider(f"{self.layer}: {type(step).__name__} {step.point}".rstrip(), needed)
        self.wide |= needed >= ONE_WORD
        self.narrow &= needed < NARROW
        self.steps.append(step)
        self.bound = (low, high)

    def _note(self, point: str, **details: object) -> None:
        self.points.append(Point(name=point, unit=self.unit, bound=self.bound, **details))  # type: ignore[arg-type]

    def add(self, constant: Ints) -> None:
        """Add a constant per channel, exactly."""
        low, high = self.bound
        self.narrow &= max(-int(constant.min()), int(constant.max())) < NARROW
        self._advance(AddConstant(constant=constant), low + int(constant.min()), high + int(constant.max()))

    def fit(
        self,
        point: str,
        form: IntFormat,
        overflow: Overflow,
        saturated_bits: int = 0,
        *,
        zero_point: int | None = None,
    ) -> None:
        """Fit to a format; with ``zero_point`` the values less it are drawn as a histogram."""
        if form.narrow and overflow is not Overflow.ERROR:
            overflow = form.clamping
        proven = form.under(overflow).holds(*self.bound)
        # a run that stops where the most negative code appears need only see it outside
        mode = form.clamping if form.narrow else overflow
        self._note(
            point,
            format=form,
            overflow=overflow,
            saturated_bits=saturated_bits,
            proven=proven,
            zero_point=zero_point or 0,
        )
        step = FitTo(
            point=point,
            field=np.array([form.bits, form.signed, mode.code, saturated_bits], np.int64),
            histogram=zero_point is not None,
            offset=zero_point or 0,
        )
        self._advance(step, *(self.bound if proven else (form.minimum, form.maximum)))

    def fit_section(self, point: str, section: Fit) -> None:
        """Fit to the width that a section of the target gives."""
        form = IntFormat(bits=section.bits, signed=section.signed)
        self.fit(point, form, section.overflow, section.saturated_bits)

    def shift_left(self, shift: Sequence[int]) -> None:
        """Multiply by powers of two per channel, exactly."""
        if not any(shift):
            return
        low, high, most = *self.bound, max(shift)
        if most > MAX_SHIFT:
            raise WidthError(f"{self.layer}: a shift to the left by {most} bits, the simulator has {MAX_SHIFT}")
        self._advance(ShiftLeft(shift=np.asarray(shift, np.int64)), min(low << most, low), max(high << most, high))

    def multiply(self, multiplier: Sequence[int]) -> None:
        """Multiply by integers per channel, exactly."""
        low, high, most = *self.bound, max(multiplier)
        self._advance(MultiplyBy(multiplier=np.asarray(multiplier, np.int64)), min(low * most, 0), max(high * most, 0))

    def negate(self, where: Ints | None = None) -> None:
        """Change the sign, of all channels or where ``where`` (channels,) is 1."""
        low, high = self.bound
        every = np.ones(self.channels, np.int64) if where is None else where
        ends = (-high, -low) if every.all() else (min(low, -high), max(high, -low))
        self._advance(Negate(where=every), *ends)

    def scale(
        self,
        point: str,
        multiplier: Sequence[int],
        shift: Sequence[int],
        rounding: Rounding,
        guard_bits: int = 0,
        *,
        negatives_only: bool = False,
    ) -> None:
        """Multiply by multiplier / 2**shift per channel and round; negative shifts go to the left, exactly."""
        right = [max(one, 0) for one in shift]
        factors = [m << max(-one, 0) for m, one in zip(multiplier, shift, strict=True)]
        if max(right) > MAX_SHIFT:
            raise WidthError(f"{self.layer}: {point} shifts by {max(right)} bits, the simulator by {MAX_SHIFT}")
        if max(factors) >= 1 << 32:
            self.shift_left([max(-one, 0) for one in shift])
            factors = list(multiplier)
        low, high = self.bound
        most = max(-low, high) * max(factors)
        refuse_wider(f"{self.layer}: the product before {point}", most)
        self.narrow &= most < ONE_WORD
        smallest = min((low * m) >> s for m, s in zip(factors, right, strict=True))
        largest = max((high * m) >> s for m, s in zip(factors, right, strict=True)) + 1
        step = ScaleFixed(
            point=point,
            multiplier=np.asarray(factors, np.int64),
            shift=np.asarray(right, np.int64),
            rounding=rounding,
            guard_bits=guard_bits,
            negatives_only=negatives_only,
        )
        self._advance(step, min(smallest, 0), max(high if negatives_only else largest, 0))
        self._note(point, rounding=rounding, shift=max(right))

    def scale_float(
        self,
        point: str,
        ratio: Reals,
        rounding: Rounding,
        *,
        divisor: Reals | None = None,
        added: int = 0,
        precision: int = 32,
    ) -> None:
        """Multiply by ``ratio``, divide by ``divisor`` (channels,) and round in float.

        What is ``added`` before the rounding is taken off behind it. Raises PlanError for a ratio beyond float32.
        """
        largest = float(ratio.max())
        if precision == 32 and largest >= _ABOVE_FLOAT32:
            raise PlanError(f"{self.layer}: the ratio of its scales is {largest!r}, which is infinite in float32")
        low, high = self.bound
        by = np.ones(self.channels) if divisor is None else divisor
        bound = min(int(max(-low, high) * float((ratio / by).max()) * 1.001) + 2, int(FLOAT_LIMIT))
        step = ScaleFloat(
            point=point,
            ratio=ratio,
            divisor=by,
            added=np.full(self.channels, added, np.int64),
            precision=precision,
            rounding=rounding,
        )
        self._advance(step, -bound if low < 0 or added else 0, bound)
        self._note(point, rounding=rounding)

    def _look_up(self, step: post.LookupStep, point: str) -> None:
        rounding = step.rounding if step.interpolation == "linear" else None
        table = np.asarray(step.table, np.int64)
        read = LookUp(
            point=point, table=table[None], errors=NO_ERRORS, first=step.first, shift=step.shift, rounding=rounding
        )
        self._advance(read, int(table.min()) - 1, int(table.max()) + 1)
        if rounding is not None:
            self._note(point, rounding=rounding, shift=step.shift)

    def tabulate(self, point: str, table: Ints, errors: Ints, first: int, shift: int, rounding: Rounding) -> None:
        """Read a function's table (1 or channels, entries); ``shift`` above 0 interpolates between its entries."""
        between = rounding if shift else None
        read = LookUp(point=point, table=table, errors=errors, first=first, shift=shift, rounding=between)
        self._advance(read, int(table.min()) - 1, int(table.max()) + 1)
        self._note(point, rounding=rounding, shift=shift)

    def clip(self, low: int | None, high: int | None) -> None:
        """Limit values, exactly; None sets no limit."""
        smallest, largest = self.bound
        if low is not None:
            smallest, largest = max(smallest, low), max(largest, low)
            self._advance(ClipLow(limit=np.full(self.channels, low, np.int64)), smallest, largest)
        if high is not None:
            smallest, largest = min(smallest, high), min(largest, high)
            self._advance(ClipHigh(limit=np.full(self.channels, high, np.int64)), smallest, largest)

    def activate(self, function: Relu | None, settings: ActivationFunction, unit: Reals) -> None:
        """Apply an activation function to values of which an LSB is worth ``unit`` (channels,)."""
        if function is None:
            return
        if function.negative_slope == 0.0:
            low, high = self.bound
            floors = np.zeros(self.channels, np.int64)
            self._advance(ClipLow(point="activation", limit=floors), max(low, 0), max(high, 0))
        else:
            self._leak(function.negative_slope, settings)
        self.limit(function.max_value, settings, unit)

    def limit(self, value: float | None, settings: ActivationFunction, unit: Reals) -> None:
        """Lower values to a real limit, if there is one."""
        if value is not None:
            low, high = self.bound
            tops = limits(value, unit, settings)
            least, most = int(tops.min()), int(tops.max())
            self._advance(ClipHigh(point="activation", limit=tops), min(low, least), min(high, most))

    def _leak(self, slope: float, settings: ActivationFunction) -> None:
        if slope < 0:
            raise PlanError(f"{self.layer}: the slope of the activation is {slope!r}, below 0")
        multiplier, exponent = nearest(slope, settings.multiplier_bits)
        shift = settings.multiplier_bits - 1 - exponent if multiplier else 0
        if multiplier << max(-shift, 0) >= 1 << 32:
            raise PlanError(f"{self.layer}: a negative slope of {slope!r} needs a multiplier of more than 32 bits")
        many = self.channels
        self.scale("activation", [multiplier] * many, [shift] * many, settings.rounding, negatives_only=True)

    def rescale(self, ratio: Ratio, *, prefix: str = "") -> None:
        """Run the target's list of steps but for activation, zero point and bias: an LSB becomes ``ratio.unit``.

        ``prefix`` is put before the names of points: `input`, where inputs are brought to one scale.
        """
        self._refuse_vanishing(ratio)
        for number, step in enumerate(ratio.steps):
            if not isinstance(step, post.ActivationStep | post.ZeroPointStep | post.BiasStep):
                self._one(number, step, ratio, prefix)

    def finish(
        self, function: Relu | None, settings: Settings, output: Tensor, ratio: Ratio, *, bias: Ints | None = None
    ) -> None:
        """Build what follows an accumulator: the target's list with the activation in it, then the output.

        ``bias`` (channels,) is what the step `bias` adds; operations without weights have none.
        """
        self._refuse_vanishing(ratio)
        placed = any(isinstance(step, post.ActivationStep) for step in ratio.steps)
        before = self.unit
        if not placed and settings.activation.position == "before_requantize":
            self.activate(function, settings.activation, before)
        zero_point_added = False
        for number, step in enumerate(ratio.steps):
            if isinstance(step, post.ActivationStep):
                unit = ratio.unit_behind(number) if ratio.scaled_before(number) else before
                self.activate(function, settings.activation, unit)
            elif isinstance(step, post.BiasStep):
                if bias is not None:
                    self.add(bias)
            elif isinstance(step, post.ZeroPointStep):
                zero_point_added = True
                self._add_zero_point(output)
            else:
                self._one(number, step, ratio, "", output.zero_point)
        if not placed and settings.activation.position == "after_requantize":
            self.activate(
                function, settings.activation, ratio.unit if ratio.scaled_before(len(ratio.steps)) else before
            )
        self.output(output, settings.output.overflow, add_zero_point=not zero_point_added)

    def _refuse_vanishing(self, ratio: Ratio) -> None:
        """Raise PlanError if a multiplier became 0 that would have made more than 0 of the largest value."""
        largest = max(-self.bound[0], self.bound[1])
        for channel, (multiplier, real) in enumerate(zip(ratio.multiplier, ratio.whole.tolist(), strict=True)):
            if multiplier == 0 and largest * real >= 0.5:
                raise PlanError(
                    f"{self.layer}: channel {channel} is to be multiplied by {real:.4g}, which the target's "
                    f"multipliers make 0; its sums reach {largest}, so shift them right before the multiplication"
                )

    def _one(self, number: int, step: post.Step, ratio: Ratio, prefix: str, zero_point: int = 0) -> None:
        """Build one step of the target's list; named after ``prefix``. ``zero_point`` is the output's."""
        point = prefixed(post.point_name(step), prefix)
        self.unit = ratio.unit_behind(number)
        match step:
            case post.AddStep():
                self.add(np.full(self.channels, step.value, np.int64))
            case post.ShiftLeftStep():
                self.shift_left(ratio.left_shifts(step))
            case post.MultiplyStep():
                following = ratio.steps[number + 1 : number + 2]
                if not isinstance(next(iter(following), None), post.ShiftRightStep):
                    self.multiply(ratio.multipliers(step))
            case post.ShiftRightStep():
                before = ratio.steps[number - 1] if number else None
                factors = ratio.multipliers(before) if isinstance(before, post.MultiplyStep) else (1,) * self.channels
                self._shift_right(step, factors, ratio.right_shifts(step), prefix)
            case post.MultiplyFloatStep():
                added = zero_point if step.zero_point == "inside" else 0
                self.scale_float(point, ratio.real, step.rounding, added=added, precision=step.precision)
            case post.FitStep():
                self.fit_section(point, step)
            case post.ClipStep():
                self.clip(step.low, step.high)
            case post.AbsoluteStep():
                low, high = self.bound
                self._advance(Absolute(), 0, max(-low, high))
            case post.LookupStep():
                self._look_up(step, point)
            case post.ThresholdsStep():
                levels = np.asarray(step.levels, np.int64)
                self._advance(CountLevels(levels=levels, first=step.first), step.first, step.first + levels.size)
            case _:
                raise TypeError(f"no such step: {step}")

    def _shift_right(
        self, step: post.ShiftRightStep, factors: Sequence[int], shifts: Sequence[int], prefix: str
    ) -> None:
        """Multiply, then shift the channels of one rounding after those of the other: a shift by 0 bits is exact."""
        for one, part in step.parts(self.channels):
            own = [by if number in part else 0 for number, by in enumerate(shifts)]
            self.scale(prefixed(post.point_name(one), prefix), factors, own, one.rounding, one.guard_bits or 0)
            factors = (1,) * self.channels

    def _add_zero_point(self, tensor: Tensor) -> None:
        if tensor.zero_point:
            self.add(np.full(self.channels, tensor.zero_point, np.int64))

    def output(self, tensor: Tensor, overflow: Overflow, *, add_zero_point: bool = True) -> None:
        """Add the zero point, unless it is in the values already, and fit to the output's format."""
        assert tensor.format is not None
        if add_zero_point:
            self._add_zero_point(tensor)
        self.unit = tensor.scales
        self.fit("output", tensor.format, overflow, zero_point=tensor.zero_point)
