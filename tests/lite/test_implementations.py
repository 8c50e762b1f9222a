"""Every tensor of quantised files is that of the implementation whose name a target bears.

Each implementation runs on files in which every tensor is an output.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import layers
from lite import kernels, micro
from lite.converted import CASES, OPERATORS, convert, drawn_product
from lite.judge import Judge, asked, codes_for
from lite.judge import judged as reference
from lite.outputs import with_every_output
from lite.test_interpreter import compare
from pipeline.test_real_models import model

from hwsim.loaders.tflite_file import read_graph

JUDGES: Mapping[str, tuple[Judge, tuple[str, ...]]] = {
    "tflite-int8-optimized": (kernels.outputs, ("BUILTIN_WITHOUT_DEFAULT_DELEGATES",)),
    "tflite-int8-xnnpack": (kernels.outputs, ("AUTO",)),
    "tflite-micro-int8": (micro.outputs, ()),
}
LEFT = {
    "ABS", "AVERAGE_POOL_2D", "GELU", "HARD_SWISH", "MIRROR_PAD", "PADV2", "PRELU", "RELU", "RELU6", "SOFTMAX",
    "STRIDED_SLICE",
}  # fmt: skip
"""The operators that XNNPACK leaves to the built-in kernels, as docs/tflite.md lists them."""

SMALL = {**CASES, **OPERATORS}
MISSING = {("tflite-micro-int8", "gelu")}
"""What an implementation has not (docs/tflite.md)."""
FEW = (
    "conv strides (1, 2), relu", "conv in groups", "conv 1x1 without bias", "depthwise", "flatten, dense", "add, relu",
    "multiply by channel", "average pool", "global average", "global average, kept", "relu6 alone", "softmax",
    "leaky relu", "bilinear", "softmax, quantize", "matmul",
)  # fmt: skip
"""Networks of which each implementation computes some tensor in a way of its own; slow tests take all of them."""

Judged = tuple[Path, Any, dict[str, Any]]


def judged(target: str, paths: list[Path], samples: list[Any], *, rewritten: bool = True) -> list[dict[str, Any]]:
    """Return what the implementation behind a target makes of samples: every tensor of the files, or their outputs."""
    judge, resolver = JUDGES[target]
    if judge is micro.outputs and importlib.util.find_spec("tflite_micro") is None:
        pytest.skip("the wheel tflite-micro is not installed; it is in the extra `dev`")
    made = []
    for path, codes in zip(paths, samples, strict=True):
        copy = path.with_name(f"{path.stem} {target}.tflite")
        content = path.read_bytes()
        copy.write_bytes(with_every_output(content) if rewritten else content)
        made.append(asked(judge, copy, codes, *resolver))
    return made


def run_by(target: str, paths: dict[str, Path]) -> dict[str, Judged]:
    """Return file, samples and the judge's tensors of each network."""
    samples = [codes_for(path, 20) for path in paths.values()]
    made = zip(paths.values(), samples, judged(target, list(paths.values()), samples), strict=True)
    return dict(zip(paths, made, strict=True))


@pytest.fixture(scope="session", params=JUDGES)
def runs(request: pytest.FixtureRequest, small: dict[str, Path]) -> tuple[str, dict[str, Judged]]:
    """Return a target and what its judge makes of a few networks."""
    return request.param, run_by(request.param, {name: small[name] for name in FEW})


@pytest.mark.parametrize("name", FEW)
def test_every_tensor_of_a_small_network(name: str, runs: tuple[str, dict[str, Judged]]) -> None:
    target, made = runs
    assert compare(*made[name], target) > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", JUDGES)
def test_every_tensor_of_every_small_network(target: str, small: dict[str, Path]) -> None:
    judged_by = {name: path for name, path in small.items() if (target, name) not in MISSING}
    for one in run_by(target, judged_by).values():
        assert compare(*one, target) > 0


@pytest.mark.slow
def test_the_operators_left_to_the_built_in_kernels(small: dict[str, Path]) -> None:
    """XNNPACK takes all operators but those that the documentation lists."""
    made = run_by("tflite-int8-xnnpack", small)
    left, taken = set[str](), set[str]()
    for path, _, wanted in made.values():
        for operator in read_graph(path).operators:
            for tensor in operator.outputs:
                (left if tensor.index in wanted["left"] else taken).add(operator.word)
    assert (left, left & taken) == (LEFT, {"STRIDED_SLICE"})  # of steps above 1


