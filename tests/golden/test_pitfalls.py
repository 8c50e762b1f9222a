"""Twenty ways in which a simulator of integer hardware comes to be wrong by a bit, each with what catches it here.

Expected values are worked out by hand, given by the chips' documents and sources, or come from ``models``: the same
arithmetic in plain integers.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import machines, models
from golden.case import Json, codes, conv, dense, program_of, ran, row, stage, sums, target, tensor, weight
from golden.machines import machine
from numpy.typing import NDArray

import hwsim
from hwsim.engine import Execution, execute
from hwsim.errors import TargetError, WidthError
from hwsim.formats import Overflow, Rounding
from hwsim.network import AveragePool, Dense, Input, MaxPool, Network, Operation, Softmax
from hwsim.program import Program, lower
from hwsim.program.records import MultiplyAccumulate, ScaleFixed
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.target import Target
from hwsim_kernels import (
    ROUNDINGS,
    Format,
    Stage,
    average_pool,
    conv2d,
    fit,
    lfsr,
    lookup,
    matmul,
    max_pool,
    multiplier_of,
    multiply,
    quantize,
    requantize,
    requantize_double,
    round_shift,
)

ANY = (tensor(), weight(), tensor(scale=8192.0))
"""Scales where the code does not matter: a 2^13th of the sum."""

DETERMINISTIC = [mode for mode in ROUNDINGS if "stochastic" not in mode]


def steps(*listed: Json) -> Json:
    """Return a section of steps."""
    return {"kind": "steps", "steps": list(listed)}


def biased(bias: Sequence[float], weights: Sequence[float] | None = None) -> Dense:
    """Return a layer of one input and as many outputs as there are biases."""
    kernel = np.array([weights or [0.0] * len(bias)], np.float32)
    return Dense(name="layer", inputs=("x",), kernel=kernel, bias=np.array(bias, np.float32))


def last(requantize: Json, bits: int = 32) -> Target:
    """Return a target whose accumulator wraps and takes biases of as many bits."""
    return target([stage(bits, "wrap")], bias={"bits": bits}, requantize=requantize)


def alone(operation: Operation, data: NDArray[Any], where: Target, plan: TensorPlan) -> Execution:
    """Run one sample through an operation without weights."""
    network = Network(
        name="alone", operations=(Input(name="x", shape=data.shape), operation), outputs=(operation.name,)
    )
    planned = Plan(network="alone", target=where.name, tensors={"x": plan, operation.name: plan}, weights={})
    return execute(lower(network, planned, where), data[None].astype(np.float32))


# --- 1: names of roundings ------------------------------------------------------------------------------

SIXES = [-6, -5, -3, -2, -1, 1, 2, 3, 5, 6]
QUARTERS = {
    "half_up": [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2],
    "half_away": [-2, -1, -1, -1, 0, 0, 1, 1, 1, 2],
    "half_even": [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2],
    "half_toward_zero": [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1],
    "half_down": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1],
    "toward_zero": [-1, -1, 0, 0, 0, 0, 0, 0, 1, 1],
    "floor": [-2, -2, -1, -1, -1, 0, 0, 0, 1, 1],
}


@pytest.mark.parametrize("mode", QUARTERS)
def test_01_a_quarter_by_every_rule(mode: str) -> None:
    """`>>`, Python's `//` and C's `/` differ for negatives, and so do all the rules for ties."""
    assert round_shift(SIXES, 2, mode).tolist() == QUARTERS[mode]
    assert [one >> 2 for one in SIXES] == [one // 4 for one in SIXES] == QUARTERS["floor"]
    assert [int(one / 4) for one in SIXES] == QUARTERS["toward_zero"]


def test_01_names_of_roundings() -> None:
    """HALF_UP is towards plus infinity for Vitis and away from zero for QONNX: a name without its tool is refused."""
    assert Rounding("vitis:HALF_UP") is Rounding.HALF_UP
    assert Rounding("qonnx:HALF_UP") is Rounding("decimal:ROUND_HALF_UP") is Rounding.HALF_AWAY
    assert (Rounding("qonnx:UP"), Rounding("qonnx:DOWN")) == (Rounding.AWAY_FROM_ZERO, Rounding.TOWARD_ZERO)
    assert Rounding("ap_fixed:AP_RND_INF") is Rounding.HALF_AWAY
    assert Overflow("ap_fixed:AP_SAT_SYM") is Overflow.SATURATE_SYMMETRIC
    for name in ("HALF_UP", "UP", "DOWN", "nearest", "hls:HALF_UP"):
        with pytest.raises(TargetError):
            Target.from_dict({"name": "vague", "requantize": {"rounding": name}})


# --- 2: one name, many arithmetics ----------------------------------------------------------------------

VALUES = [-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25]
HIGH: Json = {"step": "shift_right", "by": 31, "rounding": "half_up", "name": "high"}
TFLITE: dict[str, tuple[Json, list[int]]] = {
    "single": ({"kind": "fixed", "rounding": "half_up"}, [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6]),
    "double": ({"kind": "fixed_double"}, [-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3, 7]),
    "ruy": (
        steps({"step": "shift_left"}, {"step": "multiply"}, HIGH, {"step": "shift_right", "rounding": "half_up"}),
        [-2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7],
    ),
    "f64": ({"kind": "float64", "rounding": "half_away"}, [-3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 6]),
    "fp32": ({"kind": "float32", "rounding": "half_even"}, [-2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2, 6]),
}


@pytest.mark.parametrize("name", TFLITE)
def test_02_one_name_many_arithmetics(name: str) -> None:
    """TensorFlow Lite int8 is five arithmetics, four of them in one wheel: each is a target of its own."""
    requantize_, wanted = TFLITE[name]
    layer, where = dense([1.0]), target([stage(32, "wrap")], requantize=requantize_)
    program = program_of(layer, (1,), where, (tensor(), weight(), tensor(scale=4.0)))
    assert execute(program, np.array(VALUES, np.float32)[:, None]).codes["layer"].ravel().tolist() == wanted


def test_02_they_are_different() -> None:
    """Were any two of them one, the table would not tell them apart."""
    assert len({tuple(wanted) for _, wanted in TFLITE.values()}) == len(TFLITE)


# --- 3: order -------------------------------------------------------------------------------------------

AXES = ("kernel_height", "kernel_width", "input_channel")
IMAGE = np.array([[[100, 90], [-50, -80]], [[60, 100], [-70, -20]]])


def quadrupled(weights: Sequence[float]) -> Dense:
    """Return a dot product with ``weights``, four times: from so many outputs on a matrix product is tried."""
    kernel = np.repeat(np.array(weights, np.float32)[:, None], 4, axis=1)
    return Dense(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(4, np.float32))


def proved(program: Program) -> bool:
    """Whether sums are proved to lose nothing, so that they may be taken in any order."""
    return next(one for one in program.operations if isinstance(one, MultiplyAccumulate)).exact


def forced(program: Program, exact: bool) -> Program:
    """Return the program with or without the fast way, whatever is proved."""
    operations = [
        replace(one, exact=exact) if isinstance(one, MultiplyAccumulate) else one for one in program.operations
    ]
    return replace(program, operations=tuple(operations))


def test_03_wraps_in_any_order_saturation_in_one() -> None:
    """A sum that wraps is the same in any order, one that saturates is not."""
    results: dict[str, set[int]] = {"wrap": set(), "saturate": set()}
    for overflow, found in results.items():
        for order in permutations(AXES):
            where = target([stage(8, overflow)], order=order)
            found.update(sums(ran(conv(np.ones((2, 2, 2))), IMAGE, where)))
    assert results["wrap"] == {130 - 256}
    assert len(results["saturate"]) > 1


def test_03_tensil() -> None:
    """With saturation in every step [20000, 20000, -20000] is 12767, and reordered 20000; 4 halves of an LSB are 0."""
    stages = [Stage(16, "saturate", shift=8, rounding="half_even")]
    for values, wanted in (([20000, 20000, -20000], 12767), ([20000, -20000, 20000], 20000)):
        assert matmul([values], [[256]] * 3, stages=stages).tolist() == [[wanted]]
    assert matmul([[128] * 4], [[1]] * 4, stages=stages).tolist() == [[0]]


def test_03_the_fast_way_needs_a_proof() -> None:
    """Sums are only reordered where they are proved to lose nothing: forced on, the fast way gives other codes."""
    layer, where = quadrupled([127] * 8), target([stage(16, "saturate")], requantize={"kind": "float32"})
    program = program_of(layer, (8,), where, (tensor(), weight(), tensor(16)))
    data = np.array([[127] * 4 + [-127] * 4], np.float32)
    assert not proved(program)
    # 4 * 127 * 127 = 64516 stays at 32767, and goes back from there
    assert execute(program, data).codes["layer"].tolist() == [[32767 - 4 * 127 * 127] * 4]
    assert execute(forced(program, True), data).codes["layer"].tolist() == [[0] * 4]


def test_03_the_fast_way_changes_nothing() -> None:
    """Where it is proved, codes and ledger are those of the slow way, to the last figure."""
    layer, where = quadrupled([127, -128, 3, 0, 5]), target([stage(18, "saturate")], requantize={"kind": "float32"})
    program = program_of(layer, (5,), where, (tensor(), weight(), tensor(scale=300.0)))
    data = np.random.default_rng(0).integers(-128, 128, (50, 5)).astype(np.float32)
    fast, slow = execute(program, data), execute(forced(program, False), data)
    assert proved(program)
    assert np.array_equal(fast.codes["layer"], slow.codes["layer"])
    assert fast.ledger == slow.ledger


def test_03_a_narrow_wrap_inside_a_wide_one() -> None:
    """20 bits inside 32 are not 32 bits: in one column of 40 rows (-128)^2 * 40 = 655360 is -393216."""
    layer, data = quadrupled([-128] * 40), np.full((1, 40), -128, np.float32)
    for rows, wanted in ((64, -393216), (16, 655360)):
        where = target([stage(20, "wrap", "mesh", terms=rows), stage(32, "wrap")], requantize={"kind": "float32"})
        program = program_of(layer, (40,), where, (tensor(), weight(), tensor(scale=8192.0)))
        assert proved(program) == (rows == 16)
        execution = execute(program, data, trace=["layer"])
        assert sums(execution) == [wanted] * 4
        assert codes(execution) == [wanted // 8192] * 4


# --- 4: bounds ------------------------------------------------------------------------------------------


def test_04_bounds_by_prefixes() -> None:
    """A sum that ends inside its width can leave it on the way: what counts is the farthest that any prefix gets."""
    for weights in ([127, 127, 127, -127, -127, -127], [127, -127] * 3, [1, 1, 1, -1, -1, -1]):
        program = program_of(quadrupled(weights), (6,), target([stage(16, "saturate")]), (tensor(), weight(), tensor()))
        assert proved(program) == (max(weights) == 1)
    execution = ran(dense([127, 127, 127, -127, -127, -127]), [127] * 6, target([stage(16, "saturate")]))
    assert sums(execution) == [32767 - 3 * 127 * 127]  # the exact sum is 0
    assert (row(execution, "accumulator").transient, row(execution, "accumulator").persistent) == (1, 0)


@pytest.mark.parametrize("overflow", ["saturate", "wrap", "saturate_symmetric"])
def test_04_bounds_are_sharp(overflow: str) -> None:
    """-128 * (127 + 127 + 2) = -2^15 is the last sum that 16 bits hold, 17 bits are needed for one more."""
    for weights, wanted in (([127, 127, 2], overflow != "saturate_symmetric"), ([127, 127, 3], False)):
        program = program_of(quadrupled(weights), (3,), target([stage(16, overflow)]), (tensor(), weight(), tensor()))
        assert proved(program) == wanted
        execution = execute(program, np.full((1, 3), -128, np.float32), trace=["layer"])
        assert (row(execution, "accumulator").hits == 0) == wanted
        assert row(execution, "accumulator").point.bound == (-128 * sum(weights), 127 * sum(weights))


@pytest.mark.parametrize(("bias", "wanted"), [(0, True), (509, True), (510, False), (-256, True), (-257, False)])
def test_04_the_bias_is_a_prefix_too(bias: int, wanted: bool) -> None:
    """A sum that starts from a bias starts nearer to a limit: 32767 is 2 * 127 * 127 + 509, -32768 is -32512 - 256."""
    layer = replace(quadrupled([127, 127]), bias=np.full(4, bias, np.float32))
    where = target([stage(16, "saturate")], bias={"bits": 16})
    assert proved(program_of(layer, (2,), where, (tensor(), weight(), tensor()))) == wanted


# --- 5: two roundings -----------------------------------------------------------------------------------


def closed(value: int, multiplier: int, exponent: int) -> int:
    """Double rounding in one shift, as TOSA says it: for multipliers from 0 on, behind the shift to the left."""
    right, wide = max(-exponent, 0), models.wrap(value << max(exponent, 0), 32)
    nudge = (1 << 30 if wide >= 0 else -(1 << 30)) if right else 0
    return (wide * multiplier + (1 << (30 + right)) + nudge) >> (31 + right)


def test_05_two_roundings() -> None:
    """Two roundings are not one, and half away behind half up is not half away; one shift can do both, just so."""
    generator = np.random.default_rng(5)
    values = [int(one) for one in generator.integers(-(1 << 31), 1 << 31, 400)] + list(range(-300, 300))
    differ = Counter[str]()
    for exponent in (-31, -7, -2, -1, 0, 1, 5):
        multiplier = int(generator.integers(1 << 30, 1 << 31))
        double = requantize_double(values, multiplier, exponent).tolist()
        assert double == [closed(one, multiplier, exponent) for one in values]
        if exponent <= 0:
            others = {
                "one rounding": requantize(values, multiplier, 31 - exponent, "half_up"),
                "ruy": requantize_double(values, multiplier, exponent, last="half_up"),
                "half away": requantize(values, multiplier, 31 - exponent, "half_away"),
            }
            for name, other in others.items():
                differ[name] += int((other != np.array(double)).sum())
    assert len(+differ) == 3
    for multiplier in (-1, 1 << 31):
        with pytest.raises(ValueError, match="multiplier"):
            requantize_double([1], multiplier, 0)


# --- 6: round, then overflow ----------------------------------------------------------------------------


@pytest.mark.parametrize(("overflow", "wanted"), [("wrap", -8), ("saturate", 7), ("saturate_zero", 0)])
def test_06_round_then_overflow(overflow: str, wanted: int) -> None:
    """7.5 to 4 bits is 8 first, which wraps to -8: the rounding itself can overflow, wherever it takes place."""
    form = Format(4, overflow)
    assert requantize(15, 1, 1, "half_up", output=form) == wanted
    assert quantize(7.5, 1.0, output=form, rounding="half_up") == wanted
    rounded: Json = {"bits": 4, "overflow": overflow, "shift": 1, "rounding": "half_up"}
    product = target([stage(8, "wrap")], product=rounded)
    assert sums(ran(dense([15]), [1], product, (tensor(), weight(), tensor(scale=2.0)))) == [wanted]
    chain = target([stage(4, overflow, shift=1, rounding="half_up")], bias={"bits": 4})
    assert sums(ran(dense([15]), [1], chain, (tensor(), weight(), tensor(scale=2.0)))) == [wanted]
    listed = target(
        [stage(8, "wrap")],
        requantize=steps(
            {"step": "shift_right", "by": 1, "rounding": "half_up"}, {"step": "fit", "bits": 4, "overflow": overflow}
        ),
    )
    assert codes(ran(dense([15]), [1], listed, (tensor(), weight(), tensor(scale=2.0)))) == [wanted]
    output = {"overflow": overflow}
    narrow = target([stage(8, "wrap")], requantize={"kind": "float32", "rounding": "half_up"}, output=output)
    assert codes(ran(dense([15]), [1], narrow, (tensor(), weight(), tensor(4, scale=2.0)))) == [wanted]


def test_06_limits_that_are_integers() -> None:
    """Cut off, then rounded, as QONNX does it, is the same for limits that are integers."""
    values = range(-80, 80)
    for mode in set(DETERMINISTIC) - {"jam", "jam_unbiased", "magnitude"}:
        clipped = [min(max(one, -8 << 3), 7 << 3) for one in values]
        assert round_shift(clipped, 3, mode).tolist() == fit(round_shift(list(values), 3, mode), 4).tolist()


# --- 7: a rounder that sees some bits -------------------------------------------------------------------


def test_07_nvdla_sees_16_bits() -> None:
    """NVDLA's truncation keeps 16 bits: -65535 / 2^17 looks like a tie and becomes -1, where the nearest is 0."""
    assert (round_shift(-65535, 17, "half_away", guard_bits=16), round_shift(-65535, 17, "half_away")) == (-1, 0)
    values = [int(one) for one in np.random.default_rng(7).integers(-(1 << 33), 1 << 33, 500)]
    values += [(high << 17) + (1 << 16) + low for high in range(-60, 60) for low in range(-1, 3)]
    differ = 0
    for bits in range(32):
        found = round_shift(values, bits, "half_away", guard_bits=16).tolist()
        assert found == [models.nvdla_truncated(one, bits) for one in values]
        ideal = [models.shifted(one, bits, "half_away") for one in values]
        assert found == ideal or bits > 16
        differ += sum(one != two for one, two in zip(found, ideal, strict=True))
    assert differ > 0


