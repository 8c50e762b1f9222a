"""Which processors threads run on."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache


def permitted() -> set[int]:
    """Return the processors that the calling thread may run on; none where the system does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def keep_apart(threads: Iterable[int]) -> Callable[[], None]:
    """Let threads that sleep wake up elsewhere than where the caller runs, and return what each is to call then.

    Linux likes to wake a thread on the processor of whoever wakes it. Of two that work, one would wait there for
    milliseconds while another processor idles. So that processor is forbidden to those that wake, until they have. This
    is of use alone: where the system permits or knows nothing of the kind, all stays as it is. ``threads``: native
    numbers.
    """
    everywhere = permitted()
    others = everywhere - {current()}
    if not others or others == everywhere:
        return lambda: None
    for thread in threads:
        _allow(thread, others)
    return lambda: _allow(0, everywhere)


def _allow(thread: int, processors: set[int]) -> None:
    with suppress(OSError):  # a thread that has ended, a set that has changed, a sandbox
        os.sched_setaffinity(thread, processors)


def current() -> int:
    """Return the processor that the calling thread runs on; below 0 where the system does not tell."""
    ask = _asks()
    return ask() if ask else -1


@cache
def _asks() -> Callable[[], int] | None:
    try:
        return ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):  # a C library without it; none; Windows
        return None
