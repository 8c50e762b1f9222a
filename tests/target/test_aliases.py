"""Hints name our words only, and none of the words they explain is one of ours."""

from __future__ import annotations

import re

import pytest

from hwsim.formats import Overflow, Rounding
from hwsim.target import aliases

OURS = {"rounding": {mode.value for mode in Rounding}, "overflow": {mode.value for mode in Overflow}}


@pytest.mark.parametrize("key", ["rounding", "overflow"])
def test_hints_name_our_words(key: str) -> None:
    for foreign, (ours, _) in aliases.HINTS[key].items():
        words = re.findall(r"[a-z]+(?:_[a-z]+)*", ours)
        assert OURS[key] & set(words), foreign
        assert foreign not in OURS[key]


def test_prefixes_are_stripped() -> None:
    assert aliases.hint("rounding", "AC_RND_CONV_ODD").endswith("is half_odd here")
    assert aliases.hint("rounding", "AP_TRN_ZERO").endswith("is toward_zero here")
    assert aliases.hint("overflow", "AP_WRAP_SM").endswith("is wrap_sign_magnitude here")
    assert aliases.hint("rounding", "Convergent") == "CONVERGENT (MATLAB) is half_even here"
    assert aliases.hint("rounding", "nonsense") == ""
    assert aliases.hint("bits", "SAT") == ""
