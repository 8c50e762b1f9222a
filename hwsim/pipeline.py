"""The main job: a model and a target in, codes, ledger and report out. The composition of the stages, nothing more."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Block, Data, Samples, synthetic
from hwsim.engine import Engine, Ledger, threads
from hwsim.engine.run import by_output, check_batch_size, check_trace, dequantize, forget, joined, run_block
from hwsim.engine.storage import as_given
from hwsim.loaders import load_with_model
from hwsim.network import Network, Operation
from hwsim.program import Program, lower
from hwsim.program.records import IntOperation, Quantize
from hwsim.progress import tracked
from hwsim.quantize import Plan, decide, profile
from hwsim.reference import prove_import, walk
from hwsim.report import Report
from hwsim.report.measure import Measurement, point_figures
from hwsim.target import Target, load_target

Array = NDArray[Any]
PlanSource = Plan | str | Path

SYNTHETIC_SAMPLES = 16
CALIBRATION_SAMPLES = 128
"""How many samples of the data choose the ranges when no calibration data is given."""

BLOCK_VALUES = 1 << 24
LARGEST_BLOCK = 128


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """What ``run`` gives: the outputs, integer and real and float, the report, and the artefacts that led there.

    ``codes``, ``outputs`` and ``reference`` hold an array for a network with one result, else a mapping from name to
    array. ``reference`` is None where the float run was not asked for.
    """

    outputs: Any
    codes: Any
    reference: Any
    report: Report
    plan: Plan
    program: Program
    network: Network
    ledger: Ledger
    trace: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"<Result of {self.network.name!r} on {self.report.target!r}: {self.report.samples} samples; see .report>"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return self.report._repr_html_()  # pyright: ignore[reportPrivateUsage]


def run(
    model: object,
    target: str | Path | Target,
    data: Data | None = None,
    *,
    calibration: Data | None = None,
    plan: PlanSource | None = None,
    reference: bool = True,
    batch_size: int = 32,
    trace: Sequence[str] = (),
) -> Result:
    """Run a model as a target's integer hardware would, bit for bit, and report where bits are lost.

    model: a keras.Model, the path of a .keras or .h5 file, or a Network.
    target: the name of a shipped target, the path of a YAML file, or a Target.
    data: an array (n, …), a mapping of arrays, the path of an .npy or .npz file, a tf.data.Dataset or an iterable of
        batches; without it, seeded synthetic inputs, and the report says so.
    calibration: data that chooses the ranges of the activations; by default the first samples of ``data``.
    plan: a Plan or the path of one, instead of a calibration.
    reference: whether to run the float network too and measure every layer against it.
    batch_size: how many samples the integer engine handles at a time; the result does not depend on it.
    trace: names of layers whose intermediate integers are kept in ``Result.trace``.

    Raises HwsimError for whatever is wrong with the target, the model, the data or the plan.
    """
    check_batch_size(batch_size)
    chosen = load_target(target)
    network, keras_model = load_with_model(model)
    network = prove_import(network, keras_model)
    samples, notes = read_samples(network, data)
    wanted = decided(network, chosen, samples, (calibration, plan), notes)
    notes += idle_patterns(network, chosen)
    program = lower(network, wanted, chosen)
    trace = check_trace(program, trace)
    simulation = Simulation(network, program, samples)
    simulation.run(batch_size, trace, reference=reference)
    return simulation.result(chosen, wanted, notes)


def read_samples(network: Network, data: Data | None) -> tuple[Samples, list[str]]:
    """Return the data as samples, and the report's first lines about it."""
    inputs = [(one.name, one.shape) for one in network.inputs]
    notes = []
    samples = Samples(synthetic(inputs, SYNTHETIC_SAMPLES) if data is None else data, inputs)
    samples.synthetic = data is None
    if samples.synthetic:
        notes.append(f"data: {SYNTHETIC_SAMPLES} synthetic samples, uniform in [0, 1), seed 0, since none were given")
    if network.import_error is not None:
        notes.append(f"import: the float network differs from Keras by {network.import_error:.2g} at most")
    return samples, notes


def decided(
    network: Network,
    target: Target,
    samples: Samples,
    given: tuple[Data | None, PlanSource | None],
    notes: list[str],
) -> Plan:
    """Return the plan that was given, or decide one; ``given`` is the user's calibration data and plan."""
    calibration, plan = given
    if plan is not None:
        notes.append("plan: as given")
        return plan if isinstance(plan, Plan) else Plan.load(plan)
    limit = None
    if calibration is None:
        samples, limit = samples.rereadable(CALIBRATION_SAMPLES), CALIBRATION_SAMPLES
        notes.append(f"calibration: on the data itself, its first {limit} samples at most")
    else:
        samples = Samples(calibration, samples.inputs)
    with tracked("profiling in float", samples.count) as advance:
        statistics = profile(network, counted(samples.blocks(block_size(network), limit), advance))
    return decide(network, statistics, target)


def idle_patterns(network: Network, target: Target) -> list[str]:
    """Return a line for each pattern of the target's ``layers`` that matches no layer: likely a misspelling."""
    idle = [pattern for pattern in target.layers if not fnmatch.filter(network.by_name, pattern)]
    return [f"target: the pattern {pattern!r} of layers matches no layer of this network" for pattern in idle]


