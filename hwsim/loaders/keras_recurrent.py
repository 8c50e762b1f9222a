"""Recurrent layers of Keras, unrolled over their time steps; ``docs/recurrent.md`` says what becomes of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.loaders.framework import keras
from hwsim.loaders.keras_cells import Cell, cell_of
from hwsim.loaders.keras_draft import Call, NoIntegerForm, Several
from hwsim.loaders.keras_loop import HIDDEN, Loop
from hwsim.network import (
    Activation,
    Add,
    Concatenate,
    Constant,
    Dense,
    Multiply,
    Operation,
    Reshape,
    ScaleShift,
)

STATES = (HIDDEN, "cell_state")
"""The parts of a loop that make its states."""


@dataclass(frozen=True)
class Run:
    """What a recurrent layer makes: its result, the states behind the last step, and all operations."""

    result: str
    states: tuple[str, ...]
    operations: tuple[Operation, ...]


def recurrent(call: Call) -> tuple[Operation, ...] | Several:
    """Import LSTM, GRU, SimpleRNN and RNN of their cells; several cells are loops one behind another."""
    made = run(call, call.layer, call.name, call.inputs[1:])
    if not call.layer.return_state:
        return made.operations
    return Several(made.operations, (made.result, *made.states))


def bidirectional(call: Call) -> tuple[Operation, ...] | Several:
    """Import Bidirectional: a layer that runs forwards, one that runs backwards, and how their results merge."""
    layer, name, half = call.layer, call.name, len(call.inputs[1:]) // 2
    starts = call.inputs[1 : 1 + half], call.inputs[1 + half :]
    forward = run(call, layer.forward_layer, f"{name}/forward", starts[0])
    backward = run(call, layer.backward_layer, f"{name}/backward", starts[1], turned=True)
    operations = (*forward.operations, *backward.operations)
    results: tuple[str, ...] = (forward.result, backward.result)
    if layer.merge_mode is not None:
        operations += merged(call, (forward.result, backward.result))
        results = (name,)
    if layer.return_state:
        results += (*forward.states, *backward.states)
    return Several(operations, results)


def merged(call: Call, results: tuple[str, str]) -> tuple[Operation, ...]:
    """Return what makes one result of the two of a Bidirectional."""
    mode, name = call.layer.merge_mode, call.name
    if mode == "concat":
        axis = 1 if call.layer.return_sequences else 0
        return (Concatenate(name=name, inputs=results, axis=axis),)
    if mode == "mul":
        return (Multiply(name=name, inputs=results),)
    if mode == "sum":
        return (Add(name=name, inputs=results),)
    if mode != "ave":
        raise NoIntegerForm(f"merge_mode {mode!r}")
    units = int(call.layer.forward_layer.cell.output_size)
    half = ScaleShift(
        name=name,
        inputs=(f"{name}/sum",),
        scale=np.full(units, 0.5, np.float32),
        bias=np.zeros(units, np.float32),
    )
    return Add(name=f"{name}/sum", inputs=results), half


def run(call: Call, layer: Any, name: str, starts: Sequence[str], *, turned: bool = False) -> Run:
    """Unroll a recurrent layer, ``call``ed itself or inside another; ``starts`` are its first states, none if all 0.

    ``turned``: a sequence that is returned ends with the first step's output.
    """
    check(call, layer)
    stacked = type(layer.cell).__name__ == "StackedRNNCells"
    cells = [cell_of(one, name) for one in (layer.cell.cells if stacked else (layer.cell,))]
    if len(starts) not in (0, sum(cell.states for cell in cells)):
        raise NoIntegerForm(f"starts from {len(starts)} states, its cells have {sum(one.states for one in cells)}")
    result, waiting = call.inputs[0], list(starts)
    states: list[str] = []
    operations: list[Operation] = []
    for number, cell in enumerate(cells):
        last = number == len(cells) - 1
        loop = Loop(name if last else f"{name}/cell_{number}")
        own, waiting = waiting[: cell.states], waiting[cell.states :]
        rows = range(int(call.shapes[0][0]))
        rows = rows[::-1] if layer.go_backwards and number == 0 else rows
        outputs, ends = unrolled(loop, cell, result, rows, own)
        states += [loop.add(last_state(loop, part, end, cell)) for part, end in zip(STATES, ends, strict=False)]
        sequence = layer.return_sequences or not last
        outputs = outputs[::-1] if turned and last and sequence else outputs
        result = loop.add(joined(loop, outputs if sequence else outputs[-1:], sequence, cell))
        operations += loop.operations
    return Run(result, tuple(states), tuple(operations))


def check(call: Call, layer: Any) -> None:
    """Raise NoIntegerForm for what cannot be unrolled."""
    if len(call.shapes[0]) != 2:
        raise NoIntegerForm(f"takes samples of shape {call.shapes[0]}; hwsim unrolls loops over (steps, channels)")
    if layer.stateful:
        raise NoIntegerForm("stateful; hwsim starts every sample from the same state")
    given = [*call.arguments[1:2], *(call.keywords.get(word) for word in ("initial_state", "mask"))]
    if any(one is not None and not hasattr(one, "_keras_history") for one in keras().tree.flatten(given)):
        raise NoIntegerForm("starts from states, or takes a mask, that no layer makes")


def unrolled(
    loop: Loop, cell: Cell, source: str, rows: Sequence[int], starts: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Append a step of a cell for each of the ``rows`` of ``source``; return their outputs, and the last states."""
    given = loop.add(Dense(name=loop.tensor("given"), inputs=(source,), kernel=cell.kernel, bias=cell.bias))
    states = tuple(start(loop, part, given, cell, starts[at : at + 1]) for at, part in enumerate(STATES[: cell.states]))
    outputs = []
    for step, row in enumerate(rows):
        states = cell.step(loop, step, (given, row), states)
        outputs.append(states[0])
    return outputs, states


def start(loop: Loop, part: str, given: str, cell: Cell, initial: Sequence[str]) -> str:
    """Append what makes a state before the first step, and return its name: zeros, or a tensor at the state's scale."""
    name, shape = f"{loop.name}/start/{part}", (1, cell.units)
    if not initial:
        # `given` says no more than how many samples there are
        return loop.put(Constant(name=name, inputs=(given,), values=np.zeros(shape)), part)
    row = loop.add(Reshape(name=f"{name}/row", inputs=(initial[0],), shape=shape))
    return loop.put(Activation(name=name, inputs=(row,), function=None), part)


def last_state(loop: Loop, part: str, end: str, cell: Cell) -> Operation:
    """Return what makes a state behind the last step a result of the layer."""
    return Reshape(name=f"{loop.name}/end/{part}", inputs=(end,), shape=(cell.units,))


def joined(loop: Loop, outputs: Sequence[str], sequence: bool, cell: Cell) -> Operation:
    """Return what makes the layer's result: all outputs, or the last one."""
    if not sequence:
        return Reshape(name=loop.name, inputs=(outputs[-1],), shape=(cell.units,))
    if len(outputs) == 1:
        return Reshape(name=loop.name, inputs=(outputs[0],), shape=(1, cell.units))
    return Concatenate(name=loop.name, inputs=tuple(outputs), axis=0)
