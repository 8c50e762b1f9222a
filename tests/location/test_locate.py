"""What is located is what loops in plain Python find; the lines run as they are printed; mistakes are named."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from location.test_random import printed
from pipeline.tiny import DIGITS, IMAGES, dense, image_network, narrow_target, reals, target_with
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.errors import DatapathOverflow, HwsimError, ProgramError
from hwsim.location import Location
from hwsim.location.recipe import text_of
from hwsim.network import AveragePool, Conv2D, Conv2DTranspose, Input, Network, Reshape, ScaleShift
from hwsim.quantize.decide import kernel_of

SAMPLES = reals(4, 6, 6, 3, seed=50)
EVERY = 10**9

DEFAULT = ["kernel_height", "kernel_width", "input_channel"]
CHANNELS_FIRST = ["input_channel", "kernel_width", "kernel_height"]


@cache
def result(order: str, overflow: str) -> hwsim.Result:
    """Return a run with a narrow accumulator, behind groups of four products that are fitted once."""
    target = target_with(
        activations={"bits": 6},
        mac={
            "order": DEFAULT if order == "rows" else CHANNELS_FIRST,
            "stages": [
                {"name": "group", "terms": 4, "bits": 12, "overflow": "wrap", "check": "last"},
                {"name": "accumulator", "bits": 12, "overflow": overflow, "check": "each"},
            ],
        },
        bias={"bits": 12, "position": "first"},
    )
    return hwsim.run(image_network(), target, SAMPLES, reference=False)


def held(value: int, bits: int, overflow: str) -> int:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if overflow == "saturate":
        return max(low, min(high, value))
    return (value - low) % (1 << bits) + low


def code(value: float, scale: float, zero_point: int, low: int, high: int) -> int:
    """Return a code by Python's own rounding, which is half to even."""
    return max(low, min(high, round(value / scale) + zero_point))


