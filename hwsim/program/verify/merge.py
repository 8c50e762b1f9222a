"""Check the operations at which branches meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.program.records import FloatSum, Join, Product, Sum, Tensor
from hwsim.program.verify.fields import DROPPED, STORED_BITS, check_field, check_format, check_rounding
from hwsim.program.verify.need import magnitude, need
from hwsim_kernels.fields import BITS, FIELDS, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED


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


def stretches(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether a shape is another but for axes of size 1."""
    return len(shape) == len(to) and all(size in (1, whole) for size, whole in zip(shape, to, strict=True))


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
