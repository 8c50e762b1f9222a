"""Decide the format, scale and zero point of every tensor: the plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.formats import IntFormat
from hwsim.network import (
    Conv2D,
    Conv2DTranspose,
    Curve,
    Dense,
    Embedding,
    Input,
    MatMul,
    Mean,
    Multiply,
    Network,
    Operation,
    Prelu,
    Rearrange,
    ScaleShift,
    Softmax,
    Weighted,
)
from hwsim.quantize.levels import codebook, logarithmic, quadratic, shared_scale
from hwsim.quantize.overwritten import overwriters
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.quantize.profile import Profile, Statistics
from hwsim.quantize.ranges import activation_range, weight_ranges
from hwsim.quantize.scales import choose_scale, scales_by_group, single_scale, widened
from hwsim.quantize.sharing import has_fixed_output, passes, shared_with
from hwsim.target import Settings, Target
from hwsim.target.settings import NON_UNIFORM, Activations, TensorFormat, Weights
from hwsim.target.steps import fixed_scale, goes_by_ratio

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

UNSCALED = (Weighted, Multiply, MatMul, Mean)
"""Operations whose output has the unit of their sums where a target does not requantise by a ratio."""

SHARES = {
    8: TensorPlan(bits=8, signed=True, scale=2.0**-8, zero_point=-128),
    16: TensorPlan(bits=16, signed=True, scale=2.0**-15),
}
"""What a softmax of codes of so many bits gives: shares from 0 to 255 / 256, or to 32767 / 32768."""


def shares(settings: Settings) -> TensorPlan:
    """Return the plan of what a softmax of codes gives; only one that divides has unsigned codes where others have."""
    if settings.softmax.run_on == "divided" and not settings.activations.signed:
        return TensorPlan(bits=8, signed=False, scale=2.0**-8)
    return SHARES[16 if settings.softmax.run_on == "interpolated" else 8]


def decide(
    network: Network, profile: Profile, target: Target, known: Plan | None = None, changed: Collection[str] = ()
) -> Plan:
    """Choose scales and zero points from the ``profile`` by the ranges and formats that the target asks for.

    ``known`` is a plan that was decided for another target, which differs from this one in the layers ``changed``
    alone: what does not follow from these is taken from it.
    """
    draft = _Draft(network, profile, target, shared_with(network, target), overwriters(network))
    moved = set(changed)
    for operation in network.operations:
        source = draft.shared.get(operation.name, operation.name)
        if known is None or moved.intersection((operation.name, source, *operation.inputs)):
            draft.add(operation)
            if known is None or draft.tensors.get(operation.name) != known.tensors.get(operation.name):
                moved.add(operation.name)
        else:
            draft.keep(operation.name, known)
    return Plan(network=network.name, target=target.name, tensors=draft.tensors, weights=draft.weights)


def kernel_of(operation: Weighted | Prelu) -> NDArray[np.float32]:
    """Return an operation's weights, output channels on the last axis.

    Raises TypeError for an operation that has none.
    """
    if isinstance(operation, Conv2D | Conv2DTranspose | Dense):
        return operation.kernel
    if isinstance(operation, ScaleShift):
        return operation.scale
    if isinstance(operation, Prelu):
        return operation.slopes
    raise TypeError(f"{operation.name}: {type(operation).__name__} has no weights")


@dataclass
class _Draft:
    network: Network
    profile: Profile
    target: Target
    shared: Mapping[str, str]
    overwriters: Mapping[str, str]
    tensors: dict[str, TensorPlan] = field(default_factory=dict)
    weights: dict[str, WeightPlan] = field(default_factory=dict)

    def add(self, operation: Operation) -> None:
        """Decide about one operation's weights and output."""
        settings = self.target.settings(operation.kind, operation.name)
        if isinstance(operation, Weighted | Prelu):
            source = self.tensors.get(operation.inputs[0])
            entry = plan_weights(operation, settings, None if source is None else source.scale)
            self.weights[operation.name] = (
                self._with_bias(operation, entry, settings) if isinstance(operation, Weighted) else entry
            )
        if isinstance(operation, Input) and operation.indices:
            bits = max((operation.indices - 1).bit_length(), 1)
            self.tensors[operation.name] = TensorPlan(bits=bits, signed=False, scale=1.0)
        elif operation.name in self.shared:
            self.tensors[operation.name] = self._measured(self.network.by_name[self.shared[operation.name]])
        elif passes(operation, self.network, self.target) and operation.inputs[0] in self.tensors:
            self.tensors[operation.name] = self._passed(operation)
        elif isinstance(operation, UNSCALED) and not goes_by_ratio(settings.requantize.expanded()):
            self.tensors[operation.name] = self._unscaled(operation, settings)
        elif isinstance(operation, Softmax) and settings.softmax.run_on != "host":
            self.tensors[operation.name] = shares(settings)
        elif isinstance(operation, Curve) and has_fixed_output(operation, self.target):
            self.tensors[operation.name] = fixed_output(operation.function, settings.activations)
        elif not self._stays_on_host(operation):
            self.tensors[operation.name] = self._measured(operation)

    def _measured(self, operation: Operation) -> TensorPlan:
        """The plan of what an operation makes, by the values seen; of a table's rows by all of them."""
        form = self.target.settings(operation.kind, operation.name).activations
        seen = self.profile.tensors[operation.tensor]
        if form.overwritten == "both" and operation.name in self.overwriters:
            seen = deepcopy(seen)
            seen.merge(self.profile.tensors[self.network.by_name[self.overwriters[operation.name]].tensor])
        if isinstance(operation, Embedding):
            seen = Statistics()
            seen.add(operation.table)
        return plan_tensor(seen, form)

    def _passed(self, operation: Operation) -> TensorPlan:
        """The plan of an output that has its input's; raises PlanError where channels with shifts are torn apart."""
        entry = self.tensors[operation.inputs[0]]
        shift = passed_shift(operation, entry.shift, self.network.shapes[operation.name][-1])
        if shift is None:
            raise PlanError(
                f"{operation.name}: mixes {len(entry.shift)} channels, which have scales of their own; give "
                f"{operation.inputs[0]!r} activations.granularity layer"
            )
        return entry.model_copy(update={"shift": shift})

    def _with_bias(self, operation: Weighted, entry: WeightPlan, settings: Settings) -> WeightPlan:
        """Add the scale of an operation's biases, where the target gives them one of their own."""
        if settings.bias.scale != "own":
            return entry
        largest = float(np.abs(operation.bias).max(initial=0.0))
        covering, _ = choose_scale(
            -largest, largest, IntFormat(bits=settings.bias.bits), symmetric=True, power_of_two=True
        )
        unit = accumulator_unit(self.tensors[operation.inputs[0]].scale, entry, settings)
        return entry.model_copy(update={"bias_scale": max(covering, float(unit.max()))})

    def keep(self, name: str, known: Plan) -> None:
        """Take what another plan says of an operation."""
        if name in known.tensors:
            self.tensors[name] = known.tensors[name]
        if name in known.weights:
            self.weights[name] = known.weights[name]

    def _stays_on_host(self, operation: Operation) -> bool:
        """Whether real values leave the datapath here and no later operation brings them back."""
        return isinstance(operation, Softmax) and not any(
            operation.name in other.inputs for other in self.network.operations
        )

    def _unscaled(self, operation: Weighted | Multiply | MatMul | Mean, settings: Settings) -> TensorPlan:
        """The plan of an output whose scale follows from its inputs', as the target has a ratio of its own."""
        form = settings.activations
        scales = [self.tensors[name].scale for name in operation.inputs]
        if isinstance(operation, Multiply):
            unit = product_unit(scales[0], scales[1], settings)
        elif isinstance(operation, MatMul):
            unit = scales[0] * scales[1] * 2.0 ** dropped_bits(settings)
        elif isinstance(operation, Mean):
            unit = scales[0] / prod(self.network.shapes[operation.inputs[0]][:2])
        else:
            unit = float(accumulator_unit(scales[0], self.weights[operation.name], settings)[0])
        scale = fixed_scale(unit, settings.requantize.expanded())
        if form.fraction_bits is not None and scale != 2.0**-form.fraction_bits:
            raise PlanError(
                f"{operation.name}: as nothing goes by the ratio of scales, its sums have units of {scale!r}, but "
                f"activations.fraction_bits {form.fraction_bits} asks for {2.0**-form.fraction_bits!r}"
            )
        return TensorPlan(bits=form.bits, signed=form.signed, narrow=form.narrow, scale=scale)


