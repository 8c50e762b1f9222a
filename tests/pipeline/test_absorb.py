"""Constants that layers take in as TensorFlow Lite's converter does: which, and with which last bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hwsim.network import (
    Activation,
    Add,
    Constant,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Input,
    Multiply,
    Network,
    Operation,
    Pad,
    Relu,
    Reshape,
    Subtract,
)
from hwsim.network.absorb import ByConstant, absorb, spread_constants
from hwsim.network.mac import Floats
from hwsim.network.operation import Sides
from hwsim.network.rewrite import drop_unused
from hwsim.reference import run_network

ONE: Sides = ((1, 1), (1, 1))
X = Input(name="x", shape=(6, 7, 4))
NUMBER, VECTOR = np.array(0.3, np.float32), np.array([0.3, -0.7, 1.1, 0.9], np.float32)


def values(*shape: int) -> Floats:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def conv(name: str, source: str, **more: Any) -> Conv2D:
    return Conv2D(name=name, inputs=(source,), kernel=values(3, 3, 4, 4), bias=values(4), **more)


def dense(name: str, source: str, inputs: int = 4) -> Dense:
    return Dense(name=name, inputs=(source,), kernel=values(inputs, 4), bias=values(4))


def product(name: str, source: str, by: Floats = NUMBER) -> ByConstant:
    return ByConstant(name=name, inputs=(source,), record=Multiply, values=by)


def total(name: str, source: str, of: Floats = NUMBER) -> ByConstant:
    return ByConstant(name=name, inputs=(source,), record=Add, values=of)


def less(name: str, source: str, of: Floats = NUMBER, **more: Any) -> ByConstant:
    return ByConstant(name=name, inputs=(source,), record=Subtract, values=of, **more)


def relu(name: str, source: str) -> Activation:
    return Activation(name=name, inputs=(source,), function=Relu())


def pad(name: str, source: str, padding: Sides = ONE) -> Pad:
    return Pad(name=name, inputs=(source,), padding=padding)


def flat(name: str, source: str, *shape: int) -> Reshape:
    return Reshape(name=name, inputs=(source,), shape=shape)


def transposed(name: str, source: str) -> Conv2DTranspose:
    return Conv2DTranspose(
        name=name, inputs=(source,), kernel=values(3, 3, 4, 4), bias=values(4), size=(12, 14), strides=(2, 2)
    )


def absorbed(*operations: Operation, outputs: Sequence[str] = ()) -> Network:
    """Return a network behind ``x`` that has taken in what it can; its function is what it was."""
    before = Network(name="n", operations=(X, *operations), outputs=tuple(outputs) or (operations[-1].name,))
    plain, after = spread_constants(before), spread_constants(drop_unused(absorb(before)))
    data = [values(2, 6, 7, 4)]
    wanted, found = (run_network(one, data, keep=one.outputs) for one in (plain, after))
    for one, other in zip(plain.outputs, after.outputs, strict=True):
        np.testing.assert_allclose(found[other], wanted[one], rtol=1e-4, atol=1e-4)
    return after


@pytest.mark.parametrize(
    ("operations", "left"),
    [
        ((product("s", "x"), conv("a", "s")), "x a"),
        ((product("s", "x"), total("t", "s"), conv("a", "t")), "x a"),
        ((product("s", "x"), conv("a", "s", padding=ONE)), "x a"),
        ((less("t", "x"), conv("a", "t")), "x a"),
        ((total("t", "x"), conv("a", "t", padding=ONE)), "x t/constant t a"),
        ((product("s", "x", VECTOR), conv("a", "s")), "x s/constant s a"),
        ((total("t", "x", VECTOR), conv("a", "t")), "x t/constant t a"),
        ((less("t", "x", first=True), conv("a", "t")), "x t/constant t a"),
        ((product("s", "x"), transposed("a", "s")), "x s/constant s a"),
        ((transposed("a", "x"), product("s", "a"), total("t", "s", VECTOR)), "x a"),
        ((product("s", "x"), pad("p", "s"), conv("a", "p")), "x a"),
        ((product("s", "x"), pad("p", "s", ((2, 2), (1, 1))), conv("a", "p")), "x s/constant s p a"),
        ((pad("p", "x"), conv("a", "p", strides=(2, 2))), "x p a"),
        ((pad("p", "x", ((0, 1), (1, 1))), conv("a", "p", strides=(2, 2))), "x a"),
        ((pad("p", "x"), total("t", "p"), conv("a", "t")), "x a"),
        ((total("t", "x"), pad("p", "t"), conv("a", "p")), "x t/constant t a"),
        ((product("s", "x", VECTOR), total("t", "s", VECTOR), dense("a", "t")), "x a"),
        ((product("s", "x", VECTOR[None]), dense("a", "s")), "x s/constant s a"),
        ((less("t", "x", VECTOR), dense("a", "t")), "x t/constant t a"),
        ((dense("a", "x"), product("s", "a"), total("t", "s", VECTOR)), "x a"),
        ((dense("a", "x"), less("t", "a")), "x a t/constant t"),
        ((conv("a", "x"), less("t", "a", VECTOR), product("s", "t", VECTOR)), "x a"),
        ((conv("a", "x"), relu("r", "a"), product("s", "r")), "x a r s/constant s"),
        ((conv("a", "x"), relu("r", "a"), product("s", "r"), conv("b", "s")), "x a r b"),
        ((product("s", "x"), product("t", "s")), "x s/constant s t/constant t"),
        ((total("s", "x"), total("t", "s", VECTOR)), "x s/constant s"),
        ((total("s", "x"), less("t", "s")), "x s/constant s t/constant t"),
        ((flat("f", "x", 42, 4), total("t", "f", VECTOR), dense("a", "t")), "x f a"),
        ((conv("a", "x"), flat("f", "a", 20, 4), total("t", "f", VECTOR), relu("r", "t")), "x a r/image f"),
        ((conv("a", "x"), flat("f", "a", 80), total("t", "f", values(80))), "x a f t/constant t"),
        (
            (relu("r", "x"), flat("f", "r", 168), total("t", "f"), dense("a", "t", 168)),
            "x r t/image/constant t/image f a",
        ),
        ((flat("f", "x", 42, 4), flat("g", "f", 6, 7, 4), conv("a", "g")), "x a"),
    ],
)
def test_what_is_taken_in_and_what_stays(operations: tuple[Operation, ...], left: str) -> None:
    assert [one.name for one in absorbed(*operations).operations] == left.split()


def test_what_others_read_too() -> None:
    """A layer behind takes in what it reads all the same, a layer before does not."""
    forward = absorbed(product("s", "x"), conv("a", "s"), conv("b", "s"), outputs=["a", "b"])
    assert [one.name for one in forward.operations] == ["x", "a", "b"]
    kept = absorbed(product("s", "x"), conv("a", "s"), relu("r", "s"), outputs=["a", "r"])
    assert [one.name for one in kept.operations] == ["x", "s/constant", "s", "a", "r"]
    backward = absorbed(conv("a", "x"), product("s", "a"), outputs=["a", "s"])
    assert [one.name for one in backward.operations] == ["x", "a", "s/constant", "s"]


def test_constants_hang_on_the_first_input_with_the_rank_of_their_operand() -> None:
    after = absorbed(relu("r", "x"), less("t", "r", VECTOR[None], first=True))
    held = after.by_name["t/constant"]
    assert isinstance(held, Constant)
    assert (held.inputs, held.values.shape) == (("x",), (1, 1, 4))
    assert after.by_name["t"].inputs == ("t/constant", "r")


def single(value: float) -> float:
    return float(np.float32(value))


def test_product_and_sum_behind_a_layer_round_in_turn() -> None:
    """A bias of which product and sum, rounded at once, would be another number."""
    b, s, t = (np.full(4, one, np.float32) for one in (1 + 2**-12, 1 + 2**-12, 2.0**-25))
    layer = Conv2D(name="a", inputs=("x",), kernel=values(3, 3, 4, 4), bias=b)
    after = absorbed(layer, product("s", "a", s), total("t", "s", t)).by_name["a"]
    assert isinstance(after, Conv2D)
    exact = float(b[0]) * float(s[0])
    assert after.bias[0] == single(single(exact) + float(t[0])) != single(exact + float(t[0]))
    assert after.kernel[2, 1, 3, 0] == single(float(layer.kernel[2, 1, 3, 0]) * float(s[0]))


def test_a_sum_before_a_convolution_is_added_weight_by_weight() -> None:
    layer = conv("a", "t")
    after = absorbed(total("t", "x"), layer).by_name["a"]
    assert isinstance(after, Conv2D)
    for channel in range(4):
        bias = float(layer.bias[channel])
        for weight in layer.kernel[..., channel].ravel():
            bias = single(bias + single(float(weight) * float(NUMBER)))
        assert after.bias[channel] == bias


def test_a_sum_before_a_dense_layer_loses_nothing() -> None:
    """Neumaier's summation: 1e8 + 1 - 1e8 is 1, though float32 does not have 1e8 + 1."""
    kernel = np.array([[1e8], [1.0], [-1e8], [0.0]], np.float32)
    layer = Dense(name="a", inputs=("t",), kernel=kernel, bias=np.zeros(1, np.float32))
    before = Network(name="n", operations=(X, total("t", "x", np.ones(4, np.float32)), layer), outputs=("a",))
    after = absorb(before).by_name["a"]
    assert isinstance(after, Dense)
    assert after.bias.tolist() == [1.0]
