"""Runners that take the same items at their own paces: in order, apart by a little at most, with the first error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from hwsim.engine.pace import LEAD, Pace

ITEMS = 40
WAIT = 60.0
"""Seconds until a test that would wait for ever fails."""


def steps(runners: int, threads: int) -> list[tuple[int, list[list[int]]]]:
    """Return what each of ``ITEMS`` items becomes if every runner adds it to those that it has met."""

    def work(met: list[int], item: int) -> list[int]:
        time.sleep(0.0005 * (item * 7 % 3))
        met.append(item)
        return list(met)

    made: list[list[int]] = [[] for _ in range(runners)]
    return list(Pace(threads, iter(range(ITEMS)), made, work))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("runners", [1, 2, 3, 7])
def test_every_runner_meets_every_item_in_order(runners: int, threads: int) -> None:
    expected = [(item, [list(range(item + 1))] * runners) for item in range(ITEMS)]
    assert steps(runners, threads) == expected


def test_a_source_may_be_empty() -> None:
    assert list(Pace(2, iter([]), [0, 1], lambda runner, item: None)) == []


def test_a_runner_goes_on_while_another_is_at_the_item_before() -> None:
    second = threading.Event()

    def work(runner: int, item: int) -> None:
        if (runner, item) == (0, 0):
            assert second.wait(WAIT)
        if (runner, item) == (1, 1):
            second.set()

    assert len(list(Pace(2, iter(range(ITEMS)), [0, 1], work))) == ITEMS


def test_no_more_items_are_made_than_the_lead() -> None:
    made, finished, most = 0, 0, 0

    def source() -> Iterator[int]:
        nonlocal made
        for item in range(ITEMS):
            made += 1
            yield item

    def work(runner: int, item: int) -> None:
        nonlocal most
        time.sleep(0.001)
        most = max(most, made - finished)

    for _ in Pace(2, source(), [0, 1, 2], work):
        finished += 1
    assert 1 < most <= LEAD + 1


@pytest.mark.parametrize("threads", [1, 3])
def test_the_earliest_error_is_raised_after_all_that_came_before(threads: int) -> None:
    working: list[int] = []

    def work(runner: int, item: int) -> int:
        working.append(runner)
        # later ones fail sooner
        time.sleep(0.01 * (3 - runner))
        working.remove(runner)
        if item + (runner == 0) > 5:
            raise ValueError(f"runner {runner}, item {item}")
        return item

    found = []
    with pytest.raises(ValueError, match="runner 0, item 5"):
        for item, _ in Pace(threads, iter(range(ITEMS)), [0, 1, 2], work):
            found.append(item)  # noqa: PERF402  the loop ends with an error
    assert found == list(range(5))
    assert working == []


def test_an_error_of_the_source_is_raised_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield from range(3)
        raise KeyError("no more")

    found = []
    with pytest.raises(KeyError, match="no more"):
        for item, _ in Pace(2, source(), [0, 1], lambda runner, item: time.sleep(0.005)):
            found.append(item)  # noqa: PERF402  the loop ends with an error
    assert found == [0, 1, 2]


def test_who_wants_no_more_ends_all_threads() -> None:
    before = threading.active_count()
    with closing(iter(Pace(3, iter(range(10**9)), [0, 1, 2], lambda runner, item: time.sleep(0.001)))) as pace:
        for item, _ in pace:
            if item == 4:
                break
    assert threading.active_count() == before


def test_no_more_runners_work_at_once_than_there_are_threads() -> None:
    lock, working, most = threading.Lock(), 0, 0

    def work(runner: int, item: int) -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.002)
        with lock:
            working -= 1

    list(Pace(2, iter(range(ITEMS)), range(6), work))
    assert most == 2


def test_the_caller_works_too() -> None:
    def work(runner: int, item: int) -> int:
        return threading.get_ident()

    assert [made for _, made in Pace(1, iter(range(5)), [0, 1], work)] == [[threading.get_ident()] * 2] * 5
