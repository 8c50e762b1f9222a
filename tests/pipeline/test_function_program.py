"""Programs of curves, resizes, rearrangements, constants and matrix products as files: whole, and tampered with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipeline.every_function import DATA, LINES, SECTIONS, function_network
from pipeline.test_program import Archive, Change, put, refused
from pipeline.tiny import Json, target_with

import hwsim
from hwsim.program import Program

VARIANTS: Mapping[str, Json] = {
    "apart": SECTIONS,
    "lines": LINES,
    "staged": {
        "mac": {"product": {"bits": 14, "shift": 1, "rounding": "stochastic_weighted"}},
        "resize": {"rounding": "stochastic_equal", "zero_point": "kept"},
    },
}


@pytest.fixture(scope="module", params=list(VARIANTS))
def result(request: pytest.FixtureRequest) -> hwsim.Result:
    """A run of the network with all of these operations."""
    return hwsim.run(function_network(), target_with(**VARIANTS[request.param]), DATA)


def test_every_record_is_in_use(result: hwsim.Result) -> None:
    kinds = {type(one).__name__ for one in result.program.operations}
    assert kinds >= {"ConstantCodes", "PickCodes", "Interpolate", "MatrixProduct", "Rescale", "Sum"}
    by_name: dict[str, Any] = {one.name: one for one in result.program.operations}
    assert "LookUp" in {type(step).__name__ for step in by_name["gate"].steps}
    assert "Negate" in {type(step).__name__ for step in by_name["less"].input_steps[1]}


def test_a_loaded_program_runs_as_the_first_did(result: hwsim.Result, tmp_path: Path) -> None:
    result.program.save(tmp_path / "first.hwsim")
    loaded = Program.load(tmp_path / "first.hwsim")
    loaded.save(tmp_path / "second.hwsim")
    assert (tmp_path / "first.hwsim").read_bytes() == (tmp_path / "second.hwsim").read_bytes()
    layers = [one.name for one in result.program.operations if "/" not in one.name]
    first, second = (one.run(DATA, batch_size=size, trace=layers) for one, size in ((result.program, 6), (loaded, 4)))
    assert first.ledger == second.ledger == result.ledger
    assert first.trace.keys() == second.trace.keys()
    for layer, points in first.trace.items():
        for point, values in points.items():
            np.testing.assert_array_equal(values, second.trace[layer][point])


def test_a_constant_counts_once_and_for_all(result: hwsim.Result) -> None:
    few, all_of_them = result.program.run(DATA[:1]), result.program.run(DATA)
    rows = [next(row for row in one.ledger if row.layer == "shelf") for one in (few, all_of_them)]
    assert rows[0].point.name == "constant"
    np.testing.assert_array_equal(rows[0].counts, rows[1].counts)


# Tampered files


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with all of these records, in a file."""
    path = tmp_path_factory.mktemp("program") / "functions.hwsim"
    hwsim.run(function_network(), target_with(**SECTIONS), DATA, reference=False).program.save(path)
    return path


def table(archive: Archive, key: str) -> tuple[str, str, int, str]:
    """Return where an array of the table of ``gate`` stands."""
    return "gate", "steps", archive.step("gate", "LookUp"), key


def negation(archive: Archive) -> Json:
    """Return the step of ``less`` that changes a sign."""
    steps: list[Json] = archive.operations["less"]["input_steps"][1]
    return next(step for step in steps if step["record"] == "Negate")


DOCUMENTS: Mapping[str, Change] = {
    "another shape of a constant": lambda a: put(a, "shelf", "output", "shape", value=[1, 2, 1]),
    "no point of a constant": lambda a: put(a, "shelf", "points", value=[]),
    "a constant read as a number of samples by nobody": lambda a: put(a, "shelf", "inputs", value=[]),
    "another shape of a rearrangement": lambda a: put(a, "turned", "output", "shape", value=[5, 4, 2]),
    "a fill that is no code": lambda a: put(a, "turned", "fill", value=128),
    "a fill of 80 bits": lambda a: put(a, "turned", "fill", value=1 << 80),
    "a larger resize": lambda a: put(a, "large", "output", "shape", value=[7, 3, 2]),
    "more channels of a resize": lambda a: put(a, "large", "output", "shape", value=[6, 3, 3]),
    "a resize of two axes": lambda a: put(a, "large", "output", "shape", value=[6, 6]),
    "a resize without its point": lambda a: a.operations["large"]["points"].pop(0),
    "a negative shift of a resize": lambda a: put(a, "large", "shift", value=-1),
    "a huge shift of a resize": lambda a: put(a, "large", "shift", value=63),
    "an unknown rounding of a resize": lambda a: put(a, "large", "rounding", value=99),
    "a zero point of a resize that is no code": lambda a: put(a, "large", "zero_point", value=1 << 40),
    "one factor of a matrix product": lambda a: put(a, "product", "inputs", value=["rows"]),
    "three factors of a matrix product": lambda a: put(a, "product", "inputs", value=["rows", "rows", "rows"]),
    "factors that do not fit": lambda a: put(a, "product", "transpose", value=[False, False]),
    "a factor without rows": lambda a: put(a, "product", "inputs", value=["rows", "image/codes"]),
    "another shape of a matrix product": lambda a: put(a, "product", "output", "shape", value=[2, 3]),
    "no points of a matrix product": lambda a: put(a, "product", "points", value=[]),
    "wide sums of narrow values": lambda a: put(a, "product", "wide_sums", value=True),
    "a table that counts nowhere": lambda a: put(a, *table(a, "point"), value="nowhere"),
    "a table's shift of 25 bits": lambda a: put(a, *table(a, "shift"), value=25),
    "a table's negative shift": lambda a: put(a, *table(a, "shift"), value=-1),
    "a table far away": lambda a: put(a, *table(a, "first"), value=1 << 62),
    "a negation that is a table": lambda a: negation(a).update(table=[1]),
    "a negation that is nothing": lambda a: negation(a).update(record="Negative"),
    "a sum of unlike shapes": lambda a: put(a, "less", "inputs", value=["conv", "turned"]),
    "a sum of flat and image": lambda a: put(a, "less", "inputs", value=["conv", "rows"]),
}


