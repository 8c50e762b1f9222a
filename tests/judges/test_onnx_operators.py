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
    Softmax,
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
    codes: np.ndarray = np.clip(around, low, low + 255)
    return codes


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


Case = tuple[Operation, dict[str, TensorPlan], dict[str, np.ndarray]]
"""An operation, the plans of its tensors and the codes of its inputs."""


@composite
def of_two(draw: DrawFn, kind: type[Add] | type[Multiply], signed: bool) -> Case:
    """Return a sum or product, of tensors alike or of such of which one has a value for each channel."""
    shape = draw(shapes())
    pixel = (*(1 for _ in shape[:-1]), shape[-1])
    first, second = draw(st.sampled_from([(shape, shape), (shape, shape), (pixel, shape), (shape, pixel)]))
    a, b = (of_scale(draw, signed, draw(scales)) for _ in range(2))
    unit = max(a.scale, b.scale) if kind is Add else 50 * a.scale * b.scale
    y = of_scale(draw, signed, unit * draw(ratios))
    samples = draw(st.integers(1, 3))
    codes = {name: drawn_codes(draw, signed, (samples, *one)) for name, one in (("a", first), ("b", second))}
    return kind(name="y", inputs=("a", "b")), {"a": a, "b": b, "y": y}, codes


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", [Add, Multiply])
@EXAMPLES
@given(st.data())
def test_two_tensors(kind: type[Add] | type[Multiply], signed: bool, data: st.DataObject) -> None:
    """QLinearAdd and QLinearMul."""
    check(*data.draw(of_two(kind, signed)))


@composite
def concatenations(draw: DrawFn, signed: bool) -> Case:
    """Return a concatenation of two to four tensors, some of them of the output's scale."""
    shape = draw(shapes())
    axis = draw(st.integers(0, len(shape) - 1))
    plans, codes = {"y": of_scale(draw, signed, draw(scales))}, dict[str, np.ndarray]()
    for number in range(draw(st.integers(2, 4))):
        own, name = (*shape[:axis], draw(st.integers(1, 9)), *shape[axis + 1 :]), f"x{number}"
        alike = draw(st.integers(0, 3)) == 0
        plans[name] = plans["y"] if alike else of_scale(draw, signed, plans["y"].scale * draw(ratios))
        codes[name] = drawn_codes(draw, signed, (2, *own))
    return Concatenate(name="y", inputs=tuple(codes), axis=axis), plans, codes


@pytest.mark.parametrize("signed", [False, True])
@EXAMPLES
@given(st.data())
def test_concatenations(signed: bool, data: st.DataObject) -> None:
    """QLinearConcat."""
    check(*data.draw(concatenations(signed)))


@composite
def means(draw: DrawFn, signed: bool) -> Case:
    """Return a mean over an image."""
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.sampled_from([1, 3, 8, 17]))
    x = of_scale(draw, signed, draw(scales))
    y = of_scale(draw, signed, x.scale * draw(ratios))
    return Mean(name="y", inputs=("x",)), {"x": x, "y": y}, {"x": drawn_codes(draw, signed, (3, *shape))}


@pytest.mark.parametrize("signed", [False, True])
@EXAMPLES
@given(st.data())
def test_means(signed: bool, data: st.DataObject) -> None:
    """QLinearGlobalAveragePool."""
    check(*data.draw(means(signed)))


@composite
def poolings(draw: DrawFn, kind: type[AveragePool] | type[MaxPool], signed: bool) -> Case:
    """Return a pooling, whose windows hold less at the borders."""
    window = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    sizes = [draw(st.integers(one, 11)) for one in window]
    before, after = ([draw(st.integers(0, one - 1)) for one in window] for _ in range(2))
    operation = kind(
        name="y",
        inputs=("x",),
        window=window,
        strides=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        padding=((before[0], after[0]), (before[1], after[1])),
    )
    x = of_scale(draw, signed, draw(scales))
    codes = drawn_codes(draw, signed, (2, *sizes, draw(st.sampled_from([1, 3, 16]))))
    return operation, {"x": x, "y": x}, {"x": codes}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", [AveragePool, MaxPool])
@EXAMPLES
@given(st.data())
def test_pooling(kind: type[AveragePool] | type[MaxPool], signed: bool, data: st.DataObject) -> None:
    """QLinearAveragePool and MaxPool."""
    check(*data.draw(poolings(kind, signed)))


@composite
def functions(draw: DrawFn, function: str, signed: bool) -> Case:
    """Return a function of all codes."""
    slopes = (single(draw(st.floats(0.001, 1.5))),) if function == "leaky_relu" else ()
    x = of_scale(draw, signed, draw(scales))
    y = of_scale(draw, signed, (x.scale if slopes else 2.0**-8) * draw(ratios))
    codes = np.arange(256)[None] - (128 if signed else 0)
    operation = Curve(name="y", inputs=("x",), function=function, parameters=slopes)
    return operation, {"x": x, "y": y}, {"x": codes}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("function", ["sigmoid", "leaky_relu"])
@EXAMPLES
@given(st.data())
def test_functions(function: str, signed: bool, data: st.DataObject) -> None:
    """QLinearSigmoid and QLinearLeakyRelu."""
    check(*data.draw(functions(function, signed)))


