"""The list of truncation points before a run, against plain worst cases and against what runs then lose."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.tiny import narrow_target, reals, target_with, vector_network
from process.cases import network, samples

import hwsim


@given(
    inputs=st.integers(1, 40),
    weight_bits=st.integers(2, 8),
    bits=st.integers(8, 24),
    symmetric=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_worst_case_is_that_of_plain_integers(inputs: int, weight_bits: int, bits: int, symmetric: bool) -> None:
    target = target_with(
        weights={"bits": weight_bits, "narrow": True},
        activations={"bits": 4, "symmetric": symmetric},
        mac={"stages": [{"name": "accumulator", "bits": bits, "overflow": "saturate"}]},
        bias={"bits": 8},
    )
    found = hwsim.truncation_points(vector_network(inputs, 2), target)
    row = next(one for one in found.rows if one.point == "accumulator")
    weight, operand = 2 ** (weight_bits - 1) - 1, 8 if symmetric else 15
    most = inputs * weight * operand
    needed = next(width for width in range(1, 64) if -(2 ** (width - 1)) <= -most and most <= 2 ** (width - 1) - 1)
    assert row.bits_needed == needed
    assert (row.clamping == "impossible") == (needed <= bits)


def test_worst_case_through_an_adder_tree() -> None:
    stages = [{"name": "tree", "terms": 4, "bits": 17, "check": "last"}, {"name": "total", "bits": 18}]
    target = target_with(mac={"stages": stages}, bias={"bits": 18})
    rows = {one.point: one for one in hwsim.truncation_points(vector_network(10, 2), target).rows if one.layer == "fc"}
    # 4 products of at most 128 * 255 need 18 bits; 3 sums of 17 bits need 19
    assert (rows["tree"].bits_needed, rows["tree"].clamping) == (18, "possible")
    assert (rows["total"].bits_needed, rows["total"].clamping) == (19, "possible")


@given(bits=st.integers(11, 22), seed=st.integers(0, 2**16), width=st.sampled_from([0.1, 1.0, 30.0]))
@settings(max_examples=10, deadline=None)
def test_what_cannot_be_lost_is_never_lost(bits: int, seed: int, width: float) -> None:
    small, target = network(), narrow_target(bits)
    result = hwsim.run(small, target, samples())
    with_plan = {(one.layer, one.point): one for one in hwsim.truncation_points(result, target).rows}
    without = {(one.layer, one.point): one for one in hwsim.truncation_points(small, target).rows}
    ledger = result.program.run(reals(8, 6, 6, 3, seed=seed, width=width)).ledger
    rows = {(row.layer, row.point.name): row for row in ledger}
    assert list(rows) == list(with_plan) == list(without)
    for key, row in rows.items():
        if with_plan[key].clamping == "impossible":
            assert not row.hits
        if with_plan[key].round_off == "none":
            assert not row.inexact
        if without[key].round_off == "none":
            assert not row.inexact
        if without[key].clamping == "impossible":
            assert with_plan[key].clamping == "impossible" or key[1] == "accumulator"  # the bias, which it leaves aside
        if with_plan[key].clamping == "certain":
            assert row.hits


def test_a_plan_never_needs_more_bits_than_the_worst_case() -> None:
    small, target = network(), target_with(bias={"bits": 1})
    result = hwsim.run(small, target, samples())
    for one, two in zip(
        hwsim.truncation_points(small, target).rows, hwsim.truncation_points(result, target).rows, strict=True
    ):
        if one.bits_needed is not None and one.point == "accumulator":
            assert two.bits_needed is not None
            assert two.bits_needed <= one.bits_needed + 1  # a bias of -1


def test_prints_within_a_terminal_and_as_a_table() -> None:
    found = hwsim.truncation_points(network(), narrow_target(12))
    text = str(found)
    assert max(map(len, text.splitlines())) <= 100
    assert "can lose nothing" in text
    frame = found.to_frame()
    assert len(frame) == len(found.rows)
    assert set(frame.clamping) <= {"impossible", "possible", "certain"}
    assert "<table" in found._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_shifts_show_what_they_drop() -> None:
    mac = {"product": {"bits": 16, "shift": 3}, "stages": [{"name": "accumulator", "bits": 24}]}
    target = target_with(mac=mac, bias={"bits": 24})
    row = next(one for one in hwsim.truncation_points(vector_network(), target).rows if one.point == "product")
    assert (row.round_off, row.dropped_bits, row.rounding, row.clamping) == ("possible", 3, "floor", "impossible")
    assert row.bits_needed == int(np.ceil(np.log2(128 * 255 / 8 + 2))) + 1
