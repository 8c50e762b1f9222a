"""Hints: what a word of another tool is called here, and how it may be written.

The same word can mean another rule, so a bare one is never accepted; `hwsim.aliases` has those with their tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from hwsim.aliases import NAMES, NOT_ONE_MODE, spells
from hwsim.formats import Overflow, Rounding

_MODES = {"rounding": tuple(Rounding), "overflow": tuple(Overflow)}

_LOOSE = {
    "rounding": {
        "truncate": ("toward_zero (or floor, where a right shift is meant)", "C, Ethos-U"),
        "trunc": ("toward_zero (or floor, where a right shift is meant)", "C"),
        "nearest": ("half_up (MATLAB) or half_even (IEEE 754)", "several tools"),
        "stochastic": ("stochastic_weighted or stochastic_equal", "several tools"),
    },
    "overflow": {
        "clip": ("saturate", "several tools"),
        "clamp": ("saturate", "several tools"),
        "two_complement": ("wrap", "several tools"),
        "modulo": ("wrap", "several tools"),
    },
    "granularity": {
        "per_tensor": ("layer", "TensorFlow Lite"),
        "per_layer": ("layer", "several tools"),
        "tensor": ("layer", "several tools"),
        "per_channel": ("output_channel", "TensorFlow Lite"),
        "per_axis": ("output_channel", "TensorFlow Lite"),
        "channel": ("output_channel", "several tools"),
    },
    "kind": {
        "double": ("fixed_double", "TensorFlow Lite"),
        "tflite": ("fixed_double", "TensorFlow Lite"),
        "single": ("fixed", "TensorFlow Lite"),
        "float": ("float32 or float64", "several tools"),
        "shift": ("power_of_two", "several tools"),
    },
}
"""Words in common use, and loosely: key of a target file -> word -> our words, whose word it is."""


def hint(key: str, word: str) -> str:
    """Return what another tool's ``word`` for ``key`` is called here, as the end of a sentence, or nothing.

    >>> hint("rounding", "AP_RND_CONV")
    'AP_RND_CONV is half_even here; ap_fixed:AP_RND_CONV is accepted too'
    >>> hint("rounding", "qonnx:HALFUP")
    'did you mean qonnx:HALF_UP? There are FLOOR, CEIL, DOWN, UP, HALF_DOWN, HALF_UP, HALF_EVEN, ROUND'
    """
    if key in NAMES:
        for name, meaning in NOT_ONE_MODE.items():
            if word.strip().upper() in (name.upper(), name.partition(":")[2]):
                return f"{name} is {meaning}"
        if ":" in word:
            return _wrong_qualified(key, word)
    plain = re.sub(r"[\s-]+", "_", word.strip())
    if plain.lower() in _LOOSE.get(key, {}):
        mode, tools = _LOOSE[key][plain.lower()]
        return f"{plain.upper()} ({tools}) is {mode} here"
    return _bare(key, plain)


def _wrong_qualified(key: str, word: str) -> str:
    """Say what the tool calls its modes, or which tools there are."""
    tool, _, name = (part.strip() for part in word.partition(":"))
    names = NAMES[key].get(tool.lower())
    if names is None:
        near = get_close_matches(tool.lower(), NAMES[key], n=1)
        meant = f"did you mean {near[0]}:{name}? " if near else ""
        return f"{meant}{'T' if meant else 't'}here are names of {', '.join(NAMES[key])}"
    near = get_close_matches(name.upper(), _by_upper(names), n=1)
    meant = f"did you mean {tool.lower()}:{_by_upper(names)[near[0]]}? " if near else ""
    return f"{meant}{'T' if meant else 't'}here are {', '.join(names)}"


def _by_upper(names: Iterable[str]) -> dict[str, str]:
    """Return the names under every spelling in capitals, those without a prefix too."""
    return {upper: name for name in names for upper in (name.upper(), re.sub("^A[PC]_", "", name.upper()))}


def _bare(key: str, word: str) -> str:
    """Say which mode each tool means by a word, and that it is accepted behind the tool's name."""
    meanings: dict[str, list[str]] = {}
    for tool, names in NAMES.get(key, {}).items():
        for name, mode in names.items():
            if spells(name, word):
                meanings.setdefault(mode, []).append(f"{tool}:{name}")
    if word.lower() in _MODES.get(key, ()):
        return _own(word, meanings)
    if not meanings:
        return ""
    if len(meanings) == 1:
        [(mode, qualified)] = meanings.items()
        return f"{word} is {mode} here; {' or '.join(qualified)} is accepted too"
    said = [f"{mode} ({', '.join(qualified)})" for mode, qualified in meanings.items()]
    return f"{word} is {' or '.join(said)} here; the names in brackets are accepted too"


def _own(word: str, meanings: dict[str, list[str]]) -> str:
    """Warn of a word that is one of ours but for its capitals, if other tools mean something else by it."""
    others = {mode: qualified for mode, qualified in meanings.items() if mode != word.lower()}
    said = [f"{', '.join(qualified)} is {mode}" for mode, qualified in others.items()]
    return f"did you mean {word.lower()}? Beware: {'; '.join(said)}" if said else ""
