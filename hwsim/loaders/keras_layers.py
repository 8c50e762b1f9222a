"""The table from Keras classes to the functions that import them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from hwsim.loaders.keras_activation import activation_layer, function_layer, prelu, sample_axis
from hwsim.loaders.keras_attention import (
    additive_attention,
    attention,
    dot_product_attention,
    grouped_query_attention,
    multi_head_attention,
)
from hwsim.loaders.keras_constant import (
    add_constant,
    divide_constant,
    layer_scale,
    multiply_constant,
    residual_scale,
    subtract_constant,
)
from hwsim.loaders.keras_draft import Call, NoIntegerForm, Several
from hwsim.loaders.keras_einsum import einsum, einsum_dense, matmul
from hwsim.loaders.keras_embedding import embedding
from hwsim.loaders.keras_line import LINES
from hwsim.loaders.keras_moves import (
    cropping_1d,
    pad,
    permute,
    repeat_vector,
    up_sampling_1d,
    up_sampling_2d,
    zero_padding_1d,
)
from hwsim.loaders.keras_normalize import group_normalization, layer_normalization, rms_normalization
from hwsim.loaders.keras_recurrent import bidirectional, recurrent
from hwsim.loaders.keras_views import VIEWS
from hwsim.loaders.keras_weighted import (
    batch_normalization,
    conv2d,
    conv2d_transpose,
    dense,
    depthwise_conv2d,
    normalization,
    rescaling,
    separable_conv2d,
)
from hwsim.loaders.keras_window import (
    average_pooling,
    cropping,
    global_average_pooling,
    global_max_pooling,
    max_pooling,
    mean,
    zero_padding,
)
from hwsim.network import Add, Concatenate, Multiply, Operation, Reshape, Subtract

Importer = Callable[[Call], tuple[Operation, ...] | Several]
"""Returns a chain of operations, whose last one makes the layer's result; empty if the input passes on."""


def nothing(call: Call) -> tuple[Operation, ...]:
    """Import a layer that does nothing at inference."""
    return ()


def add(call: Call) -> tuple[Operation, ...]:
    """Import Add, and ``x + y`` of tensors; several at once, or in pairs as Multiply."""
    if len(call.inputs) < 2:
        return add_constant(call)
    if call.reading.addends == "pairs":
        return _in_pairs(call, Add)
    return (Add(name=call.name, inputs=call.inputs),)


def subtract(call: Call) -> tuple[Operation, ...]:
    """Import Subtract, and ``x - y`` of tensors."""
    if len(call.inputs) < 2:
        return subtract_constant(call)
    return (Subtract(name=call.name, inputs=call.inputs),)


def multiply(call: Call) -> tuple[Operation, ...]:
    """Import Multiply, and ``x * y`` of tensors; of several, ``name/1`` multiplies the first two and so on."""
    if len(call.inputs) < 2:
        return multiply_constant(call)
    return _in_pairs(call, Multiply)


def _in_pairs(call: Call, record: type[Add | Multiply]) -> tuple[Operation, ...]:
    chain: list[Operation] = []
    result, *others = call.inputs
    for number, other in enumerate(others, 1):
        name = f"{call.name}/{number}" if number < len(others) else call.name
        chain.append(record(name=name, inputs=(result, other)))
        result = name
    return tuple(chain)


def divide(call: Call) -> tuple[Operation, ...]:
    """Import ``x / c``."""
    return divide_constant(call)


def concatenate(call: Call) -> tuple[Operation, ...]:
    """Import Concatenate."""
    axis = sample_axis(int(call.layer.axis), call.shapes[0])
    return (Concatenate(name=call.name, inputs=call.inputs, axis=axis),)


def flatten(call: Call) -> tuple[Operation, ...]:
    """Import Flatten."""
    return _reshaped(call, (prod(call.shapes[0]),))


