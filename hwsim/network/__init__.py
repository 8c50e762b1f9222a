"""The imported model: a small graph of operations with float weights."""

from hwsim.network.activation import Activation, Prelu, Relu
from hwsim.network.constant import Constant
from hwsim.network.curve import Curve
from hwsim.network.embedding import Embedding
from hwsim.network.graph import Network
from hwsim.network.mac import Conv2D, Conv2DTranspose, Dense, ScaleShift, Weighted
from hwsim.network.mean import Mean
from hwsim.network.merge import Add, Concatenate, MatMul, Multiply, Subtract
from hwsim.network.normalize import Normalize
from hwsim.network.operation import Input, Operation, Shape
from hwsim.network.pooling import AveragePool, MaxPool
from hwsim.network.resize import Resize
from hwsim.network.shape import Crop, Pad, Rearrange, Reshape
from hwsim.network.softmax import Softmax

__all__ = [
    "Activation",
    "Add",
    "AveragePool",
    "Concatenate",
    "Constant",
    "Conv2D",
    "Conv2DTranspose",
    "Crop",
    "Curve",
    "Dense",
    "Embedding",
    "Input",
    "MatMul",
    "MaxPool",
    "Mean",
    "Multiply",
    "Network",
    "Normalize",
    "Operation",
    "Pad",
    "Prelu",
    "Rearrange",
    "Relu",
    "Reshape",
    "Resize",
    "ScaleShift",
    "Shape",
    "Softmax",
    "Subtract",
    "Weighted",
]
