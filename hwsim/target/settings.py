"""The sections of a target file: what each may say, its unit, its limits and its default."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hwsim.formats import IntFormat, Overflow, Rounding
from hwsim.target.section import (
    AccumulatorBits,
    Fit,
    Flag,
    Measure,
    MultiplierBits,
    PointName,
    Section,
    Shift,
    StoredBits,
)
from hwsim.target.steps import Forming, Rule, Step, expand

NON_UNIFORM = ("quadratic", "logarithmic", "codebook")
"""Steps whose codes are decoded by a table."""

BY_SHIFT = ("full_channel", "group", "channel")
"""Granularities whose scales differ by powers of two within one multiplication."""

Division = Literal["float64", "float32_reciprocal"]

Axis = Literal["kernel_height", "kernel_width", "input_channel", "input_channel_tile"]


class RangeMethod(Section):
    """How a range is chosen from the values seen."""

    method: Literal["minmax", "percentile", "mean_square", "kl", "fitted"] = "minmax"
    """`minmax` covers every value seen; `percentile` leaves the tails outside. `mean_square` has the least mean square
    error of quantisation, `kl` the least relative entropy of magnitudes (entropy calibration), `fitted` the least
    expected square error under the distribution that fits best (`docs/arithmetic.md` section 3)."""
    percent: Annotated[
        float,
        Field(gt=50, le=100, strict=True, allow_inf_nan=False),
        Measure(unit="per cent", limit="a percentile is"),
    ] = 99.99
    """With `percentile`: each end of the range leaves out 100 - percent per cent of the values."""
    narrowest: Annotated[
        float, Field(ge=0, le=1, strict=True, allow_inf_nan=False), Measure(limit="the narrowest range is")
    ] = 0.0
    """A range that holds 0 and is no wider than this is widened."""
    widening: Literal["to", "by"] = "to"
    """With `narrowest`: `to`: at least half of it lies on either side of 0. `by`: the whole is added on either side, to
    ranges narrower than it."""


class TensorFormat(Section):
    """What weights and activations share: a stored integer format and how real values get into it."""

    bits: StoredBits = 8
    """Width of a stored code, in bits."""
    signed: Flag = True
    """Whether codes are two's complement."""
    symmetric: Flag = True
    """Whether the zero point is 0; otherwise it is chosen so that the range is used fully."""
    narrow: Flag = False
    """Whether the most negative code is left out (-127 to 127)."""
    step: Literal["uniform", "power_of_two", "quadratic", "logarithmic", "codebook"] = "uniform"
    """How codes are spaced. `uniform`: evenly, scales are free. `power_of_two`: evenly, scales are powers of two.
    `quadratic`: code q stands for sign(q) q^2 steps. `logarithmic`: for 0, or sign(q) 2^(abs(q) - 1) steps.
    `codebook`: for what a table says. Codes of the last three are decoded before anything is computed."""
    levels: (
        Annotated[tuple[Annotated[int, Field(ge=-(1 << 15), le=(1 << 16) - 1, strict=True)], ...], Field(min_length=2)]
        | None
    ) = None
    """With `codebook`: the integer of each code, from the smallest code up, ascending, in units of the scale; without
    it levels are fitted to the values."""
    level_bits: Annotated[int, Field(ge=2, le=16, strict=True), Measure(unit="bits", limit="a level has")] = 12
    """With `codebook`: the width of a level that is fitted."""
    shift_bits: Annotated[int, Field(ge=1, le=4, strict=True), Measure(unit="bits", limit="a stored shift has")] = 3
    """With a granularity of `full_channel`, `group` or `channel`: scales within one multiplication are the smallest of
    them times 2^s, and this is the width of s."""
    scale_precision: Literal[32, 64] = 64
    """Width of the float in which a range becomes a scale and a zero point, in bits. 32: every step is rounded to
    float32, ties of the zero point away from 0 (TensorFlow Lite's converter)."""
    rounding: Rounding = Rounding.HALF_EVEN
    """How a real value becomes a code; deterministic modes only."""
    range: RangeMethod = RangeMethod()
    """How the real range is chosen."""
    fraction_bits: (
        Annotated[int, Field(ge=-64, le=64, strict=True), Measure(unit="bits", limit="behind the binary point stand")]
        | None
    ) = None
    """A fixed binary point: the scale is 2^-fraction_bits whatever the range; symmetric formats only."""

    def integer_format(self) -> IntFormat:
        """The format of a code."""
        return IntFormat(bits=self.bits, signed=self.signed, narrow=self.narrow)


