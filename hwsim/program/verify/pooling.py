"""Check pooling."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import FloatAverage, PoolAverage, PoolMax, Tensor
from hwsim.program.verify.fields import STORED_BITS, check_field
from hwsim.program.verify.need import need


def check_pool(one: PoolMax | PoolAverage | FloatAverage, inputs: Sequence[Tensor]) -> None:
    """Check the window of a pooling."""
    source = inputs[0]
    need(len(source.shape) == len(one.output.shape) == 3, f"{one.name}: pools over (h, w, c) alone")
    need(source.shape[2] == one.channels, f"{one.name}: its input has another number of channels")
    need(one.window.shape == (6,) and int(one.window[:4].min()) > 0, f"{one.name}: its window is {one.window.tolist()}")
    for axis in (0, 1):
        size, stride, before = (int(one.window[axis + offset]) for offset in (0, 2, 4))
        last = (one.output.shape[axis] - 1) * stride - before
        inside = before < size and last < source.shape[axis]
        need(inside, f"{one.name}: a window lies outside its input")
    if isinstance(one, PoolMax):
        form = one.output.format
        held = form is not None and form.minimum <= one.outside <= form.maximum
        need(held, f"{one.name}: what its windows hold outside is no code")
    if isinstance(one, FloatAverage):
        need(abs(one.zero_point) <= 1 << STORED_BITS, f"{one.name}: its zero point is no code")
        need(one.scales.shape == (one.channels,), f"{one.name}: scales have the shape {one.scales.shape}")
        need(bool(((one.scales > 2.0**-100) & (one.scales < 2.0**100)).all()), f"{one.name}: a scale is no float32")
        need([point.name for point in one.points[:1]] == ["division"], f"{one.name}: its points are wrong")
    if isinstance(one, PoolAverage):
        check_field(one, one.field, 5)
        need(abs(one.zero_point) <= 1 << STORED_BITS, f"{one.name}: its zero point is no code")
        need(
            [point.name for point in one.points[:2]] == ["accumulator", "division"], f"{one.name}: its points are wrong"
        )
