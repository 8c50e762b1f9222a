"""The softmaxes of codes: their kernels beside the oracle, and lines for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import Ints, carried, figures, figures_of
from numpy.typing import NDArray

from hwsim_kernels import counting, softmax, softmax_lines, softmax_polynomial
from oracle.fixed_softmax import FixedSoftmax
from oracle.ledger import Place
from oracle.line_softmax import LineSoftmax
from oracle.polynomial_softmax import PolynomialSoftmax
from oracle.softmax import SoftmaxOfCodes

Codes = NDArray[Any]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Form:
    """A kernel, what it takes of the input's scale, what it counts, its oracle, and the scales that are its limits."""

    name: str
    kernel: Callable[..., None]
    numbers: Callable[[float], tuple[Any, ...]]
    points: tuple[str, ...]
    oracle: Callable[[float, int], SoftmaxOfCodes]
    bits: int
    scales: tuple[float, ...]

    @property
    def high(self) -> int:
        """The largest code."""
        return (1 << self.bits - 1) - 1

    @property
    def low(self) -> int:
        """The smallest code."""
        return -self.high - 1

    def codes(self, values: Any) -> Codes:
        """Return codes (outer, n, inner)."""
        return np.ascontiguousarray(np.array(values, np.int8 if self.bits == 8 else np.int16))

    def run(
        self, codes: Codes, scale: float, channels: int, first: int = 0, mask: Flags | None = None
    ) -> tuple[Codes, Ints, Ints]:
        """Return the outputs of codes (outer, n, inner), counts and histogram; ``mask`` is that of a sample."""
        mask = np.ones((1, *codes.shape[1:]), np.bool_) if mask is None else mask
        out, counts = np.zeros_like(codes), counting.new_counts(len(self.points), channels)
        histogram = np.zeros(counting.BINS, np.int64)
        self.kernel(codes, mask, *self.numbers(scale), channels, first, out, counts, histogram)
        return out, carried(counts), histogram

    def agrees(
        self,
        codes: Codes,
        scale: float,
        channels: int,
        positions: int,
        first_sample: int = 0,
        mask: Flags | None = None,
    ) -> SoftmaxOfCodes:
        """Assert that outputs and figures are the oracle's; ``positions`` and ``mask`` are those of a sample."""
        out, counts, histogram = self.run(codes, scale, channels, first_sample * positions, mask)
        oracle, wanted = self.oracle(scale, channels), np.zeros_like(codes)
        numbers = np.arange(codes.size).reshape(codes.shape)
        for one in range(codes.shape[0]):
            for line in range(codes.shape[2]):
                at = [
                    Place(first_sample + i // channels // positions, i // channels % positions, i % channels)
                    for i in numbers[one, :, line].tolist()
                ]
                taken = None if mask is None else mask[one % len(mask), :, line].tolist()
                wanted[one, :, line] = oracle.line(codes[one, :, line].tolist(), at, taken)
        assert out.tolist() == wanted.tolist()
        for point, name, count in zip(oracle.points, self.points, counts, strict=True):
            assert point.name == name
            assert figures_of(count, positions=positions) == figures(point), name
        assert histogram.tolist() == oracle.output.histogram
        return oracle


TINY = float(np.nextafter(2.0**-26, 1))
FIXED = Form(
    "fixed",
    softmax.softmax,
    softmax.multiplier_of_scale,
    softmax.POINTS,
    FixedSoftmax,
    8,
    (TINY, 2.0**-25, 1e-3, 0.1, 1 - 2.0**-53, 1.0, 1.9, 15.5, 31.0, 32 - 2.0**-26, 32.0, 1e30),
)
"""Differences next to 0 alone, differences of which only a few take part, and the limits of the multiplier."""

PARABOLA = Form(
    "polynomial",
    softmax_polynomial.softmax_by_parabola,
    lambda scale: (np.array(softmax_polynomial.parabola(scale), np.int64),),
    softmax_polynomial.POINTS,
    PolynomialSoftmax,
    8,
    (0.001, 2.0**-8, 1 / 32, 0.1, 0.3, 0.6, log(2)),
)
"""So fine that nothing is halved within 256 codes; and each code a half of the next."""

LEAST, MOST = 2.0**-31 * 10 / 65535 / 2 * 1.001, 2.0**15 * 10 / 65535 * 0.999
LINES = Form(
    "lines",
    softmax_lines.softmax_by_lines,
    lambda scale: (*softmax_lines.multiplier_of_scale(scale), softmax_lines.powers(), softmax_lines.reciprocals()),
    softmax_lines.POINTS,
    LineSoftmax,
    16,
    (LEAST, 1e-9, 1e-5, 5 / 65535, 10 / 65535, 3e-4, 2.0**-11, 0.01, 1.0, MOST),
)
"""Differences that all round to 0, one or two roundings, exact ones, and those next to the limits of the multiplier."""

FORMS = (FIXED, PARABOLA, LINES)


@composite
def lines(draw: DrawFn, form: Form, size: int) -> list[int]:
    """Return a line of codes: any, near to each other, one above all others or below, or of both ends alone."""
    anywhere = st.integers(form.low, form.high)
    a, b = draw(anywhere), draw(anywhere)
    match draw(st.sampled_from(["any", "near", "one", "ends"])):
        case "any":
            each = anywhere
        case "near":
            reach = draw(st.sampled_from([0, 3, 300]))
            each = st.integers(max(a - reach, form.low), a)
        case "one":
            at = draw(st.integers(0, size - 1))
            return [b if i == at else a for i in range(size)]
        case _:
            each = st.sampled_from([form.low, form.high])
    return draw(st.lists(each, min_size=size, max_size=size))
