"""A network becomes a Keras model again: in float, or with the roundings of a plan and a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hwsim.data import Data, Samples
from hwsim.errors import ModelError, PlanError
from hwsim.loaders import load
from hwsim.network import (
    Activation,
    AveragePool,
    Concatenate,
    Constant,
    Curve,
    Input,
    Network,
    Operation,
    Rearrange,
    Relu,
    Resize,
    Softmax,
)
from hwsim.quantize import Plan, collect, decide
from hwsim.quantize.sharing import PASS_THROUGH
from hwsim.target import Target, load_target
from hwsim.train.bases import KERAS
from hwsim.train.description import weights_of
from hwsim.train.fake import FakeQuantize
from hwsim.train.forms import FORMS, Form, form_of
from hwsim.train.grid import grid_of
from hwsim.train.layers import Bend, OperationLayer, TrainedLayer
from hwsim.train.numbers import Numbers

CALIBRATION_SAMPLES = 128
MEANS = (AveragePool, Resize)
"""Operations that keep their input's grid but whose results need not lie on its levels."""


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
    than one rounding in a row, only ``hwsim.train.through`` knows. Constants of the model stay as they are. Raises
    PlanError for a plan of another network, ModelError for operations without a layer, all by name.
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
    trained: list[TrainedLayer] = field(default_factory=list[TrainedLayer])
    loops: dict[str, tuple[OperationLayer, Mapping[str, Any]]] = field(
        default_factory=dict[str, tuple[OperationLayer, Mapping[str, Any]]]
    )

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
        for layer in self.trained:
            layer.fill(self.network.by_name[layer.operation.name])

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
        mean_of_levels = isinstance(operation, MEANS) and self.numbers.tensor(operation.name).levels is not None
        if isinstance(operation, Constant | Curve) or (stays and not mean_of_levels):
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
        form, numbers, settings = form_of(operation), self.numbers, dict[str, Any]()
        if form is None:
            return sources[0]
        if numbers is not None:
            settings = form.settings(numbers, operation) if form.settings else settings
            if isinstance(operation, Concatenate):
                sources = [self._rescaled(operation, *pair) for pair in zip(operation.inputs, sources, strict=True)]
            if isinstance(operation, Rearrange):
                operation = replace(operation, fill=numbers.fill(operation))
        if operation.step_of and weights_of(operation):
            return self._step(operation, form, settings)(*sources)
        return self._layer(operation, form, settings)(*sources)

    def _layer(self, operation: Operation, form: Form, settings: Mapping[str, Any]) -> OperationLayer:
        layer = form.layer(operation, **settings, makes=operation.name, name=keras_name(operation.name))
        if isinstance(layer, TrainedLayer):
            self.trained.append(layer)
        return layer

    def _step(self, operation: Operation, form: Form, settings: Mapping[str, Any]) -> OperationLayer:
        """Return the layer of a step of a loop: one for all steps, so that they keep the same weights."""
        if operation.step_of not in self.loops:
            self.loops[operation.step_of] = self._layer(operation, form, settings), settings
        layer, first = self.loops[operation.step_of]
        if settings != first:
            raise PlanError(
                f"{operation.name}: the steps of {operation.step_of!r} are trained with the same weights, so the plan "
                f"must give all of them the same scales"
            )
        return layer

    def _rescaled(self, operation: Concatenate, source: str, tensor: Any) -> Any:
        """Bring one input of a concatenation to the output's grid, where it has another."""
        assert self.numbers is not None
        if grid_of(self.numbers.tensor(source)) == grid_of(self.numbers.tensor(operation.name)):
            return tensor
        return FakeQuantize(self.numbers.quantizer(operation))(tensor)


def refuse_untrained(network: Network) -> None:
    """Raise ModelError with the names of all operations for which there is no layer."""
    known = (Input, Activation, *FORMS)
    others = [one for one in network.operations if not isinstance(one, known)]
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
