"""The functions of the C library, on exact quotients."""

from __future__ import annotations

import ctypes
from ctypes.util import find_library

import pytest
from judges.coverage import judged
from judges.ours import check_function


@pytest.mark.parametrize(("name", "mode"), judged("c", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    library = find_library("m")
    if library is None:
        pytest.skip("the C library has no libm")
    function = getattr(ctypes.CDLL(library), name)
    function.argtypes, function.restype = [ctypes.c_double], ctypes.c_double
    check_function(function, mode)
