"""Real machines, said in the schema, against models of them in plain integers: equal codes, bit for bit.

``setups`` holds the machines at work. The ledger bears witness that what makes each special happens, and so do mutants:
targets with one thing different give other codes somewhere. All targets are the shipped files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from golden import machines
from golden.case import row
from golden.drawn import MORE_SEEDS, SEEDS, draw, ran
from golden.machines import machine
from golden.setups import SETUPS
from numpy.typing import NDArray

import hwsim
from hwsim.engine import Execution
from hwsim.network import Conv2D, Dense, Input, Network, Relu, Reshape
from hwsim.target.target import merge

each_machine = pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in SETUPS for kind in SETUPS[name].kinds]
)


@each_machine
def test_a_machine(name: str, kind: str) -> None:
    setup, seen = SETUPS[name], Counter[tuple[str, str]]()
    for execution in agreeing(name, kind, SEEDS):
        for point, figures in setup.seen.items():
            for figure in figures:
                seen[point, figure] += getattr(row(execution, point), figure)
    wanted = {(point, figure) for point, figures in setup.seen.items() for figure in figures}
    assert {one for one in wanted if not seen[one]} == set()


@pytest.mark.slow
@each_machine
def test_a_machine_at_length(name: str, kind: str) -> None:
    assert len(list(agreeing(name, kind, MORE_SEEDS))) == len(MORE_SEEDS)


def agreeing(name: str, kind: str, seeds: Iterable[int]) -> Iterator[Execution]:
    """Yield runs of drawn layers, each of which has given the model's codes."""
    setup = SETUPS[name]
    target = machine(setup.text, setup.target)
    for seed in seeds:
        drawn = draw(name, kind, seed)
        execution = ran(setup, drawn, target)
        assert np.array_equal(execution.codes["layer"].ravel(), drawn.wanted), seed
        yield execution


@pytest.mark.parametrize(("name", "mutant"), [(name, mutant) for name in SETUPS for mutant in SETUPS[name].mutants])
def test_a_mutant_is_seen(name: str, mutant: str) -> None:
    setup = SETUPS[name]
    target = machine(setup.text, merge(setup.target or {}, setup.mutants[mutant]))
    cases = (draw(name, kind, seed) for seed in range(72) for kind in setup.kinds)
    assert any(not np.array_equal(ran(setup, one, target).codes["layer"].ravel(), one.wanted) for one in cases)


@pytest.mark.parametrize("name", [name for name in vars(machines) if name.isupper()])
def test_a_machine_plans_for_itself(name: str) -> None:
    # scales from data: whatever they are, the machine can follow them
    generator = np.random.default_rng(7)
    images = generator.normal(0, 1, (4, 6, 6, 3)).astype(np.float32)
    result = hwsim.run(image_network(generator), machine(getattr(machines, name)), np.abs(images))
    again = result.program.run(np.abs(images), batch_size=1)
    assert np.array_equal(result.codes, again.codes["logits"])


def image_network(generator: np.random.Generator) -> Network:
    """Return two convolutions and a dense layer."""

    def reals(*shape: int) -> NDArray[np.float32]:
        return generator.normal(0, 0.3, shape).astype(np.float32)

    return Network(
        name="images",
        operations=(
            Input(name="image", shape=(6, 6, 3)),
            Conv2D(name="one", inputs=("image",), kernel=reals(3, 3, 3, 8), bias=reals(8), activation=Relu()),
            Conv2D(name="two", inputs=("one",), kernel=reals(3, 3, 1, 8), bias=reals(8), groups=8),
            Reshape(name="flat", inputs=("two",), shape=(32,)),
            Dense(name="logits", inputs=("flat",), kernel=reals(32, 5), bias=reals(5)),
        ),
        outputs=("logits",),
    )


@pytest.mark.parametrize(
    ("text", "scale"),
    [(machines.HLS4ML, 2.0**-10), (machines.HLS4ML_RESOURCE, 2.0**-10), (machines.TENSIL, 2.0**-8)],
)
def test_a_binary_point_is_part_of_the_machine(text: str, scale: float) -> None:
    generator = np.random.default_rng(7)
    network = image_network(generator)
    result = hwsim.run(network, machine(text), generator.normal(0, 1, (2, 6, 6, 3)).astype(np.float32))
    assert {one.scale for one in result.plan.tensors.values()} == {scale}
    assert {one.scale for one in result.plan.weights.values()} == {(scale,)}
    assert {one.zero_point for one in result.plan.tensors.values()} == {0}
