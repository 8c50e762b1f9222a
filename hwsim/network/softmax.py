"""The softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Operation):
    """The softmax over ``axis`` of the sample (0 is the first axis after the batch)."""

    kind: ClassVar[str] = "softmax"
    axis: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input."""
        return inputs[0]
