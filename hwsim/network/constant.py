"""Values that stand in the model, where other models have a feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwsim.network.mac import Doubles
from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant(Operation):
    """``values``, the same for every sample; the one input says no more than how many samples there are."""

    kind: ClassVar[str] = "constant"
    values: Doubles

    def __post_init__(self) -> None:
        """Raise ValueError for values that have no axis, or are not finite."""
        if not self.values.ndim or not self.values.size or not np.isfinite(self.values).all():
            raise ValueError(f"{self.name}: a constant needs finite values along at least one axis")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the values."""
        return self.values.shape
