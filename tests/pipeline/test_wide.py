"""Datapaths that need more than 64 bits run exactly, and agree with the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipeline.plain import plain_network, plain_plan, plain_settings
from pipeline.tiny import Json, reals, target_with, vector_network

import hwsim
from hwsim.network import Dense, Input, Network
from oracle.network import run

VECTORS = reals(9, 6, seed=1)


def stage(bits: int, **keys: Any) -> Json:
    """Return a datapath with one stage."""
    return {"stages": [{"name": "accumulator", "bits": bits, **keys}]}


def loud_network() -> Network:
    """Return a dense layer with biases that no accumulator holds."""
    bias = np.array([1e20, -1e20, 3.0], np.float32)
    dense = Dense(name="fc", inputs=("x",), kernel=reals(6, 3), bias=bias)
    return Network(name="loud", operations=(Input(name="x", shape=(6,)), dense), outputs=("fc",))


WIDE: dict[str, tuple[Network, Json]] = {
    "a shift while adding": (vector_network(), {"mac": stage(64, shift=62, overflow="saturate")}),
    "biases at both ends of 64 bits": (
        loud_network(),
        {"mac": stage(64, overflow="wrap"), "bias": {"bits": 64, "overflow": "saturate"}},
    ),
    "an unsigned accumulator of 64 bits": (
        vector_network(),
        {"mac": stage(64, signed=False), "bias": {"bits": 64, "position": "last"}},
    ),
    "48 bits times 32 bits": (
        loud_network(),
        {"mac": stage(48, overflow="saturate"), "bias": {"bits": 48}, "requantize": {"kind": "fixed"}},
    ),
    "64 bits times 32 bits, narrowed in between": (
        loud_network(),
        {
            "mac": stage(64),
            "bias": {"bits": 64},
            "requantize": {
                "kind": "steps",
                "steps": [
                    {"step": "multiply"},
                    {"step": "fit", "bits": 64, "overflow": "wrap"},
                    {"step": "shift_right", "rounding": "half_even"},
                ],
            },
        },
    ),
}


@pytest.mark.parametrize("case", WIDE)
def test_more_than_64_bits_are_exact(case: str) -> None:
    network, sections = WIDE[case]
    target = target_with(**sections)
    result = hwsim.run(network, target, VECTORS, trace=("fc",))
    inputs = [np.asarray(VECTORS).tolist()]
    theirs = run(plain_network(network), plain_plan(result.plan), plain_settings(network, target), inputs)
    assert result.codes.ravel().tolist() == theirs.codes["fc"]
    # a product alone is wide inside its kernel, not between the steps
    assert any(one.wide for one in result.program.operations) == (case != "48 bits times 32 bits")
    assert result.program.run(VECTORS).ledger == result.ledger