# --- 8: the simulator's own 64 bits ---------------------------------------------------------------------


def test_08_shifts_beyond_the_word() -> None:
    """In compiled code a shift by 64 bits or more, or a product of more than 63, is wrong without a word."""
    values = [0, 1, -1, 5, -5, (1 << 62) - 1, -(1 << 62), (1 << 63) - 1, -(1 << 63), (1 << 100) + 1, -(1 << 123) + 1]
    for shift in range(125):
        for mode in ("floor", "half_up", "half_away", "half_even"):
            assert list(round_shift(values, shift, mode)) == [models.shifted(one, shift, mode) for one in values]
    assert round_shift(3, -90) == 3 << 90


def test_08_wide_products() -> None:
    """48 bits by 16 need 64, 62 by 32 need 94, 33 by 33 need 66: none is cut off without a word."""
    for value, multiplier in ((1 << 47, 32767), (-(1 << 47), 32768), ((1 << 62) - 1, (1 << 32) - 1)):
        for shift in (0, 15, 40, 93):
            wanted = models.shifted(value * multiplier, shift, "half_up")
            assert requantize(value, multiplier, shift) == wanted
    low = -(1 << 31)
    assert multiply([low], [low]).tolist() == [1 << 62]
    with pytest.raises(OverflowError):
        multiply([low], [low], zero_points=((1 << 31) - 1, (1 << 31) - 1))
    assert matmul([[low, low, low]], [[low]] * 3, stages=[Stage(64, "saturate")]).tolist() == [[(1 << 63) - 1]]


