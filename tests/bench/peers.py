"""The others: matrix products of NumPy and onnxruntime, and how to say that something is not installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import Missing
from bench.measure import Call

Array = NDArray[Any]


def package(name: str) -> Any:
    """Import a package; raise Missing unless it is installed."""
    if find_spec(name) is None:
        raise Missing(f"not installed: {name}")
    return import_module(name)


def numpy_matmul(a: Array, b: Array, dtype: type[np.floating[Any]], threads: int) -> Call:
    """Prepare NumPy's product of two matrices in float, into memory that is already there."""
    package("threadpoolctl").threadpool_limits(threads)
    left, right = a.astype(dtype), b.astype(dtype)
    out = np.empty((len(a), b.shape[1]), dtype)
    return lambda: np.matmul(left, right, out=out)


def onnxruntime_matmul(a: NDArray[np.uint8], b: NDArray[np.int8], threads: int) -> Call:
    """Prepare onnxruntime's MatMulInteger with constant, hence packed, weights b."""
    onnx, runtime = package("onnx"), package("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["sums"])],
        "matmul",
        [helper.make_tensor_value_info("a", kinds.UINT8, a.shape)],
        [helper.make_tensor_value_info("sums", kinds.INT32, (len(a), b.shape[1]))],
        [onnx.numpy_helper.from_array(b, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def call() -> Any:
        return session.run(None, {"a": a})[0]

    return call
