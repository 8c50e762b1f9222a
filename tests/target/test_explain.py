"""The explanation says what the file says, within 100 columns."""

from __future__ import annotations

from typing import Any

import pytest

from hwsim.target import Target, explain, load_target, shipped_targets
from hwsim_kernels.softmax import POINTS
from hwsim_kernels.softmax_polynomial import POINTS as PARABOLA_POINTS

EVERYTHING: dict[str, Any] = {
    "name": "everything",
    "description": "a target " * 30,
    "weights": {"signed": False, "range": {"method": "percentile", "percent": 99}},
    "mac": {
        "order": ["input_channel_tile", "kernel_height", "kernel_width", "input_channel"],
        "tile": {"input_channel": 32},
        "product": {"bits": 12, "shift": 2, "rounding": "half_up"},
        "stages": [
            {"name": "pairs_of_a_very_long_na", "terms": 2, "shape": "tree", "bits": 16, "signed": False},
            {
                "name": "group",
                "terms": 1000,
                "bits": 9,
                "overflow": "wrap_sign_magnitude",
                "saturated_bits": 2,
            },
            {"name": "accumulator", "bits": 60, "signed": False, "shift": 3, "overflow": "error"},
        ],
    },
    "bias": {"position": "last"},
    "activation": {"position": "before_requantize"},
    "requantize": {"rounding": "stochastic_weighted"},
    "operations": {"average_pool": {"pooling": {"zero_point": "kept", "rounding": "floor"}}},
    "layers": {
        "a_pattern_of_a_very_long_layer_name_" * 5: {"mac": {"stages": [{"name": "accumulator", "bits": 40}]}},
        "*": {"weights": {"bits": 4}},
        "nothing": {},
    },
}

STEPS: dict[str, Any] = {
    "name": "t",
    "requantize": {
        "kind": "steps",
        "steps": [
            {"step": "shift_left"},
            {"step": "fit", "name": "left", "overflow": "wrap", "saturated_bits": 2},
            {"step": "add", "value": -12},
            {"step": "multiply", "by": 3},
            {"step": "multiply", "bits": 16, "rule": "half_down"},
            {"step": "shift_right", "name": "high", "by": 15, "rounding": "half_up", "guard_bits": 4},
            {"step": "shift_right", "name": "ratio", "rounding": "half_up", "vector": 8, "tail_rounding": "half_away"},
            {"step": "lookup", "table": [1, 2, 3], "first": -128, "shift": 7, "interpolation": "linear"},
            {"step": "activation"},
            {"step": "absolute"},
            {"step": "thresholds", "levels": [1, 5, 7]},
            {"step": "clip", "low": -3},
            {"step": "clip", "high": 30000},
            {"step": "lookup", "table": [1], "first": 5},
            {"step": "fit", "bits": 8, "signed": False, "overflow": "saturate"},
            {"step": "zero_point"},
            {"step": "clip", "low": -128, "high": 127},
        ],
    },
    "activations": {"bits": 9},
    "operations": {"multiply": {"product": {"bits": 16, "shift": 2, "saturated_bits": 1}}},
}

OPTIONS: dict[str, Any] = {
    "name": "options",
    "weights": {"fraction_bits": 7, "granularity": "layer"},
    "activations": {"symmetric": True, "fraction_bits": -2, "range": {"method": "percentile", "percent": 99}},
    "mac": {
        "order": ["kernel_height", "kernel_width", "input_channel", "input_channel_tile"],
        "tile": {"input_channel": 4},
        "input_zero_point": "corrected",
        "stages": [{"name": "block", "terms": 4, "bits": 18, "within": "input_channel"}, {"name": "accumulator"}],
    },
    "bias": {"bits": 8, "shift": 7, "position": "inner"},
    "activation": {"limit_rounding": "half_away", "limit_precision": 32},
}

AMONG: dict[str, Any] = {
    "name": "among",
    "bias": {"bits": 16, "position": "steps"},
    "requantize": {
        "kind": "steps",
        "steps": [
            {"step": "shift_right", "by": 4, "name": "truncate"},
            {"step": "bias"},
            {"step": "multiply"},
            {"step": "shift_right"},
        ],
    },
}

