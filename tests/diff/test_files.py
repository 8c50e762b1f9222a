"""Files of others: what is read, and what is refused with file and place."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diff.planted import clean, clean_run
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from hwsim.divergence.hexfile import read_hex
from hwsim.errors import DataError

A = np.arange(-24, 24, dtype=np.int8).reshape(2, 3, 4, 2)


def words(values: Any, bits: int = 8) -> str:
    return "\n".join(f"{int(one) % (1 << bits):0{-(-bits // 4)}x}" for one in np.ravel(values))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """Compare a file of text, or bytes, with an array, and return the error after the file's name."""

    def check(content: str | bytes, name: str = "x.hex", other: Any = A, **options: Any) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(DataError) as error:
            hwsim.diff(path, other, **options)
        assert str(error.value).startswith(str(path))
        return str(error.value).removeprefix(str(path))

    return check


def test_every_kind_of_file_holds_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", A)
    np.savez(tmp_path / "x.npz", x=A)
    np.savez_compressed(tmp_path / "c.npz", x=np.asfortranarray(A.astype(">i4")))
    write(tmp_path / "x.hex", words(A))
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "x.npy", A)
    sources = [A, {"x": A}, *(tmp_path / name for name in ("x.npy", "x.npz", "c.npz", "x.hex", "folder"))]
    for one in sources:
        for two in sources:
            assert hwsim.diff(one, two).equal


def test_readmemh_words_comments_and_addresses(tmp_path: Path) -> None:
    text = """// written by $writememh, 0x00000000
    @4 f_e FF   // -2, -1
    /* a comment
    12 xx */ 00 @0 /* in between */ fa
    FB FC Fd
    """
    read = read_hex(write(tmp_path / "x.hex", text))
    assert read.values.tolist() == [0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF, 0]
    assert read.lines.tolist() == [4, 5, 5, 5, 2, 2, 4]
    assert hwsim.diff(tmp_path / "x.hex", np.array([-6, -5, -4, -3, -2, -1, 0], np.int8)).equal


def test_words_take_width_sign_and_shape_from_options_or_the_other_side(tmp_path: Path) -> None:
    path = write(tmp_path / "x.hex", words(A, 12))
    with pytest.raises(DataError, match="line 1: fe8 does not fit 8 bits"):
        hwsim.diff(path, A, signed=False)
    assert hwsim.diff(path, A, bits=12).equal
    assert hwsim.diff(path, A.astype(np.int64), bits=12).equal  # int64 with negative values: signed
    assert hwsim.diff(path, A.astype(np.int64) % 4096).equal
    assert hwsim.diff(path, path, bits=12, signed=True, shape=(2, 3, 4, 2)).tensors[0].shape == A.shape
    assert hwsim.diff(path, path).tensors[0].shape == (48,)
    with pytest.raises(DataError, match=r"48 words are no tensor of shape \(2, 5\)"):
        hwsim.diff(path, A, bits=12, shape=(2, 5))


@given(st.lists(st.integers(-(1 << 11), (1 << 11) - 1), min_size=1, max_size=40), st.sampled_from([12, 16, 20, 32]))
def test_two_s_complement_also_sign_extended(values: list[int], written: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "x.hex", words(values, written))
        assert read_hex(path).integers(12, True).tolist() == values
        assert read_hex(path).integers(written, False).tolist() == [one % (1 << written) for one in values]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("00\n1x\n", ", line 2: 1x has digits that are unknown (x) or not driven (z)"),
        ("00 01\nzz", ", line 2: zz has digits that are unknown (x) or not driven (z)"),
        ("00\n0g\n", ", line 2: '0g' is no hexadecimal word"),
        ("-1", ", line 1: '-1' is no hexadecimal word"),
        ("@q 00", ", line 1: 'q' is no hexadecimal address"),
        ("00\n\n@3 01", ", line 3: the block at address 3 leaves out addresses 1 to 2"),
        ("00 01\n@1 01", ", line 2: the block at address 1 gives 1 twice"),
        ("// nothing\n", ": holds no word"),
        ("4000000000000000", ", line 1: the word 4000000000000000 has more than 62 bits"),
        ("1\n/* 00 */ 180", ", line 2: 180 does not fit 8 bits"),
    ],
)
def test_hex_files_that_are_wrong(refused: Any, text: str, said: str) -> None:
    assert refused(text) == said


@pytest.mark.parametrize("bits", [0, 63])
def test_impossible_widths(bits: int) -> None:
    with pytest.raises(DataError, match=f"bits must be 1 to 62, not {bits}"):
        hwsim.diff(A, A, bits=bits)


