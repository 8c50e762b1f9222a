"""Multiply-accumulate: three ways to the same sums and counts, all held to the oracle in every number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product as pairs_from
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import (
    COMPILED,
    GENERATORS,
    ONE_WORD,
    ROUNDINGS,
    Ints,
    Json,
    carried,
    draws_of,
    examples,
    figures,
    figures_of,
    fits,
    from_words,
    stage_field,
)

from hwsim_kernels import counting
from hwsim_kernels.accumulate import LANES, accumulate
from hwsim_kernels.order import sums_end
from hwsim_kernels.plain import accumulate_plain
from oracle import mac as oracle_mac
from oracle.mac import Datapath, Where

TWO_WORDS = 1 << 124
"""Magnitudes below this are held in two words."""


def magnitude(section: Json) -> int:
    """Return a magnitude that no code of a format exceeds."""
    bits: int = section["bits"]
    return 1 << (bits - 1 if section["signed"] else bits)


@dataclass(frozen=True)
class Case:
    """The arguments of ``accumulate``; ``mac`` holds the product and the stages as the oracle takes them."""

    codes: np.ndarray
    zero_point: int
    taps: Ints
    strides: tuple[int, int]
    weights: np.ndarray
    start: Ints
    mac: Json
    random: Json
    shape: tuple[int, int]
    first_sample: int = 0
    spread: tuple[int, int] = (1, 1)

    @property
    def channels(self) -> int:
        """How many output channels there are."""
        return int(self.weights.shape[0] * self.weights.shape[2])

    @property
    def steps(self) -> int:
        """How many products an output takes."""
        return len(self.taps)

    @property
    def positions(self) -> int:
        """How many positions a sample of the output has."""
        return self.shape[0] * self.shape[1]

    @property
    def widest_product(self) -> int:
        """The largest magnitude of an exact product."""
        operands = np.abs(self.codes.astype(np.int64) - self.zero_point)
        return int(operands.max()) * int(np.abs(self.weights.astype(np.int64)).max())

    @property
    def needed(self) -> int:
        """A magnitude that no sum exceeds on its way, nor its exact value: what a caller has to prove."""
        widest = self.widest_product
        if self.mac["product"]:
            rounded = (widest >> self.mac["product"]["shift"]) + 1
            widest = max(rounded, magnitude(self.mac["product"]))
        most = widest
        for one in self.mac["stages"]:
            last = one is self.mac["stages"][-1]
            first = max(abs(start) for start in self.start.tolist()) if last else 0
            values = (one["terms"] or self.steps) * (widest + 1)
            register = max(first, magnitude(one))
            if one["shape"] == "tree":
                most = max(most, 2 * register)
            elif one["check"] == "each":
                most = max(most, (register << one["shift"]) + widest)
            most = max(most, register, (first << one["shift"]) + values)
            widest = register
        return most

    @property
    def common(self) -> tuple[Any, ...]:
        """What all kernels take first."""
        strides, spread = np.array(self.strides, np.int64), np.array(self.spread, np.int64)
        return self.codes, self.zero_point, 0, self.taps, strides, spread, self.weights, self.start

    @property
    def ends(self) -> Ints:
        """Where the sums of each stage end: by number alone."""
        never = np.zeros(self.steps, np.int64)
        never[-1] = 1
        stages = self.mac["stages"]
        return sums_end([stage["terms"] or 0 for stage in stages], [never] * len(stages))

    @property
    def stages(self) -> Ints:
        """The stages as all kernels take them."""
        return np.stack([stage_field(stage) for stage in self.mac["stages"]])

    @property
    def datapath(self) -> tuple[Any, ...]:
        """What the two kernels take that go step by step."""
        last = len(self.mac["stages"]) - 1
        product, draws = stage_field(self.mac["product"]), draws_of(self.random)
        return last, product, self.stages, self.ends, draws, self.first_sample

    def counted(self, words: int = 1) -> Counted:
        """Return counters at rest for this case."""
        shape = (len(self.codes), *self.shape, self.channels)
        return Counted(
            out=np.zeros(shape if words == 1 else (words, *shape), np.int64),
            product=counting.new_counts(self.channels),
            stages=counting.new_counts(len(self.mac["stages"]), self.channels),
            histogram=np.zeros(counting.BINS, np.int64),
        )

    def in_lanes(self, made: Counted | None = None) -> Counted:
        """Run ``accumulate``."""
        made = made or self.counted()
        arguments: list[Any] = [*self.common, *self.datapath, *made.all]
        accumulate(*arguments)
        return made

    def plainly(self) -> Counted:
        """Run ``accumulate_plain``."""
        made = self.counted(2)
        arguments: list[Any] = [*self.common, *self.datapath, *made.all]
        accumulate_plain(*arguments)
        return replace(made, out=np.array(from_words(made.out), object))


@dataclass(frozen=True)
class Counted:
    """What a kernel wrote."""

    out: np.ndarray
    product: Ints
    stages: Ints
    histogram: Ints

    @property
    def all(self) -> tuple[np.ndarray, Ints, Ints, Ints]:
        """In the order of the kernels' arguments."""
        return self.out, self.product, self.stages, self.histogram

    def equals(self, other: Counted) -> bool:
        """Whether every number is the same, once both are as a merge leaves them."""
        return (
            self.out.tolist() == other.out.tolist()
            and np.array_equal(carried(self.product), carried(other.product))
            and np.array_equal(carried(self.stages), carried(other.stages))
            and np.array_equal(self.histogram, other.histogram)
        )

    def merge(self, other: Counted) -> None:
        """Add the counts of another part of the run."""
        counting.merge(self.product[np.newaxis], other.product[np.newaxis], 0)
        counting.merge(self.stages, other.stages, 0)
        np.add(self.histogram, other.histogram, out=self.histogram)


