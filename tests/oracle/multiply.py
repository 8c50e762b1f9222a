"""conv2d, depthwise_conv2d, conv2d_transpose, dense and scale_shift (docs/arithmetic.md, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import frexp
from typing import Any

from oracle.finish import Finish
from oracle.ledger import Place, Point
from oracle.mac import Datapath, Where, loop_ends, steps
from oracle.overflow import Format
from oracle.quantize import Quantizer, WeightQuantizer
from oracle.rescale import AccumulatorUnit, Unit, accumulator_unit
from oracle.tensor import Layer, Made, Shape, flat, index_of, size_of, windows


@dataclass(frozen=True)
class Geometry:
    """Any of these operations as a convolution of (h, w, c) by a kernel (kh, kw, c / groups, outputs)."""

    size: Shape
    kernel: list[Any]
    strides: list[int]
    dilation: list[int]
    padding: list[list[int]]
    groups: int

    @property
    def outputs(self) -> int:
        """How many output channels there are."""
        return len(self.kernel[0][0][0])

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """(kh, kw, c / groups, outputs)."""
        return (len(self.kernel), len(self.kernel[0]), len(self.kernel[0][0]), self.outputs)

    @property
    def rows_and_columns(self) -> tuple[int, int]:
        """How many windows there are each way."""
        rows, columns = (
            windows(self.size[i], self.kernel_shape[i], self.strides[i], self.padding[i], self.dilation[i])
            for i in (0, 1)
        )
        return rows, columns

    def along(self, axis: int, output: int, tap: int) -> int | None:
        """Return the row or column of the input that a step reads; None for none."""
        return output * self.strides[axis] - self.padding[axis][0] + tap * self.dilation[axis]

    def source(self, y: int, x: int, at: tuple[int, int, int], channel: int) -> int | None:
        """Return the index of the input value that a step of an output reads; None for padding."""
        row, column = self.along(0, y, at[0]), self.along(1, x, at[1])
        if row is None or column is None or not (0 <= row < self.size[0] and 0 <= column < self.size[1]):
            return None
        group = channel // (self.outputs // self.groups)
        return index_of((row, column, group * self.kernel_shape[2] + at[2]), self.size)


@dataclass(frozen=True)
class Transposed(Geometry):
    """A transposed convolution: an output of a given size, whose row 0 lies ``cut`` rows inside."""

    cut: list[int]
    output_size: list[int]

    @property
    def rows_and_columns(self) -> tuple[int, int]:
        """How many rows and columns of output there are."""
        return self.output_size[0], self.output_size[1]

    def along(self, axis: int, output: int, tap: int) -> int | None:
        """Return the row or column of the input that a step reads; None between two of them.

        >>> wide = Transposed((1, 3, 1), [], [1, 2], [1, 1], [], 1, [0, 1], [1, 4])
        >>> [wide.along(1, output, 0) for output in range(4)]
        [None, 1, None, 2]
        """
        index, between = divmod(output + self.cut[axis] - tap * self.dilation[axis], self.strides[axis])
        return None if between else index


def geometry(operation: Mapping[str, Any], shape: Shape) -> Geometry:
    """Return the operation as a convolution; dense and scale_shift see a column of positions."""
    one, none = [1, 1], [[0, 0], [0, 0]]
    column = (size_of(shape) // shape[-1], 1, shape[-1])
    if operation["op"] == "Dense":
        return Geometry(column, [[operation["kernel"]]], one, one, none, 1)
    if operation["op"] == "ScaleShift":
        return Geometry(column, [[[operation["scale"]]]], one, one, none, shape[-1])
    kernel, strides, dilation = operation["kernel"], operation.get("strides", one), operation.get("dilation", one)
    if operation["op"] == "Conv2DTranspose":
        return Transposed(shape, kernel, strides, dilation, none, 1, operation["cut"], operation["size"])
    return Geometry(shape, kernel, strides, dilation, operation.get("padding", none), operation.get("groups", 1))


def output_shape(operation: Mapping[str, Any], shape: Shape, geo: Geometry) -> Shape:
    """Return the shape of one sample of the result."""
    if operation["op"] in ("Conv2D", "Conv2DTranspose"):
        return (*geo.rows_and_columns, geo.outputs)
    return (*shape[:-1], geo.outputs)


def per_channel(entries: list[Any], channel: int) -> Any:
    """Return a channel's entry of a list with one entry for each channel or one for all."""
    return entries[channel] if len(entries) > 1 else entries[0]


def is_corrected(mac: Mapping[str, Any]) -> bool:
    """Return whether input codes are multiplied as they are stored, and the bias makes up for their zero point."""
    return bool(mac.get("input_zero_point", "removed") == "corrected")


def finer(unit: Unit, bits: int) -> Unit:
    """Return a unit whose LSB is 2^-bits of another's."""
    assert isinstance(unit, AccumulatorUnit)
    return replace(unit, value=unit.value * 2.0**-bits, shift=unit.shift - bits)


