"""Fast ways to the same integers. What they are to give is written in ``plain`` and ``steps``; tests hold them to it.

``features`` says what the machine offers. ``amx``, ``vnni`` and ``floats`` are micro-kernels of one signature;
``packing`` lays out weights for them once, ``operands`` the codes of a block, ``sums`` runs them over a block.
"""
