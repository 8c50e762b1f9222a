"""Operations at which branches meet (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from collections.abc import Callable

from oracle.finish import Finish, InputRescaling, Output
from oracle.ledger import Point
from oracle.levels import decoded, has_levels, is_shifted, level_format, scale_of
from oracle.mac import Product
from oracle.overflow import Format
from oracle.rescale import Unit
from oracle.tensor import Layer, Made, Shape, Tensor, coordinates, index_of, place_of, size_of


class Addition:
    """The datapath of an element-wise addition, and its ledger."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        channels = layer.inputs[0].shape[-1]
        self.inputs = layer.inputs
        self.rescaling = InputRescaling(layer.settings, channels)
        self.scaled = self.rescaling.by_ratio
        self.left_shift: int = layer.settings["addition"]["left_shift"] if self.scaled else 0
        largest = max(one.scale for one in layer.inputs)
        self.common = 2 * largest
        self.unit = Unit(self.common / 2.0**self.left_shift if self.scaled else largest)
        if not self.scaled and any(one.scale != largest for one in layer.inputs):
            raise ValueError("inputs of different scales, and nothing goes by ratio")
        self.format = Format.of(layer.settings["addition"]["accumulator"])
        self.sums = Point("accumulator", channels, last=True)
        self.finish = Finish(layer.operation.get("activation"), layer.settings, layer.plan, channels)
        self.points = [*(self.rescaling.points if self.scaled else []), self.sums, *self.finish.points]

    def run(self, sample: int, number: int) -> int:
        """Return the code of one output."""
        place = place_of(sample, number, self.inputs[0].shape)
        values = []
        for one in self.inputs:
            x = (one.samples[sample][number] - one.zero_point) * 2**self.left_shift
            values.append(self.rescaling.rescale(x, (one.scale, self.common), number, place) if self.scaled else x)
        total = self.sums.add_up(values, self.format, place)
        return self.finish.run(total, self.unit, number, place)


def add(layer: Layer) -> Made:
    """Add tensors of one shape."""
    addition = Addition(layer)
    shape = layer.inputs[0].shape
    samples = [
        [addition.run(sample, number) for number in range(size_of(shape))]
        for sample in range(len(layer.inputs[0].samples))
    ]
    return Made(shape, samples, addition.points)


def multiply(layer: Layer) -> Made:
    """Multiply two tensors element by element; axes of size 1 are repeated."""
    a, b = layer.inputs
    shape = tuple(max(sizes) for sizes in zip(a.shape, b.shape, strict=True))
    product = Product(layer.settings["multiplication"]["product"], layer.settings["random"], shape[-1])
    finish = Finish(layer.operation.get("activation"), layer.settings, layer.plan, shape[-1])
    unit = Unit(a.scale * b.scale * 2.0**product.shift)
    made = Made(shape, [], [*product.points, *finish.points])
    for sample in range(len(a.samples)):
        stored = []
        for number in range(size_of(shape)):
            place = place_of(sample, number, shape)
            exact = repeated(a, sample, number, shape) * repeated(b, sample, number, shape)
            stored.append(finish.run(product.narrow(exact, number, place), unit, number, place))
        made.samples.append(stored)
    return made


def repeated(one: Tensor, sample: int, number: int, shape: Shape) -> int:
    """Return the value, less its zero point, that an input has at ``number`` of the output's shape."""
    at = tuple(min(i, size - 1) for i, size in zip(coordinates(number, shape), one.shape, strict=True))
    return one.samples[sample][index_of(at, one.shape)] - one.zero_point


class Joint:
    """Brings the inputs of a concatenation to the output's scale and zero point, with a ledger."""

    def __init__(self, layer: Layer, channels: int) -> None:
        """Begin an empty ledger."""
        self.plan = layer.plan
        self.rescaling = InputRescaling(layer.settings, channels)
        self.output = Output(layer.settings, layer.plan, channels)
        rescaled = any(self.changes(one) for one in layer.inputs)
        points = self.rescaling.points if self.rescaling.by_ratio else []
        self.points = [*points, self.output.point] if rescaled else []

    def changes(self, one: Tensor) -> bool:
        """Return whether the codes of an input are not those of the output."""
        keys = ("scale", "zero_point", "bits", "signed", "narrow")
        return is_shifted(self.plan) or any(one.plan[key] != self.plan[key] for key in keys)

    def code(self, one: Tensor, sample: int, number: int, target: tuple[int, Shape]) -> int:
        """Return the code of value ``number`` of an input; ``target`` is its index in the output's shape."""
        code = one.samples[sample][number]
        if not self.changes(one):
            return code
        place = place_of(sample, *target)
        scales = (one.scale, scale_of(self.plan, place.channel))
        if not self.rescaling.by_ratio:
            if scales[0] != scales[1]:
                raise ValueError(f"scales {scales} meet, and nothing goes by ratio")
            return self.output.store(code - one.zero_point, place)
        return self.output.store(self.rescaling.rescale(code - one.zero_point, scales, number, place), place)


def concatenate(layer: Layer) -> Made:
    """Join tensors along an axis."""
    first = layer.inputs[0].shape
    axis = layer.operation["axis"] % len(first)
    joined = sum(one.shape[axis] for one in layer.inputs)
    shape = (*first[:axis], joined, *first[axis + 1 :])
    if copies(layer):
        return joined_codes(layer, axis, shape, lambda one, sample, number, _target: one.samples[sample][number])
    plan = level_format(layer.plan) if has_levels(layer.plan) else layer.plan
    layer = Layer(layer.operation, layer.settings, plan, layer.weights, [decoded(one) for one in layer.inputs])
    joint = Joint(layer, shape[-1])
    made = joined_codes(layer, axis, shape, joint.code)
    made.points = joint.points
    return made


def copies(layer: Layer) -> bool:
    """Return whether every input's codes stand for the same in the output."""
    axes = len(layer.inputs[0].shape)
    side_by_side, first = layer.operation["axis"] % axes == axes - 1, 0
    for one in layer.inputs:
        channels = one.shape[-1]
        shift = layer.plan.get("shift") or []
        own = list(shift[first : first + channels]) if side_by_side else list(shift)
        same = {**one.plan, "shift": list(one.plan.get("shift") or [])}
        keys = ("scale", "zero_point", "bits", "signed", "narrow", "levels")
        if any(same.get(key) != layer.plan.get(key) for key in keys) or same["shift"] != own:
            return False
        first += channels
    return True


def joined_codes(
    layer: Layer, axis: int, shape: Shape, code: Callable[[Tensor, int, int, tuple[int, Shape]], int]
) -> Made:
    """Return the ``code`` of every value of every input at its place in the output."""
    made = Made(shape, [])
    for sample in range(len(layer.inputs[0].samples)):
        stored = [0] * size_of(shape)
        offset = 0
        for one in layer.inputs:
            for number in range(size_of(one.shape)):
                at = list(coordinates(number, one.shape))
                at[axis] += offset
                index = index_of(tuple(at), shape)
                stored[index] = code(one, sample, number, (index, shape))
            offset += one.shape[axis]
        made.samples.append(stored)
    return made
