"""Reading ``.keras`` and ``.h5`` files that nobody vouches for."""

from __future__ import annotations

import json
import shutil
import tempfile
import textwrap
import zipfile
from pathlib import Path
from typing import Any

from hwsim.errors import ModelError
from hwsim.loaders.framework import keras
from hwsim.loaders.keras_config import refuse, without_unknown_arguments

CONFIG_LIMIT = 1 << 28
"""Bytes of config.json above which a file is no model but an attack (InceptionV3 has 0.3 MB)."""

MESSAGE_LIMIT = 300
"""Characters of Keras' own message to show: some hold the whole config."""


def read_model(path: Path) -> Any:
    """Return the Keras model in the file at ``path``, uncompiled.

    The config is judged before Keras builds anything from it. Raises ModelError for a damaged file and
    for a model that holds code, or classes that are not Keras'.
    """
    is_zip = path.suffix == ".keras"
    config = _parsed(path, _zip_config(path) if is_zip else _hdf5_config(path))
    try:
        refuse(config, str(path))
        cleaned = config if is_zip else without_unknown_arguments(config)
    except RecursionError as error:
        raise ModelError(f"{path}: the model's config is nested too deeply") from error
    if cleaned == config:
        return _loaded(path, path)
    with tempfile.TemporaryDirectory() as folder:
        return _loaded(_with_config(path, cleaned, Path(folder)), path)


def _zip_config(path: Path) -> str | bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > CONFIG_LIMIT:
                raise ModelError(f"{path}: its config.json has more than {CONFIG_LIMIT} bytes")
            return archive.read("config.json")
    except KeyError:
        raise ModelError(f"{path}: not a Keras model, it holds no config.json") from None
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: damaged or not a .keras file ({error})") from error


def _hdf5_config(path: Path) -> str | bytes:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config: Any = file.attrs.get("model_config")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: damaged or not an HDF5 file ({error})") from error
    if not isinstance(config, str | bytes):
        advice = "save the whole model with model.save()"
        raise ModelError(f"{path}: holds no model_config (weights only?); {advice}")
    return config


def _parsed(path: Path, text: str | bytes) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the model's config is not valid JSON ({error})") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path}: the model's config is not a JSON object")
    return config


def _with_config(path: Path, config: dict[str, Any], folder: Path) -> Path:
    import h5py

    copy = folder / path.name
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
    return copy


def _loaded(path: Path, shown: Path) -> Any:
    try:
        return keras().models.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:
        # Keras and h5py raise nearly anything for a file that is damaged or inconsistent.
        reason = textwrap.shorten(str(error) or type(error).__name__, MESSAGE_LIMIT, placeholder=" ...")
        raise ModelError(f"{shown}: Keras cannot read this model ({reason})") from error
