"""What the processor and the operating system really offer, and the tier of kernels that follows from it."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

from numba.core import config

from hwsim_kernels._jit import EMULATED
from hwsim_kernels.fast.ir import HOST

PLAIN = 0
NUMPY = 1
PORTABLE = 2
VNNI = 3
AMX = 4
TIERS = {"plain": PLAIN, "numpy": NUMPY, "portable": PORTABLE, "vnni": VNNI, "amx": AMX}
"""Tiers by name, each of which computes the same integers; those from ``PORTABLE`` on call micro-kernels."""

ENVIRONMENT = "HWSIM_TIER"

_ARCH_PRCTL = 158
_REQUEST_PERMISSION = 0x1023
_TILE_DATA = 18


def features() -> frozenset[str]:
    """Return the names of the processor's features, as LLVM gives them."""
    return HOST


@cache
def tiles_permitted() -> bool:
    """Ask the operating system for the state that AMX needs; the answer holds for every thread of the process."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    return bool(system.syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0)


def offered() -> dict[str, bool]:
    """Return which tiers work on this machine."""
    compiled = not config.DISABLE_JIT  # type: ignore[attr-defined]
    has = features()
    long = {"avx512vnni", "avx512bw", "avx512vl"} <= has
    vnni = compiled and (EMULATED or long or {"avxvnni", "avx2"} <= has)
    # registers step by AVX512-VNNI on tiles, too; every processor that has tiles has it
    amx = vnni and (EMULATED or (long and {"amx-int8", "amx-tile"} <= has and tiles_permitted()))
    return {"plain": True, "numpy": True, "portable": compiled, "vnni": vnni, "amx": amx}


def tier() -> int:
    """Return the tier to use: the one that HWSIM_TIER names, else the fastest of those that work here.

    Raises ValueError for a name that is none, or that does not work on this machine.
    """
    here = offered()
    wanted = os.environ.get(ENVIRONMENT, "")
    if not wanted:
        return max(TIERS[name] for name, works in here.items() if works)
    if wanted not in TIERS:
        raise ValueError(f"{ENVIRONMENT}={wanted}: there is no such tier; known are {', '.join(TIERS)}")
    if not here[wanted]:
        working = ", ".join(name for name, works in here.items() if works)
        raise ValueError(f"{ENVIRONMENT}={wanted}: this machine does not offer it; what works here: {working}")
    return TIERS[wanted]
