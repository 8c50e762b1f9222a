"""ONNX Runtime: its rounding operators, and its integer layers as a judge of the kind `float32`.

Layers by hand have scales that are powers of two, so that its ``x_scale * w_scale / y_scale`` in float32 and our ratio
in float64 are one number; those of the target ``onnxruntime`` have any scales. Weights stay within 7 bits: without VNNI
instructions, x86 adds pairs of products in 16 bits that saturate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from golden.case import program_of, row, stage, target
from judges.coverage import judged
from judges.ours import check_array

from hwsim.engine import Execution, execute
from hwsim.network import Conv2D, Dense
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.target import Target, load_target
from hwsim.target.target import merge
from oracle.overflow import fit
from oracle.rescale import float32_product
from oracle.rounding import round_fraction


def run(operator: str, inputs: Mapping[str, Any], **attributes: Any) -> np.ndarray:
    """Run one operator on ``x`` and constants, as it stands: nothing is fused or folded."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    helper = onnx.helper
    source = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(arrays["x"].dtype), arrays["x"].shape)
    graph = helper.make_graph(
        [helper.make_node(operator, list(arrays), ["y"], **attributes)],
        "judge",
        [source],
        [onnx.ValueInfoProto(name="y")],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items() if name != "x"],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": arrays["x"]})[0])


