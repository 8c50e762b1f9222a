"""All techniques, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hwsim.errors import HwsimError, PlanError
from hwsim.improve.adaround import adaround
from hwsim.improve.correct_bias import correct_bias, correct_bias_for_weights
from hwsim.improve.draft import Draft
from hwsim.improve.overrides import clip_activations, clip_weights, per_channel
from hwsim.improve.rewrites import equalise, fold, unbound


@dataclass(frozen=True, kw_only=True)
class Technique:
    """A way to lose less: from a draft to a better one.

    ``before_plan`` says whether it changes what the plan is decided on. ``usual`` says whether "all techniques" has it.
    """

    name: str
    summary: str
    apply: Callable[[Draft], Draft]
    before_plan: bool = True
    usual: bool = True


_IN_ORDER = (
    Technique(name="fold", summary="batch normalisations folded into their neighbours", apply=fold),
    Technique(name="unbound", summary="ReLU6 replaced by ReLU: more pairs to equalise", apply=unbound, usual=False),
    Technique(name="equalise", summary="ranges of weights equalised across layers", apply=equalise),
    Technique(name="per_channel", summary="a scale for each output channel of weights", apply=per_channel),
    Technique(name="clip_weights", summary="weights clipped where the mean square error is least", apply=clip_weights),
    Technique(
        name="clip_activations",
        summary="activations clipped where the mean square error is least",
        apply=clip_activations,
    ),
    Technique(
        name="adaround", summary="weights rounded for the least error of sums", apply=adaround, before_plan=False
    ),
    Technique(
        name="correct_bias",
        summary="what quantisation adds to means taken off biases, as measured",
        apply=correct_bias,
        before_plan=False,
    ),
    Technique(
        name="correct_bias_for_weights",
        summary="what rounding of weights adds to means taken off biases",
        apply=correct_bias_for_weights,
        before_plan=False,
        usual=False,
    ),
)

TECHNIQUES = {one.name: one for one in _IN_ORDER}
"""Every technique under its name, in the order in which they are applied."""


def chosen(names: Sequence[str]) -> list[Technique]:
    """Return the techniques of these names, in the order in which they are applied.

    Raises HwsimError for a name that there is not.

    >>> [one.name for one in chosen(["correct_bias", "equalise"])]
    ['equalise', 'correct_bias']
    """
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name not in TECHNIQUES:
            near = get_close_matches(name, TECHNIQUES, 1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise HwsimError(f"technique {name!r}: there is none of this name, but {', '.join(TECHNIQUES)}{advice}")
    return [one for one in _IN_ORDER if one.name in names]


def improve(draft: Draft, techniques: Sequence[str]) -> Draft:
    """Return the draft with techniques applied and its plan decided; each technique leaves a note.

    They are applied in the order of `TECHNIQUES`, whatever the order of the names: rewrites and what changes the target
    before the plan, rounding of weights and biases after it. Raises HwsimError for a name that there is not, PlanError
    where a technique would have to come before a plan that was given, TargetError where the target does not allow one.
    """
    for technique in chosen(techniques):
        if technique.before_plan and draft.plan is not None:
            raise PlanError(f"technique {technique.name!r} changes what a plan is made for, but a plan was given")
        draft = technique.apply(draft if technique.before_plan else draft.decided())
    return draft.decided()
