"""The hardware's kernel store: weights replaced by what it can hold, and what that loses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import ModelError
from hwsim.formats import IntFormat, Rounding
from hwsim.loaders import load, load_with_model
from hwsim.loaders.framework import tensorflow
from hwsim.network import Network
from hwsim.quantize import Plan
from hwsim.quantize.decide import kernel_of, plan_weights
from hwsim.quantize.scales import power_of_two_above
from hwsim.report.columns import table
from hwsim.target import Target, load_target
from hwsim.train.bases import KERAS
from hwsim.train.build import keras_model
from hwsim.train.grid import grid_of, levels_of
from hwsim.train.layers import WeightedSums
from hwsim.train.rounding import round_real

Reals = NDArray[np.float64]
Granularity = Literal["full_channel", "output_channel", "layer"] | tuple[Literal["group"], int]

FLOAT_BITS = 32
SMALLEST_RANGE = 2.0**-126
TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
WEIGHTED = (*TRANSPOSED, *DEPTHWISE, "Conv1D", "Conv2D", "Conv3D", "Dense", "SeparableConv1D", "SeparableConv2D")


class Options(TypedDict, total=False):
    """The keywords of ``Store``."""

    bits: int
    signed: bool
    granularity: Granularity
    symmetric: bool
    narrow: bool
    rounding: Rounding | str
    step: str


@dataclass(frozen=True, kw_only=True)
class Store:
    """How weights are held.

    ``bits``: width of a code, 2 to 16. ``granularity``: what shares a scale: `full_channel` the taps from one input to
    one output channel, `output_channel` all taps to one output channel, `layer` all, ``("group", n)`` those from n
    input channels to one output channel. ``symmetric``: the zero point is 0. ``narrow``: the most negative code is left
    out. ``step``: `uniform`, `power_of_two` (uniform codes, scales powers of two), `quadratic` or `logarithmic` (codes
    stand for the levels of ``hwsim.train.levels_of``; symmetric).
    """

    bits: int = 8
    signed: bool = True
    granularity: Granularity = "full_channel"
    symmetric: bool = True
    narrow: bool = True
    rounding: Rounding | str = Rounding.HALF_EVEN
    step: str = "uniform"

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be."""
        if not 2 <= self.bits <= 16:
            raise ValueError(f"stored weights have 2 to 16 bits, not {self.bits}")
        known = ("full_channel", "output_channel", "layer")
        grouped = isinstance(self.granularity, tuple) and self.granularity[0] == "group" and self.granularity[1] >= 1
        if self.granularity not in known and not grouped:
            raise ValueError(f"granularity is {', '.join(known)} or ('group', n), not {self.granularity!r}")
        if Rounding(self.rounding).stochastic:
            raise ValueError(f"{self.rounding} draws random numbers; a store needs a deterministic mode")
        if self.step != "power_of_two":
            levels_of(self.step, self.form)
        if self.step in ("quadratic", "logarithmic") and not self.symmetric:
            raise ValueError(f"the levels of step {self.step!r} are symmetric")
        if self.symmetric and not self.signed:
            raise ValueError("unsigned weights need symmetric=False, since a zero point of 0 leaves no negative ones")

    @property
    def form(self) -> IntFormat:
        """The format of a code."""
        return IntFormat(bits=self.bits, signed=self.signed, narrow=self.narrow and self.signed)

    def held(self, kernel: NDArray[Any]) -> tuple[Reals, int]:
        """Return what the store holds of a kernel (…, inputs, outputs), and how many scales that takes.

        Symmetric: limit = 2^(bits - 1) - 1, s = max|w| / limit, q = round(clip(w / s, -limit, limit)) * s. Otherwise
        s = (high - low) / (codes - 1), low and high widened to hold 0, and a zero point. What is 0 all over stays so.
        """
        weights = kernel.astype(np.float64)
        if isinstance(self.granularity, tuple):
            size = self.granularity[1]
            cuts = list(range(size, weights.shape[-2], size))
            parts = [self._shared(part, (*range(part.ndim - 1),)) for part in np.split(weights, cuts, axis=-2)]
            return np.concatenate([part for part, _ in parts], axis=-2), sum(count for _, count in parts)
        spatial = weights.ndim - 2
        axes = {"full_channel": spatial, "output_channel": spatial + 1, "layer": spatial + 2}[self.granularity]
        return self._shared(weights, (*range(axes),))

    def _shared(self, weights: Reals, axes: tuple[int, ...]) -> tuple[Reals, int]:
        """Return what is held where all weights along ``axes`` share a scale."""
        low, high = (np.asarray(end(weights, axis=axes, keepdims=True)) for end in (np.min, np.max))
        form, levels = self.form, None if self.step == "power_of_two" else levels_of(self.step, self.form)
        zero: Any = 0
        top = form.maximum if levels is None else min(levels[-1], -levels[0])
        scale = np.maximum(-low, high) / top
        if not self.symmetric:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
            scale = (high - low) / (form.maximum - form.minimum)
        scale = np.where(scale >= SMALLEST_RANGE, scale, 1.0)
        if self.step == "power_of_two":
            scale = np.vectorize(power_of_two_above, otypes=[np.float64])(scale)
        if not self.symmetric:
            zero = np.clip(np.rint(form.minimum - low / scale), form.minimum, form.maximum)
        if levels is not None:
            table_, quotient = np.asarray(levels, np.float64), np.clip(weights / scale, -top, top)
            return table_[np.abs(quotient[..., None] - table_).argmin(axis=-1)] * scale, scale.size
        smallest = -top if self.symmetric and form.narrow else form.minimum
        clipped = np.clip(weights / scale, smallest - zero, form.maximum - zero)
        return round_real(tensorflow().constant(clipped), Rounding(self.rounding)).numpy() * scale, scale.size


