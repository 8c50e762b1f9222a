"""Judging a model's JSON config before Keras builds objects from it: nothing in a model file may run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hwsim.errors import ModelError
from hwsim.loaders.framework import keras

CODE = {
    "Lambda": "runs Python code from the file",
    "__lambda__": "runs Python code from the file",
    "TFSMLayer": "runs a TensorFlow program from another file",
    "TorchModuleWrapper": "runs pickled Python code from the file",
    "JaxLayer": "runs code outside Keras",
    "FlaxLayer": "runs code outside Keras",
    "StringLookup": "reads another file",
    "IntegerLookup": "reads another file",
    "TextVectorization": "reads another file",
    "__typespec__": "is not a layer",
}
"""Classes of Keras itself that hwsim refuses to build from a file."""

PLAIN = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__"}
"""Tags of plain data."""

ROOMS = ("layers", "models", "initializers", "regularizers", "constraints", "activations", "dtype_policies")
"""Modules of Keras whose classes may stand in a model."""

TRAINING = ("losses", "metrics", "optimizers")
"""Modules of Keras that a compiled inner model brings along."""

UNGROUPED = ("Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D")
"""Layers that had ``groups`` in old files and have none in Keras 3."""

MODULES = {"keras", "keras.ops", *(f"keras.{room}" for room in (*ROOMS, *TRAINING))}
MODELS = ("Functional", "Sequential", "Model")


def refuse(config: dict[str, Any], source: str) -> None:
    """Raise ModelError, all reasons at once, unless ``config`` describes a model of Keras' own classes."""
    class_name = config.get("class_name")
    if class_name not in MODELS or _outside(config) is not None:
        raise ModelError(
            f"{source}: the model is a {class_name!r}; only Functional and Sequential models describe "
            "themselves in a file (a subclassed model is Python code)"
        )
    # compile_config of the model itself is never read: the model is loaded uncompiled.
    reasons = list(dict.fromkeys(_refusals(config.get("config"), "")))
    if reasons:
        listed = "\n  ".join(reasons)
        raise ModelError(f"{source}: refused, nothing in a model file is executed:\n  {listed}")


def without_unknown_arguments(config: Any) -> Any:
    """Return an old file's config without ``groups`` in layers where Keras 3 rejects it."""
    if isinstance(config, list):
        return [without_unknown_arguments(part) for part in config]
    if not isinstance(config, dict):
        return config
    cleaned = {key: without_unknown_arguments(value) for key, value in config.items()}
    arguments = cleaned.get("config")
    if cleaned.get("class_name") in UNGROUPED and isinstance(arguments, dict):
        arguments.pop("groups", None)
    return cleaned


def _refusals(part: Any, path: str) -> Iterator[str]:
    if isinstance(part, list):
        for value in part:
            yield from _refusals(value, path)
    elif isinstance(part, dict):
        if "class_name" in part:
            path = _extended(path, part)
            reason = _reason(part)
            if reason is not None:
                yield f"{path} ({part['class_name']}: {reason})"
        for value in part.values():
            yield from _refusals(value, path)


def _reason(part: dict[str, Any]) -> str | None:
    class_name = part["class_name"]
    if not isinstance(class_name, str) or not class_name.isidentifier():
        # A name with a dot would reach into modules that are not allowed.
        return "not a class of Keras"
    if class_name in CODE:
        return CODE[class_name]
    return None if class_name in PLAIN else _outside(part)


def _outside(part: dict[str, Any]) -> str | None:
    """Return how the class of ``part`` is not Keras' own, or None if it is."""
    class_name, module, registered = part.get("class_name"), part.get("module"), part.get("registered_name")
    if class_name == "function":
        known = module in (None, "builtins") or _is_keras(module)
        return None if known and str(part.get("config")).isidentifier() else "not a function of Keras"
    if registered not in (None, class_name):
        return f"registered as {registered!r}, not a class of Keras"
    if module is None:
        return None if _is_known(class_name) else "not a class of Keras"
    return None if _is_keras(module) else f"of module {module!r}, not of Keras"


def _is_known(class_name: Any) -> bool:
    """Return whether Keras has a class of this name: all that an ``.h5`` file says about its classes."""
    return class_name in (*MODELS, "Policy") or any(hasattr(getattr(keras(), room), class_name) for room in ROOMS)


def _is_keras(module: Any) -> bool:
    parts = str(module).replace("keras.src.", "keras.").split(".")
    return ".".join(parts[:2]) in MODULES


def _extended(path: str, part: dict[str, Any]) -> str:
    inner = part.get("config")
    name = part.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
    if not isinstance(name, str):
        return path
    return f"{path}/{name}" if path else name
