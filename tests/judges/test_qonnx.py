"""The functions by which QONNX rounds, on exact quotients."""

from __future__ import annotations

import pytest
from judges.coverage import judged
from judges.ours import check_array


@pytest.mark.parametrize(("name", "mode"), judged("qonnx", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    check_array(intquant.resolve_rounding_mode(name), mode)
