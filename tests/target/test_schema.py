"""The JSON Schema says what the models say."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hwsim.errors import TargetError
from hwsim.target import Target, json_schema, load_target, shipped_targets


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


STEPS = """\
name: t
activations: {symmetric: true}
requantize:
  kind: steps
  steps:
    - {step: add, value: -3}
    - {step: shift_left}
    - {step: fit, bits: 64, signed: false, overflow: "ap_fixed:AP_SAT"}
    - {step: multiply, by: 3}
    - {step: multiply, bits: 16, rule: truncate}
    - {step: shift_right, by: 62, guard_bits: 3, name: high}
    - {step: shift_right, by: ratio, rounding: half_even}
    - {step: activation}
    - {step: lookup, table: [1, 2], first: -1, shift: 7, interpolation: linear, rounding: floor, name: table}
    - {step: thresholds, levels: [1, 2], first: -1}
    - {step: clip, low: null, high: 3}
    - {step: absolute}
    - {step: zero_point}
    - {step: bias}
bias: {position: steps, bits: 8, shift: 7}
layers:
  float: {requantize: {steps: [{step: multiply_float, precision: 64, rounding: half_up}]}, bias: {position: last}}
  short: {requantize: {kind: float32, steps: null}, bias: {position: first}}
operations:
  multiply: {product: {bits: 16}}
"""


OPTIONS = """\
name: t
weights: {fraction_bits: -64}
activations: {fraction_bits: null}
mac:
  order: [kernel_height, kernel_width, input_channel, input_channel_tile]
  tile: {input_channel: 2}
  input_zero_point: corrected
  stages:
    - {name: pair, terms: 2, within: input_channel_tile}
    - {name: accumulator, within: null}
bias: {position: inner, shift: 0}
activation: {limit_rounding: half_away, limit_precision: 32}
layers:
  one: {weights: {fraction_bits: 64}, mac: {input_zero_point: removed}, bias: {position: last, shift: 32}}
"""


def test_options_match() -> None:
    data = yaml.safe_load(OPTIONS)
    assert errors(data) == []
    target = Target.from_dict(data)
    assert yaml.safe_load(target.to_yaml()) == data
    assert errors(yaml.safe_load(target.to_yaml())) == []


def test_steps_match() -> None:
    data = yaml.safe_load(STEPS)
    assert errors(data) == []
    assert errors(yaml.safe_load(Target.from_dict(data).to_yaml())) == []


def test_steps_are_told_apart_by_their_word() -> None:
    listed = json_schema()["$defs"]["Requantize"]["properties"]["steps"]["anyOf"][0]["items"]
    assert listed["discriminator"]["propertyName"] == "step"
    assert sorted(listed["discriminator"]["mapping"].values()) == sorted(one["$ref"] for one in listed["oneOf"])
    for word, reference in listed["discriminator"]["mapping"].items():
        definition = json_schema()["$defs"][reference.rsplit("/", 1)[-1]]
        assert definition["properties"]["step"]["const"] == word
        assert "step" in definition["required"]


@pytest.mark.parametrize(
    "step",
    [
        "{step: shft_right}",
        "{by: 3}",
        "shift_right",
        "null",
        "{step: shift_right, rouding: floor}",
        "{step: shift_right, by: 63}",
        "{step: shift_right, by: ration}",
        "{step: shift_right, guard_bits: 0}",
        "{step: multiply, by: 0}",
        "{step: multiply, rule: neerest}",
        "{step: multiply_float, precision: 16}",
        "{step: fit, bits: 65}",
        "{step: add}",
        "{step: add, value: 1.5}",
        "{step: lookup, table: []}",
        "{step: absolute, by: 3}",
        "{step: bias, shift: 3}",
    ],
)
def test_a_wrong_step_does_not_match(step: str) -> None:
    data = {"name": "t", "requantize": {"kind": "steps", "steps": [yaml.safe_load(step)]}}
    assert errors(data) == ["$.requantize.steps"]
    with pytest.raises(TargetError, match=r"requantize\.steps"):
        Target.from_dict(data)


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
        ({"name": "t", "operations": {"multiply": {"product": {"bits": 65}}}}, "$.operations.multiply.product"),
        ({"name": "t", "weights": {"fraction_bits": 65}}, "$.weights.fraction_bits"),
        ({"name": "t", "activations": {"fraction_bits": 1.5}}, "$.activations.fraction_bits"),
        ({"name": "t", "bias": {"shift": 63}}, "$.bias.shift"),
        ({"name": "t", "bias": {"shift": -1}}, "$.bias.shift"),
        ({"name": "t", "bias": {"position": "middle"}}, "$.bias.position"),
        ({"name": "t", "mac": {"input_zero_point": "kept"}}, "$.mac.input_zero_point"),
        ({"name": "t", "mac": {"stages": [{"name": "acc", "within": "tile"}]}}, "$.mac.stages[0].within"),
        ({"name": "t", "activation": {"limit_rounding": "half_awy"}}, "$.activation.limit_rounding"),
        ({"name": "t", "activation": {"limit_precision": 16}}, "$.activation.limit_precision"),
        ({"name": "t", "requantize": {"kind": "stepz"}}, "$.requantize.kind"),
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
