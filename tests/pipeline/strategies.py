"""Random networks, targets, plans and data, small enough for an oracle in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite
from numpy.typing import NDArray
from pipeline.functions import FUNCTIONS, curve_units, function_kinds, normalizations, resizings

from hwsim.formats import Overflow, Rounding
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Crop,
    Dense,
    Embedding,
    Input,
    MaxPool,
    Mean,
    Multiply,
    Network,
    Operation,
    Pad,
    Rearrange,
    Relu,
    Reshape,
    ScaleShift,
    Softmax,
)
from hwsim.quantize import Profile, Statistics
from hwsim.target import Target

ROUNDINGS = [str(mode) for mode in Rounding]
DIVISIONS = ["float64", "float64", "float32_reciprocal"]
STEADY = [str(mode) for mode in Rounding if not mode.stochastic]
OVERFLOWS = [str(mode) for mode in Overflow if mode is not Overflow.ERROR]

RULES = ["nearest", "half_down", "truncate", "reduced", "saturated"]
FORMINGS = ["float64", "float_product", "float_product_layer", "float_ratio"]

KINDS = [
    "conv",
    "conv",
    "transpose",
    "depthwise",
    "scale",
    "max",
    "average",
    "mean",
    "softmax",
    "add",
    "multiply",
    "concat",
    "relu",
    "pad",
    "crop",
]

Json = dict[str, Any]


def reals(draw: DrawFn, *shape: int) -> np.ndarray:
    """Return random float32 values: mostly a bell, sometimes with outliers, zeros or values beyond any format."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = generator.normal(size=shape)
    match draw(st.sampled_from(["bell"] * 6 + ["outlier", "zero", "grid", "huge"])):
        case "outlier":
            values = values**5
        case "zero":
            values *= generator.random(shape) < 0.5
        case "grid":
            values = np.rint(values * 2) / 2
        case "huge":
            values = np.ldexp(values, generator.integers(0, 60, shape))
        case _:
            pass
    return values.astype(np.float32)


@composite
def fits(draw: DrawFn, low: int = 2, high: int = 40, *, error: bool = False) -> Json:
    """Return a width with an overflow mode."""
    overflow = draw(st.sampled_from(OVERFLOWS))
    signed = overflow == "wrap_sign_magnitude" or draw(st.sampled_from([True, True, True, False]))
    bits = draw(st.integers(low, high))
    wraps = overflow in ("wrap", "wrap_sign_magnitude")
    saturated = draw(st.integers(0, bits)) if wraps and draw(st.booleans()) else 0
    return {"bits": bits, "signed": signed, "overflow": overflow, "saturated_bits": saturated}


def stage_list(draw: DrawFn, order: list[str]) -> list[Json]:
    """Return one to three stages, from the inside out."""
    stages: list[Json] = []
    for level in range(draw(st.integers(0, 2))):
        tree = draw(st.booleans())
        stage = {
            **draw(fits(3, 20)),
            "name": f"level{level}",
            "terms": draw(st.integers(1, 7)),
            "shape": "tree" if tree else "chain",
            "check": "each" if tree else draw(st.sampled_from(["each", "last"])),
        }
        if draw(st.integers(0, 3)) == 0:
            stage["within"] = draw(st.sampled_from(order))
        if not tree and draw(st.booleans()):
            stage |= {"shift": draw(st.integers(0, 4)), "rounding": draw(st.sampled_from(ROUNDINGS))}
        stages.append(stage)
    last = {
        **draw(fits(8, draw(st.sampled_from([40, 64])))),
        "name": "accumulator",
        "check": draw(st.sampled_from(["each", "last"])),
    }
    if draw(st.integers(0, 3)) == 0:
        last |= {"shift": draw(st.integers(0, 4)), "rounding": draw(st.sampled_from(ROUNDINGS))}
    return [*stages, last]