def fixed_output(function: str, form: Activations) -> TensorPlan:
    """Return how a sigmoid or tanh is stored whatever values are seen: its whole range over all codes.

    Sources: TensorFlow's ``quantization_utils.cc`` and the fixed output ranges of ``tfl_ops.td``.

    >>> [fixed_output(name, Activations(symmetric=False)).scale for name in ("sigmoid", "tanh")]
    [0.00390625, 0.0078125]
    """
    given: dict[str, Any] = {"bits": form.bits, "signed": form.signed, "narrow": form.narrow}
    if function == "tanh":
        return TensorPlan(**given, scale=2.0 ** (1 - form.bits), zero_point=0 if form.signed else 1 << (form.bits - 1))
    if form.symmetric:
        return TensorPlan(**given, scale=2.0 ** (form.signed - form.bits))
    return TensorPlan(**given, scale=2.0**-form.bits, zero_point=form.integer_format().minimum)


def passed_shift(operation: Operation, shift: tuple[int, ...], channels: int) -> tuple[int, ...] | None:
    """Return the shifts of what an operation that moves codes makes; None where it mixes the channels they are of."""
    many = len(shift)
    if many and isinstance(operation, Rearrange):
        sources = operation.sources(many)
        return None if sources is None else tuple(shift[one] for one in sources)
    if many and channels % many:
        return None
    return shift * (channels // many) if many else ()


def plan_tensor(statistics: Statistics, form: Activations) -> TensorPlan:
    """Choose the scale, or the scales or levels, of a tensor of which the values are known."""
    low, high = activation_range(statistics, form)
    given: dict[str, Any] = {"bits": form.bits, "signed": form.signed, "narrow": form.narrow}
    given |= {"minimum": low, "maximum": high}
    if form.granularity == "channel":
        lows, highs = (np.clip(one, low, high) for one in (statistics.channel_minimum, statistics.channel_maximum))
        shared, shift = _shifted_scales(lows[:, None], highs[:, None], form)
        return TensorPlan(**given, scale=float(shared[0]), shift=tuple(shift[:, 0].tolist()))
    if form.step in NON_UNIFORM:
        scale, levels = _levels(low, high, form, statistics.values)
        zero_point = form.integer_format().minimum + levels.index(0)
        return TensorPlan(**given, scale=scale, zero_point=zero_point, levels=levels)
    scale, zero_point = _scale(low, high, form)
    return TensorPlan(**given, scale=scale, zero_point=zero_point)


def plan_weights(operation: Weighted | Prelu, settings: Settings, source: float | None = None) -> WeightPlan:
    """Choose the scale, or the scales, of an operation's weights.

    ``source`` is the scale of its input, by which scales grow where `bias.headroom` asks for it; None: they do not.
    """
    form = settings.weights
    kernel = kernel_of(operation)
    given: dict[str, Any] = {"bits": form.bits, "signed": form.signed, "narrow": form.narrow}
    if form.granularity in ("full_channel", "group"):
        return _by_input_channel(kernel, form, given)
    channels = kernel.reshape(-1, kernel.shape[-1]).T if form.granularity == "output_channel" else kernel.reshape(1, -1)
    ranges = weight_ranges(channels, form)
    if form.step in NON_UNIFORM:
        return _by_levels(channels, ranges, form, given)
    pairs = [_scale(*one, form) for one in ranges]
    scale, zero_point = (tuple(each) for each in zip(*pairs, strict=True))
    if source is not None and settings.bias.headroom is not None and isinstance(operation, Weighted):
        scale = _for_bias(operation.bias, scale, source, settings)
    return WeightPlan(**given, scale=scale, zero_point=zero_point)


def _for_bias(bias: NDArray[Any], scale: Sequence[float], source: float, settings: Settings) -> tuple[float, ...]:
    """Return scales of weights, enlarged where a bias would otherwise need the bits that it is to leave free.

    Source: ``SetBiasParamsWithAdjustments`` of TensorFlow's MLIR quantizer.
    """
    assert settings.bias.headroom is not None
    limit = (1 << (settings.bias.bits - 1 - settings.bias.headroom)) - 1
    most = np.abs(bias.astype(np.float64))
    most = most if len(scale) == most.size else np.array([most.max(initial=0.0)])
    enlarged = np.asarray(scale, np.float64)
    unit = bias_units(source * enlarged, settings)
    enlarged = np.where(most > limit * unit, most / limit / source, enlarged)
    if settings.weights.scale_precision == 32:  # noqa: PLR2004
        enlarged = enlarged.astype(np.float32).astype(np.float64)
    return tuple(enlarged.tolist())


def bias_units(unit: Reals, settings: Settings) -> Reals:
    """Return what an LSB of a bias is worth: ``unit``, rounded to float32 where a bias is divided so."""
    if settings.bias.division == "float64":
        return unit
    return unit.astype(np.float32).astype(np.float64)


def _by_input_channel(kernel: NDArray[np.float32], form: Weights, given: Mapping[str, Any]) -> WeightPlan:
    """Choose a scale for each output channel, and shifts for each group of input channels."""
    inputs, outputs = kernel.shape[-2] if kernel.ndim > 1 else 1, kernel.shape[-1]
    group = min(form.group or 1, inputs)
    values = kernel.reshape(-1, inputs, outputs)
    parts = [values[:, first : first + group].reshape(-1, outputs) for first in range(0, inputs, group)]
    ends = [_ends(part, form) for part in parts]
    low, high = (np.stack(one).astype(np.float64) for one in zip(*ends, strict=True))
    scale, shift = _shifted_scales(low, high, form)
    rows = tuple(tuple(row) for row in shift.tolist())
    return WeightPlan(**given, scale=tuple(scale.tolist()), zero_point=(0,) * outputs, shift=rows, group=group)


def _ends(part: NDArray[np.float32], form: Weights) -> tuple[Reals, Reals]:
    """Return the ranges (outputs,) of some weights (rows, outputs)."""
    if form.range.method == "minmax":
        return part.min(axis=0), part.max(axis=0)
    ranges = np.array(weight_ranges(np.ascontiguousarray(part.T), form))
    return ranges[:, 0], ranges[:, 1]


def _shifted_scales(low: Reals, high: Reals, form: TensorFormat) -> tuple[Reals, Ints]:
    """Return the scale of each column of ranges (rows, columns), and shifts (rows, columns)."""
    scales = scales_by_group(low, high, form.integer_format(), power_of_two=form.step == "power_of_two")
    return shared_scale(scales, (1 << form.shift_bits) - 1)


def _by_levels(
    channels: NDArray[np.float32], ranges: Sequence[tuple[float, float]], form: Weights, given: Mapping[str, Any]
) -> WeightPlan:
    """Choose one table of levels for all weights (scales, …), and a scale for each row of them."""
    low, high = (np.array([one[side] for one in ranges]) for side in (0, 1))
    # every row is measured in units of its own range, so that one table serves all
    most = np.maximum(np.maximum(-low, high), 2.0**-120)
    values = np.sort((channels / most[:, None]).astype(np.float64), axis=None)
    _, levels = _levels(
        float((low / most).min()), float((high / most).max()), form, (values, np.ones(values.size, int))
    )
    scales = [_scale_of_levels(*one, levels) for one in ranges]
    return WeightPlan(**given, scale=tuple(scales), zero_point=(0,) * len(scales), levels=levels)


def _levels(low: float, high: float, form: TensorFormat, held: tuple[Reals, Ints]) -> tuple[float, tuple[int, ...]]:
    """Return the scale and the levels of values from ``low`` to ``high``; ``held``: values, ascending, and counts."""
    low, high = min(low, 0.0), max(high, 0.0)
    if form.step == "quadratic":
        levels = quadratic(form.integer_format())
    elif form.step == "logarithmic":
        levels = logarithmic(form.integer_format())
    elif form.levels is not None:
        levels = form.levels
    else:
        widest = IntFormat(bits=form.level_bits, signed=low < 0)
        scale = max(-low, high) / widest.maximum
        scale = scale if scale >= 2.0**-126 else 1.0
        values, counts = held
        codes = form.integer_format()
        inside = np.clip(values, low, high) / scale
        levels = codebook(inside, counts, codes.maximum - codes.minimum + 1, widest)
        return scale, levels
    return _scale_of_levels(low, high, levels), levels


def _scale_of_levels(low: float, high: float, levels: Sequence[int]) -> float:
    """Return the scale with which levels cover a range: by their positive end, if they have negative ones by either."""
    reach = max(-low, high) if levels[0] < 0 else high
    scale = max(reach, 0.0) / max(levels[-1], 1)
    return scale if scale >= 2.0**-126 else 1.0


def dropped_bits(settings: Settings) -> int:
    """Return how many bits products and stages of accumulation drop."""
    product = settings.mac.product
    return (product.shift if product else 0) + sum(stage.shift for stage in settings.mac.stages)


def accumulator_unit(input_scale: float, weights: WeightPlan, settings: Settings) -> NDArray[np.float64]:
    """Return the real value of one LSB of the last stage: (1,) or (output channels,)."""
    return (input_scale * np.asarray(weights.scale, np.float64)) * 2.0 ** dropped_bits(settings)


def product_unit(first: float, second: float, settings: Settings) -> float:
    """Return the real value of one LSB of an element-wise product."""
    product = settings.multiplication.product
    return first * second * 2.0 ** (product.shift if product else 0)


def _scale(low: float, high: float, form: TensorFormat) -> tuple[float, int]:
    if form.fraction_bits is not None:
        return 2.0**-form.fraction_bits, 0
    low, high = widened(low, high, form.range.narrowest, form.range.widening)
    if form.scale_precision == 32:  # noqa: PLR2004
        return single_scale(low, high, form.integer_format(), symmetric=form.symmetric)
    return choose_scale(
        low, high, form.integer_format(), symmetric=form.symmetric, power_of_two=form.step == "power_of_two"
    )
