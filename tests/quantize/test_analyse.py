"""The analysis against SciPy, against quantisation by hand, and on tensors of which the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import hwsim
from hwsim.errors import HwsimError
from hwsim.network import Dense, Input, Network
from hwsim.quantize import Statistics
from hwsim.quantize.analyse import decibel
from hwsim.quantize.codes import stored_values, stored_weights
from hwsim.quantize.decide import plan_tensor, plan_weights
from hwsim.quantize.distributions import fit_distributions
from hwsim.target import Target

Reals = NDArray[np.float32]

LAWS: dict[str, Any] = {
    "normal": stats.norm(0.3, 2),
    "laplace": stats.laplace(-1, 0.5),
    "uniform": stats.uniform(-1, 3),
    "logistic": stats.logistic(0, 2),
    "exponential": stats.expon(0, 3),
    "half-normal": stats.halfnorm(0, 2),
    "gamma": stats.gamma(3, 0, 0.7),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_law_that_values_follow_is_among_the_nearest(name: str) -> None:
    values = LAWS[name].rvs(20_000, random_state=1).astype(np.float32)
    one = Statistics()
    one.add(values[:, None])
    fits = fit_distributions(*one.values)
    names = [fit.name for fit in fits[:3]]
    # a generalised normal, a gamma or a Student t distribution can be nearly the same law
    assert name in names
    found = next(fit for fit in fits if fit.name == name)
    assert found.distance < 0.02
    assert found.distance == pytest.approx(stats.kstest(values, found.cdf).statistic, abs=0.01)


def network(kernel: Reals) -> Network:
    """Return a dense layer."""
    outputs = kernel.shape[1]
    layer = Dense(name="fc", inputs=("x",), kernel=kernel, bias=np.zeros(outputs, np.float32))
    return Network(name="n", operations=(Input(name="x", shape=(kernel.shape[0],)), layer), outputs=("fc",))


def analysed(kernel: Reals, data: Reals, **sections: Any) -> hwsim.Analysis:
    """Return the analysis of a dense layer on a target."""
    small = network(kernel)
    return hwsim.analyse(small, hwsim.profile(small, data), Target.from_dict({"name": "t", **sections}))


def bell(*shape: int, seed: int = 0) -> Reals:
    """Return a bell of values."""
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def test_channels_of_very_different_size_get_scales_of_their_own() -> None:
    kernel = (bell(64, 8) * 2.0 ** -np.arange(8)).astype(np.float32)
    found = analysed(kernel, bell(20, 64), weights={"granularity": "layer"})["fc", "weights"]
    assert found.spread_bits > 2.5
    assert found.choices["a scale for each output channel"] > found.sqnr_db + 3
    assert found.advice.startswith("a scale for each")
    assert "differ by" in found.advice
    assert found.wasted_bits > 2.5


def test_a_one_sided_range_gets_a_zero_point() -> None:
    found = analysed(bell(64, 8), np.abs(bell(50, 64)), activations={"symmetric": True})["x", "activations"]
    assert found.asymmetry == pytest.approx(1, abs=0.01)
    assert found.wasted_bits == pytest.approx(1, abs=0.1)
    assert found.choices["a zero point"] - found.sqnr_db == pytest.approx(6, abs=1)
    assert found.advice.startswith("a zero point would win")


def test_figures_are_those_of_quantisation() -> None:
    kernel, target = bell(64, 8), Target.from_dict({"name": "t", "weights": {"bits": 4}})
    layer = network(kernel).operations[1]
    assert isinstance(layer, Dense)
    scale = np.abs(kernel).max(axis=0).astype(np.float64) / 7
    held = np.clip(np.rint(kernel / scale), -8, 7) * scale
    noise = np.sum((kernel - held) ** 2)
    found = analysed(kernel, bell(5, 64), weights={"bits": 4})["fc", "weights"]
    assert found.sqnr_db == pytest.approx(10 * np.log10(np.sum(kernel.astype(np.float64) ** 2) / noise), abs=1e-6)
    entry = plan_weights(layer, target.settings("dense", "fc"))
    np.testing.assert_allclose(stored_weights(kernel, entry), held)


@pytest.mark.parametrize("step", ["uniform", "power_of_two", "quadratic", "logarithmic", "codebook"])
def test_stored_values_are_the_nearest_that_codes_stand_for(step: str) -> None:
    values = bell(400, 1)
    one = Statistics()
    one.add(values)
    form = Target.from_dict({"name": "t", "activations": {"bits": 4, "step": step, "symmetric": True}}).activations
    entry = plan_tensor(one, form)
    codes = np.arange(entry.format.minimum, entry.format.maximum + 1)
    levels = np.asarray(entry.levels if entry.levels else codes) * entry.scale
    nearest = np.abs(values - levels).min(axis=1)
    np.testing.assert_allclose(np.abs(stored_values(values, entry) - values)[:, 0], nearest, atol=1e-12)


def test_channels_have_distributions_of_their_own() -> None:
    random = np.random.default_rng(4)
    data = np.stack([random.uniform(-1, 1, 4000), random.laplace(0, 1, 4000), np.zeros(4000)], axis=1)
    small = network(bell(3, 2))
    profile = hwsim.profile(small, data.astype(np.float32), channels=["x"])
    assert [one.count for one in profile.channels["x"]] == [4000] * 3
    fits = hwsim.analyse(small, profile).channel_fits["x"]
    assert fits[0][0].name in ("uniform", "generalised normal")
    assert "laplace" in [fit.name for fit in fits[1][:2]]
    assert fits[2] == ()
    with pytest.raises(HwsimError, match="'n' has no tensor nothing"):
        hwsim.profile(small, data.astype(np.float32), channels=["nothing"])


def page(one: Any) -> str:
    """Return what a notebook shows."""
    text: str = one._repr_html_()
    return text


def test_it_shows_itself() -> None:
    found = analysed(bell(64, 8), np.maximum(bell(40, 64), 0))
    assert max(map(len, str(found).splitlines())) <= 100
    assert found["x", "activations"].zeros > 0.4
    assert "without the" in found.picture("x", "activations")
    assert page(found).count("<svg") == len(found.findings)
    assert set(found.to_frame()["part"]) == {"weights", "activations"}


def test_without_noise_it_is_infinite() -> None:
    assert decibel(np.ones(3), np.zeros(3)) == np.inf
    assert decibel(np.zeros(3), np.ones(3)) == -np.inf
