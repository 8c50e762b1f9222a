"""Formats and what becomes of a value outside one (docs/arithmetic.md, section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


def power(n: int) -> int:
    """Return 2^n."""
    return 1 << n


def limits(bits: int, signed: bool, overflow: str = "saturate") -> tuple[int, int]:
    """Return the smallest and the largest value that counts as inside.

    >>> limits(8, True), limits(8, True, "saturate_symmetric"), limits(8, False)
    ((-128, 127), (-127, 127), (0, 255))
    """
    if not signed:
        return 0, power(bits) - 1
    return -power(bits - 1) + (overflow == "saturate_symmetric"), power(bits - 1) - 1


def fit(x: int, bits: int, signed: bool, overflow: str, saturated_bits: int = 0) -> int:
    """Bring ``x`` into the format; ``error`` saturates here (whoever keeps the ledger stops the run)."""
    low, high = limits(bits, signed, overflow)
    if low <= x <= high:
        return x
    if saturated_bits > bits:
        raise ValueError(f"{saturated_bits} saturated bits in a format of {bits} bits")
    if overflow in ("saturate", "saturate_symmetric", "error"):
        return low if x < low else high
    if overflow == "saturate_zero":
        return 0
    if overflow == "wrap":
        return _code(_wrap(x, bits, signed, saturated_bits), bits, signed)
    if overflow == "wrap_sign_magnitude" and signed:
        return _code(_wrap_sign_magnitude(x, bits, saturated_bits), bits, signed)
    raise ValueError(f"overflow {overflow!r} of a {'signed' if signed else 'unsigned'} format")


def _wrap(x: int, bits: int, signed: bool, saturated: int) -> int:
    """Return the bits that a wrap leaves, as a pattern of ``bits`` bits."""
    if saturated == 0:
        return x % power(bits)
    kept = x % power(bits - saturated)
    if not signed:
        return (power(saturated) - 1) * power(bits - saturated) + kept
    return _sign_and_opposites(x < 0, bits, saturated) + kept


def _wrap_sign_magnitude(x: int, bits: int, saturated: int) -> int:
    """Return the bits that a sign-magnitude wrap leaves, as a pattern of ``bits`` bits."""
    pattern = x % power(bits)
    negative = x < 0
    if saturated == 0:
        return _inverted_if(_bit(x, bits) != _bit(pattern, bits - 1), pattern, bits)
    if saturated == 1:
        return _inverted_if(negative != _bit(pattern, bits - 1), pattern, bits)
    pattern = _inverted_if(_bit(pattern, bits - saturated) == negative, pattern, bits)
    return _sign_and_opposites(negative, bits, saturated) + pattern % power(bits - saturated)


def _sign_and_opposites(negative: bool, bits: int, saturated: int) -> int:
    """Return a pattern with the sign in the top bit and its opposite in the ``saturated`` - 1 bits below."""
    opposites = 0 if negative else (power(saturated - 1) - 1) * power(bits - saturated)
    return int(negative) * power(bits - 1) + opposites


def _inverted_if(condition: bool, pattern: int, bits: int) -> int:
    """Return the pattern with all of its bits inverted if ``condition`` holds."""
    return power(bits) - 1 - pattern if condition else pattern


def _bit(x: int, index: int) -> int:
    """Return bit ``index`` of ``x``, counted from 0; negative numbers have 1s without end."""
    return x // power(index) % 2


def _code(pattern: int, bits: int, signed: bool) -> int:
    """Read a pattern of ``bits`` bits as a code."""
    return pattern - power(bits) if signed and _bit(pattern, bits - 1) else pattern


class Format(NamedTuple):
    """A width, and what becomes of values outside it."""

    bits: int
    signed: bool
    overflow: str
    saturated_bits: int = 0
    narrow: bool = False

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Format:
        """Read a section of the settings that has the keys of ``Fit``."""
        return cls(section["bits"], section["signed"], section["overflow"], section["saturated_bits"])

    @classmethod
    def stored(cls, plan: Mapping[str, Any], overflow: str = "saturate") -> Format:
        """Return the format of a stored tensor of the plan; narrow formats saturate symmetrically, or stop the run."""
        if not plan["narrow"]:
            return cls(plan["bits"], plan["signed"], overflow)
        if not plan["signed"]:
            raise ValueError("an unsigned format cannot be narrow")
        return cls(plan["bits"], True, overflow if overflow == "error" else "saturate_symmetric", narrow=True)

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value inside."""
        return limits(self.bits, self.signed, "saturate_symmetric" if self.narrow else self.overflow)

    def holds(self, x: int) -> bool:
        """Return whether ``x`` is inside."""
        low, high = self.limits
        return low <= x <= high

    def fit(self, x: int) -> int:
        """Bring ``x`` into the format."""
        return fit(x, *self[:4])
