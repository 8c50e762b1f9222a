"""Random networks through TensorFlow's converter: every tensor is the interpreter's."""

from __future__ import annotations

import tempfile
from itertools import compress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from lite.converted import convert
from lite.drawn import Curve, Depthwise, Drawn, End, Matrices, networks
from lite.interpreter import tensors_if_taken
from lite.judge import codes_for, judged
from lite.test_interpreter import compare

from hwsim.errors import ModelError
from hwsim.loaders.tflite_file import FileOperator, read_graph

SLOW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate],  # a network that fails is small enough
)
TINY = 1e-30
"""A scale of 16-bit codes that are all 0 is smaller."""


def taken(operator: FileOperator) -> bool:
    """Whether hwsim and the interpreter take an operator that the converter beside it wrote.

    The interpreter does not know TILE as written there, and refuses fully connected layers with one scale of weights
    whose results are all 0: with 16 bits these have a scale near 1e-43, which no plan of hwsim's can hold either.
    """
    return operator.word != "TILE" and not any(scale < TINY for made in operator.outputs for scale in made.scale)


def comparable(path: Path) -> bool:
    """Whether hwsim and the interpreter take a file that the converter wrote."""
    try:
        graph = read_graph(path)
    except ModelError as refusal:
        # the bias of a layer that is 0 everywhere
        assert "scale inf, a scale is above 0 and finite" in str(refusal)  # noqa: PT017
        return False
    # now and then the converter leaves an input real, though it was asked for integers
    return all(one.kind != "FLOAT32" for one in graph.inputs) and all(map(taken, graph.operators))


def every_tensor(drawn: list[Drawn], *, wide: bool = False, library: Path | None = None) -> None:
    """Convert networks, with 16-bit feature maps if ``wide``, and compare all of their tensors on 30 samples."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.tflite" for number in range(len(drawn))]
        for path, one in zip(paths, drawn, strict=True):
            path.write_bytes(convert(one.shape, one, wide=wide, seed=one.seed))
        known = [comparable(path) for path in paths]
        paths, drawn = list(compress(paths, known)), list(compress(drawn, known))
        samples = [codes_for(path, 30) for path in paths]
        target = "tflite-int16x8" if wide else "tflite-int8"
        found = judged(paths, samples, library, tensors_if_taken)
        assert 2 * sum(map(bool, found)) >= len(found)
        for path, codes, wanted, one in zip(paths, samples, found, drawn, strict=True):
            try:
                if wanted:
                    compare(path, codes, wanted, target, lively=False)
            except Exception as error:
                error.add_note(repr(one))
                raise


@settings(SLOW, max_examples=1)
@given(st.lists(networks(), min_size=8, max_size=8))
def test_every_tensor_of_random_networks(drawn: list[Drawn]) -> None:
    every_tensor(drawn)


@pytest.mark.slow
@settings(SLOW, max_examples=1)
@given(st.lists(networks(wide=True), min_size=5, max_size=5))
def test_every_tensor_of_random_networks_of_16_bits(rounded_once: Path, drawn: list[Drawn]) -> None:
    every_tensor(drawn, wide=True, library=rounded_once)


@pytest.mark.slow
@settings(SLOW, max_examples=8)
@given(st.lists(networks(), min_size=25, max_size=25))
def test_every_tensor_of_many_random_networks(drawn: list[Drawn]) -> None:
    every_tensor(drawn)


TIED = Drawn(
    (6, 4, 1),
    (
        Curve("gelu"),
        Matrices(across=True),
        Depthwise((3, 2), 2, 1, "same", 2, None),
        Depthwise((2, 3), 2, 1, "valid", 2, "relu"),
        End("flat", 3, None),
    ),
    seed=745,
)
"""Its product of matrices has a multiplier that lies at a tie unless it is formed in float32."""


@pytest.mark.slow
@settings(SLOW, max_examples=8)
@example([TIED])
@given(st.lists(networks(wide=True), min_size=25, max_size=25))
def test_every_tensor_of_many_random_networks_of_16_bits(rounded_once: Path, drawn: list[Drawn]) -> None:
    every_tensor(drawn, wide=True, library=rounded_once)
