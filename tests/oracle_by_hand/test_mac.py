"""Products, stages and orders of the oracle's datapath, computed by hand."""

from __future__ import annotations

import pytest
from oracle_by_hand.sections import AXES, Json, fit_section, mac, stage

from oracle.mac import Datapath, Where, dot, loop_ends, steps


def by_one(*products: int) -> list[tuple[int, int]]:
    """Return (input, weight) pairs with these products."""
    return [(product, 1) for product in products]


def figures(datapath: Datapath, name: str) -> Json:
    """Return the figures of the single channel, histogram aside."""
    point = next(point for point in datapath.points if point.name == name)
    return {key: one[0] for key, one in point.figures().items() if key != "histogram"}


def ran(
    pairs: list[tuple[int, int]],
    section: Json,
    bias: int = 0,
    position: str = "first",
    ends: list[frozenset[int]] | None = None,
) -> Datapath:
    """Return a datapath through which one output has gone."""
    datapath = Datapath(section, position, ends=ends)
    datapath.run(pairs, bias, Where(0, 0, 0, 0, len(pairs)))
    return datapath


def test_saturation_depends_on_the_order() -> None:
    section = mac(stage(8, "saturate"))
    assert dot(by_one(100, 100, -100), section) == 27
    assert dot(by_one(100, -100, 100), section) == 100
    seen = figures(ran(by_one(100, 100, -100), section), "accumulator")
    assert (seen["values"], seen["low"], seen["high"], seen["clamp_energy"]) == (3, 0, 1, 73**2)
    assert (seen["transient"], seen["persistent"], seen["first"]) == (1, 0, (0, 0, 1))
    assert (seen["minimum"], seen["maximum"]) == (100, 200)


def test_a_wrap_may_be_transient() -> None:
    section = mac(stage(8, "wrap"))
    assert dot(by_one(100, 100, -100), section) == 100
    seen = figures(ran(by_one(100, 100, -100), section), "accumulator")
    assert (seen["low"], seen["high"], seen["clamp_energy"]) == (1, 1, 0)
    assert (seen["transient"], seen["persistent"]) == (1, 0)
    assert (seen["minimum"], seen["maximum"]) == (-156, 200)


def test_a_wrap_may_be_persistent() -> None:
    seen = figures(ran(by_one(100, 100), mac(stage(8, "wrap"))), "accumulator")
    assert (seen["transient"], seen["persistent"], seen["clamp_energy"]) == (0, 1, 256**2)
    assert (seen["minimum"], seen["maximum"]) == (200, 200)


def test_check_last() -> None:
    assert dot(by_one(100, 100, -100), mac(stage(8, "saturate", check="last"))) == 100
    section = mac(stage(8, "saturate", check="last", shift=2, rounding="half_up"))
    assert dot(by_one(1, 1, 4), section, bias=3) == 5
    seen = figures(ran(by_one(400, 400), section), "accumulator")
    assert (seen["values"], seen["high"], seen["persistent"], seen["first"]) == (1, 1, 1, (0, 0, 1))


def test_product_is_cut() -> None:
    product = {**fit_section(8, "saturate"), "shift": 1, "rounding": "floor"}
    section = mac(product=product)
    assert dot([(3, 1), (3, -1)], section) == -1
    assert dot([(100, 100)], section) == 127
    seen = figures(ran([(3, 1), (3, -1), (100, 100)], section), "product")
    assert (seen["values"], seen["inexact"], seen["round_bias"]) == (3, 2, -65536)
    assert (seen["minimum"], seen["maximum"], seen["first"]) == (None, 5000, (0, 0, 2))
    assert (seen["transient"], seen["persistent"], seen["clamp_energy"]) == (0, 1, 4873**2)


def test_rounding_at_every_step() -> None:
    section = mac(stage(16, "saturate", shift=8, rounding="half_even"))
    assert dot(by_one(20000 * 256, 20000 * 256, -20000 * 256), section) == 12767
    assert dot(by_one(128, 128, 128, 128), section) == 0
    seen = figures(ran(by_one(128, 128, 128, 128), section), "accumulator")
    assert (seen["inexact"], seen["round_bias"], seen["round_energy"]) == (4, -4 * 32768, 4 * 32768**2)


def adders(terms: int, bits: int) -> Json:
    return mac(stage(bits, "saturate", "tree", terms=terms, shape="tree"), stage())


def test_tree() -> None:
    assert dot(by_one(7, 7, -7, -7), adders(4, 4)) == -1
    assert dot(by_one(7, 7, -7, -7), mac(stage(4, "saturate"))) == -7
    seen = figures(ran(by_one(7, 7, -7, -7), adders(4, 4)), "tree")
    assert (seen["values"], seen["low"], seen["high"], seen["first"]) == (3, 1, 1, (0, 0, 3))
    assert (seen["clamp_energy"], seen["transient"]) == (1, 1)


