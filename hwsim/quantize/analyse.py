"""Analyse a profile: how ranges differ, which bits are wasted, which distribution it is, and what would help."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray

from hwsim.loaders import load
from hwsim.network import Network, Operation, Weighted
from hwsim.plots import densities
from hwsim.quantize.codes import stored_values, stored_weights
from hwsim.quantize.decide import kernel_of, plan_tensor, plan_weights
from hwsim.quantize.distributions import Fit, fit_distributions
from hwsim.quantize.plan import TensorPlan
from hwsim.quantize.profile import Profile, Statistics
from hwsim.quantize.sharing import PASS_THROUGH
from hwsim.target import Settings, Target, load_target
from hwsim.target.settings import NON_UNIFORM, RangeMethod

if TYPE_CHECKING:
    import keras
    import pandas as pd

Reals = NDArray[np.float64]
Part = Literal["weights", "activations"]

ATOM = 0.01
"""A share of exact zeros above which they stand apart from the distribution of the rest, as a ReLU makes them."""

CODEBOOK_BITS = 5
"""Width of codes above which a table of levels is not thought of: there would be too many."""

WORTH = 1.0
"""Decibels that a change must win before it is advised."""

SEARCHED = {"range": RangeMethod(method="mean_square")}
CHOICES: Mapping[Part, Mapping[str, Mapping[str, Any]]] = {
    "weights": {
        "a scale for the layer": {"granularity": "layer"},
        "a scale for each output channel": {"granularity": "output_channel"},
        "a scale for each input and output channel": {"granularity": "full_channel", "symmetric": True},
        "a zero point": {"symmetric": False},
        "no zero point": {"symmetric": True},
        "a searched range": SEARCHED,
        "a codebook": {"step": "codebook", "granularity": "output_channel"},
    },
    "activations": {
        "a scale for each channel": {"granularity": "channel", "symmetric": True},
        "a zero point": {"symmetric": False},
        "no zero point": {"symmetric": True},
        "a searched range": SEARCHED,
        "a codebook": {"step": "codebook"},
    },
}
"""What could be decided otherwise, as keys of the target."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is to be said of one layer's weights or of its output.

    spread_bits: log2 of the largest channel's magnitude over the median one's. asymmetry: |min + max| / (max - min), 0
    for a symmetric range, 1 for one that begins or ends at 0. wasted_bits: log2 of what the format covers over what
    values need; weights: the mean over output channels. sqnr_db: of storing these values as the target says. choices:
    what else could be decided, and the SQNR in dB then. fits: distributions, the nearest first; ``zeros``: the share of
    zeros that they leave out, 0 where they take part.
    """

    layer: str
    part: Part
    minimum: float
    maximum: float
    spread_bits: float
    asymmetry: float
    wasted_bits: float
    sqnr_db: float
    choices: Mapping[str, float]
    fits: tuple[Fit, ...]
    zeros: float

    @property
    def gain(self) -> float:
        """Decibels that the best of the choices wins, 0 where none does."""
        return max((one - self.sqnr_db for one in self.choices.values() if one > self.sqnr_db), default=0.0)

    @property
    def advice(self) -> str:
        """A sentence: what would win most, and why."""
        better = {name: gain for name, one in self.choices.items() if (gain := one - self.sqnr_db) >= WORTH}
        if not better:
            return "as good as any of these choices"
        name = max(better, key=lambda one: better[one])
        why = ""
        if "channel" in name and self.spread_bits >= 1:
            why = f": ranges of its channels differ by {self.spread_bits:.1f} bits"
        elif name == "a zero point":
            why = f": its range is {100 * self.asymmetry:.0f} % one-sided"
        elif "range" in name:
            why = ": the range cuts off too much" if self.wasted_bits < 0 else ": few values lie far out"
        return f"{name} would win {better[name]:.1f} dB{why}"


@dataclass(frozen=True)
class Analysis:
    """The findings of all layers, weights before outputs; prints itself as a table, draws itself in a notebook.

    channel_fits: the distributions of each channel, the nearest first, of tensors whose profile has ``channels``.
    """

    network: str
    target: str
    findings: tuple[Findings, ...]
    channel_fits: Mapping[str, tuple[tuple[Fit, ...], ...]]
    _values: Mapping[tuple[str, Part], tuple[Reals, NDArray[np.int64]]]

    def __getitem__(self, key: tuple[str, Part]) -> Findings:
        """Return the findings of a layer's ``weights`` or ``activations``; raises KeyError if there are none."""
        return {(one.layer, one.part): one for one in self.findings}[key]

    def __str__(self) -> str:
        lines = [
            f"{self.network} on {self.target}",
            f"{'layer':26} {'part':11} {'spread':>6} {'asym-':>5} {'wasted':>6} {'SQNR':>5}  nearest distribution",
            f"{'':26} {'':11} {'bits':>6} {'metry':>5} {'bits':>6} {'dB':>5}",
        ]
        for one in self.findings:
            near = one.fits[0].name if one.fits else "-"
            figures = f"{one.spread_bits:6.1f} {one.asymmetry:5.2f} {one.wasted_bits:6.1f} {one.sqnr_db:5.1f}"
            lines.append(f"{_short(one.layer):26} {one.part:11} {figures}  {near}")
        helped = [f"  {_short(one.layer)}, {one.part}: {one.advice}" for one in self.findings if one.gain >= WORTH]
        return "\n".join(
            [*lines, "", "What would help most:" if helped else f"Nothing would win {WORTH:g} dB.", *helped]
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each layer's weights and for each output; choices as columns, in dB."""
        import pandas as pd

        rows = [
            {
                "layer": one.layer,
                "part": one.part,
                "minimum": one.minimum,
                "maximum": one.maximum,
                "spread_bits": one.spread_bits,
                "asymmetry": one.asymmetry,
                "wasted_bits": one.wasted_bits,
                "sqnr_db": one.sqnr_db,
                "nearest": one.fits[0].name if one.fits else "",
                "distance": one.fits[0].distance if one.fits else math.nan,
                "zeros": one.zeros,
                "advice": one.advice,
                **one.choices,
            }
            for one in self.findings
        ]
        return pd.DataFrame(rows)

    def picture(self, layer: str, part: Part) -> str:
        """Return an SVG of how densely a layer's weights or outputs lie, with the three nearest distributions."""
        one, (values, counts) = self[layer, part], self._values[layer, part]
        curves = [(f"{fit.name}, distance {fit.distance:.3f}", fit.pdf) for fit in one.fits[:3]]
        left_out = f", without the {100 * one.zeros:.0f} % zeros" if one.zeros else ""
        return densities(f"{layer}: {part}{left_out}", values, counts, curves)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: for each layer the figures, the advice and a picture; names are escaped."""
        columns = ("layer", "part", "spread_bits", "asymmetry", "wasted_bits", "sqnr_db", "nearest", "advice")
        table: str = self.to_frame()[list(columns)].to_html(index=False, float_format="{:.3g}".format)
        pictures = "".join(
            f"<details><summary>{escape(one.layer)}: {one.part}</summary>{self.picture(one.layer, one.part)}</details>"
            for one in self.findings
            if one.fits
        )
        return f"<div>{table}{pictures}</div>"


def analyse(
    model: keras.Model | Network | str | Path, profile: Profile, target: str | Path | Target = "generic-int8"
) -> Analysis:
    """Analyse the weights of a model and the ``profile`` of its activations for a target's formats.

    The steps of a loop are one layer here, as they have the same weights and one tensor.

    Raises ModelError, UnsupportedError and TargetError for what cannot be read.
    """
    aim = load_target(target)
    network = load(model, target=aim)
    findings: list[Findings] = []
    shown: dict[tuple[str, Part], tuple[Reals, NDArray[np.int64]]] = {}
    first = {one.tensor: one for one in reversed(network.operations) if not isinstance(one, PASS_THROUGH)}
    for operation in reversed(first.values()):
        for one, values in _of_operation(operation, profile, aim):
            findings.append(one)
            shown[one.layer, one.part] = values
    of_channels = {
        name: tuple(tuple(fitted(*without_zeros(one))) for one in channels)
        for name, channels in profile.channels.items()
    }
    return Analysis(network.name, aim.name, tuple(findings), of_channels, shown)


def _of_operation(
    operation: Operation, profile: Profile, target: Target
) -> Iterator[tuple[Findings, tuple[Reals, NDArray[np.int64]]]]:
    settings = target.settings(operation.kind, operation.name)
    if isinstance(operation, Weighted):
        yield _of_weights(operation, settings)
    yield _of_tensor(operation, profile.tensors[operation.tensor], settings)


def _of_weights(operation: Weighted, settings: Settings) -> tuple[Findings, tuple[Reals, NDArray[np.int64]]]:
    kernel = kernel_of(operation)
    statistics = Statistics()
    statistics.add(kernel.reshape(1, -1, kernel.shape[-1]))

    def sqnr(keys: Mapping[str, Any]) -> float:
        changed = settings.model_copy(update={"weights": settings.weights.model_copy(update=dict(keys))})
        return decibel(kernel, kernel - stored_weights(kernel, plan_weights(operation, changed)))

    entry, form = plan_weights(operation, settings), settings.weights.integer_format()
    ranges = statistics.channel_maximum - statistics.channel_minimum
    covered = np.asarray(entry.scale) * (form.maximum - form.minimum)
    waste = np.log2(np.broadcast_to(covered, ranges.shape)[ranges > 0] / ranges[ranges > 0])
    uneven = settings.weights.step in NON_UNIFORM
    choices = {name: sqnr(keys) for name, keys in _possible("weights", settings)}
    wasted = 0.0 if uneven or not waste.size else float(waste.mean())
    return _findings(operation.tensor, "weights", statistics, wasted, (sqnr({}), choices))


def _of_tensor(
    operation: Operation, statistics: Statistics, settings: Settings
) -> tuple[Findings, tuple[Reals, NDArray[np.int64]]]:
    values, counts = statistics.values

    def sqnr(keys: Mapping[str, Any]) -> float:
        entry = plan_tensor(statistics, settings.activations.model_copy(update=dict(keys)))
        if entry.shift:
            return _by_channel(statistics, entry)
        return decibel(values, values - stored_values(values, entry), counts)

    entry = plan_tensor(statistics, settings.activations)
    covered, used = entry.scale * (entry.format.maximum - entry.format.minimum), statistics.maximum - statistics.minimum
    plain = not entry.levels and not entry.shift and used > 0
    wasted = math.log2(covered / used) if plain else 0.0
    choices = {name: sqnr(keys) for name, keys in _possible("activations", settings)}
    return _findings(operation.tensor, "activations", statistics, wasted, (sqnr({}), choices))


def _by_channel(statistics: Statistics, entry: TensorPlan) -> float:
    """Return the SQNR in dB if each channel's rounding errors are spread evenly over a step of its own."""
    squares = statistics.channel_deviation**2 + statistics.channel_mean**2
    noise = (entry.scale * 2.0 ** np.asarray(entry.shift)) ** 2 / 12
    return 10 * math.log10(float(squares.sum() / noise.sum())) if squares.sum() > 0 else math.inf


def _possible(part: Part, settings: Settings) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the choices that change something and that go with the rest of the format."""
    form = settings.weights if part == "weights" else settings.activations
    for name, keys in CHOICES[part].items():
        same = all(getattr(form, key) == value for key, value in keys.items())
        fixed = form.fraction_bits is not None or form.step in NON_UNIFORM
        table = keys.get("step") == "codebook" and (form.bits > CODEBOOK_BITS or form.levels is not None)
        shifted = keys.get("symmetric") is False and getattr(form, "granularity", "") in ("full_channel", "group")
        wide = keys.get("granularity") == "channel" and form.bits + (1 << form.shift_bits) - 1 > 16
        if not (same or fixed or table or shifted or wide):
            yield name, keys


def _findings(
    layer: str, part: Part, statistics: Statistics, wasted: float, figures: tuple[float, Mapping[str, float]]
) -> tuple[Findings, tuple[Reals, NDArray[np.int64]]]:
    values, counts = without_zeros(statistics)
    span = statistics.maximum - statistics.minimum
    one = Findings(
        layer=layer,
        part=part,
        minimum=statistics.minimum,
        maximum=statistics.maximum,
        spread_bits=statistics.spread,
        asymmetry=abs(statistics.minimum + statistics.maximum) / span if span > 0 else 0.0,
        wasted_bits=wasted,
        sqnr_db=figures[0],
        choices=figures[1],
        fits=tuple(fitted(values, counts)),
        zeros=statistics.zeros if statistics.zeros > ATOM else 0.0,
    )
    return one, (values, counts)


def without_zeros(statistics: Statistics) -> tuple[Reals, NDArray[np.int64]]:
    """Return values and how often they occur, without exact zeros where there are more than ``ATOM``."""
    values, counts = statistics.values
    present = (np.abs(values) > 2.0**-120) | (statistics.zeros <= ATOM)
    return values[present], counts[present]


def fitted(values: Reals, counts: NDArray[np.int64]) -> list[Fit]:
    """Return the distributions of values, the nearest first; none of values that do not vary."""
    return fit_distributions(values, counts) if values.size > 1 and values[0] < values[-1] else []


def decibel(signal: NDArray[Any], noise: NDArray[Any], counts: NDArray[np.int64] | None = None) -> float:
    """Return the ratio of two energies in dB, infinite without noise; values may occur ``counts`` times.

    >>> decibel(np.array([3.0, 4.0]), np.array([0.0, 0.5]))
    20.0
    """
    weights = np.ones(1) if counts is None else counts.astype(np.float64)
    energies = [float(np.sum(weights * np.square(one, dtype=np.float64))) for one in (signal, noise)]
    if energies[1] == 0:
        return math.inf
    return 10 * math.log10(energies[0] / energies[1]) if energies[0] > 0 else -math.inf


def _short(name: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    return shown if len(shown) <= 26 else "…" + shown[-25:]
