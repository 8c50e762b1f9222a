"""Small Keras networks and what TensorFlow's converter makes of them."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

Build = Callable[[Any], Any]
Shape = tuple[int, ...]


def convert(
    shape: Shape,
    build: Build,
    *,
    wide: bool = False,
    real: bool = False,
    any_batch: bool = False,
    one_scale: bool = False,
    seed: int = 0,
) -> bytes:
    """Return a quantised file of a network; ``wide`` asks for 16-bit feature maps, ``real`` for real values outside.

    With ``one_scale``, the weights of a dense layer share one, as in older files. With ``any_batch``, for a batch of
    any size, the file works out its shapes as it runs.
    """
    return convert_model(*made(shape, build, any_batch=any_batch, seed=seed), wide=wide, real=real, one_scale=one_scale)


def made(shape: Shape, build: Build, *, any_batch: bool = False, seed: int = 0) -> tuple[Any, list[Any]]:
    """Return a Keras model with random weights, and samples to calibrate it with."""
    generator = np.random.default_rng(seed)
    inputs = keras.Input(shape, batch_size=None if any_batch else 1, name="x")
    built = keras.Model(inputs, build(inputs))
    keras.utils.set_random_seed(seed)
    model = keras.models.clone_model(built)  # layers of a case are shared by all who build it, their weights with them
    for weight in model.weights:
        moved = weight.numpy() + 0.2 * generator.standard_normal(weight.shape)
        weight.assign(np.abs(moved) if weight.name == "moving_variance" else moved)
    return model, [generator.normal(0.1, 1, (1, *shape)).astype(np.float32) for _ in range(8)]


def convert_model(
    model: Any, samples: Sequence[Any], *, wide: bool = False, real: bool = False, one_scale: bool = False
) -> bytes:
    """Return a quantised file of a Keras model that is calibrated with ``samples``."""
    converter: Any = tf.lite.TFLiteConverter.from_keras_model(model)
    converter._experimental_disable_per_channel_quantization_for_dense_layers = one_scale
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    kind = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [kind if wide else tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if not real:
        converter.inference_input_type = converter.inference_output_type = tf.int16 if wide else tf.int8
    converter.representative_dataset = lambda: ([one] for one in samples)
    return _quietly(converter)


def converted_to_float(model: Any) -> bytes:
    """Return a file of a Keras model that computes in float32, as the converter calibrates it."""
    return _quietly(tf.lite.TFLiteConverter.from_keras_model(model))


def _quietly(converter: Any) -> bytes:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a type that was not asked for
        return bytes(converter.convert())


def conv(**arguments: Any) -> Build:
    """Return a convolution with 4 outputs."""
    layer: Build = layers.Conv2D(**{"filters": 4, "kernel_size": 3, **arguments})
    return layer


def depthwise(**arguments: Any) -> Build:
    """Return a depthwise convolution."""
    layer: Build = layers.DepthwiseConv2D(**{"kernel_size": 3, **arguments})
    return layer


def branches(join: Build) -> Build:
    """Return two convolutions that are joined."""

    def build(x: Any) -> Any:
        return join([layers.Conv2D(4, 3)(x), layers.Conv2D(4, 3, activation="relu")(x)])

    return build


def chain(*parts: Build) -> Build:
    """Return parts one behind another."""

    def build(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return build


def by_channel(x: Any) -> Any:
    """Return an image times the mean of each of its channels."""
    return layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])


def swapped_halves(x: Any) -> Any:
    """Return an image with the second half of its channels first."""
    first, second = keras.ops.split(x, 2, axis=-1)
    return layers.Concatenate()([second, first])


def around(**arguments: Any) -> Build:
    """Return rows, columns and channels around an image."""

    def build(x: Any) -> Any:
        return keras.ops.pad(x, ((0, 0), (0, 1), (1, 0), (2, 1)), **arguments)

    return build


def sloped() -> Build:
    """Return a ReLU with a slope for each channel, of either sign."""
    layer: Build = layers.PReLU(shared_axes=[1, 2], alpha_initializer=keras.initializers.RandomUniform(-0.5, 0.9))
    return layer


def part(x: Any) -> Any:
    """Return some rows, every other column, and all channels but the first."""
    return x[:, 1:5, ::2, 1:]


def averaged(**arguments: Any) -> Build:
    """Return the mean along axes."""

    def build(x: Any) -> Any:
        return keras.ops.mean(x, **arguments)

    return build


def of_rows(x: Any) -> Any:
    """Return the products of rows of two layers."""
    return keras.ops.matmul(layers.Dense(5)(x), keras.ops.transpose(layers.Dense(5)(x), (0, 2, 1)))


def drawn_product(seed: int) -> Build:
    """Return a product of matrices whose shapes, batches and order of axes ``seed`` draws, made of a vector.

    Batches of either operand may be repeated or absent; some second operands are constants. Of a first operand that is
    turned around none are repeated: there TensorFlow Lite's built-in kernels read outside of their memory.
    """
    generator = np.random.default_rng(seed)
    rows, depth, columns = (int(generator.integers(1, most)) for most in (10, 40, 20))
    many = [int(one) for one in generator.integers(1, 4, generator.integers(0, 3))]
    batches = [
        [one if generator.random() < 0.7 else 1 for one in many][generator.integers(0, 2) * (len(many) > 1) :]
        for _ in range(2)
    ]
    turned = generator.random(2) < 0.4
    turned[0] &= batches[0] == batches[1]
    constant = generator.random() < 0.2

    def build(x: Any) -> Any:
        operands = []
        for number, matrix in enumerate(((rows, depth), (depth, columns))):
            shape = (*batches[number], *(matrix[::-1] if turned[number] else matrix))
            if number and constant:
                made = keras.ops.convert_to_tensor(generator.normal(0.3, 1, (1, *shape)).astype(np.float32))
            else:
                made = layers.Reshape(shape)(layers.Dense(int(np.prod(shape)))(x))
            operands.append(keras.ops.swapaxes(made, -1, -2) if turned[number] else made)
        return keras.ops.matmul(*operands)

    return build


def excited(x: Any) -> Any:
    """Return an image whose channels are weighed by gates."""
    gates = layers.Dense(3, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, layers.Dense(6, activation="sigmoid")(gates)])


def excited_pixel(x: Any) -> Any:
    """Return a pixel whose channels are weighed by gates."""
    gates = layers.Conv2D(4, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, gates])


def beside_softmax(x: Any) -> Any:
    """Return two convolutions side by side, one behind a softmax, whose scale is not the other's."""
    first = layers.Softmax()(layers.Conv2D(4, 3)(x))
    return layers.Concatenate()([first, layers.Conv2D(4, 3)(x)])


