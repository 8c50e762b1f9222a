"""Random Keras networks of what TensorFlow's converter makes operators of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from keras import layers
from lite.converted import Shape

Pair = tuple[int, int]

FUSED = (None, None, "relu", "relu6")
CURVES = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hard_silu", "silu", "gelu")
LARGEST = 20
"""Rows and columns beyond which nothing is made larger."""

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
either = st.sampled_from(["same", "valid"])


def within(x: Any, window: Pair, dilation: Pair = (1, 1)) -> Pair:
    """Return a window that is no larger than an image."""
    sizes = [max(1, min(window[i], (x.shape[1 + i] - 1) // dilation[i] + 1)) for i in (0, 1)]
    return sizes[0], sizes[1]


@dataclass(frozen=True)
class Conv:
    """A convolution, in as many groups as divide its channels."""

    filters: int
    window: Pair
    strides: Pair
    dilation: Pair
    padding: str
    groups: int
    activation: str | None
    use_bias: bool

    def __call__(self, x: Any) -> Any:
        """Return the convolution of an image."""
        groups = self.groups if x.shape[-1] % self.groups == 0 else 1
        return layers.Conv2D(
            self.filters * groups,
            within(x, self.window, self.dilation),
            strides=self.strides if self.dilation == (1, 1) else 1,
            dilation_rate=self.dilation,
            padding=self.padding,
            groups=groups,
            activation=self.activation,
            use_bias=self.use_bias,
        )(x)


@dataclass(frozen=True)
class Depthwise:
    """A depthwise convolution."""

    window: Pair
    stride: int
    dilation: int
    padding: str
    multiplier: int
    activation: str | None

    def __call__(self, x: Any) -> Any:
        """Return the convolution of an image."""
        dilation = (self.dilation, self.dilation)
        return layers.DepthwiseConv2D(
            within(x, self.window, dilation),
            strides=self.stride if self.dilation == 1 else 1,
            dilation_rate=dilation,
            padding=self.padding,
            depth_multiplier=self.multiplier,
            activation=self.activation,
        )(x)


@dataclass(frozen=True)
class Transposed:
    """A transposed convolution."""

    filters: int
    window: Pair
    strides: Pair
    padding: str
    activation: str | None

    def __call__(self, x: Any) -> Any:
        """Return the transposed convolution of an image, if it is not too large."""
        if max(x.shape[1:3]) * max(self.strides) > LARGEST:
            return x
        return layers.Conv2DTranspose(
            self.filters, self.window, strides=self.strides, padding=self.padding, activation=self.activation
        )(x)


@dataclass(frozen=True)
class Pool:
    """A pooling."""

    kind: str
    window: Pair
    strides: Pair
    padding: str

    def __call__(self, x: Any) -> Any:
        """Return the pooled image."""
        layer = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[self.kind]
        return layer(within(x, self.window), self.strides, self.padding)(x)


@dataclass(frozen=True)
class Curve:
    """A function of each value."""

    function: str

    def __call__(self, x: Any) -> Any:
        """Return the function of each value."""
        return layers.Activation(self.function)(x)


@dataclass(frozen=True)
class Moved:
    """Values at other places, or more of them."""

    how: str
    by: Pair

    def __call__(self, x: Any) -> Any:
        """Return the image, changed."""
        down, across = self.by
        match self.how:
            case "pad":
                return layers.ZeroPadding2D(((0, down), (across, 0)))(x)
            case "crop" if min(x.shape[1] - down, x.shape[2] - across) > 0:
                return layers.Cropping2D(((down, 0), (0, across)))(x)
            case "nearest" | "bilinear" if max(x.shape[1:3]) * max(self.by) <= LARGEST:
                return layers.UpSampling2D(self.by, interpolation=self.how)(x)
            case "permute":
                return layers.Permute((2, 1, 3))(x)
            case "every other":
                return x[:, ::2, ::2]
            case _:
                return x


@dataclass(frozen=True)
class Joined:
    """Two convolutions of an image, or the image and one, joined."""

    how: str
    first: str | None
    second: str | None
    itself: bool
    behind: str | None

    def __call__(self, x: Any) -> Any:
        """Return both joined."""
        filters = x.shape[-1]
        one = x if self.itself else layers.Conv2D(filters, 1, activation=self.first)(x)
        other = layers.Conv2D(filters, within(x, (3, 3)), padding="same", activation=self.second)(x)
        join = {
            "add": layers.Add,
            "subtract": layers.Subtract,
            "multiply": layers.Multiply,
            "concatenate": layers.Concatenate,
            "rows": partial(layers.Concatenate, axis=1),
            "by channel": layers.Multiply,
        }[self.how]
        if self.how == "by channel":
            other = layers.GlobalAveragePooling2D(keepdims=True)(other)
        made = join()([one, other])
        return made if self.behind is None else layers.Activation(self.behind)(made)


@dataclass(frozen=True)
class End:
    """What becomes of an image at the end of a network."""

    how: str
    units: int
    activation: str | None

    def __call__(self, x: Any) -> Any:
        """Return the end of a network."""
        match self.how:
            case "flat":
                x = layers.Dense(self.units, activation=self.activation)(layers.Flatten()(x))
            case "mean":
                x = layers.Dense(self.units, activation=self.activation)(layers.GlobalAveragePooling2D()(x))
            case "maximum":
                x = layers.GlobalMaxPooling2D(keepdims=True)(x)
            case "rows":
                x = layers.Dense(self.units)(layers.Reshape((-1, x.shape[-1]))(x))
            case "softmax":
                x = layers.Softmax()(layers.Dense(self.units + 1)(keras.ops.mean(x, axis=(1, 2))))
            case _:
                pass
        return x


@dataclass(frozen=True)
class Matrices:
    """Products of the matrices (columns, channels) of an image and of a convolution of it, row by row."""

    across: bool

    def __call__(self, x: Any) -> Any:
        """Return the products of channels, or of pixels if ``across``."""
        other = layers.Conv2D(x.shape[-1], 1)(x)
        if self.across:
            return keras.ops.matmul(x, keras.ops.swapaxes(other, -1, -2))
        return keras.ops.matmul(keras.ops.swapaxes(x, -1, -2), other)


fused = st.sampled_from(FUSED)
narrow_middles = st.one_of(
    st.builds(Conv, st.integers(1, 4), pairs, pairs, pairs, either, st.integers(1, 3), fused, st.booleans()),
    st.builds(Depthwise, pairs, st.integers(1, 2), st.integers(1, 2), either, st.integers(1, 2), fused),
    st.builds(Transposed, st.integers(1, 4), pairs, pairs, either, st.sampled_from([None, "relu"])),
    st.builds(Pool, st.sampled_from(["max", "average"]), pairs, pairs, either),
    st.builds(Curve, st.sampled_from(CURVES)),
    st.builds(Matrices, st.booleans()),
    st.builds(Moved, st.sampled_from(["pad", "crop", "nearest", "bilinear", "permute", "every other"]), pairs),
    st.builds(
        Joined,
        st.sampled_from(["add", "subtract", "multiply", "concatenate", "rows", "by channel"]),
        fused,
        fused,
        st.booleans(),
        st.sampled_from([None, None, "relu", "relu6", "tanh"]),
    ),
)
middles = narrow_middles.filter(lambda part: part != Curve("hard_silu"))
"""What the converter makes operators of with 16-bit feature maps, too."""

ends = st.builds(
    End, st.sampled_from(["image", "flat", "mean", "maximum", "rows", "softmax"]), st.integers(1, 5), fused
)


@dataclass(frozen=True)
class Drawn:
    """A network: the shape of its input, what it is made of, and the seed of its weights."""

    shape: Shape
    parts: Sequence[Any]
    seed: int

    def __call__(self, x: Any) -> Any:
        """Return the parts one behind another."""
        made = x
        for part in self.parts:
            made = part(made)
        return layers.ReLU()(x) if made is x else made


@composite
def networks(draw: DrawFn, *, wide: bool = False) -> Drawn:
    """Return a network of up to five parts, for 16-bit feature maps if ``wide``."""
    shape = tuple(draw(st.integers(3, 9)) for _ in range(2)) + (draw(st.integers(1, 4)),)
    parts = draw(st.lists(middles if wide else narrow_middles, min_size=1, max_size=4))
    return Drawn(shape, (*parts, draw(ends)), draw(st.integers(0, 999)))
