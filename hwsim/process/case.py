"""What every step of the process starts from: a network, a target, a plan and samples of the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

from hwsim.data import Block, Data, Samples
from hwsim.errors import DataError, HwsimError
from hwsim.loaders import load_for_data
from hwsim.network import Network
from hwsim.pipeline import PlanSource, Result, block_size, profiled, read_samples
from hwsim.quantize import Plan, Profile, decide
from hwsim.target import Target, load_target

MOST_VALUES = 1 << 29
"""How many values of all tensors together a trial keeps at most; it bounds the samples of large networks."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network on a target, and data that can be read again and again. ``notes`` say where the data came from.

    ``profile`` is None where a plan was given and nothing had to be decided; ``statistics`` are there all the same, of
    the ``calibration`` data or the samples.
    """

    network: Network
    target: Target
    plan: Plan
    samples: Samples
    profile: Profile | None
    notes: tuple[str, ...]
    calibration: Data | None = None

    @cached_property
    def statistics(self) -> Profile:
        """What the float run of the calibration data holds."""
        return self.profile or profiled(self.network, self.samples, self.calibration, [])

    def blocks(self, limit: int) -> list[Block]:
        """Return the first samples, ``limit`` at most and no more than memory has room for.

        Raises HwsimError for a limit below 1.
        """
        if limit < 1:
            raise HwsimError(f"samples must be at least 1, not {limit}")
        values = sum(prod(shape) for shape in self.network.shapes.values())
        most = max(1, min(limit, MOST_VALUES // values))
        return list(self.samples.blocks(block_size(self.network), most))


def case_of(
    model: object,
    target: str | Path | Target | None,
    data: Data | None,
    calibration: Data | None = None,
    plan: PlanSource | None = None,
) -> Case:
    """Read what the user gave, as ``hwsim.run`` does; ``model`` may also be a Result, whose network and plan count,
    and whose target and data, where none are given.

    Raises DataError for data that can be read only once, HwsimError for whatever else is wrong.
    """
    if data is None and isinstance(model, Result):
        data = model.samples.source if not model.samples.synthetic else None
    if isinstance(data, Iterator):
        raise DataError("an iterator can be read only once; give an array, the path of a file or a tf.data.Dataset")
    if isinstance(model, Result):
        network, plan, target = model.network, plan or model.plan, target or model.target
        calibration = model.calibration if calibration is None else calibration
    if target is None:
        raise HwsimError("give a target: its name, the path of a YAML file, or a Target")
    chosen = load_target(target)
    if not isinstance(model, Result):
        network, _, (data, calibration) = load_for_data(model, (data, calibration), target=chosen)
    samples, notes = read_samples(network, data)
    statistics = None
    if plan is None:
        statistics = profiled(network, samples, calibration, notes)
        plan = decide(network, statistics, chosen)
    return Case(
        network=network,
        target=chosen,
        plan=plan if isinstance(plan, Plan) else Plan.load(plan),
        samples=samples,
        profile=statistics,
        notes=tuple(notes),
        calibration=None if isinstance(calibration, Iterator) else calibration,
    )
