"""NumPy's functions, on exact quotients."""

from __future__ import annotations

import numpy as np
import pytest
from judges.coverage import judged
from judges.ours import check_array


@pytest.mark.parametrize(("name", "mode"), judged("numpy", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    check_array(getattr(np, name), mode)
