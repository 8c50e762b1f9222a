"""The quantisation process around a run: what to know before it, what to ignore after it, and what to choose."""

from hwsim.process.attribution import Attribution, attribute
from hwsim.process.candidates import Candidate, candidates
from hwsim.process.characteristics import Characteristics, characteristics
from hwsim.process.explanation import Explanation, explain
from hwsim.process.negligible import Negligible, negligible
from hwsim.process.points import TruncationPoints, truncation_points
from hwsim.process.propose import Proposal, propose
from hwsim.process.storage import Storage, stored_bits
from hwsim.process.tolerance import Tolerance
from hwsim.process.trials import Criterion

__all__ = [
    "Attribution",
    "Candidate",
    "Characteristics",
    "Criterion",
    "Explanation",
    "Negligible",
    "Proposal",
    "Storage",
    "Tolerance",
    "TruncationPoints",
    "attribute",
    "candidates",
    "characteristics",
    "explain",
    "negligible",
    "propose",
    "stored_bits",
    "truncation_points",
]
