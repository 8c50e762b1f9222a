"""Rules of steps that are not uniform, and of scales that differ by powers of two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hwsim.formats import bits_needed
from hwsim.target.mistake import Location, Mistake
from hwsim.target.settings import BY_SHIFT, NON_UNIFORM, Activations, Settings, Weights
from hwsim.target.steps import goes_by_ratio

Found = Iterator[Mistake]
Stored = Weights | Activations

LEVEL_BITS = 16
"""Width of what codes decode to, at most: it is multiplied as a stored code would be."""

CODEBOOK_BITS = 8
"""Width of a code with a table of its own, at most."""


def _sections(settings: Settings) -> Iterator[tuple[str, Stored]]:
    yield "weights", settings.weights
    yield "activations", settings.activations


def levels_are_possible(settings: Settings) -> Found:
    """Levels stand for themselves: no zero point beside them, no fixed binary point, no more than 16 bits."""
    for section, tensor in _sections(settings):
        at: Location = (section, "step")
        if tensor.step not in NON_UNIFORM:
            continue
        if tensor.granularity in BY_SHIFT:
            allowed = "layer" if section == "activations" else "layer or output_channel"
            sentence = f"{tensor.step}, but {section}.granularity is {tensor.granularity}; use {allowed}"
            yield Mistake(at, sentence, ((section, "granularity"),))
        if tensor.fraction_bits is not None:
            sentence = f"{tensor.step}, but a fixed binary point is for even steps; leave out {section}.fraction_bits"
            yield Mistake(at, sentence, ((section, "fraction_bits"),))
        if tensor.step != "codebook" and not tensor.symmetric:
            sentence = f"{tensor.step}, but {section}.symmetric is false; such levels lie around a zero point of 0"
            yield Mistake(at, sentence, ((section, "symmetric"),))
        yield from _widths(section, tensor)


def _widths(section: str, tensor: Stored) -> Found:
    codes, at = tensor.integer_format(), (section, "bits")
    if tensor.step == "codebook":
        if tensor.bits > CODEBOOK_BITS:
            yield Mistake(at, f"{tensor.bits} bits, but a code of a codebook has 1 to {CODEBOOK_BITS}")
        elif tensor.levels is None and tensor.level_bits < tensor.bits:
            sentence = f"{tensor.level_bits} bits, but {tensor.bits} bits of code need as many different levels"
            yield Mistake((section, "level_bits"), sentence, (at,))
        return
    reach = codes.magnitude**2 if tensor.step == "quadratic" else 1 << min(codes.magnitude, 64) >> 1
    needed = bits_needed(-reach if codes.minimum < 0 else 0, codes.maximum and reach, signed=codes.minimum < 0)
    if needed > LEVEL_BITS + int(codes.minimum < 0 and reach == 1 << (LEVEL_BITS - 1)):
        most = {"quadratic": "8 bits", "logarithmic": "4 bits (5 if signed and narrow)"}[tensor.step]
        yield Mistake(at, f"{tensor.bits} bits, but {tensor.step} levels of 16 bits have at most {most} of code")


def codebooks_are_whole(settings: Settings) -> Found:
    """A table has one level for each code, in ascending order, and activations need one that is 0."""
    for section, tensor in _sections(settings):
        levels, at = tensor.levels, (section, "levels")
        if levels is None:
            continue
        codes = tensor.integer_format()
        many = codes.maximum - codes.minimum + 1
        if tensor.step != "codebook":
            yield Mistake(at, f"given, but {section}.step is {tensor.step}; use `step: codebook`", ((section, "step"),))
        elif len(levels) != many:
            yield Mistake(at, f"{len(levels)} levels, but {tensor.bits} bits have {many} codes", ((section, "bits"),))
        elif any(low >= high for low, high in pairwise(levels)):
            yield Mistake(at, "must ascend, no two of them the same")
        elif bits_needed(levels[0], levels[-1], signed=levels[0] < 0) > LEVEL_BITS:
            yield Mistake(at, f"from {levels[0]} to {levels[-1]}, but a level has at most {LEVEL_BITS} bits")
        elif section == "activations" and 0 not in levels:
            yield Mistake(at, "without 0, but padding and ReLU need an activation of 0")
        elif levels[-1] <= 0:
            yield Mistake(at, f"end with {levels[-1]}, but ranges are covered by the largest, which must be positive")


def groups_are_sized(settings: Settings) -> Found:
    """A group has a size, and nothing else has one."""
    weights = settings.weights
    if weights.granularity == "group" and weights.group is None:
        sentence = "group, but weights.group does not say how many input channels share a scale"
        yield Mistake(("weights", "granularity"), sentence, (("weights", "group"),))
    if weights.group is not None and weights.granularity != "group":
        sentence = f"given, but weights.granularity is {weights.granularity}; use `granularity: group`"
        yield Mistake(("weights", "group"), sentence, (("weights", "granularity"),))


def shifts_are_possible(settings: Settings) -> Found:
    """Scales that differ by powers of two need a zero point of 0, and room for what they shift to the left."""
    for section, tensor in _sections(settings):
        at: Location = (section, "granularity")
        if tensor.granularity not in BY_SHIFT:
            continue
        if not tensor.symmetric:
            sentence = f"{tensor.granularity}, but {section}.symmetric is false; shifted codes have zero points of 0"
            yield Mistake(at, sentence, ((section, "symmetric"),))
        if tensor.fraction_bits is not None:
            sentence = (
                f"{tensor.granularity}, but a fixed binary point is one for all; leave out {section}.fraction_bits"
            )
            yield Mistake(at, sentence, ((section, "fraction_bits"),))
        widest = tensor.bits + (1 << tensor.shift_bits) - 1
        if section == "activations" and widest > LEVEL_BITS:
            sentence = (
                f"{tensor.shift_bits} bits, but codes of {tensor.bits} bits shifted by up to "
                f"{(1 << tensor.shift_bits) - 1} need {widest} bits, and operands have at most {LEVEL_BITS}"
            )
            yield Mistake((section, "shift_bits"), sentence, ((section, "bits"),))


def outputs_can_be_encoded(settings: Settings) -> Found:
    """An output's own scales, or levels, can only be reached by requantisation."""
    tensor = settings.activations
    key = "step" if tensor.step in NON_UNIFORM else "granularity" if tensor.granularity in BY_SHIFT else ""
    if key and not goes_by_ratio(settings.requantize.expanded()):
        sentence = f"{getattr(tensor, key)}, but requantize does not go by the ratio of scales"
        yield Mistake(("activations", key), sentence, (("requantize",),))


