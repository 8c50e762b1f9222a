"""Every mistake in a file is told in one sentence, with its line."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from hwsim.errors import TargetError
from hwsim.formats import Rounding
from hwsim.target.read import LARGEST, read_target

ROUNDINGS = (
    "floor, ceil, toward_zero, away_from_zero, half_up, half_down, half_toward_zero, half_away, half_even, "
    "half_odd, "
    "magnitude, jam, jam_unbiased, stochastic_weighted, stochastic_equal"
)


def mistakes(folder: Path, text: str | bytes) -> list[str]:
    """Return what is wrong with a file of ``text``, each mistake without the path that it begins with."""
    path = folder / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
    with pytest.raises(TargetError) as caught:
        read_target(path)
    assert all(mistake.startswith(f"{path}:") for mistake in caught.value.mistakes)
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return [mistake.removeprefix(f"{path}:") for mistake in caught.value.mistakes]


VALUES = {
    "accumulator of 0 bits": (
        "name: t\nmac:\n  stages:\n    - {name: acc, bits: 0}\n",
        "4: mac.stages[0].bits: 0 bits, but an accumulator has 1 to 64",
    ),
    "accumulator of 65 bits": (
        "name: t\nmac:\n  stages:\n    - {name: tree, terms: 4}\n    - name: acc\n      bits: 65\n",
        "6: mac.stages[1].bits: 65 bits, but an accumulator has 1 to 64",
    ),
    "stored code of 17 bits": (
        "name: t\nweights: {bits: 17}\n",
        "2: weights.bits: 17 bits, but a stored code has 1 to 16",
    ),
    "negative shift": (
        "name: t\nmac: {product: {shift: -1}}\n",
        "2: mac.product.shift: -1 bits, but a shift drops 0 to 62",
    ),
    "bias shifted by 63 bits": (
        "name: t\nbias: {bits: 1, shift: 63}\n",
        "2: bias.shift: 63 bits, but a bias is shifted left by 0 to 62",
    ),
    "65 bits behind the point": (
        "name: t\nweights: {fraction_bits: 65}\n",
        "2: weights.fraction_bits: 65 bits, but behind the binary point stand -64 to 64",
    ),
    "65 bits before the last": (
        "name: t\nactivations: {symmetric: true, fraction_bits: -65}\n",
        "2: activations.fraction_bits: -65 bits, but behind the binary point stand -64 to 64",
    ),
    "half a bit behind the point": (
        "name: t\nweights: {fraction_bits: 7.5}\n",
        "2: weights.fraction_bits: 7.5 is a number with a fraction, but must be a whole number from -64 to 64",
    ),
    "a bias in the middle": (
        "name: t\nbias: {position: middle}\n",
        "2: bias.position: 'middle', but must be one of first, last, inner, steps",
    ),
    "an input's zero point ignored": (
        "name: t\nmac: {input_zero_point: correct}\n",
        "2: mac.input_zero_point: 'correct', but must be one of removed, corrected; did you mean corrected?",
    ),
    "sums that end with no loop": (
        "name: t\nmac:\n  stages:\n    - {name: tree, terms: 4, within: input_chanel}\n    - {name: acc}\n",
        "4: mac.stages[0].within: 'input_chanel', but must be one of kernel_height, kernel_width, input_channel, "
        "input_channel_tile; did you mean input_channel?",
    ),
    "a limit in half precision": (
        "name: t\nactivation: {limit_precision: 16}\n",
        "2: activation.limit_precision: 16, but must be one of 32, 64",
    ),
    "a limit that rounds in no mode": (
        "name: t\nactivation: {limit_rounding: half_awy}\n",
        f"2: activation.limit_rounding: 'half_awy', but must be one of {ROUNDINGS}; did you mean half_away?",
    ),
    "multiplier of 33 bits": (
        "name: t\nrequantize: {multiplier_bits: 33}\n",
        "2: requantize.multiplier_bits: 33 bits, but a multiplier has 2 to 32",
    ),
    "percentile of 40": (
        "name: t\nweights: {range: {method: percentile, percent: 40}}\n",
        "2: weights.range.percent: 40 per cent, but a percentile is above 50 and at most 100",
    ),
    "percentile that is no number": (
        "name: t\nweights: {range: {method: percentile, percent: .nan}}\n",
        "2: weights.range.percent: nan per cent, but a percentile is above 50 and at most 100",
    ),
    "terms of 0": (
        "name: t\nmac: {stages: [{name: tree, terms: 0}, {name: acc}]}\n",
        "2: mac.stages[0].terms: 0 terms, but a sum has 1 or more",
    ),
    "a number of astronomic size": (
        f"name: t\nweights: {{bits: 0x{'f' * 5000}}}\n",
        "2: weights.bits: about 2^20000 bits, but a stored code has 1 to 16",
    ),
    "half_upp": (
        "name: t\nrequantize:\n  rounding: half_upp\n",
        f"3: requantize.rounding: 'half_upp', but must be one of {ROUNDINGS}; did you mean half_up?",
    ),
    "a word near nothing": (
        "name: t\noutput: {overflow: explode}\n",
        "2: output.overflow: 'explode', but must be one of wrap, saturate, saturate_symmetric, "
        "saturate_zero, "
        "wrap_sign_magnitude, error",
    ),
    "RND_CONV of ap_fixed": (
        "name: t\nrequantize: {rounding: AP_RND_CONV}\n",
        f"2: requantize.rounding: 'AP_RND_CONV', but must be one of {ROUNDINGS}; "
        "AP_RND_CONV is half_even here; ap_fixed:AP_RND_CONV is accepted too",
    ),
    "HALF_UP of QONNX": (
        "name: t\nrequantize: {rounding: HALF_UP}\n",
        f"2: requantize.rounding: 'HALF_UP', but must be one of {ROUNDINGS}; did you mean half_up? "
        "Beware: qonnx:HALF_UP, java:HALF_UP is half_away",
    ),
    "SAT_SYM of ap_fixed": (
        "name: t\nbias: {overflow: SAT_SYM}\n",
        "2: bias.overflow: 'SAT_SYM', but must be one of wrap, saturate, saturate_symmetric, saturate_zero, "
        "wrap_sign_magnitude, error; SAT_SYM is saturate_symmetric here; ap_fixed:AP_SAT_SYM or ac_fixed:AC_SAT_SYM is "
        "accepted too",
    ),
    "per_channel": (
        "name: t\nweights: {granularity: per_channel}\n",
        "2: weights.granularity: 'per_channel', but must be one of layer, output_channel, full_channel, group; "
        "PER_CHANNEL (TensorFlow Lite) is output_channel here",
    ),
    "text for a number": (
        "name: t\nweights: {bits: '8'}\n",
        "2: weights.bits: '8' is text, but must be a whole number from 1 to 16",
    ),
    "a fraction for a whole number": (
        "name: t\nweights: {bits: 7.5}\n",
        "2: weights.bits: 7.5 is a number with a fraction, but must be a whole number from 1 to 16",
    ),
    "a yes for a number": (
        "name: t\nweights: {bits: yes}\n",
        "2: weights.bits: true is a yes-or-no value, but must be a whole number from 1 to 16",
    ),
    "a number for a yes": (
        "name: t\nweights: {narrow: 1}\n",
        "2: weights.narrow: 1 is a number, but must be true or false",
    ),
    "a number for a word": (
        "name: t\nrequantize: {kind: 32}\n",
        "2: requantize.kind: 32 is a number, but must be one of fixed, fixed_double, fixed_reduced, float32, float64, "
        "power_of_two, none, steps",
    ),
    "a number for a section": (
        "name: t\nbias: 20\n",
        "2: bias: 20 is a number, but must be a mapping with keys of bits, shift, scale, position, rounding, "
        "division, headroom, overflow",
    ),
    "a list for a section": (
        "name: t\nbias: [20]\n",
        "2: bias: a list, but must be a mapping with keys of bits, shift, scale, position, rounding, "
        "division, headroom, overflow",
    ),
    "a section left empty": (
        "name: t\nbias:\n",
        "2: bias: nothing given, but must be a mapping with keys of bits, shift, scale, position, rounding, division, "
        "headroom, overflow; "
        "leave the key out for the default",
    ),
    "a mapping for a list": (
        "name: t\nmac:\n  stages: {name: acc}\n",
        "3: mac.stages: a mapping, but must be a list",
    ),
    "none for a section that may be absent": (
        "name: t\nmac: {tile: none}\n",
        "2: mac.tile: 'none' is text, but must be a mapping with keys of input_channel; "
        "leave the key out, or write null",
    ),
    "no stages": (
        "name: t\nmac: {stages: []}\n",
        "2: mac.stages: an empty list, but at least one entry is needed",
    ),
    "a stage without a name": (
        "name: t\nmac:\n  stages:\n    - bits: 20\n",
        "4: mac.stages[0].name: missing; it must be a lower-case letter, then lower-case letters, digits "
        "and _, "
        "24 characters at most",
    ),
    "a stage with a bad name": (
        "name: t\nmac: {stages: [{name: Acc-1}]}\n",
        "2: mac.stages[0].name: 'Acc-1', but must be a lower-case letter, then lower-case letters, digits "
        "and _, "
        "24 characters at most",
    ),
    "an unknown loop": (
        "name: t\nmac:\n  order: [kernel_height, kernel_width, input_chanel]\n",
        "3: mac.order[2]: 'input_chanel', but must be one of kernel_height, kernel_width, input_channel, "
        "input_channel_tile; did you mean input_channel?",
    ),
    "a tap of 0": (
        "name: t\nrandom: {bits: 4, taps: [4, 0]}\n",
        "2: random.taps[1]: 0, but a tap is 1 to 20",
    ),
    "an unquoted number for a name": (
        "name: 2024\n",
        "1: name: 2024 is a number, but must be one line of text, 1 to 64 characters, without blanks at "
        "its ends; "
        "put it in quotes if it is meant as text",
    ),
    "an unquoted no for a description": (
        "name: t\ndescription: no\n",
        "2: description: false is a yes-or-no value, but must be text; put it in quotes if it is meant as text",
    ),
    "an empty name": (
        'name: ""\n',
        "1: name: '', but must be one line of text, 1 to 64 characters, without blanks at its ends",
    ),
    "no name": (
        "# a comment\nweights: {bits: 8}\n",
        "2: name: missing; it must be one line of text, 1 to 64 characters, without blanks at its ends",
    ),
}


@pytest.mark.parametrize(("text", "expected"), VALUES.values(), ids=VALUES.keys())
def test_value(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text) == [expected]


KEYS = {
    "misspelt": (
        "name: t\nweights:\n  narow: true\n",
        "3: weights.narow: no such key; did you mean narrow?; allowed here: bits, signed, symmetric, "
        "narrow, step, levels, level_bits, shift_bits, scale_precision, "
        "rounding, range, fraction_bits, granularity, group, division",
    ),
    "a hyphen": (
        "name: t\nrequantize: {multiplier-bits: 16}\n",
        "2: requantize.multiplier-bits: no such key; did you mean multiplier_bits?; "
        "allowed here: kind, multiplier_bits, rounding, rule, forming, steps",
    ),
    "near nothing": (
        "name: t\nbias: {colour: red}\n",
        "2: bias.colour: no such key; allowed here: bits, shift, scale, position, rounding, division, headroom, "
        "overflow",
    ),
    "at the top instead of in its section": (
        "name: t\nmultiplier_bits: 16\n",
        "2: multiplier_bits: no such key; did you mean requantize.multiplier_bits or "
        "activation.multiplier_bits or addition.multiplier_bits?; "
        "allowed here: name, description, weights, activations, mac, bias, requantize, activation, curve, output, "
        "pooling, resize, normalization, "
        "addition, multiplication, concatenation, softmax, random, network, operations, layers",
    ),
    "in an operation instead of in its section": (
        "name: t\noperations:\n  dense: {rounding: half_away}\n",
        "3: operations.dense.rounding: no such key; did you mean weights.rounding or activations.rounding or "
        "bias.rounding?; allowed here: weights, "
        "activations, mac, bias, requantize, activation, curve, output, pooling, resize, normalization, addition, "
        "multiplication, concatenation, "
        "softmax, random",
    ),
    "in the short form of an operation": (
        "name: t\noperations:\n  average_pool:\n    zero_point: kept\n    rounding: half_awayy\n",
        "5: operations.average_pool.pooling.rounding: 'half_awayy', but must be one of "
        + ", ".join(Rounding)
        + "; did you mean half_away?",
    ),
    "in a layer": (
        "name: t\nlayers:\n  '*stem*':\n    weights: {bitz: 4}\n",
        "4: layers['*stem*'].weights.bitz: no such key; did you mean bits?; allowed here: bits, signed, "
        "symmetric, "
        "narrow, step, levels, level_bits, shift_bits, scale_precision, rounding, range, "
        "fraction_bits, granularity, group, division",
    ),
    "an unknown operation": (
        "name: t\noperations:\n  conv: {weights: {bits: 4}}\n",
        "3: operations.conv: no such kind of operation; did you mean conv2d?; there are input, constant, "
        "embedding, conv2d, depthwise_conv2d, grouped_conv2d, conv2d_transpose, dense, "
        "scale_shift, average_pool, max_pool, mean, kept_mean, add, "
        "subtract, multiply, matmul, normalize, concatenate, activation, prelu, curve, leaky_relu, rescale, reshape, "
        "resize, pad, crop, rearrange, softmax",
    ),
    "a layer without a name": (
        "name: t\nlayers:\n  '': {weights: {bits: 4}}\n",
        "3: layers['']: an empty name, but a pattern of layer names is needed, such as '*conv*'",
    ),
    "a list as a key": ("name: t\n? [a, b]\n: 3\n", "2: a key must be one word, not a list or a mapping"),
    "a merge key": (
        "name: t\nbias: {<<: {bits: 20}}\n",
        "2: bias.<<: no such key; allowed here: bits, shift, scale, position, rounding, division, headroom, overflow",
    ),
}


@pytest.mark.parametrize(("text", "expected"), KEYS.values(), ids=KEYS.keys())
def test_key(tmp_path: Path, text: str, expected: str) -> None:
    found = mistakes(tmp_path, text)
    assert found == [expected.replace("bias.<<", "bias['<<']")]


def test_duplicate_key_names_both_lines(tmp_path: Path) -> None:
    text = """\
        name: t
        weights:
          bits: 8
          signed: true
          bits: 4
        bias: {bits: 32}
        bias: {bits: 16}
        """
    assert mistakes(tmp_path, text) == [
        "5: weights.bits: given twice, first in line 3",
        "7: bias: given twice, first in line 6",
    ]


SYNTAX = {
    "tab as indentation": (
        "name: t\nweights:\n\tbits: 8\n\tsigned: true\n",
        ["3: a tab, but only spaces may stand here; replace it"]
        + ["4: a tab, but only spaces may stand here; replace it"],
    ),
    "tab after a colon": ("name:\tt\n", ["1: a tab, but only spaces may stand here; replace it"]),
    "second colon": (
        "name: t\ndescription: NPU: eight bits\n",
        ["2: not YAML: a second ':' in a line, or wrong indentation; quote such text"],
    ),
    "open bracket": (
        "name: t\nmac:\n  order: [kernel_height,\nbias: {bits: 3}\n",
        ["5: not YAML: a '[' that is not closed, or a ',' missing between entries (it began in line 3)"],
    ),
    "open brace": (
        "name: t\nbias: {bits: 3\nweights: {bits: 8}\n",
        ["3: not YAML: a '{' that is not closed, or a ',' missing between keys (it began in line 2)"],
    ),
    "open quote": (
        "name: t\ndescription: 'abc\n",
        ["3: not YAML: a quote that is never closed (it began in line 2)"],
    ),
    "no value": (
        "name: t\nbias: {bits: [",
        ["2: not YAML: a value that is missing, or a bracket that is not closed"],
    ),
    "no colon": (
        "name: t\nweights\nbias: {bits: 3}\n",
        ["3: not YAML: a line without 'key: value', or a quote or bracket not closed before it (it began in line 2)"],
    ),
    "wrong indentation": (
        "name: t\nbias:\n    bits: 3\n  position: last\n",
        ["4: not YAML: a line that is not indented like those before it (it began in line 1)"],
    ),
    "backtick": (
        "name: t\ndescription: `x`\n",
        ["2: not YAML: a character that YAML does not allow here; put the text in quotes"],
    ),
    "two documents": (
        "name: t\n---\nname: u\n",
        ["2: not YAML: more than one document; a target file has no '---' but in its first line"],
    ),
    "control character": (
        "name: t\ndescription: \x07bell\n",
        ["2: the character U+0007 is not allowed in YAML; remove it"],
    ),
    "nested without end": ("[" * 1000, ["1: not YAML: more than 20 levels of nesting"]),
    "not UTF-8": (
        "name: t\ndescription: 8 µm\n".encode("latin-1"),
        ["2: byte 0xb5 is not UTF-8; save the file as UTF-8 text"],
    ),
    "empty": ("", ["1: an empty file, but a target has at least a name: `name: my-target`"]),
    "comments alone": (
        "# nothing\n",
        ["1: an empty file, but a target has at least a name: `name: my-target`"],
    ),
    "a list": ("- name: t\n", ["1: a list, but a target is a mapping of keys"]),
    "a word": ("generic-int8\n", ["1: 'generic-int8' is text, but a target is a mapping of keys"]),
}


@pytest.mark.parametrize(("text", "expected"), SYNTAX.values(), ids=SYNTAX.keys())
def test_syntax(tmp_path: Path, text: str | bytes, expected: list[str]) -> None:
    assert mistakes(tmp_path, text) == expected


SURPRISES = {
    "octal": (
        "weights: {bits: 010}",
        "2: weights.bits: YAML reads 010 as the number 8; write 8, or put it in quotes",
    ),
    "base 60": (
        "weights: {bits: 1:5}",
        "2: weights.bits: YAML reads 1:5 as the number 65; write 65, or put it in quotes",
    ),
    "date": (
        "description: 2024-05-01",
        "2: description: YAML reads 2024-05-01 as a date; put it in quotes for text",
    ),
    "foreign tag": ("bias: !!set {a}", "2: bias: the tag !!set is not read; leave it out"),
    "object": (
        "bias: !!python/object/apply:os.system [id]",
        "2: bias: the tag !!python/object/apply:os.system is not read; leave it out",
    ),
    "wrong tag": ("bias: {bits: !!int many}", "2: bias.bits: 'many' is no int"),
}


@pytest.mark.parametrize(("line", "expected"), SURPRISES.values(), ids=SURPRISES.keys())
def test_surprise_of_yaml(tmp_path: Path, line: str, expected: str) -> None:
    assert mistakes(tmp_path, f"name: t\n{line}\n") == [expected]


def test_anchors_and_aliases_are_refused(tmp_path: Path) -> None:
    text = """\
        name: t
        weights: &w {bits: 8}
        activations: *w
        """
    assert mistakes(tmp_path, text) == [
        "2: &w: anchors and aliases (& and *) are not read; write the values out",
        "3: *w: anchors and aliases (& and *) are not read; write the values out",
    ]


def test_a_billion_laughs_are_refused_at_once(tmp_path: Path) -> None:
    bomb = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    found = mistakes(tmp_path, f"name: t\na0: &a0 lol\n{bomb}")
    assert "3: *a0: anchors and aliases (& and *) are not read; write the values out" in found


def test_every_mistake_is_told_at_once_in_order_of_lines(tmp_path: Path) -> None:
    text = """\
        description: no name here
        weights: {bits: 0, narow: true}
        mac:
          stages:
            - {name: tree, terms: 16, bits: 20}
            - {name: accumulator, bits: 20}
        bias: {bits: 32}
        requantize: {rounding: half_upp}
        bias: {bits: 20}
        random: {bits: 010}
        """
    found = mistakes(tmp_path, text)
    assert [(mistake.split(":")[0], mistake.split(": ")[1]) for mistake in found] == [
        ("1", "name"),
        ("2", "weights.bits"),
        ("2", "weights.narow"),
        ("7", "bias.bits"),
        ("8", "requantize.rounding"),
        ("9", "bias"),
        ("10", "random.bits"),
    ]
    assert found[3] == (
        "7: bias.bits: 32 bits, but the accumulator that starts from it (mac.stages[1], accumulator) has 20; "
        "use 20 bits or fewer, or `position: last`"
    )


def test_a_misspelt_key_brings_no_mistake_of_what_it_stands_for(tmp_path: Path) -> None:
    text = """\
        name: t
        mac: {stages: [{name: accumulator, bits: 20}]}
        bais: {bits: 20}
        """
    assert [mistake.split(";")[0] for mistake in mistakes(tmp_path, text)] == ["3: bais: no such key"]


def test_a_default_that_does_not_fit_is_told_where_it_fails(tmp_path: Path) -> None:
    text = """\
        name: t
        mac:
          stages: [{name: accumulator, bits: 20}]
        """
    assert mistakes(tmp_path, text) == [
        "3: bias.bits: 32 bits, but the accumulator that starts from it (mac.stages[0], accumulator) has 20; "
        "use 20 bits or fewer, or `position: last`"
    ]


def test_an_override_that_does_not_fit_is_blamed_for_it(tmp_path: Path) -> None:
    text = """\
        name: t
        operations:
          dense:
            mac: {stages: [{name: accumulator, bits: 16}]}
        layers:
          "*stem*":
            bias: {bits: 40}
        """
    assert mistakes(tmp_path, text) == [
        "4: operations.dense.mac.stages: with this, bias.bits: 32 bits, but the accumulator that starts "
        "from it "
        "(mac.stages[0], accumulator) has 16; use 16 bits or fewer, or `position: last`",
        "7: layers['*stem*'].bias.bits: 40 bits, but the accumulator that starts from it "
        "(mac.stages[0], accumulator) has 32; use 32 bits or fewer, or `position: last`",
    ]


def test_files_that_are_no_files(tmp_path: Path) -> None:
    missing, large = tmp_path / "missing.yaml", tmp_path / "large.yaml"
    large.write_bytes(b"#" * (LARGEST + 1))
    for path, sentence in (
        (missing, "no such file"),
        (tmp_path, "a folder, not a YAML file"),
        (large, "1000001 bytes, but a target file has at most 1000000"),
    ):
        with pytest.raises(TargetError) as caught:
            read_target(path)
        assert caught.value.mistakes == (f"{path}: {sentence}",)


GOOD = {
    "yes and on": ("name: t\nweights: {narrow: on, signed: yes}\n", True),
    "quoted number as a name": ("name: '2024'\nweights: {narrow: true}\n", True),
    "a byte order mark and Windows lines": ("\ufeffname: t\r\nweights:\r\n  narrow: true\r\n", True),
    "a document start": ("---\nname: t\nweights: {narrow: off}\n", False),
    "tabs in a comment": ("name: t # a\tcomment\n", False),
    "a hexadecimal seed": ("name: t\nrandom: {seed: 0xACE1}\n", False),
    "null for what may be absent": ("name: t\nmac: {product: null, tile: ~}\n", False),
    "no binary point": ("name: t\nweights: {fraction_bits: null}\n", False),
    "a binary point before the last bit": ("name: t\nweights: {fraction_bits: -3}\n", False),
    "whole per cent": ("name: t\nweights: {range: {method: percentile, percent: 99}}\n", False),
}


@pytest.mark.parametrize(("text", "narrow"), GOOD.values(), ids=GOOD.keys())
def test_good_file(tmp_path: Path, text: str, narrow: bool) -> None:
    path = tmp_path / "good.yaml"
    path.write_bytes(text.encode())
    assert read_target(path).weights.narrow is narrow


def test_keys_are_words_whatever_yaml_makes_of_them(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("name: t\nlayers:\n  on: {weights: {bits: 4}}\n  010: {weights: {bits: 5}}\n")
    target = read_target(path)
    assert target.settings("dense", "on").weights.bits == 4
    assert target.settings("dense", "010").weights.bits == 5
