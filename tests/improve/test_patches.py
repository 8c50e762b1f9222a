"""Patches times weights are the sums that the float run has."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from pipeline.tiny import reals

from hwsim.improve.patches import as_kernel, as_rows, patches, sums_at
from hwsim.network import Conv2D, Conv2DTranspose, Dense, ScaleShift, Weighted
from hwsim.network.operation import Sides
from hwsim.quantize.decide import kernel_of
from hwsim.reference import run_operation

SIDES: Sides = ((2, 0), (1, 3))


def conv(inputs: int, outputs: int, groups: int, strides: tuple[int, int], dilation: tuple[int, int]) -> Conv2D:
    kernel = reals(3, 2, inputs // groups, outputs, seed=1)
    return Conv2D(
        name="c",
        kernel=kernel,
        bias=np.zeros(outputs, np.float32),
        groups=groups,
        strides=strides,
        dilation=dilation,
        padding=SIDES,
    )


def transposed(cut: tuple[int, int], size: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Conv2DTranspose:
    kernel, bias = reals(3, 2, 4, 5, seed=2), np.zeros(5, np.float32)
    return Conv2DTranspose(name="t", kernel=kernel, bias=bias, size=size, strides=(2, 3), cut=cut, dilation=dilation)


OPERATIONS = {
    "plain": (conv(4, 6, 1, (1, 1), (1, 1)), (7, 8, 4)),
    "strides": (conv(4, 6, 1, (2, 3), (1, 1)), (7, 8, 4)),
    "dilation": (conv(4, 6, 1, (1, 1), (2, 3)), (7, 8, 4)),
    "groups": (conv(4, 6, 2, (2, 1), (1, 1)), (7, 8, 4)),
    "depthwise": (conv(4, 4, 4, (1, 1), (1, 1)), (7, 8, 4)),
    "depth multiplier": (conv(4, 8, 4, (2, 2), (1, 1)), (7, 8, 4)),
    "transposed": (transposed((1, 0), (14, 24)), (7, 8, 4)),
    "beyond the result": (transposed((0, 2), (18, 26)), (7, 8, 4)),
    "transposed, dilated": (transposed((2, 1), (13, 22), (2, 3)), (7, 8, 4)),
    "dense": (Dense(name="d", kernel=reals(4, 3), bias=np.zeros(3, np.float32)), (4,)),
    "dense in rows": (Dense(name="d", kernel=reals(4, 3), bias=np.zeros(3, np.float32)), (5, 4)),
    "scale": (ScaleShift(name="s", scale=reals(4), bias=np.zeros(4, np.float32)), (7, 8, 4)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_patches_times_weights_are_the_sums(name: str) -> None:
    operation, shape = OPERATIONS[name]
    values = reals(3, *shape, seed=5)
    sums = run_operation(operation, [values])
    positions = np.random.default_rng(0).permutation(prod(sums.shape[:-1]))[:50]
    rows = patches(operation, values, positions, sums.shape[1:])
    weights = as_rows(operation, kernel_of(operation))
    found = rows.astype(np.float64) @ weights.swapaxes(1, 2)
    np.testing.assert_allclose(found, sums_at(operation, sums, positions), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", OPERATIONS)
def test_rows_come_back_as_the_kernel(name: str) -> None:
    operation: Weighted = OPERATIONS[name][0]
    kernel = kernel_of(operation)
    assert (as_kernel(as_rows(operation, kernel), kernel.shape) == kernel).all()
