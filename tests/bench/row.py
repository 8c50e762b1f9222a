"""A row of the table: who is compared with whom, by what, and the goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from bench.figures import Figure, Missing, Outcome, digits
from bench.measure import Setup

Experiment = Callable[[Setup], Outcome]
TIERS = ("amx", "vnni", "portable")


class By(Enum):
    """What the ratio is. Figures are times, so that a smaller one is better."""

    COST = "ours / peer"
    SPEED = "peer / ours"
    SHARE = "limit / ours"
    VALUE = "ours"

    @property
    def at_least(self) -> bool:
        """Whether more is better."""
        return self in (By.SPEED, By.SHARE)

    def of(self, ours: Figure, peer: Figure) -> float:
        """Return the ratio of two figures."""
        if self is By.VALUE:
            return ours.value
        return peer.value / ours.value if self.at_least else ours.value / peer.value

    def text(self, value: float) -> str:
        """Return a ratio, or a bound of one, in words."""
        if self is By.SHARE:
            return f"{100 * value:.0f} %"
        return f"{digits(value)}{' s' if self is By.VALUE else 'x'}"

    def meets(self, ratio: float, bound: float) -> bool:
        """Whether a ratio is as good as ``bound`` asks."""
        return ratio >= bound if self.at_least else ratio <= bound


@dataclass(frozen=True, kw_only=True)
class Row:
    """``ours`` and ``peer`` name contestants of ``experiment``. ``goals``: a bound of the ratio for each tier.

    ``beyond`` is a better bound that would be nice to have.
    """

    number: int
    name: str
    work: str
    experiment: Experiment
    peer: str
    ours: str = "ours"
    by: By = By.COST
    goals: Mapping[str, float] = field(default_factory=dict[str, float])
    beyond: float | None = None


def everywhere(bound: float) -> dict[str, float]:
    """Return a goal for every tier."""
    return dict.fromkeys(TIERS, bound)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row that was measured, on ``tier``. ``notes`` are the experiment's."""

    row: Row
    tier: str
    ours: Figure | Missing
    peer: Figure | Missing
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(row: Row, tier: str, outcome: Outcome) -> Line:
        """Take a row's figures from the outcome of its experiment."""
        nothing = Missing("not measured")
        ours, peer = (outcome.figures.get(name, nothing) for name in (row.ours, row.peer))
        return Line(row=row, tier=tier, ours=ours, peer=peer, notes=tuple(outcome.notes))

    @property
    def ratio(self) -> float | None:
        """The ratio, where both figures are there."""
        if isinstance(self.ours, Figure) and isinstance(self.peer, Figure):
            return self.row.by.of(self.ours, self.peer)
        return None

    @property
    def goal(self) -> float | None:
        """The bound that counts on this tier."""
        return self.row.goals.get(self.tier)

    def met(self, bound: float | None) -> bool | None:
        """Whether the ratio is as good as a bound; None where one of them is missing."""
        return None if self.ratio is None or bound is None else self.row.by.meets(self.ratio, bound)

    def as_json(self) -> dict[str, Any]:
        """Return everything about the row as plain values."""
        return {
            "number": self.row.number,
            "name": self.row.name,
            "work": self.row.work,
            "ours": {"name": self.row.ours, **_plain(self.ours)},
            "peer": {"name": self.row.peer, **_plain(self.peer)},
            "ratio": self.ratio,
            "ratio_is": self.row.by.value,
            "goal": self.goal,
            "met": self.met(self.goal),
            "beyond": self.row.beyond,
            "beyond_met": self.met(self.row.beyond),
            "notes": list(self.notes),
        }


def _plain(figure: Figure | Missing) -> dict[str, Any]:
    if isinstance(figure, Missing):
        return {"value": None, "text": str(figure)}
    unit = "bytes" if figure.unit.memory else "s"
    return {"value": figure.value, "unit": unit, "text": str(figure), "samples": list(figure.samples)}
