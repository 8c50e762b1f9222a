"""The command line. What must be known before anything heavy is imported is put into the environment first."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main() -> int:
    """Measure the rows that were asked for, print them, write them; return 1 if one failed or gave wrong sums."""
    arguments = parser().parse_args()
    os.environ |= environment(arguments.threads, arguments.tier)

    from bench.session import run

    return run(arguments.only, arguments.threads, quick=arguments.quick, path=arguments.json, page=arguments.page)


def parser() -> argparse.ArgumentParser:
    """Return the arguments."""
    made = argparse.ArgumentParser(prog="bench", description="Our times beside other tools', and the goals.")
    made.add_argument("--only", metavar="PATTERN", default="*", help="rows by number or name: 7, '*tflite*'")
    made.add_argument("--quick", action="store_true", help="fewer repeats")
    made.add_argument("--tier", choices=["amx", "vnni", "portable"], help="the engine's instructions (HWSIM_TIER)")
    made.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="for us and for the others")
    made.add_argument("--json", type=Path, metavar="PATH", help="write everything there, too")
    made.add_argument("--page", type=Path, metavar="PATH", help="a page whose table of this tier is to be renewed")
    return made


def environment(threads: int, tier: str | None) -> dict[str, str]:
    """Return the variables by which libraries learn how they are to run."""
    chosen = {
        "HWSIM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    return chosen | ({"HWSIM_TIER": tier} if tier else {})
