"""How long the first use takes, when nothing is compiled yet, and a later one: beyond importing TensorFlow."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import hwsim
import hwsim_kernels
from bench.figures import Figure, Outcome, Unit
from bench.measure import DISTURBED, Setup, Watch
from hwsim_kernels.fast.features import ENVIRONMENT

LATER_USES = 3
FIRST, LATER, IMPORT = "first use", "later use", "import tensorflow"


def first_use(setup: Setup) -> Outcome:
    """Measure ``hwsim.run`` of the demo's model in new processes, on a copy of the packages without caches."""
    copied = copy(setup.folder / "installed")
    watch = Watch()
    first, *later = (seconds(copied) for _ in range(1 + LATER_USES))
    notes = [DISTURBED] if watch.disturbed() else []
    runs = {FIRST: [first["run"]], LATER: [one["run"] for one in later], IMPORT: [one["import"] for one in later]}
    figures = {
        name: Figure(value=statistics.median(samples), unit=Unit(), samples=tuple(samples))
        for name, samples in runs.items()
    }
    return Outcome(figures=figures, notes=notes)


def copy(folder: Path) -> Path:
    """Copy our packages and targets to a folder, without what was compiled."""
    for package in (hwsim, hwsim_kernels):
        source = Path(package.__path__[0])
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    targets = Path(hwsim.__path__[0]).parent / "targets"
    if targets.is_dir():
        shutil.copytree(targets, folder / "targets")
    return folder


def seconds(folder: Path) -> dict[str, float]:
    """Run the model once in a new process; return the seconds of the import of TensorFlow and of all the rest."""
    environment = os.environ | {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    for name in ("PYTHONDONTWRITEBYTECODE", ENVIRONMENT):  # an installed package has bytecode, and forces no tier
        environment.pop(name, None)
    child = Path(__file__).with_name("first_use_child.py")
    command = [sys.executable, "-P", str(child), str(folder)]
    ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured
