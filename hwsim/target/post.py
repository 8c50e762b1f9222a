"""Rules for the kinds of `requantize`, and what they ask of scales and zero points."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hwsim.target.mistake import Location, Mistake
from hwsim.target.settings import Settings, TensorFormat
from hwsim.target.steps import RATIO, MultiplyStep, goes_by_ratio, shifts_alone

Found = Iterator[Mistake]

_KIND: Location = ("requantize", "kind")
_STEPS: Location = ("requantize", "steps")
_RULE: Location = ("requantize", "rule")
_BITS: Location = ("requantize", "multiplier_bits")


def steps_have_their_kind(settings: Settings) -> Found:
    """A list of steps is there if, and only if, the kind is `steps`."""
    kind, steps = settings.requantize.kind, settings.requantize.steps
    if kind != "steps" and steps is not None:
        sentence = f"a list, but requantize.kind is {kind}, which has steps of its own; use `kind: steps`, or null here"
        yield Mistake(_STEPS, sentence, (_KIND,))
    if kind == "steps" and steps is None:
        yield Mistake(_STEPS, "missing; `kind: steps` needs the list of them", (_KIND,))
    if kind == "steps" and steps == ():
        yield Mistake(_STEPS, "an empty list; a sum that is the output as it stands is `kind: none`", (_KIND,))


def rule_has_its_kind(settings: Settings) -> Found:
    """A rule says how a multiplier is derived, where a kind leaves that open."""
    kind, rule = settings.requantize.kind, settings.requantize.rule
    if kind == "fixed_double" and rule == "reduced":
        sentence = "reduced, but fixed_double multiplies by 32 bits and reduced makes fewer; use `kind: fixed_reduced`"
        yield Mistake(_RULE, sentence, (_KIND,))
    redundant = rule == "nearest" or (kind, rule) == ("fixed_reduced", "reduced")
    if kind not in ("fixed", "fixed_double") and not redundant:
        remedy = "give it to the step multiply" if kind == "steps" else "leave it out"
        sentence = f"{rule}, but only fixed and fixed_double have a rule, and the kind is {kind}; {remedy}"
        yield Mistake(_RULE, sentence, (_KIND,))


def forming_has_its_kind(settings: Settings) -> Found:
    """How a ratio is formed matters where a kind multiplies by it."""
    kind, forming = settings.requantize.kind, settings.requantize.forming
    if kind in ("power_of_two", "none", "steps") and forming != "float64":
        remedy = "give it to the step that multiplies" if kind == "steps" else "leave it out"
        sentence = f"{forming}, but the kind is {kind}, which multiplies by no ratio of its own; {remedy}"
        yield Mistake(("requantize", "forming"), sentence, (_KIND,))


def reduced_multipliers_are_narrow(settings: Settings) -> Found:
    """What is reduced is a multiplier of 32 bits, so the result has fewer."""
    requantize = settings.requantize
    reduced = requantize.kind == "fixed_reduced" or (requantize.kind == "fixed" and requantize.rule == "reduced")
    if reduced and requantize.multiplier_bits == 32:
        who = "fixed_reduced" if requantize.kind == "fixed_reduced" else "rule: reduced"
        sentence = f"32 bits, but {who} makes a multiplier of fewer; use `multiplier_bits: 16`"
        yield Mistake(_BITS, sentence, (_KIND, _RULE))
    for index, step in enumerate(settings.requantize.steps or ()):
        if isinstance(step, MultiplyStep) and step.by == RATIO and step.rule == "reduced" and step.bits == 32:
            sentence = "32 bits, but rule: reduced makes a multiplier of fewer; use `bits: 16`"
            yield Mistake((*_STEPS, index, "bits"), sentence, ((*_STEPS, index, "rule"),))


def whole_windows_hold_zeros(settings: Settings) -> Found:
    """A division by the whole window takes positions outside for zeros, and is a ratio itself."""
    pooling = settings.pooling
    if pooling.division == "count":
        return
    if pooling.zero_point == "kept":
        sentence = (
            f"{pooling.division}, but zero_point is kept, so that positions outside would not count as 0; use "
            "`zero_point: removed`"
        )
        yield Mistake(("pooling", "division"), sentence, (("pooling", "zero_point"),))
    if pooling.mean != "ratio":
        sentence = (
            f"{pooling.division}, but mean is {pooling.mean}, which divides by the number of codes; use `mean: ratio`"
        )
        yield Mistake(("pooling", "division"), sentence, (("pooling", "mean"),))


def double_rounding_multiplies_by_32_bits(settings: Settings) -> Found:
    """TensorFlow Lite's two roundings are defined for 32-bit multipliers."""
    requantize = settings.requantize
    if requantize.kind == "fixed_double" and requantize.multiplier_bits != 32:
        yield Mistake(_BITS, f"{requantize.multiplier_bits} bits, but fixed_double multiplies by 32 bits", (_KIND,))