def test_08_no_floats_between_words() -> None:
    """uint64 by int64 is a float in NumPy and Numba: unsigned 64 bits keep their last one."""
    found = fit([-5, (1 << 64) - 1, 1 << 63], 64, "wrap", signed=False)
    assert found.dtype == np.uint64
    assert found.tolist() == [(1 << 64) - 5, (1 << 64) - 1, 1 << 63]


def test_08_a_sum_of_48_bits_by_16() -> None:
    """The same in a whole network: -(2^47 - 2^23) times a multiplier of 16 bits."""
    where = target(
        [stage(48, "wrap")], bias={"bits": 48}, requantize={"kind": "fixed", "multiplier_bits": 16, "rounding": "floor"}
    )
    total = -((1 << 47) - (1 << 23))
    ratio = 1 / 5e9
    multiplier, shift = multiplier_of(ratio, 16)
    execution = ran(biased([total]), [0], where, (tensor(), weight(), tensor(16, scale=5e9)))
    assert sums(execution) == [total]
    assert codes(execution) == [(total * multiplier) >> shift]


def test_08_what_is_wider_still_is_refused() -> None:
    """What could leave the simulator's two words is refused, not wrapped."""
    with pytest.raises(OverflowError):
        requantize(1 << 100, (1 << 32) - 1, 0)
    last_bit = stage(64, "wrap", signed=False, saturated_bits=1, shift=62)
    where = target([last_bit], bias={"bits": 8, "position": "last"})
    with pytest.raises(WidthError):
        program_of(dense([1, 127]), (2,), where, (tensor(), weight(), tensor(16, scale=2.0**62)))


