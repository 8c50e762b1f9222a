"""The steps between accumulator and output: what each may say, and the short names of the common lists.

``docs/arithmetic.md`` section 5 defines what they compute.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from hwsim.formats import Overflow, Rounding
from hwsim.target.section import Fit, Measure, MultiplierBits, PointName, Section, Shift, Spelling

Rule = Literal["nearest", "half_down", "truncate", "reduced", "saturated", "fraction"]
Forming = Literal["float64", "float_product", "float_product_layer", "float_ratio"]

RATIO = "ratio"
"""The word for an amount that follows from the scales."""


def _amount(low: int, high: int) -> PlainValidator:
    """Return what accepts a number from ``low`` to ``high``, or the word `ratio`."""

    def check(value: object) -> object:
        if value == RATIO or (type(value) is int and low <= value <= high):
            return value
        raise PydanticCustomError("amount", "no amount")

    return PlainValidator(check)


def _amount_schema(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": RATIO}, {"type": "integer", "minimum": low, "maximum": high}]})


Amount = Annotated[int | str, _amount(0, 62), _amount_schema(0, 62), Spelling("`ratio` or a whole number from 0 to 62")]
Factor = Annotated[
    int | str,
    _amount(1, 0xFFFFFFFF),
    _amount_schema(1, 0xFFFFFFFF),
    Spelling("`ratio` or a whole number from 1 to 4294967295"),
]
Constant = Annotated[
    int,
    Field(gt=-(1 << 62), lt=1 << 62, strict=True),
    Measure(limit="a constant is"),
]
Entry = Annotated[int, Field(gt=-(1 << 31), lt=1 << 31, strict=True), Measure(limit="a table's entry is")]


class AddStep(Section):
    """Add a constant, exactly."""

    step: Literal["add"]
    value: Constant
    """What is added."""


class ShiftLeftStep(Section):
    """Multiply by a power of two, exactly; a `fit` behind it says what becomes of what is then too wide."""

    step: Literal["shift_left"]
    by: Amount = RATIO
    """Bits, or `ratio`: what the ratio has above the fixed shifts to the right."""


class ShiftRightStep(Section):
    """Drop least significant bits."""

    step: Literal["shift_right"]
    by: Amount = RATIO
    """Bits, or `ratio`: what the ratio leaves beside the fixed shifts."""
    rounding: Rounding = Rounding.FLOOR
    """How they are dropped."""
    guard_bits: (
        Annotated[int, Field(ge=1, le=32, strict=True), Measure(unit="bits", limit="what a rounder sees has")] | None
    ) = None
    """How many of the dropped bits the rounding looks at, from the top; all without it."""
    vector: Annotated[int, Field(ge=2, le=1024, strict=True), Measure(unit="channels", limit="a vector has")] | None = (
        None
    )
    """How many channels vector instructions take at a time; what is left over rounds by `tail_rounding`."""
    tail_rounding: Rounding | None = None
    """With `vector`: how the last channels are rounded, as many as the number of channels leaves divided by it."""
    name: PointName | None = None
    """The step's name in the ledger; `shift_right` without it. What `vector` leaves over has it with `_tail` behind."""

    def apart(self) -> tuple[ShiftRightStep, ...]:
        """Return the shift of whole vectors and that of what is left over, as steps of their own."""
        if self.vector is None or self.tail_rounding is None:
            return (self,)
        whole = self.model_copy(update={"vector": None, "tail_rounding": None})
        name = f"{self.name or self.step}_tail"
        return whole, whole.model_copy(update={"rounding": self.tail_rounding, "name": name})

    def parts(self, channels: int) -> tuple[tuple[ShiftRightStep, range], ...]:
        """Return the shifts that ``channels`` are taken by, each with its channels, of which there are some.

        >>> step = ShiftRightStep(step="shift_right", rounding="half_up", vector=8, tail_rounding="half_away")
        >>> [(str(one.rounding), one.name, len(part)) for one, part in step.parts(19)]
        [('half_up', None, 16), ('half_away', 'shift_right_tail', 3)]
        """
        whole = channels - channels % self.vector if self.vector else channels
        every = zip(self.apart(), (range(whole), range(whole, channels)), strict=False)
        return tuple((one, part) for one, part in every if part)


