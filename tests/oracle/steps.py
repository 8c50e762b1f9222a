"""The lists of steps behind an accumulator (docs/arithmetic.md, section 5): what they are, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ldexp, prod
from typing import Any

from oracle.activation import Relu
from oracle.ledger import Place, Point
from oracle.lfsr import NO_RANDOM, Draws
from oracle.overflow import Format
from oracle.rescale import Unit, divided, float_scaled, multiplier, power_of_two_shift
from oracle.rounding import Rounded, rounded_fraction, rounded_shift

Step = Mapping[str, Any]


# --- which steps there are ------------------------------------------------------------------------------


def expand(requantize: Mapping[str, Any]) -> list[Step]:
    """Return the list of steps that a section ``requantize`` stands for."""
    kind: str = requantize["kind"]
    bits, rule, forming, rounding = map(requantize.get, ("multiplier_bits", "rule", "forming", "rounding"))
    last = _shift_right("ratio", rounding, "requantize")
    lists: dict[str, list[Step]] = {
        "none": [],
        "steps": list(requantize.get("steps") or []),
        "fixed": [_multiply(bits, rule, forming), last],
        "fixed_reduced": [_multiply(bits, "reduced", forming), last, _wrap_32("narrow")],
        "fixed_double": [
            {"step": "shift_left", "by": "ratio"},
            _wrap_32("left_shift"),
            _multiply(32, rule, forming),
            _shift_right(31, "half_up", "high_multiply"),
            _shift_right("ratio", "half_away", "requantize"),
        ],
        "power_of_two": [last],
        "float32": [_multiply_float(32, rounding, forming)],
        "float64": [_multiply_float(64, rounding, forming)],
    }
    return lists[kind]


def _multiply(bits: int | None, rule: str | None, forming: str | None) -> Step:
    return {"step": "multiply", "by": "ratio", "bits": bits, "rule": rule, "forming": forming}


def _multiply_float(precision: int, rounding: str | None, forming: str | None) -> Step:
    found = {"step": "multiply_float", "precision": precision, "rounding": rounding, "name": "requantize"}
    return {**found, "forming": forming}


def _shift_right(by: int | str, rounding: str | None, name: str) -> Step:
    return {"step": "shift_right", "by": by, "rounding": rounding, "guard_bits": None, "name": name}


def _wrap_32(name: str) -> Step:
    return {"step": "fit", "bits": 32, "signed": True, "overflow": "wrap", "saturated_bits": 0, "name": name}


def holds(steps: Sequence[Step], word: str) -> bool:
    """Return whether a list has a step of this word."""
    return any(one["step"] == word for one in steps)


def goes_by_ratio(step: Step) -> bool:
    """Return whether a step depends on the ratio; a multiply_float always does."""
    return step["step"] in SCALING and bool(step.get("by", "ratio") == "ratio")


def by_ratio(steps: Sequence[Step], word: str) -> list[Step]:
    """Return the steps of this word that go by ratio."""
    return [one for one in steps if one["step"] == word and goes_by_ratio(one)]


def complete(steps: Sequence[Step], position: str) -> list[Step]:
    """Put in ``activation`` (at a position of the settings) and ``zero_point`` where the list has none.

    >>> [one["step"] for one in complete([{"step": "multiply"}], "before_requantize")]
    ['activation', 'multiply', 'zero_point']
    """
    activation: list[Step] = [] if holds(steps, "activation") else [{"step": "activation"}]
    zero_point: list[Step] = [] if holds(steps, "zero_point") else [{"step": "zero_point"}]
    if position == "before_requantize":
        return [*activation, *steps, *zero_point]
    return [*steps, *activation, *zero_point]


def rescaling(steps: Sequence[Step]) -> list[Step]:
    """Return the list by which inputs of add and concatenate go."""
    return [one for one in steps if one["step"] not in ("activation", "zero_point", "bias")]


# --- what goes by ratio, and what an LSB is worth --------------------------------------------------------

SCALING: dict[str, Callable[[Any], float]] = {
    "shift_left": lambda by: 2.0**by,
    "shift_right": lambda by: 2.0**-by,
    "multiply": float,
    "multiply_float": float,
}
"""The steps that change what an LSB is worth, and the factor by which they do."""


def resolve(steps: Sequence[Step], unit: Unit, scale: float) -> list[Step]:
    """Return the list with all that goes by the ratio of a unit to a scale as numbers.

    >>> [one["by"] for one in resolve(expand({"kind": "fixed", "multiplier_bits": 8}), Unit(0.75), 1.0)]
    [96, 7]
    """
    for word in SCALING:
        if len(by_ratio(steps, word)) > 1:
            raise ValueError(f"more than one {word} by ratio")
    if not any(map(goes_by_ratio, steps)):
        return list(steps)
    constant = prod(one["by"] for one in steps if one["step"] == "multiply" and one["by"] != "ratio")
    dropped = _constant_shift(steps, "shift_right") - _constant_shift(steps, "shift_left")
    multiply, float_multiply = by_ratio(steps, "multiply"), by_ratio(steps, "multiply_float")
    left_over = unit.ratio(scale) / constant
    q, n, real = 1, dropped, left_over
    if multiply and float_multiply:
        raise ValueError("a multiply by ratio and a multiply_float in one list")
    if multiply:
        rule = multiply[0].get("rule") or "nearest"
        formed = unit.ratio(scale, multiply[0].get("forming") or "float64")
        whole = multiplier(formed / constant, multiply[0]["bits"], rule)
        q, n, _ = divided(whole, unit.divisor)
    elif float_multiply:
        real = unit.ratio(scale, float_multiply[0].get("forming") or "float64") / constant
    else:
        n = power_of_two_shift(left_over / unit.divisor)
    rest = n - dropped if q else 0
    left = max(-rest, 0) if by_ratio(steps, "shift_left") else 0
    amounts = {
        "shift_left": left,
        "shift_right": rest + left,
        "multiply": q,
        "multiply_float": ldexp(real, dropped) / unit.divisor,
    }
    return [{**one, "by": amounts[one["step"]]} if goes_by_ratio(one) else one for one in steps]


def scaling(step: Step) -> bool:
    """Return whether an LSB is worth another value behind a step than before."""
    return step["step"] in SCALING or (step["step"] == "thresholds" and step.get("shift", 0) > 0)


def factor(step: Step) -> float:
    """Return by how much a scaling step of a resolved list multiplies."""
    return 2.0 ** -step["shift"] if step["step"] == "thresholds" else SCALING[step["step"]](step["by"])


def _constant_shift(steps: Sequence[Step], word: str) -> int:
    """Return the sum of the shifts of this word that do not go by ratio; thresholds shift to the right."""
    counted: list[int] = [one["by"] for one in steps if one["step"] == word and one["by"] != "ratio"]
    if word == "shift_right":
        counted += [one.get("shift", 0) for one in steps if one["step"] == "thresholds"]
    return sum(counted)


def unit_at(steps: Sequence[Step], index: int, before: float, output: float) -> float:
    """Return the unit of the values that come to step ``index`` of a resolved list.

    ``before`` is the unit before the first scaling step, ``output`` the output scale.
    """
    if not any(map(scaling, steps[:index])):
        return before
    for one in steps[index:]:
        if scaling(one):
            output *= factor(one)
    return output


# --- what the steps do -----------------------------------------------------------------------------------


def clip(x: int, step: Step) -> int:
    """Limit ``x``; a limit may be missing."""
    low, high = step["low"], step["high"]
    x = x if low is None else max(x, low)
    return x if high is None else min(x, high)


def entry(x: int, step: Step) -> tuple[int, int]:
    """Return where ``x`` lies in a table: the index of an entry, and what is left behind it in 2^-shift.

    >>> [entry(x, {"table": [1, 2, 3], "first": -4, "shift": 2}) for x in (-9, -4, 1, 4, 9)]
    [(0, 0), (0, 0), (1, 1), (2, 0), (2, 0)]
    """
    size: int = 2 ** step["shift"]
    u: int = min(max(x - step["first"], 0), (len(step["table"]) - 1) * size)
    return divmod(u, size)


def interpolated(x: int, step: Step, draw: int = 0, draw_bits: int = 16) -> Rounded:
    """Return the value of a table with straight lines between its entries.

    >>> step = {"table": [0, 10, -5], "first": 0, "shift": 2, "rounding": "half_up"}
    >>> [interpolated(x, step).value for x in (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)]
    [0, 0, 3, 5, 8, 10, 6, 3, -1, -5, -5]
    """
    table, (index, rest) = step["table"], entry(x, step)
    if rest == 0:
        return Rounded(table[index], False, 0)
    rise = (table[index + 1] - table[index]) * rest
    rounded = rounded_shift(rise, step["shift"], step["rounding"], draw, draw_bits)
    return rounded._replace(value=table[index] + rounded.value)


def add(x: int, step: Step) -> int:
    """Add the step's value."""
    return int(x + step["value"])