# --- 9: the way to a multiplier -------------------------------------------------------------------------


def multipliers(program: Program) -> list[int]:
    """Return the integers that a program's layer multiplies by."""
    layer = next(one for one in program.operations if isinstance(one, MultiplyAccumulate))
    return next(one.multiplier.tolist() for one in layer.steps if isinstance(one, ScaleFixed))


def test_09_ratios_in_float32_and_float64() -> None:
    """A ratio that goes through float32 gives another multiplier: how it is formed is part of the target."""
    differ = 0
    for source, weights, output in np.random.default_rng(9).uniform(0.001, 0.1, (40, 3)).astype(np.float32).tolist():
        plans = (tensor(scale=source), weight(scale=weights), tensor(scale=output))
        found = []
        for forming in ("float64", "float_product"):
            where = target([stage(32, "wrap")], requantize={"kind": "fixed", "forming": forming})
            found += multipliers(program_of(dense([weights]), (1,), where, plans))
        wide, product = source * weights / output, models.single(source * weights) / output
        assert found == [models.quantized_multiplier(wide)[0], models.quantized_multiplier(product)[0]]
        differ += found[0] != found[1]
    assert differ > 0


def test_09_reduced_multipliers_of_ratios_in_float32() -> None:
    """A product of matrices of a drawn 16-bit file: the ratio is at a tie of 16 bits, which float32 decides."""
    plans = (
        tensor(scale=7.750806980766356e-05),
        weight(scale=8.095922385109589e-05),
        tensor(scale=2.0561269775498658e-04),
    )
    found = []
    for forming in ("float64", "float_product"):
        requantize = {"kind": "fixed_reduced", "multiplier_bits": 16, "forming": forming}
        where = target([stage(32, "wrap")], requantize=requantize)
        found += multipliers(program_of(dense([1e-4]), (1,), where, plans))
    assert found == [0x4001, 0x4000]


def test_09_reduced_multipliers() -> None:
    """16 bits are made of 32, not of the ratio: just below 1 they are 0x7FFF, and a nearest one would be 1/2 by 2."""
    assert multiplier_of(1 - 2.0**-20, 16, "reduced") == (0x7FFF, 15)
    assert multiplier_of(1 - 2.0**-20, 16) == (0x4000, 14)
    assert multiplier_of(1 - 2.0**-20, 16, "truncate") == (0x7FFF, 15)
    assert multiplier_of(0.75, 16, "reduced") == multiplier_of(0.75, 16) == (0x6000, 15)
    # 0.5 + 2^-16 - 2^-33 is first rounded to 32 bits, to a tie, and then up: two roundings again
    ratio = 0.5 + 2.0**-16 - 2.0**-33
    assert (multiplier_of(ratio, 16, "reduced"), multiplier_of(ratio, 16)) == ((0x4001, 15), (0x4000, 15))


