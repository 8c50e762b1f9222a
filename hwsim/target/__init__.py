"""Targets: the description of one integer datapath, in a YAML file."""

from hwsim.target.explain import explain
from hwsim.target.find import load_target, shipped_targets
from hwsim.target.schema import json_schema
from hwsim.target.settings import Settings
from hwsim.target.target import Target

__all__ = ["Settings", "Target", "explain", "json_schema", "load_target", "shipped_targets"]