IMAGE = (9, 8, 3)
CASES: Mapping[str, tuple[Shape, Build]] = {
    "conv": (IMAGE, conv()),
    "conv same, stride 2": (IMAGE, conv(padding="same", strides=2)),
    "conv strides (1, 2), relu": (IMAGE, conv(strides=(1, 2), activation="relu")),
    "conv dilated, relu6": (IMAGE, conv(dilation_rate=2, activation="relu6")),
    "conv 1x1 without bias": (IMAGE, conv(kernel_size=1, use_bias=False)),
    "conv in groups": ((6, 6, 4), conv(groups=2)),
    "depthwise": (IMAGE, depthwise()),
    "depthwise times 2, same, stride 2": (IMAGE, depthwise(padding="same", strides=2, depth_multiplier=2)),
    "depthwise of one channel": ((9, 8, 1), depthwise(depth_multiplier=4)),
    "depthwise dilated": (IMAGE, depthwise(dilation_rate=2, padding="same")),
    "dense": ((10,), layers.Dense(7)),
    "dense relu, dense": ((10,), chain(layers.Dense(7, activation="relu"), layers.Dense(3))),
    "dense on rows": ((4, 10), layers.Dense(7, activation="relu6")),
    "flatten, dense": (IMAGE, chain(conv(strides=2), layers.Flatten(), layers.Dense(5))),
    "add": (IMAGE, branches(layers.Add())),
    "add, relu": (IMAGE, branches(chain(layers.Add(), layers.ReLU()))),
    "multiply": (IMAGE, branches(layers.Multiply())),
    "multiply by channel": (
        IMAGE,
        chain(
            conv(),
            by_channel,
        ),
    ),
    "concatenate": (IMAGE, branches(layers.Concatenate())),
    "concatenate rows": (IMAGE, branches(layers.Concatenate(axis=1))),
    "average pool": (IMAGE, chain(conv(), layers.AveragePooling2D(3, 2, "same"))),
    "max pool": (IMAGE, chain(conv(), layers.MaxPooling2D(2, 2, "same"))),
    "max pool, relu": (IMAGE, chain(layers.MaxPooling2D(2), layers.ReLU())),
    "average pool, relu6": (IMAGE, chain(layers.AveragePooling2D(2), layers.ReLU(6))),
    "global average": (IMAGE, chain(conv(), layers.GlobalAveragePooling2D())),
    "global average, kept": (IMAGE, chain(conv(), layers.GlobalAveragePooling2D(keepdims=True))),
    "global maximum": (IMAGE, chain(conv(), layers.GlobalMaxPooling2D())),
    "pad": (IMAGE, chain(conv(), layers.ZeroPadding2D(((1, 2), (0, 1))), conv())),
    "relu alone": (IMAGE, layers.ReLU()),
    "relu6 alone": (IMAGE, layers.ReLU(6)),
    "reshape": (IMAGE, chain(conv(), layers.Reshape((6, -1)))),
    "softmax": ((10,), chain(layers.Dense(6), layers.Softmax())),
    "softmax of pixels": (IMAGE, chain(conv(filters=6), layers.Softmax())),
}
"""Networks that are read from files, and decided about as the converter does."""

