"""Between the arrays of the kernels and the plain integers of the oracle: words, fields, draws and figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from numpy.typing import NDArray

import hwsim_kernels as kernels
from hwsim.formats import Overflow, Rounding
from hwsim_kernels import counting, fields, wide
from oracle.ledger import Point
from oracle.lfsr import Draws, states

Json = dict[str, Any]
Ints = NDArray[np.int64]
Pair = tuple[np.int64, np.int64]

COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
"""Whether kernels run as machine code; as Python they are a hundred times slower."""

AT_LENGTH = os.environ.get("HWSIM_TEST_TIERS") == "all"
"""Whether this is a long run: on all tiers, and with all examples."""

ONE_WORD = 1 << 62
"""Magnitudes below this are held in one word."""

GENERATORS: tuple[Json, ...] = (
    {"bits": 4, "taps": (4, 3), "seed": 9},
    {"bits": 16, "taps": (16, 15, 13, 4), "seed": 1},
    {"bits": 3, "taps": (3,), "seed": 5},
)
"""Shift registers of three widths, the last with a short period."""

STEADY = tuple(mode.value for mode in Rounding if not mode.stochastic)
ROUNDINGS = tuple(mode.value for mode in Rounding)
OVERFLOWS = tuple(mode.value for mode in Overflow if mode is not Overflow.ERROR)


def examples(number: int) -> settings:
    """Return settings for so many examples: a quarter of them unless at length, fewer where kernels run as Python."""
    few = number if COMPILED and AT_LENGTH else max(number // 4 if COMPILED else number // 5, 10)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=few, deadline=None, suppress_health_check=checks)


# --- modes, fields and draws --------------------------------------------------------------------------


def code_of(mode: str) -> int:
    """Return the constant by which the kernels know a mode."""
    return int(getattr(kernels, mode.upper()))


def aligned(draw: int, bits: int) -> int:
    """Return a draw of ``bits`` bits with its top bit at bit 31, as kernels take it."""
    return draw << (32 - bits)


def draws_of(random: Mapping[str, Any]) -> Ints:
    """Return one period of a generator as kernels take it."""
    cycle = states(random["bits"], tuple(random["taps"]), random["seed"])
    return np.array([aligned(state, random["bits"]) for state in cycle], np.int64)


def draw_of(random: Mapping[str, Any], number: int, mode: str) -> tuple[int, int]:
    """Return (draw, bits) of value ``number`` as the oracle takes it."""
    return Draws(random).draw(number, mode), random["bits"]


def fit_field(section: Mapping[str, Any], *more: int) -> Ints:
    """Return (bits, signed, overflow, saturated_bits, …) of a section."""
    overflow = code_of(section["overflow"])
    return np.array([section["bits"], section["signed"], overflow, section["saturated_bits"], *more], np.int64)


def stage_field(section: Mapping[str, Any] | None) -> Ints:
    """Return a stage, or a product, as the kernels take it."""
    field = np.zeros(fields.FIELDS, np.int64)
    if section is None:
        return field
    field[[fields.BITS, fields.SIGNED, fields.OVERFLOW, fields.SATURATED_BITS]] = fit_field(section)
    field[fields.TERMS] = section.get("terms") or 0
    field[fields.CHECK_EACH] = section.get("check") == "each"
    field[fields.TREE] = section.get("shape") == "tree"
    field[fields.SHIFT] = section["shift"]
    field[fields.ROUNDING] = code_of(section["rounding"])
    return field


# --- words --------------------------------------------------------------------------------------------


def pair(value: int) -> Pair:
    """Return an integer as a pair (see ``wide``)."""
    return np.int64(value >> wide.WORD_BITS), np.int64(value & wide.WORD)


def unpaired(high: Any, low: Any) -> int:
    """Return the integer that a pair stands for."""
    assert 0 <= low < ONE_WORD
    return (int(high) << wide.WORD_BITS) + int(low)


def in_words(values: Any, words: int) -> Ints:
    """Return nested lists of integers (…) as (words, …)."""
    whole = np.array(values, object)
    if words == 1:
        return whole[None].astype(np.int64)
    return np.stack([whole >> wide.WORD_BITS, whole & wide.WORD]).astype(np.int64)


def from_words(values: Ints) -> list[Any]:
    """Return (words, …) as nested lists of integers (…)."""
    if len(values) == 1:
        whole: list[Any] = values[0].tolist()
        return whole
    assert ((values[1] >= 0) & (values[1] < ONE_WORD)).all()
    both: list[Any] = ((values[0].astype(object) << wide.WORD_BITS) + values[1]).tolist()
    return both


def carried(counts: Ints) -> Ints:
    """Return counts as a merge leaves them, by which different ways to the same sums can be compared."""
    points = counts.reshape(-1, *counts.shape[-2:])
    total = counting.new_counts(len(points), counts.shape[-1])
    counting.merge(total, points, 0)
    return total.reshape(counts.shape)


# --- figures ------------------------------------------------------------------------------------------


def figures_of(counts: Ints, *, steps: int = 1, positions: int = 1, stage: bool = False) -> Json:
    """Return counts (COLUMNS, channels) under the names of docs/ledger.md, without the histogram.

    ``steps`` and ``positions`` (of a sample) are those by which keys of first occurrences were numbered.
    """
    hits = (counts[counting.LOW] + counts[counting.HIGH]).tolist()
    ranges = counting.value_range(counts)
    return {
        "values": counts[counting.VALUES].tolist(),
        "sums": counts[counting.SUMS].tolist(),
        "low": counts[counting.LOW].tolist(),
        "high": counts[counting.HIGH].tolist(),
        "minimum": [low for low, _ in ranges],
        "maximum": [high for _, high in ranges],
        "clamp_energy": counting.long_sum(counts, counting.CLAMP_ENERGY),
        "transient": counts[counting.TRANSIENT].tolist(),
        "persistent": counts[counting.PERSISTENT].tolist() if stage else hits,
        "inexact": counts[counting.INEXACT].tolist(),
        "round_bias": counts[counting.ROUND_BIAS].tolist(),
        "round_energy": counting.long_sum(counts, counting.ROUND_ENERGY),
        "first": [first_of(key, steps, positions) for key in counts[counting.FIRST].tolist()],
    }


def first_of(key: int, steps: int, positions: int) -> tuple[int, int, int] | None:
    """Return (sample, position, step) of a key."""
    if key == counting.NEVER:
        return None
    place, step = divmod(key, steps)
    return (*divmod(place, positions), step)


def figures(point: Point) -> Json:
    """Return the oracle's figures without the histogram."""
    wanted = point.figures()
    del wanted["histogram"]
    return wanted


