"""Programs as files: a zip archive of one JSON document and plain arrays. Nothing in it is executed."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import types
import typing
import zipfile
import zlib
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.errors import ProgramError
from hwsim.files import write_whole
from hwsim.formats import IntFormat
from hwsim.program import records
from hwsim.program.program import Program
from hwsim.program.verify import verify

FORMAT = 7
"""The version of the file format; raised whenever a record changes."""

DOCUMENT = "program.json"

DAMAGE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    MemoryError,
    RuntimeError,  # encrypted members, unknown compression, documents nested too deeply
)
"""What zipfile, json and NumPy raise for files that are something else or were changed."""

WIDEST = 1 << 126
"""Integers beyond this stand in no program: what a value is proved to lie within can need two words."""

RECORDS: dict[str, type] = {
    name: one
    for name, one in {**vars(records), "Program": Program, "IntFormat": IntFormat}.items()
    if isinstance(one, type) and dataclasses.is_dataclass(one)
}


def save(program: Program, path: Path) -> None:
    """Write a program to one file, whole or not at all."""
    arrays: list[np.ndarray] = []
    document = {"hwsim_program": FORMAT, "program": _pack(program, arrays, {})}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, DOCUMENT, json.dumps(document).encode())
        for number, array in enumerate(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            _add(archive, f"{number}.npy", content.getvalue())
    write_whole(path, buffer.getvalue())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member with a fixed date, so that equal programs give equal files."""
    member = zipfile.ZipInfo(name)
    archive.writestr(member, content, zipfile.ZIP_DEFLATED, compresslevel=1)


def load(path: Path) -> Program:
    """Read a program; raises ProgramError if the file is missing, damaged or of another version."""
    try:
        with zipfile.ZipFile(path) as archive:
            document = json.loads(archive.read(DOCUMENT))
            version = document.get("hwsim_program") if isinstance(document, dict) else None
            if type(version) is not int or version != FORMAT:
                raise ProgramError(
                    f"{path}: is of program format {version}, this hwsim reads format {FORMAT}; lower it again"
                )
            program: Program = _unpack(document["program"], Program, _Arrays(archive))
    except FileNotFoundError as error:
        raise ProgramError(f"{path}: no such file") from error
    except DAMAGE as error:
        raise ProgramError(f"{path}: is no hwsim program, or damaged ({error})") from error
    try:
        verify(program)
    except ProgramError as error:
        raise ProgramError(f"{path}: is damaged: {error}") from error
    return program


class _Arrays:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._read: dict[int, np.ndarray] = {}

    def __getitem__(self, number: int) -> np.ndarray:
        if number not in self._read:
            with self._archive.open(f"{number}.npy") as member:
                self._read[number] = np.lib.format.read_array(io.BytesIO(member.read()), allow_pickle=False)
        return self._read[number]


def _pack(value: Any, arrays: list[np.ndarray], numbers: dict[int, int]) -> Any:  # noqa: ANN401
    """Turn records into JSON values; arrays go to a list, once each, and leave their number behind."""
    if isinstance(value, np.ndarray):
        number = numbers.setdefault(id(value), len(arrays))
        if number == len(arrays):
            arrays.append(value)
        return {"array": number}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _pack(getattr(value, field.name), arrays, numbers) for field in dataclasses.fields(value)}
        return {"record": type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_pack(one, arrays, numbers) for one in value]
    if isinstance(value, Enum):
        return value.value
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any, wanted: Any, arrays: _Arrays) -> Any:  # noqa: ANN401
    """Turn JSON values back into what a field's type says; raises ValueError where they do not match it."""
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        if value is None:
            return None
        (wanted,) = [one for one in typing.get_args(wanted) if one is not type(None)]
    origin = typing.get_origin(wanted)
    if origin is tuple:
        return _unpack_tuple(value, typing.get_args(wanted), arrays)
    if origin is np.ndarray:
        return _unpack_array(arrays[value["array"]], wanted)
    if dataclasses.is_dataclass(wanted):
        return _unpack_record(value, wanted, arrays)
    return _unpack_scalar(value, wanted)


def _unpack_scalar(value: Any, wanted: Any) -> Any:  # noqa: ANN401
    if issubclass(wanted, Enum):
        return wanted(value)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f"{value!r:.80} is no {wanted.__name__}")
    if (wanted is float and not math.isfinite(value)) or (wanted is int and abs(value) > WIDEST):
        raise ValueError(f"{value!r:.80} is out of range")
    return value


def _unpack_array(array: np.ndarray, wanted: Any) -> np.ndarray:  # noqa: ANN401
    """Return an array; raise ValueError unless it has the field's type (NDArray[np.int64] and the like)."""
    dtype = np.dtype(typing.get_args(typing.get_args(wanted)[1])[0])
    if array.dtype != dtype:
        raise ValueError(f"an array of {array.dtype} stands where one of {dtype} belongs")
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("an array holds NaN or infinity")
    return np.ascontiguousarray(array)


def _unpack_tuple(value: Any, wanted: tuple[Any, ...], arrays: _Arrays) -> tuple[Any, ...]:  # noqa: ANN401
    kinds = [wanted[0]] * len(value) if wanted[-1] is ... else list(wanted)
    return tuple(_unpack(one, kind, arrays) for one, kind in zip(value, kinds, strict=True))


def _unpack_record(value: Any, wanted: Any, arrays: _Arrays) -> Any:  # noqa: ANN401
    record = RECORDS[value["record"]]
    if not issubclass(record, wanted):
        raise ValueError(f"a {value['record']} stands where a {wanted.__name__} belongs")
    hints = typing.get_type_hints(record)
    return record(**{name: _unpack(one, hints[name], arrays) for name, one in value.items() if name != "record"})
