"""Contractions, attention and views of Keras: over their options each model is what Keras predicts, or refused."""

# Keras ships no types, so what a lambda makes of its tensors has none.
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from hwsim.errors import ModelError, UnsupportedError
from hwsim.loaders import load, load_with_model
from hwsim.network import Conv2D, Dense, MatMul, Network, Softmax
from hwsim.reference import prove_import

Build = Callable[..., Any]
Shapes = tuple[tuple[int, ...], ...]

LINE, OTHER, IMAGE = (6, 8), (5, 8), (3, 4, 8)


def model_of(shapes: Shapes, build: Build) -> Any:
    """Return a model of so many inputs with random weights, biases and scales too."""
    inputs = [keras.Input(shape) for shape in shapes]
    model = keras.Model(inputs, build(*inputs))
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if "seed" not in weight.name:
            weight.assign(generator.normal(0, 0.5, weight.shape))
    return model


def proved(shapes: Shapes, build: Build) -> Network:
    """Return the network of a model, which is Keras' in float."""
    network, model = load_with_model(model_of(shapes, build))
    found = prove_import(network, model)
    assert found.import_error is not None
    assert found.import_error < 1e-5
    return found


def einsum_dense(equation: str, *shape: int | None, **options: Any) -> Build:
    layer: Build = layers.EinsumDense(equation, shape, **options)
    return layer


EINSUM_DENSE: Mapping[str, tuple[Shapes, Build, list[str]]] = {
    "a dense layer": ((LINE,), einsum_dense("abc,cd->abd", 6, 5, bias_axes="d", activation="relu"), ["dense"]),
    "an ellipsis": ((LINE,), einsum_dense("...x,xy->...y", 5, bias_axes="y"), ["dense"]),
    "an ellipsis behind": (
        (LINE,),
        einsum_dense("ab...,bc->ac...", 5, 8, bias_axes="c", activation="gelu"),
        ["rearrange", "dense", "curve", "rearrange"],
    ),
    "heads": ((LINE,), einsum_dense("abc,cde->abde", 6, 5, 2, bias_axes="de"), ["dense", "reshape"]),
    "heads, softmax": (
        (LINE,),
        einsum_dense("abc,cde->abde", 6, 5, 2, bias_axes="e", activation="softmax"),
        ["dense", "reshape", "softmax"],
    ),
    "two axes summed": (
        (IMAGE,),
        einsum_dense("abcd,cde->abe", 3, 5, bias_axes="e"),
        ["reshape", "dense"],
    ),
    "a bias for each place": (
        (IMAGE,),
        einsum_dense("abcd,cde->abe", 3, 5, bias_axes="be", activation="relu"),
        ["reshape", "dense", "constant", "add"],
    ),
    "weights turned": ((LINE,), einsum_dense("abc,dc->abd", 6, 5), ["dense"]),
    "result turned": ((LINE,), einsum_dense("abc,bd->adc", 5, 8), ["rearrange", "dense", "rearrange"]),
    "weights for each place": (
        (IMAGE,),
        einsum_dense("abcd,bde->abce", 3, 4, 5, bias_axes="e"),
        ["rearrange", "grouped_conv2d", "rearrange"],
    ),
    "a weight for each value": (
        (LINE,),
        einsum_dense("abc,bc->abc", 6, 8, bias_axes="c"),
        ["reshape", "depthwise_conv2d", "reshape"],
    ),
    "all summed": ((LINE,), einsum_dense("abc,bcd->ad", 5, bias_axes="d"), ["reshape", "dense"]),
}


@pytest.mark.parametrize("name", EINSUM_DENSE)
def test_an_einsum_dense_is_a_product_between_rearrangements(name: str) -> None:
    shapes, build, wanted = EINSUM_DENSE[name]
    kinds = [one.kind for one in proved(shapes, build).operations]
    assert kinds == ["input", *wanted]


