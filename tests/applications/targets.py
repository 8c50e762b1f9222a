"""The targets on which every network runs."""

from __future__ import annotations

import hwsim

NAMES = ("generic-int8", "edge-npu-acc20")
"""The default, and one whose accumulators are tight."""


def sixteen_bits() -> hwsim.Target:
    """Return ``generic-int16`` with weights of 16 bits, too.

    Its 8-bit weights alone keep a layer of normal weights near 40 dB: the largest of some thousand of them lies at four
    standard deviations s, so that a step is 4 s / 127, whose square is 12 * 1000 times s^2.
    """
    given = hwsim.load_target("generic-int16").model_dump(mode="json", exclude_unset=True)
    wider = {"name": "int16-weights", "weights": {**given["weights"], "bits": 16}}
    return hwsim.Target.from_dict({**given, **wider})
