"""What a comparison found, tensor by tensor, and the causes that explain the first difference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hwsim.divergence.case import Cause

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where two tensors differ and what stands there; ``position`` has what lies between sample and channel.

    A tensor of one axis is one sample of one channel.
    """

    sample: int
    position: tuple[int, ...]
    channel: int
    a: int
    b: int

    def __str__(self) -> str:
        at = f", position {', '.join(map(str, self.position))}" if self.position else ""
        return f"sample {self.sample}{at}, channel {self.channel}"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One pair of tensors: A's ``name``, what B calls it (``other``), and how they differ.

    ``count`` of ``values`` differ, by at most ``largest``; ``first`` is the first place in the order of samples,
    positions and channels. ``problem`` says why they cannot be compared value by value; they count as different then.
    ``notes`` say what was done to lay them side by side.
    """

    name: str
    other: str
    shape: tuple[int, ...]
    values: int
    count: int
    largest: int
    first: Place | None
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether every value is the same."""
        return not self.count and not self.problem

    @property
    def share(self) -> float:
        """The share of the values that differ."""
        return self.count / self.values if self.values else 0.0


@dataclass(frozen=True, kw_only=True, repr=False)
class Diff:
    """Two sets of tensors beside each other; prints itself, and draws itself in a notebook.

    ``tensors`` are the pairs in A's order, found by ``matched`` ("name" or "order"); ``only_a`` and ``only_b`` name
    tensors without a partner, which are not compared. ``causes`` belong to the first pair that differs, the most
    convincing first; ``histogram`` holds its most frequent differences, B less A, each with its count.
    """

    a: str
    b: str
    matched: str
    tensors: tuple[Compared, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    histogram: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all pairs are equal; tensors of one side alone do not count."""
        return all(one.equal for one in self.tensors)

    @property
    def first(self) -> Compared | None:
        """The first pair, in A's order, that differs."""
        return next((one for one in self.tensors if not one.equal), None)

    @property
    def differing(self) -> tuple[Compared, ...]:
        """The pairs that differ: the first of them, then the others, the largest share first."""
        found = [one for one in self.tensors if not one.equal]
        return (*found[:1], *sorted(found[1:], key=lambda one: (not one.problem, -one.share)))

    def __repr__(self) -> str:
        found = "equal" if self.equal else f"first difference in {self.first.name!r}" if self.first else ""
        return f"<Diff of {len(self.tensors)} tensors: {found}>"

    def __str__(self) -> str:
        """Return the comparison as plain text, no line longer than 100 columns."""
        from hwsim.divergence.text import plain_text

        return plain_text(self)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from hwsim.divergence.text import parts

        yield from parts(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows; whatever a name holds stays text."""
        from hwsim.divergence.text import html

        return html(self)

    def to_dict(self) -> Mapping[str, Any]:
        """Return everything as plain values, as the JSON has it."""
        tensors = [asdict(one) | {"equal": one.equal, "share": one.share} for one in self.tensors]
        causes = [asdict(one) | {"whole": one.whole} for one in self.causes]
        first = None if self.first is None else self.first.name
        return asdict(self) | {"equal": self.equal, "first": first, "tensors": tensors, "causes": causes}

    def to_json(self) -> str:
        """Return the comparison as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)
