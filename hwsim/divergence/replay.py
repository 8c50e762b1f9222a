"""Run the operation that made the first differing tensor again, with one thing changed, and see what gives the other
side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.divergence.case import Case, Cause, by_channel
from hwsim.divergence.shifted_bias import bias_variants
from hwsim.divergence.variants import Variant, variants
from hwsim.engine import Engine
from hwsim.engine.storage import storage
from hwsim.errors import DatapathOverflow
from hwsim.formats import Rounding
from hwsim.program import Program
from hwsim.program.records import IntOperation, MultiplyAccumulate, ScaleFixed
from hwsim_kernels.fast.features import PLAIN

Array = NDArray[Any]

BATCH = 32
WORK = 20_000_000
"""About how many products one variant takes on the samples on which all are tried."""

MOST_SAMPLES = 16
MOST_JUDGED = 12
MOST_NAMED = 6


class Replay:
    """One operation and its inputs, and what it made: the case's A as the program has it, and the other ``side``."""

    def __init__(self, program: Program, one: IntOperation, inputs: list[Array], case: Case) -> None:
        self.program = program
        self.one = one
        self.inputs = inputs
        self.case = case
        self.side = "B"
        self.engine = Engine(BATCH, counted=False, tier=PLAIN)

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.__exit__(None, None, None)

    def made(self, one: IntOperation, chosen: NDArray[np.intp] | None = None) -> Array | None:
        """Return what an operation makes of all samples or of some, None where it stops at an overflow."""
        plain = replace(one, narrow=False)
        if isinstance(plain, MultiplyAccumulate):
            plain = replace(plain, exact=False)
        inputs = self.inputs if chosen is None else [values[chosen] for values in self.inputs]
        try:
            found, _ = self.engine.run(plain, inputs, 0)
        except DatapathOverflow:
            return None
        return by_channel(found).astype(np.int64)

    def causes(self) -> Iterator[Cause]:
        """Yield every change that explains at least half of the differences; equal ones as one."""
        some = self._chosen()
        part = Case(a=self.case.a[some], b=self.case.b[some])
        tried = list(self._promising(variants(self.one, self.program), part, some))
        if not any(net == 1 and variant.kind != "bias" for variant, net in tried):
            tried += self._promising(bias_variants(self.one, self.inputs, self.case), part, some)
        judged = [(variant, self._judged(variant)) for variant in _best(tried)]
        found = [(variant, cause) for variant, cause in judged if cause is not None]
        for _, group in groupby(found, key=lambda pair: (pair[0].kind, pair[0].what)):
            yield self._told(list(group))

    def _chosen(self) -> NDArray[np.intp]:
        """Return the samples on which all variants are tried: some that differ, and one that does not."""
        one = self.one
        products = one.weights.size * prod(one.output_view[:2]) if isinstance(one, MultiplyAccumulate) else 1
        most = max(1, min(MOST_SAMPLES, WORK // products))
        differ = self.case.differs.reshape(len(self.case.a), -1).any(axis=1)
        return np.concatenate([np.flatnonzero(differ)[:most], np.flatnonzero(~differ)[:1]])

    def _promising(
        self, found: Iterator[Variant], part: Case, some: NDArray[np.intp]
    ) -> Iterator[tuple[Variant, float]]:
        for variant in found:
            made = self.made(variant.operation, some)
            cause = None if made is None else part.predicted(variant.kind, "", made)
            if cause is not None:
                yield variant, cause.net

    def _judged(self, variant: Variant) -> Cause | None:
        made = self.made(variant.operation)
        return None if made is None else self.case.predicted(variant.kind, variant.what, made)

    def _told(self, group: list[tuple[Variant, Cause]]) -> Cause:
        """Return one cause for all changes of one thing that do equally well."""
        best = max(cause.net for _, cause in group)
        equal = [(variant, cause) for variant, cause in group if cause.net == best]
        variant, cause = equal[0]
        ways = [each.how for each, _ in equal]
        more = f" or {len(ways) - MOST_NAMED} others" if len(ways) > MOST_NAMED else ""
        named = " or ".join(ways[:MOST_NAMED]) + more
        does = f"gives {self.side} exactly" if cause.whole else f"comes nearer to {self.side}"
        instead = f" is {named}, not {variant.was} as in the program" if variant.was else ""
        says = f"{_WORDS[variant.kind]}: {variant.what}{instead}; that {does}"
        if variant.kind == "rounding" and (ties := self.ties()):
            says += f"; {ties}"
        return replace(cause, says=says)

    def ties(self) -> str:
        """Say how many differences lie at ties of a lone rounding: there alone half_up and half_down differ."""
        steps = [step for step in getattr(self.one, "steps", ()) if isinstance(step, ScaleFixed)]
        if len(steps) != 1:
            return ""
        ties = []
        for mode in (Rounding.HALF_UP, Rounding.HALF_DOWN):
            changed = tuple(replace(one, rounding=mode) if one is steps[0] else one for one in self.one.steps)  # type: ignore[attr-defined]
            ties.append(self.made(replace(self.one, steps=changed)))  # type: ignore[call-arg]
        if ties[0] is None or ties[1] is None:
            return ""
        at_ties = int(np.count_nonzero((ties[0] != ties[1]) & self.case.differs))
        return f"{at_ties:,} of {self.case.count:,} differences are at ties"


def _best(tried: Sequence[tuple[Variant, float]]) -> Iterator[Variant]:
    """Yield of the changes of one thing those that do best on some samples, to be held to all."""
    for _, group in groupby(tried, key=lambda pair: (pair[0].kind, pair[0].what)):
        found = list(group)
        best = max(net for _, net in found)
        yield from [variant for variant, net in found if net == best][:MOST_JUDGED]


_WORDS: Mapping[str, str] = {
    "rounding": "rounding",
    "overflow": "overflow",
    "shift": "a shift",
    "activation": "the activation",
    "accumulator": "the accumulator",
    "padding": "padding",
    "input_zero_point": "the zero point of the input",
    "bias": "bias",
}


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What running an operation again found; ``note`` says what ran, or why nothing did.

    ``ran`` is True where the program gives one side and changes of it were tried; ``ties`` tells how many differences
    lie at ties, if that is known.
    """

    note: str
    causes: tuple[Cause, ...] = ()
    ran: bool = False
    ties: str = ""


def replayed(program: Program, name: str, known: Mapping[str, Array], case: Case) -> Replayed:
    """Find causes by running the operation that makes tensor ``name`` with one thing changed.

    ``known`` holds tensors of the program by name, equal on both sides. The program may describe either side.
    """
    one = next((one for one in program.operations if one.output.name == name), None)
    if one is None:
        return Replayed(note=f"the program has no tensor {name!r}")
    missing = [source for source in one.inputs if source not in known]
    if missing:
        why = f"its input {missing[0]!r} is not among the tensors"
        return Replayed(note=f"{name!r} was not computed again: {why}")
    inputs, problem = _inputs(program, one, known, len(case.a))
    if case.a.shape[1:] != one.output.shape:
        problem = f"it has shape {case.a.shape[1:]}, in the program {one.output.shape}"
    if problem:
        return Replayed(note=f"{name!r} was not computed again: {problem}")
    with Replay(program, one, inputs, case) as replay:
        made = replay.made(one)
        if made is not None and np.array_equal(made, case.b):
            replay.case, replay.side = Case(a=case.b, b=case.a), "A"
            note = f"the program gives B's {name!r}, so causes found with it are what makes A of it"
        elif made is not None and np.array_equal(made, case.a):
            note = f"the program gives A's {name!r} from its inputs"
        else:
            return Replayed(note=f"the program gives neither side's {name!r} from its inputs")
        causes = tuple(replay.causes())
        if not any(one.whole for one in causes):
            note += f"; no change of one thing in it gives {replay.side} exactly, every rounding mode among them"
        return Replayed(note=note, causes=causes, ran=True, ties=replay.ties())


def _inputs(program: Program, one: IntOperation, known: Mapping[str, Array], samples: int) -> tuple[list[Array], str]:
    """Return the inputs as the engine takes them, or what is wrong with one: kernels rely on formats."""
    found = []
    for source in one.inputs:
        tensor, values = program.tensors[source], known[source][:samples]
        if tensor.format is None:
            return [], f"its input {source!r} holds real values"
        if values.shape != (samples, *tensor.shape):
            return [], f"its input {source!r} has shape {values.shape}, in the program {(samples, *tensor.shape)}"
        low, high = int(values.min()), int(values.max())
        if not tensor.format.holds(low, high):
            return [], f"its input {source!r} holds {low} to {high}, in the program it is {tensor.format}"
        found.append(np.ascontiguousarray(values, storage(tensor.format)))
    return found, ""
