"""The files that several tests take."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lite.converted import CASES, CONSTANTS, OPERATORS, SHAPES, convert, convert_model, made
from lite.judge import codes_for, judged
from lite.networks import NETWORKS


@pytest.fixture(scope="session")
def models() -> dict[str, tuple[Any, list[Any]]]:
    """Return the model of each case, and the samples that it is calibrated with."""
    return {
        name: made(shape, build) for name, (shape, build) in {**CASES, **OPERATORS, **CONSTANTS, **NETWORKS}.items()
    }


@pytest.fixture(scope="session")
def files(
    models: dict[str, tuple[Any, list[Any]]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, Any, dict[str, Any]]]:
    """Return the file, the samples and the interpreter's tensors of each case."""
    folder = tmp_path_factory.mktemp("lite")
    contents = {name: convert_model(*one) for name, one in models.items()}
    contents |= {f"{name}, any batch": convert(*CASES[name], any_batch=True) for name in SHAPES}
    paths = [folder / f"{number}.tflite" for number in range(len(contents))]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_bytes(content)
    samples = [codes_for(path, 6) for path in paths]
    made = zip(paths, samples, judged(paths, samples), strict=True)
    return dict(zip(contents, made, strict=True))


@pytest.fixture(scope="session")
def rounded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library for the interpreter whose erfc and tanh of float32 round once: GELU takes them from there."""
    if shutil.which("cc") is None:
        pytest.skip("cc is missing")
    library = tmp_path_factory.mktemp("library") / "rounded_once.so"
    source = Path(__file__).with_name("rounded_once.c")
    subprocess.run(["cc", "-O1", "-fno-builtin", "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
    return library


@pytest.fixture(scope="session")
def small(files: dict[str, tuple[Path, Any, dict[str, Any]]]) -> dict[str, Path]:
    """Return the path of the file of each small network."""
    return {name: files[name][0] for name in (*CASES, *OPERATORS)}
