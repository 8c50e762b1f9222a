"""Techniques that rewrite the network and leave its real-valued function as it is, or say how much they change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hwsim.data import Block
from hwsim.improve.draft import Draft
from hwsim.network import Network
from hwsim.network.equalise import equalise as equalise_network
from hwsim.network.equalise import without_bounds
from hwsim.network.mac import Floats
from hwsim.network.rewrite import simplify
from hwsim.reference import run_network


def fold(draft: Draft) -> Draft:
    """Fold batch normalisations into the layers beside them; a network that was loaded folded stays as it is."""
    folded = simplify(draft.network)
    gone = len(draft.network.operations) - len(folded.operations)
    return _both(draft, folded).noted(f"batch normalisations folded: {gone} operations fewer")


def equalise(draft: Draft) -> Draft:
    """Equalise the ranges of weights across layers; the reference is equalised too, with the same outputs."""
    found = equalise_network(draft.network)
    scales = f", channels scaled by {1 / found.largest:.3g} to {1 / found.smallest:.3g}" if found.pairs else ""
    return _both(draft, found.network).noted(f"weights equalised across {len(found.pairs)} pairs of layers{scales}")


def unbound(draft: Draft) -> Draft:
    """Replace bounded ReLUs (ReLU6) by plain ones, of the reference too, and say what that does to its outputs."""
    free = without_bounds(draft.network)
    wanted, found = (_outputs(network, draft.samples) for network in (draft.reference, free))
    noise = sum(float(np.sum((one.astype(np.float64) - two) ** 2)) for one, two in zip(wanted, found, strict=True))
    signal = sum(float(np.sum(one.astype(np.float64) ** 2)) for one in wanted)
    effect = "does not change on calibration data"
    if noise:
        ratio = 10 * np.log10(signal / noise) if signal else -np.inf
        effect = f"is another network now: {ratio:.1f} dB SQNR from the model's on calibration data"
    return _both(draft, free).noted(f"bounds of ReLUs dropped: the float reference {effect}")


def _both(draft: Draft, network: Network) -> Draft:
    return replace(draft, network=network, reference=network)


def _outputs(network: Network, samples: Block) -> Sequence[Floats]:
    return list(run_network(network, samples, keep=network.outputs).values())
