"""Random numbers for stochastic rounding, from a linear feedback shift register: ``docs/arithmetic.md`` section 7."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim_kernels._types import Ints
from hwsim_kernels.convert import whole


def lfsr(bits: int = 16, taps: Sequence[int] = (16, 15, 13, 4), seed: int = 1) -> Ints:
    """Return one period of a Fibonacci register's states from ``seed`` on, each aligned to 32 bits.

    ``taps`` are counted from 1, the exponents of the feedback polynomial; ``bits``, 2 to 20, is the largest of them.
    Such a register always comes back to its seed. Raises ValueError for anything else.

    >>> [int(draw) >> 28 for draw in lfsr(4, (4, 3), 1)][:5]
    [1, 2, 4, 9, 3]
    """
    bits = whole(bits, "bits", 2, 20)
    taps = [whole(tap, "taps", 1, bits) for tap in taps]
    if max(taps, default=0) != bits or len(set(taps)) != len(taps):
        raise ValueError(f"taps {taps}: they must differ, and {bits}, the width in bits, must be one of them")
    seed = whole(seed, "seed", 1, (1 << bits) - 1)
    mask, state = (1 << bits) - 1, seed
    states: list[int] = []
    while not states or state != seed:
        states.append(state)
        parity = sum(state >> (tap - 1) for tap in taps) & 1
        state = (state << 1 & mask) | parity
    return np.asarray(states, np.int64) << (32 - bits)
