"""The softmax in fixed point (docs/arithmetic.md, section 6; docs/ledger.md)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import floor

from oracle.ledger import Place
from oracle.overflow import Format
from oracle.rescale import multiplier
from oracle.rounding import Rounded, rounded_shift
from oracle.softmax import SoftmaxOfCodes, distances

WORD = Format(32, True, "saturate")
MOST = 4095
BARREL = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def high(a: int, b: int) -> Rounded:
    """Return a * b / 2^31 rounded half_up."""
    return rounded_shift(a * b, 31, "half_up")


def h(a: int, b: int) -> int:
    """Return a * b / 2^31 rounded half_up, which fits 32 bits but for the product of the two most negative numbers."""
    return WORD.fit(high(a, b).value)


def r(x: int, n: int) -> int:
    """Return x / 2^n rounded half_away."""
    return rounded_shift(x, n, "half_away").value


@lru_cache(maxsize=4096)
def exponential(z: int) -> int:
    """Return E(z), about exp(z / 2^26) * 2^31, for z <= 0.

    >>> from math import exp
    >>> max(abs(exponential(-z) - 2**31 * exp(-z / 2**26)) for z in range(1, 31 * 2**26, 2**20 + 7)) < 2**9
    True
    """
    if z > 0:
        raise ValueError(f"exp({z})")
    if z == 0:
        return 2**31 - 1
    a = z % 2**24 - 2**24
    y = 32 * a + 2**28
    y2 = h(y, y)
    y3, y4 = h(y2, y), h(y2, y2)
    t = r(h(r(y4, 2) + y3, 715827883) + y2, 1)
    p = 1895147668 + h(1895147668, y + t)
    for j, factor in enumerate(BARREL):
        if (a - z) // 2 ** (24 + j) % 2:
            p = h(p, factor)
    return p


def reciprocal(a: int) -> int:
    """Return I(a), about 2^31 / (1 + a / 2^31), for 0 <= a < 2^31.

    >>> max(abs(reciprocal(a) - 2**62 / (2**31 + a)) for a in range(0, 2**31, 2**20 + 7)) < 8
    True
    """
    if not 0 <= a < 2**31:
        raise ValueError(f"1 / (1 + {a})")
    m = (a + 2**31) // 2
    x = 1515870810 + h(m, -1010580540)
    for _ in range(3):
        x += WORD.fit(4 * h(x, 2**29 - h(m, x)))
    return WORD.fit(2 * x)


class FixedSoftmax(SoftmaxOfCodes):
    """The datapath of a softmax, and its ledger."""

    def __init__(self, scale: float, channels: int) -> None:
        """Begin an empty ledger; ``scale`` is that of the input."""
        if not scale > 2.0**-26:
            raise ValueError(f"an input scale of {scale}")
        super().__init__(("difference", "sum", "product"), channels)
        self.difference, self.sum, self.product, _ = self.points
        self.q, _, self.s = multiplier(min(scale * 2.0**26, 2.0**31 - 1), 32)
        self.radius = floor(Fraction(31 * 2**26, 2**self.s))

    def line(self, codes: Sequence[int], places: Sequence[Place], mask: Sequence[bool] | None = None) -> list[int]:
        """Return the output codes of a line of codes, of which those take part that a mask leaves."""
        if len(codes) > MOST:
            raise ValueError(f"a line of {len(codes)} codes")
        each = zip(distances(codes, mask), places, strict=True)
        powers = [None if d is None else self._power(d, place) for d, place in each]
        total = 0
        for power, place in zip(powers, places, strict=True):
            if power is not None:
                exact = total + self.sum.round(rounded_shift(power, 12, "half_away"), place)
                total = self.sum.fit(exact, WORD, place)
        k = 32 - total.bit_length()
        inverse = reciprocal(total * 2**k - 2**31)
        return [self._code(power, inverse, 35 - k, place) for power, place in zip(powers, places, strict=True)]

    def _power(self, d: int, place: Place) -> int | None:
        """Return the power of a difference to the largest code; None where it is skipped."""
        if d < -self.radius:
            return None
        z = self.difference.round(high(d * 2**self.s, self.q), place)
        return exponential(self.difference.fit(z, WORD, place))

    def _code(self, power: int | None, inverse: int, shift: int, place: Place) -> int:
        """Return an output code."""
        share = Rounded(0, False, 0)
        if power is not None:
            u = self.product.fit(self.product.round(high(inverse, power), place), WORD, place)
            share = rounded_shift(u, shift, "half_away")
        return self.share(share, place)