TEXTS = {name: load_target(name) for name in shipped_targets()} | {
    "everything": Target.from_dict(EVERYTHING),
    "steps": Target.from_dict(STEPS),
    "options": Target.from_dict(OPTIONS),
    "among": Target.from_dict(AMONG),
}


@pytest.mark.parametrize("target", TEXTS.values(), ids=TEXTS.keys())
def test_width_and_characters(target: Target) -> None:
    text = explain(target)
    assert text.isascii()
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert [line for line in text.splitlines() if len(line) > 100 or line != line.rstrip()] == []


def test_edge_npu_in_full() -> None:
    expected = """\
edge-npu-acc20
8-bit NPU, 16-lane adder trees feeding a 20-bit saturating accumulator

  input s8   weight s8 narrow
        \\     /
          (x)
           |
    [   product   ]  s16  wrap
           |
    [ adder_tree  ]  s20  16 terms, check last, wrap
           |
    [ accumulator ]  s20  all that is left, check each, saturate   <-- bias s20
           |
    [ requantize  ]       x 16-bit integer, >> n half_up
           |
    [ activation  ]       ReLU, clip, leaky slope
           |
    [   output    ]  s8   + zero point, saturate

Formats
  weights       s8, codes -127 to 127, zero point 0, free scales, range by minimum and maximum,
                rounded half_even; one scale per output channel
  activations   s8, codes -128 to 127, free zero point, free scales, range by percentile 99.99,
                rounded half_even; one scale per tensor
  product       -32385 to 32385: 16 bits when exact

Accumulation
  order         kernel_height > kernel_width > input_channel (outermost first)
  product       s16, wrap
  adder_tree    s20, sums 16 values, summed exactly, fitted once: wrap
  accumulator   s20, sums all that is left, fitted after every addition: saturate
  bias          s20, the last stage starts from it; rounded half_even, saturate

From sum to output
  requantize    fixed: times a 16-bit integer, one shift rounded half_up
  activation    after requantize; leaky slopes of 16 bits, rounded half_up
  output        plus the zero point, to s8: saturate

Where bits can be lost (clamping | round-off)
  weight        none: the range covers every weight | half_even
  input         by design: saturate, the tails beyond percentile 99.99 | half_even
  bias          saturate, if a bias needs more than 20 bits | half_even
  product       impossible: the worst case needs 16 of 16 bits | none
  adder_tree    impossible: the worst case needs 20 of 20 bits | none
  accumulator   possible: saturate, in sums of more than 16 products (bias aside) | none
  requantize    none | half_up (and the ratio itself, to 16 bits)
  activation    none | leaky slopes only: half_up
  output        possible: saturate at 8 bits | none

Other operations
  average_pool  codes less their zero point, sum s20 saturate, quotient rounded half_away
  resize        codes less their zero point, weights of 10 bits, sum rounded half_away
  add           inputs times 2^8, rescaled, sum s20 saturate
  normalize     mean with 6 bits of fraction, floor of the root, reciprocal 2^30 / root, 12 bits of
                fraction, rounded half_up
  multiply      codes less their zero points, product exact, requantised
  curve         table, an entry for each code, computed in float64, rounded half_away
  mean          codes less their zero point, sum s20 saturate, requantised with their number
  softmax       on the host, in float64

Overrides
  none          every operation and layer has the settings above
"""
    assert explain(load_target("edge-npu-acc20")) == expected


@pytest.mark.parametrize(
    "words",
    [
        "input_channel_tile > kernel_height > kernel_width > input_channel (outermost first); blocks of 32",
        "s12, wrap; 2 low bits dropped by half_up",
        "u16, sums 2 values, added in pairs, every node fitted: wrap",
        "with 2 saturated bits",
        "[        bias_sum         ]  u60  error   <-- bias s32",
        "bias_sum      possible: error at 60 bits | none",
        "all negative values become 0",
        "by design: saturate, the tails beyond percentile 99",
        "possible: wrap, it can be negative",
        "3 bits, floor, at every addition",
        "codes as they are stored, sum s32 wrap, quotient rounded floor",
        "shift register of 16 bits, taps 16, 15, 13, 4, seed 1",
        "pooling.rounding: floor; pooling.zero_point: kept",
        "mac.stages: [{name: accumulator, bits: 40}]",
        "weights.bits: 4",
    ],
)
def test_everything_is_said(words: str) -> None:
    assert words in " ".join(explain(TEXTS["everything"]).split("\n                "))


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("mean_square", "least mean square error"),
        ("kl", "least relative entropy"),
        ("fitted", "fitted distribution"),
    ],
)
def test_ranges_that_clip_say_so(method: str, words: str) -> None:
    chosen = {"range": {"method": method}}
    text = " ".join(explain(Target.from_dict({"name": "t", "weights": chosen, "activations": chosen})).split())
    assert text.count(f"free scales, range by {words}, rounded") == 2
    for place in ("weight", "input"):
        assert f"{place} by design: saturate, the tails beyond the range by {words} | half_even" in text


