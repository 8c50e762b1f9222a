"""Lines of Python that compute one value by ``hwsim_kernels`` alone. They hold no single quote, for a shell's sake."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from hwsim.formats import Overflow, Rounding
from hwsim_kernels.describe import OVERFLOWS, ROUNDINGS
from hwsim_kernels.fields import BITS, CHECK_EACH, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED, TERMS, TREE

IMPORT = "import hwsim_kernels as hk; "

_OVERFLOW_NAMES = {code: name for name, code in OVERFLOWS.items()} | {Overflow.ERROR.code: "saturate"}
_ROUNDING_NAMES = {code: name for name, code in ROUNDINGS.items()}


def number(value: float) -> str:
    """Return a number as an operand in Python.

    >>> number(5), number(-5)
    ('5', '(-5)')
    """
    return f"({value!r})" if value < 0 else repr(value)


def less(value: int, zero_point: int) -> str:
    """Return a code less its zero point.

    >>> less(20, -128), less(20, 3), less(-7, 0)
    ('(20 + 128)', '(20 - 3)', '(-7)')
    """
    if not zero_point:
        return number(value)
    return f"({value} {'-' if zero_point > 0 else '+'} {abs(zero_point)})"


def overflow_name(code: int) -> str:
    """Return the name of an overflow mode by its constant; `error` saturates before it stops a run."""
    return _OVERFLOW_NAMES[int(code)]


def rounding_name(code: int) -> str:
    """Return the name of a rounding mode by its constant."""
    return _ROUNDING_NAMES[int(code)]


def format_words(field: Sequence[int] | NDArray[Any]) -> str:
    """Return what follows a value or begins a format: bits, overflow, and what is not the default."""
    bits, signed, overflow, saturated = (int(one) for one in field)
    words = f'{bits}, "{overflow_name(overflow)}"'
    words += "" if signed else ", signed=False"
    return words + (f", saturated_bits={saturated}" if saturated else "")


def fit(expression: str, field: Sequence[int] | NDArray[Any]) -> str:
    """Return ``expression`` fitted to (bits, signed, overflow, saturated_bits)."""
    return f"hk.fit({expression}, {format_words(field)})"


def round_shift(expression: str, shift: int, rounding: str, draw: int | None = None, guard_bits: int = 0) -> str:
    """Return ``expression`` shifted to the right and rounded."""
    guard = f", guard_bits={guard_bits}" if guard_bits else ""
    drawn = "" if draw is None else f", draws=[{draw}]"
    return f'hk.round_shift({expression}, {shift}, "{rounding}"{guard}{drawn})'


def clamping(expression: str, field: Sequence[int] | NDArray[Any]) -> str:
    """Return the line that prints what a format makes of a value, and the value."""
    return f"{IMPORT}x = {expression}; print({fit('x', field)}, x)"


def rounded(expression: str, quotient: Fraction, shown: str) -> str:
    """Return the line that prints a rounded value, ``expression``, and the exact one."""
    return f"{IMPORT}print({expression}, {exact_of(quotient, shown)})"


def exact_of(quotient: Fraction, shown: str) -> str:
    """Return an exact quotient as Python: by a float division if that is exact, else as a fraction."""
    if float(quotient) == quotient and abs(quotient) < 1 << 53:
        return shown
    return f'"{quotient}"'


def text_of(value: Fraction) -> str:
    """Return an exact value: as a decimal number where a float holds it.

    >>> text_of(Fraction(5, 2)), text_of(Fraction(1, 3)), text_of(Fraction(7))
    ('2.5', '1/3', '7')
    """
    if value.denominator == 1:
        return str(value.numerator)
    return repr(float(value)) if float(value) == value and abs(value) < 1 << 53 else str(value)


def stage_words(field: NDArray[Any]) -> str:
    """Return a stage of accumulation, or a product, as ``hk.Stage``."""
    words = format_words((field[BITS], field[SIGNED], field[OVERFLOW], field[SATURATED_BITS]))
    if field[TERMS]:
        words += f", terms={int(field[TERMS])}"
    if field[TREE]:
        words += ', shape="tree"'
    elif not field[CHECK_EACH]:
        words += ', check="last"'
    if field[SHIFT]:
        words += f', shift={int(field[SHIFT])}, rounding="{rounding_name(field[ROUNDING])}"'
    return f"hk.Stage({words})"


def stochastic(code: int) -> bool:
    """Whether a rounding mode draws random numbers."""
    return Rounding(rounding_name(code)).stochastic
