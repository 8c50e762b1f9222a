"""How codes are kept between operations: in the smallest integers that hold their format."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat

Array = NDArray[Any]


def storage(form: IntFormat | None) -> np.dtype[Any]:
    """Return the type of stored codes; real values that left the datapath are float64.

    >>> storage(IntFormat(bits=4)), storage(IntFormat(bits=8, signed=False)), storage(IntFormat(bits=12))
    (dtype('int8'), dtype('uint8'), dtype('int16'))
    """
    if form is None:
        return _REALS
    return _CODES[form.signed, 8 if form.bits <= 8 else 16 if form.bits <= 16 else 32]


_REALS = np.dtype(np.float64)
_CODES = {(signed, bits): np.dtype(f"{'i' if signed else 'u'}{bits // 8}") for signed in (0, 1) for bits in (8, 16, 32)}


def as_given(values: Array) -> Array:
    """Return codes as users get them, int32; what the host computed stays as it is."""
    return values if values.dtype == np.float64 else values.astype(np.int32)
