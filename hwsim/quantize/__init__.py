"""The process of quantisation: profile what a network's tensors hold, analyse it, decide their formats and scales."""

from hwsim.quantize.analyse import Analysis, Findings, analyse
from hwsim.quantize.decide import decide
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.quantize.profile import Profile, Statistics, collect, profile
from hwsim.quantize.weight_profile import WeightProfile, profile_weights

__all__ = [
    "Analysis",
    "Findings",
    "Plan",
    "Profile",
    "Statistics",
    "TensorPlan",
    "WeightPlan",
    "WeightProfile",
    "analyse",
    "collect",
    "decide",
    "profile",
    "profile_weights",
]
