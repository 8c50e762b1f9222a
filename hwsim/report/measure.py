"""Measure the integer run against the float reference, layer by layer, while both stream by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine import Ledger, Row
from hwsim.engine.exact import datapath
from hwsim.engine.ledger import UNITS_OF_ROUNDING
from hwsim.engine.storage import storage
from hwsim.errors import DataError
from hwsim.formats import Overflow, bits_needed
from hwsim.network import Network
from hwsim.program import Program
from hwsim.program.records import Codes, Decode, IntOperation, MultiplyAccumulate, Tensor
from hwsim.report.exact import ExactSum
from hwsim.report.figures import FlipFigures, LayerFigures, OutputFigures, PointFigures, TensorFigures
from hwsim.report.spread import tensor_figures
from hwsim_kernels.counting import (
    CLAMP_ENERGY,
    MAXIMUM,
    MINIMUM,
    NEVER,
    ROUND_BIAS,
    SUMS,
    VALUES,
    WIDE_MAXIMUM,
    WIDE_MINIMUM,
    long_sum,
    value_range,
)
from hwsim_kernels.measure import ERROR, LARGEST, SIGNAL, compare, nearest

Array = NDArray[Any]

MOST_FLIPS = 1000


@dataclass
class Noise:
    """The energies of a signal and of its error, summed exactly, and the largest error."""

    signal: ExactSum = field(default_factory=ExactSum)
    error: ExactSum = field(default_factory=ExactSum)
    largest: float = 0.0
    values: int = 0

    def add(self, figures: NDArray[np.float64], values: int) -> None:
        """Take in what ``compare`` found, (samples, 3), in samples of so many values each."""
        self.signal.add(figures[:, SIGNAL].tolist())
        self.error.add(figures[:, ERROR].tolist())
        self.largest = max(self.largest, float(figures[:, LARGEST].max()))
        self.values += len(figures) * values

    @property
    def sqnr_db(self) -> float | None:
        """The signal-to-quantisation-noise ratio in dB: infinite without error, None before anything was measured."""
        if not self.values:
            return None
        signal, error = float(self.signal), float(self.error)
        if error == 0:
            return math.inf
        return 10 * math.log10(signal / error) if signal > 0 else -math.inf

    @property
    def rmse(self) -> float | None:
        """The root mean square error in real units, None before anything was measured."""
        return math.sqrt(float(self.error) / self.values) if self.values else None


@dataclass
class Agreement:
    """How often the largest value of a result stays where float has it; along the last axis."""

    positions: int = 0
    agreeing: int = 0
    flips: list[int] = field(default_factory=list)
    flip_count: int = 0
    changes: list[FlipFigures] = field(default_factory=list)

    def add(self, reference: Array, result: Array, first_sample: int, name: str, tensor: Tensor) -> None:
        """Take in a block (n, classes) of the result ``name``, as codes of ``tensor`` (values if it has no format)."""
        same = (reference.argmax(axis=-1) == result.argmax(axis=-1)).reshape(len(reference), -1)
        self.positions += same.size
        self.agreeing += int(same.sum())
        flipped = np.flatnonzero(~same.all(axis=1)) + first_sample
        self.flip_count += flipped.size
        kept = flipped[: MOST_FLIPS - len(self.flips)]
        self.flips.extend(kept.tolist())
        for sample in kept.tolist():
            exact, found = reference[sample - first_sample], result[sample - first_sample]
            self.changes.append(
                FlipFigures(
                    result=name,
                    sample=sample,
                    before=int(exact.argmax()),
                    after=int(found.argmax()),
                    margin_before=margin(exact),
                    margin_after=margin(found if tensor.format is None else tensor.real(found)),
                )
            )


def margin(values: Array) -> float:
    """Return the largest value less the second largest of (classes,), at least two, in float64."""
    second, largest = np.sort(values.astype(np.float64))[-2:]
    return float(largest - second)


class Measurement:
    """The comparison of a program's run with the float reference, one entry a layer and one a result."""

    def __init__(self, program: Program, outputs: Mapping[str, bool]) -> None:
        """Begin; ``outputs`` says of each result of the network whether its last axis holds classes."""
        self.program = program
        self.local = {one.layer: Noise() for one in program.operations}
        self.cumulative = {one.layer: Noise() for one in program.operations}
        self.outputs_of = outputs
        self.agreement = {name: Agreement() for name, classes in outputs.items() if classes}
        self.tensors: dict[str, TensorFigures | None] = {}

    def add(self, one: IntOperation, found: NDArray[np.float64]) -> None:
        """Take in the ``figures`` of some samples of a layer's result, and of what it gives for the reference's input.

        Raises DataError where the float run left the range of float32.
        """
        if not np.isfinite(found[..., SIGNAL]).all():
            raise DataError(f"{one.layer}: the float run gives infinity or NaN; the data or the weights are too large")
        for noise, each in zip((self.cumulative, self.local), found.swapaxes(0, 1), strict=False):
            noise[one.layer].add(each, prod(one.output.shape))

    def agree(self, one: IntOperation, reference: Array, codes: Array, first_sample: int) -> None:
        """Take in whether a result decides as the reference does, where it decides."""
        if one.layer in self.agreement:
            self.agreement[one.layer].add(reference, codes, first_sample, one.layer, one.output)

    def look(self, one: IntOperation, reference: Array) -> None:
        """Note how a layer's values lie in the reference (n, …), the first time they are given."""
        if one.layer not in self.tensors:
            self.tensors[one.layer] = tensor_figures(one.layer, one.output, reference)

    def spreads(self) -> tuple[TensorFigures, ...]:
        """Return how the values of every layer lie."""
        return tuple(one for one in self.tensors.values() if one is not None)

    def layers(self) -> tuple[LayerFigures, ...]:
        """Return the figures of every layer, in the order of the network."""
        layers: dict[str, list[IntOperation]] = {}
        for one in self.program.operations:
            if not isinstance(one, Decode):
                layers.setdefault(one.layer, []).append(one)
        return tuple(self._layer(operations) for operations in layers.values())

    @cached_property
    def _makers(self) -> dict[str, str]:
        """The layer that makes each tensor."""
        return {one.output.name: one.layer for one in self.program.operations}

    def _inputs(self, operations: Sequence[IntOperation]) -> tuple[str, ...]:
        """Return the layers that one takes from, each once, in the order of its inputs."""
        read = [self._makers.get(name, name) for one in operations for name in one.inputs]
        return tuple(dict.fromkeys(name for name in read if name != operations[-1].layer))

    def _layer(self, operations: Sequence[IntOperation]) -> LayerFigures:
        one = operations[-1]
        tensor, cumulative = one.output, self.cumulative[one.layer]
        rmse = cumulative.rmse
        return LayerFigures(
            name=one.layer,
            kind=one.kind,
            shape=tensor.shape,
            format="float" if tensor.format is None else str(tensor.format),
            scale=None if tensor.format is None else tensor.scale,
            zero_point=None if tensor.format is None else tensor.zero_point,
            path=path_of(operations[0]),
            sqnr_local_db=self.local[one.layer].sqnr_db,
            sqnr_cumulative_db=cumulative.sqnr_db,
            rmse_lsb=None if rmse is None or tensor.format is None else rmse / tensor.scale,
            max_error=cumulative.largest if cumulative.values else None,
            inputs=self._inputs(operations),
        )

    def outputs(self) -> tuple[OutputFigures, ...]:
        """Return the figures of every result of the network."""
        return tuple(self._output(name) for name in self.outputs_of)

    def flips(self) -> tuple[FlipFigures, ...]:
        """Return the samples that decide otherwise than the reference, result by result."""
        return tuple(change for one in self.agreement.values() for change in one.changes)

    def _output(self, name: str) -> OutputFigures:
        agreement = self.agreement.get(name, Agreement())
        noise = self.cumulative[name]
        return OutputFigures(
            name=name,
            sqnr_db=noise.sqnr_db,
            max_error=noise.largest if noise.values else None,
            top1_agreement=agreement.agreeing / agreement.positions if agreement.positions else None,
            flip_count=agreement.flip_count,
            flips=tuple(agreement.flips),
        )


