"""Activation functions of one real number, other than ReLU and its relatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hwsim.network.operation import Operation, Shape

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve(Operation):
    """``function``, a name in `CURVES`, of each value; ``parameters`` follow the value in its arguments."""

    kind: ClassVar[str] = "curve"
    function: str
    parameters: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a function that there is not, or another number of parameters than it takes."""
        if self.function not in CURVES:
            raise ValueError(f"{self.name}: no such function as {self.function!r}; there are {', '.join(CURVES)}")
        try:
            self.real(np.zeros(1))
        except TypeError:
            given = len(self.parameters)
            raise ValueError(f"{self.name}: {self.function} does not take {given} parameters") from None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input."""
        return inputs[0]

    def real(self, values: Doubles) -> Doubles:
        """Return the function of real values in float64; not finite where it has no value or too large a one."""
        with np.errstate(all="ignore"):
            return np.asarray(CURVES[self.function](values, *self.parameters), np.float64)

    def single(self, values: Doubles) -> Doubles:
        """Return the function of float32 values as float32 has it: every operation rounded where ``SINGLES`` says so.

        All others are computed in float64 and rounded once.
        """
        with np.errstate(all="ignore"):
            if self.function in SINGLES:
                return SINGLES[self.function](values.astype(np.float32), *self.parameters).astype(np.float64)
            return self.real(values).astype(np.float32).astype(np.float64)


def _sigmoid(x: Doubles) -> Doubles:
    return np.asarray(special.expit(x))


def _sigmoid_single(x: Singles) -> Singles:
    """TensorFlow Lite, kernels/activations.cc, ``SigmoidPrepare``; the exponential function rounded once."""
    power = np.exp(-x.astype(np.float64)).astype(np.float32)
    return np.asarray(np.float32(1) / (np.float32(1) + power), np.float32)


def _hard_sigmoid(x: Doubles) -> Doubles:
    return np.asarray(np.clip(x / 6 + 0.5, 0, 1), np.float64)


def _softplus(x: Doubles) -> Doubles:
    return np.logaddexp(x, 0)


def _elu(x: Doubles, alpha: float) -> Doubles:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Doubles, alpha: float) -> Doubles:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def _leaky_relu(x: Doubles, slope: float) -> Doubles:
    return np.where(x >= 0, x, slope * x)


def _leaky_relu_single(x: Singles, slope: float) -> Singles:
    """ONNX Runtime, contrib_ops/cpu/quantization/qlinear_activations.cc, ``QLinearLeakyRelu``."""
    return np.where(x >= 0, x, np.float32(slope) * x)


def _gelu(x: Doubles) -> Doubles:
    return np.asarray(0.5 * x * special.erfc(-x / np.sqrt(2)))


def _gelu_tanh(x: Doubles) -> Doubles:
    return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


def _gelu_single(x: Singles) -> Singles:
    """TensorFlow Lite, internal/reference/gelu.h, ``GeluTransform``; the complementary error function rounded once."""
    tail = special.erfc((x * np.float32(-np.sqrt(0.5))).astype(np.float64)).astype(np.float32)
    return np.asarray(np.float32(0.5) * x * tail, np.float32)


def _gelu_tanh_single(x: Singles) -> Singles:
    """The same, ``GeluTransformApproximate``."""
    factor = np.float32(2 / np.sqrt(np.pi)) * np.float32(np.sqrt(0.5))
    inner = factor * (x + np.float32(0.044715) * x * x * x)
    bent = np.tanh(inner.astype(np.float64)).astype(np.float32)
    return np.asarray(np.float32(0.5) * x * (np.float32(1) + bent), np.float32)


def _soft_shrink(x: Doubles, threshold: float) -> Doubles:
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)


def _sparse_plus(x: Doubles) -> Doubles:
    return np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x))


def _threshold(x: Doubles, threshold: float, default: float) -> Doubles:
    return np.asarray(np.where(x > threshold, x, default))


def _hard_shrink(x: Doubles, threshold: float) -> Doubles:
    return np.asarray(np.where(np.abs(x) > threshold, x, 0), np.float64)


def _hard_silu(x: Doubles) -> Doubles:
    return np.asarray(x * _hard_sigmoid(x), np.float64)


def _hard_tanh(x: Doubles) -> Doubles:
    return np.asarray(np.clip(x, -1, 1), np.float64)


def _log_sigmoid(x: Doubles) -> Doubles:
    return np.asarray(-_softplus(-x), np.float64)


def _mish(x: Doubles) -> Doubles:
    return np.asarray(x * np.tanh(_softplus(x)), np.float64)


def _rsqrt(x: Doubles) -> Doubles:
    return np.asarray(1 / np.sqrt(x), np.float64)


def _selu(x: Doubles) -> Doubles:
    return np.asarray(SELU[0] * _elu(x, SELU[1]), np.float64)


def _silu(x: Doubles) -> Doubles:
    return np.asarray(x * _sigmoid(x), np.float64)


def _softsign(x: Doubles) -> Doubles:
    return np.asarray(x / (1 + np.abs(x)), np.float64)


def _sparse_sigmoid(x: Doubles) -> Doubles:
    return np.asarray(np.clip((x + 1) / 2, 0, 1), np.float64)


def _squareplus(x: Doubles, b: float) -> Doubles:
    return np.asarray((x + np.sqrt(x * x + b)) / 2, np.float64)


def _tanh_shrink(x: Doubles) -> Doubles:
    return np.asarray(x - np.tanh(x), np.float64)


SELU = 1.0507009873554805, 1.6732632423543772
"""Scale and alpha of Klambauer et al., Self-Normalizing Neural Networks, 2017."""

CURVES: Mapping[str, Callable[..., Doubles]] = {
    "abs": np.abs,
    "celu": _celu,
    "cos": np.cos,
    "elu": _elu,
    "exp": np.exp,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_shrink": _hard_shrink,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_tanh": _hard_tanh,
    "leaky_relu": _leaky_relu,
    "log": np.log,
    "log_sigmoid": _log_sigmoid,
    "mish": _mish,
    "negative": np.negative,
    "rsqrt": _rsqrt,
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "sin": np.sin,
    "soft_shrink": _soft_shrink,
    "softplus": _softplus,
    "softsign": _softsign,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "sqrt": np.sqrt,
    "square": np.square,
    "squareplus": _squareplus,
    "tanh": np.tanh,
    "tanh_shrink": _tanh_shrink,
    "threshold": _threshold,
}
"""Real functions by name; `keras.activations` has most of them under the same."""

SINGLES: Mapping[str, Callable[..., Singles]] = {
    "sigmoid": _sigmoid_single,
    "gelu": _gelu_single,
    "gelu_tanh": _gelu_tanh_single,
    "leaky_relu": _leaky_relu_single,
}
"""Functions that runtimes compute in float32, operation by operation."""
