"""A register in two words (see ``wide``): what rounding and fitting do to the values that it takes, and their counts.

``counts`` (COLUMNS, channels) are those of the register's truncation point; ``docs/ledger.md`` defines the figures.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import inlined
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.counting import PERSISTENT, TRANSIENT, count_hit, count_injected_wide, count_rounding
from hwsim_kernels.overflow import fit_outside_wide, is_outside
from hwsim_kernels.rounding import guarded, round_up
from hwsim_kernels.wide import minus, plus, shifted_right


@inlined
def rounded(
    high: Int, low: Int, shift: Int, guard_bits: Int, mode: Int, draw: Int, channel: Int, counts: Ints
) -> tuple[Int, Int]:
    """Return a pair / 2**shift rounded in ``mode``; a shift of 0 drops nothing and counts nothing."""
    if shift == 0:
        return high, low
    negative = high < 0
    high, low, fraction, sticky = shifted_right(high, low, shift)
    seen, seen_sticky = guarded(fraction, sticky, guard_bits)
    up = round_up(seen, seen_sticky, negative, low & 1 != 0, mode, draw)
    count_rounding(counts, channel, fraction, sticky, up)
    return plus(high, low, 0, up)


@inlined
def fitted(
    high: Int, low: Int, bits: Int, signed: Int, mode: Int, saturated_bits: Int, channel: Int, key: Int, counts: Ints
) -> tuple[Int, Int, Int, Int]:
    """Return a pair as the format holds it, and what the fit added to it, a pair too; count a value from outside."""
    if not is_outside(high, low, bits, signed, mode):
        return high, low, np.int64(0), np.int64(0)
    count_hit(counts, channel, high, low, high < 0, key)
    fit_high, fit_low = fit_outside_wide(high, low, bits, signed, mode, saturated_bits)
    lost_high, lost_low = minus(fit_high, fit_low, high, low)
    return fit_high, fit_low, lost_high, lost_low


@inlined
def closed(
    high: Int, low: Int, lost_high: Int, lost_low: Int, hit: Flag, field: Ints, channel: Int, counts: Ints
) -> tuple[Int, Int]:
    """Count what its fits have added to a finished sum and return the exact sum.

    ``field`` starts with bits, signed, overflow. ``hit`` says whether any value came from outside.
    """
    exact_high, exact_low = minus(high, low, lost_high, lost_low)
    if hit:
        outside = is_outside(exact_high, exact_low, field[0], field[1], field[2])
        counts[PERSISTENT if outside else TRANSIENT, channel] += 1
        count_injected_wide(counts, channel, lost_high, lost_low)
    return exact_high, exact_low
