"""The names that other tools give to our rounding and overflow modes.

The same word can mean another rule elsewhere, so a name is accepted only with its tool: `qonnx:HALF_UP`.
Outside systems vouch for the table: see `tests/judges`.
"""

from __future__ import annotations

from collections.abc import Mapping

_ROUNDING = {
    # AMD Vitis HLS, arbitrary precision types
    "ap_fixed": {
        "AP_TRN": "floor",
        "AP_TRN_ZERO": "toward_zero",
        "AP_RND": "half_up",
        "AP_RND_ZERO": "half_toward_zero",
        "AP_RND_MIN_INF": "half_down",
        "AP_RND_INF": "half_away",
        "AP_RND_CONV": "half_even",
    },
    # Siemens Algorithmic C
    "ac_fixed": {
        "AC_TRN": "floor",
        "AC_TRN_ZERO": "toward_zero",
        "AC_RND": "half_up",
        "AC_RND_ZERO": "half_toward_zero",
        "AC_RND_MIN_INF": "half_down",
        "AC_RND_INF": "half_away",
        "AC_RND_CONV": "half_even",
        "AC_RND_CONV_ODD": "half_odd",
    },
    "apytypes": {
        "TRN": "floor",
        "TO_NEG": "floor",
        "TRN_INF": "ceil",
        "TO_POS": "ceil",
        "TRN_ZERO": "toward_zero",
        "TO_ZERO": "toward_zero",
        "TRN_AWAY": "away_from_zero",
        "TO_AWAY": "away_from_zero",
        "TRN_MAG": "magnitude",
        "RND": "half_up",
        "TIES_POS": "half_up",
        "RND_MIN_INF": "half_down",
        "TIES_NEG": "half_down",
        "RND_ZERO": "half_toward_zero",
        "TIES_ZERO": "half_toward_zero",
        "RND_INF": "half_away",
        "TIES_AWAY": "half_away",
        "RND_CONV": "half_even",
        "TIES_EVEN": "half_even",
        "RND_CONV_ODD": "half_odd",
        "TIES_ODD": "half_odd",
        "JAM": "jam",
        "JAM_UNBIASED": "jam_unbiased",
        "STOCH_WEIGHTED": "stochastic_weighted",
        "STOCH_EQUAL": "stochastic_equal",
    },
    "qonnx": {
        "FLOOR": "floor",
        "CEIL": "ceil",
        "DOWN": "toward_zero",
        "UP": "away_from_zero",
        "HALF_DOWN": "half_toward_zero",
        "HALF_UP": "half_away",
        "HALF_EVEN": "half_even",
        "ROUND": "half_even",
    },
    # operators
    "onnx": {"Floor": "floor", "Ceil": "ceil", "Round": "half_even"},
    # functions
    "numpy": {
        "floor": "floor",
        "ceil": "ceil",
        "trunc": "toward_zero",
        "fix": "toward_zero",
        "round": "half_even",
        "rint": "half_even",
    },
    # functions, of `math` too
    "python": {"floor": "floor", "ceil": "ceil", "trunc": "toward_zero", "int": "toward_zero", "round": "half_even"},
    # Python's module
    "decimal": {
        "ROUND_FLOOR": "floor",
        "ROUND_CEILING": "ceil",
        "ROUND_DOWN": "toward_zero",
        "ROUND_UP": "away_from_zero",
        "ROUND_HALF_DOWN": "half_toward_zero",
        "ROUND_HALF_UP": "half_away",
        "ROUND_HALF_EVEN": "half_even",
    },
    # functions of math.h, in the default rounding direction
    "c": {
        "floor": "floor",
        "ceil": "ceil",
        "trunc": "toward_zero",
        "round": "half_away",
        "rint": "half_even",
        "nearbyint": "half_even",
    },
    # java.math.RoundingMode
    "java": {
        "FLOOR": "floor",
        "CEILING": "ceil",
        "DOWN": "toward_zero",
        "UP": "away_from_zero",
        "HALF_DOWN": "half_toward_zero",
        "HALF_UP": "half_away",
        "HALF_EVEN": "half_even",
    },
    # RoundingMethod of Fixed-Point Designer's fimath; its function for Zero is fix
    "matlab": {
        "Floor": "floor",
        "Ceiling": "ceil",
        "Zero": "toward_zero",
        "Fix": "toward_zero",
        "Nearest": "half_up",
        "Round": "half_away",
        "Convergent": "half_even",
    },
    # round_mode of tf.quantization
    "tensorflow": {"HALF_UP": "half_up", "HALF_AWAY_FROM_ZERO": "half_away", "HALF_TO_EVEN": "half_even"},
    # rounding of qnn.requantize
    "tvm": {"UPWARD": "half_up", "TONEAREST": "half_away"},
    # RoundingPolicy
    "ppq": {
        "ROUND_DOWN": "floor",
        "ROUND_UP": "ceil",
        "ROUND_HALF_UP": "half_up",
        "ROUND_HALF_DOWN": "half_down",
        "ROUND_HALF_TOWARDS_ZERO": "half_toward_zero",
        "ROUND_HALF_FAR_FORM_ZERO": "half_away",
        "ROUND_HALF_EVEN": "half_even",
    },
    # RoundMode of the Vitis AI quantizer, and what the DPU does
    "vitis": {
        "FLOOR": "floor",
        "HALF_UP": "half_up",
        "DPU_ROUND": "half_up",
        "HALF_AWAY": "half_away",
        "HALF_TO_EVEN": "half_even",
    },
    # Vela's rounding modes of Arm Ethos-U55 and U65
    "ethos_u": {"TRUNCATE": "toward_zero", "NATURAL": "half_up"},
    # vxrm of the vector extension, frm of the floating-point one
    "riscv": {
        "rdn": "floor",
        "rup": "ceil",
        "rtz": "toward_zero",
        "rnu": "half_up",
        "rmm": "half_away",
        "rne": "half_even",
        "rod": "jam_unbiased",
    },
}

