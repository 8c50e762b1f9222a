"""What hwsim and TensorFlow's converter decide about one Keras model, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lite.converted import converted_to_float
from lite.judge import all_tensors
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.optimize.calibrator import Calibrator

import hwsim
from hwsim.engine import execute
from hwsim.loaders.tflite_draft import Draft
from hwsim.loaders.tflite_file import read_graph
from hwsim.network import Activation, Constant, Conv2D, Conv2DTranspose, Dense, Network, Pad, Reshape
from hwsim.program import Program, lower
from hwsim.program.records import MultiplyAccumulate
from hwsim.quantize import Plan, Profile, collect, decide
from hwsim.quantize.stored import stored_plan
from hwsim.target import Target, load_target

WORDS = {
    "add": "ADD",
    "conv2d": "CONV_2D",
    "conv2d_transpose": "TRANSPOSE_CONV",
    "dense": "FULLY_CONNECTED",
    "depthwise_conv2d": "DEPTHWISE_CONV_2D",
    "grouped_conv2d": "CONV_2D",
    "multiply": "MUL",
    "pad": "PAD",
    "subtract": "SUB",
}
"""The file's words for kinds of operations that may have weights or constants, and for pads."""

MOVES = {"crop", "rearrange"}
"""Kinds that move codes: the file has a slice for a crop."""

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Pair:
    """A Keras model and its file: plans and programs of both; ``same`` leads from our names to the file's."""

    path: Path
    ours: Network
    plan: Plan
    stored: Plan
    program: Program
    file_program: Program
    same: Mapping[str, str]

    @property
    def tensors(self) -> list[tuple[str, str]]:
        """The names, ours and the file's, of tensors that both have as integers."""
        return [(mine, its) for mine, its in self.same.items() if mine in self.plan.tensors]

    def scale_steps(self) -> dict[str, int]:
        """Return by how many float32 numbers the scale of each tensor is off."""
        return {
            mine: steps(self.plan.tensors[mine].scale, self.stored.tensors[its].scale) for mine, its in self.tensors
        }

    def zero_points(self) -> dict[str, int]:
        """Return how far each zero point is off."""
        return {
            mine: abs(self.plan.tensors[mine].zero_point - self.stored.tensors[its].zero_point)
            for mine, its in self.tensors
        }

    def weight_scales(self) -> dict[str, bool]:
        """Return whether the scales of the weights of each operation are the file's."""
        return {
            name: one.scale == self.stored.weights[self.same[name]].scale for name, one in self.plan.weights.items()
        }

    def stored_codes(self) -> dict[str, tuple[int, int]]:
        """Return how far codes of weights and codes of biases of each operation are off at most."""
        mine, its = (
            {one.name: one for one in program.operations if isinstance(one, MultiplyAccumulate)}
            for program in (self.program, self.file_program)
        )
        pairs = {name: (mine[name], its[self.same[name]]) for name in self.plan.weights if name in mine}
        return {
            name: (
                int(np.abs(one.weights.astype(np.int64) - other.weights).max()),
                int(np.abs(bias_of(one) - bias_of(other)).max()),
            )
            for name, (one, other) in pairs.items()
        }

    def differing(self, codes: Any, wanted: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
        """Return how many codes of each tensor are not the interpreter's ``wanted`` for ``codes``, and how many are."""
        (one,) = self.ours.inputs
        entry = self.plan.tensors[one.name]
        made = execute(self.program, entry.scale * (codes.astype(np.float64) - entry.zero_point)).codes
        graph = read_graph(self.path)
        draft = Draft(graph)
        numbers = {draft.name(each): str(each.index) for operator in graph.operators for each in operator.outputs}
        found: dict[str, tuple[int, int]] = {}
        for mine, its in self.tensors:
            number = numbers.get(its.removesuffix("/image"))
            if number is not None:
                equal = made[mine].reshape(wanted[number].shape) == wanted[number]
                found[mine] = int((~equal).sum()), int(equal.sum())
        return found


def bias_of(operation: MultiplyAccumulate) -> Any:
    """Return the codes that are added behind the sum."""
    return operation.steps[0].constant  # type: ignore[attr-defined]


def steps(mine: float, its: float) -> int:
    """Return how many float32 numbers lie between two positive ones."""
    assert (mine, its) == (float(np.float32(mine)), float(np.float32(its)))
    first, second = np.array([mine, its], np.float32).view(np.int32).tolist()
    return abs(int(first) - int(second))


def pair(
    model: Any, samples: Sequence[Any], path: Path, target: str = "tflite-int8", ranges: Ranges | None = None
) -> Pair:
    """Decide about a model on the samples that the file at ``path`` was calibrated with.

    ``ranges``: what the converter's calibrator measured (``calibrated_ranges``), not what a float run here gives.
    """
    chosen = load_target(target)
    theirs, ours = hwsim.load(path), hwsim.load(model, target=chosen)
    same = matched(ours, theirs)
    profile = collect(ours, [[np.concatenate(list(samples))]])
    deciding = chosen
    if ranges is not None:
        profile, deciding = with_ranges(profile, same, ranges), without_overwriting(chosen)
    plan, stored = decide(ours, profile, deciding), stored_plan(theirs, chosen)
    program = lower(all_tensors(ours), plan, chosen)
    return Pair(path, ours, plan, stored, program, lower(theirs, stored, chosen), same)


def without_overwriting(target: Target) -> Target:
    """Return a target that takes ranges as they are: those of the calibrator have what was overwritten in them."""
    given: Any = target.model_dump(mode="json", exclude_unset=True)
    return Target.from_dict({**given, "activations": {**given["activations"], "overwritten": "own"}})


def matched(ours: Network, theirs: Network) -> dict[str, str]:
    """Return the file's name for each of our operations; both graphs are followed from their outputs to their inputs.

    Reshapes and changes of scale, which one network may have and the other not, are stepped over.
    """
    found: dict[str, str] = {}
    waiting = list(zip(ours.outputs, theirs.outputs, strict=True))
    while waiting:
        mine, its = (over(network, name) for network, name in zip((ours, theirs), waiting.pop(), strict=True))
        first, second = ours.by_name[mine], theirs.by_name[its]
        assert {first.kind, second.kind} in ({first.kind}, MOVES), (mine, its)
        if mine in found:
            assert found[mine] == its
            continue
        found[mine] = its
        waiting += zip(first.inputs, second.inputs, strict=True)
    return {one.name: found[one.name] for one in ours.operations if one.name in found}


def over(network: Network, name: str) -> str:
    """Return the first operation from ``name`` backwards that computes something."""
    one = network.by_name[name]
    while isinstance(one, Reshape) or (isinstance(one, Activation) and one.function is None):
        one = network.by_name[one.inputs[0]]
    return one.name


def calibrated_ranges(model: Any, samples: Sequence[Any], path: Path) -> Ranges:
    """Return the range of each tensor of the file at ``path`` by name, as the converter's calibrator measures it."""
    content = Calibrator(converted_to_float(model)).calibrate(lambda: ([one] for one in samples))
    graph: Any = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    ranges: dict[str, tuple[float, float]] = {}
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        quantization = tensor.Quantization()
        if quantization is not None and quantization.MinLength():
            ranges[tensor.Name().decode()] = float(quantization.Min(0)), float(quantization.Max(0))
    read = read_graph(path)
    draft = Draft(read)
    tensors = [*read.inputs, *(one for each in read.operators for one in each.outputs)]
    return {draft.name(one): ranges[one.name] for one in tensors if one.name in ranges}


def float_constants(path: Path) -> list[tuple[str, list[bytes]]]:
    """Return the operators of a file in float32 that have weights or constants, sorted, with these; and its pads."""
    found: list[tuple[str, list[bytes]]] = []
    for one in read_graph(path).operators:
        held = [each.values for each in one.inputs if each is not None and each.values is not None]
        numbers = [values.tobytes() for values in held if values.dtype == np.float32]
        if numbers or one.word == "PAD":
            found.append((one.word, numbers))
    return sorted(found)


def own_constants(network: Network) -> list[tuple[str, list[bytes]]]:
    """Return the same of a network."""
    found: list[tuple[str, list[bytes]]] = []
    for one in network.operations:
        held = [network.by_name[name] for name in one.inputs]
        numbers = [each.values.astype(np.float32) for each in held if isinstance(each, Constant)]
        if isinstance(one, Conv2D | Conv2DTranspose | Dense):
            outputs = 3 if one.kind == "depthwise_conv2d" else 0
            numbers = [np.moveaxis(one.kernel, -1, outputs), one.bias.astype(np.float32)]
        if numbers or isinstance(one, Pad):
            found.append((WORDS[one.kind], [np.ascontiguousarray(each).tobytes() for each in numbers]))
    return sorted(found)


def with_ranges(profile: Profile, same: Mapping[str, str], ranges: Ranges) -> Profile:
    """Return a profile whose minima and maxima are others."""
    for mine, its in same.items():
        name = its.removesuffix("/image").removesuffix("/pool")
        if name in ranges:
            profile.tensors[mine].minimum, profile.tensors[mine].maximum = ranges[name]
    return profile
