"""Small networks that a fault is planted into: residual blocks with seeded weights, on images with structure.

Weights are scaled layer by layer so that every layer's sums have a deviation of 1 on the images, and the classes are
centred: a trained network decides by what differs between images, not by what all have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hwsim
from hwsim.network import (
    Add,
    AveragePool,
    Conv2D,
    Curve,
    Dense,
    Input,
    Mean,
    Network,
    Operation,
    Relu,
    Reshape,
    Weighted,
)
from hwsim.quantize import Profile
from hwsim.reference.operation import run_operation

Reals = NDArray[np.float32]

SIZE = 8
SAMPLES = 24
CLASSES = 6
BLOCKS = ("first", "middle", "last")
"""The residual blocks, by the names that their layers begin with."""


def images(count: int = SAMPLES, size: int = SIZE, seed: int = 1) -> Reals:
    """Return (count, size, size, 3): waves of a few directions, a bright spot and some noise, about -2 to 2."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    made = np.empty((count, size, size, 3), np.float32)
    for image in made:
        for channel in range(3):
            across, down, phase = generator.uniform(-3, 3, 3)
            wave = np.sin(2 * np.pi * (across * columns + down * rows) + phase)
            image[..., channel] = generator.uniform(0.2, 1) * wave
        middle = generator.uniform(0.2, 0.8, 2)
        spot = np.exp(-((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / 0.02)
        np.add(image, (spot[..., None] * generator.uniform(-1.5, 1.5, 3)).astype(np.float32), out=image)
    made += generator.normal(0, 0.1, made.shape).astype(np.float32)
    return made


@dataclass
class Builder:
    """A network that grows by one operation after another, beside what it gives for the images."""

    generator: np.random.Generator
    operations: list[Operation] = field(default_factory=list)
    values: dict[str, Reals] = field(default_factory=dict)

    def begin(self, data: Reals) -> str:
        """Add the input."""
        self.operations.append(Input(name="image", shape=data.shape[1:]))
        self.values["image"] = data
        return "image"

    def add(self, one: Operation) -> str:
        """Add an operation; the sums of those with weights get a deviation of 1. Return its name."""
        inputs = [self.values[name] for name in one.inputs]
        if isinstance(one, Conv2D | Dense):
            sums = run_operation(replace(one, activation=None), inputs)
            scale = np.float32(1 / sums.std())
            one = replace(one, kernel=one.kernel * scale, bias=one.bias * scale)
        self.operations.append(one)
        self.values[one.name] = run_operation(one, inputs)
        return one.name

    def reals(self, *shape: int, width: float = 1.0) -> Reals:
        """Return seeded values from a bell."""
        return self.generator.normal(0, width, shape).astype(np.float32)

    def conv(
        self, name: str, source: str, outputs: int, kernel: int = 1, *, relu: bool = True, depthwise: bool = False
    ) -> str:
        """Add a convolution, padded so that the image keeps its size."""
        channels = self.values[source].shape[-1]
        outputs, groups = (channels, channels) if depthwise else (outputs, 1)
        weights = self.reals(kernel, kernel, channels // groups, outputs)
        bias = self.reals(outputs, width=float(np.sqrt(weights[..., 0].size)) / 4)
        side = (kernel // 2, kernel // 2)
        how: dict[str, Any] = {"padding": (side, side), "groups": groups, "activation": Relu() if relu else None}
        return self.add(Conv2D(name=name, inputs=(source,), kernel=weights, bias=bias, **how))

    def block(self, name: str, source: str, channels: int = 8, inner: int = 16) -> str:
        """Add an inverted residual block: wider, depthwise, narrower again, and the input added."""
        inside = self.conv(f"{name}_expand", source, inner)
        inside = self.conv(f"{name}_depthwise", inside, inner, 3, depthwise=True)
        inside = self.conv(f"{name}_project", inside, channels, relu=False)
        return self.add(Add(name=f"{name}_add", inputs=(source, inside)))

    def pool(self, name: str, source: str, window: int) -> str:
        """Add means over squares that do not overlap."""
        sides = (window, window)
        return self.add(AveragePool(name=name, inputs=(source,), window=sides, strides=sides))

    def classes(self, source: str, count: int = CLASSES) -> str:
        """Add a dense layer whose results have a mean of 0 over the images, each."""
        flat = self.add(Reshape(name="flat", inputs=(source,), shape=(self.values[source][0].size,)))
        kernel = self.reals(self.values[flat].shape[1], count)
        mean = self.values[flat].mean(axis=0) @ kernel
        return self.add(Dense(name="logits", inputs=(flat,), kernel=kernel, bias=-mean))

    def network(self, name: str) -> Network:
        """Return what was built; the last operation's tensor is the result."""
        return Network(name=name, operations=tuple(self.operations), outputs=(self.operations[-1].name,))


@lru_cache(maxsize=8)
def residual(seed: int = 0) -> Network:
    """Return a stem, three residual blocks, a pooling behind the first, a swish, a mean and a dense layer."""
    build = Builder(np.random.default_rng(seed))
    stem = build.conv("stem", build.begin(images()), 8, 3)
    first = build.pool("pool", build.block("first", stem), 2)
    last = build.block("last", build.block("middle", first))
    head = build.conv("head", last, 24, relu=False)
    swish = build.add(Curve(name="swish", inputs=(head,), function="silu"))
    build.classes(build.add(Mean(name="mean", inputs=(swish,))))
    return build.network("residual")


@lru_cache(maxsize=8)
def profile_of(network: Network) -> Profile:
    """Return the statistics of a network's tensors on the images."""
    return hwsim.profile(network, images())


def with_operations(network: Network, changed: Mapping[str, Mapping[str, Any]]) -> Network:
    """Return a network with other fields for the operations of these names."""
    operations = tuple(replace(one, **changed.get(one.name, {})) for one in network.operations)
    return replace(network, operations=operations)


def weighted(network: Network, name: str) -> Conv2D | Dense:
    """Return an operation that has a kernel."""
    one = network.by_name[name]
    assert isinstance(one, Conv2D | Dense)
    return one


def scaled_channels(network: Network, name: str, factors: Sequence[float]) -> Network:
    """Return the same function with the channels of a depthwise layer's weights times ``factors``.

    What feeds it, which must be a layer with weights and a ReLU that nothing else reads, gets its channels divided.
    """
    middle = weighted(network, name)
    before = weighted(network, middle.inputs[0])
    assert isinstance(before, Weighted)
    assert network.uses[before.name] == 1
    by = np.asarray(factors, np.float32)
    return with_operations(
        network,
        {
            name: {"kernel": middle.kernel * by},
            before.name: {"kernel": before.kernel / by, "bias": before.bias / by},
        },
    )
