"""Machines at work, each with the targets that must give other codes.

``machines`` holds the targets, ``models`` the models in plain integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from golden import machines, models
from golden.case import tensor, weight
from golden.machines import Json
from golden.models import Groups
from golden.parts import (
    BINARY_PLANS,
    DPU_PLANS,
    ETHOS_PLANS,
    FIT_16,
    FIT_32,
    GEMMINI_PLANS,
    HALVES_PLANS,
    HIGH_MULTIPLY,
    IMC_PLANS,
    NE16_PLANS,
    NVDLA_SCALE,
    ONE,
    ONNX_PLANS,
    TERNARY_PLANS,
    TFLITE_PLANS,
    THRESHOLD_PLANS,
    VPMADDUBSW_PLANS,
    WIDE_PLANS,
    Plans,
    bias_behind,
    bias_of,
    converter,
    dpu_plans,
    ne16_steps,
    nvdla_plans,
    nvdla_stages,
    of_convolutions,
    ratio_of,
    stages,
    step,
    steps,
    tensil_stages,
    thresholds,
    truncating,
    two_stages,
)

from hwsim.target.target import merge

Model = Callable[[Groups, int, int, bool], int]
"""From an output's operands, its bias code, its channel and whether there is a ReLU, to its code."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A machine at work: scales that make its shifts and multipliers, and what shall be seen in the ledger.

    ``kinds`` of layers have this arithmetic. ``unit`` is what an LSB of a bias is worth, where that is not the sum's.

    ``bias`` draws the code of one. ``depth``: channels of the convolution's and of the dense layer's input. ``block``:
    channels that the machine takes at a time, 0 for all. ``seen``: points and figures that are not 0 in the end.
    ``mutants``: other targets, which must give other codes. ``target``: keys that differ from the file's.
    """

    text: str
    plans: Plans
    model: Model
    bias: Callable[[np.random.Generator], int]
    seen: Mapping[str, tuple[str, ...]]
    mutants: Mapping[str, Json]
    target: Json | None = None
    depth: tuple[int, int] = (5, 37)
    block: int = 0
    kinds: tuple[str, ...] = ("conv", "dense")
    unit: float | None = None


SETUPS = {
    "tflite-micro": Setup(
        text=machines.TFLITE_MICRO,
        plans=TFLITE_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_micro(
            groups, bias, ratio_of(TFLITE_PLANS, channel), 11, relu=relu
        ),
        bias=bias_of(32),
        seen={"bias_sum": ("hits",), "left_shift": ("hits",), "high_multiply": ("inexact",), "output": ("hits",)},
        mutants={
            "one rounding": {"requantize": {"kind": "fixed", "rounding": "half_up"}},
            "the sum saturates": stages(bits=32, overflow="saturate"),
            "ruy": steps(
                step("shift_left"), FIT_32, step("multiply"), HIGH_MULTIPLY, step("shift_right", rounding="half_up")
            ),
            "the left shift saturates": steps(
                step("shift_left"),
                step("fit", bits=32, overflow="saturate"),
                step("multiply"),
                HIGH_MULTIPLY,
                step("shift_right", rounding="half_away"),
            ),
        },
    ),
    "tflite-int16x8": Setup(
        text=machines.TFLITE_16X8,
        plans=WIDE_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_16x8(
            groups, bias, ratio_of(WIDE_PLANS, channel), relu=relu
        ),
        bias=bias_of(42),
        seen={"narrow": ("hits",), "requantize": ("inexact",), "output": ("hits",)},
        kinds=("conv",),
        mutants={
            "32 bits of multiplier": of_convolutions(
                step("multiply", bits=32), step("shift_right", rounding="half_up"), {**FIT_32, "name": "narrow"}
            ),
            "no cast": of_convolutions(
                step("multiply", bits=16, rule="reduced"), step("shift_right", rounding="half_up")
            ),
            "a 32-bit sum": {**stages(bits=32, overflow="wrap"), "bias": {"bits": 32}},
            "cast first, as CMSIS-NN": of_convolutions(
                step("multiply", bits=16, rule="reduced"),
                step("shift_right", by=1),
                step("shift_right", name="again"),
                FIT_32,
            ),
        },
    ),
    "tflite-int16x8, fully connected": Setup(
        text=machines.TFLITE_16X8,
        plans=HALVES_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_16x8_dense(
            groups, bias, ratio_of(HALVES_PLANS, channel), relu=relu
        ),
        bias=bias_of(24),
        kinds=("dense",),
        seen={"requantize": ("inexact",), "output": ("hits",)},
        mutants={
            "half up": {"operations": {"dense": {"requantize": {"rounding": "half_up"}}}},
            "half even": {"operations": {"dense": {"requantize": {"rounding": "half_even"}}}},
            "16 bits of multiplier": {
                "operations": {
                    "dense": {"requantize": {"kind": "fixed_reduced", "multiplier_bits": 16, "rounding": "half_up"}}
                }
            },
        },
    ),
    "gemmini": Setup(
        text=machines.GEMMINI,
        plans=GEMMINI_PLANS,
        model=lambda groups, bias, channel, relu: models.gemmini(
            groups, bias, ratio_of(GEMMINI_PLANS, channel), relu=relu
        ),
        bias=bias_of(32),
        seen={"accumulator": ("hits",), "requantize": ("inexact",), "output": ("hits",)},
        mutants={
            "the sum saturates": stages(bits=32, overflow="saturate"),
            "rounds down": {"requantize": {"rounding": "floor"}},
        },
        depth=(20, 70),
    ),
    "gemmini, a mesh of 64 rows": Setup(
        text=machines.GEMMINI,
        target=two_stages("mesh", 64, 20),
        plans=GEMMINI_PLANS,
        model=lambda groups, bias, channel, relu: models.gemmini(
            groups, bias, ratio_of(GEMMINI_PLANS, channel), relu=relu, rows=64
        ),
        bias=bias_of(20),
        seen={"mesh": ("hits",), "requantize": ("inexact",), "output": ("hits",)},
        mutants={"16 rows": two_stages("mesh", 16, 20)},
        depth=(20, 140),
    ),
    "nvdla": Setup(
        text=machines.NVDLA,
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu),
        bias=bias_of(16),
        seen={"truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "truncates half up": truncating(4, rounding="half_up"),
            "the bias in the sum": {"bias": {"position": "last"}, **bias_behind("")},
            "a bias behind the activation": bias_behind("activation"),
            "a bias behind the multiplier": bias_behind("multiply"),
        },
        depth=(13, 52),
        block=8,
    ),
    "nvdla, a sum of 19 bits": Setup(
        text=machines.NVDLA,
        target={"mac": nvdla_stages(19)},
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu, width=19),
        bias=bias_of(16),
        seen={"accumulator": ("transient", "persistent"), "truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "the sum wraps": {"mac": nvdla_stages(19, "wrap")},
            "every product saturates": {"mac": nvdla_stages(19, terms=1)},
            "all blocks of a pixel first": {
                "mac": {"order": ["kernel_height", "kernel_width", "input_channel_tile", "input_channel"]}
            },
        },
        depth=(12, 180),
        block=8,
    ),
    "nvdla, few channels and a sum of 16 bits": Setup(
        text=machines.NVDLA,
        target={"mac": nvdla_stages(16)},
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu, width=16),
        bias=bias_of(12),
        seen={"accumulator": ("transient", "persistent"), "truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "channels of two pixels at once": {"mac": nvdla_stages(16, within=None)},
            "channels of two columns at once": {"mac": nvdla_stages(16, within="kernel_width")},
        },
        depth=(3, 30),
        block=8,
    ),
    "nvdla, seeing 3 of 6 bits": Setup(
        text=machines.NVDLA,
        target=truncating(6, guard_bits=3),
        plans=nvdla_plans(6, (16384, 16)),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 6, (16384, 16), relu=relu, kept=3),
        bias=bias_of(9),
        seen={"truncate": ("inexact",), "convert": ("inexact",)},
        mutants={
            "sees every bit": truncating(6, guard_bits=None),
            "sees 4 bits": truncating(6, guard_bits=4),
        },
        depth=(9, 18),
        block=8,
    ),
    "nvdla, 64 channels at once": Setup(
        text=machines.NVDLA_FULL,
        target={"mac": nvdla_stages(21, terms=64, dot=22)},
        plans=nvdla_plans(4, NVDLA_SCALE),
        model=lambda groups, bias, channel, relu: models.nvdla(groups, bias, 4, NVDLA_SCALE, relu=relu, width=21),
        bias=bias_of(16),
        seen={"accumulator": ("hits",), "truncate": ("inexact",), "convert": ("inexact",)},
        mutants={"8 channels at once": {"mac": nvdla_stages(21)}, "small": {"mac": {"tile": {"input_channel": 8}}}},
        depth=(70, 600),
        block=64,
    ),
    "tensil": Setup(
        text=machines.TENSIL,
        plans=(tensor(16, scale=2.0**-8), weight(16, 2.0**-8), tensor(16, scale=2.0**-8)),
        model=lambda groups, bias, channel, relu: models.tensil(groups, bias, relu=relu),
        bias=bias_of(16),
        seen={"array": ("transient", "persistent", "inexact"), "accumulator": ("hits",)},
        mutants={
            "rounds once": tensil_stages(check="last"),
            "rounds half up": tensil_stages(rounding="half_up"),
            "wraps": tensil_stages(overflow="wrap"),
            "one long column": stages(bits=16, overflow="saturate", shift=8, rounding="half_even"),
            "channels of two pixels at once": tensil_stages(within=None),
            "the bias in the accumulator": {"bias": {"position": "first"}},
            "the bias last": {"bias": {"position": "last"}},
        },
        block=8,
    ),
    "hls4ml": Setup(
        text=machines.HLS4ML,
        plans=(tensor(16, scale=2.0**-10), weight(16, 2.0**-10), tensor(16, scale=2.0**-10)),
        model=lambda groups, bias, channel, relu: models.hls4ml(groups, bias, relu=relu),
        bias=bias_of(16),
        seen={"product": ("hits", "inexact"), "accumulator": ("transient", "persistent")},
        mutants={
            "products are exact": {"mac": {"product": None, **stages(bits=16, shift=10, check="last")["mac"]}},
            "products saturate": {"mac": {"product": {"overflow": "saturate"}}},
            "products round half up": {"mac": {"product": {"rounding": "ap_fixed:AP_RND"}}},
            "the sum saturates": stages(bits=16, overflow="saturate"),
        },
    ),
    "hls4ml, reused 4 times": Setup(
        text=machines.HLS4ML_RESOURCE,
        plans=(tensor(16, scale=2.0**-10), weight(16, 2.0**-10), tensor(16, scale=2.0**-10)),
        model=lambda groups, bias, channel, relu: models.hls4ml_resource(groups, bias, 4, relu=relu),
        bias=bias_of(16),
        seen={"product": ("hits", "inexact"), "accumulator": ("transient", "persistent")},
        mutants={
            "one input after another": {
                "mac": {"order": ["kernel_height", "kernel_width", "input_channel"], "tile": None}
            },
            "in strides of 2": {"mac": {"tile": {"input_channel": 2}}},
            "in strides of each pixel": {
                "mac": {"order": ["kernel_height", "kernel_width", "input_channel", "input_channel_tile"]}
            },
        },
        depth=(12, 40),
    ),
    "vpmaddubsw": Setup(
        text=machines.VPMADDUBSW,
        plans=VPMADDUBSW_PLANS,
        model=lambda groups, bias, channel, relu: models.vpmaddubsw(
            groups, bias, models.float_ratio(1, 1, 300.7), (117, 90), relu=relu
        ),
        bias=bias_of(18),
        seen={"pair": ("low", "high"), "requantize": ("inexact",), "output": ("low", "high")},
        mutants={
            "less its zero point first": {"mac": {"input_zero_point": "removed"}},
            "one sum": stages(bits=32, overflow="wrap"),
            "pairs wrap": two_stages("pair", 2, 16, check="last"),
            "four at a time": two_stages("pair", 4, 16, overflow="saturate", check="last"),
        },
    ),
    "pulp-nn": Setup(
        text=machines.PULP_NN,
        plans=(tensor(signed=False), ONE, tensor(signed=False, scale=2.0**6 / 113)),
        model=lambda groups, bias, channel, relu: models.pulp_nn(groups, bias, 113, 6),
        bias=bias_of(26),
        seen={"multiplied": ("hits",), "shift_right": ("inexact",), "narrowed": ("hits",)},
        mutants={
            "cut to 0 to 255 at once": steps(step("multiply", bits=8), FIT_32, step("shift_right")),
            "rounds half up": steps(
                step("multiply", bits=8),
                FIT_32,
                step("shift_right", rounding="half_up"),
                FIT_16,
                step("clip", low=0, high=255),
            ),
        },
    ),
    "pulp-nn, a shift by 18 bits": Setup(
        text=machines.PULP_NN,
        plans=(tensor(signed=False), ONE, tensor(signed=False, scale=2.0**18 / 77)),
        model=lambda groups, bias, channel, relu: models.pulp_nn(groups, bias, 77, 18),
        bias=bias_of(26),
        seen={"multiplied": ("hits",), "shift_right": ("inexact",)},
        mutants={
            "64 bits of product": steps(
                step("multiply", bits=8), step("shift_right"), FIT_16, step("clip", low=0, high=255)
            ),
        },
    ),
    "max78000": Setup(
        text=machines.MAX78000,
        plans=(tensor(scale=2.0**-7), weight(scale=2.0**-7), tensor(scale=2.0**-5)),
        model=lambda groups, bias, channel, relu: models.max78000(groups, bias, -2, relu=relu),
        bias=bias_of(8),
        seen={"shift_right": ("inexact",), "clipped": ("low", "high")},
        mutants={
            "half away": steps(step("shift_right", rounding="half_away")),
            "half even": steps(step("shift_right", rounding="half_even")),
            "a bias times 64": {"bias": {"shift": 6}},
        },
    ),
    "max78000, shifted left, magnitudes": Setup(
        text=machines.MAX78000,
        target=steps(
            step("shift_right", rounding="half_up"),
            step("fit", bits=8, overflow="saturate", name="clipped"),
            step("activation"),
            step("absolute"),
        ),
        plans=(tensor(scale=2.0**-7), weight(scale=2.0**-7), tensor(scale=2.0**-15)),
        model=lambda groups, bias, channel, relu: models.max78000(groups, bias, 8, relu=relu, absolute=True),
        bias=lambda generator: 0,
        seen={"clipped": ("low", "high"), "output": ("high",)},
        mutants={"not the magnitude": steps(step("shift_right", rounding="half_up"), step("activation"))},
        depth=(1, 1),
    ),
    "vitis-dpu": Setup(
        text=machines.VITIS_DPU,
        plans=DPU_PLANS,
        model=lambda groups, bias, channel, relu: models.vitis_dpu(groups, bias, 4, 10, relu=relu),
        bias=bias_of(8),
        seen={"requantize": ("inexact",), "output": ("low", "high")},
        mutants={
            "half away": {"requantize": {"rounding": "half_away"}},
            "half even": {"requantize": {"rounding": "half_even"}},
            "down": {"requantize": {"rounding": "floor"}},
        },
    ),
    "vitis-dpu, a bias finer than its sum": Setup(
        text=machines.VITIS_DPU,
        plans=dpu_plans(2.0**-14),
        model=lambda groups, bias, channel, relu: models.vitis_dpu(groups, bias, -3, 10, relu=relu),
        bias=bias_of(8),
        seen={"requantize": ("inexact",), "output": ("low", "high")},
        mutants={"half away": {"requantize": {"rounding": "half_away"}}},
    ),
    "cmsis-nn": Setup(
        text=machines.CMSIS_NN,
        plans=TFLITE_PLANS,
        model=lambda groups, bias, channel, relu: models.tflite_micro(
            groups, bias, ratio_of(TFLITE_PLANS, channel), 11, relu=relu
        ),
        bias=bias_of(32),
        seen={"bias_sum": ("hits",), "left_shift": ("hits",), "high_multiply": ("inexact",), "output": ("hits",)},
        mutants={"single rounding": {"requantize": {"kind": "fixed", "rounding": "half_up"}}},
    ),
    "onnxruntime": Setup(
        text=machines.ONNX_RUNTIME,
        plans=ONNX_PLANS,
        model=lambda groups, bias, channel, relu: models.onnx_runtime(
            groups, bias, models.float_ratio(0.5, ONNX_PLANS[1].scale[channel], 16.0), 90, relu=relu
        ),
        bias=bias_of(14),
        seen={"requantize": ("inexact",), "output": ("low", "high")},
        mutants={
            "half away": {"requantize": {"rounding": "half_away"}},
            "half up": {"requantize": {"rounding": "half_up"}},
            "without VNNI": merge(
                {"mac": {"input_zero_point": "corrected"}}, two_stages("pair", 2, 16, overflow="saturate", check="last")
            ),
        },
    ),
    "ethos-u55": Setup(
        text=machines.ETHOS_U55,
        plans=ETHOS_PLANS,
        model=lambda groups, bias, channel, relu: models.ethos_u55(
            groups, bias, ratio_of(ETHOS_PLANS, channel), 11, relu=relu
        ),
        bias=bias_of(32),
        seen={"bias_sum": ("hits",), "high_multiply": ("inexact",), "scale": ("inexact",), "output": ("hits",)},
        mutants={
            "one rounding, NATURAL": {"requantize": {"kind": "fixed", "rounding": "half_up", "steps": None}},
            "the left shift wraps, as TensorFlow Lite": {"requantize": {"kind": "fixed_double", "steps": None}},
        },
    ),
    "ne16": Setup(
        text=machines.NE16,
        plans=NE16_PLANS,
        # 113 / 2^11 is 226 / 2^12
        model=lambda groups, bias, channel, relu: models.ne16(groups, bias, 226, 12),
        bias=bias_of(32),
        unit=NE16_PLANS[2].scale * 2.0**-12,
        seen={"biased": ("hits",), "shift_right": ("inexact",), "output": ("low", "high")},
        mutants={
            "rounds half up": ne16_steps(4, rounding="half_up"),
            "the bias saturates": ne16_steps(3, overflow="saturate"),
        },
    ),
    "ne16, sums that the scale makes wrap": Setup(
        text=machines.NE16,
        plans=(tensor(signed=False), ONE, tensor(signed=False, scale=2.0**18 / 113)),
        model=lambda groups, bias, channel, relu: models.ne16(groups, bias, 226, 19),
        bias=bias_of(31),
        unit=2.0**18 / 113 * 2.0**-19,
        seen={"normalised": ("hits",), "shift_right": ("inexact",)},
        mutants={"what is scaled saturates": ne16_steps(1, overflow="saturate")},
        depth=(1, 3000),
        kinds=("dense",),
    ),
    "qonnx-threshold": Setup(
        text=machines.QONNX_THRESHOLD,
        plans=THRESHOLD_PLANS,
        model=lambda groups, bias, channel, relu: models.qonnx_threshold(
            groups, bias, ratio_of(THRESHOLD_PLANS, channel), relu=relu
        ),
        bias=bias_of(9),
        seen={"shift_right": ("inexact",)},
        mutants={
            "thresholds one step above": thresholds(first=-8, levels=[*range(-1919, 1666, 256)]),
            "one threshold less": thresholds(first=-8, levels=[*range(-1920, 1409, 256)]),
            "counts from -7": thresholds(first=-7, levels=[*range(-1920, 1665, 256)]),
        },
    ),
    "ternary-weights": Setup(
        text=machines.TERNARY,
        plans=TERNARY_PLANS,
        model=lambda groups, bias, channel, relu: models.weights_alone(
            groups, bias, ratio_of(TERNARY_PLANS, channel), 3, relu=relu
        ),
        bias=bias_of(12),
        seen={"requantize": ("inexact",), "output": ("hits",)},
        mutants={"half away": {"requantize": {"rounding": "half_away"}}},
    ),
    "binary-weights": Setup(
        text=machines.BINARY,
        plans=BINARY_PLANS,
        model=lambda groups, bias, channel, relu: models.weights_alone(
            groups, bias, ratio_of(BINARY_PLANS, channel), 3, relu=relu
        ),
        bias=bias_of(12),
        seen={"requantize": ("inexact",), "output": ("hits",)},
        mutants={"half away": {"requantize": {"rounding": "half_away"}}},
    ),
    "imc-adc6": Setup(
        text=machines.IMC,
        plans=IMC_PLANS,
        model=lambda groups, bias, channel, relu: models.imc(
            groups, bias, ratio_of(IMC_PLANS, channel) * 16, relu=relu
        ),
        bias=bias_of(6),
        seen={"converter": ("low", "high", "inexact"), "requantize": ("inexact",)},
        mutants={
            "a converter of 7 bits": converter(bits=7),
            "a converter that rounds down": converter(rounding="floor"),
            "64 rows": converter(terms=64),
        },
        depth=(60, 300),
    ),
}
"""Every machine, and some of them with a part that is narrower than on the chip, so that small layers fill it."""
