"""Trials: a changed program beside the one it was changed from, on the same samples, measured at the results."""

from hwsim.trial.bench import Bench
from hwsim.trial.figures import Figures, Outputs, compare
from hwsim.trial.finer import NotLiftedError
from hwsim.trial.ideal import Ideal, idealised
from hwsim.trial.lift import Lift, Part, Reach, apply_all, lifts

__all__ = [
    "Bench",
    "Figures",
    "Ideal",
    "Lift",
    "NotLiftedError",
    "Outputs",
    "Part",
    "Reach",
    "apply_all",
    "compare",
    "idealised",
    "lifts",
]
