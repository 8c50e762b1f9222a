"""What hwsim and TensorFlow's converter decide about one Keras model, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema  # pyright: ignore[reportMissingModuleSource]
from tensorflow.lite.python.optimize.calibrator import Calibrator

import hwsim
from hwsim.loaders.tflite_draft import Draft
from hwsim.loaders.tflite_file import read_graph
from hwsim.network import Activation, Network, Reshape
from hwsim.program import Program, lower
from hwsim.program.records import MultiplyAccumulate
from hwsim.quantize import Plan, Profile, collect, decide
from hwsim.quantize.stored import stored_plan
from hwsim.target import load_target
from lite.converted import convert_model, converted_to_float

Samples = Sequence[Any]


@dataclass(frozen=True)
class Pair:
    """A Keras model and its file: networks, plans and programs; ``same`` leads from our names to the file's."""

    path: Path
    ours: Network
    theirs: Network
    plan: Plan
    stored: Plan
    program: Program
    file_program: Program
    same: Mapping[str, str]

    def scales(self) -> dict[str, int]:
        """Return by how many float32 steps the scale of each tensor differs."""
        return {
            mine: ulps(self.plan.tensors[mine].scale, self.stored.tensors[its].scale)
            for mine, its in self.same.items()
            if mine in self.plan.tensors
        }

    def zero_points(self) -> dict[str, bool]:
        """Return whether the zero point of each tensor is the file's."""
        return {
            mine: self.plan.tensors[mine].zero_point == self.stored.tensors[its].zero_point
            for mine, its in self.same.items()
            if mine in self.plan.tensors
        }

    def weights(self) -> dict[str, tuple[bool, bool, bool]]:
        """Return whether scales, codes of weights and codes of biases of each operation are the file's."""
        mine, its = (
            {one.name: one for one in program.operations if isinstance(one, MultiplyAccumulate)}
            for program in (self.program, self.file_program)
        )
        return {
            name: (
                self.plan.weights[name].scale == self.stored.weights[self.same[name]].scale,
                np.array_equal(mine[name].weights, its[self.same[name]].weights),
                np.array_equal(bias_of(mine[name]), bias_of(its[self.same[name]])),
            )
            for name in self.plan.weights
        }


def bias_of(operation: MultiplyAccumulate) -> Any:
    """Return the codes that are added behind the sum."""
    return operation.steps[0].constant  # type: ignore[attr-defined]


def ulps(mine: float, its: float) -> int:
    """Return the number of float32 values from one positive number to another; both must be float32."""
    first, second = np.array([mine, its], np.float32).view(np.int32).tolist()
    assert (mine, its) == (float(np.float32(mine)), float(np.float32(its)))
    return abs(int(first) - int(second))


def pair(model: Any, samples: Samples, path: Path, *, wide: bool = False, measured: bool = False) -> Pair:
    """Decide about a model on samples, here and by the converter; ``measured``: on the ranges that its calibrator saw."""
    target = load_target("tflite-int16x8" if wide else "tflite-int8")
    path.write_bytes(convert_model(model, samples, wide=wide))
    theirs, ours = hwsim.load(path), hwsim.load(model, target=target)
    same = matched(ours, theirs)
    profile = collect(ours, [[np.concatenate(samples)]])
    if measured:
        profile = with_ranges(profile, same, calibrated_ranges(model, samples, path))
    plan, stored = decide(ours, profile, target), stored_plan(theirs, target)
    return Pair(path, ours, theirs, plan, stored, lower(ours, plan, target), lower(theirs, stored, target), same)


def matched(ours: Network, theirs: Network) -> dict[str, str]:
    """Return the file's name for each of our operations; both graphs are followed from their outputs to their inputs.

    Reshapes and changes of scale, which one network may have and the other not, are stepped over.
    """
    found: dict[str, str] = {}
    waiting = list(zip(ours.outputs, theirs.outputs, strict=True))
    while waiting:
        mine, its = (over(network, name) for network, name in zip((ours, theirs), waiting.pop(), strict=True))
        first, second = ours.by_name[mine], theirs.by_name[its]
        assert first.kind == second.kind, (mine, its)
        assert found.setdefault(mine, its) == its
        waiting += zip(first.inputs, second.inputs, strict=True)
    return {one.name: found[one.name] for one in ours.operations if one.name in found}


def over(network: Network, name: str) -> str:
    """Return the first operation from ``name`` backwards that computes something."""
    one = network.by_name[name]
    while isinstance(one, Reshape) or (isinstance(one, Activation) and one.function is None):
        one = network.by_name[one.inputs[0]]
    return one.name


def calibrated_ranges(model: Any, samples: Samples, path: Path) -> dict[str, tuple[float, float]]:
    """Return the range of each tensor of the quantised file by name, as the converter's calibrator measured it."""
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


def with_ranges(profile: Profile, same: Mapping[str, str], ranges: Mapping[str, tuple[float, float]]) -> Profile:
    """Return a profile whose minima and maxima are others."""
    for mine, its in same.items():
        name = its.removesuffix("/image").removesuffix("/pool")
        if name in ranges:
            profile.tensors[mine].minimum, profile.tensors[mine].maximum = ranges[name]
    return profile
