"""The types of what crosses into kernels: plain integers, flags and arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int = int | np.int64
"""An integer below 2**63 in magnitude; compiled code has int64, Python code either."""

Flag = bool | np.bool_
"""A truth value, of Python or of a comparison of arrays."""

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Reals = NDArray[np.float64]
