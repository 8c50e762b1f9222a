"""The drawing of a graph: every node apart from every other, below what it takes from, few crossings, columns."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.report.page.layout import NODE_HEIGHT, NODE_WIDTH, RANK, Drawing, drawn


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Return random graphs: nodes with up to three sources before them."""
    count = draw(st.integers(1, 20))
    return [
        draw(st.lists(st.integers(0, node - 1), max_size=3)) if node else []  # sources may repeat
        for node in range(count)
    ]


def chain(length: int) -> list[list[int]]:
    return [[node - 1] if node else [] for node in range(length)]


def points(path: str) -> list[tuple[float, float]]:
    """Return where the pieces of a path begin and end; curves by their ends."""
    x = y = 0.0
    found = []
    for letter, text in re.findall(r"([MVHC])([^MVHC]*)", path):
        numbers = [float(one) for one in text.split()]
        x, y = {"M": numbers[-2:], "C": numbers[-2:], "V": [x, numbers[-1]], "H": [numbers[-1], y]}[letter]
        found.append((x, y))
    return found


def inside(drawing: Drawing) -> bool:
    corners = [(x + dx, y + dy) for x, y in drawing.nodes for dx in (0, NODE_WIDTH) for dy in (0, NODE_HEIGHT)]
    places = corners + [place for path in drawing.edges for place in points(path)]
    return all(-0.1 <= x <= drawing.width + 0.1 and -0.1 <= y <= drawing.height + 0.1 for x, y in places)


@given(graphs(), st.sampled_from([0.0, 400.0, 1200.0]))
@settings(deadline=None)
def test_nodes_stand_apart_and_inside(sources: list[list[int]], width: float) -> None:
    drawing = drawn(sources, width)
    assert len(drawing.nodes) == len(sources)
    for (x, y), (left, top) in combinations(drawing.nodes, 2):
        assert abs(x - left) >= NODE_WIDTH or abs(y - top) >= NODE_HEIGHT
    assert inside(drawing)


@given(graphs())
@settings(deadline=None)
def test_data_flows_down_in_one_column(sources: list[list[int]]) -> None:
    drawing = drawn(sources, 0.0)
    assert drawing.columns == 1
    for (_, y), own in zip(drawing.nodes, sources, strict=True):
        assert all(y - drawing.nodes[source][1] >= RANK for source in own)


@given(graphs(), st.sampled_from([0.0, 1200.0]))
@settings(deadline=None)
def test_every_edge_is_drawn(sources: list[list[int]], width: float) -> None:
    """Follow the paths from place to place: what is reached from a node is what takes from it."""
    drawing = drawn(sources, width)
    leads: dict[tuple[float, float], set[tuple[float, float]]] = {}
    for path in drawing.edges:
        for piece in path.split("M")[1:]:
            for begin, end in pairwise(points("M" + piece)):
                leads.setdefault(begin, set()).add(end)
    heads = {(x + NODE_WIDTH / 2, y): node for node, (x, y) in enumerate(drawing.nodes)}
    for node, (x, y) in enumerate(drawing.nodes):
        reached, coming = set(), list(leads.get((x + NODE_WIDTH / 2, y + NODE_HEIGHT), ()))
        while coming:
            place = coming.pop()
            near = [other for head, other in heads.items() if abs(head[0] - place[0]) < 0.2 and head[1] == place[1]]
            reached |= set(near)
            coming += [] if near else leads.get(place, set())
        assert reached == {other for other, own in enumerate(sources) if node in own}


def test_a_chain_is_a_straight_line_in_columns() -> None:
    assert len({x for x, _ in drawn(chain(20), 0.0).nodes}) == 1
    drawing = drawn(chain(20), 1200.0)
    assert drawing.columns == len({x for x, _ in drawing.nodes}) == 4
    assert drawing.width <= 1200


def test_branches_do_not_cross() -> None:
    # two branches from one node, listed so that a drawing in this order would cross them twice
    sources: list[list[int]] = [[], [0], [0], [2], [1], [3], [4], [5, 6]]
    nodes = drawn(sources, 0.0).nodes
    left = nodes[1][0] < nodes[2][0]
    assert (nodes[4][0] < nodes[3][0]) == left and (nodes[6][0] < nodes[5][0]) == left


def test_what_takes_from_nothing_stands_above_its_use() -> None:
    nodes = drawn([[], [0], [1], [], [2, 3]], 0.0).nodes
    assert nodes[3][1] == nodes[2][1]


def test_what_stands_behind_is_refused() -> None:
    with pytest.raises(ValueError, match="before"):
        drawn([[], [1]], 0.0)


def test_nothing_is_drawn_of_nothing() -> None:
    assert drawn([], 100.0).nodes == ()
