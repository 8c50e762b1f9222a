"""The JSON Schema of a target file, with which editors complete and check."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from hwsim.target.section import Section
from hwsim.target.short import HOME, own_keys
from hwsim.target.target import KINDS, Target

_VERSION = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of target files: every key with its meaning, limits and default.

    What depends on several keys at once, such as that a bias fits its accumulator, is checked when a
    target is read and not said here.

    >>> json_schema()["required"]
    ['name']
    """
    schema = Target.model_json_schema(schema_generator=_Plain)
    models = {one.__name__: one for one in _below(Section)}
    for name, one in {**schema["$defs"], Target.__name__: schema}.items():
        for key, text in meanings(models[name]).items() if name in models else ():
            field = one["properties"][key]
            if text != schema["$defs"].get(field.get("$ref", "").rsplit("/", 1)[-1], {}).get("description"):
                field["description"] = text
    operations = schema["properties"]["operations"]
    override: object = operations.pop("additionalProperties")
    operations.pop("propertyNames", None)
    kinds = {kind: _with_own_keys(kind, override, schema["$defs"]) for kind in KINDS}
    operations |= {"properties": kinds, "additionalProperties": False}
    for model in schema["$defs"].values():
        word = model.get("properties", {}).get("step", {})
        if "const" in word:
            word["description"] = model["description"]
    head = {
        "$schema": _VERSION,
        "title": "hwsim target",
        "description": "The description of one integer datapath.",
    }
    return head | {key: value for key, value in schema.items() if key not in head}


def meanings(model: type[Section]) -> dict[str, str]:
    """Return the text below each field of a section.

    Pydantic can read it, too (``use_attribute_docstrings``), but would at each import, for a third of a second.
    """
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if not issubclass(one, Section):
            continue
        (body,) = ast.parse(dedent(inspect.getsource(one))).body
        assert isinstance(body, ast.ClassDef)
        for field, text in pairwise(body.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    found[name] = inspect.cleandoc(words)
                case _:
                    pass
    return found


def _below(model: type[Section]) -> list[type[Section]]:
    return [model, *(one for below in model.__subclasses__() for one in _below(below))]


def _with_own_keys(kind: str, override: object, definitions: dict[str, Any]) -> object:
    """Return the schema of one kind's overrides, with the keys of its short form."""
    if not own_keys(kind):
        return override
    settings = definitions["Settings"]
    section = definitions[settings["properties"][HOME[kind]]["$ref"].rsplit("/", 1)[-1]]
    own = {key: value for key, value in section["properties"].items() if key in own_keys(kind)}
    return settings | {"properties": settings["properties"] | own}


class _Plain(GenerateJsonSchema):
    """Leaves out the titles that repeat the names of keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 (pydantic's own)
        """Return False: no key has a title."""
        return False
