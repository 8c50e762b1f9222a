"""Statistics of a network's tensors, collected from float runs; they stream and merge exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import DataError
from hwsim.network import Network
from hwsim.reference import walk

BINS = 1 << 16
"""One bin for each bfloat16: a float32 without its last 16 bits, so every bin is less than 1 % wide."""


@dataclass
class Statistics:
    """What the values of one tensor were: how many, from where to where, and how often about which value.

    channel_minimum, channel_maximum: (channels,) of the last axis.
    """

    count: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    channel_minimum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    channel_maximum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in more values."""
        flat = np.ascontiguousarray(values, np.float32).ravel()
        self.count += flat.size
        # unlike min(), these keep a NaN
        self.minimum = float(np.minimum(self.minimum, flat.min()))
        self.maximum = float(np.maximum(self.maximum, flat.max()))
        self.bins += np.bincount(flat.view(np.uint32) >> 16, minlength=BINS)
        rows = flat.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
        self._widen(rows.min(axis=0), rows.max(axis=0))

    def _widen(self, low: NDArray[Any], high: NDArray[Any]) -> None:
        first = self.channel_minimum.size == 0
        self.channel_minimum = np.asarray(low if first else np.minimum(self.channel_minimum, low), np.float64)
        self.channel_maximum = np.asarray(high if first else np.maximum(self.channel_maximum, high), np.float64)

    def merge(self, other: Statistics) -> None:
        """Take in what another part of the data gave."""
        self.count += other.count
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.bins += other.bins
        if other.channel_minimum.size:
            self._widen(other.channel_minimum, other.channel_maximum)

    @property
    def values(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The middles of the bins in which there are values, ascending, and how many each holds."""
        order, middles = _sorted_bins()
        counts = self.bins[order]
        return np.clip(middles[counts > 0], self.minimum, self.maximum), counts[counts > 0]

    def quantile(self, share: float) -> float:
        """Return the value below which ``share`` of all values lie, to the width of a bin (less than 1 %).

        The smallest and the largest value are exact.
        """
        if share * self.count <= 1:
            return self.minimum
        if share * self.count > self.count - 1:
            return self.maximum
        order, edges = _sorted_bins()
        below = np.cumsum(self.bins[order])
        index = int(np.searchsorted(below, share * self.count, side="left"))
        index = min(index, BINS - 1)
        return float(np.clip(edges[index], self.minimum, self.maximum))

    def range(self, method: str, percent: float) -> tuple[float, float]:
        """Return the real range that ``method`` (minmax or percentile) chooses."""
        if method == "percentile":
            return self.quantile(1 - percent / 100), self.quantile(percent / 100)
        return self.minimum, self.maximum


def _sorted_bins() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the bins from the most negative to the most positive value, and the middle of each."""
    patterns = (np.arange(BINS, dtype=np.uint32) << 16) | np.uint32(0x8000)
    reals = patterns.view(np.float32)
    middles = np.where(np.isnan(reals), np.float32(np.inf), reals).astype(np.float64)
    negative = np.arange(BINS) >= BINS // 2
    order = np.concatenate([np.arange(BINS)[negative][::-1], np.arange(BINS)[~negative]])
    return order.astype(np.int64), middles[order]


@dataclass
class Profile:
    """The statistics of every tensor of a network."""

    tensors: dict[str, Statistics]

    def merge(self, other: Profile) -> None:
        """Take in the profile of another part of the data."""
        for name, statistics in other.tensors.items():
            self.tensors[name].merge(statistics)


def profile(network: Network, blocks: Iterable[Sequence[NDArray[np.float32]]]) -> Profile:
    """Run the network in float on ``blocks`` of its inputs and collect the statistics of every tensor.

    Each block holds one array (n, …) for each input of the network. The result does not depend on how the data is cut
    as far as the float run does not. Raises DataError where the float run leaves the range of float32.
    """
    tensors: dict[str, Statistics] = {name: Statistics() for name in network.shapes}
    for block in blocks:
        for operation, _, values in walk(network, block):
            statistics = tensors[operation.name]
            statistics.add(values)
            if not np.isfinite([statistics.minimum, statistics.maximum]).all():
                raise DataError(
                    f"{operation.name}: the float run gives infinity or NaN; the data or the weights are too large"
                )
    return Profile(tensors)