class Weights(TensorFormat):
    """How weights are stored."""

    granularity: Literal["layer", "output_channel", "full_channel", "group"] = "output_channel"
    """One scale for the layer, for each output channel, for each pair of input and output channel, or for each output
    channel and `group` input channels; in the last two those of one output channel differ by powers of two."""
    group: Annotated[int, Field(ge=1, strict=True), Measure(unit="input channels", limit="a group has")] | None = None
    """With granularity `group`: how many input channels share a scale."""
    division: Division = "float64"
    """How a weight is brought to units of its scale. `float64`: divided. `float32_reciprocal`: multiplied by the
    reciprocal of the scale in float32 (TensorFlow Lite's converter)."""


class Activations(TensorFormat):
    """How inputs and feature maps are stored."""

    symmetric: Flag = False
    """Whether the zero point is 0; otherwise it is chosen so that the range is used fully."""
    granularity: Literal["layer", "channel"] = "layer"
    """One scale for the whole tensor, or one for each channel; those differ by powers of two."""
    overwritten: Literal["own", "both"] = "own"
    """The values that choose the range of a tensor which an `add`, `multiply` or `softmax` overwrites with its result:
    its `own`, or `both` (TensorFlow Lite's calibrator)."""


class Product(Fit):
    """The product of two operands, before it is accumulated."""

    shift: Shift = 0
    """Least significant bits dropped from the product."""
    rounding: Rounding = Rounding.FLOOR
    """How they are dropped."""


class Stage(Fit):
    """One level of accumulation, fed by the level before it."""

    name: PointName
    """The stage's name in the ledger."""
    terms: Annotated[int, Field(ge=1, strict=True), Measure(unit="terms", limit="a sum has")] | None = None
    """How many consecutive values of the level below one sum takes; the last stage takes all and has none."""
    within: Axis | None = None
    """A loop of `mac.order` beyond whose end no sum goes on, even with fewer terms; not for the last stage."""
    check: Literal["each", "last"] = "each"
    """Whether the width applies after every addition or once, after the last."""
    shape: Literal["chain", "tree"] = "chain"
    """Whether values are added one after another, or in pairs, with every node fitted."""
    shift: Shift = 0
    """Least significant bits dropped whenever the width is applied (some chips round on every MAC)."""
    rounding: Rounding = Rounding.FLOOR
    """How they are dropped."""


class Tile(Section):
    """Blocks of an axis that the order of accumulation visits one after another."""

    input_channel: Annotated[int, Field(ge=1, strict=True), Measure(unit="input channels", limit="a block has")]
    """Input channels per block; the last block may be shorter."""


class Mac(Section):
    """The multiply-accumulate datapath."""

    order: tuple[Axis, ...] = ("kernel_height", "kernel_width", "input_channel")
    """Loops from the outermost inwards; with `input_channel_tile` inside `input_channel`, channels go in strides."""
    tile: Tile | None = None
    """Block sizes, needed when the order names `input_channel_tile`."""
    product: Product | None = None
    """The product's width; without it products are exact."""
    input_zero_point: Literal["removed", "corrected"] = "removed"
    """`removed`: inputs are multiplied less their zero point. `corrected`: as they are stored, padding as the zero
    point, and what the zero point adds to a sum is taken off with the bias."""
    second_zero_point: Literal["removed", "ignored"] = "removed"
    """The second operand of a matrix product of two feature maps: `removed`: multiplied less its zero point. `ignored`:
    as it is stored, whatever its zero point; nothing makes up for that (XNNPACK)."""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (Stage(name="accumulator"),)
    """The levels of accumulation, from the inside out."""


