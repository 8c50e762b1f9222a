"""Check codes that are no plain integers."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import Decode, Encode, Tensor
from hwsim.program.verify.need import need
from hwsim.program.verify.tensors import check_alike


def check_encode(one: Encode, inputs: Sequence[Tensor]) -> None:
    """Check that there are levels to encode to."""
    check_alike(one, inputs)
    need(bool(one.output.levels), f"{one.name}: its output has no levels")
    need([point.name for point in one.points] == ["encode"], f"{one.name}: its points are wrong")


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
