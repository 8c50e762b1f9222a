"""Larger Keras networks, and what decides scales across several operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import layers
from keras.initializers import Constant
from lite.converted import Build, Shape, branches, chain, conv


def normed(x: Any, layer: Any, limit: float | None = None, *, bent: bool = True) -> Any:
    """Return a layer, a batch normalisation and a ReLU."""
    x = layers.BatchNormalization()(layer(x))
    return layers.ReLU(limit)(x) if bent else x


def _inverted(x: Any, filters: int, stride: int, expand: int) -> Any:
    y = normed(x, layers.Conv2D(expand * x.shape[-1], 1, use_bias=False), 6)
    y = normed(y, layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False), 6)
    y = normed(y, layers.Conv2D(filters, 1, use_bias=False), bent=False)
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y


def mobile(x: Any) -> Any:
    """Return inverted residuals, after MobileNetV2."""
    x = normed(x, layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False), 6)
    for filters, stride, expand in ((8, 1, 2), (12, 2, 4), (12, 1, 4)):
        x = _inverted(x, filters, stride, expand)
    x = normed(x, layers.Conv2D(32, 1, use_bias=False), 6)
    return layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def _residual(x: Any, filters: int, stride: int) -> Any:
    y = normed(x, layers.Conv2D(filters, 3, strides=stride, padding="same"))
    y = normed(y, layers.Conv2D(filters, 3, padding="same"), bent=False)
    if stride != 1:
        x = normed(x, layers.Conv2D(filters, 1, strides=stride), bent=False)
    return layers.ReLU()(layers.Add()([x, y]))


def residual(x: Any) -> Any:
    """Return residual blocks, after ResNet."""
    x = layers.MaxPooling2D(2)(normed(x, layers.Conv2D(8, 3, padding="same")))
    for filters, stride in ((8, 1), (16, 2), (16, 1)):
        x = _residual(x, filters, stride)
    x = layers.Flatten()(layers.AveragePooling2D(4)(x))
    return layers.Softmax()(layers.Dense(10)(x))


def _convolved(x: Any, filters: int, size: int, **arguments: Any) -> Any:
    return normed(x, layers.Conv2D(filters, size, use_bias=False, **{"padding": "same", **arguments}))


def _block(x: Any) -> Any:
    deep = _convolved(_convolved(x, 4, 1), 6, 3)
    pooled = _convolved(layers.AveragePooling2D(3, 1, "same")(x), 4, 1)
    return layers.Concatenate()([_convolved(x, 4, 1), deep, pooled])


def _smaller(x: Any) -> Any:
    return layers.Concatenate()([_convolved(x, 6, 3, strides=2, padding="valid"), layers.MaxPooling2D(3, 2)(x)])


def inception(x: Any) -> Any:
    """Return concatenated branches, some of which only pool what other concatenations made, after Inception."""
    x = _smaller(_block(_smaller(_block(_convolved(x, 6, 3)))))
    return layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def dense(x: Any) -> Any:
    """Return concatenations of concatenations, after DenseNet."""
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    for _ in range(3):
        x = layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same", activation="relu")(x)])
    return layers.Conv2D(3, 1)(layers.AveragePooling2D(2)(x))


def _twice(x: Any) -> Any:
    first, second, third = layers.Conv2D(4, 1)(x), layers.Conv2D(4, 1, activation="relu")(x), layers.Conv2D(4, 1)(x)
    return layers.Add()([layers.Concatenate()([first, second]), layers.Concatenate()([second, third])])


def _with_input(x: Any) -> Any:
    return layers.Conv2D(3, 1)(layers.Concatenate()([x, layers.Conv2D(4, 1)(x)]))


def _skipped(x: Any) -> Any:
    upper = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    lower = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D(2)(upper))
    return layers.Conv2D(2, 1)(layers.Concatenate()([upper, layers.Reshape((*x.shape[1:3], 2))(lower)]))


def _bent_pools(x: Any) -> Any:
    x = layers.ZeroPadding2D(1)(layers.ReLU()(layers.MaxPooling2D(2)(layers.Conv2D(4, 3)(x))))
    return layers.Conv2D(4, 3)(layers.ReLU(6.0)(layers.AveragePooling2D(2)(x)))


def _with_softmax(x: Any) -> Any:
    return layers.Concatenate()([layers.Softmax()(layers.Conv2D(4, 1)(x)), layers.Conv2D(4, 1)(x)])


def _squeezed(x: Any) -> Any:
    x = layers.Conv2D(4, 3)(x)
    means = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Conv2D(3, 1)(layers.Multiply()([layers.Conv2D(4, 1)(x), means]))


def _three(x: Any) -> Any:
    return layers.Conv2D(2, 1)(layers.Add()([layers.Conv2D(2, 3)(x) for _ in range(3)]))


def _in_place(x: Any) -> Any:
    below = layers.Conv2D(4, 3, bias_initializer=Constant(-20.0))(x)
    x = layers.Softmax()(below)
    product = layers.Multiply()([layers.Conv2D(4, 1)(x), layers.Conv2D(4, 1, bias_initializer=Constant(9.0))(x)])
    return layers.Conv2D(2, 1)(product)


SMALL, LARGE = (8, 8, 3), (16, 16, 3)
NETWORKS: Mapping[str, tuple[Shape, Build]] = {
    "as MobileNetV2": (LARGE, mobile),
    "as ResNet": (LARGE, residual),
    "as Inception": (LARGE, inception),
    "as DenseNet": (LARGE, dense),
    "into two concatenations": (SMALL, _twice),
    "concatenated with the input": (SMALL, _with_input),
    "concatenated past a pooling": (SMALL, _skipped),
    "activations behind poolings": (LARGE, _bent_pools),
    "concatenated with a softmax": (SMALL, _with_softmax),
    "squeeze and excite": (SMALL, _squeezed),
    "sum of three": (SMALL, _three),
    "sum of sums": (SMALL, chain(branches(layers.Add()), layers.ReLU(), branches(layers.Add()), conv(kernel_size=1))),
    "overwritten by softmax and product": (SMALL, _in_place),
}
