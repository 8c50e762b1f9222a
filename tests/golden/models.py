"""The machines of the acceptance set in plain Python integers, after what is written of each chip.

Nothing of hwsim and nothing of its specification: bits are wrapped, rounded and cut off as the chips' sources do it.
A model takes the operands of one output in the order in which the machine takes them, as groups of (x, w): what one
instruction, one column or one adder tree sees. x is a stored code less its zero point. A bias is a stored code, too.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence

Groups = Sequence[Sequence[tuple[int, int]]]


def wrap(value: int, bits: int) -> int:
    """Keep the low bits, the top one as the sign."""
    low = value & ((1 << bits) - 1)
    return low - (1 << bits) if low >> (bits - 1) else low


def saturate(value: int, bits: int) -> int:
    """Take the nearest value of so many bits, signed."""
    return min(max(value, -(1 << (bits - 1))), (1 << (bits - 1)) - 1)


def shifted(value: int, shift: int, mode: str) -> int:
    """Shift right, looking at the guard bit and at those below it as an adder's carry would."""
    if shift <= 0:
        return value << -shift
    quotient, guard = value >> shift, value >> (shift - 1) & 1
    sticky, negative, odd = value & ((1 << (shift - 1)) - 1) != 0, value < 0, quotient & 1
    carry = {
        "floor": 0,
        "half_up": guard,
        "half_away": guard and (not negative or sticky),
        "half_even": guard and (odd or sticky),
    }
    return quotient + int(bool(carry[mode]))


def single(value: float) -> float:
    """Round to float32; what is exact in float64, as products of two float32 are, is rounded once."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def every(groups: Groups) -> Iterable[tuple[int, int]]:
    """Take the operands one by one."""
    return (pair for group in groups for pair in group)


def quantized_multiplier(ratio: float) -> tuple[int, int]:
    """TensorFlow Lite's QuantizeMultiplier: ratio is about m * 2^(s - 31)."""
    mantissa, exponent = math.frexp(ratio)
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    if multiplier == 1 << 31:
        multiplier, exponent = multiplier // 2, exponent + 1
    return (0, 0) if exponent < -31 else (multiplier, exponent)


def tflite_limit(value: float, scale: float) -> int:
    """TensorFlow Lite's CalculateActivationRangeQuantized: a division of floats, then std::round."""
    quotient = single(single(value) / single(scale))
    return math.floor(quotient + 0.5)


def tflite_micro(groups: Groups, bias: int, ratio: float, zero_point: int, *, relu: bool) -> int:
    """TensorFlow Lite Micro int8."""
    total = 0
    for x, w in every(groups):
        total = wrap(total + x * w, 32)
    total = wrap(total + bias, 32)
    multiplier, exponent = quantized_multiplier(ratio)
    high = shifted(wrap(total << max(exponent, 0), 32) * multiplier, 31, "half_up")
    result = shifted(high, max(-exponent, 0), "half_away") + zero_point
    return saturate(max(result, zero_point) if relu else result, 8)


def tflite_16x8(groups: Groups, bias: int, ratio: float, *, relu: bool) -> int:
    """TensorFlow Lite with 16-bit activations."""
    total = bias
    for x, w in every(groups):
        total = wrap(total + x * w, 64)
    multiplier, exponent = quantized_multiplier(ratio)
    reduced = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    scaled = wrap((total * reduced + (1 << (14 - exponent))) >> (15 - exponent), 32)
    return saturate(max(scaled, 0) if relu else scaled, 16)


def tflite_16x8_dense(groups: Groups, bias: int, ratio: float, *, relu: bool) -> int:
    """TensorFlow Lite's fully connected layer with 16-bit activations: a product in float64, std::round."""
    total = bias
    for x, w in every(groups):
        total = wrap(total + x * w, 64)
    product = float(total) * ratio
    whole = math.floor(abs(product))
    scaled = math.copysign(whole + (abs(product) - whole >= 0.5), product)
    return saturate(max(int(scaled), 0) if relu else int(scaled), 16)


def one_rounding(total: int, ratio: float) -> int:
    """A multiplier of 32 bits and one rounding shift, half up."""
    multiplier, exponent = quantized_multiplier(ratio)
    return shifted(total * multiplier, 31 - exponent, "half_up")


def float_ratio(source: float, weights: float, output: float) -> float:
    """x_scale * w_scale / y_scale in float32, from left to right; by way of float64 a quotient rounds the same."""
    return single(single(single(source) * single(weights)) / single(output))


