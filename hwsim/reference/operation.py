"""The table from operation records to float functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from hwsim.network import Operation
from hwsim.network.mac import Floats
from hwsim.reference import (
    activation,
    constant,
    curve,
    embedding,
    mac,
    merge,
    normalize,
    pooling,
    resize,
    shape,
    softmax,
)


@singledispatch
def run_operation(operation: Operation, inputs: Sequence[Floats]) -> Floats:
    """Return the float32 result of one operation, its fused activation included.

    Each of ``inputs`` is (batch, …) in the order of ``operation.inputs``. Raises TypeError for a record
    that has no float function.
    """
    raise TypeError(f"{operation.name}: there is no float reference for {type(operation).__name__}")


run_operation.register(activation.activation)
run_operation.register(activation.prelu)
run_operation.register(constant.constant)
run_operation.register(curve.curve)
run_operation.register(embedding.embedding)
run_operation.register(mac.conv2d)
run_operation.register(mac.conv2d_transpose)
run_operation.register(mac.dense)
run_operation.register(mac.scale_shift)
run_operation.register(normalize.normalize)
run_operation.register(pooling.max_pool)
run_operation.register(pooling.average_pool)
run_operation.register(pooling.mean)
run_operation.register(merge.add)
run_operation.register(merge.subtract)
run_operation.register(merge.multiply)
run_operation.register(merge.matmul)
run_operation.register(merge.concatenate)
run_operation.register(resize.resize)
run_operation.register(shape.reshape)
run_operation.register(shape.pad)
run_operation.register(shape.crop)
run_operation.register(shape.rearrange)
run_operation.register(softmax.softmax)
