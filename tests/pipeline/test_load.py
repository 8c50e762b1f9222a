"""Every layer that is imported, against Keras' own prediction; every file and model that is refused."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import hwsim
from hwsim.errors import ModelError, UnsupportedError
from hwsim.loaders import load, load_with_model
from hwsim.loaders.keras import import_model
from hwsim.loaders.keras_config import without_unknown_arguments
from hwsim.network import Conv2D, Conv2DTranspose, Multiply, Network, ScaleShift
from hwsim.reference import proof, prove_import, run_network

MODELS = Path(__file__).parents[3] / "shared" / "models"


def compare(network: Network, model: Any, seed: int = 0) -> None:
    """Assert that the network's float run is Keras' prediction, to 1e-5 of the largest magnitude."""
    generator = np.random.default_rng(seed)
    inputs: Any = [generator.normal(size=(2, *one.shape)).astype(np.float32) for one in network.inputs]
    found = run_network(network, inputs, keep=network.outputs)
    given = inputs[0] if isinstance(model, keras.Sequential) else keras.tree.pack_sequence_as(model.input, inputs)
    outputs = keras.tree.flatten(model(given, training=False))
    assert len(outputs) == len(network.outputs)
    for name, output in zip(network.outputs, outputs, strict=True):
        wanted = output.numpy()
        assert found[name].dtype == np.float32
        assert found[name].shape == wanted.shape
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-5 * max(1, np.abs(wanted).max()))


def randomised(model: Any, seed: int = 1) -> Any:
    """Return ``model`` with random weights, so that no bias is zero and no normalisation the identity."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" in weight.name:
            continue
        values = generator.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)
    return model


def checked(model: Any) -> Network:
    """Compare the import before and after the rewrites with Keras; return the latter, proven."""
    randomised(model)
    compare(import_model(model), model)
    network, source = load_with_model(model)
    assert source is model
    compare(network, model)
    proven = prove_import(network, model)
    assert proven.import_error is not None
    assert proven.import_error < 1e-4
    return proven


def kinds(network: Network) -> list[str]:
    return [operation.kind for operation in network.operations]


def sequential(shape: Sequence[int], *stack: Any) -> Any:
    return keras.Sequential([keras.Input(shape), *stack])


LAYERS: list[tuple[str, tuple[int, ...], Any]] = [
    ("conv", (7, 9, 3), layers.Conv2D(4, 3)),
    ("conv without bias", (7, 9, 3), layers.Conv2D(4, 3, use_bias=False)),
    ("conv relu", (7, 9, 3), layers.Conv2D(4, 3, activation="relu")),
    ("conv relu6", (7, 9, 3), layers.Conv2D(4, 3, activation="relu6")),
    ("conv leaky", (7, 9, 3), layers.Conv2D(4, 3, activation="leaky_relu")),
    ("conv with a layer as activation", (7, 9, 3), layers.Conv2D(4, 3, activation=layers.ReLU(1.5))),
    ("conv softmax", (7, 9, 3), layers.Conv2D(4, 3, activation="softmax")),
    ("depthwise relu", (8, 8, 3), layers.DepthwiseConv2D(3, activation="relu")),
    ("depthwise without bias", (8, 8, 3), layers.DepthwiseConv2D(3, use_bias=False)),
    ("separable", (8, 8, 3), layers.SeparableConv2D(5, 3, padding="same", activation="relu")),
    ("separable strided", (8, 8, 3), layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2)),
    ("separable dilated", (8, 8, 3), layers.SeparableConv2D(5, 3, dilation_rate=2, use_bias=False)),
    ("transposed", (4, 5, 3), layers.Conv2DTranspose(4, 3)),
    ("transposed without bias", (4, 5, 3), layers.Conv2DTranspose(4, 3, strides=2, use_bias=False)),
    ("transposed relu6", (4, 5, 3), layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu6")),
    ("transposed softmax", (4, 5, 3), layers.Conv2DTranspose(4, 3, activation="softmax")),
    ("dense", (6,), layers.Dense(4)),
    ("dense without bias", (6,), layers.Dense(4, use_bias=False, activation="relu")),
    ("dense softmax", (6,), layers.Dense(4, activation="softmax")),
    ("dense on an image", (3, 4, 6), layers.Dense(5, activation="relu")),
    ("batch normalization", (4, 5, 3), layers.BatchNormalization()),
    ("batch normalization of a vector", (5,), layers.BatchNormalization(epsilon=0.1)),
    ("batch normalization centred", (4, 5, 3), layers.BatchNormalization(scale=False)),
    ("batch normalization scaled", (4, 5, 3), layers.BatchNormalization(center=False, axis=3)),
    ("rescaling", (4, 5, 3), layers.Rescaling(1 / 127.5, offset=-1)),
    ("rescaling of channels", (4, 5, 3), layers.Rescaling([0.5, 2.0, 3.0], offset=[1.0, 0.0, -1.0])),
    ("normalization", (4, 5, 3), layers.Normalization(mean=[1.0, 2, 3], variance=[4.0, 5, 0.25])),
    ("normalization of all", (4, 5, 3), layers.Normalization(axis=None, mean=1.0, variance=4.0)),
    ("denormalization", (5,), layers.Normalization(mean=2.0, variance=4.0, axis=None, invert=True)),
    ("relu", (4, 5, 3), layers.ReLU()),
    ("relu with all", (4, 5, 3), layers.ReLU(max_value=0.7, negative_slope=0.1)),
    ("leaky relu", (5,), layers.LeakyReLU(negative_slope=0.25)),
    ("leaky relu by default", (5,), layers.LeakyReLU()),
    ("activation relu", (5,), layers.Activation("relu")),
    ("activation relu6", (4, 5, 3), layers.Activation("relu6")),
    ("activation leaky relu", (4, 5, 3), layers.Activation("leaky_relu")),
    ("activation softmax", (4, 5, 3), layers.Activation("softmax")),
    ("softmax", (5,), layers.Softmax()),
    ("softmax over rows", (4, 5, 3), layers.Softmax(axis=1)),
    ("softmax over columns", (4, 5, 3), layers.Softmax(axis=-2)),
    ("global average", (5, 6, 3), layers.GlobalAveragePooling2D()),
    ("global average kept", (5, 6, 3), layers.GlobalAveragePooling2D(keepdims=True)),
    ("global max", (5, 6, 3), layers.GlobalMaxPooling2D()),
    ("global max kept", (5, 6, 3), layers.GlobalMaxPooling2D(keepdims=True)),
    ("flatten", (2, 3, 4), layers.Flatten()),
    ("reshape", (2, 3, 4), layers.Reshape((4, -1))),
    ("reshape to the same", (2, 3, 4), layers.Reshape((2, 3, 4))),
    ("zero padding", (2, 3, 4), layers.ZeroPadding2D(((1, 2), (0, 3)))),
    ("zero padding of one size", (2, 3, 4), layers.ZeroPadding2D(1)),
    ("cropping", (6, 7, 2), layers.Cropping2D(((1, 2), (0, 3)))),
]

