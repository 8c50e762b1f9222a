"""An independent oracle: docs/arithmetic.md and docs/ledger.md in plain Python integers, slow and obvious.

It imports nothing of hwsim or its kernels, and was written without a look at the kernels.
"""
