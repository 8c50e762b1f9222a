"""Single layers, and what the machine would allow: its instructions, and its speed of copying as many bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hwsim
from bench import ours
from bench.figures import Figure, Outcome, Unit, digits
from bench.machine import frequency, products_per_cycle, vector_products
from bench.measure import Call, Entry, Setup, contest
from bench.memory import bell
from hwsim.engine.crew import Crew
from hwsim.network import Activation, AveragePool, Conv2D, Input, MaxPool, Network, Operation, Relu

BATCH = 8
COPY = "copy of as many bytes"
ROOF = "the machine's limit"
STREAM_BYTES = 1 << 29
"""More than caches hold, for each of the two arrays of a copy."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """An operation on an input of ``shape``, with so many ``products`` for an output; ``rate``: a core's per cycle."""

    shape: tuple[int, int, int]
    make: Callable[[], Operation]
    products: int = 0
    rate: Callable[[], float] = vector_products


def convolution(kernel: tuple[int, int, int, int], stride: int = 1, groups: int = 1) -> Conv2D:
    """Return a convolution; those of stride 1 keep the size."""
    side = kernel[0] // 2 if stride == 1 else 0
    return Conv2D(
        name="layer",
        inputs=("x",),
        kernel=bell(*kernel) / np.float32(prod(kernel[:3]) ** 0.5),
        bias=bell(kernel[3]),
        strides=(stride, stride),
        padding=((side, side), (side, side)),
        groups=groups,
        activation=Relu(),
    )


def average() -> AveragePool:
    """Return a pooling that keeps the size."""
    return AveragePool(name="layer", inputs=("x",), window=(3, 3), strides=(1, 1), padding=((1, 1), (1, 1)))


DEPTHWISE = Layer(shape=(112, 112, 96), make=partial(convolution, (3, 3, 1, 96), groups=96), products=9)
POINTWISE = Layer(
    shape=(56, 56, 64),
    make=partial(convolution, (1, 1, 64, 256)),
    products=64,
    rate=partial(products_per_cycle, "u8s8"),
)
SQUARE = Layer(
    shape=(56, 56, 64),
    make=partial(convolution, (3, 3, 64, 64)),
    products=576,
    rate=partial(products_per_cycle, "u8s8"),
)
"""A convolution that may be filtered: the limit is that of the products of its definition."""
FIRST = Layer(
    shape=(299, 299, 3),
    make=partial(convolution, (3, 3, 3, 32), stride=2),
    products=27,
    rate=partial(products_per_cycle, "u8s8"),
)
MAX_POOL = Layer(
    shape=(147, 147, 64), make=partial(MaxPool, name="layer", inputs=("x",), window=(3, 3), strides=(2, 2))
)
AVERAGE_POOL = Layer(shape=(35, 35, 288), make=average)
REQUANTISE = Layer(shape=(56, 56, 256), make=partial(Activation, name="layer", inputs=("x",), function=Relu()))
"""A ReLU of its own: every code is rescaled, rounded, fitted and counted."""


def single_layer(layer: Layer, setup: Setup) -> Outcome:
    """Measure one layer, and a copy of as many bytes as its codes have: this or the products are the limit."""
    call = ours.last_operation(program(layer), bell(BATCH, *layer.shape))
    outputs = call().size
    products, traffic = layer.products * outputs, BATCH * prod(layer.shape) + outputs
    unit, work = (Unit(operations=2 * products), 1) if products else (Unit(item="value"), outputs)
    outcome = contest(
        replace(setup, wanted=frozenset({"ours", COPY})),
        unit,
        [
            Entry(name="ours", prepare=lambda: call, work=work),
            Entry(name=COPY, prepare=lambda: copying(traffic // 2, setup.threads), work=work),
        ],
    )
    copied = outcome.figures[COPY]
    assert isinstance(copied, Figure)
    multiplying = products / (setup.threads * frequency() * layer.rate())
    roof = Figure(value=max(copied.value, multiplying), unit=unit)
    rates = [
        f"{traffic / 1e6:.1f} MB of codes at {digits(traffic / (copied.value * work) / 1e9)} GB/s "
        f"(memory: {digits(stream(setup.threads) / 1e9)})",
        *([f"products at {layer.rate()} per cycle"] if products else []),
    ]
    name = f"{type(layer.make()).__name__} on {BATCH} x {' x '.join(map(str, layer.shape))}"
    return outcome.plus(f"limit of {name}: {', or '.join(rates)}", **{ROOF: roof})


def program(layer: Layer) -> hwsim.Program:
    """Return a program of one operation, on codes of 8 bits."""
    operations = (Input(name="x", shape=layer.shape), layer.make())
    network = Network(name="one", operations=operations, outputs=("layer",))
    target = hwsim.load_target("generic-int8")
    profile = hwsim.profile(network, bell(1, *layer.shape))
    return hwsim.lower(network, hwsim.decide(network, profile, target), target)


def copying(count: int, threads: int) -> Call:
    """Prepare a copy of ``count`` bytes, which reads and writes as many, in threads."""
    source = np.ones(count, np.uint8)
    parts = list(zip(np.array_split(source, threads), np.array_split(np.ones_like(source), threads), strict=True))
    crew = Crew(threads)

    def copy(part: tuple[NDArray[Any], NDArray[Any]]) -> None:
        np.copyto(part[1], part[0])

    return lambda: crew.share(copy, parts)


@cache
def stream(threads: int) -> float:
    """Return the bytes per second, read and written, of a copy between arrays that no cache holds."""
    copy, best = copying(STREAM_BYTES, threads), float("inf")
    for _ in range(3):
        started = time.perf_counter()
        copy()
        best = min(best, time.perf_counter() - started)
    return 2 * STREAM_BYTES / best


depthwise, pointwise, square, first_layer = (
    partial(single_layer, one) for one in (DEPTHWISE, POINTWISE, SQUARE, FIRST)
)
max_pool, average_pool, requantise = (partial(single_layer, one) for one in (MAX_POOL, AVERAGE_POOL, REQUANTISE))