NOTHING: list[tuple[tuple[int, ...], Any]] = [
    ((5,), layers.Dropout(0.5)),
    ((5,), layers.AlphaDropout(0.5)),
    ((5,), layers.GaussianNoise(0.5)),
    ((5,), layers.GaussianDropout(0.5)),
    ((5,), layers.ActivityRegularization(l1=0.5)),
    ((5,), layers.Identity()),
    ((5,), layers.Activation("linear")),
    ((5,), layers.Flatten()),
    ((4, 3), layers.SpatialDropout1D(0.5)),
    ((4, 4, 3), layers.SpatialDropout2D(0.5)),
]


@pytest.mark.parametrize(("shape", "layer"), [case[1:] for case in LAYERS], ids=[case[0] for case in LAYERS])
def test_each_layer_does_what_keras_does(shape: tuple[int, ...], layer: Any) -> None:
    checked(sequential(shape, layer))


@pytest.mark.parametrize(("shape", "layer"), NOTHING)
def test_layers_that_do_nothing_at_inference_leave_no_operation(shape: tuple[int, ...], layer: Any) -> None:
    network = checked(sequential(shape, layers.Dense(3, name="dense"), layer))
    assert kinds(network) in (["input", "dense"], ["input", "dense", "reshape"])
    assert network.outputs == ("dense",)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(7, 8), (8, 11)])
@pytest.mark.parametrize("kernel", [1, 2, 3, (5, 4)])
@pytest.mark.parametrize("strides", [1, 2, (3, 2)])
def test_convolution_windows(padding: str, size: tuple[int, int], kernel: Any, strides: Any) -> None:
    checked(sequential((*size, 2), layers.Conv2D(3, kernel, strides=strides, padding=padding)))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("dilation", [2, (3, 2)])
@pytest.mark.parametrize("kernel", [2, 3])
def test_dilated_convolutions(padding: str, dilation: Any, kernel: int) -> None:
    conv = layers.Conv2D(3, kernel, dilation_rate=dilation, padding=padding)
    depthwise = layers.DepthwiseConv2D(kernel, dilation_rate=dilation, padding=padding)
    checked(sequential((9, 10, 2), conv))
    checked(sequential((9, 10, 2), depthwise))


