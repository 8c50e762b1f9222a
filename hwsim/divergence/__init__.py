"""Where two sets of tensors part first, and why: a device's dump beside ours, or two runs.

The room is not called `diff`, since `hwsim.diff` is its function.
"""

from hwsim.divergence.case import Cause
from hwsim.divergence.compare import diff
from hwsim.divergence.result import Compared, Diff, Place

__all__ = ["Cause", "Compared", "Diff", "Place", "diff"]
