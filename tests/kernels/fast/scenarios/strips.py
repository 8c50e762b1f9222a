"""Steps on strips of lanes, and fits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from kernels.fast.datapaths import Array
from kernels.fast.scenarios.moved import Left, Scenario, Take
from kernels.plain import code_of

from hwsim_kernels import counting
from hwsim_kernels.fast import float_strips, passage, strip_loop, strips, wide_strips
from hwsim_kernels.fast.fitting import fit_block, scale_and_fit_block
from hwsim_kernels.fast.layers import layer_of_codes, layer_of_integers, layer_of_sums
from hwsim_kernels.fast.stored import given, stored
from hwsim_kernels.overflow import SATURATE, WRAP


def values_of(rows: int, columns: int, most: int = 1 << 20) -> Array:
    """Return seeded values."""
    generator = np.random.default_rng(rows * columns)
    return generator.integers(-most, most, (rows, columns), endpoint=True).astype(np.int32)


def scaling_of(columns: int) -> Array:
    """Return the parameters of a scaling."""
    parameters = strips.moves(columns)
    strips.scaling(parameters, np.full(columns, 12345), np.full(columns, 17), 3, code_of("half_up"))
    return parameters


def scale(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale with all thresholds."""
    strips.scale(values, parameters, counters, False, ledger)


