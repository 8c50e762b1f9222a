"""Locate where real numbers become codes: inputs, and once and for all weights and biases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.location import recipe
from hwsim.location.found import Finder, Found, index_of
from hwsim.location.location import Kind, Location, Operand, located
from hwsim.program.records import Point, Quantize
from hwsim_kernels.counting import new_counts
from hwsim_kernels.overflow import SATURATE
from hwsim_kernels.quantize import REAL_LIMIT, quantize

RANDOM = "hwsim_kernels.quantize has no random numbers"
WIDE = "the exact value needs more than 64 bits"

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reals:
    """Real ``values`` (positions, channels) that become codes with ``scale`` and ``zero_point`` (channels,).

    ``shape`` is that of the tensor, ``name`` what it is called. ``field``: bits, signed, overflow, saturated_bits,
    rounding.
    """

    values: NDArray[np.float64]
    shape: tuple[int, ...]
    name: str
    scale: NDArray[np.float64]
    zero_point: Ints
    field: Ints

    def codes(self, first_row: int = 0, *, field: Ints | None = None) -> Ints:
        """Return the codes, by the kernel that made those of the program."""
        out = np.empty(self.values.shape, np.int64)
        form = self.field if field is None else field
        counts = new_counts(len(self.scale))
        place = np.array([first_row, len(self.values)], np.int64)
        quantize(np.ascontiguousarray(self.values), self.scale, self.zero_point, form, place, out, counts)
        return out

    def rounded(self) -> Ints:
        """Return the codes before they are fitted, held to 64 bits."""
        wide = self.field.copy()
        wide[:4] = 64, 1, SATURATE, 0
        return self.codes(field=wide)

    def survey(self, kind: Kind) -> Found:
        """Return all values that lost something."""
        whole, codes = self.rounded(), self.codes()
        if kind == "clamping":
            return Found.of((whole != codes).astype(np.int64), codes - whole)
        quotient = np.clip(self.values / self.scale, -REAL_LIMIT, REAL_LIMIT)
        return Found.of((quotient != np.floor(quotient)).astype(np.int64), whole - self.zero_point - quotient)

    def describe(self, layer: str, point: Point, kind: Kind, place: tuple[int | None, int, int]) -> Location:
        """Return one value in full; ``place`` is sample, position and channel."""
        sample, position, channel = place
        real, scale = float(self.values[position, channel]), float(self.scale[channel])
        zero = int(self.zero_point[channel])
        whole, code = (int(each[position, channel]) for each in (self.rounded(), self.codes()))
        name = recipe.rounding_name(int(self.field[4]))
        at = (*index_of(position, self.shape), channel)
        drawn = recipe.stochastic(self.field[4])
        whole_form = 'hk.Format(64, "saturate")'
        formed = f"hk.Format({recipe.format_words(self.field[:4])})" if kind == "clamping" else whole_form
        whole_text = f"hk.quantize(r, scale, zero, output={whole_form}, rounding=how)"
        line = f'{recipe.IMPORT}r, scale, zero, how = {real!r}, {scale!r}, {zero}, "{name}"; '
        line += f"print(hk.quantize(r, scale, zero, output={formed}, rounding=how), "
        line += f"{whole_text if kind == 'clamping' else 'r / scale + zero'})"
        return located(
            layer,
            point,
            kind,
            sample,
            at,
            exact=str(whole) if kind == "clamping" else repr(real / scale + zero),
            result=code if kind == "clamping" else whole,
            operands=(Operand(name=self.name, index=at, value=real),),
            recipe="" if drawn else line,
            note=RANDOM if drawn else WIDE if abs(whole) >= (1 << 63) - 1 else "",
        )


@dataclass(frozen=True, eq=False)
class InputFinder(Finder):
    """Looks at the real values of an input."""

    one: Quantize
    point: Point
    kind: Kind

    def survey(self, inputs: Sequence[Array], sample: int) -> Found:
        """Return all values of a sample that lost something."""
        return self._reals(inputs[0]).survey(self.kind)

    def describe(self, inputs: Sequence[Array], sample: int, position: int, channel: int) -> Location:
        """Return one value in full."""
        place = sample, position, channel
        return self._reals(inputs[0]).describe(self.one.layer, self.point, self.kind, place)

    def _reals(self, values: Array) -> Reals:
        one = self.one
        if recipe.stochastic(one.field[4]):
            raise HwsimError(f"{one.layer}: its rounding draws random numbers; hwsim cannot locate in it")
        return Reals(
            values=values.reshape(-1, one.channels).astype(np.float64),
            shape=one.output.shape,
            name=one.inputs[0],
            scale=one.output.scales,
            zero_point=np.full(one.channels, one.output.zero_point, np.int64),
            field=one.field,
        )
