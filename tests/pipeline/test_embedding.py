"""Embeddings: rows of a table by index, exactly; whatever is no index is told by its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline.test_program import Archive, Change, put, refused

import hwsim
from hwsim.data import synthetic
from hwsim.errors import DataError, PlanError, UnsupportedError
from hwsim.formats import Rounding
from hwsim.network import Dense, Embedding, Input, Network, Rearrange, Reshape
from hwsim.process import truncation_points
from hwsim.reference import run_network
from hwsim.target import load_target

layers: Any = keras.layers

WORDS, STEPS, WIDTH = 12, 5, 4

INDICES: NDArray[np.int64] = np.random.default_rng(0).integers(0, WORDS, (40, STEPS))


def table(rows: int = WORDS, width: int = WIDTH, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def bare(rows: int = WORDS, shape: tuple[int, ...] = (STEPS,), indices: int | None = None) -> Network:
    """Return an input and an embedding, which is the result."""
    return Network(
        name="bare",
        operations=(
            Input(name="words", shape=shape, indices=rows if indices is None else indices),
            Embedding(name="rows", inputs=("words",), table=table(rows)),
        ),
        outputs=("rows",),
    )


def test_a_row_is_the_rounded_row_of_the_table() -> None:
    """By the formula of docs/arithmetic.md in Python's own numbers, whichever rows were seen."""
    result = hwsim.run(bare(), "generic-int8", INDICES, calibration=np.zeros((1, STEPS)))
    entry = result.plan.tensors["rows"]
    assert (entry.minimum, entry.maximum) == (table().min(), table().max())
    wanted = [
        [
            [min(max(round(float(real) / entry.scale) + entry.zero_point, -128), 127) for real in table()[word]]
            for word in sample
        ]
        for sample in INDICES.tolist()
    ]
    assert load_target("generic-int8").activations.rounding == Rounding.HALF_EVEN
    assert result.codes.tolist() == wanted


def test_the_table_counts_once() -> None:
    few, many = (hwsim.run(bare(), "generic-int8", INDICES[:count]) for count in (1, 40))
    rows = [[row for row in one.ledger if row.layer == "rows"] for one in (few, many)]
    assert [[row.point.name for row in each] for each in rows] == [["constant"], ["constant"]]
    for each in rows:
        assert each[0].counts[0].tolist() == [WORDS] * WIDTH  # VALUES
    (given,) = [row for row in many.ledger if row.layer == "words"]
    assert not given.hits
    assert not given.inexact


