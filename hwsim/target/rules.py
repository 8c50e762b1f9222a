"""What no single key can say: rules between the keys of one resolved combination of settings.

Each rule looks at one `Settings`, as a layer would get them, and yields a `Mistake` for each thing wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from hwsim.target import accumulation, fits, post, spacing, step_rules
from hwsim.target.mistake import Location, Mistake
from hwsim.target.settings import Settings, TensorFormat

Found = Iterator[Mistake]
Rule = Callable[[Settings], Found]

MAC_KINDS = frozenset({"conv2d", "depthwise_conv2d", "grouped_conv2d", "conv2d_transpose", "dense", "scale_shift"})
"""Operations that have weights, a multiply-accumulate datapath and a bias."""


SUM_KINDS = MAC_KINDS | {"matmul"}
"""Operations that have a multiply-accumulate datapath."""


def broken(settings: Settings, kind: str | None = None) -> Found:
    """Yield what is wrong with ``settings`` for operations of ``kind``, or for any operation if None."""
    rules = GENERAL_RULES if kind and kind not in SUM_KINDS else (*GENERAL_RULES, *MAC_RULES)
    return chain.from_iterable(rule(settings) for rule in rules)


def _formats(settings: Settings) -> Iterator[tuple[str, TensorFormat]]:
    yield "weights", settings.weights
    yield "activations", settings.activations


def narrow_formats_saturate(settings: Settings) -> Found:
    """A format can lack its most negative code only if it has one, and if something keeps values off it."""
    for section, tensor in _formats(settings):
        at: Location = (section, "narrow")
        if tensor.narrow and not tensor.signed:
            yield Mistake(at, "true, but an unsigned format has no negative code to leave out", ((section, "signed"),))
        elif tensor.narrow and tensor.bits < 2:
            yield Mistake(at, "true, but a narrow format needs 2 bits or more, not 1", ((section, "bits"),))
    allowed = ("saturate", "saturate_symmetric", "error")
    if settings.activations.narrow and settings.output.overflow not in allowed:
        yield Mistake(
            ("activations", "narrow"),
            f"true, but output.overflow is {settings.output.overflow}; use {', '.join(allowed)}",
            (("output", "overflow"),),
        )


def stored_values_round_deterministically(settings: Settings) -> Found:
    """Weights, inputs and biases have the same codes in every run."""
    limit = settings.activation.limit_rounding
    if limit.stochastic:
        yield Mistake(
            ("activation", "limit_rounding"), f"{limit} draws random numbers, but a limit is the same every time"
        )
    for section, rounding, what in (
        ("curve", settings.curve.rounding, "a table is the same every time"),
        ("normalization", settings.normalization.rounding, "a normalisation rounds the same every time"),
    ):
        if rounding.stochastic:
            yield Mistake((section, "rounding"), f"{rounding} draws random numbers, but {what}")
    widths = settings.normalization
    if widths.result_bits > widths.reciprocal_bits:
        yield Mistake(
            ("normalization", "result_bits"),
            f"{widths.result_bits}, but a reciprocal of {widths.reciprocal_bits} bits leaves no more than these",
            (("normalization", "reciprocal_bits"),),
        )
    sections = (("weights", settings.weights), ("activations", settings.activations), ("bias", settings.bias))
    for section, holder in sections:
        if holder.rounding.stochastic:
            yield Mistake(
                (section, "rounding"),
                f"{holder.rounding} draws random numbers, but real values become codes deterministically",
            )


def binary_points_are_fixed_without_zero_points(settings: Settings) -> Found:
    """A fixed binary point leaves nothing to choose from the range: no zero point, no other step."""
    for section, tensor in _formats(settings):
        if tensor.fraction_bits is not None and not tensor.symmetric:
            yield Mistake(
                (section, "fraction_bits"),
                f"{tensor.fraction_bits}, but {section}.symmetric is false; a fixed binary point has zero points of 0",
                ((section, "symmetric"),),
            )


def percent_has_its_method(settings: Settings) -> Found:
    """A percentile that no method uses would be ignored without a word."""
    for section, tensor in _formats(settings):
        if "percent" in tensor.range.model_fields_set and "method" not in tensor.range.model_fields_set:
            yield Mistake(
                (section, "range", "percent"),
                "given without `method: percentile`, and minmax covers every value; add the method",
                ((section, "range", "method"),),
            )


def sums_have_their_kind(settings: Settings) -> Found:
    """Keys of a weighted sum, or one in float32, would be ignored without a word where no kind is given."""
    given = settings.addition.model_fields_set
    for key, kinds in (("multiplier_bits", "`kind: weighted`"), ("rounding", "`kind: weighted` or `kind: float32`")):
        if key in given and "kind" not in given:
            sentence = f"no effect without {kinds}; add the kind, or leave {key} out"
            yield Mistake(("addition", key), sentence, (("addition", "kind"),))


def bias_fits_where_it_starts(settings: Settings) -> Found:
    """An accumulator can start from a bias only if it holds every bias."""
    bias = settings.bias
    at = 0 if bias.position == "inner" else len(settings.mac.stages) - 1
    stage, where = settings.mac.stages[at], f"mac.stages[{at}]"
    stages: Location = ("mac", "stages")
    shifted = f" and a shift of {bias.shift}" if bias.shift else ""
    if bias.bits + bias.shift > 64:
        yield Mistake(("bias", "shift"), f"{bias.shift} bits, but with {bias.bits} bits of bias that is more than 64")
    if bias.position not in ("first", "inner"):
        return
    if not stage.signed:
        yield Mistake(
            ("bias", "position"),
            f"{bias.position}, but a bias is signed and the accumulator ({where}, {stage.name}) is not; "
            "use `position: last`",
            (stages,),
        )
    elif bias.bits + bias.shift > stage.bits:
        room = stage.bits - bias.shift
        remedy = f"{room} bits or fewer" if room > 0 else f"a shift below {stage.bits}"
        yield Mistake(
            ("bias", "bits"),
            f"{bias.bits} bits{shifted}, but the accumulator that starts from it ({where}, {stage.name}) has "
            f"{stage.bits}; use {remedy}, or `position: last`",
            (stages, ("bias", "position")),
        )
    if stage.shape == "tree" and bias.position == "inner":
        yield Mistake(
            ("bias", "position"), f"{bias.position}, but {stage.name} is a tree, which starts from nothing", (stages,)
        )


def own_scales_are_shifted_to_the_sum(settings: Settings) -> Found:
    """A bias with a scale of its own is brought to the sum by a shift, once the sum is there."""
    bias = settings.bias
    if bias.scale != "own":
        return
    at: Location = ("bias", "scale")
    if bias.shift:
        sentence = f"{bias.shift} bits, but with `scale: own` the plan says how far a bias is shifted; leave it out"
        yield Mistake(("bias", "shift"), sentence, (at,))
    if bias.position != "last":
        sentence = (
            f"own, but bias.position is {bias.position}; such a bias is added to a finished sum, `position: last`"
        )
        yield Mistake(at, sentence, (("bias", "position"),))
    for section, tensor in _formats(settings):
        if tensor.step != "power_of_two" and tensor.fraction_bits is None:
            sentence = (
                f"own, but {section} have scales that are no powers of two, so no shift brings a bias to the sum; use "
                f"`{section}: {{step: power_of_two}}`"
            )
            yield Mistake(at, sentence, ((section, "step"),))


def bias_has_the_unit_of_its_sum(settings: Settings) -> Found:
    """A bias, or a correction, is added to sums that count the same LSBs."""
    mac, bias = settings.mac, settings.bias
    drops = [f"mac.stages[{index}]" for index, stage in enumerate(mac.stages) if stage.shift]
    later = [place for place in drops if place != "mac.stages[0]"]
    stages: Location = ("mac", "stages")
    if bias.position == "inner" and later:
        sentence = f"inner, but {later[0]} drops bits of the sum that starts from the bias; use another position"
        yield Mistake(("bias", "position"), sentence, (stages,))
    if mac.input_zero_point != "corrected" or settings.activations.symmetric:
        return
    at: Location = ("mac", "input_zero_point")
    if mac.product is not None and mac.product.shift:
        drops.insert(0, "mac.product")
    if drops:
        yield Mistake(at, f"corrected, but {drops[0]} drops bits, so that sums count other LSBs than the correction")
    if bias.position == "steps":
        yield Mistake(
            at, "corrected, but bias.position is steps; the correction belongs to the sum", (("bias", "position"),)
        )


def register_repeats_its_seed(settings: Settings) -> Found:
    """A shift register comes back to its seed only if its last bit is fed back and the seed is a state."""
    bits, taps, seed = settings.random.bits, settings.random.taps, settings.random.seed
    if max(taps) != bits:
        yield Mistake(
            ("random", "taps"),
            f"{list(taps)}, but a register of {bits} bits has taps 1 to {bits}, {bits} among them",
            (("random", "bits"),),
        )
    if len(set(taps)) != len(taps):
        yield Mistake(("random", "taps"), f"{list(taps)} names a tap twice; two of the same cancel out")
    if seed >= 1 << bits:
        yield Mistake(
            ("random", "seed"),
            f"{seed}, but a register of {bits} bits has states 1 to {(1 << bits) - 1}",
            (("random", "bits"),),
        )


GENERAL_RULES: tuple[Rule, ...] = (
    fits.general,
    narrow_formats_saturate,
    stored_values_round_deterministically,
    percent_has_its_method,
    sums_have_their_kind,
    binary_points_are_fixed_without_zero_points,
    *spacing.RULES,
    *post.GENERAL_RULES,
    *step_rules.GENERAL_RULES,
    register_repeats_its_seed,
)
"""Rules for every kind of operation."""

MAC_RULES: tuple[Rule, ...] = (
    fits.of_mac,
    *accumulation.RULES,
    *post.MAC_RULES,
    *step_rules.MAC_RULES,
    bias_fits_where_it_starts,
    bias_has_the_unit_of_its_sum,
    own_scales_are_shifted_to_the_sum,
)
"""Rules for operations with weights."""
