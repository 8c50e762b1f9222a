"""The short form of what only one kind of operation has: its own keys, without the section they belong to.

``operations: {average_pool: {rounding: floor}}`` means ``operations: {average_pool: {pooling: {rounding: floor}}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel

from hwsim.target.mistake import Location
from hwsim.target.settings import Settings

HOME: Mapping[str, str] = {
    "curve": "curve",
    "average_pool": "pooling",
    "mean": "pooling",
    "kept_mean": "pooling",
    "resize": "resize",
    "normalize": "normalization",
    "add": "addition",
    "subtract": "addition",
    "multiply": "multiplication",
    "concatenate": "concatenation",
    "softmax": "softmax",
}
"""The section that holds what only this kind of operation has."""


def own_keys(kind: str) -> frozenset[str]:
    """Return the keys that may stand directly under ``operations.kind`` instead of in their section.

    >>> sorted(own_keys("average_pool")), sorted(own_keys("dense"))
    (['accumulator', 'average', 'division', 'max_padding', 'mean', 'rounding', 'zero_point'], [])
    """
    if kind not in HOME:
        return frozenset()
    section = cast("type[BaseModel]", Settings.model_fields[HOME[kind]].annotation)
    return frozenset(section.model_fields) - frozenset(Settings.model_fields)


def expand(content: Mapping[str, object]) -> Mapping[str, object]:
    """Return the data of a target file with every short form written out."""
    operations = content.get("operations")
    if not isinstance(operations, Mapping):
        return content
    written = {kind: _expand_one(kind, override) for kind, override in cast("Mapping[str, object]", operations).items()}
    return {**content, "operations": written}


def _expand_one(kind: str, override: object) -> object:
    if not isinstance(override, Mapping):
        return override
    keys = cast("Mapping[str, object]", override)
    moved = {key: value for key, value in keys.items() if key in own_keys(kind)}
    section = keys.get(HOME.get(kind, ""), {})
    if not moved or not isinstance(section, Mapping) or set(moved) & set(cast("Mapping[str, object]", section)):
        return keys
    kept = {key: value for key, value in keys.items() if key not in moved}
    return {**kept, HOME[kind]: {**cast("Mapping[str, object]", section), **moved}}


def as_written(location: Location) -> Location:
    """Return where a key stands in a file that uses the short form."""
    at_home = len(location) > 3 and location[0] == "operations" and location[2] == HOME.get(str(location[1]))
    return (*location[:2], *location[3:]) if at_home else location
