"""Every tensor of quantised files is the reference interpreter's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from lite.converted import CASES, OPERATORS, SHAPES, chain, convert, convert_model
from lite.judge import all_tensors, codes_for, judged
from lite.networks import NETWORKS
from lite.outputs import with_scales
from pipeline.test_real_models import model

import hwsim
from hwsim.engine import Execution, execute
from hwsim.loaders.tflite_draft import Draft
from hwsim.loaders.tflite_file import read_graph
from hwsim.program import lower
from hwsim.quantize.stored import stored_plan
from hwsim.target import load_target


def ran(path: Path, codes: Any, target: str) -> Execution:
    """Run a file on codes of its input."""
    network = all_tensors(hwsim.load(path))
    assert network.stored is not None
    (one,) = network.inputs
    stored = network.stored.tensors[one.name]
    chosen = load_target(target)
    program = lower(network, stored_plan(network, chosen), chosen)
    return execute(program, stored.scale[0] * (codes.astype(np.float64) - stored.zero_point[0]))


def compare(path: Path, codes: Any, wanted: dict[str, Any], target: str = "tflite-int8", *, lively: bool = True) -> int:
    """Assert that every tensor that an operator of a file makes is the interpreter's; return how many there are.

    If ``lively``, none may be the same everywhere.
    """
    ours, graph = ran(path, codes, target), read_graph(path)
    draft = Draft(graph)
    compared = 0
    for operator in graph.operators:
        for tensor in operator.outputs:
            if tensor.kind in ("INT8", "UINT8", "INT16"):
                mine, theirs = ours.codes[draft.name(tensor)], wanted[str(tensor.index)]
                np.testing.assert_array_equal(mine.reshape(theirs.shape), theirs, f"{operator.word} {tensor.name}")
                assert not lively or len(np.unique(theirs)) > 1, (
                    f"{operator.word} {tensor.name}: the samples show nothing"
                )
                compared += 1
    return compared


@pytest.mark.parametrize("name", [*CASES, *OPERATORS, *NETWORKS, *(f"{name}, any batch" for name in SHAPES)])
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
        path.write_bytes(convert(*{**CASES, **OPERATORS}[name], wide=True))
    samples = [codes_for(path, 40) for path in paths]
    for path, codes, wanted in zip(paths, samples, judged(paths, samples), strict=True):
        assert compare(path, codes, wanted, "tflite-int16x8") > 0


@pytest.mark.slow
def test_every_tensor_of_16_bits(tmp_path: Path) -> None:
    """The operators whose arithmetic is another with 16-bit feature maps."""
    converted_wide(
        ["conv same, stride 2", "depthwise", "dense", "add", "concatenate", "swish", "matmul", "gelu"], tmp_path
    )


def bent(x: Any) -> Any:
    """Return GELU by its tanh."""
    return keras.ops.gelu(x, approximate=True)


TOLD_APART = (
    (
        bent,
        (
            (4.701777288573794e-05, 4.701777288573794e-05),
            (6.0480877436930314e-05, 6.0480877436930314e-05),
            (0.00013382552424445748, 8.608511416241527e-05),
            (3.473446486168541e-05, 2.3863163733039983e-05),
        ),
    ),
    (
        layers.Activation("gelu"),
        (
            (6.750691682100296e-05, 6.750691682100296e-05),
            (0.0001702937006484717, 0.0001702937006484717),
            (0.00015988103405106813, 0.00015988103405106813),
            (0.00010033161379396915, 0.00010033161379396915),
            (0.00021124474005773664, 0.00017571367789059877),
        ),
    ),
)
"""GELUs with scales of input and output."""


@pytest.mark.parametrize(
    ("build", "reaches"),
    [
        (layers.Activation("sigmoid"), [12]),
        (layers.Activation("tanh"), [12]),
        (bent, [12, 11.465, 5.251, 11.803]),
        (layers.Activation("gelu"), [4.5, 9.281, 2.113, 11.465]),
    ],
)
def test_every_code_of_16_bits_through_a_function(build: Any, reaches: list[float], tmp_path: Path) -> None:
    """The whole tables of functions up to their ends, and the lines between their entries.

    Most of the ranges are such that a GELU in float64, rounded once, has another entry.
    """
    codes = np.arange(-(1 << 15), 1 << 15).astype(np.int16).reshape(16, 4096)
    paths = [tmp_path / f"{reach}.tflite" for reach in reaches]
    for path, reach in zip(paths, reaches, strict=True):
        inputs = keras.Input((4096,), batch_size=1)
        reaching = np.linspace(-reach, reach, 4096, dtype=np.float32)[None]
        path.write_bytes(convert_model(keras.Model(inputs, build(inputs)), [reaching], wide=True))
    for path, wanted in zip(paths, judged(paths, [codes] * len(paths)), strict=True):
        assert compare(path, codes, wanted, "tflite-int16x8") == 1


@pytest.mark.slow
def test_only_the_c_library_tells_gelus_of_16_bits_apart(rounded_once: Path, tmp_path: Path) -> None:
    """With an erfc and a tanh that round once, every code is equal at scales where others give another entry.

    The scales are those at which the GNU C library 2.36 does; here the interpreter loads one that does not.
    """
    calibrating = np.linspace(-3, 3, 4096, dtype=np.float32)[None]
    paths, codes = list[Path](), np.arange(-(1 << 15), 1 << 15).astype(np.int16).reshape(16, 4096)
    for build, scales in TOLD_APART:
        inputs = keras.Input((4096,), batch_size=1)
        content = convert_model(keras.Model(inputs, build(inputs)), [calibrating], wide=True)
        for first, last in scales:
            paths.append(tmp_path / f"{len(paths)}.tflite")
            paths[-1].write_bytes(with_scales(content, first, last))
    for path, wanted in zip(paths, judged(paths, [codes] * len(paths), rounded_once), strict=True):
        assert compare(path, codes, wanted, "tflite-int16x8") == 1


def test_lines_of_16_bits_through_a_softmax(tmp_path: Path) -> None:
    """Lines of two values and of many, with differences of every size."""
    sizes = (2, 100)
    paths = [tmp_path / f"{size}.tflite" for size in sizes]
    samples = []
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(convert((3, size), chain(layers.Rescaling(5.0), layers.Softmax()), wide=True))
        reach = np.random.default_rng(size).choice([3, 300, 5000, 32767], (60, 1, 1))
        samples.append(codes_for(path, 60, size) % (reach + 1) - reach // 2)
    samples = [one.astype(np.int16) for one in samples]
    for path, codes, wanted in zip(paths, samples, judged(paths, samples), strict=True):
        assert compare(path, codes, wanted, "tflite-int16x8") > 0


@pytest.mark.slow
def test_every_tensor_of_16_bits_of_all_cases(tmp_path: Path) -> None:
    """All cases but those that have no integer form for 16 bits here, or that the converter or the judge refuses."""
    refused = ("hard swish", "pad channels", "prelu")
    converted_wide([name for name in (*CASES, *OPERATORS) if not any(word in name for word in refused)], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kind", ["multiply", "add", "global average", "softmax", "dense", "conv"])
def test_many_scales(kind: str, wide: bool, tmp_path: Path) -> None:
    """One operator with many scales: ties and derivations of multipliers that a single file may not meet."""
    shape, build = CASES[kind]
    paths = [tmp_path / f"{number}.tflite" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(convert(shape, build, wide=wide, seed=number))
    samples = [codes_for(path, 100, number) for number, path in enumerate(paths)]
    for path, codes, wanted in zip(paths, samples, judged(paths, samples), strict=True):
        assert compare(path, codes, wanted, "tflite-int16x8" if wide else "tflite-int8") > 0
