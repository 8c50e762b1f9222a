"""Check multiply-accumulate operations."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from hwsim.program.records import MatrixProduct, MultiplyAccumulate, Tensor
from hwsim.program.verify.fields import DROPPED, STORED_BITS, check_format, check_rounding
from hwsim.program.verify.need import magnitude, need
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
