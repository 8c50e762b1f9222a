"""Statistics of a network's tensors, collected from float runs; they stream and merge exactly."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Data, Samples
from hwsim.errors import DataError, HwsimError
from hwsim.loaders import load_for_data
from hwsim.network import Add, Network, Operation, Weighted
from hwsim.progress import tracked
from hwsim.quantize.exact import integers, moments
from hwsim.quantize.shown import OUTLYING, frame, html, summary
from hwsim.reference import run_operation, walk
from hwsim_kernels.moments import MOST_ROWS, SQUARE_DIGITS, SUM_DIGITS, add_moments, carry

if TYPE_CHECKING:
    import keras
    import pandas as pd

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 32
"""Samples that go through the float run together."""

BINS = 1 << 16
"""One bin for each bfloat16: a float32 without its last 16 bits, so every bin is less than 1 % wide."""


@dataclass(eq=False)
class Statistics:
    """What the values of one tensor were: how many, from where to where, and how often about which value.

    channel_minimum, channel_maximum: (channels,) of the last axis. sums, squares: (channels, digits), the exact sums of
    each channel's values and of their squares, as ``hwsim_kernels.moments`` holds them. All of it is the same in
    whatever order and parts the values came: equal statistics are ``==``.
    """

    count: int = 0
    minimum: float = np.inf
    maximum: float = -np.inf
    bins: Ints = field(default_factory=lambda: np.zeros(BINS, np.int64))
    channel_minimum: Reals = field(default_factory=lambda: np.zeros(0))
    channel_maximum: Reals = field(default_factory=lambda: np.zeros(0))
    sums: Ints = field(default_factory=lambda: np.zeros((0, SUM_DIGITS), np.int64))
    squares: Ints = field(default_factory=lambda: np.zeros((0, SQUARE_DIGITS), np.int64))

    __hash__ = None  # type: ignore[assignment]  # they change

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statistics):
            return NotImplemented
        same = (self.count, self.minimum, self.maximum) == (other.count, other.minimum, other.maximum)
        return same and all(map(np.array_equal, self._arrays(), other._arrays()))

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.bins, self.channel_minimum, self.channel_maximum, self.sums, self.squares

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in more values: samples (n, …, channels)."""
        rows = np.ascontiguousarray(values, np.float32).reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
        self.count += rows.size
        # unlike min(), these keep a NaN
        self.minimum = float(np.minimum(self.minimum, rows.min()))
        self.maximum = float(np.maximum(self.maximum, rows.max()))
        if not np.isfinite([self.minimum, self.maximum]).all():
            self.bins += np.bincount(rows.ravel().view(np.uint32) >> 16, minlength=BINS)
            return
        self._begin(rows.shape[1])
        rows = rows.view()
        # some are, and Numba would compile the kernel for either kind
        rows.flags.writeable = False
        for first in range(0, len(rows), MOST_ROWS):
            part = rows[first : first + MOST_ROWS]
            add_moments(part, part.view(np.uint32), *self._arrays())

    def _begin(self, channels: int) -> None:
        """Make room for so many channels, unless there is; raise ValueError if there is room for another number."""
        if len(self.sums) not in (0, channels):
            raise ValueError(f"statistics of {len(self.sums)} channels take no values of {channels}")
        if not self.sums.size:
            self.channel_minimum, self.channel_maximum = np.full(channels, np.inf), np.full(channels, -np.inf)
            self.sums = np.zeros((channels, SUM_DIGITS), np.int64)
            self.squares = np.zeros((channels, SQUARE_DIGITS), np.int64)

    def merge(self, other: Statistics) -> None:
        """Take in what another part of the data gave."""
        self.count += other.count
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.bins += other.bins
        if other.sums.size:
            self._begin(len(other.sums))
            self.channel_minimum = np.minimum(self.channel_minimum, other.channel_minimum)
            self.channel_maximum = np.maximum(self.channel_maximum, other.channel_maximum)
            self.sums += other.sums
            self.squares += other.squares
            carry(self.sums)
            carry(self.squares)

    @property
    def channel_mean(self) -> Reals:
        """The mean of each channel, (channels,)."""
        return self._channel_moments()[:, 0]

    @property
    def channel_deviation(self) -> Reals:
        """The standard deviation of each channel, (channels,)."""
        return self._channel_moments()[:, 1]

    def _channel_moments(self) -> Reals:
        """Return mean and deviation of each channel, (channels, 2)."""
        each = self.count // max(len(self.sums), 1)
        pairs = zip(integers(self.sums), integers(self.squares), strict=True)
        return np.array([moments(total, square, each) for total, square in pairs], np.float64).reshape(-1, 2)

    @property
    def mean(self) -> float:
        """The mean of all values; NaN of none."""
        return self._moments()[0]

    @property
    def deviation(self) -> float:
        """The standard deviation of all values; NaN of none."""
        return self._moments()[1]

    def _moments(self) -> tuple[float, float]:
        if not self.sums.size:
            return math.nan, math.nan
        return moments(sum(integers(self.sums)), sum(integers(self.squares)), self.count)

    @property
    def zeros(self) -> float:
        """The share of values that are 0, or smaller than 2**-133."""
        return float(self.bins[0] + self.bins[BINS // 2]) / self.count if self.count else math.nan

    def outliers(self, deviations: float = OUTLYING) -> float:
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


@dataclass
class Profile:
    """The statistics of every tensor of a network; the steps of a loop make the same one (``Operation.tensor``).

    If asked for, ``accumulators`` are those of sums before their activation, and ``channels`` those of each channel of
    some tensors. Profiles of the same values are ``==``, in whatever parts they were seen.
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

    def save(self, path: str | Path) -> None:
        """Write the profile to one .npz file, whole or not at all."""
        from hwsim.quantize.profile_file import save

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Profile:
        """Read a profile; raises DataError if the file is missing, damaged, something else or of another version."""
        from hwsim.quantize.profile_file import load

        return load(Path(path))

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
    found = Profile({one.tensor: Statistics() for one in network.operations})
    found.channels = {name: [Statistics() for _ in range(network.shapes[name][-1])] for name in channels}
    for block in blocks:
        for operation, inputs, values in walk(network, block):
            found.tensors[operation.tensor].add(values)
            _refuse_beyond(operation, found.tensors[operation.tensor])
            for number, one in enumerate(found.channels.get(operation.name, ())):
                one.add(values[..., number : number + 1])
            if accumulators and isinstance(operation, Weighted | Add):
                sums = found.accumulators.setdefault(operation.tensor, Statistics())
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
    network, _, (data,) = load_for_data(model, (data,))
    samples = Samples(data, network.inputs)
    with tracked("profiling in float", samples.count) as advance:

        def counted() -> Iterator[Sequence[NDArray[np.float32]]]:
            for block in samples.blocks(BLOCK):
                yield block
                advance(len(block[0]))

        return collect(network, counted(), accumulators=accumulators, channels=channels)
