"""Operations at which branches meet (docs/arithmetic.md, section 5)."""

from __future__ import annotations

from oracle.finish import Finish, Output
from oracle.ledger import Point
from oracle.overflow import Format
from oracle.rescale import Rescaling
from oracle.tensor import Layer, Made, Shape, Tensor, coordinates, index_of, place_of, size_of


class Addition:
    """The datapath of an element-wise addition, and its ledger."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        channels = layer.inputs[0].shape[-1]
        self.inputs = layer.inputs
        unscaled = layer.settings["requantize"]["kind"] == "none"
        self.left_shift: int = 0 if unscaled else layer.settings["addition"]["left_shift"]
        self.common: float = 2 * max(one.scale for one in layer.inputs)
        self.rescaling = Rescaling(layer.settings, channels, "input")
        self.format = Format.of(layer.settings["addition"]["accumulator"])
        self.sums = Point("accumulator", channels, last=True)
        self.finish = Finish(layer.operation.get("activation"), layer.settings, layer.plan, channels)
        self.points = [*self.rescaling.points, self.sums, *self.finish.points]

    def run(self, sample: int, number: int) -> int:
        """Return the code of one output."""
        place = place_of(sample, number, self.inputs[0].shape)
        values = []
        for one in self.inputs:
            shifted = (one.samples[sample][number] - one.zero_point) * 2**self.left_shift
            values.append(self.rescaling.rescale(shifted, one.scale / self.common, number, place))
        total = self.sums.add_up(values, self.format, place)
        return self.finish.run(total, self.common / 2.0**self.left_shift, number, place).code


def add(layer: Layer) -> Made:
    """Add tensors of one shape."""
    addition = Addition(layer)
    shape = layer.inputs[0].shape
    samples = [
        [addition.run(sample, number) for number in range(size_of(shape))]
        for sample in range(len(layer.inputs[0].samples))
    ]
    return Made(shape, samples, addition.points)


class Joint:
    """Brings the inputs of a concatenation to the output's scale and zero point, with a ledger."""

    def __init__(self, layer: Layer, channels: int) -> None:
        """Begin an empty ledger."""
        self.plan = layer.plan
        self.rescaling = Rescaling(layer.settings, channels, "input")
        self.output = Output(layer.settings, layer.plan, channels)
        rescaled = any(self.changes(one) for one in layer.inputs)
        self.points = [*self.rescaling.points, self.output.point] if rescaled else []

    def changes(self, one: Tensor) -> bool:
        """Return whether the codes of an input are not those of the output."""
        return (one.scale, one.zero_point) != (self.plan["scale"], self.plan["zero_point"])

    def code(self, one: Tensor, sample: int, number: int, target: tuple[int, Shape]) -> int:
        """Return the code of value ``number`` of an input; ``target`` is its index in the output's shape."""
        code = one.samples[sample][number]
        if not self.changes(one):
            return code
        place = place_of(sample, *target)
        ratio = one.scale / self.plan["scale"]
        return self.output.store(self.rescaling.rescale(code - one.zero_point, ratio, number, place), place)


def concatenate(layer: Layer) -> Made:
    """Join tensors along an axis."""
    first = layer.inputs[0].shape
    axis = layer.operation["axis"] % len(first)
    joined = sum(one.shape[axis] for one in layer.inputs)
    shape = (*first[:axis], joined, *first[axis + 1 :])
    joint = Joint(layer, shape[-1])
    made = Made(shape, [], joint.points)
    for sample in range(len(layer.inputs[0].samples)):
        stored = [0] * size_of(shape)
        offset = 0
        for one in layer.inputs:
            for number in range(size_of(one.shape)):
                at = list(coordinates(number, one.shape))
                at[axis] += offset
                index = index_of(tuple(at), shape)
                stored[index] = joint.code(one, sample, number, (index, shape))
            offset += one.shape[axis]
        made.samples.append(stored)
    return made