def shifts_need_power_of_two_scales(settings: Settings) -> Found:
    """Shifts alone follow a ratio of scales only if all scales are powers of two."""
    if shifts_alone(settings.requantize.expanded()) and _is_uneven(settings.activations):
        yield _uneven_step(settings, "activations")


def shifts_need_power_of_two_weights(settings: Settings) -> Found:
    """The same for the scales of weights."""
    if shifts_alone(settings.requantize.expanded()) and _is_uneven(settings.weights):
        yield _uneven_step(settings, "weights")


def _is_uneven(tensor: TensorFormat) -> bool:
    """Whether scales can be other than powers of two."""
    return tensor.step != "power_of_two" and tensor.fraction_bits is None


def _uneven_step(settings: Settings, section: str) -> Mistake:
    at, what = _chosen(settings, "only shifts go by ratio")
    sentence = f"{what}, but {section}.step is uniform; a shift needs {section}.step: power_of_two"
    return Mistake(at, sentence, ((section, "step"),))


def fixed_ratio_needs_zero_points_of_zero(settings: Settings) -> Found:
    """Where nothing goes by ratio the output's scale follows from the sum's, without a zero point."""
    if _ratio_is_fixed(settings) and not settings.activations.symmetric:
        at, what = _chosen(settings, "nothing goes by ratio")
        so = "as the sum is the output" if what == "none" else "with a fixed ratio"
        sentence = f"{what}, but activations.symmetric is false; {so}, zero points must be 0"
        yield Mistake(at, sentence, (("activations", "symmetric"),))


def fixed_ratio_needs_one_weight_scale(settings: Settings) -> Found:
    """Where nothing goes by ratio all channels of the output have one scale, so the weights have."""
    granularity = settings.weights.granularity
    if _ratio_is_fixed(settings) and granularity != "layer":
        at, what = _chosen(settings, "nothing goes by ratio")
        sentence = (
            f"{what}, but weights.granularity is {granularity}; outputs with one scale need weights.granularity: layer"
        )
        yield Mistake(at, sentence, (("weights", "granularity"),))


def _ratio_is_fixed(settings: Settings) -> bool:
    known = settings.requantize.kind != "steps" or bool(settings.requantize.steps)
    return known and not goes_by_ratio(settings.requantize.expanded())


def _chosen(settings: Settings, words: str) -> tuple[Location, str]:
    """Return the key that decides how the ratio is followed, and what it says: the kind, or ``words`` of its steps."""
    kind = settings.requantize.kind
    return (_STEPS, words) if kind == "steps" else (_KIND, kind)


GENERAL_RULES: tuple[Callable[[Settings], Found], ...] = (
    steps_have_their_kind,
    rule_has_its_kind,
    forming_has_its_kind,
    whole_windows_hold_zeros,
    reduced_multipliers_are_narrow,
    double_rounding_multiplies_by_32_bits,
    shifts_need_power_of_two_scales,
    fixed_ratio_needs_zero_points_of_zero,
)
"""Rules for every kind of operation."""

MAC_RULES: tuple[Callable[[Settings], Found], ...] = (
    shifts_need_power_of_two_weights,
    fixed_ratio_needs_one_weight_scale,
)
"""Rules for operations with weights."""
