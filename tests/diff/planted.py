"""A small network's run, and programs into which one fault was put."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from pipeline.tiny import image_network, reals, target_with

import hwsim
from hwsim.engine import Execution
from hwsim.program.records import IntOperation

IMAGES = reals(6, 6, 6, 3, seed=50)


@cache
def clean() -> hwsim.Program:
    """Return the program of a network with convolutions, an addition, poolings and a dense layer."""
    target = target_with(activation={"position": "before_requantize"})
    return hwsim.run(image_network(), target, IMAGES, reference=False).program


@cache
def clean_run() -> Execution:
    return clean().run(IMAGES, tensors=True)


def operation(name: str) -> Any:
    return next(one for one in clean().operations if one.name == name)


def run_with(changed: IntOperation) -> Execution:
    """Run the program with one operation changed, step by step."""
    if hasattr(changed, "exact"):
        changed = replace(changed, exact=False)  # type: ignore[call-arg]
    changed = replace(changed, narrow=False)
    operations = tuple(changed if one.name == changed.name else one for one in clean().operations)
    return replace(clean(), operations=operations).run(IMAGES, tensors=True)


def with_step(name: str, kind: type, **fields: Any) -> Any:
    """Return an operation whose first step of a kind has other fields."""
    one = operation(name)
    step = next(step for step in one.steps if isinstance(step, kind))
    steps = tuple(replace(step, **fields) if each is step else each for each in one.steps)
    return replace(one, steps=steps)


def oracle(a: Any, b: Any) -> tuple[int, int, tuple[int, ...] | None]:
    """Return how many values of nested lists differ, by how much at most, and the first place, in plain Python."""
    count, largest, first = 0, 0, None
    for place, one, two in walk(a, b, ()):
        if one != two:
            count += 1
            largest = max(largest, abs(one - two))
            first = place if first is None else first
    return count, largest, first


def walk(a: Any, b: Any, place: tuple[int, ...]) -> Any:
    if not isinstance(a, list):
        yield place, a, b
        return
    for number, (one, two) in enumerate(zip(a, b, strict=True)):
        yield from walk(one, two, (*place, number))
