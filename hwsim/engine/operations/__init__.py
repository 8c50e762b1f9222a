"""From each operation of a program to the kernels that compute it: a file for each kind, one table of them all.

Each function writes its result to ``out`` (n, …), where the type of stored codes is that of its format.
"""

from hwsim.engine.operations.table import RUN

__all__ = ["RUN"]