MATRICES = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
CONTRACTIONS: Mapping[str, tuple[Shapes, Build]] = {
    "scores": ((LINE, OTHER), lambda x, y: ops.einsum("bic,bjc->bij", x, y)),
    "scores of heads": (((6, 2, 4), (5, 2, 4)), lambda x, y: ops.einsum("bihc,bjhc->bhij", x, y)),
    "values of heads": (((2, 6, 5), (5, 2, 4)), lambda x, y: ops.einsum("bhij,bjhc->bihc", x, y)),
    "an outer product": (((6, 2), (5, 2)), lambda x, y: ops.einsum("bic,bjd->bcidj", x, y)),
    "value by value": ((LINE, LINE), lambda x, y: ops.einsum("bij,bij->bij", x, y)),
    "depth first": (((8, 6), (8, 5)), lambda x, y: ops.einsum("bki,bkj->bij", x, y)),
    "ellipses": (((2, 6, 4), (2, 5, 4)), lambda x, y: ops.einsum("...ic,...jc->...ij", x, y)),
    "a constant": ((LINE,), lambda x: ops.einsum("bic,cd->bid", x, MATRICES[:, :3])),
    "a constant first": ((LINE,), lambda x: ops.einsum("ij,bjc->bic", MATRICES[:3, :6], x)),
    "matrices": ((LINE, (8, 5)), ops.matmul),
    "matrices by operator": ((LINE, (8, 5)), lambda x, y: x @ y),
    "a matrix": ((LINE,), lambda x: ops.matmul(x, MATRICES[:, :3])),
    "a matrix first": ((LINE,), lambda x: ops.matmul(MATRICES[:3, :6], x)),
    "a matrix for vectors": (((8,),), lambda x: ops.matmul(x, MATRICES[:, :3])),
}


@pytest.mark.parametrize("name", CONTRACTIONS)
def test_a_contraction_is_what_keras_computes(name: str) -> None:
    proved(*CONTRACTIONS[name])


def test_what_lies_in_place_is_not_moved() -> None:
    for build, turned in (("bic,bjc->bij", (False, True)), ("bci,bcj->bij", (True, False))):
        network = proved(((6, 6), (6, 6)), lambda x, y, equation=build: ops.einsum(equation, x, y))
        product = network.operations[-1]
        assert isinstance(product, MatMul)
        assert product.transpose == turned
        assert [one.kind for one in network.operations] == ["input", "input", "matmul"]


def heads(*arguments: Any, causal: bool = False, scores: bool = False, **options: Any) -> Build:
    """Return multi-head attention of a sequence with itself, or of several."""

    def build(*inputs: Any) -> Any:
        layer = layers.MultiHeadAttention(*arguments, **options)
        sources = inputs if len(inputs) > 1 else inputs * 2
        return layer(*sources, use_causal_mask=causal, return_attention_scores=scores)

    return build


def shared_heads(causal: bool = False, scores: bool = False, **options: Any) -> Build:
    def build(x: Any) -> Any:
        layer = layers.GroupQueryAttention(4, 4, 2, **options)
        return layer(x, x, use_causal_mask=causal, return_attention_scores=scores)

    return build


def attended(layer: Any, **arguments: Any) -> Build:
    return lambda *inputs: layer(list(inputs) if len(inputs) > 1 else list(inputs) * 2, **arguments)


def by_parts(x: Any, **options: Any) -> Any:
    """Return attention by keras.ops alone."""
    parts = [ops.reshape(one, (-1, 6, 2, 4)) for one in (x, x * 0.5, x + 1.0)]
    return ops.dot_product_attention(*parts, **options)


