"""Statistics of a network's tensors, collected from float runs; they stream and merge exactly."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Data, Samples
from hwsim.errors import DataError, HwsimError
from hwsim.loaders import load
from hwsim.network import Add, Network, Operation, Weighted
from hwsim.progress import tracked
from hwsim.quantize.exact import ExactSums
from hwsim.quantize.shown import frame, html, summary
from hwsim.reference import run_operation, walk

if TYPE_CHECKING:
    import keras
    import pandas as pd

Reals = NDArray[np.float64]

BLOCK = 32
"""Samples that go through the float run together."""

BINS = 1 << 16
"""One bin for each bfloat16: a float32 without its last 16 bits, so every bin is less than 1 % wide."""


@dataclass
class Statistics:
    """What the values of one tensor were: how many, from where to where, and how often about which value.

    channel_minimum, channel_maximum: (channels,) of the last axis. sums, squares: exact sums, over all samples, of each
    sample's sum of values, and of their squares, in float64, for each channel.
    """

    count: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    channel_minimum: Reals = field(default_factory=lambda: np.zeros(0))
    channel_maximum: Reals = field(default_factory=lambda: np.zeros(0))
    sums: ExactSums | None = None
    squares: ExactSums | None = None

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in more values: samples (n, …, channels)."""
        flat = np.ascontiguousarray(values, np.float32).ravel()
        self.count += flat.size
        # unlike min(), these keep a NaN
        self.minimum = float(np.minimum(self.minimum, flat.min()))
        self.maximum = float(np.maximum(self.maximum, flat.max()))
        self.bins += np.bincount(flat.view(np.uint32) >> 16, minlength=BINS)
        if not np.isfinite([self.minimum, self.maximum]).all():
            return
        channels = values.shape[-1] if values.ndim > 1 else 1
        rows = flat.reshape(-1, channels)
        self._widen(rows.min(axis=0), rows.max(axis=0))
        # sample by sample, so that a sum does not depend on how many are there
        samples = flat.reshape(len(values), -1, channels)
        found = np.empty((2, len(values), channels))
        for number, sample in enumerate(samples):
            wide = sample.astype(np.float64)
            found[0, number] = wide.sum(axis=0)
            found[1, number] = np.square(wide, out=wide).sum(axis=0)
        self._totals(channels)[0].add(found[0])
        self._totals(channels)[1].add(found[1])

    def _totals(self, channels: int) -> tuple[ExactSums, ExactSums]:
        if self.sums is None or self.squares is None:
            self.sums, self.squares = ExactSums(channels), ExactSums(channels)
        return self.sums, self.squares

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
        if other.sums is not None and other.squares is not None:
            sums, squares = self._totals(other.sums.channels)
            sums.merge(other.sums)
            squares.merge(other.squares)

    @property
    def channel_mean(self) -> Reals:
        """The mean of each channel, (channels,)."""
        return self._channel_moments()[0]

    @property
    def channel_deviation(self) -> Reals:
        """The standard deviation of each channel, (channels,)."""
        return self._channel_moments()[1]

    def _channel_moments(self) -> tuple[Reals, Reals]:
        if self.sums is None or self.squares is None:
            return np.zeros(0), np.zeros(0)
        each = Fraction(self.count, self.sums.channels)
        pairs = zip(self.sums.totals(), self.squares.totals(), strict=True)
        moments = [_moments(total, square, each) for total, square in pairs]
        return np.array([mean for mean, _ in moments]), np.array([deviation for _, deviation in moments])

    @property
    def mean(self) -> float:
        """The mean of all values; NaN of none."""
        return self._moments()[0]

    @property
    def deviation(self) -> float:
        """The standard deviation of all values; NaN of none."""
        return self._moments()[1]

    def _moments(self) -> tuple[float, float]:
        if self.sums is None or self.squares is None:
            return math.nan, math.nan
        return _moments(sum(self.sums.totals()), sum(self.squares.totals()), Fraction(self.count))

    @property
    def zeros(self) -> float:
        """The share of values that are 0, or smaller than 2**-133."""
        return float(self.bins[0] + self.bins[BINS // 2]) / self.count if self.count else math.nan

    def outliers(self, deviations: float = 4.0) -> float:
        """Return the share of values further than so many standard deviations from the mean, to the width of a bin."""
        values, counts = self.values
        return float(counts[np.abs(values - self.mean) > deviations * self.deviation].sum()) / max(self.count, 1)

    @property
    def spread(self) -> float:
        """How many bits the ranges of channels differ by: log2 of the largest magnitude over the median one."""
        reach = np.maximum(-self.channel_minimum, self.channel_maximum)
        reach = reach[reach > 0]
        return float(np.log2(reach.max() / np.median(reach))) if reach.size else 0.0

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


def _moments(total: Fraction | int, square: Fraction | int, count: Fraction) -> tuple[float, float]:
    """Return mean and standard deviation from exact sums."""
    mean = Fraction(total) / count
    return float(mean), math.sqrt(max(Fraction(square) / count - mean**2, Fraction(0)))


@dataclass
class Profile:
    """The statistics of every tensor of a network.

    If asked for, ``accumulators`` are those of sums before their activation, and ``channels`` those of each channel of
    some tensors.
    """

    tensors: dict[str, Statistics]
    accumulators: dict[str, Statistics] = field(default_factory=dict)
    channels: dict[str, list[Statistics]] = field(default_factory=dict)

    def merge(self, other: Profile) -> None:
        """Take in the profile of another part of the data."""
        for mine, theirs in ((self.tensors, other.tensors), (self.accumulators, other.accumulators)):
            for name, statistics in theirs.items():
                mine.setdefault(name, Statistics()).merge(statistics)
        for name, theirs_of in other.channels.items():
            mine_of = self.channels.setdefault(name, [Statistics() for _ in theirs_of])
            for one, its in zip(mine_of, theirs_of, strict=True):
                one.merge(its)

    def rows(self) -> list[tuple[str, Statistics]]:
        """Return every tensor with its name, and every accumulator behind its layer's name."""
        return [
            *self.tensors.items(),
            *((f"{name} (accumulator)", statistics) for name, statistics in self.accumulators.items()),
        ]

    def __str__(self) -> str:
        return summary(self.rows())

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each tensor: count, range, moments, shares, quantiles."""
        return frame(self.rows())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table with a small histogram for each tensor."""
        return html(self.rows())


def collect(
    network: Network,
    blocks: Iterable[Sequence[NDArray[np.float32]]],
    *,
    accumulators: bool = False,
    channels: Collection[str] = (),
) -> Profile:
    """Run the network in float on ``blocks`` of its inputs and collect the statistics of every tensor.

    Each block holds one array (n, …) for each input of the network. The result does not depend on how the data is cut
    as far as the float run does not. ``accumulators``: also of the sums before their activations, which takes a second
    float run. ``channels`` names tensors of which each channel is seen on its own, in half a MiB for each channel.
    Raises DataError where the float run leaves the range of float32, HwsimError for names that the network does not
    have.
    """
    strangers = sorted(set(channels) - set(network.shapes))
    if strangers:
        raise HwsimError(f"{network.name!r} has no tensor {', '.join(strangers)}")
    found = Profile({name: Statistics() for name in network.shapes})
    found.channels = {name: [Statistics() for _ in range(network.shapes[name][-1])] for name in channels}
    for block in blocks:
        for operation, inputs, values in walk(network, block):
            found.tensors[operation.name].add(values)
            _refuse_beyond(operation, found.tensors[operation.name])
            for number, one in enumerate(found.channels.get(operation.name, ())):
                one.add(values[..., number : number + 1])
            if accumulators and isinstance(operation, Weighted | Add):
                sums = found.accumulators.setdefault(operation.name, Statistics())
                sums.add(run_operation(replace(operation, activation=None), inputs))
                _refuse_beyond(operation, sums)
    return found


def _refuse_beyond(operation: Operation, statistics: Statistics) -> None:
    if not np.isfinite([statistics.minimum, statistics.maximum]).all():
        raise DataError(f"{operation.name}: the float run gives infinity or NaN; the data or the weights are too large")


def profile(
    model: keras.Model | Network | str | Path,
    data: Data,
    *,
    accumulators: bool = False,
    channels: Collection[str] = (),
) -> Profile:
    """Return the statistics of every tensor of a model, from a float run on ``data``.

    model, data: as ``hwsim.run`` takes them. ``accumulators``: also of the sums before their activations. ``channels``:
    names of tensors of which each channel is also seen on its own. Raises ModelError, UnsupportedError and DataError
    for what cannot be read or run, HwsimError for unknown names.
    """
    network = load(model)
    samples = Samples(data, [(one.name, one.shape) for one in network.inputs])
    with tracked("profiling in float", samples.count) as advance:

        def counted() -> Iterator[Sequence[NDArray[np.float32]]]:
            for block in samples.blocks(BLOCK):
                yield block
                advance(len(block[0]))

        return collect(network, counted(), accumulators=accumulators, channels=channels)
