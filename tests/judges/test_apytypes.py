"""Quantization and overflow modes of APyTypes, and its accumulator where it wraps."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from judges.coverage import judged
from judges.ours import VALUES, Case, check
from judges.sums import INPUTS, WEIGHTS, check_sums, fit

from hwsim.aliases import NAMES

ROUNDING = NAMES["rounding"]["apytypes"]


@pytest.fixture(scope="module")
def apytypes() -> Any:
    """Return the package."""
    return pytest.importorskip("apytypes")


def read(pattern: int, bits: int) -> int:
    """Read a pattern of ``bits`` bits as a signed number."""
    return pattern - (pattern >> (bits - 1) << bits)


def cases(apytypes: ModuleType, shift: int, bits: int, saturated_bits: int = 0, **modes: Any) -> list[Case]:
    """Return what a cast of values, the last ``shift`` bits of which are a fraction, makes of them.

    They are 80 bits wide: of 64-bit ones, APyTypes 0.5.1 wraps the largest when it adds one half.
    """
    source = apytypes.APyFixedArray([value % 2**80 for value in VALUES], bits=80, frac_bits=shift)
    results = source.cast(bits=bits, frac_bits=0, **modes).to_bits()
    pairs = zip(VALUES, results, strict=True)
    return [Case(shift, bits, 1, saturated_bits, value, read(int(result), bits)) for value, result in pairs]


@pytest.mark.parametrize(("name", "mode"), judged("apytypes", "rounding"))
@pytest.mark.parametrize("shift", [1, 2, 3, 8, 31, 32, 33, 62])
def test_rounding(name: str, mode: str, shift: int, apytypes: ModuleType) -> None:
    quantization = getattr(apytypes.QuantizationMode, name)
    check(cases(apytypes, shift, 64, quantization=quantization), mode, "error", at_least=1000)


@pytest.mark.parametrize(("name", "mode"), judged("apytypes", "overflow"))
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8, 32, 33, 63])
def test_overflow(name: str, mode: str, bits: int, apytypes: ModuleType) -> None:
    overflow = getattr(apytypes.OverflowMode, name)
    check(cases(apytypes, 0, bits, overflow=overflow), "floor", mode, at_least=1000)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8, 32, 33, 63])
def test_numeric_std_is_a_wrap_with_one_saturated_bit(bits: int, apytypes: ModuleType) -> None:
    overflow = apytypes.OverflowMode.NUMERIC_STD
    check(cases(apytypes, 0, bits, saturated_bits=1, overflow=overflow), "floor", "wrap", at_least=1000)


@pytest.mark.parametrize("name", ["TRN", "RND", "RND_CONV", "TRN_MAG", "JAM_UNBIASED"])
@pytest.mark.parametrize(("shift", "bits"), [(1, 16), (2, 12), (4, 10)])
def test_sums_that_wrap(name: str, shift: int, bits: int, apytypes: ModuleType) -> None:
    """Each product is rounded to the accumulator's fraction. Saturating sums are wrong in APyTypes (issue 857)."""
    inputs = apytypes.APyFixedArray([[x % 256 for x in row] for row in INPUTS], bits=8, frac_bits=shift)
    weights = apytypes.APyFixedArray([x % 256 for x in WEIGHTS], bits=8, frac_bits=0)
    modes = {
        "quantization": getattr(apytypes.QuantizationMode, name),
        "overflow": apytypes.OverflowMode.WRAP,
    }
    with apytypes.APyFixedAccumulatorContext(bits=bits, frac_bits=0, **modes):
        results = (inputs @ weights).to_bits()
    product = fit(bits, "wrap", shift=shift, rounding=ROUNDING[name])
    check_sums(product, fit(bits, "wrap"), [read(int(result), bits) for result in results])
