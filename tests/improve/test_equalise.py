"""Cross-layer equalisation: the function stays, the ranges meet, and only what passes scales on is a pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipeline.tiny import dense, reals

from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Conv2D,
    Conv2DTranspose,
    Crop,
    Input,
    MaxPool,
    Network,
    Operation,
    Pad,
    Relu,
    Reshape,
    ScaleShift,
    Softmax,
)
from hwsim.network.equalise import equalise, find_pairs, without_bounds
from hwsim.network.mac import Floats, Weighted
from hwsim.reference import run_network

LEAKY = Relu(negative_slope=0.25)


def uneven(values: Floats, seed: int) -> Floats:
    """Return weights whose output channels have very different ranges."""
    factors = np.exp2(np.random.default_rng(seed).uniform(-6, 6, values.shape[-1]))
    return np.asarray(values * factors, np.float32)


def conv(name: str, source: str, inputs: int, outputs: int, groups: int = 1, **more: Any) -> Conv2D:
    seed = sum(map(ord, name))
    return Conv2D(
        name=name,
        inputs=(source,),
        kernel=uneven(reals(3, 3, inputs // groups, outputs, seed=seed), seed),
        bias=reals(outputs, seed=seed + 1),
        groups=groups,
        **more,
    )


def network(*operations: Operation, outputs: tuple[str, ...] = ()) -> Network:
    image = Input(name="x", shape=(12, 12, 4))
    return Network(name="n", operations=(image, *operations), outputs=outputs or (operations[-1].name,))


def long_chain() -> Network:
    """Return one of everything that passes scales on: six layers, five pairs."""
    up = Conv2DTranspose(
        name="up",
        inputs=("grouped",),
        kernel=uneven(reals(2, 2, 6, 4, seed=9), 9),
        bias=reals(4, seed=10),
        size=(16, 16),
        strides=(2, 2),
        activation=Relu(),
    )
    norm = ScaleShift(
        name="norm", inputs=("cut",), scale=uneven(reals(4, seed=3), 3), bias=reals(4, seed=4), activation=LEAKY
    )
    return network(
        conv("stem", "x", 4, 4, activation=Relu()),
        Pad(name="pad", inputs=("stem",), padding=((1, 1), (1, 1))),
        conv("depthwise", "pad", 4, 8, groups=4, activation=LEAKY),
        conv("grouped", "depthwise", 8, 6, groups=2),
        up,
        Crop(name="cut", inputs=("up",), cropping=((1, 1), (1, 1))),
        norm,
        MaxPool(name="largest", inputs=("norm",), window=(2, 2), strides=(2, 2)),
        Activation(name="relu", inputs=("largest",), function=Relu()),
        AveragePool(name="mean", inputs=("relu",), window=(2, 2), strides=(2, 2)),
        Reshape(name="flat", inputs=("mean",), shape=(36,)),
        dense("logits", "flat", 36, 5),
        Softmax(name="softmax", inputs=("logits",), axis=0),
    )


def outputs_of(net: Network) -> Floats:
    return run_network(net, [reals(3, 12, 12, 4, seed=7)])[net.outputs[0]]


def ranges(operation: Operation) -> tuple[Floats, Floats]:
    """Return the largest magnitudes of a plain convolution's weights by input and by output channel."""
    assert isinstance(operation, Conv2D)
    kernel = np.abs(operation.kernel)
    return kernel.max(axis=(0, 1, 3)), kernel.max(axis=(0, 1, 2))


def convolutions(net: Network) -> list[Conv2D]:
    return [one for one in net.operations if isinstance(one, Conv2D)]


def test_everything_that_passes_scales_on_joins_a_pair() -> None:
    pairs = [(pair.first, pair.second) for pair in find_pairs(long_chain())]
    names = ["stem", "depthwise", "grouped", "up", "norm", "logits"]
    assert pairs == list(zip(names, names[1:], strict=False))


