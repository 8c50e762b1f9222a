"""The float run of a network, operation by operation: what the integer run is measured against."""

from hwsim.reference.graph import run_network, walk
from hwsim.reference.operation import run_operation
from hwsim.reference.proof import prove_import

__all__ = ["prove_import", "run_network", "run_operation", "walk"]
