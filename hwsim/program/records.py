"""What a program is made of: operations on integers, their steps and their truncation points.

Everything a machine needs and nothing else: no real weights, no framework. Records are frozen and hold plain values
and int64, int32, float64 or bool arrays, so that a program can be saved and loaded as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat, Overflow, Rounding

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensor:
    """A tensor between operations; ``format`` is None where real values have left the datapath for the host.

    ``shape`` is that of one sample; a code q stands for ``scale * (q - zero_point)``. With ``levels``, one for each
    code from the smallest up, it stands for ``scale * level``; with ``shift``, one for each channel, the channel's
    scale is ``scale * 2**shift``. Such codes are decoded before they are computed with. What is given for an input with
    ``indices`` are whole numbers from 0 to below that.
    """

    name: str
    shape: tuple[int, ...]
    format: IntFormat | None
    scale: float = 1.0
    zero_point: int = 0
    levels: tuple[int, ...] = ()
    shift: tuple[int, ...] = ()
    indices: int = 0

    @property
    def plain(self) -> bool:
        """Whether codes can be computed with as they are stored."""
        return not self.levels and not self.shift

    @property
    def scales(self) -> Reals:
        """The scale of each channel, (channels,)."""
        scales = np.full(self.shape[-1], self.scale)
        return np.ldexp(scales, np.asarray(self.shift, np.int64)) if self.shift else scales

    def real(self, codes: NDArray[Any]) -> Reals:
        """Return what codes (…, channels) stand for."""
        return self.scale * self.integers(codes)

    def integers(self, codes: NDArray[Any]) -> Reals:
        """Return what codes (…, channels) stand for in units of the scale, as float64: exact."""
        if self.levels:
            assert self.format is not None
            table = np.asarray(self.levels, np.float64)
            return table[codes.astype(np.int64) - self.format.minimum]
        distance = codes.astype(np.float64) - self.zero_point
        return np.ldexp(distance, np.asarray(self.shift, np.int64)) if self.shift else distance


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """A truncation point: a place where bits can be dropped.

    ``unit`` (channels,) is the real value of one LSB. ``steps`` is how many steps a value takes here, by which a first
    occurrence is located. ``stage`` marks sums, whose overflows are transient or persistent. ``proven`` says that no
    input can leave the format; ``bound`` is what values are proved to lie within. ``zero_point`` is part of the values
    seen here and of no meaning to their size.
    """

    name: str
    unit: Reals
    format: IntFormat | None = None
    overflow: Overflow | None = None
    saturated_bits: int = 0
    rounding: Rounding | None = None
    shift: int = 0
    steps: int = 1
    stage: bool = False
    once: bool = False
    proven: bool = False
    bound: tuple[int, int] | None = None
    zero_point: int = 0

    def leaving(self, bound: tuple[int, int]) -> tuple[int, int]:
        """Return what bounds a value behind the fit: ``bound`` where that is proved to be inside, else the format."""
        return bound if self.proven or self.format is None else (self.format.minimum, self.format.maximum)


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step behind the accumulator; ``point`` names where it counts what it drops.

    ``by_channel`` names the arrays that have one value for each channel, (channels,).
    """

    by_channel: ClassVar[tuple[str, ...]] = ()

    point: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class AddConstant(Step):
    """Add ``constant`` (channels,), exactly."""

    by_channel = ("constant",)

    constant: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class ShiftLeft(Step):
    """Multiply by 2**shift (channels,), exactly."""

    by_channel = ("shift",)

    shift: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiplyBy(Step):
    """Multiply by ``multiplier`` (channels,), exactly."""

    by_channel = ("multiplier",)

    multiplier: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class FitTo(Step):
    """Fit to ``field`` (4,): bits, signed, overflow, saturated_bits; ``offset`` is taken off for the histogram."""

    field: Ints
    histogram: bool = False
    offset: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleFixed(Step):
    """Multiply by multiplier / 2**shift (channels,) and round; ``guard_bits`` 0 stands for all.

    ``negatives_only`` leaves other values alone: the slope of a leaky ReLU.
    """

    by_channel = ("multiplier", "shift")

    multiplier: Ints
    shift: Ints
    rounding: Rounding
    guard_bits: int = 0
    negatives_only: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleFloat(Step):
    """Multiply by ``ratio``, divide by ``divisor``, add ``added`` (channels,) in float, and round.

    Every result has ``precision`` bits; ``added`` is taken off again behind the rounding.
    """

    by_channel = ("ratio", "divisor", "added")

    ratio: Reals
    divisor: Reals
    added: Ints
    precision: int
    rounding: Rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipLow(Step):
    """Raise to ``limit`` (channels,): the function of a ReLU, no loss."""

    by_channel = ("limit",)

    limit: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipHigh(Step):
    """Lower to ``limit`` (channels,): the function of a bounded ReLU, no loss."""

    by_channel = ("limit",)

    limit: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Absolute(Step):
    """Take the magnitude."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Negate(Step):
    """Change the sign where ``where`` (channels,) is 1."""

    by_channel = ("where",)

    where: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class LookUp(Step):
    """Read ``table`` (1 or channels, entries), whose entries stand for ``first``, ``first + 2**shift``, …

    No ``rounding``: no interpolation. ``errors``, of the table's shape or empty, are what rounding did to its entries,
    in 1/65536 of their LSB.
    """

    table: Ints
    errors: Ints
    first: int
    shift: int
    rounding: Rounding | None


@dataclass(frozen=True, kw_only=True, eq=False)
class CountLevels(Step):
    """``first`` plus the number of ``levels`` (ascending) that are not above the value."""

    levels: Ints
    first: int


@dataclass(frozen=True, kw_only=True, eq=False)
class IntOperation:
    """One operation of a program. ``inputs`` name tensors, ``output`` describes the one it makes.

    ``layer`` is the network's operation it came from, ``kind`` that operation's kind. ``wide`` says that its values
    need two words (``hwsim_kernels.wide``), ``narrow`` that all values behind the accumulator stay below 2**30, and all
    fixed-point products below 2**62.
    """

    name: str
    layer: str
    kind: str
    inputs: tuple[str, ...]
    output: Tensor
    points: tuple[Point, ...] = ()
    wide: bool = False
    narrow: bool = False

    @property
    def channels(self) -> int:
        """The size of the output's last axis, by which the ledger keeps its counts."""
        return self.output.shape[-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stepped(IntOperation):
    """What sends its values through ``steps`` in the end.

    ``draws`` are the random numbers of its stochastic roundings, or one 0.
    """

    steps: tuple[Step, ...]
    draws: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantize(IntOperation):
    """Real values to codes."""

    field: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiplyAccumulate(Stepped):
    """Every operation with weights, and the mean over an image, whose weights are all 1.

    The arrays are those of ``hwsim_kernels.accumulate``. Points: ``weight`` and ``bias`` (a mean has neither), perhaps
    ``product``, one for each stage, then those of the steps.

    ``view`` and ``output_view`` are the input's and the output's (h, w, c) as the kernel sees them. ``exact`` says that
    no product and no sum can lose anything, so that any order gives the result; ``wide_sums`` that a sum can need more
    than 62 bits on its way. ``initial`` (points, COLUMNS, channels) holds what was lost once, when weights and biases
    became integers.
    """

    view: tuple[int, int, int]
    output_view: tuple[int, int, int]
    zero_point: int
    outside: int
    taps: Ints
    strides: Ints
    spread: Ints
    weights: Codes
    start: Ints
    start_level: int
    product: Ints
    stages: Ints
    ends: Ints
    exact: bool
    wide_sums: bool
    initial: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolMax(IntOperation):
    """The largest code of each window. ``outside``: what positions outside count as; the smallest code: as nothing."""

    window: Ints
    outside: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolAverage(Stepped):
    """The rounded mean of each window."""

    window: Ints
    zero_point: int
    field: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatAverage(Stepped):
    """The mean of each window in float32, of ``scales`` (channels,) times codes less ``zero_point``; then steps.

    The output has the input's scale and zero point. Point: ``division``.
    """

    window: Ints
    zero_point: int
    scales: Reals
    rounding: Rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class Interpolate(Stepped):
    """Weighted sums of four codes. rows, row_weights: (oh, 2); columns, column_weights: (ow, 2)."""

    rows: Ints
    columns: Ints
    row_weights: Ints
    column_weights: Ints
    zero_point: int
    shift: int
    rounding: int


@dataclass(frozen=True, kw_only=True, eq=False)
class NormalizeCodes(Stepped):
    """Codes less ``zero_point``, normalised over ``groups`` of channels (``whole``: and all leading axes), then steps.

    ``field``: (5,) bits of the mean's fraction, of the reciprocal, of the result, rounding, bound of the result.
    ``epsilon`` is in squares of the finest unit.
    """

    zero_point: int
    groups: int
    whole: bool
    centered: bool
    epsilon: int
    field: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Sum(Stepped):
    """The sum of tensors, each rescaled by its own steps first."""

    input_steps: tuple[tuple[Step, ...], ...]
    field: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatSum(Stepped):
    """The sum of tensors in float32, rounded to codes with their zero point, less that; then steps.

    Axes of size 1 are repeated. ``ratios`` (tensors, channels) of the scales, ``fixed`` (channels,) what zero points
    add up to, as ``hwsim_kernels.float_sums`` takes them. Point: ``requantize``.
    """

    ratios: Reals
    fixed: Reals
    rounding: Rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class SlopedSum(Sum):
    """What a tensor has above 0 and, times a slope for each channel, below; the inputs are the same tensor twice.

    ``initial`` (points, COLUMNS, channels) is what was lost when slopes became integers.
    """

    initial: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Product(Stepped):
    """The element-wise product of two tensors, axes of size 1 repeated; ``product`` (FIELDS,) is its width."""

    zero_points: Ints
    product: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class MatrixProduct(Stepped):
    """Matrix products of two tensors (…, rows, depth), (…, depth, columns); ``transpose`` says which lie so.

    ``places`` (depth,) is the order in which the depth is summed; ``product``, ``stages``, ``ends``, ``exact`` and
    ``wide_sums`` as of ``MultiplyAccumulate``.
    """

    transpose: tuple[bool, bool]
    zero_points: Ints
    places: Ints
    product: Ints
    stages: Ints
    ends: Ints
    exact: bool
    wide_sums: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Join(IntOperation):
    """Tensors joined along ``axis`` of the sample, those of another scale rescaled first (no steps: copied).

    ``draws``: as in ``Stepped``.
    """

    axis: int
    input_steps: tuple[tuple[Step, ...], ...]
    draws: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Rescale(Stepped):
    """Steps on each value of one tensor."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Encode(IntOperation):
    """Integers to the codes of the levels nearest to them; the output has the levels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Decode(IntOperation):
    """Codes to the integers that they stand for in units of their scale: levels, or shifted codes.

    ``levels`` and ``shift`` are those of the input, one of them empty; ``first`` is its smallest code.
    """

    levels: Ints
    shift: Ints
    first: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Relabel(IntOperation):
    """The same codes under another shape."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConstantCodes(IntOperation):
    """The same ``codes`` for every sample; ``initial`` (1, COLUMNS, channels) is what was lost when they were made."""

    codes: Ints
    initial: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class PickRows(ConstantCodes):
    """For each code of the input, from 0, the row of ``codes`` (rows, width) with that number."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PickCodes(IntOperation):
    """Codes picked by ``index``, of the output's shape, from the input's sample in row-major order; -1: ``fill``."""

    index: Ints
    fill: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PadCodes(IntOperation):
    """Zero points around (h, w, c)."""

    padding: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, kw_only=True, eq=False)
