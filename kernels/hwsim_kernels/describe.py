"""How a hardware engineer says a width, a stage or a mode, and how the kernels take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwsim_kernels import overflow as overflows
from hwsim_kernels import rounding as roundings
from hwsim_kernels._types import Ints
from hwsim_kernels.convert import flag, known, whole
from hwsim_kernels.fields import FIELDS, field_of
from hwsim_kernels.order import AXES, TILES, loop_ends, sums_end

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


MOST_TERMS = {"chain": (1 << 31) - 1, "tree": 1 << 16}
"""How many values one sum of a stage takes at most."""


def rounding_code(name: str) -> int:
    """Return the kernels' constant of a rounding mode; raise ValueError for a name that does not exist."""
    return ROUNDINGS[known(name, ROUNDINGS, "rounding")]


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
        self._keep("bits", whole(self.bits, "bits", 1, 64))
        self._keep("signed", flag(self.signed, "signed"))
        known(self.overflow, OVERFLOWS, "overflow")
        if self.overflow == "wrap_sign_magnitude" and not self.signed:
            raise ValueError("overflow 'wrap_sign_magnitude': an unsigned format has no sign; use 'wrap'")
        most = self.bits if "wrap" in self.overflow else 0
        unit = f"bits with overflow {self.overflow!r}"
        self._keep("saturated_bits", whole(self.saturated_bits, "saturated_bits", 0, most, unit))

    def _keep(self, name: str, value: int) -> None:
        """Keep a value as Python's own: with NumPy's, what is computed from a width would wrap."""
        object.__setattr__(self, name, value)

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest code.

        >>> Format(8).limits, Format(8, "saturate_symmetric").limits, Format(8, signed=False).limits
        ((-128, 127), (-127, 127), (0, 255))
        """
        if not self.signed:
            return 0, (1 << self.bits) - 1
        half = 1 << (self.bits - 1)
        return -half + (self.overflow == "saturate_symmetric"), half - 1

    def field(self) -> Ints:
        """Return (4,) bits, signed, overflow, saturated_bits."""
        return np.array([self.bits, self.signed, OVERFLOWS[self.overflow], self.saturated_bits], np.int64)


@dataclass(frozen=True)
class Stage(Format):
    """One level of accumulation, from the inside out: it sums ``terms`` values (None: all that is left).

    ``check``: `each` fits after every addition, `last` once. ``shape``: `chain`, or `tree` (pairs, every node fitted).
    ``shift`` low bits are dropped by ``rounding`` whenever it fits: a sum s and a value v become
    fit(round_shift(s * 2**shift + v)). ``within`` names a loop of the order (see ``steps_in_order``) beyond whose end
    no sum goes on, even with fewer terms.
    """

    terms: int | None = None
    check: str = "each"
    shape: str = "chain"
    shift: int = 0
    rounding: str = "floor"
    within: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        known(self.check, ("each", "last"), "check")
        known(self.shape, ("chain", "tree"), "shape")
        if self.terms is not None:
            self._keep("terms", whole(self.terms, "terms", 1, MOST_TERMS[self.shape], f"values of a {self.shape}"))
        self._keep("shift", whole(self.shift, "shift", 0, 62, "bits"))
        if self.shape == "tree" and (self.shift or self.terms is None):
            raise ValueError(f"a tree has terms and no shift, not terms {self.terms} and a shift of {self.shift} bits")
        rounding_code(self.rounding)
        if self.within is not None:
            known(self.within, (*AXES, TILES), "within")

    def stage_field(self) -> Ints:
        """Return (FIELDS,) as ``fields`` orders them."""
        return field_of(
            self.bits,
            self.signed,
            OVERFLOWS[self.overflow],
            self.saturated_bits,
            shift=self.shift,
            rounding=rounding_code(self.rounding),
            terms=self.terms or 0,
            check_each=self.check == "each",
            tree=self.shape == "tree",
        )


def stage_fields(stages: Sequence[Stage]) -> Ints:
    """Return (levels, FIELDS); raise TypeError or ValueError unless the last stage alone takes all that is left."""
    if is_stage(stages) or not stages:
        raise TypeError(f"stages: {stages!r} is no list of one Stage or more")
    for level, stage in enumerate(stages):
        if not is_stage(stage):
            raise TypeError(f"stages[{level}]: {stage!r} is no Stage")
        if (stage.terms is None) != (level == len(stages) - 1):
            raise ValueError(
                f"stages[{level}]: terms {stage.terms}; all but the last stage have terms, the last has none"
            )
        if stage.within is not None and stage.terms is None:
            raise ValueError(f"stages[{level}]: within {stage.within!r}; the last stage takes all that is left")
    return np.stack([stage.stage_field() for stage in stages])


def ends_of(stages: Sequence[Stage], places: Ints, order: Sequence[str], tile: int | None) -> Ints:
    """Return (levels, steps) 1 where a sum of a stage ends; ``places`` as ``steps_in_order`` returns them.

    Raises ValueError for a ``within`` that is no loop of the order.
    """
    bounds: list[Ints] = []
    for level, stage in enumerate(stages):
        loop = stage.within if stage.within is not None else order[0]
        if loop not in order:
            raise ValueError(f"stages[{level}]: within {loop!r}, the order has the loops {', '.join(order)}")
        bounds.append(loop_ends(places, order, loop, tile))
    return sums_end([stage.terms or 0 for stage in stages], bounds)


def product_field(product: Stage | None) -> Ints:
    """Return (FIELDS,) of what products are brought to, of zeros for None."""
    if product is None:
        return np.zeros(FIELDS, np.int64)
    if not is_stage(product):
        raise TypeError(f"product: {product!r} is no Stage")
    if product.terms is not None or product.within is not None:
        own = f"terms {product.terms}" if product.terms is not None else f"within {product.within!r}"
        raise ValueError(f"product: {own}; a product is no sum and has none")
    return product.stage_field()


def is_stage(value: object) -> bool:
    """Whether a value is a Stage."""
    return isinstance(value, Stage)


def format_field(value: object, name: str) -> Ints:
    """Return (4,) of a Format; raise TypeError for anything else, also for a Stage, whose shift would be ignored."""
    if not isinstance(value, Format) or isinstance(value, Stage):
        raise TypeError(f"{name}: {value!r} is no Format")
    return value.field()
