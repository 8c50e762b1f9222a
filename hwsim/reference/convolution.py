"""Convolutions in groups by TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hwsim.loaders.framework import tensorflow
from hwsim.network import Conv2D
from hwsim.network.operation import Sides
from hwsim.reference.padding import NONE, explicit

Pair = tuple[int, int]


@dataclass(frozen=True)
class Convolution:
    """How windows move over (n, h, w, c); ``channels`` are those of one group."""

    strides: Pair
    dilation: Pair
    padding: Sides
    groups: int
    channels: int

    @classmethod
    def of(cls, conv: Conv2D) -> Convolution:
        """Return that of an operation."""
        return cls(conv.strides, conv.dilation, conv.padding, conv.groups, conv.kernel.shape[2])

    def sums(self, values: Any, kernel: Any) -> Any:
        """Return the sums of products (n, oh, ow, o) with a kernel (kh, kw, c / groups, o)."""
        # TensorFlow's own grouped convolution runs on GPUs only, hence one convolution for each group.
        tf = tensorflow()
        # TensorFlow 2.21 with oneDNN gives wrong sums of one channel where strides differ and one column comes of it.
        every = self.strides[1] if self.channels == 1 and self.strides[0] != self.strides[1] else 1
        moves = (self.strides[0], self.strides[1] // every)
        # TensorFlow multiplies matrices where a convolution is of 1 x 1 and its padding a word
        padding = "VALID" if self.padding == NONE else explicit(self.padding)
        inputs, kernels = (
            [one] if self.groups == 1 else tf.split(one, self.groups, axis=3) for one in (values, kernel)
        )
        sums = [
            tf.nn.conv2d(part, filters, moves, padding, dilations=self.dilation)
            for part, filters in zip(inputs, kernels, strict=True)
        ]
        whole = sums[0] if self.groups == 1 else tf.concat(sums, axis=3)
        # a slice of everything would keep TensorFlow from adding the bias while it stores the sums
        return whole if every == 1 else whole[:, :, ::every]
