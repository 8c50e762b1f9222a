"""Names of other tools: the qualified ones are accepted, bare ones are refused with a hint."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from hwsim.aliases import NAMES, NOT_ONE_MODE, ours, spells
from hwsim.errors import TargetError
from hwsim.formats import Overflow, Rounding
from hwsim.target import Target
from hwsim.target.aliases import hint
from hwsim.target.read import read_target

ENUMS = {"rounding": Rounding, "overflow": Overflow}

TABLE = [(key, tool, name, mode) for key in NAMES for tool in NAMES[key] for name, mode in NAMES[key][tool].items()]

# --- the table ----------------------------------------------------------------------------------------


def test_a_qualified_name_is_accepted() -> None:
    for key, tool, name, mode in TABLE:
        for written in (f"{tool}:{name}", f"{tool.upper()}:{name.lower()}"):
            assert ENUMS[key](written) is ENUMS[key](mode), written


def test_a_prefix_may_be_left_out() -> None:
    assert Rounding("ap_fixed:RND_CONV") is Rounding("ac_fixed:RND_CONV") is Rounding.HALF_EVEN
    assert Overflow("ap_fixed:SAT_SYM") is Overflow.SATURATE_SYMMETRIC


def test_no_two_names_of_a_tool_are_spelled_alike() -> None:
    for key, tools in NAMES.items():
        for tool, names in tools.items():
            for name, word in product(names, repeat=2):
                assert spells(name, word) == (name == word), (key, tool)


@pytest.mark.parametrize("text", ["HALF_UP", "qonnx:", ":HALF_UP", "qonnx:HALF_UPP", "qonx:HALF_UP", "ap_fixed:AC_RND"])
def test_all_else_is_refused(text: str) -> None:
    assert ours("rounding", text) is None
    with pytest.raises(ValueError, match="is not a valid Rounding"):
        Rounding(text)


@pytest.mark.parametrize("qualified", NOT_ONE_MODE)
def test_what_is_no_mode_is_not_accepted(qualified: str) -> None:
    key = "overflow" if "STD" in qualified else "rounding"
    assert ours(key, qualified) is None
    for word in (qualified.lower(), qualified.partition(":")[2]):
        assert hint(key, word) == f"{qualified} is {NOT_ONE_MODE[qualified]}"


# --- in a target file ---------------------------------------------------------------------------------


def test_a_target_may_use_them(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("name: t\nrequantize: {rounding: qonnx:HALF_UP}\nbias:\n  overflow: ap_fixed:AP_SAT_SYM\n")
    target = read_target(path)
    assert target.requantize.rounding is Rounding.HALF_AWAY
    assert target.bias.overflow is Overflow.SATURATE_SYMMETRIC
    assert "rounding: half_away" in target.to_yaml()


@pytest.mark.parametrize(
    ("rounding", "end"),
    [
        ("qonnx:HALF_UPP", "did you mean qonnx:HALF_UP? There are FLOOR, CEIL, DOWN, UP, HALF_DOWN, HALF_UP"),
        ("ap_fixed:RND_COV", "did you mean ap_fixed:AP_RND_CONV? There are AP_TRN, AP_TRN_ZERO"),
        ("riscv:xyz", "there are rdn, rup, rtz, rnu, rmm, rne, rod"),
        ("qonx:CEIL", "did you mean qonnx:CEIL? There are names of ap_fixed, ac_fixed, apytypes, qonnx"),
        ("ethos_u:TFL", "ethos_u:TFL is two roundings, those of requantize: {kind: fixed_double}"),
    ],
)
def test_a_wrong_qualified_name_is_told(rounding: str, end: str) -> None:
    with pytest.raises(TargetError) as caught:
        Target.from_dict({"name": "t", "requantize": {"rounding": rounding}})
    assert f"requantize.rounding: '{rounding}', but must be one of floor, " in str(caught.value)
    assert f"stochastic_equal; {end}" in str(caught.value)


# --- hints --------------------------------------------------------------------------------------------


def test_a_bare_name_is_refused_and_explained() -> None:
    for key, _, name, mode in TABLE:
        if name not in list(ENUMS[key]):
            with pytest.raises(ValueError, match="is not a valid"):
                ENUMS[key](name)
        assert mode in hint(key, name) or name.lower() == mode


def test_a_hint_says_what_would_be_accepted() -> None:
    assert hint("rounding", "AC_RND_CONV_ODD") == (
        "AC_RND_CONV_ODD is half_odd here; ac_fixed:AC_RND_CONV_ODD is accepted too"
    )
    assert hint("rounding", "rnd conv odd") == (
        "rnd_conv_odd is half_odd here; ac_fixed:AC_RND_CONV_ODD or apytypes:RND_CONV_ODD is accepted too"
    )
    assert hint("overflow", "AP_WRAP_SM").startswith("AP_WRAP_SM is wrap_sign_magnitude here; ap_fixed:")
    assert hint("rounding", "Convergent") == "Convergent is half_even here; matlab:Convergent is accepted too"


def test_a_word_of_several_meanings() -> None:
    assert hint("rounding", "Round") == (
        "Round is half_even (qonnx:ROUND, onnx:Round, numpy:round, python:round) or half_away (c:round, matlab:Round) "
        "here; the names in brackets are accepted too"
    )
    assert hint("rounding", "HALF_UP") == "did you mean half_up? Beware: qonnx:HALF_UP, java:HALF_UP is half_away"
    assert hint("rounding", "HALF_DOWN").endswith("qonnx:HALF_DOWN, java:HALF_DOWN is half_toward_zero")
    assert hint("rounding", "stochastic").endswith("is stochastic_weighted or stochastic_equal here")


def test_other_words_have_no_hint() -> None:
    assert hint("rounding", "nonsense") == hint("rounding", "FLOOR") == hint("bits", "SAT") == hint("kind", "a:b") == ""


@pytest.mark.parametrize(("key", "word"), [("granularity", "per_channel"), ("kind", "single"), ("overflow", "clip")])
def test_loose_words(key: str, word: str) -> None:
    assert hint(key, word).startswith(f"{word.upper()} (")
