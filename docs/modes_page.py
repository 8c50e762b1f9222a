"""The page docs/modes.md: each mode in a sentence, a table and a plot, with its names elsewhere and its judges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from judges.coverage import JUDGES, judges_of
from modes_plots import WRAPS, saturated_bits_of

from hwsim.aliases import NAMES, NOT_ONE_MODE
from hwsim.formats import Overflow, Rounding
from hwsim_kernels.overflow import fit
from hwsim_kernels.rounding import round_shift

INTRODUCTION = """\
# Rounding and overflow modes

[`arithmetic.md`](arithmetic.md) defines them; here each has a sentence, a table and a plot. All numbers are computed by
the kernels, and the whole page is written by `docs/make.py`.

Names of other tools are accepted behind the name of the tool, `rounding: qonnx:HALF_UP` or
`overflow: ap_fixed:AP_SAT_SYM`, because the same word means another rule elsewhere. Capitals do not matter, and `AP_`
and `AC_` may be left out. [All names](#all-names) stand at the end.

A judge of a mode is another tool that has it: the tests in [`tests/judges`](../tests/judges) run the tool under its own
name of the mode and compare with `==`. They take both names from the table below, so a wrong entry fails.

"""

ROUNDINGS = {
    Rounding.FLOOR: "Down, to minus infinity: what is left when the low bits are cut off.",
    Rounding.CEIL: "Up, to plus infinity.",
    Rounding.TOWARD_ZERO: "Toward zero: what C's division does.",
    Rounding.AWAY_FROM_ZERO: "Away from zero.",
    Rounding.HALF_UP: "To the nearest, ties up: add one half, cut off the low bits.",
    Rounding.HALF_DOWN: "To the nearest, ties down.",
    Rounding.HALF_TOWARD_ZERO: "To the nearest, ties toward zero.",
    Rounding.HALF_AWAY: "To the nearest, ties away from zero: C's `round`.",
    Rounding.HALF_EVEN: "To the nearest, ties to the even neighbour: what IEEE 754 does.",
    Rounding.HALF_ODD: "To the nearest, ties to the odd neighbour.",
    Rounding.MAGNITUDE: "The low bits are cut off, the sign bit is added: toward zero, but exact negatives go up.",
    Rounding.JAM: "The low bits are cut off and the last one left is set to 1, even if nothing was lost.",
    Rounding.JAM_UNBIASED: "The low bits are cut off; if one of them was 1, the last one left is set: round to odd.",
    Rounding.STOCHASTIC_WEIGHTED: "Up with a probability that is the fraction: a random number is added, then floor.",
    Rounding.STOCHASTIC_EQUAL: "Up or down by the toss of a fair coin, even if nothing was lost.",
}

OVERFLOWS = {
    Overflow.WRAP: "The high bits are cut off. `saturated_bits` keeps the sign and clamps so many of the top bits.",
    Overflow.SATURATE: "The nearest code.",
    Overflow.SATURATE_SYMMETRIC: "The nearest code, of a signed format without its most negative one.",
    Overflow.SATURATE_ZERO: "Zero.",
    Overflow.WRAP_SIGN_MAGNITUDE: "A wrap that inverts all bits where the sign would flip, so that it turns back "
    "instead of jumping; for signed formats. `saturated_bits` as for `wrap`.",
    Overflow.ERROR: "Saturates, and the run stops with the place and the value.",
}

NOTES = {
    Rounding.JAM: "APyTypes sets the bit even when a cast drops no bits; here a shift by 0 changes nothing.",
    Overflow.WRAP: "APyTypes' `NUMERIC_STD` is `wrap` with `saturated_bits: 1` (judged as well). The number behind "
    "AP_WRAP is `saturated_bits`; the judge has 0, 1, 2, 3, 8 and 64.",
    Overflow.WRAP_SIGN_MAGNITUDE: "The number behind AP_WRAP_SM is `saturated_bits`; the judge has 0, 1, 2, 3, 8 and "
    "64. With 0, AMD's headers look at the first bit above the format *before* they round and hwsim looks after it: "
    "where rounding carries into that bit, and only there, they differ. AP_WRAP_SM of unsigned types saturates.",
}
"""What a table of names cannot say."""

QUARTERS = range(-8, 9)

SOURCES = (-40, -20, -17, -9, -8, -7, 7, 8, 9, 15, 16, 20, 40)


def page() -> str:
    """Return the text of docs/modes.md."""
    roundings = [section(mode, sentence, rounding_table([mode])) for mode, sentence in ROUNDINGS.items()]
    overflows = [section(mode, sentence, overflow_table(mode)) for mode, sentence in OVERFLOWS.items()]
    steady = rounding_table([mode for mode in ROUNDINGS if not mode.stochastic])
    judges = markdown(["judge", "what is run"], ((f"`{tool}`", judge.system) for tool, judge in JUDGES.items()))
    parts = [INTRODUCTION + judges, f"## Rounding\n\n{steady}", *roundings]
    parts += ["## Overflow\n\nThe tables are of 4-bit formats.\n", *overflows, all_names()]
    return "\n".join(parts)


def section(mode: Rounding | Overflow, sentence: str, table: str) -> str:
    """Return what is said of one mode."""
    key = type(mode).__name__.lower()
    names = [f"`{tool}:{name}`" for tool, own in NAMES[key].items() for name, ours in own.items() if ours == mode]
    lines = [
        f"### `{mode}`\n\n{sentence}\n\n{table}",
        f"![{mode}](modes/{mode}.svg)\n",
        *([f"Elsewhere: {', '.join(names)}.\n"] if names else []),
        f"Judges: {', '.join(judges_of(key, mode)) or 'none'}.\n",
        *([f"{NOTES[mode]}\n"] if mode in NOTES else []),
    ]
    return "\n".join(lines)


def markdown(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; numbers stand to the right."""
    lines = [head, ["---:" if isinstance(name, int | float) else "---" for name in head], *rows]
    return "".join(f"| {' | '.join(map(cell, line))} |\n" for line in lines)


def cell(content: object) -> str:
    """Return what stands in a cell."""
    return f"{content:g}" if isinstance(content, float) else str(content)


def rounding_table(modes: Iterable[Rounding]) -> str:
    """Return what becomes of quarters; a stochastic mode has a row for each of four draws."""
    rows = []
    for mode in modes:
        for draw in range(4) if mode.stochastic else [0]:
            label = f"`{mode}`, draw {draw}/4" if mode.stochastic else f"`{mode}`"
            rows.append([label, *(int(round_shift(value, 2, mode.code, draw << 30)) for value in QUARTERS)])
    return markdown(["x", *(value / 4 for value in QUARTERS)], rows)


def overflow_table(mode: Overflow) -> str:
    """Return what becomes of some values in formats of 4 bits."""
    rows = []
    for signed in (1,) if mode is Overflow.WRAP_SIGN_MAGNITUDE else (1, 0):
        for number in saturated_bits_of(mode):
            label = ("signed" if signed else "unsigned") + (f", {number} saturated bits" if mode in WRAPS else "")
            rows.append([label, *(int(fit(value, 4, signed, mode.code, number)) for value in SOURCES)])
    return markdown(["value", *SOURCES], rows)


def all_names() -> str:
    """Return the whole table of names."""
    parts = ["## All names\n"]
    for key, tools in NAMES.items():
        rows = [
            (f"`{tool}:{name}`", f"[`{mode}`](#{mode})") for tool, own in tools.items() for name, mode in own.items()
        ]
        parts.append(f"### For `{key}`\n\n" + markdown(["name", "mode here"], rows))
    no_mode = [(f"`{name}`", meaning) for name, meaning in NOT_ONE_MODE.items()]
    parts.append("### Not a mode of their own\n\n" + markdown(["name", "here"], no_mode))
    return "\n".join(parts)
