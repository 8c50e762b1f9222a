"""What no single key can say: rules between the keys of one resolved combination of settings.

Each rule looks at one `Settings`, as a layer would get them, and yields a `Mistake` for each thing wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from hwsim.target import accumulation, fits, post, step_rules
from hwsim.target.mistake import Location, Mistake
from hwsim.target.settings import Settings, TensorFormat

Found = Iterator[Mistake]
Rule = Callable[[Settings], Found]

MAC_KINDS = frozenset({"conv2d", "depthwise_conv2d", "conv2d_transpose", "dense", "scale_shift"})
"""Operations that have weights, a multiply-accumulate datapath and a bias."""


def broken(settings: Settings, kind: str | None = None) -> Found:
    """Yield what is wrong with ``settings`` for operations of ``kind``, or for any operation if None."""
    rules = GENERAL_RULES if kind and kind not in MAC_KINDS else (*GENERAL_RULES, *MAC_RULES)
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
    sections = (("weights", settings.weights), ("activations", settings.activations), ("bias", settings.bias))
    for section, holder in sections:
        if holder.rounding.stochastic:
            yield Mistake(
                (section, "rounding"),
                f"{holder.rounding} draws random numbers, but real values become codes deterministically",
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


def bias_fits_where_it_starts(settings: Settings) -> Found:
    """An accumulator can start from a bias only if it holds every bias."""
    bias, last = settings.bias, settings.mac.stages[-1]
    where = f"mac.stages[{len(settings.mac.stages) - 1}]"
    stages: Location = ("mac", "stages")
    if bias.position != "first":
        return
    if not last.signed:
        yield Mistake(
            ("bias", "position"),
            f"first, but a bias is signed and the accumulator ({where}, {last.name}) is not; use `position: last`",
            (stages,),
        )
    elif bias.bits > last.bits:
        yield Mistake(
            ("bias", "bits"),
            f"{bias.bits} bits, but the accumulator that starts from it ({where}, {last.name}) has "
            f"{last.bits}; use {last.bits} bits or fewer, or `position: last`",
            (stages, ("bias", "position")),
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
)
"""Rules for operations with weights."""
