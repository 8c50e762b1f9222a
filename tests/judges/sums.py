"""Dot products for judges that round and fit while they add, and our two answers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from golden.case import dense, program_of, target, tensor, weight

from hwsim.engine import execute
from oracle.mac import dot

Json = dict[str, Any]

TERMS, SUMS = 12, 50

_GENERATOR = random.Random(2)

WEIGHTS = [_GENERATOR.randrange(-128, 128) for _ in range(TERMS)]

INPUTS = [[_GENERATOR.randrange(-128, 128) for _ in range(TERMS)] for _ in range(SUMS)]


def fit(bits: int, overflow: str, saturated_bits: int = 0, shift: int = 0, rounding: str = "floor") -> Json:
    """Return a section of a target that rounds and fits."""
    fitted = {"bits": bits, "signed": True, "overflow": overflow, "saturated_bits": saturated_bits}
    return {**fitted, "shift": shift, "rounding": rounding}


def check_sums(product: Json | None, adder: Json, wanted: list[int]) -> None:
    """Compare with a judge the sums of ``INPUTS`` times ``WEIGHTS``, fitted by ``adder`` after each term."""
    stage = {"name": "accumulator", "terms": None, "shape": "chain", "check": "each", **adder}
    mac = {"product": product, "stages": [stage]}
    assert [dot(list(zip(row, WEIGHTS, strict=True)), mac) for row in INPUTS] == wanted, mac
    assert executed(product, stage) == wanted, mac


def executed(product: Json | None, stage: Json) -> list[int]:
    """Return the sums that the engine computes."""
    shift = stage["shift"] + (product["shift"] if product else 0)
    plans = (tensor(), weight(), tensor(scale=2.0**shift))
    program = program_of(dense(WEIGHTS), (TERMS,), target([stage], product=product), plans)
    execution = execute(program, np.array(INPUTS, np.float32), trace=["layer"])
    return [int(one) for one in execution.trace["layer"]["accumulator"].ravel()]
