"""What a quantised model file says of the integers it was made for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwsim.formats import IntFormat


@dataclass(frozen=True, kw_only=True)
class Codes:
    """A code q stands for ``scale * (q - zero_point)``: one scale and zero point, or one for each output channel."""

    format: IntFormat
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The formats of a file: ``tensors`` and ``weights`` by the name of the operation that makes or holds them."""

    tensors: Mapping[str, Codes] = field(default_factory=dict)
    weights: Mapping[str, Codes] = field(default_factory=dict)