@pytest.mark.parametrize(("channels", "groups", "filters"), [(4, 2, 6), (6, 3, 3), (4, 4, 4), (3, 3, 6)])
@pytest.mark.parametrize("strides", [1, (2, 1)])
def test_grouped_convolutions(channels: int, groups: int, filters: int, strides: Any) -> None:
    conv = layers.Conv2D(filters, 3, strides=strides, groups=groups, padding="same", name="conv")
    network = checked(sequential((6, 7, channels), conv))
    assert network.by_name["conv"].kind == ("depthwise_conv2d" if groups == channels else "grouped_conv2d")


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strides", [1, 2])
def test_depthwise_convolutions(padding: str, multiplier: int, channels: int, strides: int) -> None:
    layer = layers.DepthwiseConv2D(3, strides=strides, padding=padding, depth_multiplier=multiplier, name="depthwise")
    network = checked(sequential((7, 8, channels), layer))
    operation = network.by_name["depthwise"]
    assert isinstance(operation, Conv2D)
    assert operation.kernel.shape == (3, 3, 1, channels * multiplier)
    assert operation.groups == channels


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("window", [2, 3, (4, 3)])
@pytest.mark.parametrize("strides", [None, 1, (2, 3)])
def test_pooling_windows(padding: str, window: Any, strides: Any) -> None:
    for pooling in (layers.MaxPooling2D, layers.AveragePooling2D):
        checked(sequential((7, 10, 2), pooling(window, strides=strides, padding=padding)))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(1, 4), (4, 5)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (5, 4)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 2), (1, 4)])
def test_transposed_convolutions(
    padding: str, size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int]
) -> None:
    for extra in (None, *itertools.product(*map(range, strides))):
        if padding == "same" and extra is not None and any(extra[i] + kernel[i] % 2 == 0 for i in (0, 1)):
            continue  # TensorFlow does not run it
        layer = layers.Conv2DTranspose(3, kernel, strides=strides, padding=padding, output_padding=extra)
        checked(sequential((*size, 2), layer))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("dilation", [2, (3, 1)])
@pytest.mark.parametrize("kernel", [2, 3, (1, 4)])
def test_dilated_transposed_convolutions(padding: str, dilation: Any, kernel: Any) -> None:
    model = sequential((4, 5, 2), layers.Conv2DTranspose(3, kernel, dilation_rate=dilation, padding=padding))
    try:
        model(np.zeros((1, 4, 5, 2), np.float32))
    except tf.errors.OpError:
        pytest.skip("TensorFlow without oneDNN knows no dilation here")
    checked(model)


def test_a_transposed_convolution_takes_a_normalisation_and_an_activation() -> None:
    upwards = layers.Conv2DTranspose(5, 3, strides=2, padding="same", name="up")
    network = checked(sequential((4, 5, 3), upwards, layers.BatchNormalization(), layers.ReLU()))
    assert kinds(network) == ["input", "conv2d_transpose"]
    operation = network.by_name["up"]
    assert isinstance(operation, Conv2DTranspose)
    assert operation.kernel.shape == (3, 3, 3, 5)
    assert (operation.size, operation.cut) == ((8, 10), (0, 0))
    assert operation.activation is not None


def test_a_layers_activation_is_named_after_the_layer() -> None:
    conv = layers.Conv2D(2, 1, activation="relu", name="conv")
    network = import_model(sequential((4, 4, 2), conv, layers.Dense(3, activation="softmax", name="dense")))
    assert [operation.name for operation in network.operations][1:] == [
        "conv",
        "conv/relu",
        "dense",
        "dense/softmax",
    ]
    assert network.outputs == ("dense/softmax",)


def test_a_separable_convolution_is_two_operations() -> None:
    network = checked(sequential((5, 5, 2), layers.SeparableConv2D(3, 3, name="sep")))
    assert [operation.name for operation in network.operations][1:] == ["sep/depthwise", "sep/pointwise"]
    depthwise = network.by_name["sep/depthwise"]
    assert isinstance(depthwise, Conv2D)
    assert not depthwise.bias.any()


@pytest.mark.parametrize("axis", [-1, 1, 2, 3])
def test_concatenation(axis: int) -> None:
    one = keras.Input((4, 4, 3))
    two = layers.Conv2D(3, 1)(one)
    checked(keras.Model(one, layers.Concatenate(axis=axis)([one, two, one])))


def test_addition_of_several_and_of_itself() -> None:
    one = keras.Input((4, 3))
    two = layers.Dense(3)(one)
    three = layers.Add()([one, two, two])
    network = checked(keras.Model(one, layers.Add(name="double")([three, three])))
    assert len(set(network.by_name["double"].inputs)) == 1


