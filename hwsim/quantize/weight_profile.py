"""What the weights of a network are like: per layer, per output channel, per input and output channel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import HwsimError
from hwsim.loaders import load
from hwsim.network import Network, Weighted
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.profile import Statistics
from hwsim.quantize.shown import OUTLYING, QUANTILES, frame, html, summary

if TYPE_CHECKING:
    import keras
    import pandas as pd

By = Literal["layer", "output_channel", "full_channel"]


@dataclass(frozen=True)
class WeightProfile:
    """The weights of every layer that has some, output channels on the last axis; batch normalisations are folded."""

    kernels: dict[str, NDArray[np.float32]]

    @cached_property
    def layers(self) -> dict[str, Statistics]:
        """The statistics of each layer's weights; its channels are output channels."""
        return {name: _statistics(kernel) for name, kernel in self.kernels.items()}

    def __str__(self) -> str:
        return summary(list(self.layers.items()))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table with a small histogram for each layer."""
        return html(list(self.layers.items()))

    def to_frame(self, by: By = "layer") -> pd.DataFrame:
        """Return one row for each layer, each output channel, or each pair of input and output channel.

        Quantiles of layers are right to less than 1 %, those of channels are weights themselves. Raises HwsimError for
        another word.
        """
        import pandas as pd

        if by == "layer":
            return frame(list(self.layers.items()))
        if by not in ("output_channel", "full_channel"):
            raise HwsimError(f"weights are told by layer, output_channel or full_channel, not by {by!r}")
        parts = [_channels(name, kernel, by) for name, kernel in self.kernels.items()]
        return pd.concat(parts, ignore_index=True)


def profile_weights(model: keras.Model | Network | str | Path) -> WeightProfile:
    """Return what the weights of a model are like; model: as ``hwsim.run`` takes it.

    Raises ModelError and UnsupportedError for what cannot be read.
    """
    network = load(model)
    return WeightProfile({one.tensor: kernel_of(one) for one in network.operations if isinstance(one, Weighted)})


def _statistics(kernel: NDArray[np.float32]) -> Statistics:
    found = Statistics()
    found.add(kernel.reshape(1, -1, kernel.shape[-1]))
    return found


def _channels(name: str, kernel: NDArray[np.float32], by: By) -> pd.DataFrame:
    """Return the figures of each channel of a layer."""
    import pandas as pd

    inputs = kernel.shape[-2] if kernel.ndim > 1 and by == "full_channel" else 1
    values = kernel.reshape(-1, inputs, kernel.shape[-1]).astype(np.float64)
    numbers = np.indices((inputs, kernel.shape[-1]))
    columns = {"layer": name, **({"input": numbers[0].ravel()} if by == "full_channel" else {})}
    means, deviations = values.mean(axis=0), values.std(axis=0)
    quantiles = np.quantile(values, QUANTILES, axis=0, method="inverted_cdf")
    figures = {
        "values": np.full(means.shape, values.shape[0]),
        "minimum": values.min(axis=0),
        "maximum": values.max(axis=0),
        "mean": means,
        "deviation": deviations,
        "zeros": (values == 0).mean(axis=0),
        "outliers": (np.abs(values - means) > OUTLYING * deviations).mean(axis=0),
        **{f"quantile_{share:g}": row for share, row in zip(QUANTILES, quantiles, strict=True)},
    }
    return pd.DataFrame(
        {**columns, "output": numbers[1].ravel(), **{title: array.ravel() for title, array in figures.items()}}
    )
