"""Programs as files: they run alone and give the same, and nothing that was tampered with is run."""

from __future__ import annotations

import copy
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from pipeline.test_oracle_agreement import SLOW_DRAWS, Case, cases
from pipeline.tiny import DIGITS, IMAGES, Json, dense, image_network, reals, rows_of, target_with

import hwsim
from hwsim.errors import ProgramError
from hwsim.formats import Rounding
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    Conv2D,
    Crop,
    Input,
    MaxPool,
    Mean,
    Network,
    Pad,
    Relu,
    Reshape,
    ScaleShift,
    Softmax,
)
from hwsim.program import Program
from hwsim.program.file import FORMAT

ROOT = Path(hwsim.__file__).parents[1]


def every_operation() -> Network:
    """Return a network that lowers to every record of a program."""
    return Network(
        name="every",
        operations=(
            Input(name="image", shape=(5, 5, 2)),
            Pad(name="wider", inputs=("image",), padding=((1, 0), (0, 1))),
            Crop(name="smaller", inputs=("wider",), cropping=((1, 0), (0, 1))),
            Conv2D(name="conv", inputs=("smaller",), kernel=reals(2, 2, 2, 4), bias=reals(4, seed=1)),
            Activation(name="leaky", inputs=("conv",), function=Relu(negative_slope=0.2, max_value=3.0)),
            ScaleShift(name="affine", inputs=("leaky",), scale=reals(4, seed=2), bias=reals(4, seed=3)),
            Add(name="both", inputs=("conv", "affine")),
            Concatenate(name="beside", inputs=("both", "leaky"), axis=2),
            MaxPool(name="largest", inputs=("beside",), window=(2, 2), strides=(1, 1)),
            AveragePool(name="mean", inputs=("largest",), window=(3, 3), strides=(3, 3)),
            Reshape(name="flat", inputs=("mean",), shape=(8,)),
            dense("logits", "flat", 8, 3, seed=4),
            Softmax(name="softmax", inputs=("logits",), axis=0),
            Mean(name="whole", inputs=("conv",)),
            Softmax(name="shares", inputs=("whole",), axis=2),
        ),
        outputs=("softmax", "logits", "shares"),
    )


DATA = reals(6, 5, 5, 2, seed=9)

IN_FIXED_POINT: Json = {"layers": {"shares": {"softmax": {"run_on": "fixed"}}}}

VARIANTS: Mapping[str, Json] = {
    "fixed": IN_FIXED_POINT,
    "fixed_double": {**IN_FIXED_POINT, "requantize": {"kind": "fixed_double"}},
    "float32": {**IN_FIXED_POINT, "requantize": {"kind": "float32", "rounding": "half_even"}},
    "stochastic": {
        **IN_FIXED_POINT,
        "mac": {
            "product": {"bits": 13, "shift": 1, "rounding": "stochastic_weighted"},
            "stages": [
                {"name": "tree", "bits": 13, "terms": 4, "shape": "tree", "overflow": "wrap"},
                {"name": "accumulator", "bits": 15, "overflow": "saturate"},
            ],
        },
        "bias": {"bits": 15, "position": "last"},
        "activation": {"position": "before_requantize", "rounding": "stochastic_equal"},
    },
}


@pytest.fixture(scope="module", params=list(VARIANTS))
def result(request: pytest.FixtureRequest) -> hwsim.Result:
    """A run whose program has every record."""
    return hwsim.run(every_operation(), target_with(**VARIANTS[request.param]), DATA)


# As it was


def test_every_record_is_in_use(result: hwsim.Result) -> None:
    kinds = {type(one).__name__ for one in result.program.operations}
    assert kinds == {
        "CropCodes", "FixedSoftmax", "HostSoftmax", "Join", "MultiplyAccumulate", "PadCodes", "PoolAverage", "PoolMax",
        "Quantize", "Relabel", "Rescale", "Sum",
    }  # fmt: skip


