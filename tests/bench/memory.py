"""Whether memory grows with the data: the peak of processes that run a program over more and more samples."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

import hwsim
from bench.figures import Figure, Outcome, Unit
from bench.measure import Setup
from hwsim.network import AveragePool, Conv2D, Dense, Input, MaxPool, Network, Relu, Reshape

SAMPLES = 64
SIZE = 64
TIMES = {"1x": 1, "2x": 2, "8x": 8}


def memory(setup: Setup) -> Outcome:
    """Measure the peak of the resident memory over 1, 2 and 8 times as many samples."""
    path = setup.folder / "program.hwsim"
    program().save(path)
    unit = Unit(memory=True)
    names = [name for name in TIMES if name in setup.wanted]
    peaks = {name: Figure(value=peak(str(path), SAMPLES * TIMES[name]), unit=unit) for name in names}
    return Outcome(figures=peaks, notes=[f"1x: {SAMPLES} samples of {SIZE} x {SIZE} x 16 reals, read from an iterator"])


def peak(path: str, count: int) -> float:
    """Run a program over ``count`` samples in a process of its own and return the most bytes that it held."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-m", "bench.memory_child", path, str(count), str(SIZE)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def program() -> hwsim.Program:
    """Return a small network whose tensors are large beside its results."""
    network = Network(
        name="memory",
        operations=(
            Input(name="image", shape=(SIZE, SIZE, 16)),
            convolution("first", "image", (16, 32)),
            MaxPool(name="largest", inputs=("first",), window=(2, 2), strides=(2, 2)),
            convolution("second", "largest", (32, 32)),
            AveragePool(name="mean", inputs=("second",), window=(SIZE // 2, SIZE // 2), strides=(1, 1)),
            Reshape(name="flat", inputs=("mean",), shape=(32,)),
            Dense(name="logits", inputs=("flat",), kernel=bell(32, 10), bias=bell(10)),
        ),
        outputs=("logits",),
    )
    target = hwsim.load_target("generic-int8")
    profile = hwsim.profile(network, bell(4, SIZE, SIZE, 16))
    return hwsim.lower(network, hwsim.decide(network, profile, target), target)


def convolution(name: str, source: str, channels: tuple[int, int]) -> Conv2D:
    """Return a convolution of 3 x 3 that keeps the size."""
    kernel, sides = bell(3, 3, *channels) / np.float32(10), ((1, 1), (1, 1))
    return Conv2D(name=name, inputs=(source,), kernel=kernel, bias=bell(channels[1]), padding=sides, activation=Relu())


def bell(*shape: int) -> NDArray[np.float32]:
    """Return seeded values."""
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