class MultiplyStep(Section):
    """Multiply by an integer, exactly."""

    step: Literal["multiply"]
    by: Factor = RATIO
    """The integer, or `ratio`: the one that the `rule` derives from the real ratio, for each channel."""
    bits: MultiplierBits = 32
    """With `ratio`: width of the signed multiplier, in bits."""
    rule: Rule = "nearest"
    """With `ratio`: how the multiplier is derived."""
    forming: Forming = "float64"
    """With `ratio`: how the real ratio is formed from scales."""


class MultiplyFloatStep(Section):
    """Multiply by the real ratio in float, then round."""

    step: Literal["multiply_float"]
    precision: Literal[32, 64] = 32
    """Width of the float, in bits."""
    rounding: Rounding = Rounding.HALF_EVEN
    """How the product becomes an integer."""
    forming: Forming = "float64"
    """How the real ratio is formed from scales: in float64, or partly in float32 (`docs/arithmetic.md` section 5)."""
    zero_point: Literal["behind", "inside"] = "behind"
    """Where the output's zero point is added: `behind` the rounding, where the list has it, or `inside`, in float, so
    that the rounding sees the sum of both (ONNX Runtime)."""
    name: PointName | None = None
    """The step's name in the ledger; `multiply_float` without it."""


class FitStep(Fit):
    """Bring the value to a width."""

    step: Literal["fit"]
    name: PointName | None = None
    """The step's name in the ledger; `fit` without it."""


class ClipStep(Section):
    """Limit the value: a function of the hardware, not a loss."""

    step: Literal["clip"]
    low: Constant | None = None
    """The smallest value that passes."""
    high: Constant | None = None
    """The largest value that passes."""


class AbsoluteStep(Section):
    """Take the magnitude."""

    step: Literal["absolute"]


class LookupStep(Section):
    """Replace the value by an entry of a table."""

    step: Literal["lookup"]
    table: Annotated[tuple[Entry, ...], Field(min_length=1, max_length=1 << 16)]
    """The entries."""
    first: Constant = 0
    """The value that points to the first entry; values below it do too."""
    shift: Annotated[int, Field(ge=0, le=24, strict=True), Measure(unit="bits", limit="an index drops")] = 0
    """Entries stand 2^shift apart."""
    interpolation: Literal["none", "linear"] = "none"
    """`none`: the entry at or below the value. `linear`: between the entries on both sides."""
    rounding: Rounding = Rounding.FLOOR
    """How a value between two entries is rounded."""
    name: PointName | None = None
    """The step's name in the ledger (`linear` only); `lookup` without it."""


class ThresholdsStep(Section):
    """Count the levels that the value has reached."""

    step: Literal["thresholds"]
    levels: Annotated[tuple[Constant, ...], Field(min_length=1, max_length=1 << 16)]
    """The levels, in ascending order."""
    first: Constant = 0
    """The result below the first level."""
    shift: Shift = 0
    """One more in the count is worth 2^shift LSBs of the value: levels 2^shift apart bring it down by so many bits."""


class ActivationStep(Section):
    """The layer's activation function."""

    step: Literal["activation"]


class BiasStep(Section):
    """The bias, with `bias.position: steps`."""

    step: Literal["bias"]


class ZeroPointStep(Section):
    """Add the output's zero point."""

    step: Literal["zero_point"]


Step = Annotated[
    AddStep
    | ShiftLeftStep
    | ShiftRightStep
    | MultiplyStep
    | MultiplyFloatStep
    | FitStep
    | ClipStep
    | AbsoluteStep
    | LookupStep
    | ThresholdsStep
    | ActivationStep
    | ZeroPointStep
    | BiasStep,
    Field(discriminator="step"),
]


