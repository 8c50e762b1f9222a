"""Every mistake in a list of steps is told in one sentence, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.errors import TargetError
from hwsim.target.read import read_target

HEAD = "name: t\nrequantize:\n  kind: steps\n  steps:\n"

WORDS = (
    "one of add, shift_left, shift_right, multiply, multiply_float, fit, clip, absolute, lookup, thresholds, "
    "activation, zero_point, bias"
)
CONSTANT = "above -4611686018427387904 and below 4611686018427387904"
AMOUNT = "`ratio` or a whole number from 0 to 62"


def mistakes(folder: Path, text: str) -> list[str]:
    """Return what is wrong with a file of ``text``, each mistake without the path that it begins with."""
    path = folder / "bad.yaml"
    path.write_text(text)
    with pytest.raises(TargetError) as caught:
        read_target(path)
    return [mistake.removeprefix(f"{path}:") for mistake in caught.value.mistakes]


ENTRIES = {
    "a word near one": (
        "{step: shft_right}",
        f"7: requantize.steps[2].step: 'shft_right', but must be {WORDS}; did you mean shift_right?",
    ),
    "a word near nothing": ("{step: jump}", f"7: requantize.steps[2].step: 'jump', but must be {WORDS}"),
    "no word": ("{by: 3}", f"7: requantize.steps[2].step: missing; it must be {WORDS}"),
    "an empty mapping": ("{}", f"7: requantize.steps[2].step: missing; it must be {WORDS}"),
    "a number for a word": ("{step: 3}", f"7: requantize.steps[2].step: 3 is a number, but must be {WORDS}"),
    "nothing for a word": ("{step: }", f"7: requantize.steps[2].step: nothing given, but must be {WORDS}"),
    "a list for a word": ("{step: [add]}", f"7: requantize.steps[2].step: a list, but must be {WORDS}"),
    "a word alone": (
        "absolute",
        "7: requantize.steps[2]: 'absolute' is text, but must be a mapping with the key step and others; "
        "write {step: absolute}",
    ),
    "another word alone": (
        "jump",
        "7: requantize.steps[2]: 'jump' is text, but must be a mapping with the key step and others",
    ),
    "a number": ("4", "7: requantize.steps[2]: 4 is a number, but must be a mapping with the key step and others"),
    "a list": ("[add]", "7: requantize.steps[2]: a list, but must be a mapping with the key step and others"),
    "nothing": ("", "7: requantize.steps[2]: nothing given, but must be a mapping with the key step and others"),
    "an unknown key": (
        "{step: fit, over_flow: wrap}",
        "7: requantize.steps[2].over_flow: no such key; did you mean overflow?; allowed here: step, name, bits, "
        "signed, overflow, saturated_bits",
    ),
    "a key of a step that has none": (
        "{step: absolute, by: 3}",
        "7: requantize.steps[2].by: no such key; allowed here: step",
    ),
    "a bias alone": (
        "bias",
        "7: requantize.steps[2]: 'bias' is text, but must be a mapping with the key step and others; "
        "write {step: bias}",
    ),
    "a bias without its position": (
        "{step: bias}",
        "7: requantize.steps[2].step: bias, but bias.position is first; use `bias: {position: steps}`",
    ),
    "a key missing": (
        "{step: add}",
        f"7: requantize.steps[2].value: missing; it must be a whole number {CONSTANT}",
    ),
    "a table missing": ("{step: lookup}", "7: requantize.steps[2].table: missing; it must be a list"),
    "63 bits": (
        "{step: shift_left, by: 63}",
        f"7: requantize.steps[2].by: 63, but must be {AMOUNT}",
    ),
    "a word for an amount": (
        "{step: shift_left, by: ration}",
        f"7: requantize.steps[2].by: 'ration', but must be {AMOUNT}; did you mean ratio?",
    ),
    "a fraction for an amount": (
        "{step: shift_left, by: 1.5}",
        f"7: requantize.steps[2].by: 1.5, but must be {AMOUNT}",
    ),
    "a yes for an amount": (
        "{step: shift_left, by: yes}",
        f"7: requantize.steps[2].by: true is a yes-or-no value, but must be {AMOUNT}",
    ),
    "a list for an amount": ("{step: shift_left, by: [1]}", f"7: requantize.steps[2].by: a list, but must be {AMOUNT}"),
    "a factor of 0": (
        "{step: multiply, by: 0}",
        "7: requantize.steps[2].by: 0, but must be `ratio` or a whole number from 1 to 4294967295",
    ),
    "40 guard bits": (
        "{step: shift_right, by: 3, guard_bits: 40}",
        "7: requantize.steps[2].guard_bits: 40 bits, but what a rounder sees has 1 to 32",
    ),
    "a vector of 1": (
        "{step: shift_right, by: 3, vector: 1}",
        "7: requantize.steps[2].vector: 1 channels, but a vector has 2 to 1024",
    ),
    "a vector without what is left over": (
        "{step: shift_right, by: 3, vector: 8}",
        "7: requantize.steps[2].vector: 8, but how are channels left over rounded? give tail_rounding",
    ),
    "what is left over without a vector": (
        "{step: shift_right, by: 3, tail_rounding: floor}",
        "7: requantize.steps[2].tail_rounding: no effect: without vector nothing is left over; leave it out",
    ),
    "a multiplier of 33 bits": (
        "{step: multiply, bits: 33}",
        "7: requantize.steps[2].bits: 33 bits, but a multiplier has 2 to 32",
    ),
    "an unknown rule": (
        "{step: multiply, rule: neerest}",
        "7: requantize.steps[2].rule: 'neerest', but must be one of nearest, half_down, truncate, reduced, "
        "saturated, fraction; did you mean nearest?",
    ),
    "half a float": (
        "{step: multiply_float, precision: 16}",
        "7: requantize.steps[2].precision: 16, but must be one of 32, 64",
    ),
    "text for a float": (
        "{step: multiply_float, precision: '32'}",
        "7: requantize.steps[2].precision: '32' is text, but must be one of 32, 64",
    ),
    "a wide constant": (
        "{step: clip, low: 0x4000000000000000}",
        f"7: requantize.steps[2].low: 4611686018427387904, but a constant is {CONSTANT}",
    ),
    "text for a constant": (
        "{step: add, value: one}",
        f"7: requantize.steps[2].value: 'one' is text, but must be a whole number {CONSTANT}",
    ),
    "an empty table": (
        "{step: lookup, table: []}",
        "7: requantize.steps[2].table: an empty list, but at least one entry is needed",
    ),
    "a long table": (
        f"{{step: lookup, table: [{'1, ' * (1 << 16)} 1]}}",
        "7: requantize.steps[2].table: 65537 entries, but there can be 65536 at most",
    ),
    "a wide entry": (
        "{step: lookup, table: [1, 0x80000000]}",
        "7: requantize.steps[2].table[1]: 2147483648, but a table's entry is above -2147483648 and below 2147483648",
    ),
    "an octal level": (
        "{step: thresholds, levels: [1, 010]}",
        "7: requantize.steps[2].levels[1]: YAML reads 010 as the number 8; write 8, or put it in quotes",
    ),
    "levels that do not ascend": (
        "{step: thresholds, levels: [2, 1]}",
        "7: requantize.steps[2].levels[1]: 1, but the level before it is 2; levels ascend",
    ),
    "a name in capitals": (
        "{step: fit, name: Narrow}",
        "7: requantize.steps[2].name: 'Narrow', but must be a lower-case letter, then lower-case letters, digits "
        "and _, 24 characters at most",
    ),
    "a key twice": (
        "{step: fit, bits: 8, bits: 9}",
        "7: requantize.steps[2].bits: given twice, first in line 7",
    ),
}


@pytest.mark.parametrize(("entry", "expected"), ENTRIES.values(), ids=ENTRIES.keys())
def test_entry(tmp_path: Path, entry: str, expected: str) -> None:
    """The steps before it are good, so that the list would be, but for the entry."""
    good = "    - {step: multiply, bits: 16}\n    - {step: shift_right, name: requantize}\n"
    if "multiply" in entry:
        good = "    - {step: absolute}\n    - {step: shift_right, name: requantize}\n"
    assert mistakes(tmp_path, f"{HEAD}{good}    - {entry}\n") == [expected]


LISTS = {
    "a mapping": ("{step: add, value: 3}", "2: requantize.steps: a mapping, but must be a list"),
    "a word": ("add", "2: requantize.steps: 'add' is text, but must be a list"),
    "none": ("none", "2: requantize.steps: 'none' is text, but must be a list; leave the key out, or write null"),
}


@pytest.mark.parametrize(("written", "expected"), LISTS.values(), ids=LISTS.keys())
def test_list(tmp_path: Path, written: str, expected: str) -> None:
    assert mistakes(tmp_path, f"name: t\nrequantize: {{kind: steps, steps: {written}}}\n") == [expected]


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """What is wrong with the list as a whole is not told before its entries are right; the rest is."""
    text = """\
