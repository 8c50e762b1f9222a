"""What a layer could do instead of what the target says: formats and ranges, as keys of a target file.

Everything the search knows of a strategy stands here. A new granularity, step or range method is one more entry of
``WEIGHTS`` or ``ACTIVATIONS``; what a target's rules refuse, or what changes nothing, drops out by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, cast

from hwsim.network import Operation, Weighted
from hwsim.target import Settings

Part = Literal["weights", "activations"]
Recipe = Mapping[str, object]

BITS: Mapping[Part, Sequence[int]] = {"weights": (8, 6, 5, 4, 3, 2), "activations": (8, 6, 5, 4)}
"""Widths that are tried, where they are narrower than the target's."""

RANGES: Sequence[Recipe] = ({"method": "minmax"}, {"method": "mean_square"})
"""How ranges are chosen, beside the target's own way."""

WEIGHTS: Sequence[Recipe] = (
    {},
    *({"granularity": "output_channel", "range": one} for one in RANGES),
    {"symmetric": False},
    {"granularity": "full_channel", "symmetric": True, "range": {"method": "minmax"}},
    {"step": "codebook", "granularity": "output_channel", "range": {"method": "minmax"}},
)
"""How weights are stored; ``{}`` is the target's own way."""

ACTIVATIONS: Sequence[Recipe] = (
    {},
    *({"range": one} for one in RANGES),
    {"symmetric": False},
    {"step": "codebook", "range": {"method": "minmax"}},
)
"""How feature maps are stored."""

RECIPES: Mapping[Part, Sequence[Recipe]] = {"weights": WEIGHTS, "activations": ACTIVATIONS}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What one layer does with its weights or with its output: ``keys`` of that section of the target."""

    layer: str
    part: Part
    keys: Recipe

    @property
    def section(self) -> Mapping[str, Recipe]:
        """The keys as a target's ``layers`` section has them for the layer."""
        return {self.part: self.keys}

    def __str__(self) -> str:
        return words(self.keys) or "as the target says"


def words(keys: Recipe) -> str:
    """Return keys in a few words.

    >>> words({"bits": 4, "range": {"method": "percentile", "percent": 99.9}, "symmetric": False})
    '4 bits, percentile 99.9, asymmetric'
    """
    parts: list[str] = []
    for key, value in keys.items():
        if key == "bits":
            parts.append(f"{value} bits")
        elif key == "symmetric":
            parts.append("symmetric" if value else "asymmetric")
        elif isinstance(value, Mapping):
            parts.append(" ".join(str(one) for one in cast("Mapping[str, object]", value).values()))
        else:
            parts.append(str(value).replace("_", " "))
    return ", ".join(parts)


def candidates(operation: Operation, settings: Settings) -> Iterator[Candidate]:
    """Yield what a layer could do, its weights first, wide before narrow; the target's own way is not among it."""
    for part in cast(
        "Sequence[Part]", ("weights", "activations") if isinstance(operation, Weighted) else ("activations",)
    ):
        own: dict[str, Any] = getattr(settings, part).model_dump(mode="json")
        seen: list[Recipe] = [{}]
        widths = [bits for bits in BITS[part] if bits < own["bits"]]
        for bits, recipe in product((own["bits"], *widths), RECIPES[part]):
            keys = {key: value for key, value in recipe.items() if not _says(own.get(key), value)}
            if bits != own["bits"]:
                keys = {"bits": bits, **keys}
            if keys not in seen:
                seen.append(keys)
                yield Candidate(layer=operation.name, part=part, keys=keys)


def _says(own: object, value: object) -> bool:
    """Whether a target says this already."""
    if isinstance(own, Mapping) and isinstance(value, Mapping):
        return all(cast("Mapping[str, object]", own).get(key) == one for key, one in value.items())
    return own == value
