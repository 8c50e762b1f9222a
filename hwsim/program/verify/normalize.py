"""Check normalisation over groups of channels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from hwsim.program.records import NormalizeCodes, Tensor
from hwsim.program.verify.fields import DROPPED, STORED_BITS, check_rounding
from hwsim.program.verify.need import need
from hwsim.program.verify.tensors import check_alike


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
