"""Decide the format, scale and zero point of every tensor: the plan."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.network import (
    AveragePool,
    Conv2D,
    Conv2DTranspose,
    Crop,
    Dense,
    MaxPool,
    Multiply,
    Network,
    Operation,
    Pad,
    Reshape,
    ScaleShift,
    Softmax,
    Weighted,
)
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.quantize.profile import Profile, weight_range
from hwsim.quantize.scales import choose_scale
from hwsim.target import Settings, Target
from hwsim.target.settings import TensorFormat
from hwsim.target.steps import fixed_scale, goes_by_ratio

PASS_THROUGH = (MaxPool, AveragePool, Reshape, Pad, Crop)
"""Operations whose output has its input's format, scale and zero point."""


SHARES = TensorPlan(bits=8, signed=True, scale=2.0**-8, zero_point=-128)
"""What a softmax in fixed point gives: shares from 0 to 255 / 256."""


def decide(network: Network, profile: Profile, target: Target) -> Plan:
    """Choose scales and zero points from the ``profile`` by the ranges and formats that the target asks for."""
    draft = _Draft(network, profile, target)
    for operation in network.operations:
        draft.add(operation)
    return Plan(network=network.name, target=target.name, tensors=draft.tensors, weights=draft.weights)


def kernel_of(operation: Weighted) -> NDArray[np.float32]:
    """Return an operation's weights, output channels on the last axis.

    Raises TypeError for an operation that has none.
    """
    if isinstance(operation, Conv2D | Conv2DTranspose | Dense):
        return operation.kernel
    if isinstance(operation, ScaleShift):
        return operation.scale
    raise TypeError(f"{operation.name}: {type(operation).__name__} has no weights")


@dataclass
class _Draft:
    network: Network
    profile: Profile
    target: Target
    tensors: dict[str, TensorPlan] = field(default_factory=dict)
    weights: dict[str, WeightPlan] = field(default_factory=dict)

    def add(self, operation: Operation) -> None:
        """Decide about one operation's weights and output."""
        settings = self.target.settings(operation.kind, operation.name)
        if isinstance(operation, Weighted):
            self.weights[operation.name] = plan_weights(operation, settings)
        if isinstance(operation, PASS_THROUGH) and operation.inputs[0] in self.tensors:
            self.tensors[operation.name] = self.tensors[operation.inputs[0]]
        elif isinstance(operation, Weighted | Multiply) and not goes_by_ratio(settings.requantize.expanded()):
            self.tensors[operation.name] = self._unscaled(operation, settings)
        elif isinstance(operation, Softmax) and settings.softmax.run_on == "fixed":
            self.tensors[operation.name] = SHARES
        elif not self._stays_on_host(operation):
            self.tensors[operation.name] = self._from_range(operation, settings)

    def _stays_on_host(self, operation: Operation) -> bool:
        """Whether real values leave the datapath here and no later operation brings them back."""
        return isinstance(operation, Softmax) and not any(
            operation.name in other.inputs for other in self.network.operations
        )

    def _from_range(self, operation: Operation, settings: Settings) -> TensorPlan:
        form = settings.activations
        low, high = self.profile.tensors[operation.name].range(form.range.method, form.range.percent)
        scale, zero_point = _scale(low, high, form)
        return TensorPlan(
            bits=form.bits,
            signed=form.signed,
            narrow=form.narrow,
            scale=scale,
            zero_point=zero_point,
            minimum=low,
            maximum=high,
        )

    def _unscaled(self, operation: Weighted | Multiply, settings: Settings) -> TensorPlan:
        """The plan of an output whose scale follows from its inputs', as the target has a ratio of its own."""
        form = settings.activations
        scales = [self.tensors[name].scale for name in operation.inputs]
        if isinstance(operation, Multiply):
            unit = product_unit(scales[0], scales[1], settings)
        else:
            unit = float(accumulator_unit(scales[0], self.weights[operation.name], settings)[0])
        scale = fixed_scale(unit, settings.requantize.expanded())
        if form.fraction_bits is not None and scale != 2.0**-form.fraction_bits:
            raise PlanError(
                f"{operation.name}: as nothing goes by the ratio of scales, its sums have units of {scale!r}, but "
                f"activations.fraction_bits {form.fraction_bits} asks for {2.0**-form.fraction_bits!r}"
            )
        return TensorPlan(bits=form.bits, signed=form.signed, narrow=form.narrow, scale=scale)


def plan_weights(operation: Weighted, settings: Settings) -> WeightPlan:
    """Choose the scale, or the scales, of an operation's weights."""
    form = settings.weights
    kernel = kernel_of(operation)
    channels = kernel.reshape(-1, kernel.shape[-1]).T if form.granularity == "output_channel" else kernel.reshape(1, -1)
    pairs = [_scale(*weight_range(one, form.range.method, form.range.percent), form) for one in channels]
    return WeightPlan(
        bits=form.bits,
        signed=form.signed,
        narrow=form.narrow,
        scale=tuple(scale for scale, _ in pairs),
        zero_point=tuple(zero_point for _, zero_point in pairs),
    )


def dropped_bits(settings: Settings) -> int:
    """Return how many bits products and stages of accumulation drop."""
    product = settings.mac.product
    return (product.shift if product else 0) + sum(stage.shift for stage in settings.mac.stages)


def accumulator_unit(input_scale: float, weights: WeightPlan, settings: Settings) -> NDArray[np.float64]:
    """Return the real value of one LSB of the last stage: (1,) or (output channels,)."""
    return (input_scale * np.asarray(weights.scale, np.float64)) * 2.0 ** dropped_bits(settings)


def product_unit(first: float, second: float, settings: Settings) -> float:
    """Return the real value of one LSB of an element-wise product."""
    product = settings.multiplication.product
    return first * second * 2.0 ** (product.shift if product else 0)


def _scale(low: float, high: float, form: TensorFormat) -> tuple[float, int]:
    if form.fraction_bits is not None:
        return 2.0**-form.fraction_bits, 0
    return choose_scale(
        low, high, form.integer_format(), symmetric=form.symmetric, power_of_two=form.step == "power_of_two"
    )