# --- strategies ---------------------------------------------------------------------------------------


def integers(bits: int) -> st.SearchStrategy[int]:
    """Return integers of up to ``bits`` bits of magnitude: small ones, large ones, and neighbours of powers of two."""
    most = (1 << bits) - 1

    def near_a_power(power: int, offset: int, sign: int) -> int:
        return sign * min(max((1 << power) + offset, 0), most)

    return st.one_of(
        st.integers(-9, 9),
        st.integers(-most, most),
        st.builds(near_a_power, st.integers(0, bits), st.integers(-3, 3), st.sampled_from([-1, 1])),
    )


@composite
def fits(draw: DrawFn, low: int = 1, high: int = 64) -> Json:
    """Return a width with an overflow mode; all but ``error``, which stops the oracle."""
    overflow = draw(st.sampled_from(OVERFLOWS))
    signed = overflow == "wrap_sign_magnitude" or draw(st.sampled_from([True, True, False]))
    bits = draw(st.integers(low, high) | st.sampled_from([low, high]))
    wraps = overflow in ("wrap", "wrap_sign_magnitude")
    saturated = draw(st.integers(0, bits)) if wraps and draw(st.booleans()) else 0
    return {"bits": bits, "signed": signed, "overflow": overflow, "saturated_bits": saturated}


def array(values: Sequence[Any]) -> Ints:
    """Return nested lists as int64."""
    return np.array(values, np.int64)
