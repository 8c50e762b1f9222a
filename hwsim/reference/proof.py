"""The proof that an import is right: the network and the framework agree on samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hwsim.errors import ModelError
from hwsim.loaders.keras_run import predict, predict_inside, samples
from hwsim.network import Add, AveragePool, Concatenate, MaxPool, Multiply, Network, Pad
from hwsim.network.mac import Floats
from hwsim.reference.graph import run_network

SAMPLES = 2
RELATIVE_LIMIT = 1e-3
"""Of the output's largest magnitude. Float32 differs by about 1e-6; a wrong padding or layout by about 1."""
ABSOLUTE_LIMIT = 1e-6
"""For outputs that are zero, or nearly."""


def prove_import(network: Network, model: Any, seed: int = 0) -> Network:
    """Return ``network`` with ``import_error``: its largest difference to the Keras ``model``.

    Both run on the same few seeded samples, and layers inside are compared too where they can be. Without a model
    (None) the network returns as it is. Raises ModelError where a result differs by more than `RELATIVE_LIMIT` of its
    largest magnitude: a wrong import must not pass silently.
    """
    if model is None:
        return network
    inputs = samples(model, SAMPLES, np.random.default_rng(seed))
    wanted = predict(model, inputs)
    inside = predict_inside(model, comparable(network), inputs)
    tensors = run_network(network, inputs, keep={*network.outputs, *inside})
    for name, output in inside.items():
        if output.shape == tensors[name].shape:
            difference(name, tensors[name], output)
    differences = [
        difference(name, tensors[name], output) for name, output in zip(network.outputs, wanted, strict=True)
    ]
    return replace(network, import_error=max(differences))


def comparable(network: Network) -> list[str]:
    """Return the operations whose result is that of the Keras layer of their name: those that nothing is fused into.

    Where a network's values shrink towards its end, as untrained ones do, its outputs alone would prove nothing.
    """
    whole = (AveragePool, Concatenate, MaxPool, Pad)
    return [
        one.name
        for one in network.operations
        if isinstance(one, whole) or (isinstance(one, Add | Multiply) and one.activation is None)
    ]


def difference(name: str, ours: Floats, theirs: Floats) -> float:
    """Return the largest difference of two outputs; raise ModelError if it is too large for rounding."""
    if not np.isfinite(theirs).all():
        raise ModelError(f"{name}: Keras itself predicts NaN or infinity for samples from [-1, 1)")
    largest = float(np.max(np.abs(ours - theirs))) if ours.shape == theirs.shape else float("inf")
    limit = RELATIVE_LIMIT * float(np.max(np.abs(theirs))) + ABSOLUTE_LIMIT
    if not largest <= limit:
        raise ModelError(
            f"{name}: the import is wrong, its result differs from Keras by {largest:.3g} "
            f"(at most {limit:.3g} allowed); please report the model as a defect of hwsim"
        )
    return largest
