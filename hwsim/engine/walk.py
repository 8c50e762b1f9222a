"""A program's run as a reference: what every operation of the network makes of real values, by its integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from hwsim.engine.parallel import Engine
from hwsim.engine.run import dequantize, forget
from hwsim.network import Network, Operation
from hwsim.program import Program
from hwsim.program.records import IntOperation

Array = NDArray[Any]


def walk_exactly(
    network: Network, program: Program, engine: Engine, block: Sequence[Array], first_sample: int
) -> Iterator[tuple[Operation, list[Array], Array]]:
    """Yield each operation of a network with its inputs and its result (batch, …), in order, as ``walk`` does in float.

    The values are what the integers of ``program`` stand for, in float64. ``block`` holds real inputs, the first of
    which is sample ``first_sample`` of the data. Raises DatapathOverflow as ``Engine.run`` does.
    """
    numbered: dict[str, list[tuple[int, IntOperation]]] = {}
    for number, one in enumerate(program.operations):
        numbered.setdefault(one.layer, []).append((number, one))
    integers: dict[str, Array] = {one.name: values for one, values in zip(program.inputs, block, strict=True)}
    reals: dict[str, Array] = {}
    last_use = {name: number for number, one in enumerate(network.operations) for name in one.inputs}
    for place, operation in enumerate(network.operations):
        made = numbered[operation.name]
        for _, one in made:
            integers[one.output.name], _ = engine.run(one, [integers[name] for name in one.inputs], first_sample)
        output = made[-1][1].output
        reals[operation.name] = dequantize(output, integers[output.name])
        for number, one in made:
            forget(program, integers, one, number)
        yield operation, [reals[name] for name in operation.inputs], reals[operation.name]
        for name in {operation.name, *operation.inputs}:
            if last_use.get(name, -1) <= place:
                reals.pop(name, None)
