"""Check a program that came from a file, so that no kernel reads or writes outside its arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

import hwsim_kernels as kernels
from hwsim.errors import ProgramError
from hwsim.program.multiplier import MAX_SHIFT
from hwsim.program.program import Program
from hwsim.program.records import (
    AddConstant,
    Clip,
    CropCodes,
    FitTo,
    IntOperation,
    Join,
    Leak,
    MultiplyAccumulate,
    PadCodes,
    PoolAverage,
    PoolMax,
    Quantize,
    Relabel,
    Rescale,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Sum,
    Tensor,
)
from hwsim_kernels.fields import BITS, FIELDS, SHIFT, SIGNED, TERMS


def verify(program: Program) -> None:
    """Raise ProgramError unless every array has the shape and the range that the kernels rely on."""
    made = {one.name: one for one in program.inputs}
    for operation in program.operations:
        for name in operation.inputs:
            need(name in made, f"{operation.name}: reads {name!r}, which no earlier operation makes")
        check(operation, [made[name] for name in operation.inputs])
        made[operation.output.name] = operation.output
    for name in program.outputs:
        need(name in made, f"the result {name!r} is made by no operation")


def need(condition: bool, mistake: str) -> None:
    """Raise ProgramError with ``mistake`` unless the condition holds."""
    if not condition:
        raise ProgramError(mistake)


def check(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check one operation against the tensors it reads."""
    need(bool(one.output.shape) and min(one.output.shape) > 0, f"{one.name}: its output has no values")
    need(len({point.name for point in one.points}) == len(one.points), f"{one.name}: two points share a name")
    if isinstance(one, MultiplyAccumulate):
        check_multiply(one, inputs[0])
    elif isinstance(one, PoolMax | PoolAverage):
        check_pool(one, inputs[0])
    elif isinstance(one, Quantize):
        check_field(one, one.field, 5)
    elif isinstance(one, Sum):
        need(all(tensor.shape == one.output.shape for tensor in inputs), f"{one.name}: its inputs differ in shape")
        check_field(one, one.field, 4)
    elif isinstance(one, Join):
        check_join(one, inputs)
    elif isinstance(one, Relabel):
        need(prod(one.output.shape) == prod(inputs[0].shape), f"{one.name}: cannot hold its input's values")
    elif isinstance(one, PadCodes | CropCodes):
        check_sides(one, inputs[0])
    else:
        need(one.output.shape == inputs[0].shape, f"{one.name}: its input has another shape than its output")
    check_steps(one, inputs)


def check_multiply(one: MultiplyAccumulate, source: Tensor) -> None:
    """Check the arrays of a multiply-accumulate operation."""
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
    need(int(np.abs(one.taps[:, :2]).max()) < 1 << 31, f"{name}: a tap is too far away")
    need(one.strides.shape == (2,) and int(one.strides.min()) > 0, f"{name}: strides must be two positive numbers")
    need(one.start.shape == (channels,), f"{name}: start values and channels differ in number")
    need(one.product.shape == (FIELDS,), f"{name}: the product's field has the shape {one.product.shape}")
    need(one.stages.ndim == 2 and one.stages.shape[1] == FIELDS, f"{name}: stages have the shape {one.stages.shape}")
    need(len(one.stages) > 0 and one.stages[-1, TERMS] == 0, f"{name}: the last stage must take all that is left")
    for field in [*one.stages, *([one.product] if one.product[BITS] else [])]:
        check_format(name, int(field[BITS]), int(field[SIGNED]))
        need(0 <= field[SHIFT] <= MAX_SHIFT, f"{name}: shifts by {field[SHIFT]} bits, at most {MAX_SHIFT} are possible")
        need(0 <= field[TERMS] < 1 << 31, f"{name}: a stage takes {field[TERMS]} terms")
    sums = 2 + bool(one.product[BITS]) + len(one.stages)
    need(len(one.points) >= sums, f"{name}: has {len(one.points)} points, its datapath {sums}")
    need(
        one.initial.shape == (len(one.points), kernels.COLUMNS, channels),
        f"{name}: initial counts do not fit its points",
    )


def check_pool(one: PoolMax | PoolAverage, source: Tensor) -> None:
    """Check the window of a pooling."""
    need(len(source.shape) == len(one.output.shape) == 3, f"{one.name}: pools over (h, w, c) alone")
    need(source.shape[2] == one.channels, f"{one.name}: its input has another number of channels")
    need(one.window.shape == (6,) and int(one.window[:4].min()) > 0, f"{one.name}: its window is {one.window.tolist()}")
    for axis in (0, 1):
        size, stride, before = (int(one.window[axis + offset]) for offset in (0, 2, 4))
        last = (one.output.shape[axis] - 1) * stride - before
        inside = before < size and last < source.shape[axis]
        need(inside, f"{one.name}: a window lies outside its input")
    if isinstance(one, PoolAverage):
        check_field(one, one.field, 5)
        need(
            [point.name for point in one.points[:2]] == ["accumulator", "division"], f"{one.name}: its points are wrong"
        )


