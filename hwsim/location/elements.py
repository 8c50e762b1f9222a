"""Locate in products of two tensors, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.location import recipe
from hwsim.location.found import Finder, Found, index_of
from hwsim.location.location import Kind, Location, Operand, located
from hwsim.location.sums import PRODUCT, Datapath, Register, Watch
from hwsim.program.records import Point, Product
from hwsim_kernels.fields import BITS, FIELDS, ROUNDING, SHIFT

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ElementFinder(Finder):
    """Looks at the product of two tensors."""

    one: Product
    point: Point
    kind: Kind

    def survey(self, inputs: Sequence[Array], sample: int) -> Found:
        """Return all values of a sample that lost something."""
        values = self._codes(inputs)
        watch = self._run(values, np.arange(values[0].size).reshape(values[0].shape), keep=False)
        return Found.of(watch.hits, watch.error)

    def describe(self, inputs: Sequence[Array], sample: int, position: int, channel: int) -> Location:
        """Return one value in full."""
        one, field = self.one, self.one.product
        codes = self._codes(inputs)
        place = np.array([[position * one.channels + channel]])
        own = [each[position : position + 1, channel : channel + 1] for each in codes]
        [event] = self._run(own, place, keep=True).events
        zeros = [int(zero) for zero in one.zero_points]
        values = [int(each[0, 0]) + zero for each, zero in zip(own, zeros, strict=True)]
        index = (*index_of(position, one.output.shape), channel)
        operands = tuple(
            Operand(name=name, index=index, value=value, zero_point=zero)
            for name, value, zero in zip(one.inputs, values, zeros, strict=True)
        )
        product = " * ".join(recipe.less(value, zero) for value, zero in zip(values, zeros, strict=True))
        shift, name = int(field[SHIFT]), recipe.rounding_name(field[ROUNDING])
        line = recipe.round_shift("x", shift, name, event.draw)
        if self.kind == "round-off":
            exact = Fraction(event.scaled, 1 << shift)
            text = f"{recipe.IMPORT}x = {product}; print({line}, {recipe.exact_of(exact, f'x / {1 << shift}')})"
            result = event.value
        else:
            exact, result = Fraction(event.value), event.result
            value = recipe.round_shift(product, shift, name, event.draw) if shift else product
            text = recipe.clamping(value, [int(each) for each in field[BITS : BITS + 4]])
        return located(
            one.layer,
            self.point,
            self.kind,
            sample,
            index,
            exact=recipe.text_of(exact),
            result=result,
            operands=operands,
            recipe=text,
        )

    def _codes(self, inputs: Sequence[Array]) -> list[Array]:
        shape = self.one.output.shape
        return [
            np.broadcast_to(codes, shape).astype(np.int64).reshape(-1, shape[-1]) - int(zero)
            for codes, zero in zip(inputs, self.one.zero_points, strict=True)
        ]

    def _run(self, codes: Sequence[Array], numbers: Array, *, keep: bool) -> Watch:
        one, (first, second) = self.one, codes
        none = np.zeros((0, FIELDS), np.int64)
        path = Datapath(
            product=one.product, stages=none, ends=np.zeros((0, 1), np.int64), draws=one.draws, start_level=0
        )
        watch = Watch.over(PRODUCT, self.kind, (first.shape[0], first.shape[1]), keep=keep)
        if one.product[BITS]:
            Register(path, numbers, watch).settle(one.product, PRODUCT, 0, 0, np.zeros_like(first), first * second)
        return watch
