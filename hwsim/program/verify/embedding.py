"""Check tables that are read by codes."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import PickRows, Tensor
from hwsim.program.verify.constant import check_held
from hwsim.program.verify.need import need


def check_rows(one: PickRows, inputs: Sequence[Tensor]) -> None:
    """Check that a table holds rows of codes, and is read by codes."""
    source, width = inputs[0], one.channels
    need(source.format is not None, f"{one.name}: reads rows by real values")
    need(one.output.shape == (*source.shape, width), f"{one.name}: does not give the shape {one.output.shape}")
    need(one.codes.ndim == 2 and one.codes.shape[1] == width, f"{one.name}: has a table of shape {one.codes.shape}")
    need(len(one.codes) > 0, f"{one.name}: has a table without rows")
    check_held(one)
