"""Rows of a table, read by index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwsim.network.mac import Floats
from hwsim.network.operation import Operation, Shape

MOST_ROWS = 1 << 16
"""Rows of a table, at most: an index is a stored code, of 16 bits at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding(Operation):
    """For each index the row of ``table`` (rows, width) with that number, from 0; indices come from an input."""

    kind: ClassVar[str] = "embedding"
    table: Floats

    def __post_init__(self) -> None:
        """Raise ValueError for a table that has no rows, too many, or values that are not finite."""
        if self.table.ndim != 2 or not self.table.size or not np.isfinite(self.table).all():
            raise ValueError(f"{self.name}: an embedding needs a table (rows, width) of finite values")
        if len(self.table) > MOST_ROWS:
            raise ValueError(f"{self.name}: a table of {len(self.table)} rows; an index of 16 bits reaches {MOST_ROWS}")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (…, width); raise ValueError if indices have no axis."""
        if not inputs[0]:
            raise ValueError(f"{self.name}: an embedding needs indices along at least one axis")
        return (*inputs[0], self.table.shape[1])
