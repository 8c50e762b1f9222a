"""What hardware holds of real values: weights and activations as their nearest codes' reals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwsim.network import ScaleShift, Weighted
from hwsim.network.mac import Floats
from hwsim.program.stored import quantize_weights
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.target import Settings, Target

Codes = NDArray[np.int64]
Doubles = NDArray[np.float64]


def kernel_codes(kernel: Floats, entry: WeightPlan, settings: Settings) -> Codes:
    """Return the codes that the target stores for a kernel, in its shape."""
    integers, _, _ = quantize_weights(kernel, entry, settings)
    return np.asarray(integers + np.asarray(entry.zero_point, np.int64))


def reals_of(codes: Codes, entry: WeightPlan) -> Doubles:
    """Return what the codes of a kernel stand for."""
    return np.asarray((codes - np.asarray(entry.zero_point, np.int64)) * np.asarray(entry.scale, np.float64))


def stored_kernel(operation: Weighted, entry: WeightPlan, settings: Settings) -> Floats:
    """Return the weights that an operation's codes stand for, in the kernel's shape, as float32."""
    return reals_of(kernel_codes(kernel_of(operation), entry, settings), entry).astype(np.float32)


def stored_tensor(values: Floats, entry: TensorPlan) -> Floats:
    """Return the reals of the codes nearest to ``values``; ties go to even codes."""
    codes = np.rint(values / np.float64(entry.scale)) + entry.zero_point
    np.clip(codes, entry.format.minimum, entry.format.maximum, out=codes)
    return ((codes - entry.zero_point) * entry.scale).astype(np.float32)


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
