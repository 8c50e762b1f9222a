"""The fake-quantised model and the integer engine give the same codes; training runs through the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline.strategies import networks
from pipeline.tiny import reals, target_with

import hwsim
from hwsim.network import Network
from hwsim.target import Target
from hwsim.train import agree, fake_quantize

MODES = ["floor", "half_up", "half_even", "half_away", "toward_zero", "ceil"]


def exact_target(bits: int, mode: str, position: str, symmetric: bool) -> Target:
    """Return a target of power-of-two scales and wide accumulators: all its sums are exact in float32."""
    form = {"bits": bits, "step": "power_of_two", "symmetric": symmetric}
    return target_with(
        weights={"bits": 4, "step": "power_of_two", "symmetric": True, "granularity": "output_channel"},
        activations=form,
        requantize={"kind": "power_of_two", "rounding": mode},
        activation={"position": position, "multiplier_bits": 8},
        bias={"bits": 20},
        addition={"left_shift": 4},
    )


def planned(network: Network, target: Target, data: Any) -> hwsim.Plan:
    """Return the plan that data gives."""
    return hwsim.decide(network, hwsim.profile(network, [data]), target)


def tame(network: Network) -> bool:
    """Return whether a network's values are of one size, so that its integers are narrow."""
    return all(
        np.abs(w).max(initial=0) < 8
        for one in network.operations
        for w in vars(one).values()
        if isinstance(w, np.ndarray)
    )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    networks().filter(tame),
    st.builds(
        exact_target,
        st.integers(3, 6),
        st.sampled_from(MODES),
        st.sampled_from(["before_requantize", "after_requantize"]),
        st.booleans(),
    ),
    st.integers(0, 99),
)
def test_random_networks_agree_in_every_code(network: Network, target: Target, seed: int) -> None:
    data = [reals(4, *one.shape, seed=seed + number) for number, one in enumerate(network.inputs)]
    plan = planned(network, target, data)
    found = agree(fake_quantize(network, plan, target=target), hwsim.lower(network, plan, target), data)
    assert found.exact, f"{network}\n{found}"
    assert found.values > 0
