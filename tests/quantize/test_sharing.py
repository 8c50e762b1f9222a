"""Scales that are derived in float32, shared or widened: by a rule of its own in plain Python, and on small graphs."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hwsim.errors import TargetError
from hwsim.formats import IntFormat
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    Constant,
    Conv2D,
    Input,
    MaxPool,
    Multiply,
    Network,
    Operation,
    Pad,
    Relu,
    Reshape,
    Softmax,
)
from hwsim.quantize import collect, decide
from hwsim.quantize.decide import fixed_output
from hwsim.quantize.overwritten import overwriters
from hwsim.quantize.scales import single_scale, widened
from hwsim.quantize.sharing import shared_with
from hwsim.target import Target
from hwsim.target.settings import Activations

SHARING = Target.from_dict(
    {
        "name": "sharing",
        "concatenation": {"input_scales": "output"},
        "activation": {"scale_behind_pooling": "input"},
        "activations": {"overwritten": "both"},
    }
)


def f32(value: float) -> float:
    """Return the float32 nearest to a number."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def expected(low: float, high: float, bits: int) -> tuple[float, int]:
    """Return scale and zero point of a range by the rule of ``docs/arithmetic.md``, without NumPy."""
    smallest, largest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    scale = f32(f32(f32(high) - f32(low)) / (largest - smallest))
    zero = f32(smallest - low / scale)
    exact = Fraction(zero)
    away = (2 * abs(exact) + 1) // 2
    return scale, min(max(int(-away if exact < 0 else away), smallest), largest)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_scales_in_float32(bits: int) -> None:
    generator = np.random.default_rng(bits)
    differ = 0
    for _ in range(2000):
        low, high = (float(np.float32(one)) for one in generator.normal(size=2) * 10.0 ** generator.integers(-6, 6))
        low, high = min(low, 0.0), max(high, low + 1e-9, 0.0)
        found = single_scale(low, high, IntFormat(bits=bits), symmetric=False)
        assert found == expected(low, high, bits)
        differ += found[0] != (high - low) / ((1 << bits) - 1)
    assert differ > 1000


@pytest.mark.parametrize(
    ("low", "high", "zero"),
    [
        (-0.5, 254.5, -128),  # lo - low / scale is -127.5: a tie, away from 0
        (-1.5, 253.5, -127),
        (-127.5, 127.5, -1),
        (-128.5, 126.5, 1),
        (0.0, 255.0, -128),
        (-255.0, 0.0, 127),
    ],
)
def test_ties_of_zero_points_go_away_from_0(low: float, high: float, zero: int) -> None:
    assert single_scale(low, high, IntFormat(bits=8), symmetric=False) == (1.0, zero)


@pytest.mark.parametrize("narrow", [False, True])
def test_symmetric_scales_in_float32(narrow: bool) -> None:
    for most in (0.1, 1 / 3, 1.0, 1e-20, 7e20):
        wanted = f32(f32(most) / 127), 0
        assert single_scale(-most, most / 3, IntFormat(bits=8, narrow=narrow), symmetric=True) == wanted


def test_a_range_of_nothing_has_the_scale_1() -> None:
    assert single_scale(0.0, 0.0, IntFormat(bits=8), symmetric=False) == (1.0, -128)
    assert single_scale(0.0, 0.0, IntFormat(bits=8), symmetric=True) == (1.0, 0)


def test_ranges_are_widened() -> None:
    assert widened(0.0, 1.0, 1.0, "to") == (-0.5, 1.0)
    assert widened(0.0, 1.0, 1.0, "by") == (0.0, 1.0)
    assert widened(-0.75, 0.0, 1.0, "to") == (-0.75, 0.5)
    assert widened(-0.75, 0.0, 1.0, "by") == (-1.75, 1.0)
    assert widened(0.25, 0.5, 0.0, "to") == (0.0, 0.5)


def network(*operations: Operation, outputs: tuple[str, ...] = ()) -> Network:
    """Return a network behind an input of (4, 4, 2)."""
    first = Input(name="x", shape=(4, 4, 2))
    return Network(name="made", operations=(first, *operations), outputs=outputs or (operations[-1].name,))


def conv(name: str, source: str = "x", factor: float = 1.0, channels: int = 2) -> Conv2D:
    """Return a convolution of one pixel that keeps the shape."""
    kernel = factor * np.eye(channels, dtype=np.float32)[None, None]
    return Conv2D(name=name, inputs=(source,), kernel=kernel, bias=np.zeros(channels, np.float32))


def pool(name: str, source: str, kind: Any = MaxPool) -> Any:
    """Return a pooling of one pixel."""
    return kind(name=name, inputs=(source,), window=(1, 1), strides=(1, 1))


def joined(name: str, *sources: str) -> Concatenate:
    """Return a concatenation of channels."""
    return Concatenate(name=name, inputs=sources, axis=2)


def test_what_is_concatenated_shares_back_to_what_computes() -> None:
    made = network(
        conv("a"), pool("p", "a"), conv("b", "a"), joined("c", "p", "b"), joined("d", "c", "x"), conv("last", "d")
    )
    assert dict(shared_with(made, SHARING)) == {"a": "d", "p": "d", "b": "d", "c": "d", "x": "d"}
    assert not shared_with(made, Target(name="own"))


def test_the_later_concatenation_wins_and_a_softmax_keeps_its_scale() -> None:
    soft = Softmax(name="s", inputs=("a",), axis=2)
    add = Add(name="sum", inputs=("c", "d"))
    made = network(conv("a"), conv("b"), soft, joined("c", "a", "b"), joined("d", "b", "s"), add)
    assert dict(shared_with(made, SHARING)) == {"a": "c", "b": "d"}


