"""Check a program that came from a file, so that no kernel reads or writes outside its arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import ProgramError
from hwsim.formats import IntFormat, Overflow, Rounding, bits_needed
from hwsim.program.pipeline import MAX_SHIFT
from hwsim.program.program import Program
from hwsim.program.records import (
    ClipHigh,
    ClipLow,
    ConstantCodes,
    CountLevels,
    CropCodes,
    Decode,
    DividedSoftmax,
    Encode,
    FitTo,
    FixedSoftmax,
    FloatAverage,
    FloatSum,
    HostSoftmax,
    Interpolate,
    IntOperation,
    Join,
    LineSoftmax,
    LookUp,
    MatrixProduct,
    MultiplyAccumulate,
    MultiplyBy,
    NormalizeCodes,
    PadCodes,
    PickCodes,
    PickRows,
    PolynomialSoftmax,
    PoolAverage,
    PoolMax,
    Product,
    Quantize,
    Relabel,
    Rescale,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    SlopedSum,
    Step,
    Sum,
    TableSoftmax,
    Tensor,
)
from hwsim_kernels import softmax_lines
from hwsim_kernels.counting import COLUMNS
from hwsim_kernels.fields import (
    BITS,
    CHECK_EACH,
    FIELDS,
    OVERFLOW,
    ROUNDING,
    SATURATED_BITS,
    SHIFT,
    SIGNED,
    TERMS,
    TREE,
)
from hwsim_kernels.softmax import MOST_VALUES, POINTS
from hwsim_kernels.softmax_polynomial import POINTS as PARABOLA_POINTS
from hwsim_kernels.softmax_polynomial import SUM_BITS

STORED_BITS = 16
"""Bits of a stored code at most."""

DROPPED = 62
"""Bits that a product or a stage drops at most."""

OVERFLOWS = {mode.code for mode in Overflow}
ROUNDINGS = {mode.code for mode in Rounding}


def verify(program: Program) -> None:
    """Raise ProgramError unless every array has the shape and the range that the kernels rely on."""
    made = {one.name: one for one in program.inputs}
    for one in program.inputs:
        need(one.format is None and all(size > 0 for size in one.shape), f"the input {one.name!r} is no real tensor")
        need(one.indices >= 0, f"the input {one.name!r} has {one.indices} indices")
    names: set[str] = set()
    for operation in program.operations:
        for name in operation.inputs:
            need(name in made, f"{operation.name}: reads {name!r}, which no earlier operation makes")
        check_tensors(operation, [made[name] for name in operation.inputs])
        check(operation, [made[name] for name in operation.inputs])
        need(operation.output.name not in made, f"two operations make {operation.output.name!r}")
        need(operation.name not in names, f"two operations are named {operation.name!r}")
        names.add(operation.name)
        made[operation.output.name] = operation.output
    for name in program.outputs:
        need(name in made, f"the result {name!r} is made by no operation")


def need(condition: bool, mistake: str) -> None:
    """Raise ProgramError with ``mistake`` unless the condition holds."""
    if not condition:
        raise ProgramError(mistake)


def check(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check one operation against the tensors it reads."""
    check_points(one)
    CHECKS.get(type(one), check_alike)(one, inputs)
    check_steps(one, inputs)


