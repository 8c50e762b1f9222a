"""Products of two feature maps (docs/arithmetic.md, section 6, matmul)."""

from __future__ import annotations

from oracle.finish import Finish
from oracle.mac import Datapath, Where, loop_ends, steps
from oracle.rescale import accumulator_unit
from oracle.tensor import Layer, Made, Shape, Tensor, size_of


def lying(one: Tensor, transposed: bool) -> Shape:
    """Return (matrices, rows, columns) of an input as it enters the product."""
    rows, columns = one.shape[:-3:-1] if transposed else one.shape[-2:]
    return (size_of(one.shape[:-2]), rows, columns)


def matrices(one: Tensor, sample: int, transposed: bool, zero_point: int) -> list[list[list[int]]]:
    """Return the matrices of a sample, less a zero point, as they enter the product."""
    many, rows, columns = lying(one, transposed)
    values = [code - zero_point for code in one.samples[sample]]

    def at(matrix: int, row: int, column: int) -> int:
        start = matrix * rows * columns
        return values[start + (column * rows + row if transposed else row * columns + column)]

    return [[[at(m, r, c) for c in range(columns)] for r in range(rows)] for m in range(many)]


def matmul(layer: Layer) -> Made:
    """Multiply matrices."""
    (a, b), (turned, turned_too) = layer.inputs, layer.operation["transpose"]
    mac = layer.settings["mac"]
    (many, rows, depth), (_, _, columns) = lying(a, turned), lying(b, turned_too)
    order, ends = steps(1, 1, depth, mac), loop_ends(1, 1, depth, mac)
    datapath = Datapath(mac, "none", layer.settings["random"], columns, ends)
    finish = Finish(None, layer.settings, layer.plan, columns)
    dropped = datapath.product.shift + sum(stage["shift"] for stage in mac["stages"])
    unit = accumulator_unit(a.scale, b.scale, dropped)
    made = Made((*a.shape[:-2], rows, columns), [], [*datapath.points, *finish.points])
    ignored = mac.get("second_zero_point", "removed") == "ignored"
    for sample in range(len(a.samples)):
        left = matrices(a, sample, turned, a.zero_point)
        right = matrices(b, sample, turned_too, 0 if ignored else b.zero_point)
        stored = []
        for number in range(many * rows * columns):
            position, channel = divmod(number, columns)
            matrix, row = divmod(position, rows)
            pairs = [(left[matrix][row][k], right[matrix][k][channel]) for _, _, k in order]
            where = Where(sample, position, channel, row * columns + channel, depth)
            total = datapath.run(pairs, 0, where)
            stored.append(finish.run(total, unit, number, where.place()))
        made.samples.append(stored)
    return made