def test_the_function_stays_the_same_to_float32_rounding() -> None:
    before = long_chain()
    found = equalise(before)
    wanted, ours = outputs_of(before), outputs_of(found.network)
    assert np.abs(ours - wanted).max() <= 1e-5 * np.abs(wanted).max()
    assert max(found.smallest, 1 / found.largest) < 0.5


def test_with_powers_of_two_the_function_is_the_same_to_the_last_bit() -> None:
    before = long_chain()
    found = equalise(before, power_of_two=True)
    assert max(found.smallest, 1 / found.largest) < 0.5
    assert (outputs_of(found.network) == outputs_of(before)).all()


def test_the_ranges_of_every_channel_meet() -> None:
    before = network(conv("a", "x", 4, 6, activation=Relu()), conv("b", "a", 6, 3), conv("c", "b", 3, 2))
    after = equalise(before).network.by_name
    for first, second in (("a", "b"), ("b", "c")):
        made, read = ranges(after[first])[1], ranges(after[second])[0]
        np.testing.assert_allclose(made, read, rtol=1e-3)


def test_one_pair_gets_the_scales_of_the_paper() -> None:
    before = network(conv("a", "x", 4, 6, activation=Relu()), conv("b", "a", 6, 3))
    (_, made), (read, _) = ranges(before.by_name["a"]), ranges(before.by_name["b"])
    scale = np.sqrt(made.astype(np.float64) * read) / read
    after = equalise(before).network
    (first, second), (a, b) = convolutions(after), convolutions(before)
    np.testing.assert_allclose(first.kernel, a.kernel / scale, rtol=1e-6)
    np.testing.assert_allclose(first.bias, a.bias / scale, rtol=1e-6)
    np.testing.assert_allclose(second.kernel, b.kernel * scale[:, None], rtol=1e-6)
    assert (second.bias == b.bias).all()


def test_a_channel_without_weights_stays_as_it_is() -> None:
    a, b = conv("a", "x", 4, 6), conv("b", "a", 6, 3)
    a.kernel[..., 1], b.kernel[:, :, 2] = 0, 0
    before = network(a, b)
    after = equalise(before).network
    changed = convolutions(after)[0]
    assert changed.bias[1] == a.bias[1]
    assert (changed.kernel[..., 2] == a.kernel[..., 2]).all()
    assert all(np.isfinite(one.bias).all() for one in after.operations if isinstance(one, Weighted))


def test_a_channel_that_is_all_but_dead_is_not_blown_up() -> None:
    a, b = conv("a", "x", 4, 6), conv("b", "a", 6, 3)
    a.kernel[..., 1] *= 1e-9
    changed = convolutions(equalise(network(a, b)).network)[0]
    assert changed.bias[1] == a.bias[1]


@pytest.mark.parametrize("case", ["two readers", "an output", "a bound", "mixing reshape"])
def test_these_are_no_pairs(case: str) -> None:
    a = conv("a", "x", 4, 4, activation=Relu(max_value=6.0) if case == "a bound" else Relu())
    b = conv("b", "a", 4, 4, padding=((1, 1), (1, 1)))
    if case == "two readers":
        net = network(a, b, Add(name="add", inputs=("a", "b")))
    elif case == "mixing reshape":
        flat = Reshape(name="flat", inputs=("a",), shape=(200, 2))
        net = network(a, flat, dense("logits", "flat", 2, 3))
    else:
        net = network(a, b, outputs=("a", "b") if case == "an output" else ())
    assert not find_pairs(net)
    assert (convolutions(equalise(net).network)[0].kernel == a.kernel).all()


def test_without_its_bound_a_relu_joins_a_pair() -> None:
    six = Activation(name="six", inputs=("b",), function=Relu(max_value=6.0))
    net = without_bounds(network(conv("a", "x", 4, 4, activation=Relu(max_value=6.0)), conv("b", "a", 4, 4), six))
    assert [(pair.first, pair.second) for pair in find_pairs(net)] == [("a", "b")]
    last = net.by_name["six"]
    assert isinstance(last, Activation)
    assert last.function == Relu()
