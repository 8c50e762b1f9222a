"""Settings of a layer: explicit keys merge, the more specific one wins."""

from __future__ import annotations

import pickle

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import TargetError
from hwsim.formats import IntFormat, Overflow, Rounding
from hwsim.target import Settings, Target
from hwsim.target.target import merge

OVERRIDES = {
    "name": "t",
    "weights": {"bits": 6, "narrow": True},
    "mac": {"product": {"bits": 16}, "stages": [{"name": "tree", "terms": 4}, {"name": "accumulator"}]},
    "operations": {
        "dense": {"weights": {"bits": 5}, "mac": {"stages": [{"name": "accumulator", "bits": 40}]}},
        "add": {"requantize": {"rounding": "floor"}},
    },
    "layers": {
        "block?_*": {"weights": {"bits": 4, "granularity": "layer"}, "mac": {"product": None}},
        "*_last": {"weights": {"bits": 3}},
    },
}


def test_a_target_without_overrides_gives_its_own_settings() -> None:
    target = Target.from_dict({"name": "t", "weights": {"bits": 4}})
    settings = target.settings("conv2d", "any")
    assert type(settings) is Settings
    assert settings.weights.bits == 4
    assert settings.bias == target.bias


def test_operations_win_over_the_target() -> None:
    target = Target.from_dict(OVERRIDES)
    assert target.settings("conv2d", "x").weights.bits == 6
    assert target.settings("dense", "x").weights.bits == 5
    assert target.settings("dense", "x").weights.narrow
    assert target.settings("add", "x").requantize.rounding is Rounding.FLOOR
    assert target.settings("dense", "x").requantize.rounding is Rounding.HALF_UP


def test_layers_win_over_operations_and_later_patterns_over_earlier() -> None:
    target = Target.from_dict(OVERRIDES)
    assert target.settings("dense", "block1_a").weights.bits == 4
    assert target.settings("dense", "block1_last").weights.bits == 3
    assert target.settings("dense", "block1_last").weights.granularity == "layer"
    assert target.settings("dense", "Block1_a").weights.bits == 5  # patterns heed the case


def test_lists_are_replaced_whole_and_null_removes_a_section() -> None:
    target = Target.from_dict(OVERRIDES)
    assert [stage.name for stage in target.settings("conv2d", "x").mac.stages] == ["tree", "accumulator"]
    assert [stage.bits for stage in target.settings("dense", "x").mac.stages] == [40]
    assert target.settings("conv2d", "x").mac.product is not None
    assert target.settings("conv2d", "block1_a").mac.product is None


def test_defaults_do_not_override() -> None:
    """A key that an override leaves out keeps the target's value, even where the default differs."""
    target = Target.from_dict({"name": "t", "bias": {"bits": 20}, "layers": {"*": {"bias": {"overflow": "wrap"}}}})
    assert target.settings("dense", "x").bias.bits == 20
    assert target.settings("dense", "x").bias.overflow is Overflow.WRAP


def test_settings_are_cached() -> None:
    target = Target.from_dict(OVERRIDES)
    assert target.settings("dense", "block1_a") is target.settings("dense", "block2_b")


def test_equal_targets_are_equal_whatever_was_asked_of_them() -> None:
    one, two = Target.from_dict(OVERRIDES), Target.from_dict(OVERRIDES)
    one.settings("dense", "x")
    assert one == two
    assert hash(one) == hash(two)
    assert pickle.loads(pickle.dumps(one)) == two
    assert len({one, two, Target(name="t")}) == 2


def test_nothing_changes_after_reading() -> None:
    target = Target(name="t")
    with pytest.raises(ValueError, match="frozen"):
        target.weights = target.weights


def test_to_yaml_gives_back_what_was_given() -> None:
    target = Target.from_dict(OVERRIDES)
    text = target.to_yaml()
    assert text.startswith("name: t\n")
    assert "- {name: tree, terms: 4}" in text
    assert yaml.safe_load(text) == OVERRIDES
    assert Target.from_dict(yaml.safe_load(text)) == target


STEPS = [
    {"step": "shift_left", "by": 2},
    {"step": "fit", "name": "wide", "bits": 48, "overflow": "error"},
    {"step": "multiply", "by": "ratio", "bits": 16, "rule": "reduced"},
    {"step": "shift_right", "name": "requantize", "rounding": "half_up", "guard_bits": 3},
    {"step": "lookup", "table": [*range(-100, 100)], "first": -100},
    {"step": "activation"},
    {"step": "zero_point"},
    {"step": "clip", "low": None, "high": 127},
]


def test_to_yaml_gives_back_steps() -> None:
    data = {
        "name": "t",
        "requantize": {"kind": "steps", "steps": STEPS},
        "layers": {"*": {"requantize": {"steps": STEPS[2:4]}}},
    }
    target = Target.from_dict(data)
    text = target.to_yaml()
    assert "- {step: fit, name: wide, bits: 48, overflow: error}\n" in text
    assert yaml.safe_load(text) == data
    assert Target.from_dict(yaml.safe_load(text)) == target
    assert hash(Target.from_dict(data)) == hash(target)
    assert pickle.loads(pickle.dumps(target)) == target


