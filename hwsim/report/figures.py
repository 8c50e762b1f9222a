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
    ``margin_before`` in the reference, ``margin_after`` in the integer run. ``mended_by`` names the layers and points
    ("stem accumulator") each of which, lifted alone, gives the reference's class back, what costs most first; None
    where that was not tried (``hwsim.attribute``).
    """

    result: str
    sample: int
    before: int
    after: int
    margin_before: float
    margin_after: float
    mended_by: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class WaterfallFigures:
    """The network's results against float when so much of the target is real, and all else as good as ideal.

    ``step`` is "ideal", "weights", "activations", "accumulator" or "rounding"; each step keeps those before it, so that
    the last one is the run itself. ``top1`` is None where nothing is decided. ``not_ideal`` names what this step should
    not have but has, since it cannot be lifted.
    """

    step: str
    sqnr_db: float
    flips: int
    top1: float | None
    not_ideal: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CostFigures:
    """What the truncation points of a layer that are lifted together do to the results of the network.

    ``point`` is the name of the group ``points``. ``state`` is "matters", "negligible", "nothing lost" (on these
    samples), "not lifted" or "not tried" (by a quick estimate). *Lifted*: all else as it is, ``sqnr_lifted_db`` against
    float, ``gain_db`` more than the run; ``moves`` is the energy by which the results move, by that of the run's error;
    ``changed`` decisions differ from the run's, ``mended`` of them become float's again. *Alone*: all else as good as
    ideal, ``sqnr_alone_db`` and ``flips_alone`` against float. ``cost`` ranks: the energy of the error that goes with
    the point, by that of the run's error, as the mean of what it adds alone and what it takes off lifted. None is what
    was not measured, ``note`` says why not, and ``how`` how it was lifted.
    """

    layer: str
    kind: str
    point: str
    points: tuple[str, ...]
    state: str
    cost: float | None = None
    moves: float | None = None
    gain_db: float | None = None
    changed: int | None = None
    mended: int | None = None
    sqnr_lifted_db: float | None = None
    sqnr_alone_db: float | None = None
    flips_alone: int | None = None
    how: str = ""
    note: str = ""

    @property
    def folded(self) -> bool:
        """Whether the points can be left out of sight."""
        return self.state in ("negligible", "nothing lost")


@dataclass(frozen=True, kw_only=True)
class AdviceFigures:
    """A change of the target, or a technique, and what it was measured to give on the attributed samples.

    ``yaml`` is what to paste into the target file (empty for a technique), ``technique`` the name for
    ``hwsim.run(techniques=...)``. ``gain_db`` and ``flips`` are those of the changed run, beside ``flips_before``.
    """

    text: str
    yaml: str = ""
    technique: str = ""
    sqnr_db: float
    gain_db: float
    flips: int
    flips_before: int
    top1: float | None
    top1_before: float | None


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
