"""The heat map of channels: the steps of every cell, and what is said of the worst."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from report.synthetic import LAYER, NO_CLAMPING, POINT

from hwsim.engine.ledger import Row
from hwsim.formats import IntFormat, bits_needed
from hwsim.program.records import Point
from hwsim.report import PointFigures
from hwsim.report.measure import channel_bits
from hwsim.report.page.channels import CELLS, Map, binned, maps_of
from hwsim.report.ranking import layer_losses
from hwsim_kernels.counting import BINS, MAXIMUM, MINIMUM, NEVER, new_counts


def maps(*points: PointFigures) -> dict[str, Map]:
    return {one.name: one for one in maps_of(layer_losses([LAYER], points))}


def cells(one: Any) -> list[int]:
    """Return the step of every cell of a strip, read from its paths."""
    found = [0] * one.width
    for step, path in one.paths:
        for place, length in re.findall(r"M(\d+) .5h(\d+)", path):
            found[int(place) : int(place) + int(length)] = [step] * int(length)
    return found


def test_hit_rates() -> None:
    point = replace(POINT, values=4000, channel_hits=(0, 1, 10, 1000), channel_bits=())
    [strip] = maps(point)["hit rate, %"].strips
    # 1000 values a channel: 0, 0.1, 1 and 100 percent
    assert cells(strip) == [0, 2, 3, 5]
    assert strip.said == "3 of 4; worst: channel 3, 100 %"
    assert (strip.number, strip.layer, strip.point, strip.channels) == (1, "conv1", "accumulator", 4)


def test_missing_and_idle_bits() -> None:
    weight = replace(POINT, **NO_CLAMPING, point="weight", kind_of_point="once", bits=8, channel_bits=(8, 5, 0, 1))
    stage = replace(POINT, **NO_CLAMPING, bits=20, channel_bits=(22, 20, 3, 29))
    found = maps(weight, stage)
    assert cells(found["missing bits"].strips[0]) == [2, 0, 0, 5]
    assert found["missing bits"].strips[0].said == "2 of 4; worst: channel 3, 9 bits"
    assert cells(found["idle bits"].strips[0]) == [0, 3, 0, 5]
    assert found["idle bits"].strips[0].point == "weight"
    assert "hit rate, %" not in found


def test_weights_and_biases_do_not_hide_sums() -> None:
    bias = replace(POINT, point="bias", kind_of_point="once", values=4, channel_hits=(1, 1, 1, 1))
    [strip] = maps(bias, replace(POINT, values=4000, channel_hits=(1, 0, 0, 0)))["hit rate, %"].strips
    assert strip.point == "accumulator"


def test_nothing_is_drawn_of_nothing() -> None:
    assert not maps(replace(POINT, **NO_CLAMPING, channel_bits=(3, 4)))


@given(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=700))
def test_wide_layers_share_cells(values: list[float]) -> None:
    found, each = binned(values)
    assert len(found) <= CELLS and (each - 1) * CELLS < len(values) <= each * CELLS
    assert found == [max(values[first : first + each]) for first in range(0, len(values), each)]


def test_map_of_a_wide_layer_says_so() -> None:
    point = replace(POINT, values=300_000, channel_hits=(*[0] * 299, 7), channel_bits=())
    [strip] = maps(point)["hit rate, %"].strips
    assert strip.said == "1 of 300; worst: channel 299, 0.70 %; 3 channels in a cell"
    assert cells(strip) == [*[0] * 99, 3]


ENDS = st.one_of(st.none(), st.integers(-(2**62), 2**62), st.integers(-300, 300))


@given(st.lists(st.tuples(ENDS, ENDS), min_size=1, max_size=6), st.booleans())
def test_bits_of_channels(ends: list[tuple[int | None, int | None]], signed: bool) -> None:
    """Of many channels at once as of each; a point that notes what lies outside may have seen only one end."""
    counts = new_counts(len(ends))
    wanted = []
    for channel, (one, other) in enumerate(ends):
        low, high = sorted((one, other)) if one is not None and other is not None else (one, other)
        counts[MINIMUM, channel] = NEVER if low is None else low
        counts[MAXIMUM, channel] = -NEVER if high is None else high
        seen = [end for end in (low, high) if end is not None]
        wanted.append(bits_needed(min(seen), max(seen), signed=signed) if seen else 0)
    point = Point(name="output", unit=np.ones(len(ends)), format=IntFormat(bits=8, signed=signed))
    found = channel_bits(Row("y", "dense", point, counts, np.zeros(BINS, np.int64), 1))
    assert found == (tuple(wanted) if any(wanted) else ())
