"""TensorFlow Lite's ``x * relu6(x + 3) / 6`` in 16-bit fixed point (internal/reference/hard_swish.h)."""

from __future__ import annotations

import numpy as np

from hwsim_kernels.multiplier import nearest


def hard_silu(distance: int, scale: float, output_scale: float) -> int:
    """Return the function of ``distance``, a code of 8 bits less its zero point, in units of ``output_scale``.

    Scales enter as float32, as the kernel's preparation does (hard_swish_common.cc). Not limited to 8 bits.
    """
    fine = np.float32(scale) * np.float32(1 / 128)
    relu_multiplier, relu_exponent = _reduced(float(fine / np.float32(3 / 32768)))
    multiplier, exponent = _reduced(float(fine / np.float32(output_scale)))
    value = distance << 7
    gate = value
    if relu_exponent > 0:
        gate = _saturated(gate << (relu_exponent - 1))
    gate = _high(gate, relu_multiplier)
    if relu_exponent > 0:
        gate = _saturated(gate << 1)
    elif relu_exponent < 0:
        gate = _half_away(gate, -relu_exponent)
    gate = (gate + (1 << 15)) >> 1
    product = gate * _high(value, multiplier)
    truncated = product >> 15 if product >= 0 else -(-product >> 15)
    return _half_away(truncated, -exponent) if exponent <= 0 else truncated << exponent


def _reduced(real: float) -> tuple[int, int]:
    """Return a multiplier of 16 bits, rounded from one of 32, and its exponent."""
    multiplier, exponent = nearest(real, 32)
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1), exponent


def _saturated(value: int) -> int:
    return min(max(value, -(1 << 15)), (1 << 15) - 1)


def _high(a: int, b: int) -> int:
    """Return the doubled high half of a product of 16 bits, rounded half up."""
    return _saturated((a * b + (1 << 14)) >> 15)


def _half_away(value: int, shift: int) -> int:
    if shift == 0:
        return value
    size = (abs(value) + (1 << (shift - 1))) >> shift
    return size if value >= 0 else -size
