"""Keras layers that normalise by statistics of the data at hand: a normalisation, then a scale and a shift."""

from __future__ import annotations

from typing import Any

from hwsim.loaders.keras_constant import scaled_and_shifted
from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_weights import array
from hwsim.network import Normalize, Operation


def layer_normalization(call: Call) -> tuple[Operation, ...]:
    """Import LayerNormalization over the last axis."""
    layer = call.layer
    _last_axis(layer.axis, call)
    if getattr(layer, "rms_scaling", False):
        raise NoIntegerForm("rms_scaling, which Keras computes with the variance about the mean")
    return _affine(call, Normalize(name=call.name, inputs=call.inputs, epsilon=float(layer.epsilon)))


def rms_normalization(call: Call) -> tuple[Operation, ...]:
    """Import RMSNormalization over the last axis."""
    layer = call.layer
    _last_axis(layer.axis, call)
    inner = Normalize(name=call.name, inputs=call.inputs, epsilon=float(layer.epsilon), centered=False)
    return _scaled(call, inner, array(layer.scale), 0)


def group_normalization(call: Call) -> tuple[Operation, ...]:
    """Import GroupNormalization over the last axis."""
    layer, channels = call.layer, call.shapes[0][-1]
    _last_axis(layer.axis, call)
    groups = channels if layer.groups == -1 else int(layer.groups)
    return _affine(
        call, Normalize(name=call.name, inputs=call.inputs, epsilon=float(layer.epsilon), groups=groups, whole=True)
    )


def _last_axis(axis: Any, call: Call) -> None:
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if axes not in ([-1], [len(call.shapes[0])]):
        raise NoIntegerForm(f"normalises over the axes {axes}; hwsim has the last one")


def _affine(call: Call, inner: Normalize) -> tuple[Operation, ...]:
    layer = call.layer
    scale = 1 if layer.gamma is None else array(layer.gamma)
    shift = 0 if layer.beta is None else array(layer.beta)
    if layer.gamma is None and layer.beta is None:
        return (inner,)
    return _scaled(call, inner, scale, shift)


def _scaled(call: Call, inner: Normalize, scale: Any, shift: Any) -> tuple[Operation, ...]:
    return inner, *scaled_and_shifted(call, inner.name, f"{call.name}/scale", scale, shift)
