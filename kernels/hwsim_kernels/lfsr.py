"""Random numbers for stochastic rounding, from a linear feedback shift register: ``docs/arithmetic.md`` section 7."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim_kernels._types import Ints


def lfsr(bits: int = 16, taps: Sequence[int] = (16, 15, 13, 4), seed: int = 1) -> Ints:
    """Return one period of a Fibonacci register's states from ``seed`` on, each aligned to 32 bits.

    ``taps`` are counted from 1, the exponents of the feedback polynomial; ``bits``, 2 to 20, is one of them.
    Raises ValueError for a register that does not come back to its seed.

    >>> [int(draw) >> 28 for draw in lfsr(4, (4, 3), 1)][:5]
    [1, 2, 4, 9, 3]
    """
    if not 2 <= bits <= 20 or max(taps) != bits or min(taps) < 1:
        raise ValueError(f"a register of {bits} bits with taps {list(taps)}: bits are 2 to 20, and the largest tap")
    if not 1 <= seed < 1 << bits:
        raise ValueError(f"seed {seed}: a register of {bits} bits has states 1 to {(1 << bits) - 1}")
    mask, state = (1 << bits) - 1, seed
    states: list[int] = []
    while not states or state != seed:
        states.append(state)
        parity = sum(state >> (tap - 1) for tap in taps) & 1
        state = (state << 1 & mask) | parity
    return np.asarray(states, np.int64) << (32 - bits)
