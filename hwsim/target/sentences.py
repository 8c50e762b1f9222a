"""Mistakes that pydantic finds, told in our words: what, value, limit, unit, nearest correct spelling."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hwsim.target.aliases import hint
from hwsim.target.fields import Allowed, allowed
from hwsim.target.mistake import Location, Mistake
from hwsim.target.settings import Measure, Settings
from hwsim.target.short import HOME

_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")
_SPELLING = ("string_pattern_mismatch", "string_too_long", "string_too_short")


def translate(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Return one mistake for each of pydantic's errors about ``model``."""
    details = error.errors(include_url=False)
    return [_mistake(detail, model) for detail in details if not _follows(detail)]


def _follows(detail: ErrorDetails) -> bool:
    """Whether a list counts as too short only because its entries are wrong, which is told already."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _mistake(detail: ErrorDetails, model: type[BaseModel]) -> Mistake:
    location: Location = detail["loc"]
    value: object = detail["input"]
    if location[-1:] == ("[key]",):
        return _wrong_name(location[:-1], model)
    if detail["type"] == "extra_forbidden":
        return _unknown_key(location, model)
    if detail["type"] == "missing":
        return Mistake(location, f"missing; it must be {allowed(model, location).words()}")
    return Mistake(location, _wrong_value(detail["type"], value, location, allowed(model, location)))


def _wrong_value(kind: str, value: object, location: Location, here: Allowed) -> str:
    measure = here.find(Measure)
    if kind in _RANGE and measure:
        amount = f"{shown(value)} {measure.unit}".rstrip()
        return f"{amount}, but {measure.limit} {here.limits}"
    if kind == "too_short":
        return "an empty list, but at least one entry is needed"
    if here.choices and isinstance(value, str):
        return f"{shown(value)}, but must be {here.words()}{_did_you_mean(_key(location), value, here.choices)}"
    if kind in _RANGE or kind in _SPELLING:
        return f"{shown(value)}, but must be {here.words()}"
    return f"{typed(value)}, but must be {here.words()}{_remedy(value, here)}"


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
    key, parent = str(location[-1]), allowed(model, location[:-1])
    near = _nearest(key, parent.keys)
    end = f"; did you mean {near}?" if near else ""
    if not near and parent.model and issubclass(parent.model, Settings):
        end = _belongs(key, location, parent.model)
    meant = ((*location[:-1], near),) if near else ()
    return Mistake(location, f"no such key{end}; allowed here: {', '.join(parent.keys)}", meant)


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
    if value is None:
        return "; leave the key out for the default"
    if here.type is str and isinstance(value, bool | int | float):
        return "; put it in quotes if it is meant as text"
    if value == "none" and here.nullable:
        return "; leave the key out, or write null"
    return ""


def prune(data: Mapping[str, object], mistakes: Collection[Mistake]) -> dict[str, object]:
    """Return a copy of ``data`` without the wrong keys, so that the rest can be checked further."""
    wrong = {mistake.at for mistake in mistakes}
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
