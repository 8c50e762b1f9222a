"""Training through the real datapath: forward by the integer engine, backward by the fake-quantised model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Data
from hwsim.engine import Engine
from hwsim.engine.run import by_output, dequantize
from hwsim.errors import ModelError
from hwsim.loaders import load
from hwsim.loaders.framework import tensorflow
from hwsim.network import Network
from hwsim.program import Program, lower
from hwsim.quantize import Plan
from hwsim.target import Target, load_target
from hwsim.train.agreement import BATCH, run_all
from hwsim.train.bases import KERAS, Layer, Model, saved
from hwsim.train.build import Builder, planned, refuse_untrained
from hwsim.train.description import describe, rebuild, weights_of
from hwsim.train.layers import TrainedLayer
from hwsim.train.numbers import Numbers
from hwsim.train.rounding import straight


@dataclass(frozen=True)
class _Lowered:
    """A program, and the weights that it was made of."""

    weights: tuple[NDArray[Any], ...]
    program: Program


@saved
class IntegerEngine(Layer):
    """Runs the integer engine on the weights that the model has at this moment; gives every tensor, in real values.

    ``network``, ``plan`` and ``target`` as JSON; the weights come from ``trained_layers``, by operation.
    """

    def __init__(self, *, network: Mapping[str, Any], plan: str, target: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.description, self.plan_text, self.target_text = network, plan, target
        self.network = _network(network)
        self.plan = Plan.model_validate_json(plan)
        self.target = Target.from_dict(json.loads(target))
        self.trained_layers: Mapping[str, TrainedLayer] = MappingProxyType({})
        self._lowered: _Lowered | None = None
        self.supports_jit = False
        self.trainable = False

    def attach(self, layers: Sequence[Any]) -> None:
        """Take weights from those of ``layers`` that have a network's weights."""
        found = {layer.operation.name: layer for layer in layers if isinstance(layer, TrainedLayer)}
        self.trained_layers = MappingProxyType(found)  # a dict would make the layers parts of this one

    def current(self) -> Network:
        """Return the network with the weights as they are."""
        return self._with([np.asarray(one) for one in self._variables_of_layers()])

    def call(self, *inputs: Any) -> list[Any]:
        """Return every tensor of the network (n, …) in float32, in the order of its operations."""
        tf = tensorflow()
        weights = list(map(tf.convert_to_tensor, self._variables_of_layers()))
        names = list(self.network.by_name)
        found = tf.numpy_function(self._run, [*inputs, *weights], [tf.float32] * len(names))
        for name, tensor in zip(names, found, strict=True):
            tensor.set_shape((None, *self.network.shapes[name]))
        return list(map(tf.stop_gradient, found))

    def _run(self, *arrays: NDArray[Any]) -> list[NDArray[np.float32]]:
        count = len(self.network.inputs)
        program = self._program(arrays[count:])
        with Engine(BATCH, counted=False) as engine:
            made = {
                name: dequantize(program.tensors[name], values).astype(np.float32)
                for name, values in run_all(program, engine, arrays[:count])
            }
        # where the host computed what is read again as codes, the codes count
        values = {**made, **by_output(made)}
        return [values[f"{name}/codes"] if f"{name}/codes" in made else values[name] for name in self.network.by_name]

    def _program(self, weights: Sequence[NDArray[Any]]) -> Program:
        """Return the program for the weights, in the order of layers; where none has changed, the last one."""
        last = self._lowered
        if last is None or not all(map(np.array_equal, weights, last.weights)):
            last = _Lowered(tuple(map(np.copy, weights)), lower(self._with(weights), self.plan, self.target))
            self._lowered = last
        return last.program

    def _variables_of_layers(self) -> list[Any]:
        return [one for layer in self.trained_layers.values() for one in layer.arrays.values()]

    def _with(self, weights: Sequence[NDArray[Any]]) -> Network:
        """Return the network with other weights, in the order of layers; the steps of a loop share those of one."""
        left = iter(weights)
        given = {
            layer.operation.tensor: {field: next(left) for field in layer.arrays}
            for layer in self.trained_layers.values()
        }
        changed = (
            replace(cast("Any", one), **given[one.tensor]) if one.tensor in given and weights_of(one) else one
            for one in self.network.operations
        )
        return replace(self.network, operations=tuple(changed))

    def compute_output_spec(self, *inputs: Any) -> list[Any]:
        """Return the shapes of all tensors."""
        return [KERAS.KerasTensor((None, *shape), "float32") for shape in self.network.shapes.values()]

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        kept = {"network": self.description, "plan": self.plan_text, "target": self.target_text}
        return {**super().get_config(), **kept}


