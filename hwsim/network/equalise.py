"""Cross-layer equalisation: the scales of channels moved from one layer's weights to the next one's.

Nagel et al., *Data-Free Quantization Through Weight Equalization and Bias Correction* (2019, arXiv 1906.04721), section
4.1. A function f with f(s x) = s f(x) for s > 0, as ReLU and leaky ReLU are, lets channel i between two layers be
divided by any s_i > 0 behind the first one and be multiplied by it before the second: f(W x) = s f(W x / s). The ranges
r1_i and r2_i of the weights that make and read the channel become equal with s_i = sqrt(r1_i r2_i) / r2_i.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hwsim.network.activation import Activation, Relu
from hwsim.network.graph import Network
from hwsim.network.mac import Conv2D, Conv2DTranspose, Dense, ScaleShift, Weighted
from hwsim.network.operation import Operation
from hwsim.network.pooling import AveragePool, MaxPool
from hwsim.network.shape import Crop, Pad, Reshape

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_SWEEPS = 200
CONVERGED = 1e-4
"""Largest change of a scale, relative, in the last sweep over all pairs."""
NEGLIGIBLE = 2.0**-16
"""Weights that are smaller, of the layer's largest, count as none: a channel that is dead but for its bias, as training
leaves them, would else be blown up until its bias fills the range of the activations."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two weighted operations that are joined by nothing but what passes a channel's scale on.

    ``channels`` (the second one's input channels,) gives the first one's output channel that each of them comes from.
    """

    first: str
    second: str
    channels: Indices


@dataclass(frozen=True, kw_only=True)
class Equalisation:
    """An equalised network, the pairs of layers that were equalised, and the smallest and the largest scale."""

    network: Network
    pairs: tuple[Pair, ...]
    smallest: float
    largest: float


def equalise(network: Network, *, power_of_two: bool = False) -> Equalisation:
    """Equalise the ranges of weights of all pairs of layers, over and over until no scale changes any more.

    The network's real-valued function stays the same. In float32 it agrees to rounding; with ``power_of_two`` scales it
    is the same to the last bit, as long as no value is subnormal. A channel to which either layer gives no weight, or
    a `NEGLIGIBLE` one, stays as it is. Layers joined by a bounded ReLU are no pair, as one bound would have to become
    one for each channel; see `without_bounds`.
    """
    pairs = find_pairs(network)
    scales = _Scales(network)
    for _ in range(MOST_SWEEPS):
        changes = [scales.settle(pair, power_of_two=power_of_two) for pair in pairs]
        if max(changes, default=0.0) <= CONVERGED:
            break
    operations = tuple(scales.applied(operation) for operation in network.operations)
    used = np.concatenate([np.ones(1), *(scales.behind[pair.first] for pair in pairs)])
    return Equalisation(
        network=replace(network, operations=operations),
        pairs=pairs,
        smallest=float(used.min()),
        largest=float(used.max()),
    )


def find_pairs(network: Network) -> tuple[Pair, ...]:
    """Return every pair of layers that can be equalised, in the order of the network.

    Between them stand at most ReLU, leaky ReLU, poolings, padding, cropping and reshapes that keep channels apart, each
    read once, and none of them a result of the network.
    """
    origin: dict[str, tuple[str, Indices]] = {}
    pairs = []
    for operation in network.operations:
        source = operation.inputs[0] if len(operation.inputs) == 1 else ""
        here = origin.get(source) if network.uses[source] == 1 else None
        if isinstance(operation, Weighted):
            if here is not None:
                pairs.append(Pair(first=here[0], second=operation.name, channels=here[1]))
            here = operation.name, np.arange(network.shapes[operation.name][-1])
            if not _is_homogeneous(operation.activation):
                continue
        elif here is not None:
            channels = _passed_on(operation, network.shapes[source], here[1])
            here = None if channels is None else (here[0], channels)
        if here is not None:
            origin[operation.name] = here
    return tuple(pairs)


def without_bounds(network: Network) -> Network:
    """Return ``network`` with a plain ReLU for every bounded one (ReLU6): another function, with more pairs of layers.

    Nagel et al. do so with MobileNetV2. What the bound kept out is then left to the range of the activations.
    """
    return replace(network, operations=tuple(_unbounded(one) for one in network.operations))


def _unbounded(operation: Operation) -> Operation:
    if isinstance(operation, Activation) and operation.function and operation.function.max_value is not None:
        return replace(operation, function=replace(operation.function, max_value=None))
    if isinstance(operation, Weighted) and operation.activation and operation.activation.max_value is not None:
        return replace(operation, activation=replace(operation.activation, max_value=None))
    return operation


def _is_homogeneous(function: Relu | None) -> bool:
    return function is None or function.max_value is None


def _passed_on(operation: Operation, shape: tuple[int, ...], channels: Indices) -> Indices | None:
    """Return the origin of each channel behind ``operation``, None if it mixes them or does not pass scales on."""
    if isinstance(operation, MaxPool | AveragePool | Pad | Crop):
        return channels
    if isinstance(operation, Activation) and _is_homogeneous(operation.function):
        return channels
    if isinstance(operation, Reshape):
        moved = np.broadcast_to(channels, shape).reshape(-1, operation.shape[-1])
        return moved[0] if (moved == moved[0]).all() else None
    return None


class _Scales:
    """The scales found so far: each layer's outputs are divided by ``behind``, its inputs multiplied by ``before``.

    Only the largest magnitude of the weights between an input and an output channel counts, a matrix for each layer.
    """

    def __init__(self, network: Network) -> None:
        layers = [one for one in network.operations if isinstance(one, Weighted)]
        found = {one.name: _magnitudes(one) for one in layers}
        self.magnitudes = {name: np.where(one > NEGLIGIBLE * one.max(), one, 0.0) for name, one in found.items()}
        self.reads = {one.name: _read_channels(one) for one in layers}
        self.before = {one.name: np.ones(int(self.reads[one.name].max()) + 1) for one in layers}
        self.behind = {one.name: np.ones(self.reads[one.name].shape[1]) for one in layers}

    def settle(self, pair: Pair, *, power_of_two: bool) -> float:
        """Give the channels between a pair equal ranges; return the largest relative change of a scale."""
        made = self._weights(pair.first).max(axis=0)
        read = np.zeros(made.size)
        np.maximum.at(read, pair.channels[self.reads[pair.second]], self._weights(pair.second))
        alive = (made > 0) & (read > 0)
        change = np.sqrt(np.where(alive, made, 1.0) / np.where(alive, read, 1.0))
        if power_of_two:
            change = 2.0 ** np.rint(np.log2(change))
        self.behind[pair.first] *= change
        self.before[pair.second] *= change[pair.channels]
        return float(np.max(np.abs(change - 1.0)))

    def applied(self, operation: Operation) -> Operation:
        """Return an operation with its scales in its weights and its bias, float32 of a float64 product."""
        if not isinstance(operation, Weighted):
            return operation
        before, behind = self.before[operation.name], self.behind[operation.name]
        factors = before[self.reads[operation.name]] / behind
        bias = (operation.bias / behind).astype(np.float32)
        if isinstance(operation, Conv2D | Conv2DTranspose | Dense):
            return replace(operation, kernel=(operation.kernel * factors).astype(np.float32), bias=bias)
        assert isinstance(operation, ScaleShift)
        return replace(operation, scale=(operation.scale * factors[0]).astype(np.float32), bias=bias)

    def _weights(self, name: str) -> Doubles:
        return self.magnitudes[name] * self.before[name][self.reads[name]] / self.behind[name]


def _magnitudes(operation: Weighted) -> Doubles:
    """Return (input channels of a group, output channels) the largest magnitude among the weights between them."""
    if isinstance(operation, ScaleShift):
        return np.abs(operation.scale[None]).astype(np.float64)
    assert isinstance(operation, Conv2D | Conv2DTranspose | Dense)
    kernel = np.abs(operation.kernel.reshape(-1, *operation.kernel.shape[-2:]))
    return np.asarray(kernel.max(axis=0), np.float64)


def _read_channels(operation: Weighted) -> Indices:
    """Return the input channel that each entry of `_magnitudes` reads."""
    inside, outputs = _magnitudes(operation).shape
    groups = operation.groups if isinstance(operation, Conv2D) else outputs if isinstance(operation, ScaleShift) else 1
    group = np.arange(outputs) // (outputs // groups)
    return np.asarray(np.arange(inside)[:, None] + group * inside)
