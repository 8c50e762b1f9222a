"""The softmax by a table of exponentials and a division (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from fractions import Fraction
from math import exp, floor, log

from oracle.rescale import as_float32, to_float32
from oracle.rounding import round_fraction


def divided_softmax(
    codes: list[int], scale: float, output: tuple[float, int, int], mask: list[bool] | None = None
) -> list[int]:
    """Return the output codes of one line of 8-bit codes, of which those take part that a mask leaves.

    ``output``: its scale, its zero point, its lowest code.

    >>> divided_softmax([0, 0, 0, -128], 1.0, (2.0**-8, -128, -128)), divided_softmax([127], 0.1, (2.0**-8, -128, -128))
    ([-43, -43, -43, -128], [127])
    >>> divided_softmax([0, 9, 0, 0], 1.0, (2.0**-8, 0, 0), [True, False, True, True])
    [85, 0, 85, 85]
    """
    taken = mask or [True] * len(codes)
    largest = max(code for code, there in zip(codes, taken, strict=True) if there)
    powers = [
        power(largest - code, scale, len(codes)) if there else Fraction(0)
        for code, there in zip(codes, taken, strict=True)
    ]
    total = Fraction(0)
    for one in powers:
        total = to_float32(total + one)
    output_scale, zero_point, low = output
    factor = floor(to_float32(1 / Fraction(as_float32(output_scale))))
    shares = (round_fraction(Fraction(float(one * factor / total)), "half_even") for one in powers)
    return [min(max(share + zero_point, low), low + 255) for share in shares]


def power(difference: int, scale: float, size: int) -> Fraction:
    """Return the exponential of a difference in a line of ``size`` codes, in float32.

    >>> power(0, 0.5, 6) == Fraction(float.fromhex("0x1.266264p+118"))
    True
    """
    largest = to_float32(Fraction(2**128 - 2**104) / size)
    step = as_float32(scale)
    shift = max(as_float32(log(largest)) - 5, 0.0) / step
    return to_float32(Fraction(exp((shift - difference) * step)))