def operand(case: Case, n: int, y: int, x: int, c: int) -> int:
    """Return a code less its zero point, 0 outside and between codes."""
    height, width = case.codes.shape[1:3]
    (row, between_rows), (column, between_columns) = divmod(y, case.spread[0]), divmod(x, case.spread[1])
    if between_rows or between_columns or not (0 <= row < height and 0 <= column < width):
        return 0
    return int(case.codes[n, row, column, c]) - case.zero_point


def pairs_of(case: Case, n: int, position: int, channel: int) -> list[tuple[int, int]]:
    """Return (operand, weight) of each step of an output."""
    row, column = divmod(position, case.shape[1])
    group, output = divmod(channel, case.weights.shape[2])
    first = group * (case.codes.shape[3] // case.weights.shape[0])
    top, left = row * case.strides[0], column * case.strides[1]
    return [
        (operand(case, n, top + y, left + x, first + c), int(case.weights[group, k, output]))
        for k, (y, x, c) in enumerate(case.taps.tolist())
    ]


def oracle_of(case: Case) -> tuple[Datapath, list[int]]:
    """Return the oracle's datapath and the sums in row-major order."""
    datapath = Datapath(case.mac, "first", case.random, case.channels)
    sums = []
    for n in range(len(case.codes)):
        for number in range(case.positions * case.channels):
            position, channel = divmod(number, case.channels)
            where = Where(case.first_sample + n, position, channel, number, case.steps)
            sums.append(datapath.run(pairs_of(case, n, position, channel), int(case.start[channel]), where))
    return datapath, sums


def check(case: Case) -> Counted:
    """Compare ``accumulate_plain`` with the oracle in every number, and with it each other way that is allowed."""
    made = case.plainly()
    datapath, sums = oracle_of(case)
    places: Json = {"steps": case.steps, "positions": case.positions}
    assert made.out.ravel().tolist() == sums
    if case.mac["product"]:
        assert figures_of(made.product, **places) == figures(datapath.product_point)
    else:
        untouched = counting.new_counts(case.channels)
        untouched[counting.VALUES] = len(case.codes) * case.positions * case.steps
        assert np.array_equal(made.product, untouched)
    for counts, point in zip(made.stages, datapath.stage_points, strict=True):
        assert figures_of(counts, **places, stage=True) == figures(point), point.name
    assert made.histogram.tolist() == datapath.stage_points[-1].histogram
    if case.needed < ONE_WORD:
        assert case.in_lanes().equals(made)
    return made


# --- cases --------------------------------------------------------------------------------------------


def stage(name: str = "accumulator", bits: int = 40, overflow: str = "wrap", **other: Any) -> Json:
    """Return a stage."""
    rest = {"signed": True, "saturated_bits": 0, "terms": None, "check": "each", "shape": "chain"}
    return {"name": name, "bits": bits, "overflow": overflow, "shift": 0, "rounding": "floor", **rest, **other}


@composite
def stage_lists(draw: DrawFn, most: int, shifts: tuple[int, ...]) -> list[Json]:
    """Return one to three stages of up to ``most`` bits."""
    stages: list[Json] = []
    for level in range(draw(st.integers(0, 2))):
        tree = draw(st.booleans())
        check = "each" if tree else draw(st.sampled_from(["each", "last"]))
        shift = 0 if tree else draw(st.sampled_from(shifts))
        shape = "tree" if tree else "chain"
        given_stage = stage(f"level{level}", check=check, shape=shape, shift=shift, terms=draw(st.integers(1, 7)))
        stages.append({**given_stage, **draw(fits(1, most)), "rounding": draw(st.sampled_from(ROUNDINGS))})
    last = stage(check=draw(st.sampled_from(["each", "last"])), shift=draw(st.sampled_from(shifts)))
    return [*stages, {**last, **draw(fits(1, most)), "rounding": draw(st.sampled_from(ROUNDINGS))}]


@composite
def macs(draw: DrawFn, most: int = 40, shifts: tuple[int, ...] = (0, 0, 1, 4, 12)) -> Json:
    """Return a product and stages."""
    product = None
    if draw(st.booleans()):
        shift = draw(st.sampled_from([0, 1, 5, 17]))
        product = {**draw(fits(1, most)), "shift": shift, "rounding": draw(st.sampled_from(ROUNDINGS))}
    return {"product": product, "stages": draw(stage_lists(most, shifts))}


@dataclass(frozen=True)
class Geometry:
    """Where each step of an output takes its operand."""

    taps: Ints
    strides: tuple[int, int]
    spread: tuple[int, int]


@composite
def geometries(draw: DrawFn, depth: int) -> Geometry:
    """Return taps anywhere, those of a convolution or of a transposed one in some order of its loops."""

    def both(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    kernel, corner, strides, dilation = both(1, 3), both(0, 3), both(1, 3), both(1, 2)
    kind = draw(st.sampled_from(["any", "conv", "conv", "transposed"]))
    if kind == "any":
        generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        taps = generator.integers((0, 0, 0), (*kernel, depth), (draw(st.integers(1, 12)), 3)) - (*corner, 0)
        return Geometry(taps, strides, draw(st.sampled_from([(1, 1), (1, 2), (3, 1)])))
    order = draw(st.permutations(["kernel_height", "kernel_width", "input_channel"]))
    tile = draw(st.sampled_from([None, 1, 2]))
    how: Json = {"order": order}
    if tile:
        order.insert(draw(st.integers(0, order.index("input_channel"))), "input_channel_tile")
        how["tile"] = {"input_channel": tile}
    sign = -1 if kind == "transposed" else 1
    taps = np.array(
        [
            (sign * (row * dilation[0] - corner[0]), sign * (column * dilation[1] - corner[1]), channel)
            for row, column, channel in oracle_mac.steps(*kernel, depth, how)
        ]
    )
    return Geometry(taps, (1, 1), strides) if kind == "transposed" else Geometry(taps, strides, (1, 1))


@composite
def cases(
    draw: DrawFn, mac: st.SearchStrategy[Json], *, bits: int = 17, weight_bits: int = 16, start: int = 12
) -> Case:
    """Return a small convolution with taps inside and outside of the image."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups, depth, outputs = draw(st.sampled_from([(1, 1, 1), (1, 3, 2), (2, 1, 1), (2, 2, 2), (3, 1, 2), (1, 2, 5)]))
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    geometry = draw(geometries(depth))
    narrow = draw(st.integers(1, bits)), draw(st.integers(1, weight_bits))
    zero_point = draw(st.integers(-3, 3))
    most = (1 << narrow[0]) - 4 if narrow[0] > 2 else 1
    codes = generator.integers(-most, most + 1, (draw(st.integers(1, 2)), height, width, groups * depth))
    limit = 1 << (narrow[1] - 1)
    first = generator.integers(-(1 << start), (1 << start) - 1, groups * outputs, endpoint=True)
    return Case(
        codes=codes.astype(np.int32),
        zero_point=zero_point,
        taps=geometry.taps,
        strides=geometry.strides,
        weights=generator.integers(-limit, limit + 1, (groups, len(geometry.taps), outputs)).astype(np.int32),
        start=first >> draw(st.sampled_from([0, start // 2, start + 1])),
        mac=draw(mac),
        random=draw(st.sampled_from(GENERATORS)),
        shape=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        first_sample=draw(st.sampled_from([0, 0, 1, 1000])),
        spread=geometry.spread,
    )


@examples(250)
@given(cases(macs()))
def test_anything_agrees(case: Case) -> None:
    assert case.needed < ONE_WORD
    check(case)


@examples(250)
@given(cases(macs(64, (0, 0, 1, 12, 40, 55)), start=62))
def test_anything_agrees_in_two_words(case: Case) -> None:
    assert case.needed < TWO_WORDS
    check(case)


@examples(150)
@given(cases(macs(61, (0, 0, 1, 12, 20)), start=60))
def test_lanes_agree_as_far_as_one_word_goes(case: Case) -> None:
    if case.needed < ONE_WORD:
        assert case.in_lanes().equals(case.plainly())


def dot_product(weight: int, start: int, codes: list[int], one: Json) -> Case:
    """Return the dot product of codes with one weight, in one stage."""
    return Case(
        codes=np.array([[[codes]]], np.int32),
        zero_point=0,
        taps=np.array([[0, 0, c] for c in range(len(codes))], np.int64),
        strides=(1, 1),
        weights=np.full((1, len(codes), 1), weight, np.int32),
        start=np.array([start], np.int64),
        mac={"product": None, "stages": [one]},
        random=GENERATORS[0],
        shape=(1, 1),
    )


def at_the_limit(weight: int, start: int, codes: list[int], one: Json) -> tuple[Json, int]:
    """Return the figures of such a product and the sum, checked."""
    made = check(dot_product(weight, start, codes, one))
    return figures_of(made.stages[0], steps=len(codes), stage=True), int(made.out.item())


@pytest.mark.parametrize("overflow", ["wrap", "saturate", "saturate_symmetric", "saturate_zero", "wrap_sign_magnitude"])
@pytest.mark.parametrize("start", [2**61 - 1, -(2**61), 2**61 + 2**60, -(2**61) - 2**60, 0])
def test_lanes_at_the_limits_of_one_word(overflow: str, start: int) -> None:
    for bits, check_when in pairs_from((60, 61, 62), ("each", "last")):
        one = stage(bits=bits, overflow=overflow, check=check_when)
        case = dot_product(2**30, start, [1, 3, -7, -(2**17), 2**17 - 1, 2**17 - 1, 5], one)
        assert case.needed < ONE_WORD
        check(case)


@pytest.mark.parametrize("overflow", ["wrap", "saturate", "saturate_symmetric", "saturate_zero", "wrap_sign_magnitude"])
@pytest.mark.parametrize("start", [2**63 - 1, -(2**63), 2**62, -(2**62) - 1, 0])
@pytest.mark.parametrize("check_when", ["each", "last"])
def test_accumulators_of_64_bits_start_at_their_limits(overflow: str, start: int, check_when: str) -> None:
    for shift, signed in pairs_from((0, 3), (True, False) if overflow != "wrap_sign_magnitude" else (True,)):
        one = stage(bits=64, overflow=overflow, check=check_when, shift=shift, rounding="half_even", signed=signed)
        at_the_limit(2**15, start, [1, 3, -7, -(2**16), 2**16, 5], one)


def test_an_unsigned_accumulator_of_64_bits_wraps() -> None:
    seen, total = at_the_limit(1, 1, [-3, 1, 5], stage(bits=64, signed=False))
    # 1 - 3 becomes 2^64 - 2, then 2^64 - 1, then 2^64 + 4 becomes 4
    assert total == 4
    assert (seen["low"], seen["high"], seen["transient"], seen["persistent"]) == ([1], [1], [1], [0])
    assert (seen["minimum"], seen["maximum"]) == ([-2], [2**64 + 4])
    assert seen["clamp_energy"] == [0]
    assert seen["first"] == [(0, 0, 0)]
    seen, total = at_the_limit(1, 0, [-1], stage(bits=64, signed=False))
    assert total == 2**64 - 1
    assert seen["clamp_energy"] == [2**128]
    assert seen["persistent"] == [1]


def test_a_signed_accumulator_of_64_bits_wraps_and_saturates() -> None:
    seen, total = at_the_limit(1, 2**63 - 1, [1, 1], stage(bits=64))
    assert (total, seen["high"], seen["clamp_energy"]) == (-(2**63) + 1, [1], [2**128])
    seen, total = at_the_limit(1, -(2**63), [-1, -1, 1], stage(bits=64, overflow="saturate"))
    assert (total, seen["low"], seen["clamp_energy"]) == (-(2**63) + 1, [2], [4])
    # exactly -2^63 - 1: outside
    assert (seen["transient"], seen["persistent"], seen["minimum"]) == ([0], [1], [-(2**63) - 1])


def test_a_proved_product_is_counted_all_the_same() -> None:
    # a product that is proved to stay inside its width comes to the kernels without it, in any way of accumulating
    case = plain_case(2, (3, 3), (1, 2, 2), 5)
    assert case.mac["product"] is None
    wanted = [2 * 9 * 5] * 2
    for made in (case.plainly(), case.in_lanes()):
        assert made.product[counting.VALUES].tolist() == wanted


@composite
def transposed(draw: DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return codes (n, h, w, c), weights (kh, kw, c, outputs), strides, dilation and the cut."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def both(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    depth = draw(st.integers(1, 2))
    codes = generator.integers(-8, 8, (draw(st.integers(1, 2)), *both(1, 4), depth))
    weights = generator.integers(-8, 8, (*both(1, 3), depth, draw(st.integers(1, 3))))
    return codes, weights, both(1, 3), both(1, 2), both(0, 2)


@examples(150)
@given(transposed(), st.integers(1, 7), st.integers(1, 7))
def test_a_transposed_convolution_spreads_its_input(
    one: tuple[np.ndarray, np.ndarray, tuple[int, int], tuple[int, int], tuple[int, int]], rows: int, columns: int
) -> None:
    codes, weights, strides, dilation, cut = one
    wanted = np.zeros((len(codes), rows, columns, weights.shape[3]), np.int64)
    for n, i, j, r, s in np.ndindex(*codes.shape[:3], *weights.shape[:2]):
        # by its definition: each input is multiplied by the whole kernel, and laid over the output
        y, x = i * strides[0] + r * dilation[0] - cut[0], j * strides[1] + s * dilation[1] - cut[1]
        if 0 <= y < rows and 0 <= x < columns:
            wanted[n, y, x] += codes[n, i, j] @ weights[r, s]
    taps = [(cut[0] - r * dilation[0], cut[1] - s * dilation[1], c) for r, s, c in np.ndindex(*weights.shape[:3])]
    case = Case(
        codes=codes.astype(np.int32),
        zero_point=0,
        taps=np.array(taps, np.int64),
        strides=(1, 1),
        weights=weights.reshape(1, -1, weights.shape[3]).astype(np.int32),
        start=np.zeros(weights.shape[3], np.int64),
        mac={"product": None, "stages": [stage()]},
        random=GENERATORS[0],
        shape=(rows, columns),
        spread=strides,
    )
    for made in (case.plainly(), case.in_lanes()):
        assert made.out.tolist() == wanted.tolist()
    assert case.in_lanes().equals(case.plainly())


@composite
def narrow_macs(draw: DrawFn) -> Json:
    """Return one narrow accumulator."""
    overflow = draw(st.sampled_from(["wrap", "saturate", "saturate_symmetric"]))
    return {"product": None, "stages": [stage(bits=draw(st.integers(2, 12)), overflow=overflow)]}


@examples(80)
@given(cases(narrow_macs(), bits=4, weight_bits=4))
def test_narrow_accumulators_agree(case: Case) -> None:
    check(case)


def plain_case(
    samples: int, shape: tuple[int, int], channels: tuple[int, int, int], steps: int, mac: Json | None = None
) -> Case:
    """Return a case of 4-bit codes: ``channels`` is (groups, input channels of a group, outputs of a group)."""
    generator = np.random.default_rng(samples + sum(shape) + sum(channels))
    groups, depth, outputs = channels
    taps = generator.integers((-1, -1, 0), (2, 2, depth), (steps, 3))
    saturating = stage(bits=5, overflow="saturate")
    return Case(
        codes=generator.integers(-8, 8, (samples, *shape, groups * depth)).astype(np.int32),
        zero_point=1,
        taps=taps,
        strides=(1, 1),
        weights=generator.integers(-8, 8, (groups, steps, outputs)).astype(np.int32),
        start=generator.integers(-20, 20, groups * outputs),
        mac=mac or {"product": None, "stages": [saturating]},
        random=GENERATORS[0],
        shape=shape,
    )


LEVELS: Json = {
    "product": {"bits": 6, "signed": True, "overflow": "wrap", "saturated_bits": 0, "shift": 1, "rounding": "half_up"},
    "stages": [
        stage("tree", 6, "saturate", shape="tree", terms=3),
        stage("spill", 9, "wrap", terms=2, check="last", shift=1, rounding="stochastic_weighted"),
        stage("accumulator", 8, "saturate", shift=1, rounding="half_even"),
    ],
}

BLOCKS = {
    "more outputs than lanes": (1, (1, 3), (1, 1, LANES + 44)),
    "as many outputs as lanes": (2, (1, 1), (1, 1, LANES)),
    "a lane short of two positions": (1, (1, 3), (1, 1, LANES // 2 + 1)),
    "one output, positions of a block and more": (1, (25, LANES // 25 + 3), (1, 1, 1)),
    "one output, exactly two blocks": (2, (16, LANES // 16), (1, 1, 1)),
    "blocks across samples": (3, (13, 13), (1, 2, 3)),
    "blocks across samples and groups": (3, (17, 21), (2, 1, 2)),
    "depthwise": (2, (23, 24), (4, 1, 1)),
}
"""Samples, positions and channels that end at or beside the end of a block of lanes."""

SOME_BLOCKS = BLOCKS if COMPILED else ("a lane short of two positions", "blocks across samples")


@pytest.mark.parametrize("name", SOME_BLOCKS)
def test_blocks(name: str) -> None:
    made = check(plain_case(*BLOCKS[name], steps=4))
    assert made.stages[0, counting.LOW].sum() > 0
    assert made.stages[0, counting.HIGH].sum() > 0


@pytest.mark.parametrize("name", ["a lane short of two positions", "blocks across samples"])
def test_blocks_with_levels(name: str) -> None:
    check(plain_case(*BLOCKS[name], steps=8, mac=LEVELS))


WAYS: list[Callable[[Case], Counted]] = [Case.in_lanes, Case.plainly]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mac", [None, LEVELS])
def test_samples_one_by_one_give_the_same(mac: Json | None, way: Callable[[Case], Counted]) -> None:
    case = plain_case(4, (5, 6), (1, 2, 3), 7, mac)
    whole = way(replace(case, first_sample=17))
    total = case.counted()
    for n in reversed(range(4)):
        one = way(replace(case, codes=case.codes[n : n + 1], first_sample=17 + n))
        assert np.array_equal(one.out[0], whole.out[n])
        total.merge(one)
    assert replace(total, out=whole.out).equals(whole)


@pytest.mark.parametrize("way", WAYS)
def test_the_first_sample_moves_first_occurrences_alone(way: Callable[[Case], Counted]) -> None:
    case = plain_case(2, (3, 3), (1, 1, 2), 4)
    here, there = way(case), way(replace(case, first_sample=5))
    assert np.array_equal(here.out, there.out)
    moved = there.stages[0, counting.FIRST] - here.stages[0, counting.FIRST]
    assert moved.tolist() == [5 * 9 * 4] * 2
    there.stages[0, counting.FIRST] -= 5 * 9 * 4
    assert np.array_equal(here.stages, there.stages)


def test_counts_are_added_to_what_is_there() -> None:
    case = plain_case(2, (3, 3), (1, 1, 2), 4)
    once, twice = case.in_lanes(), case.counted()
    case.in_lanes(twice)
    case.in_lanes(twice)
    total = case.counted()
    total.merge(once)
    total.merge(once)
    assert replace(total, out=twice.out).equals(twice)


@pytest.mark.parametrize("check_when", ["each", "last"])
def test_the_last_stage_starts_from_the_bias(check_when: str) -> None:
    last = stage(bits=6, overflow="saturate", check=check_when, shift=2, rounding="half_up")
    case = Case(
        codes=np.array([[[[1]]]], np.int32),
        zero_point=0,
        taps=np.zeros((3, 3), np.int64),
        strides=(1, 1),
        weights=np.array([[[0, 4, 8, -8], [0, 4, 8, -8], [0, 4, 8, 8]]], np.int32),
        start=np.array([5, 5, 31, -32], np.int64),
        mac={"product": None, "stages": [last]},
        random=GENERATORS[0],
        shape=(1, 1),
    )
    # in units of 4: 5 + 0, 5 + 3, 31 + 2 + 2 + 2 at most 31, -32 - 2 - 2 + 2 at least -32
    wanted = [5, 8, 31, -30 if check_when == "each" else -32]
    assert check(case).out.ravel().tolist() == wanted


def test_a_bias_outside_the_last_stage_is_not_fitted_before_the_first_product() -> None:
    case = plain_case(1, (1, 2), (1, 1, 1), 2)
    check(replace(case, start=np.array([1000], np.int64)))
