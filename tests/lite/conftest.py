"""The files that the judges of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
from lite.converted import CASES, convert


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the path of the file of each case."""
    folder = tmp_path_factory.mktemp("converted")
    paths = {name: folder / f"{number}.tflite" for number, name in enumerate(CASES)}
    for name, path in paths.items():
        path.write_bytes(convert(*CASES[name]))
    return paths
