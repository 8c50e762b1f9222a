"""One time step of the recurrent cells of Keras, in operations that exist without them.

A cell reads its weighted input, a row of the ``given`` tensor (steps, columns), and its states, each (1, units); it
returns the new states, of which the first is its output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwsim.loaders.keras_draft import NoIntegerForm
from hwsim.loaders.keras_loop import HIDDEN, Loop
from hwsim.loaders.keras_weights import array, check_finite, float32
from hwsim.network import Add, Multiply, Subtract
from hwsim.network.mac import Floats


class Cell(ABC):
    """The weights of a cell, and its time step.

    ``kernel`` (inputs, columns) and ``bias`` (columns,) weigh the input of every step, ``recurrent`` (units, columns)
    the state.
    """

    states: int = 1

    def __init__(self, cell: Any, name: str) -> None:
        """Take the weights of a Keras cell; raise ModelError where they are not finite."""
        check_finite(cell, name)
        self.cell = cell
        self.units = int(cell.units)
        self.kernel: Floats = float32(array(cell.kernel))
        self.recurrent: Floats = float32(array(cell.recurrent_kernel))
        columns = self.kernel.shape[1]
        self.none: Floats = np.zeros(columns, np.float32)
        self.bias: Floats = float32(array(cell.bias)) if cell.use_bias else self.none

    @abstractmethod
    def step(self, loop: Loop, step: int, given: tuple[str, int], states: Sequence[str]) -> tuple[str, ...]:
        """Append a step to ``loop`` and return the new states; ``given`` is the weighted input and the row to read."""

    def row(self, loop: Loop, step: int, part: str, given: tuple[str, int], columns: tuple[int, int]) -> str:
        """Pick columns, from the first to below the second, of the weighted input."""
        first, end = columns
        return loop.pick(step, part, given[0], given[1] * self.kernel.shape[1] + first, end - first)

    def gate(self, loop: Loop, step: int, part: str, source: str, number: int, function: Any) -> str:
        """Apply a function to the columns of gate ``number``."""
        columns = loop.pick(step, f"{part}/sum", source, number * self.units, self.units)
        return loop.activated(step, part, function, columns, self.units)


class SimpleRnn(Cell):
    """``h = f(x W + b + h U)``."""

    def step(self, loop: Loop, step: int, given: tuple[str, int], states: Sequence[str]) -> tuple[str, ...]:
        """Append a step; see `Cell.step`."""
        inside = self.row(loop, step, "given", given, (0, self.units))
        fed_back = loop.dense(step, "recurrent", states[0], self.recurrent, self.none)
        return (loop.summed(step, HIDDEN, self.cell.activation, (inside, fed_back), self.units),)


class Lstm(Cell):
    """``c = f * c + i * g``, ``h = o * tanh(c)``, gates i, f, g and o of ``x W + b + h U``."""

    states = 2

    def step(self, loop: Loop, step: int, given: tuple[str, int], states: Sequence[str]) -> tuple[str, ...]:
        """Append a step; see `Cell.step`."""
        hidden, carried = states
        inside = self.row(loop, step, "given", given, (0, 4 * self.units))
        fed_back = loop.dense(step, "recurrent", hidden, self.recurrent, self.none)
        sums = loop.merge(step, "sum", Add, inside, fed_back)
        gates = self.cell.recurrent_activation
        let_in = self.gate(loop, step, "input_gate", sums, 0, gates)
        kept = self.gate(loop, step, "forget_gate", sums, 1, gates)
        candidate = self.gate(loop, step, "candidate", sums, 2, self.cell.activation)
        let_out = self.gate(loop, step, "output_gate", sums, 3, gates)
        remembered = loop.merge(step, "forget_gate/product", Multiply, kept, carried)
        learnt = loop.merge(step, "input_gate/product", Multiply, let_in, candidate)
        carried = loop.merge(step, "cell_state", Add, remembered, learnt)
        shown = loop.activated(step, "cell_state/activation", self.cell.activation, carried, self.units)
        return loop.merge(step, HIDDEN, Multiply, let_out, shown), carried


class Gru(Cell):
    """``h = g + z * (h - g)``, gates z and r, candidate g; r applies behind h U (``reset_after``) or before it."""

    def __init__(self, cell: Any, name: str) -> None:
        """Take the weights of a Keras cell; see `Cell`."""
        super().__init__(cell, name)
        self.reset_after = bool(cell.reset_after)
        self.fed_back = self.none
        if self.reset_after and cell.use_bias:
            self.bias, self.fed_back = (np.ascontiguousarray(row) for row in self.bias)
        halves = np.split(self.recurrent, [2 * self.units], axis=1)
        self.of_gates, self.of_candidate = (np.ascontiguousarray(one) for one in halves)

    def step(self, loop: Loop, step: int, given: tuple[str, int], states: Sequence[str]) -> tuple[str, ...]:
        """Append a step; see `Cell.step`."""
        hidden, units = states[0], self.units
        for_gates = self.row(loop, step, "given/gates", given, (0, 2 * units))
        for_candidate = self.row(loop, step, "given/candidate", given, (2 * units, 3 * units))
        if self.reset_after:
            both = loop.dense(step, "recurrent", hidden, self.recurrent, self.fed_back)
            to_gates = loop.pick(step, "recurrent/gates", both, 0, 2 * units)
            to_candidate = loop.pick(step, "recurrent/candidate", both, 2 * units, units)
        else:
            to_gates = loop.dense(step, "recurrent/gates", hidden, self.of_gates, self.none[: 2 * units])
            to_candidate = hidden
        sums = loop.merge(step, "gates/sum", Add, for_gates, to_gates)
        update = self.gate(loop, step, "update_gate", sums, 0, self.cell.recurrent_activation)
        reset = self.gate(loop, step, "reset_gate", sums, 1, self.cell.recurrent_activation)
        seen = loop.merge(step, "reset_gate/product", Multiply, reset, to_candidate)
        if not self.reset_after:
            seen = loop.dense(step, "recurrent/candidate", seen, self.of_candidate, self.none[:units])
        candidate = loop.summed(step, "candidate", self.cell.activation, (for_candidate, seen), units)
        away = loop.merge(step, "difference", Subtract, hidden, candidate)
        kept = loop.merge(step, "update_gate/product", Multiply, update, away)
        return (loop.merge(step, HIDDEN, Add, candidate, kept),)


CELLS: Mapping[str, type[Cell]] = {"GRUCell": Gru, "LSTMCell": Lstm, "SimpleRNNCell": SimpleRnn}


def cell_of(cell: Any, name: str) -> Cell:
    """Return a cell of Keras; raise NoIntegerForm for one that hwsim does not know."""
    kind = type(cell).__name__
    if not type(cell).__module__.startswith("keras.") or kind not in CELLS:
        raise NoIntegerForm(f"a cell of the class {kind}; hwsim knows {', '.join(CELLS)}")
    return CELLS[kind](cell, name)
