"""ReLU with a slope for each channel, which is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwsim.loaders.framework import tensorflow
from hwsim.network import Prelu
from hwsim.train.bases import saved
from hwsim.train.grid import Grid
from hwsim.train.layers import TrainedLayer, integers


@saved
class Sloped(TrainedLayer):
    """Values from 0 on as they are, those below times their channel's slope.

    ``source_scale``: the scale of the input, a multiple of which the layer takes; ``weights``: the grid that the slopes
    are brought to. Without both it computes in float as it is.
    """

    def __init__(
        self,
        operation: Prelu | Mapping[str, Any],
        *,
        source_scale: float | None = None,
        weights: Grid | Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.source_scale = source_scale
        self.weight_grid = Grid.from_config(weights) if isinstance(weights, Mapping) else weights

    def call(self, inputs: Any) -> Any:
        """Return the function of ``inputs`` (n, …)."""
        tf = tensorflow()
        values, slopes = inputs, tf.convert_to_tensor(self.arrays["slopes"])
        if self.weight_grid is not None and self.source_scale is not None:
            values = integers(inputs, self.source_scale) * self.source_scale
            slopes = self.weight_grid.fake(tf.cast(slopes, tf.float64))
        return tf.cast(tf.where(values < 0, values * slopes, values), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        weights = None if self.weight_grid is None else self.weight_grid.config()
        return {**super().get_config(), "source_scale": self.source_scale, "weights": weights}