def check_alike(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check that an operation on single values keeps its input's shape."""
    need(one.output.shape == inputs[0].shape, f"{one.name}: its input has another shape than its output")


def check_quantize(one: Quantize, inputs: Sequence[Tensor]) -> None:
    """Check the field and the only point of a quantisation."""
    check_alike(one, inputs)
    check_field(one, one.field, 5)
    need([point.name for point in one.points] == ["input"], f"{one.name}: its points are wrong")


def check_sum(one: Sum, inputs: Sequence[Tensor]) -> None:
    """Check the shapes that a sum adds, and its running sum."""
    need(any(point.name == "accumulator" for point in one.points), f"{one.name}: has no accumulator")
    need(all(stretches(tensor.shape, one.output.shape) for tensor in inputs), f"{one.name}: its inputs differ in shape")
    check_field(one, one.field, 4)


def check_float_sum(one: FloatSum, inputs: Sequence[Tensor]) -> None:
    """Check the shapes that a sum in float32 adds, its ratios, and what it begins with."""
    need(all(stretches(tensor.shape, one.output.shape) for tensor in inputs), f"{one.name}: its inputs differ in shape")
    need(one.ratios.shape == (len(inputs), one.channels), f"{one.name}: ratios have the shape {one.ratios.shape}")
    need(one.fixed.shape == (one.channels,), f"{one.name}: does not begin with a number for each channel")
    reach = np.abs(one.fixed) + sum(
        np.abs(ratios) * 2.0**tensor.format.bits
        for ratios, tensor in zip(one.ratios, inputs, strict=True)
        if tensor.format is not None
    )
    need(bool((reach < 1 << 40).all()), f"{one.name}: a sum needs more than 40 bits")
    for numbers in (one.ratios, one.fixed):
        need(bool((numbers == numbers.astype(np.float32)).all()), f"{one.name}: holds a number that is no float32")
    need([point.name for point in one.points[:1]] == ["requantize"], f"{one.name}: its points are wrong")


def check_sloped_sum(one: SlopedSum, inputs: Sequence[Tensor]) -> None:
    """Check a sum of two parts of one tensor, and what was lost when slopes became integers."""
    check_sum(one, inputs)
    need(len(inputs) == 2 and one.points[0].name == "weight", f"{one.name}: is no sum of two parts with slopes")
    need(one.initial.shape == (len(one.points), COLUMNS, one.channels), f"{one.name}: initial counts do not fit")


def stretches(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether a shape is another but for axes of size 1."""
    return len(shape) == len(to) and all(size in (1, whole) for size, whole in zip(shape, to, strict=True))


def check_relabel(one: Relabel, inputs: Sequence[Tensor]) -> None:
    """Check that another shape has as many values."""
    need(prod(one.output.shape) == prod(inputs[0].shape), f"{one.name}: cannot hold its input's values")


def check_encode(one: Encode, inputs: Sequence[Tensor]) -> None:
    """Check that there are levels to encode to."""
    check_alike(one, inputs)
    need(bool(one.output.levels), f"{one.name}: its output has no levels")
    need([point.name for point in one.points] == ["encode"], f"{one.name}: its points are wrong")


def check_lines(
    one: DividedSoftmax | HostSoftmax | FixedSoftmax | LineSoftmax | PolynomialSoftmax | TableSoftmax,
) -> None:
    """Check the axis of a softmax, and that a mask leaves each line something."""
    need(0 <= one.axis < len(one.output.shape), f"{one.name}: has no axis {one.axis}")
    if one.mask is not None:
        need(one.mask.shape == one.output.shape, f"{one.name}: its mask has the shape {one.mask.shape}")
        need(bool(one.mask.any(axis=one.axis).all()), f"{one.name}: its mask leaves nothing of a line")


def check_host_softmax(one: HostSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the axis and the scale of a softmax on the host."""
    check_alike(one, inputs)
    check_lines(one)
    same = (one.scale, one.zero_point) == (inputs[0].scale, inputs[0].zero_point)
    need(same, f"{one.name}: reads its input with another scale or zero point")


def check_fixed_softmax(one: FixedSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the formats, the size, the multiplier and the points of a softmax in fixed point."""
    check_alike(one, inputs)
    check_lines(one)
    need(one.output.shape[one.axis] <= MOST_VALUES, f"{one.name}: takes more than {MOST_VALUES} values")
    for tensor in (inputs[0], one.output):
        need(tensor.format == IntFormat(bits=8), f"{one.name}: a softmax in fixed point has codes of 8 bits")
    need(inputs[0].plain and one.output.plain, f"{one.name}: a softmax in fixed point has codes that are integers")
    shares = (one.output.scale, one.output.zero_point) == (2.0**-8, -128)
    need(shares, f"{one.name}: a softmax in fixed point gives shares of 1/256")
    need(1 << 30 <= one.multiplier < 1 << 31, f"{one.name}: its multiplier is {one.multiplier}")
    need(1 <= one.shift <= 31, f"{one.name}: shifts to the left by {one.shift} bits, 1 to 31 are possible")
    need(tuple(point.name for point in one.points) == POINTS, f"{one.name}: its points are wrong")


def check_line_softmax(one: LineSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the formats, the size, the multiplier, the tables and the points of a softmax by lines of two tables."""
    check_alike(one, inputs)
    check_lines(one)
    most = softmax_lines.MOST_VALUES
    need(one.output.shape[one.axis] <= most, f"{one.name}: takes more than {most} values")
    for tensor in (inputs[0], one.output):
        need(tensor.format == IntFormat(bits=16), f"{one.name}: a softmax by lines has codes of 16 bits")
    need(inputs[0].plain and one.output.plain, f"{one.name}: a softmax by lines has codes that are integers")
    shares = (one.output.scale, one.output.zero_point) == (2.0**-15, 0)
    need(shares, f"{one.name}: a softmax by lines gives shares of 1/32768")
    need(1 << 30 <= one.multiplier < 1 << 31, f"{one.name}: its multiplier is {one.multiplier}")
    within = softmax_lines.LEAST_SHIFT <= one.exponent <= softmax_lines.MOST_SHIFT
    need(within, f"{one.name}: the exponent of its multiplier is {one.exponent}")
    for table in (one.powers, one.reciprocals):
        need(table.shape == (softmax_lines.STEPS + 1,), f"{one.name}: a table has the shape {table.shape}")
        need(bool(((table >= 0) & (table < 1 << 15)).all()), f"{one.name}: a table has entries beyond 0 to 32767")
    need(int(one.powers[-2:].min()) >= 1 << 14, f"{one.name}: its table holds no powers")
    need(tuple(point.name for point in one.points) == softmax_lines.POINTS, f"{one.name}: its points are wrong")


def check_table_softmax(one: TableSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the formats and the table of a softmax by a table."""
    check_alike(one, inputs)
    check_lines(one)
    for tensor in (inputs[0], one.output):
        need(tensor.format == IntFormat(bits=8), f"{one.name}: a softmax by a table has codes of 8 bits")
    need(one.table.shape == (256,), f"{one.name}: its table has the shape {one.table.shape}")
    inside = bool(((one.table >= 0) & (one.table <= 1)).all())
    need(inside and one.table[0] == 1, f"{one.name}: its table holds no exponentials")


def check_divided_softmax(one: DividedSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the formats, the table and the factor of a softmax that divides."""
    check_alike(one, inputs)
    check_lines(one)
    form = inputs[0].format
    alike = form is not None and form == one.output.format == IntFormat(bits=8, signed=form.signed)
    need(alike, f"{one.name}: a softmax that divides has codes of 8 bits")
    need(one.table.shape == (256,), f"{one.name}: its table has the shape {one.table.shape}")
    largest, size = float(one.table[0]), one.output.shape[one.axis]
    falls = bool(((one.table >= 0) & (one.table <= largest)).all())
    need(falls and 1 <= largest * size < 2.0**127, f"{one.name}: its table holds no exponentials that can be added")
    need(1 <= one.factor < 2.0**101, f"{one.name}: its factor is {one.factor!r}")


def check_polynomial_softmax(one: PolynomialSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the formats and the numbers of a softmax by a parabola."""
    check_alike(one, inputs)
    check_lines(one)
    for tensor in (inputs[0], one.output):
        need(tensor.format == IntFormat(bits=8), f"{one.name}: a softmax by a parabola has codes of 8 bits")
    need(one.numbers.shape == (3,), f"{one.name}: its parabola has {one.numbers.shape} numbers")
    period, offset, constant = one.numbers.tolist()
    inside = 1 <= period <= offset < 1 << SUM_BITS and 1 <= constant < 1 << SUM_BITS
    need(inside, f"{one.name}: its parabola has the numbers {one.numbers.tolist()}")
    most = (offset * offset + constant) * one.output.shape[one.axis]
    need(most < 1 << SUM_BITS, f"{one.name}: its powers add up to more than {SUM_BITS} bits hold")
    need(tuple(point.name for point in one.points) == PARABOLA_POINTS, f"{one.name}: its points are wrong")


def check_tensors(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check how many tensors an operation reads, and which side of the datapath each stands on."""
    several = isinstance(one, Sum | FloatSum | Join)
    wanted = 2 if isinstance(one, Product | MatrixProduct) else 1
    need(len(inputs) > 0 if several else len(inputs) == wanted, f"{one.name}: reads {len(inputs)} tensors")
    for tensor in inputs:
        real = tensor.format is None
        need(real == isinstance(one, Quantize), f"{one.name}: {tensor.name!r} is {'real' if real else 'integer'}")
    output, form = one.output, one.output.format
    need(bool(output.shape) and min(output.shape) > 0, f"{one.name}: its output has no values")
    need((form is None) == isinstance(one, HostSoftmax), f"{one.name}: its output is on the wrong side of the datapath")
    if form is not None:
        need(form.bits <= STORED_BITS, f"{one.name}: a code has {form.bits} bits, at most {STORED_BITS} are possible")
        need(2.0**-300 < output.scale < 2.0**300, f"{one.name}: a scale is {output.scale}")
        need(form.holds(output.zero_point, output.zero_point), f"{one.name}: its zero point is no code")
        check_tensor(one.name, output, form)


def check_tensor(name: str, tensor: Tensor, form: IntFormat) -> None:
    """Check the levels or shifts of codes that are no plain integers."""
    if tensor.levels:
        many = form.maximum - form.minimum + 1
        need(len(tensor.levels) == many, f"{name}: {len(tensor.levels)} levels for {many} codes")
        ascending = all(low < high for low, high in pairwise(tensor.levels))
        need(ascending and not tensor.shift, f"{name}: its levels do not ascend, or it has shifts too")
        needed = bits_needed(tensor.levels[0], tensor.levels[-1], signed=tensor.levels[0] < 0)
        need(needed <= STORED_BITS, f"{name}: a level has {needed} bits, at most {STORED_BITS} are possible")
    if tensor.shift:
        need(len(tensor.shift) == tensor.shape[-1], f"{name}: shifts and channels differ in number")
        inside = min(tensor.shift) >= 0 and max(tensor.shift) + form.bits <= STORED_BITS
        need(inside and tensor.zero_point == 0, f"{name}: its shifts are too large, or it has a zero point")


def check_decode(one: Decode, inputs: Sequence[Tensor]) -> None:
    """Check that codes decode to what their tensor says, and that its format holds that."""
    check_alike(one, inputs)
    source = inputs[0]
    assert source.format is not None
    assert one.output.format is not None
    alike = (tuple(one.levels.tolist()), tuple(one.shift.tolist())) == (source.levels, source.shift)
    need(alike and not source.plain, f"{one.name}: decodes to something else than its input's levels or shifts")
    need(one.first == source.format.minimum, f"{one.name}: codes of its input begin with {source.format.minimum}")
    ends = source.levels[:1] + source.levels[-1:]
    if source.shift:
        ends = tuple(code << max(source.shift) for code in (source.format.minimum, source.format.maximum))
    need(one.output.format.holds(*ends) and one.output.plain, f"{one.name}: its output cannot hold its values")


def check_points(one: IntOperation) -> None:
    """Check the truncation points of an operation."""
    need(len({point.name for point in one.points}) == len(one.points), f"{one.name}: two points share a name")
    for point in one.points:
        need(point.unit.shape == (one.channels,), f"{one.name}: {point.name} does not have {one.channels} units")
        need(point.steps > 0, f"{one.name}: {point.name} takes {point.steps} steps")


def check_multiply(one: MultiplyAccumulate, inputs: Sequence[Tensor]) -> None:
    """Check the arrays of a multiply-accumulate operation."""
    source = inputs[0]
    name, channels = one.name, one.channels
    need(one.weights.ndim == 3, f"{name}: weights have {one.weights.ndim} axes, not 3")
    groups, steps, outputs = one.weights.shape
    need(min(one.weights.shape) > 0, f"{name}: has no weights")
    need(prod(one.view) == prod(source.shape), f"{name}: its input does not have the shape {one.view}")
    need(
        prod(one.output_view) == prod(one.output.shape), f"{name}: its output does not have the shape {one.output_view}"
    )
    need(groups * outputs == channels == one.output_view[2], f"{name}: weights and output differ in channels")
    need(one.taps.shape == (steps, 3), f"{name}: taps have the shape {one.taps.shape}, not {(steps, 3)}")
    depth = one.view[2] // groups
    need(bool(((one.taps[:, 2] >= 0) & (one.taps[:, 2] < depth)).all()), f"{name}: a tap reads outside its group")
    need(magnitude(one.taps) < 1 << 31, f"{name}: a tap is too far away")
    need(abs(one.zero_point) <= 1 << STORED_BITS, f"{name}: its operand's zero point is no code")
    need(one.strides.shape == (2,) and int(one.strides.min()) > 0, f"{name}: strides must be two positive numbers")
    need(one.start.shape == (channels,), f"{name}: start values and channels differ in number")
    need(one.spread.shape == (2,) and int(one.spread.min()) > 0, f"{name}: spread must be two positive numbers")
    narrow = magnitude(one.start) < 1 << 62
    need(narrow or one.wide_sums, f"{name}: a start value needs more than 62 bits")
    need(one.wide or not one.wide_sums, f"{name}: its sums are wide and its values are not")
    need(abs(one.outside) <= 1 << STORED_BITS, f"{name}: the operand outside is no code")
    need(0 <= one.start_level < len(one.stages), f"{name}: sums start in stage {one.start_level} of {len(one.stages)}")
    once = [point.name for point in one.points if point.once]
    need(once in ([], ["weight", "bias"]), f"{name}: what becomes integers once is {once}, not weight and bias")
    need(all(point.once for point in one.points[: len(once)]), f"{name}: weight and bias are not its first points")
    has_product = check_sums(one, steps)
    first, sums = len(once) + has_product, len(once) + has_product + len(one.stages)
    need(len(one.points) >= sums, f"{name}: has {len(one.points)} points, its datapath {sums}")
    need(not has_product or one.points[first - 1].name == "product", f"{name}: products have no point before the sums")
    stages = [number for number, point in enumerate(one.points) if point.stage]
    need(stages == list(range(first, sums)), f"{name}: the points {stages} are sums, its stages {first} to {sums - 1}")
    need(
        one.initial.shape == (len(one.points), COLUMNS, channels),
        f"{name}: initial counts do not fit its points",
    )


def check_sums(one: MultiplyAccumulate | MatrixProduct, steps: int) -> bool:
    """Check how so many steps are multiplied and summed; return whether products have a point."""
    name = one.name
    need(one.product.shape == (FIELDS,), f"{name}: the product's field has the shape {one.product.shape}")
    need(one.stages.ndim == 2 and one.stages.shape[1] == FIELDS, f"{name}: stages have the shape {one.stages.shape}")
    need(len(one.stages) > 0 and one.stages[-1, TERMS] == 0, f"{name}: the last stage must take all that is left")
    need(bool((one.stages[:-1, TERMS] > 0).all()), f"{name}: only the last stage takes all that is left")
    check_ends(one, steps)
    has_product = any(point.name == "product" for point in one.points)
    need(has_product or not one.product[BITS], f"{name}: its product and its points do not fit each other")
    for field in [*one.stages, *([one.product] if one.product[BITS] else [])]:
        check_format(name, field[[BITS, SIGNED, OVERFLOW, SATURATED_BITS]])
        check_rounding(name, field[ROUNDING])
        need(set(field[[CHECK_EACH, TREE]].tolist()) <= {0, 1}, f"{name}: a stage is neither chain nor tree")
        need(0 <= field[SHIFT] <= DROPPED, f"{name}: shifts by {field[SHIFT]} bits, at most {DROPPED} are possible")
        need(0 <= field[TERMS] < 1 << 31, f"{name}: a stage takes {field[TERMS]} terms")
    return has_product


def check_ends(one: MultiplyAccumulate | MatrixProduct, steps: int) -> None:
    """Check where sums end: one last sum of all, and no sum of more values than its stage takes."""
    levels = len(one.stages)
    need(one.ends.shape == (levels, steps), f"{one.name}: ends have the shape {one.ends.shape}, not {(levels, steps)}")
    need(set(np.unique(one.ends).tolist()) <= {0, 1}, f"{one.name}: a sum neither ends nor goes on")
    last = np.flatnonzero(one.ends[-1]).tolist() == [steps - 1]
    nested = bool((one.ends[:-1] >= one.ends[1:]).all())
    need(last and nested, f"{one.name}: sums do not end within each other")
    arrives = np.ones(steps, np.int64)
    for level, finished in enumerate(one.ends[:-1]):
        taken = np.diff(np.cumsum(arrives)[finished != 0], prepend=0)
        need(int(taken.max()) <= one.stages[level, TERMS], f"{one.name}: a sum takes more than its terms")
        arrives = finished


def check_matrix_product(one: MatrixProduct, inputs: Sequence[Tensor]) -> None:
    """Check the shapes of a matrix product, and its sums."""
    shapes = [one_input.shape for one_input in inputs]
    need(min(map(len, shapes)) >= 2, f"{one.name}: its inputs are no matrices")
    (first, second), (turned, turned_too) = shapes, one.transpose
    rows, depth = first[:-3:-1] if turned else first[-2:]
    height, columns = second[:-3:-1] if turned_too else second[-2:]
    made = (*first[:-2], rows, columns)
    need(depth == height and first[:-2] == second[:-2], f"{one.name}: its inputs do not fit each other")
    need(one.output.shape == made, f"{one.name}: its output has the shape {one.output.shape}, not {made}")
    need(one.zero_points.shape == (2,), f"{one.name}: has {one.zero_points.size} zero points, not 2")
    need(magnitude(one.zero_points) <= 1 << STORED_BITS, f"{one.name}: a zero point is no code")
    need(sorted(one.places.tolist()) == list(range(depth)), f"{one.name}: does not sum each of its products once")
    has_product = check_sums(one, depth)
    need(len(one.points) >= has_product + len(one.stages), f"{one.name}: has too few points")
    need(one.wide or not one.wide_sums, f"{one.name}: its sums are wide and its values are not")


def check_pool(one: PoolMax | PoolAverage | FloatAverage, inputs: Sequence[Tensor]) -> None:
    """Check the window of a pooling."""
    source = inputs[0]
    need(len(source.shape) == len(one.output.shape) == 3, f"{one.name}: pools over (h, w, c) alone")
    need(source.shape[2] == one.channels, f"{one.name}: its input has another number of channels")
    need(one.window.shape == (6,) and int(one.window[:4].min()) > 0, f"{one.name}: its window is {one.window.tolist()}")
    for axis in (0, 1):
        size, stride, before = (int(one.window[axis + offset]) for offset in (0, 2, 4))
        last = (one.output.shape[axis] - 1) * stride - before
        inside = before < size and last < source.shape[axis]
        need(inside, f"{one.name}: a window lies outside its input")
    if isinstance(one, PoolMax):
        form = one.output.format
        held = form is not None and form.minimum <= one.outside <= form.maximum
        need(held, f"{one.name}: what its windows hold outside is no code")
    if isinstance(one, FloatAverage):
        need(abs(one.zero_point) <= 1 << STORED_BITS, f"{one.name}: its zero point is no code")
        need(one.scales.shape == (one.channels,), f"{one.name}: scales have the shape {one.scales.shape}")
        need(bool(((one.scales > 2.0**-100) & (one.scales < 2.0**100)).all()), f"{one.name}: a scale is no float32")
        need([point.name for point in one.points[:1]] == ["division"], f"{one.name}: its points are wrong")
    if isinstance(one, PoolAverage):
        check_field(one, one.field, 5)
        need(abs(one.zero_point) <= 1 << STORED_BITS, f"{one.name}: its zero point is no code")
        need(
            [point.name for point in one.points[:2]] == ["accumulator", "division"], f"{one.name}: its points are wrong"
        )


def check_interpolate(one: Interpolate, inputs: Sequence[Tensor]) -> None:
    """Check the places and weights of an interpolation, and that no sum leaves a word."""
    shape = inputs[0].shape
    need(len(shape) == len(one.output.shape) == 3, f"{one.name}: interpolates (h, w, c) alone")
    need(shape[2] == one.channels, f"{one.name}: its input has another number of channels")
    most = 1 << (STORED_BITS + 1)
    for axis, places, weights in ((0, one.rows, one.row_weights), (1, one.columns, one.column_weights)):
        wanted = (one.output.shape[axis], 2)
        need(places.shape == weights.shape == wanted, f"{one.name}: has the shape {places.shape}, not {wanted}")
        need(int(places.min()) >= 0 and int(places.max()) < shape[axis], f"{one.name}: reads outside its input")
        most *= 2 * magnitude(weights)
    need(most < 1 << 62, f"{one.name}: a sum needs more than 62 bits")
    need(0 <= one.shift <= DROPPED, f"{one.name}: shifts by {one.shift} bits")
    need(abs(one.zero_point) <= 1 << STORED_BITS, f"{one.name}: its zero point is no code")
    check_rounding(one.name, one.rounding)
    need([point.name for point in one.points[:1]] == ["interpolation"], f"{one.name}: its points are wrong")


def check_normalize(one: NormalizeCodes, inputs: Sequence[Tensor]) -> None:
    """Check the groups of a normalisation, and that its sums stay in a word."""
    check_alike(one, inputs)
    need(one.groups > 0 and one.channels % one.groups == 0, f"{one.name}: has {one.groups} groups of {one.channels}")
    need(one.field.shape == (5,), f"{one.name}: a field has the shape {one.field.shape}, not (5,)")
    fine, reciprocal, result, rounding, _ = one.field.tolist()
    check_rounding(one.name, rounding)
    need(abs(one.zero_point) <= 1 << STORED_BITS, f"{one.name}: its zero point is no code")
    many = (prod(one.output.shape) if one.whole else one.channels) // one.groups
    inside = 0 <= fine <= 16 and 0 <= result <= reciprocal <= DROPPED
    need(inside, f"{one.name}: {fine}, {reciprocal} and {result} bits are no widths of a normalisation")
    form = inputs[0].format
    assert form is not None
    most = 2 * max(one.zero_point - form.minimum, form.maximum - one.zero_point, 0) << fine
    narrow = most * most * many < 1 << 62 and most << reciprocal < 1 << 62 and many < 1 << 31
    need(narrow, f"{one.name}: a sum needs more than 62 bits")
    need(0 <= one.epsilon <= 1 << 61, f"{one.name}: its epsilon needs more than 61 bits")
    wanted = ["mean"] * one.centered + ["variance", "root", "reciprocal", "normalized"]
    need([point.name for point in one.points[: len(wanted)]] == wanted, f"{one.name}: its points are wrong")


def check_join(one: Join, inputs: Sequence[Tensor]) -> None:
    """Check the shapes that a concatenation joins."""
    need(0 <= one.axis < len(one.output.shape), f"{one.name}: joins along axis {one.axis}")
    need(len(one.input_steps) == len(inputs), f"{one.name}: its inputs and their steps differ in number")
    for tensor in inputs:
        need(len(tensor.shape) == len(one.output.shape), f"{one.name}: its inputs differ in shape")
        rest = [tensor.shape[axis] == size for axis, size in enumerate(one.output.shape) if axis != one.axis]
        need(all(rest), f"{one.name}: its inputs differ in shape")
    joined = sum(tensor.shape[one.axis] for tensor in inputs)
    need(joined == one.output.shape[one.axis], f"{one.name}: its inputs do not make up its output")


def check_product(one: Product, inputs: Sequence[Tensor]) -> None:
    """Check the shapes that a product multiplies, and its width."""
    shapes = [tensor.shape for tensor in inputs]
    alike = all(len(shape) == len(one.output.shape) for shape in shapes)
    made = [max(a, b) if a == b or 1 in (a, b) else 0 for a, b in zip(*shapes, strict=False)]
    need(alike and tuple(made) == one.output.shape, f"{one.name}: its inputs do not make its output")
    need(one.zero_points.shape == (2,), f"{one.name}: has {one.zero_points.size} zero points, not 2")
    need(magnitude(one.zero_points) <= 1 << STORED_BITS, f"{one.name}: a zero point is no code")
    need(one.product.shape == (FIELDS,), f"{one.name}: the product's field has the shape {one.product.shape}")
    if one.product[BITS]:
        check_format(one.name, one.product[[BITS, SIGNED, OVERFLOW, SATURATED_BITS]])
        check_rounding(one.name, one.product[ROUNDING])
        need(0 <= one.product[SHIFT] <= DROPPED, f"{one.name}: shifts by {one.product[SHIFT]} bits")


def check_sides(one: PadCodes | CropCodes, inputs: Sequence[Tensor]) -> None:
    """Check that a padding or cropping gives the shape it says."""
    source = inputs[0]
    sides, sign = (one.padding, 1) if isinstance(one, PadCodes) else (one.cropping, -1)
    need(all(size >= 0 for pair in sides for size in pair), f"{one.name}: a border is negative")
    sizes = tuple(source.shape[axis] + sign * sum(sides[axis]) for axis in (0, 1))
    need((*sizes, source.shape[2]) == one.output.shape, f"{one.name}: does not give the shape {one.output.shape}")


def check_constant(one: ConstantCodes, inputs: Sequence[Tensor]) -> None:
    """Check that a constant holds codes, and what was lost when they were made."""
    need(one.codes.shape == one.output.shape, f"{one.name}: its codes have the shape {one.codes.shape}")
    check_held(one)


def check_held(one: ConstantCodes) -> None:
    """Check codes that stand in the program, and what was lost when they were made."""
    form = one.output.format
    inside = form is not None and form.holds(int(one.codes.min()), int(one.codes.max()))
    need(inside, f"{one.name}: holds what is no code")
    need([point.name for point in one.points] == ["constant"], f"{one.name}: its points are wrong")
    need(one.initial.shape == (1, COLUMNS, one.channels), f"{one.name}: initial counts do not fit its points")


def check_rows(one: PickRows, inputs: Sequence[Tensor]) -> None:
    """Check that a table holds rows of codes, and is read by codes."""
    source, width = inputs[0], one.channels
    need(source.format is not None, f"{one.name}: reads rows by real values")
    need(one.output.shape == (*source.shape, width), f"{one.name}: does not give the shape {one.output.shape}")
    need(one.codes.ndim == 2 and one.codes.shape[1] == width, f"{one.name}: has a table of shape {one.codes.shape}")
    need(len(one.codes) > 0, f"{one.name}: has a table without rows")
    check_held(one)


def check_pick(one: PickCodes, inputs: Sequence[Tensor]) -> None:
    """Check that a rearrangement picks from its input, and fills in a code."""
    need(one.index.shape == one.output.shape, f"{one.name}: its index has the shape {one.index.shape}")
    inside = int(one.index.min()) >= -1 and int(one.index.max()) < prod(inputs[0].shape)
    need(inside, f"{one.name}: picks a value that its input does not have")
    form = one.output.format
    need(form is not None and form.holds(one.fill, one.fill), f"{one.name}: what it fills in is no code")


def check_field(one: IntOperation, field: NDArray[np.int64], size: int) -> None:
    """Check the field of a format."""
    need(field.shape == (size,), f"{one.name}: a field has the shape {field.shape}, not {(size,)}")
    check_format(one.name, field[:4])
    if size == 5:
        check_rounding(one.name, field[4])


def check_format(name: str, field: NDArray[np.int64]) -> None:
    """Check a width and what becomes of values outside it: bits, signed, overflow, saturated_bits."""
    bits, signed, overflow, saturated = field.tolist()
    need(signed in (0, 1), f"{name}: a format is neither signed nor unsigned")
    need(1 <= bits <= 64, f"{name}: a format has {bits} bits, 1 to 64 are possible")
    need(overflow in OVERFLOWS, f"{name}: there is no overflow mode {overflow}")
    need(0 <= saturated <= bits, f"{name}: {saturated} of {bits} bits are saturated")


def check_rounding(name: str, mode: int) -> None:
    """Check a rounding mode."""
    need(mode in ROUNDINGS, f"{name}: there is no rounding mode {mode}")


def check_steps(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check the steps of an operation, and that it has random numbers if it has steps."""
    points = {point.name for point in one.points}
    for channels, step in steps_of(one, inputs):
        reads = isinstance(step, LookUp) and (step.rounding is not None or step.errors.size > 0)
        counts = isinstance(step, FitTo | ScaleFixed | ScaleFloat) or reads
        need(not counts or step.point in points, f"{one.name}: has no point {step.point!r}")
        check_step(one.name, step, channels)
    draws = getattr(one, "draws", None)
    need(draws is None or (draws.ndim == 1 and draws.size > 0), f"{one.name}: its random numbers are missing")


def steps_of(one: IntOperation, inputs: Sequence[Tensor]) -> Iterator[tuple[int, Step]]:
    """Yield each step with the number of channels it works on."""
    if isinstance(one, Sum | Join):
        need(len(one.input_steps) == len(inputs), f"{one.name}: its inputs and their steps differ in number")
        for tensor, steps in zip(inputs, one.input_steps, strict=True):
            channels = one.channels if isinstance(one, Sum) else tensor.shape[-1]
            yield from ((channels, step) for step in steps)
    if isinstance(
        one,
        FloatAverage
        | FloatSum
        | Interpolate
        | MatrixProduct
        | NormalizeCodes
        | MultiplyAccumulate
        | PoolAverage
        | Product
        | Sum
        | Rescale,
    ):
        yield from ((one.channels, step) for step in one.steps)


def check_step(name: str, step: Step, channels: int) -> None:
    """Check the arrays of one step."""
    alone = all(getattr(step, array).shape == (channels,) for array in step.by_channel)
    need(alone, f"{name}: a step does not have {channels} channels")
    if isinstance(step, FitTo):
        need(step.field.shape == (4,), f"{name}: a field has the shape {step.field.shape}, not (4,)")
        check_format(name, step.field)
        need(abs(step.offset) <= 1 << STORED_BITS, f"{name}: the zero point of a histogram is no code")
        return
    if isinstance(step, LookUp | CountLevels):
        need(abs(step.first) < 1 << 62, f"{name}: the first value of a table needs more than 62 bits")
    if isinstance(step, CountLevels):
        need(step.levels.ndim == 1 and step.levels.size > 0, f"{name}: a table is empty")
    if isinstance(step, LookUp):
        shape = step.table.shape
        need(len(shape) == 2 and shape[0] in (1, channels) and shape[1] > 0, f"{name}: a table has the shape {shape}")
        need(0 <= step.shift <= 24 and magnitude(step.table) < 1 << 31, f"{name}: a table is too wide")
        need(not step.errors.size or step.errors.shape == shape, f"{name}: a table and its errors differ in shape")
        need(not step.errors.size or magnitude(step.errors) < 1 << 32, f"{name}: an error of a table is too large")
    if isinstance(step, ScaleFixed | ShiftLeft):
        inside = bool(((step.shift >= 0) & (step.shift <= MAX_SHIFT)).all())
        need(inside, f"{name}: a shift is outside 0 to {MAX_SHIFT}")
    if isinstance(step, ScaleFixed | MultiplyBy):
        need(bool(((step.multiplier >= 0) & (step.multiplier < 1 << 32)).all()), f"{name}: a multiplier is too wide")
    if isinstance(step, ScaleFixed):
        need(0 <= step.guard_bits <= 32, f"{name}: a rounder has {step.guard_bits} guard bits")
    if isinstance(step, ScaleFloat):
        need(bool(np.isfinite(step.ratio).all()) and step.precision in (32, 64), f"{name}: a ratio is no number")
        need(bool((step.divisor > 0).all() and np.isfinite(step.divisor).all()), f"{name}: divides by no scale")
        need(magnitude(step.added) <= 1 << STORED_BITS, f"{name}: what is added before a rounding is no code")
    if isinstance(step, ClipLow | ClipHigh):
        need(magnitude(step.limit) < 1 << 62, f"{name}: a limit needs more than 62 bits")


def magnitude(values: NDArray[np.int64]) -> int:
    """Return the largest magnitude, of -2**63 too."""
    return max(-int(values.min()), int(values.max()))


CHECKS: Mapping[type, Callable[[Any, Sequence[Tensor]], None]] = {
    ConstantCodes: check_constant,
    PickRows: check_rows,
    CropCodes: check_sides,
    Decode: check_decode,
    DividedSoftmax: check_divided_softmax,
    Encode: check_encode,
    FixedSoftmax: check_fixed_softmax,
    FloatAverage: check_pool,
    FloatSum: check_float_sum,
    HostSoftmax: check_host_softmax,
    Interpolate: check_interpolate,
    Join: check_join,
    LineSoftmax: check_line_softmax,
    MatrixProduct: check_matrix_product,
    MultiplyAccumulate: check_multiply,
    NormalizeCodes: check_normalize,
    PadCodes: check_sides,
    PickCodes: check_pick,
    PoolAverage: check_pool,
    PolynomialSoftmax: check_polynomial_softmax,
    PoolMax: check_pool,
    Product: check_product,
    Quantize: check_quantize,
    Relabel: check_relabel,
    SlopedSum: check_sloped_sum,
    Sum: check_sum,
    TableSoftmax: check_table_softmax,
}
"""What is asked of each kind of operation; of all others, that they keep their input's shape."""
