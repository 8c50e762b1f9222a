"""Integer formats, rounding modes and overflow modes: frozen values and their limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import hwsim_kernels as kernels
from hwsim.aliases import NAMES, ours

_Json = dict[str, object]


class _Mode(StrEnum):
    """A mode: to kernels a plain integer, to other tools a name of their own."""

    @property
    def code(self) -> int:
        """The plain integer by which kernels know this mode."""
        return int(getattr(kernels, self.name))

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """Accept another tool's name if the tool stands before it: ``qonnx:HALF_UP``."""
        mode = ours(cls.__name__.lower(), value)
        return cls(mode) if mode else None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: object, handler: Callable[[object], _Json]) -> _Json:
        """Let editors accept such names too."""
        schema = handler(core)
        modes = {"enum": schema.pop("enum")}
        tools = "|".join(NAMES[cls.__name__.lower()])
        return {**schema, "anyOf": [modes, {"pattern": f"^({tools}):\\w+$"}]}


class Rounding(_Mode):
    """How the exact quotient x / 2**n becomes an integer. ``docs/arithmetic.md`` has each as a formula."""

    FLOOR = "floor"
    CEIL = "ceil"
    TOWARD_ZERO = "toward_zero"
    AWAY_FROM_ZERO = "away_from_zero"
    HALF_UP = "half_up"
    HALF_DOWN = "half_down"
    HALF_TOWARD_ZERO = "half_toward_zero"
    HALF_AWAY = "half_away"
    HALF_EVEN = "half_even"
    HALF_ODD = "half_odd"
    MAGNITUDE = "magnitude"
    JAM = "jam"
    JAM_UNBIASED = "jam_unbiased"
    STOCHASTIC_WEIGHTED = "stochastic_weighted"
    STOCHASTIC_EQUAL = "stochastic_equal"

    @property
    def stochastic(self) -> bool:
        """Whether the mode draws from the target's random generator."""
        return self in (Rounding.STOCHASTIC_WEIGHTED, Rounding.STOCHASTIC_EQUAL)

    @property
    def nearest(self) -> bool:
        """Whether a value that is no tie becomes the nearest integer."""
        return self.value.startswith("half_")


class Overflow(_Mode):
    """What becomes of a value outside its format. ``docs/arithmetic.md`` has each as a formula."""

    WRAP = "wrap"
    SATURATE = "saturate"
    SATURATE_SYMMETRIC = "saturate_symmetric"
    SATURATE_ZERO = "saturate_zero"
    WRAP_SIGN_MAGNITUDE = "wrap_sign_magnitude"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class IntFormat:
    """An integer format of 1 to 64 bits; ``narrow`` excludes the most negative code.

    >>> IntFormat(bits=8).minimum, IntFormat(bits=8).maximum
    (-128, 127)
    >>> IntFormat(bits=8, narrow=True).minimum, IntFormat(bits=4, signed=False).maximum
    (-127, 15)
    """

    bits: int
    signed: bool = True
    narrow: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError unless 1 <= bits <= 64."""
        if not 1 <= self.bits <= 64:
            raise ValueError(f"a format must have 1 to 64 bits, not {self.bits}")

    @property
    def minimum(self) -> int:
        """The smallest code."""
        return (-(1 << (self.bits - 1)) + int(self.narrow)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """The largest code."""
        return (1 << (self.bits - int(self.signed))) - 1

    @property
    def magnitude(self) -> int:
        """The largest magnitude of a code."""
        return max(-self.minimum, self.maximum)

    def holds(self, low: int, high: int) -> bool:
        """Whether every integer from ``low`` to ``high`` is a code of this format."""
        return self.minimum <= low and high <= self.maximum

    @property
    def clamping(self) -> Overflow:
        """The saturation that keeps to this format's codes."""
        return Overflow.SATURATE_SYMMETRIC if self.narrow else Overflow.SATURATE

    def under(self, overflow: Overflow) -> IntFormat:
        """The codes that a fit with ``overflow`` leaves alone: `saturate_symmetric` excludes the most negative one."""
        narrow = self.narrow or overflow is Overflow.SATURATE_SYMMETRIC
        return IntFormat(bits=self.bits, signed=self.signed, narrow=narrow)

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.bits}"


def bits_needed(low: int, high: int, signed: bool = True) -> int:
    """Return the width of the smallest format that holds ``low`` to ``high``.

    >>> bits_needed(-128, 127), bits_needed(-129, 0), bits_needed(0, 255, signed=False)
    (8, 9, 8)
    """
    if not signed and low >= 0:
        return max(high.bit_length(), 1)
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1
