"""Mistakes that pydantic finds, told in our words: what, value, limit, unit, nearest correct spelling."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sized
from difflib import get_close_matches
from typing import cast

from annotated_types import MaxLen
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hwsim.target.aliases import hint
from hwsim.target.fields import Allowed, allowed, written
from hwsim.target.mistake import Location, Mistake
from hwsim.target.section import Measure
from hwsim.target.settings import Settings
from hwsim.target.short import HOME
from hwsim.target.steps import RATIO

_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")
_SPELLING = ("string_pattern_mismatch", "string_too_long", "string_too_short")
_LENGTH = ("too_short", "too_long")
_TAG = ("union_tag_invalid", "union_tag_not_found")


def translate(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Return one mistake for each of pydantic's errors about ``model``."""
    details = error.errors(include_url=False)
    return [_mistake(detail, model) for detail in details if not _follows(detail)]


def _follows(detail: ErrorDetails) -> bool:
    """Whether a list counts as too short only because its entries are wrong, which is told already."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _mistake(detail: ErrorDetails, model: type[BaseModel]) -> Mistake:
    location: Location = detail["loc"]
    if location[-1:] == ("[key]",):
        return _wrong_name(location[:-1], model)
    if detail["type"] == "extra_forbidden":
        return _unknown_key(location, model)
    here, at = allowed(model, location), written(model, location)
    if detail["type"] in _TAG:
        return _wrong_step(detail["input"], at, here)
    if detail["type"] == "missing":
        return Mistake(at, f"missing; it must be {here.words()}", _list_around(at))
    sentence = _wrong_value(detail["type"], detail["input"], at, here)
    return Mistake(at, sentence, _list_around(at) if here.kinds else ())


def _list_around(at: Location) -> tuple[Location, ...]:
    """Return the entry and the list around a key, of which nothing can be said without the key."""
    depth = next((depth for depth, part in enumerate(at) if isinstance(part, int)), None)
    return () if depth is None else (at[: depth + 1], at[:depth])


def _wrong_step(step: object, at: Location, here: Allowed) -> Mistake:
    """Tell of a step without `step`, or with a word there that is none of the steps."""
    words = f"one of {', '.join(here.kinds)}"
    if not isinstance(step, Mapping) or "step" not in step:
        sentence = f"missing; it must be {words}"
    else:
        word = cast("Mapping[str, object]", step)["step"]
        said, near = typed(word), ""
        if isinstance(word, str):
            said, near = shown(word), _did_you_mean("step", word, here.kinds)
        sentence = f"{said}, but must be {words}{near}"
    return Mistake((*at, "step"), sentence, _list_around(at))


def _wrong_value(kind: str, value: object, at: Location, here: Allowed) -> str:
    measure = here.find(Measure)
    if kind in _RANGE and measure:
        amount = f"{shown(value)} {measure.unit}".rstrip()
        return f"{amount}, but {measure.limit} {here.limits}"
    if kind in _LENGTH and isinstance(value, Sized):
        return _wrong_length(value, here)
    words, types = ((RATIO,), (str, int, float)) if kind == "amount" else (here.choices, (here.choice_type,))
    plain = kind in _RANGE or kind in _SPELLING or (bool(words) and type(value) in types)
    if not plain:
        return f"{typed(value)}, but must be {here.words()}{_remedy(value, here)}"
    near = _did_you_mean(_key(at), value, words) if isinstance(value, str) and words else ""
    return f"{shown(value)}, but must be {here.words()}{near}"


def _wrong_length(value: Sized, here: Allowed) -> str:
    longest = here.find(MaxLen)
    if longest and len(value) > longest.max_length:
        return f"{len(value)} entries, but there can be {longest.max_length} at most"
    return "an empty list, but at least one entry is needed"


def _wrong_name(location: Location, model: type[BaseModel]) -> Mistake:
    """Tell of a key of `operations` or `layers` that is no kind of operation, or an empty pattern."""
    name = str(location[-1])
    kinds = Allowed(type=_key_type(allowed(model, location[:-1]))).choices
    if not kinds:
        return Mistake(location, "an empty name, but a pattern of layer names is needed, such as '*conv*'")
    near = _did_you_mean("", name, kinds)
    return Mistake(location, f"no such kind of operation{near}; there are {', '.join(kinds)}")


def _key_type(here: Allowed) -> object:
    return here.type.__args__[0]


def _unknown_key(location: Location, model: type[BaseModel]) -> Mistake:
    """Say that a key does not exist, with the nearest that does, or the section where it belongs."""
    key, parent, above = str(location[-1]), allowed(model, location[:-1]), written(model, location[:-1])
    home = _belongs(key, location, parent.model) if parent.model and issubclass(parent.model, Settings) else ""
    near = "" if home else _nearest(key, parent.keys)
    end = f"; did you mean {near}?" if near else home
    meant = ((*above, near),) if near else ()
    return Mistake((*above, key), f"no such key{end}; allowed here: {', '.join(parent.keys)}", meant)


def _belongs(key: str, location: Location, parent: type[BaseModel]) -> str:
    """Name the sections that hold ``key``, the one of the operation at hand before all others."""
    sections = [section for section in Settings.model_fields if _holds(parent, section, key)]
    home = HOME.get(str(location[-2])) if len(location) > 1 else None
    if home in sections:
        sections = [home]
    names = [f"{section}.{key}" for section in sections[:3]]
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _holds(parent: type[BaseModel], section: str, key: str) -> bool:
    inner = allowed(parent, (section,)).model
    return inner is not None and key in inner.model_fields


def _did_you_mean(key: str, word: str, choices: Collection[str]) -> str:
    """Return the nearest choice as the end of a sentence, or nothing if none is near."""
    foreign = hint(key, word)
    if foreign:
        return f"; {foreign}"
    near = _nearest(word, choices)
    return f"; did you mean {near}?" if near else ""


def _nearest(word: str, choices: Collection[str]) -> str:
    plain = word.lower().replace("-", "_").replace(" ", "_")
    return next(iter(get_close_matches(plain, choices, n=1)), "")


def _key(location: Location) -> str:
    return next((part for part in reversed(location) if isinstance(part, str)), "")


def shown(value: object) -> str:
    """Write a value as a sentence shows it: short, and text in quotes."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:37]}...")
    if isinstance(value, int) and value.bit_length() > 128:
        return f"about 2^{value.bit_length()}"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def typed(value: object) -> str:
    """Say what a value is, as the start of a sentence."""
    if value is None:
        return "nothing given"
    if isinstance(value, bool):
        return f"{shown(value)} is a yes-or-no value"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    kinds: dict[type, str] = {str: "text", int: "a number", float: "a number with a fraction"}
    return f"{shown(value)} is {kinds.get(type(value), f'a {type(value).__name__}')}"


def _remedy(value: object, here: Allowed) -> str:
    if value is None and not here.kinds:
        return "; leave the key out for the default"
    if here.type is str and isinstance(value, bool | int | float):
        return "; put it in quotes if it is meant as text"
    if value == "none" and here.nullable:
        return "; leave the key out, or write null"
    if isinstance(value, str) and value in here.kinds:
        return f"; write {{step: {value}}}"
    return ""


def prune(data: Mapping[str, object], mistakes: Collection[Mistake]) -> dict[str, object]:
    """Return a copy of ``data`` without the keys in the mistakes, so that the rest can be checked further."""
    wrong = {location for mistake in mistakes for location in mistake.locations}
    return {key: value for key, value in _pruned(data, (), wrong)}


def _pruned(data: Mapping[str, object], at: Location, wrong: Collection[Location]) -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if (*at, key) not in wrong:
            yield key, _pruned_value(value, (*at, key), wrong)


def _pruned_value(value: object, at: Location, wrong: Collection[Location]) -> object:
    if isinstance(value, Mapping):
        return dict(_pruned(value, at, wrong))
    if isinstance(value, list):
        return [
            _pruned_value(item, (*at, index), wrong) for index, item in enumerate(value) if (*at, index) not in wrong
        ]
    return value
