"""How far two sets of results are apart: the energy of the difference, and the decisions that differ."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Outputs = Mapping[str, NDArray[Any]]
"""Real values (samples, …) of each result of a network, by name."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The difference of some results from others.

    ``noise`` is the energy of the difference by the energy of the signal, of the result where that is largest: 0
    without a difference. ``flips`` counts decisions that differ, of ``decisions`` in all; 0 of 0 for a network that
    decides nothing.
    """

    noise: float
    flips: int
    decisions: int

    @property
    def sqnr_db(self) -> float:
        """The signal-to-quantisation-noise ratio in dB, infinite without a difference."""
        return math.inf if self.noise == 0 else -10 * math.log10(self.noise) if self.noise < math.inf else -math.inf

    @property
    def top1(self) -> float | None:
        """The share of decisions that agree, None where nothing is decided."""
        return (self.decisions - self.flips) / self.decisions if self.decisions else None


def compare(first: Outputs, second: Outputs, deciding: Collection[str], signal: Outputs | None = None) -> Figures:
    """Return how far ``second`` is from ``first``; the last axis of results named in ``deciding`` holds classes.

    The energy of the difference is by that of ``signal``, without which it is by that of ``first``.
    """
    noise, flips, decisions = 0.0, 0, 0
    for name, exact in first.items():
        wide = exact.astype(np.float64)
        energy = float(np.square((first if signal is None else signal)[name].astype(np.float64)).sum())
        error = float(np.square(second[name] - wide).sum())
        noise = max(noise, error / energy if energy > 0 else math.inf if error > 0 else 0.0)
        if name in deciding:
            flips += int((exact.argmax(axis=-1) != second[name].argmax(axis=-1)).sum())
            decisions += len(exact)
    return Figures(noise=noise, flips=flips, decisions=decisions)
