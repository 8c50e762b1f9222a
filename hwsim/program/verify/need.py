"""What a check asks, and whom it tells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import ProgramError


def need(condition: bool, mistake: str) -> None:
    """Raise ProgramError with ``mistake`` unless the condition holds."""
    if not condition:
        raise ProgramError(mistake)


def magnitude(values: NDArray[np.int64]) -> int:
    """Return the largest magnitude, of -2**63 too."""
    return max(-int(values.min()), int(values.max()))
