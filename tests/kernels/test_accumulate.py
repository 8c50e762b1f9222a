"""Multiply-accumulate: the stepwise kernel against the oracle, the matrix product against the stepwise kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import GENERATORS, ROUNDINGS, Ints, Json, draws_of, figures, figures_of, fits, stage_field

import hwsim_kernels as kernels
from hwsim_kernels import counting, exact, fields
from oracle.mac import Datapath, Where

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


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
    def common(self) -> tuple[Any, ...]:
        """What both kernels take first."""
        strides = np.array(self.strides, np.int64)
        return self.codes, self.zero_point, self.taps, strides, self.weights, self.start

    @property
    def stages(self) -> Ints:
        """The stages as both kernels take them."""
        return np.stack([stage_field(stage) for stage in self.mac["stages"]])

    def for_stepwise(self, made: Counted) -> tuple[Any, ...]:
        """Return the arguments of ``accumulate``."""
        product = stage_field(self.mac["product"]) if self.mac["product"] else np.zeros(fields.FIELDS, np.int64)
        return (*self.common, product, self.stages, draws_of(self.random), self.first_sample, *made.all)

    def for_exact(self, made: Counted) -> tuple[Any, ...]:
        """Return the arguments of ``accumulate_exact``."""
        return (*self.common, self.stages, *made.all)

    def counted(self) -> Counted:
        """Return counters at rest for this case."""
        return Counted(
            out=np.zeros((len(self.codes), *self.shape, self.channels), np.int64),
            product=kernels.new_counts(self.channels),
            stages=kernels.new_counts(len(self.mac["stages"]), self.channels),
            histogram=np.zeros(counting.BINS, np.int64),
        )

    def stepwise(self) -> Counted:
        """Run ``accumulate``."""
        made = self.counted()
        kernels.accumulate(*self.for_stepwise(made))
        return made

    def exactly(self) -> Counted:
        """Run ``accumulate_exact``."""
        made = self.counted()
        kernels.accumulate_exact(*self.for_exact(made))
        return made


@dataclass(frozen=True)
class Counted:
    """What a kernel wrote."""

    out: Ints
    product: Ints
    stages: Ints
    histogram: Ints

    @property
    def all(self) -> tuple[Ints, Ints, Ints, Ints]:
        """In the order of the kernels' arguments."""
        return self.out, self.product, self.stages, self.histogram

    def equals(self, other: Counted) -> bool:
        """Whether every number is the same."""
        return all(np.array_equal(one, two) for one, two in zip(self.all, other.all, strict=True))

    def merge(self, other: Counted) -> None:
        """Add the counts of another part of the run."""
        kernels.merge(self.product, other.product)
        kernels.merge(self.stages, other.stages)
        np.add(self.histogram, other.histogram, out=self.histogram)


def operand(case: Case, n: int, y: int, x: int, c: int) -> int:
    """Return a code less its zero point, 0 outside."""
    height, width = case.codes.shape[1:3]
    if not (0 <= y < height and 0 <= x < width):
        return 0
    return int(case.codes[n, y, x, c]) - case.zero_point


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
    """Compare ``accumulate`` with the oracle in every number."""
    made = case.stepwise()
    datapath, sums = oracle_of(case)
    places: Json = {"steps": case.steps, "positions": case.positions}
    assert made.out.ravel().tolist() == sums
    if case.mac["product"]:
        assert figures_of(made.product, **places) == figures(datapath.product_point)
    else:
        untouched = kernels.new_counts(case.channels)
        untouched[counting.VALUES] = len(case.codes) * case.positions * case.steps
        assert np.array_equal(made.product, untouched)
    for counts, point in zip(made.stages, datapath.stage_points, strict=True):
        assert figures_of(counts, **places, stage=True) == figures(point), point.name
    assert made.histogram.tolist() == datapath.stage_points[-1].histogram
    return made


# --- cases --------------------------------------------------------------------------------------------


def stage(name: str = "accumulator", bits: int = 40, overflow: str = "wrap", **other: Any) -> Json:
    """Return a stage."""
    rest = {"signed": True, "saturated_bits": 0, "terms": None, "check": "each", "shape": "chain"}
    return {"name": name, "bits": bits, "overflow": overflow, "shift": 0, "rounding": "floor", **rest, **other}


