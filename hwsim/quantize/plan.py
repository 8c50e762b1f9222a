"""The plan: the format, scale and zero point of every tensor; readable, editable, saved as a JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hwsim.errors import PlanError
from hwsim.files import write_whole
from hwsim.formats import IntFormat, bits_needed

SMALLEST_SCALE, LARGEST_SCALE = 2.0**-126, 2.0**130
"""What float32 data can ask for; products and squares of such scales stay in float64."""


def _possible(scale: float) -> float:
    if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        raise ValueError(f"a scale is from {SMALLEST_SCALE:.2g} to {LARGEST_SCALE:.2g}")
    return scale


Scale = Annotated[float, AfterValidator(_possible)]

MOST_SHIFT = 15
"""Bits by which a scale of a group or a channel is larger than the smallest, at most."""

LEVEL_BITS = 16
"""Width of a level, at most: what codes decode to is multiplied like a stored code."""

Levels = tuple[int, ...] | None
Shift = Annotated[int, Field(ge=0, le=MOST_SHIFT)]


class Entry(BaseModel):
    """What every entry of a plan says: the format of a stored code."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    bits: Annotated[int, Field(ge=1, le=16)]
    signed: bool
    narrow: bool = False

    @property
    def format(self) -> IntFormat:
        """The format of a code."""
        return IntFormat(bits=self.bits, signed=self.signed, narrow=self.narrow)

    def check_code(self, zero_point: int) -> None:
        """Raise ValueError unless a zero point is a code of the format."""
        if not self.format.holds(zero_point, zero_point):
            raise ValueError(
                f"zero_point {zero_point} is no code of the format, {self.format.minimum} to {self.format.maximum}"
            )

    def check_levels(self, levels: Levels) -> None:
        """Raise ValueError unless there is one level for each code, each above the one before, 16 bits at most."""
        if levels is None:
            return
        many = self.format.maximum - self.format.minimum + 1
        if len(levels) != many:
            raise ValueError(f"{len(levels)} levels, but the format has {many} codes")
        if any(low >= high for low, high in pairwise(levels)):
            raise ValueError("levels must ascend, no two of them the same")
        needed = bits_needed(levels[0], levels[-1], signed=levels[0] < 0)
        if needed > LEVEL_BITS:
            raise ValueError(f"levels from {levels[0]} to {levels[-1]} need {needed} bits, at most {LEVEL_BITS} fit")


