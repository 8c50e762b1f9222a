"""What each technique buys: one model on one target, without any, with each alone, and with all together."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Data, Inputs, Samples
from hwsim.errors import HwsimError
from hwsim.improve import TECHNIQUES, Draft, improve
from hwsim.improve.stored import with_stored_kernel
from hwsim.improve.techniques import chosen
from hwsim.loaders import load_for_data, load_with_model
from hwsim.network import Network, ScaleShift, Weighted
from hwsim.network.equalise import find_pairs, without_bounds
from hwsim.network.rewrite import simplify
from hwsim.pipeline import Result, drafted, read_samples, simulate
from hwsim.progress import tracked
from hwsim.quantize.decide import kernel_of
from hwsim.reference import prove_import
from hwsim.report.columns import paragraph, table
from hwsim.report.wording import NOTHING, agreement, decibel, lsb
from hwsim.target import Target, load_target

if TYPE_CHECKING:
    import pandas as pd

Arrays = Mapping[str, NDArray[Any]]

BATCH_SIZE = 32
_HEADERS = (
    "technique",
    "SQNR\ndB",
    "top-1\n%",
    "weight\nloss",
    "clamping\nloss LSB",
    "round-off\nloss LSB",
    "prepared\nin s",
)


@dataclass(frozen=True, kw_only=True)
class TechniqueFigures:
    """One row: a run with the ``techniques``.

    sqnr_db, top1_agreement: the worst result of the network against the float model's, infinite without error; top-1 is
    None where nothing is classified. weight_loss: the sum over all weights of (w - q)², w those of the float network
    that the run is measured against (equalisation changes them) and q what the hardware stores. clamping_lsb,
    round_off_lsb: the root of the sum over all layers of the squared losses that reports give for layers, in LSB of
    each layer's output; weights are not in them. seconds: for the techniques and the plan. failure: why the target does
    not allow it; figures are None then.
    """

    name: str
    techniques: tuple[str, ...]
    sqnr_db: float | None = None
    top1_agreement: float | None = None
    weight_loss: float | None = None
    clamping_lsb: float | None = None
    round_off_lsb: float | None = None
    seconds: float | None = None
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Techniques:
    """What techniques buy on one target; prints itself as a table, and draws itself in a notebook.

    ``notes`` are a report's first lines: where the data came from, how well the import fits.
    """

    network: str
    target: str
    samples: int
    notes: tuple[str, ...]
    rows: tuple[TechniqueFigures, ...]

    def __str__(self) -> str:
        """Return the table as plain text, no line longer than 100 columns."""
        lines = paragraph(f"{self.network} on {self.target}: {self.samples} samples, against the float model", "  ")
        for note in self.notes:
            lines += paragraph(note, "  ")
        lines += ["", *table(_HEADERS, [_cells(row) for row in self.rows], names=(30,))]
        for row in self.rows:
            lines += paragraph(f"{row.name}: {row.failure}", "  ") if row.failure else []
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per run, its name as the index; `TechniqueFigures` defines the columns."""
        import pandas as pd

        rows = [asdict(row) | {"techniques": "+".join(row.techniques)} for row in self.rows]
        return pd.DataFrame(rows).set_index("name")

    def to_json(self) -> str:
        """Return the figures as JSON, those that are not finite as text."""
        rows = [{key: _plain(value) for key, value in asdict(row).items()} for row in self.rows]
        return json.dumps(asdict(self) | {"rows": rows}, indent=2, allow_nan=False)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table, everything escaped."""
        found: str = self.to_frame().drop(columns="techniques").to_html(float_format="{:.4g}".format, na_rep=NOTHING)
        return found


def compare_techniques(
    model: object,
    target: str | Path | Target,
    data: Data | None = None,
    *,
    calibration: Data | None = None,
    techniques: Sequence[str] | None = None,
) -> Techniques:
    """Run a model without techniques, with each of ``techniques`` alone and with all of them, against the float model.

    model, target, data, calibration: as ``hwsim.run`` takes them. techniques: names out of ``hwsim.TECHNIQUES``, or
    several joined by ``+`` for a row of their own; by default every one that this model has use for. A Keras model with
    batch normalisations also gets a row where they are not folded. The row of all has those of them that the target
    allows, by default without those that stand in for another (``usual`` is False).

    Raises HwsimError for what is wrong with the arguments; what only the target does not allow is noted in its row.
    """
    aim = load_target(target)
    loaded, keras_model, (data, calibration) = load_for_data(model, (data, calibration), target=aim)
    network = prove_import(loaded, keras_model)
    bench = _Bench(network, aim, data, calibration)
    wanted = fitting(network) if techniques is None else [tuple(one.split("+")) for one in techniques]
    for names in wanted:
        chosen(names)
    usual = {name for names in wanted for name in names if techniques is not None or TECHNIQUES[name].usual}
    shapes = {one.name: one.shape for one in network.inputs}
    plain = None if keras_model is None else load_with_model(keras_model, fold=False, target=aim, shapes=shapes)[0]
    runs: list[tuple[str, Network, tuple[str, ...]]] = [("none", network, ())]
    runs += [("not folded", plain, ())] if plain is not None and foldable(plain) else []
    runs += [("+".join(names), network, names) for names in wanted]
    with tracked("comparing techniques", len(runs) + 1) as advance:
        rows = []
        for name, one, names in runs:
            rows.append(bench.row(name, one, names))
            advance(1)
        usual -= {name for row in rows if row.failure for name in row.techniques}
        if len(usual) > 1:
            rows.append(bench.row("all", network, tuple(name for name in TECHNIQUES if name in usual)))
    return Techniques(
        network=network.name, target=aim.name, samples=bench.count, notes=tuple(bench.notes), rows=tuple(rows)
    )


def fitting(network: Network) -> list[tuple[str, ...]]:
    """Return the techniques, and combinations, that a network has use for."""
    idle = {"unbound"}
    if not foldable(network):
        idle.add("fold")
    if not find_pairs(network):
        idle.add("equalise")
    found: list[tuple[str, ...]] = [(name,) for name in TECHNIQUES if name not in idle]
    more_pairs = len(find_pairs(without_bounds(network))) > len(find_pairs(network))
    return [*found, ("unbound", "equalise")] if more_pairs else found


def foldable(network: Network) -> bool:
    """Return whether a network has a scale and shift that folding would take away."""
    counts = [sum(isinstance(one, ScaleShift) for one in each.operations) for each in (network, simplify(network))]
    return counts[0] > counts[1]


class _Bench:
    """Runs of one model's variants on the same data; the first one's float outputs are what all are held against."""

    def __init__(self, network: Network, target: Target, data: Data | None, calibration: Data | None) -> None:
        inputs = network.inputs
        self.target = target
        self.data, self.calibration = (_held(given, inputs) for given in (data, calibration))
        self.notes: list[str] = []
        self.wanted: Arrays = {}
        self.classes: list[str] = []
        self.count = 0

    def row(self, name: str, network: Network, techniques: tuple[str, ...]) -> TechniqueFigures:
        """Run a network with techniques and return the figures, or why the target does not allow it."""
        try:
            samples, notes = read_samples(network, self.data)
            start = time.perf_counter()
            given = (self.calibration, None)
            draft = improve(drafted(network, self.target, samples, given, notes, looks=bool(techniques)), techniques)
            seconds = time.perf_counter() - start
            first = not self.wanted
            result = simulate(draft, samples, notes, (BATCH_SIZE, ()), reference=first)
        except HwsimError as error:
            if not self.wanted:
                raise
            return TechniqueFigures(name=name, techniques=techniques, failure=str(error))
        if first:
            self.wanted = _named(result.reference, result)
            self.classes = [one.name for one in result.report.outputs if one.top1_agreement is not None]
            self.notes, self.count = notes, result.report.samples
        return self._figures(name, techniques, draft, result, seconds)

    def _figures(
        self, name: str, techniques: tuple[str, ...], draft: Draft, result: Result, seconds: float
    ) -> TechniqueFigures:
        found = _named(result.outputs, result)
        losses = result.report.layer_losses()
        shares = [float(np.mean(self.wanted[one].argmax(-1) == found[one].argmax(-1))) for one in self.classes]
        return TechniqueFigures(
            name=name,
            techniques=techniques,
            sqnr_db=min(sqnr_db(self.wanted[one], found[one]) for one in found),
            top1_agreement=min(shares, default=None),
            weight_loss=weight_loss(draft),
            clamping_lsb=math.hypot(*(one.clamping for one in losses)),
            round_off_lsb=math.hypot(*(one.round_off for one in losses)),
            seconds=seconds,
        )


def weight_loss(draft: Draft) -> float:
    """Return the sum over all weights of (w - q)²: the reference's less what the hardware stores of the network's."""
    total = 0.0
    for operation in draft.network.operations:
        wanted = draft.reference.by_name[operation.name]
        if isinstance(operation, Weighted) and isinstance(wanted, Weighted):
            stored = with_stored_kernel(operation, draft.decision(), draft.target)
            total += float(np.sum((kernel_of(wanted).astype(np.float64) - kernel_of(stored)) ** 2))
    return total


def sqnr_db(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the signal-to-quantisation-noise ratio in dB, infinite without noise.

    >>> round(sqnr_db(np.array([3.0, 4.0]), np.array([3.0, 4.5])), 6)
    20.0
    """
    signal, noise = (float(np.sum(np.square(one, dtype=np.float64))) for one in (wanted, wanted - found))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def _named(values: Any, result: Result) -> Arrays:  # noqa: ANN401
    return values if isinstance(values, Mapping) else {result.network.outputs[0]: values}


def _held(data: Data | None, inputs: Inputs) -> Data | None:
    """Return data that can be read again and again."""
    if not isinstance(data, Iterator):
        return data
    blocks = list(Samples(data, inputs).blocks(BATCH_SIZE))
    return {one.name: np.concatenate(parts) for one, parts in zip(inputs, zip(*blocks, strict=True), strict=True)}


def _plain(value: object) -> object:
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _cells(row: TechniqueFigures) -> list[str]:
    if row.failure:
        return [row.name, *[NOTHING] * (len(_HEADERS) - 1)]
    top1 = NOTHING if row.top1_agreement is None else agreement(row.top1_agreement)
    loss = NOTHING if row.weight_loss is None else f"{row.weight_loss:.4g}"
    seconds = NOTHING if row.seconds is None else f"{row.seconds:.1f}"
    return [row.name, decibel(row.sqnr_db), top1, loss, lsb(row.clamping_lsb), lsb(row.round_off_lsb), seconds]