@pytest.mark.parametrize(("rows", "bits"), [(1, 1), (2, 1), (3, 2), (256, 8), (257, 9), (1 << 16, 16)])
def test_indices_have_the_bits_that_they_need(rows: int, bits: int) -> None:
    data = np.array([[0, rows - 1, rows // 2]])
    result = hwsim.run(bare(rows, (3,)), "generic-int8", data)
    entry = result.plan.tensors["words"]
    assert (entry.bits, entry.signed, entry.scale, entry.zero_point) == (bits, False, 1.0, 0)
    np.testing.assert_array_equal(result.reference, table(rows)[data])
    assert np.abs(result.outputs - result.reference).max() <= result.plan.tensors["rows"].scale * 0.500001


def test_more_rows_than_an_index_reaches() -> None:
    with pytest.raises(ValueError, match="a table of 65537 rows; an index of 16 bits reaches 65536"):
        bare((1 << 16) + 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
def test_indices_of_any_type(dtype: type) -> None:
    network = bare()
    wanted = hwsim.run(network, "generic-int8", INDICES).codes
    np.testing.assert_array_equal(hwsim.run(network, "generic-int8", INDICES.astype(dtype)).codes, wanted)


def test_synthetic_indices() -> None:
    (found,) = synthetic(bare(3, (1000,)).inputs, 4)
    assert set(found.ravel().tolist()) == {0.0, 1.0, 2.0}
    result = hwsim.run(bare(), "generic-int8")
    assert "any indices" in str(result.report)
    (most,) = synthetic(bare(1 << 16, (1 << 20,)).inputs, 4)
    assert most.max() < 1 << 16


# Keras


def sentence(x: Any, **options: Any) -> Any:
    return layers.Embedding(WORDS, WIDTH, name="table", **options)(x)


MODELS: Mapping[str, Callable[[Any], Any]] = {
    "flat": lambda x: layers.Dense(3)(layers.Flatten()(sentence(x))),
    "recurrent": lambda x: layers.Dense(3)(layers.Bidirectional(layers.GRU(4))(sentence(x))),
    "convolved": lambda x: layers.GlobalMaxPooling1D()(layers.Conv1D(4, 2, activation="relu")(sentence(x))),
    "behind moves": lambda x: layers.Flatten()(sentence(layers.Reshape((STEPS, 1))(x))),
    "two tables": lambda x: layers.Concatenate()([sentence(x), layers.Embedding(7, 2)(x)]),
    "a mask that nobody takes": lambda x: layers.Dense(3)(sentence(x, mask_zero=True)),
}


def model_of(build: Callable[[Any], Any], dtype: str = "int32") -> Any:
    keras.utils.set_random_seed(1)
    x = keras.Input((STEPS,), dtype=dtype, name="words")
    return keras.Model(x, build(x))


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_keras(name: str, dtype: str) -> None:
    model = model_of(MODELS[name], dtype)
    network = hwsim.load(model)
    most = 7 if name == "two tables" else WORDS
    assert network.inputs[0].indices == most
    data = INDICES % most
    result = hwsim.run(model, "generic-int16", data)
    np.testing.assert_allclose(result.reference, model(data.astype(dtype)), atol=1e-6)
    assert result.report.outputs[0].sqnr_db is not None
    assert result.report.outputs[0].sqnr_db > 40


def refusal(build: Callable[[Any], Any]) -> str:
    with pytest.raises(UnsupportedError) as caught:
        hwsim.load(model_of(build))
    return str(caught.value.layers)


def test_what_is_refused() -> None:
    masked = refusal(lambda x: layers.LSTM(2, name="memory")(sentence(x, mask_zero=True)))
    assert "memory (LSTM: called with a mask" in masked
    assert "table" not in masked
    computed = refusal(lambda x: sentence(layers.ReLU(name="computed")(x)))
    assert "table (Embedding: reads by what computed computes" in computed
    wide = refusal(layers.Embedding((1 << 16) + 1, 1, name="table"))
    assert "table (Embedding: a table of 65537 rows" in wide


# What is no index


WRONG: Mapping[str, tuple[float, str]] = {
    "too large": (WORDS, "sample 3 holds 12 at (2,), which is no index from 0 to 11"),
    "negative": (-1, "sample 3 holds -1 at (2,), which is no index from 0 to 11"),
    "not whole": (1.5, "sample 3 holds 1.5 at (2,), which is no index from 0 to 11"),
    "huge": (2.0**40, "sample 3 holds 1.0995116e+12 at (2,), which is no index from 0 to 11"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_index_is_told(name: str) -> None:
    value, message = WRONG[name]
    data = INDICES.astype(np.float64)
    data[3, 2] = value
    network = bare()
    program = hwsim.run(network, "generic-int8", INDICES, reference=False).program
    for run in (
        lambda: hwsim.run(network, "generic-int8", data),
        lambda: hwsim.profile(network, data),
        lambda: program.run(data, batch_size=2),
    ):
        with pytest.raises(DataError) as caught:
            run()
        assert message in str(caught.value)


def test_a_table_smaller_than_its_input_allows() -> None:
    """A network made by hand may promise more than a table holds: the look-up itself looks."""
    network = bare(rows=5, indices=8)
    data = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 7, 3, 4]])
    with pytest.raises(DataError, match=r"rows: 7.0 at \(2, 2\) is no index of a table of 5 rows"):
        hwsim.run(network, "generic-int8", data)
    program = hwsim.run(network, "generic-int8", data[:2]).program
    with pytest.raises(DataError, match=r"rows: sample 2 at \(2,\) asks for row 7, the table has 5 rows"):
        program.run(data, batch_size=1)
    with pytest.raises(DataError, match="-1.0 at"):
        run_network(bare(), [np.full((1, STEPS), -1.0)])


# Plans


def test_plans_that_change_indices_are_refused() -> None:
    result = hwsim.run(bare(), "generic-int8", INDICES)
    entry = result.plan.tensors["words"]
    for change in ({"scale": 0.5}, {"zero_point": 1}, {"bits": 3}, {"signed": True}):
        tensors = {**result.plan.tensors, "words": entry.model_copy(update=change)}
        with pytest.raises(PlanError, match="words: holds indices below 12, so the plan must give it the scale 1"):
            hwsim.lower(bare(), result.plan.model_copy(update={"tensors": tensors}), load_target("generic-int8"))


def test_rows_by_what_is_computed_are_refused() -> None:
    network = Network(
        name="wrong",
        operations=(
            Input(name="x", shape=(STEPS,)),
            Dense(name="fc", inputs=("x",), kernel=np.eye(STEPS, dtype=np.float32), bias=np.zeros(STEPS, np.float32)),
            Embedding(name="rows", inputs=("fc",), table=table()),
        ),
        outputs=("rows",),
    )
    plan = hwsim.decide(network, hwsim.profile(network, INDICES), load_target("generic-int8"))
    with pytest.raises(PlanError, match="rows: reads rows by the codes of 'fc'"):
        hwsim.lower(network, plan, load_target("generic-int8"))


def test_records_that_make_no_sense() -> None:
    for wrong in (np.zeros(3, np.float32), np.zeros((0, 3), np.float32), np.full((2, 2), np.nan, np.float32)):
        with pytest.raises(ValueError, match="needs a table"):
            Embedding(name="rows", inputs=("x",), table=wrong)
    with pytest.raises(ValueError, match="at least one axis"):
        bare(shape=())


def test_truncation_points_before_a_run() -> None:
    rows = truncation_points(bare(), "generic-int8").rows
    assert [(one.layer, one.point) for one in rows] == [("words", "input"), ("rows", "constant")]


# Files


def moved() -> Network:
    """Return a network whose indices are turned round before they are used."""
    index = np.arange(STEPS, dtype=np.int64)[::-1].copy()
    return Network(
        name="moved",
        operations=(
            Input(name="words", shape=(STEPS,), indices=WORDS),
            Rearrange(name="turned", inputs=("words",), index=index),
            Embedding(name="rows", inputs=("turned",), table=table()),
            Reshape(name="flat", inputs=("rows",), shape=(STEPS * WIDTH,)),
        ),
        outputs=("flat",),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "rows.hwsim"
    hwsim.run(moved(), "generic-int8", INDICES, reference=False).program.save(path)
    return path


def test_a_loaded_program_runs_as_the_first_did(saved: Path) -> None:
    program = hwsim.Program.load(saved)
    assert program.inputs[0].indices == WORDS
    wanted = hwsim.run(moved(), "generic-int8", INDICES)
    np.testing.assert_array_equal(program.run(INDICES).codes["flat"], wanted.codes)
    assert program.run(INDICES).ledger == wanted.ledger


TAMPERED: Mapping[str, Change] = {
    "another shape": lambda a: put(a, "rows", "output", "shape", value=[STEPS, WIDTH + 1]),
    "rows by reals": lambda a: put(a, "rows", "inputs", value=["words"]),
    "no point": lambda a: put(a, "rows", "points", value=[]),
    "a flat table": lambda a: a.replace(a.array("rows", "codes").ravel(), "rows", "codes"),
    "no rows": lambda a: a.replace(a.array("rows", "codes")[:0], "rows", "codes"),
    "narrow rows": lambda a: a.replace(a.array("rows", "codes")[:, :2].copy(), "rows", "codes"),
    "what is no code": lambda a: a.array("rows", "codes").fill(128),
    "counts of no channel": lambda a: a.replace(a.array("rows", "initial")[:, :, :1].copy(), "rows", "initial"),
}


@pytest.mark.parametrize("change", TAMPERED)
def test_tampered_programs_are_refused(saved: Path, tmp_path: Path, change: str) -> None:
    archive = Archive.read(saved)
    TAMPERED[change](archive)
    archive.write(tmp_path / "p.hwsim")
    assert refused(tmp_path / "p.hwsim")


def test_a_shorter_table_in_a_file_is_never_read_beyond(saved: Path, tmp_path: Path) -> None:
    archive = Archive.read(saved)
    archive.replace(archive.array("rows", "codes")[:3].copy(), "rows", "codes")
    archive.write(tmp_path / "p.hwsim")
    with pytest.raises(DataError, match="the table has 3 rows"):
        hwsim.Program.load(tmp_path / "p.hwsim").run(INDICES)
