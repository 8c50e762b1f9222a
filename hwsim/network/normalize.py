"""Values brought to a mean of 0 and a variance of 1: what layer, group and RMS normalisation have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalize(Operation):
    """``(x - mean) / sqrt(variance + epsilon)`` over each of ``groups`` of channels of the last axis.

    ``whole``: over all leading axes too, as group normalisation does. Not ``centered``: the mean counts as 0, as in
    RMS normalisation.
    """

    kind: ClassVar[str] = "normalize"
    epsilon: float
    groups: int = 1
    whole: bool = False
    centered: bool = True

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input; raise ValueError if its channels make no such groups."""
        if self.groups < 1 or inputs[0][-1] % self.groups:
            raise ValueError(f"{self.name}: {inputs[0][-1]} channels make no {self.groups} groups")
        return inputs[0]
