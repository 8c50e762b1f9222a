"""A network becomes a Keras model again: in float, or with the roundings of a plan and a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hwsim.data import Data, Samples
from hwsim.errors import ModelError, PlanError
from hwsim.loaders import load
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    Input,
    Network,
    Operation,
    Relu,
    Softmax,
    Subtract,
    Weighted,
)
from hwsim.program.pooling import whole_share
from hwsim.quantize import Plan, collect, decide
from hwsim.quantize.sharing import PASS_THROUGH
from hwsim.target import Target, load_target
from hwsim.train.bases import KERAS
from hwsim.train.fake import FakeQuantize
from hwsim.train.grid import grid_of
from hwsim.train.layers import MOVES, Bend, Mean, Move, SharedSum, WeightedSums
from hwsim.train.numbers import Numbers, last_rounding

CALIBRATION_SAMPLES = 128


def keras_model(network: Network) -> Any:
    """Return a Keras model of a network in float: batch normalisations stay folded, activations are layers.

    Its layers are named after the operations, `/` and `:` replaced by `.`, and trainable as usual.
    """
    return Builder(network, None).model()


def fake_quantize(model: Any, plan: Plan | Target | str, data: Data | None = None, target: Any = None) -> Any:
    """Return a copy of a model, as a Keras model, that rounds wherever the target does.

    model: a keras.Model, the path of one or a Network, imported as for ``hwsim.run``: batch normalisations folded,
        activations fused. plan: a Plan; then ``target`` is the one that it was decided for. Or a target, its name or
        path; then the plan is decided on ``data``, its first 128 samples.

    Weights and biases go through the plan's grids, and every tensor of the plan through ``FakeQuantize``; rounding
    modes are the target's. Accumulators, products and multipliers are taken as exact: what narrow ones do, and more
    than one rounding in a row, only ``hwsim.train.through`` knows. Raises PlanError for a plan of another network,
    ModelError for operations without a layer (curves, resizes, matrix products and others), all by name.
    """
    chosen = load_target(target if isinstance(plan, Plan) and target is not None else _target_of(plan))
    network = load(model, target=chosen)
    return quantized_model(network, planned(network, plan, chosen, data), chosen)


def _target_of(plan: Any) -> Any:
    return plan.target if isinstance(plan, Plan) else plan


def planned(network: Network, plan: Any, target: Target, data: Data | None) -> Plan:
    """Return the plan that is given, or decide one on data; raises PlanError if there is neither."""
    if isinstance(plan, Plan):
        return plan
    if data is None:
        raise PlanError(f"{network.name}: without a plan, data is needed to choose the ranges of its tensors")
    samples = Samples(data, network.inputs)
    return decide(network, collect(network, samples.blocks(32, CALIBRATION_SAMPLES)), target)


def quantized_model(network: Network, plan: Plan, target: Target) -> Any:
    """Return the Keras model of a network that rounds as ``fake_quantize`` says."""
    return Builder(network, Numbers(network, plan, target)).model()


@dataclass
class Builder:
    """Builds Keras tensors operation by operation."""

    network: Network
    numbers: Numbers | None
    tensors: dict[str, Any] = field(default_factory=dict)
    kernels: dict[str, WeightedSums] = field(default_factory=dict)

    def model(self, kind: Any = None) -> Any:
        """Return the model, of the class ``kind``, with the network's weights."""
        inputs = self.inputs()
        self.run()
        outputs = [self.tensors[name] for name in self.network.outputs]
        model = (kind or KERAS.Model)(
            inputs if len(inputs) > 1 else inputs[0],
            outputs if len(outputs) > 1 else outputs[0],
            name=keras_name(self.network.name),
        )
        self.fill()
        return model

    def inputs(self) -> list[Any]:
        """Make the inputs."""
        self.given = {one.name: KERAS.Input(one.shape, name=keras_name(one.name)) for one in self.network.inputs}
        return list(self.given.values())

    def run(self) -> None:
        """Build every operation."""
        refuse_untrained(self.network)
        for operation in self.network.operations:
            self.tensors[operation.name] = self.finished(operation.name, self.add(operation))

    def finished(self, name: str, tensor: Any) -> Any:
        """Return what is read as the tensor ``name``."""
        return tensor

    def fill(self) -> None:
        """Give the layers the network's weights."""
        for name, layer in self.kernels.items():
            operation: Any = self.network.by_name[name]
            layer.kernel.assign(getattr(operation, layer.kernel_name))
            layer.bias.assign(operation.bias)

    def add(self, operation: Operation) -> Any:
        """Build one operation and return its finished tensor."""
        name = operation.name
        if isinstance(operation, Input):
            return self.stored(operation, self.given[name])
        tensor = self.core(operation, [self.tensors[one] for one in operation.inputs])
        function = operation.function if isinstance(operation, Activation) else getattr(operation, "activation", None)
        if function is not None:
            tensor = self.bend(operation, function)(tensor)
        return self.stored(operation, tensor)

    def stored(self, operation: Operation, tensor: Any) -> Any:
        """Bring a result to the grid of its tensor, where it has one of its own."""
        if self.numbers is None:
            return tensor
        stays = isinstance(operation, PASS_THROUGH) or (
            isinstance(operation, Softmax)
            and self.numbers.settings(operation).softmax.run_on == "host"
            and not any(operation.name in one.inputs for one in self.network.operations)
        )
        # a mean is no level, what moves codes keeps them
        mean_of_levels = isinstance(operation, AveragePool) and self.numbers.tensor(operation.name).levels is not None
        if stays and not mean_of_levels:
            return tensor
        grid = self.numbers.quantizer(operation)
        name = f"{keras_name(operation.name)}.codes"
        return FakeQuantize(grid, makes=operation.name, name=name)(tensor)

    def bend(self, operation: Operation, function: Relu) -> Bend:
        """Return the layer of an activation."""
        name = f"{keras_name(operation.name)}.activation"
        if self.numbers is None:
            return Bend(limit=function.max_value, slope=function.negative_slope, name=name)
        return Bend(**self.numbers.bend(operation, function), name=name)

    def core(self, operation: Operation, sources: list[Any]) -> Any:
        """Build what an operation computes before its activation."""
        name, numbers = keras_name(operation.name), self.numbers
        match operation:
            case Activation():
                return sources[0]
            case Weighted():
                layer = WeightedSums(operation, **(numbers.sums(operation) if numbers else {}), name=name)
                self.kernels[operation.name] = layer
                return layer(sources[0])
            case Add():
                rounding = str(last_rounding(numbers.settings(operation).requantize.expanded())) if numbers else "floor"
                unit = numbers.common_unit(operation) if numbers else None
                return SharedSum(unit, rounding=rounding, name=name)(*sources)
            case AveragePool():
                return Mean(operation, **self._pooling(operation), makes=operation.name, name=name)(sources[0])
            case Concatenate() if numbers:
                sources = [self._rescaled(operation, *pair) for pair in zip(operation.inputs, sources, strict=True)]
            case _:
                pass
        return Move(operation, makes=operation.name, name=name)(*sources)

    def _pooling(self, operation: AveragePool) -> dict[str, Any]:
        if self.numbers is None:
            return {}
        pooling = self.numbers.settings(operation).pooling
        entry = self.numbers.tensor(operation.inputs[0])
        return {
            "scale": self.numbers.channel_scale(operation.inputs[0]),
            "point": entry.zero_point if pooling.zero_point == "kept" else 0,
            "rounding": str(pooling.rounding),
            "factor": whole_share(pooling.division, *operation.window) if pooling.division != "count" else None,
        }

    def _rescaled(self, operation: Concatenate, source: str, tensor: Any) -> Any:
        """Bring one input of a concatenation to the output's grid, where it has another."""
        assert self.numbers is not None
        if grid_of(self.numbers.tensor(source)) == grid_of(self.numbers.tensor(operation.name)):
            return tensor
        return FakeQuantize(self.numbers.quantizer(operation))(tensor)


TRAINED = (Activation, Add, AveragePool, Input, Weighted, *MOVES)
"""Operations for which there are layers, but for ``Subtract``, which is an ``Add``."""


def refuse_untrained(network: Network) -> None:
    """Raise ModelError with the names of all operations for which there is no layer."""
    others = [one for one in network.operations if not isinstance(one, TRAINED) or isinstance(one, Subtract)]
    if others:
        named = "\n  ".join(f"{one.name}: {one.kind}" for one in others)
        raise ModelError(f"hwsim.train has no layer for these operations of {network.name}:\n  {named}")


def keras_name(name: str) -> str:
    """Return an operation's name as Keras takes it.

    >>> keras_name("block/conv:1")
    'block.conv.1'
    """
    return name.replace("/", ".").replace(":", ".")


def layers_of(model: Any) -> Mapping[str, Any]:
    """Return the layer of a model that completes each tensor of its network: the last one that bears its name."""
    return {layer.makes: layer for layer in model.layers if getattr(layer, "makes", "")}
