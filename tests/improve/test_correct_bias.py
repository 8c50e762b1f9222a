"""Bias correction: means of sums come back to the float run's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from improve.drafts import LOW_BITS, draft_of
from numpy.typing import NDArray
from pipeline.tiny import reals, target_with

from hwsim.improve import Draft
from hwsim.improve.correct_bias import correct_bias, correct_bias_for_weights
from hwsim.improve.stored import with_stored_kernel
from hwsim.network import Conv2D, Input, Network, Weighted
from hwsim.network.mac import Floats
from hwsim.quantize.codes import stored_values
from hwsim.reference import run_network, run_operation


def walk_stored(draft: Draft) -> dict[str, NDArray[np.float64]]:
    """Return the means of the stored network's sums, layer by layer on what the layers before store."""
    plan, tensors = draft.decision(), dict[str, Floats]()
    means: dict[str, NDArray[np.float64]] = {}
    for operation in draft.network.operations:
        if isinstance(operation, Input):
            result = draft.samples[0]
        else:
            stored = with_stored_kernel(operation, plan, draft.target) if isinstance(operation, Weighted) else operation
            given = [tensors[name] for name in operation.inputs]
            result = run_operation(stored, given)
            if isinstance(stored, Weighted):
                sums = run_operation(replace(stored, activation=None), given)
                means[operation.name] = sums.reshape(-1, sums.shape[-1]).mean(axis=0, dtype=np.float64)
        tensors[operation.name] = stored_values(result, plan.tensors[operation.name]).astype(np.float32)
    return means


def float_means(draft: Draft) -> dict[str, NDArray[np.float64]]:
    """Return the means of the float run's sums."""
    tensors, means = run_network(draft.reference, draft.samples), {}
    for operation in draft.reference.operations:
        if isinstance(operation, Weighted):
            sums = run_operation(replace(operation, activation=None), [tensors[name] for name in operation.inputs])
            means[operation.name] = sums.reshape(-1, sums.shape[-1]).mean(axis=0, dtype=np.float64)
    return means


def test_the_means_of_all_sums_are_those_of_float() -> None:
    before = draft_of().decided()
    after = correct_bias(before)
    wanted, found, uncorrected = float_means(before), walk_stored(after), walk_stored(before)
    for name, means in wanted.items():
        np.testing.assert_allclose(found[name], means, rtol=0, atol=1e-5)
        assert np.abs(uncorrected[name] - means).max() > 1e-3
    assert after.reference is before.reference
    assert "biases corrected on the samples" in after.notes[-1]


@pytest.mark.parametrize("padding", [0, 1])
def test_the_correction_for_weights_is_the_mean_input_times_their_error(padding: int) -> None:
    conv = Conv2D(
        name="conv",
        inputs=("x",),
        kernel=reals(3, 3, 2, 4, seed=1),
        bias=reals(4, seed=2),
        padding=((padding, padding), (padding, padding)),
    )
    network = Network(name="n", operations=(Input(name="x", shape=(5, 5, 2)), conv), outputs=("conv",))
    before = draft_of(network, target_with(**LOW_BITS), reals(30, 5, 5, 2, seed=3) + 1).decided()
    after = correct_bias_for_weights(before).network.by_name["conv"]
    stored = with_stored_kernel(conv, before.decision(), before.target)
    assert isinstance(after, Conv2D)
    assert isinstance(stored, Conv2D)
    lost = conv.kernel.astype(np.float64) - stored.kernel
    mean = np.pad(before.samples[0].mean(axis=0, dtype=np.float64), ((padding,) * 2, (padding,) * 2, (0, 0)))
    size = 3 + 2 * padding
    shift = np.zeros(4)
    for row, column in np.ndindex(size, size):
        shift += np.einsum("hwc,hwco->o", mean[row : row + 3, column : column + 3], lost)
    np.testing.assert_allclose(after.bias, conv.bias + shift / size**2, rtol=0, atol=1e-6)
    assert (after.kernel == conv.kernel).all()
