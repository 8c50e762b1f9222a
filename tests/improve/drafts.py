"""Drafts that the tests of techniques share."""

from __future__ import annotations

from typing import Any

from pipeline.tiny import Reals, image_network, reals, target_with

from hwsim.improve import Draft
from hwsim.network import Network
from hwsim.quantize import Plan, decide, profile
from hwsim.target import Target

LOW_BITS: dict[str, Any] = {"weights": {"bits": 4, "granularity": "layer"}}


def draft_of(network: Network | None = None, target: Target | None = None, samples: Reals | None = None) -> Draft:
    """Return a draft without a plan, by default of the tiny network with 4-bit weights."""
    chosen = image_network() if network is None else network
    block = [reals(40, *chosen.inputs[0].shape, seed=8) if samples is None else samples]

    def planner(one: Network, aim: Target) -> Plan:
        return decide(one, profile(one, [block]), aim)

    return Draft(
        network=chosen,
        reference=chosen,
        target=target_with(**LOW_BITS) if target is None else target,
        planner=planner,
        samples=block,
    )
