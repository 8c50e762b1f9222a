"""Real machines of which there are models in plain integers: shipped target files, and one more that a test needs.

Each cites where its arithmetic is written down: paths inside the vendor's own sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hwsim.target import Target
from hwsim.target.target import merge

Json = dict[str, Any]


def shipped(name: str) -> str:
    """Return the text of a shipped target."""
    return (Path(__file__).parents[2] / "targets" / f"{name}.yaml").read_text(encoding="utf-8")


TFLITE_MICRO = shipped("tflite-micro-int8")
TFLITE_16X8 = shipped("tflite-int16x8")
GEMMINI = shipped("gemmini")
NVDLA = shipped("nvdla-small")
NVDLA_FULL = shipped("nvdla")
TENSIL = shipped("tensil")
HLS4ML = shipped("hls4ml")
VPMADDUBSW = shipped("x86-vpmaddubsw")
PULP_NN = shipped("pulp-nn")
MAX78000 = shipped("max78000")
VITIS_DPU = shipped("vitis-dpu")
CMSIS_NN = shipped("cmsis-nn")
ONNX_RUNTIME = shipped("onnxruntime")
ETHOS_U55 = shipped("ethos-u55")
NE16 = shipped("ne16")
QONNX_THRESHOLD = shipped("qonnx-threshold")
TERNARY = shipped("ternary-weights")
BINARY = shipped("binary-weights")
IMC = shipped("imc-adc6")

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


def machine(text: str, changes: Mapping[str, object] | None = None) -> Target:
    """Return the target of a file's text, with the keys of ``changes``; lists are replaced whole.

    Where steps are given for all operations, none derives or forms its ratio in a way of its own. Biases of these tests
    are integers times their unit, so the division by it is exact.
    """
    merged: Any = merge(yaml.safe_load(text), changes or {})
    merged.get("bias", {}).pop("division", None)
    if "steps" in merged.get("requantize", {}):
        for override in merged.get("operations", {}).values():
            for key in ("rule", "forming"):
                override.get("requantize", {}).pop(key, None)
    return Target.from_dict(merged)
