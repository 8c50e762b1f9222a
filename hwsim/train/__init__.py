"""Training for integer hardware with Keras: the kernel store, low-precision updates, fake quantisation, the engine.

Importing this room imports Keras and TensorFlow.
"""

from hwsim.train.agreement import Agreement, LayerAgreement, agree
from hwsim.train.build import fake_quantize, keras_model
from hwsim.train.datapath import DatapathModel, network_of, program_of, through
from hwsim.train.fake import FakeQuantize
from hwsim.train.grid import Grid, grid_of, levels_of
from hwsim.train.store import Store, StoredLayer, StoreReport, store_weights
from hwsim.train.updates import KahanUpdates, QuantizedUpdates

__all__ = [
    "Agreement",
    "DatapathModel",
    "FakeQuantize",
    "Grid",
    "KahanUpdates",
    "LayerAgreement",
    "QuantizedUpdates",
    "Store",
    "StoreReport",
    "StoredLayer",
    "agree",
    "fake_quantize",
    "grid_of",
    "keras_model",
    "levels_of",
    "network_of",
    "program_of",
    "store_weights",
    "through",
]
