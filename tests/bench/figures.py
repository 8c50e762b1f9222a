"""What is measured, in which unit, and why something could not be."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))

MOST_WORDS = 60
"""How much of an error's message fits into the table."""


class Missing(Exception):
    """Why there is no figure: a package that is not installed, something that does not exist yet."""


class Wrong(Missing):
    """A contestant computed something else than it should."""


class Failed(Wrong):
    """A contestant, or a whole experiment, that raised what nobody expected."""

    @staticmethod
    def of(error: Exception) -> Failed:
        """Return a failure in a few words, and print the traceback."""
        print(*traceback.format_exception(error), sep="", file=sys.stderr)
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        return Failed(words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]} …")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Seconds for one ``item`` (or one call), which takes ``operations`` and moves ``traffic`` bytes; or ``memory``."""

    item: str = ""
    operations: float = 0
    traffic: float = 0
    memory: bool = False

    def text(self, value: float) -> str:
        """Return a value in words.

        >>> Unit(operations=2e9).text(0.004), Unit(item="image").text(0.0123)
        ('4.00 ms, 500 GOPS', '12.3 ms/image')
        """
        if self.memory:
            return f"{value / 1e6:.1f} MB"
        size, name = next((one for one in TIME_UNITS if value >= one[0]), TIME_UNITS[-1])
        words = f"{digits(value / size)} {name}" + (f"/{self.item}" if self.item else "")
        rates = ((self.operations, "GOPS"), (self.traffic, "GB/s"))
        return ", ".join([words, *(f"{digits(amount / value / 1e9)} {rate}" for amount, rate in rates if amount)])


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A value in its unit, the median of ``samples`` where it was measured more than once."""

    value: float
    unit: Unit
    samples: tuple[float, ...] = ()

    def __str__(self) -> str:
        return self.unit.text(self.value)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an experiment gave: a figure for each contestant, and what else there is to say."""

    figures: Mapping[str, Figure | Missing]
    notes: Sequence[str] = ()

    def plus(self, *notes: str, **figures: Figure) -> Outcome:
        """Return this with more to say, and with more figures."""
        return Outcome(figures={**self.figures, **figures}, notes=(*self.notes, *notes))


def digits(value: float) -> str:
    """Return a number with about three digits.

    >>> digits(1234.5), digits(12.345), digits(0.012345)
    ('1234', '12.3', '0.0123')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"
