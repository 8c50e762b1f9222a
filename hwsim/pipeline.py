"""The main job: a model and a target in, codes, ledger and report out. The composition of the stages, nothing more."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Block, Data, Samples, synthetic
from hwsim.engine import Engine, Ledger, threads
from hwsim.engine.parallel import refuses
from hwsim.engine.recording import recorded, save_tensors
from hwsim.engine.run import by_output, check_batch_size, check_trace, dequantize, joined, run_block
from hwsim.engine.storage import as_given
from hwsim.engine.tiers import tier_for
from hwsim.engine.walk import walk_exactly
from hwsim.improve import Draft, improve
from hwsim.loaders import load_for_data
from hwsim.network import Network, Operation
from hwsim.program import Program, lower
from hwsim.program.records import IntOperation
from hwsim.progress import tracked
from hwsim.quantize import Plan, Profile, collect, decide
from hwsim.quantize.stored import stored_plan
from hwsim.reference import prove_import, walk
from hwsim.report import Report
from hwsim.report.measure import Measurement, classified, point_figures
from hwsim.report.spread import weight_figures
from hwsim.strand import Step, Strand
from hwsim.target import Target, load_target

Array = NDArray[Any]
PlanSource = Plan | str | Path

SYNTHETIC_SAMPLES = 16
CALIBRATION_SAMPLES = 128
"""How many samples of the data choose the ranges when no calibration data is given."""

TECHNIQUE_SAMPLES = 512
TECHNIQUE_VALUES = 1 << 25
"""How much calibration data techniques look at: so many samples, and so many values of the largest tensor, at most."""

BLOCK_VALUES = 1 << 24
LARGEST_BLOCK = 128


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """What ``run`` gives: the outputs, integer and real and float, the report, and the artefacts that led there.

    ``network`` is what was lowered, after the techniques. ``codes``, ``outputs`` and ``reference`` hold an array for a
    network with one result, else a mapping from name to array. ``reference`` is None where the float run was not asked
    for, ``measured`` says what by: "float", a target's name, or nothing. ``tensors`` holds the codes of every tensor in
    the order of execution, if they were kept. ``target`` and ``samples`` are what ran, the target after the techniques;
    ``calibration`` is the data that chose the ranges, where it was given.
    """

    outputs: Any
    codes: Any
    reference: Any
    report: Report
    plan: Plan
    program: Program
    network: Network
    ledger: Ledger
    target: Target
    samples: Samples
    measured: str = "float"
    calibration: Data | None = None
    trace: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    tensors: Mapping[str, Array] = field(default_factory=dict)

    def save_tensors(self, path: str | Path) -> None:
        """Write the codes of all tensors as .npz; raises DataError if the run did not keep them (``tensors=True``)."""
        save_tensors(Path(path), self.program, self.tensors)

    def __repr__(self) -> str:
        return (
            f"<Result of {self.network.name!r} on {self.report.target!r}: {self.report.samples} samples; see .report>"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return self.report._repr_html_()  # pyright: ignore[reportPrivateUsage]


def run(  # noqa: PLR0913  one argument for each choice
    model: object,
    target: str | Path | Target,
    data: Data | None = None,
    *,
    calibration: Data | None = None,
    plan: PlanSource | None = None,
    reference: bool | str | Path | Target = True,
    batch_size: int = 32,
    trace: Sequence[str] = (),
    techniques: Sequence[str] = (),
    tensors: bool = False,
) -> Result:
    """Run a model as a target's integer hardware would, bit for bit, and report where bits are lost.

    model: a keras.Model, the path of a .keras, .h5 or quantised .tflite file, or a Network.
    target: the name of a shipped target, the path of a YAML file, or a Target.
    data: an array (n, …), a mapping of arrays, the path of an .npy or .npz file, a tf.data.Dataset or an iterable of
        batches; without it, seeded synthetic inputs, and the report says so. Sizes that a Keras model leaves open are
        those of the data's first sample (without data, of the calibration's). For a .tflite file, integers of exactly
        the type of the file's input are its codes; all other numbers are real values.
    calibration: data that chooses the ranges of the activations; by default the first samples of ``data``, or, for a
        .tflite file, none: the file's own scales hold.
    plan: a Plan or the path of one, instead of a calibration.
    reference: what every layer is measured against. True: the float network. False: nothing. A target: the same
        network with the same plan on that target, so that what the plan itself loses does not count.
    batch_size: how many samples the integer engine handles at a time; the result does not depend on it.
    trace: names of layers whose intermediate integers are kept in ``Result.trace``.
    techniques: names of techniques that reduce the error (``hwsim.TECHNIQUES``), applied in their own order.
    tensors: whether to keep the codes of every tensor in ``Result.tensors``, for ``Result.save_tensors``.

    Raises HwsimError for whatever is wrong with the target, the model, the data or the plan.
    """
    check_batch_size(batch_size)
    chosen = load_target(target)
    network, keras_model, (data, calibration) = load_for_data(model, (data, calibration), target=chosen)
    network = prove_import(network, keras_model)
    samples, notes = read_samples(network, data)
    draft = improve(drafted(network, chosen, samples, (calibration, plan), notes, looks=bool(techniques)), techniques)
    notes += idle_patterns(network, chosen)
    if not isinstance(reference, bool):
        reference = load_target(reference)
        notes.append(f"reference: the same plan on the target {reference.name!r}, not float")
    result = simulate(draft, samples, notes, (batch_size, trace), reference=reference, tensors=tensors)
    return replace(result, calibration=calibration)


def drafted(
    network: Network,
    target: Target,
    samples: Samples,
    given: tuple[Data | None, PlanSource | None],
    notes: list[str],
    *,
    looks: bool,
) -> Draft:
    """Return what techniques work on; the plan is decided when they come to it. ``looks``: whether there are any."""
    calibration, plan = given
    block: Block = []
    if looks:
        source = samples if calibration is None else Samples(calibration, samples.inputs)
        limit = min(TECHNIQUE_SAMPLES, max(TECHNIQUE_VALUES // largest_tensor(network), 1))
        block = next(source.rereadable(limit).blocks(limit, limit))
        calibration = None if calibration is None else source
    return Draft(
        network=network,
        reference=network,
        target=target,
        planner=partial(decided, samples=samples, given=(calibration, None), notes=notes),
        samples=block,
        plan=None if plan is None else decided(network, target, samples, (None, plan), notes),
    )


def simulate(  # noqa: PLR0913  what runs, and how
    draft: Draft,
    samples: Samples,
    notes: list[str],
    how: tuple[int, Sequence[str]],
    *,
    reference: bool | Target,
    tensors: bool = False,
) -> Result:
    """Lower a draft and run it; ``how`` is the batch size and the layers to trace, ``reference`` as in ``run``."""
    batch_size, trace = how
    plan = draft.decision()
    program = lower(draft.network, plan, draft.target)
    trace = check_trace(program, trace)
    ideal = lower(draft.network, plan, reference) if isinstance(reference, Target) else None
    simulation = Simulation(draft.network if ideal else draft.reference, program, samples, ideal, tensors=tensors)
    simulation.run(batch_size, trace, reference=bool(reference))
    notes += [f"technique: {line}" for line in draft.notes]
    result = simulation.result(draft.target, plan, notes)
    spread = weight_figures(draft.network, plan) + result.report.tensors
    measured = reference.name if isinstance(reference, Target) else "float" if reference else ""
    report = replace(result.report, tensors=spread)
    return replace(result, network=draft.network, measured=measured, report=report)


def read_samples(network: Network, data: Data | None) -> tuple[Samples, list[str]]:
    """Return the data as samples, and the report's first lines about it."""
    notes = []
    samples = Samples(synthetic(network.inputs, SYNTHETIC_SAMPLES) if data is None else data, network.inputs)
    samples.codes = input_codes(network)
    samples.synthetic = data is None
    if samples.synthetic:
        how = "any indices" if any(one.indices for one in network.inputs) else "uniform in [0, 1)"
        notes.append(f"data: {SYNTHETIC_SAMPLES} synthetic samples, {how}, seed 0, since none were given")
    if network.import_error is not None:
        notes.append(f"import: {imported(network)} differs from Keras by {network.import_error:.2g} at most")
    return samples, notes


