"""A target: the settings of one datapath, and what is different for some operations and layers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Literal, cast, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from hwsim.errors import TargetError
from hwsim.target.mistake import LocatedError, Location, Mistake, dotted, overlap
from hwsim.target.rules import MAC_KINDS, SUM_KINDS, broken
from hwsim.target.section import Spelling
from hwsim.target.sentences import prune, translate, typed
from hwsim.target.settings import Reading, Settings
from hwsim.target.short import expand

Kind = Literal[
    "input",
    "constant",
    "embedding",
    "conv2d",
    "depthwise_conv2d",
    "grouped_conv2d",
    "conv2d_transpose",
    "dense",
    "scale_shift",
    "average_pool",
    "max_pool",
    "mean",
    "kept_mean",
    "add",
    "subtract",
    "multiply",
    "matmul",
    "normalize",
    "concatenate",
    "activation",
    "prelu",
    "curve",
    "leaky_relu",
    "rescale",
    "reshape",
    "resize",
    "pad",
    "crop",
    "rearrange",
    "softmax",
]
KINDS: tuple[str, ...] = get_args(Kind)

GENERAL_KIND: Mapping[str, str] = {
    "grouped_conv2d": "conv2d",
    "leaky_relu": "activation",
    "rescale": "activation",
    "kept_mean": "mean",
}
"""Special kinds, and the kind whose overrides hold for them, too; their own come on top."""

_USED_BY: Mapping[str, frozenset[str]] = {
    "weights": MAC_KINDS | {"prelu"},
    "mac": SUM_KINDS,
    "bias": MAC_KINDS,
    "curve": frozenset({"curve"}),
    "pooling": frozenset({"average_pool", "mean", "kept_mean"}),
    "resize": frozenset({"resize"}),
    "normalization": frozenset({"normalize"}),
    "addition": frozenset({"add", "subtract"}),
    "multiplication": frozenset({"multiply"}),
    "concatenation": frozenset({"concatenate"}),
    "softmax": frozenset({"softmax"}),
}


class Target(Settings):
    """One datapath. ``operations`` and ``layers`` give single keys that differ; the more specific one wins.

    Making a target checks every override on top of the rest and raises TargetError with all mistakes.
    """

    name: Annotated[
        str,
        Field(pattern=r"^\S(.*\S)?$", max_length=64),
        Spelling("one line of text, 1 to 64 characters, without blanks at its ends"),
    ]
    """The target's name, as reports print it."""
    description: str = ""
    """What the target models, in a sentence."""
    network: Reading = Reading()
    """How a framework's model becomes a network."""
    operations: dict[Kind, Settings] = {}
    """Settings that differ for one kind of operation."""
    layers: dict[Annotated[str, Field(min_length=1)], Settings] = {}
    """Settings that differ for layers whose name matches a pattern (`*`, `?`, `[...]`); later ones win."""

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Target:
        mistakes = self._mistakes()
        if mistakes:
            raise LocatedError(mistakes)
        return self

    @classmethod
    def from_dict(cls, data: object) -> Target:
        """Return the target that a mapping describes; raise TargetError with every mistake in it.

        >>> Target.from_dict({"name": "tiny", "weights": {"bits": 4}}).weights.bits
        4
        """
        if not isinstance(data, Mapping):
            raise LocatedError([Mistake((), f"{typed(data)}, but a target is a mapping of keys")])
        content = expand(cast("Mapping[str, object]", data))
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            mistakes = translate(error, cls)
        raise LocatedError(mistakes + cls._mistakes_of_rest(content, mistakes))

    def settings(self, kind: str, layer: str) -> Settings:
        """Return what holds for ``layer``, an operation of ``kind``; raise TargetError if that is wrong.

        Mappings merge key by key, lists are replaced whole. First the target's own keys, then
        those of ``operations`` (a general kind's before a special one's), then of each matching
        pattern of ``layers`` in the file's order.

        >>> target = Target.from_dict({"name": "t", "layers": {"*stem*": {"weights": {"bits": 4}}}})
        >>> target.settings("conv2d", "stem_1").weights.bits, target.settings("conv2d", "body").weights.bits
        (4, 8)
        """
        patterns = tuple(pattern for pattern in self.layers if fnmatchcase(layer, pattern))
        if (kind, patterns) not in self._resolved:
            resolved = self._resolve(kind, patterns)
            wrong = [f"layer {layer!r} ({kind}): {mistake}" for mistake in broken(resolved, kind)]
            if wrong:
                raise TargetError(wrong)
            self._resolved[kind, patterns] = resolved
        return self._resolved[kind, patterns]

    def to_yaml(self) -> str:
        """Return a target file with what was given explicitly."""
        given = name_first(self.model_dump(mode="json", exclude_unset=True))
        return yaml.safe_dump(given, sort_keys=False, default_flow_style=None, width=100, allow_unicode=True)

    def __hash__(self) -> int:
        """Hash what was given; equal targets have equal hashes."""
        return hash(json.dumps(self.model_dump(mode="json", exclude_unset=True), sort_keys=True))

    @cached_property
    def _resolved(self) -> dict[tuple[str, tuple[str, ...]], Settings]:
        return {}

    def _resolve(self, kind: str, patterns: tuple[str, ...]) -> Settings:
        """Merge the keys given for all operations, for ``kind`` and under each of ``patterns``."""
        own = {"name", "description", "network", "operations", "layers"}
        merged: dict[str, object] = self.model_dump(exclude_unset=True, exclude=own)
        named = (GENERAL_KIND.get(kind), kind)
        overrides = [self.operations[name] for name in named if name in self.operations]
        overrides += [self.layers[pattern] for pattern in patterns]
        for settings in overrides:
            merged = merge(merged, settings.model_dump(exclude_unset=True))
        return Settings.model_validate(merged)

    def _mistakes(self) -> list[Mistake]:
        """Find what is wrong between the keys, of the target itself and of each override on top of it."""
        base = list(broken(self._resolve("", ())))
        known = {(mistake.at, mistake.sentence) for mistake in base}
        found = [*base, *self._unused_sections()]
        for prefix, kind, patterns, written in self._overrides():
            for mistake in broken(self._resolve(kind, patterns), kind or None):
                if (mistake.at, mistake.sentence) not in known:
                    found.append(blame(mistake, prefix, written))
        return found

    def _overrides(self) -> Iterator[tuple[Location, str, tuple[str, ...], Settings]]:
        """Yield where each override stands, the kind or the pattern it is for, and its own keys."""
        for kind, written in self.operations.items():
            yield ("operations", kind), kind, (), written
        for pattern, written in self.layers.items():
            yield ("layers", pattern), "", (pattern,), written

    def _unused_sections(self) -> Iterator[Mistake]:
        """Find sections given for a kind of operation that has no use for them."""
        for kind, written in self.operations.items():
            for section in Settings.model_fields:
                if section in written.model_fields_set and kind not in _USED_BY.get(section, KINDS):
                    users = ", ".join(sorted(_USED_BY[section]))
                    sentence = f"no effect: {kind} has no {section}; the section is for {users}"
                    yield Mistake(("operations", kind, section), sentence)

    @classmethod
    def _mistakes_of_rest(cls, data: Mapping[str, object], known: list[Mistake]) -> list[Mistake]:
        """Find what else is wrong between keys that have no part in the ``known`` mistakes."""
        suspects = [location for mistake in known for location in mistake.locations]
        try:
            cls.model_validate({"name": "unnamed"} | prune(data, known))
        except LocatedError as error:
            return [mistake for mistake in error.located if not _touches(mistake, suspects)]
        except ValidationError:
            pass
        return []


def merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """Return ``base`` with the keys of ``over``: mappings merge key by key, all else is replaced.

    >>> merge({"mac": {"order": [1, 2], "tile": None}}, {"mac": {"order": [3]}})
    {'mac': {'order': [3], 'tile': None}}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def name_first(data: object, *, listed: bool = False) -> object:
    """Return the data with names and descriptions at the head of their mappings, in a list behind `step`."""
    if isinstance(data, list):
        return [name_first(item, listed=True) for item in cast("list[object]", data)]
    if not isinstance(data, dict):
        return data
    mapping = cast("dict[str, object]", data)
    head = ("step", "name") if listed else ("name", "description")
    keys = sorted(mapping, key=lambda key: (*head, key).index(key))
    return {key: name_first(mapping[key]) for key in keys}


def blame(mistake: Mistake, prefix: Location, written: Settings) -> Mistake:
    """Say a mistake of an override of a key that the override gives."""
    given = next((at for at in mistake.locations if _depth(written, at) == len(at)), None)
    chosen = mistake.at[: _depth(written, mistake.at)] if given is None else given
    inside = tuple((*prefix, *at) for at in mistake.locations)
    also = (*inside, *mistake.locations)
    listed = any(isinstance(part, int) for part in chosen) and overlap(mistake.at, chosen)
    if listed or (chosen and overlap(chosen, mistake.at)):
        return Mistake((*prefix, *mistake.at), mistake.sentence, also)
    return Mistake((*prefix, *chosen), f"with this, {dotted(mistake.at)}: {mistake.sentence}", also)


def _depth(written: object, location: Location) -> int:
    """Count the parts of ``location`` that lead to something given explicitly."""
    for depth, part in enumerate(location):
        if isinstance(written, BaseModel) and part in written.model_fields_set:
            written = getattr(written, str(part))
        elif isinstance(written, tuple) and isinstance(part, int):
            written = cast("tuple[object, ...]", written)[part]
        else:
            return depth
    return len(location)


def _touches(mistake: Mistake, suspects: list[Location]) -> bool:
    return any(overlap(location, suspect) for location in mistake.locations for suspect in suspects)
