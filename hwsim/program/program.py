"""The program: integer operations in an order in which they can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.program.records import Decode, IntOperation, MultiplyAccumulate, Tensor

if TYPE_CHECKING:
    from hwsim.engine import Data, Execution


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Program:
    """All that a machine needs to run a network on a target: integers, and how to read them.

    ``inputs`` are the real tensors that data is given for; ``outputs`` name the tensors that are the results.
    """

    network: str
    target: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    operations: tuple[IntOperation, ...]

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """Every tensor under its name."""
        made = {operation.output.name: operation.output for operation in self.operations}
        return {tensor.name: tensor for tensor in self.inputs} | made

    @cached_property
    def last_use(self) -> Mapping[str, int]:
        """The number of the last operation that reads each tensor; results are kept to the end."""
        uses = {name: number for number, one in enumerate(self.operations) for name in one.inputs}
        return uses | {name: len(self.operations) for name in self.outputs}

    @cached_property
    def decoders(self) -> Mapping[str, Decode]:
        """The operations that decode stored codes, by the names of what they make."""
        return {one.output.name: one for one in self.operations if isinstance(one, Decode)}

    def save(self, path: str | Path) -> None:
        """Write the program to one file, whole or not at all."""
        from hwsim.program.file import save  # noqa: PLC0415

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Program:
        """Read a program; raises ProgramError if the file is damaged or of another version."""
        from hwsim.program.file import load  # noqa: PLC0415

        return load(Path(path))

    def run(  # noqa: PLR0913  one argument for each choice
        self,
        data: Data,
        *,
        batch_size: int = 32,
        trace: Sequence[str] = (),
        ledger: bool = True,
        tensors: bool = False,
    ) -> Execution:
        """Run the program on real inputs: integers only, no TensorFlow. See ``hwsim.engine.execute``."""
        from hwsim.engine import execute  # noqa: PLC0415  the artefact's convenience; nothing flows back

        return execute(self, data, batch_size=batch_size, trace=trace, ledger=ledger, tensors=tensors)

    def __repr__(self) -> str:
        return f"<Program of {self.network!r} for {self.target!r}: {len(self.operations)} integer operations>"

    def __str__(self) -> str:
        lines = [f"program of {self.network} for {self.target}"]
        for one in self.operations:
            tensor = one.output
            form = "float" if tensor.format is None else f"{tensor.format} × {tensor.scale:.4g}"
            path = ""
            if isinstance(one, MultiplyAccumulate):
                path = "any order, proved exact" if one.exact else "step by step"
            lines.append(f"  {one.name:36} {type(one).__name__:20} {tensor.shape!s:18} {form:16} {path}")
        return "\n".join(lines)
