"""Reports made up for tests: realistic ones of any number of layers, and single rows to vary."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_type_hints

from hypothesis import strategies as st

from hwsim.report import FlipFigures, LayerFigures, OutputFigures, PointFigures, Report, TensorFigures
from hwsim.report.figures import AdviceFigures, CostFigures, WaterfallFigures

POINT = PointFigures(
    layer="conv1",
    kind="conv2d",
    point="accumulator",
    kind_of_point="stage",
    format="s20",
    bits=20,
    overflow="saturate",
    rounding="",
    values=250_000,
    low=12,
    high=700,
    hit_rate=712 / 250_000,
    transient=10,
    persistent=90,
    minimum=-700_000,
    maximum=900_000,
    bits_needed=21,
    headroom=-1,
    proven=False,
    bound=(-1_200_000, 1_300_000),
    clamp_rms_lsb=321.0,
    clamp_rms_real=0.0321,
    inexact=0,
    round_bias_lsb=0.0,
    round_rms_lsb=0.0,
    round_rms_real=0.0,
    first="sample 0, position 17, channel 3, step 141",
    channel_hits=(0, 12, 0, 700),
    histogram=(),
    unit=1e-4,
)

LAYER = LayerFigures(
    name="conv1",
    kind="conv2d",
    shape=(32, 32, 16),
    format="s8",
    scale=0.02,
    zero_point=-128,
    path="step by step in the declared order",
    sqnr_local_db=31.2,
    sqnr_cumulative_db=28.4,
    rmse_lsb=0.61,
    max_error=0.31,
)

OUTPUT = OutputFigures(
    name="softmax", sqnr_db=24.5, max_error=0.34, top1_agreement=0.9725, flip_count=3, flips=(3, 77, 391)
)

CHANNELS = 192

TENSOR = TensorFigures(
    layer="conv1",
    tensor="output",
    format="s8",
    scale=0.02,
    low=0,
    high=255,
    values=1000,
    minimum=-2.0,
    maximum=260.0,
    outside=30,
    below=20,
    bits=(300, 1, 1, 1, 2, 3, 4, 8, 10, 20, 40, 60, 100, 120, 150, 100, 60, 20),
    counts=(400, 300, 200, 70, 30),
)

NO_CLAMPING: dict[str, Any] = {
    "low": 0,
    "high": 0,
    "hit_rate": 0.0,
    "transient": 0,
    "persistent": 0,
    "clamp_rms_lsb": 0.0,
    "clamp_rms_real": 0.0,
    "first": "",
    "channel_hits": (),
    "channel_clamp_rms_lsb": (),
}


def bell(middle: float, width: float, total: int) -> tuple[int, ...]:
    """Return 65 counts around a bin, as histograms of sums look."""
    shares = [math.exp(-(((j - middle) / width) ** 2)) for j in range(65)]
    return tuple(int(total * share / sum(shares)) for share in shares)


def layer_points(layer: LayerFigures, number: int, *, severe: bool) -> tuple[PointFigures, ...]:
    """Return the points of a convolution; a severe one overflows."""
    name, kind, count = layer.name, layer.kind, 250_000
    needed = 22 if severe else 14 + number % 5
    hits = tuple(max(0, one * number % 9 - 4) for one in range(CHANNELS))
    stage = replace(
        POINT,
        layer=name,
        kind=kind,
        bits_needed=needed,
        headroom=20 - needed,
        proven=not severe and number % 3 != 0,
        histogram=bell(needed - 4.0, 2.2, count),
        channel_bits=tuple(needed - one * number % 5 for one in range(CHANNELS)),
        **(
            {"channel_hits": hits, "channel_clamp_rms_lsb": tuple(0.5 * one for one in hits)} if severe else NO_CLAMPING
        ),
    )
    rounding: dict[str, Any] = {
        "channel_round_bias_lsb": tuple(round(0.01 * math.sin(one), 4) for one in range(CHANNELS)),
        "inexact": count,
        "round_bias_lsb": 0.002,
        "round_rms_lsb": 0.2887,
        "round_rms_real": 0.2887 * 0.02,
    }
    eight = tuple(8 - max(0, one * number % 11 - 7) for one in range(CHANNELS))
    plain = replace(stage, **NO_CLAMPING, kind_of_point="value", proven=False, bound=None, histogram=(), unit=0.02)
    weight = replace(
        plain,
        point="weight",
        kind_of_point="once",
        values=2304,
        format="s8",
        bits=8,
        rounding="half_even",
        channel_bits=eight,
        **rounding,
    )
    requantize = replace(
        plain, point="requantize", format="", bits=None, overflow="", rounding="half_up", channel_bits=(), **rounding
    )
    output = replace(
        plain,
        point="output",
        format="s8",
        bits=8,
        low=0,
        high=40 * (number % 4),
        persistent=40 * (number % 4),
        hit_rate=40 * (number % 4) / count,
        clamp_rms_lsb=0.01 * (number % 4),
        clamp_rms_real=0.0002 * (number % 4),
        first="sample 4, position 9, channel 7, step 0" if number % 4 else "",
        channel_hits=(0, 40 * (number % 4), *[0] * (CHANNELS - 2)) if number % 4 else (),
        channel_bits=(8, 9, *eight[2:]),
        histogram=bell(4.5, 2.0, count),
        bits_needed=9,
        headroom=-1,
    )
    return weight, replace(stage, point="accumulator"), requantize, output


def layer_name(number: int) -> str:
    """Return the name of a layer of a synthetic report."""
    return f"block{number // 4}_branch{number % 4}x3_convolution_{number}"


def layer_tensors(layer: LayerFigures, number: int) -> tuple[TensorFigures, ...]:
    """Return how the weights and the output of a layer lie; every fourth output reaches outside."""
    weight = replace(
        TENSOR,
        layer=layer.name,
        tensor="weight",
        scale=None,
        low=-127,
        high=127,
        values=64_000,
        minimum=-127.0,
        maximum=127.0,
        outside=0,
        below=640,
        bits=bell(12.0, 3.0, 64_000)[:16],
        counts=tuple(int(2000 * math.exp(-(((one - 31.5) / 20) ** 2))) for one in range(64)),
    )
    share = 0 if number % 4 else 1000
    output = replace(
        TENSOR,
        layer=layer.name,
        format=layer.format,
        scale=layer.scale,
        values=262_144,
        outside=share,
        maximum=300.0 if share else 255.0,
        bits=(130_000, *bell(13.0, 3.0, 132_144)[1:18]),
        counts=tuple(int(130_000 * math.exp(-one / 6)) for one in range(64)),
    )
    return weight, output


def synthetic_report(layers: int = 12) -> Report:
    """Return a report of convolutions of which every fifth overflows."""
    figures = tuple(
        replace(
            LAYER,
            name=layer_name(number),
            kind=("conv2d", "depthwise_conv2d", "dense")[number % 3],
            sqnr_local_db=38.0 - 11 * (number % 5 == 2) - number % 3,
            sqnr_cumulative_db=36.0 - number * 20 / layers,
            scale=0.02 * (1 + number % 3),
            inputs=tuple(layer_name(one) for one in (number - 1, number - 4) if one >= 0),
        )
        for number in range(layers)
    )
    points = (
        one for number, layer in enumerate(figures) for one in layer_points(layer, number, severe=number % 5 == 2)
    )
    return Report(
        network="digits",
        target="edge-npu-acc20",
        description="8-bit NPU, 16-lane adder trees feeding a 20-bit saturating accumulator",
        samples=400,
        notes=(
            "data: 16 synthetic samples (seed 0), since none were given",
            "import: largest difference to Keras 3.1e-06",
        ),
        layers=figures,
        points=tuple(points),
        outputs=(OUTPUT,),
        tensors=tuple(one for number, layer in enumerate(figures) for one in layer_tensors(layer, number)),
    )


def _figures(record: type[Any], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of records whose every field takes the extremes of its type."""
    hints = get_type_hints(record)
    return st.builds(record, **{name: fixed[name] if name in fixed else _values(hint) for name, hint in hints.items()})