@composite
def macs(draw: DrawFn) -> Json:
    """Return a multiply-accumulate datapath."""
    order = draw(st.permutations(["kernel_height", "kernel_width", "input_channel"]))
    mac: Json = {"order": order, "input_zero_point": "removed"}
    if draw(st.booleans()):
        at = draw(st.integers(0, len(order)))
        mac["order"] = [*order[:at], "input_channel_tile", *order[at:]]
        mac["tile"] = {"input_channel": draw(st.integers(1, 3))}
    mac["stages"] = stage_list(draw, mac["order"])
    if draw(st.booleans()):
        mac["product"] = {
            **draw(fits(4, 20)),
            "shift": draw(st.integers(0, 5)),
            "rounding": draw(st.sampled_from(ROUNDINGS)),
        }
    return mac


@composite
def requantizations(draw: DrawFn) -> Json:
    """Return a way to requantise that works for any scales."""
    kinds = ["fixed", "fixed", "fixed_double", "fixed_reduced", "float32", "float64", "steps", "steps", "steps"]
    kind = draw(st.sampled_from(kinds))
    if kind == "steps":
        return {"kind": kind, "steps": draw(step_lists())}
    found: Json = {"kind": kind, "rounding": draw(st.sampled_from(ROUNDINGS))}
    if kind in ("fixed", "fixed_reduced"):
        found["multiplier_bits"] = draw(st.integers(4, 32 if kind == "fixed" else 31))
    if kind in ("fixed", "fixed_double"):
        found["rule"] = draw(st.sampled_from([rule for rule in RULES if rule != "reduced"]))
    return {**found, "forming": draw(st.sampled_from(FORMINGS))}


@composite
def additions(draw: DrawFn) -> Json:
    """Return how tensors are added."""
    accumulator, kind = draw(fits(6, 30)), draw(st.sampled_from(["rescaled", "weighted", "float32"]))
    if kind == "rescaled":
        return {"left_shift": draw(st.integers(0, 12)), "accumulator": accumulator}
    bits, rounding = draw(st.integers(14, 32)), draw(st.sampled_from(ROUNDINGS))
    if kind == "float32":
        return {"kind": kind, "rounding": rounding}
    return {"kind": "weighted", "multiplier_bits": bits, "rounding": rounding, "accumulator": accumulator}


@composite
def step_lists(draw: DrawFn) -> list[Json]:
    """Return a list of steps that follows any ratio."""
    before = draw(st.lists(small_steps(), max_size=2))
    if draw(st.integers(0, 3)) == 0:
        core: list[Json] = [{"step": "multiply_float", "precision": draw(st.sampled_from([32, 64]))}]
        core[0] |= {"rounding": draw(st.sampled_from(ROUNDINGS)), "forming": draw(st.sampled_from(FORMINGS))}
        core[0] |= {"zero_point": draw(st.sampled_from(["behind", "inside"]))}
    else:
        derived = {"rule": draw(st.sampled_from(RULES)), "forming": draw(st.sampled_from(FORMINGS))}
        left: list[Json] = [{"step": "shift_left"}, fit_step(draw)]
        core = [
            *draw(st.sampled_from([[], left, left[:1]])),
            {"step": "multiply", "bits": draw(st.integers(4, 31)), **derived},
            *draw(st.lists(small_steps(), max_size=2)),
            {"step": "shift_right", **rounding_shift(draw)},
        ]
    steps = [*before, *core, *draw(st.lists(small_steps(), max_size=2)), *draw(st.lists(functions(), max_size=1))]
    if draw(st.booleans()):
        at = draw(st.integers(0, len(steps)))
        steps.insert(at, {"step": "activation"})
        if draw(st.booleans()):
            scaling = ("shift_left", "shift_right", "multiply", "multiply_float", "thresholds")
            last = max(number for number, one in enumerate(steps) if one["step"] in scaling)
            steps.insert(draw(st.integers(max(at, last) + 1, len(steps))), {"step": "zero_point"})
    return [{**one, "name": f"step_{number}"} if drops(one) else one for number, one in enumerate(steps)]


def drops(step: Json) -> bool:
    """Return whether a step can drop bits, so that it has a name."""
    return step["step"] in ("shift_right", "multiply_float", "fit") or "interpolation" in step


