"""Layers on whole arrays, for use by themselves: products accumulated in a declared order, and pooling.

Feature maps are (n, h, w, c), kernels (kh, kw, c / groups, outputs), as in Keras. Operands are integers of up to 32
bits, sign included; ``zero_point`` is taken off the inputs, and what lies outside counts as 0 and takes its step all
the same.

Sums run through ``stages`` from the inside out (see ``Stage``); the default is one 32-bit register that wraps. Every
product goes through ``product`` first, if it is given: fit(round_shift(a * w)) with its ``shift`` and ``rounding``. The
last stage starts from ``bias`` (outputs,). Results are int64, uint64 where a register of 64 unsigned bits needs it.
docs/arithmetic.md section 4 defines it all, and ``plain`` is its code.

``draws``, one period of random numbers from ``lfsr``, is for stochastic modes: section 7. Every image starts anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim_kernels import pooling
from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.accumulate import accumulate
from hwsim_kernels.convert import LARGEST, codes_of, integers_in, integers_of, known, random_numbers, whole
from hwsim_kernels.counting import BINS, new_counts
from hwsim_kernels.describe import Format, Stage, ends_of, format_field, product_field, rounding_code, stage_fields
from hwsim_kernels.exact import EXACT_LIMIT
from hwsim_kernels.fast.blocks import prepare, write_sums
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.features import tier
from hwsim_kernels.fast.memory import lined_up, unset
from hwsim_kernels.fields import TERMS, TREE
from hwsim_kernels.order import AXES, steps_in_order
from hwsim_kernels.plain import accumulate_plain

ONE_REGISTER = (Stage(32),)
REGISTER = Format(32)
"""A register of 32 bits that wraps."""

ONE_WORD = 1 << 62
MOST = (1 << 31) - 1
"""The largest size, stride and the like: what 32 bits hold."""

Pair = int | Sequence[int]
"""Rows and columns, or one number for both."""

Sides = str | int | Sequence[Sequence[int]]
"""A padding: `valid`, `same`, one number for every side, or ((top, bottom), (left, right))."""

Array = NDArray[Any]


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    zero_point: int = 0,
    product: Stage | None = None,
    stages: Sequence[Stage] = ONE_REGISTER,
    draws: ArrayLike | None = None,
) -> Array:
    """Return the product of a (m, k), less ``zero_point``, and b (k, n), accumulated in the order of k: (m, n).

    >>> a = [[20000, 20000, -20000]]
    >>> matmul(a, [[1], [1], [1]], stages=[Stage(16, "saturate")]).tolist()
    [[12767]]
    """
    left, right = codes_of(a, "a", 2), codes_of(b, "b", 2)
    if left.shape[1] != right.shape[0]:
        raise ValueError(f"a has {left.shape[1]} columns, b has {right.shape[0]} rows: they must be as many")
    images, kernel = left[:, None, None, :], right[None, None]
    return conv2d(images, kernel, bias, zero_point=zero_point, product=product, stages=stages, draws=draws)[:, 0, 0, :]


def conv2d(
    inputs: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    strides: Pair = 1,
    padding: Sides = 0,
    dilation: Pair = 1,
    groups: int = 1,
    zero_point: int = 0,
    order: Sequence[str] = AXES,
    tile: int | None = None,
    product: Stage | None = None,
    stages: Sequence[Stage] = ONE_REGISTER,
    draws: ArrayLike | None = None,
) -> Array:
    """Return the convolution of inputs (n, h, w, c) by kernel (kh, kw, c / groups, outputs): (n, oh, ow, outputs).

    padding: `valid`, `same` (as TensorFlow), rows and columns on every side, or ((top, bottom), (left, right)).
    order, tile: the loops of an output's products from the outermost inwards, see ``steps_in_order``.

    >>> x, w = np.full((1, 3, 3, 1), 100), np.full((3, 3, 1, 1), 1)
    >>> conv2d(x, w, padding="same", stages=[Stage(9, "saturate")])[0, :, :, 0].tolist()
    [[255, 255, 255], [255, 255, 255], [255, 255, 255]]
    """
    codes, weights = codes_of(inputs, "inputs", 4), kernel_of(kernel)
    height, width, depth, outputs = weights.shape
    groups = whole(groups, "groups", 1, outputs, f"for {outputs} outputs")
    if codes.shape[3] != depth * groups or outputs % groups:
        raise ValueError(
            f"inputs have {codes.shape[3]} channels; the kernel takes {depth} from each of {groups} groups and has "
            f"{outputs} outputs"
        )
    window, spaced = both(strides, "strides"), both(dilation, "dilation")
    sides = padded(padding, codes.shape[1:3], (height, width), window, spaced)
    shape = tuple(
        (codes.shape[1 + axis] + sum(sides[axis]) - spaced[axis] * (weights.shape[axis] - 1) - 1) // window[axis] + 1
        for axis in (0, 1)
    )
    if min(shape) < 1:
        raise ValueError(
            f"a kernel of {(height, width)} at dilation {spaced} does not fit into inputs of {codes.shape[1:3]} rows "
            f"and columns padded by {sides}"
        )
    places = steps_in_order(height, width, depth, order, tile)
    taps = places.copy()
    taps[:, :2] = places[:, :2] * spaced - (sides[0][0], sides[1][0])
    arranged = weights[places[:, 0], places[:, 1], places[:, 2]].reshape(len(places), groups, -1).transpose(1, 0, 2)
    geometry = (taps, np.array(window, np.int64), np.ones(2, np.int64))
    out_shape = (len(codes), *shape, outputs)
    loops = (places, order, tile)
    return accumulated(codes, zero_point, geometry, arranged, bias, product, stages, loops, draws, out_shape)


def depthwise_conv2d(
    inputs: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    strides: Pair = 1,
    padding: Sides = 0,
    dilation: Pair = 1,
    zero_point: int = 0,
    order: Sequence[str] = AXES,
    product: Stage | None = None,
    stages: Sequence[Stage] = ONE_REGISTER,
    draws: ArrayLike | None = None,
) -> Array:
    """Return the depthwise convolution of inputs (n, h, w, c) by kernel (kh, kw, c, multiplier).

    The result is (n, oh, ow, c * multiplier); output channel c * multiplier + m reads input channel c.

    >>> depthwise_conv2d(np.ones((1, 2, 2, 2), int), [[[[2], [3]]]])[0, 0].tolist()
    [[2, 3], [2, 3]]
    """
    codes, weights = codes_of(inputs, "inputs", 4), kernel_of(kernel)
    height, width, channels, multiplier = weights.shape
    if codes.shape[3] != channels:
        raise ValueError(f"inputs have {codes.shape[3]} channels, the kernel has {channels}")
    return conv2d(
        codes,
        weights.reshape(height, width, 1, channels * multiplier),
        bias,
        strides=strides,
        padding=padding,
        dilation=dilation,
        groups=channels,
        zero_point=zero_point,
        order=order,
        product=product,
        stages=stages,
        draws=draws,
    )


def conv2d_transpose(
    inputs: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    size: Pair,
    strides: Pair = 1,
    cut: Pair = 0,
    dilation: Pair = 1,
    zero_point: int = 0,
    order: Sequence[str] = AXES,
    tile: int | None = None,
    product: Stage | None = None,
    stages: Sequence[Stage] = ONE_REGISTER,
    draws: ArrayLike | None = None,
) -> Array:
    """Return the transposed convolution of inputs (n, h, w, c) by kernel (kh, kw, c, outputs): (n, *size, outputs).

    Kernel row r meets input row i in row ``i * stride + r * dilation - cut`` of the output, columns likewise; every
    step is taken, by a 0 where there is no such input.

    >>> conv2d_transpose([[[[1], [2]]]], [[[[1]], [[10]]]], size=(1, 4), strides=2)[0, 0, :, 0].tolist()
    [1, 10, 2, 20]
    """
    codes, weights = codes_of(inputs, "inputs", 4), kernel_of(kernel)
    height, width, depth, outputs = weights.shape
    if codes.shape[3] != depth:
        raise ValueError(f"inputs have {codes.shape[3]} channels, the kernel has {depth}")
    places = steps_in_order(height, width, depth, order, tile)
    taps = places.copy()
    taps[:, :2] = np.array(both(cut, "cut", 0)) - places[:, :2] * both(dilation, "dilation")
    arranged = weights[places[:, 0], places[:, 1], places[:, 2]][None]
    geometry = (taps, np.ones(2, np.int64), np.array(both(strides, "strides"), np.int64))
    out_shape = (len(codes), *both(size, "size"), outputs)
    loops = (places, order, tile)
    return accumulated(codes, zero_point, geometry, arranged, bias, product, stages, loops, draws, out_shape)


def max_pool(
    inputs: ArrayLike, window: Pair, *, strides: Pair | None = None, padding: Sides = 0, outside: int | None = None
) -> Array:
    """Return the largest code of each window of inputs (n, h, w, c).

    outside: what positions outside count as, a code of 32 bits; None: they take no part.

    >>> max_pool(np.arange(4).reshape(1, 2, 2, 1), 2).tolist()
    [[[[3]]]]
    >>> max_pool([[[[-5]]]], 2, padding=((1, 0), (1, 0)), outside=0).tolist()
    [[[[0]]]]
    """
    codes = codes_of(inputs, "inputs", 4)
    described, shape = windows(codes, window, strides, padding)
    out = np.empty(shape, np.int32)
    limits = np.iinfo(np.int32)
    nothing = limits.min if outside is None else outside
    if not limits.min <= nothing <= limits.max:
        raise ValueError(f"outside is {outside}, which is no code of 32 bits")
    pooling.max_pool(codes, described, nothing, out)
    return out.astype(np.int64)


def average_pool(
    inputs: ArrayLike,
    window: Pair,
    *,
    strides: Pair | None = None,
    padding: Sides = 0,
    zero_point: int = 0,
    accumulator: Format = REGISTER,
    rounding: str = "half_away",
    draws: ArrayLike | None = None,
) -> Array:
    """Return the mean of each window of inputs (n, h, w, c), less ``zero_point``: sum divided by the number inside.

    The sum goes row by row and is fitted to ``accumulator`` after each code, the quotient rounded by ``rounding``; the
    zero point is not added again.

    >>> average_pool([[[[1], [2]], [[2], [2]]]], 2, rounding="floor").tolist()
    [[[[1]]]]
    """
    codes = codes_of(inputs, "inputs", 4)
    described, shape = windows(codes, window, strides, padding)
    point = whole(zero_point, "zero_point", -(1 << 31), MOST)
    rows = np.empty((2, shape[0] * shape[1] * shape[2], shape[3]), np.int64)
    field = np.array([*format_field(accumulator, "accumulator"), rounding_code(rounding)], np.int64)
    numbers, size = random_numbers(draws, rounding), np.array(shape[1:3], np.int64)
    counts, histogram = new_counts(2, shape[3]), np.zeros(BINS, np.int64)
    pooling.average_pool(codes, point, described, size, field, numbers, 0, rows, counts, histogram)
    means: Array = integers_in(rows, shape)
    return means


def accumulated(
    codes: Codes,
    zero_point: int,
    geometry: tuple[Ints, Ints, Ints],
    weights: Codes,
    bias: ArrayLike | None,
    product: Stage | None,
    stages: Sequence[Stage],
    loops: tuple[Ints, Sequence[str], int | None],
    draws: ArrayLike | None,
    shape: tuple[int, ...],
) -> Array:
    """Return the sums (n, oh, ow, outputs) of codes by weights (groups, steps, outputs of a group).

    ``geometry``: taps, strides and spread as ``accumulate`` takes them. ``loops``: the steps' places, order and tile.
    """
    field, fields = product_field(product), stage_fields(stages)
    point, steps = whole(zero_point, "zero_point", -(1 << 31), MOST), weights.shape[1]
    numbers = random_numbers(draws, *(one.rounding for one in (*stages, *([product] if product else []))))
    start = start_of(bias, shape[-1], stages[-1])
    operand = max(abs(int(codes.min(initial=0)) - point), abs(int(codes.max(initial=0)) - point))
    widest = operand * max(-int(weights.min(initial=0)), int(weights.max(initial=0)))
    most = largest_sum(product, stages, widest, start, steps)
    if most >= LARGEST:
        raise OverflowError(f"stages: a sum on its way could need {most.bit_length() + 1} bits, at most 125 are held")
    # a chain of more terms than there are steps is as long as one of all steps, and reserves less
    fields[:, TERMS] = np.where(fields[:, TREE] != 0, fields[:, TERMS], np.minimum(fields[:, TERMS], steps))
    last = len(stages) - 1
    where = (codes, point, 0, *geometry, np.ascontiguousarray(weights), start, last)
    ends = ends_of(stages, *loops)
    if product is None and len(stages) == 1:
        path = Datapath(*where[1:], field, fields, ends, (shape[1], shape[2]), exact=True, contained=True)
        found = fast_sums(codes, path, stages[0])
        if found is not None:
            return found.reshape(shape)
    arguments = (*where, field, fields, ends, numbers, 0)
    counts, histogram = new_counts(len(stages), shape[-1]), np.zeros(BINS, np.int64)
    if operand < 1 << 31 and one_word_holds(most):
        out = np.empty(shape, np.int64)
        accumulate(*arguments, out, new_counts(shape[-1]), counts, histogram)
        return out
    wide = np.empty((2, *shape), np.int64)
    accumulate_plain(*arguments, wide, new_counts(shape[-1]), counts, histogram)
    sums: Array = integers_in(wide.reshape(2, -1, shape[-1]), shape)
    return sums


def fast_sums(codes: Codes, path: Datapath, stage: Stage) -> Array | None:
    """Return the sums (rows, outputs) that one register makes, or None if no fast way gives them.

    What fits the register, or wraps in it, comes from the exact sums; what saturates too, where they can be kept.
    """
    kind = smallest(codes)
    if kind is None or stage.shift or stage.shape == "tree" or stage.bits > 63:
        return None
    totals = np.abs(path.weights.astype(object)).sum(axis=1).reshape(-1) * path.largest_operand(kind)
    most = int((totals + np.abs(path.start.astype(object))).max())
    fits = stage.limits[0] <= -most and most <= stage.limits[1]
    wraps = stage.overflow == "wrap" and not stage.saturated_bits
    exact = most < EXACT_LIMIT and (fits or wraps)
    layer = prepare(path._replace(exact=exact), kind, (codes.shape[1], codes.shape[2], codes.shape[3]), tier())
    if layer is None:
        return None
    rows = len(codes) * path.positions[0] * path.positions[1]
    sums = unset((rows, path.channels), np.int64 if exact else np.int32)
    write_sums(layer, lined_up(codes.astype(kind)), sums)
    whole: Ints = sums.astype(np.int64)
    if exact and not fits:
        low, high = stage.limits
        whole = ((whole - low) & (high - low)) + low
    return whole


def smallest(codes: Codes) -> np.dtype[Any] | None:
    """Return the smallest type of one byte or two that holds codes, or None."""
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    for name in ("int8", "uint8", "int16", "uint16"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return np.dtype(name)
    return None


def one_word_holds(most: int) -> bool:
    """Whether sums of magnitudes up to ``most`` can be held in 64-bit lanes."""
    return most < ONE_WORD


def largest_sum(product: Stage | None, stages: Sequence[Stage], widest: int, start: Ints, steps: int) -> int:
    """Return what no value on the way of ``steps`` products exceeds in magnitude; ``widest`` bounds the products."""
    most = widest
    if product is not None:
        widest = held(product, widest + 1)
    for stage in stages:
        first = 0 if stage.terms else max(-int(start.min()), int(start.max()))
        values = steps * (widest + 1)
        widest = held(stage, first + values)
        doubled = int(stage.shape == "tree")  # a node adds two fitted values
        most = max(most, (widest << stage.shift + doubled) + values)
    return most


def held(form: Format, largest: int) -> int:
    """Return what bounds the codes of a format to which magnitudes up to ``largest`` come."""
    if form.signed and largest <= form.limits[1]:
        return largest
    return 1 << (form.bits - int(form.signed))


def kernel_of(values: ArrayLike) -> Codes:
    """Return a kernel of four axes; raise ValueError for one that has no weights."""
    weights = codes_of(values, "kernel", 4)
    if not weights.size:
        raise ValueError(f"kernel: the shape {weights.shape}, every axis must have 1 or more")
    return weights


def start_of(bias: ArrayLike | None, channels: int, last: Stage) -> Ints:
    """Return what the last stage starts from (channels,); raise ValueError for a bias that it does not hold."""
    if bias is None:
        return np.zeros(channels, np.int64)
    array = integers_of(bias, "bias")
    if array.shape != (channels,):
        raise ValueError(f"bias: the shape {array.shape}, it must be {(channels,)}, one for each output")
    low, high = last.limits
    high = min(high, (1 << 63) - 1)
    for output, one in enumerate(array.tolist()):
        whole(one, f"bias[{output}]", low, high, f"in a register of {last.bits} bits")
    return array.astype(np.int64)


def both(value: ArrayLike, name: str, least: int = 1) -> tuple[int, int]:
    """Return a pair of numbers from one or two; raise TypeError or ValueError for anything else."""
    array = integers_of(value, name)
    if array.shape not in ((), (2,)):
        raise ValueError(f"{name}: {value!r}, it must be one number or two, for rows and columns")
    rows, columns = (whole(one, name, least, MOST) for one in np.broadcast_to(array, 2).tolist())
    return rows, columns


def padded(
    padding: Sides, size: tuple[int, ...], kernel: tuple[int, int], strides: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) of a padding; raise ValueError for what is none."""
    if isinstance(padding, str):
        if known(padding, ("valid", "same"), "padding") == "valid":
            return (0, 0), (0, 0)
        extent = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
        last = [(-(-size[axis] // strides[axis]) - 1) * strides[axis] for axis in (0, 1)]
        total = [max(last[axis] + extent[axis] - size[axis], 0) for axis in (0, 1)]
        return (total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2)
    array = integers_of(padding, "padding")
    if array.shape not in ((), (2, 2)):
        raise ValueError(f"padding: {padding!r}: `valid`, `same`, a number or ((top, bottom), (left, right))")
    rows, columns = (both(pair, "padding", 0) for pair in np.broadcast_to(array, (2, 2)))
    return rows, columns


def windows(codes: Codes, window: Pair, strides: Pair | None, padding: Sides) -> tuple[Ints, tuple[int, int, int, int]]:
    """Return a window as the kernels take it and the shape of the output; raise ValueError for one outside."""
    size = both(window, "window")
    steps = size if strides is None else both(strides, "strides")
    sides = padded(padding, codes.shape[1:3], size, steps, (1, 1))
    rows, columns = ((codes.shape[1 + axis] + sum(sides[axis]) - size[axis]) // steps[axis] + 1 for axis in (0, 1))
    outside = min(rows, columns, *codes.shape[1:3]) < 1 or any(max(sides[axis]) >= size[axis] for axis in (0, 1))
    if outside:
        raise ValueError(
            f"window: one of {size} lies outside of inputs of {codes.shape[1:3]} rows and columns padded by {sides}"
        )
    described = np.array([*size, *steps, sides[0][0], sides[1][0]], np.int64)
    return described, (codes.shape[0], rows, columns, codes.shape[3])
