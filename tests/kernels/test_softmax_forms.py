"""The softmaxes of codes against the oracle: every code and every figure, at the extremes too."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import examples
from kernels.softmaxes import FIXED, FORMS, LINES, PARABOLA, Form, lines

from hwsim_kernels import counting

each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)


@each_form
@examples(200)
@given(st.data(), st.booleans(), st.sampled_from([0, 3]))
def test_any_lines(form: Form, data: st.DataObject, last: bool, first_sample: int) -> None:
    """Lines along the last axis have a channel for each code, others one for the whole line."""
    scale = data.draw(st.sampled_from(form.scales) | st.floats(form.scales[0], min(form.scales[-1], 40)))
    samples, outer, size = (data.draw(st.integers(1, most)) for most in (3, 2, 9))
    inner = 1 if last else data.draw(st.integers(1, 4))
    drawn = [[data.draw(lines(form, size)) for _ in range(inner)] for _ in range(samples * outer)]
    codes = form.codes(np.array(drawn).transpose(0, 2, 1))
    channels = size if last else data.draw(st.sampled_from([one for one in (1, 2, inner) if inner % one == 0]))
    mask = None
    if data.draw(st.booleans()):
        flags = data.draw(st.lists(st.booleans(), min_size=outer * size * inner, max_size=outer * size * inner))
        mask = np.array(flags).reshape(outer, size, inner)
        mask[:, data.draw(st.integers(0, size - 1))] |= ~mask.any(axis=1)
    form.agrees(codes, scale, channels, outer * size * inner // channels, first_sample, mask)


@pytest.mark.parametrize(
    ("form", "scale"),
    [(form, scale) for form in (FIXED, PARABOLA) for scale in form.scales],
    ids=lambda one: one.name if isinstance(one, Form) else str(one),
)
def test_every_difference(form: Form, scale: float) -> None:
    form.agrees(form.codes(np.arange(-128, 128).reshape(1, -1, 1)), scale, 256, 1)


@pytest.mark.parametrize(
    ("form", "scales", "most"),
    [(FIXED, (1e-4, 3), 0.501), (PARABOLA, (0.001, 0.05), 8), (LINES, (1e-5, 1e-3), 66)],
    ids=lambda one: one.name if isinstance(one, Form) else "",
)
@examples(200)
@given(st.data())
def test_near_to_the_real_softmax(form: Form, scales: tuple[float, float], most: float, data: st.DataObject) -> None:
    """The parabola is off by 0.3 % at most, the floors of its numbers by more where codes are coarse."""
    scale, size = data.draw(st.floats(*scales)), data.draw(st.integers(1, 12))
    codes = data.draw(lines(form, size))
    out, _, _ = form.run(form.codes(codes).reshape(1, -1, 1), scale, 1)
    powers, oracle = [exp(scale * (code - max(codes))) for code in codes], form.oracle(scale, 1)
    for made, power in zip(out.ravel().tolist(), powers, strict=True):
        share = min(power / sum(powers) / oracle.scale, form.high - oracle.zero_point)
        assert abs(made - oracle.zero_point - share) < most


@each_form
def test_a_masked_code_takes_no_part_however_large(form: Form) -> None:
    """The others give what they give alone."""
    codes = form.codes([[[3], [100], [form.high], [form.low]]])
    out, counts, _ = form.run(codes, form.scales[3], 1, mask=np.array([[[True], [True], [False], [False]]]))
    alone, counts_alone, _ = form.run(codes[:, :2].copy(), form.scales[3], 1)
    nothing = form.oracle(form.scales[3], 1).zero_point
    assert out.ravel().tolist() == [*alone.ravel().tolist(), nothing, nothing]
    assert alone[0, 0, 0] < alone[0, 1, 0]
    assert np.array_equal(counts[:-1], counts_alone[:-1])
    assert (counts[-1, counting.VALUES, 0], counts_alone[-1, counting.VALUES, 0]) == (4, 2)


@each_form
def test_a_share_of_one_saturates(form: Form) -> None:
    """One alone has the share 1, which the format does not hold: of 8 bits, 256 - 128 becomes 127."""
    out, counts, histogram = form.run(form.codes([[[5]], [[-9]]]), form.scales[3], 1, 40)
    output = counts[-1, :, 0]
    assert out.ravel().tolist() == [form.high, form.high]
    assert (output[counting.HIGH], output[counting.MAXIMUM], output[counting.FIRST]) == (2, form.high + 1, 40)
    assert counting.long_sum(counts[-1], counting.CLAMP_ENERGY) == [2]
    assert histogram[(form.high + 1 - form.oracle(0.1, 1).zero_point).bit_length()] == 2


@each_form
def test_parts_merge_to_the_whole(form: Form) -> None:
    codes = form.codes(np.random.default_rng(0).integers(form.low, form.high, (12, 5, 2), endpoint=True))
    whole, counts, histogram = form.run(codes, form.scales[3], 2)
    for cuts in ([0, 12], [0, 1, 12], [0, 4, 5, 12]):
        total, bins = counting.new_counts(len(form.points), 2), np.zeros(counting.BINS, np.int64)
        for start, stop in reversed(list(zip(cuts, cuts[1:], strict=False))):
            out, part, seen = form.run(codes[start:stop], form.scales[3], 2, start * 5)
            counting.merge(total, part, 0)
            bins += seen
            assert np.array_equal(out, whole[start:stop])
        assert np.array_equal(total, counts)
        assert np.array_equal(bins, histogram)
