"""Bias correction: what quantisation adds to the mean of a sum is taken off its bias.

Nagel et al. 2019, arXiv 1906.04721, section 4.2: E[y] - E[y'] = -E[x] e for weights that changed by e. Nothing is
changed but biases, whose hardware is there anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwsim.improve.draft import Draft
from hwsim.improve.rebuild import Seen, rebuild
from hwsim.improve.stored import with_kernel, with_stored_kernel
from hwsim.network import Weighted
from hwsim.network.mac import Floats
from hwsim.quantize.decide import kernel_of
from hwsim.reference import run_operation

Doubles = NDArray[np.float64]
Shift = Callable[[Weighted, Weighted, Seen], Doubles]
"""Given a layer, the same with stored weights, and its samples: what its sums lost in the mean, (output channels,)."""


def correct_bias(draft: Draft) -> Draft:
    """Correct biases by what the samples show: means of sums in float less those with stored weights and inputs."""
    return _corrected(draft, measured_shift, "on the samples")


def correct_bias_for_weights(draft: Draft) -> Draft:
    """Correct biases for the rounding of weights alone, from the mean input in float: E[x] (w - w_q)."""
    return _corrected(draft, expected_shift, "for the rounding of weights alone")


def measured_shift(_operation: Weighted, stored: Weighted, seen: Seen) -> Doubles:
    """Return the mean of the float run's sums less those of the stored weights on stored inputs."""
    sums = run_operation(replace(stored, activation=None), [seen.stored])
    return _means(seen.sums) - _means(sums)


def expected_shift(operation: Weighted, stored: Weighted, seen: Seen) -> Doubles:
    """Return the mean that the weights' rounding takes off; sums are linear, so the mean input gives the mean sum."""
    lost = kernel_of(operation) - kernel_of(stored)
    linear = replace(with_kernel(operation, lost), bias=np.zeros_like(operation.bias), activation=None)
    mean = seen.exact.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    return _means(run_operation(linear, [mean]))


def _corrected(draft: Draft, shift: Shift, how: str) -> Draft:
    plan, target = draft.decision(), draft.target
    largest = 0.0

    def corrected(operation: Weighted, seen: Seen) -> Weighted:
        nonlocal largest
        change = shift(operation, with_stored_kernel(operation, plan, target), seen)
        largest = max(largest, float(np.max(np.abs(change)) / plan.tensors[operation.name].scale))
        return replace(operation, bias=(operation.bias + change).astype(np.float32))

    rebuilt = rebuild(draft, corrected, "correcting biases")
    return rebuilt.noted(f"biases corrected {how}, by {largest:.2g} LSB of a layer's output at most")


def _means(sums: Floats) -> Doubles:
    return np.asarray(sums.reshape(-1, sums.shape[-1]).mean(axis=0, dtype=np.float64))
