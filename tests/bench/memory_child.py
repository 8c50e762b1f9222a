"""A process that runs a program over samples that nobody keeps: ``memory_child.py PROGRAM COUNT SIZE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsim.program import Program

CHUNK = 8


def chunks(count: int, size: int) -> Iterator[NDArray[np.float32]]:
    """Yield ``count`` samples, a few at a time."""
    random = np.random.default_rng(0)
    for _ in range(count // CHUNK):
        yield random.random((CHUNK, size, size, 16), dtype=np.float32)


def most_memory() -> int:
    """Return the most bytes this process ever held. Unlike getrusage, this knows nothing of the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status says nothing of VmHWM")


if __name__ == "__main__":
    Program.load(sys.argv[1]).run(chunks(int(sys.argv[2]), int(sys.argv[3])), batch_size=CHUNK)
    print(most_memory())
