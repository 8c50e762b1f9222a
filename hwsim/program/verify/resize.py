"""Check interpolation between pixels."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import Interpolate, Tensor
from hwsim.program.verify.fields import DROPPED, STORED_BITS, check_rounding
from hwsim.program.verify.need import magnitude, need


def check_interpolate(one: Interpolate, inputs: Sequence[Tensor]) -> None:
    """Check the places and weights of an interpolation, and that no sum leaves a word."""
    shape = inputs[0].shape
    need(len(shape) == len(one.output.shape) == 3, f"{one.name}: interpolates (h, w, c) alone")
    need(shape[2] == one.channels, f"{one.name}: its input has another number of channels")
    most = 1 << (STORED_BITS + 1)
    for axis, places, weights in ((0, one.rows, one.row_weights), (1, one.columns, one.column_weights)):
        wanted = (one.output.shape[axis], 2)
        need(places.shape == weights.shape == wanted, f"{one.name}: has the shape {places.shape}, not {wanted}")
        need(int(places.min()) >= 0 and int(places.max()) < shape[axis], f"{one.name}: reads outside its input")
        most *= 2 * magnitude(weights)
    need(most < 1 << 62, f"{one.name}: a sum needs more than 62 bits")
    need(0 <= one.shift <= DROPPED, f"{one.name}: shifts by {one.shift} bits")
    need(abs(one.zero_point) <= 1 << STORED_BITS, f"{one.name}: its zero point is no code")
    check_rounding(one.name, one.rounding)
    need([point.name for point in one.points[:1]] == ["interpolation"], f"{one.name}: its points are wrong")
