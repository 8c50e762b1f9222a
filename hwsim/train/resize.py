"""Images brought to another size between their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Rounding
from hwsim.loaders.framework import tensorflow
from hwsim.network import Resize
from hwsim.train.bases import saved
from hwsim.train.layers import OperationLayer, integers
from hwsim.train.rounding import round_real, straight


@saved
class Between(OperationLayer):
    """A bilinear interpolation by integer weights, rounded once: ``scale * (round(sum / 4**bits + point) - point)``.

    ``scale`` is that of the input, one number or one for each channel, and ``point`` its zero point where codes are
    weighed as they are stored, else 0. ``bits`` and ``real`` are those of ``Resize.taps``. Without a scale it computes
    in float as it is.
    """

    def __init__(  # noqa: PLR0913  what a target says of a resize
        self,
        operation: Resize | Mapping[str, Any],
        *,
        scale: Any = None,
        point: int = 0,
        bits: int = 10,
        real: bool = False,
        rounding: str = "half_away",
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.scale = None if scale is None else np.asarray(scale, np.float64)
        self.point, self.bits, self.real, self.rounding = point, bits, real, Rounding(rounding)

    def call(self, inputs: Any) -> Any:
        """Return the images (n, rows, columns, c)."""
        tf, resize = tensorflow(), self.operation
        if self.scale is None:
            places = {"align_corners": resize.align_corners, "half_pixel_centers": resize.half_pixel}
            return tf.raw_ops.ResizeBilinear(images=inputs, size=resize.size, **places)
        rows, columns = (tf.constant(self.matrix(tuple(inputs.shape[1:]), axis)) for axis in (0, 1))
        sums = tf.einsum("rh,nhwc,kw->nrkc", rows, integers(inputs, self.scale) + self.point, columns)
        pixels = sums / 4.0**self.bits
        rounded = straight(pixels, round_real(pixels, self.rounding)) - self.point
        return tf.cast(rounded * tf.constant(self.scale), inputs.dtype)

    def matrix(self, shape: tuple[int, ...], axis: int) -> NDArray[np.float64]:
        """Return the weights (outputs, inputs) along an axis of a sample, in 1 / 2**bits."""
        found = np.zeros((self.operation.size[axis], shape[axis]))
        places, weights = self.operation.taps(shape, axis, self.bits, real=self.real)
        np.add.at(found, (np.arange(len(found))[:, None], places), weights)
        return found

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        kept = {"point": self.point, "bits": self.bits, "real": self.real, "rounding": str(self.rounding)}
        return {**super().get_config(), "scale": None if self.scale is None else self.scale.tolist(), **kept}
