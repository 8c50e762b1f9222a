"""The rows and columns of the plain integer arrays that describe a datapath to the kernels."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._types import Ints

# one stage of accumulation, or the product, as a row of int64
TERMS = 0
"""How many values one sum takes; 0 for all that is left."""
BITS = 1
SIGNED = 2
OVERFLOW = 3
SATURATED_BITS = 4
CHECK_EACH = 5
TREE = 6
SHIFT = 7
ROUNDING = 8
FIELDS = 9


def field_of(
    bits: int,
    signed: bool,
    overflow: int,
    saturated_bits: int,
    *,
    shift: int,
    rounding: int,
    terms: int = 0,
    check_each: bool = False,
    tree: bool = False,
) -> Ints:
    """Return (FIELDS,) of a stage, or of a product; overflow and rounding are the constants of those modules."""
    field = np.zeros(FIELDS, np.int64)
    field[[BITS, SIGNED, OVERFLOW, SATURATED_BITS]] = bits, signed, overflow, saturated_bits
    field[[SHIFT, ROUNDING, TERMS, CHECK_EACH, TREE]] = shift, rounding, terms, check_each, tree
    return field


# what ``accumulate`` keeps for each lane of a stage, as rows of int64
SUM = 0
INJECTED = 1
HIT = 2
"""Whether a fit has changed the sum since it began."""
HITS_LOW = 3
HITS_HIGH = 4
SMALLEST = 5
LARGEST = 6
FIRST_STEP = 7
ERROR = 8
"""Of the last rounding, in 1/65536 of an LSB; then, of all: how many dropped ones, the errors, and their squares."""
DROPPED = 9
ERRORS = 10
SQUARES = 11
ROWS = 12
