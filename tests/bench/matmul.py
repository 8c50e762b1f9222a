"""Matrix products of 1024 x 1024 x 1024: wide, of 16-bit operands, and saturating after every product."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import ours
from bench.figures import Figure, Outcome, Unit, digits
from bench.machine import frequency, products_per_cycle
from bench.measure import Entry, Setup, contest
from bench.peers import numpy_matmul, onnxruntime_matmul

Array = NDArray[Any]

SIZE = 1024
BITS = 20
UNIT = Unit(operations=2 * SIZE**3)
LIMIT = "limit of the instructions"
WIDE = "our wide product"
NUMPY32, NUMPY64, ONNXRUNTIME = "NumPy float32", "NumPy float64", "onnxruntime"


def int8(setup: Setup) -> Outcome:
    """Measure u8 x s8 in 32 bits that wrap."""
    a, b = activations(), weights("calm")
    expected = exact(a, b).astype(np.int32)
    outcome = contest(
        setup,
        UNIT,
        [
            Entry(name="ours", prepare=lambda: ours.int8_matmul(a, b), expected=expected),
            Entry(name=ONNXRUNTIME, prepare=lambda: onnxruntime_matmul(a, b, setup.threads), expected=expected),
            # sums stay below 2**24, so that float32 holds them
            Entry(name=NUMPY32, prepare=lambda: numpy_matmul(a, b, np.float32, setup.threads), expected=expected),
        ],
    )
    return with_limit(outcome, "u8s8", setup.threads)


def int16(kind: str, setup: Setup) -> Outcome:
    """Measure s16 x s8 (``s16s8``) or s16 x s16 (``s16s16``), exact."""
    random = np.random.default_rng(0)
    a = random.integers(-(2**15), 2**15, (SIZE, SIZE), np.int16)
    b = random.integers(-128, 128, (SIZE, SIZE), np.int8) if kind == "s16s8" else np.roll(a, SIZE // 2, axis=0)
    expected = exact(a, b)
    outcome = contest(
        setup,
        UNIT,
        [
            Entry(name="ours", prepare=lambda: ours.int16_matmul(a, b), expected=expected),
            Entry(name=NUMPY64, prepare=lambda: numpy_matmul(a, b, np.float64, setup.threads), expected=expected),
        ],
    )
    return with_limit(outcome, kind, setup.threads)


def saturating(case: str, setup: Setup) -> Outcome:
    """Measure saturation after every product on the weights of a ``case``."""
    a, b = activations(), weights(case)
    reference = saturated(case)
    outcome = contest(
        setup,
        UNIT,
        [
            Entry(name="ours", prepare=lambda: ours.saturating_matmul(a, b, BITS), expected=reference.sums),
            Entry(name=WIDE, prepare=lambda: ours.int8_matmul(a, b), expected=exact(a, b)),
            Entry(name=NUMPY32, prepare=lambda: numpy_matmul(a, b, np.float32, setup.threads)),
        ],
    )
    return outcome.plus(f"{digits(100 * reference.share)} % of the outputs leave {BITS} bits")


int16_by_int8, int16_by_int16 = partial(int16, "s16s8"), partial(int16, "s16s16")
saturating_calm, saturating_some = partial(saturating, "calm"), partial(saturating, "some")
saturating_all = partial(saturating, "all")


# --- operands -------------------------------------------------------------------------------------------------


def activations() -> NDArray[np.uint8]:
    """Return what a ReLU leaves: half zeros, half the positive half of a bell."""
    bell = np.random.default_rng(1).normal(0, 60, (SIZE, SIZE))
    return np.clip(bell, 0, 255).astype(np.uint8)


def weights(case: str) -> NDArray[np.int8]:
    """Return a bell of weights. ``some``: 1 % of the columns are large; ``all``: all are, first up, then down."""
    random = np.random.default_rng(2)
    bell = random.normal(0, 20, (SIZE, SIZE))
    if case == "some":
        bell[:, random.choice(SIZE, SIZE // 100, replace=False)] += 60
    if case == "all":
        bell = (np.abs(bell) + 90) * np.repeat([1, -1], SIZE // 2)[:, None]
    return np.clip(np.rint(bell), -127, 127).astype(np.int8)


# --- what is right --------------------------------------------------------------------------------------------


def exact(a: Array, b: Array) -> NDArray[np.int64]:
    """Return the product of integers of up to 16 bits: float64 holds all its sums."""
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


@dataclass(frozen=True)
class Saturated:
    """Sums that saturated on their way, and the share of the outputs that ever left the register."""

    sums: NDArray[np.int32]
    share: float


@cache
def saturated(case: str, steps: int = SIZE, rows: int = 128) -> Saturated:
    """Add the products of ``steps`` one after another, a block of rows at a time, and saturate each time."""
    a, b = activations().astype(np.int32), weights(case).astype(np.int32)
    low, high = -(1 << BITS - 1), (1 << BITS - 1) - 1
    sums, left = np.zeros((SIZE, SIZE), np.int32), np.zeros((SIZE, SIZE), np.bool_)
    product = np.empty((rows, SIZE), np.int32)
    for first in range(0, SIZE, rows):
        block, hit = sums[first : first + rows], left[first : first + rows]
        for step in range(steps):
            np.multiply(a[first : first + rows, step, None], b[step], out=product)
            np.add(block, product, out=product)
            np.clip(product, low, high, out=block)
            hit |= block != product
    return Saturated(sums, float(left.mean()))


def with_limit(outcome: Outcome, operands: str, threads: int) -> Outcome:
    """Add what the instructions allow at most."""
    rate = threads * frequency() * products_per_cycle(operands)
    note = f"{LIMIT}: {threads} cores x {frequency() / 1e9:.2f} GHz x {products_per_cycle(operands)} products per cycle"
    return outcome.plus(note, **{LIMIT: Figure(value=SIZE**3 / rate, unit=UNIT)})