def gemmini(groups: Groups, bias: int, ratio: float, *, relu: bool, rows: int = 16) -> int:
    """Gemmini, weight-stationary, a mesh of so many rows; a matrix product takes its operands in blocks of them."""
    operands, total = list(every(groups)), bias
    for begin in range(0, len(operands), rows):
        column = 0
        for x, w in operands[begin : begin + rows]:
            column = wrap(x * w + column, 20)
        total = wrap(total + column, 32)
    total = max(total, 0) if relu else total
    return saturate(round(single(single(total) * single(ratio))), 8)


def nvdla_truncated(total: int, bits: int, kept: int = 16) -> int:
    """CACC's truncation: so many fraction bits are kept, the first is the guard."""
    fraction = (total << kept) >> bits
    below = fraction & ((1 << (kept - 1)) - 1)
    return (fraction >> kept) + int(bool(fraction >> (kept - 1) & 1 and (total >= 0 or below)))


def nvdla(
    groups: Groups, bias: int, truncate: int, scale: tuple[int, int], *, relu: bool, width: int = 34, kept: int = 16
) -> int:
    """NVDLA int8: exact dots, saturating sums, truncation, X1's bias, C's multiplier and shift."""
    total = 0
    for group in groups:
        total = saturate(total + sum(x * w for x, w in group), width)
    value = saturate(nvdla_truncated(total, truncate, kept), 32) + bias
    value = max(value, 0) if relu else value
    multiplier, shift = scale
    return saturate(saturate(shifted(value * multiplier, shift, "half_away"), 17), 8)


def tensil(groups: Groups, bias: int, *, relu: bool) -> int:
    """Tensil FP16BP8: each group goes through the array, where every multiply-accumulate rounds and saturates.

    The first one begins with the bias row; the others are added to it, with saturation.
    """
    total = 0
    for number, group in enumerate(groups):
        column = 0 if number else bias
        for x, w in group:
            column = saturate(shifted(x * w + (column << 8), 8, "half_even"), 16)
        total = saturate(total + column, 16)
    return max(total, 0) if relu else total


def hls4ml(groups: Groups, bias: int, *, relu: bool) -> int:
    """hls4ml with ap_fixed<16,6> everywhere: products are cast one by one."""
    total = bias
    for x, w in every(groups):
        total = wrap(total + wrap((x * w) >> 10, 16), 16)
    return max(total, 0) if relu else total


def hls4ml_resource(groups: Groups, bias: int, reuse: int, *, relu: bool) -> int:
    """hls4ml's strategy Resource, with sums and products of ap_fixed<16,6,AP_TRN,AP_SAT>."""
    operands, total = list(every(groups)), bias
    for turn in range(reuse):
        for x, w in operands[turn::reuse]:
            total = saturate(total + saturate((x * w) >> 10, 16), 16)
    return max(total, 0) if relu else total


def vpmaddubsw(groups: Groups, bias: int, ratio: float, zero_points: tuple[int, int], *, relu: bool) -> int:
    """x86: pairs of raw codes saturate to 16 bits; ``zero_points`` are the input's and the output's."""
    source, target = zero_points
    operands, total = list(every(groups)), 0
    for begin in range(0, len(operands), 2):
        total = wrap(total + saturate(sum((x + source) * w for x, w in operands[begin : begin + 2]), 16), 32)
    total = wrap(total - source * sum(w for _, w in operands), 32)
    result = round(single(single(wrap(total + bias, 32)) * single(ratio)))
    return min(max((max(result, 0) if relu else result) + target, 0), 255)


def onnx_runtime(groups: Groups, bias: int, ratio: float, zero_point: int, *, relu: bool) -> int:
    """QLinearConv: an exact 32-bit sum, one product in float32, to the nearest even; unsigned codes."""
    total = wrap(sum(x * w for x, w in every(groups)) + bias, 32)
    result = round(single(single(total) * ratio))
    return min(max((max(result, 0) if relu else result) + zero_point, 0), 255)


def ethos_u55(groups: Groups, bias: int, ratio: float, zero_point: int, *, relu: bool) -> int:
    """Ethos-U55: a scale of 32 bits and a shift of 6, rounded as TOSA's apply_scale_32 with double_round."""
    total = wrap(sum(x * w for x, w in every(groups)) + bias, 32)
    mantissa, exponent = math.frexp(ratio)
    scale, shift = math.floor(mantissa * 2**31 + 0.5), 31 - exponent
    if not 0 <= shift < 64:
        scale, shift = 0, 16
    nudge = 1 << (shift - 1)
    if shift > 31:
        nudge += 1 << 30 if total >= 0 else -(1 << 30)
    result = ((total * scale + nudge) >> shift) + zero_point
    return saturate(max(result, zero_point) if relu else result, 8)