OPERATORS: Mapping[str, tuple[Shape, Build]] = {
    "sigmoid": (IMAGE, chain(conv(), layers.Activation("sigmoid"))),
    "tanh": (IMAGE, chain(conv(), layers.Activation("tanh"))),
    "hard swish": (IMAGE, chain(conv(), layers.Activation("hard_silu"))),
    "swish": (IMAGE, chain(conv(), layers.Activation("silu"))),
    "gelu": (IMAGE, chain(conv(), layers.Activation("gelu"))),
    "leaky relu": (IMAGE, chain(conv(), layers.LeakyReLU(0.3))),
    "magnitude": (IMAGE, chain(conv(), keras.ops.absolute)),
    "subtract": (IMAGE, branches(layers.Subtract())),
    "subtract, relu": (IMAGE, branches(chain(layers.Subtract(), layers.ReLU()))),
    "transposed conv": (IMAGE, layers.Conv2DTranspose(5, 3, strides=2, padding="same")),
    "transposed conv valid, relu": (IMAGE, layers.Conv2DTranspose(5, (2, 3), strides=(1, 2), activation="relu")),
    "bilinear": (IMAGE, chain(conv(), layers.UpSampling2D((2, 3), interpolation="bilinear"))),
    "transpose": (IMAGE, chain(conv(), layers.Permute((2, 3, 1)))),
    "slice": (IMAGE, chain(conv(), part)),
    "split": (IMAGE, chain(conv(), swapped_halves)),
    "crop": (IMAGE, chain(conv(), layers.Cropping2D(((1, 0), (1, 2))))),
    "pad channels": (IMAGE, chain(conv(), around(constant_values=0.5))),
    "mirror": (IMAGE, chain(conv(), around(mode="reflect"))),
    "matmul": ((4, 6), of_rows),
    "squeeze and excite": (IMAGE, chain(conv(filters=6), excited)),
    "prelu": (IMAGE, chain(conv(), sloped(), conv())),
    "mean of channels": (IMAGE, chain(conv(), averaged(axis=-1))),
    "mean of rows": (IMAGE, chain(conv(), averaged(axis=1, keepdims=True))),
    "batch normalisation": (IMAGE, chain(layers.BatchNormalization(), layers.ReLU())),
    "conv of rows": ((12, 3), layers.Conv1D(4, 3, padding="same", activation="relu")),
    "softmax, quantize": (IMAGE, beside_softmax),
}
"""Networks that are read from files."""

