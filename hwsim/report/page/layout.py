"""Places for the nodes of a graph: layers by depth, few crossings, short edges, in columns like those of a text.

The method is that of Sugiyama, Tagawa and Toda (1981): a rank for each node, lanes where an edge passes a rank, orders
of ranks by the mean places of neighbours, then places that keep these orders. Edges from one node share their lanes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

NODE_WIDTH, NODE_HEIGHT = 132.0, 32.0
LANE_WIDTH = 8.0
SPACE = 10.0
"""Between neighbours of a rank."""
RANK = 48.0
"""From the top of one rank to that of the next."""
GUTTER = 20.0
"""Between columns, without the lanes that lead from one to the next."""

SWEEPS = 12
LEAST_RANKS = 5
"""A column has so many ranks at least."""

Item = tuple[int, int]
"""A node or lane: the number of the node that it is or begins at, and the rank."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Where the nodes of a graph are (the upper left corner of each), the paths of its edges, and how large it is."""

    nodes: tuple[tuple[float, float], ...]
    edges: tuple[str, ...]
    width: float
    height: float
    columns: int


def drawn(sources: Sequence[Sequence[int]], width: float) -> Drawing:
    """Return places for nodes, of which each takes from ``sources``, nodes before it; in columns if ``width`` allows.

    Raises ValueError if a node takes from itself or one behind it.
    """
    if any(not 0 <= source < node for node, own in enumerate(sources) for source in own):
        raise ValueError("a node takes from one that does not stand before it")
    if not sources:
        return Drawing(nodes=(), edges=(), width=0.0, height=0.0, columns=0)
    graph = _Ranked(sources)
    graph.order()
    return _Columns(graph, graph.places(), width).drawing()


class _Ranked:
    """A graph whose edges lead from one rank to the next, lanes included."""

    def __init__(self, sources: Sequence[Sequence[int]]) -> None:
        self.depth = _depths(sources)
        self.ranks: list[list[Item]] = [[] for _ in range(max(self.depth) + 1)]
        self.above: dict[Item, list[Item]] = {}
        self.below: dict[Item, list[Item]] = {}
        for node, own in enumerate(sources):
            self._add((node, self.depth[node]))
            for source in sorted(set(own)):
                self._connect(source, node)

    def _add(self, item: Item) -> None:
        if item not in self.above:
            self.ranks[item[1]].append(item)
            self.above[item], self.below[item] = [], []

    def _connect(self, source: int, node: int) -> None:
        """Lead an edge through lanes, along those that the source has already."""
        last = (source, self.depth[source])
        for rank in range(self.depth[source] + 1, self.depth[node] + 1):
            item = (node, rank) if rank == self.depth[node] else (source, rank)
            self._add(item)
            if item not in self.below[last]:
                self.below[last].append(item)
                self.above[item].append(last)
            last = item

    def is_node(self, item: Item) -> bool:
        return self.depth[item[0]] == item[1]

    def order(self) -> None:
        """Order the ranks so that few edges cross: the best of some sweeps down and up."""
        best, fewest = [list(rank) for rank in self.ranks], self._crossings()
        for sweep in range(SWEEPS):
            if not fewest:
                break
            down = sweep % 2 == 0
            for rank in self.ranks[1:] if down else self.ranks[-2::-1]:
                neighbours = self.above if down else self.below
                place = self._numbers(rank[0][1] + (-1 if down else 1))
                own = {item: number for number, item in enumerate(rank)}
                rank.sort(
                    key=lambda item, own=own, place=place, of=neighbours: _mean(  # type: ignore[misc]
                        [place[one] for one in of[item]], own[item]
                    )
                )
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(rank) for rank in self.ranks], crossings
        self.ranks = best

    def _numbers(self, rank: int) -> dict[Item, int]:
        return {item: number for number, item in enumerate(self.ranks[rank])}

    def _crossings(self) -> int:
        total = 0
        for rank in range(len(self.ranks) - 1):
            place = self._numbers(rank + 1)
            seen: list[int] = []
            for item in self.ranks[rank]:
                ends = sorted(place[one] for one in self.below[item])
                total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def places(self) -> dict[Item, float]:
        """Return the middle of every item, near those of its neighbours, in the orders of the ranks.

        What is alone in its rank stands at 0, so that blocks stand below one another.
        """
        middle: dict[Item, float] = {}
        for rank in self.ranks:
            middle |= zip(rank, self._apart(rank, [0.0] * len(rank)), strict=True)
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            for rank in self.ranks if down else self.ranks[::-1]:
                first, second = (self.above, self.below) if down else (self.below, self.above)
                wanted = [self._wanted(first[item] or second[item], middle, middle[item]) for item in rank]
                middle |= zip(rank, self._apart(rank, wanted if len(rank) > 1 else [0.0]), strict=True)
        return middle

    def _wanted(self, neighbours: Sequence[Item], middle: dict[Item, float], otherwise: float) -> float:
        """Return the mean place of neighbours, of lanes only where there is no node."""
        nodes = [middle[one] for one in neighbours if self.is_node(one)]
        return _mean(nodes or [middle[one] for one in neighbours], otherwise)

    def _apart(self, rank: Sequence[Item], wanted: Sequence[float]) -> list[float]:
        """Return the places nearest to those wanted, by squares, that keep items of a rank apart and in order.

        Less what must lie to the left of each, places must not descend: neighbours that would are pooled.
        """
        left = [0.0]
        for one, other in zip(rank, rank[1:], strict=False):
            left.append(left[-1] + (self.size(one) + self.size(other)) / 2 + SPACE)
        pools: list[tuple[float, float, int]] = []
        for item, goal, offset in zip(rank, wanted, left, strict=True):
            weight = 1.0 if self.is_node(item) else 0.01  # lanes make way
            pool = (weight * (goal - offset), weight, 1)
            while pools and pools[-1][0] / pools[-1][1] > pool[0] / pool[1]:
                total, weight, count = pools.pop()
                pool = (total + pool[0], weight + pool[1], count + pool[2])
            pools.append(pool)
        means = [total / weight for total, weight, count in pools for _ in range(count)]
        return [mean + offset for mean, offset in zip(means, left, strict=True)]

    def size(self, item: Item) -> float:
        return NODE_WIDTH if self.is_node(item) else LANE_WIDTH


