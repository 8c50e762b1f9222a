"""What a real ratio becomes in a target's list of steps: integers to multiply by, and shifts, for each channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.target import steps as post
from hwsim.target.settings import Requantize
from hwsim_kernels.multiplier import RULES, power_of_two_shift, shared

Reals = NDArray[np.float64]

LARGEST_SHIFT = 62


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratio:
    """A list of steps with its amounts, per channel.

    ``multiplier``, ``left`` and ``right`` stand for what is said to go by ratio, ``real`` is the factor of a
    multiplication in float, ``whole`` the ratio that all steps together follow. ``unit`` (channels,) is what an LSB is
    worth behind the list.
    """

    steps: tuple[post.Step, ...]
    multiplier: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    real: Reals
    whole: Reals
    unit: Reals

    @staticmethod
    def of(layer: str, ratio: Reals, requantize: Requantize, unit: Reals, count: int = 1) -> Ratio:
        """Resolve a list for real ratios (channels,); raises PlanError where shifts alone cannot follow one.

        With a ``count`` the integers of the ratio are divided by it: a mean as TensorFlow Lite takes it.
        """
        listed = requantize.expanded()
        fixed = post.fixed_shift(listed)
        rest = ratio / float(post.fixed_factor(listed))
        pairs = [_integers(layer, one, listed, count) for one in rest.tolist()]
        shifts = [0 if shift is None else shift - fixed for _, shift in pairs]
        both = any(isinstance(one, post.ShiftLeftStep) and one.by == post.RATIO for one in listed)
        return Ratio(
            steps=listed,
            multiplier=tuple(multiplier for multiplier, _ in pairs),
            left=tuple(max(-shift, 0) if both else 0 for shift in shifts),
            right=tuple(max(shift, 0) if both else shift for shift in shifts),
            real=rest * 2.0**fixed / count,
            whole=ratio / count,
            unit=unit,
        )

    def unit_behind(self, number: int) -> Reals:
        """Return what an LSB is worth behind step ``number`` (channels,); -1 stands for before the first."""
        unit = self.unit
        for step in self.steps[number + 1 :]:
            unit = unit * self._factor(step)
        return unit

    def _factor(self, step: post.Step) -> Reals:
        """Return by how much a step multiplies."""
        if isinstance(step, post.MultiplyFloatStep):
            return self.real
        if isinstance(step, post.MultiplyStep):
            return np.asarray(self.multipliers(step), np.float64)
        if isinstance(step, post.ShiftLeftStep):
            return np.exp2(np.asarray(self.left_shifts(step), np.float64))
        if isinstance(step, post.ShiftRightStep):
            return np.exp2(-np.asarray(self.right_shifts(step), np.float64))
        if isinstance(step, post.ThresholdsStep):
            return np.full(self.unit.size, 2.0**-step.shift)
        return np.ones(self.unit.size)

    def multipliers(self, step: post.MultiplyStep) -> tuple[int, ...]:
        """Return the integers of a multiplication."""
        return (step.by,) * self.unit.size if isinstance(step.by, int) else self.multiplier

    def left_shifts(self, step: post.ShiftLeftStep) -> tuple[int, ...]:
        """Return the bits of a shift to the left."""
        return (step.by,) * self.unit.size if isinstance(step.by, int) else self.left

    def right_shifts(self, step: post.ShiftRightStep) -> tuple[int, ...]:
        """Return the bits of a shift to the right; negative ones go to the left."""
        return (step.by,) * self.unit.size if isinstance(step.by, int) else self.right

    def scaled_before(self, number: int) -> bool:
        """Whether a step before number ``number`` multiplies or shifts."""
        return any(post.scales(one) for one in self.steps[:number])


def _integers(layer: str, ratio: float, listed: tuple[post.Step, ...], count: int) -> tuple[int, int | None]:
    """Return the multiplier and the whole shift to the right of a ratio, or no shift where nothing follows it."""
    for one in listed:
        if isinstance(one, post.MultiplyStep) and one.by == post.RATIO:
            multiplier, exponent = shared(*RULES[one.rule](ratio, one.bits), count)
            return multiplier, one.bits - 1 - exponent if multiplier else None
    if not post.shifts_alone(listed):
        return 1, None
    shift = power_of_two_shift(ratio / count)
    if shift is None:
        raise PlanError(f"{layer}: the plan asks for a ratio of {ratio!r}, the target shifts by powers of two")
    return 1, shift


def forming(requantize: Requantize) -> post.Forming:
    """Return how a list forms its real ratio from scales."""
    for step in requantize.expanded():
        if isinstance(step, post.MultiplyStep | post.MultiplyFloatStep) and step.forming != "float64":
            return step.forming
    return "float64"


def goes_in_float32(requantize: Requantize) -> bool:
    """Whether ratios are formed in float32: `float_ratio`."""
    return forming(requantize) == "float_ratio"


def float_ratio(layer: str, first: float, second: Reals | float, output: Reals, dropped: int) -> Reals:
    """Return the ratio (channels,) of a product's scales to the output's, formed in float32 all through.

    So do ONNX Runtime's QLinearConv and QLinearMatMul, TensorFlow Lite's MUL and XNNPACK; ``dropped`` bits are gone
    before. Raises PlanError where float32 cannot hold the ratio.
    """
    with np.errstate(all="ignore"):
        ratio = np.float32(first) * np.asarray(second, np.float32) / output.astype(np.float32)
    if not np.all((ratio > 0) & np.isfinite(ratio)):
        scales = f"{first!r}, {float(np.max(second))!r} and {float(output.flat[0])!r}"
        raise PlanError(f"{layer}: the ratio of the scales {scales} is {ratio.flat[0]} in float32")
    return np.asarray(ratio, np.float64) * 2.0**dropped


def float_product(layer: str, source: float, weights: Reals, output: Reals, dropped: int) -> Reals:
    """Return the ratio (channels,) of three scales, the product of input's and weights' in float32.

    TensorFlow Lite's fully connected layers with one scale form it so; ``dropped`` bits are gone before.
    """
    with np.errstate(all="ignore"):
        product = within_float32(layer, np.float32(source) * weights.astype(np.float32))
    return product * 2.0**dropped / output.astype(np.float32).astype(np.float64)


def float_mean(layer: str, source: float, output: Reals, count: int) -> Reals:
    """Return the ratio (channels,) of a mean over ``count`` codes, formed in float32 all through: XNNPACK.

    Raises PlanError where float32 cannot hold it.
    """
    with np.errstate(all="ignore"):
        ratio = np.float32(source) / output.astype(np.float32) * (np.float32(1) / np.float32(count))
    return within_float32(layer, ratio)


def scaled_count_mean(layer: str, source: float, output: Reals, count: int) -> Reals:
    """Return the ratio (channels,) of a mean, the input's scale by count times output's scale, in float32.

    So do ONNX Runtime and TensorFlow Lite's optimised kernels. Raises PlanError where float32 cannot hold it.
    """
    with np.errstate(all="ignore"):
        sums: NDArray[np.float32] = output.astype(np.float32) * np.float32(count)
        ratio: NDArray[np.float32] = np.float32(source) / sums
    return within_float32(layer, ratio)


def sum_weights(layer: str, sources: Sequence[float], output: float, bits: int) -> tuple[tuple[int, ...], int]:
    """Return integers, of which the largest has ``bits`` bits with its sign, and a shift: XNNPACK's sums.

    An integer / 2^shift is about the ratio of one of the scales ``sources`` to that of the output. Raises PlanError
    where float32 cannot hold a ratio, or where the shift is below 0 or above 62.
    """
    with np.errstate(all="ignore"):
        ratios = within_float32(layer, np.asarray(sources, np.float32) / np.float32(output))
    shift = bits - 1 - math.frexp(ratios.max())[1]
    if not 0 <= shift <= LARGEST_SHIFT:
        raise PlanError(f"{layer}: weights of {bits} bits need a shift by {shift} bits, it is 0 to {LARGEST_SHIFT}")
    return tuple(int(one) for one in np.rint(np.ldexp(ratios, shift))), shift


def within_float32(layer: str, values: NDArray[np.float32]) -> Reals:
    """Return values in float64; raise PlanError if one left the range of float32."""
    if not np.all((values > 0) & np.isfinite(values)):
        worst = next(float(one) for one in values.flat if not (one > 0 and np.isfinite(one)))
        raise PlanError(f"{layer}: the ratio of its scales is {worst} in float32")
    return np.asarray(values, np.float64)
