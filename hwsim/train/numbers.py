"""What a plan and a target say of a network's operations, as the layers of the fake-quantised model take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.formats import IntFormat, Rounding
from hwsim.loaders.framework import tensorflow
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Constant,
    Curve,
    Embedding,
    Input,
    MatMul,
    Multiply,
    Network,
    Operation,
    Prelu,
    Rearrange,
    Relu,
    Resize,
    Softmax,
    Weighted,
)
from hwsim.program.mac import bias_unit, ratio_of
from hwsim.program.pipeline import limits
from hwsim.program.pooling import whole_share
from hwsim.program.ratio import Ratio, sum_weights
from hwsim.quantize import Plan, TensorPlan, WeightPlan
from hwsim.quantize.decide import accumulator_unit, product_unit
from hwsim.target import Settings, Target
from hwsim.target import steps as post
from hwsim.target.steps import goes_by_ratio
from hwsim.train.grid import Grid, grid_of
from hwsim.train.tables import table_of
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

    def slopes(self, operation: Prelu) -> dict[str, Any]:
        """The grid of a trained activation's slopes."""
        weights = grid_of(self.weights(operation.name), self.settings(operation).weights.rounding)
        return {"source_scale": self.scale(operation.inputs[0]), "weights": weights}

    def sum(self, operation: Add) -> dict[str, Any]:
        """How the inputs of a sum or a difference are brought to one unit; by ratios, they are not rounded."""
        settings = self.settings(operation)
        unit = self.common_unit(operation) if settings.addition.kind == "rescaled" else None
        return {"unit": unit, "rounding": str(last_rounding(settings.requantize.expanded()))}

    def product(self, operation: Multiply | MatMul) -> dict[str, Any]:
        """The scales of the inputs of a product, and the zero point that a target does not take off."""
        ignored = isinstance(operation, MatMul) and self.settings(operation).mac.second_zero_point == "ignored"
        point = self.point(operation.inputs[1]) if ignored else 0
        return {"scales": [self.scale(name) for name in operation.inputs], "point": point}

    def point(self, name: str) -> int:
        """The zero point of what is computed with: that of plain codes, 0 where codes are decoded."""
        entry = self.tensor(name)
        return 0 if entry.levels is not None else entry.zero_point

    def mean(self, operation: AveragePool) -> dict[str, Any]:
        """How an average pooling divides and rounds."""
        pooling = self.settings(operation).pooling
        return {
            "scale": self.channel_scale(operation.inputs[0]),
            "point": self.point(operation.inputs[0]) if pooling.zero_point == "kept" else 0,
            "rounding": str(steady(pooling.rounding)),
            "factor": whole_share(pooling.division, *operation.window) if pooling.division != "count" else None,
        }

    def resize(self, operation: Resize) -> dict[str, Any]:
        """How pixels between pixels are weighed and rounded."""
        settings = self.settings(operation).resize
        return {
            "scale": self.channel_scale(operation.inputs[0]),
            "point": self.point(operation.inputs[0]) if settings.zero_point == "kept" else 0,
            "bits": settings.fraction_bits,
            "real": settings.positions == "float32",
            "rounding": str(steady(settings.rounding)),
        }

    def constant(self, operation: Constant) -> dict[str, Any]:
        """The grid that a constant's values are brought to."""
        return {"grid": self.quantizer(operation)}

    def fill(self, operation: Rearrange) -> float:
        """The real value of the code that a rearrangement fills in; other values than 0 need one scale for all."""
        entry = self.tensor(operation.name)
        if entry.shift:
            return operation.fill
        return float(grid_of(entry).fake(tensorflow().constant([operation.fill], "float64"))[0])

    def curve(self, operation: Curve) -> dict[str, Any]:
        """The grids of a function's input and output, and the real value of each code's result."""
        source, result = (self.tensor(name) for name in (operation.inputs[0], operation.name))
        table = table_of(operation, self.plan, self.target)
        return {"source": grid_of(source), "result": grid_of(result), "table": table.tolist()}

    def bend(self, operation: Operation, function: Relu) -> dict[str, Any]:
        """The numbers of an activation: where the target has it, before or after its requantisation."""
        settings = self.settings(operation)
        late = _activates_late(settings) or (isinstance(operation, Add) and settings.addition.kind == "float32")
        output = np.asarray(self.channel_scale(operation.name))
        if isinstance(operation, Activation) and function.negative_slope and settings.activation.slope == "apart":
            # the slope is part of a ratio, and nothing is rounded before the limit
            top = None if function.max_value is None else limits(function.max_value, output, settings.activation)
            return {"limit": None if top is None else (top * output).tolist(), "slope": function.negative_slope}
        unit = output if late else self.unit(operation)
        limit = None if function.max_value is None else limits(function.max_value, unit, settings.activation).tolist()
        slope = 0.0
        if function.negative_slope:
            multiplier, exponent = nearest(function.negative_slope, settings.activation.multiplier_bits)
            slope = multiplier * 2.0 ** (exponent + 1 - settings.activation.multiplier_bits)
        return {
            "unit": unit.tolist(),
            "limit": limit,
            "slope": slope,
            "before": str(self.rounding(operation)) if late else None,
            "rounding": str(steady(settings.activation.rounding)),
        }

    def quantizer(self, operation: Operation) -> Grid:
        """The grid that an operation's result is brought to."""
        settings = self.settings(operation)
        if isinstance(operation, Softmax) and settings.softmax.run_on != "host":
            return grid_of(self.tensor(operation.name), Rounding.HALF_AWAY)
        if isinstance(operation, Input) and operation.indices:
            return grid_of(self.tensor(operation.name))  # some modes move whole numbers, too
        enters = isinstance(operation, Input | Softmax | Constant | Embedding)
        mode = settings.activations.rounding if enters else self.rounding(operation)
        return grid_of(self.tensor(operation.name), mode)

    def rounding(self, operation: Operation) -> Rounding:
        """The mode by which an operation's results are rounded last."""
        settings = self.settings(operation)
        if isinstance(operation, Add) and settings.addition.kind != "rescaled":
            return steady(settings.addition.rounding)
        return last_rounding(settings.requantize.expanded())


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
    return steady(modes[-1]) if modes else Rounding.HALF_EVEN


def steady(mode: Rounding) -> Rounding:
    """Return a mode; ``half_even`` in the place of one that draws random numbers."""
    return Rounding.HALF_EVEN if mode.stochastic else mode
