"""Keras layers along one axis, (n, c): images of n rows and one column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_weighted import conv2d, depthwise_conv2d, separable_conv2d
from hwsim.loaders.keras_window import (
    average_pooling,
    global_average_pooling,
    global_max_pooling,
    max_pooling,
)
from hwsim.network import Operation, Pad, Reshape

Importer = Callable[[Call], tuple[Operation, ...]]

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
ONES = ("strides", "dilation_rate", "pool_size")


def on_image(importer: Importer) -> Importer:
    """Return the importer of a layer on (n, c) that does what ``importer`` does on (n, 1, c)."""

    def imported(call: Call) -> tuple[Operation, ...]:
        (length, channels), source = call.shapes[0], f"{call.name}/image"
        operations: list[Operation] = [Reshape(name=source, inputs=call.inputs, shape=(length, 1, channels))]
        layer, shape = _stretched(call.layer), (length, 1, channels)
        if layer.padding == "causal":
            before = int(layer.dilation_rate[0]) * (int(layer.kernel_size[0]) - 1)
            padded = f"{call.name}/causal"
            operations.append(Pad(name=padded, inputs=(source,), padding=((before, 0), (0, 0))))
            source, shape, layer.padding = padded, (length + before, 1, channels), "valid"
        inner = replace(call, layer=layer, name=f"{call.name}/line", inputs=(source,), shapes=(shape,))
        operations += importer(inner)
        shapes = {call.inputs[0]: call.shapes[0]}
        for one in operations:
            try:
                shapes[one.name] = one.output_shape(*(shapes[name] for name in one.inputs))
            except ValueError as error:
                raise NoIntegerForm(str(error)) from error
        made = shapes[operations[-1].name]
        flat = (made[0], made[-1]) if len(made) > 1 else made
        return *operations, Reshape(name=call.name, inputs=(operations[-1].name,), shape=flat)

    return imported


def _stretched(layer: Any) -> Any:
    """Return a layer's attributes as its sibling for images has them."""
    found = SimpleNamespace(
        **{name: getattr(layer, name, None) for name in ("activation", "bias", "use_bias", "groups")}
    )
    found.padding, found.keepdims = getattr(layer, "padding", "valid"), getattr(layer, "keepdims", False)
    for name in KERNELS:
        kernel = getattr(layer, name, None)
        if kernel is not None:
            setattr(found, name, _with_column(kernel))
    for name in ONES:
        value = getattr(layer, name, None)
        if value is not None:
            first = value[0] if isinstance(value, list | tuple) else value
            setattr(found, name, (int(first), 1))
    found.kernel_size = getattr(layer, "kernel_size", (1,))
    return found


def _with_column(kernel: Any) -> Any:
    value = getattr(kernel, "value", kernel)
    numbers = value.numpy() if hasattr(value, "numpy") else value
    return numbers[:, None]


LINES: dict[str, Importer] = {
    "AveragePooling1D": on_image(average_pooling),
    "Conv1D": on_image(conv2d),
    "DepthwiseConv1D": on_image(depthwise_conv2d),
    "GlobalAveragePooling1D": on_image(global_average_pooling),
    "GlobalMaxPooling1D": on_image(global_max_pooling),
    "MaxPooling1D": on_image(max_pooling),
    "SeparableConv1D": on_image(separable_conv2d),
}
"""Importers of layers along one axis."""