OPTIONS = {
    "name": "t",
    "weights": {"fraction_bits": 7},
    "activations": {"symmetric": True, "fraction_bits": -2},
    "mac": {
        "order": ["kernel_height", "kernel_width", "input_channel", "input_channel_tile"],
        "tile": {"input_channel": 4},
        "input_zero_point": "corrected",
        "stages": [{"name": "tree", "terms": 4, "within": "input_channel"}, {"name": "accumulator", "bits": 40}],
    },
    "bias": {"bits": 8, "shift": 7, "position": "steps"},
    "activation": {"limit_rounding": "half_away", "limit_precision": 32},
    "requantize": {
        "kind": "steps",
        "steps": [{"step": "bias"}, {"step": "multiply"}, {"step": "shift_right", "rounding": "half_up"}],
    },
    "layers": {"*": {"weights": {"fraction_bits": None}, "mac": {"input_zero_point": "removed"}}},
}


def test_to_yaml_gives_back_every_option() -> None:
    target = Target.from_dict(OPTIONS)
    text = target.to_yaml()
    assert "- {name: tree, terms: 4, within: input_channel}\n" in text
    assert yaml.safe_load(text) == OPTIONS
    assert Target.from_dict(yaml.safe_load(text)) == target
    assert hash(Target.from_dict(OPTIONS)) == hash(target)
    assert pickle.loads(pickle.dumps(target)) == target


def test_null_takes_a_binary_point_away() -> None:
    target = Target.from_dict(OPTIONS)
    assert target.weights.fraction_bits == 7
    settings = target.settings("dense", "x")
    assert settings.weights.fraction_bits is None
    assert settings.activations.fraction_bits == -2
    assert settings.mac.input_zero_point == "removed"
    assert settings.mac.stages[0].within == "input_channel"


def test_steps_are_replaced_whole() -> None:
    steps = {"kind": "steps", "steps": STEPS}
    target = Target.from_dict(
        {"name": "t", "requantize": steps, "layers": {"*": {"requantize": {"steps": STEPS[2:4]}}}}
    )
    assert [step.step for step in target.settings("dense", "x").requantize.expanded()] == ["multiply", "shift_right"]
    assert len(target.requantize.expanded()) == len(STEPS)


def test_a_multiplication_has_its_own_section() -> None:
    target = Target.from_dict({"name": "t", "operations": {"multiply": {"product": {"bits": 12}}}})
    product = target.settings("multiply", "x").multiplication.product
    assert product is not None
    assert product.bits == 12
    assert target.settings("dense", "x").multiplication.product is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([1], "a list, but a target is a mapping of keys"),
        (None, "nothing given, but a target is a mapping of keys"),
        ({}, "name: missing; it must be one line of text, 1 to 64 characters, without blanks at its ends"),
        ({"name": "t", "bias": {"bits": 65}}, "bias.bits: 65 bits, but an accumulator has 1 to 64"),
    ],
)
def test_from_dict_tells_what_is_wrong(data: object, sentence: str) -> None:
    with pytest.raises(TargetError) as caught:
        Target.from_dict(data)
    assert caught.value.mistakes == (sentence,)


def test_formats_of_tensors() -> None:
    target = Target.from_dict({"name": "t", "weights": {"bits": 4, "narrow": True}})
    assert target.weights.integer_format() == IntFormat(bits=4, narrow=True)


MAPPINGS = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6
)
DATA = st.dictionaries(st.sampled_from("abc"), MAPPINGS, max_size=3)


@given(DATA, DATA, DATA)
def test_merging_is_idempotent_and_later_wins(
    base: dict[str, object], over: dict[str, object], top: dict[str, object]
) -> None:
    merged = merge(base, over)
    assert merge(merged, over) == merged
    assert merge(base, {}) == base
    for key, value in over.items():
        if not isinstance(value, dict):
            assert merged[key] == value
    assert merge(merge(base, over), top).keys() == base.keys() | over.keys() | top.keys()


def test_the_short_form_of_an_operation_means_its_section() -> None:
    short = {"average_pool": {"rounding": "floor"}, "add": {"left_shift": 3}, "softmax": {"run_on": "host"}}
    full = {"average_pool": {"pooling": {"rounding": "floor"}}, "add": {"addition": {"left_shift": 3}}}
    one = Target.from_dict({"name": "t", "operations": short})
    other = Target.from_dict({"name": "t", "operations": full})
    for kind in ("average_pool", "add", "dense"):
        assert one.settings(kind, "layer") == other.settings(kind, "layer")
    assert one.settings("average_pool", "layer").pooling.rounding == "floor"
    assert one.settings("add", "layer").addition.left_shift == 3


def test_both_forms_of_one_key_are_a_mistake() -> None:
    both = {"average_pool": {"rounding": "floor", "pooling": {"rounding": "ceil"}}}
    with pytest.raises(TargetError, match="operations.average_pool.rounding: no such key"):
        Target.from_dict({"name": "t", "operations": both})
