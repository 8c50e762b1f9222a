"""Bit-exact integer kernels. They need NumPy and Numba alone and can be used without the rest of hwsim.

Formats and modes are plain integers: the constants of ``rounding`` and ``overflow``. Arrays come first, parameters
follow, then ``out``, then ``counts`` (see ``counting``).
"""

from hwsim_kernels.accumulate import accumulate
from hwsim_kernels.counting import BINS, COLUMNS, FIRST, NEVER, long_sum, merge, new_counts
from hwsim_kernels.exact import EXACT_LIMIT, accumulate_exact
from hwsim_kernels.merging import add
from hwsim_kernels.overflow import (
    ERROR,
    SATURATE,
    SATURATE_SYMMETRIC,
    SATURATE_ZERO,
    WRAP,
    WRAP_SIGN_MAGNITUDE,
    fit,
    highest,
    lowest,
)
from hwsim_kernels.pooling import average_pool, max_pool
from hwsim_kernels.quantize import quantize
from hwsim_kernels.rounding import (
    AWAY_FROM_ZERO,
    CEIL,
    FLOOR,
    HALF_AWAY,
    HALF_DOWN,
    HALF_EVEN,
    HALF_ODD,
    HALF_TOWARD_ZERO,
    HALF_UP,
    JAM,
    JAM_UNBIASED,
    MAGNITUDE,
    STOCHASTIC_EQUAL,
    STOCHASTIC_WEIGHTED,
    TOWARD_ZERO,
    multiply_shift,
    round_divide,
    round_float,
    round_shift,
)
from hwsim_kernels.steps import add_constant, clip, fit_values, leak, scale_fixed, scale_float, shift_left

__all__ = [
    "AWAY_FROM_ZERO",
    "BINS",
    "CEIL",
    "COLUMNS",
    "ERROR",
    "EXACT_LIMIT",
    "FIRST",
    "FLOOR",
    "HALF_AWAY",
    "HALF_DOWN",
    "HALF_EVEN",
    "HALF_ODD",
    "HALF_TOWARD_ZERO",
    "HALF_UP",
    "JAM",
    "JAM_UNBIASED",
    "MAGNITUDE",
    "NEVER",
    "SATURATE",
    "SATURATE_SYMMETRIC",
    "SATURATE_ZERO",
    "STOCHASTIC_EQUAL",
    "STOCHASTIC_WEIGHTED",
    "TOWARD_ZERO",
    "WRAP",
    "WRAP_SIGN_MAGNITUDE",
    "accumulate",
    "accumulate_exact",
    "add",
    "add_constant",
    "average_pool",
    "clip",
    "fit",
    "fit_values",
    "highest",
    "leak",
    "long_sum",
    "lowest",
    "max_pool",
    "merge",
    "multiply_shift",
    "new_counts",
    "quantize",
    "round_divide",
    "round_float",
    "round_shift",
    "scale_fixed",
    "scale_float",
    "shift_left",
]
