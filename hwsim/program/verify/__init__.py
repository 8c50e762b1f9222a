"""Check a program that came from a file; an operation's check stands in the file named like its lowering."""

from hwsim.program.verify.program import verify

__all__ = ["verify"]
