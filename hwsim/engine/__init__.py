"""Run a program: codes in, codes and a ledger out."""

from hwsim.data import Data
from hwsim.engine.ledger import Counts, First, Ledger, Row
from hwsim.engine.parallel import Engine, threads
from hwsim.engine.run import Execution, execute

__all__ = ["Counts", "Data", "Engine", "Execution", "First", "Ledger", "Row", "execute", "threads"]
