"""Trials: a changed program beside the one it was changed from, on the same samples, measured at the results."""

from hwsim.trial.bench import Bench
from hwsim.trial.figures import Figures, Outputs, compare
from hwsim.trial.lift import Lift, NotLiftedError, apply_all, lifts, refuse_narrow_sums

__all__ = [
    "Bench",
    "Figures",
    "Lift",
    "NotLiftedError",
    "Outputs",
    "apply_all",
    "compare",
    "lifts",
    "refuse_narrow_sums",
]
