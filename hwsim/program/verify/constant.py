"""Check codes that stand in the program."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import ConstantCodes, Tensor
from hwsim.program.verify.need import need
from hwsim_kernels.counting import COLUMNS


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
