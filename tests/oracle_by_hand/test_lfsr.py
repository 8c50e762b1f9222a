"""Random numbers in the oracle, computed by hand."""

from __future__ import annotations

from oracle.lfsr import Draws, states


def test_lfsr_of_four_bits() -> None:
    cycle = states(4, (4, 3), 1)
    assert cycle == (1, 2, 4, 9, 3, 6, 13, 10, 5, 11, 7, 15, 14, 12, 8)
    assert len(states(16, (16, 15, 13, 4), 1)) == 65535


def test_draws_start_over_after_a_period() -> None:
    draws = Draws({"bits": 4, "taps": [4, 3], "seed": 1})
    assert [draws.draw(i, "stochastic_equal") for i in (0, 1, 14, 15, 16)] == [1, 2, 8, 1, 2]
    assert draws.draw(3, "half_even") == 0
