"""Codes that pass through steps 32 columns of a few rows at a time: each is met once, and what lies behind never."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.fast.datapaths import compiled, new_tally
from kernels.plain import Ints
from numpy.typing import NDArray

from hwsim_kernels import counting
from hwsim_kernels.fast import passage, strips
from hwsim_kernels.fast.layers import layer_of_codes, layer_of_sums
from hwsim_kernels.fast.stored import given, stored

pytestmark = [compiled]

ROWS = 37


def looks(channels: int, added: int, fits: int) -> passage.Steps:
    """Return a look at values to which something was added, and nothing to lanes behind the channels."""
    columns = -(-channels // 16) * 16
    parameters = np.stack([strips.moves(columns)] * 2)
    parameters[0, strips.ADD, :channels] = added
    return passage.Steps(
        kinds=np.array([passage.MOVE, passage.LOOK]),
        parameters=parameters,
        limits=parameters,
        fields=np.zeros((2, 4), np.int64),
        points=np.array([-1, 0]),
        bins=np.array([0, 20]),
        offsets=np.array([0, added]),
        fits=np.array([[fits, 1]]),
    )


def assert_seen(found: passage.Tally, steps: passage.Steps, values: NDArray[np.int32]) -> None:
    """Hold the counters of a look to the values (rows, channels) that it saw."""
    passage.fold(steps, found, len(values))
    wanted = counting.new_counts(1, values.shape[1])
    wanted[0, counting.MINIMUM], wanted[0, counting.MAXIMUM] = values.min(axis=0), values.max(axis=0)
    wanted[0, counting.VALUES] = len(values) * steps.fits[0, 0]
    wanted[0, counting.SUMS] = len(values)
    assert np.array_equal(found.counts, wanted)
    bits: Ints = np.zeros(counting.BINS, np.int64)
    for value in (values - steps.offsets[1]).ravel().tolist():
        bits[abs(value).bit_length()] += 1
    assert found.histograms.tolist() == [bits.tolist()]


@pytest.mark.parametrize("channels", [1, 15, 16, 17, 32, 33, 48, 49, 70])
@pytest.mark.parametrize("inputs", [1, 2, 4])
def test_every_code_is_met_once_and_nothing_else(channels: int, inputs: int) -> None:
    columns, generator = -(-channels // 16) * 16, np.random.default_rng(channels)
    codes = tuple(generator.integers(-128, 128, (ROWS, channels)).astype(np.int8) for _ in range(inputs))
    # what stood in the room before must not matter
    room, out = np.full((2, 5, 32), 77, np.int32), np.zeros((ROWS, channels), np.int16)
    steps = [looks(channels, added, added) for added in range(3, 3 + inputs)]
    tallies = [new_tally(channels, columns, steps=2) for _ in steps]
    moved = [one.astype(np.int32) + 3 + number for number, one in enumerate(codes)]
    if inputs == 1:
        layer_of_codes(given(codes[0]), room[0], steps[0], tallies[0], stored(out))
        assert np.array_equal(out, moved[0])
    else:
        last, found = looks(channels, 0, inputs), new_tally(channels, columns, steps=2)
        layer_of_sums(tuple(map(given, codes)), tuple(steps), tuple(tallies), room, last, found, stored(out))
        assert np.array_equal(out, sum(moved))
        assert_seen(found, last, sum(moved, start=np.zeros((ROWS, channels), np.int32)))
    for one, where, values in zip(steps, tallies, moved, strict=True):
        assert_seen(where, one, values)
