"""The plots of docs/modes.md: SVG of a few plain shapes, in colours that can be read on white and on black."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hwsim.formats import Overflow, Rounding
from hwsim_kernels.overflow import fit
from hwsim_kernels.rounding import round_shift

LINE, GREY = "#2f81f7", "#848d97"

DOT = 4.5

Point = tuple[float, float]
Shapes = list[str]


def svg(width: int, height: int, shapes: Shapes) -> str:
    """Return an image."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join([f'{head} font-family="sans-serif" font-size="12">', *shapes, "</svg>", ""])


def line(start: Point, end: Point, look: str) -> str:
    """Return a straight line."""
    return f'<line x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}" {look}/>'


def dot(at: Point, radius: float, look: str) -> str:
    """Return a circle."""
    return f'<circle cx="{at[0]:g}" cy="{at[1]:g}" r="{radius:g}" {look}/>'


def text(at: Point, words: object, anchor: str = "middle") -> str:
    """Return a label."""
    return f'<text x="{at[0]:g}" y="{at[1]:g}" text-anchor="{anchor}" fill="{GREY}">{words}</text>'


# --- rounding: a staircase ----------------------------------------------------------------------------

REACH, UNIT, EDGE = 3, 50, 34
FINE = 6
"""The staircase is sampled at x / 2**FINE; every step begins and ends at a half."""


def rounding_plot(mode: Rounding) -> str:
    """Return round(x) over x; a stochastic mode has the staircases of its lowest and its highest draw."""
    size = 2 * (REACH * UNIT + EDGE)
    draws = (0, 2**32 - 1) if mode.stochastic else (0,)
    shapes = rounding_axes()
    for draw, dash in zip(draws, ("", ' stroke-dasharray="7 5"'), strict=False):
        shapes += staircase(lambda x, draw=draw: int(round_shift(x, FINE, mode.code, draw)), dash)
    if mode.stochastic:
        shapes += key((EDGE + 8, EDGE + 4), ("lowest draw", ""), ("highest draw", ' stroke-dasharray="7 5"'))
    return svg(size, size, shapes)


def rounding_axes() -> Shapes:
    """Return a grid of integers and the line on which nothing is rounded."""
    shapes = []
    for at in range(-REACH, REACH + 1):
        look = f'stroke="{GREY}" stroke-width="{1 if at == 0 else 0.3}"'
        shapes += [line(place(at, -REACH), place(at, REACH), look), line(place(-REACH, at), place(REACH, at), look)]
        (x, bottom), (left, y) = place(at, -REACH), place(-REACH, at)
        shapes += [text((x, bottom + 20), at), text((left - 10, y + 4), at, "end")]
    ends = place(-REACH, -REACH), place(REACH, REACH)
    return [*shapes, line(*ends, f'stroke="{GREY}" stroke-dasharray="2 4"')]


def place(x: float, y: float) -> Point:
    """Return where a point of the plane is drawn."""
    return EDGE + (x + REACH) * UNIT, EDGE + (REACH - y) * UNIT


def staircase(rounded: Callable[[int], int], dash: str) -> Shapes:
    """Return the steps of a function of x / 2**FINE; full dots are on it, open ones are not."""
    half = 2 ** (FINE - 1)
    breaks = range(-REACH * 2**FINE, REACH * 2**FINE + 1, half)
    steps = [(start, end, level_between(rounded, start, end)) for start, end in pairwise(breaks)]
    dots: dict[Point, bool] = {}
    for (_, at, before), (_, _, after) in pairwise(steps):
        if {before, after} != {rounded(at)}:
            dots |= {place(at / 2**FINE, level): level == rounded(at) for level in (before, after, rounded(at))}
    shapes = []
    for start, end, level in steps:
        left, right = place(start / 2**FINE, level), place(end / 2**FINE, level)
        if not dots.get(left, True):
            left = left[0] + DOT, left[1]
        if not dots.get(right, True):
            right = right[0] - DOT, right[1]
        shapes.append(line(left, right, f'stroke="{LINE}" stroke-width="2.5"{dash}'))
    looks = {
        True: f'fill="{LINE}" stroke="{LINE}" stroke-width="1.5"',
        False: f'fill="none" stroke="{LINE}" stroke-width="1.5"',
    }
    return shapes + [dot(at, DOT, looks[full]) for at, full in dots.items()]


