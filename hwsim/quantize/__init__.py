"""The process of quantisation: profile what a network's tensors hold, decide their formats and scales."""

from hwsim.quantize.decide import decide
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.quantize.profile import Profile, Statistics, profile

__all__ = ["Plan", "Profile", "Statistics", "TensorPlan", "WeightPlan", "decide", "profile"]
