"""Random curves, normalisations, slopes, resizes, rearrangements, differences, constants and matrix products."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from numpy.typing import NDArray

from hwsim.formats import Rounding
from hwsim.network import (
    Activation,
    Add,
    Constant,
    Curve,
    MatMul,
    Multiply,
    Normalize,
    Operation,
    Prelu,
    Rearrange,
    Relu,
    Reshape,
    Resize,
    Shape,
    Subtract,
)
from hwsim.network.curve import CURVES

Json = dict[str, object]
Shapes = Mapping[str, Shape]

ROUNDINGS = [str(mode) for mode in Rounding]
STEADY = [str(mode) for mode in Rounding if not mode.stochastic]

PARAMETERS = {
    "celu": (0.7,),
    "elu": (1.3,),
    "hard_shrink": (0.5,),
    "leaky_relu": (0.3,),
    "soft_shrink": (0.5,),
    "squareplus": (4.0,),
    "threshold": (0.25, -1.5),
}
"""Values behind the first of functions that take more than one."""

FREQUENT = ["hard_silu", "sigmoid", "tanh", "silu", "log", "rsqrt", "exp"]


def curve_units() -> st.SearchStrategy[Json]:
    """Return how functions are read from tables."""
    return st.fixed_dictionaries(
        {
            "form": st.sampled_from(["table", "interpolated", "corrected"]),
            "index_bits": st.integers(1, 9),
            "rounding": st.sampled_from(STEADY),
            "precision": st.sampled_from([32, 64]),
            "hard_silu": st.sampled_from(["table", "fixed"]),
            "division": st.sampled_from(["reciprocal", "direct"]),
            "gates": st.sampled_from(["table", "fixed", "rational"]),
            "gelu": st.sampled_from(["table", "polynomial"]),
        }
    )


def resizings() -> st.SearchStrategy[Json]:
    """Return how pixels between pixels are computed."""
    return st.fixed_dictionaries(
        {
            "fraction_bits": st.one_of(st.integers(1, 12), st.just(10)),
            "positions": st.sampled_from(["fixed", "float32"]),
            "rounding": st.sampled_from(ROUNDINGS),
            "zero_point": st.sampled_from(["removed", "kept"]),
        }
    )


@composite
def normalizations(draw: DrawFn) -> Json:
    """Return how values are brought to a variance of 1."""
    reciprocal = draw(st.one_of(st.integers(1, 34), st.just(30)))
    result = min(draw(st.one_of(st.integers(0, 24), st.just(12))), reciprocal)
    return {
        "fraction_bits": draw(st.one_of(st.integers(0, 8), st.just(6))),
        "reciprocal_bits": reciprocal,
        "result_bits": result,
        "rounding": draw(st.sampled_from(STEADY)),
    }


def numbers(draw: DrawFn, shape: Shape) -> NDArray[np.float64]:
    """Return seeded values from a bell."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=shape)


