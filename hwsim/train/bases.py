"""The classes of Keras that this room derives from, with types, which Keras itself ships none of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from hwsim.loaders.framework import keras

KERAS: Any = keras()
C = TypeVar("C")

if TYPE_CHECKING:

    class Layer:
        """A layer: what of it is used here."""

        name: str
        built: bool
        supports_jit: bool
        trainable: bool

        def __init__(self, **keywords: Any) -> None: ...
        def __call__(self, *inputs: Any, **keywords: Any) -> Any: ...
        def add_weight(self, **keywords: Any) -> Any: ...
        def get_config(self) -> dict[str, Any]: ...

    class Model(Layer):
        """A model: what of it is used here."""

        layers: list[Any]

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    class Optimizer:
        """An optimizer: what of it is used here."""

        name: str
        built: bool
        _variables: list[Any]
        _trainable_variables: list[Any]
        _iterations: Any

        def __init__(self, **keywords: Any) -> None: ...
        def build(self, variables: Sequence[Any]) -> None: ...
        def add_variable_from_reference(self, variable: Any, name: str) -> Any: ...

else:
    Layer, Model, Optimizer = KERAS.layers.Layer, KERAS.Model, KERAS.optimizers.Optimizer


def saved(kind: type[C]) -> type[C]:
    """Register a class under ``hwsim``, so that saved models that use it can be loaded."""
    register: Callable[[type[C]], type[C]] = KERAS.saving.register_keras_serializable("hwsim")
    return register(kind)
