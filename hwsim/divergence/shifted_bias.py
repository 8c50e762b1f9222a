"""Which other bias would give the other side: channel by channel, by bisection.

Behind the accumulator nothing falls where a sum rises, unless something wraps; so the constants that make all values of
a channel large enough, and those that make none too large, are two half-lines, and their ends are found by halving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.divergence.case import Case, Mask
from hwsim.divergence.variants import Variant
from hwsim.engine import Engine
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words, integers
from hwsim.program.records import AddConstant, IntOperation, MultiplyAccumulate
from hwsim_kernels.fast.features import PLAIN

Ints = NDArray[np.int64]
Array = NDArray[Any]

SPAN = 1 << 40
"""How far a bias is looked for; below this sums and constants stay in 64 bits."""

MOST_SAMPLES = 64
MOST_NAMED = 6


def bias_variants(one: IntOperation, inputs: list[Array], case: Case) -> Iterator[Variant]:
    """Yield an operation whose bias gives the other side in as many channels as possible, if there is one."""
    if not isinstance(one, MultiplyAccumulate):
        return
    sums = _sums(one, [values[:MOST_SAMPLES] for values in inputs])
    if sums is None or np.abs(sums).max() >= SPAN:
        return
    samples = min(len(case.b), MOST_SAMPLES)
    wanted = case.b[:samples].reshape(-1, one.channels)

    def large_enough(constant: Ints) -> Mask:
        return np.asarray((_behind(one, sums + constant, samples) >= wanted).all(axis=0))

    def too_large(constant: Ints) -> Mask:
        return np.asarray((_behind(one, sums + constant, samples) > wanted).any(axis=0))

    least, most = _first(large_enough, one.channels), _first(too_large, one.channels) - 1
    delta = np.where((least <= 0) & (most >= 0) | (least > most), 0, (least + most) >> 1)
    channels = np.flatnonzero(delta)
    if not channels.size:
        return
    named = [_named(channel, int(least[channel]), int(most[channel])) for channel in channels[:MOST_NAMED].tolist()]
    more = f" and {len(channels) - MOST_NAMED} more" if len(channels) > MOST_NAMED else ""
    absent = -_bias(one)
    off = absent != 0
    none = bool(off.any() and ((least <= absent) & (absent <= most))[off].all())
    yield Variant(
        kind="bias",
        what=", ".join(named) + more + " (in units of the sums" + (": no bias at all)" if none else ")"),
        how="",
        was="",
        operation=_with_bias(one, delta),
    )


def _named(channel: int, least: int, most: int) -> str:
    if least <= -SPAN or most >= SPAN:
        return f"channel {channel} off by {f'{most:+d} or less' if least <= -SPAN else f'{least:+d} or more'}"
    return f"channel {channel} off by {least:+d}" + (f" to {most:+d}" if most > least else "")


def _first(holds: Callable[[Ints], Mask], channels: int) -> Ints:
    """Return per channel the smallest constant within the span for which something holds, SPAN if none."""
    low, high = np.full(channels, -SPAN), np.full(channels, SPAN)
    while (low < high).any():
        middle = (low + high) >> 1
        met = holds(middle)
        high = np.where(met, middle, high)
        low = np.where(met, low, np.minimum(middle + 1, high))
    return low


def _sums(one: MultiplyAccumulate, inputs: list[Array]) -> Ints | None:
    """Return the sums (rows, channels) that leave the accumulator."""
    with Engine(len(inputs[0]), (one.layer,), tier=PLAIN) as engine:
        engine.run(replace(one, exact=False, narrow=False), inputs, 0)
        parts = engine.traces[one.layer]["accumulator"]
    found = np.concatenate(parts)
    return None if found.dtype == object else found


def _behind(one: MultiplyAccumulate, sums: Ints, samples: int) -> Ints:
    """Return what the steps make of sums."""
    values = in_words(sums, True)
    run_steps(one.steps, values, one.draws, samples, Tally.of(one, 0, tier=PLAIN))
    return np.asarray(integers(values), np.int64)


def _bias(one: MultiplyAccumulate) -> Ints:
    first = one.steps[0] if one.steps else None
    return first.constant if isinstance(first, AddConstant) else one.start


def _with_bias(one: MultiplyAccumulate, delta: Ints) -> MultiplyAccumulate:
    """Return the operation with other constants, where it adds its own."""
    first = one.steps[0] if one.steps else None
    if isinstance(first, AddConstant):
        return replace(one, steps=(replace(first, constant=first.constant + delta), *one.steps[1:]))
    return replace(one, start=one.start + delta)
