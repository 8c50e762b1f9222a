"""The rewrites: what they fold and fuse, what they must leave, and that the function stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from hwsim.network import (
    Activation,
    Add,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Input,
    MatMul,
    MaxPool,
    Multiply,
    Network,
    Operation,
    Pad,
    Rearrange,
    Relu,
    Reshape,
    ScaleShift,
)
from hwsim.network.mac import Floats
from hwsim.network.operation import Sides
from hwsim.network.rewrite import drop_unused, merge_pairs, simplify
from hwsim.reference import run_network

NONE: Sides = ((0, 0), (0, 0))
ONE: Sides = ((1, 1), (1, 1))


def values(*shape: int) -> Floats:
    """Return values that differ from one shape to the next but not from run to run."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def image(channels: int = 4) -> Input:
    return Input(name="x", shape=(6, 7, channels))


def conv(name: str, source: str, groups: int = 1, padding: Sides = NONE, outputs: int = 4, **more: Any) -> Conv2D:
    kernel = values(3, 3, 4 // groups, outputs)
    bias = values(outputs)
    return Conv2D(name=name, inputs=(source,), kernel=kernel, bias=bias, groups=groups, padding=padding, **more)


def scale(name: str, source: str, shift: float = 1.0, channels: int = 4, **more: Any) -> ScaleShift:
    bias = values(channels, 1).reshape(-1) * np.float32(shift)
    return ScaleShift(name=name, inputs=(source,), scale=values(channels), bias=bias, **more)


def transposed(name: str, source: str) -> Conv2DTranspose:
    kernel, bias = values(3, 3, 4, 4), values(4)
    return Conv2DTranspose(
        name=name, inputs=(source,), kernel=kernel, bias=bias, size=(12, 14), strides=(2, 2), cut=(0, 1)
    )


def relu(name: str, source: str) -> Activation:
    return Activation(name=name, inputs=(source,), function=Relu(max_value=1.0, negative_slope=0.1))


def network(*operations: Operation, outputs: Sequence[str] = ()) -> Network:
    return Network(name="n", operations=operations, outputs=tuple(outputs) or (operations[-1].name,))


def simplified(before: Network, *names: str) -> Network:
    """Return the simplified network; assert that its operations are ``names`` and its function the same."""
    after = simplify(before)
    assert tuple(operation.name for operation in after.operations) == names
    data = [values(2, *one.shape) for one in before.inputs]
    found, wanted = run_network(after, data), run_network(before, data)
    assert len(after.outputs) == len(before.outputs)
    for ours, theirs in zip(after.outputs, before.outputs, strict=True):
        np.testing.assert_allclose(found[ours], wanted[theirs], rtol=0, atol=1e-5 * np.abs(wanted[theirs]).max())
    assert all(weights.dtype == np.float32 for one in after.operations for weights in _arrays(one))
    return after


def _arrays(operation: Operation) -> list[Floats]:
    return [value for value in vars(operation).values() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("padding", [NONE, ONE])
def test_a_scale_folds_into_the_convolution_before(groups: int, padding: Sides) -> None:
    before = network(image(), conv("conv", "x", groups, padding, outputs=8), scale("norm", "conv", channels=8))
    assert simplified(before, "x", "conv").outputs == ("conv",)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("outputs", [4, 8])
def test_a_scale_folds_into_the_convolution_after(groups: int, outputs: int) -> None:
    simplified(network(image(), scale("norm", "x"), conv("conv", "norm", groups, outputs=outputs)), "x", "conv")


def test_a_shift_does_not_fold_into_a_convolution_that_pads() -> None:
    simplified(network(image(), scale("norm", "x"), conv("conv", "norm", padding=ONE)), "x", "norm", "conv")
    uneven: Sides = ((0, 0), (0, 1))
    simplified(network(image(), scale("norm", "x"), conv("conv", "norm", padding=uneven)), "x", "norm", "conv")


def test_a_scale_without_shift_folds_into_a_convolution_that_pads() -> None:
    simplified(network(image(), scale("norm", "x", shift=0), conv("conv", "norm", 2, ONE)), "x", "conv")


def test_a_scale_folds_into_the_transposed_convolution_before() -> None:
    after = simplified(network(image(), transposed("up", "x"), scale("norm", "up"), relu("r", "norm")), "x", "up")
    operation = after.by_name["up"]
    assert isinstance(operation, Conv2DTranspose)
    assert operation.activation is not None


def test_a_scale_folds_into_the_transposed_convolution_after_if_it_has_no_shift() -> None:
    simplified(network(image(), scale("norm", "x"), transposed("up", "norm")), "x", "norm", "up")
    simplified(network(image(), scale("norm", "x", shift=0), transposed("up", "norm")), "x", "up")


def test_an_activation_fuses_into_a_product_but_a_scale_stays() -> None:
    gate = Multiply(name="gate", inputs=("x", "conv"))
    simplified(network(image(), conv("conv", "x", padding=ONE), gate, relu("r", "gate")), "x", "conv", "gate")
    simplified(network(image(), conv("conv", "x", padding=ONE), gate, scale("s", "gate")), "x", "conv", "gate", "s")


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_scales_fold_into_dense_on_both_sides(shape: tuple[int, ...]) -> None:
    dense = Dense(name="dense", inputs=("before",), kernel=values(4, 5), bias=values(5))
    first, last = scale("before", "x"), scale("after", "dense", channels=5)
    simplified(network(Input(name="x", shape=shape), first, dense, last), "x", "dense")


def test_scales_in_a_row_become_one() -> None:
    simplified(network(image(), scale("one", "x"), scale("two", "one"), scale("three", "two")), "x", "one")


def test_a_scale_between_convolutions_folds_into_the_first() -> None:
    before = network(image(), conv("a", "x"), scale("norm", "a"), conv("b", "norm", padding=ONE))
    simplified(before, "x", "a", "b")


@pytest.mark.parametrize("rule", ["another reader", "an output"])
def test_a_tensor_with_two_readers_is_not_changed(rule: str) -> None:
    operations: list[Operation] = [image(), conv("conv", "x"), scale("norm", "conv"), relu("relu", "norm")]
    if rule == "another reader":
        operations.append(Add(name="add", inputs=("conv", "relu")))
        simplified(network(*operations), "x", "conv", "norm", "add")
    else:
        simplified(network(*operations, outputs=["conv", "relu"]), "x", "conv", "norm")


def test_a_tensor_read_twice_by_one_operation_is_not_changed() -> None:
    add = Add(name="add", inputs=("norm", "norm"))
    simplified(network(image(), conv("conv", "x"), scale("norm", "conv"), add), "x", "conv", "add")
    add = Add(name="add", inputs=("relu", "relu"))
    simplified(
        network(image(), Pad(name="pad", inputs=("x",), padding=ONE), relu("relu", "pad"), add),
        "x",
        "pad",
        "relu",
        "add",
    )


def test_a_scale_with_two_readers_stays_before_convolutions() -> None:
    operations = [image(), scale("norm", "x"), conv("a", "norm"), conv("b", "norm")]
    simplified(network(*operations, outputs=["a", "b"]), "x", "norm", "a", "b")


def test_scales_do_not_fold_over_activations() -> None:
    simplified(network(image(), conv("a", "x"), relu("r", "a"), scale("norm", "r")), "x", "a", "norm")
    simplified(network(image(), scale("norm", "x"), relu("r", "norm"), conv("a", "r")), "x", "norm", "a")
    simplified(network(image(), conv("a", "x", activation=Relu()), scale("norm", "a")), "x", "a", "norm")
    simplified(network(image(), scale("norm", "x", activation=Relu()), conv("a", "norm")), "x", "norm", "a")


def test_a_fused_activation_of_a_scale_goes_to_the_convolution_before() -> None:
    after = simplified(network(image(), conv("a", "x"), scale("norm", "a", activation=Relu())), "x", "a")
    operation = after.by_name["a"]
    assert isinstance(operation, Conv2D)
    assert operation.activation == Relu()


def test_scales_do_not_fold_over_reshapes_and_pools() -> None:
    reshape = Reshape(name="flat", inputs=("norm",), shape=(168,))
    dense = Dense(name="dense", inputs=("flat",), kernel=values(168, 2), bias=values(2))
    simplified(network(image(), scale("norm", "x"), reshape, dense), "x", "norm", "flat", "dense")
    pool = MaxPool(name="pool", inputs=("conv",), window=(2, 2), strides=(1, 1))
    simplified(network(image(), conv("conv", "x"), pool, scale("norm", "pool")), "x", "conv", "pool", "norm")


def test_after_an_activation_a_scale_folds_forward() -> None:
    before = network(image(), conv("a", "x"), relu("r", "a"), scale("norm", "r"), conv("b", "norm"))
    simplified(before, "x", "a", "b")


def test_activations_fuse_into_what_makes_their_input() -> None:
    dense = Dense(name="dense", inputs=("add",), kernel=values(4, 5), bias=values(5))
    before = network(
        image(), conv("a", "x"), relu("a/relu", "a"), scale("s", "x"), relu("s/relu", "s"),
        conv("b", "s/relu"), Add(name="add", inputs=("a/relu", "b")), relu("add/relu", "add"),
        Dense(name="dense", inputs=("add/relu",), kernel=dense.kernel, bias=dense.bias), relu("out", "dense"),
    )  # fmt: skip
    after = simplified(before, "x", "a", "s", "b", "add", "dense")
    assert after.outputs == ("dense",)
    assert after.by_name["add"].inputs == ("a", "b")


def test_a_second_activation_and_one_after_a_pool_stand_alone() -> None:
    simplified(network(image(), conv("a", "x"), relu("one", "a"), relu("two", "one")), "x", "a", "two")
    pool = MaxPool(name="pool", inputs=("x",), window=(2, 2), strides=(1, 1))
    simplified(network(image(), pool, relu("relu", "pool")), "x", "pool", "relu")
    simplified(network(image(), relu("relu", "x")), "x", "relu")


def test_operations_that_no_output_needs_are_dropped() -> None:
    other = Input(name="y", shape=(3,))
    before = network(image(), other, conv("a", "x"), relu("dead", "a"), conv("b", "a"), outputs=["b"])
    assert [one.name for one in drop_unused(before).operations] == ["x", "y", "a", "b"]
    simplified(before, "x", "y", "a", "b")


def test_simplify_keeps_the_rest_and_changes_nothing_twice() -> None:
    before = Network(name="n", operations=(image(), conv("a", "x")), outputs=("a", "a"), import_error=0.5)
    after = simplify(before)
    assert (after.name, after.outputs, after.import_error) == ("n", ("a", "a"), 0.5)
    again = simplify(simplify(network(image(), conv("a", "x"), scale("s", "a"), relu("r", "s"))))
    assert [one.name for one in again.operations] == ["x", "a"]


def test_folding_is_done_in_double_precision() -> None:
    large, third, near = (np.array([value], np.float32) for value in (1e8, 1 / 3, -1e8 / 3))
    dense = Dense(name="dense", inputs=("x",), kernel=third[:, None], bias=large)
    norm = ScaleShift(name="norm", inputs=("dense",), scale=third, bias=near)
    after = simplify(network(Input(name="x", shape=(1,)), dense, norm)).by_name["dense"]
    assert isinstance(after, Dense)
    assert after.bias[0] == np.float32(float(large[0]) * float(third[0]) + float(near[0]))
    assert after.bias[0] != large[0] * third[0] + near[0]


def test_a_rule_may_refuse_everything() -> None:
    before = network(image(), conv("a", "x"), relu("r", "a"))
    after = merge_pairs(before, lambda producer, consumer: None)
    assert [one.name for one in after.operations] == ["x", "a", "r"]


def test_transpositions_are_left_to_the_product() -> None:
    first, second = Input(name="x", shape=(2, 3)), Input(name="y", shape=(4, 2))
    turned = [
        Rearrange(name=f"{one.name}t", inputs=(one.name,), index=np.arange(6 + 2 * number).reshape(one.shape).T)
        for number, one in enumerate((first, second))
    ]
    product = MatMul(name="p", inputs=("xt", "yt"))
    before = network(first, second, *turned, product)
    after = simplify(before)
    assert [one.name for one in after.operations] == ["x", "y", "p"]
    one = after.by_name["p"]
    assert isinstance(one, MatMul)
    assert (one.inputs, one.transpose) == (("x", "y"), (True, True))
    data = [values(2, 2, 3), values(2, 4, 2)]
    wanted, found = (run_network(each, data)["p"] for each in (before, after))
    np.testing.assert_array_equal(found, wanted)
    shared = simplify(network(*before.operations, outputs=("p", "yt")))
    assert shared.by_name["p"].inputs == ("x", "yt")