def rounding_shift(draw: DrawFn) -> Json:
    """Return how a shift to the right rounds."""
    guard = draw(st.one_of(st.none(), st.integers(1, 32)))
    vector = draw(st.sampled_from([None, None, None, 2, 3]))
    tail = {} if vector is None else {"vector": vector, "tail_rounding": draw(st.sampled_from(ROUNDINGS))}
    return {"rounding": draw(st.sampled_from(ROUNDINGS)), "guard_bits": guard, **tail}


def fit_step(draw: DrawFn) -> Json:
    """Return a step that narrows."""
    return {"step": "fit", **draw(fits(8, 64))}


@composite
def small_steps(draw: DrawFn) -> Json:
    """Return a step that does not follow the ratio."""
    match draw(st.sampled_from(["shift_right", "shift_left", "multiply", "fit", "fit", "add", "clip"])):
        case "shift_right":
            return {"step": "shift_right", "by": draw(st.integers(0, 40)), **rounding_shift(draw)}
        case "shift_left":
            return {"step": "shift_left", "by": draw(st.integers(0, 20))}
        case "multiply":
            return {"step": "multiply", "by": draw(st.sampled_from([1, 3, 1000, 2**32 - 1]))}
        case "fit":
            return fit_step(draw)
        case "add":
            return {"step": "add", "value": draw(st.sampled_from([1, -7, 2**20, -(2**61)]))}
        case _:
            return {"step": "clip", "low": draw(st.one_of(st.none(), st.integers(-100, 0))), "high": 2**30}


@composite
def functions(draw: DrawFn) -> Json:
    """Return a step that replaces values by others."""
    entries = st.integers(-200, 200)
    match draw(st.sampled_from(["absolute", "lookup", "thresholds"])):
        case "lookup":
            linear = draw(st.booleans())
            return {
                "step": "lookup",
                "table": draw(st.lists(entries, min_size=2 if linear else 1, max_size=9)),
                "first": draw(entries),
                "shift": draw(st.integers(0, 6)),
                **({"interpolation": "linear", "rounding": draw(st.sampled_from(ROUNDINGS))} if linear else {}),
            }
        case "thresholds":
            levels = sorted(draw(st.sets(entries, min_size=1, max_size=9)))
            shift = draw(st.sampled_from([0, 0, 5]))
            return {"step": "thresholds", "levels": levels, "first": draw(st.integers(-4, 4)), "shift": shift}
        case _:
            return {"step": "absolute"}


@composite
def tensor_formats(draw: DrawFn, granularities: list[str], *, low: int = 2) -> Json:
    """Return how weights or activations are stored, by plain integers or otherwise."""
    if draw(st.integers(0, 3)) == 0:
        return draw(levels_or_shifts(granularities))
    signed = draw(st.sampled_from([True, True, False]))
    bits = draw(st.integers(low, 10))
    return {
        "bits": bits,
        "signed": signed,
        "symmetric": draw(st.booleans()),
        "narrow": signed and bits > 1 and draw(st.booleans()),
        "step": draw(st.sampled_from(["uniform", "uniform", "power_of_two"])),
        "rounding": draw(st.sampled_from(STEADY)),
        "granularity": draw(st.sampled_from(granularities)),
    }


def divided(draw: DrawFn, form: Json) -> Json:
    """Return how weights are stored with a way to divide them, where their codes are plain integers."""
    plain = form.get("step", "uniform") in ("uniform", "power_of_two") and "shift_bits" not in form
    return {**form, "division": draw(st.sampled_from(DIVISIONS))} if plain else form


