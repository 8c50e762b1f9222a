"""The plan that a quantised model file brings with it."""

from __future__ import annotations

from hwsim.errors import PlanError
from hwsim.network import Network
from hwsim.network.stored import Codes
from hwsim.quantize.plan import LARGEST_SCALE, SMALLEST_SCALE, Plan, TensorPlan, WeightPlan
from hwsim.target import Target


def stored_plan(network: Network, target: Target) -> Plan:
    """Return the plan of a network with the scales and zero points that its file holds.

    Raises PlanError for a network that came from no quantised file, and for scales that no plan can hold.
    """
    stored = network.stored
    if stored is None:
        raise PlanError(f"the network {network.name!r} came from no quantised file, so it has no scales of its own")
    return Plan(
        network=network.name,
        target=target.name,
        tensors={name: _tensor(name, codes) for name, codes in stored.tensors.items()},
        weights={name: _weights(name, codes) for name, codes in stored.weights.items()},
    )


def _tensor(name: str, codes: Codes) -> TensorPlan:
    form = _possible(name, codes).format
    return TensorPlan(bits=form.bits, signed=form.signed, scale=codes.scale[0], zero_point=codes.zero_point[0])


def _weights(name: str, codes: Codes) -> WeightPlan:
    form = _possible(name, codes).format
    return WeightPlan(bits=form.bits, signed=form.signed, scale=codes.scale, zero_point=codes.zero_point)


def _possible(name: str, codes: Codes) -> Codes:
    for scale in codes.scale:
        if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
            raise PlanError(
                f"{name}: the file gives it the scale {scale:.3g}, a scale is from {SMALLEST_SCALE:.2g} to "
                f"{LARGEST_SCALE:.2g}; converters write such scales where calibration saw zeros alone"
            )
    return codes
