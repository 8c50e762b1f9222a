"""Run one program after another on the same samples, and compute again only what differs from the base."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Block
from hwsim.engine import Engine, Ledger
from hwsim.engine.run import by_output, dequantize
from hwsim.engine.tiers import tier_for
from hwsim.network import Network
from hwsim.program import Program, lower
from hwsim.program.memory import Memory
from hwsim.program.records import IntOperation
from hwsim.quantize import Plan
from hwsim.reference import walk
from hwsim.report.measure import classified
from hwsim.target import Target
from hwsim.trial.figures import Figures, Outputs, compare

Array = NDArray[Any]


class Bench:
    """Samples on which programs of one network are tried; ``reference`` holds the float network's results for them.

    ``ranges`` has the smallest and the largest value that the float network gives each tensor on them, ``energies`` the
    sum of their squares. ``reference`` may be given, as the results of another network.
    The first program that runs is the base. Of later ones only the operations that differ run, and those that read
    what differs. Every tensor of the base is kept, so the number of samples decides how much memory is taken.
    """

    def __init__(
        self, network: Network, blocks: Sequence[Block], batch_size: int = 32, reference: Outputs | None = None
    ) -> None:
        self.network = network
        self.samples = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
        self.ranges: dict[str, tuple[float, float]] = {}
        self.energies: dict[str, float] = {}
        floats = [self._floats(block) for block in blocks]
        self.reference: Outputs = reference or {
            name: np.concatenate([one[name] for one in floats]) for name in dict.fromkeys(network.outputs)
        }
        self.deciding = frozenset(name for name, decides in classified(network).items() if decides)
        self._memory = Memory()
        self._engine = Engine(batch_size)
        self._known: dict[str, tuple[IntOperation, Array]] = {}

    def _floats(self, block: Block) -> Outputs:
        """Return the float network's results for a block, and take its tensors in."""
        found: dict[str, Array] = {}
        for one, given, result in walk(self.network, block):
            low, high = self.ranges.get(one.name, (0.0, 0.0))
            self.ranges[one.name] = min(low, float(result.min())), max(high, float(result.max()))
            energy = float(np.square(result, dtype=np.float64).sum())
            self.energies[one.name] = self.energies.get(one.name, 0.0) + energy
            if one.name in self.network.outputs:
                found[one.name] = result
            del given, result
        return found

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._engine.__exit__(kind, value, traceback)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.samples[0])

    def lower(self, plan: Plan, target: Target) -> Program:
        """Lower the network; operations of which nothing changed are the records of an earlier program."""
        return lower(self.network, plan, target, self._memory)

    def start(self, program: Program) -> tuple[Outputs, Ledger]:
        """Run a program whole, as the base of all that follow; return its real results and its ledger."""
        self._known.clear()
        self._engine.tier = tier_for(program, self.count)
        self._memory.pin(program.operations)
        ledger = Ledger(program)
        tensors = self._given(program)
        for one in program.operations:
            codes, counts = self._engine.run(one, [tensors[name] for name in one.inputs], 0)
            ledger.merge(one, counts)
            tensors[one.output.name] = codes
            self._known[one.name] = one, codes
        return self._real(program, tensors), ledger

    def run(self, program: Program) -> Outputs:
        """Return the real results of a program; operations that the base has too are not run again."""
        self._engine.tier = tier_for(program, -(-self.count // 2))  # about half of it runs
        engine, tensors = self._engine.silent(), self._given(program)
        unchanged = {one.name for one in program.inputs}
        for one in program.operations:
            known = self._known.get(one.name)
            if known is not None and known[0] is one and unchanged.issuperset(one.inputs):
                tensors[one.output.name] = known[1]
                unchanged.add(one.output.name)
                continue
            codes, _ = engine.run(one, [tensors[name] for name in one.inputs], 0)
            if known is not None and np.array_equal(codes, known[1]):
                # what reads these codes by another scale was lowered anew, and so runs
                unchanged.add(one.output.name)
            tensors[one.output.name] = codes
        return self._real(program, tensors)

    def against_float(self, outputs: Outputs) -> Figures:
        """Return how far results are from those of the float network."""
        return compare(self.reference, outputs, self.deciding)

    def change(self, base: Outputs, outputs: Outputs) -> Figures:
        """Return how far results are from those of another program, by the energy of the float network's."""
        return compare(base, outputs, self.deciding, self.reference)

    def _given(self, program: Program) -> dict[str, Array]:
        return {one.name: values for one, values in zip(program.inputs, self.samples, strict=True)}

    def _real(self, program: Program, tensors: dict[str, Array]) -> Outputs:
        return by_output({name: dequantize(program.tensors[name], tensors[name]) for name in program.outputs})
