"""Targets are found by name, path or as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.errors import TargetError
from hwsim.target import Target, load_target, shipped_targets

SHIPPED = [
    "binary-weights",
    "cmsis-nn",
    "codebook-int4",
    "companding-int8",
    "edge-npu-acc20",
    "ethos-u55",
    "gemmini",
    "generic-int16",
    "generic-int8",
    "hls4ml",
    "imc-adc6",
    "max78000",
    "narrow-acc12-wrap",
    "narrow-acc16-saturate",
    "ne16",
    "nvdla",
    "nvdla-small",
    "onnxruntime",
    "pow2-int8",
    "pulp-nn",
    "qonnx-threshold",
    "shared-exponent-int8",
    "tensil",
    "ternary-weights",
    "tflite-int16x8",
    "tflite-int8",
    "tflite-int8-optimized",
    "tflite-int8-single-rounding",
    "tflite-int8-xnnpack",
    "tflite-micro-int8",
    "vitis-dpu",
    "x86-vpmaddubsw",
]


def test_shipped_names() -> None:
    assert shipped_targets() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_target_bears_the_name_of_its_file_and_describes_itself(name: str) -> None:
    target = load_target(name)
    assert target.name == name
    assert target.description


def test_a_target_is_its_own() -> None:
    target = Target(name="t")
    assert load_target(target) is target


@pytest.mark.parametrize("file", ["mine.yaml", "mine.yml", "mine.txt", "mine"])
def test_a_path_is_read(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("name: mine\n")
    assert load_target(tmp_path / file).name == "mine"
    assert load_target(str(tmp_path / file)).name == "mine"


def test_a_missing_yaml_file_is_a_missing_file() -> None:
    with pytest.raises(TargetError) as caught:
        load_target("no/such.yaml")
    assert caught.value.mistakes == ("no/such.yaml: no such file",)


@pytest.mark.parametrize("name", ["genric-int8", "Generic_Int8"])
def test_an_unknown_name_brings_the_nearest(name: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(name)
    assert caught.value.mistakes == (
        f"no target named {name!r}; did you mean 'generic-int8'? Shipped: {', '.join(SHIPPED)}, "
        "or give a path to a YAML file",
    )


@pytest.mark.parametrize("name", ["zzz", "", "x" * 5000, "a\0b"])
def test_an_unknown_name_near_nothing(name: str) -> None:
    with pytest.raises(TargetError, match=r"no target named .*\. Shipped: binary-weights"):
        load_target(name)
