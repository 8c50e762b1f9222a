"""Products of two feature maps: element by element, or of matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwsim.loaders.framework import tensorflow
from hwsim.network import MatMul, Multiply
from hwsim.train.bases import saved
from hwsim.train.layers import OperationLayer, integers


@saved
class Products(OperationLayer):
    """A product of two tensors, without its activation.

    ``scales``: those of the two inputs, multiples of which the layer takes; it multiplies the integers in float64,
    which is exact up to 2**53. ``point`` is added to the second one's, where a target multiplies codes as they are
    stored. Without scales it computes in float as it is.
    """

    def __init__(
        self,
        operation: Multiply | MatMul | Mapping[str, Any],
        *,
        scales: Sequence[float] | None = None,
        point: int = 0,
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.scales, self.point = None if scales is None else tuple(scales), point

    def call(self, first: Any, second: Any) -> Any:
        """Return the product (n, …)."""
        if self.scales is None:
            return self._product(first, second)
        product = self._product(integers(first, self.scales[0]), integers(second, self.scales[1]) + self.point)
        return tensorflow().cast(product * (self.scales[0] * self.scales[1]), first.dtype)

    def _product(self, first: Any, second: Any) -> Any:
        if isinstance(self.operation, MatMul):
            turned, turned_too = self.operation.transpose
            return tensorflow().matmul(first, second, transpose_a=turned, transpose_b=turned_too)
        return first * second

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), "scales": self.scales, "point": self.point}
