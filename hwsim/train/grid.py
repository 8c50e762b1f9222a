"""Grids: the real values that a stored format can hold, and how a tensor is brought to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat, Rounding
from hwsim.loaders.framework import tensorflow
from hwsim.quantize.levels import logarithmic, quadratic
from hwsim.train.rounding import round_real, straight

Reals = NDArray[np.float64]
LEVELS = {"quadratic": quadratic, "logarithmic": logarithmic}
STEPS = ("uniform", *LEVELS)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What codes from ``minimum`` to ``maximum`` stand for: ``scale * 2**shift * (code - zero_point)``.

    ``scale`` and ``zero_point`` have one entry, or one for each channel of the last axis. With ``levels``, ascending,
    one for each code, a code q stands for ``scale * levels[q - minimum]``; a value goes to the nearest one, from a tie
    to the upper; ``whole``: once it is rounded to an integer, as tensors are. ``shift`` has a row for every ``group``
    input channels and a column for each channel of the last axis; a single row holds for all.
    """

    minimum: int
    maximum: int
    scale: tuple[float, ...] = (1.0,)
    zero_point: tuple[int, ...] = (0,)
    levels: tuple[int, ...] | None = None
    shift: tuple[tuple[int, ...], ...] = ()
    group: int = 1
    whole: bool = False
    rounding: Rounding = Rounding.HALF_EVEN

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that do not fit each other."""
        if self.minimum > self.maximum:
            raise ValueError(f"the smallest code {self.minimum} is above the largest, {self.maximum}")
        if not all(0 < one < np.inf for one in self.scale):
            raise ValueError(f"a scale is positive and finite, not {min(self.scale)}")
        if self.rounding.stochastic:
            raise ValueError(f"{self.rounding} draws random numbers; a grid needs a deterministic mode")
        count = self.maximum - self.minimum + 1
        if self.levels is not None and len(self.levels) != count:
            raise ValueError(f"{len(self.levels)} levels for {count} codes")
        if self.levels is not None and any(np.diff(self.levels) <= 0):
            raise ValueError("the levels do not ascend")

    def config(self) -> dict[str, Any]:
        """Return the grid as JSON can hold it."""
        return {**asdict(self), "rounding": str(self.rounding)}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Grid:
        """Return the grid of which ``config`` was made, or of one that JSON has turned into lists."""
        values: dict[str, Any] = {key: _frozen(value) for key, value in config.items()}
        values["rounding"] = Rounding(config["rounding"])
        return Grid(**values)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The integer that each code stands for before it is scaled, for the first channel."""
        if self.levels is not None:
            return np.asarray(self.levels, np.int64)
        return np.arange(self.minimum, self.maximum + 1) - self.zero_point[0]

    def unit(self, shape: Sequence[int | None]) -> Reals:
        """Return ``scale * 2**shift``, to be broadcast to a tensor of ``shape``."""
        scale = np.asarray(self.scale, np.float64)
        if not self.shift:
            return scale
        rows = np.asarray(self.shift, np.int64)
        if len(rows) > 1:
            rows = np.repeat(rows, self.group, axis=0)[: shape[-2]]
        return scale * np.exp2(rows)

    def quotient(self, values: Any, scale: Any = None) -> Any:
        """Return a tensor divided by the grid's unit, in float64; ``scale`` replaces the grid's own."""
        tf = tensorflow()
        unit = tf.constant(self.unit(values.shape), tf.float64) if scale is None else tf.cast(scale, tf.float64)
        return tf.cast(values, tf.float64) / unit

    def integers(self, quotient: Any) -> Any:
        """Return the integers (float64) that a stored tensor stands for, from real multiples of the unit.

        The gradient is 1 within the range, its ends included, and 0 outside: the clipped straight-through estimate.
        """
        tf = tensorflow()
        if self.levels is not None:
            within = tf.clip_by_value(quotient, float(self.levels[0]), float(self.levels[-1]))
            flat = tf.reshape(tf.stop_gradient(quotient), [-1])
            flat = round_real(flat, self.rounding) if self.whole else flat
            nearest = tf.searchsorted(tf.constant(self._middles()), flat, side="right")
            held = tf.gather(tf.constant(self.levels, tf.float64), nearest)
            return straight(within, tf.reshape(held, tf.shape(quotient)))
        zero = np.asarray(self.zero_point, np.float64)
        low, high = tf.constant(self.minimum - zero), tf.constant(self.maximum - zero)
        held = tf.clip_by_value(round_real(tf.stop_gradient(quotient), self.rounding), low, high)
        return straight(tf.clip_by_value(quotient, low, high), held)

    def _middles(self) -> Reals:
        """Return what lies between levels."""
        levels = np.asarray(self.levels, np.float64)
        return np.asarray((levels[1:] + levels[:-1]) / 2)

    def fake(self, values: Any) -> Any:
        """Return ``values`` as the grid holds them, in their own type."""
        tf = tensorflow()
        unit = tf.constant(self.unit(values.shape), tf.float64)
        return tf.cast(self.integers(self.quotient(values)) * unit, values.dtype)

    def places(self, values: Any) -> Any:
        """Return which codes (int32) a tensor has whose values lie on the grid, counted from the smallest."""
        tf, quotient = tensorflow(), self.quotient(values)
        if self.levels is not None:
            return tf.reshape(
                tf.searchsorted(self._middles(), tf.reshape(quotient, [-1]), side="right"), tf.shape(values)
            )
        first = self.minimum - np.asarray(self.zero_point)
        return tf.cast(tf.round(quotient), tf.int32) - tf.constant(first, tf.int32)

    def codes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the codes of an array whose values lie on the grid."""
        quotient = np.asarray(values, np.float64) / self.unit(values.shape)
        if self.levels is None:
            return np.asarray(np.rint(quotient) + np.asarray(self.zero_point), np.int64)
        return np.asarray(np.searchsorted(self._middles(), quotient, side="right") + self.minimum, np.int64)


def grid_of(entry: Any, rounding: Rounding = Rounding.HALF_EVEN) -> Grid:
    """Return the grid of a plan's entry for a tensor or for weights, or of a program's tensor."""
    form: IntFormat = entry.format
    many = isinstance(entry.scale, tuple)
    shift: Any = getattr(entry, "shift", ())
    return Grid(
        minimum=form.minimum,
        maximum=form.maximum,
        scale=entry.scale if many else (entry.scale,),
        zero_point=entry.zero_point if many else (entry.zero_point,),
        levels=getattr(entry, "levels", None) or None,
        shift=shift if many or not shift else (shift,),
        group=getattr(entry, "group", 1),
        whole=not many,
        rounding=rounding,
    )


def levels_of(step: str, form: IntFormat) -> tuple[int, ...] | None:
    """Return the integer levels of a format's codes; None where they are the codes themselves.

    `quadratic`: sign(q) q². `logarithmic`: 0 and sign(q) 2^(|q| - 1). Raises ValueError for another word.

    >>> levels_of("quadratic", IntFormat(bits=3)), levels_of("logarithmic", IntFormat(bits=3))
    ((-16, -9, -4, -1, 0, 1, 4, 9), (-8, -4, -2, -1, 0, 1, 2, 4))
    """
    if step in LEVELS:
        return LEVELS[step](form)
    if step != "uniform":
        raise ValueError(f"a step is {', '.join(STEPS)}, not {step!r}")
    return None


def _frozen(value: Any) -> Any:
    """Return lists, and lists in lists, as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
