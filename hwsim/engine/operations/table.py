"""From each operation of a program to the function that calls its kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from hwsim.engine.operations.constant import constant
from hwsim.engine.operations.embedding import pick_rows
from hwsim.engine.operations.input import quantize
from hwsim.engine.operations.levels import decode, encode
from hwsim.engine.operations.mac import multiply_accumulate
from hwsim.engine.operations.matmul import matmul
from hwsim.engine.operations.merge import add, float_sum, join, multiply
from hwsim.engine.operations.normalize import normalize
from hwsim.engine.operations.pooling import float_average, pool_average, pool_max
from hwsim.engine.operations.rescale import rescale
from hwsim.engine.operations.resize import resize
from hwsim.engine.operations.shape import crop, pad, pick, relabel
from hwsim.engine.operations.softmax import (
    divided_softmax,
    fixed_softmax,
    line_softmax,
    polynomial_softmax,
    softmax,
    table_softmax,
)
from hwsim.engine.tally import Tally
from hwsim.program.records import (
    ConstantCodes,
    CropCodes,
    Decode,
    DividedSoftmax,
    Encode,
    FixedSoftmax,
    FloatAverage,
    FloatSum,
    HostSoftmax,
    Interpolate,
    Join,
    LineSoftmax,
    MatrixProduct,
    MultiplyAccumulate,
    NormalizeCodes,
    PadCodes,
    PickCodes,
    PickRows,
    PolynomialSoftmax,
    PoolAverage,
    PoolMax,
    Product,
    Quantize,
    Relabel,
    Rescale,
    SlopedSum,
    Sum,
    TableSoftmax,
)

Array = NDArray[Any]

RUN: Mapping[type, Callable[[Any, Sequence[Array], Tally, Array], None]] = {
    ConstantCodes: constant,
    CropCodes: crop,
    Decode: decode,
    DividedSoftmax: divided_softmax,
    Encode: encode,
    FixedSoftmax: fixed_softmax,
    FloatAverage: float_average,
    FloatSum: float_sum,
    HostSoftmax: softmax,
    Interpolate: resize,
    Join: join,
    LineSoftmax: line_softmax,
    MatrixProduct: matmul,
    MultiplyAccumulate: multiply_accumulate,
    NormalizeCodes: normalize,
    PadCodes: pad,
    PickCodes: pick,
    PolynomialSoftmax: polynomial_softmax,
    PickRows: pick_rows,
    PoolAverage: pool_average,
    PoolMax: pool_max,
    Product: multiply,
    Quantize: quantize,
    Relabel: relabel,
    Rescale: rescale,
    SlopedSum: add,
    Sum: add,
    TableSoftmax: table_softmax,
}
