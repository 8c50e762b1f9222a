"""The quantisation process around a run: what to know before it, what to ignore after it, and what to choose."""

from hwsim.process.negligible import Criterion, Negligible, negligible

__all__ = ["Criterion", "Negligible", "negligible"]
