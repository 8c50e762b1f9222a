"""How wide the values of a datapath can get, for any weights and inputs: intervals from operand to sum."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from hwsim.formats import IntFormat, Overflow, bits_needed
from hwsim.target.section import Fit
from hwsim.target.settings import BY_SHIFT, NON_UNIFORM, Activations, Settings, Stage, Weights


@dataclass(frozen=True, kw_only=True)
class Interval:
    """All integers from ``low`` to ``high``; 0 is among them."""

    low: int
    high: int

    def times(self, other: Interval) -> Interval:
        """Return what a product of two values can be."""
        corners = [one * two for one in (self.low, self.high) for two in (other.low, other.high)]
        return Interval(low=min(corners), high=max(corners))

    def sum_of(self, count: int) -> Interval:
        """Return what a sum of ``count`` values can be."""
        return Interval(low=self.low * count, high=self.high * count)

    def plus(self, other: Interval) -> Interval:
        """Return what a sum of two values can be."""
        return Interval(low=self.low + other.low, high=self.high + other.high)

    def shifted(self, shift: int) -> Interval:
        """Return what is left after a rounding shift, in any mode."""
        return self if shift == 0 else Interval(low=self.low >> shift, high=(self.high >> shift) + 1)


@dataclass(frozen=True, kw_only=True)
class Level:
    """One fitted level of the datapath: what arrives at it in the worst case, and whether it holds that.

    ``safe_products`` counts the products that its last stage is sure to hold, None for no limit.
    """

    name: str
    fit: Fit
    arrives: Interval | None
    safe_products: int | None = None

    @property
    def bits(self) -> int:
        """The width that the worst case needs."""
        return bits_needed(self.arrives.low, self.arrives.high, self.fit.signed) if self.arrives else 0

    @property
    def holds(self) -> bool:
        """Whether nothing can leave the width."""
        return self.arrives is not None and _inside(self.fit, self.arrives)


def operand(tensor: Weights | Activations) -> Interval:
    """Return what a code less its zero point can be."""
    codes = tensor.integer_format()
    if tensor.step in NON_UNIFORM:
        return levels_of(tensor)
    if tensor.granularity in BY_SHIFT:
        most = (1 << tensor.shift_bits) - 1
        return Interval(low=codes.minimum << most, high=codes.maximum << most)
    if tensor.symmetric:
        return Interval(low=codes.minimum, high=codes.maximum)
    span = codes.maximum - codes.minimum
    return Interval(low=-span, high=span)


def stored(tensor: Weights | Activations) -> Interval:
    """Return what a code is that goes into the multiplier as it is stored, if codes are plain integers."""
    if tensor.step in NON_UNIFORM or tensor.granularity in BY_SHIFT:
        return operand(tensor)
    codes = tensor.integer_format()
    return Interval(low=codes.minimum, high=codes.maximum)


def levels_of(tensor: Weights | Activations) -> Interval:
    """Return what levels can be."""
    codes = tensor.integer_format()
    if tensor.step == "quadratic":
        return Interval(low=codes.minimum * -codes.minimum, high=codes.maximum**2)
    if tensor.step == "logarithmic":
        return Interval(low=-(1 << -codes.minimum >> 1), high=1 << codes.maximum >> 1)
    if tensor.levels is not None:
        return Interval(low=min(tensor.levels[0], 0), high=max(tensor.levels[-1], 0))
    return Interval(low=-(1 << (tensor.level_bits - 1)), high=(1 << tensor.level_bits) - 1)


def exact_product(settings: Settings) -> Interval:
    """Return what an exact product of activation and weight can be."""
    weights, inputs = operand(settings.weights), operand(settings.activations)
    if settings.mac.input_zero_point == "corrected":
        inputs = stored(settings.activations)
    return inputs.times(weights)


def levels(settings: Settings, products: int | None = None) -> list[Level]:
    """Return the fitted levels from the product to the last stage, for sums of so many products or of any number.

    What a last stage starts from, a bias, is left aside.
    """
    value, found = exact_product(settings), list[Level]()
    product, inner = settings.mac.product, settings.mac.stages[:-1]
    if product is not None:
        value = value.shifted(product.shift)
        found.append(Level(name="product", fit=product, arrives=value))
        value = _fitted(product, value)
    single, exact = value, True
    for stage in inner:
        value = _summed(stage, value, min(stage.terms or 1, products or (stage.terms or 1)))
        start = _start(settings) if stage is inner[0] and settings.bias.position == "inner" else Interval(low=0, high=0)
        arrives = start and value.plus(start)
        found.append(Level(name=stage.name, fit=stage, arrives=arrives, safe_products=None if arrives else 0))
        exact = exact and stage.shift == 0 and arrives is not None and _inside(stage, arrives)
        value = _fitted(stage, value)
    last = settings.mac.stages[-1]
    below = prod(stage.terms or 1 for stage in inner)
    if any(stage.within for stage in inner):
        # a sum can end with any number of values: what is exact is as wide as its products, the rest as a whole sum
        below, value = 1, single if exact else value
    sums = _safe_count(last, value.shifted(last.shift))
    found.append(
        Level(
            name=last.name,
            fit=last,
            arrives=None if products is None else _summed(last, value, -(-products // below)),
            safe_products=None if sums is None else sums * below,
        )
    )
    return found


def _start(settings: Settings) -> Interval | None:
    """Return what a sum can start from, None if that is anything: a correction grows with the number of products."""
    if settings.mac.input_zero_point == "corrected" and not settings.activations.symmetric:
        return None
    half, shift = 1 << (settings.bias.bits - 1), settings.bias.shift
    return Interval(low=-half << shift, high=(half - 1) << shift)


def _summed(stage: Stage, value: Interval, count: int) -> Interval:
    """Return what a sum can be; with ``check: each`` every addition rounds."""
    if stage.check == "each":
        return value.shifted(stage.shift).sum_of(count)
    return value.sum_of(count).shifted(stage.shift)


def _limits(fit: Fit) -> Interval:
    codes = IntFormat(bits=fit.bits, signed=fit.signed)
    symmetric = fit.signed and fit.overflow is Overflow.SATURATE_SYMMETRIC
    return Interval(low=codes.minimum + int(symmetric), high=codes.maximum)


def _inside(fit: Fit, value: Interval) -> bool:
    limits = _limits(fit)
    return limits.low <= value.low and value.high <= limits.high


def _fitted(fit: Fit, value: Interval) -> Interval:
    return value if _inside(fit, value) else _limits(fit)


def _safe_count(fit: Fit, value: Interval) -> int | None:
    """Return how many values are sure to fit, None if any number does."""
    limits = _limits(fit)
    counts = [limits.high // value.high] if value.high > 0 else []
    counts += [limits.low // value.low] if value.low < 0 else []
    return min(counts, default=None)