@composite
def levels_or_shifts(draw: DrawFn, granularities: list[str]) -> Json:
    """Return how weights or activations are stored whose codes must be decoded."""
    weights = "output_channel" in granularities
    kind = draw(st.sampled_from(["quadratic", "logarithmic", "codebook", "given", "shift"]))
    signed, bits = draw(st.booleans()), draw(st.integers(2, 4))
    form: Json = {"bits": bits, "signed": signed, "narrow": signed and draw(st.booleans()), "symmetric": True}
    form |= {"rounding": draw(st.sampled_from(STEADY)), "granularity": draw(st.sampled_from(granularities))}
    if kind == "shift":
        form["granularity"] = draw(st.sampled_from(["full_channel", "group"])) if weights else "channel"
        if form["granularity"] == "group":
            form["group"] = draw(st.integers(1, 3))
        step = draw(st.sampled_from(["uniform", "power_of_two"]))
        return {**form, "step": step, "bits": draw(st.integers(2, 9)), "shift_bits": draw(st.integers(1, 3))}
    if kind == "given":
        many = (1 << bits) - int(form["narrow"])
        others = st.sets(st.integers(-200, 200).filter(bool), min_size=many - 1, max_size=many - 1)
        levels = sorted({0, *draw(others.filter(lambda found: max(found) > 0))})
        return {**form, "step": "codebook", "levels": levels}
    return {**form, "step": kind, **({"level_bits": draw(st.integers(bits, 9))} if kind == "codebook" else {})}


def generators() -> SearchStrategy[Json]:
    """Return a shift register for stochastic rounding."""
    return st.sampled_from(
        [
            {"bits": 4, "taps": [4, 3], "seed": 9},
            {"bits": 16, "taps": [16, 15, 13, 4], "seed": 1},
            {"bits": 3, "taps": [3], "seed": 5},
        ]
    )


SCORES = "scores"
"""What the names of layers end with whose outputs a softmax takes."""

POOLINGS: list[Json] = [
    {"zero_point": "removed"},
    {"zero_point": "kept"},
    {"division": "dpu", "mean": "ratio"},
    {"division": "reciprocals", "mean": "ratio"},
]

SCORE_CODES = {
    "bits": 8,
    "signed": True,
    "narrow": False,
    "step": "uniform",
    "granularity": "layer",
    "levels": None,
}


