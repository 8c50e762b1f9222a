"""A place where bits were lost: what it is, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from markupsafe import escape

from hwsim.program.records import Point
from hwsim.report.columns import paragraph
from hwsim.report.wording import counted

Kind = Literal["clamping", "round-off"]


@dataclass(frozen=True, kw_only=True)
class Operand:
    """A number that went into a value. ``name`` is that of its tensor, or `weight`, `bias`, `accumulator`.

    ``index`` is its place there, () where it has none, as a constant or a padding. The datapath computes with
    ``value - zero_point``; of weights the zero point is off already.
    """

    name: str
    index: tuple[int, ...]
    value: int | float
    zero_point: int = 0

    def __str__(self) -> str:
        """Return the operand as ``input[0, 3, 1] = 20 (zero point -128)``."""
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        zero = f" (zero point {self.zero_point})" if self.zero_point else ""
        return f"{self.name}{place} = {self.value}{zero}"


@dataclass(frozen=True, kw_only=True)
class Location:
    """One value that lost bits at a truncation point.

    ``sample`` is None for weights and biases, which become integers once. ``position`` is the index over all axes of
    the output but the last (of a weight: of the kernel), ``channel`` that on the last. ``step`` is the step of an
    accumulation, inside it the first that lost something; ``hits`` is how many did, of this value at this point.

    ``exact`` is what came to the register (clamping) or to the rounding, ``result`` what it became; ``error`` is what
    all ``hits`` together put into the value, in LSB of the point. ``exact`` is text: an integer, or a fraction.

    ``operands`` are what the value was made of in this step, ``before`` and ``added`` the sum before and what was
    added to it, None where nothing is summed. ``recipe`` is Python that prints ``result`` and ``exact`` by
    ``hwsim_kernels`` alone; empty where no public function of it computes this, and ``note`` then says why.
    ``sum_recipe`` is the same for the whole sum of a stage, from all its operands: it prints what the register ends
    up with, and the exact sum; empty where that is no sum or has too many terms.
    """

    layer: str
    point: str
    kind: Kind
    format: str
    sample: int | None
    position: tuple[int, ...]
    channel: int
    step: int = 0
    hits: int = 0
    exact: str
    result: int
    error: float = 0.0
    before: int | None = None
    added: int | None = None
    operands: tuple[Operand, ...] = ()
    recipe: str = ""
    sum_recipe: str = ""
    note: str = ""

    def __str__(self) -> str:
        """Return where, what and the line to run, in lines of at most 100 columns but for that one."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        place = f"position {self.position}, " if self.position else ""
        sample = "" if self.sample is None else f"sample {self.sample}, "
        step = "" if self.before is None else f", step {self.step}"
        yield from paragraph(f"{sample}{place}channel {self.channel}{step}: {self._what()}", "  ")
        for one in self.operands[:MOST_OPERANDS]:
            yield from paragraph(str(one), "      ", first="    ")
        if len(self.operands) > MOST_OPERANDS:
            yield f"    and {len(self.operands) - MOST_OPERANDS} operands more, in the JSON"
        if self.note:
            yield from paragraph(self.note, "      ", first="    ")
        if self.recipe:
            yield f"    {self.command}"

    def _what(self) -> str:
        verb = "is stored as" if self.kind == "clamping" else "is rounded to"
        sum_ = ""
        if self.before is not None and self.added is not None:
            plain = self.exact == str(self.before + self.added)
            sum_ = f"{self.before} + {self.added} = " if plain else f"{self.before} and {self.added} make "
        more = f"; {counted(self.hits, 'hit')} here put {self.error:g} LSB into it" if self.hits > 1 else ""
        return f"{sum_}{self.exact} {verb} {self.result}{more}"

    @property
    def command(self) -> str:
        """The recipe as a shell runs it."""
        return f"python -c '{self.recipe}'" if self.recipe else ""


MOST_OPERANDS = 8


@dataclass(frozen=True, kw_only=True)
class Locations:
    """The places found at one truncation point.

    ``affected`` is how many values (outputs, of weights: weights) lost something there in the ``samples`` that were
    looked at, of which ``found`` has the first or the worst.
    """

    network: str
    target: str
    layer: str
    point: str
    kind: Kind
    worst: bool
    samples: int
    affected: int
    found: tuple[Location, ...]

    def __iter__(self) -> Iterator[Location]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, number: int) -> Location:
        return self.found[number]

    def __str__(self) -> str:
        """Return all places as text, with the lines to run."""
        lost = "left the format" if self.kind == "clamping" else "lost low bits"
        looked = f" in {counted(self.samples, 'sample')} looked at" if self.samples else ""
        head = f"{self.layer} {self.point}: {counted(self.affected, 'value')} {lost}{looked}"
        if self.found:
            head += f"; the {'worst' if self.worst else 'first'} {len(self.found)}:"
        return "\n".join(["\n".join(paragraph(head, "  ")), *map(str, self.found)])

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the text."""
        return f'<pre style="line-height:1.3">{escape(str(self))}</pre>'

    def to_json(self) -> str:
        """Return the same as JSON."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def located(  # noqa: PLR0913, PLR0917
    layer: str,
    point: Point,
    kind: Kind,
    sample: int | None,
    index: tuple[int, ...],
    **told: Any,  # noqa: ANN401
) -> Location:
    """Return the location of a value by its place in the layer's output; ``hits`` and ``error`` are filled in later."""
    return Location(
        layer=layer,
        point=point.name,
        kind=kind,
        format="" if point.format is None else str(point.format),
        sample=sample,
        position=index[:-1],
        channel=index[-1],
        **told,
    )
