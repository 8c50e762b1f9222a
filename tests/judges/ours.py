"""Our two answers, of the kernels and of the oracle; a judge is compared with both."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

import hwsim_kernels.overflow
import hwsim_kernels.rounding
import oracle.overflow
import oracle.rounding
from hwsim.formats import Overflow, Rounding

EDGES = [sign * 2**power + near for power in range(8, 63) for near in (-1, 0, 1) for sign in (-1, 1)]

_GENERATOR = random.Random(1)

VALUES = [
    *range(-300, 301),
    *EDGES,
    *(2**63 - 1, -(2**63) + 1, -(2**63)),
    *(_GENERATOR.getrandbits(64) - 2**63 >> _GENERATOR.randrange(55) for _ in range(120)),
]
"""All small values, the ends of all formats and random values of all magnitudes, in 64 bits."""


class Case(NamedTuple):
    """A value that is rounded by a shift and fitted into a format, and what a judge makes of it."""

    shift: int
    bits: int
    signed: int
    saturated_bits: int
    value: int
    result: int


def rounded(value: int, shift: int, mode: str) -> set[int]:
    """Return value / 2**shift, rounded by each of ours."""
    kernels = hwsim_kernels.rounding.round_shift(value, shift, Rounding(mode).code, 0)
    return {int(kernels), oracle.rounding.round_shift(value, shift, mode)}


def fitted(value: int, bits: int, signed: bool, mode: str, saturated_bits: int = 0) -> set[int]:
    """Return a value, fitted by each of ours."""
    code = int(hwsim_kernels.overflow.fit(value, bits, int(signed), Overflow(mode).code, saturated_bits))
    if not signed:
        code %= 2**64  # the kernels hold codes of u64 in signed words
    return {code, oracle.overflow.fit(value, bits, signed, mode, saturated_bits)}


def quantized(case: Case, rounding: str, overflow: str) -> set[int]:
    """Return what each of ours makes of a case."""
    return {
        one
        for value in rounded(case.value, case.shift, rounding)
        for one in fitted(value, case.bits, bool(case.signed), overflow, case.saturated_bits)
    }


def refused(case: Case, overflow: str) -> bool:
    """Whether a target may not say this: one signed bit, saturating symmetrically, leaves the code 0 alone."""
    return case.bits == 1 and bool(case.signed) and overflow == "saturate_symmetric"


def check(cases: Iterable[Case], rounding: str, overflow: str, at_least: int) -> None:
    """Compare ours with a judge, in a number of cases that must not shrink unnoticed."""
    number, wrong = 0, []
    for case in cases:
        number += 1
        answers = quantized(case, rounding, overflow)
        if answers != {case.result}:
            wrong.append((case, answers))
    assert wrong[:5] == []
    assert number >= at_least


QUOTIENTS = [(value, shift) for shift in (1, 2, 3, 8, 20) for value in VALUES if abs(value) < 2**52]
"""(value, shift) whose quotient value / 2**shift is exact in float64, and still so after one half is added."""


def check_function(function: Callable[[float], float], mode: str) -> None:
    """Compare ours with a function that rounds a float64."""
    wrong = [(x, n) for x, n in QUOTIENTS if rounded(x, n, mode) != {function(x / 2**n)}]
    assert wrong[:5] == []
    assert len(QUOTIENTS) > 4000


def check_array(function: Callable[[NDArray[np.float64]], ArrayLike], mode: str) -> None:
    """Compare ours with a function that rounds an array of float64."""
    results = np.asarray(function(np.array([x / 2**n for x, n in QUOTIENTS]))).tolist()
    answers = dict(zip((x / 2**n for x, n in QUOTIENTS), results, strict=True))
    check_function(answers.__getitem__, mode)
