"""Trials: a changed program beside the one it was changed from, on the same samples, measured at the results."""

from hwsim.trial.bench import Bench
from hwsim.trial.figures import Figures, Outputs, compare
from hwsim.trial.ideal import Alone, Ideal, idealised
from hwsim.trial.lift import Lift, NotLiftedError, Part, apply_all, lifts, refuse_narrow_sums

__all__ = [
    "Alone",
    "Bench",
    "Figures",
    "Ideal",
    "Lift",
    "NotLiftedError",
    "Outputs",
    "Part",
    "apply_all",
    "compare",
    "idealised",
    "lifts",
    "refuse_narrow_sums",
]
