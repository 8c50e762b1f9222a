"""Functions read from tables (docs/arithmetic.md, section 6, curve)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import count
from math import copysign, erfc, exp, floor, inf, isnan, nan, pi, tanh
from typing import NamedTuple

from oracle import gates
from oracle.finish import Output
from oracle.functions import agreed
from oracle.hard_silu import hard_silu
from oracle.integer_gelu import gelu
from oracle.ledger import Place, Point
from oracle.levels import format_of, scales_of
from oracle.overflow import Format
from oracle.rescale import as_float32, to_float32
from oracle.rounding import Rounded, round_fraction
from oracle.steps import interpolated
from oracle.tensor import Layer, Made, place_of

MOST = 2.0**30
"""The largest magnitude of an entry."""


class Lines(NamedTuple):
    """Entries that are 2^shift codes apart, from the code ``first``."""

    first: int
    shift: int
    many: int


def spacing(target: Format, index_bits: int) -> Lines:
    """Return where the entries of a format lie.

    >>> spacing(Format(16, True, "saturate"), 9)
    Lines(first=-32768, shift=7, many=513)
    """
    low, top = target.limits
    shift = max(target.bits - index_bits, 0)
    return Lines(low, shift, next(i for i in count() if low + (i << shift) > top) + 1)


def single(x: float) -> float:
    """Return the float32 nearest to ``x``, which may be infinite or NaN."""
    if isnan(x) or abs(x) == inf:
        return x
    try:
        return as_float32(x)
    except OverflowError:
        return copysign(inf, x)


def inverse(scale: float) -> float:
    """Return float32(1 / float32(scale))."""
    return single(1 / single(scale)) if single(scale) else inf


def sigmoid_of_singles(x: float) -> float:
    """Return 1 / (1 + exp(-x)) in float32.

    >>> sigmoid_of_singles(0.0)
    0.5
    """
    try:
        power = single(exp(-x))
    except OverflowError:
        power = inf
    return single(1 / single(1 + power))


def gelu_of_singles(x: float) -> float:
    """Return 0.5 x erfc(-x / sqrt(2)) in float32.

    >>> gelu_of_singles(1.0)
    0.8413447141647339
    """
    return single(single(0.5 * x) * single(erfc(single(x * single(-(0.5**0.5))))))


def gelu_by_tanh_of_singles(x: float) -> float:
    """Return 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) in float32.

    >>> gelu_by_tanh_of_singles(0.0)
    0.0
    """
    cube = single(single(single(single(0.044715) * x) * x) * x)
    factor = single(single(2 / pi**0.5) * single(0.5**0.5))
    return single(single(0.5 * x) * single(1 + single(tanh(single(factor * single(x + cube))))))


def leaky_relu_of_singles(x: float, slope: float) -> float:
    """Return x, or the slope times x where negative, in float32.

    >>> leaky_relu_of_singles(-1.0, 0.3) == -as_float32(0.3)
    True
    """
    return x if x >= 0 else single(single(slope) * x)


SINGLES: dict[str, Callable[..., float]] = {
    "sigmoid": sigmoid_of_singles,
    "gelu": gelu_of_singles,
    "gelu_tanh": gelu_by_tanh_of_singles,
    "leaky_relu": leaky_relu_of_singles,
}
"""Functions that runtimes compute in float32, operation by operation."""


def quotient(y: float, scale: float) -> float:
    """Return y / scale in float32; a scale of 0 makes it infinite or, of 0, NaN.

    >>> quotient(1.0, 3.0) == 11184811 / 2**25, quotient(-1.0, 0.0), quotient(0.0, 0.0)
    (True, -inf, nan)
    """
    if scale == 0 or isnan(y) or abs(y) == inf:
        return y * inf if y else nan
    try:
        return float(to_float32(Fraction(y) / Fraction(scale)))
    except OverflowError:
        return copysign(inf, y)


UPPER = (4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03, 2.48287947061529e-01)
LOWER = (
    *(6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06),
    *(1.70198817374094e-03, 1.16817656904453e-01, 9.93151921023180e-01),
)


def rational_sigmoid(x: float) -> float:
    """Return the sigmoid of a float32 by a ratio of two polynomials in float32, products and sums rounded at once.

    >>> rational_sigmoid(0.0), rational_sigmoid(18.0), rational_sigmoid(-99.0) == rational_sigmoid(-18.0)
    (0.5, 1.0, True)
    """
    place = Fraction(min(max(x, -18.0), 18.0))
    square = to_float32(place * place)
    top, bottom = (polynomial([Fraction(as_float32(one)) for one in row], square) for row in (UPPER, LOWER))
    y = to_float32(to_float32(to_float32(top * place) / bottom) + Fraction(1, 2))
    return float(min(max(y, Fraction(0)), Fraction(1)))


def polynomial(factors: Sequence[Fraction], x: Fraction) -> Fraction:
    """Return a polynomial by Horner's rule, each step rounded to float32 once.

    >>> polynomial([Fraction(1), Fraction(2)], Fraction(3))
    Fraction(5, 1)
    """
    total = factors[0]
    for one in factors[1:]:
        total = to_float32(total * x + one)
    return total


class Curve:
    """The datapath of a function, and its ledger."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        self.operation, self.settings = layer.operation, layer.settings["curve"]
        self.source = layer.inputs[0]
        channels = self.source.shape[-1]
        self.scales = scales_of(layer.plan, channels)
        self.output = Output(layer.settings, layer.plan, channels)
        self.point = Point("curve", channels)
        self.points = [self.point, self.output.point]
        wide = format_of(self.source.plan).bits == 16 and self.source.zero_point == 0
        fixed = wide and self.settings["gates"] == "fixed"
        self.gate = {"sigmoid": gates.sigmoid, "tanh": gates.tanh}.get(self.operation["function"]) if fixed else None
        self.lines = None
        others = self.gate is not None or self._is_fixed() or self._is_polynomial()
        self.corrected = self.settings["form"] == "corrected" and not others and layer.operation["function"] != "abs"
        if self.settings["form"] == "interpolated" or self.corrected:
            lines = spacing(format_of(self.source.plan), self.settings["index_bits"])
            self.lines = lines if lines.shift else None
        made = format_of(layer.plan)
        self.target = made.limits[0] - layer.plan["zero_point"], made.limits[1] - layer.plan["zero_point"]
        self.output_bits = made.bits
        self._tables: dict[float, Sequence[int]] = {}

    def run(self, sample: int, number: int) -> int:
        """Return the code of one output."""
        place = place_of(sample, number, self.source.shape)
        q = self.source.samples[sample][number]
        x = self.point.round_only(self._value(q, place), place)
        return self.output.store(x, place)

    def _value(self, q: int, place: Place) -> Rounded:
        """Return what a code becomes: an entry, or what lies between two."""
        scale = self.scales[place.channel]
        if self.lines is None:
            value = self.entry(q, scale)
            error = value * 2**16 - floor(self.exact(q, scale) * 2**16)
            error = min(max(error, 1 - 2**32), 2**32 - 1)
            return Rounded(value, error != 0, error)
        if scale not in self._tables:
            self._tables[scale] = self._entries(scale)
        step = {"table": self._tables[scale], "first": self.lines.first, "shift": self.lines.shift}
        return interpolated(q, {**step, "rounding": "half_up" if self.corrected else self.settings["rounding"]})

    def _entries(self, scale: float) -> list[int]:
        """Return all entries of a table with lines."""
        assert self.lines is not None
        if self.corrected:
            return self._corrected(scale)
        return [self.entry(self.lines.first + (i << self.lines.shift), scale) for i in range(self.lines.many)]

    def _corrected(self, scale: float) -> list[int]:
        """Return entries less half of the error in the middle of their lines."""
        f = single if self.settings["precision"] == 32 else float
        low, high = (f(f(self.source.scale) * f(q - self.source.zero_point)) for q in self._ends())
        least, most = (f(f(scale) * f(one)) for one in self.target)
        c = f(f(2.0**self.output_bits) / f(most - least))
        many = 2 ** self.settings["index_bits"]
        w = f(f(high - low) / many)

        def at(place: float) -> float:
            found = f(f(self._real(place)) * c)
            return 0.0 if isnan(found) else min(max(found, -MOST), MOST)

        def whole(x: float) -> int:
            return round_fraction(Fraction(x), self.settings["rounding"])

        places = [f(low + f(i * w)) for i in range(many + 1)]
        y = [at(one) for one in places]
        entries = [whole(one) for one in y]
        for i in range(many):
            middle = whole(f(f(y[i + 1] + f(entries[i])) / 2)) - whole(at(f(places[i] + f(w / 2))))
            entries[i] -= whole(middle / 2)
        entries[many] = whole(at(high))
        return [min(max(one, self.target[0]), self.target[1]) for one in entries]

    def _ends(self) -> tuple[int, int]:
        """Return the ends of the input's codes."""
        return format_of(self.source.plan).limits

    def _is_fixed(self) -> bool:
        """Whether entries are TensorFlow Lite's of hard_silu."""
        return bool(self.operation["function"] == "hard_silu" and self.settings["hard_silu"] == "fixed")

    def _is_polynomial(self) -> bool:
        """Whether entries are I-BERT's of GELU."""
        return bool(self.operation["function"].startswith("gelu") and self.settings["gelu"] == "polynomial")

    def entry(self, q: int, scale: float) -> int:
        """Return the entry of a code."""
        if self._is_fixed():
            return hard_silu(q - self.source.zero_point, self.source.scale, scale)
        if self._is_polynomial():
            found = gelu(q - self.source.zero_point, self.source.scale, scale, self.settings["rounding"])
            return min(max(found, -int(MOST)), int(MOST))
        if self.gate is not None:
            return self.gate(q, self.source.scale)
        return round_fraction(self.exact(q, scale), self.settings["rounding"])

    def exact(self, q: int, scale: float) -> Fraction:
        """Return the function of a code in units of the output's scale, a float."""
        v = self.source.scale * (q - self.source.zero_point)
        if self.settings["precision"] == 32 and self.settings["division"] == "direct":
            y = quotient(single(self._real(single(v))), single(scale))
        elif self.settings["precision"] == 32:
            y = single(single(self._real(single(v))) * inverse(scale))
        else:
            y = self._real(v) / scale
        return Fraction(0 if isnan(y) else min(max(y, -MOST), MOST))

    def _real(self, v: float) -> float:
        """Return the function of a real value; of a GELU in float32 every operation is rounded."""
        function, parameters = self.operation["function"], self.operation["parameters"]
        if function == "sigmoid" and self.settings["gates"] == "rational":
            return rational_sigmoid(single(v))
        if self.settings["precision"] == 32 and function in SINGLES:
            return SINGLES[function](v, *parameters)
        return agreed(function, v, parameters, self.operation["real"](v))


def curve(layer: Layer) -> Made:
    """Compute a function of each code."""
    made_by = Curve(layer)
    source = layer.inputs[0]
    samples = [
        [made_by.run(sample, number) for number in range(len(codes))] for sample, codes in enumerate(source.samples)
    ]
    return Made(source.shape, samples, made_by.points)