NUMBERS = np.array([0.3, -0.4, 0.5], np.float32)


def rescaled(offset: float = 0.0) -> Build:
    """Return what Rescaling makes."""
    layer: Build = layers.Rescaling(1 / 127.5, offset)
    return layer


def normalized(*, one: bool = False, **arguments: Any) -> Build:
    """Return what Normalization makes, by the channel or with ``one`` mean and variance for all."""
    given: Any = {"axis": None, "mean": 0.3, "variance": 2.0} if one else {"mean": NUMBERS, "variance": [0.5, 2.0, 3.0]}
    layer: Build = layers.Normalization(**given, **arguments)
    return layer


def padded(*sides: tuple[int, int]) -> Build:
    """Return an image with zeros around it."""
    layer: Build = layers.ZeroPadding2D(sides)
    return layer


def by_values(x: Any) -> Any:
    """Return an image times a constant for each of its values."""
    return x * np.arange(np.prod(IMAGE), dtype=np.float32).reshape(IMAGE)


def from_constant(x: Any) -> Any:
    """Return constants less what they meet."""
    return keras.ops.subtract(NUMBERS, layers.ReLU()(1.5 - x))


def sums(x: Any) -> Any:
    """Return an image with constants added in a row, which are one, and another subtracted."""
    return ((x + 0.3) + NUMBERS) - 0.7


def read_twice(first: Build, *, padding: str = "valid") -> Build:
    """Return what two convolutions make of one layer."""

    def build(x: Any) -> Any:
        x = first(x)
        return layers.Concatenate()([conv(padding=padding)(x), conv(padding=padding)(x)])

    return build


def beside(layer: Build) -> Build:
    """Return a convolution and what a layer makes of it, which therefore stays apart from it."""

    def build(x: Any) -> Any:
        x = conv(filters=3)(x)
        return layers.Concatenate()([layer(x), x])

    return build


def transposed(x: Any) -> Any:
    """Return the products of two layers, each turned around."""
    first, second = layers.Dense(5)(x), layers.Dense(4)(x)
    return keras.ops.matmul(keras.ops.transpose(first, (0, 2, 1)), keras.ops.transpose(second, (0, 2, 1)))


def line(**arguments: Any) -> Build:
    """Return a convolution along one axis."""
    layer: Build = layers.Conv1D(4, 3, **arguments)
    return layer


def normal() -> Build:
    """Return a batch normalisation."""
    layer: Build = layers.BatchNormalization()
    return layer


