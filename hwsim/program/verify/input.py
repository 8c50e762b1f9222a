"""Check what takes real values in."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import Quantize, Tensor
from hwsim.program.verify.fields import check_field
from hwsim.program.verify.need import need
from hwsim.program.verify.tensors import check_alike


def check_quantize(one: Quantize, inputs: Sequence[Tensor]) -> None:
    """Check the field and the only point of a quantisation."""
    check_alike(one, inputs)
    check_field(one, one.field, 5)
    need([point.name for point in one.points] == ["input"], f"{one.name}: its points are wrong")