class Bias(Section):
    """How biases are stored and where they enter."""

    bits: AccumulatorBits = 32
    """Width of a stored bias, in bits."""
    shift: Annotated[int, Field(ge=0, le=62, strict=True), Measure(unit="bits", limit="a bias is shifted left by")] = 0
    """Bits by which a stored bias is shifted left to the unit of the sum."""
    scale: Literal["sum", "own"] = "sum"
    """`sum`: a stored bias counts LSBs of the sum, times 2^shift. `own`: the plan chooses a power of two for the biases
    of each layer; the coarser of bias and sum is shifted left to the finer one. With `position: last` alone."""
    position: Literal["first", "last", "inner", "steps"] = "first"
    """`first`: the last stage starts from the bias. `inner`: the first sum of the first stage does. `last`: it is added
    to the finished sum. `steps`: at the step `bias` of `requantize.steps`."""
    rounding: Rounding = Rounding.HALF_EVEN
    """How a real bias becomes an integer; deterministic modes only."""
    division: Division = "float64"
    """How a bias is brought to its unit, as with weights. Biases of quantised files are integers already and are always
    divided in float64."""
    headroom: Annotated[int, Field(ge=1, le=62, strict=True), Measure(unit="bits", limit="a bias can spare")] | None = (
        None
    )
    """Top bits that a stored bias leaves free: where one would need more, the scale of its weights is enlarged until it
    does not. Without it scales follow from the weights alone."""
    overflow: Overflow = Overflow.SATURATE
    """What becomes of a bias that its format cannot hold."""


class Requantize(Section):
    """What lies between accumulator and output: an ordered list of steps, or the short name of one."""

    kind: Literal["fixed", "fixed_double", "fixed_reduced", "float32", "float64", "power_of_two", "none", "steps"] = (
        "fixed"
    )
    """`fixed`: integer multiplier, one rounding shift. `fixed_double`: TensorFlow Lite's two roundings.
    `fixed_reduced`: TensorFlow Lite's 16-bit multipliers for wide accumulators. `float32`, `float64`: a multiplication
    in float. `power_of_two`: a shift. `none`: the sum as it is. `steps`: the list under `steps`."""
    multiplier_bits: MultiplierBits = 32
    """Width of the signed multiplier of `fixed` and `fixed_reduced`, in bits."""
    rounding: Rounding = Rounding.HALF_UP
    """How the fraction is dropped (`fixed_double` has roundings of its own)."""
    rule: Rule = "nearest"
    """How `fixed` and `fixed_double` derive the multiplier from the real ratio (`docs/arithmetic.md` section 5)."""
    forming: Forming = "float64"
    """How that ratio is formed from scales: in float64, or partly in float32 (`docs/arithmetic.md` section 5)."""
    steps: tuple[Step, ...] | None = None
    """With `kind: steps`: what happens to the sum, one step after another. Activation and output zero point stand where
    `activation` and `zero_point` do, otherwise where `activation.position` says, and at the end."""

    def expanded(self) -> tuple[Step, ...]:
        """Return the list of steps that the kind stands for."""
        return expand(self.kind, self.multiplier_bits, self.rounding, self.rule, self.forming, self.steps or ())


class ActivationFunction(Section):
    """How ReLU and its relatives are computed."""

    position: Literal["before_requantize", "after_requantize"] = "after_requantize"
    """Whether the function sees the accumulator or the requantised value."""
    multiplier_bits: MultiplierBits = 16
    """Width of the signed multiplier by which a leaky slope is applied, in bits."""
    rounding: Rounding = Rounding.HALF_UP
    """How the fraction of a leaky slope is dropped."""
    slope: Literal["after", "apart"] = "after"
    """A leaky slope of an activation that stands alone. `after`: applied where the function stands. `apart`: values
    below 0 are brought to the output's scale by a ratio of their own, the slope in it (TensorFlow Lite)."""
    limit_rounding: Rounding = Rounding.HALF_EVEN
    """How the upper limit of a bounded ReLU becomes an integer; deterministic modes only."""
    limit_precision: Literal[32, 64] = 64
    """Width of the float in which that limit is divided by its unit, in bits."""
    scale_behind_pooling: Literal["own", "input"] = "own"
    """The scale of an activation that alone reads what a pooling makes: `own`, or its `input`'s, as where the two are
    one operation."""
    bounded: Literal["rescaled", "clamped"] = "rescaled"
    """A bounded ReLU that stands alone: `rescaled`: to the output's scale, as any other. `clamped`: codes are limited
    by the input's scale and zero point and pass as they are, whatever the output's (TensorFlow Lite Micro)."""