ONE, LAST = (1, 1), (0, 1)
CONSTANTS: Mapping[str, tuple[Shape, Build]] = {
    "scale, conv same": (IMAGE, chain(rescaled(), conv(padding="same"))),
    "scale and offset, conv": (IMAGE, chain(rescaled(-1.0), conv())),
    "scale and offset, conv same": (IMAGE, chain(rescaled(-1.0), conv(padding="same"))),
    "scale and offset, depthwise": (IMAGE, chain(rescaled(-1.0), depthwise())),
    "scale and offset, conv in groups": ((6, 6, 4), chain(rescaled(-1.0), conv(groups=2))),
    "scale, pad, conv": (IMAGE, chain(rescaled(), padded(ONE, ONE), conv())),
    "scale, pad, conv of stride 2": ((8, 8, 3), chain(rescaled(), padded(LAST, LAST), conv(strides=2))),
    "scale, wider pad, conv": (IMAGE, chain(rescaled(), padded((2, 2), ONE), conv())),
    "scale and offset, pad, conv": (IMAGE, chain(rescaled(-1.0), padded(ONE, ONE), conv())),
    "pad, scale and offset, conv": (IMAGE, chain(padded(ONE, ONE), rescaled(-1.0), conv())),
    "pad, depthwise of stride 2": ((8, 8, 3), chain(padded(LAST, LAST), depthwise(strides=2))),
    "pad, dilated conv": (IMAGE, chain(padded((2, 2), (2, 2)), conv(dilation_rate=2))),
    "pad for two": (IMAGE, read_twice(padded(ONE, ONE))),
    "scale and offset, conv, batch normalisation": (IMAGE, chain(rescaled(-1.0), conv(), normal(), layers.ReLU())),
    "scale, pad, conv, batch normalisation": (
        IMAGE,
        chain(rescaled(), padded(ONE, ONE), conv(use_bias=False), normal()),
    ),
    "scale and offset, depthwise, batch normalisation": (IMAGE, chain(rescaled(-1.0), depthwise(), normal())),
    "batch normalisation, dense, batch normalisation": ((40,), chain(normal(), layers.Dense(9), normal())),
    "flatten, scale and offset, dense": (IMAGE, chain(layers.Flatten(), rescaled(-1.0), layers.Dense(4))),
    "scale and offset for two": (IMAGE, read_twice(rescaled(-1.0))),
    "scale, relu, conv": (IMAGE, chain(rescaled(), layers.ReLU(), conv())),
    "scale, transposed conv": (IMAGE, chain(rescaled(), layers.Conv2DTranspose(4, 3))),
    "transposed conv, scale and offset": (IMAGE, chain(layers.Conv2DTranspose(4, 3), rescaled(-1.0))),
    "scale and offset, dense": ((10,), chain(rescaled(-1.0), layers.Dense(5))),
    "normalisation, conv": (IMAGE, chain(normalized(), conv())),
    "normalisation by one number, conv": (IMAGE, chain(normalized(one=True), conv())),
    "normalisation by one number, conv same": (IMAGE, chain(normalized(one=True), conv(padding="same"))),
    "normalisation inverted, conv": (IMAGE, chain(normalized(invert=True), conv())),
    "normalisation that does nothing": (IMAGE, chain(layers.Normalization(mean=0.0, variance=1.0), conv())),
    "conv, normalisation": (IMAGE, chain(conv(filters=3), normalized())),
    "dense, normalisation": ((10,), chain(layers.Dense(3), normalized())),
    "batch normalisation, conv": (IMAGE, chain(normal(), conv())),
    "batch normalisation of one channel, conv": ((9, 8, 1), chain(normal(), conv())),
    "batch normalisation, dense": ((40,), chain(normal(), layers.Dense(9))),
    "batch normalisation twice": (IMAGE, chain(normal(), normal(), layers.ReLU())),
    "conv, relu, batch normalisation, conv": (IMAGE, chain(conv(activation="relu"), normal(), conv())),
    "conv, scale, batch normalisation": (IMAGE, chain(conv(), rescaled(-1.0), normal())),
    "conv beside its batch normalisation": (IMAGE, beside(normal())),
    "mean, batch normalisation, dense": (IMAGE, chain(layers.GlobalAveragePooling2D(), normal(), layers.Dense(4))),
    "conv of rows, batch normalisation, relu": ((12, 3), chain(line(), normal(), layers.ReLU(), line())),
    "conv of rows, scale, conv of rows": ((12, 3), chain(line(activation="relu"), rescaled(-1.0), line())),
    "scale, conv of rows": ((12, 3), chain(rescaled(), line())),
    "divided": (IMAGE, chain(lambda x: x / NUMBERS, conv())),
    "multiplied by values": (IMAGE, chain(by_values, conv())),
    "subtracted from constants": (IMAGE, chain(from_constant, conv())),
    "sums with constants": (IMAGE, chain(sums, layers.ReLU())),
    "mean of a pixel": ((3, 3, 3), chain(conv(), excited_pixel, conv(kernel_size=1))),
    "matmul, both turned": ((4, 6), transposed),
}
"""Networks with constants, pads and turned operands, of which the converter makes other operations than stand there."""

SHAPES = ("flatten, dense", "reshape", "multiply by channel")
"""Networks whose files work out shapes where the batch may have any size, and say them where it has one."""
