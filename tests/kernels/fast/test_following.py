"""Sums that are followed through any chain of registers in 32-bit lanes: every number as the oracle has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.fast.datapaths import compiled, limits_of
from kernels.plain import GENERATORS, STEADY, Json, examples, figures, figures_of, stage_field
from kernels.test_accumulate import Case, Counted, oracle_of, stage

from hwsim_kernels import counting
from hwsim_kernels.exact import fits_and_sums
from hwsim_kernels.fast import followed, following
from hwsim_kernels.fast.chains import Chain, chain_of
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.followed import follow_sums

pytestmark = [compiled]

OVERFLOWS = ("wrap", "saturate", "saturate_symmetric")


def datapath_of(case: Case) -> Datapath:
    """Return a case as the fast ways take it."""
    return Datapath(
        zero_point=case.zero_point,
        outside=0,
        taps=case.taps,
        strides=np.array(case.strides, np.int64),
        spread=np.array(case.spread, np.int64),
        weights=case.weights,
        start=case.start,
        start_level=len(case.mac["stages"]) - 1,
        product=stage_field(case.mac["product"]),
        stages=case.stages,
        ends=case.ends,
        positions=case.shape,
        exact=False,
        contained=False,
    )


def prepared(case: Case, kind: str) -> Chain | None:
    """Return how a case is followed, if it is."""
    return chain_of(datapath_of(case), np.dtype(kind), case.codes.shape[1:])


def check(case: Case, kind: str) -> None:
    """Hold what is followed to the oracle in every number."""
    how, levels = prepared(case, kind), len(case.mac["stages"])
    assert how is not None
    rows = len(case.codes) * case.positions
    counts, histogram = counting.new_counts(levels + 1, case.channels), np.zeros(counting.BINS, np.int64)
    out = np.zeros((rows, case.channels), np.int64)
    follow_sums(how, datapath_of(case), case.codes, case.first_sample, out, counts, histogram)
    counts[0, counting.VALUES] = rows * case.steps
    for level, (fits, sums) in enumerate(fits_and_sums(case.stages, case.ends)):
        counts[1 + level, counting.VALUES], counts[1 + level, counting.SUMS] = fits * rows, sums * rows
    made = Counted(out, counts[0], counts[1:], histogram)
    datapath, wanted = oracle_of(case)
    places: Json = {"steps": case.steps, "positions": case.positions}
    assert made.out.ravel().tolist() == wanted
    if case.mac["product"]:
        assert figures_of(made.product, **places) == figures(datapath.product_point)
    for one, point in zip(made.stages, datapath.stage_points, strict=True):
        assert figures_of(one, **places, stage=True) == figures(point), point.name
    assert made.histogram.tolist() == datapath.stage_points[-1].histogram


@composite
def formats(draw: DrawFn, most: int) -> Json:
    """Return a width and an overflow that lanes know."""
    overflow = draw(st.sampled_from(OVERFLOWS))
    signed = draw(st.sampled_from([True, True, False]))
    return {"bits": draw(st.integers(2, most)), "signed": signed, "overflow": overflow, "saturated_bits": 0}


@composite
def macs(draw: DrawFn) -> Json:
    """Return a product and one to three stages that can be followed."""

    def shifts(check: str) -> Json:
        by = draw(st.sampled_from([0, 1, 5, 16, 19] if check == "last" else [0, 0, 1, 5]))
        return {"shift": by, "rounding": draw(st.sampled_from(STEADY)), "check": check}

    product = {**draw(formats(24)), **shifts("last")} if draw(st.booleans()) else None
    stages: list[Json] = []
    for level in range(draw(st.integers(0, 2))):
        how = shifts(draw(st.sampled_from(["each", "last"])))
        stages.append({**stage(f"level{level}", terms=draw(st.integers(1, 7))), **draw(formats(24)), **how})
    last = {**stage(), **draw(formats(28)), **shifts(draw(st.sampled_from(["each", "last"])))}
    return {"product": product, "stages": [*stages, last]}


@composite
def cases(draw: DrawFn, kind: str, mac: st.SearchStrategy[Json] | None = None) -> Case:
    """Return a convolution of codes of a type, of up to 40 channels to a group or as many groups."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    some = draw(st.sampled_from([1, 3, 16, 17, 33]))
    groups, depth, outputs = draw(st.sampled_from([(1, 2, some), (1, 5, 4), (2, 3, 2), (some, 1, 1), (3, 2, 1)]))
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    corner = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    places = [
        (y - corner[0], x - corner[1], c) for y in range(kernel[0]) for x in range(kernel[1]) for c in range(depth)
    ]
    if draw(st.booleans()):
        places = draw(st.permutations(places))
    low, high = limits_of(kind)
    weight_bits = draw(st.sampled_from([1, 4, 8, 12])) if kind.endswith("8") else draw(st.sampled_from([2, 8, 10]))
    limit = 1 << (weight_bits - 1)
    shape = (draw(st.integers(1, 2)), height, width, groups * depth)
    codes = generator.integers(low, high, shape, endpoint=True)
    codes = np.where(generator.integers(0, 3, shape) == 0, generator.choice([low, high], shape), codes)
    zero_points = [0, 3, low] if kind == "int8" else [0, 128] if kind == "uint8" else [0]
    most = draw(st.sampled_from([0, 9, 1 << 12]))
    return Case(
        codes=codes.astype(np.int32),
        zero_point=draw(st.sampled_from(zero_points)),
        taps=np.array(places, np.int64),
        strides=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        weights=generator.integers(-limit, limit, (groups, len(places), outputs)).astype(np.int32),
        start=generator.integers(-most, most, groups * outputs, endpoint=True),
        mac=draw(macs() if mac is None else mac),
        random=GENERATORS[0],
        shape=(draw(st.integers(1, 4)), draw(st.integers(1, 3))),
        first_sample=draw(st.sampled_from([0, 0, 1000])),
        spread=draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3)])),
    )


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16"])
@examples(200)
@given(st.data())
def test_any_chain_agrees(kind: str, data: st.DataObject) -> None:
    case = data.draw(cases(kind))
    if prepared(case, kind) is not None:
        check(case, kind)


