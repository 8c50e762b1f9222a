"""Check the softmaxes."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.formats import IntFormat
from hwsim.program.records import (
    DividedSoftmax,
    FixedSoftmax,
    HostSoftmax,
    LineSoftmax,
    PolynomialSoftmax,
    SoftmaxOfCodes,
    TableSoftmax,
    Tensor,
)
from hwsim.program.verify.need import need
from hwsim.program.verify.tensors import check_alike
from hwsim.quantize.decide import SHARES
from hwsim.quantize.plan import TensorPlan
from hwsim_kernels import softmax as fixed
from hwsim_kernels import softmax_lines as lines
from hwsim_kernels import softmax_polynomial as polynomial


def check_lines(one: SoftmaxOfCodes, inputs: Sequence[Tensor]) -> None:
    """Check the shape and the axis of a softmax, and that a mask leaves each line something."""
    check_alike(one, inputs)
    need(0 <= one.axis < len(one.output.shape), f"{one.name}: has no axis {one.axis}")
    if one.mask is not None:
        need(one.mask.shape == one.output.shape, f"{one.name}: its mask has the shape {one.mask.shape}")
        need(bool(one.mask.any(axis=one.axis).all()), f"{one.name}: its mask leaves nothing of a line")


def check_shares(
    one: SoftmaxOfCodes, inputs: Sequence[Tensor], how: str, wanted: TensorPlan, points: tuple[str, ...]
) -> None:
    """Check the lines, the formats and the points of a softmax that gives codes."""
    check_lines(one, inputs)
    for tensor in (inputs[0], one.output):
        need(tensor.format == wanted.format, f"{one.name}: a softmax {how} has codes of {wanted.bits} bits")
    need(inputs[0].plain and one.output.plain, f"{one.name}: a softmax {how} has codes that are integers")
    given = (one.output.scale, one.output.zero_point) == (wanted.scale, wanted.zero_point)
    need(given, f"{one.name}: a softmax {how} gives shares of 1/{round(1 / wanted.scale)}")
    need(tuple(point.name for point in one.points) == points, f"{one.name}: its points are wrong")


def check_host_softmax(one: HostSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the axis and the scale of a softmax on the host."""
    check_lines(one, inputs)
    same = (one.scale, one.zero_point) == (inputs[0].scale, inputs[0].zero_point)
    need(same, f"{one.name}: reads its input with another scale or zero point")


def check_fixed_softmax(one: FixedSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the size and the multiplier of a softmax in fixed point."""
    check_shares(one, inputs, "in fixed point", SHARES[8], fixed.POINTS)
    check_multiplier(one, fixed.MOST_VALUES)
    need(1 <= one.shift <= 31, f"{one.name}: shifts to the left by {one.shift} bits, 1 to 31 are possible")


def check_line_softmax(one: LineSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the size, the multiplier and the tables of a softmax by lines of two tables."""
    check_shares(one, inputs, "by lines", SHARES[16], lines.POINTS)
    check_multiplier(one, lines.MOST_VALUES)
    within = lines.LEAST_SHIFT <= one.exponent <= lines.MOST_SHIFT
    need(within, f"{one.name}: the exponent of its multiplier is {one.exponent}")
    for table in (one.powers, one.reciprocals):
        need(table.shape == (lines.STEPS + 1,), f"{one.name}: a table has the shape {table.shape}")
        need(bool(((table >= 0) & (table < 1 << 15)).all()), f"{one.name}: a table has entries beyond 0 to 32767")
    need(int(one.powers[-2:].min()) >= 1 << 14, f"{one.name}: its table holds no powers")


def check_multiplier(one: FixedSoftmax | LineSoftmax, most: int) -> None:
    """Check the multiplier of differences, and that so many powers fit the sum."""
    need(one.output.shape[one.axis] <= most, f"{one.name}: takes more than {most} values")
    need(1 << 30 <= one.multiplier < 1 << 31, f"{one.name}: its multiplier is {one.multiplier}")


def check_table_softmax(one: TableSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the table of a softmax by a table."""
    check_shares(one, inputs, "by a table", SHARES[8], ())
    need(one.table.shape == (256,), f"{one.name}: its table has the shape {one.table.shape}")
    inside = bool(((one.table >= 0) & (one.table <= 1)).all())
    need(inside and one.table[0] == 1, f"{one.name}: its table holds no exponentials")


def check_divided_softmax(one: DividedSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the formats, the table and the factor of a softmax that divides."""
    check_lines(one, inputs)
    form = inputs[0].format
    alike = form is not None and form == one.output.format == IntFormat(bits=8, signed=form.signed)
    need(alike, f"{one.name}: a softmax that divides has codes of 8 bits")
    need(one.table.shape == (256,), f"{one.name}: its table has the shape {one.table.shape}")
    largest, size = float(one.table[0]), one.output.shape[one.axis]
    falls = bool(((one.table >= 0) & (one.table <= largest)).all())
    need(falls and 1 <= largest * size < 2.0**127, f"{one.name}: its table holds no exponentials that can be added")
    need(1 <= one.factor < 2.0**101, f"{one.name}: its factor is {one.factor!r}")


def check_polynomial_softmax(one: PolynomialSoftmax, inputs: Sequence[Tensor]) -> None:
    """Check the numbers of a softmax by a parabola."""
    check_shares(one, inputs, "by a parabola", SHARES[8], polynomial.POINTS)
    bits = polynomial.SUM_BITS
    need(one.numbers.shape == (3,), f"{one.name}: its parabola has {one.numbers.shape} numbers")
    period, offset, constant = one.numbers.tolist()
    inside = 1 <= period <= offset < 1 << bits and 1 <= constant < 1 << bits
    need(inside, f"{one.name}: its parabola has the numbers {one.numbers.tolist()}")
    most = (offset * offset + constant) * one.output.shape[one.axis]
    need(most < 1 << bits, f"{one.name}: its powers add up to more than {bits} bits hold")
