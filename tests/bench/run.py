"""``python tests/bench/run.py``: see ``command``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    sys.path[0] = str(ROOT / "tests")
    sys.path += [str(ROOT), str(ROOT / "kernels")]  # behind an installed hwsim and PYTHONPATH

    from bench.command import main

    sys.exit(main())
