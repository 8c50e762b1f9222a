"""The one place that decides how kernels are compiled."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import types
from numba.core import config
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., object])

EMULATED = os.environ.get("HWSIM_EMULATE") == "1"
"""Whether every tier is there, instructions that the processor lacks spelt out: slow, for tests of its kernels."""

_HERE = Path(__file__).parent
_DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_HERE.rglob("*.py")))).hexdigest()


@cache
def _cache_folder() -> Path:
    """Return a folder for machine code: beside the sources if they can be written to, else the user's own."""
    beside = _HERE / "__pycache__"
    name = f"numba-{_DIGEST[:12]}{'-emulated' if EMULATED else ''}"
    try:
        beside.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=beside):
            return beside / name
    except OSError:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return root / "hwsim" / name


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


def _nothing() -> None:
    """Stand for an attribute where nothing is compiled."""


def _attributed(*attributes: str) -> Callable[[], None]:
    """Return what, called in a kernel, gives LLVM's function these attributes; it does nothing at run time."""

    def attribute(_: object) -> Any:  # noqa: ANN401
        def generate(context: Any, builder: Any, signature: object, values: object) -> Any:  # noqa: ANN401
            known: set[str] = builder.function.attributes
            set[str].update(known, attributes)  # llvmlite's own method refuses those of single processors
            return context.get_dummy_value()

        return types.void(), generate

    chosen: Any = _nothing if config.DISABLE_JIT else intrinsic(attribute)  # type: ignore[attr-defined]
    return chosen  # type: ignore[no-any-return]


long_vectors = _attributed('"prefer-vector-width"="512"', "noinline")
"""Called in a kernel: let LLVM use the longest vectors that there are; it prefers shorter ones, for some processors."""
