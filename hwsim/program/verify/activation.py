"""Check activations that stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import SlopedSum, Tensor
from hwsim.program.verify.merge import check_sum
from hwsim.program.verify.need import need
from hwsim_kernels.counting import COLUMNS


def check_sloped_sum(one: SlopedSum, inputs: Sequence[Tensor]) -> None:
    """Check a sum of two parts of one tensor, and what was lost when slopes became integers."""
    check_sum(one, inputs)
    need(len(inputs) == 2 and one.points[0].name == "weight", f"{one.name}: is no sum of two parts with slopes")
    need(one.initial.shape == (len(one.points), COLUMNS, one.channels), f"{one.name}: initial counts do not fit")
