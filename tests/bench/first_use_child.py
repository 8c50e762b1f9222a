"""A process that runs the demo's model once: ``first_use_child.py FOLDER``, which holds the packages."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(folder: Path) -> None:
    """Print the seconds of the import of TensorFlow and of the rest."""
    started = time.perf_counter()
    import tensorflow  # noqa: F401  # pyright: ignore[reportUnusedImport]

    imported = time.perf_counter()
    import hwsim

    demo = folder / "hwsim" / "demo"
    result = hwsim.run(demo / "digits.keras", "generic-int8", demo / "digits.npz")
    str(result.report)
    finished = time.perf_counter()
    if not Path(hwsim.__file__).is_relative_to(folder):
        sys.exit(f"hwsim was imported from {hwsim.__file__}, not from {folder}")
    print(json.dumps({"import": imported - started, "run": finished - imported}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
