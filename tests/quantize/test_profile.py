"""Statistics of tensors and weights, against NumPy on the raw values and against fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import hwsim
from hwsim.errors import DataError, HwsimError
from hwsim.network import Add, Conv2D, Dense, Input, Network, Relu, Reshape
from hwsim.quantize import Statistics
from hwsim.quantize.exact import ExactSums

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


# Exact sums


@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1))
def test_sums_are_exact(rows: list[list[float]]) -> None:
    found = ExactSums(3)
    found.add(np.array(rows))
    assert found.totals() == [sum(map(Fraction, column)) for column in zip(*rows, strict=True)]


@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=12), st.randoms())
def test_sums_do_not_depend_on_order_or_parts(numbers: list[float], random: Random) -> None:
    whole = ExactSums(1)
    whole.add(np.array(numbers)[:, None])
    shuffled = random.sample(numbers, len(numbers))
    cut = random.randrange(1, len(numbers))
    parts = [ExactSums(1), ExactSums(1)]
    for part, some in zip(parts, (shuffled[:cut], shuffled[cut:]), strict=True):
        part.add(np.array(some)[:, None])
    parts[1].merge(parts[0])
    assert parts[1].totals() == whole.totals()


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


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]])
def test_parts_merge_to_the_same_object_in_any_order(order: Sequence[int]) -> None:
    data = values(23, 6, 3)
    parts = [statistics(data[first : first + 7]) for first in (0, 7, 14, 21)]
    merged = Statistics()
    for number in order:
        merged.merge(parts[number])
    whole = statistics(data)
    assert (merged.mean, merged.deviation) == (whole.mean, whole.deviation)
    assert merged.channel_mean.tolist() == whole.channel_mean.tolist()
    assert merged.channel_deviation.tolist() == whole.channel_deviation.tolist()
    assert (merged.bins == whole.bins).all()


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
    for given_data in (tmp_path / "x.npy", {"x": data}, [data[:4], data[4:]][:0] or iter([data[:4], data[4:]])):
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


def test_an_unknown_granularity_is_refused() -> None:
    with pytest.raises(HwsimError, match="not by 'tap'"):
        hwsim.profile_weights(network()).to_frame("tap")  # type: ignore[arg-type]
