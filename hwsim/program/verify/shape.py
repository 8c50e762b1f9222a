"""Check the operations that only move codes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from hwsim.program.records import CropCodes, PadCodes, PickCodes, Relabel, Tensor
from hwsim.program.verify.need import need


def check_relabel(one: Relabel, inputs: Sequence[Tensor]) -> None:
    """Check that another shape has as many values."""
    need(prod(one.output.shape) == prod(inputs[0].shape), f"{one.name}: cannot hold its input's values")


def check_sides(one: PadCodes | CropCodes, inputs: Sequence[Tensor]) -> None:
    """Check that a padding or cropping gives the shape it says."""
    source = inputs[0]
    sides, sign = (one.padding, 1) if isinstance(one, PadCodes) else (one.cropping, -1)
    need(all(size >= 0 for pair in sides for size in pair), f"{one.name}: a border is negative")
    sizes = tuple(source.shape[axis] + sign * sum(sides[axis]) for axis in (0, 1))
    need((*sizes, source.shape[2]) == one.output.shape, f"{one.name}: does not give the shape {one.output.shape}")


def check_pick(one: PickCodes, inputs: Sequence[Tensor]) -> None:
    """Check that a rearrangement picks from its input, and fills in a code."""
    need(one.index.shape == one.output.shape, f"{one.name}: its index has the shape {one.index.shape}")
    inside = int(one.index.min()) >= -1 and int(one.index.max()) < prod(inputs[0].shape)
    need(inside, f"{one.name}: picks a value that its input does not have")
    form = one.output.format
    need(form is not None and form.holds(one.fill, one.fill), f"{one.name}: what it fills in is no code")