@pytest.mark.parametrize(
    "words",
    [
        "[    block    ] s18 4 terms within input_channel, check each, wrap <-- bias s8 << 7 |",
        "[ accumulator ] s32 all that is left, check each, wrap |",
        "order kernel_height > kernel_width > input_channel > input_channel_tile (outermost first); blocks of 4 input",
        "weights s8, codes -128 to 127, zero point 0, scales fixed at 2^-7, rounded half_even; one scale per layer",
        "activations s8, codes -128 to 127, zero point 0, scales fixed at 2^2, rounded half_even; one scale per tensor",
        "block s18, sums 4 values within input_channel, fitted after every addition: wrap accumulator",
        "bias s8, shifted left by 7, the first sum of the first stage starts from it; rounded half_even, saturate",
        "zero point inputs are multiplied as stored; what their zero point adds is taken off with the bias",
        "after requantize; leaky slopes of 16 bits, rounded half_up; limits divided in float32, rounded half_away",
        "weight possible: saturate, the scale is 2^-7 whatever the range | half_even",
        "input possible: saturate, the scale is 2^2 whatever the range | half_even",
        "block impossible: the worst case needs 18 of 18 bits | none",  # 4 * 2^14 + 127 * 2^7
        "accumulator possible: wrap, in sums of more than 131071 products (bias aside) | none",  # 2^31 / 2^14
    ],
)
def test_options_are_said(words: str) -> None:
    assert " ".join(words.split()) in " ".join(explain(TEXTS["options"]).split())


def test_what_is_as_usual_is_not_said() -> None:
    text = explain(load_target("generic-int8"))
    assert [word for word in ("within", "shifted", "limits", "zero point  ", "fixed at", "<< ") if word in text] == []


@pytest.mark.parametrize(
    ("position", "words"),
    [
        ("first", "the last stage starts from it"),
        ("inner", "the first sum of the first stage starts from it"),
        ("last", "added to the finished sum"),
        ("steps", "added among the steps after the sum"),
    ],
)
def test_the_place_of_the_bias(position: str, words: str) -> None:
    stages = [{"name": "tree", "terms": 4}, {"name": "accumulator"}]
    steps = [*([{"step": "bias"}] if position == "steps" else []), {"step": "multiply_float"}]
    data = {"name": "t", "mac": {"stages": stages}, "requantize": {"kind": "steps", "steps": steps}}
    text = explain(Target.from_dict({**data, "bias": {"position": position, "bits": 20, "shift": 1}}))
    lines = text.splitlines()
    assert f"s20, shifted left by 1, {words}; rounded half_even, saturate" in " ".join(text.split())
    at = [line.split("[")[1].split("]")[0].strip() for line in lines if line.endswith("<-- bias s20 << 1")]
    box = {"first": ["accumulator"], "inner": ["tree"], "last": ["bias_sum"], "steps": []}
    assert at == box[position]
    assert ("+ bias" in text) == (position == "steps")


def test_a_bias_among_the_steps_is_told_in_its_place() -> None:
    text = explain(TEXTS["among"])
    told = text[text.index("From sum to output") :].splitlines()[1:6]
    assert [line.split()[0] for line in told] == ["truncate", "bias", "multiply", "shift_right", "activation"]
    assert told[1] == "  bias          plus the bias"
    assert "[ shift_right ]       + bias, x 32-bit integer, >> n floor" in text
    assert "bias_sum" not in text


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        ({"limit_precision": 32}, "; limits divided in float32, rounded half_even"),
        ({"limit_rounding": "floor"}, "; limits divided in float64, rounded floor"),
        ({"limit_rounding": "half_even", "limit_precision": 64}, ""),
    ],
)
@pytest.mark.parametrize("kind", ["fixed", "steps"])
def test_limits(activation: dict[str, Any], words: str, kind: str) -> None:
    requantize: dict[str, Any] = {"kind": kind}
    if kind == "steps":
        requantize["steps"] = [{"step": "multiply"}, {"step": "shift_right"}]
    text = explain(Target.from_dict({"name": "t", "activation": activation, "requantize": requantize}))
    assert f"leaky slopes of 16 bits, rounded half_up{words} " in " ".join(text.split())


