"""Random networks through TensorFlow's converter: every tensor is the interpreter's."""

from __future__ import annotations

import tempfile
from itertools import compress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lite.converted import convert
from lite.drawn import Drawn, networks
from lite.judge import codes_for, judged
from lite.test_interpreter import compare

from hwsim.loaders.tflite_file import read_graph

SLOW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate],  # a network that fails is small enough
)


def every_tensor(drawn: list[Drawn]) -> None:
    """Convert networks and compare all of their tensors on 30 samples.

    The converter writes a TILE that the interpreter beside it does not know; such networks are left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.tflite" for number in range(len(drawn))]
        for path, one in zip(paths, drawn, strict=True):
            path.write_bytes(convert(one.shape, one, seed=one.seed))
        known = [all(one.word != "TILE" for one in read_graph(path).operators) for path in paths]
        paths, drawn = list(compress(paths, known)), list(compress(drawn, known))
        samples = [codes_for(path, 30) for path in paths]
        for path, codes, wanted, one in zip(paths, samples, judged(paths, samples), drawn, strict=True):
            try:
                compare(path, codes, wanted, lively=False)
            except Exception as error:
                error.add_note(repr(one))
                raise


@settings(SLOW, max_examples=1)
@given(st.lists(networks(), min_size=8, max_size=8))
def test_every_tensor_of_random_networks(drawn: list[Drawn]) -> None:
    every_tensor(drawn)


@pytest.mark.slow
@settings(SLOW, max_examples=8)
@given(st.lists(networks(), min_size=25, max_size=25))
def test_every_tensor_of_many_random_networks(drawn: list[Drawn]) -> None:
    every_tensor(drawn)
