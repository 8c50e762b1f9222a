"""The softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Operation):
    """The softmax over ``axis`` of the sample (0 is the first axis after the batch).

    ``mask``, of the sample's shape, says which values take part, in every sample; the results of the others are 0.
    """

    kind: ClassVar[str] = "softmax"
    axis: int
    mask: NDArray[np.bool_] | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input; raise ValueError for a mask of another one, or that leaves a line nothing."""
        if self.mask is not None:
            if self.mask.shape != inputs[0]:
                raise ValueError(f"{self.name}: a mask of the shape {self.mask.shape} for values of {inputs[0]}")
            if not self.mask.any(axis=self.axis).all():
                raise ValueError(f"{self.name}: its mask leaves nothing of a line along axis {self.axis}")
        return inputs[0]
