"""Images brought to another size, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwsim.loaders.framework import tensorflow
from hwsim.network import Resize
from hwsim.network.mac import Floats
from hwsim.reference.compiled import run


def resize(operation: Resize, inputs: Sequence[Floats]) -> Floats:
    """Return the interpolated images."""
    return run(_resized, (operation.size, operation.align_corners, operation.half_pixel), inputs[0])


def _resized(size: tuple[int, int], align_corners: bool, half_pixel: bool, images: Any) -> Any:
    raw = tensorflow().raw_ops.ResizeBilinear
    return raw(images=images, size=size, align_corners=align_corners, half_pixel_centers=half_pixel)
