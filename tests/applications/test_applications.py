"""Every network of keras.applications is imported, runs, and gives a report; 16 bits are close to float in every layer.

Weights are random but well scaled (``well_scaled``): there nothing vanishes, so that a wrong import, or a wrong
operation, cannot hide behind values that are nearly 0.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence

import keras
import pytest
from applications.networks import NAMES, build, found, images, smallest
from applications.targets import NAMES as TARGETS
from applications.targets import sixteen_bits
from pipeline.test_real_models import check_whole

import hwsim
from hwsim.report.columns import WIDTH

CLASSES = 10
LEAST_DB = 40
"""What every layer keeps with 16 bits when it is fed the float network's own values: about 70 is usual."""
SMALL = ("MobileNetV3Small", "MobileNet")


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    """Give the memory back: the largest networks take gigabytes."""
    yield
    keras.backend.clear_session()
    gc.collect()


def test_all_constructors_are_listed() -> None:
    """A network that Keras adds has to be listed in ``networks.py``, and is then tested like the others."""
    assert found() == tuple(sorted(NAMES))
    assert len(NAMES) == 40


def check_report(result: hwsim.Result) -> None:
    """Assert that a report is whole, and that its text and JSON can be read."""
    check_whole(result)
    report = result.report
    text = str(report).splitlines()
    assert text[0].startswith(f"{report.network} on {report.target}: ")
    assert max(map(len, text)) <= WIDTH
    assert len(text) < 100
    assert len(json.loads(report.to_json())["layers"]) == len(report.layers)


def check(name: str, samples: int, targets: Sequence[str]) -> None:
    """Import a network, prove it, hold every layer at 16 bits to float, and run it on ``targets``."""
    data = images(name, smallest(name), 4)
    model = build(name, data, CLASSES)
    data = data[:samples]
    result = hwsim.run(model, sixteen_bits(), data)
    network = result.network
    assert network.import_error is not None  # measured: and small enough, or it would have been refused
    check_report(result)
    local = {one.name: one.sqnr_local_db for one in result.report.layers if one.sqnr_local_db is not None}
    assert len(local) > len(result.report.layers) / 2
    assert {layer: ratio for layer, ratio in local.items() if not ratio > LEAST_DB} == {}
    del model, result
    for target in targets:
        check_report(hwsim.run(network, target, data))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_small_ones(name: str) -> None:
    check(name, 2, TARGETS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in SMALL])
def test_all_others(name: str) -> None:
    """Beside 16 bits, in turn on one of the two targets: neighbours in the list are of the same family."""
    check(name, 1, [TARGETS[NAMES.index(name) % len(TARGETS)]])