def test_a_loaded_program_runs_as_the_first_did(result: hwsim.Result, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "every.hwsim"
    result.program.save(path)
    loaded = Program.load(str(path))
    execution = loaded.run(DATA, batch_size=4)
    for name, codes in result.codes.items():
        np.testing.assert_array_equal(execution.codes[name], codes)
        np.testing.assert_array_equal(execution.outputs[name], result.outputs[name])
    assert execution.ledger == result.ledger
    assert str(loaded) == str(result.program)


def test_equal_programs_give_equal_files(result: hwsim.Result, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{number}.hwsim" for number in range(3))
    result.program.save(first)
    Program.load(first).save(second)
    hwsim.lower(every_operation(), result.plan, hwsim.Target.from_dict(target_of(result))).save(third)
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()


def target_of(result: hwsim.Result) -> Json:
    """Return the target that a result was made for."""
    assert result.program.target == "made"
    has_tree = any(row.point.name == "tree" for row in result.ledger)
    names = {row.point.name for row in result.ledger}
    float_steps = "ScaleFloat" in {type(step).__name__ for one in result.program.operations for step in steps_of(one)}
    variant = "stochastic" if has_tree else "fixed_double" if "high_multiply" in names else "fixed"
    return {"name": "made", **VARIANTS["float32" if float_steps else variant]}


def steps_of(operation: Any) -> tuple[Any, ...]:
    """Return an operation's steps, if it has any."""
    return getattr(operation, "steps", ())


def test_a_trace_of_a_loaded_program(result: hwsim.Result, tmp_path: Path) -> None:
    result.program.save(tmp_path / "p.hwsim")
    traces = [
        one.run(DATA, trace=("conv",)).trace["conv"] for one in (result.program, Program.load(tmp_path / "p.hwsim"))
    ]
    assert traces[0].keys() == traces[1].keys()
    for point, values in traces[0].items():
        np.testing.assert_array_equal(values, traces[1][point])


SCRIPT = """
import json, sys
for name in ("tensorflow", "keras", "h5py"):
    sys.modules[name] = None
import hwsim
program = hwsim.Program.load(sys.argv[1])
execution = program.run(sys.argv[2], batch_size=50)
rows = [[row.layer, row.point.name, row.counts.tolist(), row.histogram.tolist()] for row in execution.ledger]
codes = {name: values.tolist() for name, values in execution.codes.items()}
print(json.dumps({"codes": codes, "rows": rows, "samples": execution.samples}))
"""


def test_a_saved_program_runs_where_there_is_no_tensorflow(tmp_path: Path) -> None:
    network = hwsim.load(DIGITS)
    logits = Network(name="digits", operations=network.operations[:-1], outputs=("logits",))
    result = hwsim.run(logits, "edge-npu-acc20", IMAGES, reference=False)
    path = tmp_path / "digits.hwsim"
    result.program.save(path)
    roots = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(IMAGES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": roots},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["samples"] == 400
    assert found["codes"] == {"logits": result.codes.tolist()}
    wanted = [[row.layer, row.point.name, row.counts.tolist(), row.histogram.tolist()] for row in result.ledger]
    assert found["rows"] == wanted


@settings(max_examples=20, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_any_program_is_saved_and_loaded_as_it_is(case: Case) -> None:
    check_saved(case)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_any_program_is_saved_and_loaded_as_it_is_at_length(case: Case) -> None:
    check_saved(case)


def check_saved(case: Case) -> None:
    """Save and load a program, and run both."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.hwsim"
        case.program.save(path)
        loaded = Program.load(path)
    first, second = case.program.run(case.data), loaded.run(case.data)
    for name, codes in first.codes.items():
        np.testing.assert_array_equal(codes, second.codes[name])
    assert first.ledger == second.ledger


def test_wrong_data_for_a_program(result: hwsim.Result) -> None:
    with pytest.raises(hwsim.DataError, match=r"input 'image' takes samples of shape \(5, 5, 2\)"):
        result.program.run(DATA[:, :4])
    with pytest.raises(ProgramError, match=r"cannot trace \['nowhere'\]"):
        result.program.run(DATA, trace=("nowhere",))
    with pytest.raises(ValueError, match="batch_size must be at least 1 sample, not 0"):
        result.program.run(DATA, batch_size=0)


# Damaged files


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with every record, in a file."""
    path = tmp_path_factory.mktemp("program") / "every.hwsim"
    hwsim.run(every_operation(), target_with(**VARIANTS["stochastic"]), DATA, reference=False).program.save(path)
    return path


def refused(path: Path) -> str:
    """Return what is said of a file that cannot be loaded."""
    with pytest.raises(ProgramError) as caught:
        Program.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message) < 500 + len(str(path))
    return message.removeprefix(f"{path}: ")


def test_missing_files(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.hwsim") == "no such file"
    assert refused(tmp_path).startswith("is no hwsim program, or damaged")


@pytest.mark.parametrize("content", [b"", b"words", b"PK\x03\x04", b"{}"], ids=["empty", "words", "zip", "json"])
def test_files_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.hwsim"
    path.write_bytes(content)
    assert refused(path).startswith("is no hwsim program, or damaged")


def test_other_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=DATA)
    for path in (tmp_path / "data.npz", DIGITS):
        assert refused(path).startswith("is no hwsim program, or damaged")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_cut_files(saved: Path, tmp_path: Path, share: float) -> None:
    whole = saved.read_bytes()
    path = tmp_path / "cut.hwsim"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert refused(path).startswith("is no hwsim program, or damaged")


def test_changed_bytes_are_noticed_or_do_not_matter(saved: Path, tmp_path: Path) -> None:
    whole, path = saved.read_bytes(), tmp_path / "changed.hwsim"
    wanted = Program.load(saved).run(DATA)
    generator = np.random.default_rng(0)
    refusals = 0
    for at in generator.integers(0, len(whole), 100).tolist():
        changed = bytearray(whole)
        changed[at] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(changed))
        try:
            loaded = Program.load(path)
        except ProgramError as error:
            assert str(error).startswith(str(path))
            refusals += 1
        else:
            np.testing.assert_array_equal(loaded.run(DATA).codes["logits"], wanted.codes["logits"])
    assert refusals > 30


# Tampered files


@dataclass
class Archive:
    """The parts of a program's file: its document, and its arrays by number."""

    document: Json
    arrays: dict[int, np.ndarray]

    @staticmethod
    def read(path: Path) -> Archive:
        """Take a file apart."""
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            arrays = {int(name[:-4]): np.load(io.BytesIO(archive.read(name))) for name in names}
            return Archive(json.loads(archive.read("program.json")), arrays)

    def write(self, path: Path, *, pickled: bool = False) -> None:
        """Put the parts together again."""
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("program.json", json.dumps(self.document))
            for number, array in self.arrays.items():
                content = io.BytesIO()
                np.save(content, array, allow_pickle=pickled)
                archive.writestr(f"{number}.npy", content.getvalue())

    @property
    def operations(self) -> dict[str, Json]:
        """The operations by name."""
        return {one["name"]: one for one in self.document["program"]["operations"]}

    def array(self, operation: str, *keys: str | int) -> np.ndarray:
        """Return an array of an operation, to be changed in place."""
        return self.arrays[self.number(operation, *keys)]

    def number(self, operation: str, *keys: str | int) -> int:
        """Return the number of an array of an operation."""
        value: Any = self.operations[operation]
        for key in keys:
            value = value[key]
        number: int = value["array"]
        return number

    def replace(self, array: np.ndarray, operation: str, *keys: str | int) -> None:
        """Put another array in an array's place."""
        self.arrays[self.number(operation, *keys)] = array

    def step(self, operation: str, record: str) -> int:
        """Return which of an operation's steps is a record of this kind."""
        return [step["record"] for step in self.operations[operation]["steps"]].index(record)


Change = Callable[[Archive], object]


def put(archive: Archive, operation: str, *keys: str | int, value: Any) -> None:
    """Change a value of an operation's document."""
    place: Any = archive.operations[operation]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value


def test_an_archive_that_is_only_taken_apart_still_loads(saved: Path, tmp_path: Path) -> None:
    Archive.read(saved).write(tmp_path / "same.hwsim")
    np.testing.assert_array_equal(
        Program.load(tmp_path / "same.hwsim").run(DATA).codes["logits"], Program.load(saved).run(DATA).codes["logits"]
    )


@pytest.mark.parametrize("version", [0, FORMAT + 1, "1", None, [], True])
def test_other_versions(saved: Path, tmp_path: Path, version: Any) -> None:
    archive = Archive.read(saved)
    archive.document["hwsim_program"] = version
    archive.write(tmp_path / "p.hwsim")
    message = refused(tmp_path / "p.hwsim")
    assert message == f"is of program format {version}, this hwsim reads format {FORMAT}; lower it again"


DOCUMENTS: Mapping[str, Change] = {
    "unknown record": lambda a: put(a, "conv", "record", value="Evil"),
    "a class of Python": lambda a: put(a, "conv", "record", value="Path"),
    "another record's place": lambda a: put(
        a, "conv", "output", value=copy.deepcopy(a.operations["conv"]["points"][0])
    ),
    "a record that is none": lambda a: put(a, "conv", "record", value=["MultiplyAccumulate"]),
    "a step for an operation": lambda a: a.document["program"]["operations"].append(a.operations["conv"]["steps"][0]),
    "missing field": lambda a: a.operations["conv"].pop("exact"),
    "unknown field": lambda a: put(a, "conv", "colour", value=1),
    "text for a number": lambda a: put(a, "conv", "zero_point", value="3"),
    "a fraction for a number": lambda a: put(a, "conv", "zero_point", value=0.5),
    "a truth for a number": lambda a: put(a, "conv", "zero_point", value=True),
    "a number for a truth": lambda a: put(a, "conv", "exact", value=1),
    "a number for text": lambda a: put(a, "conv", "layer", value=7),
    "nothing for a list": lambda a: put(a, "conv", "steps", value=None),
    "a list too long": lambda a: put(a, "conv", "view", value=[5, 5, 2, 1]),
    "unknown rounding": lambda a: put(a, "conv", "points", 0, "rounding", value="upwards"),
    "unknown overflow": lambda a: put(a, "conv", "points", 0, "overflow", value=3),
    "a format of 65 bits": lambda a: put(a, "conv", "output", "format", "bits", value=65),
    "a format of 0 bits": lambda a: put(a, "conv", "output", "format", "bits", value=0),
    "an array that is not there": lambda a: put(a, "conv", "weights", "array", value=9999),
    "an array by a path": lambda a: put(a, "conv", "weights", "array", value="../weights"),
    "a list for an array": lambda a: put(a, "conv", "weights", value=[1, 2, 3]),
    "no program": lambda a: a.document.pop("program"),
    "a list for the program": lambda a: a.document.update(program=[]),
    "a list for the document": lambda a: setattr(a, "document", [a.document]),
    "no operations field": lambda a: a.document["program"].pop("operations"),
    "a NaN for a scale": lambda a: put(a, "conv", "output", "scale", value=float("nan")),
    "an immense scale": lambda a: put(a, "conv", "output", "scale", value=1e300),
    "another scale of a softmax": lambda a: put(a, "softmax", "scale", value=2.5),
    "a negative scale": lambda a: put(a, "conv", "output", "scale", value=-1.0),
    "a zero point of 80 bits": lambda a: put(a, "conv", "output", "zero_point", value=1 << 80),
    "an operand's zero point of 80 bits": lambda a: put(a, "conv", "zero_point", value=1 << 80),
    "points of a mean too few": lambda a: put(a, "whole", "points", value=a.operations["whole"]["points"][1:]),
    "a mean with a weight alone": lambda a: put(a, "whole", "points", 1, "once", value=True),
    "a bias without a weight": lambda a: a.operations["conv"]["points"].pop(0),
    "weights behind sums": lambda a: a.operations["conv"]["points"].append(a.operations["conv"]["points"].pop(0)),
    "a sum that is none": lambda a: put(a, "whole", "points", 0, "stage", value=False),
    "one sum too many": lambda a: put(a, "conv", "points", 5, "stage", value=True),
    "products behind sums": lambda a: a.operations["conv"]["points"].insert(4, a.operations["conv"]["points"].pop(2)),
    "a softmax of a wide multiplier": lambda a: put(a, "shares", "multiplier", value=1 << 31),
    "a softmax of a small multiplier": lambda a: put(a, "shares", "multiplier", value=(1 << 30) - 1),
    "a softmax of a huge shift": lambda a: put(a, "shares", "shift", value=32),
    "a softmax of no shift": lambda a: put(a, "shares", "shift", value=0),
    "a softmax over no axis": lambda a: put(a, "shares", "axis", value=3),
    "a softmax that does not count": lambda a: put(a, "shares", "points", value=[]),
    "a softmax of other points": lambda a: a.operations["shares"]["points"].reverse(),
    "a softmax of 7 bits": lambda a: put(a, "shares", "output", "format", "bits", value=7),
    "shares of another scale": lambda a: put(a, "shares", "output", "scale", value=2.0**-7),
    "shares from 0 on": lambda a: put(a, "shares", "output", "zero_point", value=0),
    "shares with shifts": lambda a: put(a, "shares", "output", "shift", value=[0] * 4),
    "deep nesting": lambda a: put(a, "conv", "inputs", value=nested(800)),
    "an input that nobody makes": lambda a: put(a, "conv", "inputs", value=["nowhere"]),
    "an input made later": lambda a: put(a, "conv", "inputs", value=["both"]),
    "no inputs": lambda a: put(a, "conv", "inputs", value=[]),
    "a result that nobody makes": lambda a: a.document["program"].update(outputs=["nowhere"]),
    "a shape of nothing": lambda a: put(a, "conv", "output", "shape", value=[]),
    "a shape of zeros": lambda a: put(a, "conv", "output", "shape", value=[4, 0, 4]),
    "a larger shape": lambda a: put(a, "conv", "output", "shape", value=[4, 5, 4]),
    "a larger view": lambda a: put(a, "conv", "view", value=[500, 5, 2]),
    "a larger view of the output": lambda a: put(a, "conv", "output_view", value=[500, 4, 4]),
    "a negative padding": lambda a: put(a, "wider", "padding", value=[[-1, 0], [0, 1]]),
    "a larger padding": lambda a: put(a, "wider", "padding", value=[[100, 0], [0, 1]]),
    "a larger cropping": lambda a: put(a, "smaller", "cropping", value=[[3, 3], [0, 1]]),
    "an axis that is not there": lambda a: put(a, "beside", "axis", value=3),
    "a negative axis": lambda a: put(a, "beside", "axis", value=-1),
    "an axis of a softmax": lambda a: put(a, "softmax", "axis", value=1),
    "a smaller reshape": lambda a: put(a, "flat", "output", "shape", value=[7]),
    "another shape behind a sum": lambda a: put(a, "both", "output", "shape", value=[4, 4, 5]),
    "another shape behind an activation": lambda a: put(a, "leaky", "output", "shape", value=[4, 4, 8]),
    "a point that is not there": lambda a: put(
        a, "conv", "steps", a.step("conv", "ScaleFixed"), "point", value="nowhere"
    ),
    "a step without a point": lambda a: put(a, "conv", "steps", a.step("conv", "FitTo"), "point", value=""),
    "two operations of one name": lambda a: put(a, "affine", "name", value="conv"),
    "two tensors of one name": lambda a: put(a, "affine", "output", "name", value="conv"),
    "a point of no steps": lambda a: put(a, "conv", "points", 3, "steps", value=0),
    "a sum of nothing": lambda a: put(a, "both", "inputs", value=[]),
    "a real operand": lambda a: put(a, "wider", "inputs", value=["image"]),
    "a code of 17 bits": lambda a: put(a, "conv", "output", "format", "bits", value=17),
    "a product that does not count": lambda a: put(a, "conv", "points", 2, "name", value="products"),
    "points of one name": lambda a: put(a, "conv", "points", 0, "name", value="bias"),
    "a point too few": lambda a: a.operations["conv"]["points"].pop(),
    "no points": lambda a: put(a, "conv", "points", value=[]),
    "no points of a pooling": lambda a: put(a, "mean", "points", value=[]),
    "no point of an input": lambda a: put(a, "image/codes", "points", value=[]),
    "endless guard bits": lambda a: put(
        a, "leaky", "steps", a.step("leaky", "ScaleFixed"), "guard_bits", value=1 << 70
    ),
}


def nested(depth: int) -> list[Any]:
    """Return lists inside one another."""
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize("change", DOCUMENTS)
def test_tampered_documents(saved: Path, tmp_path: Path, change: str) -> None:
    archive = Archive.read(saved)
    DOCUMENTS[change](archive)
    archive.write(tmp_path / "p.hwsim")
    assert refused(tmp_path / "p.hwsim")


def scaled(archive: Archive, key: str) -> np.ndarray:
    """Return an array of the requantisation of ``conv``."""
    return archive.array("conv", "steps", archive.step("conv", "ScaleFixed"), key)


ARRAYS: Mapping[str, Change] = {
    "a tap of a channel above": lambda a: a.array("conv", "taps").__setitem__((0, 2), 2),
    "a tap of a channel below": lambda a: a.array("conv", "taps").__setitem__((0, 2), -1),
    "a tap far away": lambda a: a.array("conv", "taps").__setitem__((0, 0), 1 << 40),
    "a tap at the end of the world": lambda a: a.array("conv", "taps").__setitem__((0, 1), -(1 << 63)),
    "a tap too few": lambda a: a.replace(a.array("conv", "taps")[1:], "conv", "taps"),
    "taps of two axes": lambda a: a.replace(a.array("conv", "taps")[:, :2].copy(), "conv", "taps"),
    "weights of another shape": lambda a: a.replace(a.array("conv", "weights")[:, 1:].copy(), "conv", "weights"),
    "weights of more channels": lambda a: a.replace(
        np.repeat(a.array("conv", "weights"), 2, axis=2), "conv", "weights"
    ),
    "weights of one axis": lambda a: a.replace(a.array("conv", "weights").ravel(), "conv", "weights"),
    "no weights": lambda a: a.replace(a.array("conv", "weights")[:, :0].copy(), "conv", "weights"),
    "weights of another type": lambda a: a.replace(a.array("conv", "weights").astype(np.int64), "conv", "weights"),
    "weights of floats": lambda a: a.replace(a.array("conv", "weights").astype(np.float64), "conv", "weights"),
    "weights of bytes": lambda a: a.replace(a.array("conv", "weights").astype("S3"), "conv", "weights"),
    "weights of the other endianness": lambda a: a.replace(a.array("conv", "weights").astype(">i4"), "conv", "weights"),
    "a stride of 0": lambda a: a.array("conv", "strides").fill(0),
    "a negative stride": lambda a: a.array("conv", "strides").fill(-1),
    "three strides": lambda a: a.replace(np.ones(3, np.int64), "conv", "strides"),
    "a limit of 64 bits": lambda a: a.array("leaky", "steps", a.step("leaky", "ClipHigh"), "limit").fill(-(1 << 63)),
    "a start of 64 bits": lambda a: a.array("conv", "start").__setitem__(0, -(1 << 63)),
    "a start too few": lambda a: a.replace(a.array("conv", "start")[1:], "conv", "start"),
    "a field of a product too short": lambda a: a.replace(a.array("conv", "product")[1:], "conv", "product"),
    "a product of 65 bits": lambda a: a.array("conv", "product").__setitem__(1, 65),
    "a product of a huge shift": lambda a: a.array("conv", "product").__setitem__(7, 200),
    "a product of a negative shift": lambda a: a.array("conv", "product").__setitem__(7, -1),
    "no stages": lambda a: a.replace(a.array("conv", "stages")[:0], "conv", "stages"),
    "a stage of 0 bits": lambda a: a.array("conv", "stages").__setitem__((0, 1), 0),
    "a stage of 100 bits": lambda a: a.array("conv", "stages").__setitem__((1, 1), 100),
    "a stage of a huge shift": lambda a: a.array("conv", "stages").__setitem__((1, 7), 1 << 50),
    "a stage of negative terms": lambda a: a.array("conv", "stages").__setitem__((0, 0), -3),
    "an outer stage that ends": lambda a: a.array("conv", "stages").__setitem__((1, 0), 4),
    "ends too few": lambda a: a.replace(a.array("conv", "ends")[:, 1:].copy(), "conv", "ends"),
    "an end that is neither": lambda a: a.array("conv", "ends").__setitem__((0, 0), 2),
    "a sum that never ends": lambda a: a.array("conv", "ends").__setitem__((1, -1), 0),
    "a last sum that ends twice": lambda a: a.array("conv", "ends").__setitem__((1, 0), 1),
    "inner sums that go on": lambda a: a.array("conv", "ends").__setitem__((0, slice(0, -1)), 0),
    "a spread of 0": lambda a: a.array("conv", "spread").fill(0),
    "counts of too few channels": lambda a: a.replace(a.array("conv", "initial")[:, :, 1:].copy(), "conv", "initial"),
    "counts of too few points": lambda a: a.replace(a.array("conv", "initial")[1:], "conv", "initial"),
    "a shift of 125": lambda a: scaled(a, "shift").fill(125),
    "a negative shift": lambda a: scaled(a, "shift").fill(-1),
    "a multiplier of 33 bits": lambda a: scaled(a, "multiplier").fill(1 << 32),
    "a negative multiplier": lambda a: scaled(a, "multiplier").fill(-5),
    "a multiplier too few": lambda a: a.replace(
        scaled(a, "multiplier")[1:], "conv", "steps", a.step("conv", "ScaleFixed"), "multiplier"
    ),
    "a field of an output too short": lambda a: a.replace(
        np.ones(3, np.int64), "conv", "steps", a.step("conv", "FitTo"), "field"
    ),
    "an output of 70 bits": lambda a: a.array("conv", "steps", a.step("conv", "FitTo"), "field").__setitem__(0, 70),
    "no random numbers": lambda a: a.replace(np.zeros(0, np.int64), "conv", "draws"),
    "a window of nothing": lambda a: a.array("mean", "window").__setitem__(slice(0, 2), 0),
    "a window out of the image": lambda a: a.array("mean", "window").__setitem__(4, -50),
    "a window too short": lambda a: a.replace(a.array("largest", "window")[:4], "largest", "window"),
    "a window without a stride": lambda a: a.array("largest", "window").__setitem__(slice(2, 4), 0),
    "a field of an input too short": lambda a: a.replace(np.ones(4, np.int64), "image/codes", "field"),
    "an input of 80 bits": lambda a: a.array("image/codes", "field").__setitem__(0, 80),
    "a rounding that there is not": lambda a: a.array("image/codes", "field").__setitem__(4, 99),
    "an overflow that there is not": lambda a: a.array("both", "field").__setitem__(2, 99),
    "more saturated bits than bits": lambda a: a.array("both", "field").__setitem__(3, 50),
    "saturated bits of a stage": lambda a: a.array("conv", "stages").__setitem__((1, 4), -(1 << 63)),
    "a stage of neither shape": lambda a: a.array("conv", "stages").__setitem__((0, 6), 7),
    "a sum of 80 bits": lambda a: a.array("both", "field").__setitem__(0, 80),
    "an average of 80 bits": lambda a: a.array("mean", "field").__setitem__(0, 80),
}


@pytest.mark.parametrize("change", ARRAYS)
def test_tampered_arrays(saved: Path, tmp_path: Path, change: str) -> None:
    archive = Archive.read(saved)
    ARRAYS[change](archive)
    archive.write(tmp_path / "p.hwsim")
    assert refused(tmp_path / "p.hwsim")


def test_nothing_is_unpickled(saved: Path, tmp_path: Path) -> None:
    fuse = tmp_path / "exploded"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (fuse,)

    archive = Archive.read(saved)
    archive.replace(np.array([[[Bomb()]]], object), "conv", "weights")
    archive.write(tmp_path / "p.hwsim", pickled=True)
    assert "Object arrays cannot be loaded" in refused(tmp_path / "p.hwsim")
    assert not fuse.exists()


def test_an_array_that_claims_to_be_huge(saved: Path, tmp_path: Path) -> None:
    archive = Archive.read(saved)
    archive.write(tmp_path / "p.hwsim")
    name = f"{archive.number('conv', 'weights')}.npy"
    header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 8, 100000000000000), }"
    content = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "p.hwsim") as old, zipfile.ZipFile(tmp_path / "q.hwsim", "w") as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    assert refused(tmp_path / "q.hwsim").startswith("is no hwsim program, or damaged")


