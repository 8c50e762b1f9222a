"""Techniques that reduce the error of quantisation; each takes a draft of a network and returns a better one."""

from hwsim.improve.draft import Draft
from hwsim.improve.techniques import TECHNIQUES, Technique, improve

__all__ = ["TECHNIQUES", "Draft", "Technique", "improve"]