class TensorPlan(Entry):
    """An input or feature map: a code q stands for ``scale * (q - zero_point)``.

    With ``levels``, one for each code from the smallest up, it stands for ``scale * level``; the zero point's is 0.
    With ``shift``, one for each channel of the last axis, the channel's scale is ``scale * 2**shift``. ``minimum`` and
    ``maximum`` record the real range that the scale was chosen for.
    """

    scale: Scale
    zero_point: int = 0
    levels: Levels = None
    shift: tuple[Shift, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _zero_is_a_code(self) -> TensorPlan:
        self.check_code(self.zero_point)
        self.check_levels(self.levels)
        if self.levels is not None and self.levels[self.zero_point - self.format.minimum] != 0:
            raise ValueError(f"the level of the zero point {self.zero_point} must be 0")
        if self.levels is not None and self.shift:
            raise ValueError("has both levels and shifts")
        widest = self.format.bits + max(self.shift, default=0)
        if self.shift and widest > LEVEL_BITS:
            raise ValueError(f"codes shifted by {max(self.shift)} bits need {widest}, at most {LEVEL_BITS} fit")
        if self.shift and self.zero_point:
            raise ValueError("has shifts, so its zero point must be 0")
        return self


class WeightPlan(Entry):
    """The weights of one operation: one scale and zero point, or one for each output channel.

    With ``levels``, one for each code from the smallest up, a code stands for ``scale * level``. With ``shift``, rows
    of one for each output channel, the scale of ``group`` input channels to a row is ``scale * 2**shift``.
    ``bias_scale`` is that of the biases, where the target gives them one of their own.
    """

    scale: tuple[Scale, ...]
    zero_point: tuple[int, ...]
    levels: Levels = None
    shift: tuple[tuple[Shift, ...], ...] = ()
    group: Annotated[int, Field(ge=1)] = 1
    bias_scale: Scale | None = None

    @model_validator(mode="after")
    def _as_many_zero_points(self) -> WeightPlan:
        if not self.scale:
            raise ValueError("has no scale")
        if len(self.scale) != len(self.zero_point):
            raise ValueError(f"{len(self.scale)} scales but {len(self.zero_point)} zero points")
        for zero_point in dict.fromkeys(self.zero_point):
            self.check_code(zero_point)
        self.check_levels(self.levels)
        if (self.levels is not None or self.shift) and any(self.zero_point):
            raise ValueError("has levels or shifts, so its zero points must be 0")
        if self.levels is not None and self.shift:
            raise ValueError("has both levels and shifts")
        if len({len(row) for row in self.shift}) > 1:
            raise ValueError("rows of shifts differ in length")
        return self


class Plan(BaseModel):
    """The decisions for one network on one target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hwsim_plan: Literal[1] = 1
    network: str
    target: str
    tensors: Mapping[str, TensorPlan]
    weights: Mapping[str, WeightPlan]

    def save(self, path: str | Path) -> None:
        """Write the plan as JSON, one tensor to a line, whole or not at all."""
        write_whole(Path(path), self.to_json().encode())

    @staticmethod
    def load(path: str | Path) -> Plan:
        """Read a plan; raises PlanError with every mistake of the file."""
        try:
            text = Path(path).read_bytes()
            plan = Plan.model_validate_json(text)
            json.loads(text, object_pairs_hook=_refuse_twins)
            return plan
        except OSError as error:
            raise PlanError(f"{path}: cannot be read: {error.strerror}") from error
        except _TwinError as error:
            raise PlanError(f"{path}: the key {error} stands twice in one place") from error
        except ValidationError as error:
            raise PlanError("\n".join(_sentence(path, one) for one in error.errors())) from error

    def to_json(self) -> str:
        """Return the file's text."""
        fields = self.model_dump(mode="json")
        for entry in (*fields["tensors"].values(), *fields["weights"].values()):
            for name, usual in (("levels", None), ("shift", []), ("group", 1), ("bias_scale", None)):
                if name in entry and entry[name] == usual:
                    del entry[name]
        lines = [f'  "{name}": {json.dumps(fields[name])}' for name in ("hwsim_plan", "network", "target")]
        for section in ("tensors", "weights"):
            entries = ",\n".join(f"    {json.dumps(name)}: {json.dumps(one)}" for name, one in fields[section].items())
            lines.append(f'  "{section}": {{\n{entries}\n  }}')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def __str__(self) -> str:
        lines = [
            f"plan of {self.network} for {self.target}",
            f"{'tensor':40} {'format':>7} {'scale':>12} zero point",
        ]
        for name, tensor in self.tensors.items():
            kind = "  levels" if tensor.levels else "  by channel" if tensor.shift else ""
            lines.append(f"{name[:40]:40} {tensor.format!s:>7} {tensor.scale:12.6g} {tensor.zero_point:10}{kind}")
        lines.append(f"{'weights':40} {'format':>7} {'scales':>12} smallest to largest")
        for name, weight in self.weights.items():
            spread = f"{min(weight.scale):.6g} to {max(weight.scale):.6g}"
            kind = "  levels" if weight.levels else f"  by {weight.group} input channels" if weight.shift else ""
            lines.append(f"{name[:40]:40} {weight.format!s:>7} {len(weight.scale):12} {spread}{kind}")
        return "\n".join(lines)


class _TwinError(Exception):
    """A key that stands twice in a mapping; its text is the key."""


def _refuse_twins(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return a mapping of JSON; raise an error for a key that stands twice, of which JSON would keep the last."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _TwinError(json.dumps(key))
        found[key] = value
    return found


def _sentence(path: str | Path, error: Mapping[str, object]) -> str:
    location = error["loc"]
    where = ".".join(str(part) for part in location) if isinstance(location, tuple) else ""
    value = error.get("input")
    shown = f" (got {value!r})" if isinstance(value, int | float | str) and not _is_text(path, value) else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{path}: {where or 'plan'}: {message}{shown}"


def _is_text(path: str | Path, value: object) -> bool:
    return isinstance(value, str) and len(value) > 80 or isinstance(value, float) and math.isnan(value)