def test_only_taken_apart_it_loads(saved: Path, tmp_path: Path) -> None:
    Archive.read(saved).write(tmp_path / "same.hwsim")
    assert Program.load(tmp_path / "same.hwsim").run(DATA).ledger == Program.load(saved).run(DATA).ledger


@pytest.mark.parametrize("change", DOCUMENTS)
def test_tampered_documents(saved: Path, tmp_path: Path, change: str) -> None:
    archive = Archive.read(saved)
    DOCUMENTS[change](archive)
    archive.write(tmp_path / "p.hwsim")
    assert refused(tmp_path / "p.hwsim")


def cut(archive: Archive, *keys: Any) -> None:
    """Take the first entry of an array away."""
    archive.replace(archive.array(*keys)[1:].copy(), *keys)


ARRAYS: Mapping[str, Change] = {
    "codes outside the format": lambda a: a.array("shelf", "codes").fill(128),
    "codes of another shape": lambda a: a.replace(a.array("shelf", "codes").ravel(), "shelf", "codes"),
    "no codes": lambda a: a.replace(a.array("shelf", "codes")[:0], "shelf", "codes"),
    "counts of no channel": lambda a: a.replace(a.array("shelf", "initial")[:, :, :1].copy(), "shelf", "initial"),
    "an index behind the end": lambda a: a.array("turned", "index").__setitem__((0, 0, 0), 32),
    "an index before the fill": lambda a: a.array("turned", "index").__setitem__((0, 0, 0), -2),
    "an index at the end of the world": lambda a: a.array("turned", "index").__setitem__((0, 0, 0), -(1 << 63)),
    "an index of another shape": lambda a: cut(a, "turned", "index"),
    "an index of floats": lambda a: a.replace(a.array("turned", "index").astype(np.float64), "turned", "index"),
    "a row behind the end": lambda a: a.array("large", "rows").__setitem__((5, 1), 4),
    "a row before the first": lambda a: a.array("large", "rows").__setitem__((0, 0), -1),
    "a column behind the end": lambda a: a.array("large", "columns").__setitem__((2, 1), 5),
    "too few rows": lambda a: cut(a, "large", "rows"),
    "too few columns": lambda a: cut(a, "large", "columns"),
    "too few weights of rows": lambda a: cut(a, "large", "row_weights"),
    "too few weights of columns": lambda a: cut(a, "large", "column_weights"),
    "weights of 40 bits": lambda a: a.array("large", "row_weights").fill(1 << 40),
    "weights at the end of the world": lambda a: a.array("large", "column_weights").fill(-(1 << 63)),
    "no random numbers of a resize": lambda a: a.replace(np.zeros(0, np.int64), "large", "draws"),
    "a place twice": lambda a: a.array("product", "places").fill(0),
    "a place behind the depth": lambda a: a.array("product", "places").__setitem__(0, 18),
    "a place too few": lambda a: cut(a, "product", "places"),
    "one zero point": lambda a: cut(a, "product", "zero_points"),
    "a zero point of 40 bits": lambda a: a.array("product", "zero_points").fill(1 << 40),
    "no stages": lambda a: a.replace(a.array("product", "stages")[:0], "product", "stages"),
    "a stage of 100 bits": lambda a: a.array("product", "stages").__setitem__((0, 1), 100),
    "a product's field too short": lambda a: cut(a, "product", "product"),
    "a product without its point": lambda a: a.array("product", "product").__setitem__(1, 8),
    "ends too few": lambda a: a.replace(a.array("product", "ends")[:, 1:].copy(), "product", "ends"),
    "a sum that never ends": lambda a: a.array("product", "ends").fill(0),
    "no random numbers of a product": lambda a: a.replace(np.zeros(0, np.int64), "product", "draws"),
    "a table of one axis": lambda a: a.replace(a.array(*table(a, "table")).ravel(), *table(a, "table")),
    "an empty table": lambda a: a.replace(np.zeros((1, 0), np.int64), *table(a, "table")),
    "a table of three channels": lambda a: a.replace(np.zeros((3, 256), np.int64), *table(a, "table")),
    "a table of 32 bits": lambda a: a.array(*table(a, "table")).__setitem__((0, 0), 1 << 31),
    "errors of another shape": lambda a: a.replace(np.zeros((1, 255), np.int64), *table(a, "errors")),
    "errors of 33 bits": lambda a: a.array(*table(a, "errors")).__setitem__((0, 0), -(1 << 32)),
    "tables that are not floats": lambda a: a.replace(np.zeros((1, 256)), *table(a, "table")),
}


@pytest.mark.parametrize("change", ARRAYS)
def test_tampered_arrays(saved: Path, tmp_path: Path, change: str) -> None:
    archive = Archive.read(saved)
    ARRAYS[change](archive)
    archive.write(tmp_path / "p.hwsim")
    assert refused(tmp_path / "p.hwsim")
