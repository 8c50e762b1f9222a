"""Every mistake is named: what, where, the value, the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hwsim_kernels import (
    Format,
    Stage,
    add,
    average_pool,
    conv2d,
    conv2d_transpose,
    depthwise_conv2d,
    fit,
    lfsr,
    lookup,
    matmul,
    max_pool,
    multiplier_of,
    multiply,
    quantize,
    requantize,
    requantize_double,
    round_shift,
    steps_in_order,
)

X = np.ones((1, 4, 4, 2), np.int8)
W = np.ones((2, 2, 2, 3), np.int8)
EIGHT = Format(8)
MOST = 1 << 31

Mistake = tuple[Callable[[], Any], type[Exception], str]

NO_INTEGERS: list[Mistake] = [
    (lambda: round_shift([1, 2.5], 1), TypeError, r"values\[1\]: integers are needed, not 2.5"),
    (lambda: round_shift(np.ones(3), 1), TypeError, "values: integers are needed, not float64"),
    (lambda: round_shift([float("nan")], 1), TypeError, r"values\[0\]: integers are needed, not nan"),
    (lambda: round_shift(np.array([True]), 1), TypeError, "values: integers are needed, not bool"),
    (lambda: round_shift([[1, True, 1 << 70]], 1), TypeError, r"values\[0, 1\]: integers are needed, not True"),
    (lambda: round_shift("12", 1), TypeError, "values: integers are needed, not '12'"),
    (lambda: round_shift(None, 1), TypeError, "values: integers are needed, not None"),  # type: ignore[arg-type]
    (lambda: round_shift([[1, 2], [3]], 1), ValueError, "values: .* inhomogeneous"),
    (lambda: round_shift([4], 1.0), TypeError, "shift: integers are needed, not 1.0"),
    (lambda: requantize([4], 0.5, 1), TypeError, "multiplier: integers are needed, not 0.5"),
    (lambda: requantize([4], 1, 1, zero_point=0.5), TypeError, "zero_point: 0.5 is no integer"),  # type: ignore[arg-type]
    (lambda: requantize([4], 1, 1, guard_bits=True), TypeError, "guard_bits: True is no integer"),
    (lambda: fit([4], 7.5), TypeError, "bits: 7.5 is no integer"),  # type: ignore[arg-type]
    (lambda: multiply([1], [2], zero_points=(0, 1.5)), TypeError, "zero_points: 1.5"),  # type: ignore[arg-type]
    (lambda: lookup([1], [0.5, 1]), TypeError, r"table\[0\]: integers are needed, not 0.5"),
    (lambda: lookup([1], [1, 2], first=0.5), TypeError, "first: 0.5 is no integer"),  # type: ignore[arg-type]
    (lambda: add([1], [1.5], accumulator=EIGHT), TypeError, r"tensors\[1\]\[0\]: integers are needed, not 1.5"),
    (lambda: conv2d(X.astype(float), W), TypeError, "inputs: integers are needed, not float64"),
    (lambda: conv2d(X, W > 0), TypeError, "kernel: integers are needed, not bool"),
    (lambda: conv2d(X, W, zero_point=0.5), TypeError, "zero_point: 0.5 is no integer"),  # type: ignore[arg-type]
    (lambda: conv2d(X, W, strides=(1, 1.5)), TypeError, r"strides\[1\]: integers"),  # type: ignore[arg-type]
    (lambda: conv2d(X, W, [0, 0.5, 0]), TypeError, r"bias\[1\]: integers are needed, not 0.5"),
    (lambda: quantize(["1"], 1.0, output=EIGHT), TypeError, "values: real numbers are needed, not <U1"),
    (lambda: quantize([1j], 1.0, output=EIGHT), TypeError, "values: real numbers are needed, not complex128"),
    (lambda: quantize([0, float("nan")], 1.0, output=EIGHT), ValueError, r"values\[1\]: nan is no finite number"),
    (lambda: quantize(float("inf"), 1.0, output=EIGHT), ValueError, "values: inf is no finite number"),
    (lambda: quantize([1.0], float("nan"), output=EIGHT), ValueError, "scale: nan is no finite number"),
]

NAMES: list[Mistake] = [
    (lambda: round_shift(1, 1, "half_evn"), ValueError, "rounding 'half_evn': did you mean 'half_even'"),
    (lambda: round_shift(1, 1, "HALF_EVEN"), ValueError, "rounding 'HALF_EVEN': did you mean 'half_even'"),
    (lambda: round_shift(1, 1, 8), ValueError, "rounding 8: it must be one of floor, ceil"),  # type: ignore[arg-type]
    (lambda: fit(1, 8, "saturated"), ValueError, "overflow 'saturated': did you mean 'saturate'"),
    (lambda: fit(1, 8, "error"), ValueError, "overflow 'error': it must be one of wrap"),
    (lambda: Stage(8, check="end"), ValueError, "check 'end': it must be one of each, last"),
    (lambda: Stage(8, terms=2, shape="trees"), ValueError, "shape 'trees': did you mean 'tree'"),
    (lambda: Stage(8, terms=2, within="input_chanel"), ValueError, "within 'input_chanel': did you mean 'input_chan"),
    (lambda: Stage(8, terms=2, within="output_row"), ValueError, "within 'output_row': it must be one of kernel_heigh"),
    (lambda: lookup(1, [1], interpolation="lin"), ValueError, "interpolation 'lin': did you mean 'linear'"),
    (lambda: conv2d(X, W, padding="SAME"), ValueError, "padding 'SAME': did you mean 'same'"),
    (lambda: multiplier_of(0.5, 32, "nearst"), ValueError, "rule 'nearst': did you mean 'nearest'"),
    (lambda: steps_in_order(1, 1, 1, ["kernel_height"]), ValueError, r"order \['kernel_height'\]: it must name"),
    (lambda: round_shift(1, 1, "stochastic_equal"), ValueError, "needs `draws`"),
    (lambda: conv2d(X, W, stages=[Stage(8, rounding="stochastic_equal")]), ValueError, "needs `draws`"),
    (lambda: requantize_double(1, 1, -1, last="stochastic_equal"), ValueError, "needs `draws`"),
    (lambda: quantize(1.5, 1.0, output=EIGHT, rounding="stochastic_equal"), ValueError, "no random numbers"),
]

LIMITS: list[Mistake] = [
    (lambda: Format(0), ValueError, "bits: 0, it must lie within 1 to 64"),
    (lambda: Format(65), ValueError, "bits: 65, it must lie within 1 to 64"),
    (lambda: Format(8, signed=1), TypeError, "signed: 1 is neither True nor False"),  # type: ignore[arg-type]
    (lambda: Format(8, "saturate", saturated_bits=1), ValueError, "saturated_bits: 1, it must lie within 0 to 0"),
    (lambda: Format(8, saturated_bits=9), ValueError, "saturated_bits: 9, it must lie within 0 to 8"),
    (lambda: Format(8, "wrap_sign_magnitude", signed=False), ValueError, "an unsigned format has no sign"),
    (lambda: Stage(8, terms=0), ValueError, "terms: 0, it must lie within 1 to"),
    (lambda: Stage(8, terms=1 << 17, shape="tree"), ValueError, "terms: 131072, it must lie within 1 to 65536"),
    (lambda: Stage(8, shape="tree"), ValueError, "a tree has terms"),
    (lambda: Stage(8, terms=2, shape="tree", shift=1), ValueError, "no shift, not terms 2 and a shift of 1 bits"),
    (lambda: Stage(8, shift=63), ValueError, "shift: 63, it must lie within 0 to 62 bits"),
    (lambda: round_shift(1, 125), ValueError, "shift: 125, it must lie within -92 to 124 bits"),
    (lambda: round_shift([1, 1], [0, -93]), ValueError, "shift: -93, it must lie within -92 to 124 bits"),
    (lambda: round_shift(1, 1, guard_bits=33), ValueError, "guard_bits: 33, it must lie within 1 to 32"),
    (lambda: requantize(1, 1 << 32, 0), ValueError, "multiplier: 4294967296, it must lie within 0 to 4294967295"),
    (lambda: requantize(1, -1, 0), ValueError, "multiplier: -1"),
    (lambda: requantize_double(1, MOST, 0), ValueError, "multiplier: 2147483648, it must lie within 0 to 2147483647"),
    (lambda: requantize_double(1, 1, -32), ValueError, "exponent: -32, it must lie within -31 to 60"),
    (lambda: multiply([1], [1], product=EIGHT, shift=63), ValueError, "shift: 63, it must lie within 0 to 62 bits"),
    (lambda: multiply([1], [1], shift=1), ValueError, "shift: 1 bits, but there is no `product`"),
    (lambda: multiply([MOST], [1]), ValueError, "first: 2147483648 to 2147483648, an operand has at most 32 bits"),
    (lambda: multiply([1], [1], zero_points=(MOST, 0)), ValueError, "zero_points: 2147483648"),
    (lambda: lookup(1, [MOST]), ValueError, "table: entries 2147483648 to 2147483648, magnitudes must lie below"),
    (lambda: lookup(1, np.array([1 << 63], np.uint64)), ValueError, "table: entries 9223372036854775808"),
    (lambda: lookup(1, np.array([-1 << 63])), ValueError, "table: entries -9223372036854775808"),
    (lambda: lookup(1, [1], 0, 25), ValueError, "shift: 25, it must lie within 0 to 24 bits"),
    (lambda: lookup(1, [1], 1 << 63), ValueError, "first: 9223372036854775808"),
    (lambda: quantize(1.0, 0.0, output=EIGHT), ValueError, r"scale: 0.0, it must lie between 2\*\*-300 and 2\*\*300"),
    (lambda: quantize(1.0, -1.0, output=EIGHT), ValueError, "scale: -1.0, it must lie between"),
    (lambda: multiplier_of(0.0), ValueError, "ratio: 0.0, it must be above 0 and finite"),
    (lambda: multiplier_of(float("nan")), ValueError, "ratio: nan"),
    (lambda: multiplier_of(0.5, 33), ValueError, "bits: 33, it must lie within 2 to 32"),
    (lambda: multiplier_of(0.5, 32, "reduced"), ValueError, "bits: 32, it must lie within 2 to 31 with the rule"),
    (lambda: lfsr(21, (21, 2)), ValueError, "bits: 21, it must lie within 2 to 20"),
    (lambda: lfsr(4, (4, 5)), ValueError, "taps: 5, it must lie within 1 to 4"),
    (lambda: lfsr(4, (3, 2)), ValueError, r"taps \[3, 2\]: .* 4, the width in bits, must be one of them"),
    (lambda: lfsr(4, (4, 4)), ValueError, r"taps \[4, 4\]: they must differ"),
    (lambda: lfsr(4, ()), ValueError, r"taps \[\]"),
    (lambda: lfsr(4, (4, 3), 16), ValueError, "seed: 16, it must lie within 1 to 15"),
    (lambda: round_shift([1], 1, "stochastic_equal", draws=[]), ValueError, r"draws: the shape \(0,\)"),
    (lambda: round_shift([1], 1, "stochastic_equal", draws=[1 << 32]), ValueError, "draws: .* a draw has 32 bits"),
    (lambda: steps_in_order(1, 1, 4, tile=0), ValueError, "tile: 0, it must lie within 1 to .* channels"),
    (lambda: steps_in_order(1, 1, 4, tile=2), ValueError, "and input_channel_tile with a tile of 2 channels"),
    (
        lambda: steps_in_order(1, 1, 4, ["kernel_height", "input_channel_tile", "kernel_width", "input_channel"]),
        ValueError,
        "once each, without input_channel_tile, as there is no tile",
    ),
]

SHAPES: list[Mistake] = [
    (lambda: round_shift(np.ones((2, 3), int), [1, 2]), ValueError, r"shift: the shape \(2,\), .* one number or 3"),
    (lambda: requantize([1], [[1]], 1), ValueError, r"multiplier: the shape \(1, 1\)"),
    (lambda: quantize([1.0, 2.0], [1.0] * 3, output=EIGHT), ValueError, r"scale: the shape \(3,\)"),
    (lambda: quantize([1.0, 2.0], 1.0, [0] * 3, output=EIGHT), ValueError, r"zero_point: the shape \(3,\)"),
    (lambda: add([1, 2], [1], accumulator=EIGHT), ValueError, r"tensors: shapes \[\(2,\), \(1,\)\]"),
    (lambda: add(accumulator=EIGHT), ValueError, r"tensors: shapes \[\]"),
    (lambda: multiply([1, 2], [1, 2, 3]), ValueError, r"shapes \(2,\) and \(3,\) do not broadcast"),
    (lambda: multiply([1], [1], zero_points=(1, 2, 3)), ValueError, "zero_points: 3 of them"),  # type: ignore[arg-type]
    (lambda: lookup([1], []), ValueError, r"table: the shape \(0,\)"),
    (lambda: lookup([1], [[1]]), ValueError, r"table: the shape \(1, 1\)"),
    (lambda: matmul([1, 2], [[1]]), ValueError, r"a: 1 axes of shape \(2,\), not 2 axes"),
    (lambda: matmul([[1, 2]], [[1]]), ValueError, "a has 2 columns, b has 1 rows"),
    (lambda: matmul(np.ones((2, 0), int), np.ones((0, 2), int)), ValueError, r"kernel: the shape \(1, 1, 0, 2\)"),
    (lambda: conv2d(X[0], W), ValueError, r"inputs: 3 axes of shape \(4, 4, 2\), not 4 axes"),
    (lambda: conv2d(X, W[:, :, :1]), ValueError, "inputs have 2 channels; the kernel takes 1 from each of 1 groups"),
    (lambda: conv2d(X, W[:, :, :1], groups=2), ValueError, "2 groups and has 3 outputs"),
    (lambda: conv2d(X, W, groups=0), ValueError, "groups: 0, it must lie within 1 to 3"),
    (lambda: conv2d(X, W[..., :0]), ValueError, r"kernel: the shape \(2, 2, 2, 0\)"),
    (lambda: conv2d(X, W, [1, 2]), ValueError, r"bias: the shape \(2,\), it must be \(3,\)"),
    (lambda: conv2d(X, W, strides=(1, 2, 3)), ValueError, r"strides: \(1, 2, 3\), it must be one number or two"),
    (lambda: conv2d(X, W, strides=0), ValueError, "strides: 0, it must lie within 1 to"),
    (lambda: conv2d(X, W, padding=(1, 1)), ValueError, r"padding: \(1, 1\)"),  # type: ignore[arg-type]
    (lambda: conv2d(X, W, padding=-1), ValueError, "padding: -1, it must lie within 0 to"),
    (lambda: conv2d(X, W, dilation=4), ValueError, r"kernel of \(2, 2\) at dilation \(4, 4\) does not fit"),
    (
        lambda: conv2d(X.astype(int) * MOST, W),
        ValueError,
        "inputs: 2147483648 to 2147483648, an operand has at most 32 bits",
    ),
    (lambda: conv2d(X, W, zero_point=MOST), ValueError, "zero_point: 2147483648"),
    (lambda: depthwise_conv2d(X, np.ones((2, 2, 3, 1), int)), ValueError, "inputs have 2 channels, the kernel has 3"),
    (lambda: conv2d_transpose(X, W[:, :, :1], size=4), ValueError, "inputs have 2 channels, the kernel has 1"),
    (lambda: conv2d_transpose(X, W, size=(4, 0)), ValueError, "size: 0, it must lie within 1 to"),
    (lambda: conv2d_transpose(X, W, size=4, cut=-1), ValueError, "cut: -1, it must lie within 0 to"),
    (lambda: max_pool(X, 5), ValueError, r"window: one of \(5, 5\) lies outside of inputs of \(4, 4\)"),
    (lambda: max_pool(X, 2, padding=1, outside=1 << 31), ValueError, "outside is 2147483648, which is no code of 32"),
    (lambda: max_pool(X, 2, padding=2), ValueError, r"window: .* padded by \(\(2, 2\), \(2, 2\)\)"),
    (lambda: max_pool(X[:, :0], 2, padding=1), ValueError, r"window: .* inputs of \(0, 4\)"),
    (lambda: average_pool(X[:, :0], 2, padding=1), ValueError, r"window: .* inputs of \(0, 4\)"),
]

DATAPATHS: list[Mistake] = [
    (lambda: conv2d(X, W, stages=Stage(8)), TypeError, "is no list of one Stage or more"),  # type: ignore[arg-type]
    (lambda: conv2d(X, W, stages=[]), TypeError, r"stages: \[\] is no list"),
    (lambda: conv2d(X, W, stages=[EIGHT]), TypeError, r"stages\[0\]: .* is no Stage"),  # type: ignore[list-item]
    (lambda: conv2d(X, W, stages=[Stage(8), Stage(9)]), ValueError, r"stages\[0\]: terms None; all but the last"),
    (lambda: conv2d(X, W, stages=[Stage(8, terms=4)]), ValueError, r"stages\[0\]: terms 4; .* the last has none"),
    (
        lambda: conv2d(X, W, stages=[Stage(8, terms=4), Stage(8, within="kernel_width")]),
        ValueError,
        r"stages\[1\]: within 'kernel_width'; the last stage takes all that is left",
    ),
    (
        lambda: conv2d(X, W, stages=[Stage(8, terms=4, within="input_channel_tile"), Stage(8)]),
        ValueError,
        r"stages\[0\]: within 'input_channel_tile', the order has the loops kernel_height, kernel_width, input_channel",
    ),
    (
        lambda: matmul([[1]], [[1]], stages=[Stage(8, within="input_channel"), Stage(8)]),
        ValueError,
        r"stages\[0\]: terms None; all but the last",
    ),
    (lambda: conv2d(X, W, product=EIGHT), TypeError, "product: .* is no Stage"),  # type: ignore[arg-type]
    (lambda: conv2d(X, W, product=Stage(8, terms=2)), ValueError, "product: terms 2; a product is no sum"),
    (lambda: add([1], accumulator=Stage(8, shift=1)), TypeError, "accumulator: .* is no Format"),
    (lambda: average_pool(X, 2, accumulator=32), TypeError, "accumulator: 32 is no Format"),  # type: ignore[arg-type]
    (lambda: requantize([1], 1, 1, output=8), TypeError, "output: 8 is no Format"),  # type: ignore[arg-type]
    (
        lambda: conv2d(X, W, [0, 128, 0], stages=[Stage(8)]),
        ValueError,
        r"bias\[1\]: 128, it must lie within -128 to 127 in a register of 8 bits",
    ),
    (
        lambda: conv2d(X, W, [-128, 0, 0], stages=[Stage(8, "saturate_symmetric")]),
        ValueError,
        r"bias\[0\]: -128, it must lie within -127 to 127 in a register of 8 bits",
    ),
    (lambda: conv2d(X, W, [0, 0, -1], stages=[Stage(8, signed=False)]), ValueError, r"bias\[2\]: -1, .* 0 to 255"),
]

TOO_WIDE: list[Mistake] = [
    (lambda: round_shift(1 << 124, 1), OverflowError, "values: 21267647932558653966460912964485513216 needs more"),
    (lambda: fit([-1 << 124], 8), OverflowError, "values: -.* needs more than 125 bits"),
    (lambda: round_shift([1, 1 << 40], [-90, -84]), OverflowError, "product of 1099511627776 times .* 125 bits"),
    (lambda: requantize(1 << 100, 1 << 24, 0), OverflowError, "a product of .* needs more than 125 bits"),
    (lambda: add([1 << 123], [1 << 123], accumulator=EIGHT), OverflowError, "a sum of up to .* 125 bits"),
    (
        lambda: multiply([-MOST], [-MOST], zero_points=(MOST - 1, MOST - 1)),
        OverflowError,
        "a product of 4294967295 by 4294967295 needs more than 64 bits",
    ),
    (
        lambda: conv2d(X, W, stages=[Stage(64, signed=False, shift=62)]),
        OverflowError,
        "stages: a sum on its way could need 128 bits, at most 125 are held",
    ),
]


@pytest.mark.parametrize(
    ("call", "kind", "message"), [*NO_INTEGERS, *NAMES, *LIMITS, *SHAPES, *DATAPATHS, *TOO_WIDE], ids=lambda x: ""
)
def test_mistake(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_what_lies_just_inside_is_taken() -> None:
    assert round_shift((1 << 124) - 1, 124, "ceil") == 1
    assert round_shift([1, 1 << 40], [-92, -83]).tolist() == [1 << 92, 1 << 123]
    assert requantize([1 << 100, 1 << 123], [1 << 23, 1], [0, 0]).tolist() == [1 << 123, 1 << 123]
    assert multiply([-MOST], [-MOST], zero_points=(MOST - 1, 0)).tolist() == [((1 << 32) - 1) << 31]
    assert lookup(0, [1 - MOST, MOST - 1]) == 1 - MOST
    assert conv2d(X, W, stages=[Stage(64, shift=59, overflow="saturate")]).max() == 0