class CurveUnit(Section):
    """Activation functions that are no ReLU, as sigmoid, tanh and swish: read from tables."""

    form: Literal["table", "interpolated", "corrected"] = "table"
    """`table`: an entry for each code of the input. `interpolated`: entries apart from each other, lines between.
    `corrected`: the same, entries less half of the error in the middle of their lines, which are rounded half up
    (TensorFlow Lite, functions of 16-bit codes)."""
    index_bits: Annotated[int, Field(ge=1, le=15, strict=True), Measure(unit="bits", limit="an index has")] = 9
    """With `interpolated` and `corrected`: the most significant bits of a code that choose an entry; shorter codes have
    one each."""
    rounding: Rounding = Rounding.HALF_AWAY
    """How entries, and values between them, become integers; deterministic modes only."""
    precision: Literal[32, 64] = 64
    """Width of the float in which entries are computed, in bits."""
    hard_silu: Literal["table", "fixed"] = "table"
    """`table`: as all functions. `fixed`: in 16-bit fixed point (TensorFlow Lite)."""
    division: Literal["reciprocal", "direct"] = "reciprocal"
    """With a precision of 32, how values are brought to the output's scale. `reciprocal`: multiplied by its reciprocal
    (TensorFlow Lite). `direct`: divided by it (ONNX Runtime)."""
    gates: Literal["table", "fixed", "rational"] = "table"
    """Sigmoid and tanh. `table`: as all functions. `fixed`: of 16-bit codes, by one table of 256 (TensorFlow Lite).
    `rational`: entries of sigmoids from a ratio of two polynomials in float32 (ONNX Runtime)."""
    output: Literal["measured", "fixed"] = "measured"
    """The scale of what sigmoid and tanh make. `measured`: by the values seen. `fixed`: from 0 to 1 and from -1 to 1,
    whatever is seen: 1/256 and 1/128 with 8 bits (TensorFlow Lite's converter)."""
    gelu: Literal["table", "polynomial"] = "table"
    """GELU. `table`: as all functions. `polynomial`: by a parabola in integers for the error function (I-BERT)."""


class Output(Section):
    """How the value at the end of the pipeline becomes a stored code."""

    overflow: Overflow = Overflow.SATURATE
    """What becomes of a value outside the format of the activations."""


class Pooling(Section):
    """Pooling, and the mean over a whole image."""

    accumulator: Fit = Fit()
    """The running sum, fitted after every addition."""
    rounding: Rounding = Rounding.HALF_AWAY
    """How the quotient of sum and count is rounded."""
    division: Literal["count", "dpu", "reciprocals"] = "count"
    """`count`: by the number of codes inside the window. `dpu`: times N / 2^M of the whole window, 7 / 64 for 3 x 3,
    as the Xilinx DPU does. `reciprocals`: times 2^16 / width of the whole window, rounded, then times 2^16 / height,
    rounded, as NVDLA does (`docs/arithmetic.md` section 6)."""
    max_padding: Literal["skipped", "zero"] = "skipped"
    """Positions outside the image in a `max_pool`: `skipped`: they take no part. `zero`: they are 0 (Gemmini,
    MAX78000)."""
    mean: Literal["ratio", "divided", "scaled_count", "folded"] = "ratio"
    """The multiplier of a `mean`: `ratio`: derived from scales and count. `divided`: derived from the scales, then
    divided by the count, without its fraction (TensorFlow Lite). `scaled_count`: the input's scale by the product of
    count and output's scale, in float32 (ONNX Runtime). `folded`: the same; codes are summed as they are stored, and
    the input's zero point, rescaled and rounded, comes off behind (TensorFlow Lite's optimised kernels)."""
    zero_point: Literal["removed", "kept"] = "removed"
    """Whether codes are summed less their zero point, or as they are stored (TensorFlow Lite)."""
    average: Literal["integer", "float32"] = "integer"
    """An `average_pool`: `integer`: a sum of codes, divided. `float32`: a sum of real values, divided and brought back
    to codes, all in float32 (ONNX Runtime); the accumulator holds the sum of a window that is the whole image, and
    `division` has no effect."""


