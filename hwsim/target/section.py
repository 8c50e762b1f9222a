"""What every section of a target file is made of: units, limits, widths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hwsim.formats import Overflow


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The words for a number outside its limits: "65 bits, but an accumulator has 1 to 64"."""

    unit: str = ""
    limit: str


@dataclass(frozen=True)
class Spelling:
    """The words for text that does not match its pattern: "must be" and then this."""

    rule: str


StoredBits = Annotated[int, Field(ge=1, le=16, strict=True), Measure(unit="bits", limit="a stored code has")]
AccumulatorBits = Annotated[int, Field(ge=1, le=64, strict=True), Measure(unit="bits", limit="an accumulator has")]
MultiplierBits = Annotated[int, Field(ge=2, le=32, strict=True), Measure(unit="bits", limit="a multiplier has")]
Shift = Annotated[int, Field(ge=0, le=62, strict=True), Measure(unit="bits", limit="a shift drops")]
Flag = Annotated[bool, Field(strict=True)]
PointName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=24),
    Spelling("a lower-case letter, then lower-case letters, digits and _, 24 characters at most"),
]
"""The name of a row in the ledger."""


class Section(BaseModel):
    """A section of a target file: unknown keys are mistakes, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fit(Section):
    """A width and what becomes of a value outside it."""

    bits: AccumulatorBits = 32
    """Width in bits."""
    signed: Flag = True
    """Whether the value is two's complement."""
    overflow: Overflow = Overflow.WRAP
    """What becomes of a value outside the width."""
    saturated_bits: Annotated[
        int, Field(ge=0, le=64, strict=True), Measure(unit="bits", limit="the saturated part of a wrap has")
    ] = 0
    """For `wrap` and `wrap_sign_magnitude`: how many top bits keep the sign or saturate, as in ap_fixed."""
