"""A mistake in a target: what is wrong, and the key it is said of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.errors import TargetError

Location = tuple[str | int, ...]
"""Keys and list indices from the top of a target: ("mac", "stages", 1, "bits")."""


@dataclass(frozen=True)
class Mistake:
    """One wrong thing: the sentence, the key it is said of, and other keys that have a part in it."""

    at: Location
    sentence: str
    also: tuple[Location, ...] = ()

    @property
    def locations(self) -> tuple[Location, ...]:
        """All keys that have a part in the mistake, the one it is said of first."""
        return (self.at, *self.also)

    def __str__(self) -> str:
        return f"{dotted(self.at)}: {self.sentence}" if self.at else self.sentence


class LocatedError(TargetError):
    """Mistakes that still know their keys, so that the reader of a file can add line numbers."""

    def __init__(self, located: Sequence[Mistake]) -> None:
        self.located = tuple(located)
        super().__init__([str(mistake) for mistake in self.located])


def dotted(location: Location) -> str:
    """Write a location as one word.

    >>> dotted(("layers", "*stem*", "mac", "stages", 1, "bits"))
    "layers['*stem*'].mac.stages[1].bits"
    """
    text = ""
    for part in location:
        if isinstance(part, str) and re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def overlap(one: Location, other: Location) -> bool:
    """Whether one location is the other or lies inside it."""
    return one[: len(other)] == other[: len(one)]
