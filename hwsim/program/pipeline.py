"""Build the steps behind an accumulator, and prove on the way that no value leaves the simulator's 64 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError, WidthError
from hwsim.formats import IntFormat, Overflow, Rounding
from hwsim.network import Relu
from hwsim.program.multiplier import MAX_SHIFT, double_multiplier, fixed_multiplier, power_of_two_shift
from hwsim.program.records import (
    AddConstant,
    Clip,
    FitTo,
    Leak,
    Point,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Tensor,
)
from hwsim.target import Settings
from hwsim.target.settings import ActivationFunction, Fit, Requantize

LIMIT = 1 << 62
"""Magnitudes below this are safe in 64 bits, with a bit to spare for one addition."""

Reals = NDArray[np.float64]


def draws_for(settings_random: tuple[int, tuple[int, ...], int]) -> NDArray[np.int64]:
    """Return one period of a linear feedback shift register (bits, taps, seed), aligned to 32 bits.

    >>> [int(d) >> 28 for d in draws_for((4, (4, 3), 1))][:5]
    [1, 2, 4, 9, 3]
    """
    bits, taps, seed = settings_random
    mask, state = (1 << bits) - 1, seed
    states: list[int] = []
    while not states or state != seed:
        states.append(state)
        parity = sum(state >> (tap - 1) for tap in taps) & 1
        state = (state << 1 & mask) | parity
    return np.asarray(states, np.int64) << (32 - bits)


def check_room(place: str, form: IntFormat, proven: bool, widest: int) -> None:
    """Raise WidthError if a sum in a format, with one more value of magnitude ``widest``, could leave 62 bits.

    What is proved never to leave the format needs no more room than it takes.
    """
    needed = widest if proven else form.magnitude + widest
    if needed >= LIMIT:
        raise WidthError(f"{place} needs {needed.bit_length() + 1} bits while it adds, the simulator has 63")


def running_sum(layer: str, section: Fit, unit: Reals, steps: int, bound: tuple[int, int]) -> Point:
    """Describe an accumulator that is fitted after each of ``steps`` additions, whose exact sums lie within ``bound``.

    Raises WidthError if it could leave the simulator's own 64 bits.
    """
    form = IntFormat(bits=section.bits, signed=section.signed)
    proven = form.under(section.overflow).holds(*bound)
    check_room(f"{layer}: accumulator", form, proven, max(-bound[0], bound[1]))
    return Point(
        name="accumulator",
        unit=unit,
        format=form,
        overflow=section.overflow,
        saturated_bits=section.saturated_bits,
        steps=steps,
        stage=True,
        proven=proven,
        bound=bound,
    )


def fit_field(section: Fit) -> list[int]:
    """Return a width as the kernels take it: bits, signed, overflow, saturated_bits."""
    return [section.bits, int(section.signed), section.overflow.code, section.saturated_bits]


@dataclass
class Pipeline:
    """Steps under construction for values of ``channels`` channels that lie within ``bound`` (low, high).

    ``layer`` is named in errors. ``unit`` (channels,) is the real value of one LSB of the values so far.
    """

    layer: str
    bound: tuple[int, int]
    unit: Reals
    steps: list[Step] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    @property
    def channels(self) -> int:
        """How many channels the values have."""
        return self.unit.size

    def _advance(self, step: Step, low: int, high: int) -> None:
        if max(-low, high) >= LIMIT:
            bits = max(low.bit_length(), high.bit_length()) + 1
            what = f"{type(step).__name__} {step.point}".strip()
            raise WidthError(f"{self.layer}: {what} needs {bits} bits, the simulator has 63")
        self.steps.append(step)
        self.bound = (low, high)

    def _note(self, point: str, **details: object) -> None:
        self.points.append(Point(name=point, unit=self.unit, bound=self.bound, **details))  # type: ignore[arg-type]

    def add(self, constant: NDArray[np.int64]) -> None:
        """Add a constant per channel, exactly."""
        low, high = self.bound
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
        if form.narrow:
            overflow = Overflow.ERROR if overflow is Overflow.ERROR else form.clamping
        proven = form.under(overflow).holds(*self.bound)
        low, high = self.bound
        check_room(f"{self.layer}: {point}", form, proven, max(-low, high))
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
            field=np.array([form.bits, form.signed, overflow.code, saturated_bits], np.int64),
            histogram=zero_point is not None,
            offset=zero_point or 0,
        )
        self._advance(step, *((low, high) if proven else (form.minimum, form.maximum)))

    def fit_section(self, point: str, section: Fit) -> None:
        """Fit to the width that a section of the target gives."""
        form = IntFormat(bits=section.bits, signed=section.signed)
        self.fit(point, form, section.overflow, section.saturated_bits)

    def shift_left(self, shift: Sequence[int]) -> None:
        """Multiply by powers of two per channel, exactly."""
        if not any(shift):
            return
        low, high, most = *self.bound, max(shift)
        self._advance(ShiftLeft(shift=np.asarray(shift, np.int64)), min(low << most, low), max(high << most, high))

    def scale(self, point: str, factors: Sequence[tuple[int, int]], rounding: Rounding, *, ranged: bool = True) -> None:
        """Multiply by multiplier / 2**shift per channel and round; negative shifts go to the left, exactly."""
        self.shift_left([max(-shift, 0) for _, shift in factors])
        if max(shift for _, shift in factors) > MAX_SHIFT:
            raise WidthError(f"{self.layer}: {point} shifts by more than {MAX_SHIFT} bits")
        multiplier = np.asarray([one for one, _ in factors], np.int64)
        shift = np.asarray([max(one, 0) for _, one in factors], np.int64)
        ends = [(end * m >> s) for end in self.bound for m, s in zip(multiplier.tolist(), shift.tolist(), strict=True)]
        self._advance(
            ScaleFixed(point=point, multiplier=multiplier, shift=shift, rounding=rounding, ranged=ranged),
            min(0, *ends),
            max(0, *ends) + 1,
        )
        self._note(point, rounding=rounding, shift=int(shift.max()))

    def rescale(self, ratio: Reals, settings: Requantize, point: str, unit: Reals) -> None:
        """Multiply by real ratios (channels,) as the target does, so that an LSB becomes ``unit`` (channels,)."""
        match settings.kind:
            case "fixed":
                factors = [fixed_multiplier(one, settings.multiplier_bits) for one in ratio.tolist()]
                self.unit = unit
                self.scale(point, factors, settings.rounding)
            case "fixed_double":
                self._double(ratio, point, unit)
            case "float32" | "float64":
                self._float(ratio, settings, point, unit)
            case "power_of_two":
                self.unit = unit
                self.scale(point, [(1, self._exact_shift(one)) for one in ratio.tolist()], settings.rounding)
            case _:
                self.unit = unit

    def _exact_shift(self, ratio: float) -> int:
        shift = power_of_two_shift(ratio)
        if shift is None:
            raise PlanError(f"{self.layer}: the plan asks for a ratio of {ratio!r}, the target shifts by powers of two")
        return shift

    def _double(self, ratio: Reals, point: str, unit: Reals) -> None:
        high = "input_high_multiply" if point == "input" else "high_multiply"
        factors = [double_multiplier(one) for one in ratio.tolist()]
        right = [max(-exponent, 0) for _, exponent in factors]
        self.shift_left([max(exponent, 0) for _, exponent in factors])
        self.unit = unit * np.exp2(-np.asarray(right, np.float64))
        self.fit(high, IntFormat(bits=32), Overflow.WRAP)
        self.points.pop()
        self.scale(high, [(multiplier, 31) for multiplier, _ in factors], Rounding.HALF_UP, ranged=False)
        self.points.pop()
        self._note(high, format=IntFormat(bits=32), overflow=Overflow.WRAP, rounding=Rounding.HALF_UP, shift=31)
        self.unit = unit
        self.scale(point, [(1, shift) for shift in right], Rounding.HALF_AWAY)

    def _float(self, ratio: Reals, settings: Requantize, point: str, unit: Reals) -> None:
        low, high = self.bound
        most = float(ratio.max())
        bound = int(max(-low, high) * most * 1.001) + 2
        self.unit = unit
        precision = 32 if settings.kind == "float32" else 64
        step = ScaleFloat(point=point, ratio=ratio, precision=precision, rounding=settings.rounding)
        self._advance(step, -bound if low < 0 else 0, bound)
        self._note(point, rounding=settings.rounding)

    def activate(self, function: Relu | None, settings: ActivationFunction) -> None:
        """Apply an activation function to values in the unit reached so far."""
        if function is None:
            return
        low, high = self.bound
        slope = function.negative_slope
        if slope != 0.0:
            self._leak(slope, settings)
            low = self.bound[0]
        floor = 0 if slope == 0.0 else -LIMIT + 1
        tops = np.full(self.channels, LIMIT - 1, np.int64)
        if function.max_value is not None:
            tops = np.minimum(np.rint(function.max_value / self.unit), LIMIT - 1).astype(np.int64)
        low, high = max(low, floor), min(max(high, 0), int(tops.max()))
        floors = np.full(self.channels, floor, np.int64)
        self._advance(Clip(point="activation", low=floors, high=tops), min(low, high), high)

    def _leak(self, slope: float, settings: ActivationFunction) -> None:
        low, high = self.bound
        if slope < 0:
            raise PlanError(f"{self.layer}: the slope of the activation is {slope!r}, below 0")
        multiplier, shift = fixed_multiplier(slope, settings.multiplier_bits)
        if shift < 0:
            multiplier, shift = multiplier << -shift, 0
        if multiplier >= 1 << 31:
            raise PlanError(f"{self.layer}: a negative slope of {slope!r} needs a multiplier of more than 32 bits")
        step = Leak(point="activation", multiplier=multiplier, shift=shift, rounding=settings.rounding)
        self._advance(step, min(low, 0) * multiplier >> shift, high)
        self._note("activation", rounding=settings.rounding, shift=shift)

    def finish(self, function: Relu | None, settings: Settings, output: Tensor) -> None:
        """Build what follows an accumulator: activation and requantisation in the target's order, then the output."""
        after = settings.activation.position == "after_requantize"
        if not after:
            self.activate(function, settings.activation)
        unit = np.full(self.channels, output.scale)
        self.rescale(self.unit / output.scale, settings.requantize, "requantize", unit)
        if after:
            self.activate(function, settings.activation)
        self.output(output, settings.output.overflow)

    def output(self, tensor: Tensor, overflow: Overflow, *, add_zero_point: bool = True) -> None:
        """Add the zero point, unless it is in the values already, and fit to the output's format."""
        assert tensor.format is not None
        if tensor.zero_point and add_zero_point:
            self.add(np.full(self.channels, tensor.zero_point, np.int64))
        self.unit = np.full(self.channels, tensor.scale)
        self.fit("output", tensor.format, overflow, zero_point=tensor.zero_point)
