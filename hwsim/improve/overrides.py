"""Techniques that are keys of the target: a copy of it that says otherwise for every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hwsim.improve.draft import Draft
from hwsim.target import Target
from hwsim.target.target import merge


def overridden(target: Target, sections: Mapping[str, object]) -> Target:
    """Return a target whose ``sections`` win over everything that it says of operations and layers.

    Raises TargetError where that breaks a rule.

    >>> target = Target.from_dict({"name": "t", "layers": {"*stem*": {"weights": {"granularity": "layer"}}}})
    >>> changed = overridden(target, {"weights": {"granularity": "output_channel"}})
    >>> changed.settings("conv2d", "stem_1").weights.granularity
    'output_channel'
    """
    everything = "*"
    while everything in target.layers:
        everything += "*"
    given = target.model_dump(mode="json", exclude_unset=True)
    return Target.from_dict(merge(given, {"layers": {everything: sections}}))


def per_channel(draft: Draft) -> Draft:
    """Give the weights of every output channel a scale of their own."""
    target = overridden(draft.target, {"weights": {"granularity": "output_channel"}})
    return replace(draft, target=target).noted("weights have a scale for each output channel")


def clip_weights(draft: Draft) -> Draft:
    """Let the range of weights be the one with the least mean square error."""
    target = overridden(draft.target, {"weights": {"range": {"method": "mean_square"}}})
    return replace(draft, target=target).noted("ranges of weights: searched for the least mean square error")


def clip_activations(draft: Draft) -> Draft:
    """Let the range of activations be the one with the least mean square error."""
    target = overridden(draft.target, {"activations": {"range": {"method": "mean_square"}}})
    return replace(draft, target=target).noted("ranges of activations: searched for the least mean square error")
