"""ONNX Runtime's operators on codes, drawn with any scales and zero points, against the target ``onnxruntime``.

Each is a network of one operation, run through the whole of our path from real values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from judges.onnx_graph import run

from hwsim.engine import execute
from hwsim.network import (
    Add,
    AveragePool,
    Concatenate,
    Curve,
    Input,
    MaxPool,
    Mean,
    Multiply,
    Network,
    Operation,
)
from hwsim.program import lower
from hwsim.quantize.plan import Plan, TensorPlan
from hwsim.target import Target, load_target
from hwsim.target.target import merge

Shape = tuple[int, ...]
Json = dict[str, Any]


def target(signed: bool, **changes: Json) -> Target:
    """Return the target ``onnxruntime`` for signed or unsigned codes, with some keys changed."""
    shipped = load_target("onnxruntime").model_dump(exclude_unset=True)
    return Target.from_dict(merge(merge(shipped, {"activations": {"signed": signed}}), changes))


def single(value: float) -> float:
    """Return the float32 nearest to a number."""
    return float(np.float32(value))


def ran(
    operation: Operation, plans: dict[str, TensorPlan], codes: dict[str, np.ndarray], **changes: Json
) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of one operation called ``y`` by hwsim and by ONNX Runtime."""
    inputs = [Input(name=name, shape=array.shape[1:]) for name, array in codes.items()]
    network = Network(name="one", operations=(*inputs, operation), outputs=("y",))
    signed = plans["y"].signed
    where = target(signed, **changes)
    plan = Plan(network="one", target=where.name, tensors=plans, weights={})
    # halfway between codes is far away, so that these are the codes again
    reals = [((array - plans[name].zero_point) * plans[name].scale).astype(np.float32) for name, array in codes.items()]
    execution = execute(lower(network, plan, where), reals)
    assert all(np.array_equal(execution.codes[name], array) for name, array in codes.items() if name in execution.codes)
    return execution.codes["y"], run(network, plan, codes)["y"]


def check(operation: Operation, plans: dict[str, TensorPlan], codes: dict[str, np.ndarray]) -> None:
    """Compare every code."""
    ours, theirs = ran(operation, plans, codes)
    np.testing.assert_array_equal(ours, theirs)


# --- drawn --------------------------------------------------------------------------------------------

scales = st.floats(-6, 2).map(lambda power: single(2.0**power))
ratios = st.one_of(st.floats(-3, 3), st.sampled_from([-1.0, 0.0, 1.0])).map(lambda power: 2.0**power)


def zero_points(signed: bool) -> st.SearchStrategy[int]:
    """Return zero points, often those at the ends."""
    low = -128 if signed else 0
    return st.one_of(st.integers(low, low + 255), st.sampled_from([low, low + 128, low + 255]))


def of_scale(draw: DrawFn, signed: bool, scale: float) -> TensorPlan:
    """Return the plan of a tensor of a scale."""
    return TensorPlan(bits=8, signed=signed, scale=single(scale), zero_point=draw(zero_points(signed)))


def drawn_codes(draw: DrawFn, signed: bool, shape: Shape) -> np.ndarray:
    """Return seeded codes: anywhere, or close to each other."""
    generator, low = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), -128 if signed else 0
    if draw(st.booleans()):
        return generator.integers(low, low + 256, shape)
    around = generator.integers(low, low + 256) + generator.integers(-9, 10, shape)
    return np.clip(around, low, low + 255)


@composite
def shapes(draw: DrawFn) -> Shape:
    """Return shapes of a sample whose sizes are no multiples of vectors, and such that are."""
    if draw(st.integers(0, 3)) == 0:
        return (draw(st.integers(1, 100)),)
    return draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.sampled_from([1, 3, 8, 16, 33]))


EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller case says no more, and sessions take their time
)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", [Add, Multiply])
@EXAMPLES
@given(st.data())
def test_two_tensors(kind: type[Add] | type[Multiply], signed: bool, data: st.DataObject) -> None:
    """QLinearAdd and QLinearMul, of tensors alike and of those of which one has a value for each channel."""
    shape = data.draw(shapes())
    pixel = (*(1 for _ in shape[:-1]), shape[-1])
    first, second = data.draw(st.sampled_from([(shape, shape), (shape, shape), (pixel, shape), (shape, pixel)]))
    a, b = (of_scale(data.draw, signed, data.draw(scales)) for _ in range(2))
    unit = max(a.scale, b.scale) if kind is Add else 50 * a.scale * b.scale
    y = of_scale(data.draw, signed, unit * data.draw(ratios))
    samples = data.draw(st.integers(1, 3))
    codes = {name: drawn_codes(data.draw, signed, (samples, *one)) for name, one in (("a", first), ("b", second))}
    check(kind(name="y", inputs=("a", "b")), {"a": a, "b": b, "y": y}, codes)


@pytest.mark.parametrize("signed", [False, True])
@EXAMPLES
@given(st.data())
def test_concatenations(signed: bool, data: st.DataObject) -> None:
    """QLinearConcat."""
    shape = data.draw(shapes())
    axis = data.draw(st.integers(0, len(shape) - 1))
    count, names, codes = data.draw(st.integers(2, 4)), list[str](), dict[str, np.ndarray]()
    plans: dict[str, TensorPlan] = {"y": of_scale(data.draw, signed, data.draw(scales))}
    for number in range(count):
        names.append(f"x{number}")
        own = (*shape[:axis], data.draw(st.integers(1, 9)), *shape[axis + 1 :])
        alike = data.draw(st.integers(0, 3)) == 0
        plans[names[-1]] = plans["y"] if alike else of_scale(data.draw, signed, plans["y"].scale * data.draw(ratios))
        codes[names[-1]] = drawn_codes(data.draw, signed, (2, *own))
    check(Concatenate(name="y", inputs=tuple(names), axis=axis), plans, codes)


@pytest.mark.parametrize("signed", [False, True])
@EXAMPLES
@given(st.data())
def test_means(signed: bool, data: st.DataObject) -> None:
    """QLinearGlobalAveragePool."""
    shape = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12)), data.draw(st.sampled_from([1, 3, 8, 17]))
    x = of_scale(data.draw, signed, data.draw(scales))
    y = of_scale(data.draw, signed, x.scale * data.draw(ratios))
    codes = {"x": drawn_codes(data.draw, signed, (3, *shape))}
    check(Mean(name="y", inputs=("x",)), {"x": x, "y": y}, codes)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", [AveragePool, MaxPool])
@EXAMPLES
@given(st.data())
def test_pooling(kind: type[AveragePool] | type[MaxPool], signed: bool, data: st.DataObject) -> None:
    """QLinearAveragePool and MaxPool: windows at the borders hold less."""
    window = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    sizes = [data.draw(st.integers(one, 11)) for one in window]
    before, after = ([data.draw(st.integers(0, one - 1)) for one in window] for _ in range(2))
    operation = kind(
        name="y",
        inputs=("x",),
        window=window,
        strides=(data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))),
        padding=((before[0], after[0]), (before[1], after[1])),
    )
    x = of_scale(data.draw, signed, data.draw(scales))
    codes = {"x": drawn_codes(data.draw, signed, (2, *sizes, data.draw(st.sampled_from([1, 3, 16]))))}
    check(operation, {"x": x, "y": x}, codes)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("function", ["sigmoid", "leaky_relu"])
@EXAMPLES
@given(st.data())
def test_functions(function: str, signed: bool, data: st.DataObject) -> None:
    """QLinearSigmoid and QLinearLeakyRelu, of all codes."""
    slopes = (single(data.draw(st.floats(0.001, 1.5))),) if function == "leaky_relu" else ()
    x = of_scale(data.draw, signed, data.draw(scales))
    wanted = x.scale if slopes else 2.0**-8
    y = of_scale(data.draw, signed, wanted * data.draw(ratios))
    codes = {"x": np.arange(256)[None] - (128 if signed else 0)}
    check(Curve(name="y", inputs=("x",), function=function, parameters=slopes), {"x": x, "y": y}, codes)