def test_09_means_divide() -> None:
    """TensorFlow Lite's MEAN multiplies by 2^k / n cut off; a mean here is divided: 3 * 85 / 3 is 85, never 84."""
    for count in range(1, 50):
        codes_ = np.full((1, 1, count, 1), 85)
        assert average_pool(codes_, (1, count), rounding="floor").tolist() == [[[[85]]]]


# --- 10: float32 ----------------------------------------------------------------------------------------


def test_10_integers_beyond_24_bits() -> None:
    """2^24 + 1 becomes 2^24 as a float32, before it is multiplied: half an LSB, and even, where a bit more is 1."""
    for kind, code in (("float32", 0), ("float64", 1), ("fixed", 1)):
        where = last({"kind": kind, "rounding": "half_even"})
        layer = biased([1 << 24], [1])
        execution = ran(layer, [1], where, (tensor(), weight(), tensor(scale=2.0**25)))
        assert (sums(execution), codes(execution)) == ([(1 << 24) + 1], [code])


def test_10_one_rounding_of_the_product() -> None:
    """The product is rounded to float32 as well, before it becomes an integer; no wider register holds it."""
    generator = np.random.default_rng(10)
    totals = [int(one) for one in generator.integers(-(1 << 31), 1 << 31, 20000).astype(np.float32).clip(-2e9, 2e9)]
    scale = 2e9 / 127 / 256
    where = last({"kind": "float32", "rounding": "half_even"})
    execution = ran(biased(totals), [0], where, (tensor(), weight(), tensor(16, scale=scale)))
    ratio = models.single(1 / scale)
    wanted = [round(models.single(models.single(one) * ratio)) for one in totals]
    assert sums(execution) == totals
    assert codes(execution) == wanted
    assert wanted != [round(one / scale) for one in totals]


# --- 11: tables -----------------------------------------------------------------------------------------


def test_11_tables_are_data(tmp_path: Path) -> None:
    """A table made by expf differs between hosts: a target holds the entries, and a saved program does, too."""
    table = [round(255 / (1 + math.exp(-one / 32))) - 128 for one in range(-128, 128)]
    table[3] += 1  # as another host might have it
    listed: Json = {"step": "lookup", "table": table, "first": -128}
    where = target([stage(8, "saturate")], requantize=steps(listed))
    program = program_of(dense([1]), (1,), where, (tensor(), weight(), tensor()))
    program.save(tmp_path / "table.hwsim")
    data = np.arange(-128, 128, dtype=np.float32)[:, None]
    for one in (program, Program.load(tmp_path / "table.hwsim")):
        assert execute(one, data).codes["layer"].ravel().tolist() == table
    assert lookup(list(range(-128, 128)), table, -128).tolist() == table


def test_11_what_the_host_computes_is_no_code() -> None:
    """The softmax is computed by the host in float64, and its result says so: it has no format."""
    softmax = Softmax(name="softmax", inputs=("x",), axis=0)
    network = Network(name="host", operations=(Input(name="x", shape=(3,)), softmax), outputs=("softmax",))
    where = target([stage(8, "wrap")])
    plan = Plan(network="host", target=where.name, tensors={"x": tensor()}, weights={})
    program = lower(network, plan, where)
    assert program.tensors["softmax"].format is None


# --- 12: padding ----------------------------------------------------------------------------------------


def test_12_padding_is_the_zero_point() -> None:
    """A code of 0 in the padding stands for -zero_point, not for 0."""
    inputs, kernel = np.full((1, 1, 1, 1), 10), np.ones((1, 3, 1, 1), int)
    assert conv2d(inputs, kernel, padding=((0, 0), (1, 1)), zero_point=7).tolist() == [[[[3]]]]
    layer = conv(np.ones((1, 3, 1)), padding=((0, 0), (1, 1)))
    where = machine(machines.TFLITE_MICRO)
    assert sums(ran(layer, [[[3.0]]], where, (tensor(zero_point=7), weight(), tensor()))) == [3]


def test_12_maxima_take_no_padding() -> None:
    """A padding of 0 would win against negative codes (Gemmini reads one; no target can say that yet)."""
    inputs = np.array([[[-5], [-9]], [[-7], [-8]]])
    pool = MaxPool(name="pool", inputs=("x",), window=(2, 2), strides=(1, 1), padding=((1, 0), (1, 0)))
    found = alone(pool, inputs, target([stage(8, "wrap")]), tensor())
    assert found.codes["pool"].ravel().tolist() == [-5, -5, -5, -5]
    assert max_pool(inputs[None], 2, strides=1, padding=((1, 0), (1, 0))).ravel().tolist() == [-5, -5, -5, -5]


def test_12_means_count_what_is_inside() -> None:
    """At a corner one code of four is inside, and the mean is that code (NVDLA counts four; no target can yet)."""
    inputs = np.array([[[8], [12]], [[4], [-24]]])
    pool = AveragePool(name="pool", inputs=("x",), window=(2, 2), strides=(1, 1), padding=((1, 0), (1, 0)))
    found = alone(pool, inputs, target([stage(8, "saturate")]), tensor())
    assert found.codes["pool"].ravel().tolist() == [8, 10, 6, 0]


def test_12_the_zero_point_in_a_mean() -> None:
    """TensorFlow Lite rounds the mean of codes as they stand; less their zero point, ties go the other way."""
    inputs = np.array([[[-3], [-2]]])
    pool = AveragePool(name="pool", inputs=("x",), window=(1, 2), strides=(1, 1))
    for kept, code in (("kept", -3), ("removed", -2)):
        sections: Json = {"activations": {"symmetric": False}, "requantize": {"kind": "fixed_double"}}
        where = target([stage(32, "wrap")], pooling={"zero_point": kept}, **sections)
        # -2.5 goes away from 0 to -3; 125.5, from a zero point of -128, to 126, which is -2
        found = alone(pool, inputs + 128, where, tensor(zero_point=-128))
        assert found.codes["pool"].tolist() == [[[[code]]]]


