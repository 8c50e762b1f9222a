"""Pooling of real machines, by hand and against models of them in plain integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from golden import machines, models
from golden.case import tensor
from golden.machines import machine

from hwsim.engine import execute
from hwsim.network import AveragePool, Input, MaxPool, Network
from hwsim.network.pooling import Pool
from hwsim.program import lower
from hwsim.quantize.plan import Plan
from hwsim.target import Target


@pytest.mark.parametrize("window", [(1, 1), (2, 2), (3, 3), (2, 3), (5, 5), (6, 6), (7, 7), (4, 9), (14, 14)])
def test_the_dpu_multiplies_averages(window: tuple[int, int]) -> None:
    generator = np.random.default_rng(window)
    height, width = window
    rows, columns, padding = height + 3, width + 2, ((height // 2, (height - 1) // 2), (0, width // 2))
    pool = AveragePool(name="mean", inputs=("x",), window=window, strides=(2, 1), padding=padding)
    network = Network(name="means", operations=(Input(name="x", shape=(rows, columns, 3)), pool), outputs=("mean",))
    plan = Plan(
        network="means", target="vitis-dpu", tensors={"x": tensor(scale=0.25), "mean": tensor(scale=0.25)}, weights={}
    )
    reach = generator.choice([3, 20, 128], (8, 1, 1, 3))
    data = np.clip(generator.integers(-128, 128, (8, rows, columns, 3)), -reach, reach - 1)
    target = machine(machines.VITIS_DPU)
    found = execute(lower(network, plan, target), (data * 0.25).astype(np.float32)).codes["mean"]
    wanted = np.zeros_like(found)
    for n, y, x, c in np.ndindex(found.shape):
        top, left = 2 * y - padding[0][0], x - padding[1][0]
        inside = data[n, max(top, 0) : top + height, max(left, 0) : left + width, c]
        wanted[n, y, x, c] = models.dpu_average(inside.ravel().tolist(), height, width)
    assert np.array_equal(found, wanted)
    changes = [{"division": "count"}] if window != (1, 1) else []
    changes += [{"rounding": "half_away"}] if window in ((2, 2), (3, 3)) else []  # small sums, which reach ties
    for change in changes:
        other = lower(network, plan, machine(machines.VITIS_DPU, {"pooling": change}))
        assert not np.array_equal(execute(other, (data * 0.25).astype(np.float32)).codes["mean"], wanted)


def pooled(pool: Pool, data: Sequence[object], target: Target) -> list[int]:
    """Return the codes of a pooled image, all scales 1."""
    sample = np.array(data, np.float32)[..., None]
    network = Network(name="pool", operations=(Input(name="x", shape=sample.shape), pool), outputs=("pool",))
    plan = Plan(network="pool", target=target.name, tensors={"x": tensor(), "pool": tensor()}, weights={})
    return execute(lower(network, plan, target), sample[None]).codes["pool"].ravel().tolist()


@pytest.mark.parametrize("text", [machines.GEMMINI, machines.MAX78000])
def test_maxima_read_zeros_outside(text: str) -> None:
    # libgemmini gemmini.cc:316-345 and ai8x compute.py: what is outside is 0, so no maximum at the border is below it
    for padding in (((1, 0), (1, 0)), ((1, 0), (0, 1)), ((0, 1), (0, 1)), ((0, 1), (1, 0))):
        pool = MaxPool(name="pool", inputs=("x",), window=(2, 2), strides=(2, 2), padding=padding)
        assert pooled(pool, [[-5]], machine(text)) == [0]
        assert pooled(pool, [[5]], machine(text)) == [5]
        assert pooled(pool, [[-5]], machine(text, {"pooling": {"max_padding": "skipped"}})) == [-5]
    pool = MaxPool(name="pool", inputs=("x",), window=(2, 2), strides=(1, 1))
    assert pooled(pool, [[-5, -7], [-9, -6]], machine(text)) == [-5]


@pytest.mark.parametrize("text", [machines.NVDLA, machines.NVDLA_FULL])
def test_nvdla_averages_in_two_steps(text: str) -> None:
    # pdp cal2d.v:4768-4827: 5 in 2 x 2 is 2.5, to 3, and then 1.5, to 2; divided once it is 1.25, to 1. 51 in 6 x 6,
    # times 10922 / 2^16, is 8.4996 and goes to 8, and then 1.33, to 1; by 10923, the nearest to 1 / 6, to 9 and 2
    for size, values, wanted in ((2, [2, 1, 1, 1], 2), (2, [-2, -1, -1, -1], -2), (6, [6] * 3 + [1] * 33, 1)):
        pool = AveragePool(name="pool", inputs=("x",), window=(size, size), strides=(size, size))
        image = np.array(values).reshape(size, size)
        assert models.nvdla_average(values, size, size) == wanted
        assert pooled(pool, image.tolist(), machine(text)) == [wanted]


@pytest.mark.parametrize("window", [(1, 1), (2, 2), (3, 3), (2, 3), (5, 4), (6, 6), (7, 1), (8, 8)])
def test_nvdla_averages_windows(window: tuple[int, int]) -> None:
    generator = np.random.default_rng(window)
    (height, width), (rows, columns) = window, (11, 9)
    padding = ((height // 2, (height - 1) // 2), (0, width // 2))
    pool = AveragePool(name="pool", inputs=("x",), window=window, strides=(2, 1), padding=padding)
    differ = {"division": False, "rounding": False}
    for reach in (3, 20, 128) * 3:
        data = np.clip(generator.integers(-reach, reach + 1, (rows, columns)), -128, 127)
        whole = np.pad(data, padding)
        wanted = [
            models.nvdla_average(whole[y : y + height, x : x + width].ravel().tolist(), height, width)
            for y in range(0, len(whole) - height + 1, 2)
            for x in range(whole.shape[1] - width + 1)
        ]
        assert pooled(pool, data.tolist(), machine(machines.NVDLA)) == wanted
        for key, other in (("division", "count"), ("rounding", "half_even")):
            differ[key] |= pooled(pool, data.tolist(), machine(machines.NVDLA, {"pooling": {key: other}})) != wanted
    assert differ["division"] == (window != (1, 1))
    assert differ["rounding"] == bool({2, 4, 8} & {height, width})  # others have no ties