EXACT: dict[str, Callable[[int, Step], int]] = {
    "add": add,
    "zero_point": add,
    "bias": add,
    "shift_left": lambda x, step: x * 2 ** step["by"],
    "multiply": lambda x, step: x * step["by"],
    "clip": clip,
    "absolute": lambda x, step: abs(x),
    "lookup": lambda x, step: step["table"][entry(x, step)[0]],
    "thresholds": lambda x, step: step["first"] + sum(level <= x for level in step["levels"]),
}
"""The steps that lose nothing that is counted."""


def rounds(step: Step) -> bool:
    """Return whether a step is a rounding."""
    if step["step"] == "lookup":
        return bool(step["interpolation"] == "linear")
    return step["step"] in ("shift_right", "multiply_float")


def rounded_by(x: int, step: Step, draw: int, draw_bits: int) -> Rounded:
    """Apply a resolved step that rounds."""
    if step["step"] == "lookup":
        return interpolated(x, step, draw, draw_bits)
    if step["step"] == "shift_right":
        return rounded_shift(x, step["by"], step["rounding"], draw, draw_bits, step.get("guard_bits"))
    added: int = step.get("added", 0)
    scaled = float_scaled(x, step["by"], step["precision"], step.get("divisor", 1.0), added)
    rounded = rounded_fraction(scaled, step["rounding"], draw, draw_bits)
    return rounded._replace(value=rounded.value - added)


