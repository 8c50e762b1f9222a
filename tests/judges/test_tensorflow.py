"""The round_mode of TensorFlow's quantizing functions, at a scale of 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from judges.coverage import judged
from judges.ours import rounded


def quantized(values: np.ndarray, name: str) -> Any:
    """Round to signed 8-bit codes. HALF_TO_EVEN of this function changes the range, and the scale with it."""
    quantize = tf.raw_ops.QuantizeV2
    return quantize(
        input=values.astype(np.float32), min_range=-128.0, max_range=127.0, T=tf.qint8, mode="SCALED", round_mode=name
    ).output


def quantized_and_back(values: np.ndarray, name: str) -> Any:
    """Round to signed 8-bit codes, as real values."""
    return tf.quantization.quantize_and_dequantize_v2(
        values, -128.0, 127.0, signed_input=True, num_bits=8, range_given=True, round_mode=name
    )


FUNCTIONS: dict[str, Callable[[np.ndarray, str], Any]] = {
    "HALF_UP": quantized_and_back,
    "HALF_TO_EVEN": quantized_and_back,
    "HALF_AWAY_FROM_ZERO": quantized,
}


@pytest.mark.parametrize(("name", "mode"), judged("tensorflow", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    for shift in (1, 2, 3, 5):
        values = np.arange(-127 * 2**shift, 127 * 2**shift + 1)
        results = np.asarray(tf.cast(FUNCTIONS[name](values / 2**shift, name), tf.int32))
        pairs = zip(values.tolist(), results.tolist(), strict=True)
        assert [x for x, result in pairs if rounded(x, shift, mode) != {result}] == [], shift
