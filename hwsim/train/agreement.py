"""Hold the two simulations against each other: the fake-quantised model in float, and the integer engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Block, Data, Samples
from hwsim.engine import Engine
from hwsim.engine.run import by_output
from hwsim.errors import ProgramError
from hwsim.program import Program
from hwsim.progress import tracked
from hwsim.report.columns import table
from hwsim.train.bases import KERAS
from hwsim.train.build import layers_of
from hwsim.train.grid import grid_of

BATCH = 32
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class LayerAgreement:
    """How one layer's codes of the two simulations compare.

    ``differing`` of ``values`` codes differ, by ``furthest`` at most; ``first`` is (sample, position …, channel) of the
    first one, and ``codes`` the codes there, the float model's before the engine's; both None where all are alike.
    """

    layer: str
    values: int
    differing: int
    furthest: int
    first: tuple[int, ...] | None
    codes: tuple[int, int] | None


@dataclass(frozen=True)
class Agreement:
    """How the codes of all layers compare, in the order of the program; printing it shows the table."""

    layers: tuple[LayerAgreement, ...]
    samples: int

    @property
    def exact(self) -> bool:
        """Whether every code of every layer is the same."""
        return not self.differing

    @property
    def differing(self) -> int:
        """How many codes differ, over all layers."""
        return sum(one.differing for one in self.layers)

    @property
    def values(self) -> int:
        """How many codes were compared."""
        return sum(one.values for one in self.layers)

    def __getitem__(self, layer: str) -> LayerAgreement:
        """Return a layer by its name; raises KeyError for a name that was not compared."""
        return {one.layer: one for one in self.layers}[layer]

    def __str__(self) -> str:
        head = f"{self.differing} of {self.values} codes differ, {self.samples} samples"
        rows = [
            [
                one.layer,
                "" if one.first is None else str(one.first),
                str(one.values),
                str(one.differing),
                str(one.furthest),
                "" if one.codes is None else f"{one.codes[0]} : {one.codes[1]}",
            ]
            for one in self.layers
        ]
        headers = (
            "layer",
            "first at\n(sample, …, channel)",
            "codes",
            "differ",
            "by at\nmost",
            "there\nfloat : integer",
        )
        return "\n".join([head, *table(headers, rows, (24, 22))])


def agree(model: Any, program: Any, data: Data) -> Agreement:
    """Run a fake-quantised Keras model and the integer program on ``data``, and compare the codes of every layer.

    model: what ``fake_quantize`` gave (or ``hwsim.train.through``). program: a Program for the same plan, or a
    ``hwsim.Result`` that has one. Raises ProgramError where their tensors do not bear the same names.
    """
    wanted: Program = getattr(program, "program", program)
    layers = layers_of(model)
    made = {name.removesuffix("/codes"): one for name, one in wanted.tensors.items()}
    tensors = {name: one for name, one in made.items() if one.format is not None}
    strangers = sorted(set(layers) - set(made))
    if strangers or not layers:
        raise ProgramError(f"{wanted!r} has no {', '.join(strangers) or 'tensor'} of the model {model.name!r}")
    names = [name for name in layers if name in tensors]
    inside = KERAS.Model(model.inputs, [layers[name].output for name in names])
    rows, samples = {name: _Row(name) for name in names}, 0
    given = Samples(data, wanted.inputs)
    with tracked("comparing", given.count) as advance:
        for block in given.blocks(BATCH):
            found = inside(block, training=False)
            codes = every_code(wanted, block, samples)
            for name, values in zip(names, found if len(names) > 1 else [found], strict=True):
                rows[name].add(grid_of(tensors[name]).codes(np.asarray(values)), codes[name], samples)
            samples += len(block[0])
            advance(len(block[0]))
    return Agreement(tuple(row.result() for row in rows.values()), samples)


def every_code(program: Program, block: Sequence[Array], first_sample: int = 0) -> dict[str, Array]:
    """Return what every operation of a program makes of a block of real inputs, under its network's names."""
    with Engine(BATCH, counted=False) as engine:
        return by_output(dict(run_all(program, engine, block, first_sample)))


def run_all(
    program: Program, engine: Engine, block: Block | Sequence[Array], first_sample: int = 0
) -> Iterator[tuple[str, Array]]:
    """Yield the name and the values of each tensor that a program makes."""
    tensors: dict[str, Array] = {one.name: values for one, values in zip(program.inputs, block, strict=True)}
    for one in program.operations:
        tensors[one.output.name], _ = engine.run(one, [tensors[name] for name in one.inputs], first_sample)
        yield one.output.name, tensors[one.output.name]


class _Row:
    """Counts the differences of one layer."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.values = self.differing = self.furthest = 0
        self.first: tuple[int, ...] | None = None
        self.codes: tuple[int, int] | None = None

    def add(self, floats: Array, integers: Array, first_sample: int) -> None:
        apart = np.abs(floats.astype(np.int64) - integers.astype(np.int64))
        self.values += apart.size
        self.differing += int(np.count_nonzero(apart))
        self.furthest = max(self.furthest, int(apart.max()))
        if self.first is None and apart.any():
            place = tuple(int(index) for index in np.argwhere(apart)[0])
            self.first = (first_sample + place[0], *place[1:])
            self.codes = int(floats[place]), int(integers[place])

    def result(self) -> LayerAgreement:
        return LayerAgreement(
            layer=self.layer,
            values=self.values,
            differing=self.differing,
            furthest=self.furthest,
            first=self.first,
            codes=self.codes,
        )
