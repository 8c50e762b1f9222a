"""Bit-exact integer kernels. They need NumPy and Numba alone and can be used without the rest of hwsim.

For use by hand: ``functions`` (round_shift, fit, requantize, ...) and ``layers`` (matmul, conv2d, ...) work on whole
arrays, with modes by name. What hwsim's engine calls lies in the other modules: modes are the constants here, arrays
come first, parameters follow, then ``out``, then ``counts`` (see ``counting``).
"""

from hwsim_kernels.describe import OVERFLOWS, ROUNDINGS, Format, Stage
from hwsim_kernels.functions import add, fit, lookup, multiply, quantize, requantize, requantize_double, round_shift
from hwsim_kernels.layers import average_pool, conv2d, conv2d_transpose, depthwise_conv2d, matmul, max_pool
from hwsim_kernels.lfsr import lfsr
from hwsim_kernels.multiplier import multiplier_of
from hwsim_kernels.order import steps_in_order
from hwsim_kernels.overflow import (
    ERROR,
    SATURATE,
    SATURATE_SYMMETRIC,
    SATURATE_ZERO,
    WRAP,
    WRAP_SIGN_MAGNITUDE,
)
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
)

__all__ = [
    "AWAY_FROM_ZERO",
    "CEIL",
    "ERROR",
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
    "OVERFLOWS",
    "ROUNDINGS",
    "SATURATE",
    "SATURATE_SYMMETRIC",
    "SATURATE_ZERO",
    "STOCHASTIC_EQUAL",
    "STOCHASTIC_WEIGHTED",
    "TOWARD_ZERO",
    "WRAP",
    "WRAP_SIGN_MAGNITUDE",
    "Format",
    "Stage",
    "add",
    "average_pool",
    "conv2d",
    "conv2d_transpose",
    "depthwise_conv2d",
    "fit",
    "lfsr",
    "lookup",
    "matmul",
    "max_pool",
    "multiplier_of",
    "multiply",
    "quantize",
    "requantize",
    "requantize_double",
    "round_shift",
    "steps_in_order",
]