def chain(*stages: Json, product: Json | None = None) -> Json:
    """Return a product and stages."""
    return {"product": product, "stages": list(stages)}


FORMAT: Json = {"bits": 16, "signed": True, "overflow": "wrap", "saturated_bits": 0}
CHAINS = {
    "products that round down, a register that wraps": chain(
        stage(bits=16), product={**FORMAT, "shift": 10, "rounding": "floor"}
    ),
    "products that saturate": chain(
        stage(bits=24), product={**FORMAT, "bits": 9, "overflow": "saturate", "shift": 3, "rounding": "half_even"}
    ),
    "pairs that saturate": chain(
        stage("pair", bits=12, overflow="saturate", check="last", terms=2), stage(bits=24, check="last")
    ),
    "columns that are read out": chain(
        stage("column", bits=6, overflow="saturate", check="last", terms=4, shift=5, rounding="half_up"),
        stage(bits=8),
    ),
    "sums that round each time": chain(
        stage("array", bits=12, overflow="saturate", terms=8, shift=4, rounding="half_even"),
        stage(bits=12, overflow="saturate"),
    ),
    "three registers": chain(
        stage("inner", bits=14, terms=3), stage("middle", bits=15, overflow="saturate", terms=2), stage(bits=16)
    ),
}


@pytest.mark.parametrize("name", CHAINS)
@examples(60)
@given(st.data())
def test_chains_of_real_machines_agree(name: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["int8", "uint8"]))
    case = data.draw(cases(kind, st.just(CHAINS[name])))
    assert prepared(case, kind) is not None
    check(case, kind)


def test_long_sums_are_followed_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = following.LONGEST + 37
    generator = np.random.default_rng(0)
    case = Case(
        codes=generator.integers(-128, 128, (1, 1, 5, steps)).astype(np.int32),
        zero_point=0,
        taps=np.array([[0, 0, c] for c in range(steps)], np.int64),
        strides=(1, 1),
        weights=generator.integers(-9, 10, (1, steps, 3)).astype(np.int32),
        start=np.array([5, -7, 0], np.int64),
        mac=chain(stage(bits=14), product={**FORMAT, "shift": 3, "rounding": "half_even"}),
        random=GENERATORS[0],
        shape=(1, 5),
    )
    check(case, "int8")
    monkeypatch.setattr(followed, "BLOCK_WORDS", 1)
    check(case, "int8")


def refused(**changed: Any) -> bool:
    """Whether a case is not followed, once something is changed."""
    codes = np.ones((1, 1, 1, 4), np.int32)
    how: Json = {
        "codes": codes,
        "zero_point": 0,
        "taps": np.array([[0, 0, c] for c in range(4)], np.int64),
        "strides": (1, 1),
        "weights": np.ones((1, 4, 2), np.int32),
        "start": np.zeros(2, np.int64),
        "mac": chain(stage(bits=20)),
        "random": GENERATORS[0],
        "shape": (1, 1),
    }
    kind = changed.pop("kind", "int8")
    return prepared(Case(**(how | changed)), kind) is None


def test_what_lanes_cannot_hold_or_do_is_left_to_others() -> None:
    assert not refused()
    assert refused(weights=np.full((1, 4, 2), 1 << 15, np.int32))
    assert refused(kind="uint16")
    assert refused(kind="int16", zero_point=1)
    assert not refused(kind="int16", weights=np.full((1, 4, 2), (1 << 13) - 1, np.int32))
    assert refused(kind="int16", weights=np.full((1, 4, 2), 1 << 13, np.int32))
    assert not refused(start=np.array([0, (1 << 30) - 4 * 128 - 1]))
    assert refused(start=np.array([0, (1 << 30) - 4 * 128]))
    assert refused(mac=chain(stage(overflow="saturate_zero")))
    assert refused(mac=chain(stage(bits=20, saturated_bits=2)))
    assert refused(mac=chain(stage(bits=32, signed=False)))
    assert not refused(mac=chain(stage(bits=32)))
    assert not refused(mac=chain(stage(bits=64)))
    assert not refused(mac=chain(stage(bits=20, shift=1, check="each")))
    assert refused(mac=chain(stage(bits=20, shift=12, check="each")))
    assert not refused(mac=chain(stage(bits=20, shift=1, check="last")))
    assert refused(mac=chain(stage(bits=20, shift=1, check="last", rounding="stochastic_weighted")))
    assert refused(mac=chain(stage("tree", bits=20, shape="tree", terms=2), stage(bits=20)))
