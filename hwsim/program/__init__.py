"""The integer program: network, plan and target lowered to integers only."""

from hwsim.program.lower import lower
from hwsim.program.program import Program

__all__ = ["Program", "lower"]