def expand(  # noqa: PLR0911
    kind: str, bits: int, rounding: Rounding, rule: Rule, forming: Forming, steps: tuple[Step, ...]
) -> tuple[Step, ...]:
    """Return the steps that a kind of requantisation stands for; ``steps`` are those of `kind: steps`."""
    last = ShiftRightStep(step="shift_right", rounding=rounding, name="requantize")
    match kind:
        case "fixed":
            return MultiplyStep(step="multiply", bits=bits, rule=rule, forming=forming), last
        case "fixed_double":
            return (
                ShiftLeftStep(step="shift_left"),
                FitStep(step="fit", bits=32, overflow=Overflow.WRAP, name="left_shift"),
                MultiplyStep(step="multiply", rule=rule, forming=forming),
                ShiftRightStep(step="shift_right", by=31, rounding=Rounding.HALF_UP, name="high_multiply"),
                ShiftRightStep(step="shift_right", rounding=Rounding.HALF_AWAY, name="requantize"),
            )
        case "fixed_reduced":
            return (
                MultiplyStep(step="multiply", bits=bits, rule="reduced", forming=forming),
                last,
                FitStep(step="fit", bits=32, overflow=Overflow.WRAP, name="narrow"),
            )
        case "float32" | "float64":
            precision: Literal[32, 64] = 32 if kind == "float32" else 64
            return (
                MultiplyFloatStep(
                    step="multiply_float",
                    precision=precision,
                    rounding=rounding,
                    forming=forming,
                    name="requantize",
                ),
            )
        case "power_of_two":
            return (last,)
        case "none":
            return ()
        case _:
            return steps


def goes_by_ratio(steps: tuple[Step, ...]) -> bool:
    """Whether the list multiplies or shifts by what follows from the scales; else its ratio is fixed."""
    return any(isinstance(one, MultiplyFloatStep) or getattr(one, "by", None) == RATIO for one in steps)


def shifts_alone(steps: tuple[Step, ...]) -> bool:
    """Whether the list follows the ratio by shifts alone, so that it must be a power of two."""
    return goes_by_ratio(steps) and not any(
        isinstance(one, MultiplyFloatStep) or (isinstance(one, MultiplyStep) and one.by == RATIO) for one in steps
    )


def scales(step: Step) -> bool:
    """Whether an LSB is worth another value behind the step than before."""
    scaling = isinstance(step, MultiplyFloatStep | MultiplyStep | ShiftLeftStep | ShiftRightStep)
    return scaling or (isinstance(step, ThresholdsStep) and step.shift > 0)


def fixed_shift(steps: tuple[Step, ...]) -> int:
    """Return F: the bits of all fixed shifts to the right, thresholds among them, less those to the left."""
    right = sum(one.by for one in steps if isinstance(one, ShiftRightStep) and isinstance(one.by, int))
    right += sum(one.shift for one in steps if isinstance(one, ThresholdsStep))
    return right - sum(one.by for one in steps if isinstance(one, ShiftLeftStep) and isinstance(one.by, int))


def fixed_factor(steps: tuple[Step, ...]) -> int:
    """Return C: the product of all fixed multipliers."""
    factor = 1
    for one in steps:
        if isinstance(one, MultiplyStep) and isinstance(one.by, int):
            factor *= one.by
    return factor


def fixed_scale(unit: float, steps: tuple[Step, ...]) -> float:
    """Return the output's scale where nothing in the list goes by ratio, from what an LSB is worth before it."""
    return unit * 2.0 ** fixed_shift(steps) / fixed_factor(steps)


def point_names(step: Step) -> tuple[str, ...]:
    """Return a step's rows in the ledger: a shift that takes channels in vectors has two."""
    steps = step.apart() if isinstance(step, ShiftRightStep) else (step,)
    return tuple(name for name in map(point_name, steps) if name)


def point_name(step: Step) -> str:
    """Return a step's row in the ledger, or nothing if it cannot drop bits."""
    if isinstance(step, ShiftRightStep | MultiplyFloatStep | FitStep):
        return step.name or step.step
    if isinstance(step, LookupStep) and step.interpolation == "linear":
        return step.name or step.step
    return ""
