"""The ledger: what was lost at every truncation point. ``docs/ledger.md`` defines each figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat, bits_needed
from hwsim.program import Program
from hwsim.program.records import ConstantCodes, IntOperation, MultiplyAccumulate, Point, SlopedSum
from hwsim_kernels import counting

Ints = NDArray[np.int64]

UNITS_OF_ROUNDING = 1 << 16
"""Rounding errors are counted in this fraction of an LSB."""


@dataclass
class Counts:
    """The counters of one operation: (points, COLUMNS, channels) and (points, BINS).

    Once ``carried``, no word of a long sum holds more than its 31 bits, so that equal sums are equal words.
    """

    counts: Ints
    histograms: Ints
    carried: bool = False

    @staticmethod
    def of(operation: IntOperation) -> Counts:
        """Return counters at rest."""
        points = len(operation.points)
        return Counts(counting.new_counts(points, operation.channels), np.zeros((points, counting.BINS), np.int64))

    @staticmethod
    def of_run(operation: IntOperation, *, counted: bool) -> Counts:
        """Return counters at rest for a run, those of ``unmet`` points unset; all are, if nobody reads what is counted.

        What is unset is mostly never touched.
        """
        points, behind = len(operation.points), unmet(operation)
        counts = np.empty((points, counting.COLUMNS, operation.channels), np.int64)
        histograms = np.empty((points, counting.BINS), np.int64)
        if counted:
            counting.set_at_rest(counts[behind:])
            histograms[:] = 0
        return Counts(counts, histograms)

    def merge(self, other: Counts, first: int = 0) -> None:
        """Add another part of the run, from a point on."""
        counting.merge(self.counts[first:], other.counts[first:], 0)
        self.histograms += other.histograms
        self.carried = True


@dataclass(frozen=True, kw_only=True)
class First:
    """Where a value first left its format: sample, position (row-major over all axes but the last), channel, step."""

    sample: int
    position: int
    channel: int
    step: int

    def __str__(self) -> str:
        return f"sample {self.sample}, position {self.position}, channel {self.channel}, step {self.step}"


@dataclass(frozen=True, eq=False)
class Row:
    """One layer and truncation point: the counts, and what follows from them.

    ``counts`` (COLUMNS, channels) and ``histogram`` (BINS,) are as the kernels kept them.
    """

    layer: str
    kind: str
    point: Point
    counts: Ints
    histogram: Ints
    positions: int

    def _total(self, column: int) -> int:
        return self._totals[column]

    @cached_property
    def _totals(self) -> list[int]:
        """Sums over the channels; of no meaning where a column is no count."""
        totals: list[int] = self.counts.sum(axis=1).tolist()
        return totals

    @property
    def values(self) -> int:
        """How many values were fitted or rounded here."""
        return self._total(counting.VALUES)

    @property
    def sums(self) -> int:
        """How many sums were handed up; at points other than stages every value stands for itself."""
        return self._total(counting.SUMS) if self.point.stage else self.values

    @property
    def low(self) -> int:
        """How many came from below the format."""
        return self._total(counting.LOW)

    @property
    def high(self) -> int:
        """How many came from above the format."""
        return self._total(counting.HIGH)

    @property
    def hits(self) -> int:
        """How many came from outside the format: the clamping."""
        return self.low + self.high

    @property
    def hit_rate(self) -> float:
        """The share of values that came from outside."""
        return self.hits / self.values if self.values else 0.0

    @property
    def transient(self) -> int:
        """Sums that left the format on the way though their exact value lies inside (stages only)."""
        return self._total(counting.TRANSIENT)

    @property
    def persistent(self) -> int:
        """Sums whose exact value lies outside; at points other than stages, all hits."""
        return self._total(counting.PERSISTENT) if self.point.stage else self.hits

    @cached_property
    def seen(self) -> tuple[int, int] | None:
        """The smallest and the largest value that was looked at, or None."""
        return counting.whole_range(self.counts)

    @property
    def bits_needed(self) -> int | None:
        """The width that would have held every value seen, or None if none was looked at."""
        form = self.point.format
        if self.seen is None or form is None:
            return None
        return bits_needed(*self.seen, signed=form.signed)

    @property
    def headroom(self) -> int | None:
        """Bits of the format that were not needed; negative if too few."""
        form: IntFormat | None = self.point.format
        return None if form is None or self.bits_needed is None else form.bits - self.bits_needed

    @property
    def clamp_energy(self) -> int:
        """The sum of squared errors that clamping injected, in LSB²."""
        return sum(self._clamp_energies)

    @property
    def inexact(self) -> int:
        """How many roundings dropped bits that were not all 0."""
        return self._total(counting.INEXACT)

    @property
    def round_bias(self) -> float:
        """The mean signed error of rounding, in LSB."""
        return self._total(counting.ROUND_BIAS) / UNITS_OF_ROUNDING / self.values if self.values else 0.0

    @property
    def round_energy(self) -> float:
        """The sum of squared rounding errors, in LSB²."""
        return sum(self._round_energies) / UNITS_OF_ROUNDING**2

    @property
    def clamp_rms(self) -> float:
        """The root mean square error that clamping injected into a sum or value, in LSB."""
        return (self.clamp_energy / self.sums) ** 0.5 if self.sums else 0.0

    @property
    def round_rms(self) -> float:
        """The root mean square error of rounding, in LSB; 0.289 for values spread evenly between codes."""
        return (self.round_energy / self.values) ** 0.5 if self.values else 0.0

    @property
    def clamp_energies(self) -> list[int]:
        """What clamping injected into each channel, in LSB²."""
        return self._clamp_energies

    @property
    def round_energies(self) -> list[float]:
        """The sum of squared rounding errors of each channel, in LSB²."""
        return [one / UNITS_OF_ROUNDING**2 for one in self._round_energies]

    @cached_property
    def _clamp_energies(self) -> list[int]:
        return counting.long_sum(self.counts, counting.CLAMP_ENERGY)

    @cached_property
    def _round_energies(self) -> list[int]:
        return counting.long_sum(self.counts, counting.ROUND_ENERGY)

    def _real(self, energies: list[int]) -> float:
        if not any(energies):
            return 0.0
        units = np.broadcast_to(self.point.unit, (len(energies),)).tolist()
        return float(sum(energy * unit**2 for energy, unit in zip(energies, units, strict=True)))

    @property
    def clamp_energy_real(self) -> float:
        """The sum of squared clamping errors in real units."""
        return self._real(self._clamp_energies)

    @property
    def round_energy_real(self) -> float:
        """The sum of squared rounding errors in real units."""
        return self._real(self._round_energies) / UNITS_OF_ROUNDING**2

    @cached_property
    def first(self) -> First | None:
        """The first value that came from outside, or None."""
        keys = self.counts[counting.FIRST]
        channel = int(keys.argmin())
        key = int(keys[channel])
        if key == counting.NEVER or self.point.once:
            return None
        place, step = divmod(key, self.point.steps)
        sample, position = divmod(place, self.positions)
        return First(sample=sample, position=position, channel=channel, step=step)


class Ledger:
    """The counters of every operation of a program; parts of a run merge exactly, in any order."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._met: dict[str, Counts] = {}
        self._whole: set[str] = set()

    def merge(self, operation: IntOperation, part: Counts) -> None:
        """Add what a part of the data did to one operation; ``part`` is the ledger's from then on."""
        if not operation.points:
            return
        if part.carried and operation.name not in self._met:
            self._met[operation.name] = part
        else:
            self._begun(operation).merge(part, unmet(operation))

    def _begun(self, operation: IntOperation) -> Counts:
        if operation.name not in self._met:
            self._met[operation.name] = Counts.of(operation)
        return self._met[operation.name]

    def _of(self, operation: IntOperation) -> Counts:
        """Return the counters of an operation, whole: only who reads them asks what weights and biases lost once."""
        known = self._begun(operation)
        if operation.name not in self._whole:
            note_once(operation, known)
            self._whole.add(operation.name)
        return known

    @property
    def parts(self) -> dict[str, Counts]:
        """The counters of each operation that has truncation points, by its name."""
        return {one.name: self._of(one) for one in self.program.operations if one.points}

    def __iter__(self) -> Iterator[Row]:
        parts = self.parts
        for one in self.program.operations:
            for index, point in enumerate(one.points):
                part = parts[one.name]
                yield Row(one.layer, one.kind, point, part.counts[index], part.histograms[index], positions_of(one))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ledger):
            return NotImplemented
        mine, theirs = self.parts, other.parts
        return mine.keys() == theirs.keys() and all(
            np.array_equal(part.counts, theirs[name].counts)
            and np.array_equal(part.histograms, theirs[name].histograms)
            for name, part in mine.items()
        )

    __hash__ = None  # type: ignore[assignment]


def unmet(operation: IntOperation) -> int:
    """Return how many of an operation's first points no run counts at, but only what made it: weights and biases."""
    met = (number for number, point in enumerate(operation.points) if not point.once)
    return next(met, len(operation.points))


def note_once(operation: IntOperation, counts: Counts) -> None:
    """Write what weights and biases lost once where runs count nothing, whatever stands there."""
    for index, point in enumerate(operation.points):
        if point.once:
            place = slice(index, index + 1)
            counting.set_at_rest(counts.counts[place])
            if isinstance(operation, ConstantCodes | MultiplyAccumulate | SlopedSum):
                counting.merge(counts.counts[place], operation.initial[place], 0)


def positions_of(operation: IntOperation) -> int:
    """Return how many positions one sample of an operation's output has."""
    return int(np.prod(operation.output.shape[:-1], dtype=np.int64))
