"""Some samples on their way through a program, beside the float run that they are measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Block
from hwsim.engine import Engine
from hwsim.engine.run import forget
from hwsim.engine.tally import Tally
from hwsim.program import Program
from hwsim.program.records import IntOperation, Quantize
from hwsim.report.measure import figures, nearest_codes

Array = NDArray[Any]


@dataclass(frozen=True)
class Step:
    """What one operation gave: its codes, what it counted, and, at the end of a layer, how far those are from float.

    ``local`` is what the operation counted when it was fed the reference's own input.
    """

    codes: Array
    tally: Tally
    local: Tally | None = None
    figures: NDArray[np.float64] | None = None


class Strand:
    """The samples ``part`` of a block, whose first sample is number ``first`` of the data.

    Its tensors live only while they are read. Strands know nothing of one another, so threads may share them out.
    """

    def __init__(self, program: Program, block: Block, part: slice, first: int) -> None:
        self.program = program
        self.part = part
        self.first_sample = first + part.start
        self.tensors: dict[str, Array] = {
            one.name: values[part] for one, values in zip(program.inputs, block, strict=True)
        }
        self.ideal: dict[str, Array] = {}
        self.entrances = {one.output.name for one in program.operations if isinstance(one, Quantize)}

    def run(
        self, engine: Engine, operations: Sequence[tuple[int, IntOperation]], inputs: Sequence[Array], exact: Array
    ) -> list[Step]:
        """Run a layer's operations, each with its number; the float run has ``exact`` made of ``inputs``, whole blocks.

        What the layer gives at its end is held to float twice: with the integer run's own input, and the reference's.
        """
        steps = []
        given = [self.tensors[name] for name in operations[0][1].inputs]
        for number, one in operations:
            codes, tally = engine.run_part(one, [self.tensors[name] for name in one.inputs], self.first_sample)
            steps.append(Step(codes, tally))
            self.tensors[one.output.name] = codes
            forget(self.program, self.tensors, one, number)
        steps = self._measured(engine, [one for _, one in operations], steps, given, inputs, exact[self.part])
        for number, one in operations:
            forget(self.program, self.ideal, one, number)
        return steps

    def _measured(  # noqa: PLR0913, PLR0917  what ran, on what, and what to hold it to
        self,
        engine: Engine,
        operations: Sequence[IntOperation],
        steps: list[Step],
        given: Sequence[Array],
        inputs: Sequence[Array],
        exact: Array,
    ) -> list[Step]:
        """Return a layer's steps, the last one held to float, each with what it counts for the reference's input."""
        output = operations[-1].output
        if not any(one.points for one in operations) or any(isinstance(one, Quantize) for one in operations):
            return [*steps[:-1], replace(steps[-1], figures=figures(output, exact, steps[-1].codes))]
        sources = operations[0].inputs
        made = {name: self._nearest(engine, name, values) for name, values in zip(sources, inputs, strict=False)}
        if self.entrances.issuperset(sources) and all(map(np.array_equal, made.values(), given)):
            # the first layers' own inputs are the reference's: another run would give the same
            codes = steps[-1].codes
            return [*steps[:-1], replace(steps[-1], figures=figures(output, exact, codes, codes))]
        found = []
        for one, step in zip(operations, steps, strict=True):
            made[one.output.name], tally = engine.silent().run_part(
                one, [made[name] for name in one.inputs], self.first_sample
            )
            found.append(replace(step, local=tally))
        figured = figures(output, exact, steps[-1].codes, made[output.name])
        return [*found[:-1], replace(found[-1], figures=figured)]

    def _nearest(self, engine: Engine, name: str, values: Array) -> Array:
        """Return the codes nearest to the reference's values, as layers read them."""
        if name not in self.ideal:
            decode = self.program.decoders.get(name)
            stored = nearest_codes(self.program.tensors[decode.inputs[0] if decode else name], values[self.part])
            self.ideal[name] = engine.silent().run_part(decode, [stored], 0)[0] if decode else stored
        return self.ideal[name]