@composite
def stage_lists(draw: DrawFn) -> list[Json]:
    """Return one to three stages whose sums stay below 62 bits."""
    stages: list[Json] = []
    for level in range(draw(st.integers(0, 2))):
        tree = draw(st.booleans())
        check = "each" if tree else draw(st.sampled_from(["each", "last"]))
        shift = 0 if tree else draw(st.sampled_from([0, 0, 1, 3, 12]))
        shape = "tree" if tree else "chain"
        given_stage = stage(f"level{level}", check=check, shape=shape, shift=shift, terms=draw(st.integers(1, 7)))
        stages.append({**given_stage, **draw(fits(1, 40)), "rounding": draw(st.sampled_from(ROUNDINGS))})
    last = stage(check=draw(st.sampled_from(["each", "last"])), shift=draw(st.sampled_from([0, 0, 1, 4, 12])))
    return [*stages, {**last, **draw(fits(1, 40)), "rounding": draw(st.sampled_from(ROUNDINGS))}]


@composite
def macs(draw: DrawFn) -> Json:
    """Return a product and stages."""
    product = None
    if draw(st.booleans()):
        shift = draw(st.sampled_from([0, 1, 5, 17]))
        product = {**draw(fits(1, 36)), "shift": shift, "rounding": draw(st.sampled_from(ROUNDINGS))}
    return {"product": product, "stages": draw(stage_lists())}


