"""Low-precision updates: naive ones stall, stochastic and compensated ones learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from hwsim.train import KahanUpdates, QuantizedUpdates

STEP = 2.0**-5


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a linear problem whose weights are multiples of the step."""
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 1, (256, 4)).astype(np.float32)
    return x, x @ np.asarray([[0.5], [-0.75], [1.25], [0.25]], np.float32)


def regression(optimizer: Any, epochs: int = 20) -> tuple[Any, float]:
    """Train a linear regression from zero weights; return the model and its last loss."""
    x, y = problem()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(optimizer, "mse", jit_compile=False)
    many = (epochs, 1)
    model.fit(np.tile(x, many), np.tile(y, many), batch_size=16, shuffle=False, verbose=0)
    return model, float(model.evaluate(x, y, verbose=0))


def sgd() -> Any:
    """Return an optimizer whose updates are mostly below half a step."""
    return keras.optimizers.SGD(0.005)


def on_grid(model: Any) -> bool:
    """Return whether every weight is a code of 8 bits times the step."""
    codes = np.concatenate([np.ravel(weight) for weight in model.get_weights()]) / STEP
    return bool((codes == np.rint(codes)).all() and np.abs(codes).max() <= 128)


def test_naive_updates_stall_and_both_remedies_learn() -> None:
    start = float(np.mean(problem()[1] ** 2))
    naive, lost = regression(QuantizedUpdates(sgd(), step=STEP))
    random, drawn = regression(QuantizedUpdates(sgd(), step=STEP, rounding="stochastic", seed=1))
    kahan, summed = regression(KahanUpdates(sgd(), step=STEP))
    short, rounded = regression(KahanUpdates(sgd(), step=STEP, compensation_bits=8))
    assert all(map(on_grid, (naive, random, kahan, short)))
    assert lost > 0.5 * start
    assert max(drawn, summed, rounded) < 0.02 * start


def test_a_seed_repeats() -> None:
    one, other = (regression(QuantizedUpdates(sgd(), step=STEP, rounding="stochastic", seed=5), 2)[0] for _ in "ab")
    assert all((a == b).all() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


@pytest.mark.parametrize("bits", [None, 6])
def test_kahan_is_the_loop_in_numpy(bits: int | None) -> None:
    x, y = problem(3)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(
        KahanUpdates(keras.optimizers.SGD(2.0**-7), step=STEP, compensation_bits=bits), "mse", jit_compile=False
    )
    w, c = np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32)
    for start in range(0, 256, 16):
        part, wanted = x[start : start + 16], y[start : start + 16]
        model.train_on_batch(part, wanted)
        update = -np.float32(2.0**-7) * (2 / 16 * part.T @ (part @ w - wanted))
        total = update + c
        new = np.clip(np.rint((w + total) / STEP), -128, 127).astype(np.float32) * np.float32(STEP)
        c, w = np.clip(total - (new - w), -STEP / 2, STEP / 2), new
        if bits is not None:
            c = np.rint(c / (STEP / 2**bits)) * np.float32(STEP / 2**bits)
        assert (model.get_weights()[0] == w).all()
    assert np.count_nonzero(w) == 4


def test_a_full_weight_keeps_no_debt() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(KahanUpdates(keras.optimizers.SGD(0.5), step=1.0, bits=3), "mse", jit_compile=False)
    one = np.ones((4, 1), np.float32)
    for _ in range(20):
        model.train_on_batch(one, 100 * one)
    assert model.get_weights()[0] == 3
    for _ in range(2):
        model.train_on_batch(one, -1 * one)
    assert model.get_weights()[0] < 3


def digits_like() -> tuple[np.ndarray, np.ndarray]:
    """Return noisy 4 x 4 pictures of four patterns."""
    generator = np.random.default_rng(8)
    labels = generator.integers(0, 4, 512)
    patterns = generator.normal(0, 1, (4, 16))
    return (patterns[labels] + generator.normal(0, 0.7, (512, 16))).astype(np.float32), labels


def accuracy(optimizer: Any) -> float:
    """Train a small network on pictures and return how many it gets right."""
    keras.utils.set_random_seed(1)
    x, labels = digits_like()
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(12, "relu"), keras.layers.Dense(4)])
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], jit_compile=False
    )
    model.fit(x, labels, epochs=6, batch_size=32, verbose=0)
    return float(model.evaluate(x, labels, verbose=0)[1])


@pytest.mark.slow
def test_a_network_learns_too() -> None:
    def slow() -> Any:
        return keras.optimizers.Adam(0.003)

    naive = accuracy(QuantizedUpdates(slow(), step=STEP))
    random = accuracy(QuantizedUpdates(slow(), step=STEP, rounding="stochastic"))
    kahan = accuracy(KahanUpdates(slow(), step=STEP))
    assert naive < 0.6
    assert min(random, kahan) > 0.85


@pytest.mark.parametrize("kind", [QuantizedUpdates, KahanUpdates])
def test_it_survives_a_file_and_goes_on(kind: Any, tmp_path: Path) -> None:
    model, _ = regression(kind(keras.optimizers.Adam(0.003), step=STEP, exclude=["*/bias"]), 1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is kind
    x, y = problem()
    losses = [one.train_on_batch(x, y) for one in (model, again)]
    assert losses[0] == losses[1]
    assert all((a == b).all() for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    assert not on_grid(model)


@pytest.mark.parametrize("kind", [QuantizedUpdates, KahanUpdates])
def test_layers_have_steps_of_their_own(kind: Any, tmp_path: Path) -> None:
    first, second = (keras.layers.Dense(2, name=name) for name in ("first", "second"))
    model = keras.Sequential([keras.Input((4,)), first, second, keras.layers.Dense(1, name="third")])
    steps = {"first/kernel": 0.25, "first/*": 0.5, "second/*": 2.0**-10}
    model.compile(kind(keras.optimizers.SGD(0.01), step=steps), "mse", jit_compile=False)
    model.fit(*problem(), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    optimizer = keras.models.load_model(tmp_path / "model.keras").optimizer
    for weight in model.weights:
        assert optimizer.takes(weight) == ("third" not in weight.path)
        if optimizer.takes(weight):
            codes = np.asarray(weight) / optimizer.step_of(weight)
            assert (codes == np.rint(codes)).all()
    assert optimizer.step_of(first.kernel) == 0.25
    assert optimizer.step_of(first.bias) == 0.5


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="2 to 24"):
        QuantizedUpdates(sgd(), step=STEP, bits=1)
    with pytest.raises(ValueError, match="step must be positive"):
        KahanUpdates(sgd(), step=0.0)
    with pytest.raises(ValueError, match="1 to 24"):
        KahanUpdates(sgd(), step=STEP, compensation_bits=0)
    with pytest.raises(ValueError, match="draws"):
        QuantizedUpdates(sgd(), step=STEP, rounding="stochastic_equal")
