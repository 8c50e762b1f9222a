"""The figures of a report: plain values, ready to be printed, plotted and saved."""

from __future__ import annotations

from dataclasses import dataclass

FINEST = 8
"""A magnitude below 2**-FINEST LSB counts like 0 among ``TensorFigures.bits``."""


@dataclass(frozen=True, kw_only=True)
class PointFigures:
    """One row of the ledger: a layer's truncation point.

    ``kind_of_point`` is ``once`` (weights, biases), ``stage`` (a sum) or ``value``. Errors are in LSB of the point;
    ``*_real`` are root mean squares in real units. ``format`` reads like ``s20``; empty where the point only rounds.
    ``bits_needed`` and ``headroom`` are None where no value was looked at. ``bound`` is proved, not measured.
    ``histogram[j]`` counts values whose magnitude has j bits (empty if the point keeps none). ``sums`` is how many
    sums a stage handed up, over which ``clamp_rms_*`` are means; 0 at other points, whose means are over ``values``.
    ``channel_*`` have a figure for each channel: hits and the RMS of what they cost (empty without hits), bits needed
    (empty where no value was looked at; 0 for a channel without) and the bias of rounding (empty if all was exact).
    """

    layer: str
    kind: str
    point: str
    kind_of_point: str
    format: str
    bits: int | None
    overflow: str
    rounding: str
    values: int
    low: int
    high: int
    hit_rate: float
    transient: int
    persistent: int
    minimum: int | None
    maximum: int | None
    bits_needed: int | None
    headroom: int | None
    proven: bool
    bound: tuple[int, int] | None
    clamp_rms_lsb: float
    clamp_rms_real: float
    inexact: int
    round_bias_lsb: float
    round_rms_lsb: float
    round_rms_real: float
    first: str
    channel_hits: tuple[int, ...]
    histogram: tuple[int, ...]
    unit: float
    sums: int = 0
    channel_bits: tuple[int, ...] = ()
    channel_clamp_rms_lsb: tuple[float, ...] = ()
    channel_round_bias_lsb: tuple[float, ...] = ()

    @property
    def hits(self) -> int:
        """Values that came from outside the format."""
        return self.low + self.high


@dataclass(frozen=True, kw_only=True)
class LayerFigures:
    """One layer: its output against the float reference.

    ``sqnr_*_db`` are signal-to-quantisation-noise ratios in dB: *local* with the reference's own input rounded to the
    input's format, *cumulative* with what the integer run had before; infinite without error, None where it was not
    measured. ``rmse_lsb`` is the cumulative root mean square error in LSB of the output. ``path`` says how sums were
    computed. ``inputs`` are the names of the layers that it takes from.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    format: str
    scale: float | None
    zero_point: int | None
    path: str
    sqnr_local_db: float | None
    sqnr_cumulative_db: float | None
    rmse_lsb: float | None
    max_error: float | None
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OutputFigures:
    """One result of the network against float: over all samples, with those whose largest value moved.

    ``top1_agreement`` is None for results of one value; ``flips`` lists the first samples that changed (at most 1000).
    """

    name: str
    sqnr_db: float | None
    max_error: float | None
    top1_agreement: float | None
    flip_count: int
    flips: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FlipFigures:
    """One sample of a result whose largest value moved: from class ``before`` in the reference to ``after``.

    A margin is the largest value less the second largest, in real units, so 0 is a tie (which the first class wins):
    ``margin_before`` in the reference, ``margin_after`` in the integer run.
    """

    result: str
    sample: int
    before: int
    after: int
    margin_before: float
    margin_after: float


@dataclass(frozen=True, kw_only=True)
class TensorFigures:
    """How real values lie about the codes of a tensor: a layer's ``output``, in the reference, or its ``weight``.

    All in LSB, values less the zero point: the format holds ``low`` to ``high``, values lie from ``minimum`` to
    ``maximum``. ``scale`` is one LSB in real units, None where channels have scales of their own. ``values`` were
    looked at: at most about 2**16, of the first samples. ``bits[j]`` counts magnitudes from 2**(j - 1 - FINEST) to
    below 2**(j - FINEST), ``bits[0]`` smaller ones and 0. ``counts`` are bins of equal width. ``outside`` values lie
    more than half an LSB outside the format, ``below`` are not 0 but less than half an LSB.
    """

    layer: str
    tensor: str
    format: str
    scale: float | None
    low: int
    high: int
    values: int
    minimum: float
    maximum: float
    outside: int
    below: int
    bits: tuple[int, ...]
    counts: tuple[int, ...]