@saved
class Straight(Layer):
    """Takes the float tensor and the engine's; gives the engine's values, and the gradient to the float tensor.

    ``makes`` names the tensor of the network that the layer completes.
    """

    def __init__(self, *, makes: str = "", **keywords: Any) -> None:
        super().__init__(**keywords)
        self.makes = makes
        self.supports_jit = False

    def call(self, floats: Any, integers: Any) -> Any:
        """Return ``integers`` (n, …), of the shape of ``floats``."""
        return straight(floats, integers)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), "makes": self.makes}


@saved
class DatapathModel(Model):
    """A Keras model that computes by the integer engine; made by ``through``, ready for ``compile`` and ``fit``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # by these very names Keras knows how to load it
        super().__init__(*args, **kwargs)
        self.engine().attach(self.layers)

    def engine(self) -> IntegerEngine:
        """Return the layer that runs the integer engine."""
        return next(layer for layer in self.layers if isinstance(layer, IntegerEngine))


def through(model: Any, target: Target | str, plan: Plan | None = None, data: Data | None = None) -> Any:
    """Return a Keras model whose forward pass is the integer engine and whose backward pass is straight through.

    model: a keras.Model, the path of one or a Network, imported as for ``hwsim.run``. plan: as for ``fake_quantize``;
        without it, it is decided on ``data``. Scales and zero points stay as they are in training; the weights change.

    Forward, each step lowers the weights of that moment for ``target`` and runs the program: what a narrow accumulator
    does is seen. Backward, each tensor hands its gradient to the fake-quantised one (``fake_quantize``), computed from
    the engine's values. The model can be saved and loaded. Raises PlanError and ModelError as ``fake_quantize`` does.
    """
    chosen = load_target(target)
    network = load(model, target=chosen)
    refuse_untrained(network)
    decided = planned(network, chosen if plan is None else plan, chosen, data)
    engine = IntegerEngine(
        network={
            "name": network.name,
            "operations": [describe(one) for one in network.operations],
            "outputs": list(network.outputs),
        },
        plan=decided.to_json(),
        target=json.dumps(chosen.model_dump(mode="json", exclude_unset=True)),
        name="integer_engine",
    )
    return _Through(network, Numbers(network, decided, chosen), engine=engine).model(DatapathModel)


def program_of(model: Any) -> Program:
    """Return the program whose codes a model of ``through`` computes with the weights that it has now."""
    if not isinstance(model, DatapathModel):
        raise ModelError(f"{getattr(model, 'name', model)!r} was not made by hwsim.train.through")
    engine = model.engine()
    return lower(engine.current(), engine.plan, engine.target)


def network_of(model: Any) -> Network:
    """Return the network of a model of ``through`` with the weights that it has now."""
    network: Network = model.engine().current()
    return network


class _Through(Builder):
    """Builds the fake-quantised model, every tensor of which the engine's takes the place of."""

    def __init__(self, network: Network, numbers: Numbers, *, engine: IntegerEngine) -> None:
        super().__init__(network, numbers)
        self.engine = engine

    def inputs(self) -> list[Any]:
        """Make the inputs, and the engine behind them."""
        given = super().inputs()
        self.integers = dict(zip(self.network.by_name, self.engine(*given), strict=True))
        return given

    def finished(self, name: str, tensor: Any) -> Any:
        """Put the engine's tensor in the place of the float one."""
        layer = Straight(makes=name, name=f"{tensor._keras_history.operation.name}.integer")
        return layer(tensor, self.integers[name])


def _network(description: Mapping[str, Any]) -> Network:
    return Network(
        name=description["name"],
        operations=tuple(map(rebuild, description["operations"])),
        outputs=tuple(description["outputs"]),
    )
