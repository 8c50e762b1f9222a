"""Check matrix products."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.program.records import MatrixProduct, Tensor
from hwsim.program.verify.fields import STORED_BITS
from hwsim.program.verify.mac import check_sums
from hwsim.program.verify.need import magnitude, need


def check_matrix_product(one: MatrixProduct, inputs: Sequence[Tensor]) -> None:
    """Check the shapes of a matrix product, and its sums."""
    shapes = [one_input.shape for one_input in inputs]
    need(min(map(len, shapes)) >= 2, f"{one.name}: its inputs are no matrices")
    (first, second), (turned, turned_too) = shapes, one.transpose
    rows, depth = first[:-3:-1] if turned else first[-2:]
    height, columns = second[:-3:-1] if turned_too else second[-2:]
    made = (*first[:-2], rows, columns)
    need(depth == height and first[:-2] == second[:-2], f"{one.name}: its inputs do not fit each other")
    need(one.output.shape == made, f"{one.name}: its output has the shape {one.output.shape}, not {made}")
    need(one.zero_points.shape == (2,), f"{one.name}: has {one.zero_points.size} zero points, not 2")
    need(magnitude(one.zero_points) <= 1 << STORED_BITS, f"{one.name}: a zero point is no code")
    need(sorted(one.places.tolist()) == list(range(depth)), f"{one.name}: does not sum each of its products once")
    has_product = check_sums(one, depth)
    need(len(one.points) >= has_product + len(one.stages), f"{one.name}: has too few points")
    need(one.wide or not one.wide_sums, f"{one.name}: its sums are wide and its values are not")