def check_join(one: Join, inputs: Sequence[Tensor]) -> None:
    """Check the shapes that a concatenation joins."""
    need(0 <= one.axis < len(one.output.shape), f"{one.name}: joins along axis {one.axis}")
    need(len(one.input_steps) == len(inputs), f"{one.name}: its inputs and their steps differ in number")
    for tensor in inputs:
        need(len(tensor.shape) == len(one.output.shape), f"{one.name}: its inputs differ in shape")
    joined = sum(tensor.shape[one.axis] for tensor in inputs)
    need(joined == one.output.shape[one.axis], f"{one.name}: its inputs do not make up its output")


def check_sides(one: PadCodes | CropCodes, source: Tensor) -> None:
    """Check that a padding or cropping gives the shape it says."""
    sides, sign = (one.padding, 1) if isinstance(one, PadCodes) else (one.cropping, -1)
    need(all(size >= 0 for pair in sides for size in pair), f"{one.name}: a border is negative")
    sizes = tuple(source.shape[axis] + sign * sum(sides[axis]) for axis in (0, 1))
    need((*sizes, source.shape[2]) == one.output.shape, f"{one.name}: does not give the shape {one.output.shape}")


def check_field(one: IntOperation, field: NDArray[np.int64], size: int) -> None:
    """Check the field of a format."""
    need(field.shape == (size,), f"{one.name}: a field has the shape {field.shape}, not {(size,)}")
    check_format(one.name, int(field[0]), int(field[1]))


def check_format(name: str, bits: int, signed: int) -> None:
    """Check a width."""
    limit = 64 if signed else 63
    need(1 <= bits <= limit, f"{name}: a format has {bits} bits, 1 to {limit} are possible")


def check_steps(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check the steps of an operation, and that it has random numbers if it has steps."""
    points = {point.name for point in one.points}
    for channels, step in steps_of(one, inputs):
        need(
            not step.point or step.point in points or isinstance(step, Clip), f"{one.name}: has no point {step.point!r}"
        )
        check_step(one.name, step, channels)
    draws = getattr(one, "draws", None)
    need(draws is None or (draws.ndim == 1 and draws.size > 0), f"{one.name}: its random numbers are missing")


def steps_of(one: IntOperation, inputs: Sequence[Tensor]) -> Iterator[tuple[int, Step]]:
    """Yield each step with the number of channels it works on."""
    if isinstance(one, Sum | Join):
        for tensor, steps in zip(inputs, one.input_steps, strict=True):
            yield from ((tensor.shape[-1], step) for step in steps)
    if isinstance(one, MultiplyAccumulate | PoolAverage | Sum | Rescale):
        yield from ((one.channels, step) for step in one.steps)


def check_step(name: str, step: Step, channels: int) -> None:
    """Check the arrays of one step."""
    arrays = [value for value in vars(step).values() if isinstance(value, np.ndarray)]
    if isinstance(step, FitTo):
        need(step.field.shape == (4,), f"{name}: a field has the shape {step.field.shape}, not (4,)")
        check_format(name, int(step.field[0]), int(step.field[1]))
    else:
        need(all(array.shape == (channels,) for array in arrays), f"{name}: a step does not have {channels} channels")
    if isinstance(step, ScaleFixed | ShiftLeft):
        need(
            bool(((step.shift >= 0) & (step.shift <= MAX_SHIFT)).all()), f"{name}: a shift is outside 0 to {MAX_SHIFT}"
        )
    if isinstance(step, ScaleFixed):
        need(bool(((step.multiplier >= 0) & (step.multiplier < 1 << 31)).all()), f"{name}: a multiplier is too wide")
    if isinstance(step, ScaleFloat):
        need(bool(np.isfinite(step.ratio).all()) and step.precision in (32, 64), f"{name}: a ratio is no number")
    if isinstance(step, Leak):
        need(0 <= step.shift <= MAX_SHIFT and 0 <= step.multiplier < 1 << 31, f"{name}: a slope is too wide")
    if isinstance(step, AddConstant):
        need(int(np.abs(step.constant).max()) < 1 << 62, f"{name}: a constant needs more than 62 bits")
