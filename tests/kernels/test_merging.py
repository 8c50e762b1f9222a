"""The sum of several tensors against a loop of the oracle's additions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.plain import Json, array, figures, figures_of, fit_field, fits, integers

import hwsim_kernels as kernels
from hwsim_kernels import counting
from oracle.ledger import Place, Point
from oracle.overflow import Format


@settings(max_examples=250, deadline=None)
@given(st.data(), fits(1, 60), st.sampled_from([0, 0, 7]))
def test_add(data: st.DataObject, section: Json, first_sample: int) -> None:
    tensors, samples, rows, channels = (data.draw(st.integers(1, most)) for most in (4, 3, 4, 3))
    bits = data.draw(st.sampled_from([3, 8, 59]))
    size = tensors * samples * rows * channels
    flat = data.draw(st.lists(integers(bits), min_size=size, max_size=size))
    terms = array(flat).reshape(tensors, samples * rows, channels)
    point, wanted = Point("accumulator", channels, last=True), []
    for row in range(samples * rows):
        for channel in range(channels):
            place = Place(first_sample + row // rows, row % rows, channel)
            wanted.append(point.add_up(terms[:, row, channel].tolist(), Format.of(section), place))
    out, counts = np.zeros(terms.shape[1:], np.int64), kernels.new_counts(channels)
    histogram = np.zeros(counting.BINS, np.int64)
    kernels.add(terms, fit_field(section), array([first_sample, rows]), out, counts, histogram)
    assert out.ravel().tolist() == wanted
    assert figures_of(counts, steps=tensors, positions=rows, stage=True) == figures(point)
    assert histogram.tolist() == point.histogram


def test_the_order_of_the_terms_matters_where_they_saturate() -> None:
    def added(*terms: int) -> int:
        out, counts = np.zeros((1, 1), np.int64), kernels.new_counts(1)
        field = array([8, 1, kernels.SATURATE, 0])
        histogram = np.zeros(counting.BINS, np.int64)
        kernels.add(array(terms).reshape(-1, 1, 1), field, array([0, 1]), out, counts, histogram)
        return int(out.item())

    assert added(100, 100, -100) == 27  # 127 - 100
    assert added(100, -100, 100) == 100
