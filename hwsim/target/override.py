"""Settings for single layers, put on top of a target."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from typing import cast

from hwsim.target.target import Target, merge

Keys = Mapping[str, object]
"""Sections of a target with some of their keys, as a file would have them."""


def overridden(target: Target, layers: Mapping[str, Keys]) -> Target:
    """Return a target with other settings for the layers of these names; they win over all that it says already.

    Raises TargetError where the settings contradict each other or the rest of the target.

    >>> target = overridden(Target(name="t"), {"stem": {"weights": {"bits": 4}}})
    >>> target.settings("conv2d", "stem").weights.bits
    4
    """
    given = target.model_dump(mode="json", exclude_unset=True)
    patterns: dict[str, object] = dict(given.pop("layers", {}))
    for name, keys in layers.items():
        pattern = glob.escape(name)
        before = cast("Keys", patterns.pop(pattern, {}))  # behind all others, since later ones win
        patterns[pattern] = merge(before, keys)
    return Target.from_dict({**given, "layers": patterns} if patterns else given)