ATTENTION: Mapping[str, tuple[Shapes, Build]] = {
    "self": ((LINE,), heads(2, 4)),
    "cross": ((LINE, (5, 3)), heads(2, 4, value_dim=3, output_shape=7)),
    "with keys": ((LINE, (5, 3), (5, 2)), heads(3, 5, use_bias=False)),
    "causal": ((LINE,), heads(2, 4, causal=True)),
    "causal and across": ((LINE, OTHER), heads(2, 4, causal=True, scores=True)),
    "scores": ((LINE,), heads(2, 4, output_shape=(2, 3), scores=True)),
    "columns": ((IMAGE,), heads(2, 4, attention_axes=2)),
    "rows": ((IMAGE,), heads(2, 4, attention_axes=(1,), scores=True)),
    "all places": ((IMAGE,), heads(2, 4, scores=True)),
    "a window": ((LINE,), heads(2, 4, sliding_window=2)),
    "a causal window": ((LINE,), heads(2, 4, sliding_window=3, causal=True, scores=True)),
    "a gate": ((LINE,), heads(2, 4, use_gate=True)),
    "dropout": ((LINE,), heads(2, 4, dropout=0.5)),
    "grouped queries": ((LINE,), shared_heads()),
    "grouped, causal": ((LINE,), shared_heads(causal=True, scores=True, use_bias=False)),
    "grouped, gated": ((LINE,), shared_heads(use_gate=True, sliding_window=2)),
    "dot": ((LINE, OTHER), attended(layers.Attention())),
    "dot scaled": (
        (LINE, OTHER, OTHER),
        attended(layers.Attention(use_scale=True), use_causal_mask=True, return_attention_scores=True),
    ),
    "concat": ((LINE, OTHER), attended(layers.Attention(use_scale=True, score_mode="concat"))),
    "concat plain": ((LINE,), attended(layers.Attention(score_mode="concat"))),
    "additive": ((LINE, OTHER), attended(layers.AdditiveAttention())),
    "additive plain": ((LINE,), attended(layers.AdditiveAttention(use_scale=False), return_attention_scores=True)),
    "by operations": ((LINE,), lambda x: by_parts(x, is_causal=True)),
    "by operations, scaled": ((LINE,), lambda x: by_parts(x, scale=0.3)),
    "by softmax": ((LINE, OTHER), lambda x, y: ops.softmax(x @ ops.transpose(y, (0, 2, 1)) / 2.0) @ y),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_what_keras_computes(name: str) -> None:
    proved(*ATTENTION[name])


def test_the_factor_of_the_scores_lies_in_the_querys_weights() -> None:
    model = model_of((LINE,), heads(2, 3))
    layer, network = model.layers[-1], load(model)
    query, key = network.by_name[f"{layer.name}/query"], network.by_name[f"{layer.name}/key"]
    assert isinstance(query, Dense)
    assert isinstance(key, Dense)
    factor = np.float64(3) ** -0.5
    weights = layer.query_dense.kernel.numpy().reshape(8, 6)
    np.testing.assert_array_equal(query.kernel, (weights * factor).astype(np.float32))
    np.testing.assert_array_equal(query.bias, (layer.query_dense.bias.numpy().ravel() * factor).astype(np.float32))
    np.testing.assert_array_equal(key.kernel, layer.key_dense.kernel.numpy().reshape(8, 6))
    assert not any(one.kind == "scale_shift" for one in network.operations)


def test_masks_of_causal_attention_and_of_windows() -> None:
    rows, columns = np.ogrid[:6, :6]
    for build, wanted in (
        (heads(2, 4, causal=True), rows >= columns),
        (heads(2, 4, sliding_window=2), abs(rows - columns) < 2),
        (heads(2, 4, sliding_window=3, causal=True), (rows >= columns) & (rows - columns < 3)),
    ):
        network = load(model_of((LINE,), build))
        (softmax,) = [one for one in network.operations if isinstance(one, Softmax)]
        assert softmax.mask is not None
        np.testing.assert_array_equal(softmax.mask, np.broadcast_to(wanted, (2, 6, 6)))


VIEWS: Mapping[str, Build] = {
    "a place": lambda x: x[:, 0],
    "slices": lambda x: x[:, 1:, ::2],
    "an ellipsis": lambda x: x[..., 3],
    "a new axis": lambda x: x[:, None],
    "transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "reshape": lambda x: ops.reshape(x, (-1, 3, 16)),
    "concatenate": lambda x: ops.concatenate([x, x[:, :2]], 1),
    "expand": lambda x: ops.expand_dims(x, 1),
    "squeeze": lambda x: ops.squeeze(x[:, :1], 1),
    "swap": lambda x: ops.swapaxes(x, 1, -1),
    "move": lambda x: ops.moveaxis(x, 2, 1),
    "flip": lambda x: ops.flip(x, 1),
    "repeat": lambda x: ops.repeat(x, 2, 1),
    "tile": lambda x: ops.tile(x, (1, 2, 1)),
    "split": lambda x: ops.split(x, 4, 2),
    "split unevenly": lambda x: ops.split(x, [2, 3], 1),
    "unstack": lambda x: ops.unstack(x, axis=1),
    "softmax of rows": lambda x: ops.softmax(x, 1),
    "a token": lambda x: layers.Concatenate(axis=1)([ops.zeros_like(x[:, :1]) + MATRICES[0], x]),
    "ones": lambda x: ops.ones_like(x) + x,
    "padded by a number": lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 2)), constant_values=-0.75),
    "padded by nothing": lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 2))),
    "an image padded": lambda x: ops.pad(ops.expand_dims(x, 1), ((0, 0), (1, 2), (3, 0), (0, 0))),
    "mirrored": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3)), "reflect"),
    "mirrored with the border": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3)), "symmetric"),
    "mean of places": lambda x: ops.mean(x, 1),
    "mean of channels": lambda x: ops.mean(x, -1, keepdims=True),
    "mean of all": lambda x: ops.mean(x, (1, 2), keepdims=True),
    "mean of an image": lambda x: ops.mean(ops.expand_dims(x, 1), (1, 2)),
    "mean of an image, kept": lambda x: ops.mean(ops.expand_dims(x, 1), (1, 2), keepdims=True),
    "mean of outer axes": lambda x: ops.mean(ops.reshape(x, (-1, 2, 3, 8)), (1, -1)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_what_keras_computes(name: str) -> None:
    proved((LINE,), VIEWS[name])


@pytest.mark.parametrize("name", [name for name in VIEWS if name.startswith("mean")])
def test_a_mean_with_a_scale_of_its_own(name: str) -> None:
    model = model_of((LINE,), VIEWS[name])
    network = load(model, target="tflite-int8")
    assert {"mean", "kept_mean"} & {one.kind for one in network.operations}
    prove_import(network, model)


def test_a_mean_that_becomes_one_pixel_again_keeps_its_axes() -> None:
    """As TensorFlow's converter reads a gate; with another reader of the flat mean, it does not."""

    def gate(x: Any) -> Any:
        return layers.Multiply()([x, layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D(name="squeeze")(x))])

    def both(x: Any) -> list[Any]:
        flat = layers.GlobalAveragePooling2D(name="squeeze")(x)
        return [layers.Multiply()([x, layers.Reshape((1, 1, 8))(flat)]), layers.Dense(2)(flat)]

    for build, kind in ((gate, "kept_mean"), (both, "mean")):
        model = model_of((IMAGE,), build)
        network = load(model, target="tflite-int8")
        assert network.by_name["squeeze"].kind == kind
        assert (len(network.operations) == 3) == (kind == "kept_mean")
        prove_import(network, model)
    assert load(model_of((IMAGE,), gate)).by_name["squeeze"].kind == "average_pool"