def npy(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_npy", ".npy"), content)
    return buffer.getvalue()


def test_arrays_that_are_wrong(refused: Any) -> None:
    assert refused(npy(np.ones(3)), "x.npy") == ": holds float64, integers are compared"
    assert refused(npy(np.zeros((0, 3), int)), "x.npy") == ": is empty, of shape (0, 3)"
    assert (
        refused(npy(np.array([None]), allow_pickle=True), "x.npy")
        == ": holds Python objects, which are never unpickled"
    )
    assert "only integers of at most 62 bits are compared" in refused(npy(np.array([1 << 62])), "x.npy")
    assert "holds -4611686018427387905" in refused(npy(np.array([-(1 << 62) - 1])), "x.npy")
    assert "holds 18446744073709551615" in refused(npy(np.array([(1 << 64) - 1], np.uint64)), "x.npy")
    assert refused(npy(A)[:-5], "x.npy") == ": (2, 3, 4, 2) of int8 take 48 bytes, 43 stand there"
    assert refused(npy(A) + b"\0", "x.npy") == ": (2, 3, 4, 2) of int8 take 48 bytes, 49 stand there"
    assert ": is no .npz, .npy or .hex file, or damaged" in refused(b"something else", "x.npy")
    huge = npy(A).replace(b"(2, 3, 4, 2), }      ", b"(2, 3, 4, 2000000), }")
    assert refused(huge, "x.npy") == ": (2, 3, 4, 2000000) of int8 take 48000000 bytes, 48 stand there"


def test_archives_that_are_wrong(refused: Any) -> None:
    assert refused(npz(a_npy=npy(A), note=b"1"), "x.npz") == ": the member 'note' is no array with a name of its own"
    assert refused(npz(a_npy=npy(np.ones(3))), "x.npz") == ": a: holds float64, integers are compared"
    assert ": is damaged" in refused(npz(a_npy=b"nothing"), "x.npz")
    content = npz(a_npy=npy(A))
    at = content.index(npy(A)) + 130
    assert ": is damaged (Bad CRC-32" in refused(content[:at] + b"\x55" + content[at + 1 :], "x.npz")
    assert refused(npz(), "x.npz") == ": holds no tensor"


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwsim.divergence.dump.MOST_BYTES", 1000)
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1000, np.int8))
    with pytest.raises(DataError, match="unpacks to 1128 bytes in 1 arrays; 1000 bytes"):
        hwsim.diff(tmp_path / "x.npz", A)
    np.save(tmp_path / "x.npy", np.zeros(1000, np.int8))
    with pytest.raises(DataError, match="has 1128 bytes, more than the 1000"):
        hwsim.diff(tmp_path / "x.npy", A)
    monkeypatch.setattr("hwsim.divergence.hexfile.MOST_BYTES", 10)
    with pytest.raises(DataError, match="has 11 bytes, more than the 10"):
        hwsim.diff(write(tmp_path / "x.hex", "00 00 00 00"), A)


def test_descriptions_that_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    columns: dict[str, Any] = {"hwsim:bits": [8], "hwsim:signed": [1], "hwsim:zero_point": [0]}

    def error(**changed: Any) -> str:
        named = {key.replace("_of", "hwsim:"): value for key, value in changed.items()}
        np.savez(path, x=A, **{name: np.array(value) for name, value in (columns | named).items()})  # type: ignore[arg-type]
        with pytest.raises(DataError) as raised:
            hwsim.diff(path, A)
        return str(raised.value).removeprefix(f"{path}: ")

    assert error(_ofbits=[8, 8]) == "hwsim:bits does not hold one integer for each of 1 tensors"
    assert error(_ofsigned=[1.0]) == "hwsim:signed does not hold one integer for each of 1 tensors"
    assert error(_ofbits=[63]) == "x has 63 bits, 1 to 62 are allowed"
    assert error(_ofzero_point=[1 << 40]) == "x has the zero point 1099511627776, allowed is ±4294967296"


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no .npy and no .hex file"):
        hwsim.diff(tmp_path, A)
    np.save(tmp_path / "01_x.npy", A)
    write(tmp_path / "00_y.hex", words(A[:, 0]))
    found = hwsim.diff(tmp_path, {"y": A[:, 0], "x": A})
    assert found.equal
    assert [(one.name, one.other) for one in found.tensors] == [("00_y", "y"), ("01_x", "x")]
    np.save(tmp_path / "00_y.npy", A)
    with pytest.raises(DataError, match="00_y.hex and 00_y.npy give the same tensor"):
        hwsim.diff(tmp_path, A)


def test_missing_files_and_strange_objects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone.npz: No such file or directory"):
        hwsim.diff(tmp_path / "gone.npz", A)
    with pytest.raises(DataError, match="B: cannot compare int; give the path"):
        hwsim.diff(A, 3)
    with pytest.raises(DataError, match="A: holds no tensor"):
        hwsim.diff({}, A)
    with pytest.raises(DataError, match="B: logits: holds float32"):
        hwsim.diff(A, {"logits": np.zeros(3, np.float32)})


def test_tensors_of_a_run_are_written_and_read(tmp_path: Path) -> None:
    run = clean_run()
    run.save_tensors(tmp_path / "a.npz")
    run.save_tensors(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        names = list(archive)
        made = [one.output for one in clean().operations]
        assert names[: len(made)] == [one.name for one in made]
        assert archive["hwsim:scale"].tolist() == [one.scale for one in made]
        assert archive["hwsim:zero_point"].tolist() == [one.zero_point for one in made]
        assert archive["hwsim:bits"].tolist() == [8] * len(made)
        assert archive["hwsim:signed"].tolist() == [True] * len(made)
        assert (archive["logits"] == run.codes["logits"]).all()
    assert hwsim.diff(tmp_path / "a.npz", run).equal


def test_a_run_without_tensors_says_so(tmp_path: Path) -> None:
    run = clean().run(np.zeros((1, 6, 6, 3)))
    with pytest.raises(DataError, match="run it with tensors=True"):
        run.save_tensors(tmp_path / "a.npz")
    with pytest.raises(DataError, match="A: the run kept no tensors; run it with tensors=True"):
        hwsim.diff(run, A)
    assert not (tmp_path / "a.npz").exists()