def block_size(network: Network) -> int:
    """Return how many samples the float run takes at a time.

    It follows from the network alone: a float result may depend on how many samples are computed together, and the
    report must not depend on the user's batch size.
    """
    largest = max(prod(shape) for shape in network.shapes.values())
    return min(max(BLOCK_VALUES // largest, 1), LARGEST_BLOCK)


def counted(blocks: Iterator[Block], advance: Callable[[int], None]) -> Iterator[Block]:
    """Pass blocks on and report progress."""
    for block in blocks:
        yield block
        advance(len(block[0]))


class Simulation:
    """One run of a program over the data, beside the float reference where that is wanted."""

    def __init__(self, network: Network, program: Program, samples: Samples) -> None:
        self.network = network
        self.program = program
        self.samples = samples
        self.count = 0
        self.ledger = Ledger(program)
        self.measurement = Measurement(program, self._classified())
        self.codes: dict[str, list[Array]] = {name: [] for name in program.outputs}
        self.floats: dict[str, list[Array]] = {name: [] for name in network.outputs}
        self.ideal: dict[str, Array] = {}
        self.trace: dict[str, dict[str, Array]] = {}
        self.layers: dict[str, list[IntOperation]] = {}
        for one in program.operations:
            self.layers.setdefault(one.layer, []).append(one)

    def _classified(self) -> dict[str, bool]:
        """Say of each result whether its largest value is a decision: a vector, but no copy of an input's shape."""
        shapes = self.network.shapes
        given = {one.shape for one in self.network.inputs}
        return {
            name: len(shapes[name]) == 1 and shapes[name][-1] > 1 and shapes[name] not in given
            for name in self.network.outputs
        }

    def run(self, batch_size: int, trace: Sequence[str], *, reference: bool) -> None:
        """Stream all samples through the engine, and through the reference if wanted."""
        size = block_size(self.network) if reference else batch_size * threads()
        with (
            Engine(batch_size, trace) as engine,
            ThreadPoolExecutor(threads()) as self.measurement.pool,
            tracked("simulating", self.samples.count) as advance,
        ):
            for block in self.samples.blocks(size):
                if reference:
                    self._compare(engine, block)
                else:
                    for name, values in run_block(self.program, engine, self.ledger, block, self.count).items():
                        self._keep(name, values)
                self.count += len(block[0])
                advance(len(block[0]))
            self.trace = joined(engine)

    def _compare(self, engine: Engine, block: Block) -> None:
        """Run one block in float and in integers, operation by operation; tensors live only while they are read."""
        tensors: dict[str, Array] = {one.name: values for one, values in zip(self.program.inputs, block, strict=True)}
        number = 0
        self.ideal.clear()
        for operation, inputs, exact in walk(self.network, block):
            for one in self.layers.get(operation.name, []):
                tensors[one.output.name], counts = engine.run(one, [tensors[name] for name in one.inputs], self.count)
                self.ledger.merge(one, counts)
                self._measure(engine, operation, one, (inputs, exact, tensors[one.output.name]))
                self._keep(one.output.name, tensors[one.output.name])
                forget(self.program, tensors, one, number)
                forget(self.program, self.ideal, one, number)
                number += 1
            if operation.name in self.floats:
                self.floats[operation.name].append(exact)
            del inputs, exact

    def _keep(self, name: str, values: Array) -> None:
        if name in self.codes:
            self.codes[name].append(values)

    def _measure(
        self,
        engine: Engine,
        operation: Operation,
        one: IntOperation,
        values: tuple[Sequence[Array], Array, Array],
    ) -> None:
        """Hold one layer's result against float: with the integer run's own input, and with the reference's."""
        inputs, exact, codes = values
        if one is not self.layers[operation.name][-1]:
            return
        local = None
        if one.points and not isinstance(one, Quantize):
            local, _ = engine.silent().run(one, [*map(self._nearest, one.inputs, inputs)], self.count)
        self.measurement.add(one, exact, codes, local, self.count)

    def _nearest(self, name: str, values: Array) -> Array:
        """Return the codes nearest to the reference's values, in the format that layers read."""
        if name not in self.ideal:
            self.ideal[name] = self.measurement.nearest(self.program.tensors[name], values)
        return self.ideal[name]

    def result(self, target: Target, plan: Plan, notes: Sequence[str]) -> Result:
        """Return everything that was found."""
        codes = {name: as_given(np.concatenate(parts)) for name, parts in self.codes.items()}
        outputs = {name: dequantize(self.program.tensors[name], values) for name, values in codes.items()}
        floats = {name: np.concatenate(parts) for name, parts in self.floats.items() if parts}
        report = Report(
            network=self.network.name,
            target=target.name,
            description=target.description,
            samples=self.count,
            synthetic=self.samples.synthetic,
            notes=tuple(notes),
            layers=self.measurement.layers(),
            points=point_figures(self.ledger),
            outputs=self.measurement.outputs(),
        )
        return Result(
            outputs=single(by_output(outputs)),
            codes=single(by_output(codes)),
            reference=single(floats) if floats else None,
            report=report,
            plan=plan,
            program=self.program,
            network=self.network,
            ledger=self.ledger,
            trace=self.trace,
        )


def single(values: Mapping[str, Array]) -> Any:  # noqa: ANN401
    """Return the array of a network with one result, else the mapping."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)
