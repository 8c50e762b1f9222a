"""What a target may say of steps that are not uniform, and of scales that differ by powers of two."""

from __future__ import annotations

from typing import Any

import pytest

from hwsim.errors import TargetError
from hwsim.target import Target
from hwsim.target.bounds import operand

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a zero point": (
        {"activations": {"step": "quadratic", "symmetric": False}},
        "activations.step: quadratic, but activations.symmetric is false; such levels lie around a zero point of 0",
    ),
    "too wide a square": (
        {"weights": {"step": "quadratic", "bits": 9}},
        "weights.bits: 9 bits, but quadratic levels of 16 bits have at most 8 bits of code",
    ),
    "too large a power": (
        {"weights": {"step": "logarithmic", "bits": 6}},
        "weights.bits: 6 bits, but logarithmic levels of 16 bits have at most 4 bits (5 if signed and narrow) of code",
    ),
    "a missing level": (
        {"weights": {"step": "codebook", "bits": 2, "levels": [-1, 0, 1]}},
        "weights.levels: 3 levels, but 2 bits have 4 codes",
    ),
    "two equal levels": (
        {"weights": {"step": "codebook", "bits": 2, "levels": [-1, 0, 0, 1]}},
        "weights.levels: must ascend, no two of them the same",
    ),
    "no zero": (
        {"activations": {"step": "codebook", "bits": 2, "levels": [-1, 1, 2, 3]}},
        "activations.levels: without 0, but padding and ReLU need an activation of 0",
    ),
    "a table that nobody reads": (
        {"weights": {"bits": 2, "levels": [-1, 0, 1, 2]}},
        "weights.levels: given, but weights.step is uniform; use `step: codebook`",
    ),
    "levels too narrow": (
        {"weights": {"step": "codebook", "bits": 6, "level_bits": 4}},
        "weights.level_bits: 4 bits, but 6 bits of code need as many different levels",
    ),
    "a group without size": (
        {"weights": {"granularity": "group"}},
        "weights.granularity: group, but weights.group does not say how many input channels share a scale",
    ),
    "a size without group": (
        {"weights": {"group": 4}},
        "weights.group: given, but weights.granularity is output_channel; use `granularity: group`",
    ),
    "shifted zero points": (
        {"weights": {"granularity": "full_channel", "symmetric": False}},
        "weights.granularity: full_channel, but weights.symmetric is false; shifted codes have zero points of 0",
    ),
    "operands too wide": (
        {"activations": {"granularity": "channel", "symmetric": True, "shift_bits": 4}},
        "activations.shift_bits: 4 bits, but codes of 8 bits shifted by up to 15 need 23 bits, and operands have at "
        "most 16",
    ),
    "levels by channel": (
        {"weights": {"granularity": "group", "group": 2, "step": "quadratic"}},
        "weights.step: quadratic, but weights.granularity is group; use layer or output_channel",
    ),
    "no way to the levels": (
        {"activations": {"step": "quadratic", "symmetric": True}, "requantize": {"kind": "none"}},
        "activations.step: quadratic, but requantize does not go by the ratio of scales",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused(name: str) -> None:
    sections, sentence = WRONG[name]
    with pytest.raises(TargetError) as caught:
        Target.from_dict({"name": "wrong", **sections})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("section", "ends"),
    [
        ({"bits": 5, "step": "logarithmic", "narrow": True}, (-(1 << 14), 1 << 14)),
        ({"bits": 8, "step": "quadratic"}, (-(1 << 14), 127**2)),
        ({"bits": 8, "step": "quadratic", "signed": False}, (0, 255**2)),
        ({"bits": 2, "step": "codebook", "levels": [-9, 0, 5, 300]}, (-9, 300)),
        ({"bits": 4, "granularity": "full_channel", "shift_bits": 2}, (-64, 56)),
    ],
)
def test_the_widest_that_codes_decode_to(section: dict[str, Any], ends: tuple[int, int]) -> None:
    found = operand(Target.from_dict({"name": "wide", "weights": section}).weights)
    assert (found.low, found.high) == ends