# --- 13: narrowing in front of a clip -------------------------------------------------------------------


@pytest.mark.parametrize(("total", "code"), [(75000, 255), (65536, 0), (65535, 0), (255, 255), (-5, 0), (-65531, 5)])
def test_13_narrow_then_clip(total: int, code: int) -> None:
    """PULP-NN's clip looks as if it saturated, but 16 bits wrap before it: 75000 is 255, and 65536 is 0."""
    plans = (tensor(signed=False), weight(), tensor(signed=False))
    execution = ran(biased([total]), [0], machine(machines.PULP_NN), plans)
    assert codes(execution) == [code]
    assert row(execution, "narrowed").hits == (not -32768 <= total <= 32767)
    assert fit(fit(total, 16, "wrap"), 8, "saturate", signed=False) == code


# --- 14: the odd modes ----------------------------------------------------------------------------------

SOURCES = [-40, -20, -17, -9, -8, -7, 7, 8, 9, 15, 16, 20, 40]
FOUR_BITS = {
    ("wrap", 0): [-8, -4, -1, 7, -8, -7, 7, -8, -7, -1, 0, 4, -8],
    ("wrap", 1): [-8, -4, -1, -1, -8, -7, 7, 0, 1, 7, 0, 4, 0],
    ("wrap", 2): [-8, -8, -5, -5, -8, -7, 7, 4, 5, 7, 4, 4, 4],
    ("wrap", 3): [-8, -8, -7, -7, -8, -7, 7, 6, 7, 7, 6, 6, 6],
    ("wrap_sign_magnitude", 0): [-8, 3, 0, -8, -8, -7, 7, 7, 6, 0, -1, -5, 7],
    ("wrap_sign_magnitude", 1): [-8, -4, -1, -8, -8, -7, 7, 7, 6, 0, 0, 4, 7],
    ("wrap_sign_magnitude", 2): [-8, -5, -8, -8, -8, -7, 7, 7, 6, 7, 7, 4, 7],
}


@pytest.mark.parametrize(("overflow", "saturated_bits"), FOUR_BITS)
def test_14_wraps_of_ap_fixed(overflow: str, saturated_bits: int) -> None:
    """ap_fixed's wraps keep some of the top bits, each in its own way; the table is that of the compiled headers."""
    wanted = FOUR_BITS[overflow, saturated_bits]
    assert fit(SOURCES, 4, overflow, saturated_bits=saturated_bits).tolist() == wanted
    where = target([stage(4, overflow, saturated_bits=saturated_bits)], bias={"bits": 4})
    program = program_of(dense([1]), (1,), where, (tensor(), weight(), tensor()))
    found = execute(program, np.array(SOURCES, np.float32)[:, None]).codes["layer"]
    assert found.ravel().tolist() == wanted


def test_14_unsigned_wraps_set_their_top_bits() -> None:
    """An unsigned wrap with saturated bits sets them to 1, below its range too."""
    assert fit([-1, -16, 16, 17, 5], 4, "wrap", signed=False, saturated_bits=1).tolist() == [15, 8, 8, 9, 5]
    assert fit([-16, 16], 4, "wrap", signed=False, saturated_bits=3).tolist() == [14, 14]


def test_14_jam_and_magnitude() -> None:
    """JAM sets the last bit of exact values too, and TRN_MAG moves exact negatives; a shift by 0 leaves all alone.

    APyTypes jams there, too: that is the one place where `jam` is not its JAM.
    """
    assert round_shift([-8, -7, 0, 4, 8], 2, "jam").tolist() == [-1, -1, 1, 1, 3]
    assert round_shift([-8, -7, 0, 4, 8], 2, "jam_unbiased").tolist() == [-2, -1, 0, 1, 2]
    assert round_shift([-8, -7, 0, 4, 8], 2, "magnitude").tolist() == [-1, -1, 0, 1, 2]
    for mode in DETERMINISTIC:
        assert round_shift([-8, 0, 6], 0, mode).tolist() == [-8, 0, 6]


# --- 15: the most negative code -------------------------------------------------------------------------


def test_15_symmetric_saturation() -> None:
    """-2^(b - 1) is outside a symmetric format though b bits hold it, and is counted where it comes by itself."""
    assert fit([-129, -128, -127, 127, 128], 8, "saturate_symmetric").tolist() == [-127, -127, -127, 127, 127]
    execution = ran(dense([1]), [-128], target([stage(8, "saturate_symmetric")]))
    assert (sums(execution), row(execution, "accumulator").low) == ([-127], 1)
    narrow = (tensor(), weight(), TensorPlan(bits=8, signed=True, narrow=True, scale=1.0))
    where = target([stage(8, "wrap")], activations={"symmetric": True, "narrow": True})
    execution = ran(dense([1]), [-128], where, narrow)
    assert (codes(execution), row(execution, "output").low) == ([-127], 1)


def test_15_narrow_weights_and_inputs() -> None:
    """A narrow format leaves the code out where real values are stored, too."""
    plans = (
        TensorPlan(bits=8, signed=True, narrow=True, scale=1.0),
        WeightPlan(bits=8, signed=True, narrow=True, scale=(1.0,), zero_point=(0,)),
        tensor(16),
    )
    where = target([stage(16, "wrap")], activations={"symmetric": True, "bits": 16})
    assert sums(ran(dense([-128]), [-128], where, plans)) == [127 * 127]