def test_a_mean_of_one_pixel_that_stays_one_is_gone() -> None:
    """A mean that drops its axes stays."""
    for kept, kinds in ((True, ["input", "dense"]), (False, ["input", "mean", "reshape", "dense"])):
        pooled = layers.GlobalAveragePooling2D(keepdims=kept)
        model = model_of(((1, 1, 8),), lambda x, pooled=pooled: layers.Dense(2)(pooled(x)))
        network = load(model, target="tflite-int8")
        assert [one.kind for one in network.operations] == kinds
        prove_import(network, model)


@pytest.mark.parametrize("activation", ["silu", "leaky_relu"])
def test_functions_that_a_target_reads_as_operations_of_their_own(activation: str) -> None:
    model = model_of((LINE,), layers.Dense(4, activation=activation))
    kinds = [one.kind for one in load(model, target="tflite-int8").operations]
    assert kinds == ["input", "dense", *{"silu": ["curve", "multiply"], "leaky_relu": ["leaky_relu"]}[activation]]
    assert len(load(model).operations) == {"silu": 3, "leaky_relu": 2}[activation]
    prove_import(load(model, target="tflite-int8"), model)


def masked(x: Any, mask: Any) -> Any:
    return layers.MultiHeadAttention(2, 4)(x, x, attention_mask=mask)


