"""Between the arrays of the kernels and the plain integers of the oracle: fields, draws and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from numpy.typing import NDArray

import hwsim_kernels as kernels
from hwsim.formats import Overflow, Rounding
from hwsim_kernels import counting, fields
from oracle.ledger import Point
from oracle.lfsr import Draws, states

Json = dict[str, Any]
Ints = NDArray[np.int64]

GENERATORS: tuple[Json, ...] = (
    {"bits": 4, "taps": (4, 3), "seed": 9},
    {"bits": 16, "taps": (16, 15, 13, 4), "seed": 1},
    {"bits": 3, "taps": (3,), "seed": 5},
)
"""Shift registers of three widths, the last with a short period."""

STEADY = tuple(mode.value for mode in Rounding if not mode.stochastic)
ROUNDINGS = tuple(mode.value for mode in Rounding)
OVERFLOWS = tuple(mode.value for mode in Overflow if mode is not Overflow.ERROR)


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


def stage_field(section: Mapping[str, Any]) -> Ints:
    """Return a stage, or a product, as ``accumulate`` takes it."""
    field = np.zeros(fields.FIELDS, np.int64)
    field[[fields.BITS, fields.SIGNED, fields.OVERFLOW, fields.SATURATED_BITS]] = fit_field(section)
    field[fields.TERMS] = section.get("terms") or 0
    field[fields.CHECK_EACH] = section.get("check") == "each"
    field[fields.TREE] = section.get("shape") == "tree"
    field[fields.SHIFT] = section["shift"]
    field[fields.ROUNDING] = code_of(section["rounding"])
    return field


def figures_of(counts: Ints, *, steps: int = 1, positions: int = 1, stage: bool = False) -> Json:
    """Return counts (COLUMNS, channels) under the names of docs/ledger.md, without the histogram.

    ``steps`` and ``positions`` (of a sample) are those by which keys of first occurrences were numbered.
    """
    hits = (counts[counting.LOW] + counts[counting.HIGH]).tolist()
    return {
        "values": counts[counting.VALUES].tolist(),
        "sums": counts[counting.SUMS].tolist(),
        "low": counts[counting.LOW].tolist(),
        "high": counts[counting.HIGH].tolist(),
        "minimum": [None if one == counting.NEVER else one for one in counts[counting.MINIMUM].tolist()],
        "maximum": [None if one == -counting.NEVER else one for one in counts[counting.MAXIMUM].tolist()],
        "clamp_energy": kernels.long_sum(counts, counting.CLAMP_ENERGY),
        "transient": counts[counting.TRANSIENT].tolist(),
        "persistent": counts[counting.PERSISTENT].tolist() if stage else hits,
        "inexact": counts[counting.INEXACT].tolist(),
        "round_bias": counts[counting.ROUND_BIAS].tolist(),
        "round_energy": kernels.long_sum(counts, counting.ROUND_ENERGY),
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
    """Return a width with an overflow mode; all but ``error``, which stops the oracle.

    Unsigned formats have 62 bits at most: a wrap of -1 to 63 bits injects 2^63, more than kernels promise to count.
    """
    overflow = draw(st.sampled_from(OVERFLOWS))
    signed = overflow == "wrap_sign_magnitude" or draw(st.sampled_from([True, True, False]))
    bits = draw(st.integers(low, high if signed else min(high, 62)))
    wraps = overflow in ("wrap", "wrap_sign_magnitude")
    saturated = draw(st.integers(0, bits)) if wraps and draw(st.booleans()) else 0
    return {"bits": bits, "signed": signed, "overflow": overflow, "saturated_bits": saturated}


def array(values: Sequence[Any]) -> Ints:
    """Return nested lists as int64."""
    return np.array(values, np.int64)