@composite
def targets(draw: DrawFn, fixed: bool = False) -> Target:
    """Return a target with any mixture of modes; its softmax is of codes (``fixed``) or on the host."""
    mac = draw(macs())
    last = mac["stages"][-1]
    softmax, bits = (
        draw(st.sampled_from([("fixed", 8), ("fixed", 8), ("polynomial", 8), ("interpolated", 16)]))
        if fixed
        else ("host", 8)
    )
    activations = draw(tensor_formats(["layer"]))
    narrow = activations["narrow"]
    requantize = draw(requantizations())
    drops = [one for one in [mac.get("product"), *mac["stages"]] if one and one.get("shift")]
    positions = ["last", *(["first"] * 2 if last["signed"] else [])]
    inner = mac["stages"][0]
    if inner["signed"] and inner.get("shape") != "tree" and not any(one.get("shift") for one in mac["stages"][1:]):
        positions.append("inner")
    if requantize["kind"] == "steps" and draw(st.booleans()):
        requantize["steps"].insert(draw(st.integers(0, len(requantize["steps"]))), {"step": "bias"})
        positions = ["steps"]
    position = draw(st.sampled_from(positions))
    if position != "steps" and not drops:
        mac["input_zero_point"] = draw(st.sampled_from(["removed", "corrected"]))
    mac["second_zero_point"] = draw(st.sampled_from(["removed", "ignored"]))
    most = {"first": last["bits"], "inner": inner["bits"]}.get(position, 64)
    bias_bits = draw(st.integers(2, most))
    bias_shift = draw(st.integers(0, min(most - bias_bits, 62))) if draw(st.booleans()) else 0
    weights = draw(tensor_formats(["layer", "output_channel"]))
    even = all(one["step"] in ("uniform", "power_of_two") for one in (weights, activations))
    own = even and position == "last" and not fixed and draw(st.booleans())
    if own:
        bias_shift = 0
        weights, activations = ({**one, "step": "power_of_two"} for one in (weights, activations))
    return Target.from_dict(
        {
            "name": "random",
            "weights": divided(draw, weights),
            "activations": activations,
            "mac": mac,
            "bias": {
                "division": draw(st.sampled_from(DIVISIONS)),
                "bits": bias_bits,
                "shift": bias_shift,
                "scale": "own" if own else "sum",
                "position": position,
                "rounding": draw(st.sampled_from(STEADY)),
                "overflow": draw(st.sampled_from(["saturate", "wrap", "saturate_zero", "saturate_symmetric"])),
            },
            "requantize": requantize,
            "activation": {
                "position": draw(st.sampled_from(["before_requantize", "after_requantize"])),
                "multiplier_bits": draw(st.integers(3, 20)),
                "rounding": draw(st.sampled_from(ROUNDINGS)),
                "slope": draw(st.sampled_from(["after", "apart"])),
                "limit_rounding": draw(st.sampled_from(STEADY)),
                "limit_precision": draw(st.sampled_from([32, 64])),
                "bounded": draw(st.sampled_from(["rescaled", "rescaled", "clamped"])),
            },
            "output": {
                "overflow": draw(
                    st.sampled_from(["saturate", "saturate_symmetric", *([] if narrow else ["wrap", "saturate_zero"])])
                )
            },
            "pooling": {
                "accumulator": draw(fits(6, 24)),
                "rounding": draw(st.sampled_from(ROUNDINGS)),
                "mean": draw(st.sampled_from(["ratio", "divided", "scaled_count", "folded"])),
                "max_padding": draw(st.sampled_from(["skipped", "zero"])),
                "average": draw(st.sampled_from(["integer", "integer", "float32"])),
                **draw(st.sampled_from(POOLINGS)),
            },
            "softmax": {"run_on": softmax},
            "layers": {f"*{SCORES}": {"activations": {**SCORE_CODES, "bits": bits}}} if fixed else {},
            "multiplication": {
                "product": draw(
                    st.one_of(
                        st.none(),
                        st.fixed_dictionaries(
                            {
                                "shift": st.integers(0, 9),
                                "rounding": st.sampled_from(ROUNDINGS),
                                "bits": st.integers(4, 64),
                            }
                        ),
                    )
                )
            },
            "addition": draw(additions()),
            "concatenation": {"kind": draw(st.sampled_from(["rescaled", "float32"]))},
            "curve": draw(curve_units()),
            "resize": draw(resizings()),
            "normalization": draw(normalizations()),
            "random": draw(generators()),
        }
    )


