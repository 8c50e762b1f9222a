"""The choice of roundings, judged by trying all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hwsim.improve.best_rounding import MOST_TRIED, Choice, best_rounding, descend, handed_on

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]


def problem(size: int, seed: int, outputs: int = 3, groups: int = 2) -> tuple[Choice, Flags, Doubles, Doubles]:
    """Return a choice of roundings, the nearest ones, and the inputs (groups, n, size) and sums that it is made of."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(groups, 60, 3)) @ generator.normal(size=(groups, 3, size))
    inputs = common + 0.3 * generator.normal(size=(groups, 60, size)) + 0.5
    weights = generator.normal(size=(groups, outputs, size))
    low = np.floor(weights)
    sums = inputs @ weights.swapaxes(1, 2)
    choice = Choice(
        gram=inputs.swapaxes(1, 2) @ inputs / 60,
        cross=sums.swapaxes(1, 2) @ inputs / 60,
        low=low,
        high=low + 1,
    )
    return choice, weights - low > 0.5, inputs, sums


def errors(values: Doubles, inputs: Doubles, sums: Doubles) -> Doubles:
    """Return (groups, outputs) the mean square error of the sums, computed sum by sum."""
    return np.asarray(np.mean((inputs @ values.swapaxes(1, 2) - sums) ** 2, axis=1))


def best_of_all(choice: Choice, inputs: Doubles, sums: Doubles) -> Doubles:
    """Return the least error of all 2^n roundings."""
    size = choice.low.shape[-1]
    every = [errors(choice.low + np.array(bits), inputs, sums) for bits in itertools.product((0, 1), repeat=size)]
    return np.asarray(np.min(every, axis=0))


@given(size=st.integers(1, 20), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_it_is_never_worse_than_nearest(size: int, seed: int) -> None:
    choice, nearest, inputs, sums = problem(size, seed)
    found = errors(choice.values(best_rounding(choice, nearest)), inputs, sums)
    assert (found <= errors(choice.values(nearest), inputs, sums) * (1 + 1e-9) + 1e-12).all()


@pytest.mark.parametrize("size", [1, 4, 9])
def test_the_best_is_found_where_all_are_tried(size: int) -> None:
    assert size <= MOST_TRIED
    choice, nearest, inputs, sums = problem(size, size)
    found = errors(choice.values(best_rounding(choice, nearest)), inputs, sums)
    np.testing.assert_allclose(found, best_of_all(choice, inputs, sums), rtol=1e-9)


def test_it_is_near_the_best_of_all_where_they_are_too_many_to_be_tried() -> None:
    ratios, gains = [], []
    for seed in range(6):
        choice, nearest, inputs, sums = problem(12, seed)
        best = best_of_all(choice, inputs, sums)
        ratios.append(errors(choice.values(best_rounding(choice, nearest)), inputs, sums) / best)
        gains.append(errors(choice.values(nearest), inputs, sums) / best)
    assert np.median(ratios) <= 1.1
    assert np.mean(ratios) <= 1.5
    assert np.mean(gains) >= 3


def relaxed(choice: Choice, weights: Doubles, strength: float, steps: int = 1000) -> Flags:
    """Return the choice of AdaRound's own method (arXiv 2004.10568, section 3), with the whole Gram matrix."""
    step = choice.high - choice.low
    share = np.clip((weights - choice.low) / step, 0.01, 0.99)
    variable = -np.log(1.2 / (share + 0.1) - 1)
    first, second = np.zeros_like(variable), np.zeros_like(variable)
    for number in range(1, steps + 1):
        sigmoid = 1 / (1 + np.exp(-variable))
        rounded = np.clip(1.2 * sigmoid - 0.1, 0, 1)
        slope = 2 * step * ((choice.low + step * rounded) @ choice.gram - choice.cross)
        if number > steps / 5:
            power = 2 + 9 * (1 + np.cos(np.pi * (number / steps - 0.2) / 0.8))
            side = 2 * rounded - 1
            slope -= strength * 2 * power * np.sign(side) * np.abs(side) ** (power - 1)
        slope *= ((rounded > 0) & (rounded < 1)) * 1.2 * sigmoid * (1 - sigmoid)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        variable -= 0.01 * (first / (1 - 0.9**number)) / (np.sqrt(second / (1 - 0.999**number)) + 1e-8)
    return np.asarray(variable > 0)


def test_it_is_better_than_the_relaxation_by_gradients() -> None:
    choice, nearest, inputs, sums = problem(27, 4, outputs=8)
    weights = sums.swapaxes(1, 2) @ np.linalg.pinv(inputs).swapaxes(1, 2)
    found = errors(choice.values(best_rounding(choice, nearest)), inputs, sums).mean()
    others = [errors(choice.values(relaxed(choice, weights, one)), inputs, sums).mean() for one in (0.01, 0.1, 1.0)]
    assert found < min(others) < errors(choice.values(nearest), inputs, sums).mean() / 2


def test_fixed_weights_stay() -> None:
    choice, nearest, *_ = problem(12, 3)
    fixed = Choice(gram=choice.gram, cross=choice.cross, low=choice.low, high=choice.low)
    assert (fixed.values(best_rounding(fixed, nearest)) == choice.low).all()


@pytest.mark.parametrize("size", [8, 40])
def test_inputs_that_are_always_zero_are_no_obstacle(size: int) -> None:
    choice, nearest, *_ = problem(size, 1)
    nothing = Choice(
        gram=np.zeros_like(choice.gram), cross=np.zeros_like(choice.cross), low=choice.low, high=choice.high
    )
    assert (best_rounding(nothing, nearest) == nearest).all()


def test_groups_and_outputs_do_not_influence_one_another() -> None:
    choice, nearest, *_ = problem(16, 5)
    together = best_rounding(choice, nearest)
    for group, output in np.ndindex(nearest.shape[:2]):
        alone = Choice(
            gram=choice.gram[group, None],
            cross=choice.cross[group, None, output, None],
            low=choice.low[group, None, output, None],
            high=choice.high[group, None, output, None],
        )
        found = best_rounding(alone, nearest[group, None, output, None])
        assert (found[0, 0] == together[group, output]).all()


def test_handing_errors_on_helps_where_inputs_go_together() -> None:
    choice, nearest, inputs, sums = problem(40, 2)
    first = handed_on(choice, nearest)
    assert errors(choice.values(first), inputs, sums).mean() < errors(choice.values(nearest), inputs, sums).mean() / 2
    assert (choice.error(descend(choice, first)) <= choice.error(first) + 1e-9).all()