@dataclass(frozen=True, kw_only=True)
class StoredLayer:
    """What the store made of one kernel.

    ``loss`` is sum((w - q)²), ``energy`` sum(w²), ``max_error`` max|w - q|. ``bits_before`` counts 32 for each weight,
    ``bits_after`` the codes and 32 for each scale.
    """

    layer: str
    weights: int
    scales: int
    loss: float
    energy: float
    max_error: float
    bits_before: int
    bits_after: int

    @property
    def sqnr(self) -> float:
        """Signal to quantisation noise, in dB; infinite where nothing is lost."""
        return decibel(self.energy, self.loss)


@dataclass(frozen=True)
class StoreReport:
    """What the store loses, per layer and in all; printing it shows the table."""

    layers: tuple[StoredLayer, ...] = field(default_factory=tuple)

    @property
    def loss(self) -> float:
        """sum((w - q)²) over all layers."""
        return math.fsum(one.loss for one in self.layers)

    @property
    def sqnr(self) -> float:
        """Signal to quantisation noise over all layers, in dB."""
        return decibel(math.fsum(one.energy for one in self.layers), self.loss)

    @property
    def max_error(self) -> float:
        """The largest error of a weight."""
        return max((one.max_error for one in self.layers), default=0.0)

    @property
    def bits_before(self) -> int:
        """Bits of all these weights in float32."""
        return sum(one.bits_before for one in self.layers)

    @property
    def bits_after(self) -> int:
        """Bits of their codes and scales."""
        return sum(one.bits_after for one in self.layers)

    def __str__(self) -> str:
        rows = [_cells(one.layer, one) for one in self.layers] + [_cells("total", self)]
        headers = ("layer", "loss\nsum (w-q)²", "SQNR\ndB", "largest\nerror", "KiB in\nfloat32", "KiB\nstored")
        return "\n".join(table(headers, rows, (24,)))


def store_weights(
    model: Any,
    target: Target | Plan | str | None = None,
    *,
    include: str | Sequence[str] = "*",
    exclude: str | Sequence[str] = (),
    **how: Unpack[Options],
) -> tuple[Any, StoreReport]:
    """Return a copy of a Keras model whose kernels are what the hardware's store holds, and what that loses.

    model: a built keras.Model or the path of one. ``include`` and ``exclude``: patterns of layer names. ``how``: the
    keywords of ``Store``. Kernels of convolutions and dense layers are replaced; biases and batch normalisations stay.
    A depthwise kernel counts as having one input channel for each output channel. Where a single tap has a scale to
    itself (`full_channel` of a 1 x 1 convolution or a dense layer), it is held as it is, and `bits_after` shows the
    price.

    With a target, its name or a Plan, formats and scales are those that ``hwsim.run`` uses and ``how`` must be empty;
    the copy is then of the imported network, batch normalisations folded, and the model may also be a Network.

    Raises ModelError where no layer is chosen, ValueError for a ``how`` that cannot be.
    """
    chosen = _chooser(include, exclude)
    if target is None:
        return _by_formula(model, Store(**how), chosen)
    if how:
        raise ValueError(f"with a target, its sections say how weights are stored, not {', '.join(how)}")
    aim = load_target(target.target if isinstance(target, Plan) else target)
    return _by_plan(load(model, target=aim), target, chosen)


