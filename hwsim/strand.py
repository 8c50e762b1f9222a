"""Some samples on their way through a program, beside the float run that they are measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """What one operation gave: its codes, what it counted, and, at the end of a layer, how far that is from float.

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

    def run(
        self, engine: Engine, operations: Sequence[tuple[int, IntOperation]], inputs: Sequence[Array], exact: Array
    ) -> list[Step]:
        """Run a layer's operations, each with its number; the float run has ``exact`` made of ``inputs``, whole blocks.

        What the layer gives at its end is held to float twice: with the integer run's own input, and the reference's.
        """
        steps = []
        for number, one in operations:
            given = [self.tensors[name] for name in one.inputs]
            codes, tally = engine.run_part(one, given, self.first_sample)
            step = Step(codes, tally)
            if one is operations[-1][1]:
                step = self._measured(engine, one, step, inputs, exact[self.part])
            steps.append(step)
            self.tensors[one.output.name] = codes
            forget(self.program, self.tensors, one, number)
            forget(self.program, self.ideal, one, number)
        return steps

    def _measured(self, engine: Engine, one: IntOperation, step: Step, inputs: Sequence[Array], exact: Array) -> Step:
        if not one.points or isinstance(one, Quantize):
            return Step(step.codes, step.tally, None, figures(one.output, exact, step.codes))
        given = [self._nearest(name, values) for name, values in zip(one.inputs, inputs, strict=False)]
        local, tally = engine.silent().run_part(one, given, self.first_sample)
        return Step(step.codes, step.tally, tally, figures(one.output, exact, step.codes, local))

    def _nearest(self, name: str, values: Array) -> Array:
        """Return the codes nearest to the reference's values, in the format that layers read."""
        if name not in self.ideal:
            self.ideal[name] = nearest_codes(self.program.tensors[name], values[self.part])
        return self.ideal[name]