def test_tree_of_odd_size_and_padded() -> None:
    assert dot(by_one(1, 2, 3, 4, 5), adders(3, 8)) == 15
    assert figures(ran(by_one(1, 2, 3, 4, 5), adders(3, 8)), "tree")["values"] == 4
    assert figures(ran(by_one(1, 2, 3, 4, 5), adders(8, 8)), "tree")["values"] == 7
    assert dot(by_one(100, -100), adders(1, 4)) == -1
    assert figures(ran(by_one(100, -100), adders(1, 4)), "tree")["values"] == 2


def test_stages() -> None:
    section = mac(stage(8, "saturate", "inner", terms=2), stage(9, "saturate", "outer"))
    assert dot(by_one(100, 100, 100, 100, 3, 0), section) == 255
    datapath = ran(by_one(100, 100, 100, 100, 3, 0), section)
    inner, outer = figures(datapath, "inner"), figures(datapath, "outer")
    assert (inner["values"], inner["high"], inner["persistent"], inner["first"]) == (6, 2, 2, (0, 0, 1))
    assert (outer["values"], outer["high"], outer["first"], outer["maximum"]) == (3, 1, (0, 0, 5), 257)


def test_only_the_last_stage_watches_exact_sums() -> None:
    section = mac(stage(8, "wrap", "inner", terms=2), stage(16, "wrap", "outer"))
    datapath = ran(by_one(1, 2, 3, -4), section)
    assert (figures(datapath, "inner")["minimum"], figures(datapath, "inner")["maximum"]) == (None, None)
    assert (figures(datapath, "outer")["minimum"], figures(datapath, "outer")["maximum"]) == (2, 2)
    outer = datapath.points[-1].histogram
    assert outer is not None
    assert outer[2] == 1
    assert sum(outer) == 1
    assert datapath.points[0].histogram is None


def test_bias_first_and_last() -> None:
    section = mac(stage(8, "saturate"))
    assert dot(by_one(100, 100), section, -100, "first") == 100
    assert dot(by_one(100, 100), section, -100, "last") == 27
    seen = figures(ran(by_one(-100), section, -100, "last"), "bias_sum")
    assert (seen["values"], seen["low"], seen["minimum"], seen["first"]) == (1, 1, -200, (0, 0, 0))


def test_bias_is_in_units_after_the_shift() -> None:
    assert dot(by_one(4, 4), mac(stage(16, "wrap", shift=2)), 10) == 12
    inner = stage(16, "wrap", "inner", terms=1, shift=2)
    assert dot(by_one(4, 4), mac(inner, stage(name="outer")), 10) == 12


def test_order_and_tiles() -> None:
    assert steps(1, 2, 2, mac()) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert steps(1, 2, 2, mac(order="chw")) == [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]
    assert steps(1, 2, 3, mac(order="thwc", tile=2)) == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
        (0, 0, 2),
        (0, 1, 2),
    ]


def test_channels_inside_out() -> None:
    assert [channel for _, _, channel in steps(1, 1, 5, mac(order="hwct", tile=2))] == [0, 2, 4, 1, 3]
    assert [channel for _, _, channel in steps(1, 1, 5, mac(order="hwct", tile=7))] == [0, 1, 2, 3, 4]
    assert [channel for _, _, channel in steps(1, 1, 3, mac(order="hwct", tile=1))] == [0, 1, 2]
    assert steps(1, 2, 3, mac(order="hcwt", tile=2)) == [
        (0, 0, 0),
        (0, 0, 2),
        (0, 1, 0),
        (0, 1, 2),
        (0, 0, 1),
        (0, 1, 1),
    ]


def ended(*within: str | None, order: str = "hwc", tile: int | None = None) -> list[list[int]]:
    """Return the ends of stages in a kernel of 2 by 2 with 3 channels."""
    stages = [stage(name=str(i), within=one and AXES[one]) for i, one in enumerate(within)]
    return [sorted(one) for one in loop_ends(2, 2, 3, mac(*stages, order=order, tile=tile))]


def test_where_loops_end() -> None:
    assert ended("c", "w", "h", None) == [[2, 5, 8], [5], [], []]
    assert ended("h", "w", "c", order="chw") == [[3, 7], [1, 3, 5, 7, 9], []]
    assert ended("c", "t", order="hwtc", tile=2) == [[1, 2, 4, 5, 7, 8, 10], [2, 5, 8]]
    assert ended("t", "c", order="hwct", tile=2) == [[1, 2, 4, 5, 7, 8, 10], [2, 5, 8]]


