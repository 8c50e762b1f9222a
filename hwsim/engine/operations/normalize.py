"""Normalisation by mean and variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.operations.finish import finish
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words
from hwsim.program.records import NormalizeCodes
from hwsim_kernels.normalize import normalize as normalize_codes

Codes = NDArray[Any]
Array = NDArray[Any]


def normalize(one: NormalizeCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Normalise by mean and variance."""
    codes = inputs[0].reshape(len(out), -1, one.groups, one.channels // one.groups)
    values = np.empty(codes.shape, np.int64)
    normalize_codes(codes, one.zero_point, one.whole, one.centered, one.epsilon, one.field, values, tally.counts)
    finish(one, in_words(values.reshape(-1, one.channels), one.wide), "normalized", tally, out)
