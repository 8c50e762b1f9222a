"""The machines of the acceptance set as target files: between them they need nearly every key of the schema.

Each cites where its arithmetic is written down: paths inside the vendor's own sources. What a file leaves out is not
looked at by a convolution or a dense layer of that machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from hwsim.target import Target
from hwsim.target.target import merge

Json = dict[str, Any]

TFLITE_MICRO = """
# TensorFlow Lite Micro, int8. tensorflow/lite/kernels/internal/reference/integer_ops/conv.h:26-136 (sum, then bias, in
# int32), internal/common.cc:81-90 (two roundings; the left shift wraps), quantization_util.cc:53-104 (the multiplier),
# kernel_util.cc, CalculateActivationRangeQuantized (limits of activations: a division of floats, rounded away from 0).
name: tflite-micro-int8
weights: {bits: 8, narrow: true, granularity: output_channel}
activations: {bits: 8, symmetric: false}
mac: {stages: [{name: accumulator, bits: 32, overflow: wrap}]}
bias: {bits: 32, position: last}
requantize: {kind: fixed_double}
activation: {limit_rounding: half_away, limit_precision: 32}
pooling: {accumulator: {bits: 32}, rounding: half_away, zero_point: kept}
addition: {left_shift: 20, accumulator: {bits: 32}}
"""

TFLITE_16X8 = """
# TensorFlow Lite, 16-bit activations and 8-bit weights. internal/common.cc:93-115: a 64-bit sum times a multiplier that
# was reduced to 16 bits, one rounding, then a cast to int32, which wraps.
name: tflite-int16x8
weights: {bits: 8, narrow: true, granularity: output_channel}
activations: {bits: 16, symmetric: true}
mac: {stages: [{name: accumulator, bits: 64, overflow: wrap}]}
bias: {bits: 64, position: last}
requantize: {kind: fixed_reduced, multiplier_bits: 16, rounding: half_up}
activation: {limit_rounding: half_away, limit_precision: 32}
"""

GEMMINI = """
# Gemmini, weight-stationary, src/main/scala/gemmini. Arithmetic.scala:93 and PE.scala:58-65: each PE of a column of 16
# wraps to 20 bits. AccumulatorMem.scala:70: a column's sum is added in 32 bits. AccumulatorScale.scala:76-83 and
# Configs.scala:117-155: ReLU, then a multiplication in float32, to the nearest even.
name: gemmini
weights: {bits: 8, granularity: layer}
activations: {bits: 8, symmetric: true}
mac:
  stages:
    - {name: mesh, terms: 16, bits: 20, overflow: wrap, check: each}
    - {name: accumulator, bits: 32, overflow: wrap, check: each}
bias: {bits: 32, position: first}
requantize: {kind: float32, rounding: half_even}
activation: {position: before_requantize}
"""

NVDLA = """
# NVDLA nv_small, int8. projects.spec:342: dots of 8 channels of one pixel, 19 bits, exact. NV_NVDLA_CACC_CALC_int8.v:
# 172-221 and :109-158: added in 34 bits with saturation, then a truncation by each layer's own number of bits (here 4)
# that looks at 16 of them. cmod/hls/sdp/sdp_c.cpp:54-75: the bias, ReLU, a 16-bit multiplier, 17 bits, 8 bits.
name: nvdla-small-int8
weights: {bits: 8, granularity: layer}
activations: {bits: 8, symmetric: true}
mac:
  order: [input_channel_tile, kernel_height, kernel_width, input_channel]
  tile: {input_channel: 8}
  stages:
    - {name: atomic, terms: 8, within: input_channel, bits: 19, overflow: error, check: last}
    - {name: accumulator, bits: 34, overflow: saturate, check: each}
bias: {bits: 16, position: steps}
requantize:
  kind: steps
  steps:
    - {step: shift_right, by: 4, rounding: half_away, guard_bits: 16, name: truncate}
    - {step: fit, bits: 32, overflow: saturate, name: cacc}
    - {step: bias}
    - {step: activation}
    - {step: multiply, bits: 16}
    - {step: shift_right, rounding: half_away, name: convert}
    - {step: fit, bits: 17, overflow: saturate, name: converted}
"""

TENSIL = """
# Tensil FP16BP8. rtl/.../util/package.scala:53-83, MAC.scala:29, InnerSystolicArray.scala:36-76: 16 bits with the point
# at 8; in an array of 8 rows each multiply-accumulate rounds to the nearest even and saturates, the bias first of all;
# further products of matrices are added to the first.
name: tensil-fp16bp8
weights: {bits: 16, granularity: layer, fraction_bits: 8}
activations: {bits: 16, symmetric: true, fraction_bits: 8}
mac:
  stages:
    - {name: array, terms: 8, within: input_channel, bits: 16, overflow: saturate, shift: 8, rounding: half_even}
    - {name: accumulator, bits: 16, overflow: saturate, check: each}
