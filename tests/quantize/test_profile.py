"""Statistics of tensors and weights, against NumPy on the raw values and against fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import hwsim
from hwsim.errors import DataError, HwsimError
from hwsim.network import Add, Conv2D, Dense, Input, Network, Relu, Reshape
from hwsim.quantize import Statistics

Reals = NDArray[np.float32]


def values(*shape: int, seed: int = 0) -> Reals:
    """Return a bell with some zeros and some far out."""
    random = np.random.default_rng(seed)
    found = random.normal(1, 3, shape) * (random.random(shape) < 0.8) * 10 ** random.integers(0, 3, shape[-1])
    return np.asarray(found, np.float32)


def statistics(*parts: Reals) -> Statistics:
    """Return the statistics of some arrays."""
    found = Statistics()
    for part in parts:
        found.add(part)
    return found


def network() -> Network:
    """Return a network with a ReLU behind a convolution and behind an addition."""
    random = np.random.default_rng(3)
    kernel = random.normal(0, 1, (3, 3, 2, 2)).astype(np.float32)
    bias = np.array([0.5, -0.5], np.float32)
    padding = ((1, 1), (1, 1))
    conv = Conv2D(name="conv", inputs=("x",), kernel=kernel, bias=bias, padding=padding, activation=Relu())
    add = Add(name="add", inputs=("x", "conv"), activation=Relu())
    flat = Reshape(name="flat", inputs=("add",), shape=(32,))
    dense = Dense(
        name="fc",
        inputs=("flat",),
        kernel=random.normal(0, 1, (32, 3)).astype(np.float32),
        bias=np.zeros(3, np.float32),
    )
    return Network(name="n", operations=(Input(name="x", shape=(4, 4, 2)), conv, add, flat, dense), outputs=("fc",))


# Statistics


def test_figures_are_those_of_numpy() -> None:
    data = values(30, 4, 5, 3)
    found, rows = statistics(data), data.reshape(-1, 3).astype(np.float64)
    assert (found.count, found.minimum, found.maximum) == (data.size, data.min(), data.max())
    assert found.mean == pytest.approx(rows.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(rows.std(), rel=1e-12)
    np.testing.assert_allclose(found.channel_mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.channel_deviation, rows.std(axis=0), rtol=1e-12)
    assert found.channel_minimum.tolist() == rows.min(axis=0).tolist()
    assert found.channel_maximum.tolist() == rows.max(axis=0).tolist()
    assert found.zeros == np.mean(data == 0)
    far = np.mean(np.abs(rows - rows.mean()) > 2 * rows.std())
    assert found.outliers(2) == pytest.approx(far, abs=0.01)
    reach = np.abs(rows).max(axis=0)
    assert found.spread == pytest.approx(np.log2(reach.max() / np.median(reach)))


@settings(deadline=None)
@given(arrays(np.float32, (5, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_moments_are_rounded_once(data: Reals) -> None:
    found = statistics(data)
    for mean, deviation, column in (
        (found.mean, found.deviation, data.ravel()),
        *zip(found.channel_mean, found.channel_deviation, data.T, strict=True),
    ):
        exact = [Fraction(value) for value in column.tolist()]
        center = sum(exact, Fraction(0)) / len(exact)
        variance = sum((value - center) ** 2 for value in exact) / len(exact)
        assert mean == float(center)
        # the true root lies between the neighbours of what was found
        below, above = Fraction(math.nextafter(deviation, -1)), Fraction(math.nextafter(deviation, math.inf))
        assert max(below, Fraction(0)) ** 2 <= variance <= above**2


def test_a_deviation_far_below_the_mean_is_kept() -> None:
    data = (np.float32(1e4) + np.arange(4096, dtype=np.float32) % 3 * np.float32(2**-10)).reshape(2, -1, 1)
    exact = data.astype(np.float64) - 1e4  # whole multiples of 2**-10: nothing is rounded
    assert statistics(data).deviation == pytest.approx(exact.std(), rel=1e-14)


@settings(deadline=None)
@given(st.permutations(range(6)), st.sets(st.integers(1, 22), min_size=5, max_size=5))
def test_parts_merge_to_the_same_object_in_any_order(order: list[int], cuts: set[int]) -> None:
    data = values(23, 2, 3)
    parts = np.split(data, sorted(cuts))
    merged = Statistics()
    for number in order:
        merged.merge(statistics(parts[number]))
    nested = statistics(parts[order[0]], parts[order[1]])
    nested.merge(statistics(*(parts[number] for number in order[2:])))
    assert merged == nested == statistics(data) == statistics(data[::-1])
    assert merged != statistics(data[1:])
    assert merged != merged.count


def test_statistics_of_nothing_have_no_moments() -> None:
    empty = Statistics()
    assert math.isnan(empty.mean)
    assert math.isnan(empty.deviation)
    assert empty.channel_mean.size == empty.channel_deviation.size == 0
    other = statistics(values(4, 2))
    other.merge(empty)
    assert other == statistics(values(4, 2))


# Profiles


def page(one: Any) -> str:
    """Return what a notebook shows."""
    text: str = one._repr_html_()
    return text


def test_a_profile_holds_every_place_where_bits_can_be_lost() -> None:
    data = values(9, 4, 4, 2)
    found = hwsim.profile(network(), data, accumulators=True)
    assert list(found.tensors) == ["x", "conv", "add", "flat", "fc"]
    assert list(found.accumulators) == ["conv", "add", "fc"]
    assert found.tensors["conv"].minimum == 0 > found.accumulators["conv"].minimum
    assert found.accumulators["conv"].maximum == found.tensors["conv"].maximum
    assert found.tensors["x"].mean == statistics(data).mean
    assert found.accumulators["fc"].mean == found.tensors["fc"].mean


def test_a_profile_takes_what_a_run_takes(tmp_path: Path) -> None:
    data = values(9, 4, 4, 2)
    np.save(tmp_path / "x.npy", data)
    wanted = hwsim.profile(network(), data).to_frame()
    for given_data in (tmp_path / "x.npy", {"x": data}, iter([data[:4], data[4:]])):
        assert hwsim.profile(network(), given_data).to_frame().equals(wanted)


def test_a_profile_shows_itself() -> None:
    bad = Network(
        name="n",
        operations=(Input(name="<b>x", shape=(3,)), Reshape(name="y", inputs=("<b>x",), shape=(3, 1))),
        outputs=("y",),
    )
    found = hwsim.profile(bad, values(5, 3))
    assert max(map(len, str(found).splitlines())) <= 120
    assert "<b>x" not in page(found)
    assert "&lt;b&gt;x" in page(found)
    assert page(found).count("<svg") == 2
    assert found.to_frame().loc["y", "quantile_0.5"] == pytest.approx(np.median(values(5, 3)), abs=1)


def test_what_leaves_float32_is_refused_with_the_place() -> None:
    with pytest.raises(DataError, match=r"conv: the float run gives infinity or NaN"):
        hwsim.profile(network(), np.full((1, 4, 4, 2), 3e38, np.float32))


# Weights


def test_weights_are_profiled_by_layer_and_by_channel() -> None:
    small = network()
    found, kernel = (
        hwsim.profile_weights(small),
        next(one.kernel for one in small.operations if isinstance(one, Conv2D)),
    )
    assert list(found.layers) == ["conv", "fc"]
    assert found.to_frame().loc["conv", "mean"] == pytest.approx(kernel.mean(dtype=np.float64))
    by_output = found.to_frame("output_channel").query("layer == 'conv'")
    assert by_output["maximum"].tolist() == kernel.reshape(-1, 2).max(axis=0).tolist()
    pairs = found.to_frame("full_channel").query("layer == 'conv'")
    assert len(pairs) == 4
    row = pairs.query("input == 1 and output == 0").iloc[0]
    assert row["minimum"] == kernel[:, :, 1, 0].min()
    assert row["deviation"] == pytest.approx(kernel[:, :, 1, 0].std(dtype=np.float64))
    assert "conv" in str(found)
    assert page(found).count("<svg") == 2


def test_channels_of_weights_are_told_as_those_of_layers() -> None:
    random = np.random.default_rng(5)
    kernel = random.standard_t(2, (5, 5, 3, 4)).astype(np.float32) * (random.random((5, 5, 3, 4)) < 0.9)
    conv = Conv2D(name="conv", inputs=("x",), kernel=kernel.astype(np.float32), bias=np.zeros(4, np.float32))
    found = hwsim.profile_weights(
        Network(name="n", operations=(Input(name="x", shape=(5, 5, 3)), conv), outputs=("conv",))
    )
    for by, columns in (
        ("output_channel", {(out,): kernel[..., out] for out in range(4)}),
        ("full_channel", {(one, out): kernel[:, :, one, out] for one in range(3) for out in range(4)}),
    ):
        frame = found.to_frame(by)  # type: ignore[arg-type]
        assert set(found.to_frame().columns) - {"spread_bits"} <= set(frame.columns)
        keys = frame[["input", "output"] if by == "full_channel" else ["output"]].itertuples(index=False, name=None)
        for key, (_, row) in zip(keys, frame.iterrows(), strict=True):
            ordered = sorted(columns[key].ravel().tolist())
            mean = sum(ordered) / len(ordered)
            deviation = math.sqrt(sum((value - mean) ** 2 for value in ordered) / len(ordered))
            assert row["values"] == len(ordered)
            assert row["deviation"] == pytest.approx(deviation)
            assert row["zeros"] == ordered.count(0) / len(ordered)
            assert row["outliers"] == sum(abs(value - mean) > 4 * deviation for value in ordered) / len(ordered)
            for share in (0.001, 0.01, 0.5, 0.99, 0.999):
                # the smallest weight that so many do not exceed
                wanted = next(one for at, one in enumerate(ordered, 1) if at >= share * len(ordered))
                assert row[f"quantile_{share:g}"] == wanted


def test_an_unknown_granularity_is_refused() -> None:
    with pytest.raises(HwsimError, match="not by 'tap'"):
        hwsim.profile_weights(network()).to_frame("tap")  # type: ignore[arg-type]


def test_values_of_another_number_of_channels_are_refused() -> None:
    """Their moments have no place."""
    found = statistics(values(5, 3))
    with pytest.raises(ValueError, match="statistics of 3 channels take no values of 4"):
        found.add(values(5, 4))
    with pytest.raises(ValueError, match="statistics of 3 channels take no values of 2"):
        found.merge(statistics(values(5, 2)))