def loops(order: str, overflow: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return every output of the stem that left a register: where, at which step, how often, and its sums.

    From the real kernel and the plan's scales alone, in plain Python.
    """
    run = result(order, overflow)
    stem: Any = next(one for one in run.network.operations if one.name == "stem")
    image, weights = run.plan.tensors["image"], run.plan.weights["stem"]
    form, zero = image.format, image.zero_point
    x = [
        [[[code(float(v), image.scale, zero, form.minimum, form.maximum) - zero for v in c] for c in r] for r in s]
        for s in SAMPLES
    ]
    scales = [weights.scale[c if len(weights.scale) > 1 else 0] for c in range(4)]
    low, high = weights.format.minimum, weights.format.maximum
    found: dict[str, list[tuple[Any, ...]]] = {"group": [], "accumulator": []}
    if order == "rows":
        places = [(ky, kx, ci) for ky in range(3) for kx in range(3) for ci in range(3)]
    else:
        places = [(ky, kx, ci) for ci in range(3) for kx in range(3) for ky in range(3)]
    for sample in range(len(SAMPLES)):
        for y in range(6):
            for col in range(6):
                for c in range(4):
                    unit = image.scale * scales[c]
                    total = held(round(float(stem.bias[c]) / unit), 12, "saturate")
                    group, hits = 0, {"group": [], "accumulator": []}  # type: ignore[var-annotated]
                    for k, (ky, kx, ci) in enumerate(places):
                        row, column = y + ky - 1, col + kx - 1
                        inside = 0 <= row < 6 and 0 <= column < 6
                        w = code(float(stem.kernel[ky, kx, ci, c]), scales[c], 0, low, high)
                        group += (x[sample][row][column][ci] if inside else 0) * w
                        if k % 4 == 3 or k == len(places) - 1:
                            kept = held(group, 12, "wrap")
                            if kept != group:
                                hits["group"].append((k, 0, group, group, kept))
                            exact, group = total + kept, 0
                            before, total = total, held(exact, 12, overflow)
                            if total != exact:
                                hits["accumulator"].append((k, before, kept, exact, total))
                    for name, own in hits.items():
                        if own:
                            step, before, added, exact, kept = own[0]
                            error = sum(one[4] - one[3] for one in own)
                            place = (sample, (y, col), step, c)
                            found[name].append((*place, len(own), before, added, str(exact), kept, float(error)))
    return {name: sorted(own) for name, own in found.items()}


def told(one: Location) -> tuple[Any, ...]:
    place = (one.sample, one.position, one.step, one.channel)
    return (*place, one.hits, one.before, one.added, one.exact, one.result, one.error)


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("order", ["rows", "channels"])
def test_all_values_that_left_a_register_are_those_of_plain_loops(order: str, overflow: str) -> None:
    expected = loops(order, overflow)
    for point in ("group", "accumulator"):
        found = hwsim.locate(result(order, overflow), SAMPLES, "stem", point, number=EVERY)
        assert [told(one) for one in found] == expected[point]
        assert found.affected == len(found) > 20


def test_operands_are_the_codes_at_their_places() -> None:
    """The sum of the products of the operands named is what the group holds."""
    run = result("channels", "saturate")
    codes = run.program.run(SAMPLES, tensors=True).tensors["image/codes"]
    weights = np.asarray(next(one for one in run.network.operations if one.name == "stem").kernel)  # type: ignore[attr-defined]
    scale = run.plan.weights["stem"].scale
    for one in hwsim.locate(run, SAMPLES, "stem", "group", number=50):
        pairs = list(pairwise(one.operands))[::2]
        total = 0
        for left, right in pairs:
            assert left.value == (codes[one.sample][left.index] if left.index else 0)
            *place, channel = right.index
            assert channel == one.channel
            own = scale[channel if len(scale) > 1 else 0]
            assert right.value == round(float(weights[(*place, channel)]) / own)
            total += (int(left.value) - left.zero_point) * int(right.value)
        assert str(total) == one.exact
        assert len(pairs) in (3, 4)
    for one in hwsim.locate(run, SAMPLES, "stem", "accumulator", number=50):
        pairs = list(pairwise(one.operands))[::2]
        total = sum((int(left.value) - left.zero_point) * int(right.value) for left, right in pairs)
        assert one.added == held(total, 12, "wrap")


def spread_network() -> Network:
    """Return a transposed convolution with strides, a dilated one in groups, a scale-and-shift and a dense layer."""
    return Network(
        name="spread",
        operations=(
            Input(name="image", shape=(3, 4, 2)),
            Conv2DTranspose(
                name="up",
                inputs=("image",),
                kernel=reals(3, 2, 2, 4, seed=1),
                bias=reals(4, seed=2),
                strides=(2, 1),
                dilation=(1, 2),
                cut=(1, 0),
                size=(6, 6),
            ),
            Conv2D(
                name="wide",
                inputs=("up",),
                kernel=reals(2, 3, 2, 6, seed=3),
                bias=reals(6, seed=4),
                dilation=(3, 1),
                padding=((2, 1), (1, 1)),
                groups=2,
            ),
            ScaleShift(name="scale", inputs=("wide",), scale=reals(6, seed=5, width=3.0), bias=reals(6, seed=6)),
            Reshape(name="flat", inputs=("scale",), shape=(216,)),
            dense("logits", "flat", 216, 5, 7),
        ),
        outputs=("logits",),
    )


@pytest.mark.parametrize("layer", ["up", "wide", "scale", "logits"])
def test_places_of_operands_are_those_of_the_kernel_and_the_input(layer: str) -> None:
    """The code and the weight stand where the operands say, and the addition of one product is what is told."""
    data = reals(3, 3, 4, 2, seed=8)
    target = narrow_target(9, activations={"bits": 6}, weights={"bits": 6})
    run = hwsim.run(spread_network(), target, data, reference=False, tensors=True)
    operation: Any = next(one for one in run.network.operations if one.name == layer)
    kernel, scale = kernel_of(operation), run.plan.weights[layer].scale
    seen = set()
    for one in hwsim.locate(run, data, layer, "accumulator", number=EVERY, kind="clamping"):
        left, right = one.operands
        own = float(scale[one.channel if len(scale) > 1 else 0])
        assert right.index[-1] == one.channel
        assert right.value == round(float(kernel[right.index]) / own)
        if left.index:
            assert left.value == run.tensors[left.name][one.sample][left.index]
        added = (int(left.value) - left.zero_point) * int(right.value)
        assert one.added == added
        assert one.before is not None
        assert one.exact == str(one.before + added)
        seen.add(right.index)
    assert len(seen) > (0 if layer == "scale" else 4)


def test_windows_of_an_average_are_those_of_plain_loops() -> None:
    """Windows of 2 by 3 at strides of 2 with padding, in a register of 6 bits that saturates after each code."""
    pool = AveragePool(name="pool", inputs=("image",), window=(2, 3), strides=(2, 2), padding=((1, 0), (1, 1)))
    network = Network(name="pooled", operations=(Input(name="image", shape=(5, 6, 2)), pool), outputs=("pool",))
    pooling = {"accumulator": {"bits": 6, "overflow": "saturate"}, "rounding": "floor"}
    target = target_with(activations={"bits": 6}, operations={"average_pool": {"pooling": pooling}})
    data = reals(3, 5, 6, 2, seed=9)
    run = hwsim.run(network, target, data, reference=False, tensors=True)
    entry = run.plan.tensors["image"]
    low, high = entry.format.minimum, entry.format.maximum
    clamped, rounded = [], []
    for sample in range(3):
        for y in range(3):
            for x in range(3):
                for c in range(2):
                    places = [(a, b) for a in range(2 * y - 1, 2 * y + 1) for b in range(2 * x - 1, 2 * x + 2)]
                    inside = [(a, b) for a, b in places if 0 <= a < 5 and 0 <= b < 6]
                    codes = [
                        code(float(data[(sample, *at, c)]), entry.scale, entry.zero_point, low, high) for at in inside
                    ]
                    total, lost = 0, []
                    for step, (at, one) in enumerate(zip(inside, codes, strict=True)):
                        exact = total + one - entry.zero_point
                        kept = held(exact, 6, "saturate")
                        if kept != exact:
                            lost.append((step, (*at, c), one, total, str(exact), kept))
                        total = kept
                    if lost:
                        clamped.append((sample, (y, x), lost[0][0], c, len(lost), *lost[0][1:]))
                    if total % len(codes):
                        rounded.append((sample, (y, x), 0, c, total // len(codes), Fraction(total, len(codes))))
    found = hwsim.locate(run, data, "pool", "accumulator", number=EVERY, kind="clamping")
    told_of = []
    for each in found:
        [operand] = each.operands
        told_of.append((*told(each)[:5], operand.index, operand.value, each.before, each.exact, each.result))
        assert printed(each.recipe) == [str(each.result), each.exact]
    assert told_of == sorted(clamped) and len(clamped) > 5
    found = hwsim.locate(run, data, "pool", "division", number=EVERY)
    quotients = [(*told(each)[:4], each.result, each.exact) for each in found]
    assert quotients == [(*one[:5], text_of(one[5])) for one in sorted(rounded)]
    assert len(rounded) > 5


def test_the_worst_are_the_largest_errors_of_all_samples() -> None:
    run = result("rows", "saturate")
    every = sorted(
        (abs(one.error) for one in hwsim.locate(run, SAMPLES, "stem", "accumulator", number=EVERY)), reverse=True
    )
    worst = hwsim.locate(run, SAMPLES, "stem", "accumulator", number=7, worst=True)
    assert [abs(one.error) for one in worst] == every[:7]
    assert worst.samples == len(SAMPLES) and worst.affected == len(every)


def test_the_first_is_that_of_the_report() -> None:
    run = result("rows", "wrap")
    for figures in run.report.points:
        if figures.first:
            [one] = hwsim.locate(run, SAMPLES, figures.layer, figures.point, number=1, kind="clamping")
            position = (
                int(np.ravel_multi_index(one.position, run.program.tensors[one.layer].shape[:-1]))
                if one.position
                else 0
            )
            assert figures.first == (
                f"sample {one.sample}, position {position}, channel {one.channel}, step {one.step}"
            )


def in_shell(command: str) -> list[str]:
    line = command.replace("python", sys.executable, 1)
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split()


def test_lines_run_as_they_are_printed() -> None:
    run = result("channels", "saturate")
    found = hwsim.locate(run, SAMPLES, "stem", "accumulator", number=1)
    [one] = found
    command = str(found).split("\n")[-1].strip()
    assert command.startswith("python -c 'import hwsim_kernels as hk; ")
    assert in_shell(command) == [str(one.result), one.exact]
    for point in ("weight", "bias", "group", "requantize"):
        for each in hwsim.locate(run, SAMPLES, "stem", point, number=2):
            result_printed, exact = printed(each.recipe)
            assert result_printed == str(each.result)
            assert float(exact) == float(each.exact)


def test_the_line_of_a_whole_sum_gives_the_register_and_the_exact_sum() -> None:
    run = result("rows", "saturate")
    sums = run.program.run(SAMPLES, trace=["stem"]).trace["stem"]["accumulator"].reshape(4, 6, 6, 4)
    for one in hwsim.locate(run, SAMPLES, "stem", "accumulator", number=3, worst=True):
        assert one.sample is not None
        kept, exact = printed(one.sum_recipe)
        assert int(kept) == sums[one.sample][(*one.position, one.channel)]
        assert kept != exact


def test_an_overflow_that_is_an_error_is_located() -> None:
    """The run stops; its program is made all the same, and says where."""
    run = result("rows", "saturate")
    strict = target_with(
        mac={"stages": [{"name": "accumulator", "bits": 12, "overflow": "error"}]},
        bias={"bits": 12},
        activations={"bits": 6},
    )
    program = hwsim.lower(run.network, run.plan, strict)
    with pytest.raises(DatapathOverflow):
        program.run(SAMPLES)
    [one] = hwsim.locate(program, SAMPLES, "stem", "accumulator", number=1)
    assert printed(one.recipe)[1] == one.exact
    assert abs(int(one.exact)) > 2047


def test_a_program_knows_no_real_weights(tmp_path: Path) -> None:
    run = result("rows", "saturate")
    run.program.save(tmp_path / "program.hwsim")
    with pytest.raises(HwsimError, match=r"stem weight: a program holds integers alone"):
        hwsim.locate(tmp_path / "program.hwsim", SAMPLES, "stem", "weight")
    found = hwsim.locate(tmp_path / "program.hwsim", SAMPLES, "stem", "accumulator", number=2)
    assert found.found == hwsim.locate(run, SAMPLES, "stem", "accumulator", number=2).found


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"layer": "stern"}, r"no layer 'stern'; did you mean 'stem'\?"),
    ({"point": "acumulator"}, r"stem has no truncation point 'acumulator'; did you mean 'accumulator'\? it has weight"),
    ({"layer": "largest"}, "largest has no truncation point 'accumulator'; it loses nothing and has none"),
    ({"number": 0}, "number and samples must be at least 1, not 0"),
    ({"samples": 0}, "number and samples must be at least 1, not 0"),
    ({"kind": "rounding"}, "kind 'rounding': it must be one of clamping, round-off"),
    ({"data": None}, "stem accumulator: give the data"),
]


@pytest.mark.parametrize(("changed", "message"), MISTAKES)
def test_mistakes_are_named(changed: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"data": SAMPLES, "layer": "stem", "point": "accumulator"} | changed
    with pytest.raises(HwsimError, match=message) as error:
        hwsim.locate(result("rows", "saturate"), **asked)
    assert isinstance(error.value, ProgramError) or "layer" not in message


def test_where_nothing_is_lost_nothing_is_found() -> None:
    target = target_with()
    run = hwsim.run(image_network(), target, SAMPLES, reference=False)
    found = hwsim.locate(run, SAMPLES, "stem", "accumulator")
    assert len(found) == 0
    assert str(found) == "stem accumulator: 0 values left the format in 4 samples looked at"


def test_by_default_it_is_clamping_if_there_is_any() -> None:
    run = result("rows", "saturate")
    kinds = {"accumulator": "clamping", "weight": "round-off", "requantize": "round-off"}
    for point, kind in kinds.items():
        found = hwsim.locate(run, SAMPLES, "stem", point, number=1)
        assert (found.kind, len(found)) == (kind, 1)
    assert hwsim.locate(run, iter([SAMPLES]), "stem", "accumulator", number=1).found
    assert hwsim.locate(run, iter([SAMPLES]), "stem", "accumulator", kind="round-off").affected == 0


def run_command(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["locate", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_command_line(tmp_path: Path) -> None:
    place = ("--layer", "stem", "--point", "accumulator", "--number", "2")
    code, out, err = run_command(DIGITS, *place, "--target", "narrow-acc16-saturate", "--data", IMAGES)
    assert (code, err) == (0, "")
    assert out.startswith("stem accumulator: 644 values left the format in 1 sample looked at; the first 2:\n")
    assert out.count("python -c 'import hwsim_kernels as hk; ") == 2
    code, out, _ = run_command(
        DIGITS, *place, "-t", "narrow-acc16-saturate", "--data", IMAGES, "--json", "--samples", 3
    )
    document = json.loads(out)
    assert (document["network"], document["target"], len(document["found"])) == ("digits", "narrow-acc16-saturate", 2)
    result("rows", "saturate").program.save(tmp_path / "program.hwsim")
    np.save(tmp_path / "x.npy", SAMPLES)
    code, out, _ = run_command(tmp_path / "program.hwsim", *place, "--data", tmp_path / "x.npy", "--worst")
    assert code == 0 and "the worst 2:" in out


def test_wrong_command_lines(tmp_path: Path) -> None:
    place = ("--layer", "stem", "--point", "accumulator")
    assert run_command("none.keras", *place) == (2, "", "error: none.keras: no such file\n")
    code, _, err = run_command(DIGITS, *place)
    assert code == 2 and "a model needs a --target" in err
    (tmp_path / "report.json").write_text("{}")
    code, _, err = run_command(tmp_path / "report.json", *place)
    assert code == 2 and "give the model, or the program.hwsim that a run writes" in err
    result("rows", "saturate").program.save(tmp_path / "program.hwsim")
    code, _, err = run_command(tmp_path / "program.hwsim", *place, "-t", "generic-int8")
    assert code == 2 and "is a program, made for a target" in err
    code, _, err = run_command(DIGITS, "--layer", "stm", "--point", "x", "-t", "generic-int8", "--data", IMAGES)
    assert code == 2 and "did you mean 'stem'?" in err
