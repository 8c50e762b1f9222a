"""Values that stand in the model, in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.network import Constant
from hwsim.network.mac import Floats


def constant(operation: Constant, inputs: Sequence[Floats]) -> Floats:
    """Return the values for each sample."""
    values = operation.values.astype(np.float32)
    return np.ascontiguousarray(np.broadcast_to(values, (len(inputs[0]), *values.shape)))
