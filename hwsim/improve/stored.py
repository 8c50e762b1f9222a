"""What hardware holds of real values: weights and activations as their nearest codes' reals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwsim.network import ScaleShift, Weighted
from hwsim.network.mac import Floats
from hwsim.program.stored import quantize_weights
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.plan import Plan, WeightPlan
from hwsim.target import Settings, Target

Codes = NDArray[np.int64]
Doubles = NDArray[np.float64]


def kernel_codes(kernel: Floats, entry: WeightPlan, settings: Settings) -> Codes:
    """Return the codes that the target stores for a kernel, in its shape."""
    integers, _, _ = quantize_weights(kernel, entry, settings)
    if entry.levels is not None:
        return np.searchsorted(np.asarray(entry.levels), integers) + entry.format.minimum
    return np.asarray((integers >> shifts_of(kernel.shape, entry)) + np.asarray(entry.zero_point, np.int64))


def shifts_of(shape: tuple[int, ...], entry: WeightPlan) -> Codes:
    """Return the shift of every weight of a kernel, to be broadcast to its shape."""
    if not entry.shift:
        return np.zeros(1, np.int64)
    rows = np.asarray(entry.shift, np.int64)
    return np.repeat(rows, entry.group, axis=0)[: shape[-2] if len(shape) > 1 else 1]


def reals_of(codes: Codes, entry: WeightPlan) -> Doubles:
    """Return what the codes of a kernel stand for."""
    scale = np.asarray(entry.scale, np.float64)
    if entry.levels is not None:
        return np.asarray(np.asarray(entry.levels, np.float64)[codes - entry.format.minimum] * scale)
    integers = (codes - np.asarray(entry.zero_point, np.int64)) << shifts_of(codes.shape, entry)
    return np.asarray(integers * scale)


def stored_kernel(operation: Weighted, entry: WeightPlan, settings: Settings) -> Floats:
    """Return the weights that an operation's codes stand for, in the kernel's shape, as float32."""
    return reals_of(kernel_codes(kernel_of(operation), entry, settings), entry).astype(np.float32)


def with_kernel(operation: Weighted, kernel: Floats) -> Weighted:
    """Return an operation with other weights."""
    if isinstance(operation, ScaleShift):
        return replace(operation, scale=kernel)
    kernel_of(operation)
    return replace(operation, kernel=kernel)  # type: ignore[call-arg]


def with_stored_kernel(operation: Weighted, plan: Plan, target: Target) -> Weighted:
    """Return an operation with the weights that the plan's codes of its own stand for."""
    settings = target.settings(operation.kind, operation.name)
    return with_kernel(operation, stored_kernel(operation, plan.weights[operation.name], settings))
