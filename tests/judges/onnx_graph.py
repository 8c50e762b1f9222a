"""Networks as ONNX graphs of integer operators (QOperator format), made from a network and its plan alone.

Tensors of (h, w, c) lie as (n, c, h, w) there, as ONNX has them. The graph begins with the codes of its inputs, and
gives the codes of all tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from hwsim.network import (
    Add,
    AveragePool,
    Concatenate,
    Conv2D,
    Curve,
    Dense,
    Input,
    MaxPool,
    Mean,
    Multiply,
    Network,
    Operation,
    Reshape,
    Softmax,
)
from hwsim.quantize.plan import Plan

MICROSOFT = "com.microsoft"

FUNCTIONS = {"sigmoid": "QLinearSigmoid", "leaky_relu": "QLinearLeakyRelu"}


def run(network: Network, plan: Plan, codes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the codes of every tensor by ONNX Runtime, laid out as hwsim has them, from those of the inputs."""
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    graph = Graph(network, plan)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = graph.model(len(next(iter(codes.values()))))
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fed = {name: channels_first(graph.typed(name, array)) for name, array in codes.items()}
    names = [one.name for one in network.operations if not isinstance(one, Input)]
    found = zip(names, session.run(names, fed), strict=True)
    return {name: channels_last(np.asarray(array), network.shapes[name]) for name, array in found}


def channels_first(array: np.ndarray) -> np.ndarray:
    """Return (n, h, w, c) as (n, c, h, w), other ranks as they are."""
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array


