"""The imported model: a small graph of operations with float weights."""

from hwsim.network.activation import Activation, Relu
from hwsim.network.graph import Network
from hwsim.network.mac import Conv2D, Conv2DTranspose, Dense, ScaleShift, Weighted
from hwsim.network.mean import Mean
from hwsim.network.merge import Add, Concatenate, Multiply
from hwsim.network.operation import Input, Operation, Shape
from hwsim.network.pooling import AveragePool, MaxPool
from hwsim.network.shape import Crop, Pad, Reshape
from hwsim.network.softmax import Softmax

__all__ = [
    "Activation",
    "Add",
    "AveragePool",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "Crop",
    "Dense",
    "Input",
    "MaxPool",
    "Mean",
    "Multiply",
    "Network",
    "Operation",
    "Pad",
    "Relu",
    "Reshape",
    "ScaleShift",
    "Shape",
    "Softmax",
    "Weighted",
]
