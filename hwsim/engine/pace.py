"""Runners that take the same items in the same order, each at its own pace, in threads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")
Runner = TypeVar("Runner")
Made = TypeVar("Made")
Task = tuple[int, int]

LEAD = 4
"""How many items may be made before the oldest one is finished for all runners."""


class Pace(Generic[Item, Runner, Made]):
    """Iterate over the items of ``source``, each with what ``work`` makes of it for every runner, in their orders.

    If all runners met at each item, whoever comes first would wait for the last. So they may be up to ``LEAD`` items
    apart. Up to ``threads`` threads work, the caller's among them, and one more makes the items. A task is the number
    of an item and that of a runner, in which order they count as earlier and later.

    Raises what ``source`` or the earliest task that fails raises, after the items before it, when no thread works any
    more.
    """

    def __init__(
        self, threads: int, source: Iterator[Item], runners: Sequence[Runner], work: Callable[[Runner, Item], Made]
    ) -> None:
        self._source, self._runners, self._work = source, runners, work
        self._helpers = min(threads, len(runners)) - 1
        self._changed = Condition()  # held by whoever reads or writes what follows
        self._items: dict[int, Item] = {}
        self._made: dict[Task, Made] = {}
        self._next = [0] * len(runners)
        self._busy: set[int] = set()
        self._oldest = 0
        self._limit: Task = (sys.maxsize, 0)
        self._error: BaseException | None = None
        self._stopped = False

    def __iter__(self) -> Generator[tuple[Item, list[Made]]]:
        with ThreadPoolExecutor(self._helpers + 1) as threads:
            threads.submit(self._fetch)
            for _ in range(self._helpers):
                threads.submit(self._help)
            try:
                yield from self._led()
            finally:
                with self._changed:
                    self._stopped = True
                    self._changed.notify_all()
        if self._error:
            raise self._error

    def _led(self) -> Iterator[tuple[Item, list[Made]]]:
        """Yield what is finished, and work while nothing is."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._finished() or self._ready() or self._over())
                finished = self._handed_out() if self._finished() else None
                task = None if finished else self._claimed()
            if finished:
                yield finished
            elif task:
                self._do(task)
            else:
                return
            del finished  # else the item would live while others are worked on

    def _help(self) -> None:
        """Work until the caller wants no more."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._ready())
                task = None if self._stopped else self._claimed()
            if task is None:
                return
            self._do(task)

    def _fetch(self) -> None:
        """Make items as they are wanted."""
        number = 0
        try:
            while self._wanted(number) and (item := next(self._source, None)) is not None:
                with self._changed:
                    self._items[number] = item
                    self._changed.notify_all()
                number += 1
                del item  # else it would live while the next one is made
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            self._bar((number, -1), error)
        else:
            self._bar((number, -1), None)

    def _wanted(self, number: int) -> bool:
        """Wait until an item may be made; false if it never will be."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or number <= self._oldest + LEAD)
            return not self._stopped

    def _do(self, task: Task) -> None:
        number, one = task
        try:
            made = self._work(self._runners[one], self._items[number])
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            self._bar(task, error)
        else:
            with self._changed:
                self._made[task] = made
                self._next[one] += 1
        with self._changed:
            self._busy.remove(one)
            self._changed.notify_all()

    def _bar(self, task: Task, error: BaseException | None) -> None:
        """Let nobody begin a task, nor what is later."""
        with self._changed:
            if task < self._limit:
                self._limit, self._error = task, error
            self._changed.notify_all()

    def _ready(self) -> Task | None:
        """Return the earliest task that nothing stands in the way of."""
        tasks = [(number, one) for one, number in enumerate(self._next) if number in self._items]
        return min((task for task in tasks if task[1] not in self._busy and task < self._limit), default=None)

    def _claimed(self) -> Task | None:
        if task := self._ready():
            self._busy.add(task[1])
        return task

    def _finished(self) -> bool:
        """Whether the oldest item is."""
        return self._oldest in self._items and min(self._next) > self._oldest

    def _handed_out(self) -> tuple[Item, list[Made]]:
        item = self._items.pop(self._oldest)
        made = [self._made.pop((self._oldest, one)) for one in range(len(self._runners))]
        self._oldest += 1
        self._changed.notify_all()
        return item, made

    def _over(self) -> bool:
        """Whether there is nothing more to come; asked where nothing is ready."""
        return self._limit[0] < sys.maxsize and not self._busy