class Resizing(Section):
    """Interpolation between pixels."""

    fraction_bits: Annotated[int, Field(ge=1, le=12, strict=True), Measure(unit="bits", limit="a weight has")] = 10
    """Bits of the weights of two rows, or of two columns, which add up to 1."""
    positions: Literal["fixed", "float32"] = "fixed"
    """Where pixels lie between others: by a step of so many bits, or in float32, from which weights are rounded."""
    rounding: Rounding = Rounding.HALF_AWAY
    """How the fraction of a weighted sum is dropped."""
    zero_point: Literal["removed", "kept"] = "removed"
    """Whether codes are weighed less their zero point, or as they are stored (TensorFlow Lite)."""


class Normalization(Section):
    """Layer, group and RMS normalisation: sums, a division, a square root and a reciprocal in integers."""

    fraction_bits: Annotated[int, Field(ge=0, le=16, strict=True), Measure(unit="bits", limit="a fraction has")] = 6
    """Bits of the mean behind the binary point of codes; distances from it have as many."""
    reciprocal_bits: Annotated[int, Field(ge=1, le=40, strict=True), Measure(unit="bits", limit="a reciprocal has")] = (
        30
    )
    """The reciprocal of the deviation r is 2^bits / r."""
    result_bits: Annotated[int, Field(ge=0, le=24, strict=True), Measure(unit="bits", limit="a fraction has")] = 12
    """Bits of a normalised value behind the binary point, before it is requantised."""
    rounding: Rounding = Rounding.HALF_UP
    """How mean, variance, reciprocal and result are rounded; deterministic modes only. The root is rounded down."""


class Addition(Section):
    """Element-wise addition."""

    kind: Literal["rescaled", "weighted", "float32"] = "rescaled"
    """`rescaled`: inputs are shifted left, rescaled to a common scale and added, and the sum is requantised.
    `weighted`: each input is multiplied by an integer, and the sum is shifted right once, whatever `requantize` says
    (XNNPACK). `float32`: codes are multiplied by the ratios of the scales and added, zero points too, in float32, and
    the sum is rounded once, whatever `requantize` says (ONNX Runtime)."""
    multiplier_bits: MultiplierBits = 22
    """With `weighted`: width of the larger signed multiplier, in bits."""
    rounding: Rounding = Rounding.HALF_UP
    """With `weighted`: how the shift drops bits. With `float32`: how the sum becomes an integer."""
    left_shift: Annotated[
        int, Field(ge=0, le=30, strict=True), Measure(unit="bits", limit="a shift to the left has")
    ] = 8
    """Bits by which inputs are shifted left before they are brought to one scale."""
    accumulator: Fit = Fit()
    """The running sum, fitted after every addition."""


class Multiplication(Section):
    """Element-wise multiplication."""

    product: Product | None = None
    """The product's width; without it products are exact."""


class Concatenation(Section):
    """Concatenation."""

    kind: Literal["rescaled", "float32"] = "rescaled"
    """Inputs of another scale than the output's: `rescaled`: by the steps of `requantize`. `float32`: multiplied by
    their scale and divided by the output's, in float32, rounded half_even (ONNX Runtime)."""
    input_scales: Literal["own", "output"] = "own"
    """`own`: every input keeps its scale and is brought to the output's. `output`: inputs are stored with the output's
    scale, and so is whatever they have theirs from."""