def test_the_drawing_follows_the_order_of_the_datapath() -> None:
    lines = explain(TEXTS["everything"]).splitlines()
    boxes = [line.split("[")[1].split("]")[0].strip() for line in lines if line.startswith("    [")]
    stages = ["pairs_of_a_very_long_na", "group", "accumulator"]
    assert boxes == ["product", *stages, "bias_sum", "activation", "requantize", "output"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("fixed", "times a 32-bit integer (rule truncate), one shift rounded half_up"),
        ("fixed_double", "times a 32-bit integer (rule truncate), high half rounded half_up"),
        ("fixed_double", "left_shift possible: wrap at 32 bits | none high_multiply none | 31 bits, half_up"),
        ("fixed_double", "requantize none | half_away (and the ratio itself, to 32 bits)"),
        ("fixed_double", "[ left_shift ] s32 << n, wrap"),
        ("fixed_reduced", "times a 16-bit integer reduced from 32, one shift rounded half_up, wrap at 32 bits"),
        ("fixed_reduced", "[ narrow ] s32 wrap"),
        ("float32", "times a float32 in float32, rounded half_up"),
        ("float64", "times a float64 in float64, rounded half_up"),
    ],
)
def test_requantisation(kind: str, words: str) -> None:
    own: dict[str, dict[str, object]] = {
        "fixed_reduced": {"multiplier_bits": 16},
        "fixed": {"rule": "truncate"},
        "fixed_double": {"rule": "truncate"},
    }
    text = explain(Target.from_dict({"name": "t", "requantize": {"kind": kind, **own.get(kind, {})}}))
    assert words in " ".join(text.split())


