"""The mean over a whole image, brought to a scale of its own."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Mean(Operation):
    """The mean of each channel over all rows and columns of (h, w, c).

    ``kept`` says that what was read keeps rows and columns of size 1: some runtimes then compute in another way.
    """

    kept: bool = False

    @property
    def kind(self) -> str:  # type: ignore[override]
        """``kept_mean`` or ``mean``."""
        return "kept_mean" if self.kept else "mean"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (1, 1, c)."""
        _, _, channels = inputs[0]
        return 1, 1, channels