def test_blocks_within_a_position() -> None:
    """NVDLA adds blocks of 8 channels: with 4 channels, half of each block is empty."""
    block = stage(8, "saturate", "block", terms=8, check="last", within="input_channel")
    section = mac(block, stage())
    ends = loop_ends(1, 2, 4, section)
    products = by_one(50, 50, 0, 50, -50, 0, 0, 0)
    assert dot(products, section, ends=ends) == 127 - 50
    assert dot(products, mac({**block, "within": None}, stage())) == 100
    seen = figures(ran(products, section, ends=ends), "block")
    assert (seen["values"], seen["sums"], seen["high"], seen["first"]) == (2, 2, 1, (0, 0, 3))
    tree = mac({**block, "shape": "tree"}, stage())
    assert dot(products, tree, ends=ends) == 100 + 0 + 27 - 50
    seen = figures(ran(products, tree, ends=ends), "block")
    assert (seen["values"], seen["sums"], seen["high"], seen["first"]) == (14, 2, 1, (0, 0, 3))
    threes = mac({**block, "terms": 3}, stage())
    assert dot(products, threes, ends=ends) == 100 + 50 - 50 + 0
    assert figures(ran(products, threes, ends=ends), "block")["sums"] == 4


def test_a_sum_that_ends_ends_those_below() -> None:
    pair = stage(8, "saturate", "pair", terms=2, check="last")
    position = stage(9, "saturate", "position", within="input_channel")
    section = mac(pair, position, stage())
    ends = loop_ends(1, 2, 3, section)
    datapath = ran(by_one(100, 0, 100, 100, 0, 0), section, ends=ends)
    sums = [figures(datapath, name)["sums"] for name in ("pair", "position", "accumulator")]
    assert sums == [4, 2, 1]  # not a pair of the third and the fourth, which would be 127
    assert figures(datapath, "pair")["high"] == 0
    assert figures(datapath, "accumulator")["maximum"] == 300


def test_terms_above_reach_over_the_end_of_a_loop() -> None:
    pair = stage(name="pair", terms=2, within="input_channel")
    section = mac(pair, stage(8, "saturate", "triple", terms=3, check="last"), stage())
    products = by_one(*[50] * 9)  # 100 50 100 / 50 100 50
    ends = loop_ends(1, 3, 3, section)
    assert dot(products, section, ends=ends) == 127 + 127
    datapath = ran(products, section, ends=ends)
    assert [figures(datapath, name)["sums"] for name in ("pair", "triple")] == [6, 2]
    assert figures(datapath, "triple")["first"] == (0, 0, 4)


def test_what_a_datapath_refuses() -> None:
    with pytest.raises(ValueError, match="no ends are given"):
        dot(by_one(1), mac(stage(name="inner", within="input_channel"), stage()))
    with pytest.raises(ValueError, match="all that is left"):
        dot(by_one(1), mac(stage(within="input_channel")), ends=[frozenset()])
    with pytest.raises(ValueError, match="a tree starts from nothing"):
        dot(by_one(1), adders(4, 8), 1, "inner")


def test_bias_in_the_first_inner_sum() -> None:
    """Tensil's array adds the bias before the first block of products."""
    section = mac(stage(8, "saturate", "inner", terms=2), stage(name="outer"))
    products = by_one(100, 0, 1)
    assert dot(products, section, 100, "inner") == 127 + 1
    assert dot(products, section, 100, "first") == 201
    seen = figures(ran(products, section, 100, "inner"), "inner")
    assert (seen["high"], seen["first"], seen["clamp_energy"]) == (1, (0, 0, 0), 73**2)
    assert [point.name for point in ran(products, section, 100, "inner").points] == ["inner", "outer"]
    assert dot(by_one(100, -100), mac(stage(8, "saturate")), 100, "inner") == 27
    assert dot(by_one(4), mac(stage(name="inner", shift=1), stage()), 3, "inner") == 5


def test_draws_go_by_step() -> None:
    draws = {"bits": 4, "taps": (4, 3), "seed": 1}  # 1 2 4 9 3 6 13 10
    section = mac(product={**fit_section(), "shift": 1, "rounding": "stochastic_equal"})
    datapath = Datapath(section, "first", draws)
    assert datapath.run(by_one(0, 0, 0), 0, Where(0, 0, 0, 0, 3)) == 0  # draws 1 2 4: none is 8 or more
    assert datapath.run(by_one(0, 0, 0), 0, Where(0, 0, 0, 1, 3)) == 1  # draws 9 3 6
    inner = stage(terms=2, name="inner", check="last", shift=1, rounding="stochastic_equal")
    grouped = Datapath(mac(inner, stage()), "first", draws)
    assert grouped.run(by_one(0, 0, 0, 0), 0, Where(0, 0, 0, 0, 4)) == 1  # steps 1 and 3: draws 2 and 9