def _chooser(include: str | Sequence[str], exclude: str | Sequence[str]) -> Any:
    wanted, unwanted = ((one,) if isinstance(one, str) else tuple(one) for one in (include, exclude))

    def chosen(name: str) -> bool:
        inside, outside = (any(fnmatchcase(name, one) for one in patterns) for patterns in (wanted, unwanted))
        return inside and not outside

    return chosen


def _by_formula(model: Any, store: Store, chosen: Any) -> tuple[Any, StoreReport]:
    source = load_with_model(model)[1] if isinstance(model, str) or hasattr(model, "__fspath__") else model
    copy = KERAS.models.clone_model(source)
    copy.set_weights(source.get_weights())
    rows = []
    for layer, variable, name in kernels_of(copy):
        if not chosen(layer.name):
            continue
        kernel = np.asarray(variable)
        _refuse_holes(name, kernel)
        kind = type(layer).__name__
        values, scales = store.held(_canonical(kind, variable.name, kernel))
        held = _restored(kind, values, kernel.shape)
        variable.assign(held)
        rows.append(_row(name, kernel, held, store.bits, scales))
    return copy, _report(rows, source.name)


def kernels_of(model: Any) -> Iterator[tuple[Any, Any, str]]:
    """Yield each layer with a kernel, the kernel's variable and a name, nested models' too, each once."""
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if type(layer).__name__ not in WEIGHTED or not layer.built:
            continue
        kernels = [one for one in layer.weights if one.name.endswith("kernel")]
        for variable in kernels:
            yield layer, variable, layer.name if len(kernels) == 1 else f"{layer.name}/{variable.name}"


def _canonical(kind: str, variable: str, kernel: NDArray[Any]) -> NDArray[Any]:
    """Return a kernel as (…, inputs, outputs)."""
    if kind in TRANSPOSED:
        return kernel.swapaxes(-1, -2)
    if kind in DEPTHWISE or variable == "depthwise_kernel":
        return kernel.reshape(*kernel.shape[:-2], 1, -1)
    return kernel


def _restored(kind: str, held: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what `_canonical` gave in the kernel's own shape."""
    return (held.swapaxes(-1, -2) if kind in TRANSPOSED else held.reshape(shape)).astype(np.float32)


def _by_plan(network: Network, given: Target | Plan | str, chosen: Any) -> tuple[Any, StoreReport]:
    plan = given if isinstance(given, Plan) else None
    target = load_target(given.target if isinstance(given, Plan) else given)
    copy = keras_model(network)
    rows = []
    for layer in copy.layers:
        if not isinstance(layer, WeightedSums) or not chosen(layer.operation.name):
            continue
        name = layer.operation.name
        settings = target.settings(layer.operation.kind, name)
        operation: Any = network.by_name[name]
        entry = plan_weights(operation, settings) if plan is None else plan.weights[name]
        kernel = kernel_of(operation)
        grid = grid_of(entry, settings.weights.rounding)
        held = grid.fake(tensorflow().constant(kernel)).numpy()
        layer.kernel.assign(held)
        rows.append(_row(name, kernel, held, entry.bits, len(entry.scale)))
    return copy, _report(rows, network.name)


def _refuse_holes(name: str, kernel: NDArray[Any]) -> None:
    if not np.isfinite(kernel).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(kernel))[0])
        raise ModelError(f"{name}: the kernel holds {kernel[place]} at {place}")


def _row(name: str, kernel: NDArray[Any], held: NDArray[Any], bits: int, scales: int) -> StoredLayer:
    weights = kernel.astype(np.float64)
    error = weights - held.astype(np.float64)
    return StoredLayer(
        layer=name,
        weights=kernel.size,
        scales=scales,
        loss=float(np.sum(error**2)),
        energy=float(np.sum(weights**2)),
        max_error=float(np.max(np.abs(error))),
        bits_before=FLOAT_BITS * kernel.size,
        bits_after=bits * kernel.size + FLOAT_BITS * scales,
    )


def _report(rows: list[StoredLayer], model: str) -> StoreReport:
    if not rows:
        raise ModelError(f"{model}: no convolution or dense layer is chosen, so there are no weights to store")
    return StoreReport(tuple(rows))


def decibel(signal: float, noise: float) -> float:
    """Return 10 log10(signal / noise), infinite where there is no noise."""
    return math.inf if noise == 0 else -math.inf if signal == 0 else 10 * math.log10(signal / noise)


def _cells(name: str, one: StoredLayer | StoreReport) -> list[str]:
    kib = 8 * 1024
    figures = [f"{one.loss:.6g}", f"{one.sqnr:.1f}", f"{one.max_error:.3g}"]
    return [name, *figures, f"{one.bits_before / kib:.1f}", f"{one.bits_after / kib:.1f}"]
