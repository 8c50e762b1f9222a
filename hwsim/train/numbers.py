"""What a plan and a target say of a network's operations, as the layers of the fake-quantised model take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.formats import IntFormat, Rounding
from hwsim.network import Add, Input, Multiply, Network, Operation, Relu, Softmax, Weighted
from hwsim.program.mac import bias_unit, ratio_of
from hwsim.program.pipeline import limits
from hwsim.program.ratio import Ratio, sum_weights
from hwsim.quantize import Plan, TensorPlan, WeightPlan
from hwsim.quantize.decide import accumulator_unit, product_unit
from hwsim.target import Settings, Target
from hwsim.target import steps as post
from hwsim.target.steps import goes_by_ratio
from hwsim.train.grid import Grid, grid_of
from hwsim_kernels.multiplier import nearest


@dataclass(frozen=True)
class Numbers:
    """What plan and target say of an operation."""

    network: Network
    plan: Plan
    target: Target

    def settings(self, operation: Operation) -> Settings:
        """What the target says of an operation."""
        return self.target.settings(operation.kind, operation.name)

    def tensor(self, name: str) -> TensorPlan:
        """The plan's entry for a tensor; raises PlanError if there is none."""
        if name not in self.plan.tensors:
            raise PlanError(f"the plan of {self.plan.network!r} has no tensor {name!r}")
        return self.plan.tensors[name]

    def weights(self, name: str) -> WeightPlan:
        """The plan's entry for an operation's weights; raises PlanError if there is none."""
        if name not in self.plan.weights:
            raise PlanError(f"the plan of {self.plan.network!r} has no weights {name!r}")
        return self.plan.weights[name]

    def scale(self, name: str) -> float:
        """The scale of a tensor."""
        return self.tensor(name).scale

    def channel_scale(self, name: str) -> list[float]:
        """The scale, or that of each channel."""
        unit = grid_of(self.tensor(name)).unit(self.network.shapes[name])
        return [float(one) for one in unit.ravel()]

    def unit(self, operation: Operation) -> NDArray[np.float64]:
        """What an LSB of the operation's sums is worth, one number or one for each channel."""
        settings = self.settings(operation)
        scales = [self.scale(name) for name in operation.inputs]
        if isinstance(operation, Weighted):
            return accumulator_unit(scales[0], self.weights(operation.name), settings)
        if isinstance(operation, Multiply):
            return np.asarray([product_unit(scales[0], scales[1], settings)])
        if isinstance(operation, Add):
            return np.asarray([self.common_unit(operation) or scales[0]])
        return np.asarray(scales[:1])

    def common_unit(self, operation: Add) -> float | None:
        """The unit to which an addition brings its inputs; None where they keep their own."""
        settings = self.settings(operation)
        scales, addition = [self.scale(name) for name in operation.inputs], settings.addition
        if addition.kind == "weighted":
            output = self.scale(operation.name)
            return output / 2.0 ** sum_weights(operation.name, scales, output, addition.multiplier_bits)[1]
        if addition.kind == "float32" or not goes_by_ratio(settings.requantize.expanded()):
            return None
        return 2 * max(scales) / 2.0**addition.left_shift

    def sums(self, operation: Weighted) -> dict[str, Any]:
        """The grids of weights and bias."""
        settings, entry = self.settings(operation), self.weights(operation.name)
        channels = operation.bias.size
        source = self.scale(operation.inputs[0])
        output = np.broadcast_to(np.asarray(self.channel_scale(operation.name)), (channels,))
        unit = np.broadcast_to(self.unit(operation), (channels,)).copy()
        real = ratio_of(operation.name, settings, source, np.asarray(entry.scale), unit, output)
        ratio = Ratio.of(operation.name, real, settings.requantize, output)
        form = IntFormat(bits=settings.bias.bits)
        worth = bias_unit(settings, ratio, unit, entry)
        bias = _Form(form, tuple(np.where(worth > 0, worth, 1.0).tolist()), (0,) * channels)
        return {
            "source_scale": source,
            "weights": grid_of(entry, settings.weights.rounding),
            "bias": grid_of(bias, settings.bias.rounding),
        }

    def bend(self, operation: Operation, function: Relu) -> dict[str, Any]:
        """The numbers of an activation: where the target has it, before or after its requantisation."""
        settings = self.settings(operation)
        listed = settings.requantize.expanded()
        late = _activates_late(settings)
        unit = np.asarray(self.channel_scale(operation.name)) if late else self.unit(operation)
        limit = None if function.max_value is None else limits(function.max_value, unit, settings.activation).tolist()
        slope = 0.0
        if function.negative_slope:
            multiplier, exponent = nearest(function.negative_slope, settings.activation.multiplier_bits)
            slope = multiplier * 2.0 ** (exponent + 1 - settings.activation.multiplier_bits)
        return {
            "unit": unit.tolist(),
            "limit": limit,
            "slope": slope,
            "before": str(last_rounding(listed)) if late else None,
            "rounding": str(settings.activation.rounding),
        }

    def quantizer(self, operation: Operation) -> Grid:
        """The grid that an operation's result is brought to."""
        settings = self.settings(operation)
        if isinstance(operation, Softmax) and settings.softmax.run_on != "host":
            return grid_of(self.tensor(operation.name), Rounding.HALF_AWAY)
        enters = isinstance(operation, Input | Softmax)
        mode = settings.activations.rounding if enters else last_rounding(settings.requantize.expanded())
        return grid_of(self.tensor(operation.name), mode)


@dataclass(frozen=True)
class _Form:
    """A format with scales, as ``grid_of`` takes it."""

    format: IntFormat
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]


def _activates_late(settings: Settings) -> bool:
    """Whether the activation sees requantised values."""
    listed = settings.requantize.expanded()
    places = [number for number, step in enumerate(listed) if isinstance(step, post.ActivationStep)]
    if not places:
        return settings.activation.position == "after_requantize"
    rounds = [number for number, step in enumerate(listed) if _rounds(step)]
    return bool(rounds) and places[0] > rounds[-1]


def _rounds(step: object) -> bool:
    return isinstance(step, post.ShiftRightStep | post.MultiplyFloatStep)


def last_rounding(listed: Sequence[object]) -> Rounding:
    """Return the mode by which a list of steps rounds last; ``half_even`` where it does not round."""
    modes = [step.rounding for step in listed if isinstance(step, post.ShiftRightStep | post.MultiplyFloatStep)]
    return modes[-1] if modes and not modes[-1].stochastic else Rounding.HALF_EVEN
