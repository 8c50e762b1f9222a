"""Targets and networks whose integers float32 holds exactly, so that training must agree in every code."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from pipeline.tiny import target_with

import hwsim
from hwsim.network import Mean, Network
from hwsim.target import Target

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
        addition={"left_shift": 0},
    )


def planned(network: Network, target: Target, data: Any) -> hwsim.Plan:
    """Return the plan that data gives."""
    return hwsim.decide(network, hwsim.profile(network, [data]), target)


def tame(network: Network) -> bool:
    """Return whether a network's values are of one size, so that its integers are narrow, and its means are shifts."""
    areas = [prod(network.shapes[one.inputs[0]][:2]) for one in network.operations if isinstance(one, Mean)]
    return all(area & (area - 1) == 0 for area in areas) and all(
        np.abs(w).max(initial=0) < 8
        for one in network.operations
        for w in vars(one).values()
        if isinstance(w, np.ndarray) and w.dtype.kind == "f"
    )


exact_targets = st.builds(
    exact_target,
    st.integers(3, 6),
    st.sampled_from(MODES),
    st.sampled_from(["before_requantize", "after_requantize"]),
    st.booleans(),
)
