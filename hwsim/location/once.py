"""Locate in weights and biases, which become integers once: their real values stand in the network, not the program."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.location.found import Found
from hwsim.location.location import Kind
from hwsim.location.reals import Reals
from hwsim.network import Network
from hwsim.network.mac import Weighted
from hwsim.program.records import IntOperation, MultiplyAccumulate, Point
from hwsim.quantize import Plan
from hwsim.quantize.decide import kernel_of
from hwsim_kernels import counting

Array = NDArray[Any]


def real_values(one: IntOperation, point: Point, network: Network | None, plan: Plan | None) -> Reals:
    """Return the real weights or biases of a layer, and how they became integers.

    Raises HwsimError where they are not known, or did not become integers by one division and one rounding.
    """
    place = f"{one.layer} {point.name}"
    if network is None or plan is None:
        raise HwsimError(f"{place}: a program holds integers alone; give what hwsim.run gave, or the model")
    operation = next((each for each in network.operations if each.name == one.layer), None)
    if not isinstance(one, MultiplyAccumulate) or not isinstance(operation, Weighted) or point.format is None:
        raise HwsimError(f"{place}: hwsim locates weights and biases of convolutions, dense layers and scales only")
    entry = plan.weights[one.layer]
    if point.name == "weight":
        kernel = kernel_of(operation)
        given, shape, zeros = kernel.astype(np.float64), kernel.shape, entry.zero_point
    else:
        given, shape, zeros = operation.bias.astype(np.float64), operation.bias.shape, (0,)
    unit = np.broadcast_to(np.asarray(point.unit, np.float64), (one.channels,))
    values = np.where(unit > 0, given.reshape(-1, one.channels), 0.0)
    assert point.overflow is not None and point.rounding is not None
    field = [point.format.bits, point.format.signed, point.overflow.code, 0, point.rounding.code]
    found = Reals(
        values=values,
        shape=shape,
        name=point.name,
        scale=np.where(unit > 0, unit, 1.0),
        zero_point=np.broadcast_to(np.asarray(zeros, np.int64), (one.channels,)).copy(),
        field=np.array(field, np.int64),
    )
    plain = not (point.name == "weight" and (entry.levels is not None or entry.shift))
    if not plain or not _agrees(found, one.initial[one.points.index(point)]):
        raise HwsimError(
            f"{place}: these became integers by levels, by shifts or by a reciprocal in float32; hwsim locates where a "
            "value is divided by its scale and rounded once"
        )
    return found


def _agrees(reals: Reals, counts: NDArray[np.int64]) -> bool:
    """Whether as many values lost something in each channel as when the program was made."""
    kinds: tuple[tuple[Kind, list[int]], ...] = (
        ("clamping", [counting.LOW, counting.HIGH]),
        ("round-off", [counting.INEXACT]),
    )
    return all(
        np.array_equal(_per_channel(reals.survey(kind), counts.shape[1]), counts[columns].sum(axis=0))
        for kind, columns in kinds
    )


def _per_channel(found: Found, channels: int) -> NDArray[np.intp]:
    return np.bincount(found.channel, minlength=channels)
