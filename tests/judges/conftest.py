"""The compiled judges, each once for a session."""

from __future__ import annotations

import pytest
from judges.compiled import Program, program


@pytest.fixture(scope="session")
def ap_fixed(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Return the program of AMD's headers."""
    return program("ap_fixed", "vivado/ap_types", tmp_path_factory.mktemp("ap_fixed"))


@pytest.fixture(scope="session")
def hls4ml_dense(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Return the program of hls4ml's dense layer."""
    return program("hls4ml_dense", "vivado/ap_types", tmp_path_factory.mktemp("hls4ml_dense"))


@pytest.fixture(scope="session")
def ac_fixed(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Return the program of Siemens' headers."""
    return program("ac_fixed", "catapult/ac_types/include", tmp_path_factory.mktemp("ac_fixed"))
