"""Check a program that came from a file, so that no kernel reads or writes outside its arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hwsim.program.program import Program
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
    IntOperation,
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
    SlopedSum,
    Sum,
    TableSoftmax,
    Tensor,
)
from hwsim.program.verify.activation import check_sloped_sum
from hwsim.program.verify.constant import check_constant
from hwsim.program.verify.embedding import check_rows
from hwsim.program.verify.input import check_quantize
from hwsim.program.verify.levels import check_decode, check_encode
from hwsim.program.verify.mac import check_multiply
from hwsim.program.verify.matmul import check_matrix_product
from hwsim.program.verify.merge import check_float_sum, check_join, check_product, check_sum
from hwsim.program.verify.need import need
from hwsim.program.verify.normalize import check_normalize
from hwsim.program.verify.points import check_points
from hwsim.program.verify.pooling import check_pool
from hwsim.program.verify.resize import check_interpolate
from hwsim.program.verify.shape import check_pick, check_relabel, check_sides
from hwsim.program.verify.softmax import (
    check_divided_softmax,
    check_fixed_softmax,
    check_host_softmax,
    check_line_softmax,
    check_polynomial_softmax,
    check_table_softmax,
)
from hwsim.program.verify.steps import check_steps
from hwsim.program.verify.tensors import check_alike, check_tensors


def verify(program: Program) -> None:
    """Raise ProgramError unless every array has the shape and the range that the kernels rely on."""
    made = {one.name: one for one in program.inputs}
    for one in program.inputs:
        need(one.format is None and all(size > 0 for size in one.shape), f"the input {one.name!r} is no real tensor")
        need(one.indices >= 0, f"the input {one.name!r} has {one.indices} indices")
    names: set[str] = set()
    for operation in program.operations:
        for name in operation.inputs:
            need(name in made, f"{operation.name}: reads {name!r}, which no earlier operation makes")
        check_tensors(operation, [made[name] for name in operation.inputs])
        check(operation, [made[name] for name in operation.inputs])
        need(operation.output.name not in made, f"two operations make {operation.output.name!r}")
        need(operation.name not in names, f"two operations are named {operation.name!r}")
        names.add(operation.name)
        made[operation.output.name] = operation.output
    for name in program.outputs:
        need(name in made, f"the result {name!r} is made by no operation")


def check(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check one operation against the tensors it reads."""
    check_points(one)
    CHECKS.get(type(one), check_alike)(one, inputs)
    check_steps(one, inputs)


CHECKS: Mapping[type, Callable[[Any, Sequence[Tensor]], None]] = {
    ConstantCodes: check_constant,
    PickRows: check_rows,
    CropCodes: check_sides,
    Decode: check_decode,
    DividedSoftmax: check_divided_softmax,
    Encode: check_encode,
    FixedSoftmax: check_fixed_softmax,
    FloatAverage: check_pool,
    FloatSum: check_float_sum,
    HostSoftmax: check_host_softmax,
    Interpolate: check_interpolate,
    Join: check_join,
    LineSoftmax: check_line_softmax,
    MatrixProduct: check_matrix_product,
    MultiplyAccumulate: check_multiply,
    NormalizeCodes: check_normalize,
    PadCodes: check_sides,
    PickCodes: check_pick,
    PoolAverage: check_pool,
    PolynomialSoftmax: check_polynomial_softmax,
    PoolMax: check_pool,
    Product: check_product,
    Quantize: check_quantize,
    Relabel: check_relabel,
    SlopedSum: check_sloped_sum,
    Sum: check_sum,
    TableSoftmax: check_table_softmax,
}
"""What is asked of each kind of operation; of all others, that they keep their input's shape."""
