"""The plan: the format, scale and zero point of every tensor; readable, editable, saved as a JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hwsim.errors import PlanError
from hwsim.files import write_whole
from hwsim.formats import IntFormat

SMALLEST_SCALE, LARGEST_SCALE = 2.0**-126, 2.0**130
"""What float32 data can ask for; products and squares of such scales stay in float64."""


def _possible(scale: float) -> float:
    if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        raise ValueError(f"a scale is from {SMALLEST_SCALE:.2g} to {LARGEST_SCALE:.2g}")
    return scale


Scale = Annotated[float, AfterValidator(_possible)]


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


class TensorPlan(Entry):
    """An input or feature map: a code q stands for ``scale * (q - zero_point)``.

    ``minimum`` and ``maximum`` record the real range that the scale was chosen for.
    """

    scale: Scale
    zero_point: int = 0
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _zero_is_a_code(self) -> TensorPlan:
        self.check_code(self.zero_point)
        return self


class WeightPlan(Entry):
    """The weights of one operation: one scale and zero point, or one for each output channel."""

    scale: tuple[Scale, ...]
    zero_point: tuple[int, ...]

    @model_validator(mode="after")
    def _as_many_zero_points(self) -> WeightPlan:
        if not self.scale:
            raise ValueError("has no scale")
        if len(self.scale) != len(self.zero_point):
            raise ValueError(f"{len(self.scale)} scales but {len(self.zero_point)} zero points")
        for zero_point in dict.fromkeys(self.zero_point):
            self.check_code(zero_point)
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
            lines.append(f"{name[:40]:40} {tensor.format!s:>7} {tensor.scale:12.6g} {tensor.zero_point:10}")
        lines.append(f"{'weights':40} {'format':>7} {'scales':>12} smallest to largest")
        for name, weight in self.weights.items():
            spread = f"{min(weight.scale):.6g} to {max(weight.scale):.6g}"
            lines.append(f"{name[:40]:40} {weight.format!s:>7} {len(weight.scale):12} {spread}")
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