class Parameters:
    """Weights (the integers that the multiplier gets), biases and units of one layer, with their ledger."""

    def __init__(self, layer: Layer, geo: Geometry, finish: Finish) -> None:
        """Quantise weights and biases; a bias may enter in ``finish``."""
        self.layer, self.outputs, self.finish = layer, geo.outputs, finish
        sums = [self._unit(channel) for channel in range(geo.outputs)]
        self.above = [self._above(unit.value) for unit in sums]
        self.left = [max(-bits, 0) for bits in self.above]
        """By how many bits each channel's sum is shifted to a finer bias."""
        self.units = [finer(*pair) for pair in zip(sums, self.left, strict=True)]
        self.points = [Point("weight", geo.outputs), Point("bias", geo.outputs)]
        self.weights = self._weights(geo)
        self.biases = self._biases()

    def _unit(self, channel: int) -> Unit:
        """Return what one step of the channel's sum is worth."""
        mac = self.layer.settings["mac"]
        shift = sum(stage["shift"] for stage in mac["stages"])
        shift += mac["product"]["shift"] if mac["product"] else 0
        scales = self.layer.weights["scale"]
        alone = not isinstance(scales, list) or len(scales) == 1
        return accumulator_unit(self.layer.inputs[0].scale, per_channel(scales, channel), shift, alone=alone)

    def _above(self, unit: float) -> int:
        """Return how many bits an LSB of a bias code is above that of the sum."""
        section = self.layer.settings["bias"]
        if section.get("scale", "sum") == "sum":
            return int(section.get("shift", 0))
        fraction, exponent = frexp(self.layer.weights["bias_scale"] / unit)
        if fraction != 0.5:
            raise ValueError("the scales of bias and sum differ by more than a shift")
        return exponent - 1

    def _weights(self, geo: Geometry) -> list[int]:
        """Return the weights in the kernel's row-major order."""
        plan = self.layer.weights
        quantizer = WeightQuantizer(self.points[0], plan, self.layer.settings["weights"])
        weights = []
        for number, real in enumerate(flat(geo.kernel)):
            place = Place(0, number // self.outputs, number % self.outputs)
            scale, zero = (per_channel(plan[key], place.channel) for key in ("scale", "zero_point"))
            input_channel = place.position % geo.kernel_shape[2]
            weights.append(quantizer.weight(real, scale, zero, input_channel, place))
        return weights

    def _biases(self) -> list[int]:
        """Return what is added for each output: the bias codes, shifted, and corrections for the zero point."""
        section = self.layer.settings["bias"]
        target = Format(section["bits"], True, section["overflow"])
        quantizer = Quantizer(self.points[1], target, section["rounding"], section.get("division", "float64"))
        biases = []
        for channel, real in enumerate(self.layer.operation["bias"]):
            unit, above, left = self._bias_unit(channel), self.above[channel], self.left[channel]
            scale = unit * 2.0 ** max(above, 0)
            place = Place(0, 0, channel)
            code = quantizer.code(real, scale, 0, place) if unit else quantizer.code(0.0, 1.0, 0, place)
            biases.append(code * 2 ** max(above, 0) + self._correction(channel) * 2**left)
        return biases

    def _bias_unit(self, channel: int) -> float:
        """Return the unit of what the channel's bias is added to."""
        unit = self.units[channel]
        return self.finish.unit_at_bias(unit, channel) if self.finish.takes_bias else unit.value

    def _correction(self, channel: int) -> int:
        """Return what makes up for the zero point in the channel's inputs, if it is there."""
        if not is_corrected(self.layer.settings["mac"]):
            return 0
        return -self.layer.inputs[0].zero_point * sum(self.weights[channel :: self.outputs])


def multiply(layer: Layer) -> Made:
    """Compute an operation that multiplies by weights and accumulates."""
    operation, settings, source = layer.operation, layer.settings, layer.inputs[0]
    geo = geometry(operation, source.shape)
    shape = output_shape(operation, source.shape, geo)
    finish = Finish(operation.get("activation"), settings, layer.plan, geo.outputs)
    if finish.takes_bias != (settings["bias"]["position"] == "steps"):
        raise ValueError("a step bias goes with the position steps, and the position with the step")
    parameters = Parameters(layer, geo, finish)
    loops = (*geo.kernel_shape[:3], settings["mac"])
    order, ends = steps(*loops), loop_ends(*loops)
    datapath = Datapath(settings["mac"], settings["bias"]["position"], settings["random"], geo.outputs, ends)
    made = Made(shape, [], [*parameters.points, *datapath.points, *finish.points])
    made.values = {"accumulator": [], **finish.walk.trace}
    for sample, codes in enumerate(source.samples):
        operands = _operands(codes, source.zero_point, is_corrected(settings["mac"]))
        stored = []
        for number in range(size_of(shape)):
            position, channel = divmod(number, geo.outputs)
            pairs = _pairs(operands, parameters.weights, geo, order, (position, channel))
            where = Where(sample, position, channel, number, len(order))
            bias = parameters.biases[channel]
            total = datapath.run(pairs, bias, where, parameters.left[channel])
            made.values["accumulator"].append(total)
            stored.append(finish.run(total, parameters.units[channel], number, where.place(), bias))
        made.samples.append(stored)
    return made


def _operands(codes: list[int], zero_point: int, stored: bool) -> dict[int | None, int]:
    """Return what goes into the multiplier for each code, and for padding (None): codes as stored, or less zero point.

    >>> _operands([5, 7], 4, stored=True), _operands([5, 7], 4, stored=False)
    ({None: 4, 0: 5, 1: 7}, {None: 0, 0: 1, 1: 3})
    """
    all_codes: dict[int | None, int] = {None: zero_point, **dict(enumerate(codes))}
    return {index: code if stored else code - zero_point for index, code in all_codes.items()}


def _pairs(
    operands: Mapping[int | None, int],
    weights: list[int],
    geo: Geometry,
    order: list[tuple[int, int, int]],
    output: tuple[int, int],
) -> list[tuple[int, int]]:
    """Return (input, weight) of every step of the output (position, channel)."""
    position, channel = output
    y, x = divmod(position, geo.rows_and_columns[1])
    return [
        (operands[geo.source(y, x, at, channel)], weights[index_of((*at, channel), geo.kernel_shape)]) for at in order
    ]
