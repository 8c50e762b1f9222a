"""What the interpreter makes of files, and codes to ask it with."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from lite import interpreter

import hwsim
from hwsim.network import Network

Judge = Callable[..., dict[str, Any]]
"""From the path of a file and samples to tensors by their number."""


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


@cache
def process() -> ProcessPoolExecutor:
    """Return the process in which judges work: the reference softmax can end it."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def asked(judge: Judge, path: Path, codes: Any, *more: str) -> dict[str, Any]:
    """Return what a judge makes of samples; one process serves all, since TensorFlow takes seconds to be imported."""
    try:
        return process().submit(judge, str(path), codes, *more).result()
    except BrokenProcessPool:
        process.cache_clear()
        raise


def judged(
    paths: list[Path], samples: list[Any], library: Path | None = None, judge: Judge = interpreter.tensors
) -> list[dict[str, Any]]:
    """Return what the interpreter makes of samples; if a ``library`` is to be loaded first, in a process of its own."""
    if library is None:
        return [asked(judge, path, codes) for path, codes in zip(paths, samples, strict=True)]
    alone = multiprocessing.get_context("spawn")
    with patch.dict(os.environ, LD_PRELOAD=str(library)), ProcessPoolExecutor(1, alone) as own:
        return list(own.map(judge, map(str, paths), samples))


def all_tensors(network: Network) -> Network:
    """Return a network whose results are all of its tensors."""
    return replace(network, outputs=tuple(one.name for one in network.operations))