def reshape(call: Call) -> tuple[Operation, ...]:
    """Import Reshape, whose target may hold one -1."""
    target = tuple(int(size) for size in call.layer.target_shape)
    rest = prod(size for size in target if size != -1)
    return _reshaped(call, tuple(prod(call.shapes[0]) // rest if size == -1 else size for size in target))


def _reshaped(call: Call, shape: tuple[int, ...]) -> tuple[Operation, ...]:
    if shape == call.shapes[0]:
        return ()
    return (Reshape(name=call.name, inputs=call.inputs, shape=shape),)


IMPORTERS: Mapping[str, Importer] = {
    **LINES,
    **VIEWS,
    "Activation": activation_layer,
    "ActivityRegularization": nothing,
    "Add": add,
    "AdditiveAttention": additive_attention,
    "AlphaDropout": nothing,
    "Attention": attention,
    "AveragePooling2D": average_pooling,
    "Bidirectional": bidirectional,
    "BatchNormalization": batch_normalization,
    "Concatenate": concatenate,
    "Conv2D": conv2d,
    "Conv2DTranspose": conv2d_transpose,
    "Cropping1D": cropping_1d,
    "Cropping2D": cropping,
    "CustomScaleLayer": residual_scale,
    "Dense": dense,
    "DepthwiseConv2D": depthwise_conv2d,
    "Dropout": nothing,
    "EinsumDense": einsum_dense,
    "ELU": function_layer,
    "Embedding": embedding,
    "Flatten": flatten,
    "GRU": recurrent,
    "GaussianDropout": nothing,
    "GaussianNoise": nothing,
    "GlobalAveragePooling2D": global_average_pooling,
    "GlobalMaxPooling2D": global_max_pooling,
    "GroupedQueryAttention": grouped_query_attention,
    "GroupNormalization": group_normalization,
    "Identity": nothing,
    "InputLayer": nothing,
    "LSTM": recurrent,
    "LayerNormalization": layer_normalization,
    "LayerScale": layer_scale,
    "LeakyReLU": function_layer,
    "MaxPooling2D": max_pooling,
    "MultiHeadAttention": multi_head_attention,
    "Multiply": multiply,
    "Normalization": normalization,
    "PReLU": prelu,
    "Permute": permute,
    "RNN": recurrent,
    "RMSNormalization": rms_normalization,
    "ReLU": function_layer,
    "RepeatVector": repeat_vector,
    "Rescaling": rescaling,
    "Reshape": reshape,
    "SeparableConv2D": separable_conv2d,
    "SimpleRNN": recurrent,
    "Softmax": function_layer,
    "SpatialDropout1D": nothing,
    "SpatialDropout2D": nothing,
    "SpatialDropout3D": nothing,
    "Subtract": subtract,
    "UpSampling1D": up_sampling_1d,
    "UpSampling2D": up_sampling_2d,
    "ZeroPadding1D": zero_padding_1d,
    "ZeroPadding2D": zero_padding,
    "ops.Absolute": function_layer,
    "ops.Add": add,
    "ops.Celu": function_layer,
    "ops.Concatenate": concatenate,
    "ops.Cos": function_layer,
    "ops.Divide": divide,
    "ops.DotProductAttention": dot_product_attention,
    "ops.TrueDivide": divide,
    "ops.Einsum": einsum,
    "ops.Elu": function_layer,
    "ops.Exp": function_layer,
    "ops.Gelu": function_layer,
    "ops.HardShrink": function_layer,
    "ops.HardSigmoid": function_layer,
    "ops.HardSilu": function_layer,
    "ops.HardTanh": function_layer,
    "ops.Log": function_layer,
    "ops.LogSigmoid": function_layer,
    "ops.Matmul": matmul,
    "ops.Mean": mean,
    "ops.Mish": function_layer,
    "ops.Multiply": multiply,
    "ops.Negative": function_layer,
    "ops.Pad": pad,
    "ops.Relu": function_layer,
    "ops.Relu6": function_layer,
    "ops.Rsqrt": function_layer,
    "ops.Selu": function_layer,
    "ops.Sigmoid": function_layer,
    "ops.Silu": function_layer,
    "ops.Sin": function_layer,
    "ops.SoftShrink": function_layer,
    "ops.Softmax": function_layer,
    "ops.Softplus": function_layer,
    "ops.Softsign": function_layer,
    "ops.SparsePlus": function_layer,
    "ops.SparseSigmoid": function_layer,
    "ops.Sqrt": function_layer,
    "ops.Square": function_layer,
    "ops.Squareplus": function_layer,
    "ops.Subtract": subtract,
    "ops.Tanh": function_layer,
    "ops.TanhShrink": function_layer,
    "ops.Threshold": function_layer,
}
"""One importer for each class of keras.layers and, under ``ops.``, for each operation of keras.ops."""


MERGES = (
    add,
    additive_attention,
    attention,
    bidirectional,
    concatenate,
    dot_product_attention,
    einsum,
    grouped_query_attention,
    matmul,
    multi_head_attention,
    multiply,
    recurrent,
    residual_scale,
    subtract,
)
"""Importers of layers that take several tensors."""


def importer(layer: Any, tensors: int) -> Importer:
    """Return the importer of ``layer``, called with so many ``tensors``; raise NoIntegerForm without one."""
    kind, module = type(layer).__name__, type(layer).__module__
    if kind == "Lambda":
        raise NoIntegerForm("runs Python code")
    if kind == "Masking":
        raise NoIntegerForm("masks time steps; hwsim runs every sample over all its steps")
    if not module.startswith("keras."):
        raise NoIntegerForm("not a class of Keras")
    found = IMPORTERS.get(f"ops.{kind}" if ".ops." in module else kind)
    if found is None:
        raise NoIntegerForm("hwsim does not know this operation")
    if tensors != 1 and found not in MERGES:
        raise NoIntegerForm(f"called with {tensors} tensors, perhaps a mask")
    _require_plain(layer)
    return found


def _require_plain(layer: Any) -> None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise NoIntegerForm("data_format channels_first; hwsim wants channels_last")
    if getattr(layer, "quantization_mode", None) is not None:
        raise NoIntegerForm(f"already quantised by Keras ({layer.quantization_mode})")
    dtype = getattr(layer, "compute_dtype", "float32")
    if dtype not in ("float32", None):
        raise NoIntegerForm(f"computes in {dtype}; hwsim wants float32")
