"""Drafts that the tests of techniques share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from pipeline.tiny import Reals, image_network, reals, target_with

from hwsim.improve import Draft
from hwsim.network import Network
from hwsim.quantize import Plan, collect, decide
from hwsim.target import Target

LOW_BITS: dict[str, Any] = {"weights": {"bits": 4, "granularity": "layer"}}


def draft_of(network: Network | None = None, target: Target | None = None, samples: Reals | None = None) -> Draft:
    """Return a draft without a plan, by default of the tiny network with 4-bit weights."""
    chosen = image_network() if network is None else network
    block = [reals(40, *chosen.inputs[0].shape, seed=8) if samples is None else samples]

    def planner(one: Network, aim: Target) -> Plan:
        return decide(one, collect(one, [block]), aim)

    return Draft(
        network=chosen,
        reference=chosen,
        target=target_with(**LOW_BITS) if target is None else target,
        planner=planner,
        samples=block,
    )


def normed_model() -> Any:
    """Return a Keras model with a batch normalisation between a convolution and its ReLU."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2), name="input"),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Flatten(name="flat"),
            layers.Dense(3, name="logits"),
        ]
    )
    generator = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(np.abs(generator.normal(0.5, 0.4, weight.shape)) + 0.1)
    return model
