"""Python's garbage collector, held while modules load.

What a module makes stays, so that a search for what became unreachable finds nothing and takes the longer the more is
loaded: with TensorFlow's two million objects, a fifth of a second each time.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Generator[None]:
    """Let no collection begin in this block, of whatever thread; afterwards all is as it was."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
