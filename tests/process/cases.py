"""A small network with samples, and a judge that tries everything."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pipeline.tiny import image_network, reals

import hwsim
from hwsim.network import Network
from hwsim.process import Candidate
from hwsim.reference import run_network
from hwsim.target import Target

Reals = NDArray[np.float32]
Keys = Mapping[str, object]


def samples(count: int = 24, seed: int = 9) -> Reals:
    """Return images for the small network."""
    return reals(count, 6, 6, 3, seed=seed)


def network(seed: int = 0) -> Network:
    """Return the small network."""
    return image_network(seed=seed)


def some(widths: Mapping[tuple[str, str], Sequence[int]]) -> Any:
    """Return choices of these widths alone, by layer and part."""

    def choices(operation: Any, _settings: object) -> Iterator[Candidate]:
        for (layer, part), bits in widths.items():
            if operation.name == layer:
                yield from (Candidate(layer=layer, part=part, keys={"bits": one}) for one in bits)  # type: ignore[arg-type]

    return choices


def everything(
    small: Network, base: Mapping[str, Any], data: Reals, widths: Mapping[tuple[str, str], Sequence[int]]
) -> Iterator[tuple[float, float]]:
    """Yield (SQNR in dB, stored bits) of every combination of 8 bits and ``widths``, by whole runs alone."""
    statistics = hwsim.profile(small, data)
    exact = run_network(small, [data], small.outputs)[small.outputs[0]].astype(np.float64)
    for chosen in itertools.product(*((8, *bits) for bits in widths.values())):
        layers: dict[str, dict[str, Any]] = {}
        for (layer, part), bits in zip(widths, chosen, strict=True):
            layers.setdefault(layer, {})[part] = {"bits": bits}
        target = Target.from_dict({**base, "layers": layers})
        plan = hwsim.decide(small, statistics, target)
        outputs = hwsim.lower(small, plan, target).run(data).outputs[small.outputs[0]]
        noise = float(np.sum((outputs - exact) ** 2))
        yield 10 * math.log10(float(np.sum(exact**2)) / noise), bits_of(small, plan)


def bits_of(small: Network, plan: hwsim.Plan) -> float:
    """Return what a plan stores: weights, 32 bits for each scale, and one sample of each feature map."""
    bits = 0
    for name, weights in plan.weights.items():
        operation: Any = small.by_name[name]
        bits += operation.kernel.size * weights.bits + 32 * len(weights.scale)
    return bits + sum(math.prod(small.shapes[name]) * tensor.bits for name, tensor in plan.tensors.items())
