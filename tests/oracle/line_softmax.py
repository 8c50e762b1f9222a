"""The softmax of 16-bit codes by two tables with lines (docs/arithmetic.md, section 6; docs/ledger.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import exp, floor

from oracle.ledger import Place
from oracle.overflow import Format
from oracle.rescale import multiplier
from oracle.rounding import Rounded, round_fraction, round_shift, rounded_shift
from oracle.softmax import SoftmaxOfCodes, distances

WORD = Format(16, True, "saturate")
MOST = 65536
HALF_AWAY = "half_away"


def table(real: Callable[[float], float], low: float, high: float) -> list[int]:
    """Return the 513 entries of a function.

    >>> table(exp, -10.0, 0.0)[::128], table(lambda x: 1 / (1 + x), 0.0, 1.0)[::256]
    ([2, 18, 221, 2690, 32767], [32767, 21845, 16384])
    """
    w = (high - low) / 512
    y = [32768.0 * real(low + i * w) for i in range(513)]
    made = []
    for i in range(512):
        h = 32768.0 * real(low + i * w + w / 2)
        whole = _away(y[i])
        error = _away((y[i + 1] + whole) / 2) - _away(h)
        made.append(WORD.fit(whole - _away(error / 2)))
    return [*made, WORD.fit(_away(y[512]))]


def _away(x: float) -> int:
    return round_fraction(Fraction(x), HALF_AWAY)


POWERS = table(exp, -10.0, 0.0)
RECIPROCALS = table(lambda x: 1 / (1 + x), 0.0, 1.0)


def line(entries: Sequence[int], v: int) -> Rounded:
    """Return what a table has at a place of 16 bits."""
    i = 256 + v // 128
    rise = rounded_shift((entries[i + 1] - entries[i]) * (v % 128), 7, "half_up")
    return rise._replace(value=entries[i] + rise.value)


class LineSoftmax(SoftmaxOfCodes):
    """The datapath of a softmax, and its ledger."""

    codes = WORD
    scale, zero_point = 2.0**-15, 0

    def __init__(self, scale: float, channels: int) -> None:
        """Begin an empty ledger; ``scale`` is that of the input."""
        super().__init__(("difference", "power", "sum", "reciprocal"), channels)
        self.difference, self.power, self.sum, self.reciprocal, _ = self.points
        self.q, _, self.e = multiplier(scale / (10.0 / 65535.0), 32)
        if not -31 <= self.e <= 15:
            raise ValueError(f"an input scale of {scale}")

    def line(self, codes: Sequence[int], places: Sequence[Place], mask: Sequence[bool] | None = None) -> list[int]:
        """Return the output codes of a line of codes, of which those take part that a mask leaves."""
        if len(codes) > MOST:
            raise ValueError(f"a line of {len(codes)} codes")
        each = zip(distances(codes, mask), places, strict=True)
        powers = [0 if d is None else self._power(d, place) for d, place in each]
        k = 31 - sum(powers).bit_length()
        t = self.sum.round(rounded_shift(sum(powers) * 2**k, 14, "half_up"), places[0])
        x = self.sum.fit(t - 98304, WORD, places[0])
        r = self.reciprocal.round_only(line(RECIPROCALS, x), places[0])
        shares = [rounded_shift(power * r, 30 - k, "half_up") for power in powers]
        return [self.share(share, place) for share, place in zip(shares, places, strict=True)]

    def _power(self, d: int, place: Place) -> int:
        """Return the power of a difference to the largest code."""
        high = round_shift(d * 2 ** max(self.e, 0) * self.q, 31, "half_up")
        x = round_shift(high, max(-self.e, 0), HALF_AWAY)
        exact = d * self.q * Fraction(2) ** (self.e - 31)
        lost = Rounded(x, exact.denominator > 1, x * 2**16 - floor(exact * 2**16))
        v = self.difference.fit(self.difference.round(lost, place) + 32767, WORD, place)
        return self.power.round_only(line(POWERS, v), place)