@composite
def softmaxes(draw: DrawFn, signed: bool) -> Case:
    """Return a softmax of lines of a few codes or many, often with several that are alike."""
    shape = draw(shapes())
    axis = draw(st.integers(0, len(shape) - 1))
    codes = drawn_codes(draw, signed, (4, *shape))
    if draw(st.booleans()):
        codes = np.where(codes > codes.mean(), codes.max(), codes)
    x, low = of_scale(draw, signed, draw(scales) / 8), -128 if signed else 0
    shares = TensorPlan(bits=8, signed=signed, scale=2.0**-8, zero_point=low)
    y = draw(st.sampled_from([shares, of_scale(draw, signed, draw(st.floats(2.0**-9, 2.0**-6)))]))
    return Softmax(name="y", inputs=("x",), axis=axis), {"x": x, "y": y}, {"x": codes}


@pytest.mark.parametrize("signed", [False, True])
@EXAMPLES
@given(st.data())
def test_softmaxes(signed: bool, data: st.DataObject) -> None:
    """QLinearSoftmax."""
    check(*data.draw(softmaxes(signed)))


def test_a_softmax_divides_in_float64() -> None:
    """Six codes alike share 147 / 6 = 24.5; their sum in float32 is a little less than six, as float32 cannot tell."""
    plans = {"x": unsigned(0.0032178967, 0), "y": unsigned(1 / 147.3, 0)}
    ours, theirs = ran(Softmax(name="y", inputs=("x",), axis=0), plans, {"x": np.full((1, 6), 200)})
    assert ours.tolist() == theirs.tolist() == [[25] * 6]


# --- cases that tell one arithmetic from another --------------------------------------------------------


def unsigned(scale: float, zero_point: int) -> TensorPlan:
    """Return the plan of a tensor of unsigned codes."""
    return TensorPlan(bits=8, signed=False, scale=scale, zero_point=zero_point)


SUMS = {
    "the second input first, or its product rounded": (
        (1.3288661241531372, 207, 210),
        (0.3942810595035553, 21, 17),
        (0.026333244517445564, 45, 137),
        136,
    ),
    "the first zero point's product rounded": (
        (0.8416284918785095, 23, 157),
        (0.02405071258544922, 100, 50),
        (1.9072767496109009, 35, 94),
        93,
    ),
    "the second zero point's product not rounded": (
        (1.7358993291854858, 17, 145),
        (3.2985942363739014, 75, 8),
        (0.7928710579872131, 105, 106),
        107,
    ),
}
"""Of two inputs and the output: scale, zero point, code. The last is what the wrong arithmetic would give."""

PRODUCTS = {
    "the zero point behind the rounding": (
        (0.7678658962249756, 219, 201),
        (0.1312730312347412, 42, 4),
        (6.566410064697266, 189, 200),
        199,
    ),
    "a fused product and sum": (
        (0.18159113824367523, 163, 244),
        (0.36041373014450073, 0, 119),
        (5.108118534088135, 97, 220),
        221,
    ),
}


@pytest.mark.parametrize("name", [*SUMS, *PRODUCTS])
def test_what_two_tensors_make(name: str) -> None:
    kind = Add if name in SUMS else Multiply
    a, b, y, wrong = (SUMS | PRODUCTS)[name]
    plans = {which: unsigned(*one[:2]) for which, one in zip("aby", (a, b, y), strict=True)}
    # two samples, for ONNX Runtime takes tensors of a single value in the other order
    codes = {which: np.array([[one[2]]] * 2) for which, one in zip("ab", (a, b), strict=True)}
    ours, theirs = ran(kind(name="y", inputs=("a", "b")), plans, codes)
    assert ours.tolist() == theirs.tolist() == [[y[2]]] * 2
    assert wrong != y[2]


@pytest.mark.parametrize(
    ("source", "output", "code"),
    [
        ((0.14113439619541168, 26, 13), (0.07807435095310211, 32), 8),  # 9 by the ratio of the scales
        ((0.14085417985916138, 254, 171), (0.22700771689414978, 69), 17),  # 18 by a reciprocal
    ],
)
def test_a_concatenation_divides(source: tuple[float, int, int], output: tuple[float, int], code: int) -> None:
    plans = {"a": unsigned(*source[:2]), "b": unsigned(*output), "y": unsigned(*output)}
    codes = {"a": np.array([[source[2]]]), "b": np.array([[99]])}
    ours, theirs = ran(Concatenate(name="y", inputs=("a", "b"), axis=0), plans, codes)
    assert ours.tolist() == theirs.tolist() == [[code, 99]]


@pytest.mark.parametrize(
    ("source", "scale", "code", "wrong"),
    [
        ((0.04686560109257698, 138, 7), 0.004303249530494213, 1, {"gates": "table"}),
        ((0.016620485112071037, 66, 197), 0.005330509971827269, 169, {"division": "reciprocal"}),
    ],
)
def test_a_sigmoid_is_rational(source: tuple[float, int, int], scale: float, code: int, wrong: dict[str, str]) -> None:
    plans = {"x": unsigned(*source[:2]), "y": unsigned(scale, 0)}
    codes, operation = {"x": np.array([[source[2]]])}, Curve(name="y", inputs=("x",), function="sigmoid")
    ours, theirs = ran(operation, plans, codes)
    assert ours.tolist() == theirs.tolist() == [[code]]
    others, _ = ran(operation, plans, codes, curve=wrong)
    assert others.tolist() == [[code - 1]]
