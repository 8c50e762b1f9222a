"""The proof that an import is right: the network and the framework agree on samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hwsim.errors import ModelError
from hwsim.loaders.keras_run import predict, samples
from hwsim.network import Add, AveragePool, Concatenate, MaxPool, Multiply, Network, Pad
from hwsim.network.mac import Floats
from hwsim.reference.graph import run_network

SAMPLES = 2
RELATIVE_LIMIT = 1e-3
"""Of the output's largest magnitude. Float32 differs by about 1e-6; a wrong padding or layout by about 1."""
ABSOLUTE_LIMIT = 1e-6
"""For outputs that are zero, or nearly."""
SHAKE = 2.0**-21
"""Relative size of the change of samples that shows how far a model carries rounding: a few units in the last place."""
SHAKEN_LIMIT = 16
"""Of what such a change does to a result: untrained deep models can make any difference large."""


def prove_import(network: Network, model: Any, seed: int = 0) -> Network:
    """Return ``network`` with ``import_error``: its largest difference to the Keras ``model``.

    Both run on the same few seeded samples, and layers inside are compared too where they can be. Without a model
    (None) the network returns as it is. Raises ModelError where a result differs by more than `RELATIVE_LIMIT` of its
    largest magnitude, and by more than Keras' own result does when its samples change in their last bits, and so does a
    piece of the network that is fed with what Keras has there (``import_in_pieces``): a wrong import must not pass
    silently.
    """
    if model is None:
        return network
    generator = np.random.default_rng(seed)
    inputs = samples(model, SAMPLES, generator, network.inputs)
    wanted, inside = predict(model, inputs, comparable(network))
    tensors = run_network(network, inputs, keep={*network.outputs, *inside})
    alike = {name: output for name, output in inside.items() if output.shape == tensors[name].shape}
    results = dict(zip(network.outputs, wanted, strict=True))
    pairs = [*alike.items(), *results.items()]
    pieces = False
    try:
        _compare(tensors, pairs)
    except ModelError:
        shaken = [
            values if one.indices else values * (1 + SHAKE * generator.choice([-1, 1], values.shape)).astype(np.float32)
            for values, one in zip(inputs, network.inputs, strict=True)
        ]
        outputs, moved = predict(model, shaken, list(alike))
        moved |= zip(network.outputs, outputs, strict=True)
        room = {name: SHAKEN_LIMIT * _largest(moved[name], output) for name, output in pairs}
        try:
            _compare(tensors, pairs, room)
        except ModelError:
            pieces = True
            tensors = run_network(network, inputs, [name for name, _ in pairs], instead=alike)
            _compare(tensors, pairs)
    error = max(_largest(tensors[name], output) for name, output in results.items())
    return replace(network, import_error=error, import_in_pieces=pieces)


def _compare(
    tensors: Mapping[str, Floats], pairs: Sequence[tuple[str, Floats]], room: Mapping[str, float] | None = None
) -> None:
    """Raise ModelError for the first of ``pairs`` that differs too much from the tensor of its name."""
    for name, output in pairs:
        difference(name, tensors[name], output, room[name] if room else 0.0)


def _largest(one: Floats, other: Floats) -> float:
    return float(np.max(np.abs(one - other))) if one.shape == other.shape else float("inf")


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


def difference(name: str, ours: Floats, theirs: Floats, room: float = 0.0) -> float:
    """Return the largest difference of two outputs; raise ModelError if it is too large for rounding, and for ``room``.

    ``room`` is what rounding, carried on by the model, can do to this output.
    """
    if not np.isfinite(theirs).all():
        raise ModelError(f"{name}: Keras itself predicts NaN or infinity for samples from [-1, 1)")
    largest = _largest(ours, theirs)
    limit = max(RELATIVE_LIMIT * float(np.max(np.abs(theirs))) + ABSOLUTE_LIMIT, room)
    if not largest <= limit:
        raise ModelError(
            f"{name}: the import is wrong, its result differs from Keras by {largest:.3g} "
            f"(at most {limit:.3g} allowed); please report the model as a defect of hwsim"
        )
    return largest