@pytest.mark.parametrize(("name", "mode"), judged("onnx", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    check_array(lambda quotients: run(name, {"x": quotients}), mode)


# --- layers -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The codes of a layer (samples, h, w, c) by (kh, kw, c, outputs), and how they are scaled."""

    x: np.ndarray
    w: np.ndarray
    bias: np.ndarray
    w_scale: np.ndarray
    x_zero: int
    w_zero: int
    y_zero: int
    y_type: type
    x_scale: float = 0.5
    y_scale: float = 2.0

    @property
    def wide(self) -> bool:
        """Whether it is a convolution, with one row and column of padding, and not a product of matrices."""
        return self.w.shape[:2] != (1, 1)

    @property
    def ratios(self) -> list[float]:
        """What each output channel's sum is multiplied by."""
        return [float(np.float32(self.x_scale) * scale / np.float32(self.y_scale)) for scale in self.w_scale]


def layer(x_type: type, w_type: type, y_type: type, size: int, channels: int) -> Layer:
    """Return a layer of random codes, some of whose channels have ratios that make exact ties."""
    generator = np.random.default_rng(channels)
    outputs, ends = 12, np.iinfo(x_type)
    x = generator.integers(ends.min, ends.max, (20, size, size, channels), endpoint=True)
    w_zero = 64 if w_type is np.uint8 else 0
    window = min(size, 3)
    w = generator.integers(-64, 64, (window, window, channels, outputs)) + w_zero
    bias = generator.integers(-3000, 3000, outputs) if size > 1 else np.zeros(outputs)
    scale = generator.uniform(0.3, 1, outputs) / np.sqrt(w[..., 0].size) / 10
    scale[::3] = 2.0 ** np.round(np.log2(scale[::3]))
    middle = int(x.mean())
    return Layer(
        x=x.astype(x_type),
        w=w.astype(w_type),
        bias=bias.astype(np.int32),
        w_scale=scale.astype(np.float32),
        x_zero=middle,
        w_zero=w_zero,
        y_zero=int(np.iinfo(y_type).max) - 120,
        y_type=y_type,
    )


def beyond_float32() -> Layer:
    """Return a layer whose sums lie around ties and beyond 2^24, where float32 does not hold all of them."""
    one = layer(np.uint8, np.int8, np.uint8, size=6, channels=1)
    ties = (np.arange(64, 76) + 0.5) * 2**18
    w, scale = np.clip(one.w, -1, 1), np.full(12, 2.0**-16, np.float32)
    return replace(one, x=one.x % 8, w=w, w_scale=scale, bias=ties.astype(np.int32), x_zero=0, y_zero=0)


def ours(one: Layer, where: Target | None = None) -> Execution:
    """Run a layer through the whole of our path, from real values."""
    kernel = (one.w.astype(np.float64) - one.w_zero) * one.w_scale
    bias = one.bias * (one.x_scale * one.w_scale.astype(np.float64))
    shared: dict[str, Any] = {"name": "layer", "inputs": ("x",), "bias": bias.astype(np.float32)}
    samples = (one.x.astype(np.float32) - one.x_zero) * np.float32(one.x_scale)
    if one.wide:
        operation: Conv2D | Dense = Conv2D(kernel=kernel.astype(np.float32), padding=((1, 1), (1, 1)), **shared)
    else:
        operation, samples = Dense(kernel=kernel[0, 0].astype(np.float32), **shared), samples[:, 0, 0]
    w_signed, x_signed, y_signed = (kind is not np.uint8 for kind in (one.w.dtype.type, one.x.dtype.type, one.y_type))
    plans = (
        TensorPlan(bits=8, signed=x_signed, scale=one.x_scale, zero_point=one.x_zero),
        WeightPlan(
            bits=8,
            signed=w_signed,
            scale=tuple(float(scale) for scale in one.w_scale),
            zero_point=(one.w_zero,) * one.w_scale.size,
        ),
        TensorPlan(bits=8, signed=y_signed, scale=one.y_scale, zero_point=one.y_zero),
    )
    where = where or target(
        [stage(32, "wrap")],
        requantize={"kind": "float32", "rounding": "half_even"},
        weights={"signed": w_signed, "symmetric": one.w_zero == 0, "granularity": "output_channel"},
        activations={"symmetric": False},
        bias={"bits": 32},
    )
    return execute(program_of(operation, samples.shape[1:], where, plans), samples, trace=["layer"])


def theirs(one: Layer, requantized: bool) -> np.ndarray:
    """Run a layer's integer operator: to output codes, or to sums without the bias."""
    x_zero, w_zero = one.x.dtype.type(one.x_zero), one.w.dtype.type(one.w_zero)
    operator = ("QLinear" if requantized else "") + ("Conv" if one.wide else "MatMul")
    operator += "" if requantized else "Integer"
    if one.wide:
        x, w, attributes = one.x.transpose(0, 3, 1, 2), one.w.transpose(3, 2, 0, 1), {"pads": [1, 1, 1, 1]}
    else:
        x, w, attributes = one.x[:, 0, 0], one.w[0, 0], {}
    if not requantized:
        result = run(operator, {"x": x, "w": w, "x_zero": x_zero, "w_zero": w_zero}, **attributes)
    else:
        inputs = {"x": x, "x_scale": np.float32(one.x_scale), "x_zero": x_zero}
        inputs |= {"w": w, "w_scale": one.w_scale, "w_zero": np.full(one.w_scale.shape, w_zero)}
        inputs |= {"y_scale": np.float32(one.y_scale), "y_zero": one.y_type(one.y_zero)}
        inputs |= {"bias": one.bias} if one.wide else {}
        result = run(operator, inputs, **attributes)
    return result.transpose(0, 2, 3, 1) if one.wide else result


LAYERS = {
    "u8 s8 convolution": layer(np.uint8, np.int8, np.uint8, size=6, channels=5),
    "s8 s8 convolution": layer(np.int8, np.int8, np.int8, size=6, channels=8),
    "u8 u8 convolution": layer(np.uint8, np.uint8, np.uint8, size=6, channels=3),
    "u8 s8 matrix": layer(np.uint8, np.int8, np.uint8, size=1, channels=64),
    "s8 s8 matrix": layer(np.int8, np.int8, np.int8, size=1, channels=100),
    "long u8 s8 matrix": layer(np.uint8, np.int8, np.uint8, size=1, channels=5000),
    "sums that float32 rounds": beyond_float32(),
}


@pytest.mark.parametrize("name", LAYERS)
def test_sums(name: str) -> None:
    """ConvInteger and MatMulInteger."""
    one = LAYERS[name]
    sums = ours(one).trace["layer"]["accumulator"]
    wanted = theirs(one, requantized=False) + one.bias
    np.testing.assert_array_equal(sums.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("name", LAYERS)
def test_codes(name: str) -> None:
    """QLinearConv and QLinearMatMul."""
    one = LAYERS[name]
    wanted = theirs(one, requantized=True)
    assert len(np.unique(wanted)) > (10 if "float32" in name else 100)
    np.testing.assert_array_equal(ours(one).codes["layer"].reshape(wanted.shape), wanted)


@pytest.mark.parametrize("name", LAYERS)
def test_codes_of_the_oracle(name: str) -> None:
    one = LAYERS[name]
    sums, wanted = theirs(one, requantized=False) + one.bias, theirs(one, requantized=True)
    signed = one.y_type is not np.uint8
    for channel, ratio in enumerate(one.ratios):
        pairs = zip(sums[..., channel].ravel().tolist(), wanted[..., channel].ravel().tolist(), strict=True)
        for total, code in pairs:
            rounded = round_fraction(float32_product(total, ratio), "half_even")
            assert fit(rounded + one.y_zero, 8, signed, "saturate") == code, (channel, total)


# --- the shipped target -------------------------------------------------------------------------------


def shipped(one: Layer, **requantize: str) -> Target:
    """Return the target ``onnxruntime`` for a layer's formats."""
    changes = {
        "weights": {"signed": one.w.dtype != np.uint8, "symmetric": one.w_zero == 0},
        "activations": {"signed": one.y_type is not np.uint8},
        "requantize": requantize,
    }
    return Target.from_dict(merge(load_target("onnxruntime").model_dump(exclude_unset=True), changes))


def odd(one: Layer, seed: int) -> Layer:
    """Return a layer with any scales, chosen so that outputs fill their range and some leave it."""
    generator = np.random.default_rng(seed)
    x_scale, y_scale = (float(np.float32(generator.uniform(0.001, 0.1))) for _ in range(2))
    sums = (theirs(one, requantized=False) + one.bias).reshape(-1, one.w_scale.size)
    reach = generator.uniform(60, 200, one.w_scale.size) * y_scale / x_scale
    w_scale = (reach / np.abs(sums).max(axis=0)).astype(np.float32)
    return replace(one, x_scale=x_scale, y_scale=y_scale, w_scale=w_scale)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", [name for name in LAYERS if "float32" not in name])
def test_the_shipped_target(name: str, seed: int) -> None:
    """QLinearConv and QLinearMatMul with scales that are no powers of two."""
    one = odd(LAYERS[name], seed)
    execution, wanted = ours(one, shipped(one)), theirs(one, requantized=True)
    np.testing.assert_array_equal(execution.codes["layer"].reshape(wanted.shape), wanted)
    output = row(execution, "output")
    assert output.hits > 0
    assert len(np.unique(wanted)) > 100
    others = ours(one, shipped(one, rounding="floor")).codes["layer"].reshape(wanted.shape)
    assert (others != wanted).mean() > 0.2


def test_the_shipped_target_forms_its_ratio_in_float32() -> None:
    """255 * 73 + 95 = 18710: by the ratio that float32 forms it is above 114.5, by the nearest float32 it is not."""
    scales = (0.00688695115968585, 0.0386962816119194, 0.043547630310058594)
    one = Layer(
        x=np.array([[[[255, 95]]]], np.uint8),
        w=np.array([[[[73], [1]]]], np.int8),
        bias=np.zeros(1, np.int32),
        w_scale=np.array([scales[1]], np.float32),
        x_zero=0,
        w_zero=0,
        y_zero=0,
        y_type=np.uint8,
        x_scale=float(np.float32(scales[0])),
        y_scale=float(np.float32(scales[2])),
    )
    assert theirs(one, requantized=True).tolist() == ours(one, shipped(one)).codes["layer"].tolist() == [[115]]
    assert ours(one, shipped(one, forming="float64")).codes["layer"].tolist() == [[114]]
