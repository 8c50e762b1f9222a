"""Work that threads share with the one that asks: the same results in the same order, whoever did what."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

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
