"""A vision transformer and an encoder of sequences from end to end, and attention against the oracle."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from pipeline.test_oracle_agreement import Case, agree
from pipeline.tiny import Reals, reals, target_with

import hwsim
from hwsim.network import Input, Network, Softmax
from hwsim.program import lower
from hwsim.program.records import FixedSoftmax, HostSoftmax, PolynomialSoftmax, TableSoftmax
from hwsim.quantize import decide, profile
from hwsim.target import Target, load_target

PARABOLAS = target_with(softmax={"run_on": "polynomial"}, curve={"gelu": "polynomial"})
TARGETS = ("generic-int8", "edge-npu-acc20", "generic-int16")


def block(x: Any, name: str) -> Any:
    """Return a block with the norms in front: attention, then two dense layers, each beside a skip connection."""
    y = layers.LayerNormalization(name=f"{name}_norm")(x)
    x = layers.Add(name=f"{name}_sum")([x, layers.MultiHeadAttention(2, 8, name=f"{name}_attention")(y, y)])
    y = layers.LayerNormalization(name=f"{name}_mlp_norm")(x)
    y = layers.Dense(24, activation="gelu", name=f"{name}_wide")(y)
    return layers.Add(name=f"{name}_mlp_sum")([x, layers.Dense(16, name=f"{name}_narrow")(y)])


@cache
def vision_transformer() -> Any:
    """Return patches by a convolution, a class token and positions from constants, two blocks and a classifier."""
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(16, 4, strides=4, name="patches")(image)
    x = layers.Reshape((9, 16), name="line")(x)
    token = ops.zeros_like(x[:, :1]) + reals(16, seed=1)
    x = layers.Concatenate(axis=1, name="with_token")([token, x])
    x = x + reals(10, 16, seed=2, width=0.5)
    for number in range(2):
        x = block(x, f"block{number}")
    x = layers.LayerNormalization(name="norm")(x)
    return seeded(keras.Model(image, layers.Dense(5, activation="softmax", name="classes")(x[:, 0]), name="vit"))


@cache
def encoder() -> Any:
    """Return an encoder of sequences of any length: causal attention with shared keys, dense layers as einsums."""
    line = keras.Input((None, 12), name="line")
    x = layers.Dense(16, name="embedding")(line)
    y = layers.GroupQueryAttention(4, 4, 2, name="attention")(x, x, use_causal_mask=True)
    x = layers.LayerNormalization(name="norm")(layers.Add(name="sum")([x, y]))
    y = layers.EinsumDense("abc,cd->abd", (None, 24), bias_axes="d", activation="relu", name="wide")(x)
    y = layers.EinsumDense("abc,cd->abd", (None, 16), bias_axes="d", name="narrow")(y)
    x = layers.RMSNormalization(name="second_norm")(layers.Add(name="second_sum")([x, y]))
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return seeded(keras.Model(line, layers.Dense(4, name="classes")(x), name="encoder"))


def seeded(model: Any) -> Any:
    """Return a model with weights that keep the size of values, and with biases."""
    generator = np.random.default_rng(3)
    for weight in model.weights:
        if weight.path.endswith("kernel"):
            fan = np.prod(weight.shape[:-2]) if weight.path.endswith("output/kernel") else np.prod(weight.shape[:1])
            weight.assign(generator.normal(0, fan**-0.5, weight.shape))
        elif weight.path.endswith(("bias", "beta")):
            weight.assign(generator.normal(0, 0.2, weight.shape))
    return model


def case(name: str) -> tuple[Any, Reals]:
    """Return a model and data for it."""
    if name == "vision":
        return vision_transformer(), reals(16, 12, 12, 3, seed=5)
    return encoder(), reals(16, 7, 12, seed=6)


@pytest.mark.parametrize("name", ["vision", "sequences"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_transformer_runs_from_end_to_end(name: str, target: str) -> None:
    model, data = case(name)
    result = hwsim.run(model, target, data)
    assert result.network.import_error is not None
    assert result.network.import_error < 1e-5
    np.testing.assert_allclose(result.reference, model.predict(data, verbose=0), rtol=1e-4, atol=1e-5)
    if target == "generic-int16":
        for layer in result.report.layers:
            assert layer.sqnr_local_db is None or layer.sqnr_local_db > 40, layer.name
            # What weights of 8 bits lose adds up over the depth of the network.
            assert layer.sqnr_cumulative_db is not None
            assert layer.sqnr_cumulative_db > 35, layer.name
    # The softmax of the attention runs on the host; its shares come back as codes.
    assert any(row.point.name == "input" and "softmax" in row.layer for row in result.ledger)


@pytest.mark.parametrize("target", ["generic-int8", "edge-npu-acc20", "tflite-int8", "nvdla", "pow2-int8", PARABOLAS])
def test_masked_attention_is_the_oracles(target: str | Target) -> None:
    line = keras.Input((4, 6), name="line")
    x = layers.MultiHeadAttention(2, 3, value_dim=2, name="attention")(line, line, use_causal_mask=True)
    y = layers.GroupQueryAttention(2, 2, 1, sliding_window=2, name="shared")(x, line)
    model = seeded(
        keras.Model(line, layers.EinsumDense("abc,bcd->abd", (4, 3), activation="gelu", name="places")(x + y))
    )
    network, aim, data = hwsim.load(model), load_target(target), reals(3, 4, 6, seed=8)
    plan = decide(network, profile(network, data), aim)
    agree(Case(network, aim, plan, lower(network, plan, aim), [data], 2))


def test_integers_alone() -> None:
    """The whole transformer without the host: exponentials and GELU by parabolas, as I-BERT has them."""
    model, data = vision_transformer(), reals(16, 12, 12, 3, seed=5)
    result = hwsim.run(model, PARABOLAS, data)
    network = hwsim.load(model)
    assert {row.point.name for row in result.ledger if row.kind == "softmax"} == {"power", "output"}
    assert not any(isinstance(one, HostSoftmax) for one in result.program.operations)
    found = {layer.name: layer for layer in result.report.layers}
    for name, kind in ((one.name, one.kind) for one in network.operations):
        if kind in ("softmax", "curve"):
            assert (found[name].sqnr_local_db or 0) > 20, name


def test_a_softmax_by_a_parabola_wants_codes_that_tell_halves_apart() -> None:
    scores = Input(name="x", shape=(9,))
    network = Network(name="n", operations=(scores, Softmax(name="y", inputs=("x",), axis=0)), outputs=("y",))
    target = target_with(softmax={"run_on": "polynomial"})
    with pytest.raises(hwsim.PlanError, match=r"takes an input scale up to ln\(2\); the plan has"):
        hwsim.run(network, target, 200 * reals(5, 9))
    with pytest.raises(hwsim.WidthError, match=r"a sum of 9 powers up to \d+ needs \d\d bits, it has 32"):
        hwsim.run(network, target, 0.001 * reals(5, 9))
    coarse = hwsim.run(network, target, reals(5, 9))
    assert (coarse.outputs >= 0).all()


def test_a_masked_softmax_in_a_file(tmp_path: Path) -> None:
    line = keras.Input((4, 6))
    model = seeded(keras.Model(line, layers.MultiHeadAttention(2, 3)(line, line, use_causal_mask=True)))
    data = reals(3, 4, 6)
    polynomial = target_with(softmax={"run_on": "polynomial"})
    for target in ("generic-int8", "tflite-int8", "tflite-int8-xnnpack", polynomial):
        result = hwsim.run(model, target, data)
        result.program.save(tmp_path / "program.hwsim")
        again = hwsim.Program.load(tmp_path / "program.hwsim").run(data)
        assert again.codes[result.program.outputs[0]].tolist() == result.codes.tolist()
        wrong = [
            replace(one, mask=np.zeros_like(one.mask))
            if isinstance(one, HostSoftmax | FixedSoftmax | PolynomialSoftmax | TableSoftmax)
            else one
            for one in result.program.operations
        ]
        replace(result.program, operations=tuple(wrong)).save(tmp_path / "program.hwsim")
        with pytest.raises(hwsim.ProgramError, match="leaves nothing of a line"):
            hwsim.Program.load(tmp_path / "program.hwsim")


def test_shares_of_a_masked_softmax_know_nothing_of_what_is_masked() -> None:
    """However large a masked score is, in integers as in float."""
    scores = Input(name="x", shape=(4, 4))
    mask = np.tri(4, dtype=np.bool_)
    softmax = Softmax(name="y", inputs=("x",), axis=1, mask=mask)
    network = Network(name="n", operations=(scores, softmax), outputs=("y",))
    data = reals(5, 4, 4)
    other = np.where(mask, data, 7)
    for target in ("generic-int8", "tflite-int8"):
        plan = hwsim.run(network, target, np.where(mask, data, 3)).plan
        first, second = (hwsim.run(network, target, one, plan=plan) for one in (data, other))
        np.testing.assert_array_equal(first.outputs, second.outputs)
        np.testing.assert_array_equal(first.reference, second.reference)
        assert (first.outputs[:, ~mask] == 0).all()
        assert (first.reference[:, ~mask] == 0).all()


def test_a_mask_must_leave_something() -> None:
    mask = np.ones((2, 3), np.bool_)
    with pytest.raises(ValueError, match=r"a mask of the shape \(2, 3\) for values of \(3, 3\)"):
        Softmax(name="y", axis=1, mask=mask).output_shape((3, 3))
    mask[1] = False
    with pytest.raises(ValueError, match="leaves nothing of a line along axis 1"):
        Softmax(name="y", axis=1, mask=mask).output_shape((2, 3))
    assert Softmax(name="y", axis=0, mask=mask).output_shape((2, 3)) == (2, 3)
