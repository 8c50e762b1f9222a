"""Faults, each planted into one layer of a sound network: there alone the target, the plan or the weights change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report.planted.networks import images, profile_of, residual, scaled_channels, weighted

import hwsim
from hwsim.network import Network
from hwsim.quantize import Plan
from hwsim.report import Report
from hwsim.target import Target
from hwsim.target.override import overridden

Reals = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Case:
    """A network on a target with a plan, and the samples."""

    network: Network
    target: Target
    plan: Plan
    data: Reals

    def with_target(self, layer: str, **sections: Any) -> Case:
        """Return the case with other settings for one layer; the plan stays."""
        return replace(self, target=overridden(self.target, {layer: sections}))

    def with_tensor(self, name: str, **changes: Any) -> Case:
        """Return the case with another entry of the plan for one tensor."""
        entry = self.plan.tensors[name].model_copy(update=changes)
        return replace(self, plan=self.plan.model_copy(update={"tensors": {**self.plan.tensors, name: entry}}))

    def run(self) -> hwsim.Result:
        """Return the run beside float."""
        return hwsim.run(self.network, self.target, self.data, plan=self.plan)


@dataclass(frozen=True, eq=False)
class Planted:
    """A case with a fault in it: the ``layer``, and the ``name`` of the points that undo it when they are lifted.

    ``point`` is the one of them at which the ledger sees bits dropped; empty where the ledger cannot see it.
    """

    case: Case
    layer: str
    name: str
    point: str = ""


def made(network: Network, data: Reals | None = None, **sections: Any) -> Case:
    """Return a network on the defaults of a target with other ``sections``, planned on the images."""
    target = Target.from_dict({"name": "made", **sections})
    profile = profile_of(network) if data is None else hwsim.profile(network, data)
    return Case(network, target, hwsim.decide(network, profile, target), images() if data is None else data)


@lru_cache(maxsize=8)
def sound(seed: int = 0) -> Case:
    """Return the residual network on an 8-bit target on which nothing goes wrong."""
    return made(residual(seed))


@lru_cache(maxsize=8)
def sound_report(seed: int = 0) -> Report:
    """Return the report of the sound case."""
    return sound(seed).run().report


def bits_needed(layer: str, point: str, seed: int = 0) -> int:
    """Return how many bits would hold every value seen at a point of the sound case."""
    [found] = [one for one in sound_report(seed).points if (one.layer, one.point) == (layer, point)]
    assert found.bits_needed is not None
    return found.bits_needed


def accumulator(bits: int, overflow: str = "saturate", **keys: Any) -> Mapping[str, Any]:
    """Return the section of an accumulator of ``bits``, fitted after every addition."""
    return {"stages": [{"name": "accumulator", "bits": bits, "overflow": overflow, **keys}]}


def outlier_channel(layer: str, factor: float, channel: int = 3, seed: int = 0) -> Planted:
    """Weights of one scale per layer, and a channel of a depthwise layer whose weights are ``factor`` times as large.

    What feeds the channel is that much smaller, so that float computes what it did.
    """
    network = residual(seed)
    factors = np.ones(weighted(network, layer).kernel.shape[-1])
    factors[channel] = factor
    uneven = scaled_channels(network, layer, tuple(factors.tolist()))
    return Planted(made(uneven, weights={"granularity": "layer"}), layer, "weight", "weight")


def narrow_accumulator(layer: str, missing: int, overflow: str, seed: int = 0) -> Planted:
    """An accumulator with fewer bits than its sums need in the end."""
    bits = bits_needed(layer, "accumulator", seed) - missing
    case = sound(seed).with_target(layer, mac=accumulator(bits, overflow), bias={"bits": bits})
    return Planted(case, layer, "accumulator", "accumulator")


def clipped(layer: str, factor: float, seed: int = 0) -> Planted:
    """A range of the input, or of a feature map, that is ``factor`` times too small."""
    case = sound(seed)
    scale = case.plan.tensors[layer].scale / factor
    point = "input" if layer == "image" else "output"
    return Planted(case.with_tensor(layer, scale=scale), layer, point, point)


def coarse(layer: str, factor: float, seed: int = 0) -> Planted:
    """A range ``factor`` times too large, as a single outlier among the calibration's samples makes it."""
    found = clipped(layer, 1 / factor, seed)
    return replace(found, point="input" if layer == "image" else "requantize")


def biased_rounding(layer: str, mode: str, seed: int = 0) -> Planted:
    """A requantisation that drops bits without rounding to nearest."""
    case = sound(seed).with_target(layer, requantize={"rounding": mode})
    return Planted(case, layer, "requantize", "requantize")


def narrow_pooling(layer: str, missing: int, overflow: str = "saturate", seed: int = 0) -> Planted:
    """A running sum of a mean with fewer bits than it needs."""
    bits = bits_needed(layer, "accumulator", seed) - missing
    case = sound(seed).with_target(layer, pooling={"accumulator": {"bits": bits, "overflow": overflow}})
    return Planted(case, layer, "accumulator", "accumulator")


def narrow_bias(layer: str, missing: int, seed: int = 0) -> Planted:
    """Biases that do not fit their word."""
    bits = bits_needed(layer, "bias", seed) - missing
    return Planted(sound(seed).with_target(layer, bias={"bits": bits}), layer, "bias", "bias")


def narrow_product(layer: str, bits: int, overflow: str = "saturate", seed: int = 0) -> Planted:
    """A register that is too narrow for large products, of which all fit 16 bits."""
    case = sound(seed).with_target(layer, mac={"product": {"bits": bits, "overflow": overflow}})
    return Planted(case, layer, "product", "product")


def truncated_products(layer: str, shift: int, seed: int = 0) -> Planted:
    """Products that lose their low bits, without rounding, before they are added."""
    case = sound(seed).with_target(layer, mac={"product": {"bits": 20, "shift": shift, "rounding": "floor"}})
    return Planted(case, layer, "product", "product")


def coarse_multiplier(layer: str, bits: int, seed: int = 0) -> Planted:
    """A multiplier of so few bits that it misses the ratio of scales; no bit of the data is lost, so none counts."""
    return Planted(sound(seed).with_target(layer, requantize={"multiplier_bits": bits}), layer, "requantize")


def coarse_curve(index_bits: int, seed: int = 0) -> Planted:
    """An activation function by a few straight lines."""
    curve = {"form": "interpolated", "index_bits": index_bits}
    return Planted(sound(seed).with_target("swish", curve=curve), "swish", "curve")


def unshifted_addition(layer: str, seed: int = 0) -> Planted:
    """An addition whose inputs are brought to a common scale without bits to spare."""
    case = sound(seed).with_target(layer, addition={"left_shift": 0})
    return Planted(case, layer, "requantize", "input")


def without_zero_point(layer: str, bits: int, seed: int = 0) -> Planted:
    """Symmetric codes of few bits for values of one sign: half of them are never used."""
    keys = {"activations": {"bits": bits, "symmetric": True}}
    base = sound(seed)
    target = overridden(base.target, {layer: keys})
    plan = hwsim.decide(base.network, profile_of(base.network), target)
    return Planted(replace(base, target=target, plan=plan), layer, "output", "requantize")


def biased_mean(layer: str, mode: str, seed: int = 0) -> Planted:
    """A mean whose division does not round to nearest."""
    return Planted(sound(seed).with_target(layer, pooling={"rounding": mode}), layer, "division", "division")


def biased_table(mode: str, seed: int = 0) -> Planted:
    """An activation function whose entries are not rounded to nearest."""
    return Planted(sound(seed).with_target("swish", curve={"rounding": mode}), "swish", "curve", "curve")