def _depths(sources: Sequence[Sequence[int]]) -> list[int]:
    """Return the longest way from the beginning to each node; what takes from nothing stands just above its use."""
    depths: list[int] = []
    for own in sources:
        depths.append(max((depths[one] for one in own), default=-1) + 1)
    first_use: dict[int, int] = {}
    for node, own in enumerate(sources):
        for source in own:
            first_use[source] = min(depths[node], first_use.get(source, depths[node]))
    return [
        first_use[node] - 1 if not own and node in first_use else depth
        for node, (own, depth) in enumerate(zip(sources, depths, strict=True))
    ]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


class _Columns:
    """A ranked graph cut into columns that stand side by side, where few edges are cut."""

    def __init__(self, graph: _Ranked, middle: dict[Item, float], width: float) -> None:
        self.graph = graph
        self.middle = middle
        many = max(len(graph.ranks) // LEAST_RANKS, 1)
        self.cuts = next(
            cuts for count in range(many, 0, -1) if self._fits(cuts := self._cut(count), width) or count == 1
        )
        self.top = max((self._crossing(cut) for cut in self.cuts[1:-1]), default=0) * LANE_WIDTH
        self.shift: list[float] = []
        end = 0.0
        for first, last in zip(self.cuts, self.cuts[1:], strict=False):
            low, high = self._reach(first, last)
            self.shift.append(end - low)
            end += high - low + self._gap(last)
        self.width = end

    def _cut(self, count: int) -> list[int]:
        """Return the ranks at which so many columns begin, and the end."""
        ranks = len(self.graph.ranks)
        each = ranks / count
        slack = int(each / 4)
        inner = [
            min(
                range(round(number * each) - slack, round(number * each) + slack + 1),
                key=lambda rank, at=number * each: (self._crossing(rank), abs(rank - at)),  # type: ignore[misc]
            )
            for number in range(1, count)
        ]
        return [0, *inner, ranks]

    def _crossing(self, rank: int) -> int:
        """Return how many sources lead into a rank: the lanes from one column to the next if it is cut there."""
        return len({one for item in self.graph.ranks[rank] for one in self.graph.above[item]})

    def _gap(self, rank: int) -> float:
        return 0.0 if rank == len(self.graph.ranks) else GUTTER + LANE_WIDTH * self._crossing(rank)

    def _reach(self, first: int, last: int) -> tuple[float, float]:
        """Return where the items of some ranks begin and end."""
        items = [item for rank in self.graph.ranks[first:last] for item in rank]
        half = {item: self.graph.size(item) / 2 for item in items}
        return (
            min(self.middle[item] - half[item] for item in items),
            max(self.middle[item] + half[item] for item in items),
        )

    def _fits(self, cuts: Sequence[int], width: float) -> bool:
        spans = [self._reach(first, last) for first, last in zip(cuts, cuts[1:], strict=False)]
        return sum(high - low for low, high in spans) + sum(map(self._gap, cuts[1:])) <= width

    def drawing(self) -> Drawing:
        graph = self.graph
        longest = max(last - first for first, last in zip(self.cuts, self.cuts[1:], strict=False))
        bottom = self.top + (longest - 1) * RANK + NODE_HEIGHT
        nodes = [self._at((node, rank)) for node, rank in enumerate(graph.depth)]
        return Drawing(
            nodes=tuple((round(x - NODE_WIDTH / 2, 1), y) for x, y in nodes),
            edges=tuple(path for item, ends in graph.below.items() for path in self._paths(item, ends)),
            width=round(self.width, 1),
            height=bottom + self.top,
            columns=len(self.cuts) - 1,
        )

    def _column(self, rank: int) -> int:
        return next(number for number, end in enumerate(self.cuts[1:]) if rank < end)

    def _at(self, item: Item) -> tuple[float, float]:
        """Return the middle of an item's upper edge."""
        column = self._column(item[1])
        return round(self.middle[item] + self.shift[column], 1), self.top + (item[1] - self.cuts[column]) * RANK

    def _paths(self, item: Item, ends: Sequence[Item]) -> list[str]:
        """Return the paths from an item to those below it; a lane goes on through its own rank."""
        x, y = self._at(item)
        begin = f"M{x:g} {y:g}V{y + NODE_HEIGHT:g}" if not self.graph.is_node(item) else f"M{x:g} {y + NODE_HEIGHT:g}"
        if ends and self._column(item[1]) != self._column(ends[0][1]):
            return [self._around(item, begin, ends)]
        half = (RANK - NODE_HEIGHT) / 2
        paths = []
        for number, end in enumerate(ends):
            to, below = self._at(end)
            start = begin if number == 0 else f"M{x:g} {y + NODE_HEIGHT:g}"
            paths.append(
                f"{start}V{below:g}"
                if x == to
                else f"{start}C{x:g} {below - half / 2:g} {to:g} {y + NODE_HEIGHT + half / 2:g} {to:g} {below:g}"
            )
        return paths

    def _around(self, item: Item, begin: str, ends: Sequence[Item]) -> str:
        """Return the path from the end of a column to the beginning of the next, in a lane of its own."""
        column = self._column(item[1])
        rank = self.graph.ranks[item[1]]
        crossing = [one for one in rank if self.graph.below[one]]
        lane = len(crossing) - 1 - crossing.index(item)
        _, y = self._at(item)
        right = self.shift[column] + self._reach(self.cuts[column], self.cuts[column + 1])[1]
        gutter = right + GUTTER / 2 + LANE_WIDTH * (lane + 0.5)
        under = y + NODE_HEIGHT + LANE_WIDTH * (lane + 1)
        over = self.top - LANE_WIDTH * (lane + 1)
        way = f"{begin}V{under:g}H{gutter:g}V{over:g}"
        places = [self._at(end) for end in ends]
        return way + "".join(f"M{gutter:g} {over:g}H{x:g}V{y:g}" for x, y in places)
