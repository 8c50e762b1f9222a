"""Which truncation points can be ignored: each is lifted, and the change of the network's results decides.

The error of a run is the difference of its results from the float network's. A point is negligible if lifting it moves
the results by less than a stated share of that error's energy, and moves no more decisions than stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.data import Data
from hwsim.errors import HwsimError
from hwsim.pipeline import PlanSource
from hwsim.process.case import case_of
from hwsim.process.table import frame_of, html_of
from hwsim.process.trials import SAMPLES, Criterion, Trials, by_name
from hwsim.progress import tracked
from hwsim.report.columns import paragraph, table
from hwsim.report.wording import counted, decibel, percent
from hwsim.target import Target
from hwsim.trial import Bench, Figures, Lift

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What lifting the points of a layer, or of all layers (``layer`` is "*"), did.

    ``state`` is "matters", "matters jointly" (negligible alone, not with the others), "negligible",
    "nothing lost" (on these samples; not lifted) or "not lifted". ``change`` is
    how far the results moved; ``share`` is that energy by the error's, None where nothing was lifted. ``sqnr_db`` is
    that of the lifted run against float.
    """

    layer: str
    kind: str
    name: str
    points: tuple[str, ...]
    state: str
    how: str
    share: float | None = None
    flips: int | None = None
    sqnr_db: float | None = None

    @property
    def ignored(self) -> bool:
        """Whether the points can be ignored."""
        return self.state in ("negligible", "nothing lost")


@dataclass(frozen=True, kw_only=True, repr=False)
class Negligible:
    """Which truncation points of a run can be ignored.

    ``kinds`` are whole kinds of points, lifted in all layers at once; ``rows`` are layers and points. ``joint`` is how
    far the results move if all that is called negligible is lifted together, None where nothing is; weights and feature
    maps are lifted apart, and what they do is added.
    """

    network: str
    target: str
    samples: int
    criterion: Criterion
    whole: Figures
    kinds: tuple[Verdict, ...]
    rows: tuple[Verdict, ...]
    joint: Figures | None
    notes: tuple[str, ...] = ()

    @property
    def ignored(self) -> frozenset[tuple[str, str]]:
        """The (layer, point) pairs that can be ignored."""
        return frozenset((one.layer, point) for one in self.rows if one.ignored for point in one.points)

    def __str__(self) -> str:
        """Return the verdicts as plain text, no line longer than 100 columns."""
        lines = [
            *paragraph(f"{self.network} on {self.target}: truncation points lifted on {self._sizes()}", "  "),
            *(line for note in self.notes for line in paragraph(note, "  ")),
            *paragraph(self._sentence()),
            "",
            "Whole kinds, in all layers at once:",
            *_table([one for one in self.kinds if one.share is not None]),
            "",
            "Layer by layer:",
            *_table([one for one in self.rows if one.state.startswith("matters")], "no single point matters"),
        ]
        quiet = [one for one in self.rows if one.ignored]
        if quiet:
            lines += ["", *paragraph(f"{counted(len(quiet), 'point')} can be ignored: {self._joint()}")]
        return "\n".join([*lines, *self._not_lifted()])

    def _not_lifted(self) -> list[str]:
        layers: dict[tuple[str, str], list[str]] = {}
        for one in self.rows:
            if one.state == "not lifted":
                layers.setdefault((one.name, one.how), []).append(one.layer)
        lines: list[str] = []
        for (name, why), named in layers.items():
            more = ", …" if len(named) > MOST_NAMES else ""
            lines += paragraph(f"not lifted: {name} of {', '.join(named[:MOST_NAMES])}{more}: {why}", "  ")
        return lines

    def to_frame(self) -> pd.DataFrame:
        """Return one row per layer and group of points: its state, and how far the results moved."""
        return frame_of(Verdict, self.rows, {"points": [", ".join(one.points) for one in self.rows]})

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_of(str(self).split("\n", 1)[0], self.to_frame())

    def _sizes(self) -> str:
        flips = f", {counted(self.whole.flips, 'flip')} of top-1" if self.whole.decisions else ""
        return f"{counted(self.samples, 'sample')}; the run is {decibel(self.whole.sqnr_db)} dB from float{flips}"

    def _sentence(self) -> str:
        return f"A point is negligible if lifting it {self.criterion}."

    def _joint(self) -> str:
        if self.joint is None:
            return "they lost nothing"
        share = self.joint.noise / self.whole.noise if self.whole.noise else 0.0
        flips = f" and flips {counted(self.joint.flips, 'decision')}" if self.joint.decisions else ""
        return f"lifting all of them together moves the results by {percent(share)} % of the error's energy{flips}"


def negligible(
    model: object,
    target: str | Path | Target,
    data: Data | None = None,
    *,
    criterion: Criterion | None = None,
    calibration: Data | None = None,
    plan: PlanSource | None = None,
    samples: int = SAMPLES,
) -> Negligible:
    """Lift every truncation point that loses something, and say which can be ignored.

    model, target, data, calibration, plan: as for ``hwsim.run``; ``model`` may also be a Result, whose plan counts.
    criterion: what a point may do to the results and still be ignored.
    samples: how many samples decide, the first of the data.

    Whole kinds of points are lifted first; layers of a kind that is not negligible follow one by one. What is called
    negligible at last keeps within the criterion together, too: what moves the results most is taken out until it does.

    Raises HwsimError for whatever is wrong with the target, the model, the data or the plan.
    """
    case = case_of(model, target, data, calibration, plan)
    with Bench(case.network, case.blocks(samples)) as bench:
        return _Verdicts(case, bench, criterion or Criterion()).verdicts()


class _Verdicts(Trials):
    """The lifts of one case, and what follows from them."""

    def verdicts(self) -> Negligible:
        active = [one for one in self.lifts if self.loses(one)]
        with tracked("lifting truncation points", len(active)) as advance:
            kinds = [self._verdict(group, "*") for _, group in by_name(active)]
            settled = {one.name for one in kinds if one.state == "negligible"}
            rows: list[Verdict] = []
            for one in self.lifts:
                if one in active:
                    rows.append(self._row(one, settled))
                    advance(1)
                else:
                    rows.append(self._blank([one]))
        rows, joint = self._together(rows)
        return Negligible(
            network=self.case.network.name,
            target=self.case.target.name,
            samples=self.bench.count,
            criterion=self.criterion,
            whole=self.whole,
            kinds=tuple(kinds),
            rows=tuple(rows),
            joint=joint,
            notes=self.case.notes,
        )

    def _row(self, one: Lift, settled: set[str]) -> Verdict:
        if one.name in settled and not one.obstacle:
            return replace(self._blank([one]), state="negligible", how=f"{one.how}; in all layers at once")
        return self._verdict([one])

    def _blank(self, group: Sequence[Lift], layer: str = "") -> Verdict:
        """Return what nothing is known of."""
        layer = layer or group[0].layer
        return Verdict(
            layer=layer,
            kind=self.case.network.by_name[layer].kind if layer in self.case.network.by_name else "*",
            name=group[0].name,
            points=tuple(dict.fromkeys(point for one in group for point in one.points)),
            state="nothing lost",
            how=group[0].how,
        )

    def _verdict(self, group: Sequence[Lift], layer: str = "") -> Verdict:
        """Lift some points together and judge; what cannot be lifted of several is left out."""
        blank = self._blank(group, layer)
        able = [one for one in group if not one.obstacle]
        if not able:
            return replace(blank, state="not lifted", how=group[0].obstacle)
        try:
            outputs = self.lifted(able)
        except HwsimError as error:
            return replace(blank, state="not lifted", how=str(error))
        change = self.bench.change(self.base, outputs)
        return replace(
            blank,
            state="negligible" if self.criterion.met(change, self.whole) else "matters",
            how=able[0].how,
            share=change.noise / self.whole.noise if self.whole.noise else 0.0,
            flips=change.flips,
            sqnr_db=self.bench.against_float(outputs).sqnr_db,
        )

    def _together(self, rows: Sequence[Verdict]) -> tuple[list[Verdict], Figures | None]:
        """Keep as negligible what is so together: all of it, or as much, from the least on, as the criterion lets."""
        found = list(rows)
        joint = self._joint(_negligible(found))
        if joint is None or self.criterion.met(joint, self.whole):
            return found, joint
        lift_of = {(one.layer, one.name): one for one in self.lifts}
        for number, one in enumerate(found):
            if one.state == "negligible" and one.share is None:  # of a whole kind that was lifted at once
                found[number] = self._verdict([lift_of[one.layer, one.name]])
        order = sorted(_negligible(found), key=lambda one: one.share or 0.0)
        low, high, kept = 0, len(order) + 1, None
        while high - low > 1:
            middle = (low + high) // 2
            joint = self._joint(order[:middle])
            if joint is not None and self.criterion.met(joint, self.whole):
                low, kept = middle, joint
            else:
                high = middle
        out = {(one.layer, one.name) for one in order[low:]}
        return [replace(one, state="matters jointly") if (one.layer, one.name) in out else one for one in found], kept

    def _joint(self, verdicts: Sequence[Verdict]) -> Figures | None:
        """Return how far the results move with the points of several verdicts lifted, None for no points.

        What cannot be lifted together moves without limit.
        """
        wanted = {(one.layer, one.name) for one in verdicts}
        group = [one for one in self.lifts if (one.layer, one.name) in wanted]
        try:
            return self.bench.change(self.base, self.lifted(group)) if group else None
        except HwsimError:
            return Figures(noise=math.inf, flips=0, decisions=0)


def _negligible(rows: Sequence[Verdict]) -> list[Verdict]:
    return [one for one in rows if one.state == "negligible"]


def _table(verdicts: Sequence[Verdict], otherwise: str = "none") -> list[str]:
    if not verdicts:
        return [f"  {otherwise}"]
    rows = [
        [
            one.layer,
            one.name,
            one.state,
            "-" if one.share is None else percent(one.share) if one.share < 1 else f"{one.share * 100:.0f}",
            "-" if one.flips is None else str(one.flips),
            decibel(one.sqnr_db),
        ]
        for one in verdicts
    ]
    headers = ["layer", "points", "verdict", "moves\nerror %", "flips\n", "SQNR dB\nlifted"]
    return table(headers, rows, names=[20, 12, 15])
