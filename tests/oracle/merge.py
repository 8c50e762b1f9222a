"""Operations at which branches meet (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

from oracle.activation import Relu
from oracle.finish import Finish, InputRescaling, Output
from oracle.ledger import Place, Point
from oracle.levels import Entry, scales_of, shifts_of
from oracle.lfsr import Draws
from oracle.mac import Product
from oracle.overflow import Format
from oracle.rescale import Unit, as_float32, float_scaled, product_unit, sum_weights, to_float32
from oracle.rounding import rounded_fraction
from oracle.tensor import Layer, Made, Shape, Tensor, coordinates, index_of, place_of, size_of


class Addition:
    """The datapath of an element-wise addition, and its ledger."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        self.inputs = layer.inputs
        self.shape = stretched(layer.inputs)
        self.signs = [1, -1] if layer.operation["op"] == "Subtract" else [1] * len(layer.inputs)
        channels = self.shape[-1]
        self.rescaling = InputRescaling(layer.settings, channels)
        self.weights: list[int] = []
        if layer.settings["addition"].get("kind", "rescaled") == "weighted":
            self._weigh(layer)
            return
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

    def _weigh(self, layer: Layer) -> None:
        """Begin an addition whose inputs have integer weights, with one shift behind it."""
        section, scale = layer.settings["addition"], layer.plan["scale"]
        self.weights, shift = sum_weights([one.scale for one in layer.inputs], scale, section["multiplier_bits"])
        step = {"step": "shift_right", "by": shift, "rounding": section["rounding"], "name": "requantize"}
        settings = {**layer.settings, "requantize": {"kind": "steps", "steps": [{**step, "guard_bits": None}]}}
        channels = self.shape[-1]
        self.unit = Unit(scale / 2.0**shift)
        self.format = Format.of(section["accumulator"])
        self.sums = Point("accumulator", channels, last=True)
        self.finish = Finish(layer.operation.get("activation"), settings, layer.plan, channels)
        self.points = [self.sums, *self.finish.points]

    def run(self, sample: int, number: int) -> int:
        """Return the code of one output."""
        place = place_of(sample, number, self.shape)
        values = []
        for index, (one, sign) in enumerate(zip(self.inputs, self.signs, strict=True)):
            d = repeated(one, sample, number, self.shape)
            if self.weights:
                v = self.weights[index] * d
            else:
                x = d * 2**self.left_shift
                v = self.rescaling.rescale(x, (one.scale, self.common), number, place) if self.scaled else x
            values.append(sign * v)
        total = self.sums.add_up(values, self.format, place)
        return self.finish.run(total, self.unit, number, place)


class FloatAddition:
    """An addition in float32, whose sum is rounded with the zero points in it, and its ledger."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        self.shape = stretched(layer.inputs)
        channels = self.shape[-1]
        signs = [1, -1] if layer.operation["op"] == "Subtract" else [1] * len(layer.inputs)
        self.inputs = list(zip(layer.inputs, signs, strict=True))
        few = [one.shape[:-1] != self.shape[:-1] and set(one.shape[:-1]) == {1} for one in layer.inputs]
        if few == [True, False]:
            self.inputs.reverse()
        self.scales = scales_of(layer.plan, channels)
        self.rounding: str = layer.settings["addition"]["rounding"]
        self.draws = Draws(layer.settings["random"])
        self.point = Point("requantize", channels)
        self.relu = Relu(layer.operation.get("activation"), layer.settings, channels)
        self.output = Output(layer.settings, layer.plan, channels)
        self.points = [self.point, *self.relu.points, self.output.point]

    def run(self, sample: int, number: int) -> int:
        """Return the code of one output."""
        place = place_of(sample, number, self.shape)
        scale, zero_point = self.scales[place.channel], self.output.zero_point
        ratios = [
            sign * to_float32(Fraction(as_float32(one.scale)) / Fraction(as_float32(scale)))
            for one, sign in self.inputs
        ]
        behind = list(zip((one for one, _ in self.inputs), ratios, strict=True))[::-1]
        taken = Fraction(0)
        for one, ratio in behind:
            taken = to_float32(ratio * one.zero_point + taken)
        total = to_float32(zero_point - taken)
        for one, ratio in behind:
            total = to_float32(ratio * (repeated(one, sample, number, self.shape) + one.zero_point) + total)
        rounded = rounded_fraction(total, self.rounding, self.draws.draw(number, self.rounding), self.draws.bits)
        x = self.point.round_only(rounded._replace(value=rounded.value - zero_point), place)
        return self.output.store(self.relu.apply(x, scale, number, place), place)


def add(layer: Layer) -> Made:
    """Add tensors, or subtract the second of two from the first; axes of size 1 are repeated."""
    in_floats = layer.settings["addition"].get("kind") == "float32"
    addition = FloatAddition(layer) if in_floats else Addition(layer)
    samples = [
        [addition.run(sample, number) for number in range(size_of(addition.shape))]
        for sample in range(len(layer.inputs[0].samples))
    ]
    return Made(addition.shape, samples, addition.points)


def stretched(inputs: list[Tensor]) -> Shape:
    """Return the shape to which axes of size 1 are repeated."""
    return tuple(max(sizes) for sizes in zip(*(one.shape for one in inputs), strict=True))


def multiply(layer: Layer) -> Made:
    """Multiply two tensors element by element; axes of size 1 are repeated."""
    a, b = layer.inputs
    shape = stretched(layer.inputs)
    product = Product(layer.settings["multiplication"]["product"], layer.settings["random"], shape[-1])
    finish = Finish(layer.operation.get("activation"), layer.settings, layer.plan, shape[-1])
    unit = product_unit(a.scale, b.scale, product.shift)
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


def parts(layer: Layer) -> list[slice]:
    """Return which channels of a concatenation's output those of each input become."""
    rank = len(layer.inputs[0].shape)
    if layer.operation["axis"] % rank != rank - 1:
        return [slice(None)] * len(layer.inputs)
    ends = list(accumulate(one.shape[-1] for one in layer.inputs))
    return [slice(end - one.shape[-1], end) for one, end in zip(layer.inputs, ends, strict=True)]


