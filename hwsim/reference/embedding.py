"""Rows of a table, read by index, in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.errors import DataError
from hwsim.network import Embedding
from hwsim.network.mac import Floats


def embedding(operation: Embedding, inputs: Sequence[Floats]) -> Floats:
    """Return the row of each index; raises DataError for what is no index of the table."""
    given, rows = inputs[0], len(operation.table)
    wrong = (given != np.rint(given)) | (given < 0) | (given >= rows)
    if wrong.any():
        at = tuple(int(one) for one in np.argwhere(wrong)[0])
        raise DataError(f"{operation.name}: {given[at]} at {at} is no index of a table of {rows} rows")
    return operation.table[given.astype(np.int64)]