def classified(network: Network) -> dict[str, bool]:
    """Say of each result whether its largest value is a decision: a vector, but no copy of an input's shape."""
    shapes = network.shapes
    given = {one.shape for one in network.inputs}
    return {
        name: len(shapes[name]) == 1 and shapes[name][-1] > 1 and shapes[name] not in given for name in network.outputs
    }


def figures(tensor: Tensor, exact: Array, codes: Array, local: Array | None = None) -> NDArray[np.float64]:
    """Return how far results (samples, …) are from ``exact``: (samples, results, 3), as ``compare`` has it."""
    if tensor.format is None:
        return np.stack([_apart(flat(exact), flat(one)) for one in (codes, local) if one is not None], axis=1)
    out = np.empty((len(exact), 2, 3))
    how = tensor.scale, float(tensor.zero_point)
    compare(flat(exact), flat(codes), flat(codes if local is None else local), *how, out)
    return out if local is not None else out[:, :1]


def _apart(exact: Array, reals: Array) -> NDArray[np.float64]:
    """Return what ``compare`` finds (samples, 3) of what the host computed: too few values to compile a kernel for."""
    exact, error = exact.astype(np.float64), np.abs(reals - exact.astype(np.float64))
    return np.stack([np.square(exact).sum(axis=1), np.square(error).sum(axis=1), error.max(axis=1)], axis=1)