def curve(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return any function of each value."""
    function = draw(st.sampled_from([*FREQUENT, *CURVES]))
    return [Curve(name=name, inputs=(source,), function=function, parameters=PARAMETERS.get(function, ()))]


def leaky(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return an activation with a slope, or none, that stands alone."""
    function = draw(st.sampled_from([None, Relu(negative_slope=0.3), Relu(negative_slope=1.7), Relu(max_value=2.0)]))
    return [Activation(name=name, inputs=(source,), function=function)]


def normalize(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return a layer, group or RMS normalisation."""
    channels = shapes[source][-1]
    return [
        Normalize(
            name=name,
            inputs=(source,),
            epsilon=draw(st.sampled_from([0.0, 1e-6, 1e-3, 2.0, 1e30])),
            groups=draw(st.sampled_from([one for one in range(1, channels + 1) if channels % one == 0])),
            whole=draw(st.booleans()),
            centered=draw(st.booleans()),
        )
    ]


def prelu(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return slopes for each channel, some of them negative or 0."""
    slopes = numbers(draw, shapes[source][-1:]) * draw(st.sampled_from([0.0, 0.25, 1.0, 1e6]))
    return [Prelu(name=name, inputs=(source,), slopes=slopes.astype(np.float32))]


def resize(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return an image of another size."""
    aligned, half = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    size = (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    return [Resize(name=name, inputs=(source,), size=size, align_corners=aligned, half_pixel=half)]


def rearrange(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return a transposition, a slice, a repetition, a shuffle of channels or any choice; some with fills."""
    shape = shapes[source]
    index = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    match draw(st.sampled_from(["transpose", "slice", "repeat", "channels", "any"])):
        case "transpose":
            index = index.transpose(draw(st.permutations(range(3))))
        case "slice":
            index = index[:: draw(st.sampled_from([1, 2, -1])), :: draw(st.sampled_from([1, 2, -1]))]
        case "repeat":
            index = np.repeat(index, 2, axis=draw(st.integers(0, 2)))
        case "channels":
            index = index[:, :, draw(st.permutations(range(shape[2])))]
        case _:
            new = tuple(draw(st.integers(1, 4)) for _ in range(3))
            index = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(0, index.size, new)
    fill = 0.0
    if draw(st.booleans()):
        index = np.pad(index, ((1, 0), (0, 1), (0, 0)), constant_values=-1)
        fill = draw(st.sampled_from([0.0, 0.75, -1.5, 1e30]))
    return [Rearrange(name=name, inputs=(source,), index=np.ascontiguousarray(index), fill=fill)]


def pair(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return a sum, difference or product with a tensor whose axes may have size 1, which may stand in the model."""
    height, width, channels = shape = shapes[source]
    flat = [(1, 1, channels), (height, 1, channels), (height, width, 1), (1, 1, 1), shape]
    kind = draw(st.sampled_from([Add, Subtract, Multiply, Subtract]))
    function = draw(st.sampled_from([None, Relu(), Relu(max_value=2.0, negative_slope=0.3)]))
    others = sorted(other for other, its in shapes.items() if its in flat)
    if draw(st.booleans()):
        other = draw(st.sampled_from(others))
        ends = draw(st.permutations([source, other]))
        return [kind(name=name, inputs=tuple(ends), activation=function)]
    values = numbers(draw, draw(st.sampled_from(flat)))
    ends = draw(st.permutations([source, f"{name}_values"]))
    constant = Constant(name=f"{name}_values", inputs=(source,), values=values)
    return [constant, kind(name=name, inputs=tuple(ends), activation=function)]


def matmul(draw: DrawFn, name: str, source: str, shapes: Shapes) -> list[Operation]:
    """Return a product of matrices: of a tensor with itself, with values of the model, or behind a reshape."""
    height, width, channels = shapes[source]
    turned = draw(st.booleans())
    match draw(st.sampled_from(["itself", "values", "flat"])):
        case "itself":
            return [MatMul(name=name, inputs=(source, source), transpose=(turned, not turned))]
        case "values":
            columns = draw(st.integers(1, 3))
            inner = (columns, channels) if turned else (channels, columns)
            values = numbers(draw, (height, *inner))
            constant = Constant(name=f"{name}_values", inputs=(source,), values=values)
            return [constant, MatMul(name=name, inputs=(source, f"{name}_values"), transpose=(False, turned))]
        case _:
            flat = Reshape(name=f"{name}_flat", inputs=(source,), shape=(height * width, channels))
            both = (f"{name}_flat", f"{name}_flat")
            size = (channels, channels) if turned else (height * width, height * width)
            product = MatMul(name=f"{name}_product", inputs=both, transpose=(turned, not turned))
            return [flat, product, Reshape(name=name, inputs=(product.name,), shape=(1, *size))]


FUNCTIONS: Mapping[str, Callable[[DrawFn, str, str, Shapes], list[Operation]]] = {
    "curve": curve,
    "leaky": leaky,
    "normalize": normalize,
    "prelu": prelu,
    "resize": resize,
    "rearrange": rearrange,
    "pair": pair,
    "matmul": matmul,
}
"""How operations of a kind are drawn, the last of them under the name that is given."""


@composite
def function_kinds(draw: DrawFn) -> str | None:
    """Return a kind of these operations, or None for one of the others."""
    return draw(st.sampled_from([*FUNCTIONS, *([None] * 8)]))