HOSTILE: tuple[Any, ...] = (
    -1, 0, 1, 2, 63, 64, 65, 1 << 31, 1 << 40, -(1 << 63), 1 << 63, 1 << 70, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", "conv", "x" * 1000, None, True, [], [[]], {}, {"array": 0}, {"array": -1}, {"record": "Tensor"},
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key) inside a document."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [(value, key) for key, _ in pairs] + [place for _, inner in pairs for place in places(inner)]


def test_any_change_of_a_document_is_refused_or_loads(saved: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    original, path = Archive.read(saved), tmp_path / "p.hwsim"
    count = len(places(original.document))
    refusals = 0
    for number in generator.integers(0, count, 100).tolist():
        archive = Archive(copy.deepcopy(original.document), original.arrays)
        container, key = places(archive.document)[number]
        container[key] = HOSTILE[int(generator.integers(len(HOSTILE)))]
        archive.write(path)
        try:
            Program.load(path)
        except ProgramError:
            refusals += 1
    assert refusals > 60


# Writing


def test_a_write_that_fails_leaves_the_old_file(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.hwsim"
    path.write_bytes(b"the old file")
    program = Program.load(saved)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        program.save(path)
    assert path.read_bytes() == b"the old file"
    assert [one.name for one in tmp_path.iterdir()] == ["p.hwsim"]


def test_plans_and_reports_are_written_whole_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = hwsim.run(image_network(), "generic-int8")
    writers: dict[str, Callable[[Path], object]] = {
        "plan.json": result.plan.save,
        "report.json": result.report.to_json,
        "report.csv": result.report.to_csv,
        "report.html": result.report.to_html,
    }
    for name, write in writers.items():
        write(tmp_path / name)
    before = {name: (tmp_path / name).read_bytes() for name in writers}

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    for name, write in writers.items():
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / name)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_files_have_the_usual_permissions(saved: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    assert saved.stat().st_mode == plain.stat().st_mode


def test_a_program_prints_its_operations(result: hwsim.Result) -> None:
    lines = str(result.program).splitlines()
    assert lines[0] == "program of every for made"
    assert len(lines) == 1 + len(result.program.operations)


def test_random_numbers_are_part_of_the_program(tmp_path: Path) -> None:
    sections: Json = {"requantize": {"rounding": str(Rounding.STOCHASTIC_WEIGHTED)}}
    found = []
    for seed in (1, 2):
        target = target_with(**sections, random={"seed": seed})
        result = hwsim.run(every_operation(), target, DATA, reference=False)
        result.program.save(tmp_path / f"{seed}.hwsim")
        found.append(Program.load(tmp_path / f"{seed}.hwsim").run(DATA))
        np.testing.assert_array_equal(found[-1].codes["logits"], result.codes["logits"])
    rows = [rows_of(one.ledger)["conv", "requantize"] for one in found]
    assert not np.array_equal(rows[0].counts, rows[1].counts)