def scale_steadily(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale with one threshold."""
    strips.scale(values, parameters, counters, True, ledger)


def scale_half_up(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale half up."""
    assert strips.half_up(parameters, parameters.shape[1])
    strips.scale_half_up(values, parameters, counters, ledger)


def scale_shortly(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale half up in half a lane."""
    assert strips.half_up(parameters, parameters.shape[1])
    strips.scale_shortly(values, parameters, counters, ledger)


SCALINGS = {one.__name__: one for one in (scale, scale_steadily, scale_half_up, scale_shortly)}
SCALED = {f"{name}{how}": (scale, not how) for name, scale in SCALINGS.items() for how in ("", ", uncounted")}


def strip(kernel: str, rows: int, columns: int, take: Take) -> Left:
    """Run a kernel of ``strips``."""
    values, counters = take(values_of(rows, columns)), take(strip_loop.counters(columns))
    parameters = take(scaling_of(columns))
    if kernel in SCALED:
        way, ledger = SCALED[kernel]
        way(values, parameters, counters, ledger)
    elif kernel == "move":
        strips.move(values, parameters)
    elif kernel == "look":
        strips.look(values, parameters, counters)
    elif kernel == "see":
        strips.see(values, counters)
    elif kernel.endswith("scale_and_look"):
        assert strips.half_up(parameters, parameters.shape[1])
        several = [parameters, strips.moves(columns)]
        if kernel == "scale_and_look":
            counters = take(strip_loop.counters(2, columns))
            strips.scale_and_look(values, take(np.stack(several)), counters, True)
        else:
            counters = take(strip_loop.counters(3, columns))
            strips.see_scale_and_look(values, take(np.stack([several[1], *several])), counters, True)
    elif kernel == "scale_negatives":
        strips.scale_negatives(values, parameters, counters)
    elif kernel.startswith("divide"):
        divisors = take(np.zeros((rows, 3), np.int32))
        strips.set_divisors(take(np.arange(1, rows + 1, dtype=np.int32)), divisors)
        strips.divide(values, divisors, parameters, counters, kernel == "divide shortly")
    elif kernel == "quantize":
        values.view(np.float32)[:] = np.linspace(-90, 90, rows * columns).reshape(rows, columns)
        parameters[float_strips.DIVISOR] = np.full(columns, 0.7).view(np.int64)
        float_strips.quantize(values, parameters, counters)
    elif kernel in FLOAT_WAYS:
        reals = np.full(columns, 0.7), np.full(columns, 1.0 if "even" in kernel else 3.0), np.full(columns, 5)
        precision, mode = 64 if "long" in kernel else 32, "half_even" if "even" in kernel else "half_up"
        float_way = float_strips.scaling(parameters, *reals, precision, code_of(mode))
        assert float_way == FLOAT_WAYS.index(kernel)
        float_strips.scale(values, parameters, counters, float_way)
    else:
        here = take(strip_loop.counters(columns))
        parameters[strips.LOW], parameters[strips.HIGH] = -1000, 1000
        strips.clamp(values, parameters, counters, here)
        counters = np.concatenate([counters, here])
    return [values.copy(), counters.copy()]


FLOAT_WAYS = ("scale in float", "scale in long float", "scale in float half even")

STRIPS = (
    *("move", "see", "look", *SCALED, "scale_and_look", "see_scale_and_look", "scale_negatives"),
    *("divide", "divide shortly", "quantize", *FLOAT_WAYS, "clamp"),
)


WIDE_STRIPS = ("move", "look", "shorten", "scale half up", "scale half up in parts", "scale")


def wide_strip(kernel: str, rows: int, columns: int, take: Take) -> Left:
    """Run a kernel of ``wide_strips``."""
    values, counters = take(values_of(rows, columns).astype(np.int64) << 30), take(strip_loop.counters(columns))
    parameters, short = strips.moves(columns, 64), take(np.zeros((rows, columns), np.int32))
    if kernel == "look":
        wide_strips.look(values, take(parameters), counters)
    elif kernel == "move":
        wide_strips.move(values, take(parameters))
    elif kernel == "shorten":
        values >>= 30
        wide_strips.shorten(values, short)
    else:
        ratio = np.full(columns, (1 << 31) - 1 if "parts" in kernel else 1234), np.full(columns, 52)
        mode = code_of("half_up" if "half" in kernel else "half_even")
        way = wide_strips.scaling(parameters, *ratio, 0, mode, 1 << 50)
        assert way is not None and way == ("scale", "scale half up", "scale half up in parts").index(kernel)
        wide_strips.scale(values, take(parameters), counters, way)
    return [values.copy(), counters.copy(), short.copy()]


def tally_of(many: int, columns: int, channels: int, take: Take) -> passage.Tally:
    """Return counters for so many steps, each with a point of its own."""
    return passage.Tally(
        counters=take(strip_loop.counters(many, columns)),
        here=take(strip_loop.counters(columns)),
        counts=take(counting.new_counts(many, channels)),
        histograms=take(np.zeros((many, counting.BINS), np.int64)),
        counted=True,
        first_row=3,
    )


def wide_layer(rows: int, channels: int, take: Take) -> Left:
    """Send integers through a look, a scaling and a fit of 64 bits, and through a fit of 32."""
    columns = -(-channels // 16) * 16
    kinds = [passage.LOOK, passage.WIDE_SCALE + wide_strips.HALF_UP, passage.FIT, passage.FIT]
    parameters = np.stack([strips.moves(columns, 64)] * 3 + [strips.moves(columns)])
    ratio = np.full(channels, 12345), np.full(channels, 44)
    assert wide_strips.scaling(parameters[1], *ratio, 0, code_of("half_up"), 1 << 45) == wide_strips.HALF_UP
    limits = parameters.copy()
    limits[3, strips.LOW], limits[3, strips.HIGH] = -128, 127
    steps = passage.Steps(
        kinds=take(np.array(kinds, np.int64)),
        parameters=take(parameters),
        limits=take(limits),
        fields=take(np.array([[0] * 4, [0] * 4, [12, 1, WRAP, 0], [8, 1, SATURATE, 0]], np.int64)),
        points=take(np.arange(4)),
        bins=take(np.array([47, 0, 20, 12], np.int64)),
        offsets=take(np.zeros(4, np.int64)),
        fits=take(np.array([[5, 1], [0, 0], [0, 0], [0, 2]])),
        wide=3,
    )
    tally = tally_of(4, columns, channels, take)
    integers, out = take(values_of(rows, channels).astype(np.int64) << 25), take(np.zeros((rows, channels), np.int8))
    room = take(np.zeros((2, columns), np.int64)), take(np.zeros((2, columns), np.int32))
    layer_of_integers(given(integers), *room, steps, tally, stored(out))
    return [out.copy(), tally.counters.copy(), tally.counts.copy(), tally.histograms.copy()]


def small_steps(columns: int, take: Take) -> passage.Steps:
    """Return a scaling half up."""
    parameters = scaling_of(columns)
    assert strips.half_up(parameters, columns)
    return passage.Steps(
        kinds=take(np.array([passage.SCALE_HALF_UP])),
        parameters=take(parameters[None]),
        limits=take(strips.moves(columns)[None]),
        fields=take(np.zeros((1, 4), np.int64)),
        points=take(np.zeros(1, np.int64)),
        bins=take(np.zeros(1, np.int64)),
        offsets=take(np.zeros(1, np.int64)),
        fits=take(np.zeros((1, 2), np.int64)),
    )


def layer(inputs: int, rows: int, channels: int, take: Take) -> Left:
    """Send codes through a scaling, and the sums of more inputs than one through another; five rows at a time."""
    columns = -(-channels // 16) * 16
    codes = tuple(given(take(values_of(rows, channels, 127).astype(np.int8))) for _ in range(inputs))
    out, room = take(np.zeros((rows, channels), np.int32)), take(np.zeros((2, 5, 32), np.int32))
    steps = [small_steps(columns, take) for _ in range(inputs + 1)]
    tallies = [tally_of(1, columns, channels, take) for _ in steps]
    if inputs == 1:
        layer_of_codes(codes[0], room[0], steps[0], tallies[0], stored(out))
    else:
        layer_of_sums(codes, tuple(steps[1:]), tuple(tallies[1:]), room, steps[0], tallies[0], stored(out))
    return [out.copy(), *(one.counters.copy() for one in tallies)]


def fit(mode: int, rows: int, channels: int, take: Take) -> Left:
    """Fit a block of which much lies outside."""
    columns = -(-channels // 32) * 32
    limits = strips.moves(columns)
    limits[strips.LOW], limits[strips.HIGH] = -128, 127
    values, counters = take(values_of(rows, columns)), take(strip_loop.counters(columns))
    counts, histogram = take(counting.new_counts(channels)), take(np.zeros(23, np.int64))
    field, here = take(np.array([8, 1, mode, 0], np.int64)), take(strip_loop.counters(columns))
    where = (counters, here, counts, histogram)
    fit_block(values, take(strips.moves(columns)), take(limits), field, 5, 23, 1, True, *where)
    return [values.copy(), counters.copy(), counts.copy(), histogram.copy()]


def scaled_fit(counted: bool, rows: int, channels: int, take: Take) -> Left:
    """Scale and fit a block of which much lies outside."""
    columns = -(-channels // 32) * 32
    limits, parameters = strips.moves(columns), np.stack([scaling_of(columns), strips.moves(columns)])
    limits[strips.LOW], limits[strips.HIGH] = -128, 127
    assert strips.half_up(parameters[0], columns)
    values, counters = take(values_of(rows, columns, 1 << 15)), take(strip_loop.counters(2, columns))
    counts, histogram = take(counting.new_counts(channels)), take(np.zeros(16 * counted, np.int64))
    field, here = take(np.array([8, 1, SATURATE, 0], np.int64)), take(strip_loop.counters(columns))
    where = (counters, here, counts, histogram)
    scale_and_fit_block(values, take(parameters), take(limits), field, 5, 16 * counted, 1, counted, *where)
    return [values.copy(), counters.copy(), counts.copy(), histogram.copy()]


def all_steps() -> Iterator[tuple[str, Scenario]]:
    """Yield calls of steps and fits."""
    for rows, columns in ((1, 16), (3, 48)):
        yield from ((f"strips.{one} {rows} x {columns}", partial(strip, one, rows, columns)) for one in STRIPS)
        yield from ((f"wide {one} {rows} x {columns}", partial(wide_strip, one, rows, columns)) for one in WIDE_STRIPS)
    for rows, channels in ((1, 1), (5, 33)):
        yield f"wide layer {rows} x {channels}", partial(wide_layer, rows, channels)
        for inputs in (1, 2, 3):
            yield f"layer of {inputs} inputs, {rows} x {channels}", partial(layer, inputs, rows + 7, channels)
        yield f"fit_block saturating {rows} x {channels}", partial(fit, SATURATE, rows, channels)
        yield f"fit_block wrapping {rows} x {channels}", partial(fit, WRAP, rows, channels)
        for counted in (True, False):
            yield f"scale_and_fit_block {counted} {rows} x {channels}", partial(scaled_fit, counted, rows, channels)