@pytest.mark.parametrize(("overflow", "code"), [("saturate", 127), ("wrap", -128), ("saturate_zero", 0)])
def test_15_the_magnitude_of_the_most_negative(overflow: str, code: int) -> None:
    """|-128| is 128: what becomes of it is for the format behind to say."""
    where = target([stage(8, "wrap")], requantize=steps({"step": "absolute"}), output={"overflow": overflow})
    execution = ran(dense([1]), [-128], where)
    assert (codes(execution), row(execution, "output").high) == ([code], 1)


# --- 16: shifts to the left -----------------------------------------------------------------------------


def test_16_shifts_to_the_left() -> None:
    """A ratio above 1 shifts left: TensorFlow Lite wraps there, gemmlowp saturates, a wide register does neither."""
    saturating = steps(
        {"step": "shift_left"},
        {"step": "fit", "bits": 32, "overflow": "saturate"},
        {"step": "multiply"},
        HIGH,
        {"step": "shift_right", "rounding": "half_away"},
    )
    # 4 = 1/2 * 2^3; 2^29 + 1 to the left is 2^32 + 8, which wraps to 8, and half of that is 4
    for kind, code, hits in (({"kind": "fixed_double"}, 4, 0), (saturating, 32767, 1), ({"kind": "fixed"}, 32767, 1)):
        plans = (tensor(), weight(), tensor(16, scale=0.25))
        execution = ran(biased([1 << 29], [1]), [1], last(kind), plans)
        assert (sums(execution), codes(execution)) == ([(1 << 29) + 1], [code])
        assert row(execution, "output").high == hits
    assert requantize_double((1 << 29) + 1, 1 << 30, 3) == 4
    assert requantize((1 << 29) + 1, 1 << 30, 28) == (1 << 31) + 4


# --- 17: shifts by 0 and by the width -------------------------------------------------------------------


def test_17_shifts_of_every_length() -> None:
    """Per channel: no second rounding, one by 31 bits, a multiplier that has become 0, and a shift to the left."""
    scales = (0.75, 0.75 * 2.0**-31, 0.75 * 2.0**-32, 2.0**-60, 3.0, 2.0**20)
    totals = [-3, 2147483520, 2147483520, 2147483520, -7, -1]
    layer = biased([total * scale for total, scale in zip(totals, scales, strict=True)])
    weights = WeightPlan(bits=8, signed=True, scale=scales, zero_point=(0,) * 6)
    where = machine(machines.TFLITE_MICRO)
    execution = ran(layer, [0], where, (tensor(), weights, tensor()))
    # -2.25 -> -2; 0.75 -> 1; 0.37 has become 0; 0; -21; -2^20 saturates
    assert codes(execution) == [-2, 1, 0, 0, -21, -128]
    assert codes(execution) == [
        models.tflite_micro([], total, scale, 0, relu=False) for total, scale in zip(totals, scales, strict=True)
    ]


@pytest.mark.parametrize("shift", [0, 1, 31, 32, 48, 49, 50, 62, 63, 64, 100, 124])
def test_17_shifts_beyond_the_width(shift: int) -> None:
    """Behind every bit there is the sign, and a tie or less: -1 by floor, 0 by half away, for any length."""
    values = [(1 << 48) - 1, -(1 << 48), -1, 1]
    for mode in ("floor", "half_away", "half_even", "half_up"):
        wanted = [models.shifted(one, shift, mode) for one in values]
        assert requantize([values] * 2, 1, [shift] * 4, mode).tolist() == [wanted] * 2
    if shift > 50:
        assert round_shift(values, shift, "floor").tolist() == [0, -1, -1, 0]
        assert round_shift(values, shift, "half_away").tolist() == [0, 0, 0, 0]


# --- 18: random numbers ---------------------------------------------------------------------------------


def states(bits: int, taps: Sequence[int], seed: int) -> list[int]:
    """Return one period of a Fibonacci shift register."""
    found, state = [seed], seed
    while True:
        state = ((state << 1) & ((1 << bits) - 1)) | sum(state >> (tap - 1) & 1 for tap in taps) & 1
        if state == seed:
            return found
        found.append(state)


RANDOM: Json = {"bits": 8, "taps": [8, 6, 5, 4], "seed": 77}
STOCHASTIC = stage(16, "saturate", shift=3, rounding="stochastic_weighted")


def stochastic_run(monkeypatch: pytest.MonkeyPatch, threads: int, batch_size: int, **other: Any) -> Execution:
    """Run a layer of 3 outputs on 7 samples with rounding by chance in every step."""
    monkeypatch.setenv("HWSIM_THREADS", str(threads))
    generator = np.random.default_rng(18)
    layer = Dense(
        name="layer",
        inputs=("x",),
        kernel=generator.integers(-9, 9, (5, 3)).astype(np.float32),
        bias=np.zeros(3, np.float32),
    )
    where = target([STOCHASTIC], random={**RANDOM, **other})
    program = program_of(layer, (2, 5), where, (tensor(), weight(), tensor(16, scale=8.0)))
    return execute(program, generator.integers(-50, 50, (7, 2, 5)).astype(np.float32), batch_size=batch_size)