NAMES = (
    st.sampled_from(["", "conv1", "<script>x</script>", "ü" * 80, "宽" * 70, "a\nb\x1b[31m", "\ud800", "weight"])
    | st.text()
)
COUNTS = st.sampled_from([0, 1, 999, 1000, 999_950, 2**63 - 1, 2**70]) | st.integers(0, 10**6)
INTEGERS = st.sampled_from([0, -(2**63), 2**63 - 1, -(2**80), 2**80]) | st.integers(-1000, 1000)
REALS = st.sampled_from([0.0, 1e-300, 1e300, -1e-9, 0.28867, 12345.6]) | st.floats(-1e6, 1e6)
ERRORS = st.none() | st.sampled_from([math.inf, -math.inf]) | REALS
POSITIVE = st.sampled_from([0.0, 1e-30, 1e100]) | st.floats(0, 1e6)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    by_type = {
        str: NAMES,
        bool: st.booleans(),
        int: COUNTS,
        float: POSITIVE,
        int | None: st.none() | INTEGERS,
        float | None: ERRORS,
        tuple[int, int] | None: st.none() | st.tuples(INTEGERS, INTEGERS),
        tuple[int, ...]: st.lists(COUNTS, max_size=3).map(tuple),
        tuple[float, ...]: st.lists(REALS, max_size=3).map(tuple),
        tuple[str, ...]: st.lists(NAMES, max_size=2).map(tuple),
        tuple[str, ...] | None: st.none() | st.lists(NAMES, max_size=2).map(tuple),
    }
    return by_type[hint]


