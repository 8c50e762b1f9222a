"""Accumulators that saturate on the way, against a register of Python integers that takes one product after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.fast.datapaths import (
    FLOATS,
    HERE,
    WAYS,
    Case,
    compiled,
    dense,
    limits_of,
    new_tally,
    one_look,
    prepared,
)
from kernels.plain import Ints, Json, carried, examples, figures_of

from hwsim_kernels import counting
from hwsim_kernels.fast import strip_loop
from hwsim_kernels.fast.blocks import saturating_room
from hwsim_kernels.fast.instructions import AVX512_VNNI, emits
from hwsim_kernels.fast.pairs import ADDED
from hwsim_kernels.fast.saturating import saturating_layer
from hwsim_kernels.fast.stepwise import EACH, GROUPS, MANY, WORDS
from hwsim_kernels.fast.stored import stored
from hwsim_kernels.fields import field_of
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC

pytestmark = [compiled, pytest.mark.slow]


# --- the register -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Register:
    """A last stage that saturates; ``fits`` (steps,) says after which products it is fitted."""

    bits: int
    fits: tuple[bool, ...]
    signed: bool = True
    symmetric: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest code."""
        if not self.signed:
            return 0, (1 << self.bits) - 1
        return -(1 << (self.bits - 1)) + self.symmetric, (1 << (self.bits - 1)) - 1

    def of(self, case: Case) -> Case:
        """Return a case with this register: fitted by itself, or whenever a stage before it hands a sum up."""
        overflow = SATURATE_SYMMETRIC if self.symmetric else SATURATE
        every, ends = all(self.fits), np.zeros((1, len(self.fits)), np.int64)
        ends[0, -1] = 1
        alone = every or sum(self.fits) == 1
        last = field_of(self.bits, self.signed, overflow, 0, shift=0, rounding=0, check_each=every or not alone)
        if alone:
            return replace(case, stages=last[None], ends=ends, exact=False)
        inner = field_of(62, True, SATURATE, 0, shift=0, rounding=0, terms=1, check_each=True)
        handed = np.array([self.fits], np.int64)
        return replace(case, stages=np.stack([inner, last]), ends=np.concatenate([handed, ends]), exact=False)


@dataclass
class Sum:
    """What became of a sum: its result, its exact value, and the steps and values that came from outside."""

    result: int
    exact: int
    below: list[tuple[int, int]]
    above: list[tuple[int, int]]


def accumulated(start: int, products: Sequence[int], register: Register) -> Sum:
    """Take one product after another."""
    low, high = register.limits
    total = start
    made = Sum(start, start + sum(products), [], [])
    for k, (product, fitted) in enumerate(zip(products, register.fits, strict=True)):
        total += product
        if fitted and total < low:
            made.below.append((k, total))
            total = low
        elif fitted and total > high:
            made.above.append((k, total))
            total = high
    made.result = total
    return made


def figures_wanted(sums: Sequence[Sequence[Sum]], register: Register, key: int, steps: int) -> Json:
    """Return the figures of docs/ledger.md that the kernel counts, of sums (rows, channels)."""
    low, high = register.limits
    names = ("low", "high", "minimum", "maximum", "clamp_energy", "transient", "persistent", "first")
    wanted: Json = {name: [] for name in names}
    for column in zip(*sums, strict=True):
        hit = [one for one in column if one.below or one.above]
        below = [value for one in column for _, value in one.below]
        above = [value for one in column for _, value in one.above]
        keys = [key + row * steps + k for row, one in enumerate(column) for k, _ in one.below + one.above]
        wanted["low"].append(len(below))
        wanted["high"].append(len(above))
        wanted["minimum"].append(min(below, default=None))
        wanted["maximum"].append(max(above, default=None))
        wanted["clamp_energy"].append(sum((one.result - one.exact) ** 2 for one in hit))
        wanted["transient"].append(sum(low <= one.exact <= high for one in hit))
        wanted["persistent"].append(sum(not low <= one.exact <= high for one in hit))
        wanted["first"].append((0, 0, min(keys)) if keys else None)
    return wanted


