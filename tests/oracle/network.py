"""Whole networks: every code, the values inside the multiply-accumulate operations, and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from oracle import merge
from oracle.activation import Relu
from oracle.finish import Finish, Output
from oracle.ledger import Point
from oracle.levels import decoded, encoded, integer_entry, scales_of
from oracle.movement import crop, pad, reshape
from oracle.multiply import multiply
from oracle.overflow import Format
from oracle.pooling import average_pool, max_pool
from oracle.quantize import Quantizer
from oracle.rescale import Unit
from oracle.softmax import softmax
from oracle.tensor import Layer, Made, Tensor, flat, place_of

Json = dict[str, Any]


@dataclass
class Result:
    """Of every operation: its codes, values of its pipeline and its ledger, as plain lists."""

    codes: dict[str, list[Any]] = field(default_factory=dict)
    values: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    ledger: dict[str, dict[str, Json]] = field(default_factory=dict)


def activation(layer: Layer) -> Made:
    """Compute an activation that stands alone."""
    source, function = layer.inputs[0], layer.operation["function"]
    clamped = layer.settings["activation"].get("bounded", "rescaled") == "clamped"
    if clamped and function is not None and function.get("max_value") is not None:
        return clamped_codes(layer)
    finish = Finish(function, layer.settings, layer.plan, source.shape[-1])
    made = Made(source.shape, [], finish.points)
    unit = Unit(source.scale)
    for sample, codes in enumerate(source.samples):
        made.samples.append(
            [
                finish.run(code - source.zero_point, unit, number, place_of(sample, number, source.shape))
                for number, code in enumerate(codes)
            ]
        )
    return made


def clamped_codes(layer: Layer) -> Made:
    """Limit codes as they are, by the scale and the zero point of the input."""
    source, channels = layer.inputs[0], layer.inputs[0].shape[-1]
    relu = Relu(layer.operation["function"], layer.settings, channels)
    output = Output(layer.settings, layer.plan, channels)
    made = Made(source.shape, [], [*relu.points, output.point])
    for sample, codes in enumerate(source.samples):
        stored = []
        for number, code in enumerate(codes):
            place = place_of(sample, number, source.shape)
            limited = relu.apply(code - source.zero_point, source.scale, number, place)
            stored.append(output.store_as_is(limited + source.zero_point, place))
        made.samples.append(stored)
    return made


def network_input(layer: Layer, data: list[Any]) -> Made:
    """Quantise an input of the network."""
    shape = tuple(layer.operation["shape"])
    point = Point("input", shape[-1])
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


OPERATIONS: dict[str, Callable[[Layer], Made]] = {
    "Activation": activation,
    "Add": merge.add,
    "AveragePool": average_pool,
    "Concatenate": merge.concatenate,
    "Conv2D": multiply,
    "Conv2DTranspose": multiply,
    "Crop": crop,
    "Dense": multiply,
    "MaxPool": max_pool,
    "Multiply": merge.multiply,
    "Pad": pad,
    "Reshape": reshape,
    "ScaleShift": multiply,
}


MOVES = ("Crop", "MaxPool", "Pad", "Reshape")
"""Operations that take stored codes as they are."""


def run(network: Json, plan: Json, settings: Json, inputs: list[Any]) -> Result:
    """Run ``inputs`` (for each input of the network, nested lists with the samples outermost)."""
    result = Result()
    tensors: dict[str, Tensor] = {}
    waiting = list(inputs)
    for operation in network["operations"]:
        name = operation["name"]
        sources = [tensors[one] for one in operation.get("inputs", ())]
        if operation["op"] == "Softmax":
            result.codes[name] = flat(softmax(decoded(sources[0]), operation["axis"]))
            result.ledger[name] = {}
            continue
        entry = plan["tensors"][name]
        layer = Layer(operation, settings[name], entry, plan["weights"].get(name, {}), sources)
        made = _make(layer, waiting)
        tensors[name] = Tensor(made.shape, made.samples, entry)
        _keep(result, name, made)
    return result


def _make(layer: Layer, waiting: list[Any]) -> Made:
    """Run one operation: on codes if it only moves them, else on the integers that codes stand for."""
    op = layer.operation["op"]
    if op in MOVES or (op == "Concatenate" and merge.copies(layer)):
        return OPERATIONS[op](layer)
    # A mean keeps the scale of each channel, so shifts stay outside.
    inputs = [decoded(one, shifts=op != "AveragePool") for one in layer.inputs]
    integers = replace(layer, plan=integer_entry(layer.plan), inputs=inputs)
    made = network_input(integers, waiting.pop(0)) if op == "Input" else OPERATIONS[op](integers)
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
