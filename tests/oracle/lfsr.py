"""The random numbers of stochastic rounding (docs/arithmetic.md, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

NO_RANDOM = {"bits": 16, "taps": (16, 15, 13, 4), "seed": 1}


def next_state(state: int, bits: int, taps: tuple[int, ...]) -> int:
    """Shift left by one; the parity of the tapped bits (tap t is bit t - 1) enters at the right."""
    parity = sum(state >> (tap - 1) & 1 for tap in taps) % 2
    return state * 2 % (1 << bits) + parity


@lru_cache(maxsize=64)
def states(bits: int, taps: tuple[int, ...], seed: int) -> tuple[int, ...]:
    """Return the states from the seed on, until the seed comes back.

    >>> states(3, (3, 2), 1)
    (1, 2, 5, 3, 7, 6, 4)
    """
    if not 0 < seed < 2**bits:
        raise ValueError(f"seed {seed} of a register of {bits} bits")
    seen = [seed]
    while (state := next_state(seen[-1], bits, taps)) != seed:
        if len(seen) == 2**bits:
            raise ValueError(f"the seed {seed} never comes back with taps {taps}")
        seen.append(state)
    return tuple(seen)


class Draws:
    """The draws of a truncation point; every sample, operation and point takes the same ones."""

    def __init__(self, random: Mapping[str, Any]) -> None:
        """Read the settings' section ``random``; the register does not run before the first draw."""
        self.bits: int = random["bits"]
        self._taps = tuple(random["taps"])
        self._seed: int = random["seed"]

    def draw(self, number: int, mode: str) -> int:
        """Return the draw of value ``number``; 0 for modes that use none."""
        if not mode.startswith("stochastic"):
            return 0
        cycle = states(self.bits, self._taps, self._seed)
        return cycle[number % len(cycle)]
