"""How a hardware engineer says a width, a stage or a mode, and how the kernels take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwsim_kernels import overflow as overflows
from hwsim_kernels import rounding as roundings
from hwsim_kernels._types import Ints
from hwsim_kernels.fields import (
    BITS,
    CHECK_EACH,
    FIELDS,
    OVERFLOW,
    ROUNDING,
    SATURATED_BITS,
    SHIFT,
    SIGNED,
    TERMS,
    TREE,
)

ROUNDINGS = {
    name.lower(): int(getattr(roundings, name))
    for name in (
        "FLOOR",
        "CEIL",
        "TOWARD_ZERO",
        "AWAY_FROM_ZERO",
        "HALF_UP",
        "HALF_DOWN",
        "HALF_TOWARD_ZERO",
        "HALF_AWAY",
        "HALF_EVEN",
        "HALF_ODD",
        "MAGNITUDE",
        "JAM",
        "JAM_UNBIASED",
        "STOCHASTIC_WEIGHTED",
        "STOCHASTIC_EQUAL",
    )
}
"""Every rounding mode by its name."""

OVERFLOWS = {
    name.lower(): int(getattr(overflows, name))
    for name in ("WRAP", "SATURATE", "SATURATE_SYMMETRIC", "SATURATE_ZERO", "WRAP_SIGN_MAGNITUDE")
}
"""Every overflow mode by its name (``error`` is for whole runs: see hwsim)."""


def rounding_code(name: str) -> int:
    """Return the kernels' constant of a rounding mode; raise ValueError for a name that does not exist."""
    if name not in ROUNDINGS:
        raise ValueError(f"rounding {name!r}: it must be one of {', '.join(ROUNDINGS)}")
    return ROUNDINGS[name]


@dataclass(frozen=True)
class Format:
    """A width of 1 to 64 ``bits``, and what becomes of a value outside it.

    ``overflow``: `wrap`, `saturate`, `saturate_symmetric` (without the most negative code), `saturate_zero` or
    `wrap_sign_magnitude`; ``saturated_bits`` refines the wraps as ap_fixed's N. Raises ValueError for
    what makes no sense.

    >>> Format(8, "saturate").field().tolist()
    [8, 1, 1, 0]
    """

    bits: int
    overflow: str = "wrap"
    signed: bool = True
    saturated_bits: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.bits <= 64:
            raise ValueError(f"{self.bits} bits: a format has 1 to 64")
        if self.overflow not in OVERFLOWS:
            raise ValueError(f"overflow {self.overflow!r}: it must be one of {', '.join(OVERFLOWS)}")
        if self.overflow == "wrap_sign_magnitude" and not self.signed:
            raise ValueError("overflow 'wrap_sign_magnitude': an unsigned format has no sign; use 'wrap'")
        if not 0 <= self.saturated_bits <= (self.bits if "wrap" in self.overflow else 0):
            raise ValueError(f"{self.saturated_bits} saturated bits: wraps have 0 to the width, all else 0")

    def field(self) -> Ints:
        """Return (4,) bits, signed, overflow, saturated_bits."""
        return np.array([self.bits, self.signed, OVERFLOWS[self.overflow], self.saturated_bits], np.int64)


@dataclass(frozen=True)
class Stage(Format):
    """One level of accumulation, from the inside out: it sums ``terms`` values (None: all that is left).

    ``check``: `each` fits after every addition, `last` once. ``shape``: `chain`, or `tree` (pairs, every node fitted).
    ``shift`` low bits are dropped by ``rounding`` whenever it fits: a sum s and a value v become
    fit(round_shift(s * 2**shift + v)).
    """

    terms: int | None = None
    check: str = "each"
    shape: str = "chain"
    shift: int = 0
    rounding: str = "floor"

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.terms is not None and self.terms < 1:
            raise ValueError(f"{self.terms} terms: a sum has 1 or more")
        if self.check not in ("each", "last") or self.shape not in ("chain", "tree"):
            raise ValueError(f"check {self.check!r}, shape {self.shape!r}: `each` or `last`, `chain` or `tree`")
        if self.shape == "tree" and (self.shift or self.terms is None):
            raise ValueError("a tree has terms and no shift")
        if not 0 <= self.shift <= 62:
            raise ValueError(f"a shift by {self.shift} bits: it drops 0 to 62")
        rounding_code(self.rounding)

    def stage_field(self) -> Ints:
        """Return (FIELDS,) as ``fields`` orders them."""
        field = np.zeros(FIELDS, np.int64)
        field[[BITS, SIGNED, OVERFLOW, SATURATED_BITS]] = self.field()
        field[TERMS] = self.terms or 0
        field[CHECK_EACH], field[TREE] = self.check == "each", self.shape == "tree"
        field[SHIFT], field[ROUNDING] = self.shift, rounding_code(self.rounding)
        return field


def stage_fields(stages: Sequence[Stage]) -> Ints:
    """Return (levels, FIELDS); raise ValueError unless the last stage alone takes all that is left."""
    if not stages or stages[-1].terms is not None or any(stage.terms is None for stage in stages[:-1]):
        raise ValueError("stages: all but the last have terms, and the last has none")
    return np.stack([stage.stage_field() for stage in stages])
