"""Work that threads share with the one that asks: the same results in the same order, whoever did what."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from hwsim.engine import processors
from hwsim.engine.crew import Crew


@pytest.fixture(params=[1, 2, 5])
def crew(request: pytest.FixtureRequest) -> Iterator[Crew]:
    made = Crew(request.param)
    yield made
    made.close()


@pytest.mark.parametrize("parts", [0, 1, 2, 100])
def test_results_have_the_order_of_the_parts(crew: Crew, parts: int) -> None:
    def work(part: int) -> int:
        time.sleep(0.001 * (part % 3))
        return part * part

    for _ in range(2):
        assert crew.share(work, range(parts)) == [part * part for part in range(parts)]


def test_the_caller_works_too() -> None:
    crew, met = Crew(3), threading.Barrier(3, timeout=60)

    def work(part: int) -> int:
        met.wait()
        return threading.get_ident()

    workers = crew.share(work, range(3))
    crew.close()
    assert len(set(workers)) == 3
    assert threading.get_ident() in workers


def test_the_error_of_the_first_part_is_raised_when_nobody_works_any_more(crew: Crew) -> None:
    working: list[int] = []

    def work(part: int) -> None:
        working.append(part)
        time.sleep(0.01 * (5 - part))
        working.remove(part)
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 0"):
        crew.share(work, range(5))
    assert working == []
    assert crew.share(str, [1, 2]) == ["1", "2"]


def test_parts_behind_an_error_are_left_undone() -> None:
    crew, done = Crew(1), list[int]()

    def work(part: int) -> None:
        done.append(part)
        raise KeyError(part)

    with pytest.raises(KeyError):
        crew.share(work, range(9))
    assert done == [0]


def meeting(crew: Crew, threads: int) -> dict[int, set[int]]:
    """Let all threads of a crew work at the same time; return where each may run while it does."""
    met, seen = threading.Barrier(threads, timeout=60), {}

    def work(_part: int) -> None:
        seen[threading.get_native_id()] = processors.permitted()
        met.wait()

    crew.share(work, range(threads))
    return seen


@pytest.mark.skipif(len(processors.permitted()) < 2, reason="threads cannot be kept apart on a single processor")
def test_who_is_woken_is_kept_from_the_callers_processor_until_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere, told = os.sched_getaffinity(0), list[tuple[int, set[int]]]()
    allow = os.sched_setaffinity

    def noted(thread: int, allowed: Iterable[int]) -> None:
        told.append((thread, set(allowed)))
        allow(thread, allowed)

    monkeypatch.setattr(os, "sched_setaffinity", noted)
    crew = Crew(3)
    meeting(crew, 3)
    assert told == [(0, everywhere)] * 2  # threads that are new, and kept from nowhere
    told.clear()
    where = meeting(crew, 3)
    helpers = set(where) - {threading.get_native_id()}
    assert {thread for thread, _ in told[:2]} == helpers
    assert all(allowed < everywhere and len(allowed) == len(everywhere) - 1 for _, allowed in told[:2])
    assert told[2:] == [(0, everywhere)] * 2
    assert all(allowed == everywhere for allowed in where.values())
    crew.close()


def test_the_callers_processor_is_the_one_that_it_runs_on() -> None:
    everywhere = processors.permitted()
    for one in everywhere:
        os.sched_setaffinity(0, {one})
        try:
            assert processors.current() == one
        finally:
            os.sched_setaffinity(0, everywhere)


@pytest.mark.parametrize("missing", ["permission", "knowledge of processors", "knowledge of the current one", "choice"])
def test_threads_share_work_where_they_cannot_be_kept_apart(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    if missing == "permission":
        monkeypatch.setattr(os, "sched_setaffinity", refused, raising=False)
    elif missing == "knowledge of processors":
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    elif missing == "knowledge of the current one":
        monkeypatch.setattr(processors, "_asks", lambda: None)
    else:
        monkeypatch.setattr(processors, "permitted", lambda: {processors.current()})
    crew = Crew(3)
    for _ in range(3):
        assert crew.share(str, range(5)) == ["0", "1", "2", "3", "4"]
    crew.close()
