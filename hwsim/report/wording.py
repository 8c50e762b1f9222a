"""Figures and names as a reader sees them: short numbers, and names that cannot break a line or a terminal."""

from __future__ import annotations

import math

from rich.cells import cell_len, set_cell_size

NOTHING = "-"
"""Stands where nothing was measured."""

_PREFIXES = ("", "k", "M", "G", "T", "P")


def printable(text: str) -> str:
    r"""Return ``text`` with everything escaped that is not a visible character or a blank.

    >>> printable("a\x1b[31mb"), printable("über")
    ('a\\x1b[31mb', 'über')
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shortened(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` columns, with its middle left out if need be.

    >>> shortened("mixed_7b_branch3x3dbl_conv", 12)
    'mixed_…_conv'
    """
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    tail = ""
    while cell_len(text[-len(tail) - 1 :]) <= (width - 1) // 2:
        tail = text[-len(tail) - 1 :]
    return set_cell_size(text, width - 1 - cell_len(tail)).rstrip() + "…" + tail


def percent(share: float) -> str:
    """Return a share in percent, with what is small told apart from zero.

    >>> [percent(one) for one in (0, 1e-6, 0.00123, 0.0567, 0.5, 0.99999, 1)]
    ['0', '<0.01', '0.12', '5.67', '50.0', '>99.9', '100']
    """
    if share in (0, 1):
        return f"{share * 100:.0f}"
    if share < 1e-4:
        return "<0.01"
    if share > 0.999:
        return ">99.9"
    return f"{share * 100:.2f}" if share < 0.1 else f"{share * 100:.1f}"


def short_count(count: int) -> str:
    """Return a count in at most five characters.

    >>> [short_count(one) for one in (999, 1000, 123456, 9_999_999, 10**25)]
    ['999', '1.0k', '123k', '10M', '1e25']
    """
    if count < 1000:
        return str(count)
    exponent = len(str(count)) - 1
    if exponent >= 3 * len(_PREFIXES):
        return f"1e{exponent}"
    scaled = count / 1000 ** (exponent // 3)
    if scaled >= 999.5:
        return f"1.0{_PREFIXES[exponent // 3 + 1]}" if exponent // 3 + 1 < len(_PREFIXES) else f"1e{exponent + 1}"
    return f"{scaled:.1f}{_PREFIXES[exponent // 3]}" if scaled < 9.95 else f"{scaled:.0f}{_PREFIXES[exponent // 3]}"


def lsb(value: float | None) -> str:
    """Return an error in LSB in at most seven characters.

    >>> [lsb(one) for one in (0.0, 0.28867, -0.0004, 12.34, 123456.0, None)]
    ['0', '0.289', '-0.0004', '12.3', '1.2e+05', '-']
    """
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return f"{value:g}"
    if 1e-4 <= abs(value) < 1e-3:
        return f"{value:.4f}"
    return f"{value:.1e}" if abs(value) < 1e-4 or abs(value) >= 99999.5 else _three_digits(value)


def _three_digits(value: float) -> str:
    places = max(0, 2 - math.floor(math.log10(abs(value)))) if abs(value) >= 1 else 3
    return f"{value:.{places}f}"


def real(value: float) -> str:
    """Return a value in real units.

    >>> real(0.0), real(0.0123456), real(1e-9)
    ('0', '0.0123', '1e-09')
    """
    return f"{value:.3g}"


def decibel(value: float | None) -> str:
    """Return a ratio in dB; without any error it is exact.

    >>> decibel(31.26), decibel(float("inf")), decibel(None)
    ('31.3', 'exact', '-')
    """
    if value is None:
        return NOTHING
    if value == math.inf:
        return "exact"
    return f"{value:.1f}" if abs(value) < 9999.5 else f"{value:.1e}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "layer"), counted(1200, "layer")
    ('1 layer', '1,200 layers')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def agreement(share: float) -> str:
    """Return a share in percent that reads 100 only if it is.

    >>> agreement(1.0), agreement(0.99999)
    ('100', '99.99')
    """
    return "100" if share == 1 else f"{math.floor(share * 1e4) / 100:.2f}"
