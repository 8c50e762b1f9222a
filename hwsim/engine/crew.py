"""Threads that share work with the one that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from threading import get_native_id
from typing import TypeVar

from hwsim.engine.processors import keep_apart

T = TypeVar("T")
R = TypeVar("R")


class Crew:
    """So many ``threads``, of which one is whoever calls.

    Of two threads that are woken while the caller waits, Linux often puts both on one processor, for milliseconds; so
    the caller works, too, and those that it wakes are kept apart from it.
    """

    def __init__(self, threads: int) -> None:
        self._begun: list[int] = []
        self._pool = ThreadPoolExecutor(threads - 1, initializer=self._begin) if threads > 1 else None
        self._helpers = threads - 1

    def share(self, work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
        """Return what ``work`` makes of each part, in their order.

        Raises what ``work`` raised of the first part of those that failed, once no thread works any more.
        """
        if self._pool is None or len(parts) < 2:
            return [work(part) for part in parts]
        results: dict[int, R] = {}
        errors: dict[int, BaseException] = {}
        numbers = count()

        def take() -> None:
            while not errors and (number := next(numbers)) < len(parts):
                try:
                    results[number] = work(parts[number])
                except BaseException as error:  # noqa: BLE001  raised again below
                    errors[number] = error

        awake = keep_apart(self._begun)

        def help_out() -> None:
            awake()
            take()

        helpers = [self._pool.submit(help_out) for _ in range(min(self._helpers, len(parts) - 1))]
        take()
        wait(helpers)
        if errors:
            raise errors[min(errors)]
        return [results[number] for number in range(len(parts))]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _begin(self) -> None:
        self._begun.append(get_native_id())
