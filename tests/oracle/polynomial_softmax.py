"""The softmax by a parabola and shifts (docs/arithmetic.md, section 6; docs/ledger.md)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor, log

from oracle.ledger import Place
from oracle.rounding import rounded_fraction, rounded_shift
from oracle.softmax import SoftmaxOfCodes, distances


class PolynomialSoftmax(SoftmaxOfCodes):
    """The datapath of a softmax, and its ledger."""

    def __init__(self, scale: float, channels: int) -> None:
        """Begin an empty ledger; ``scale`` is that of the input."""
        super().__init__(("power",), channels)
        self.power, _ = self.points
        self.period, self.offset = floor(log(2) / scale), floor(1.353 / scale)
        self.constant = floor(0.344 / 0.3585 / (scale * scale))
        if self.period < 1:
            raise ValueError(f"an input scale of {scale}")

    def line(self, codes: Sequence[int], places: Sequence[Place], mask: Sequence[bool] | None = None) -> list[int]:
        """Return the output codes of a line of codes, of which those take part that a mask leaves."""
        each = zip(distances(codes, mask), places, strict=True)
        powers = [0 if d is None else self._power(d, place) for d, place in each]
        total = sum(powers)
        if total >= 2**31:
            raise ValueError(f"a sum of {total}")
        shares = [rounded_fraction(Fraction(power * 256, total), "floor") for power in powers]
        return [self.share(share, place) for share, place in zip(shares, places, strict=True)]

    def _power(self, d: int, place: Place) -> int:
        """Return the power of a difference to the largest code."""
        z = -d // self.period
        p = d + z * self.period
        exact = (p + self.offset) ** 2 + self.constant
        return self.power.round_only(rounded_shift(exact, z, "floor"), place)