@pytest.mark.parametrize("shape", [(4, 5, 3), (1, 1, 3), (4, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("swapped", [False, True])
def test_products_stretch_axes_of_size_one(shape: tuple[int, ...], swapped: bool) -> None:
    pair = [keras.Input((4, 5, 3)), keras.Input(shape)]
    network = checked(keras.Model(pair, layers.Multiply(name="gate")(pair[::-1] if swapped else pair)))
    assert network.shapes["gate"] == (4, 5, 3)


def test_both_factors_stretch() -> None:
    pair = [keras.Input((4, 1, 3)), keras.Input((1, 5, 3))]
    assert checked(keras.Model(pair, layers.Multiply(name="gate")(pair))).shapes["gate"] == (4, 5, 3)


def test_squeeze_and_excite() -> None:
    one = keras.Input((6, 7, 4))
    two = layers.Conv2D(4, 3, name="conv")(one)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(two)
    gate = layers.Conv2D(4, 1, activation="relu6")(layers.Conv2D(2, 1, activation="relu")(gate))
    network = checked(keras.Model(one, layers.ReLU()(layers.Multiply(name="excite")([two, gate]))))
    operation = network.by_name["excite"]
    assert isinstance(operation, Multiply)
    assert operation.activation is not None
    assert network.outputs == ("excite",)


def test_a_product_of_several_is_a_chain() -> None:
    one = keras.Input((4, 3), name="one")
    two, three = layers.Dense(3, name="two")(one), layers.Dense(1, name="three")(one)
    product = layers.Multiply(name="all")([three, two, one, two])
    network = checked(keras.Model(one, layers.BatchNormalization(name="norm")(product)))
    assert kinds(network).count("scale_shift") == 1
    assert [(one.name, one.inputs) for one in network.operations if one.kind == "multiply"] == [
        ("all/1", ("three", "two")),
        ("all/2", ("all/1", "one")),
        ("all", ("all/2", "two")),
    ]


def test_operators_on_tensors() -> None:
    one = keras.Input((4, 3))
    checked(keras.Model(one, one * layers.Dense(1)(one) + one))
    checked(keras.Model(one, keras.ops.relu6(keras.ops.relu(one + layers.Dense(3)(one)) + one)))


def test_several_inputs_and_outputs_keep_their_order() -> None:
    left, right = keras.Input((4,), name="left"), keras.Input((6,), name="right")
    two = layers.Dense(3, name="two")(right)
    one = layers.Dense(3, name="one")(left)
    total = layers.Add(name="total")([one, two])
    network = checked(keras.Model([right, left], [total, two, one]))
    assert [operation.name for operation in network.inputs] == ["right", "left"]
    assert network.outputs == ("total", "two", "one")


def test_inputs_and_outputs_in_dictionaries() -> None:
    given = {"b": keras.Input((4,), name="b"), "a": keras.Input((4,), name="a")}
    total = layers.Add()([given["a"], layers.Dense(4)(given["b"])])
    checked(keras.Model(given, {"y": total, "x": layers.Dense(2)(total)}))


def test_an_input_nobody_reads_and_an_output_that_is_an_input() -> None:
    one, two = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    network = checked(keras.Model([one, two], [layers.Dense(2, name="dense")(one), one]))
    assert [operation.name for operation in network.operations] == ["one", "two", "dense"]
    assert network.outputs == ("dense", "one")


def test_nested_models_get_names_with_their_path() -> None:
    block = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1, name="conv")], name="block")
    inner_input = keras.Input((8, 8, 3))
    inner = keras.Model(inner_input, layers.ReLU(name="act")(block(inner_input)), name="inner")
    outer = keras.Input((8, 8, 3), name="image")
    network = checked(keras.Model(outer, layers.Flatten(name="flat")(inner(outer))))
    assert [operation.name for operation in network.operations] == ["image", "inner/block/conv", "flat"]
    assert [operation.name for operation in import_model(keras.Model(outer, inner(outer))).operations][1:] == [
        "inner/block/conv",
        "inner/act",
    ]


def test_a_nested_model_of_open_size_takes_the_size_of_its_caller() -> None:
    open_input = keras.Input((None, None, 3))
    inner = keras.Model(open_input, layers.Conv2D(2, 3, strides=2, padding="same")(open_input))
    one, two = keras.Input((8, 8, 3)), keras.Input((7, 9, 3))
    checked(keras.Model([one, two], [inner(one), inner(two)]))


def test_nested_models_with_several_tensors() -> None:
    a, b = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model([a, b], [layers.Add()([a, b]), layers.Dense(4)(b), layers.ReLU()(a)], name="inner")
    one, two = keras.Input((4,)), keras.Input((4,))
    total, product, _ = inner([one, two])
    network = checked(keras.Model([two, one], [product, layers.Add()([total, two])]))
    assert "activation" not in kinds(network), "the output nobody reads is dropped"