def test_18_chance_is_the_same_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which value takes which random number is defined: neither batches nor threads can change it, a seed does."""
    first = stochastic_run(monkeypatch, 1, 1)
    for threads, batch_size in ((1, 7), (2, 1), (2, 3), (4, 2), (3, 100)):
        again = stochastic_run(monkeypatch, threads, batch_size)
        assert np.array_equal(again.codes["layer"], first.codes["layer"])
        assert again.ledger == first.ledger
    assert not np.array_equal(stochastic_run(monkeypatch, 1, 1, seed=78).codes["layer"], first.codes["layer"])


def test_18_the_order_of_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output n takes at its step k the draw number 5 n + k, of each sample anew."""
    generator = np.random.default_rng(18)
    kernel = generator.integers(-9, 9, (5, 3)).tolist()
    inputs = generator.integers(-50, 50, (7, 2, 5)).tolist()
    draws = states(8, [8, 6, 5, 4], 77)
    assert [int(one) >> 24 for one in lfsr(8, (8, 6, 5, 4), 77)] == draws
    wanted = []
    for sample in inputs:
        for position, x in enumerate(sample):
            for channel in range(3):
                total = 0
                for k in range(5):
                    exact = total * 8 + x[k] * kernel[k][channel]
                    draw = draws[((position * 3 + channel) * 5 + k) % len(draws)]
                    total = (exact >> 3) + int(Fraction(exact & 7, 8) * 256 + draw >= 256)
                wanted.append(total)
    assert stochastic_run(monkeypatch, 2, 2).codes["layer"].ravel().tolist() == wanted


# --- 19: hosts ------------------------------------------------------------------------------------------

ON_A_HOST = """
import hashlib
import numpy as np
from golden import machines
from golden.case import program_of, tensor, weight
from hwsim.engine import execute
from hwsim.network import Dense
generator = np.random.default_rng(19)
kernel = generator.integers(-128, 128, (24, 5)).astype(np.float32)
layer = Dense(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(5, np.float32))
data = generator.integers(0, 128, (6, 24)).astype(np.float32)
for text in (machines.GEMMINI, machines.TFLITE_MICRO, machines.VPMADDUBSW):
    signed = text != machines.VPMADDUBSW
    plans = (tensor(signed=signed), weight(), tensor(signed=signed, scale=1234.5))
    execution = execute(program_of(layer, (24,), machines.machine(text), plans), data)
    counts = [part.counts.tobytes() for part in execution.ledger.parts.values()]
    print(hashlib.sha256(execution.codes["layer"].tobytes() + b"".join(counts)).hexdigest())
"""


def test_19_hosts_make_no_difference() -> None:
    """ONNX Runtime saturates on one processor and not on another; here another BLAS, no compiler, one thread agree."""
    plain = {
        "NUMBA_DISABLE_JIT": "1",
        "OPENBLAS_CORETYPE": "Prescott",
        "OPENBLAS_NUM_THREADS": "1",
        "HWSIM_THREADS": "1",
    }
    found = [
        subprocess.run(
            [sys.executable, "-c", ON_A_HOST],
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for environment in ({}, plain)
    ]
    assert len(found[0].split()) == 3
    assert found[0] == found[1]


def test_19_a_report_holds_nothing_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """As nothing depends on it, a report records the target, the data and the plan, and not the processor."""
    operations = (Input(name="x", shape=(5,)), quadrupled([1, -2, 3, 4, 5]))
    network = Network(name="hosts", operations=operations, outputs=("layer",))
    data = np.random.default_rng(19).normal(0, 1, (9, 5)).astype(np.float32)
    reports = []
    for threads, batch_size in ((1, 1), (2, 4), (4, 32)):
        monkeypatch.setenv("HWSIM_THREADS", str(threads))
        result = hwsim.run(network, machine(machines.GEMMINI), data, batch_size=batch_size, reference=False)
        reports.append(result.report.to_json())
    assert all(one == two for one, two in pairwise(reports))
    assert '"target": "gemmini"' in reports[0]


def test_19_vector_lanes_are_no_part_of_the_arithmetic() -> None:
    """CMSIS-NN on MVE rounds the last lanes otherwise; here the 4 outputs of a vector and those behind it agree."""
    values = np.random.default_rng(19).integers(-(1 << 31), 1 << 31, (40, 1))
    for many in range(1, 18):
        found = requantize_double(np.repeat(values, many, axis=1), 1518500250, -5)
        assert (found == requantize_double(values, 1518500250, -5)).all()


# --- 20: the most negative integers ---------------------------------------------------------------------


def test_20_the_most_negative_by_a_multiplier() -> None:
    """INT_MIN * INT_MIN has two results in gemmlowp; multipliers here are never negative, and INT_MIN by the largest
    is what it is."""
    low, high = -(1 << 31), (1 << 31) - 1
    assert requantize_double(low, high, 0) == (low * high + (1 << 30)) >> 31 == -high
    with pytest.raises(ValueError, match="multiplier"):
        requantize_double(low, low, 0)


def test_20_the_magnitude_of_int_min() -> None:
    """-INT_MIN needs a bit more: the value is held, and the format behind decides."""
    listed = steps({"step": "absolute"}, {"step": "fit", "bits": 33, "overflow": "wrap"})
    for bits, wanted in ((33, 1 << 31), (32, -(1 << 31))):
        listed["steps"][1]["bits"] = bits
        execution = ran(biased([-(1 << 31)]), [0], last(listed), (tensor(), weight(), tensor()))
        assert execution.trace["layer"]["fit"].tolist() == [[wanted]]


def test_20_an_early_cast() -> None:
    """CMSIS-NN casts to 32 bits before it halves and rounds, TensorFlow Lite after: 1610612736 or -536870912."""
    early = steps(
        {"step": "multiply", "bits": 16, "rule": "reduced"},
        {"step": "shift_right", "rounding": "floor", "name": "high"},
        {"step": "fit", "bits": 32, "overflow": "wrap", "name": "cast"},
        {"step": "add", "value": 1},
        {"step": "shift_right", "by": 1, "rounding": "floor", "name": "half"},
    )
    late: Json = {"kind": "fixed_reduced", "multiplier_bits": 16, "rounding": "half_up"}
    plans = (tensor(), weight(), tensor(16, scale=0.5))
    for listed, point, wanted, code in ((early, "half", -536870912, -32768), (late, "narrow", 1610612736, 32767)):
        execution = ran(biased([1610612736 // 2]), [0], last(listed, 48), plans)
        assert execution.trace["layer"][point].tolist() == [[wanted]]
        assert codes(execution) == [code]
