"""FakeQuantize against TensorFlow's own operations, plain Python integers and the kernels' rounding."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from hwsim.formats import IntFormat, Rounding
from hwsim.train import FakeQuantize, Grid, levels_of
from oracle.rounding import rounded_fraction

FAKE: Any = tf.quantization
STEADY = [mode for mode in Rounding if not mode.stochastic]
TIES = np.arange(-24, 25, dtype=np.float32) / 4


def with_gradient(layer: Callable[[Any], Any], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's result and the gradient of its sum."""
    given = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(given)
        result = layer(given)
        total = tf.reduce_sum(result * tf.reshape(tf.range(1.0, 1.0 + tf.size(given, tf.float32)), given.shape))
    return result.numpy(), np.asarray(tape.gradient(total, given))


@pytest.mark.parametrize("mode", STEADY)
def test_every_rounding_mode(mode: Rounding) -> None:
    layer = FakeQuantize.of(4, scale=0.5, zero_point=3, rounding=mode)
    expected = [
        min(max(rounded_fraction(Fraction(float(x)) / Fraction(1, 2), str(mode)).value + 3, -8), 7) - 3 for x in TIES
    ]
    assert (layer(TIES).numpy() == np.float32(0.5) * np.asarray(expected, np.float32)).all()


def test_a_value_just_off_a_tie_is_none() -> None:
    off = np.nextafter(np.asarray([-0.5, 0.5], np.float32), np.float32(0))
    for mode in (Rounding.HALF_AWAY, Rounding.HALF_ODD, Rounding.HALF_TOWARD_ZERO):
        assert (FakeQuantize.of(4, rounding=mode)(off).numpy() == 0).all()


@pytest.mark.parametrize(("low", "high", "bits", "narrow"), [(-4.0, 3.96875, 8, False), (0.0, 15.0, 4, False)])
def test_tensorflow_has_the_same_values_and_gradients(low: float, high: float, bits: int, narrow: bool) -> None:
    scale = (high - low) / (2**bits - 1)
    point = round(-low / scale)
    layer = FakeQuantize.of(bits, scale=scale, zero_point=point, signed=False, rounding="half_up")
    values = np.concatenate([np.linspace(low - 1, high + 1, 501), [low, high]]).astype(np.float32)
    ours, slope = with_gradient(layer, values)
    judge, judged = with_gradient(
        partial(FAKE.fake_quant_with_min_max_args, min=low, max=high, num_bits=bits, narrow_range=narrow), values
    )
    assert (ours == judge).all()
    assert (slope == judged).all()


def test_tensorflow_has_the_same_narrow_range() -> None:
    layer = FakeQuantize.of(8, scale=2**-5, narrow=True, rounding="half_up")
    values = np.linspace(-5, 5, 333).astype(np.float32)
    ours, slope = with_gradient(layer, values)
    judge, judged = with_gradient(
        partial(FAKE.fake_quant_with_min_max_vars, min=-127 / 32, max=127 / 32, narrow_range=True), values
    )
    assert (ours == judge).all()
    assert (slope == judged).all()


def test_tensorflow_has_the_same_channels() -> None:
    scales = np.asarray([2.0**-6, 2.0**-4, 2.0**-3])
    layer = FakeQuantize.of(6, scale=scales.tolist(), zero_point=[32, 32, 32], signed=False, rounding="half_up")
    values = np.random.default_rng(0).normal(0, 2, (40, 3)).astype(np.float32)
    ours, slope = with_gradient(layer, values)
    low, high = (np.float32(end * scales) for end in (-32, 31))
    judge, judged = with_gradient(
        partial(FAKE.fake_quant_with_min_max_vars_per_channel, min=low, max=high, num_bits=6), values
    )
    assert (ours == judge).all()
    assert (slope == judged).all()


def test_free_scales_differ_from_tensorflow_at_ties_of_its_float32_only() -> None:
    values = np.random.default_rng(1).normal(0, 1, 5000).astype(np.float32)
    scale, point = 3.0 / 255, 109
    ours = FakeQuantize.of(8, scale=scale, zero_point=point, signed=False, rounding="half_up")(values).numpy()
    low, high = -point * scale, (255 - point) * scale
    judge = tf.quantization.fake_quant_with_min_max_args(values, low, high).numpy()
    steps = np.abs(np.rint(ours / scale) - np.rint(judge / scale))
    assert steps.max() <= 1
    assert np.count_nonzero(steps) <= 2


@pytest.mark.parametrize("step", ["quadratic", "logarithmic"])
@pytest.mark.parametrize("signed", [True, False])
def test_levels_are_the_nearest(step: str, signed: bool) -> None:
    form = IntFormat(bits=4, signed=signed)
    levels = levels_of(step, form)
    assert levels is not None
    values = np.concatenate([np.linspace(-90, 90, 721), np.linspace(-3, 3, 49)]).astype(np.float32)
    values = np.concatenate([values, -values])
    # from a tie to the upper
    expected = [min(levels, key=lambda one, x=x: (abs(one - float(x)), -one)) for x in values]  # type: ignore[misc]
    ours, slope = with_gradient(FakeQuantize.of(4, signed=signed, step=step), values)
    assert ours.tolist() == expected
    inside = (values >= levels[0]) & (values <= levels[-1])
    assert ((slope != 0) == inside).all()


def test_a_look_up_table_has_its_codes() -> None:
    grid = Grid(minimum=-4, maximum=3, scale=(0.25,), levels=(-50, -9, -3, -1, 0, 2, 5, 60))
    values = np.random.default_rng(2).normal(0, 8, (5, 7)).astype(np.float32)
    stored = FakeQuantize(grid)(values).numpy()
    codes = grid.codes(stored)
    assert (np.asarray(grid.levels)[codes + 4] * 0.25 == stored).all()


def test_learned_scales_have_the_gradient_of_lsq() -> None:
    grid = Grid(minimum=-8, maximum=7, scale=(0.5, 2.0))
    layer = FakeQuantize(grid, trainable_scale=True)
    values = np.random.default_rng(3).normal(0, 3, (1, 9, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(values))
    expected = []
    for channel, scale in enumerate(grid.scale):
        v = values[0, :, channel].astype(np.float64) / scale
        inner = np.where(v <= -8, -8, np.where(v >= 7, 7, np.rint(v) - v))
        expected.append(inner.sum() / np.sqrt(9 * 7))
    assert tape.gradient(total, layer.scale.value).numpy() == pytest.approx(expected, rel=1e-5)


def test_it_survives_a_file(tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    grid = Grid(minimum=-4, maximum=3, scale=(0.25, 0.5, 1 / 3), shift=((0, 1, 2),), rounding=Rounding.FLOOR)
    tables = FakeQuantize.of(3, step="quadratic")
    model = keras.Model(
        inputs, tables(FakeQuantize(Grid(minimum=0, maximum=9), trainable_scale=True)(FakeQuantize(grid)(inputs)))
    )
    model.save(tmp_path / "model.keras")
    values = np.random.default_rng(4).normal(0, 3, (20, 3)).astype(np.float32)
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (again.predict(values, verbose=0) == model.predict(values, verbose=0)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum": 1, "maximum": 0},
        {"minimum": 0, "maximum": 1, "scale": (0.0,)},
        {"minimum": 0, "maximum": 1, "levels": (1,)},
        {"minimum": 0, "maximum": 1, "levels": (1, 1)},
        {"minimum": 0, "maximum": 1, "rounding": Rounding.STOCHASTIC_EQUAL},
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"code|scale|levels|random"):
        Grid(**wrong)
