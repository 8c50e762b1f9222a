"""Rows of a table, which is trained."""

from __future__ import annotations

from typing import Any

from hwsim.loaders.framework import tensorflow
from hwsim.train.bases import saved
from hwsim.train.layers import TrainedLayer


@saved
class Rows(TrainedLayer):
    """For each index, a whole number in float, the row of the table with that number."""

    def call(self, inputs: Any) -> Any:
        """Return the rows (n, …, width)."""
        tf = tensorflow()
        return tf.gather(tf.convert_to_tensor(self.arrays["table"]), tf.cast(inputs, tf.int32))
