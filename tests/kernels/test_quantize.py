"""Real values to codes against the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import STEADY, Ints, Json, array, code_of, examples, figures, figures_of, fit_field, fits

from hwsim_kernels.counting import new_counts
from hwsim_kernels.quantize import quantize
from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.quantize import Quantizer

Table = list[list[float]]


def quantized(
    values: Table, scale: list[float], zero_point: list[int], section: Json, mode: str, position: tuple[int, int]
) -> tuple[Ints, Ints]:
    """Return codes and counts of the kernel."""
    rows = np.array(values, np.float64)
    out, counts = np.zeros(rows.shape, np.int64), new_counts(len(scale))
    field = fit_field(section, code_of(mode))
    scales = np.array(scale, np.float64)
    quantize(rows, scales, array(zero_point), field, array(position), out, counts)
    return out, counts


def check(
    values: Table, scale: list[float], zero_point: list[int], section: Json, mode: str, position: tuple[int, int]
) -> None:
    """Compare the kernel with the oracle in every code and figure."""
    point = Point("input", len(scale))
    quantizer = Quantizer(point, Format.of(section), mode)
    wanted = []
    for index, row in enumerate(values):
        sample, at = divmod(index, position[1])
        for channel, value in enumerate(row):
            place = Place(position[0] + sample, at, channel)
            wanted.append(quantizer.code(value, scale[channel], zero_point[channel], place))
    out, counts = quantized(values, scale, zero_point, section, mode, position)
    assert out.ravel().tolist() == wanted
    assert figures_of(counts, positions=position[1]) == figures(point)


singles = st.floats(width=32, allow_nan=False, allow_infinity=False)
values_of = singles | st.floats(-4, 4, width=32) | st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.5, -2.5, 2.0**-149])
scales_of = st.floats(2.0**-20, 2.0**20) | st.sampled_from([1.0, 0.5, 0.1, 2.0**-40, 1 / 3])


@examples(300)
@given(st.data(), fits(1, 16) | fits(17, 63), st.sampled_from(STEADY), st.sampled_from([0, 0, 4]))
def test_quantize(data: st.DataObject, section: Json, mode: str, first_sample: int) -> None:
    channels, samples, rows = (data.draw(st.integers(1, 3)) for _ in range(3))
    row = st.lists(values_of, min_size=channels, max_size=channels)
    values = data.draw(st.lists(row, min_size=samples * rows, max_size=samples * rows))
    scale = data.draw(st.lists(scales_of, min_size=channels, max_size=channels))
    zero_point = data.draw(st.lists(st.integers(-(2**15), 2**15), min_size=channels, max_size=channels))
    check(values, scale, zero_point, section, mode, (first_sample, rows))


@pytest.mark.parametrize("mode", STEADY)
def test_ties_and_their_neighbours(mode: str) -> None:
    ties = [tie / 2 for tie in range(-9, 10)]
    values = [[math.nextafter(tie, -math.inf), tie, math.nextafter(tie, math.inf)] for tie in ties]
    section = {"bits": 4, "signed": True, "overflow": "saturate", "saturated_bits": 0}
    check(values, [1.0] * 3, [0, 1, -2], section, mode, (0, len(values)))


@pytest.mark.parametrize("mode", ["half_even", "floor", "jam"])
def test_values_far_outside_are_clipped(mode: str) -> None:
    values = [[3.4e38, -3.4e38], [1e300, -1e300], [math.inf, -math.inf], [2.0**62, -(2.0**62)], [2.0**100, -(2.0**100)]]
    values += [[1e28, -1e28]]  # beyond the limit only after the division
    wraps = [("wrap", 16), ("wrap", 64), ("wrap_sign_magnitude", 33)]
    for overflow, bits in (("saturate", 16), ("saturate_symmetric", 64), ("saturate_zero", 64), *wraps):
        section = {"bits": bits, "signed": True, "overflow": overflow, "saturated_bits": 0}
        check(values, [1.0, 1e-3], [5, -5], section, mode, (0, 1))


def test_a_quotient_beyond_float64_is_clipped_too() -> None:
    section = {"bits": 8, "signed": True, "overflow": "saturate", "saturated_bits": 0}
    check([[3e38, -3e38]], [1e-300, 1e-300], [0, 0], section, "half_even", (0, 1))


def test_zero_point_and_format_are_those_of_the_channel() -> None:
    section = {"bits": 8, "signed": False, "overflow": "saturate", "saturated_bits": 0}
    out, _ = quantized([[1.0, 1.0], [-1.0, 100.0]], [0.5, 0.25], [10, 3], section, "half_even", (0, 2))
    assert out.tolist() == [[12, 7], [8, 255]]  # 1 / 0.5 + 10, 1 / 0.25 + 3, -2 + 10, 400 + 3 saturates
