"""The one place that decides how kernels are compiled."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba
from numba.core import config

F = TypeVar("F", bound=Callable[..., object])

_HERE = Path(__file__).parent
_DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_HERE.rglob("*.py")))).hexdigest()


def _cache_folder() -> Path:
    """Return a folder for machine code: beside the sources if they can be written to, else the user's own."""
    beside = _HERE / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=beside):
            return beside / f"numba-{_DIGEST[:12]}"
    except OSError:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return root / "hwsim" / f"numba-{_DIGEST[:12]}"


def inlined(function: F) -> F:
    """Compile ``function`` as ``njit`` does, and into its callers: passing many arguments costs more than its work."""
    return njit(function, forceinline=True)


def njit(function: F, *, forceinline: bool = False) -> F:
    """Compile ``function`` without the GIL and keep its machine code on disk.

    Numba forgets to recompile a cached caller when a callee in another file changes (numba#1833), so each version
    of this package gets its own folder. Bounds-checked code is never cached: Numba would load the unchecked code.
    """
    saved = config.CACHE_DIR  # type: ignore[attr-defined]
    config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]
    try:
        cached = not config.BOUNDSCHECK  # type: ignore[attr-defined]
        compiled = numba.njit(function, nogil=True, cache=cached, forceinline=forceinline)
    finally:
        config.CACHE_DIR = saved  # type: ignore[attr-defined]
    return cast("F", compiled)