# --- the kernel ---------------------------------------------------------------------------------------


@dataclass
class Settled:
    """What the kernel made of a case: results (rows, channels), figures, and how many sums its proofs left."""

    results: list[list[int]]
    figures: Json
    unproved: int


def settled(case: Case, register: Register, tier: str, first_row: int = 0, rows: int | None = None) -> Settled:
    """Form the sums of a case and settle them, in one block or in blocks of so many rows."""
    how, channels = prepared(register.of(case), tier, rows or -(-case.positions // 32) * 32), case.path.channels
    assert how is not None and how.layout is not None
    tally, units = new_tally(channels, how.columns, first_row), case.codes.view(f"u{case.codes.itemsize}")
    out = np.zeros((case.positions, channels), np.int32)
    layer = (units, how.layout, how.window, saturating_room(how), how.saturation)
    unproved = saturating_layer(*layer, one_look(how), tally, stored(out))
    exact = case.sums()
    assert tally.counters[0, strip_loop.LEAST, :channels].tolist() == np.min(exact, axis=0).tolist()
    assert tally.counters[0, strip_loop.LARGEST, :channels].tolist() == np.max(exact, axis=0).tolist()
    lengths = np.bincount([abs(one).bit_length() for row in exact for one in row], minlength=counting.BINS)
    lengths[0] += case.positions * (how.columns - channels)
    assert tally.histograms[0].tolist() == lengths.tolist()
    return Settled(out.tolist(), some_figures(tally.counts[0]), int(unproved))


def some_figures(counts: Ints) -> Json:
    """Return the figures that the kernel counts; the others must be at rest."""
    found = figures_of(carried(counts), steps=1 << 62, stage=True)
    for name in ("values", "sums", "inexact", "round_bias", "round_energy"):
        assert not any(found.pop(name)), name
    return found


def check(case: Case, register: Register, first_row: int = 0) -> list[int]:
    """Compare all tiers with the register in every result and figure; return how many sums each left unproved."""
    sums = [
        [accumulated(*pair, register) for pair in zip(case.start, case.products(position), strict=True)]
        for position in range(case.positions)
    ]
    results = [[one.result for one in row] for row in sums]
    wanted = figures_wanted(sums, register, first_row * len(register.fits), len(register.fits))
    unproved: list[int] = []
    for tier in WAYS:
        if prepared(register.of(case), tier) is None:
            continue
        made = settled(case, register, tier, first_row)
        assert made.results == results, tier
        assert made.figures == wanted, tier
        by_blocks = settled(case, register, tier, first_row, rows=32)
        assert (by_blocks.results, by_blocks.figures) == (results, wanted), tier
        assert made.unproved >= sum(bool(one.below or one.above) for row in sums for one in row), tier
        unproved.append(made.unproved)
    return unproved


# --- cases by chance ----------------------------------------------------------------------------------


@composite
def fits_of(draw: DrawFn, steps: int) -> tuple[bool, ...]:
    """Draw the steps at which a register is fitted: each, every few, by chance, or the last alone."""
    kind = draw(st.sampled_from(["each", "each", "every", "any", "last"]))
    if kind in ("each", "last"):
        return tuple(kind == "each" or k == steps - 1 for k in range(steps))
    every = draw(st.integers(2, 70))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(
        k == steps - 1 or ((k + 1) % every == 0 if kind == "every" else bool(generator.random() < 1 / every))
        for k in range(steps)
    )


def signs(generator: np.random.Generator, steps: int, outputs: int) -> np.ndarray[Any, Any]:
    """Return signs of weights: by chance, or in runs, so that sums wander far and come back."""
    run = int(generator.choice([1, 3, 8, 16, 30, 64, 100]))
    few = generator.choice([-1, 1], (-(-steps // run), outputs))
    if run > 1 and generator.random() < 0.5:
        few[1::2] = -few[: len(few) // 2 * 2 : 2][: len(few[1::2])]
    return few.repeat(run, axis=0)[:steps]


@composite
def cases(draw: DrawFn, *, most_steps: int = 130) -> tuple[Case, Register]:
    """Draw a layer and a register in which a few, many or none of its sums saturate."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["uint8", "uint8", "int8", "int16"]))
    low, high = limits_of(kind)
    kernel = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)]))
    depth = draw(st.integers(1, most_steps // (kernel[0] * kernel[1])))
    taps = np.array(
        [(y - 1, x - 1, c) for c in range(depth) for y in range(kernel[0]) for x in range(kernel[1])], np.int64
    )
    if kernel == (1, 1):
        taps[:, :2] = 0
    steps, outputs = len(taps), draw(st.sampled_from([1, 15, 16, 17, 33]))
    fits = draw(fits_of(steps))
    register = Register(draw(st.integers(4, 30)), fits, draw(st.integers(0, 9)) != 0)
    register = replace(register, symmetric=register.signed and draw(st.booleans()))
    zero_point = draw(st.sampled_from([low, 0, high, 100]))
    heaviest = draw(st.sampled_from([127, 127, 25, 4]))
    weights = generator.integers(0, heaviest + 1, (steps, outputs)) * signs(generator, steps, outputs)
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)))
    image = shape if kernel == (1, 1) else (3, 5)
    codes = generator.integers(low, high + 1, (draw(st.integers(1, 3)), *image, depth))
    same = generator.random(codes.shape) < generator.choice([0, 0.5, 1])
    codes = np.where(same, generator.choice([low, high]), codes)
    case = Case(codes.astype(kind), weights[None], taps, [0] * outputs, shape=shape, zero_point=zero_point)
    case = replace(case, start=starts(draw, generator, case, register))
    assume(case.most < 1 << 31)
    return case, register


def starts(draw: DrawFn, generator: np.random.Generator, case: Case, register: Register) -> list[int]:
    """Draw where sums start: anywhere, or so that a sum goes exactly to a limit, or one or two beyond."""
    low, high = register.limits
    if draw(st.booleans()):
        most = 1 << int(generator.integers(1, register.bits + 1))
        return [int(one) for one in generator.integers(-most, most, case.path.channels)]
    position = int(generator.integers(0, case.positions))
    found: list[int] = []
    for products in case.products(position):
        prefixes = [total for total, fitted in zip(accumulate(products), register.fits, strict=True) if fitted]
        beyond = int(generator.integers(-1, 3))
        first = high - max(prefixes) + beyond if generator.random() < 0.5 else low - min(prefixes) - beyond
        found.append(first if abs(first) < 1 << 30 else 0)
    return found


@examples(150)
@given(cases(), st.integers(0, 1 << 40))
def test_any_register_that_saturates(case: tuple[Case, Register], first_row: int) -> None:
    check(*case, first_row)


@pytest.mark.slow
@examples(4000)
@given(cases(), st.integers(0, 1 << 40))
def test_any_register_that_saturates_at_length(case: tuple[Case, Register], first_row: int) -> None:
    check(*case, first_row)


@examples(40)
@given(cases(most_steps=40))
def test_counts_go_on_from_block_to_block(case: tuple[Case, Register]) -> None:
    layer, register = case
    check(replace(layer, codes=np.concatenate([layer.codes] * 4)), register)


@composite
def broad_cases(draw: DrawFn) -> tuple[Case, Register]:
    """Draw layers of so many channels in doubt that steps whose operand is 0 are left out."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps, outputs = draw(st.sampled_from([1, 62, 63, 64, 130])), draw(st.sampled_from([MANY, MANY + 17]))
    kind, zero_point = draw(st.sampled_from([("uint8", 0), ("int8", -128), ("int8", 5)]))
    codes = generator.integers(*limits_of(kind), (draw(st.integers(1, 20)), steps), endpoint=True)
    absent = generator.random(codes.shape) < draw(st.sampled_from([0, 0.5, 0.9, 1]))
    weights = generator.integers(0, 128, (steps, outputs)) * signs(generator, steps, outputs)
    case = dense(np.where(absent, zero_point, codes).astype(kind), weights, zero_point=zero_point)
    register = Register(draw(st.sampled_from([10, 13, 20])), (True,) * steps, draw(st.booleans()))
    low, high = register.limits
    start = generator.choice([low, 0, high], outputs) if draw(st.booleans()) else [0] * outputs
    return replace(case, start=[int(one) for one in start]), register


@examples(40)
@given(broad_cases())
def test_steps_that_add_nothing_are_left_out(case: tuple[Case, Register]) -> None:
    check(*case)


# --- each proof, and none -----------------------------------------------------------------------------


def ramp(rows: int, outputs: int, turns: Sequence[int], *, code: int = 10, weight: int = 3) -> Case:
    """Return sums of equal products whose sign changes with each of the ``turns``, numbers of steps."""
    weights = np.concatenate([np.full(many, weight * (-1) ** number) for number, many in enumerate(turns)])
    return dense(np.full((rows, sum(turns)), code, np.uint8), np.repeat(weights[:, None], outputs, axis=1))


def each(case: Case) -> tuple[bool, ...]:
    """Return fits after each step."""
    return (True,) * len(case.taps)


@pytest.mark.parametrize("tier", HERE)
@pytest.mark.parametrize("bits", range(13, 24))
def test_the_first_proof_is_enough_where_norms_are_small(tier: str, bits: int) -> None:
    case = ramp(40, 20, [64, 64])  # as far as 1920, with 3840 in magnitudes
    made = settled(case, Register(bits, each(case)), tier)
    assert made.unproved == 0
    assert made.results == case.sums()


@pytest.mark.parametrize("tier", HERE)
def test_the_second_proof_is_enough_where_pieces_are_small(tier: str) -> None:
    case = ramp(40, 20, [16] * 32)  # never beyond 480, with 15360 in magnitudes, 960 in a piece
    made = settled(case, Register(12, each(case)), tier)
    assert made.unproved == 0
    assert made.results == case.sums()
    check(case, Register(12, each(case)))


@pytest.mark.parametrize("tier", HERE)
@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_a_sum_that_is_followed_alone_proves_what_norms_cannot(tier: str, kind: str) -> None:
    # large operands meet small weights, and the other way round: |a| |w| is far more than the products come to
    codes, weights = np.full((3, 200), 1), np.full((200, 2), 1)
    codes[:, ::2], weights[1::2] = 100, 100
    case = dense(codes.astype(kind), weights)
    register = Register(16, each(case))
    assert settled(case, register, tier).unproved == 0
    check(case, register)
    # one sum of many goes too far, and is the only one that is not proved
    codes[1, 1::2] = 120
    beyond = replace(case, codes=codes.astype(kind)[:, None, None])
    weights[:, 1] = 1
    beyond = replace(beyond, weights=weights[None])
    assert settled(beyond, Register(22, each(case)), tier).unproved == 0
    assert settled(beyond, register, tier).unproved == 1
    check(beyond, register)


@pytest.mark.parametrize("tier", HERE)
def test_sums_without_proof_that_stay_inside_are_left_as_they_are(tier: str) -> None:
    case = ramp(33, 17, [1] * 512)  # never beyond 30, but half of a piece's magnitudes is 480
    register = Register(9, each(case))
    made = settled(case, register, tier)
    assert made.unproved == 33 * 17
    assert made.results == case.sums()
    assert made.figures == figures_wanted([[Sum(0, 0, [], [])] * 17], register, 0, 512)


@pytest.mark.parametrize("bits", range(8, 24))
@pytest.mark.parametrize("symmetric", [False, True])
def test_all_sums_saturate(bits: int, symmetric: bool) -> None:
    weight, many = min(2 << max(bits - 13, 0), 120), 128
    for sign in (1, -1):
        case = ramp(9, 18, [many, many // 2], code=255, weight=sign * weight)
        register = Register(bits, each(case), symmetric=symmetric)
        far = (1 << (bits - 1)) // (255 * weight) + 1
        if far > many:
            case = ramp(9, 18, [far, far // 2], code=255, weight=sign * weight)
            register = replace(register, fits=each(case))
        assert check(case, register) == [9 * 18] * len(WAYS)


@pytest.mark.parametrize("tier", HERE)
def test_only_what_cannot_be_proved_is_taken_step_by_step(tier: str) -> None:
    case = ramp(40, 50, [64, 64])
    codes = case.codes.copy()
    codes[[3, 36]] = 250  # two rows go as far as 48000
    case = replace(case, codes=codes)
    weights = case.weights.copy()
    weights[:, :, 20:] = weights[:, :, 20:].clip(-1, 0)  # columns 20 on go down by less
    case = replace(case, weights=weights)
    register = Register(16, each(case))
    made = settled(case, register, tier)
    assert made.unproved == 2 * 20
    differing = [row for row, sums in enumerate(case.sums()) if made.results[row] != sums]
    assert differing == [3, 36]
    check(case, register)


@pytest.mark.parametrize("piece", [0, 1, 2])
@pytest.mark.parametrize("width", [1, 2, 5, 15])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_that_leaves_its_limits_amid_a_piece_and_comes_back(sign: int, width: int, piece: int) -> None:
    for inside in {0, 1, 16, 32 - 2 * width}:
        before = 32 * piece + inside
        weights = np.zeros((100, 2), np.int64)
        weights[before : before + width], weights[before + width : before + 2 * width] = sign * 100, -sign * 100
        case = dense(np.full((2, 100), 200, np.uint8), weights)
        for bits in (8, 20):
            register = Register(bits, each(case))
            low, high = register.limits
            for beyond in (0, 1):
                first = (high if sign > 0 else low) + sign * (beyond - width * 100 * 200)
                moved = replace(case, start=[first] * 2)
                assert all(one >= 4 * (beyond > 0) for one in check(moved, register))
                # fitted at the end alone, it comes back unharmed if it started inside
                check(moved, replace(register, fits=(False,) * 99 + (True,)))


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("heavy", ["operands", "weights"])
def test_a_piece_is_proved_by_its_own_norms(heavy: str, piece: int) -> None:
    # nothing moves a sum but one piece, which takes it beyond its limit and back; of two rows the other's is lighter
    first, most, steps = 60 * piece + 7, 127, 60 * 4
    weights, codes = np.zeros((steps, 20), np.int64), np.zeros((9, steps), np.uint8)
    weights[first : first + 20] = np.repeat([1, -1], 10)[:, None] * (1 if heavy == "operands" else most)
    codes[:, first : first + 20] = most if heavy == "operands" else 1
    codes[::2] = 0
    for bits, sign in ((16, 1), (16, -1), (24, 1)):
        register = Register(bits, (True,) * steps)
        for inside in (0, 5 * most, 10 * most - 1, 10 * most, 11 * most):
            start = register.limits[1] - inside if sign > 0 else register.limits[0] + inside
            check(dense(codes, sign * weights, [start] * 20), register)


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", range(8, 31))
def test_sums_exactly_at_a_limit_and_one_beyond(bits: int, symmetric: bool, beyond: int) -> None:
    generator = np.random.default_rng(bits)
    weights, codes = generator.integers(-127, 128, (40, 18)), generator.integers(0, 256, (3, 40))
    case = dense(codes.astype(np.uint8), weights)
    register = Register(bits, each(case), symmetric=symmetric)
    low, high = register.limits
    for sign in (1, -1):
        starts_: list[int] = []
        for products in case.products(2):
            prefixes = list(accumulate(products))
            starts_.append(high - max(prefixes) + beyond if sign > 0 else low - min(prefixes) - beyond)
        placed = replace(case, start=starts_)
        check(placed, register)
        sums = [accumulated(*pair, register) for pair in zip(starts_, placed.products(2), strict=True)]
        assert all(len(one.above if sign > 0 else one.below) >= beyond for one in sums)


@pytest.mark.parametrize("where", [0, 1, 15, 16, 31, 32, 33, 63, 64, 100])
def test_one_product_too_many_at_any_step_is_found_there(where: int) -> None:
    # nothing else moves the sum, so norms are as small as they can be
    weights = np.zeros((101, 3), np.int64)
    weights[where] = 1, -1, 1
    for code in (1, 100, 101):
        case = dense(np.full((2, 101), code, np.uint8), weights, [27, -28, 26])
        register = Register(8, each(case))
        check(case, register)
        sums = accumulated(27, next(case.products(0)), register)
        assert sums.above == ([(where, 27 + code)] if code > 100 else [])


def test_norms_that_are_met_exactly() -> None:
    # |a| and |w| in proportion: the bound of Cauchy and Schwarz is reached, so nothing is left between proof and truth
    for piece in (0, 2):
        weights = np.zeros((96, 3), np.int64)
        weights[32 * piece : 32 * piece + 16], weights[32 * piece + 16 : 32 * piece + 32] = 5, -5
        case = dense(np.full((3, 96), 4, np.uint8), weights)
        register = Register(10, each(case))
        for beyond in (-2, -1, 0, 1):
            check(replace(case, start=[register.limits[1] - 16 * 20 + beyond] * 3), register)


@pytest.mark.parametrize("steps", [1, 2, 20, 33, 40, 63, 65, 100])
def test_norms_know_nothing_of_the_next_row(steps: int) -> None:
    # what follows the first row in memory are operands of 0, which stored codes of 255 stand for
    weights = np.array([[1], [-1]]).repeat([-(-steps // 2), steps // 2], axis=0)
    codes = np.array([[0] * steps, [255] * steps], np.uint8)
    for bits in (8, 12, 13, 14):
        case = dense(codes, np.concatenate([weights, -weights], axis=1), zero_point=255)
        check(case, Register(bits, each(case)))


@pytest.mark.parametrize("every", [2, 7, 31, 32, 33, 64, 65])
def test_registers_that_are_fitted_every_few_steps(every: int) -> None:
    generator = np.random.default_rng(every)
    weights = generator.integers(-127, 128, (130, 20)) + 30
    case = dense(generator.integers(0, 256, (8, 130)).astype(np.uint8), weights.clip(-127, 127))
    fits = tuple((k + 1) % every == 0 or k == 129 for k in range(130))
    for bits in (12, 17, 20):
        check(case, Register(bits, fits))
        check(case, Register(bits, fits, symmetric=True))
        check(case, Register(bits, fits, signed=False))


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("steps", [1, 31, 32, 33, 63, 64, 65, 200])
def test_any_number_of_rows_steps_and_outputs(kind: str, steps: int) -> None:
    generator = np.random.default_rng(steps)
    low, high = limits_of(kind)
    for rows, outputs in ((1, 1), (8, 15), (33, 16), (9, 33)):
        codes = generator.integers(low, high + 1, (rows, steps)).astype(kind)
        case = dense(codes, generator.integers(-127, 128, (steps, outputs)), [5] * outputs, zero_point=7)
        check(case, Register(15, each(case)))


# --- what no float holds ------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", HERE)
def test_registers_that_lanes_cannot_hold_are_left_to_the_plain_way(tier: str) -> None:
    case = ramp(2, 3, [40])
    assert prepared(Register(30, each(case)).of(case), tier) is not None
    assert prepared(Register(31, each(case)).of(case), tier) is None
    # (2**24 - 1) / 16 / 255 = 4112.06: of heavier weights, float32 cannot add 16 products
    lighter, heavier = (replace(case, weights=case.weights // 3 * weight) for weight in (4112, 4113))
    assert prepared(Register(23, each(case)).of(lighter), FLOATS) is not None
    assert prepared(Register(23, each(case)).of(heavier), FLOATS) is None
    assert (prepared(Register(23, each(case)).of(heavier), "portable") is None) != ADDED


def way(case: Case, register: Register, tier: str) -> int | None:
    """Return the way in which a case goes step by step, None if only the plain one is left."""
    how = prepared(register.of(case), tier)
    return how and how.saturation.way


@pytest.mark.skipif(not emits(AVX512_VNNI), reason="no instruction saturates words")
@pytest.mark.parametrize("tier", [one for one in HERE if one != "portable"])
def test_registers_go_by_words_where_operands_find_room_in_them(tier: str) -> None:
    # 255 << 7 and 127 << 8 are the most that 16 bits hold: 15 bits more, and one by doubling the product
    case = ramp(2, 3, [40], weight=127)
    assert [way(case, Register(bits, each(case)), tier) for bits in (8, 15, 16, 20, 28)] == [EACH, EACH, *[WORDS] * 3]
    light = ramp(2, 3, [40], weight=3)  # << 13
    assert [way(light, Register(bits, each(case)), tier) for bits in (10, 11)] == [EACH, WORDS]
    assert way(case, Register(20, each(case), symmetric=True), tier) == EACH
    assert way(case, Register(20, each(case), signed=False), tier) == WORDS
    assert way(replace(case, start=[1 << 19] * 3), Register(20, each(case)), tier) == EACH
    assert way(case, Register(20, each(case)), "portable") == EACH


@pytest.mark.parametrize("tier", HERE)
def test_registers_that_are_fitted_more_seldom_go_by_words_of_two_products_or_groups_of_them(tier: str) -> None:
    case = ramp(2, 3, [40], weight=127)
    for ends, chosen in (
        ((False, True) * 20, EACH),
        ((False, True, True) * 13 + (True,), EACH),
        ((False,) * 39 + (True,), GROUPS),
    ):
        assert way(case, Register(20, ends), tier) == chosen
        check(case, Register(13, ends))


@pytest.mark.parametrize("bits", range(4, 31))
@pytest.mark.parametrize("signed", [True, False])
def test_words_of_every_width_are_counted_to_the_last_hit(bits: int, signed: bool) -> None:
    # up and down beyond both limits, in steps that are hits again and again, more of them than a field counts at once
    generator = np.random.default_rng(bits)
    heaviest = max(min(127, 1 << max(bits - 8, 0)), 1)
    weights = generator.integers(-heaviest, heaviest + 1, (300, 20)) + heaviest // 2 * signs(generator, 300, 20)
    operands = generator.integers(0, 256 if bits > 15 else 8, (11, 300))
    case = dense(operands.astype(np.uint8), weights.clip(-127, 127))
    low, high = Register(bits, each(case), signed).limits
    for first in (0, high, low, high - 3):
        check(replace(case, start=[first] * 20), Register(bits, each(case), signed))


@pytest.mark.parametrize("fits", ["last", "every 1000"])
@pytest.mark.skipif(not HERE, reason="no machine code")
def test_sums_that_go_beyond_what_float32_holds_before_they_are_fitted(fits: str) -> None:
    generator = np.random.default_rng(0)
    turns = [40, 900, 960, 30] if fits == "every 1000" else [1500, 400]
    case = ramp(3, 16, turns, code=255, weight=127)
    case = replace(case, codes=generator.integers(200, 256, case.codes.shape).astype(np.uint8))
    steps = len(case.taps)
    last = (False,) * (steps - 1) + (True,)
    check(case, Register(20, last if fits == "last" else (False,) * 39 + (True,) + last[40:]))


@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("bits", [12, 20])
@pytest.mark.skipif(not HERE, reason="no machine code")
def test_operands_of_0_change_nothing_but_where_a_sum_starts_outside(zeros: float, bits: int) -> None:
    generator = np.random.default_rng(bits)
    weights = generator.integers(-127, 128, (90, 20)) + 90 * signs(generator, 90, 20)
    codes = np.where(generator.random((11, 90)) < zeros, 3, generator.integers(0, 256, (11, 90)))
    # of some rows the first operands are 0, of some all
    codes[::2, :4] = codes[5] = 3
    case = dense(codes.astype(np.uint8), weights.clip(-127, 127), zero_point=3)
    low, high = Register(bits, each(case)).limits
    for first in (0, low, high, low - 1, high + 1, low - 5000, high + 5000):
        check(replace(case, start=[first] * 20), Register(bits, each(case)))


@pytest.mark.parametrize("first", [(1 << 24) + 1, -(1 << 25) - 3, (1 << 30) + 1])
@pytest.mark.skipif(not HERE, reason="no machine code")
def test_sums_that_start_beyond_what_float32_holds(first: int) -> None:
    case = ramp(3, 16, [20, 20], code=200, weight=-100 if first > 0 else 100)
    check(replace(case, start=[first] * 16), Register(20, each(case)))
