"""Locate in short sums without weights: of tensors that are added, and of the windows of an average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import integers
from hwsim.location import recipe
from hwsim.location.found import Finder, Found, index_of
from hwsim.location.location import Kind, Location, Operand, located
from hwsim.location.passage import traced, words_of
from hwsim.location.sums import fitted
from hwsim.program.records import Point, PoolAverage, Sum
from hwsim_kernels.fast.features import PLAIN
from hwsim_kernels.fields import field_of

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chain:
    """What is added up for the outputs at ``positions`` (rows,): ``terms`` (steps, rows, channels), in order.

    ``names`` (steps,) are their tensors, ``places`` (steps,) the index of a code but for its channel, None where it is
    that of the output.
    """

    positions: Ints
    terms: Array
    names: tuple[str, ...]
    places: tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, eq=False)
class ChainFinder(Finder):
    """Looks at the accumulator of an addition or an average, or (``round-off``) at the division of an average."""

    one: Sum | PoolAverage
    point: Point
    kind: Kind

    def survey(self, inputs: Sequence[Array], sample: int) -> Found:
        """Return all values of a sample that lost something."""
        found = []
        quotients = traced(self.one, inputs, sample) if self._divides else None
        for chain in self._chains(inputs, sample):
            if quotients is None:
                parts = self._fits(chain)
            else:
                total, count = self._total(chain), len(chain.terms)
                lost = total % count != 0
                error = quotients[chain.positions] - total / count
                parts = Found.of(lost.astype(np.int64), error)
            position = chain.positions[parts.position]
            found.append(Found(position, parts.channel, parts.step, parts.hits, parts.error))
        return Found.joined(found)

    @property
    def _divides(self) -> bool:
        return self.point.name == "division"

    def _fits(self, chain: Chain) -> Found:
        total = np.zeros(chain.terms.shape[1:], chain.terms.dtype)
        first, hits = np.full(total.shape, -1, np.int64), np.zeros(total.shape, np.int64)
        error = np.zeros(total.shape)
        for step, term in enumerate(chain.terms):
            exact = total + term
            total = fitted(exact, self._stage)
            lost = exact != total
            first[lost & (first < 0)] = step
            hits += lost
            error += (total - exact).astype(np.float64)
        return Found.of(hits, error, first)

    def describe(self, inputs: Sequence[Array], sample: int, position: int, channel: int) -> Location:
        """Return one value in full."""
        chain = next(one for one in self._chains(inputs, sample) if position in one.positions)
        row = int(np.flatnonzero(chain.positions == position)[0])
        terms = [int(one) for one in chain.terms[:, row, channel]]
        if self._divides:
            quotient = int(traced(self.one, inputs, sample)[position, channel])
            told = self._division(quotient, int(self._total(chain)[row, channel]), terms, position, channel)
            shown = list(range(len(terms)))
        else:
            told = self._hit(terms)
            shown = [told["step"]]
        operands = tuple(self._operand(inputs, chain, number, position, channel, terms[number]) for number in shown)
        if not self._divides:
            line = f"{told['before']} + {written(operands[0], told['added'])}"
            told["recipe"] = recipe.clamping(line, self._format)
        return located(
            self.one.layer,
            self.point,
            self.kind,
            sample,
            (*index_of(position, self.one.output.shape), channel),
            operands=operands,
            **told,
        )

    def _hit(self, terms: Sequence[int]) -> dict[str, Any]:
        """Return the first addition of ``terms`` that left the register."""
        before, step = 0, 0
        while True:
            exact = before + terms[step]
            after = int(fitted(np.array([exact], object), self._stage)[0])
            if after != exact:
                return {"step": step, "exact": str(exact), "result": after, "before": before, "added": terms[step]}
            before, step = after, step + 1

    def _division(self, quotient: int, total: int, terms: Sequence[int], position: int, channel: int) -> dict[str, Any]:
        """Return what a rounded mean of ``terms``, whose register holds ``total``, is like."""
        one, exact = self.one, Fraction(total, len(terms))
        drawn = ""
        if recipe.stochastic(one.field[4]):
            drawn = f", draws=[{int(one.draws[(position * one.channels + channel) % one.draws.size])}]"
        window = (
            f"[[[[i] for i in codes]]], (1, {len(terms)}), accumulator=hk.Format({recipe.format_words(one.field[:4])})"
        )
        line = f'hk.average_pool({window}, rounding="{recipe.rounding_name(int(one.field[4]))}"{drawn}).item()'
        whole = sum(terms) == total
        shown = recipe.exact_of(exact, f"sum(codes) / {len(terms)}") if whole else f'"{recipe.text_of(exact)}"'
        text = f"{recipe.IMPORT}codes = {list(terms)}; print({line}, {shown})"
        return {"step": 0, "exact": recipe.text_of(exact), "result": quotient, "recipe": text}

    @property
    def _format(self) -> list[int]:
        return [int(one) for one in self.one.field[:4]]

    @property
    def _stage(self) -> Ints:
        bits, signed, overflow, saturated = self._format
        return field_of(bits, bool(signed), overflow, saturated, shift=0, rounding=0)

    def _total(self, chain: Chain) -> Array:
        total = np.zeros(chain.terms.shape[1:], chain.terms.dtype)
        for term in chain.terms:
            total = fitted(total + term, self._stage)
        return total

    def _chains(self, inputs: Sequence[Array], sample: int) -> Iterator[Chain]:
        one = self.one
        if isinstance(one, Sum):
            yield self._of_tensors(one, inputs, sample)
            return
        height, width = one.output.shape[:2]
        codes = inputs[0].astype(np.int64) - one.zero_point
        for position in range(height * width):
            row, column = divmod(position, width)
            top, left = (int(n) for n in np.array([row, column]) * one.window[2:4] - one.window[4:6])
            ys = range(max(top, 0), min(top + int(one.window[0]), codes.shape[0]))
            xs = range(max(left, 0), min(left + int(one.window[1]), codes.shape[1]))
            places = [(y, x) for y in ys for x in xs]
            terms = np.stack([codes[place] for place in places])[:, None]
            yield Chain(np.array([position]), terms, (one.inputs[0],) * len(places), tuple(places))

    @staticmethod
    def _of_tensors(one: Sum, inputs: Sequence[Array], sample: int) -> Chain:
        terms = []
        for codes, steps in zip(inputs, one.input_steps, strict=True):
            spread = np.broadcast_to(codes, one.output.shape).reshape(-1, one.channels)
            words = words_of(spread, one.wide)
            run_steps(steps, words, one.draws, 1, Tally.of(one, sample, tier=PLAIN))
            terms.append(integers(words))
        names = tuple(
            f"{name}, rescaled" if steps else name for name, steps in zip(one.inputs, one.input_steps, strict=True)
        )
        return Chain(np.arange(len(terms[0])), np.stack(terms), names, (None,) * len(terms))

    def _operand(
        self, inputs: Sequence[Array], chain: Chain, number: int, position: int, channel: int, term: int
    ) -> Operand:
        place = chain.places[number]
        if place is None:
            index = (*index_of(position, self.one.output.shape), channel)
            return Operand(name=chain.names[number], index=index, value=term)
        assert isinstance(self.one, PoolAverage)
        at = (*place, channel)
        return Operand(
            name=chain.names[number], index=at, value=int(inputs[0][at]), zero_point=int(self.one.zero_point)
        )


def written(operand: Operand, term: int) -> str:
    """Return what is added as Python, from its code if it is just that less its zero point."""
    if isinstance(operand.value, int) and operand.value - operand.zero_point == term:
        return recipe.less(operand.value, operand.zero_point)
    return recipe.number(term)
