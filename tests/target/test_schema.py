"""The JSON Schema says what the models say."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hwsim.target import json_schema, load_target, shipped_targets


def errors(data: Any) -> list[str]:
    """Return the paths at which ``data`` does not match the schema."""
    return sorted(error.json_path for error in Draft202012Validator(json_schema()).iter_errors(data))  # pyright: ignore[reportUnknownMemberType]


def test_it_is_a_schema() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", shipped_targets())
def test_shipped_targets_match(name: str) -> None:
    assert errors(yaml.safe_load(load_target(name).to_yaml())) == []


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "$"),
        ([], "$"),
        ({"name": "t", "wieghts": {}}, "$"),
        ({"name": ""}, "$.name"),
        ({"name": "t", "weights": {"bits": 17}}, "$.weights.bits"),
        ({"name": "t", "mac": {"stages": [{"name": "acc", "bits": 0}]}}, "$.mac.stages[0].bits"),
        ({"name": "t", "mac": {"stages": []}}, "$.mac.stages"),
        ({"name": "t", "requantize": {"rounding": "half_upp"}}, "$.requantize.rounding"),
        ({"name": "t", "operations": {"conv": {}}}, "$.operations"),
        ({"name": "t", "operations": {"dense": {"bias": {"bits": 65}}}}, "$.operations.dense.bias.bits"),
        ({"name": "t", "layers": {"*": {"name": "u"}}}, "$.layers['*']"),
        ({"name": "t", "random": {"taps": [21]}}, "$.random.taps[0]"),
    ],
)
def test_a_wrong_target_does_not_match(data: object, path: str) -> None:
    assert errors(data) == [path]


def test_every_key_has_a_meaning() -> None:
    schema = json_schema()
    assert all(model.get("description") for model in schema["$defs"].values())
    models = [schema, *(model for model in schema["$defs"].values() if "properties" in model)]
    nameless = [key for model in models for key, value in model["properties"].items() if not _described(value)]
    assert nameless == []


def _described(value: dict[str, Any]) -> bool:
    return bool(value.get("description") or "$ref" in value)  # the model that it refers to has one
