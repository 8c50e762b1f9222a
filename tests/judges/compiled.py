"""Judges that are C++ headers: a small program is compiled against them, which reads integers and prints rows."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

Rows = list[list[str]]
Program = Callable[[str, Iterable[int]], Rows]


def program(name: str, headers: str, folder: Path) -> Program:
    """Compile ``name``.cpp against ``headers``, a folder of hls4ml, and the folder around it; return what runs it.

    Skip where hls4ml or g++ is missing.
    """
    hls4ml = find_spec("hls4ml")
    if hls4ml is None or not hls4ml.submodule_search_locations:
        pytest.skip(f"the headers of {name} are those of hls4ml, which is not installed")
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing")
    include = Path(hls4ml.submodule_search_locations[0]) / "templates" / headers
    both = [f"-I{include}", f"-I{include.parent}"]
    source, binary = Path(__file__).with_name(f"{name}.cpp"), folder / name
    # -w: the headers are not ours
    subprocess.run(["g++", "-std=c++17", "-O0", "-w", *both, str(source), "-o", str(binary)], check=True)

    def run(what: str, values: Iterable[int]) -> Rows:
        text = "\n".join(map(str, values))
        ran = subprocess.run([str(binary), what], input=text, capture_output=True, text=True, check=True)
        return [line.split() for line in ran.stdout.splitlines()]

    return run