def level_between(rounded: Callable[[int], int], start: int, end: int) -> int:
    """Return the one value between two breaks."""
    [level] = {rounded(x) for x in range(start + 1, end)}
    return level


def key(at: Point, *entries: tuple[str, str]) -> Shapes:
    """Return what each kind of line means."""
    shapes = []
    for number, (words, dash) in enumerate(entries):
        x, y = at[0], at[1] + 18 * number
        shapes += [
            line((x, y), (x + 30, y), f'stroke="{LINE}" stroke-width="2.5"{dash}'),
            text((x + 36, y + 4), words, "start"),
        ]
    return shapes


# --- overflow: output over input, 4 bits --------------------------------------------------------------

FAR, BITS, STEP, TALL = 40, 4, 5, 9
"""Inputs go from -FAR to FAR; STEP and TALL are the pixels of one LSB across and up."""

WRAPS = (Overflow.WRAP, Overflow.WRAP_SIGN_MAGNITUDE)


def saturated_bits_of(mode: Overflow) -> Sequence[int]:
    """Return the values of `saturated_bits` that are shown."""
    return range(4) if mode in WRAPS else (0,)


def overflow_plot(mode: Overflow) -> str:
    """Return the code of a signed format over the value; one below the other for each number of saturated bits."""
    shapes: Shapes = []
    width, height = 2 * (FAR * STEP + EDGE), 2 * EDGE + 2**BITS * TALL
    numbers = saturated_bits_of(mode)
    for row, number in enumerate(numbers):
        top = row * height
        codes = {value: int(fit(value, BITS, 1, mode.code, number)) for value in range(-FAR, FAR + 1)}
        if len(numbers) > 1:
            shapes.append(text((width / 2, top + EDGE - 12), f"saturated_bits: {number}"))
        shapes += overflow_axes(top) + curve(codes, top)
    return svg(width, height * len(numbers), shapes)


def spot(value: float, code: float, top: int) -> Point:
    """Return where a value and its code are drawn."""
    return EDGE + (value + FAR) * STEP, top + EDGE + (2 ** (BITS - 1) - code) * TALL


def overflow_axes(top: int) -> Shapes:
    """Return the axes, the band of the values that the format holds and the line on which nothing is lost."""
    low, high = -(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1
    (left, above), (right, below) = spot(low - 0.5, high + 1, top), spot(high + 0.5, low, top)
    band = f'<rect x="{left:g}" y="{above:g}" width="{right - left:g}" height="{below - above:g}"'
    shapes = [f'{band} fill="{GREY}" fill-opacity="0.15"/>']
    shapes += [line(spot(-FAR, 0, top), spot(FAR, 0, top), f'stroke="{GREY}"')]
    shapes += [line(spot(0, low, top), spot(0, high + 1, top), f'stroke="{GREY}"')]
    for value in range(-FAR, FAR + 1, 8):
        shapes.append(text((spot(value, low, top)[0], spot(value, low, top)[1] + 20), value))
    for code in (low, 0, high):
        x, y = spot(-FAR, code, top)
        shapes.append(text((x - 8, y + 4), code, "end"))
    return shapes


def curve(codes: dict[int, int], top: int) -> Shapes:
    """Return a dot for each value, joined where the codes of neighbours are at most 1 apart."""
    look = f'stroke="{LINE}" stroke-width="1.5"'
    joins = [
        line(spot(x, y, top), spot(next_x, next_y, top), look)
        for (x, y), (next_x, next_y) in pairwise(codes.items())
        if abs(next_y - y) <= 1
    ]
    return joins + [dot(spot(x, y, top), 2, f'fill="{LINE}"') for x, y in codes.items()]