def ne16(groups: Groups, bias: int, scale: int, shift: int) -> int:
    """NE16 with a bias: an unsigned 8-bit scale, cut to 32 bits, the bias in 32 bits, a shift, unsigned 8 bits."""
    total = 0
    for x, w in every(groups):
        total = wrap(total + x * w, 32)
    biased = wrap(wrap(total * scale, 32) + bias, 32)
    return min(max(biased >> shift, 0), 255)


def qonnx_threshold(groups: Groups, bias: int, ratio: float, *, relu: bool) -> int:
    """15 thresholds half-way between 16 codes, on sums that are scaled to 256 steps per code and rounded down."""
    total = wrap(sum(x * w for x, w in every(groups)) + bias, 32)
    multiplier, exponent = quantized_multiplier(ratio)
    value = (total * multiplier) >> (31 - exponent - 8)
    code = sum(value >= 256 * level + 128 for level in range(-8, 7)) - 8
    return max(code, 0) if relu else code


def weights_alone(groups: Groups, bias: int, ratio: float, zero_point: int, *, relu: bool) -> int:
    """A weight format in front of a plain 8-bit datapath."""
    total = wrap(sum(x * w for x, w in every(groups)) + bias, 32)
    result = one_rounding(total, ratio)
    return saturate((max(result, 0) if relu else result) + zero_point, 8)


def imc(groups: Groups, bias: int, ratio: float, *, relu: bool, rows: int = 128) -> int:
    """An in-memory-compute tile: sums of so many rows through a 6-bit converter of 16 LSBs a step; 4-bit codes."""
    operands, total = list(every(groups)), bias
    for begin in range(0, len(operands), rows):
        column = sum(x * w for x, w in operands[begin : begin + rows])
        total += saturate((column + 8) >> 4, 6)
    result = one_rounding(wrap(total, 32), ratio)
    return saturate(max(result, 0) if relu else result, 4)


def pulp_nn(groups: Groups, bias: int, multiplier: int, shift: int) -> int:
    """PULP-NN quant_u8."""
    total = bias
    for x, w in every(groups):
        total = wrap(total + x * w, 32)
    narrow = wrap(wrap(multiplier * total, 32) >> shift, 16)
    return min(max(narrow, 0), 255)


def max78000(groups: Groups, bias: int, shift: int, *, relu: bool, absolute: bool = False) -> int:
    """MAX78000: ``bias`` is the 8-bit code, ``shift`` the layer's output shift."""
    total = sum(x * w for x, w in every(groups)) + 128 * bias
    value = saturate(shifted(total, 7 - shift, "half_up"), 8)
    value = max(value, 0) if relu else value
    return min(abs(value), 127) if absolute else value


def nvdla_average(codes: Sequence[int], height: int, width: int) -> int:
    """NVDLA's PDP with the reciprocals that its driver writes (``recip_kernel_size``): cal2d.v:4768-4827.

    A result is cut to 11 bits and then to 8.
    """
    driver = (0x10000, 0x8000, 0x5555, 0x4000, 0x3333, 0x2AAA, 0x2492, 0x2000)
    across = shifted(sum(codes) * driver[width - 1], 16, "half_away")
    return wrap(wrap(shifted(across * driver[height - 1], 16, "half_away"), 11), 8)


def dpu_average(codes: Sequence[int], height: int, width: int) -> int:
    """Xilinx DPU: the sum of what lies inside a window, times N / 2^M of the whole window; ``get_avgpool_dpu_factors``.

    The search is that of the vendor's, with its float32.
    """
    own = {(3, 3): (7, 6), (5, 5): (10, 8), (6, 6): (7, 8), (7, 7): (21, 10), (14, 14): (21, 12)}
    size, factor, shift, least = height * width, 0, 0, 1.0
    for tried in range(math.ceil(math.log2(size * 128))):
        rounded = math.floor(2.0**tried / size + 0.5)
        difference = abs(rounded / 2.0**tried - single(1.0 / size))
        if difference < least:
            factor, shift, least = rounded, tried, single(difference)
    factor, shift = own.get((height, width), (factor, shift))
    return saturate(shifted(sum(codes) * factor, shift, "half_up"), 8)


def vitis_dpu(groups: Groups, bias: int, bias_shift: int, shift: int, *, relu: bool) -> int:
    """Xilinx DPU: ``bias`` is the 8-bit code, ``bias_shift`` its distance from the sum's point; what is below stays."""
    below = max(-bias_shift, 0)
    total = (sum(x * w for x, w in every(groups)) << below) + (bias << max(bias_shift, 0))
    return saturate(shifted(max(total, 0) if relu else total, shift + below, "half_up"), 8)