def imported(network: Network) -> str:
    """Say what was compared with Keras."""
    if not network.import_in_pieces:
        return "the float network"
    return "each piece of the float network (whose whole enlarges rounding: such a model is hardly of use)"


def input_codes(network: Network) -> dict[str, tuple[str, float, int]]:
    """Return how the inputs of a quantised file are stored: type, scale and zero point by name."""
    if network.stored is None:
        return {}
    stored = {one.name: network.stored.tensors[one.name] for one in network.inputs}
    return {
        name: (f"{'' if one.format.signed else 'u'}int{one.format.bits}", one.scale[0], one.zero_point[0])
        for name, one in stored.items()
    }


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
    if network.stored is not None and calibration is None:
        notes.append("plan: the scales and zero points that the model file holds")
        return stored_plan(network, target)
    return decide(network, profiled(network, samples, calibration, notes), target)


def profiled(network: Network, samples: Samples, calibration: Data | None, notes: list[str]) -> Profile:
    """Return the statistics of the user's calibration data, or of the first samples of the data."""
    limit = None
    if calibration is None:
        samples, limit = samples.rereadable(CALIBRATION_SAMPLES), CALIBRATION_SAMPLES
        notes.append(f"calibration: on the data itself, its first {limit} samples at most")
    else:
        samples = calibration if isinstance(calibration, Samples) else Samples(calibration, samples.inputs)
    with tracked("profiling in float", samples.count) as advance:
        return collect(network, counted(samples.blocks(block_size(network), limit), advance))


