"""What the interpreter makes of files, and codes to ask it with."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from lite import interpreter

import hwsim
from hwsim.network import Network


def codes_for(path: Path, count: int, seed: int = 0) -> Any:
    """Return codes over the whole range of a file's input, the extremes among them."""
    network = hwsim.load(path)
    assert network.stored is not None
    (one,) = network.inputs
    form = network.stored.tensors[one.name].format
    kind = f"{'' if form.signed else 'u'}int{form.bits}"
    drawn = np.random.default_rng(seed).integers(form.minimum, form.maximum + 1, (count, *one.shape)).astype(kind)
    drawn[0], drawn[1] = form.minimum, form.maximum
    return drawn


def judged(paths: list[Path], samples: list[Any], library: Path | None = None) -> list[dict[str, Any]]:
    """Return what the interpreter makes of samples, in one process for all files, with a ``library`` loaded first."""
    arguments: list[str] = []
    for path, codes in zip(paths, samples, strict=True):
        np.save(path.with_suffix(".npy"), codes)
        arguments += [str(path), str(path.with_suffix(".npy")), str(path.with_suffix(".npz"))]
    environment = os.environ | ({"LD_PRELOAD": str(library)} if library else {})
    command = [sys.executable, interpreter.__file__, *arguments]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return [dict(np.load(path.with_suffix(".npz"))) for path in paths]


def all_tensors(network: Network) -> Network:
    """Return a network whose results are all of its tensors."""
    return replace(network, outputs=tuple(one.name for one in network.operations))
