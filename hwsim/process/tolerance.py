"""How far the results of a network may be from float."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hwsim.engine.run import by_output
from hwsim.errors import HwsimError
from hwsim.report.wording import agreement
from hwsim.trial import Figures, Outputs

Metric = Callable[[Any, Any], float]
"""Takes the results of the float network and of the integer one (arrays, or mappings where there are several)."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What the results must keep to, everything that is given at once.

    top1: the smallest share (0 to 1) of samples whose largest value stays where float has it.
    sqnr: the smallest signal-to-quantisation-noise ratio of any result, in dB.
    metric, at_least: a function of the float and the integer results, larger is better, and its smallest value.

    Raises HwsimError if nothing is given, or a limit is out of its range.
    """

    top1: float | None = None
    sqnr: float | None = None
    metric: Metric | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if self.top1 is None and self.sqnr is None and self.metric is None:
            raise HwsimError("a tolerance needs at least one of top1, sqnr and metric")
        if self.top1 is not None and not 0 <= self.top1 <= 1:
            raise HwsimError(f"top1 is a share from 0 to 1, not {self.top1!r}")
        if any(one is not None and math.isnan(one) for one in (self.sqnr, self.at_least)):
            raise HwsimError("the limits of a tolerance must be numbers, not NaN")
        if (self.metric is None) != (self.at_least is None):
            raise HwsimError("a metric and at_least, its smallest value, go together")

    def judge(self, figures: Figures, reference: Outputs, outputs: Outputs) -> Standing:
        """Return how results stand. Raises HwsimError where top1 is asked of a network that decides nothing."""
        if self.top1 is not None and figures.top1 is None:
            raise HwsimError(
                "top1 is asked for, but no result of the network is a vector of classes; give sqnr or metric"
            )
        value = None
        if self.metric is not None:
            value = float(self.metric(_as_user_sees(reference), _as_user_sees(outputs)))
        holds = (
            (self.top1 is None or figures.top1 is None or figures.top1 >= self.top1)
            and (self.sqnr is None or figures.sqnr_db >= self.sqnr)
            and (self.at_least is None or (value is not None and value >= self.at_least))
        )
        return Standing(holds=holds, figures=figures, metric=value)

    def __str__(self) -> str:
        parts = [] if self.top1 is None else [f"top-1 agrees with float on at least {agreement(self.top1)} %"]
        parts += [] if self.sqnr is None else [f"SQNR at least {self.sqnr:g} dB"]
        parts += (
            [] if self.metric is None else [f"{getattr(self.metric, '__name__', 'metric')} at least {self.at_least:g}"]
        )
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How results stand to a tolerance: whether they keep it, and by which figures."""

    holds: bool
    figures: Figures
    metric: float | None = None

    def __str__(self) -> str:
        parts = [] if self.figures.top1 is None else [f"top-1 {agreement(self.figures.top1)} %"]
        parts += [f"SQNR {self.figures.sqnr_db:.1f} dB"]
        parts += [] if self.metric is None else [f"metric {self.metric:.4g}"]
        return ", ".join(parts)


def _as_user_sees(outputs: Mapping[str, Any]) -> Any:  # noqa: ANN401
    named = by_output(outputs)
    return next(iter(named.values())) if len(named) == 1 else named
