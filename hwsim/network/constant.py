"""Values that stand in the model, where other models have a feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwsim.network.mac import Doubles
from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant(Operation):
    """``values``, the same for every sample; the one input says no more than how many samples there are."""

    kind: ClassVar[str] = "constant"
    values: Doubles

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the values."""
        return self.values.shape