def reports() -> st.SearchStrategy[Report]:
    """Return a strategy of reports with extreme figures: nothing measured, zeros, huge numbers, names of all kinds."""
    bits = st.none() | st.integers(1, 64)
    shares = st.floats(0, 1)
    points = _figures(
        PointFigures,
        kind_of_point=st.sampled_from(["once", "stage", "value"]),
        format=st.sampled_from(["", "s8", "u16", "s64"]),
        bits=bits,
        bits_needed=bits,
        hit_rate=shares,
        round_bias_lsb=REALS,
        histogram=st.just(()) | st.lists(COUNTS, min_size=65, max_size=65).map(tuple),
    )
    scales = st.none() | st.sampled_from([0.0, 1e-30, 0.02, 1e30])
    layers = _figures(LayerFigures, scale=scales, zero_point=st.none() | st.integers(-(2**15), 2**15))
    outputs = _figures(OutputFigures, top1_agreement=st.none() | shares)
    tensors = st.builds(
        lambda ends, **rest: replace(TENSOR, minimum=min(ends), maximum=max(ends), **rest),
        st.tuples(REALS, REALS),
        layer=st.sampled_from(["conv1", ""]),
        scale=scales,
        low=INTEGERS,
        high=INTEGERS,
        values=COUNTS,
        outside=COUNTS,
        counts=st.lists(COUNTS, min_size=1, max_size=3).filter(any).map(tuple),
    )
    steps = _figures(WaterfallFigures, step=st.sampled_from(["ideal", "weights", "rounding"]), top1=st.none() | shares)
    states = st.sampled_from(["matters", "not lifted", "not tried", "negligible", "nothing lost"])
    pasted = st.sampled_from(["", "layers:\n  conv1:\n    weights: {bits: 4}\n"])
    named = st.sampled_from(["", "equalise"])
    advice = _figures(
        AdviceFigures, yaml=pasted, technique=named, top1=st.none() | shares, top1_before=st.none() | shares
    )
    return _figures(
        Report,
        tensors=st.lists(tensors, max_size=2).map(tuple),
        attributed=st.none() | COUNTS,
        waterfall=st.lists(steps, max_size=3).map(tuple),
        costs=st.lists(_figures(CostFigures, state=states), max_size=4).map(tuple),
        advice=st.lists(advice, max_size=2).map(tuple),
        layers=st.lists(layers, max_size=3, unique_by=lambda one: one.name).map(tuple),
        points=st.lists(points, max_size=4).map(tuple),
        outputs=st.lists(outputs, max_size=2).map(tuple),
        flips=st.lists(_figures(FlipFigures), max_size=10).map(tuple),
    )
