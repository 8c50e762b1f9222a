"""Profiles as .npz files: one JSON header and plain arrays. Nothing in them is unpickled or executed."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import DataError
from hwsim.files import write_whole
from hwsim.quantize.profile import BINS, Profile, Statistics
from hwsim_kernels.moments import SQUARE_DIGITS, SUM_DIGITS

FORMAT = 1
"""The version of the file format; raised whenever an array changes."""

HEADER = "hwsim_profile"

TENSORS, ACCUMULATORS, CHANNELS = "tensors", "accumulators", "channels"

DAMAGE = (
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    MemoryError,
    RuntimeError,  # encrypted members, unknown compression, headers nested too deeply
)
"""What zipfile, json and NumPy raise for files that are something else or were changed."""


def save(profile: Profile, path: Path) -> None:
    """Write a profile to one file, whole or not at all; equal profiles give equal files."""
    rows: list[tuple[str, str, int]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for section, name, one in _statistics(profile):
        arrays.update({f"{len(rows)}_{field}": array for field, array in _pack(one).items()})
        rows.append((section, name, one.count))
    header = json.dumps({"format": FORMAT, "rows": rows}).encode()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{HEADER: np.frombuffer(header, np.uint8)}, **arrays)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())


def load(path: Path) -> Profile:
    """Read a profile; raises DataError if the file is missing, damaged, something else or of another version."""
    try:
        # a lone array would be mapped to memory, or unpickled
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            header = json.loads(archive[HEADER].tobytes())
            if header["format"] != FORMAT:
                raise DataError(f"{path}: is of profile format {header['format']}, this hwsim reads format {FORMAT}")
            profile = Profile({})
            for number, (section, name, count) in enumerate(header["rows"]):
                _put(profile, section, name, _unpack(archive, number, count))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except DAMAGE as error:
        raise DataError(f"{path}: is no profile that hwsim saved, or damaged ({error})") from error
    return profile


def _statistics(profile: Profile) -> list[tuple[str, str, Statistics]]:
    return [
        *((TENSORS, name, one) for name, one in profile.tensors.items()),
        *((ACCUMULATORS, name, one) for name, one in profile.accumulators.items()),
        *((CHANNELS, name, one) for name, channels in profile.channels.items() for one in channels),
    ]


def _put(profile: Profile, section: object, name: object, one: Statistics) -> None:
    if not isinstance(name, str):
        raise ValueError("a name is no text")
    if section == CHANNELS:
        profile.channels.setdefault(name, []).append(one)
        return
    _require(section in (TENSORS, ACCUMULATORS), f"no section is called {section!r}")
    found = profile.tensors if section == TENSORS else profile.accumulators
    _require(name not in found, f"{name!r} stands there twice")
    found[name] = one


def _pack(one: Statistics) -> dict[str, NDArray[Any]]:
    used = np.flatnonzero(one.bins)
    return {
        "range": np.array([one.minimum, one.maximum], "<f8"),
        "bins": np.stack([used, one.bins[used]]).astype("<i8"),
        "channel_range": np.stack([one.channel_minimum, one.channel_maximum]).astype("<f8"),
        "sums": one.sums.astype("<i8"),
        "squares": one.squares.astype("<i8"),
    }


def _unpack(archive: Mapping[str, NDArray[Any]], number: int, count: int) -> Statistics:
    """Return what ``_pack`` took apart; raises ValueError for what no values can give."""

    def read(field: str, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
        array = archive[f"{number}_{field}"]
        fits = len(shape) == array.ndim and all(size in (-1, has) for size, has in zip(shape, array.shape, strict=True))
        _require(fits and array.dtype == np.dtype(kind), f"{field} is {array.dtype} of shape {array.shape}")
        return array.astype(array.dtype.newbyteorder("="))

    used, counts = read("bins", "<i8", (2, -1))
    low, high = read("channel_range", "<f8", (2, -1))
    bins = np.zeros(BINS, np.int64)
    inside = not used.size or (used[0] >= 0 and used[-1] < BINS and (np.diff(used) > 0).all())
    _require(bool(inside and (counts > 0).all()), "bins lie outside of float32, or in no order")
    bins[used] = counts
    _require(type(count) is int and count == sum(counts.tolist()), "bins do not hold as many values as are counted")
    sums, squares = read("sums", "<i8", (low.size, SUM_DIGITS)), read("squares", "<i8", (low.size, SQUARE_DIGITS))
    for digits in (sums[:, :-1], squares[:, :-1]):
        _require(bool(((digits >= 0) & (digits < 1 << 32)).all()), "digits of sums leave their range")
    minimum, maximum = read("range", "<f8", (2,)).tolist()
    ordered = bool((low <= high).all()) and (minimum <= maximum if count else minimum > maximum)
    _require(ordered, "a range ends before it begins")
    return Statistics(count, minimum, maximum, bins, low, high, sums, squares)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
