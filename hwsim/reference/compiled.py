"""TensorFlow functions, each compiled once for all operations that are alike but for their sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from hwsim.loaders.framework import tensorflow
from hwsim.network.mac import Floats

Body = Callable[..., Any]


def run(body: Body, settings: tuple[Any, ...], *arrays: Floats) -> Floats:
    """Return ``body(*settings, *tensors)``, compiled; ``settings`` are hashable.

    The result lies in TensorFlow's memory and cannot be written to.
    """
    function = _compiled(body, settings, tuple(one.ndim for one in arrays))
    return np.asarray(function(*map(_tensor, arrays)))


@cache
def _compiled(body: Body, settings: tuple[Any, ...], ranks: tuple[int, ...]) -> Any:
    signature = [tensorflow().TensorSpec([None] * rank, "float32") for rank in ranks]
    function = tensorflow().function(partial(body, *settings), input_signature=signature, autograph=False)
    return function.get_concrete_function()


def _tensor(array: Floats) -> Any:
    # Other than tf.constant, an operation reads an array where it lies, if it lies as what TensorFlow itself made.
    return tensorflow().raw_ops.Identity(input=array)
