"""By how much the implementations that run ``.tflite`` files differ on one file: their codes, layer by layer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Data
from hwsim.engine import execute
from hwsim.errors import ModelError
from hwsim.loaders import load
from hwsim.network import Input, Network
from hwsim.pipeline import block_size, read_samples
from hwsim.program import Program, lower
from hwsim.progress import tracked
from hwsim.quantize.stored import stored_plan
from hwsim.report.columns import paragraph, table
from hwsim.target import load_target

if TYPE_CHECKING:
    import pandas as pd

IMPLEMENTATIONS = (
    "tflite-int8",
    "tflite-int8-optimized",
    "tflite-int8-xnnpack",
    "tflite-micro-int8",
    "tflite-int8-single-rounding",
)
"""The targets that stand for one implementation each; docs/tflite.md says whose."""


@dataclass(frozen=True, kw_only=True)
class LayerDifference:
    """How far one implementation is from the one held against, behind one layer, over all samples.

    codes: how many there are; differing: how many are others; largest: the largest difference, in codes.
    """

    layer: str
    kind: str
    target: str
    codes: int
    differing: int
    largest: int


@dataclass(frozen=True, kw_only=True)
class Implementations:
    """Codes that differ between implementations; prints itself as a table.

    A layer differs by its own arithmetic and by what it was given. ``notes`` are a report's first lines.
    """

    network: str
    against: str
    targets: tuple[str, ...]
    samples: int
    notes: tuple[str, ...]
    rows: tuple[LayerDifference, ...]

    def __str__(self) -> str:
        """Return the table as plain text."""
        head = f"{self.network}: codes that differ from {self.against}, {self.samples} samples"
        lines = paragraph(head, "  ")
        for note in self.notes:
            lines += paragraph(note, "  ")
        headers = (
            "layer",
            "kind",
            "\ncodes",
            *(one.removeprefix("tflite-").replace("-", "-\n", 1) for one in self.targets),
        )
        return "\n".join([*lines, "", *table(headers, list(self._cells()), names=(30, 16))])

    def _cells(self) -> Iterator[list[str]]:
        by_layer: dict[str, list[LayerDifference]] = {}
        for row in self.rows:
            by_layer.setdefault(row.layer, []).append(row)
        for layer, rows in by_layer.items():
            yield [layer, rows[0].kind, str(rows[0].codes), *(str(row.differing) for row in rows)]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each layer and implementation; `LayerDifference` defines the columns."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_json(self) -> str:
        """Return the figures as JSON."""
        return json.dumps(asdict(self), indent=2)


def compare_implementations(
    model: object,
    data: Data | None = None,
    *,
    against: str = IMPLEMENTATIONS[0],
    targets: Sequence[str] = IMPLEMENTATIONS,
) -> Implementations:
    """Run a quantised ``.tflite`` file as each implementation would, and count the codes that differ, layer by layer.

    model: the file's path, or what ``hwsim.load`` made of it. data: as ``hwsim.run`` takes it; synthetic if not given.
    against: the target that the others are held against. targets: the others, names or paths.

    Raises ModelError for a model without codes of 8 bits of its own, and HwsimError for what is wrong with the data.
    """
    network = load(model)
    refuse_others(network)
    samples, notes = read_samples(network, data)
    everything = replace(network, outputs=tuple(one.name for one in network.operations if not isinstance(one, Input)))
    others = tuple(name for name in targets if name != against)
    programs = {name: lowered(everything, name) for name in (against, *others)}
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    count, names = 0, [one.name for one in network.inputs]
    with tracked("comparing implementations", samples.count) as advance:
        for block in samples.blocks(min(block_size(network), 32)):
            given = dict(zip(names, block, strict=True))
            codes = {name: execute(program, given, ledger=False).codes for name, program in programs.items()}
            for layer in everything.outputs:
                for name in others:
                    one = difference(codes[name][layer], codes[against][layer])
                    found[layer, name] = merged(found.get((layer, name), (0, 0, 0)), one)
            count += len(block[0])
            advance(len(block[0]))
    rows = [
        LayerDifference(
            layer=layer,
            kind=network.by_name[layer].kind,
            target=name,
            **dict(zip(("codes", "differing", "largest"), figures, strict=True)),
        )
        for (layer, name), figures in found.items()
    ]
    return Implementations(
        network=network.name, against=against, targets=others, samples=count, notes=tuple(notes), rows=tuple(rows)
    )


def refuse_others(network: Network) -> None:
    """Raise ModelError for a network that is no file of 8-bit codes."""
    if network.stored is None:
        raise ModelError(f"{network.name}: is no quantised .tflite file, so no implementation of those runs it")
    wide = [name for name, one in network.stored.tensors.items() if one.format.bits != 8]  # noqa: PLR2004
    if wide:
        raise ModelError(f"{network.name}: {wide[0]!r} has no codes of 8 bits; hwsim has one target for those of 16")


def lowered(network: Network, name: str | Path) -> Program:
    """Return the program of a file on one target, by the file's own scales."""
    target = load_target(name)
    return lower(network, stored_plan(network, target), target)


def difference(codes: NDArray[Any], wanted: NDArray[Any]) -> tuple[int, int, int]:
    """Return how many codes there are, how many of them differ, and the largest difference."""
    gap = np.abs(codes.astype(np.int64) - wanted.astype(np.int64))
    return gap.size, int(np.count_nonzero(gap)), int(gap.max(initial=0))


def merged(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the figures of two blocks of samples together."""
    return one[0] + other[0], one[1] + other[1], max(one[2], other[2])