class SoftmaxUnit(Section):
    """The softmax."""

    run_on: Literal["host", "fixed", "table", "divided", "interpolated", "polynomial"] = "host"
    """`host`: values leave the datapath and the softmax is computed in float64. `fixed`: 8-bit codes, exponentials and
    the reciprocal in fixed point (TensorFlow Lite's reference kernels). `table`: 8-bit codes, a table of exponentials
    in float32, summed and divided in float32 (its optimised kernels). `divided`: 8-bit codes, a table that follows from
    the length of a line, too, summed in float32, divided in float64 (ONNX Runtime). `interpolated`: 16-bit codes,
    exponentials and the reciprocal from tables of 513 entries with lines between (TensorFlow Lite). `polynomial`:
    8-bit codes, exponentials by a parabola and shifts, an integer division (I-BERT)."""


Tap = Annotated[int, Field(ge=1, le=20, strict=True), Measure(limit="a tap is")]


class Generator(Section):
    """The linear feedback shift register that stochastic rounding draws from."""

    bits: Annotated[int, Field(ge=2, le=20, strict=True), Measure(unit="bits", limit="the register has")] = 16
    """Width of the register, in bits."""
    taps: Annotated[tuple[Tap, ...], Field(min_length=1)] = (16, 15, 13, 4)
    """Bits that are fed back, counted from 1: the exponents of the feedback polynomial."""
    seed: Annotated[int, Field(ge=1, strict=True), Measure(limit="a seed is")] = 1
    """The register's first state."""


class Reading(Section):
    """How a framework's model becomes a network."""

    folding: Literal["float64", "float32"] = "float64"
    """How batch normalisations, rescalings and other products and sums with constants become weights. `float64`: as one
    scale and shift, wherever that is exact in real numbers, in float64, rounded once. `float32`: as TensorFlow Lite's
    converter does it: products and sums apart, every step in float32, with TensorFlow's reciprocal square root; what no
    layer takes in is a `multiply`, `add` or `subtract` of a constant with a scale of its own. Zeros around an image are
    then part of a convolution where they are what `same` adds."""
    global_average: Literal["average_pool", "mean"] = "average_pool"
    """What a layer of global average pooling is: an `average_pool` over the whole image, which keeps its input's scale,
    or a `mean`, with a scale of its own (of one pixel that stays one, nothing)."""
    addends: Literal["all", "pairs"] = "all"
    """How many tensors one `add` takes: `all` of its layer's, or `pairs`: the first two, their sum and the third, and
    so on, each sum with a scale of its own."""
    silu: Literal["curve", "product"] = "curve"
    """What SiLU (swish) is: one `curve`, or the `product` of a sigmoid, with a scale of its own, and its input."""
    leaky_relu: Literal["fused", "apart", "curve"] = "fused"
    """A ReLU with a slope: `fused` into the layer before it, or `apart`, an operation on that layer's codes, or such a
    one that is read from a table like a `curve` (without an upper limit)."""


class Settings(Section):
    """Everything that a target says of one layer; `operations` and `layers` override single keys of it."""

    weights: Weights = Weights()
    """How weights are stored."""
    activations: Activations = Activations()
    """How inputs and feature maps are stored."""
    mac: Mac = Mac()
    """The multiply-accumulate datapath."""
    bias: Bias = Bias()
    """How biases are stored and where they enter."""
    requantize: Requantize = Requantize()
    """How an accumulator becomes an output code."""
    activation: ActivationFunction = ActivationFunction()
    """How ReLU and its relatives are computed."""
    curve: CurveUnit = CurveUnit()
    """How activation functions that are no ReLU are computed."""
    output: Output = Output()
    """How the final value becomes a stored code."""
    pooling: Pooling = Pooling()
    """Pooling, and the mean over a whole image."""
    resize: Resizing = Resizing()
    """Interpolation between pixels."""
    normalization: Normalization = Normalization()
    """Layer, group and RMS normalisation."""
    addition: Addition = Addition()
    """Element-wise addition."""
    multiplication: Multiplication = Multiplication()
    """Element-wise multiplication."""
    concatenation: Concatenation = Concatenation()
    """Concatenation."""
    softmax: SoftmaxUnit = SoftmaxUnit()
    """The softmax."""
    random: Generator = Generator()
    """The generator of stochastic rounding."""
