"""Rules for widths and overflow modes, wherever a target has them."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.formats import Overflow
from hwsim.target.mistake import Location, Mistake
from hwsim.target.section import Fit
from hwsim.target.settings import Settings
from hwsim.target.steps import FitStep

_WRAPS = (Overflow.WRAP, Overflow.WRAP_SIGN_MAGNITUDE)


def general(settings: Settings) -> Iterator[Mistake]:
    """Check the widths and overflow modes that any operation can have."""
    activations = settings.activations
    yield from _fit(("pooling", "accumulator"), settings.pooling.accumulator)
    yield from _fit(("addition", "accumulator"), settings.addition.accumulator)
    if settings.multiplication.product is not None:
        yield from _fit(("multiplication", "product"), settings.multiplication.product)
    for index, step in enumerate(settings.requantize.steps or ()):
        if isinstance(step, FitStep):
            yield from _fit(("requantize", "steps", index), step)
    yield from _mode(
        ("output", "overflow"),
        settings.output.overflow,
        activations.bits,
        activations.signed,
        (("activations", "bits"), ("activations", "signed")),
    )


def of_mac(settings: Settings) -> Iterator[Mistake]:
    """Check the widths and overflow modes of the multiply-accumulate datapath."""
    if settings.mac.product is not None:
        yield from _fit(("mac", "product"), settings.mac.product)
    for index, stage in enumerate(settings.mac.stages):
        yield from _fit(("mac", "stages", index), stage)
    bias = settings.bias
    yield from _mode(("bias", "overflow"), bias.overflow, bias.bits, True, (("bias", "bits"),))


def _fit(at: Location, fit: Fit) -> Iterator[Mistake]:
    if fit.saturated_bits and fit.overflow not in _WRAPS:
        yield Mistake(
            (*at, "saturated_bits"),
            f"{fit.saturated_bits} bits, but overflow is {fit.overflow}; it must be {' or '.join(_WRAPS)}",
            ((*at, "overflow"),),
        )
    elif fit.saturated_bits > fit.bits:
        yield Mistake(
            (*at, "saturated_bits"),
            f"{fit.saturated_bits} bits, but the value has {fit.bits}",
            ((*at, "bits"),),
        )
    yield from _mode((*at, "overflow"), fit.overflow, fit.bits, fit.signed, ((*at, "signed"), (*at, "bits")))


def _mode(at: Location, overflow: Overflow, bits: int, signed: bool, also: tuple[Location, ...]) -> Iterator[Mistake]:
    """Check that an overflow mode makes sense for a format; ``also`` are the format's own keys."""
    if overflow is Overflow.WRAP_SIGN_MAGNITUDE and not signed:
        yield Mistake(at, "wrap_sign_magnitude, but the value is unsigned; use wrap", also)
    if overflow is Overflow.SATURATE_SYMMETRIC and signed and bits == 1:
        yield Mistake(at, "saturate_symmetric, but 1 signed bit then holds 0 alone; use 2 bits or more", also)
