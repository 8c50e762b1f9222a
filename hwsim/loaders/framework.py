"""The one place that imports TensorFlow and Keras, late and with little noise."""

from __future__ import annotations

import importlib
import os
from typing import Any

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def tensorflow() -> Any:
    """Return the module ``tensorflow``, imported at the first call."""
    return _import("tensorflow")


def keras() -> Any:
    """Return the module ``keras``, imported at the first call."""
    return _import("keras")


def _import(name: str) -> Any:
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    return importlib.import_module(name)
