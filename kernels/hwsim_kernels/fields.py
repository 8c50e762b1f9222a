"""The rows and columns of the plain integer arrays that describe a datapath to the kernels."""

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
ROWS = 8