class CropCodes(IntOperation):
    """Codes cut off the borders of (h, w, c)."""

    cropping: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftmaxOfCodes(IntOperation):
    """A softmax of codes over ``axis`` of the sample, of which a ``mask`` of its shape says which take part."""

    axis: int
    mask: Flags | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class HostSoftmax(SoftmaxOfCodes):
    """A softmax computed by the host in float64 from dequantised codes."""

    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedSoftmax(SoftmaxOfCodes):
    """A softmax of 8-bit codes in fixed point. Points: those of ``hwsim_kernels.softmax.POINTS``.

    A difference of codes times ``multiplier`` * 2**``shift`` / 2**31 has 26 bits behind the point.
    """

    multiplier: int
    shift: int


@dataclass(frozen=True, kw_only=True, eq=False)
class LineSoftmax(SoftmaxOfCodes):
    """A softmax of 16-bit codes by two tables (513,) with lines between their entries.

    A difference of codes times ``multiplier`` * 2**``exponent`` / 2**31 counts 10 / 65535. Points: those of
    ``hwsim_kernels.softmax_lines.POINTS``.
    """

    multiplier: int
    exponent: int
    powers: Ints
    reciprocals: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class DividedSoftmax(SoftmaxOfCodes):
    """A softmax of 8-bit codes by a ``table`` (256,) of float32 exponentials, scaled up, and a division.

    A share is ``factor`` times its exponential by their sum.
    """

    table: Reals
    factor: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TableSoftmax(SoftmaxOfCodes):
    """A softmax of 8-bit codes by a ``table`` (256,) of float32 exponentials."""

    table: Reals


@dataclass(frozen=True, kw_only=True, eq=False)
class PolynomialSoftmax(SoftmaxOfCodes):
    """A softmax of 8-bit codes by the parabola of ``numbers`` (3,) and shifts.

    Points: those of ``hwsim_kernels.softmax_polynomial.POINTS``.
    """

    numbers: Ints
