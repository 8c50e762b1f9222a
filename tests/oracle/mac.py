"""Multiply-accumulate (docs/arithmetic.md, section 4, 1 to 3)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence, Set
from itertools import pairwise, product
from typing import Any, NamedTuple

from oracle.ledger import Place, Point
from oracle.lfsr import NO_RANDOM, Draws
from oracle.overflow import Format
from oracle.rounding import rounded_shift


class Step(NamedTuple):
    """A value and the step k at which it is there."""

    k: int
    value: int


class Where(NamedTuple):
    """The output that is being computed: its place, its number in the sample, and K."""

    sample: int
    position: int
    channel: int
    number: int
    steps: int

    def place(self, k: int = 0) -> Place:
        """Return the place of step k."""
        return Place(self.sample, self.position, self.channel, k)


def visits(
    height: int, width: int, channels: int, mac: Mapping[str, Any]
) -> Iterator[tuple[tuple[int, ...], tuple[int, int, int]]]:
    """Yield of every step the indices of the loops, outermost first, and (row, column, channel of the group)."""
    order: Sequence[str] = mac["order"]
    tiled = "input_channel_tile" in order and mac.get("tile")
    tile: int = mac["tile"]["input_channel"] if tiled else channels
    sizes = {
        "kernel_height": height,
        "kernel_width": width,
        "input_channel_tile": -(-channels // tile),
        "input_channel": tile,
    }
    for indices in product(*(range(sizes[loop]) for loop in order)):
        at = dict(zip(order, indices, strict=True))
        channel = at.get("input_channel_tile", 0) * tile + at["input_channel"]
        if channel < channels:
            yield indices, (at["kernel_height"], at["kernel_width"], channel)


def steps(height: int, width: int, channels: int, mac: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    """Return (row, column, channel of the group) of every step, in the order of accumulation."""
    return [place for _, place in visits(height, width, channels, mac)]


def loop_ends(height: int, width: int, channels: int, mac: Mapping[str, Any]) -> list[frozenset[int]]:
    """Return for each stage the steps k after which an index of a loop outside its ``within`` changes.

    >>> order = ["kernel_height", "kernel_width", "input_channel"]
    >>> stages = [{"within": "input_channel"}, {"within": "kernel_width"}, {"within": None}]
    >>> [sorted(ends) for ends in loop_ends(2, 2, 3, {"order": order, "stages": stages})]
    [[2, 5, 8], [5], []]
    """
    visited = [indices for indices, _ in visits(height, width, channels, mac)]

    def ends(within: str | None) -> frozenset[int]:
        outside = mac["order"].index(within) if within else 0
        return frozenset(k for k, (now, then) in enumerate(pairwise(visited)) if now[:outside] != then[:outside])

    return [ends(stage.get("within")) for stage in mac["stages"]]


def grouped(values: Sequence[Step], terms: int | None, ends: Container[int]) -> Iterator[list[Step]]:
    """Yield the values of each sum: it ends after ``terms`` values, at the steps ``ends`` and with the sequence.

    >>> [[k for k, _ in group] for group in grouped([Step(k, 0) for k in range(7)], 2, {2})]
    [[0, 1], [2], [3, 4], [5, 6]]
    """
    group: list[Step] = []
    for value in values:
        group.append(value)
        if len(group) == terms or value.k in ends:
            yield group
            group = []
    if group:
        yield group


class Sum:
    """One sum of one stage: the fits it went through, what they injected, whether one was hit."""

    def __init__(self, stage: Mapping[str, Any], point: Point, where: Where, draws: Draws) -> None:
        """Begin a sum."""
        self.stage, self.point, self.where, self.draws = stage, point, where, draws
        self.format = Format.of(stage)
        self.injected = 0
        self.hit = False

    def narrow(self, exact: int, k: int) -> int:
        """Round and fit a value at step k."""
        mode = self.stage["rounding"]
        draw = self.draws.draw(self.where.number * self.where.steps + k, mode)
        rounded = rounded_shift(exact, self.stage["shift"], mode, draw, self.draws.bits)
        x = self.point.round(rounded, self.where.place(k))
        fitted = self.point.fit_in_sum(x, self.format, self.where.place(k))
        self.injected += fitted - x
        self.hit = self.hit or not self.format.holds(x)
        return fitted

    def chain_each(self, values: Sequence[Step], start: int) -> int:
        """Add one value after another, fitting after each."""
        total = start
        for k, value in values:
            total = self.narrow(total * 2 ** self.stage["shift"] + value, k)
        return total

    def chain_last(self, values: Sequence[Step], start: int) -> int:
        """Add all values exactly, then fit once."""
        exact = start * 2 ** self.stage["shift"] + sum(value for _, value in values)
        return self.narrow(exact, values[-1].k)

    def tree(self, values: Sequence[Step]) -> int:
        """Add in pairs, level by level, fitting every node; values missing at its end are 0."""
        if self.stage["shift"]:
            raise ValueError("a tree has no shift")
        k = values[-1].k
        level = [value for _, value in values] + [0] * (self.stage["terms"] - len(values))
        if len(level) == 1:
            return self.narrow(level[0], k)
        while len(level) > 1:
            pairs = zip(level[0::2], level[1::2], strict=False)
            odd_one_out = level[-1:] if len(level) % 2 else []
            level = [self.narrow(x + y, k) for x, y in pairs] + odd_one_out
        return level[0]

    def run(self, values: Sequence[Step], start: int) -> Step:
        """Return the finished sum, with the step of its last value."""
        if self.stage["shape"] == "tree":
            total = self.tree(values)
        elif self.stage["check"] == "each":
            total = self.chain_each(values, start)
        else:
            total = self.chain_last(values, start)
        self.point.hand_up(total, self.injected, self.hit, self.format, self.where.channel)
        return Step(values[-1].k, total)


class Product:
    """Brings products to their width, if they have one."""

    def __init__(self, section: Mapping[str, Any] | None, random: Mapping[str, Any], channels: int) -> None:
        """Begin an empty ledger."""
        self.section, self.draws = section, Draws(random)
        self.point = Point("product", channels, watch_all=False)
        self.points = [self.point] if section else []
        self.shift: int = section["shift"] if section else 0

    def narrow(self, p: int, number: int, place: Place) -> int:
        """Round and fit a product, which is value ``number`` of the point."""
        if not self.section:
            return p
        mode = self.section["rounding"]
        rounded = rounded_shift(p, self.shift, mode, self.draws.draw(number, mode), self.draws.bits)
        return self.point.fit(self.point.round(rounded, place), Format.of(self.section), place)


class Datapath:
    """The multiply-accumulate datapath of one layer, and its ledger."""

    def __init__(
        self,
        mac: Mapping[str, Any],
        position: str,
        random: Mapping[str, Any] = NO_RANDOM,
        channels: int = 1,
        ends: Sequence[Set[int]] | None = None,
    ) -> None:
        """Begin an empty ledger; ``position`` is where the bias enters.

        ``ends`` are the steps at which the sums of each stage end by its ``within`` (``loop_ends``).
        """
        self.position = position
        self.draws = Draws(random)
        self.product = Product(mac["product"], random, channels)
        self.product_point = self.product.point
        self.stages: Sequence[Mapping[str, Any]] = mac["stages"]
        last = self.stages[-1]
        if last["terms"] is not None or last["shape"] == "tree" or last.get("within"):
            raise ValueError("the last stage takes all that is left, one after another")
        if position == "inner" and self.stages[0]["shape"] == "tree":
            raise ValueError("a tree starts from nothing, so no bias enters it")
        if ends is None and any(stage.get("within") for stage in self.stages):
            raise ValueError("sums end where loops end, but no ends are given")
        own = ends or [frozenset[int]()] * len(self.stages)
        self.ends = [frozenset[int]().union(*own[i:]) for i in range(len(self.stages))]
        self.stage_points = [Point(stage["name"], channels, last=stage is last) for stage in self.stages]
        self.bias_point = Point("bias_sum", channels)
        self.bias_format = Format.of(last)

    @property
    def points(self) -> list[Point]:
        """The points in the order in which values come to them."""
        bias = [self.bias_point] if self.position == "last" else []
        return [*self.product.points, *self.stage_points, *bias]

    def run(self, pairs: Sequence[tuple[int, int]], bias: int, where: Where, left: int = 0) -> int:
        """Return the sum of the products of ``pairs``, which stand in the order of accumulation.

        A bias that comes last meets a sum that is shifted ``left``, to the bias' finer unit.
        """
        first = where.number * where.steps
        values = [Step(k, self.product.narrow(a * w, first + k, where.place(k))) for k, (a, w) in enumerate(pairs)]
        for index, (stage, point) in enumerate(zip(self.stages, self.stage_points, strict=True)):
            start = bias if self._starts_from_bias(index) else 0
            sums = enumerate(grouped(values, stage["terms"], self.ends[index]))
            values = [Sum(stage, point, where, self.draws).run(one, 0 if i else start) for i, one in sums]
        total = values[0].value
        if self.position == "last":
            return self.bias_point.fit(total * 2**left + bias, self.bias_format, where.place())
        return total

    def _starts_from_bias(self, index: int) -> bool:
        """Return whether the first sum of a stage starts from the bias."""
        return index == {"inner": 0, "first": len(self.stages) - 1}.get(self.position)


def dot(
    pairs: Sequence[tuple[int, int]],
    mac: Mapping[str, Any],
    bias: int = 0,
    position: str = "first",
    random: Mapping[str, Any] = NO_RANDOM,
    ends: Sequence[Set[int]] | None = None,
) -> int:
    """Return one output: the accumulated products of (input, weight) pairs in the order of accumulation."""
    return Datapath(mac, position, random, ends=ends).run(pairs, bias, Where(0, 0, 0, 0, len(pairs)))
