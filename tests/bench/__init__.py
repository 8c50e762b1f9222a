"""The benchmarks: our times beside other tools' on the same machine, and the goals. ``python tests/bench/run.py``.

``table.py`` lists the rows; a file per topic measures them; ``ours.py`` holds every call into what is measured.
"""
