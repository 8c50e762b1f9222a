"""Every tensor of quantised files is that of the implementation whose name a target bears.

Each implementation runs in a process of its own, one for all files, on files in which every tensor is an output.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lite.converted import CASES, convert
from lite.outputs import with_every_output
from lite.test_interpreter import codes_for, compare, ran
from pipeline.test_real_models import model

from hwsim.loaders.tflite_file import read_graph

HERE = Path(__file__).parent
JUDGES = {
    "tflite-int8-optimized": ("kernels.py", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
    "tflite-int8-xnnpack": ("kernels.py", "AUTO"),
    "tflite-micro-int8": ("micro.py",),
}
LEFT = {"AVERAGE_POOL_2D", "RELU", "RELU6", "SOFTMAX"}
"""The operators that XNNPACK leaves to the built-in kernels, as docs/tflite.md lists them."""

Judged = tuple[Path, Any, dict[str, Any]]


def judged(target: str, paths: list[Path], samples: list[Any]) -> list[dict[str, Any]]:
    """Return what the implementation behind a target makes of samples, in one process for all files."""
    if JUDGES[target][0] == "micro.py" and importlib.util.find_spec("tflite_micro") is None:
        pytest.skip("the wheel tflite-micro is not installed; it is in the extra `dev`")
    arguments: list[str] = []
    for path, codes in zip(paths, samples, strict=True):
        stem = path.with_name(f"{path.stem} {target}")
        stem.with_suffix(".tflite").write_bytes(with_every_output(path.read_bytes()))
        np.save(stem.with_suffix(".npy"), codes)
        arguments += [str(stem.with_suffix(suffix)) for suffix in (".tflite", ".npy", ".npz")]
    script, *first = JUDGES[target]
    subprocess.run([sys.executable, str(HERE / script), *first, *arguments], check=True, capture_output=True)
    return [dict(np.load(path.with_name(f"{path.stem} {target}.npz"))) for path in paths]


@pytest.fixture(scope="session", params=JUDGES)
def files(request: pytest.FixtureRequest, converted: dict[str, Path]) -> tuple[str, dict[str, Judged]]:
    """Return a target, and the file, the samples and its judge's tensors of each case."""
    target, paths = request.param, list(converted.values())
    samples = [codes_for(path, 20) for path in paths]
    made = zip(paths, samples, judged(target, paths, samples), strict=True)
    return target, dict(zip(converted, made, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_every_tensor_of_a_small_network(name: str, files: tuple[str, dict[str, Judged]]) -> None:
    target, made = files
    assert compare(*made[name], target) > 0
