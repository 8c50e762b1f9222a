"""Values that stand in the model: training leaves them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hwsim.loaders.framework import tensorflow
from hwsim.network import Constant
from hwsim.train.bases import saved
from hwsim.train.grid import Grid
from hwsim.train.layers import OperationLayer


@saved
class Fixed(OperationLayer):
    """The values of a constant for each sample, as a ``grid`` holds them; the input only says how many samples."""

    def __init__(
        self,
        operation: Constant | Mapping[str, Any],
        *,
        grid: Grid | Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.grid = Grid.from_config(grid) if isinstance(grid, Mapping) else grid

    def call(self, inputs: Any) -> Any:
        """Return the values (n, …)."""
        tf, values = tensorflow(), np.asarray(self.operation.values, np.float64)
        # in float64, as they are in the program: float32 could make a tie of what is none
        held = tf.constant(values) if self.grid is None else self.grid.fake(tf.constant(values))
        samples = tf.shape(inputs)[:1]
        return tf.broadcast_to(tf.cast(held, inputs.dtype), tf.concat([samples, values.shape], 0))

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape of the values behind that of the batch."""
        return (shape[0], *self.operation.values.shape)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), "grid": None if self.grid is None else self.grid.config()}