def _uneven(tensor: Stored) -> str:
    """Return the key by which codes are no even steps of one free scale, or nothing."""
    if tensor.step in NON_UNIFORM:
        return "step"
    return "granularity" if tensor.granularity in BY_SHIFT else ""


def single_precision_has_free_scales(settings: Settings) -> Found:
    """Scales are derived in float32, weights divided in float32, and both enlarged, where they are free."""
    for section, tensor in _sections(settings):
        key = _uneven(tensor) or ("step" if tensor.step != "uniform" else "")
        key = "fraction_bits" if tensor.fraction_bits is not None else key
        if tensor.scale_precision != 64 and key:  # noqa: PLR2004
            sentence = f"{tensor.scale_precision}, but {section}.{key} is {getattr(tensor, key)}; scales must be free"
            yield Mistake((section, "scale_precision"), sentence, ((section, key),))
        given = tensor.range.model_fields_set
        if "widening" in given and "narrowest" not in given:
            yield Mistake(
                (section, "range", "widening"),
                "given without `narrowest`, so that no range is widened",
                ((section, "range", "narrowest"),),
            )
    weights, bias = settings.weights, settings.bias
    key = _uneven(weights)
    if weights.division != "float64" and key:
        sentence = f"{weights.division}, but weights.{key} is {getattr(weights, key)}, which is decoded; use float64"
        yield Mistake(("weights", "division"), sentence, (("weights", key),))
    key = "fraction_bits" if weights.fraction_bits is not None else key
    if bias.headroom is not None and (key or weights.step != "uniform"):
        key = key or "step"
        sentence = f"{bias.headroom}, but weights.{key} is {getattr(weights, key)}; scales must be free to grow"
        yield Mistake(("bias", "headroom"), sentence, (("weights", key),))
    if bias.headroom is not None and bias.headroom > bias.bits - 2:
        sentence = f"{bias.headroom} bits, but a bias of {bias.bits} bits has at most {max(bias.bits - 2, 0)} to spare"
        yield Mistake(("bias", "headroom"), sentence, (("bias", "bits"),))


RULES = (
    levels_are_possible,
    codebooks_are_whole,
    groups_are_sized,
    shifts_are_possible,
    outputs_can_be_encoded,
    single_precision_has_free_scales,
)
