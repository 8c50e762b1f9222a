"""Locate what was lost at a truncation point: which value, made of which operands, and a line of Python for it."""

from hwsim.location.locate import locate
from hwsim.location.location import Location, Locations, Operand

__all__ = ["Location", "Locations", "Operand", "locate"]
