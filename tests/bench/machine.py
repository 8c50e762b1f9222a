"""What the machine is, and what it could do at most."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

FLAGS = ("avx2", "avx512f", "avx512bw", "avx_vnni", "avx512_vnni", "amx_tile", "amx_int8")
PACKAGES = (
    "numpy",
    "numba",
    "tensorflow",
    "keras",
    "onnxruntime",
    "hls4ml",
    "apytypes",
    "fxpmath",
    "threadpoolctl",
)

ZEN_2 = 0x30
"""The first model of its family that has units of 256 bits."""

CYCLES = 6
"""Of one round of ``spin``: three shifts and three additions modulo two, each waiting for the one before."""


def features(threads: int) -> dict[str, Any]:
    """Return what to know about the machine to understand the figures."""
    return {
        "cpu": cpu().get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "threads": threads,
        "tier": tier(),
        "GHz": round(frequency() / 1e9, 2),
        "flags": {flag: flag in flags() for flag in FLAGS},
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
        "commit": commit(),
    }


def cpu() -> dict[str, str]:
    """Return what /proc/cpuinfo says about the first processor."""
    source = Path("/proc/cpuinfo")
    first = source.read_text().split("\n\n")[0] if source.exists() else ""
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def flags() -> frozenset[str]:
    """Return the instruction sets."""
    return frozenset(cpu().get("flags", "").split())


def tier() -> str:
    """Return the instructions by whose goals we are judged: those forced by HWSIM_TIER, else the machine's best."""
    forced = os.environ.get("HWSIM_TIER", "")
    if forced:
        return forced
    return "amx" if "amx_int8" in flags() else "vnni" if flags() & {"avx512_vnni", "avx_vnni"} else "portable"


def installed(package: str) -> str | None:
    """Return the version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """Return the commit of this checkout, marked where files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def others_busy() -> float:
    """Return the seconds that processors worked for other processes, or for other machines, since the start."""
    source = Path("/proc/stat")
    if not source.exists():
        return 0.0
    user, nice, system, _, _, *interrupts = map(int, source.read_text().split("\n", 1)[0].split()[1:9])
    ticks, children = user + nice + system + sum(interrupts), os.times()
    ours = time.process_time() + children.children_user + children.children_system
    return ticks / os.sysconf("SC_CLK_TCK") - ours


@cache
def frequency() -> float:
    """Return the cycles per second of one core, measured by a chain of instructions of one cycle each."""
    import numba

    def spin(rounds: int) -> int:
        state = 88172645463325252
        for _ in range(rounds):
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
        return state

    compiled, rounds = cast("Any", numba.njit(spin)), 10_000_000
    compiled(1)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        compiled(rounds)
        best = min(best, time.perf_counter() - started)
    return rounds * CYCLES / best


def products_per_cycle(operands: str) -> float:
    """Return how many products of ``u8s8``, ``s16s8`` or ``s16s16`` a core of this tier adds up in a cycle, at most.

    AMX: a tile instruction of 16 x 16 x 64 bytes every 16 cycles; words of 16 bits are 2 or 4 products of bytes. VNNI
    (vpdpbusd, vpdpwssd) and, on the portable tier, vpmaddwd: ``per_cycle``.
    """
    if tier() == "amx":
        return 1024 // {"u8s8": 1, "s16s8": 2, "s16s16": 4}[operands]
    if tier() == "vnni" and operands == "u8s8":
        return vector_products()
    return per_cycle() * (32 if "avx512bw" in flags() else 16)


def per_cycle() -> float:
    """Return how many of its widest multiplications a core starts in a cycle: two, with exceptions.

    Zen 4 does those of 512 bits in two halves. Zen 2 has one unit for those of integers; Zen 1, too, and does those of
    256 bits in two halves (uops.info: vpmaddwd; the floats of the portable tier get as many products from two units).
    """
    known = cpu()
    if known.get("vendor_id") != "AuthenticAMD":
        return 2
    if known.get("cpu family") == "23":
        return 1 if int(known.get("model", "0")) >= ZEN_2 else 0.5
    return 1 if known.get("cpu family") == "25" and "avx512bw" in flags() else 2


def vector_products() -> float:
    """Return how many products of bytes the vector units of a core add up in a cycle: what has no use for tiles."""
    if tier() == "portable" or not flags() & {"avx512_vnni", "avx_vnni"}:
        return per_cycle() * (32 if "avx512bw" in flags() else 16)
    return per_cycle() * (64 if "avx512_vnni" in flags() else 32)
