"""Profiles in files: the same object comes back, and nothing else is taken for one."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwsim.errors import DataError
from hwsim.quantize import Profile, Statistics
from hwsim.quantize.profile_file import HEADER

Arrays = dict[str, NDArray[Any]]


def statistics(seed: int, channels: int = 3) -> Statistics:
    """Return statistics of a bell."""
    found = Statistics()
    found.add(np.random.default_rng(seed).normal(0, 5, (40, channels)).astype(np.float32))
    return found


def profile() -> Profile:
    """Return a profile of all that there can be, a tensor without values among it."""
    return Profile(
        {"x/../": statistics(0), "größe": statistics(1, 300), "none": Statistics()},
        {"x/../": statistics(2)},
        {"größe": [statistics(3, 1), statistics(4, 1)]},
    )


def arrays_of(path: Path) -> Arrays:
    """Return what a file holds."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def rewrite(path: Path, arrays: Any) -> None:
    """Put other arrays into a file."""
    np.savez(path, **arrays)


def header_of(arrays: Arrays, **changes: object) -> NDArray[np.uint8]:
    """Return the header with some changes."""
    header = {**json.loads(arrays[HEADER].tobytes()), **changes}
    return np.frombuffer(json.dumps(header).encode(), np.uint8)


@pytest.fixture(name="saved")
def saved_fixture(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "p.npz"
    profile().save(path)
    return path


def test_what_was_saved_comes_back(saved: Path) -> None:
    found = Profile.load(str(saved))
    assert found == profile()
    assert str(found) == str(profile())
    assert [path.name for path in saved.parent.iterdir()] == ["p.npz"]


def test_a_loaded_profile_takes_in_more(saved: Path) -> None:
    found, wanted = Profile.load(saved), profile()
    for one in (found, wanted):
        one.merge(profile())
    assert found == wanted
    assert found != profile()


def test_equal_profiles_give_equal_files(saved: Path, tmp_path: Path) -> None:
    profile().save(tmp_path / "q.npz")
    assert (tmp_path / "q.npz").read_bytes() == saved.read_bytes()


def pickled() -> bytes:
    """Return an .npz file with an object in it."""
    buffer = io.BytesIO()
    np.savez(buffer, **{HEADER: np.array([{}], object)})  # type: ignore[arg-type]
    return buffer.getvalue()


def other_npz() -> bytes:
    """Return an .npz file of something else."""
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros(3))
    return buffer.getvalue()


def lone_array() -> bytes:
    """Return an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps({}), pickled(), other_npz(), lone_array()])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"p\.npz: is no profile that hwsim saved, or damaged"):
        Profile.load(path)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "p.npz", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            Profile.load(path)


def test_another_version_is_refused(saved: Path) -> None:
    arrays = arrays_of(saved)
    rewrite(saved, {**arrays, HEADER: header_of(arrays, format=2)})
    with pytest.raises(DataError, match="is of profile format 2, this hwsim reads format 1"):
        Profile.load(saved)


BINS = np.array([[5, 7], [100, 20]], "<i8")
ROW = ["tensors", "x/../", 120]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0_range": np.array([1.0, -1.0])}, "a range ends before it begins"),
        ({"0_range": np.array([np.nan, 1.0])}, "a range ends before it begins"),
        ({"0_channel_range": np.array([[0.0] * 3, [-1.0] * 3])}, "a range ends before it begins"),
        ({"0_channel_range": np.zeros((2, 2))}, "sums is int64 of shape"),
        ({"0_range": np.zeros(2, np.float32)}, "range is float32 of shape"),
        ({"0_bins": BINS * [[1], [-1]]}, "bins lie outside"),
        ({"0_bins": BINS - [[6], [0]]}, "bins lie outside"),
        ({"0_bins": BINS + [[1 << 16], [0]]}, "bins lie outside"),
        ({"0_bins": BINS[:, ::-1]}, "bins lie outside"),
        ({"0_bins": BINS + [[0], [1]]}, "as many values as are counted"),
        ({"0_sums": np.full((3, 11), 1 << 32)}, "digits of sums leave their range"),
        ({"0_squares": np.full((3, 20), -1)}, "digits of sums leave their range"),
        ({HEADER: [ROW, ROW]}, "stands there twice"),
        ({HEADER: [["weights", "x", 120]]}, "no section is called 'weights'"),
        ({HEADER: [["tensors", 3, 120]]}, "a name is no text"),
        ({HEADER: [["tensors", "x", 120.0]]}, "as many values as are counted"),
        ({HEADER: 3}, "is no profile"),
    ],
)
def test_damage_is_refused(saved: Path, changes: dict[str, Any], message: str) -> None:
    arrays = arrays_of(saved)
    if HEADER in changes:
        arrays |= {name.replace("0_", "1_", 1): array for name, array in arrays.items() if name.startswith("0_")}
        changes = {HEADER: header_of(arrays, rows=changes[HEADER])}
    rewrite(saved, {**arrays, **changes})
    with pytest.raises(DataError, match=message):
        Profile.load(saved)


def test_cut_files_are_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for length in range(0, len(content), 997):
        saved.write_bytes(content[:length])
        with pytest.raises(DataError):
            Profile.load(saved)
