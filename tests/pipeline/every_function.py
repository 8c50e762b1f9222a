"""One small network that has all operations which read tables, move codes, or take two feature maps."""

from __future__ import annotations

import numpy as np
from pipeline.tiny import Json, Reals, dense, reals

from hwsim.network import (
    Activation,
    Add,
    Constant,
    Conv2D,
    Curve,
    Input,
    MatMul,
    Multiply,
    Network,
    Rearrange,
    Relu,
    Reshape,
    Resize,
    Subtract,
)

DATA: Reals = reals(6, 4, 4, 2, seed=9)

SECTIONS: Json = {
    "activation": {"slope": "apart"},
    "curve": {"hard_silu": "fixed"},
    "requantize": {"kind": "fixed", "forming": "float_ratio"},
}
"""What a target says of them; ``LINES`` has entries apart from each other."""

LINES: Json = {"curve": {"form": "interpolated", "index_bits": 4, "precision": 32}}


def function_network() -> Network:
    """Return the network; its input is ``image`` (4, 4, 2), its result ``logits`` (3,)."""
    turned = np.arange(32, dtype=np.int64).reshape(4, 4, 2).transpose(1, 0, 2)
    rows = np.pad(turned, ((0, 0), (0, 1), (0, 0)), constant_values=-1)
    return Network(
        name="functions",
        operations=(
            Input(name="image", shape=(4, 4, 2)),
            Conv2D(name="conv", inputs=("image",), kernel=reals(1, 1, 2, 2), bias=reals(2, seed=1)),
            Constant(name="shelf", inputs=("image",), values=reals(1, 1, 2, seed=2).astype(np.float64)),
            Subtract(name="less", inputs=("conv", "shelf"), activation=Relu(negative_slope=0.2)),
            Curve(name="gate", inputs=("less",), function="sigmoid"),
            Multiply(name="gated", inputs=("less", "gate")),
            Curve(name="hard", inputs=("gated",), function="hard_silu"),
            Activation(name="leaky", inputs=("hard",), function=Relu(negative_slope=0.3, max_value=2.0)),
            Rearrange(name="turned", inputs=("leaky",), index=np.ascontiguousarray(rows), fill=0.5),
            Resize(name="large", inputs=("turned",), size=(6, 3)),
            Add(name="more", inputs=("large", "shelf")),
            Reshape(name="rows", inputs=("more",), shape=(18, 2)),
            MatMul(name="product", inputs=("rows", "rows"), transpose=(True, False)),
            Activation(name="rescaled", inputs=("product",), function=None),
            Reshape(name="flat", inputs=("rescaled",), shape=(4,)),
            dense("logits", "flat", 4, 3, seed=4),
        ),
        outputs=("logits",),
    )
