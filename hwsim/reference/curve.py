"""Activation functions of one number, in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.errors import DataError
from hwsim.network import Curve
from hwsim.network.mac import Floats


def curve(operation: Curve, inputs: Sequence[Floats]) -> Floats:
    """Return the function of each value; raises DataError where it is not finite."""
    found = operation.real(inputs[0].astype(np.float64)).astype(np.float32)
    if not np.isfinite(found).all():
        at = tuple(int(one) for one in np.argwhere(~np.isfinite(found))[0])
        raise DataError(f"{operation.name}: {operation.function} of {inputs[0][at]!r} at {at} is {found[at]}")
    return found
