"""Without a program: each fault that is planted into plain numbers is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim.divergence import Cause

SHAPE = (6, 9, 9, 8)


def tensor(seed: int = 0, low: int = -100, high: int = 100, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(seed).integers(low, high + 1, shape)


def cause(a: Any, b: Any, **options: Any) -> Cause:
    return hwsim.diff({"same": a[..., :1] * 0, "x": a}, {"same": a[..., :1] * 0, "x": b}, **options).causes[0]


def test_rounding_one_way_and_both_ways() -> None:
    a = tensor()
    up = (tensor(1) > 80).astype(int)
    found = cause(a, a + up)
    assert found.kind == "rounding"
    assert found.whole
    assert "one way (B is larger every time)" in found.says
    assert "whether only ties differ is unknown" in found.says
    down = (tensor(2) > 90).astype(int) * (1 - up)
    found = cause(a, a + up - down)
    assert f"B is larger {up.sum():,} times, smaller {down.sum():,} times" in found.says


def test_a_guess_that_explains_not_all_says_so() -> None:
    a = tensor()
    b = a + (tensor(1) > 80)
    b[0, 0, 0, 0], b[3, 4, 5, 6] = a[0, 0, 0, 0] + 17, a[3, 4, 5, 6] - 9
    found = cause(a, b)
    count = int(np.count_nonzero(a != b))
    assert found.kind == "rounding"
    assert (found.explained, found.differences, found.whole) == (count - 2, count, False)
    assert found.extent == f"{count - 2:,} of {count:,} differences, not all"


def test_bias_of_one_channel_and_of_some() -> None:
    a = tensor()
    b = a.copy()
    b[..., 3] += 5
    found = cause(a, b)
    assert (found.kind, found.whole) == ("bias", True)
    assert "in channel 3 by +5 (of 8)" in found.says
    b[..., 6] -= 2 + tensor(4, 0, 1)[..., 6]
    assert "in channel 3 by +5, 6 by -3 to -2 (of 8)" in cause(a, b).says


def test_bias_where_values_are_clipped() -> None:
    raw = tensor(0, -200, 200)
    shifted = raw.copy()
    shifted[..., 1] += 9
    found = cause(np.clip(raw, -128, 127), np.clip(shifted, -128, 127))
    assert (found.kind, found.whole) == ("bias", True)
    assert "channel 1 by +9" in found.says


def test_zero_point() -> None:
    raw = tensor(0, -150, 150)
    found = cause(np.clip(raw, -128, 127), np.clip(raw - 4, -128, 127))
    assert (found.kind, found.whole) == ("zero_point", True)
    assert "-4" in found.says


@pytest.mark.parametrize("turned", [False, True])
def test_narrower_saturation(turned: bool) -> None:
    wide = tensor(0, -300, 300)
    narrow = np.clip(wide, -128, 127)
    found = cause(narrow, wide) if turned else cause(wide, narrow)
    assert (found.kind, found.whole) == ("saturates", True)
    assert f"{'A' if turned else 'B'} saturates at -128 and 127, the bounds of s8" in found.says


def test_narrower_saturation_to_unsigned() -> None:
    wide = tensor(0, 0, 40)
    found = cause(wide, np.minimum(wide, 15))
    assert "saturates at 15, the bounds of" in found.says


def test_clip_to_the_range_of_no_format() -> None:
    wide = tensor(0, -300, 300)
    found = cause(wide, np.clip(wide, -37, 50))
    assert (found.kind, found.whole) == ("clipped", True)
    assert "never below -37 and never above 50" in found.says


def test_wrap_instead_of_a_wider_range() -> None:
    wide = tensor(0, -70_000, 70_000)
    wrapped = (wide + 32768) % 65536 - 32768
    found = cause(wide, wrapped)
    assert (found.kind, found.whole) == ("wraps", True)
    assert "multiples of 2**16: B wraps to s16" in found.says


def test_saturation_beside_a_wrap() -> None:
    raw = tensor(0, -160, 160)
    found = cause(np.clip(raw, -128, 127).astype(np.int8), ((raw + 128) % 256 - 128).astype(np.int8))
    assert (found.kind, found.whole) == ("pinned", True)
    assert "A stands at a bound of s8" in found.says


def test_shift_off_by_one() -> None:
    raw = tensor(0, -800, 800)
    found = cause((raw + 4) >> 3, (raw + 8) >> 4)
    assert found.kind == "shift"
    assert "B is A times 2**-1" in found.says
    point = 20
    found = cause(np.clip(((raw + 8) >> 4) + point, -128, 127), np.clip(((raw + 4) >> 3) + point, -128, 127))
    assert found.kind == "shift"  # the zero point is found by itself
    assert "times 2**1 around the zero point 20" in found.says


def test_shift_around_a_zero_point(tmp_path: Any) -> None:
    raw, point = tensor(0, -800, 800), 20
    paths = []
    for name, values in (("a", ((raw + 8) >> 4) + point), ("b", np.clip(((raw + 4) >> 3) + point, -128, 127))):
        paths.append(tmp_path / f"{name}.npz")
        described = {"hwsim:bits": [8], "hwsim:signed": [True], "hwsim:zero_point": [point], "hwsim:scale": [1.0]}
        np.savez(paths[-1], x=values.astype(np.int8), **{key: np.array(value) for key, value in described.items()})  # type: ignore[arg-type]
    found = hwsim.diff(*paths).causes[0]
    assert (found.kind, found.whole) == ("shift", True)
    assert "times 2**1 around the zero point 20" in found.says


@pytest.mark.parametrize(
    ("border", "said"),
    [
        ((slice(0, 1), slice(None)), "the first row of 9 x 9"),
        ((slice(None), slice(7, 9)), "the last 2 columns of 9 x 9"),
    ],
)
def test_padding(border: Any, said: str) -> None:
    a = tensor()
    b = a.copy()
    b[:, border[0], border[1]] += tensor(3, 1, 60)[:, border[0], border[1]]
    found = cause(a, b)
    assert (found.kind, found.whole) == ("padding", True)
    assert said in found.says


def test_padding_all_around() -> None:
    a = tensor()
    b = a + tensor(3, -60, 60)
    b[:, 1:-1, 1:-1] = a[:, 1:-1, 1:-1]
    found = cause(a, b)
    assert found.kind == "padding"
    assert "the first row, the last row, the first column, the last column of 9 x 9" in found.says


def test_swapped_samples() -> None:
    a = tensor()
    found = cause(a, a[[0, 4, 2, 3, 1, 5]])
    assert (found.kind, found.whole) == ("samples", True)
    assert "B's sample 1 is A's 4, 4 is A's 1" in found.says


def test_swapped_channels() -> None:
    a = tensor()
    found = cause(a, a[..., [0, 1, 2, 3, 7, 5, 6, 4]])
    assert (found.kind, found.whole) == ("channels", True)
    assert "B's channel 4 is A's 7, 7 is A's 4" in found.says


def test_transposed_images_of_equal_sides() -> None:
    a = tensor()
    found = cause(a, a.transpose(0, 2, 1, 3))
    assert (found.kind, found.whole) == ("axes", True)
    assert "NWHC where A has NHWC" in found.says


def test_another_order_under_the_same_shape() -> None:
    a = tensor()
    found = cause(a, a.transpose(0, 3, 1, 2).reshape(a.shape))
    assert (found.kind, found.whole) == ("axes", True)
    assert "written in the order NCHW but bears the shape of NHWC" in found.says


def test_unknown_shows_the_differences() -> None:
    a = tensor()
    b = a + tensor(9, -60, 60) * (tensor(8) > 0)
    result = hwsim.diff({"x": a}, {"x": b})
    assert [one.kind for one in result.causes] == ["unknown"]
    gaps, counts = np.unique((b - a)[b != a], return_counts=True)
    top = dict(zip(gaps.tolist(), counts.tolist(), strict=True))
    assert len(result.histogram) == 12
    assert all(top[gap] == count for gap, count in result.histogram)
    assert result.histogram[0][1] == max(counts)
    assert f"{result.histogram[0][0]:+d} ({result.histogram[0][1]})" in result.causes[0].says


def test_one_difference_of_one_is_rounding_and_nothing_more_certain() -> None:
    a = tensor(0, -100, 100, (1, 10))
    b = a.copy()
    b[0, 4] += 1
    found = hwsim.diff({"x": a}, {"x": b})
    assert found.causes[0].kind == "rounding"
    assert found.causes[0].extent == "the one difference"
