"""Tables for each channel, with entries that were rounded, against the definition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import GENERATORS, ROUNDINGS, Ints, array, code_of, draw_of, draws_of, examples, figures, figures_of
from kernels.plain import integers as integers_of
from kernels.test_steps import Entries, Table, Tally, run

from hwsim_kernels.lookup import look_up
from oracle.ledger import Point
from oracle.rounding import Rounded

ERROR = 2**32 - 1
"""The largest error of an entry, in 1/65536."""


@dataclass(frozen=True)
class Curves:
    """A table, with errors or none, for all channels or for each."""

    tables: list[list[int]]
    errors: list[list[int]]
    first: int
    shift: int

    def entry(self, value: int, channel: int, mode: str | None, drawn: tuple[int, int]) -> Rounded:
        """Return what a value of a channel becomes, and its error."""
        line = channel % len(self.tables)
        one = Entries(self.tables[line], self.first, self.shift)
        rounded = one.rounded(value, mode, drawn)
        if not self.errors:
            return rounded
        at = min(max(value - self.first, 0), (len(self.tables[line]) - 1) << self.shift) >> self.shift
        error = self.errors[line][at]
        return rounded._replace(inexact=error != 0, e16=error)


@composite
def curves(draw: DrawFn, channels: int, *, errors: bool) -> Curves:
    """Return tables; with errors they are not read between entries."""
    many, long = draw(st.sampled_from([1, channels])), draw(st.integers(1, 6))
    wide = integers_of(31).map(lambda value: min(max(value, 1 - 2**31), 2**31 - 1))
    lost = st.sampled_from([0, 0, 32768, -32767, ERROR, -ERROR]) | st.integers(-ERROR, ERROR)

    def lines(values: st.SearchStrategy[int]) -> list[list[int]]:
        return draw(st.lists(st.lists(values, min_size=long, max_size=long), min_size=many, max_size=many))

    first, shift = draw(st.integers(-9, 9) | integers_of(62)), draw(st.integers(0, 3) | st.just(24))
    return Curves(lines(wide), lines(lost) if errors else [], first, shift)


def check(one: Curves, table: Table, mode: str | None, generator: int = 0) -> list[list[int]]:
    """Compare the kernel with the definition in every number; return the values."""
    random, point, wanted = GENERATORS[generator], Point("curve", table.channels), list[int]()
    for value, number, place in table.places():
        drawn = draw_of(random, number, mode) if mode else (0, 1)
        wanted.append(point.round_only(one.entry(value, place.channel, mode, drawn), place))
    errors = array(one.errors) if one.errors else np.zeros((0, 0), np.int64)
    how = (mode is not None, code_of(mode) if mode else 0, draws_of(random), array(table.position))

    def kernel(values: Ints, tally: Tally) -> None:
        look_up(values, array(one.tables), errors, one.first, one.shift, *how, tally.counts)

    made, tally = run(table, kernel)
    assert made == table.rows(wanted)
    if mode or one.errors:
        assert figures_of(tally.counts, positions=table.position[1]) == figures(point)
    else:
        assert not tally.counts[0].any()
    return made


@composite
def cases(draw: DrawFn, *, errors: bool) -> tuple[Curves, Table]:
    """Return tables, and values around them."""
    channels, rows = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    one = draw(curves(channels, errors=errors))
    span = len(one.tables[0]) << one.shift
    near = st.integers(-2, span + 2).map(lambda offset: one.first + offset)
    row = st.lists(near | integers_of(62), min_size=channels, max_size=channels)
    values = draw(st.lists(row, min_size=rows, max_size=rows))
    return one, Table(values, (draw(st.sampled_from([0, 3])), rows))


@examples(200)
@given(cases(errors=True))
def test_entries_with_errors(case: tuple[Curves, Table]) -> None:
    check(*case, None)


@examples(200)
@given(cases(errors=False), st.none() | st.sampled_from(ROUNDINGS), st.integers(0, 2))
def test_a_table_for_each_channel(case: tuple[Curves, Table], mode: str | None, generator: int) -> None:
    check(*case, mode, generator)


@pytest.mark.parametrize("error", [0, 1, -1, 32768, ERROR, -ERROR])
def test_many_errors_of_one_size(error: int) -> None:
    one = Curves([[7, -7]], [[error, -error]], 0, 0)
    check(one, Table([[i % 2] for i in range(300)], (0, 300)), None)


def test_two_tables_by_hand() -> None:
    one = Curves([[0, 10], [100, 0]], [], 0, 2)
    table = Table([[at, at] for at in range(-1, 6)], (0, 7))
    assert check(one, table, "half_up") == [[0, 100], [0, 100], [3, 75], [5, 50], [8, 25], [10, 0], [10, 0]]
    assert check(one, table, None) == [[0, 100]] * 5 + [[10, 0]] * 2
