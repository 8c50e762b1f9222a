"""Characteristics against counts by hand and Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from pipeline.tiny import DIGITS, IMAGES, double_network, target_with
from process.cases import network, samples

import hwsim
from hwsim.errors import HwsimError
from hwsim.network import Conv2DTranspose, Input, Network


def by_layer(found: hwsim.Characteristics) -> dict[str, dict[str, int]]:
    return {one.layer: vars(one) | {"parameter_bits": one.parameter_bits} for one in found.layers}


def test_counts_of_a_small_network() -> None:
    small = network()
    layers = by_layer(hwsim.characteristics(hwsim.run(small, target_with(), samples())))
    assert layers["stem"]["macs"] == 6 * 6 * 4 * 3 * 3 * 3
    assert layers["depthwise"]["macs"] == 6 * 6 * 4 * 3 * 3
    assert layers["logits"]["macs"] == 16 * 5
    assert layers["stem"]["float_parameter_bits"] == (3 * 3 * 3 * 4 + 4) * 32
    assert layers["stem"]["weight_bits"] == 3 * 3 * 3 * 4 * 8
    assert layers["stem"]["bias_bits"] == 4 * 32
    assert 4 * 31 <= layers["stem"]["constant_bits"] <= 4 * 40  # a 32-bit multiplier and a shift for each channel
    assert layers["largest"]["parameter_bits"] == 0
    assert (layers["largest"]["float_activation_bits"], layers["largest"]["activation_bits"]) == (36 * 32, 36 * 8)
    values = {"image": 108, "stem": 144, "depthwise": 144, "join": 3 * 144, "largest": 0, "mean": 0, "logits": 5}
    assert {name: layers[name]["quantise"] + layers[name]["requantise"] for name in values} == values
    assert {name: one["dequantise"] for name, one in layers.items() if one["dequantise"]} == {"logits": 5}


@pytest.mark.parametrize("division", ["dpu", "reciprocals"])
def test_means_store_no_weights(division: str) -> None:
    # the weights of 1 by which its sum is written down are stored nowhere
    target = target_with(pooling={"division": division})
    mean = by_layer(hwsim.characteristics(hwsim.run(network(), target, samples())))["mean"]
    assert (mean["macs"], mean["weight_bits"], mean["bias_bits"]) == (0, 0, 0)


def test_peak_of_live_maps() -> None:
    # the first additions: stem and depthwise wait for join, three maps of 144 values at once
    found = hwsim.characteristics(hwsim.run(network(), target_with(), samples()))
    assert found.peak_bits == 3 * 144 * 8
    assert found.float_peak_bits == 3 * 144 * 32
    # a and b and left, then left, b and right, then left, right and sum; left is a result and stays
    data = {"a": np.ones((4, 4), np.float32), "b": np.ones((4, 3), np.float32)}
    assert hwsim.characteristics(hwsim.run(double_network(), target_with(), data)).float_peak_bits == (4 + 3 + 2) * 32


def test_digits_have_the_parameters_that_keras_counts() -> None:
    result = hwsim.run(DIGITS, "generic-int8", IMAGES, reference=False)
    found = hwsim.characteristics(result)
    model = keras.models.load_model(DIGITS)
    folded = sum(
        4 * layer.output.shape[-1] for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    )
    with_bias = sum(one.channels for one in result.program.operations if hasattr(one, "weights"))
    biases = sum(int(np.prod(one.shape)) for one in model.weights if one.path.endswith("bias"))
    assert found.total("float_parameter_bits") == 32 * (model.count_params() - folded - biases + with_bias)
    assert found.total("parameter_bits") < found.total("float_parameter_bits") / 3


def test_transposed_convolution_multiplies_each_value_once_by_each_weight() -> None:
    kernel = np.ones((3, 3, 2, 5), np.float32)
    layer = Conv2DTranspose(
        name="up", inputs=("x",), kernel=kernel, bias=np.zeros(5, np.float32), size=(9, 9), strides=(2, 2)
    )
    small = Network(name="up", operations=(Input(name="x", shape=(4, 4, 2)), layer), outputs=("up",))
    result = hwsim.run(small, target_with(), np.random.default_rng(0).random((2, 4, 4, 2)))
    assert by_layer(hwsim.characteristics(result))["up"]["macs"] == 4 * 4 * 3 * 3 * 2 * 5


def test_speed_is_told_with_its_machine() -> None:
    small = network()
    result = hwsim.run(small, target_with(), samples())
    found = hwsim.characteristics(result.program, small, data=samples(), repeats=2)
    assert found.speed is not None
    assert found.speed.samples == 24
    assert found.speed.integer_s > 0
    assert found.speed.float_s > 0
    assert "processor" in str(found)
    assert max(map(len, str(found).splitlines())) <= 100
    assert list(found.to_frame().layer) == [one.layer for one in found.layers]
    assert "whole" in str(found)
    assert "<table" in found._repr_html_()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(HwsimError, match="network"):
        hwsim.characteristics(result.program, data=samples())
    with pytest.raises(HwsimError, match="repeats"):
        hwsim.characteristics(result, data=samples(), repeats=0)