name: t
bias: {bits: 40}
requantize:
  kind: steps
  steps:
    - step: shift_right
      by: 63
      rouding: floor
    - {step: jump, by: 3}
    - multiply
    - {step: fit, bits: 0}
random: {bits: 4}
layers:
  "*head*":
    requantize:
      steps:
        - {step: add}
"""
    found = mistakes(tmp_path, text)
    assert [(mistake.split(":")[0], mistake.split(": ")[1]) for mistake in found] == [
        ("2", "bias.bits"),
        ("7", "requantize.steps[0].by"),
        ("8", "requantize.steps[0].rouding"),
        ("9", "requantize.steps[1].step"),
        ("10", "requantize.steps[2]"),
        ("11", "requantize.steps[3].bits"),
        ("12", "random.taps"),
        ("17", "layers['*head*'].requantize.steps[0].value"),
    ]


def test_a_wrong_kind_says_nothing_of_the_list(tmp_path: Path) -> None:
    text = "name: t\nrequantize:\n  kind: stepz\n  steps: [{step: multiply}, {step: shift_right}]\n"
    assert mistakes(tmp_path, text) == [
        "3: requantize.kind: 'stepz', but must be one of fixed, fixed_double, fixed_reduced, float32, float64, "
        "power_of_two, none, steps; did you mean steps?"
    ]


def test_rules_have_the_lines_of_their_steps(tmp_path: Path) -> None:
    text = """\
name: t
requantize:
  kind: steps
  steps:
    - step: multiply
    - step: shift_right
      by: 16
    - step: shift_right
      rounding: half_up
    - step: clip
"""
    assert mistakes(tmp_path, text) == [
        "8: requantize.steps[2].name: missing; steps[1] is 'shift_right' in the ledger already, so give a name here",
        "10: requantize.steps[3]: a clip without limits; give low, high or both",
    ]


def test_a_bias_has_its_keys_elsewhere(tmp_path: Path) -> None:
    listed = "    - {step: bias, shift: 7}\n    - {step: multiply_float}\n"
    assert mistakes(tmp_path, f"{HEAD}{listed}bias: {{position: steps}}\n") == [
        "5: requantize.steps[0].shift: no such key; allowed here: step"
    ]


def test_a_long_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    table = ", ".join(map(str, range(256)))
    path.write_text(f"{HEAD}    - {{step: multiply_float}}\n    - {{step: lookup, table: [{table}], first: -128}}\n")
    assert read_target(path).requantize.expanded()[1].model_dump()["table"] == tuple(range(256))