@composite
def cases(draw: DrawFn, mac: st.SearchStrategy[Json], *, bits: int = 17, weight_bits: int = 16) -> Case:
    """Return a small convolution with taps in any order, inside and outside of the image."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups, depth, outputs = draw(st.sampled_from([(1, 1, 1), (1, 3, 2), (2, 1, 1), (2, 2, 2), (3, 1, 2), (1, 2, 5)]))
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    steps = draw(st.integers(1, 12))
    kernel_height, kernel_width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    corner = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    taps = generator.integers((0, 0, 0), (kernel_height, kernel_width, depth), (steps, 3)) - (*corner, 0)
    narrow = draw(st.integers(1, bits)), draw(st.integers(1, weight_bits))
    zero_point = draw(st.integers(-3, 3))
    most = (1 << narrow[0]) - 4 if narrow[0] > 2 else 1
    codes = generator.integers(-most, most + 1, (draw(st.integers(1, 2)), height, width, groups * depth))
    limit = 1 << (narrow[1] - 1)
    return Case(
        codes=codes.astype(np.int32),
        zero_point=zero_point,
        taps=taps.astype(np.int64),
        strides=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        weights=generator.integers(-limit, limit + 1, (groups, steps, outputs)).astype(np.int32),
        start=generator.integers(-(1 << 12), 1 << 12, groups * outputs) >> draw(st.sampled_from([0, 6, 13])),
        mac=draw(mac),
        random=draw(st.sampled_from(GENERATORS)),
        shape=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        first_sample=draw(st.sampled_from([0, 0, 1, 1000])),
    )


@settings(relaxed, max_examples=200)
@given(cases(macs()))
def test_anything_agrees(case: Case) -> None:
    check(case)


@composite
def narrow_macs(draw: DrawFn) -> Json:
    """Return one narrow accumulator."""
    overflow = draw(st.sampled_from(["wrap", "saturate", "saturate_symmetric"]))
    return {"product": None, "stages": [stage(bits=draw(st.integers(2, 12)), overflow=overflow)]}


@settings(relaxed, max_examples=60)
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
    "more outputs than lanes": (1, (1, 3), (1, 1, 300)),
    "as many outputs as lanes": (2, (1, 1), (1, 1, 256)),
    "a lane short of two positions": (1, (1, 3), (1, 1, 129)),
    "one output, positions of a block and more": (1, (15, 20), (1, 1, 1)),
    "one output, exactly two blocks": (2, (16, 16), (1, 1, 1)),
    "blocks across samples": (3, (7, 7), (1, 2, 3)),
    "blocks across samples and groups": (3, (9, 10), (2, 1, 2)),
    "depthwise": (2, (8, 9), (4, 1, 1)),
}
"""Samples, positions and channels that end at or beside the end of a block of 256 lanes."""


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(name: str) -> None:
    made = check(plain_case(*BLOCKS[name], steps=4))
    assert made.stages[0, counting.LOW].sum() > 0
    assert made.stages[0, counting.HIGH].sum() > 0


@pytest.mark.parametrize("name", ["more outputs than lanes", "blocks across samples and groups"])
def test_blocks_with_levels(name: str) -> None:
    check(plain_case(*BLOCKS[name], steps=8, mac=LEVELS))


@pytest.mark.parametrize("mac", [None, LEVELS])
def test_samples_one_by_one_give_the_same(mac: Json | None) -> None:
    case = plain_case(4, (5, 6), (1, 2, 3), 7, mac)
    whole = replace(case, first_sample=17).stepwise()
    total = case.counted()
    for n in reversed(range(4)):
        one = replace(case, codes=case.codes[n : n + 1], first_sample=17 + n).stepwise()
        assert np.array_equal(one.out[0], whole.out[n])
        total.merge(one)
    carried = case.counted()
    carried.merge(whole)
    assert np.array_equal(total.product, carried.product)
    assert np.array_equal(total.stages, carried.stages)
    assert np.array_equal(total.histogram, carried.histogram)


def test_the_first_sample_moves_first_occurrences_alone() -> None:
    case = plain_case(2, (3, 3), (1, 1, 2), 4)
    here, there = case.stepwise(), replace(case, first_sample=5).stepwise()
    assert np.array_equal(here.out, there.out)
    moved = there.stages[0, counting.FIRST] - here.stages[0, counting.FIRST]
    assert moved.tolist() == [5 * 9 * 4] * 2
    there.stages[0, counting.FIRST] -= 5 * 9 * 4
    assert np.array_equal(here.stages, there.stages)


def test_counts_are_added_to_what_is_there() -> None:
    case = plain_case(2, (3, 3), (1, 1, 2), 4)
    once, twice = case.stepwise(), case.counted()
    kernels.accumulate(*case.for_stepwise(twice))
    kernels.accumulate(*case.for_stepwise(twice))
    total = case.counted()
    total.merge(once)
    total.merge(once)
    carried = case.counted()
    carried.merge(twice)
    assert np.array_equal(total.stages, carried.stages)
    assert np.array_equal(total.histogram, carried.histogram)


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


# --- the matrix product -------------------------------------------------------------------------------


@composite
def roomy_macs(draw: DrawFn) -> Json:
    """Return a datapath in which nothing is lost."""

    def room() -> Json:
        mode = draw(st.sampled_from(["wrap", "saturate", "saturate_symmetric", "saturate_zero", "error"]))
        number = draw(st.integers(0, 4)) if mode == "wrap" else 0
        return {"bits": draw(st.integers(54, 64)), "overflow": mode, "saturated_bits": number}

    product = {**room(), "signed": True, "shift": 0, "rounding": "jam"} if draw(st.booleans()) else None
    stages = []
    for level in range(draw(st.integers(0, 2))):
        shape = draw(st.sampled_from(["tree", "chain"]))
        check = draw(st.sampled_from(["each", "last"]))
        stages.append(stage(f"level{level}", **room(), terms=draw(st.integers(1, 9)), shape=shape, check=check))
    return {"product": product, "stages": [*stages, stage(**room(), check=draw(st.sampled_from(["each", "last"])))]}


@settings(relaxed, max_examples=150)
@given(cases(roomy_macs()))
def test_the_matrix_product_is_the_same(case: Case) -> None:
    wanted = case.stepwise()
    assert case.exactly().equals(wanted)
    assert replace(case, mac={**case.mac, "product": None}).stepwise().equals(wanted)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_matrix_product_is_the_same_for_blocks(name: str) -> None:
    tree = stage("tree", 40, shape="tree", terms=2)
    case = plain_case(*BLOCKS[name], steps=5, mac={"product": None, "stages": [tree, stage()]})
    assert case.exactly().equals(case.stepwise())


@pytest.mark.parametrize("values", [1, 7, 35, 36, 1000])
def test_the_matrix_product_is_the_same_however_it_is_cut(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = plain_case(3, (4, 5), (2, 2, 3), 5, {"product": None, "stages": [stage()]})
    wanted = case.stepwise()
    monkeypatch.setattr(exact, "PATCH_VALUES", values)
    assert case.exactly().equals(wanted)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_matrix_product_is_exact_up_to_its_limit(sign: int) -> None:
    steps, code = 33, 2**17 - 1
    weight = (kernels.EXACT_LIMIT - 1) // (steps * code)
    assert weight < 2**31
    generator = np.random.default_rng(5)
    weights = np.full((1, steps, 8), sign * weight)
    weights[0, :, 1:] -= generator.integers(0, 2, (steps, 7)) * sign
    weights[0, ::2, 4:] *= -1
    case = Case(
        codes=np.full((1, 1, 1, 1), code, np.int32),
        zero_point=0,
        taps=np.zeros((steps, 3), np.int64),
        strides=(1, 1),
        weights=weights.astype(np.int32),
        start=np.zeros(8, np.int64),
        mac={"product": None, "stages": [stage(bits=54)]},
        random=GENERATORS[0],
        shape=(1, 1),
    )
    made = case.exactly()
    assert made.equals(case.stepwise())
    assert made.out.ravel().tolist() == (weights[0].astype(object) * code).sum(0).tolist()


def test_an_unsigned_datapath_of_positive_sums_is_exact() -> None:
    case = plain_case(2, (4, 4), (1, 2, 4), 6, {"product": None, "stages": [stage(bits=20, signed=False)]})
    case = replace(case, codes=np.abs(case.codes), zero_point=0, weights=np.abs(case.weights), start=abs(case.start))
    assert case.exactly().equals(case.stepwise())
