"""Causes that change values: a constant, a narrower range, a wrap, a shift, the border of images, rounding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np

from hwsim.divergence.case import Case, Cause
from hwsim.formats import IntFormat

MOST_NAMED = 6
MOST_SHIFT = 8
MOST_SHIFTED = 1 << 50
"""Values below this can be shifted in 64 bits."""
WIDEST_BORDER = 3

CHANCE = 1e-3
"""What happens by chance more often than this is no evidence."""

TIES_UNKNOWN = "whether only ties differ is unknown without the program"

LEAST_SEEN = 3
"""Fewer values away from the bounds show no constant."""


def constants(case: Case) -> Iterator[Cause | None]:
    """Each channel differs by a constant, but where it stands at a bound; requantised, by k or k + 1."""
    at_bound = np.zeros(case.a.shape, np.bool_)
    for values in (case.a, case.b):  # where an activation or a format may end
        at_bound |= (values == values.min()) | (values == values.max())
    offsets: dict[int, tuple[int, int]] = {}
    explained: dict[int, int] = {}
    sizes: dict[int, int] = {}
    spans: set[tuple[int, int]] = set()
    for channel in range(case.a.shape[-1]):
        d = case.d[..., channel]
        free = d[~at_bound[..., channel]]
        if not free.size:
            continue
        least, most = int(free.min()), int(free.max())
        spans.add((least, most))
        if most - least <= 1 and not least <= 0 <= most:
            offsets[channel], sizes[channel] = (least, most), free.size
            explained[channel] = int(np.count_nonzero((d >= min(least, 0)) & (d <= max(most, 0)) & (d != 0)))
    if len(spans) == 1 and len(offsets) > 1 and sum(sizes.values()) >= LEAST_SEEN and len(set(next(iter(spans)))) == 1:
        says = f"zero point: all channels differ by {next(iter(spans))[0]:+d}"
        yield case.cause("zero_point", says, sum(explained.values()))
        return
    # of a lone value any difference is constant
    steady = {channel: offset for channel, offset in offsets.items() if sizes[channel] > 1}
    named = [f"{channel} by {_span(*offset)}" for channel, offset in steady.items()]
    more = f", and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    only = "the only channel, so perhaps the zero point" if case.a.shape[-1] == 1 else f"of {case.a.shape[-1]}"
    says = f"bias: a constant difference in channel {', '.join(named[:MOST_NAMED])}{more} ({only})"
    yield case.cause("bias", says, sum(explained[channel] for channel in steady))


def _span(least: int, most: int) -> str:
    return f"{least:+d}" if least == most else f"{least:+d} to {most:+d}"


def narrower(case: Case) -> Iterator[Cause | None]:
    """One side is the other, held to a narrower range: by saturation, or by a wrap to fewer bits."""
    for name, wide, narrow in (("B", case.a, case.b), ("A", case.b, case.a)):
        gaps = narrow[case.differs] - wide[case.differs]
        low = int(narrow.min()) if (gaps > 0).any() else None
        high = int(narrow.max()) if (gaps < 0).any() else None
        form = _named(low, high)
        if form is not None and np.array_equal(np.clip(wide, low, high), narrow):
            ends = " and ".join(str(one) for one in (low, high) if one is not None)
            says = f"{name} saturates at {ends}, the bounds of {form}, the other side goes beyond"
            yield case.cause("saturates", says, case.count)
    yield from _wraps(case)
    yield from _pinned(case)


def clipped(case: Case) -> Iterator[Cause | None]:
    """One side is the other, held to a range that is that of no format."""
    for name, wide, narrow in (("B", case.a, case.b), ("A", case.b, case.a)):
        gaps = narrow[case.differs] - wide[case.differs]
        low = int(narrow.min()) if (gaps > 0).any() else None
        high = int(narrow.max()) if (gaps < 0).any() else None
        held = np.array_equal(np.clip(wide, low, high), narrow)
        if held and _named(low, high) is None and case.count > 1:
            limits = (("below", low), ("above", high))
            ends = " and ".join(f"never {side} {limit}" for side, limit in limits if limit is not None)
            yield case.cause("clipped", f"a clip or an activation: {name} is {ends}, the other side is", case.count)


def _named(low: int | None, high: int | None) -> IntFormat | None:
    """Return the format with these bounds."""
    top = high if high is not None else -(low or 0) - 1
    if top < 1 or top & (top + 1):
        return None
    bits = top.bit_length()
    if low is None or low in (-top - 1, -top):
        return IntFormat(bits=bits + 1, narrow=low == -top)
    return IntFormat(bits=bits, signed=False) if low == 0 else None


def _wraps(case: Case) -> Iterator[Cause | None]:
    """All differences are multiples of 2**n: both sides are equal in their last n bits."""
    union = int(np.bitwise_or.reduce(np.abs(case.gaps)))
    bits = (union & -union).bit_length() - 1
    own = int(np.bitwise_or.reduce((case.a - case.a.flat[0]).reshape(-1)))
    coarse = own == 0 or (own & -own).bit_length() - 1 >= bits
    if coarse or 2.0 ** (-bits * case.count) > CHANCE:
        return
    if case.format is not None and bits >= case.format.bits:
        bits = case.format.bits
    sides = []
    for form in (IntFormat(bits=bits), IntFormat(bits=bits, signed=False)):
        fits = [form.holds(int(one.min()), int(one.max())) for one in (case.a, case.b)]
        if sum(fits) == 1:
            sides.append(f"{'A' if fits[0] else 'B'} wraps to {form}, the other side does not")
    says = f"all differences are multiples of 2**{bits}: " + (
        sides[0] if sides else f"a wrap at {bits} bits on one side"
    )
    yield case.cause("wraps", says, case.count)


def _pinned(case: Case) -> Iterator[Cause | None]:
    """Where they differ, one side stands at a bound of its format."""
    if case.format is None:
        return
    low, high = case.format.minimum, case.format.maximum
    found: list[tuple[int, str]] = []
    for name, other, values in (("A", "B", case.a), ("B", "A", case.b)):
        pinned = ((values == low) | (values == high)) & case.differs & (np.abs(case.d) > 1)
        says = (
            f"where they differ, {name} stands at a bound of {case.format} ({low} or {high}), {other} elsewhere: "
            f"{name} saturates where {other} wraps, or {other} has lost the value before"
        )
        found.append((int(np.count_nonzero(pinned)), says))
    explained, says = found[0] if found[0][0] >= found[1][0] else found[1]
    if found[0][0] == found[1][0] == case.count:
        says = f"the sides stand at opposite bounds of {case.format} ({low} and {high}): one saturates, the other wraps"
    yield case.cause("pinned", says, explained)


def shifts(case: Case) -> Iterator[Cause | None]:
    """B is A times a power of two, from the zero point: a shift, or a scale."""
    if max(int(np.abs(values).max()) for values in (case.a, case.b)) >= MOST_SHIFTED:
        return
    low, high = int(case.b.min()), int(case.b.max())
    inside = (case.b > low) & (case.b < high)
    exponents = sorted({*range(-MOST_SHIFT, MOST_SHIFT + 1)} - {0}, key=abs)
    for exponent, given in product(exponents, dict.fromkeys((case.zero_point, 0, None))):
        zero_point = given
        if zero_point is None:  # b - z = 2**k (a - z)
            if not inside.any():
                continue
            rest = np.median(case.b[inside] - 2.0**exponent * case.a[inside])
            zero_point = round(float(rest) / (1 - 2.0**exponent))
        distance = case.a - zero_point
        if exponent > 0:
            made, tolerance = distance << exponent, (1 << (exponent - 1)) + 1
        else:
            made, tolerance = distance >> -exponent, 1
        unlike = np.abs(made - distance) > 2 * tolerance  # small values are close to anything
        made = np.clip(made + zero_point, low, high)
        telling = unlike & (made > low) & (made < high)
        close = np.abs(made - case.b) <= tolerance
        seen = np.count_nonzero(telling)
        if seen < LEAST_SEEN or np.count_nonzero(close & telling) < 0.99 * seen:
            continue
        right = int(np.count_nonzero(close & case.differs))
        wrong = int(np.count_nonzero(~close & ~case.differs))
        around = f" around the zero point {zero_point}" if zero_point else ""
        says = f"a shift off by {abs(exponent)}: B is A times 2**{exponent}{around}, within {tolerance} for rounding"
        yield case.cause("shift", says, right, wrong)


def borders(case: Case) -> Iterator[Cause | None]:
    """Only the borders of images differ."""
    if case.a.ndim != 4:
        return
    where = np.asarray(case.differs.any(axis=(0, 3)), np.bool_)
    height, width = where.shape
    best: tuple[int, tuple[int, int, int, int]] | None = None
    for top, bottom, left, right in product(range(WIDEST_BORDER + 1), repeat=4):
        if top + bottom >= height or left + right >= width:
            continue
        inner = where[top : height - bottom, left : width - right]
        if not inner.any() and (best is None or inner.size > best[0]):
            best = inner.size, (top, bottom, left, right)
    if best is None:
        return
    inside, sides = best
    border = 1 - inside / prod(where.shape)
    if border == 0 or border ** int(np.count_nonzero(case.differs.any(axis=3))) * (WIDEST_BORDER + 1) ** 4 > CHANCE:
        return
    named = [
        f"the {place} {size} {what}" if size > 1 else f"the {place} {what.removesuffix('s')}"
        for size, place, what in zip(
            sides, ("first", "last", "first", "last"), ("rows", "rows", "columns", "columns"), strict=True
        )
        if size
    ]
    says = f"padding: only the border of images differs, {', '.join(named)} of {height} x {width}"
    yield case.cause("padding", says, case.count)


def rounding(case: Case) -> Iterator[Cause | None]:
    """Differences of one unit: rounding, or a bias of less than one."""
    up, down = int(np.count_nonzero(case.gaps == 1)), int(np.count_nonzero(case.gaps == -1))
    if up and down:
        sides = f"both ways (B is larger {up:,} times, smaller {down:,} times)"
    else:
        sides = f"one way (B is {'larger' if up else 'smaller'} every time)"
    channels = np.flatnonzero(case.differs.reshape(-1, case.a.shape[-1]).any(axis=0))
    few = ""
    if 4 * len(channels) <= case.a.shape[-1]:
        listed = ", ".join(map(str, channels[:MOST_NAMED].tolist())) + (", …" if len(channels) > MOST_NAMED else "")
        few = f"; only channels {listed} differ: a bias that is off by less than 1 does that, too"
    says = f"rounding: differences of 1, {sides}{few}; {TIES_UNKNOWN}"
    yield case.cause("rounding", says, up + down)