def nearest_codes(tensor: Tensor, reference: Array) -> Array:
    """Return the codes of a tensor that are nearest to the reference's values."""
    form = tensor.format
    assert form is not None
    if tensor.levels:
        levels = np.asarray(tensor.levels, np.float64)
        index = np.searchsorted(levels[:-1] + levels[1:], 2 * reference.astype(np.float64) / tensor.scale, side="right")
        return (index + form.minimum).astype(storage(form))
    if tensor.shift:
        codes = np.rint(reference.astype(np.float64) / tensor.scales)
        return np.clip(codes, form.minimum, form.maximum).astype(storage(form))
    out = np.empty(reference.shape, storage(form))
    how = (tensor.scale, float(tensor.zero_point), float(form.minimum), float(form.maximum))
    nearest(flat(reference), *how, out.reshape(len(out), -1))
    return out


def flat(values: Array) -> Array:
    """Return values as (samples, values), read-only so that kernels meet one type of array alone."""
    rows = np.ascontiguousarray(values).reshape(len(values), -1)
    rows.flags.writeable = False
    return rows


def path_of(one: IntOperation) -> str:
    """Say how an operation's sums are computed, and why that is exact, whatever the machine's tier."""
    if not isinstance(one, MultiplyAccumulate):
        return ""
    if one.exact:
        return "any order: proved that nothing can be lost"
    if datapath(one).saturates:
        return "any order where a sum is proved never to leave its register, else step by step in the declared order"
    return "step by step in the declared order"


def point_figures(ledger: Ledger) -> tuple[PointFigures, ...]:
    """Return the figures of every truncation point, in the order of the network and of the datapath."""
    weights = {one.layer: one.weights for one in ledger.program.operations if isinstance(one, MultiplyAccumulate)}
    return tuple(
        replace(point_of(row), relative_error=relative_error(row, weights[row.layer]))
        if row.point.name == "weight" and row.layer in weights
        else point_of(row)
        for row in ledger
    )


def relative_error(row: Row, weights: Codes) -> float | None:
    """Return the error of weights by the weights, integers (groups, steps, outputs of a group): both root mean squares.

    Channels count alike, however large their weights are, as whatever reads a channel makes up for its size. Where all
    of a channel becomes 0 all of it is error. None for weights that are 0 everywhere, and where nothing was counted.
    """
    error = np.asarray(row.round_energies, np.float64) + np.asarray(row.clamp_energies, np.float64)
    signal = np.maximum(np.square(weights.astype(np.float64)).sum(axis=1).reshape(-1), error)
    some = signal > 0
    return math.sqrt(float((error[some] / signal[some]).mean())) if some.any() and row.values else None