@pytest.mark.slow
@pytest.mark.parametrize("target", JUDGES)
def test_outputs_are_those_of_the_file_as_it_was(target: str, small: dict[str, Path]) -> None:
    """An implementation computes the same whether inner tensors are outputs or not."""
    names = ["flatten, dense", "add, relu", "pad", "softmax of pixels", "multiply by channel"]
    paths = [small[name] for name in names]
    samples = [codes_for(path, 10) for path in paths]
    every = judged(target, paths, samples)
    for path, all_of_them, alone in zip(paths, every, judged(target, paths, samples, rewritten=False), strict=True):
        for tensor in read_graph(path).outputs:
            np.testing.assert_array_equal(alone[str(tensor.index)], all_of_them[str(tensor.index)])
        assert len(all_of_them) > len(alone)


def test_judges_that_can_fail(runs: tuple[str, dict[str, Judged]]) -> None:
    """With the arithmetic of every other implementation some tensor is another."""
    target, made = runs
    for other in {*JUDGES, "tflite-int8", "tflite-int8-single-rounding"} - {target}:
        differ = 0
        for name in ("conv 1x1 without bias", "relu6 alone", "multiply by channel"):
            try:
                compare(*made[name], other)
            except AssertionError:
                differ += 1
        assert differ, other


@pytest.mark.parametrize("target", JUDGES)
def test_dense_layers_whose_weights_have_one_scale(target: str, tmp_path: Path) -> None:
    """Kernels form the ratio of such a layer in float32 or in float64: seed 2 tells them apart."""
    path = tmp_path / "dense.tflite"
    path.write_bytes(convert((30,), layers.Dense(64), one_scale=True, seed=2))
    assert len(read_graph(path).operators[0].inputs[1].scale) == 1  # type: ignore[union-attr]
    codes = codes_for(path, 3000, 1)
    (wanted,) = judged(target, [path], [codes])
    assert compare(path, codes, wanted, target) == 1


@pytest.mark.slow
def test_products_of_matrices(tmp_path: Path) -> None:
    """Shapes of all kinds; XNNPACK takes the second operand as it is stored, all others less its zero point."""
    paths = [tmp_path / f"{seed}.tflite" for seed in range(60)]
    for seed, path in enumerate(paths):
        path.write_bytes(convert((6,), drawn_product(seed), seed=seed))
        assert any(one.word == "BATCH_MATMUL" for one in read_graph(path).operators)
    samples = [codes_for(path, 50) for path in paths]
    for target in ("tflite-int8", *JUDGES):
        judge = reference if target == "tflite-int8" else partial(judged, target)
        for path, codes, wanted in zip(paths, samples, judge(paths, samples), strict=True):
            assert compare(path, codes, wanted, target, lively=False) > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", JUDGES)
@pytest.mark.parametrize("name", ["ad01_int8.tflite", "kws_ref_model.tflite", "pretrainedResnet_quant.tflite"])
def test_every_tensor_of_a_real_network(name: str, target: str, tmp_path: Path) -> None:
    """Networks of the MLPerf Tiny benchmark."""
    path = tmp_path / name
    path.write_bytes(model(name).read_bytes())
    codes = codes_for(path, 4)
    (wanted,) = judged(target, [path], [codes])
    assert compare(path, codes, wanted, target) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("target", JUDGES)
@pytest.mark.parametrize("name", FEW)
def test_many_scales(name: str, target: str, tmp_path: Path) -> None:
    """One file with many scales: ties and derivations of multipliers that a single file may not meet."""
    paths = [tmp_path / f"{number}.tflite" for number in range(6)]
    for number, path in enumerate(paths):
        path.write_bytes(convert(*SMALL[name], seed=number + 2))
    samples = [codes_for(path, 100, number) for number, path in enumerate(paths)]
    for path, codes, wanted in zip(paths, samples, judged(target, paths, samples), strict=True):
        assert compare(path, codes, wanted, target) > 0


def test_depthwise_convolutions_by_eights(tmp_path: Path) -> None:
    """Negative ties go up in vectors of 8 channels, and away from 0 in those left over."""
    paths = [tmp_path / f"{channels}.tflite" for channels in (7, 8, 15, 16, 20)]
    for path in paths:
        path.write_bytes(convert((9, 9, int(path.stem)), layers.DepthwiseConv2D(3), seed=1))
    samples = [codes_for(path, 60) for path in paths]
    for path, codes, wanted in zip(paths, samples, judged("tflite-int8-optimized", paths, samples), strict=True):
        compare(path, codes, wanted, "tflite-int8-optimized")