def test_shared_layers_and_models_are_called_by_unique_names() -> None:
    one, two = keras.Input((4,)), keras.Input((4,))
    dense = layers.Dense(4, name="dense")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="deep")], name="inner")
    outputs = [dense(one), dense(dense(two)), inner(one), inner(two)]
    network = checked(keras.Model([one, two], outputs))
    names = {operation.name for operation in network.operations if operation.kind == "dense"}
    assert names == {"dense", "dense:1", "dense:2", "inner/deep", "inner:1/deep"}


def test_a_model_of_intermediate_tensors() -> None:
    model = sequential((4,), layers.Dense(3, name="first"), layers.Dense(2), layers.Dense(1))
    network = checked(keras.Model(model.get_layer("first").output, model.outputs[0]))
    assert "first" not in network.by_name


def test_a_functional_model_with_its_own_training_step_is_still_functional() -> None:
    class Trained(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)

    one = keras.Input((4,))
    checked(Trained(one, layers.Dense(3)(one)))


def test_integer_inputs() -> None:
    model = keras.Sequential([keras.Input((4, 4, 3), dtype="uint8"), layers.Rescaling(1 / 255)])
    assert prove_import(*load_with_model(model)).import_error == pytest.approx(0, abs=1e-6)


def test_a_fixed_batch_size() -> None:
    one = keras.Input(batch_shape=(3, 4))
    network, model = load_with_model(keras.Model(one, layers.Dense(3)(one)))
    assert network.inputs[0].shape == (4,)
    assert prove_import(network, model).import_error is not None


def small() -> Any:
    one = keras.Input((8, 8, 3), name="image")
    two = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(one)
    two = layers.BatchNormalization(name="norm")(two)
    two = layers.ReLU(max_value=6, name="relu")(two)
    two = layers.DepthwiseConv2D(3, name="depthwise")(two)
    inner = keras.Sequential([keras.Input((6, 6, 4)), layers.Conv2D(4, 1, name="deep")], name="inner")
    two = layers.Add(name="add")([two, inner(two)])
    two = layers.Multiply(name="product")([two, layers.AveragePooling2D(6, name="mean")(two), two])
    two = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu", name="up")(two)
    two = layers.GlobalAveragePooling2D(name="pool")(two)
    return randomised(keras.Model(one, layers.Dense(5, activation="softmax", name="dense")(two)))


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
@pytest.mark.parametrize("as_text", [False, True])
def test_files_give_the_network_of_the_model(tmp_path: Path, suffix: str, as_text: bool) -> None:
    model, path = small(), tmp_path / f"small{suffix}"
    model.compile("adam", "mse")
    model.save(path)
    network, loaded = load_with_model(str(path) if as_text else path)
    compare(network, model)
    assert kinds(network) == kinds(load(model))
    assert [one.name for one in network.operations] == [one.name for one in load(model).operations]
    assert prove_import(network, loaded).import_error is not None


def test_a_compiled_inner_model_in_a_file(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    inner.compile("sgd", keras.losses.MeanSquaredError(), metrics=["mae"])
    one = keras.Input((4,))
    model = keras.Model(one, inner(one))
    model.save(tmp_path / "model.keras")
    compare(load(tmp_path / "model.keras"), model)


def test_old_files_with_groups_where_there_are_none(tmp_path: Path) -> None:
    model, path = small(), tmp_path / "old.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] in ("Conv2DTranspose", "DepthwiseConv2D"):
                layer["config"]["groups"] = 1
        assert without_unknown_arguments(config) != config
        file.attrs["model_config"] = json.dumps(config)
    before = path.read_bytes()
    compare(load(path), model)
    assert path.read_bytes() == before, "the file itself is left alone"


def test_a_network_is_returned_as_it_is() -> None:
    network = load(small())
    assert load(network) is network
    assert load_with_model(network) == (network, None)
    assert prove_import(network, None) is network


def test_importing_the_room_imports_no_framework() -> None:
    code = "import sys, hwsim.loaders, hwsim.reference; print({'keras', 'tensorflow', 'h5py'} & set(sys.modules))"
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={"PYTHONPATH": f"{root}:{root / 'kernels'}"},
    )
    assert found.stdout.strip() == "set()"


# What is refused


def unchanged(x: Any) -> Any:
    """A function of the user's own."""
    return x


class Doubled(layers.Layer):  # type: ignore[misc]
    """A layer of the user's own."""

    def call(self, inputs: Any) -> Any:
        return inputs * 2


class Dense(layers.Dense):  # type: ignore[misc]
    """A layer of the user's own under a name that Keras has too."""