def point_of(row: Row) -> PointFigures:
    """Return the figures of one row of the ledger."""
    point, seen = row.point, row.seen
    form = point.format
    return PointFigures(
        layer=row.layer,
        kind=row.kind,
        point=point.name,
        kind_of_point="once" if point.once else "stage" if point.stage else "value",
        format="" if form is None else str(form),
        bits=None if form is None else form.bits,
        overflow=overflow_text(point.overflow, point.saturated_bits),
        rounding="" if point.rounding is None else str(point.rounding),
        values=row.values,
        sums=row.sums if point.stage else 0,
        low=row.low,
        high=row.high,
        hit_rate=row.hit_rate,
        transient=row.transient,
        persistent=row.persistent,
        minimum=None if seen is None else seen[0],
        maximum=None if seen is None else seen[1],
        bits_needed=row.bits_needed,
        headroom=row.headroom,
        proven=point.proven,
        bound=point.bound,
        clamp_rms_lsb=row.clamp_rms,
        clamp_rms_real=mean_root(row.clamp_energy_real, row.sums),
        inexact=row.inexact,
        round_bias_lsb=row.round_bias,
        round_rms_lsb=row.round_rms,
        round_rms_real=mean_root(row.round_energy_real, row.values),
        first="" if row.first is None else str(row.first),
        channel_hits=channel_hits(row),
        channel_bits=channel_bits(row),
        channel_clamp_rms_lsb=channel_clamp_rms(row),
        channel_round_bias_lsb=channel_round_bias(row),
        histogram=tuple(row.histogram.tolist()) if row.histogram.any() else (),
        unit=float(np.median(point.unit)),
    )


def overflow_text(overflow: Overflow | None, saturated_bits: int) -> str:
    """Return an overflow mode as it reads in a table."""
    if overflow is None:
        return ""
    return f"{overflow} ({saturated_bits})" if saturated_bits else str(overflow)


def channel_hits(row: Row) -> tuple[int, ...]:
    """Return the hits of each channel, or nothing where there were none."""
    hits = row.counts[1] + row.counts[2]
    return tuple(hits.tolist()) if hits.any() else ()


def channel_bits(row: Row) -> tuple[int, ...]:
    """Return the bits that each channel needs, 0 where none was looked at; nothing without a format or any value."""
    form = row.point.format
    if form is None or row.seen is None:
        return ()
    if not (row.counts[WIDE_MINIMUM] == NEVER).all() or not (row.counts[WIDE_MAXIMUM] == -NEVER).all():
        return tuple(
            0 if low is None and high is None else bits_needed(*_ordered(low, high), signed=form.signed)
            for low, high in value_range(row.counts)
        )
    # most points have hundreds of channels, none of them with a value of two words
    low, high = row.counts[MINIMUM], row.counts[MAXIMUM]
    none = (low == NEVER) & (high == -NEVER)
    low, high = np.where(low == NEVER, high, low), np.where(high == -NEVER, low, high)
    bits = np.maximum(bit_lengths(low ^ (low >> 63)), bit_lengths(high ^ (high >> 63))) + 1
    if not form.signed:
        bits = np.where(low < 0, bits, np.maximum(bits - 1, 1))
    return tuple(np.where(none, 0, bits).tolist())


def bit_lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bits of integers that are not negative.

    >>> bit_lengths(np.array([0, 1, 3, 4, 2**62 - 1])).tolist()
    [0, 1, 2, 3, 62]
    """
    return np.searchsorted(1 << np.arange(63, dtype=np.int64), values, side="right")


def _ordered(low: int | None, high: int | None) -> tuple[int, int]:
    """Return both ends; of a point that notes only what lies outside, one of them may be missing."""
    ends = [one for one in (low, high) if one is not None]
    return min(ends), max(ends)


def channel_clamp_rms(row: Row) -> tuple[float, ...]:
    """Return the RMS error that clamping injected into each channel, in LSB, or nothing where there were no hits."""
    if not row.hits:
        return ()
    sums = row.counts[SUMS if row.point.stage else VALUES].tolist()
    energies = long_sum(row.counts, CLAMP_ENERGY)
    return tuple(four_digits(mean_root(energy, count)) for energy, count in zip(energies, sums, strict=True))


def channel_round_bias(row: Row) -> tuple[float, ...]:
    """Return the mean error of rounding in each channel, in LSB, or nothing where all was exact."""
    if not row.inexact:
        return ()
    values = np.maximum(row.counts[VALUES], 1) * UNITS_OF_ROUNDING
    return tuple(map(four_digits, (row.counts[ROUND_BIAS] / values).tolist()))


def four_digits(value: float) -> float:
    """Return a figure as short as it is read."""
    return float(f"{value:.4g}")


def mean_root(energy: float, values: int) -> float:
    """Return the root of the mean of an energy over values."""
    return math.sqrt(energy / values) if values else 0.0