class Walk:
    """Takes the values of one layer through a list of steps, and keeps the ledger and the trace of it."""

    def __init__(
        self,
        steps: Sequence[Step],
        random: Mapping[str, Any],
        channels: int,
        relu: Relu | None = None,
        of_inputs: bool = False,
        each: int | None = None,
    ) -> None:
        """Begin an empty ledger; points ``of_inputs`` are called ``input`` and ``input_…``.

        ``each``: the channels of each input, where several stand side by side.
        """
        self.steps = list(steps)
        self.draws = Draws(random)
        self.relu = relu
        self.at = [Point(name_of(one, of_inputs), channels) if counts(one) else None for one in steps]
        self.vectors = [one.get("vector") or 1 for one in steps]
        each = channels if each is None else each
        self.body = [each - each % vector for vector in self.vectors]
        self.tails = [
            Point(name_of({**one, "name": f"{one.get('name') or one['step']}_tail"}, of_inputs), channels)
            if body < each
            else None
            for one, body in zip(steps, self.body, strict=True)
        ]
        self.trace: dict[str, list[int]] = {point.name: [] for point in self.points}
        if relu and relu.present:
            self.trace["activation"] = []

    @property
    def points(self) -> list[Point]:
        """The points in the order in which values come to them."""
        points: list[Point] = []
        for step, point, tail, body in zip(self.steps, self.at, self.tails, self.body, strict=True):
            points += [point] if point and body else []
            points += [tail] if tail else []
            points += self.relu.points if self.relu and step["step"] == "activation" else []
        return points

    def run(self, x: int, resolved: Sequence[Step], number: int, place: Place, among: range | None = None) -> int:
        """Return what becomes of ``x``, value ``number`` of its tensor, by the list with its numbers.

        ``among``: the channels that its own tensor becomes, if several stand side by side.
        """
        for step, whole, tail, body, vector in zip(resolved, self.at, self.tails, self.body, self.vectors, strict=True):
            first = among.stop - len(among) % vector if among is not None else body
            left_over = tail is not None and place.channel >= first
            if whole and body:
                x = (
                    whole.round_only(Rounded(x, False, 0), place)
                    if left_over
                    else self._take(x, step, whole, number, place)
                )
            elif not tail:
                x = self._take(x, step, whole, number, place)
            name = whole.name if whole else step["step"]
            if name in self.trace:
                self.trace[name].append(x)
            if tail:
                other = {**step, "rounding": step["tail_rounding"]}
                x = (
                    self._take(x, other, tail, number, place)
                    if left_over
                    else tail.round_only(Rounded(x, False, 0), place)
                )
                self.trace[tail.name].append(x)
        return x

    def _take(self, x: int, step: Step, point: Point | None, number: int, place: Place) -> int:
        """Apply one step."""
        if step["step"] == "activation":
            return self.relu.apply(x, step["unit"], number, place) if self.relu else x
        if not point:
            return EXACT[step["step"]](x, step)
        if step["step"] == "fit":
            return point.fit(x, Format.of(step), place)
        draw = self.draws.draw(number, step["rounding"])
        return point.round_only(rounded_by(x, step, draw, self.draws.bits), place)


def counts(step: Step) -> bool:
    """Return whether a step has a point in the ledger; ``activation`` keeps its own."""
    return rounds(step) or step["step"] == "fit"


def name_of(step: Step, of_inputs: bool = False) -> str:
    """Return the name of a step's point."""
    name: str = step.get("name") or step["step"]
    if not of_inputs:
        return name
    return "input" if name == "requantize" else f"input_{name}"


def rescale(x: int, ratio: float, requantize: Mapping[str, Any], random: Mapping[str, Any] = NO_RANDOM) -> int:
    """Rescale one integer as a section ``requantize`` says: without activation, zero point and bias.

    >>> rescale(6, 0.25, {"kind": "fixed", "multiplier_bits": 8, "rule": "nearest", "rounding": "half_even"})
    2
    """
    steps = rescaling(expand(requantize))
    return Walk(steps, random, 1).run(x, resolve(steps, Unit(ratio), 1.0), 0, Place(0, 0, 0))