REFUSED: Mapping[str, tuple[Shapes, Build, str]] = {
    "a mask": ((LINE, (6, 6)), masked, "called with attention_mask"),
    "a mask of the dot": (
        (LINE, (6,)),
        lambda x, m: layers.Attention()([x, x], mask=[m, m]),
        "called with a mask; hwsim computes with all values",
    ),
    "a mask of the softmax": ((LINE, LINE), layers.Softmax(), "perhaps a mask"),
    "causal over an image": (
        (IMAGE,),
        heads(2, 4, attention_axes=(2,), sliding_window=2),
        "over other axes than that of a sequence",
    ),
    "a window that leaves nothing": (
        (LINE, (2, 8)),
        heads(2, 4, sliding_window=2),
        "its mask leaves nothing of a line along axis 2",
    ),
    "a sum of one operand": (
        (LINE,),
        einsum_dense("abc,cd->ad", 5),
        "equation 'abc,cd->ad': sums over b of one operand",
    ),
    "a single value": (
        (LINE,),
        einsum_dense("abc,bc->a"),
        "equation 'abc,bc->a': its result has no axis but the batch",
    ),
    "a sum over samples": (
        (LINE, LINE),
        lambda x, y: ops.einsum("bij,bkj->ik", x, y),
        "equation 'bij,bkj->ik': the first axis of its tensors is not the batch",
    ),
    "a diagonal": ((((6, 6)), (6, 6)), lambda x, y: ops.einsum("bii,bij->bij", x, y), "takes the diagonal in 'bii'"),
    "one operand": ((LINE,), lambda x: ops.einsum("bij->bji", x), "equation 'bij->bji'"),
    "samples mixed": ((LINE,), lambda x: ops.reshape(x, (-1, 8)), "moves values from sample to sample"),
    "samples turned": ((LINE,), lambda x: ops.transpose(x, (1, 0, 2)), "moves values from sample to sample"),
    "no axis left": (((6,),), lambda x: x[:, 0], "leaves no axis but the batch"),
    "ranks that differ": (((2, 6, 8), (8, 5)), ops.matmul, "multiplies samples of the shapes"),
    "a mean over everything": ((LINE,), lambda x: ops.mean(x, (1, 2)), "leaves none but the batch"),
    "a mean over samples": ((LINE,), ops.mean, "averages over the samples of a batch"),
    "padded samples": ((LINE,), lambda x: ops.pad(x, 1), "the batch first, which stays as it is"),
    "a mode of padding": ((LINE,), lambda x: ops.pad(x, ((0, 0), (0, 1), (0, 0)), "edge"), "mode edge"),
    "a bias": ((LINE,), lambda x: by_parts(x, bias=MATRICES[:6, :6]), "called with bias"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name: str) -> None:
    shapes, build, reason = REFUSED[name]
    with pytest.raises((ModelError, UnsupportedError)) as caught:
        load(model_of(shapes, build))
    assert reason in str(caught.value)


def test_a_grouped_product_has_a_group_for_each_place() -> None:
    network = proved((IMAGE,), einsum_dense("abcd,bde->abce", 3, 4, 5))
    (product,) = [one for one in network.operations if isinstance(one, Conv2D)]
    assert (product.groups, product.kernel.shape) == (3, (1, 1, 8, 15))


def test_attention_in_a_file_is_that_of_the_model(tmp_path: Any) -> None:
    model = model_of((LINE,), lambda x: shared_heads(causal=True)(heads(2, 4)(x))[:, 0])
    model.save(tmp_path / "model.keras")
    found, wanted = load(tmp_path / "model.keras"), load(model)
    assert [one.kind for one in found.operations] == [one.kind for one in wanted.operations]
    prove_import(found, model)