def differs(one: Tensor, plan: Entry, part: slice) -> bool:
    """Return whether the codes of an input are not those of ``part`` of the channels of an output."""
    if any(one.plan[key] != plan[key] for key in ("scale", "zero_point", "bits", "signed", "narrow")):
        return True
    if (one.plan.get("levels") or None) != (plan.get("levels") or None):
        return True
    shifts = plan.get("shift")
    return shifts_of(one.plan, one.shape[-1]) != (list(shifts)[part] if shifts else [0] * one.shape[-1])


def copies(layer: Layer) -> bool:
    """Return whether a concatenation does nothing but move codes."""
    return not any(differs(one, layer.plan, part) for one, part in zip(layer.inputs, parts(layer), strict=True))


class Joint:
    """Brings the inputs of a concatenation to the output's scale and zero point, with a ledger."""

    def __init__(self, layer: Layer, channels: int) -> None:
        """Begin an empty ledger."""
        self.differ = [differs(one, layer.plan, part) for one, part in zip(layer.inputs, parts(layer), strict=True)]
        self.scales = scales_of(layer.plan, channels)
        self.among = [range(*part.indices(channels)) for part in parts(layer)]
        rescaled = [len(part) for part, differ in zip(self.among, self.differ, strict=True) if differ]
        self.rescaling = InputRescaling(layer.settings, channels, next(iter(rescaled), None))
        self.output = Output(layer.settings, layer.plan, channels)
        self.floats = layer.settings.get("concatenation", {}).get("kind") == "float32"
        self.point = Point("input", channels)
        points = [self.point] if self.floats else self.rescaling.points if self.rescaling.by_ratio else []
        self.points = [*points, self.output.point] if any(self.differ) else []
        self.inputs = layer.inputs

    def code(self, which: int, sample: int, number: int, target: tuple[int, Shape]) -> int:
        """Return the code of value ``number`` of an input; ``target`` is its index in the output's shape."""
        one = self.inputs[which]
        code = one.samples[sample][number]
        if not self.differ[which]:
            return code
        place = place_of(sample, *target)
        scales = (one.scale, self.scales[place.channel])
        if self.floats:
            return self.output.store(self._in_float32(code - one.zero_point, scales, place), place)
        if not self.rescaling.by_ratio:
            if scales[0] != scales[1]:
                raise ValueError(f"scales {scales} meet, and nothing goes by ratio")
            return self.output.store(code - one.zero_point, place)
        rescaled = self.rescaling.rescale(code - one.zero_point, scales, number, place, self.among[which])
        return self.output.store(rescaled, place)

    def _in_float32(self, d: int, scales: tuple[float, float], place: Place) -> int:
        """Return a code less its zero point, times its scale and divided by another."""
        scaled = float_scaled(d, scales[0], 32, scales[1])
        return self.point.round_only(rounded_fraction(scaled, "half_even"), place)


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
        for which, one in enumerate(layer.inputs):
            for number in range(size_of(one.shape)):
                at = list(coordinates(number, one.shape))
                at[axis] += offset
                index = index_of(tuple(at), shape)
                stored[index] = joint.code(which, sample, number, (index, shape))
            offset += one.shape[axis]
        made.samples.append(stored)
    return made
