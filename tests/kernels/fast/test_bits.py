"""Histograms of magnitudes against Python's ``int.bit_length``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.fast.datapaths import compiled
from kernels.plain import ONE_WORD, examples, integers

from hwsim_kernels.counting import BINS
from hwsim_kernels.fast.bits import bit_lengths

pytestmark = [compiled, pytest.mark.slow]

HELD = 5
"""What the first bin holds before."""


def wanted(values: Sequence[int], offset: int = 0) -> list[int]:
    """Return how many magnitudes less an offset have each number of bits, and what the first bin held."""
    found = [0] * BINS
    found[0] = HELD
    for value in values:
        found[abs(value - offset).bit_length()] += 1
    return found


def found(values: Sequence[int], kind: Any, bins: int, offset: int = 0) -> list[int]:
    """Return what the kernel makes of values of a type."""
    histogram = np.zeros(BINS, np.int64)
    histogram[0] = HELD
    bit_lengths(np.array(values, kind), offset, bins, histogram)
    result: list[int] = histogram.tolist()
    return result


@examples(100)
@given(st.data(), st.sampled_from([32, 64, 96, 224, 256, 288, 512 + 48, 4096 + 32, (1 << 17) + 32]))
def test_values_of_32_bits(data: st.DataObject, size: int) -> None:
    offset = data.draw(st.sampled_from([0, 0, 128, -128, 65535]) | integers(20))
    bits = data.draw(st.integers(0, 31) | st.sampled_from([15, 16, 17, 23, 24, 25]))
    bins = data.draw(st.sampled_from([bits + 1, 32]))
    generator, most = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), (1 << bits) - 1
    real = generator.integers(-most, most + 1, size) >> generator.integers(0, bits + 1, size)
    values = [min(max(int(one) + offset, -(1 << 31)), (1 << 31) - 1) for one in real]
    assert found(values, np.int32, bins, offset) == wanted(values, offset)


@pytest.mark.parametrize("most", [1, 2, 15, 16, 17, 24, 25, 31])
@pytest.mark.parametrize("times", [1, 3, 100])
def test_every_power_of_two_and_its_neighbours(most: int, times: int) -> None:
    powers = [(1 << power) + off for power in range(31) for off in (-1, 0, 1)]
    values = [*powers, *(-one for one in powers), -(1 << 31) + 1, (1 << 31) - 1, 0, 0, 0, 0]
    values = [one for one in values if abs(one).bit_length() <= most] * times
    values += [0] * (-len(values) % 16)
    assert found(values, np.int32, most + 1) == wanted(values)


@examples(100)
@given(st.data(), st.sampled_from([8, 24, 120, 128, 136, 4096 + 8, (1 << 15) + 8]))
def test_values_of_64_bits(data: st.DataObject, size: int) -> None:
    offset = data.draw(st.sampled_from([0, 0, 128, -128, 1 << 40]) | integers(20))
    bits = data.draw(st.integers(0, 62))
    generator, most = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), (1 << bits) - 1
    values = (generator.integers(-most, most + 1, size) >> generator.integers(0, bits + 1, size)) + offset
    assert found(values.tolist(), np.int64, 64, offset) == wanted(values.tolist(), offset)


def test_every_power_of_two_and_its_neighbours_of_64_bits() -> None:
    powers = [(1 << power) + off for power in range(62) for off in (-1, 0, 1)]
    values = [*powers, *(-one for one in powers), ONE_WORD - 1, 1 - ONE_WORD, 0, 0]
    values += [0] * (-len(values) % 8)
    assert found(values, np.int64, 64) == wanted(values)
