"""What a target allows at a key, read from the models of `hwsim.target.settings` and put into words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hwsim.target.mistake import Location
from hwsim.target.section import Spelling

_Metadata = TypeVar("_Metadata")

_UNIONS = (Union, UnionType)


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The type of a key's value, without `Annotated` and `None`, and everything said beside it."""

    type: Any
    metadata: tuple[object, ...] = ()
    nullable: bool = False

    def find(self, kind: type[_Metadata]) -> _Metadata | None:
        """Return the metadata of one kind, or None."""
        return next((item for item in self.metadata if isinstance(item, kind)), None)

    @property
    def model(self) -> type[BaseModel] | None:
        """The model, if the value is a mapping with fixed keys."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, BaseModel) else None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that may stand here, what something is called before its settings."""
        if not self.model:
            return ()
        head = ("step", "name") if _word(self.model) else ("name", "description")
        return tuple(sorted(self.model.model_fields, key=lambda name: name not in head))

    @property
    def kinds(self) -> dict[str, type[BaseModel]]:
        """The mappings that may stand here, if there are several: by the word in their key `step`."""
        every = get_args(self.type) if get_origin(self.type) in _UNIONS else ()
        return {_word(kind): kind for kind in every if isinstance(kind, type) and issubclass(kind, BaseModel)}

    @property
    def choices(self) -> tuple[str, ...]:
        """The words or numbers that may stand here, if the value is one of a few."""
        if get_origin(self.type) is Literal:
            return tuple(str(word) for word in get_args(self.type))
        if isinstance(self.type, type) and issubclass(self.type, Enum):
            return tuple(str(member.value) for member in self.type)
        return ()

    @property
    def choice_type(self) -> type:
        """The type of the choices."""
        return type(get_args(self.type)[0]) if get_origin(self.type) is Literal else str

    @property
    def limits(self) -> str:
        """The range of a number: "1 to 64"."""
        low, above = self.find(Ge), self.find(Gt)
        high, below = self.find(Le), self.find(Lt)
        if low and high:
            return f"{low.ge} to {high.le}"
        start = f"above {above.gt}" if above else f"{low.ge} or more" if low else ""
        end = f"below {below.lt}" if below else f"at most {high.le}" if high else ""
        return " and ".join(filter(None, (start, end)))

    def words(self) -> str:
        """Say what may stand here, to follow "must be"."""
        if self.model:
            return f"a mapping with keys of {', '.join(self.keys)}"
        if self.kinds:
            return "a mapping with the key step and others"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        spelling = self.find(Spelling)
        if spelling:
            return spelling.rule
        plain = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        if self.type in plain:
            return " ".join(filter(None, (plain[self.type], self._range_words())))
        return "a list" if get_origin(self.type) is tuple else "a mapping"

    def _range_words(self) -> str:
        limits = self.limits
        if not limits or limits.startswith("above"):
            return limits
        return f"from {limits}" if " to " in limits else f"of {limits}"


def allowed(model: type[BaseModel], location: Location) -> Allowed:
    """Return what is allowed at pydantic's ``location`` of ``model``; raise KeyError for a key that does not exist."""
    return _walk(model, location)[0]


def written(model: type[BaseModel], location: Location) -> Location:
    """Return pydantic's ``location`` as a file has it: without the kind of mapping, where there are several."""
    return _walk(model, location)[1]


def _walk(model: type[BaseModel], location: Location) -> tuple[Allowed, Location]:
    here, parts = Allowed(type=model), list[str | int]()
    for part in location:
        if here.kinds:
            here = Allowed(type=here.kinds[str(part)])
        else:
            here = _inside(here, part)
            parts.append(part)
    return here, tuple(parts)


def _inside(here: Allowed, part: str | int) -> Allowed:
    if here.model:
        field = here.model.model_fields[str(part)]
        return _plain(field.annotation, field.metadata)
    origin, arguments = get_origin(here.type), get_args(here.type)
    if origin is tuple:
        return _plain(arguments[0])
    if origin is dict:
        return _plain(arguments[1])
    raise KeyError(part)


def _word(model: type[BaseModel]) -> str:
    """Return the one word that a kind of mapping has in its key `step`, or nothing."""
    field = model.model_fields.get("step")
    words = get_args(field.annotation) if field else ()
    return str(words[0]) if len(words) == 1 else ""


def _plain(annotation: Any, metadata: Iterable[object] = ()) -> Allowed:  # noqa: ANN401 (any annotation)
    """Take `Annotated` and `| None` off an annotation."""
    said = list(metadata)
    nullable = False
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation = arguments[0]
            for item in arguments[1:]:
                said += item.metadata if isinstance(item, FieldInfo) else [item]
        elif origin in _UNIONS and NoneType in arguments:
            annotation = next(kind for kind in arguments if kind is not NoneType)
            nullable = True
        else:
            return Allowed(type=annotation, metadata=tuple(said), nullable=nullable)