def test_an_activation_behind_a_pooling_shares_only_alone() -> None:
    bent = Activation(name="r", inputs=("p",), function=Relu())
    data = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)

    def scales(*operations: Operation) -> dict[str, float]:
        made = network(*operations)
        plan = decide(made, collect(made, [[data]]), SHARING)
        return {name: one.scale for name, one in plan.tensors.items()}

    for kind in (MaxPool, AveragePool):
        alone = scales(pool("p", "x", kind), bent)
        assert alone["r"] == alone["p"] == alone["x"]
        both = scales(pool("p", "x", kind), bent, joined("c", "p", "r"), conv("last", "c", channels=4))
        assert both["x"] == both["c"]
    other = scales(conv("p"), bent, Add(name="sum", inputs=("p", "r")))
    assert other["r"] < other["p"]


def test_what_is_overwritten() -> None:
    """The first input of the output's shape that nobody else reads; not the network's input, not for its output."""
    multiplied = Multiply(name="m", inputs=("x", "a"))
    assert dict(overwriters(network(conv("a"), multiplied, conv("last", "m")))) == {"a": "m"}
    assert not overwriters(network(conv("a"), multiplied))
    small = pool("g", "a", MaxPool)
    pixel = MaxPool(name="g", inputs=("b",), window=(4, 4), strides=(1, 1))
    scaled = Multiply(name="m", inputs=("g", "a"))
    assert dict(overwriters(network(conv("a"), conv("b"), pixel, scaled, conv("last", "m")))) == {"a": "m"}
    twice = Add(name="m", inputs=("a", "a"))
    assert not overwriters(network(conv("a"), twice, conv("last", "m")))
    flat = Reshape(name="f", inputs=("a",), shape=(32,))
    soft = Softmax(name="s", inputs=("f",), axis=0)
    back = Reshape(name="k", inputs=("s",), shape=(4, 4, 2))
    assert dict(overwriters(network(conv("a"), flat, soft, back, conv("last", "k")))) == {"f": "s"}
    kept = network(conv("a"), flat, soft, back, joined("last", "k", "a"))
    assert not overwriters(kept)
    padded = Pad(name="q", inputs=("a",), padding=((0, 0), (0, 0)))
    assert dict(overwriters(network(conv("a"), padded, small, Add(name="m", inputs=("q", "g")), conv("l", "m")))) == {
        "q": "m"
    }


def test_a_range_covers_what_overwrites_it() -> None:
    data = np.ones((1, 4, 4, 2), np.float32)
    made = network(conv("a"), conv("b", factor=3.0), Add(name="m", inputs=("a", "b")), conv("last", "m"))
    profile = collect(made, [[data]])
    assert [decide(made, profile, one).tensors["a"].maximum for one in (SHARING, Target(name="own"))] == [4.0, 1.0]
    assert profile.tensors["a"].maximum == 1.0


def test_a_constant_is_not_overwritten() -> None:
    data, threes = np.ones((1, 4, 4, 2), np.float32), np.full((4, 4, 2), 3.0)
    held = Constant(name="c", inputs=("x",), values=threes)
    made = network(conv("a"), held, Add(name="m", inputs=("c", "a")), conv("last", "m"))
    plan = decide(made, collect(made, [[data]]), SHARING)
    assert plan.tensors["c"].maximum == 3.0
    assert plan.tensors["a"].maximum == 4.0


@pytest.mark.parametrize(
    ("section", "keys", "words"),
    [
        (
            "weights",
            {"scale_precision": 32, "step": "power_of_two"},
            "weights.step is power_of_two; scales must be free",
        ),
        (
            "activations",
            {"scale_precision": 32, "symmetric": True, "fraction_bits": 4},
            "activations.fraction_bits is 4",
        ),
        ("weights", {"division": "float32_reciprocal", "step": "quadratic"}, "weights.step is quadratic"),
        ("weights", {"range": {"widening": "by"}}, "given without `narrowest`"),
        ("bias", {"headroom": 31}, "31 bits, but a bias of 32 bits has at most 30 to spare"),
    ],
)
def test_what_has_no_meaning_is_refused(section: str, keys: dict[str, Any], words: str) -> None:
    with pytest.raises(TargetError, match=words.replace(".", r"\.")):
        Target.from_dict({"name": "wrong", section: keys})


@pytest.mark.parametrize(
    ("form", "sigmoid", "tanh"),
    [
        ({"bits": 8}, (2.0**-8, -128), (2.0**-7, 0)),
        ({"bits": 8, "signed": False}, (2.0**-8, 0), (2.0**-7, 128)),
        ({"bits": 8, "symmetric": True}, (2.0**-7, 0), (2.0**-7, 0)),
        ({"bits": 8, "signed": False, "symmetric": True}, (2.0**-8, 0), (2.0**-7, 128)),
        ({"bits": 16, "symmetric": True}, (2.0**-15, 0), (2.0**-15, 0)),
    ],
)
def test_fixed_outputs(form: dict[str, Any], sigmoid: tuple[float, int], tanh: tuple[float, int]) -> None:
    for function, wanted in (("sigmoid", sigmoid), ("tanh", tanh)):
        found = fixed_output(function, Activations(**form))
        assert (found.scale, found.zero_point, found.bits) == (*wanted, form["bits"])
