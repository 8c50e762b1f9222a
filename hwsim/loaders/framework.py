"""The one place that imports TensorFlow and Keras, late and with little noise."""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

LEVEL = "TF_CPP_MIN_LOG_LEVEL"

_CHATTER = re.compile(rb"^(I\d{4} |WARNING: All log messages before absl)")
"""What TensorFlow's C++ says at every import, before any level of logging holds."""


def tensorflow() -> Any:
    """Return the module ``tensorflow``, imported at the first call."""
    return _import("tensorflow")


def keras() -> Any:
    """Return the module ``keras``, imported at the first call."""
    return _import("keras")


def lite_schema() -> Any:
    """Return the module that knows the layout of ``.tflite`` files, imported at the first call."""
    return _import("tensorflow.lite.python.schema_py_generated")


def _import(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    if LEVEL in os.environ:
        return importlib.import_module(name)
    os.environ[LEVEL] = "3"
    with _without_chatter():
        return importlib.import_module(name)


@contextmanager
def _without_chatter() -> Generator[None]:
    """Hold back what goes to standard error, then let through all but the chatter."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            rest = b"".join(line for line in held if not _CHATTER.match(line))
            os.write(2, rest)
