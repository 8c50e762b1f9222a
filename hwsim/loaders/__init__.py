"""Reading models: a Keras model or a model file becomes a Network."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.data import Data, Samples
from hwsim.errors import ModelError
from hwsim.loaders.keras import import_model, inputs_of
from hwsim.loaders.keras_file import read_model
from hwsim.loaders.tflite import import_tflite
from hwsim.network import Network, Shape
from hwsim.network.rewrite import keep_axes, simplify
from hwsim.network.spread import silu_as_product, slopes_as_curves
from hwsim.target import Target, load_target
from hwsim.target.settings import Reading

if TYPE_CHECKING:
    import keras

__all__ = ["load", "load_for_data", "load_with_model"]

SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite")


def load(
    model: keras.Model | Network | str | Path,
    *,
    fold: bool = True,
    target: str | Path | Target | None = None,
    shapes: Mapping[str, Shape] | None = None,
) -> Network:
    """Return the network of a Keras model, of a ``.keras``, ``.h5`` or ``.tflite`` file, or the network given.

    The network of a quantised ``.tflite`` file holds the file's own scales as ``Network.stored``. In all others, batch
    normalisations are folded (unless ``fold`` is False: they stay as a scale and a shift of their own) and activations
    fused where that is exact in real numbers. A
    ``target`` says how that is done, in its section `network`. ``shapes`` gives the shape of a sample for inputs of a
    Keras model that leave sizes open, by their names. Raises ModelError for what cannot be read or is refused,
    UnsupportedError (all layers at once) for layers without an integer form.
    """
    return load_with_model(model, fold=fold, target=target, shapes=shapes)[0]


def load_with_model(
    model: object,
    *,
    fold: bool = True,
    target: str | Path | Target | None = None,
    shapes: Mapping[str, Shape] | None = None,
) -> tuple[Network, Any]:
    """Return what `load` returns, and the Keras model it came from (None for a Network)."""
    source = read(model)
    if isinstance(source, Network):
        return source, None
    reading = Reading() if target is None else load_target(target).network
    if not fold:  # what stays by itself is one operation
        reading = reading.model_copy(update={"folding": "float64"})
    network = import_model(source, reading, shapes)
    if reading.silu == "product":
        network = silu_as_product(network)
    if reading.leaky_relu == "curve":
        network = slopes_as_curves(network)
    if reading.global_average == "mean":
        network = keep_axes(network)
    return simplify(network, fold=fold, folding=reading.folding, leaky=reading.leaky_relu == "fused"), source


def load_for_data(
    model: object, given: Sequence[Data | None], *, target: str | Path | Target | None = None
) -> tuple[Network, Any, list[Data | None]]:
    """Return what `load_with_model` returns, and the data ``given``: for a run, for a calibration and so on.

    Sizes that the model leaves open are those of the first data that is not None. What is read of an iterator for that
    comes again from the object returned in its place.
    """
    source, kept = read(model), list(given)
    number = next((number for number, one in enumerate(kept) if one is not None), None)
    if isinstance(source, Network) or number is None:
        return *load_with_model(source, target=target), kept
    inputs = inputs_of(source)
    if not any(None in one.shape for one in inputs):
        return *load_with_model(source, target=target), kept
    samples = Samples(kept[number], inputs)
    shapes = samples.settle()
    kept[number] = samples.source
    return *load_with_model(source, target=target, shapes=shapes), kept


def read(model: object) -> Any:
    """Return the Keras model that is given, or in a file, or else a network: no file is read twice."""
    if isinstance(model, Network):
        return model
    if isinstance(model, str | Path) and Path(model).suffix == ".tflite":
        return import_tflite(_existing(Path(model)))
    source: Any = _read(Path(model)) if isinstance(model, str | Path) else model
    if not _is_keras_model(source):
        kind = f"{type(source).__module__}.{type(source).__qualname__}"
        allowed = f"a keras.Model, a hwsim.Network or a path ending in {_suffixes()}"
        raise ModelError(f"a model is {allowed}, not a {kind}")
    return source


def _read(path: Path) -> Any:
    if path.suffix not in SUFFIXES:
        kind = "directory" if path.is_dir() else f"file ending in {path.suffix!r}"
        raise ModelError(f"{path}: a model file ends in {_suffixes()}, this is a {kind}")
    return read_model(_existing(path))


def _existing(path: Path) -> Path:
    if not path.is_file():
        reason = "is a directory" if path.is_dir() else "does not exist"
        raise ModelError(f"{path}: {reason}; a model is one file ending in {_suffixes()}")
    return path


def _is_keras_model(candidate: Any) -> bool:
    # An object can be a Keras model only if somebody has imported Keras: no need to import it here.
    model_class = getattr(sys.modules.get("keras"), "Model", None)
    return model_class is not None and isinstance(candidate, model_class)


def _suffixes() -> str:
    return f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
