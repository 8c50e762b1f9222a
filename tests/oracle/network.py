"""Whole networks: every code, the values inside the multiply-accumulate operations, and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from oracle import merge
from oracle.alone import activation
from oracle.curve import curve
from oracle.fixed_softmax import FixedSoftmax
from oracle.ledger import Point
from oracle.levels import decoded, encoded, integer_entry, scales_of
from oracle.line_softmax import LineSoftmax
from oracle.matmul import matmul
from oracle.mean import mean
from oracle.movement import crop, pad, rearrange, reshape
from oracle.multiply import multiply
from oracle.normalize import normalize
from oracle.overflow import Format
from oracle.polynomial_softmax import PolynomialSoftmax
from oracle.pooling import average_pool, max_pool
from oracle.prelu import prelu
from oracle.quantize import Quantizer
from oracle.resize import resize
from oracle.softmax import SoftmaxOfCodes, flat_mask, softmax, softmax_of_codes
from oracle.tensor import Layer, Made, Shape, Tensor, flat, place_of, shape_of, size_of

Json = dict[str, Any]


@dataclass
class Result:
    """Of every operation: its codes, values of its pipeline and its ledger, as plain lists."""

    codes: dict[str, list[Any]] = field(default_factory=dict)
    values: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    ledger: dict[str, dict[str, Json]] = field(default_factory=dict)


def network_input(layer: Layer, data: list[Any]) -> Made:
    """Quantise an input of the network, or what the host gives."""
    shape = shape_of(data[0])
    if layer.operation.get("indices"):
        plain = {**layer.settings, "activations": {**layer.settings["activations"], "rounding": "floor"}}
        layer = replace(layer, settings=plain)
    return coded(layer, Point("input", shape[-1]), shape, data)


def constant(layer: Layer) -> Made:
    """Quantise values of the model, the same for every sample."""
    values = layer.operation["values"]
    shape = shape_of(values)
    once = coded(layer, Point("constant", shape[-1]), shape, [values])
    return Made(shape, once.samples * len(layer.inputs[0].samples), once.points)


def embedding(layer: Layer) -> Made:
    """Quantise a table, once, and read the row of each code."""
    table, source = layer.operation["table"], layer.inputs[0]
    width = len(table[0])
    once = coded(layer, Point("constant", width), shape_of(table), [table])
    rows = [once.samples[0][first : first + width] for first in range(0, len(table) * width, width)]
    samples = [[code for index in indices for code in rows[index]] for indices in source.samples]
    return Made((*source.shape, width), samples, once.points)


def coded(layer: Layer, point: Point, shape: Shape, data: list[Any]) -> Made:
    """Quantise real values, one nested list for each sample."""
    rounding = layer.settings["activations"]["rounding"]
    quantizer = Quantizer(point, Format.stored(layer.plan), rounding)
    scales, zero_point = scales_of(layer.plan, shape[-1]), layer.plan["zero_point"]
    samples = [
        [
            quantizer.code(real, scales[number % shape[-1]], zero_point, place_of(sample, number, shape))
            for number, real in enumerate(flat(nested))
        ]
        for sample, nested in enumerate(data)
    ]
    return Made(shape, samples, [point])


SOFTMAXES: dict[str, Callable[[float, int], SoftmaxOfCodes]] = {
    "fixed": FixedSoftmax,
    "interpolated": LineSoftmax,
    "polynomial": PolynomialSoftmax,
}
"""The forms of a softmax of codes, under what its settings say."""


def form_of_softmax(layer: Layer) -> Made:
    """Compute a softmax of codes as its settings say."""
    source, form = layer.inputs[0], SOFTMAXES[layer.settings["softmax"]["run_on"]]
    return softmax_of_codes(layer, form(source.scale, source.shape[-1]))


OPERATIONS: dict[str, Callable[[Layer], Made]] = {
    "Activation": activation,
    "Add": merge.add,
    "Subtract": merge.add,
    "Constant": constant,
    "Curve": curve,
    "Embedding": embedding,
    "MatMul": matmul,
    "Rearrange": rearrange,
    "Resize": resize,
    "AveragePool": average_pool,
    "Concatenate": merge.concatenate,
    "Conv2D": multiply,
    "Conv2DTranspose": multiply,
    "Crop": crop,
    "Dense": multiply,
    "MaxPool": max_pool,
    "Mean": mean,
    "Multiply": merge.multiply,
    "Normalize": normalize,
    "Pad": pad,
    "Prelu": prelu,
    "Reshape": reshape,
    "ScaleShift": multiply,
    "Softmax": form_of_softmax,
}


MOVES = ("Crop", "MaxPool", "Pad", "Rearrange", "Reshape")
"""Operations that take stored codes as they are."""

KEEPS_SHIFTS = ("AveragePool", "Resize")
"""Operations that keep the scale of each channel, so that shifts stay outside."""


def run(network: Json, plan: Json, settings: Json, inputs: list[Any]) -> Result:
    """Run ``inputs`` (for each input of the network, nested lists with the samples outermost)."""
    result = Result()
    tensors: dict[str, Tensor] = {}
    waiting = list(inputs)
    for operation in network["operations"]:
        name = operation["name"]
        sources = [tensors[one] for one in operation.get("inputs", ())]
        if operation["op"] == "Softmax" and settings[name]["softmax"]["run_on"] == "host":
            mask = flat_mask(operation.get("mask"), size_of(sources[0].shape))
            shares = softmax(decoded(sources[0]), operation["axis"], mask)
            result.codes[name], result.ledger[name] = flat(shares), {}
            if not any(name in other.get("inputs", ()) for other in network["operations"]):
                continue
            waiting.insert(0, [nested(one, sources[0].shape) for one in shares])
        entry = plan["tensors"][name]
        layer = Layer(operation, settings[name], entry, plan["weights"].get(name, {}), sources)
        made = _make(layer, waiting)
        tensors[name] = Tensor(made.shape, made.samples, entry)
        _keep(result, name, made)
    return result


def nested(values: list[float], shape: Shape) -> Any:
    """Return flat values as lists in lists."""
    if not shape:
        return values[0]
    size = len(values) // shape[0]
    return [nested(values[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def _make(layer: Layer, waiting: list[Any]) -> Made:
    """Run one operation: on codes if it only moves them, else on the integers that codes stand for."""
    op = layer.operation["op"]
    if op in MOVES or (op == "Concatenate" and merge.copies(layer)):
        return OPERATIONS[op](layer)
    inputs = [decoded(one, shifts=op not in KEEPS_SHIFTS) for one in layer.inputs]
    integers = replace(layer, plan=integer_entry(layer.plan), inputs=inputs)
    # What a softmax on the host gives comes back as the input of the network does.
    real = op == "Input" or (op == "Softmax" and layer.settings["softmax"]["run_on"] == "host")
    made = network_input(integers, waiting.pop(0)) if real else OPERATIONS[op](integers)
    return encoded(made, layer.plan)


def _keep(result: Result, name: str, made: Made) -> None:
    """Enter what an operation made into the result."""
    result.codes[name] = flat(made.samples)
    names = [point.name for point in made.points]
    if len(set(names)) < len(names):
        raise ValueError(f"{name}: two points of one name among {names}")
    result.ledger[name] = {point.name: point.figures() for point in made.points}
    if made.values:
        result.values[name] = made.values