def channels_last(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (n, c, h, w) as (n, h, w, c), other ranks as they are; ``shape`` is a sample's."""
    return (array.transpose(0, 2, 3, 1) if array.ndim == 4 else array).reshape(-1, *shape)


def quantized(real: np.ndarray, unit: np.ndarray, limit: int) -> np.ndarray:
    """Return real values in whole units, to nearest even, within ±limit."""
    whole: np.ndarray = np.clip(np.rint(real.astype(np.float64) / unit), -limit, limit)
    return whole


@dataclass
class Graph:
    """A graph under construction."""

    network: Network
    plan: Plan
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def model(self, samples: int) -> Any:
        """Return the model for so many samples."""
        import onnx

        helper, inputs = onnx.helper, []
        for one in self.network.operations:
            if isinstance(one, Input):
                shape = channels_first(np.empty((samples, *one.shape))).shape
                kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.type_of(one.name)))
                inputs.append(helper.make_tensor_value_info(one.name, kind, shape))
            else:
                WRITERS[type(one)](self, one)
        made = [onnx.ValueInfoProto(name=one.name) for one in self.network.operations if not isinstance(one, Input)]
        graph = helper.make_graph(self.nodes, "judge", inputs, made, self.constants)
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def type_of(self, name: str) -> type:
        """Return the type of a tensor's codes."""
        return np.int8 if self.plan.tensors[name].signed else np.uint8

    def typed(self, name: str, values: Any) -> np.ndarray:
        """Return codes of a tensor in their type."""
        return np.asarray(values).astype(self.type_of(name))

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> None:
        """Add an operator."""
        import onnx

        self.nodes.append(onnx.helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))

    def constant(self, name: str, value: Any) -> str:
        """Add a constant; return its name."""
        import onnx

        self.constants.append(onnx.numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def scaled(self, name: str, by: str) -> list[str]:
        """Return the names of a tensor's scale and zero point, constants that an operator called ``by`` reads."""
        entry, at = self.plan.tensors[name], f"{by}/{name}/{len(self.constants)}"
        scale = self.constant(f"{at}/scale", np.float32(entry.scale))
        return [scale, self.constant(f"{at}/zero_point", self.typed(name, entry.zero_point))]

    def quantized(self, name: str, by: str) -> list[str]:
        """Return the names of a tensor, its scale and its zero point."""
        return [name, *self.scaled(name, by)]

    def weights(self, one: Conv2D | Dense, kernel: np.ndarray) -> tuple[list[str], str]:
        """Return the names of weights (…, outputs), their scale and zero point, and that of the bias."""
        entry, source = self.plan.weights[one.name], self.plan.tensors[one.inputs[0]]
        scales = np.broadcast_to(np.asarray(entry.scale), kernel.shape[-1:])
        codes = quantized(kernel, scales, 2 ** (entry.bits - 1) - 1).astype(np.int8)
        if isinstance(one, Conv2D):
            codes = codes.transpose(3, 2, 0, 1)
        names = [self.constant(f"{one.name}/weights", codes)]
        names.append(self.constant(f"{one.name}/weights/scale", scales.astype(np.float32)))
        names.append(self.constant(f"{one.name}/weights/zero_point", np.zeros(scales.shape, np.int8)))
        bias = quantized(one.bias, source.scale * scales, 2**31 - 1).astype(np.int32)
        return names, self.constant(f"{one.name}/bias", bias)


def write_conv(graph: Graph, one: Conv2D) -> None:
    """Add QLinearConv."""
    weights, bias = graph.weights(one, one.kernel)
    inputs = [*graph.quantized(one.inputs[0], one.name), *weights, *graph.scaled(one.name, one.name), bias]
    attributes: dict[str, Any] = {"strides": one.strides, "dilations": one.dilation, "group": one.groups}
    attributes["pads"] = pads(one.padding)
    graph.node("QLinearConv", inputs, one.name, **attributes)


def write_dense(graph: Graph, one: Dense) -> None:
    """Add QGemm."""
    weights, bias = graph.weights(one, one.kernel)
    inputs = [*graph.quantized(one.inputs[0], one.name), *weights, bias, *graph.scaled(one.name, one.name)]
    graph.node("QGemm", inputs, one.name, MICROSOFT)


def write_two(graph: Graph, one: Add | Multiply) -> None:
    """Add QLinearAdd or QLinearMul."""
    first, second = (graph.quantized(name, one.name) for name in one.inputs)
    inputs = [*first, *second, *graph.scaled(one.name, one.name)]
    graph.node("QLinearAdd" if isinstance(one, Add) else "QLinearMul", inputs, one.name, MICROSOFT)


def write_concatenate(graph: Graph, one: Concatenate) -> None:
    """Add QLinearConcat."""
    inputs = graph.scaled(one.name, one.name)
    for name in one.inputs:
        inputs += graph.quantized(name, one.name)
    axes = (2, 3, 1) if len(graph.network.shapes[one.name]) == 3 else (1,)
    graph.node("QLinearConcat", inputs, one.name, MICROSOFT, axis=axes[one.axis])


def write_mean(graph: Graph, one: Mean) -> None:
    """Add QLinearGlobalAveragePool."""
    inputs = [*graph.quantized(one.inputs[0], one.name), *graph.scaled(one.name, one.name)]
    graph.node("QLinearGlobalAveragePool", inputs, one.name, MICROSOFT, channels_last=0)


def write_average(graph: Graph, one: AveragePool) -> None:
    """Add QLinearAveragePool."""
    inputs = [*graph.quantized(one.inputs[0], one.name), *graph.scaled(one.name, one.name)]
    graph.node("QLinearAveragePool", inputs, one.name, MICROSOFT, **window(one), count_include_pad=0)


def write_max(graph: Graph, one: MaxPool) -> None:
    """Add MaxPool."""
    graph.node("MaxPool", one.inputs, one.name, **window(one))


def write_curve(graph: Graph, one: Curve) -> None:
    """Add QLinearSigmoid or QLinearLeakyRelu."""
    inputs = [*graph.quantized(one.inputs[0], one.name), *graph.scaled(one.name, one.name)]
    attributes = {"alpha": one.parameters[0]} if one.parameters else {}
    graph.node(FUNCTIONS[one.function], inputs, one.name, MICROSOFT, **attributes)


def write_softmax(graph: Graph, one: Softmax) -> None:
    """Add QLinearSoftmax."""
    inputs = [*graph.quantized(one.inputs[0], one.name), *graph.scaled(one.name, one.name)]
    axes = (2, 3, 1) if len(graph.network.shapes[one.name]) == 3 else (1,)
    graph.node("QLinearSoftmax", inputs, one.name, MICROSOFT, axis=axes[one.axis], opset=13)


def write_reshape(graph: Graph, one: Reshape) -> None:
    """Add Reshape, behind Transpose where the input is an image."""
    source, shape = one.inputs[0], graph.network.shapes[one.name]
    assert len(shape) == 1, "images are made of nothing else"
    if len(graph.network.shapes[source]) == 3:
        graph.node("Transpose", [source], f"{one.name}/transposed", perm=(0, 2, 3, 1))
        source = f"{one.name}/transposed"
    graph.node("Reshape", [source, graph.constant(f"{one.name}/shape", np.array([-1, *shape], np.int64))], one.name)


def pads(padding: Any) -> list[int]:
    """Return paddings of rows and columns as ONNX has them."""
    (top, bottom), (left, right) = padding
    return [top, left, bottom, right]


def window(one: AveragePool | MaxPool) -> dict[str, Any]:
    """Return the attributes of a pooling."""
    return {"kernel_shape": one.window, "strides": one.strides, "pads": pads(one.padding)}


WRITERS: Mapping[type[Operation], Callable[[Graph, Any], None]] = {
    Add: write_two,
    AveragePool: write_average,
    Concatenate: write_concatenate,
    Conv2D: write_conv,
    Curve: write_curve,
    Dense: write_dense,
    MaxPool: write_max,
    Mean: write_mean,
    Multiply: write_two,
    Reshape: write_reshape,
    Softmax: write_softmax,
}
