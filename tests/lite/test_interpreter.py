"""Every tensor of quantised files is the reference interpreter's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lite import interpreter
from lite.converted import CASES, convert
from pipeline.test_real_models import model

import hwsim
from hwsim.engine import Execution, execute
from hwsim.loaders.tflite_draft import Draft
from hwsim.loaders.tflite_file import read_graph
from hwsim.network import Network
from hwsim.program import lower
from hwsim.quantize.stored import stored_plan
from hwsim.target import load_target

SHAPES = ("flatten, dense", "reshape", "multiply by channel")
"""Networks whose files work out shapes where the batch may have any size, and say them where it has one."""


def codes_for(path: Path, count: int, seed: int = 0) -> Any:
    """Return codes over the whole range of a file's input, the extremes among them."""
    network = hwsim.load(path)
    assert network.stored is not None
    (one,) = network.inputs
    form = network.stored.tensors[one.name].format
    kind = f"{'' if form.signed else 'u'}int{form.bits}"
    drawn = np.random.default_rng(seed).integers(form.minimum, form.maximum + 1, (count, *one.shape)).astype(kind)
    drawn[0], drawn[1] = form.minimum, form.maximum
    return drawn


def judged(paths: list[Path], samples: list[Any]) -> list[dict[str, Any]]:
    """Return what the interpreter makes of samples, in one process for all files."""
    arguments: list[str] = []
    for path, codes in zip(paths, samples, strict=True):
        np.save(path.with_suffix(".npy"), codes)
        arguments += [str(path), str(path.with_suffix(".npy")), str(path.with_suffix(".npz"))]
    subprocess.run([sys.executable, interpreter.__file__, *arguments], check=True, capture_output=True)
    return [dict(np.load(path.with_suffix(".npz"))) for path in paths]


def all_tensors(network: Network) -> Network:
    """Return a network whose results are all of its tensors."""
    return replace(network, outputs=tuple(one.name for one in network.operations))


def ran(path: Path, codes: Any, target: str) -> Execution:
    """Run a file on codes of its input."""
    network = all_tensors(hwsim.load(path))
    assert network.stored is not None
    (one,) = network.inputs
    stored = network.stored.tensors[one.name]
    chosen = load_target(target)
    program = lower(network, stored_plan(network, chosen), chosen)
    return execute(program, stored.scale[0] * (codes.astype(np.float64) - stored.zero_point[0]))


def compare(path: Path, codes: Any, wanted: dict[str, Any], target: str = "tflite-int8") -> int:
    """Assert that every tensor that an operator of a file makes is the interpreter's; return how many there are."""
    ours, graph = ran(path, codes, target), read_graph(path)
    draft = Draft(graph)
    compared = 0
    for operator in graph.operators:
        for tensor in operator.outputs:
            if tensor.kind in ("INT8", "UINT8", "INT16"):
                mine, theirs = ours.codes[draft.name(tensor)], wanted[str(tensor.index)]
                np.testing.assert_array_equal(mine.reshape(theirs.shape), theirs, f"{operator.word} {tensor.name}")
                assert len(np.unique(theirs)) > 1, f"{operator.word} {tensor.name}: the samples show nothing"
                compared += 1
    return compared


@pytest.fixture(scope="session")
def files(
    converted: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, Any, dict[str, Any]]]:
    """Return the file, the samples and the interpreter's tensors of each case."""
    folder, named = tmp_path_factory.mktemp("lite"), dict(converted)
    for number, name in enumerate(SHAPES):
        named[f"{name}, any batch"] = folder / f"{number}.tflite"
        named[f"{name}, any batch"].write_bytes(convert(*CASES[name], any_batch=True))
    paths = list(named.values())
    samples = [codes_for(path, 6) for path in paths]
    made = zip(paths, samples, judged(paths, samples), strict=True)
    return dict(zip(named, made, strict=True))


@pytest.mark.parametrize("name", [*CASES, *(f"{name}, any batch" for name in SHAPES)])
def test_every_tensor_of_a_small_network(name: str, files: dict[str, tuple[Path, Any, dict[str, Any]]]) -> None:
    """Each operator, stride, padding, dilation and fused activation."""
    assert compare(*files[name]) > 0


def test_a_judge_that_can_fail(files: dict[str, tuple[Path, Any, dict[str, Any]]]) -> None:
    """With TensorFlow Lite Micro's arithmetic a fully connected layer differs: full TensorFlow Lite uses float64."""
    path, _, _ = files["dense"]
    many = codes_for(path, 4000)
    (wanted,) = judged([path], [many])
    assert compare(path, many, wanted) == 1
    with pytest.raises(AssertionError, match="FULLY_CONNECTED"):
        compare(path, many, wanted, "tflite-micro-int8")


@pytest.mark.parametrize("name", ["ad01_int8.tflite", "kws_ref_model.tflite", "pretrainedResnet_quant.tflite"])
def test_every_tensor_of_a_real_network(name: str, tmp_path: Path) -> None:
    """Networks of the MLPerf Tiny benchmark."""
    path = tmp_path / name
    path.write_bytes(model(name).read_bytes())
    codes = codes_for(path, 4)
    (wanted,) = judged([path], [codes])
    assert compare(path, codes, wanted) >= 10


def converted_wide(names: list[str], folder: Path) -> None:
    """Assert that files with 16-bit feature maps are the interpreter's in every tensor."""
    paths = [folder / f"{number}.tflite" for number in range(len(names))]
    for path, name in zip(paths, names, strict=True):
        path.write_bytes(convert(*CASES[name], wide=True))
    samples = [codes_for(path, 40) for path in paths]
    for path, codes, wanted in zip(paths, samples, judged(paths, samples), strict=True):
        assert compare(path, codes, wanted, "tflite-int16x8") > 0


def test_every_tensor_of_16_bits(tmp_path: Path) -> None:
    """The operators whose arithmetic is another with 16-bit feature maps."""
    converted_wide(["conv same, stride 2", "depthwise", "dense", "add", "concatenate"], tmp_path)


@pytest.mark.slow
def test_every_tensor_of_16_bits_of_all_cases(tmp_path: Path) -> None:
    """All cases but the softmax, which has no integer form for 16 bits here."""
    converted_wide([name for name in CASES if "softmax" not in name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kind", ["multiply", "add", "global average", "softmax", "dense", "conv"])
def test_many_scales(kind: str, wide: bool, tmp_path: Path) -> None:
    """One operator with many scales: ties and derivations of multipliers that a single file may not meet."""
    if wide and kind == "softmax":
        pytest.skip("a softmax of 16 bits runs on the host")
    shape, build = CASES[kind]
    paths = [tmp_path / f"{number}.tflite" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(convert(shape, build, wide=wide, seed=number))
    samples = [codes_for(path, 100, number) for number, path in enumerate(paths)]
    for path, codes, wanted in zip(paths, samples, judged(paths, samples), strict=True):
        assert compare(path, codes, wanted, "tflite-int16x8" if wide else "tflite-int8") > 0
