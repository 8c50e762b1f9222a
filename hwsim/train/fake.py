"""The fake-quantisation layer: real values in, the real values that stored codes stand for out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from hwsim.formats import IntFormat, Rounding
from hwsim.loaders.framework import tensorflow
from hwsim.train.bases import KERAS, Layer, saved
from hwsim.train.grid import Grid, levels_of


@saved
class FakeQuantize(Layer):
    """Brings a tensor to the values that a ``Grid`` holds; the gradient passes straight through within its range.

    ``grid``: a Grid, or its config. The result is ``scale * (clip(round(x / scale) + zero_point) - zero_point)``,
    the quotient in float64, as the integer engine forms it. The gradient is 1 from the smallest to the largest value of
    the grid, both included, and 0 outside.

    ``trainable_scale``: the scales become weights that start from the grid's, with the gradients of LSQ (Esser et al.,
    2020, equation 3 and the factor 1 / sqrt(values per scale * largest code) of section 2.2). A grid with shifts has
    fixed scales.

    ``makes`` names the tensor of a network that the layer completes, "" where it is used on its own.
    """

    def __init__(
        self, grid: Grid | Mapping[str, Any], *, trainable_scale: bool = False, makes: str = "", **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        self.grid = grid if isinstance(grid, Grid) else Grid.from_config(grid)
        if trainable_scale and self.grid.shift:
            raise ValueError("the scales of a grid with shifts cannot be trained")
        self.trainable_scale = trainable_scale
        self.makes = makes
        self.supports_jit = False  # compiled float arithmetic may be reordered, and codes must not differ

    @classmethod
    def of(
        cls,
        bits: int = 8,
        *,
        scale: float | Sequence[float] = 1.0,
        zero_point: int | Sequence[int] = 0,
        signed: bool = True,
        narrow: bool = False,
        step: str = "uniform",
        rounding: Rounding | str = Rounding.HALF_EVEN,
    ) -> FakeQuantize:
        """Return a layer for a format: ``step`` is `uniform`, `quadratic` or `logarithmic` (see ``levels_of``).

        ``scale`` and ``zero_point`` are one number, or one for each channel of the last axis.
        """
        form = IntFormat(bits=bits, signed=signed, narrow=narrow)
        grid = Grid(
            minimum=form.minimum,
            maximum=form.maximum,
            scale=(float(scale),) if isinstance(scale, int | float) else tuple(map(float, scale)),
            zero_point=(zero_point,) if isinstance(zero_point, int) else tuple(zero_point),
            levels=levels_of(step, form),
            rounding=Rounding(rounding),
        )
        return cls(grid)

    def build(self, shape: Sequence[int | None]) -> None:
        """Make the scales weights, where they are to be trained."""
        if self.trainable_scale:
            initial = KERAS.initializers.Constant(list(self.grid.scale))
            self.scale = self.add_weight(shape=(len(self.grid.scale),), initializer=initial, name="scale")
            values = prod(size for size in shape[1:] if size is not None) / len(self.grid.scale)
            self.share = (values * max(int(self.grid.numbers.max()), 1)) ** -0.5
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Return the values that the grid holds for ``inputs`` (n, …)."""
        if not self.trainable_scale:
            return self.grid.fake(inputs)
        tf = tensorflow()
        scale = self._damped(tf.convert_to_tensor(self.scale))
        integers = self.grid.integers(self.grid.quotient(inputs, scale))
        return tf.cast(integers * tf.cast(scale, tf.float64), inputs.dtype)

    def _damped(self, scale: Any) -> Any:
        """Return the scales, whose gradient is multiplied by the layer's share."""
        share = self.share

        @tensorflow().custom_gradient  # type: ignore[untyped-decorator]
        def damped(values: Any) -> Any:
            def back(gradient: Any) -> Any:
                return gradient * share

            return tensorflow().identity(values), back

        return damped(scale)

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape of the input."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        kept = {"grid": self.grid.config(), "trainable_scale": self.trainable_scale, "makes": self.makes}
        return {**super().get_config(), **kept}