def sides(draw: DrawFn, most: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return paddings or croppings of 0 to ``most`` rows and columns on each side."""
    one = st.tuples(st.integers(0, most), st.integers(0, most))
    return draw(one), draw(one)


def relus(draw: DrawFn) -> Relu | None:
    """Return a fused activation, or none."""
    return draw(
        st.sampled_from(
            [
                None,
                Relu(),
                Relu(max_value=2.0),
                Relu(negative_slope=0.3),
                Relu(max_value=1.5, negative_slope=0.1),
            ]
        )
    )


@composite
def networks(draw: DrawFn, fixed: bool = False, functions: bool = True) -> Network:
    """Return a random graph of up to five operations behind its inputs, with a softmax anywhere if it is ``fixed``.

    ``functions``: those of ``pipeline.functions`` are among them.
    """
    shape = (draw(st.integers(2, 5)), draw(st.integers(2, 5)), draw(st.integers(1, 4)))
    operations: list[Operation] = [Input(name="in0", shape=shape)]
    if draw(st.integers(0, 3)) == 0:
        operations.append(Input(name="in1", shape=shape))
    if functions and draw(st.integers(0, 5)) == 0:
        operations.extend(rows_by_index(draw, shape))
    shapes: dict[str, tuple[int, ...]] = {}
    for one in operations:
        shapes[one.name] = one.output_shape(*(shapes[name] for name in one.inputs))
    for number in range(draw(st.integers(1, 5))):
        source = draw(st.sampled_from(sorted(name for name, one in shapes.items() if len(one) == 3)))
        for one in draw_operations(draw, f"op{number}", source, shapes, fixed=fixed, functions=functions):
            shapes[one.name] = one.output_shape(*(shapes[name] for name in one.inputs))
            operations.append(one)
    source = operations[-1].name
    if draw(st.booleans()) and len(shapes[source]) == 3:
        operations.extend(head(draw, source, shapes))
    used = {name for one in operations for name in one.inputs}
    outputs = tuple(one.name for one in operations if one.name not in used and not isinstance(one, Input))
    return Network(name="random", operations=tuple(operations), outputs=outputs)


def rows_by_index(draw: DrawFn, shape: tuple[int, ...]) -> list[Operation]:
    """Return an input of indices, perhaps turned, and a table whose rows make an image of ``shape`` of them."""
    height, width, channels = shape
    rows = draw(st.sampled_from([1, 2, 5, 300]))
    turned = draw(st.booleans())
    index = np.ascontiguousarray(np.arange(height * width, dtype=np.int64).reshape(width, height).T)
    moves: list[Operation] = [Rearrange(name="turned", inputs=("index",), index=index)] if turned else []
    return [
        Input(name="index", shape=(width, height) if turned else (height, width), indices=rows),
        *moves,
        Embedding(name="rows", inputs=("turned" if turned else "index",), table=reals(draw, rows, channels)),
    ]


def head(draw: DrawFn, source: str, shapes: dict[str, tuple[int, ...]]) -> list[Operation]:
    """Return a flatten, a dense layer and perhaps a softmax."""
    size, classes = int(np.prod(shapes[source])), draw(st.integers(1, 4))
    flat = Reshape(name="flat", inputs=(source,), shape=(size,))
    dense = Dense(
        name=SCORES,
        inputs=("flat",),
        kernel=reals(draw, size, classes),
        bias=reals(draw, classes),
        activation=relus(draw),
    )
    mask = masks(draw, (classes,), 0)
    tail: list[Operation] = (
        [Softmax(name="softmax", inputs=(SCORES,), axis=0, mask=mask)] if draw(st.booleans()) else []
    )
    return [flat, dense, *tail]


def masks(draw: DrawFn, shape: tuple[int, ...], axis: int) -> NDArray[np.bool_] | None:
    """Return a mask that leaves each line along an axis something, or none."""
    if draw(st.integers(0, 2)):
        return None
    flags = st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
    mask = np.array(draw(flags), np.bool_).reshape(shape)
    return mask | ~mask.any(axis=axis, keepdims=True)


def shares(draw: DrawFn, name: str, source: str, shape: tuple[int, ...]) -> list[Operation]:
    """Return a softmax along any axis, masked or not, behind an activation that makes codes for it."""
    scores, axis = Activation(name=f"{name}_{SCORES}", inputs=(source,), function=relus(draw)), draw(st.integers(0, 2))
    return [scores, Softmax(name=name, inputs=(scores.name,), axis=axis, mask=masks(draw, shape, axis))]


def draw_operations(
    draw: DrawFn, name: str, source: str, shapes: dict[str, tuple[int, ...]], *, fixed: bool, functions: bool
) -> list[Operation]:
    """Return operations that fit the shape of ``source``; the last is ``name``."""
    drawn = draw(function_kinds()) if functions else None
    if drawn:
        return FUNCTIONS[drawn](draw, name, source, shapes)
    kind = draw(st.sampled_from([kind for kind in KINDS if fixed or kind != "softmax"]))
    if kind == "softmax":
        return shares(draw, name, source, shapes[source])
    return [draw_operation(draw, kind, name, source, shapes)]


def draw_operation(  # noqa: PLR0911
    draw: DrawFn, kind: str, name: str, source: str, shapes: dict[str, tuple[int, ...]]
) -> Operation:
    """Return one operation that fits the shape of ``source``."""
    height, width, channels = shapes[source]
    window = (draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width))))
    strides = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    alike = sorted(other for other, shape in shapes.items() if shape == shapes[source])
    match kind:
        case "conv" | "depthwise" as which:
            groups = (
                channels if which == "depthwise" else draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
            )
            outputs = groups * draw(st.integers(1, 2))
            dilation = (1, 1) if strides != (1, 1) else (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
            padding = sides(draw, 2)
            extent = [dilation[i] * (window[i] - 1) + 1 - sum(padding[i]) - (height, width)[i] for i in (0, 1)]
            if max(extent) > 0:
                dilation = (1, 1)
            return Conv2D(
                name=name,
                inputs=(source,),
                kernel=reals(draw, *window, channels // groups, outputs),
                bias=reals(draw, outputs),
                strides=strides,
                dilation=dilation,
                padding=padding,
                groups=groups,
                activation=relus(draw),
            )
        case "transpose":
            return draw_transpose(draw, name, source, shapes[source])
        case "multiply":
            flat = {(1, 1, channels), (height, 1, channels), (height, width, 1), shapes[source]}
            others = sorted(other for other, shape in shapes.items() if shape in flat)
            pair = draw(st.permutations([source, draw(st.sampled_from(others))]))
            return Multiply(name=name, inputs=tuple(pair), activation=relus(draw))
        case "scale":
            return ScaleShift(
                name=name,
                inputs=(source,),
                scale=reals(draw, channels),
                bias=reals(draw, channels),
                activation=relus(draw),
            )
        case "mean":
            return Mean(name=name, inputs=(source,), kept=draw(st.booleans()))
        case "max" | "average" as which:
            most = min(window) - 1
            pool = MaxPool if which == "max" else AveragePool
            return pool(name=name, inputs=(source,), window=window, strides=strides, padding=sides(draw, most))
        case "add":
            others = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=2))
            return Add(name=name, inputs=(source, *others), activation=relus(draw))
        case "concat":
            axis = draw(st.integers(0, 2))
            return Concatenate(name=name, inputs=(source, draw(st.sampled_from(alike))), axis=axis)
        case "relu":
            return Activation(name=name, inputs=(source,), function=relus(draw) or Relu())
        case "pad":
            return Pad(name=name, inputs=(source,), padding=sides(draw, 1))
        case _:
            rows, columns = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
            return Crop(name=name, inputs=(source,), cropping=((rows, 0), (0, columns)))


def draw_transpose(draw: DrawFn, name: str, source: str, shape: tuple[int, ...]) -> Conv2DTranspose:
    """Return a transposed convolution of a tensor of ``shape``."""
    window = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    outputs = draw(st.integers(1, 3))
    return Conv2DTranspose(
        name=name,
        inputs=(source,),
        kernel=reals(draw, *window, shape[2], outputs),
        bias=reals(draw, outputs),
        strides=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        dilation=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        cut=(draw(st.integers(0, 2)), draw(st.integers(0, 2))),
        size=(draw(st.integers(1, 6)), draw(st.integers(1, 6))),
        activation=relus(draw),
    )


@composite
def profiles(draw: DrawFn, network: Network) -> Profile:
    """Return made-up ranges of every tensor: some too narrow, some too wide, so that values clamp and vanish."""
    found = {}
    for name in network.shapes:
        low, high = draw(st.floats(-8, 0)), draw(st.floats(0, 8))
        if draw(st.booleans()):
            low = 0.0
        statistics = Statistics()
        seed = draw(st.integers(0, 2**32 - 1))
        spread = np.random.default_rng(seed).uniform(low, high, (40, network.shapes[name][-1])).astype(np.float32)
        statistics.add((spread * 0.5 ** np.arange(spread.shape[1])).astype(np.float32))
        statistics.minimum, statistics.maximum = low, high
        found[name] = statistics
    return Profile(found)


def data_for(draw: DrawFn, network: Network, samples: int) -> list[np.ndarray]:
    """Return one array of samples for each input."""
    return [
        indices(draw, one.indices, samples, *one.shape)
        if one.indices
        else reals(draw, samples, *one.shape) * np.float32(2)
        for one in network.inputs
    ]


def indices(draw: DrawFn, rows: int, *shape: int) -> np.ndarray:
    """Return random indices of a table, the last one among them."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = generator.integers(0, rows, shape)
    found.flat[0] = rows - 1
    return found.astype(np.float32)