class Subclassed(keras.Model):  # type: ignore[misc]
    """A model that is a program."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.dense = layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


def unsupported(model: Any) -> tuple[str, ...]:
    with pytest.raises(UnsupportedError) as caught:
        load(model)
    return caught.value.layers


def test_all_unsupported_layers_are_listed_at_once() -> None:
    one = keras.Input((8, 8, 4))
    two = layers.Conv2D(4, 3, activation="sparsemax", name="gate")(one)
    two = layers.UpSampling2D(interpolation="bicubic", name="up")(two)
    two = layers.Conv2D(4, 3, name="fine")(two)
    inner = keras.Sequential([keras.Input((10, 10, 4)), layers.PReLU(name="deep")], name="inner")
    two = layers.ReLU(threshold=0.5, name="late")(inner(two))
    two = layers.BatchNormalization(axis=1, name="rows")(two)
    two = layers.Lambda(unchanged, name="code")(two)
    two = Doubled(name="mine")(two)
    two = Dense(3, name="false")(two)
    two = layers.Maximum(name="more")([two, two])
    two = layers.Softmax(axis=[1, 2], name="plane")(two)
    two = layers.Reshape((-1, 3), name="rows_of_three")(two)
    two = layers.LSTM(3, activation="sparsemax", name="memory")(two)
    found = unsupported(keras.Model(one, layers.Dense(2)(two)))
    assert [line.split(":")[0] for line in found] == [
        "gate (Conv2D",
        "up (UpSampling2D",
        "inner/deep (PReLU",
        "late (ReLU",
        "rows (BatchNormalization",
        "code (Lambda",
        "mine (Doubled",
        "false (Dense",
        "more (Maximum",
        "plane (Softmax",
        "memory (LSTM",
    ]
    assert "sparsemax" in found[0]


def test_options_without_an_integer_form_are_unsupported() -> None:
    (channels_first,) = unsupported(sequential((3, 8, 8), layers.MaxPooling2D(data_format="channels_first")))
    assert "channels_first" in channels_first
    (half,) = unsupported(sequential((4,), layers.Dense(3, dtype="mixed_float16")))
    assert "float16" in half
    (custom,) = unsupported(sequential((4,), layers.Dense(3, activation=unchanged)))
    assert "not a function of Keras" in custom
    one = keras.Input((4,))
    (random,) = unsupported(keras.Model(one, layers.Dropout(0.5)(one, training=True)))
    assert "training=True" in random
    inner = keras.Sequential([keras.Input((4,)), layers.BatchNormalization()], name="inner")
    assert unsupported(keras.Model(one, inner(one, training=True)))[0].startswith("inner (Sequential: called")
    (masked,) = unsupported(keras.Model(one, layers.Softmax()(one, mask=keras.ops.relu(one))))
    assert "called with a mask" in masked
    (ranks,) = unsupported(keras.Model(one, layers.Multiply()([one, layers.Reshape((4, 1))(one)])))
    assert "alike but for axes of size 1, got (4,), (4, 1)" in ranks
    turned = layers.Conv2DTranspose(2, 3, data_format="channels_first")
    assert "channels_first" in unsupported(sequential((3, 8, 8), turned))[0]
    impossible = layers.Conv2DTranspose(2, 4, strides=2, padding="same", output_padding=0)
    assert "output_padding 0" in unsupported(sequential((8, 8, 3), impossible))[0]
    quantised = sequential((4,), layers.Dense(3))
    quantised.layers[0].quantize("int8")
    assert "int8" in unsupported(quantised)[0]


def test_layers_after_a_tensor_of_unknown_shape_are_judged_by_class() -> None:
    open_input = keras.Input((None, None, 3))
    x = layers.Maximum(name="up")([open_input, open_input])
    x = layers.Conv2D(3, 3, name="fine")(x)
    inner = keras.Model(open_input, layers.Maximum(name="again")([x, x]), name="inner")
    one = keras.Input((8, 8, 3))
    assert [line.split(" ")[0] for line in unsupported(keras.Model(one, inner(one)))] == [
        "inner/up",
        "inner/again",
    ]


def test_models_that_are_programs_or_not_built_are_refused() -> None:
    model = Subclassed(name="program")
    model(np.zeros((1, 4), np.float32))
    with pytest.raises(ModelError, match=r"program: Subclassed is a subclassed model.*keras\.Model\(inputs"):
        load(model)
    with pytest.raises(ModelError, match=r"not built; call model\.build"):
        load(keras.Sequential([layers.Dense(3)]))
    one = keras.Input((4,))
    assert "Subclassed" in unsupported(keras.Model(one, Subclassed()(one)))[0]


def test_a_sequential_model_built_late_is_imported() -> None:
    model = keras.Sequential([layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(2)])
    model.build((None, 6, 6, 2))
    checked(model)


def test_open_input_sizes_are_refused_without_data() -> None:
    one = keras.Input((None, None, 3), name="image")
    with pytest.raises(ModelError, match=r"image: the input shape \(None, None, 3\) leaves sizes open"):
        load(keras.Model(one, layers.Conv2D(3, 3)(one)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(value: float) -> None:
    model = small()
    kernel = model.get_layer("conv").kernel.numpy()
    kernel[0, 1, 2, 3] = value
    model.get_layer("conv").kernel.assign(kernel)
    with pytest.raises(ModelError, match=rf"^conv: kernel holds {value} at index \(0, 1, 2, 3\)$"):
        load(model)


def test_a_negative_variance_is_refused() -> None:
    model = small()
    model.get_layer("norm").moving_variance.assign([1, 1, -2, 1])
    with pytest.raises(ModelError, match=r"^norm: moving_variance .* index \(2,\)"):
        load(model)


@pytest.mark.parametrize("thing", [None, 3, np.zeros(3), layers.Dense(3)])
def test_things_that_are_no_models(thing: Any) -> None:
    with pytest.raises(ModelError, match="a model is a keras.Model, a hwsim.Network or a path"):
        load(thing)


@pytest.mark.parametrize("name", ["model.onnx", "model", "model.H5", "folder"])
def test_paths_that_are_no_models(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match=r"ends in \.keras, \.h5, \.hdf5 or \.tflite"):
        load(tmp_path / name)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_that_are_not_there(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load(tmp_path / f"missing{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ModelError, match="is a directory"):
        load(tmp_path / f"folder{suffix}")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_truncated_files(tmp_path: Path, suffix: str, fraction: float) -> None:
    path = tmp_path / f"small{suffix}"
    small().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    with pytest.raises(ModelError, match=str(path)):
        load(path)


def rewritten(path: Path, member: str, content: bytes | None) -> None:
    """Replace one member of a ``.keras`` file, or leave it out."""
    copy = path.with_suffix(".zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            if name != member:
                new.writestr(name, old.read(name))
        if content is not None:
            new.writestr(member, content)
    shutil.move(copy, path)


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("config.json", None, "no config.json"),
        ("config.json", b"{", "not valid JSON"),
        ("config.json", b"\xff\xfe\xff", "not valid JSON"),
        ("config.json", b"[" * 100_000, "not valid JSON"),
        ("config.json", b'{"a":' * 900 + b"1" + b"}" * 900, "None"),
        (
            "config.json",
            b'{"class_name":"Functional","config":' * 900 + b"1" + b"}" * 900,
            "Keras cannot read|too deeply",
        ),
        ("config.json", b"[]", "not a JSON object"),
        ("config.json", b"{}", "None"),
        ("model.weights.h5", b"junk", "Keras cannot read"),
        ("model.weights.h5", None, "Keras cannot read"),
    ],
)
def test_damaged_archives(tmp_path: Path, member: str, content: bytes | None, message: str) -> None:
    path = tmp_path / "small.keras"
    small().save(path)
    rewritten(path, member, content)
    with pytest.raises(ModelError, match=message) as caught:
        load(path)
    assert len(str(caught.value)) < 1000


def test_a_file_of_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "only.weights.h5"
    small().save_weights(path)
    with pytest.raises(ModelError, match=r"no model_config .*model\.save"):
        load(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_and_foreign_classes_in_files_are_all_listed_and_never_built(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.Lambda(unchanged, name="deep")], name="inner")
    one = keras.Input((4,))
    two = Doubled(name="mine")(inner(layers.Lambda(unchanged, name="code")(one)))
    path = tmp_path / f"model{suffix}"
    keras.Model(one, two).save(path)

    def forbidden(*_: Any, **__: Any) -> None:
        pytest.fail("Keras was asked to build it")

    monkeypatch.setattr(keras.models, "load_model", forbidden)
    with pytest.raises(ModelError) as caught:
        load(path)
    message = str(caught.value)
    assert not isinstance(caught.value, UnsupportedError)
    for line in ("code (Lambda: runs Python code", "inner/deep (Lambda: runs Python code", "mine (Doubled: "):
        assert line in message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_subclassed_models_in_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model = Subclassed()
        model(np.zeros((1, 4), np.float32))
        model.save(path)
    else:
        small().save(path)
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps({"class_name": "Subclassed", "config": {}})
    with pytest.raises(ModelError, match="'Subclassed'; only Functional and Sequential"):
        load(path)


@pytest.mark.parametrize(
    "part",
    [
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
        {"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": "mine>Dense"},
        {
            "module": "keras.utils",
            "class_name": "get_file",
            "config": {"origin": "x"},
            "registered_name": None,
        },
        {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}},
        {"module": "kerasy.layers", "class_name": "Dense", "config": {}},
        {"module": None, "class_name": "Unheard", "config": {}},
        {"module": "keras", "class_name": "utils.get_file", "config": {}},
        {"module": "keras", "class_name": "function", "config": "utils.get_file", "registered_name": None},
        {"module": "builtins", "class_name": "__lambda__", "config": {"value": ["", None, None]}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "x"}},
        {"class_name": ["Dense"], "config": {}},
    ],
)
def test_hidden_parts_of_a_config_are_refused(tmp_path: Path, part: dict[str, Any]) -> None:
    path = tmp_path / "model.keras"
    sequential((4,), layers.Dense(3, name="dense")).save(path)
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][1]["config"]["kernel_initializer"] = part
    rewritten(path, "config.json", json.dumps(config).encode())
    with pytest.raises(ModelError, match=r"nothing in a model file is executed:\n  dense"):
        load(path)


def test_a_wrong_import_is_noticed() -> None:
    model = sequential(
        (8, 8, 3), layers.Conv2D(10, 3, name="conv"), layers.Flatten(), layers.Dense(1000), layers.Softmax()
    )
    network, _ = load_with_model(model)
    randomised(model)
    with pytest.raises(ModelError, match="softmax.*: the import is wrong, its result differs from Keras by"):
        prove_import(network, model)


def test_a_wrong_import_is_noticed_where_the_outputs_say_nothing() -> None:
    model = sequential(
        (8, 8, 3),
        layers.Conv2D(4, 3, name="conv"),
        layers.MaxPooling2D(name="pool"),
        layers.Flatten(),
        layers.Dense(5, kernel_initializer="zeros", name="dense"),
        layers.Softmax(),
    )
    network, _ = load_with_model(model)
    model.get_layer("conv").set_weights([np.full((3, 3, 3, 4), 0.1, np.float32), np.zeros(4, np.float32)])
    with pytest.raises(ModelError, match="pool: the import is wrong, its result differs from Keras by"):
        prove_import(network, model)


def chaotic() -> Any:
    """Return a model that carries any difference of its samples on, many times larger after each block."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = inputs = keras.Input((16,))
    for number in range(15):
        branch = layers.Dense(16, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0))(x)
        normalised = layers.BatchNormalization(gamma_initializer=keras.initializers.RandomUniform(0.9, 1.1))(branch)
        shift = layers.Dense(16, "tanh")(x)
        x = layers.Add(name=f"sum_{number}")([layers.Activation("tanh")(normalised), shift])
    model = keras.Model(inputs, layers.Dense(3)(x))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(generator.uniform(0.5, 1.5, 16))
    return model


