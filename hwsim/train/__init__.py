"""Training for integer hardware with Keras: the kernel store, low-precision updates, fake quantisation, the engine.

Importing this room imports Keras and TensorFlow.
"""

from hwsim.train.fake import FakeQuantize
from hwsim.train.grid import Grid, grid_of, levels_of
from hwsim.train.updates import KahanUpdates, QuantizedUpdates

__all__ = ["FakeQuantize", "Grid", "KahanUpdates", "QuantizedUpdates", "grid_of", "levels_of"]