def idle_patterns(network: Network, target: Target) -> list[str]:
    """Return a line for each pattern of the target's ``layers`` that matches no layer: likely a misspelling."""
    idle = [pattern for pattern in target.layers if not fnmatch.filter(network.by_name, pattern)]
    return [f"target: the pattern {pattern!r} of layers matches no layer of this network" for pattern in idle]


def block_size(network: Network) -> int:
    """Return how many samples the float run takes at a time.

    It follows from the network alone: a float result may depend on how many samples are computed together, and the
    report must not depend on the user's batch size.
    """
    return min(max(BLOCK_VALUES // largest_tensor(network), 1), LARGEST_BLOCK)


def largest_tensor(network: Network) -> int:
    """Return how many values a sample of the largest tensor has."""
    return max(prod(shape) for shape in network.shapes.values())


def counted(blocks: Iterator[Block], advance: Callable[[int], None]) -> Iterator[Block]:
    """Pass blocks on and report progress."""
    for block in blocks:
        yield block
        advance(len(block[0]))


class Simulation:
    """One run of a program over the data, beside a reference where that is wanted: the float run, or that of ``ideal``.

    ``ideal`` is another program of the same network and the same plan.
    """

    def __init__(  # noqa: PLR0913  what runs, beside what, and what is kept
        self,
        network: Network,
        program: Program,
        samples: Samples,
        ideal: Program | None = None,
        *,
        tensors: bool = False,
    ) -> None:
        self.network = network
        self.program = program
        self.ideal = ideal
        self.samples = samples
        self.count = 0
        self.ledger = Ledger(program)
        self.measurement = Measurement(program, classified(network))
        self.recorded = recorded(program) if tensors else []
        self.codes: dict[str, list[Array]] = {name: [] for name in (*self.recorded, *program.outputs)}
        self.floats: dict[str, list[Array]] = {name: [] for name in network.outputs}
        self.trace: dict[str, dict[str, Array]] = {}
        self.layers: dict[str, list[tuple[int, IntOperation]]] = {}
        for number, one in enumerate(program.operations):
            self.layers.setdefault(one.layer, []).append((number, one))

    def _tier(self, *, twice: bool) -> int:
        count = self.samples.count
        return tier_for(self.program, count if count is None else count << twice)

    def run(self, batch_size: int, trace: Sequence[str], *, reference: bool) -> None:
        """Stream all samples through the engine, and through the reference if wanted."""
        size = block_size(self.network) if reference else batch_size * threads()
        with (
            Engine(batch_size, trace, tier=self._tier(twice=reference)) as engine,
            Engine(batch_size, counted=False, tier=engine.tier) as other,
            tracked("simulating", self.samples.count) as advance,
        ):
            for block in self.samples.blocks(size):
                if reference:
                    self._compare(engine, block, self._reference(other, block))
                else:
                    found = run_block(self.program, engine, self.ledger, block, self.count, self.codes)
                    for name, values in found.items():
                        self._keep(name, values)
                self.count += len(block[0])
                advance(len(block[0]))
            self.trace = joined(engine)

    def _reference(self, engine: Engine, block: Block) -> Iterator[tuple[Operation, list[Array], Array]]:
        """Yield the operations with their inputs and results, in float or on the ideal target."""
        if self.ideal is None:
            yield from walk(self.network, block)
        else:
            yield from walk_exactly(self.network, self.ideal, engine, block, self.count)

    def _compare(self, engine: Engine, block: Block, exactly: Iterator[tuple[Operation, list[Array], Array]]) -> None:
        """Run one block in integers, layer by layer, beside the reference."""
        strands = [Strand(self.program, block, part, self.count) for part in engine.parts(len(block[0]))]

        def run(strand: Strand, made: tuple[Operation, list[Array], Array]) -> list[Step]:
            operation, inputs, exact = made
            return strand.run(engine, self.layers[operation.name], inputs, exact)

        with closing(engine.paced(self._looked_at(exactly), strands, run)) as made:
            for (operation, inputs, exact), layers in made:
                for (_, one), *steps in zip(self.layers[operation.name], *layers, strict=True):
                    self._take(engine, one, strands, steps, exact)
                if operation.name in self.floats:
                    self.floats[operation.name].append(exact)
                del inputs, exact  # else they would live while others are made

    def _looked_at(
        self, exactly: Iterator[tuple[Operation, list[Array], Array]]
    ) -> Iterator[tuple[Operation, list[Array], Array]]:
        """Note how the reference's values lie while they pass."""
        for operation, inputs, exact in exactly:
            self.measurement.look(self.layers[operation.name][-1][1], exact)
            yield operation, inputs, exact
            del inputs, exact  # else they would live while the next operation runs

    def _take(
        self, engine: Engine, one: IntOperation, strands: Sequence[Strand], steps: Sequence[Step], exact: Array
    ) -> None:
        """Take in what one operation gave, in the order of the samples."""
        self.ledger.merge(one, engine.joined(one, [step.tally for step in steps]))
        local = [step.local for step in steps if step.local is not None]
        if local and refuses(one):
            engine.silent().joined(one, local)
        for strand, step in zip(strands, steps, strict=True):
            if step.figures is not None:
                self.measurement.add(one, step.figures)
                self.measurement.agree(one, exact[strand.part], step.codes, strand.first_sample)
            self._keep(one.output.name, step.codes)

    def _keep(self, name: str, values: Array) -> None:
        if name in self.codes:
            self.codes[name].append(values)

    def result(self, target: Target, plan: Plan, notes: Sequence[str]) -> Result:
        """Return everything that was found."""
        found = {name: np.concatenate(parts) for name, parts in self.codes.items()}
        codes = {name: as_given(found[name]) for name in self.program.outputs}
        outputs = {name: dequantize(self.program.tensors[name], values) for name, values in codes.items()}
        floats = {name: np.concatenate(parts) for name, parts in self.floats.items() if parts}
        report = Report(
            network=self.network.name,
            target=target.name,
            description=target.description,
            samples=self.count,
            synthetic=self.samples.synthetic,
            notes=tuple(notes),
            import_error=self.network.import_error,
            layers=self.measurement.layers(),
            points=point_figures(self.ledger),
            outputs=self.measurement.outputs(),
            flips=self.measurement.flips(),
            tensors=self.measurement.spreads(),
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
            target=target,
            samples=self.samples,
            trace=self.trace,
            tensors={name: found[name] for name in self.recorded},
        )


def single(values: Mapping[str, Array]) -> Any:  # noqa: ANN401
    """Return the array of a network with one result, else the mapping."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)
