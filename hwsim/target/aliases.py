"""Words of other tools, for hints only: the same word can mean another rule, so none is ever accepted.

Sources: the AMD ap_fixed and Siemens ac_fixed manuals (TRN, RND, SAT, ...), APyTypes (TO_NEG, TIES_EVEN),
QONNX (whose HALF_UP is *our* half_away), MATLAB Fixed-Point Designer, RISC-V vector (rnu, rne, rdn, rod),
Ethos-U.
"""

from __future__ import annotations

import re

_ROUNDING = {
    "trn": ("floor", "ap_fixed, ac_fixed, APyTypes"),
    "to_neg": ("floor", "APyTypes"),
    "rdn": ("floor", "RISC-V"),
    "truncate": ("toward_zero (or floor, where a right shift is meant)", "C, Ethos-U"),
    "trunc": ("toward_zero (or floor, where a right shift is meant)", "C"),
    "trn_zero": ("toward_zero", "ap_fixed, ac_fixed, APyTypes"),
    "to_zero": ("toward_zero", "APyTypes"),
    "zero": ("toward_zero", "MATLAB"),
    "down": ("toward_zero", "QONNX"),
    "trn_inf": ("ceil", "APyTypes"),
    "to_pos": ("ceil", "APyTypes"),
    "ceiling": ("ceil", "MATLAB"),
    "trn_away": ("away_from_zero", "APyTypes"),
    "up": ("away_from_zero", "QONNX"),
    "trn_mag": ("magnitude", "APyTypes"),
    "rnd": ("half_up", "ap_fixed, ac_fixed, APyTypes"),
    "ties_pos": ("half_up", "APyTypes"),
    "rnu": ("half_up", "RISC-V"),
    "natural": ("half_up", "Ethos-U"),
    "upward": ("half_up", "TVM"),
    "nearest": ("half_up (MATLAB) or half_even (IEEE 754)", "several tools"),
    "rnd_min_inf": ("half_down", "ap_fixed, ac_fixed, APyTypes"),
    "ties_neg": ("half_down", "APyTypes"),
    "rnd_zero": ("half_toward_zero", "ap_fixed, ac_fixed, APyTypes"),
    "ties_zero": ("half_toward_zero", "APyTypes"),
    "rnd_inf": ("half_away", "ap_fixed, ac_fixed, APyTypes"),
    "ties_away": ("half_away", "APyTypes"),
    "round": ("half_away (C, MATLAB) or half_even (QONNX, NumPy)", "several tools"),
    "rnd_conv": ("half_even", "ap_fixed, ac_fixed, APyTypes"),
    "ties_even": ("half_even", "APyTypes"),
    "convergent": ("half_even", "MATLAB"),
    "rne": ("half_even", "RISC-V, IEEE 754"),
    "rint": ("half_even", "C"),
    "rnd_conv_odd": ("half_odd", "ac_fixed, APyTypes"),
    "ties_odd": ("half_odd", "APyTypes"),
    "rod": ("jam_unbiased", "RISC-V"),
    "stochastic": ("stochastic_weighted or stochastic_equal", "several tools"),
    "stoch_weighted": ("stochastic_weighted", "APyTypes"),
    "stoch_equal": ("stochastic_equal", "APyTypes"),
}

_OVERFLOW = {
    "sat": ("saturate", "ap_fixed, ac_fixed, APyTypes"),
    "clip": ("saturate", "several tools"),
    "clamp": ("saturate", "several tools"),
    "sat_zero": ("saturate_zero", "ap_fixed, ac_fixed"),
    "sat_sym": ("saturate_symmetric", "ap_fixed, ac_fixed"),
    "wrap_sm": ("wrap_sign_magnitude", "ap_fixed"),
    "two_complement": ("wrap", "several tools"),
    "modulo": ("wrap", "several tools"),
}

_GRANULARITY = {
    "per_tensor": ("layer", "TensorFlow Lite"),
    "per_layer": ("layer", "several tools"),
    "tensor": ("layer", "several tools"),
    "per_channel": ("output_channel", "TensorFlow Lite"),
    "per_axis": ("output_channel", "TensorFlow Lite"),
    "channel": ("output_channel", "several tools"),
}

_KIND = {
    "double": ("fixed_double", "TensorFlow Lite"),
    "tflite": ("fixed_double", "TensorFlow Lite"),
    "single": ("fixed", "TensorFlow Lite"),
    "float": ("float32 or float64", "several tools"),
    "shift": ("power_of_two", "several tools"),
}

HINTS = {"rounding": _ROUNDING, "overflow": _OVERFLOW, "granularity": _GRANULARITY, "kind": _KIND}

_TWO_MEANINGS = {
    "HALF_UP": "half_up (ties to plus infinity)? HALF_UP of QONNX, Java and Python's decimal is half_away",
    "ROUND_HALF_UP": "half_up (ties to plus infinity)? ROUND_HALF_UP of Python's decimal is half_away",
    "HALF_DOWN": "half_down (ties to minus infinity)? HALF_DOWN of QONNX and Java is half_toward_zero",
    "ROUND_HALF_DOWN": "half_down (ties to minus infinity)? Python's decimal means half_toward_zero",
}


def hint(key: str, word: str) -> str:
    """Return what another tool's ``word`` for ``key`` is called here, as the end of a sentence, or nothing.

    >>> hint("rounding", "AP_RND_CONV")
    'RND_CONV (ap_fixed, ac_fixed, APyTypes) is half_even here'
    """
    if key == "rounding" and word in _TWO_MEANINGS:
        return f"did you mean {_TWO_MEANINGS[word]}"
    plain = re.sub(r"^(AP|AC|ROUND|DPU)_(?=.)", "", re.sub(r"[\s-]+", "_", word.strip()).upper())
    if plain.lower() not in HINTS.get(key, {}):
        return ""
    ours, tools = HINTS[key][plain.lower()]
    return f"{plain} ({tools}) is {ours} here"