def test_steps_in_full() -> None:
    lines = explain(TEXTS["steps"]).splitlines()
    drawn = lines[lines.index("    [ accumulator ]  s32  all that is left, check each, wrap   <-- bias s32") :]
    assert (
        drawn[: drawn.index("Formats") - 1]
        == """\
    [ accumulator ]  s32  all that is left, check each, wrap   <-- bias s32
           |
    [    left     ]  s32  << n, wrap
           |
    [    high     ]       - 12, x 3, x 16-bit integer, >> 15 half_up on 4 guard bits
           |
    [    ratio    ]       >> n half_up (half_away what vectors of 8 channels leave)
           |
    [   lookup    ]       table of 3, linear, floor
           |
    [ activation  ]       ReLU, clip, leaky slope
           |
    [     fit     ]  u8   magnitude, 3 thresholds, limit -3 or more, limit 30000 or less, table of
           |              1, saturate
           |
    [   output    ]  s9   + zero point, limit -128 to 127, saturate""".splitlines()
    )
    assert (
        drawn[drawn.index("From sum to output") : drawn.index("Overrides") - 1]
        == """\
From sum to output
  shift_left    shifted left as far as the ratio says
  left          to s32: wrap with 2 saturated bits
  add           minus 12
  multiply      times 3
  multiply      times a 16-bit integer (rule half_down)
  high          shifted right by 15 bits, rounded half_up on 4 guard bits
  ratio         shifted right as far as the ratio says, rounded half_up (half_away what vectors of 8
                channels leave)
  lookup        a table of 3 values, 128 apart, the first for -128, between entries linear, rounded
                floor
  activation    leaky slopes of 16 bits, rounded half_up
  absolute      the magnitude
  thresholds    0 plus 1 for each level reached, of 3 levels
  clip          limited to -3 or more
  clip          limited to 30000 or less
  lookup        a table of 1 value, the first for 5
  fit           to u8: saturate
  zero_point    plus the zero point
  clip          limited to -128 to 127
  output        to s9: saturate

Where bits can be lost (clamping | round-off)
  weight        none: the range covers every weight | half_even
  input         possible: saturate, values beyond the calibrated range | half_even
  bias          saturate, if a bias needs more than 32 bits | half_even
  accumulator   possible: wrap, in sums of more than 32832 products (bias aside) | none
  left          possible: wrap at 32 bits | none
  high          none | 15 bits, half_up on 4 guard bits
  ratio         none | half_up (and the ratio itself, to 16 bits)
  ratio_tail    none | half_away (and the ratio itself, to 16 bits)
  lookup        none | between entries: floor
  activation    none | leaky slopes only: half_up
  fit           possible: saturate at 8 bits, unsigned | none
  output        possible: saturate at 9 bits | none

Other operations
  average_pool  codes less their zero point, sum s32 wrap, quotient rounded half_away
  resize        codes less their zero point, weights of 10 bits, sum rounded half_away
  add           inputs times 2^8, rescaled, sum s32 wrap
  normalize     mean with 6 bits of fraction, floor of the root, reciprocal 2^30 / root, 12 bits of
                fraction, rounded half_up
  multiply      codes less their zero points, product s16, wrap with 1 saturated bit; 2 low bits
                dropped by floor, requantised
  curve         table, an entry for each code, computed in float64, rounded half_away
  mean          codes less their zero point, sum s32 wrap, requantised with their number
  softmax       on the host, in float64
""".rstrip().splitlines()
    )


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"step": "add", "value": 12}, ["add plus 12", "+ 12"]),
        ({"step": "shift_left", "by": 1}, ["shift_left shifted left by 1 bit", "<< 1"]),
        ({"step": "shift_right", "by": 0, "name": "nothing"}, ["nothing none | none", ">> 0 floor"]),
        ({"step": "multiply_float", "precision": 64}, ["times a float64 in float64, rounded half_even"]),
        ({"step": "clip", "low": 0, "high": 6}, ["limited to 0 to 6", "limit 0 to 6"]),
        ({"step": "thresholds", "levels": [3]}, ["0 plus 1 for each level reached, of 1 level", "1 threshold,"]),
    ],
)
def test_step(step: dict[str, Any], words: list[str]) -> None:
    ratio = [] if step["step"] == "multiply_float" else [{"step": "multiply"}, {"step": "shift_right"}]
    text = explain(Target.from_dict({"name": "t", "requantize": {"kind": "steps", "steps": [step, *ratio]}}))
    assert [part for part in words if part not in " ".join(text.split())] == []


def test_what_is_not_in_the_list_stands_where_the_target_says() -> None:
    data = {"name": "t", "requantize": {"kind": "steps", "steps": [{"step": "multiply_float"}]}}
    for position, order in (
        ("before_requantize", ["activation", "multiply_float", "zero_point", "output"]),
        ("after_requantize", ["multiply_float", "activation", "zero_point", "output"]),
    ):
        lines = explain(Target.from_dict({**data, "activation": {"position": position}})).splitlines()
        told = lines[lines.index("From sum to output") + 1 :]
        words = [line.split()[0] for line in told[: told.index("")] if line[2] != " "]
        assert words == order


def test_no_requantisation_has_no_box() -> None:
    data = {
        "name": "t",
        "weights": {"granularity": "layer"},
        "activations": {"symmetric": True},
        "requantize": {"kind": "none"},
    }
    text = explain(Target.from_dict(data))
    assert "[ requantize" not in text
    assert "none: the sum itself is the output" in text


def test_a_softmax_in_fixed_point_names_its_points() -> None:
    """As the kernel counts them."""
    words = " ".join(explain(load_target("tflite-int8")).split())
    assert "softmax 8-bit codes, in fixed point" in words
    told = words.split("Where bits can be lost")[1].split("Other operations")[0].split(" softmax ")[1]
    assert tuple(part.split(":")[0] for part in told.split("; ")) == POINTS
    assert "requantised by a multiplier divided by their number" in words
    assert "difference" not in explain(load_target("generic-int8"))


def test_a_softmax_by_a_parabola_names_its_points() -> None:
    words = " ".join(explain(Target.from_dict({"name": "made", "softmax": {"run_on": "polynomial"}})).split())
    assert "softmax 8-bit codes, by a parabola and shifts" in words
    told = words.split("Where bits can be lost")[1].split("Other operations")[0].split(" softmax ")[1]
    assert tuple(part.split(":")[0] for part in told.split("; ")) == PARABOLA_POINTS