_OVERFLOW = {
    "ap_fixed": {
        "AP_WRAP": "wrap",
        "AP_WRAP_SM": "wrap_sign_magnitude",
        "AP_SAT": "saturate",
        "AP_SAT_SYM": "saturate_symmetric",
        "AP_SAT_ZERO": "saturate_zero",
    },
    "ac_fixed": {
        "AC_WRAP": "wrap",
        "AC_SAT": "saturate",
        "AC_SAT_SYM": "saturate_symmetric",
        "AC_SAT_ZERO": "saturate_zero",
    },
    "apytypes": {"WRAP": "wrap", "SAT": "saturate"},
    "matlab": {"Wrap": "wrap", "Saturate": "saturate"},
}

NAMES: Mapping[str, Mapping[str, Mapping[str, str]]] = {"rounding": _ROUNDING, "overflow": _OVERFLOW}
"""Key of a target file -> tool -> the tool's own name -> our mode."""

NOT_ONE_MODE: Mapping[str, str] = {
    "apytypes:NUMERIC_STD": "wrap with saturated_bits: 1",
    "ethos_u:TFL": "two roundings, those of requantize: {kind: fixed_double}",
    "decimal:ROUND_05UP": "no mode here",
    "ppq:ROUND_TO_NEAR_INT": "no mode here; PPQ itself does not define it for tensors",
}
"""Names that no single mode stands for, and what they are instead."""


def spells(name: str, word: str) -> bool:
    """Whether ``word`` is a tool's ``name``, in any case and with or without its AP_ or AC_.

    >>> spells("AP_RND", "rnd"), spells("AP_RND", "AC_RND")
    (True, False)
    """
    return word.upper() in (name.upper(), name.upper().removeprefix("AP_").removeprefix("AC_"))


def ours(key: str, qualified: object) -> str | None:
    """Return our mode for a name that is qualified by its tool, or None if it is not in the table.

    >>> ours("rounding", "qonnx:HALF_UP"), ours("overflow", "ap_fixed:SAT"), ours("rounding", "HALF_UP")
    ('half_away', 'saturate', None)
    """
    tool, _, word = qualified.partition(":") if isinstance(qualified, str) else ("", "", "")
    names = NAMES[key].get(tool.lower(), {})
    return next((mode for name, mode in names.items() if spells(name, word)), None)