def test_a_model_that_enlarges_rounding_is_compared_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    model = chaotic()
    network, _ = load_with_model(model)
    monkeypatch.setattr(proof, "RELATIVE_LIMIT", 1e-5)  # so that this small model's differences count as large
    monkeypatch.setattr(proof, "SHAKEN_LIMIT", 0)
    proven = prove_import(network, model)
    assert proven.import_error is not None
    assert proven.import_in_pieces
    assert proven.import_error < 1e-4
    note = "import: each piece of the float network (whose whole enlarges rounding"
    assert any(line.startswith(note) for line in hwsim.run(model, "generic-int8").report.notes)
    layer = next(one for one in model.layers if isinstance(one, layers.Dense))
    layer.kernel.assign(layer.kernel * 1.01)
    with pytest.raises(ModelError, match="sum_0: the import is wrong, its result differs from Keras by"):
        prove_import(network, model)


# Real models


def real(make: Callable[..., Any], size: int) -> None:
    model = make(weights=None, input_shape=(size, size, 3))
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(generator.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(generator.uniform(0.5, 1.5, layer.moving_variance.shape))
    network, source = load_with_model(model)
    assert not [one.name for one in network.operations if isinstance(one, ScaleShift)]
    assert "activation" not in kinds(network)
    proven = prove_import(network, source)
    assert proven.import_error is not None
    assert proven.import_error < 1e-5


def test_mobilenet_v2() -> None:
    real(keras.applications.MobileNetV2, 32)


@pytest.mark.slow
def test_resnet50() -> None:
    real(keras.applications.ResNet50, 32)


@pytest.mark.slow
def test_inception_v3() -> None:
    real(keras.applications.InceptionV3, 75)


@pytest.mark.parametrize("name", ["pretrainedResnet.h5", "ad01.h5"])
def test_models_of_a_benchmark(name: str) -> None:
    path = MODELS / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the checkout")
    network, model = load_with_model(path)
    assert "scale_shift" not in kinds(network)
    proven = prove_import(network, model)
    assert proven.import_error is not None
    assert proven.import_error < 1e-4
