"""Run a whole program over the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Data, Samples
from hwsim.engine.ledger import Ledger
from hwsim.engine.parallel import Engine, threads
from hwsim.engine.recording import recorded, save_tensors
from hwsim.engine.storage import as_given
from hwsim.engine.tally import Tally
from hwsim.engine.tiers import tier_for
from hwsim.errors import ProgramError
from hwsim.program import Program
from hwsim.program.records import IntOperation, Tensor

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, repr=False)
class Execution:
    """What a run of a program gave.

    ``codes`` and ``outputs`` hold each result by its name, integers and real values; a result that the host computed
    is real in both. ``trace`` holds intermediate values of the layers that were asked for: layer, point, array of
    (rows, channels). ``tensors`` holds the codes (n, …) of every tensor in the order of execution, if they were kept.
    """

    codes: Mapping[str, Array]
    outputs: Mapping[str, Array]
    ledger: Ledger
    samples: int
    trace: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    tensors: Mapping[str, Array] = field(default_factory=dict)
    program: Program

    def save_tensors(self, path: str | Path) -> None:
        """Write the codes of all tensors as .npz; raises DataError if the run did not keep them (``tensors=True``)."""
        save_tensors(Path(path), self.program, self.tensors)

    def __repr__(self) -> str:
        return f"<Execution of {self.samples} samples: {', '.join(self.codes)}>"


def execute(  # noqa: PLR0913  one argument for each choice
    program: Program,
    data: Data,
    *,
    batch_size: int = 32,
    trace: Sequence[str] = (),
    ledger: bool = True,
    tensors: bool = False,
) -> Execution:
    """Run a program on real inputs, streaming: integers only.

    ``data`` is anything that ``hwsim.run`` takes. Results, ledger and trace do not depend on ``batch_size``. Without
    ``ledger`` the codes are the same and come a little sooner; the ledger then holds what was lost once, in weights and
    biases, and is of no further meaning. With ``tensors`` the codes of every tensor are kept.
    """
    samples = Samples(data, program.inputs)
    rows, count = Ledger(program), 0
    kept: dict[str, list[Array]] = {name: [] for name in (*(recorded(program) if tensors else ()), *program.outputs)}
    check_batch_size(batch_size)
    trace = check_trace(program, trace)
    with Engine(batch_size, trace, counted=ledger, tier=tier_for(program, samples.count)) as engine:
        for block in samples.blocks(batch_size * threads()):
            results = run_block(program, engine, rows, block, count, kept)
            count += len(block[0])
            for name, values in results.items():
                kept[name].append(values)
    found = {name: np.concatenate(parts) for name, parts in kept.items()}
    codes = {name: as_given(found[name]) for name in program.outputs}
    return Execution(
        codes=by_output(codes),
        outputs=by_output({name: dequantize(program.tensors[name], values) for name, values in codes.items()}),
        ledger=rows,
        samples=count,
        trace=joined(engine),
        tensors={name: found[name] for name in recorded(program)} if tensors else {},
        program=program,
    )


def run_block(  # noqa: PLR0913, PLR0917  what runs, by what, on what
    program: Program,
    engine: Engine,
    ledger: Ledger,
    block: Sequence[Array],
    first_sample: int,
    wanted: Collection[str],
) -> dict[str, Array]:
    """Run every operation on one block of samples and return the tensors that are wanted.

    A thread takes its part of the samples through all operations: none waits for another in between.
    """

    def work(part: slice) -> tuple[dict[str, Array], list[Tally]]:
        return _run_part(program, engine, [values[part] for values in block], first_sample + part.start, wanted)

    made, tallies = zip(*engine.share(work, engine.parts(len(block[0]))), strict=True)
    counted = list(zip(program.operations, *tallies, strict=True))

    def take_in(some: slice) -> None:
        for one, *parts in counted[some]:
            counts = engine.joined(one, parts)
            if engine.counted:
                ledger.merge(one, counts)

    engine.share(take_in, engine.shares(len(counted)))
    return {name: np.concatenate([part[name] for part in made]) for name in made[0]}


def _run_part(
    program: Program, engine: Engine, inputs: Sequence[Array], first_sample: int, wanted: Collection[str]
) -> tuple[dict[str, Array], list[Tally]]:
    """Run every operation on one part of a block; return the tensors that are wanted, and what each counted."""
    found: dict[str, Array] = {}
    tallies: list[Tally] = []
    tensors: dict[str, Array] = {one.name: values for one, values in zip(program.inputs, inputs, strict=True)}
    for number, one in enumerate(program.operations):
        result, tally = engine.run_part(one, [tensors[name] for name in one.inputs], first_sample)
        tallies.append(tally)
        tensors[one.output.name] = result
        if one.output.name in wanted:
            found[one.output.name] = result
        forget(program, tensors, one, number)
    return found, tallies


def forget(program: Program, tensors: dict[str, Array], one: IntOperation, number: int) -> None:
    """Drop the tensors that no operation after ``number`` reads."""
    for name in {*one.inputs, one.output.name}:
        if program.last_use.get(name, -1) <= number:
            tensors.pop(name, None)


def dequantize(tensor: Tensor, values: Array) -> Array:
    """Return real values in float64, as a tensor says; what the host computed stays as it is."""
    return values if tensor.format is None else tensor.real(values)


def by_output(values: Mapping[str, Array]) -> dict[str, Array]:
    """Return results under the names that the network gives them."""
    return {name.removesuffix("/codes"): array for name, array in values.items()}


def joined(engine: Engine) -> dict[str, dict[str, Array]]:
    """Return traces with their batches joined."""
    return {
        layer: {point: np.concatenate(parts) for point, parts in points.items()}
        for layer, points in engine.traces.items()
    }


def check_batch_size(batch_size: int) -> int:
    """Return a batch size; raise ValueError unless it is at least 1."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1 sample, not {batch_size}")
    return batch_size


def check_trace(program: Program, trace: Sequence[str]) -> Sequence[str]:
    """Return the layers to trace, a single one too; raise ProgramError for names the program does not have."""
    wanted = [trace] if isinstance(trace, str) else trace
    layers = {one.layer for one in program.operations}
    strangers = [name for name in wanted if name not in layers]
    if strangers:
        near = [close for name in strangers for close in get_close_matches(name, layers, n=1)]
        advice = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise ProgramError(f"cannot trace {strangers}: the program has no such layers{advice}")
    return wanted