bias: {bits: 16, position: inner}
requantize: {kind: none}
"""

HLS4ML = """
# hls4ml, every type ap_fixed<16,6>. nnet_utils/nnet_dense_latency.h:37-67: each product is cast to accum_t, which
# rounds down and wraps; the sum starts from the bias and wraps after each addition.
name: hls4ml-fixed-16-6
weights: {bits: 16, granularity: layer, fraction_bits: 10}
activations: {bits: 16, symmetric: true, fraction_bits: 10}
mac:
  product: {bits: 16, shift: 10, rounding: "ap_fixed:AP_TRN", overflow: "ap_fixed:AP_WRAP"}
  stages: [{name: accumulator, bits: 16, overflow: "ap_fixed:AP_WRAP", check: each}]
bias: {bits: 16, position: first}
requantize: {kind: none}
output: {overflow: "ap_fixed:AP_WRAP"}
"""

HLS4ML_RESOURCE = """
# hls4ml, strategy Resource with a reuse factor of 4, sums of ap_fixed<16,6,AP_TRN,AP_SAT>. nnet_utils/
# nnet_dense_resource.h:31-97: inputs 0, 4, 8 ..., then 1, 5, 9 ...; each product is cast to accum_t, and each sum. The
# factor divides the inputs; a convolution has its patch in one row, so that here 4 must divide the channels.
name: hls4ml-resource-reuse-4
weights: {bits: 16, granularity: layer, fraction_bits: 10}
activations: {bits: 16, symmetric: true, fraction_bits: 10}
mac:
  order: [input_channel, kernel_height, kernel_width, input_channel_tile]
  tile: {input_channel: 4}
  product: {bits: 16, shift: 10, rounding: "ap_fixed:AP_TRN", overflow: "ap_fixed:AP_SAT"}
  stages: [{name: accumulator, bits: 16, overflow: "ap_fixed:AP_SAT", check: each}]
bias: {bits: 16, position: first}
requantize: {kind: none}
output: {overflow: "ap_fixed:AP_WRAP"}
"""

VPMADDUBSW = """
# x86 without VNNI, unsigned activations by signed weights: ONNX Runtime, mlas quantize.cpp and PR 12088. vpmaddubsw
# adds two products of codes as they are stored and saturates them to 16 bits; their sums are added in 32, and what the
# zero point has brought in is taken off.
name: x86-vpmaddubsw
weights: {bits: 8, granularity: layer}
activations: {bits: 8, signed: false, symmetric: false}
mac:
  input_zero_point: corrected
  stages:
    - {name: pair, terms: 2, bits: 16, overflow: saturate, check: last}
    - {name: accumulator, bits: 32, overflow: wrap, check: each}
bias: {bits: 32, position: last}
requantize: {kind: float32, rounding: half_even}
"""

PULP_NN = """
# PULP-NN, 32bit/src/pulp_nn_utils.c:148-156: the sum times an integer wraps to 32 bits, is shifted down, wraps to 16
# bits and only then is cut to 0 to 255.
name: pulp-nn
weights: {bits: 8, granularity: layer}
activations: {bits: 8, signed: false, symmetric: true}
mac: {stages: [{name: accumulator, bits: 32, overflow: wrap}]}
bias: {bits: 32, position: first}
requantize:
  kind: steps
  steps:
    - {step: multiply, bits: 8}
    - {step: fit, bits: 32, overflow: wrap, name: multiplied}
    - {step: shift_right, rounding: floor}
    - {step: fit, bits: 16, overflow: wrap, name: narrowed}
    - {step: clip, low: 0, high: 255}
"""

MAX78000 = """
# MAX78000, ai8x-synthesis izer/simulate.py:147-205 and compute.py: a 32-bit sum, a bias of 8 bits times 128
# (tornadocnn.py:169), the shift rounds half up, then 8 bits, then the activation.
name: max78000
weights: {bits: 8, granularity: layer, step: power_of_two}
activations: {bits: 8, symmetric: true, step: power_of_two}
mac: {stages: [{name: accumulator, bits: 32, overflow: wrap}]}
bias: {bits: 8, shift: 7, position: last}
requantize:
  kind: steps
  steps:
    - {step: shift_right, rounding: half_up}
    - {step: fit, bits: 8, overflow: saturate, name: clipped}
    - {step: activation}
"""

VITIS_DPU = """
# Xilinx DPU. vai_library/cpu_task/ops/conv2d-fix/conv2d-fix.cpp:111-151: the activation before the shift, which rounds
# half up (common/util.hpp:52-67). quant_config.py:584-589: weights, biases and network inputs round half away. A bias
# has 8 bits and a scale of its own: each layer shifts it by another number of bits; `bias.shift` can say which.
name: vitis-dpu
weights: {bits: 8, granularity: layer, step: power_of_two, rounding: half_away}
activations: {bits: 8, symmetric: true, step: power_of_two}
mac: {stages: [{name: accumulator, bits: 32, overflow: wrap}]}
bias: {bits: 32, position: last, rounding: half_away}
requantize: {kind: power_of_two, rounding: "vitis:DPU_ROUND"}
activation: {position: before_requantize}
operations: {input: {activations: {rounding: half_away}}}
"""


def machine(text: str, changes: Mapping[str, object] | None = None) -> Target:
    """Return the target of a file's text, with the keys of ``changes``; lists are replaced whole."""
    return Target.from_dict(merge(yaml.safe_load(text), changes or {}))
