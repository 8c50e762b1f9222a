"""Sets of tensors to compare, from wherever they come: files of others, untrusted, or a run of ours."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hwsim.divergence.hexfile import MOST_BITS, Words, read_hex
from hwsim.engine.recording import DESCRIPTION
from hwsim.errors import DataError
from hwsim.formats import IntFormat
from hwsim.program import Program

Array = NDArray[Any]

MOST_BYTES = 1 << 33
"""The largest file, and the largest sum of the arrays of an .npz file, that is read."""

MOST_TENSORS = 100_000

MOST_ZERO_POINT = 1 << 32

DAMAGE = (EOFError, zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, MemoryError, RuntimeError)
"""What zipfile and NumPy raise for files that are something else or were changed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensor:
    """One tensor of a dump: integers of at most 62 bits, or the words of a .hex file, whose shape is not known yet.

    ``format`` and ``zero_point`` are those that the dump states; ``format`` is else that of the array's type if that
    has 16 bits or fewer, None for wider types, which say little.
    """

    name: str
    values: Array
    format: IntFormat | None = None
    zero_point: int | None = None
    words: Words | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Dump:
    """Tensors in their order; ``label`` is what to call them."""

    label: str
    tensors: tuple[Tensor, ...]


def read_dump(source: object, label: str) -> Dump:
    """Read a path, an array, a mapping of arrays, or what ``hwsim.run`` or ``program.run`` gave with its tensors.

    Raises DataError for whatever holds no integers.
    """
    if isinstance(source, str | Path):
        found = _read_path(Path(source))
        label = str(source)
    elif isinstance(source, Mapping):
        found = [tensor_of(str(name), values, f"{label}: {name}") for name, values in source.items()]
    elif isinstance(getattr(source, "program", None), Program) and hasattr(source, "tensors"):
        found = _of_run(source, label)
        label = f"the run of {source.program.network} for {source.program.target}"  # type: ignore[attr-defined]
    elif hasattr(source, "__array__"):
        found = [tensor_of("tensor", source, label)]
    else:
        raise DataError(
            f"{label}: cannot compare {type(source).__name__}; give the path of an .npz, .npy or .hex file or of a "
            "folder of them, an array, a mapping of arrays, or a run with tensors=True"
        )
    if not found:
        raise DataError(f"{label}: holds no tensor")
    return Dump(label=label, tensors=tuple(found))


def tensor_of(name: str, values: object, where: str) -> Tensor:
    """Return a tensor of an array; raises DataError unless it holds integers of at most 62 bits, at least one."""
    array = np.asarray(values)
    if array.dtype.kind not in "iub":
        raise DataError(f"{where}: holds {array.dtype}, integers are compared")
    if not array.size:
        raise DataError(f"{where}: is empty, of shape {array.shape}")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    form = None
    if array.dtype.itemsize <= 2:
        form = IntFormat(bits=8 * array.dtype.itemsize, signed=array.dtype.kind == "i")
    elif array.dtype.itemsize == 8:
        low, high = int(array.min()), int(array.max())
        if low < -(1 << MOST_BITS) or high >= 1 << MOST_BITS:
            worst = low if low < -(1 << MOST_BITS) else high
            raise DataError(f"{where}: holds {worst}, only integers of at most {MOST_BITS} bits are compared")
        array = array.astype(np.int64)
    return Tensor(name=name, values=array.reshape(array.shape or (1,)), format=form)


def _of_run(run: Any, label: str) -> list[Tensor]:  # noqa: ANN401  a Result or an Execution
    if not run.tensors:
        raise DataError(f"{label}: the run kept no tensors; run it with tensors=True")
    made = run.program.tensors
    return [
        Tensor(name=name, values=values, format=made[name].format, zero_point=made[name].zero_point)
        for name, values in run.tensors.items()
    ]


def _read_path(path: Path) -> list[Tensor]:
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.suffix == ".hex":
            return [_of_words(path)]
        if zipfile.is_zipfile(path):
            return _read_npz(path)
        return [_of_npy(path)]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _read_folder(path: Path) -> list[Tensor]:
    files = sorted(one for one in path.iterdir() if one.suffix in (".npy", ".hex") and one.is_file())
    if not files:
        raise DataError(f"{path}: holds no .npy and no .hex file")
    names: dict[str, Path] = {}
    for one in files:
        if one.stem in names:
            raise DataError(f"{path}: {names[one.stem].name} and {one.name} give the same tensor")
        names[one.stem] = one
    return [_of_words(one) if one.suffix == ".hex" else _of_npy(one) for one in files]


def _of_words(path: Path) -> Tensor:
    words = read_hex(path)
    return Tensor(name=path.stem, values=words.values, words=words)


def _of_npy(path: Path) -> Tensor:
    try:
        with path.open("rb") as file:
            return tensor_of(path.stem, _read_array(file, path.stat().st_size, str(path)), str(path))
    except DAMAGE as error:
        raise DataError(f"{path}: is no .npz, .npy or .hex file, or damaged ({error})") from error


def _read_npz(path: Path) -> list[Tensor]:
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = sum(one.file_size for one in members)
            if size > MOST_BYTES or len(members) > MOST_TENSORS:
                raise DataError(
                    f"{path}: unpacks to {size} bytes in {len(members)} arrays; "
                    f"{MOST_BYTES} bytes in {MOST_TENSORS} arrays are read at most"
                )
            for one in members:
                name = one.filename.removesuffix(".npy")
                if name == one.filename or name in arrays:
                    raise DataError(f"{path}: the member {one.filename!r} is no array with a name of its own")
                with archive.open(one) as file:
                    arrays[name] = _read_array(file, one.file_size, f"{path}: {name}")
        described = {name: arrays.pop(name) for name in list(arrays) if name.startswith(DESCRIPTION)}
        tensors = [tensor_of(name, array, f"{path}: {name}") for name, array in arrays.items()]
        return list(_described(tensors, described, path)) if described else tensors
    except DAMAGE as error:
        raise DataError(f"{path}: is damaged ({error})") from error


def _described(tensors: list[Tensor], described: Mapping[str, Array], path: Path) -> Iterator[Tensor]:
    """Give tensors the formats and zero points that stand in a file of ours."""
    columns = {}
    for name in ("bits", "signed", "zero_point"):
        column = described.get(DESCRIPTION + name)
        if column is None or column.shape != (len(tensors),) or column.dtype.kind not in "iub":
            raise DataError(f"{path}: {DESCRIPTION}{name} does not hold one integer for each of {len(tensors)} tensors")
        columns[name] = column
    for number, one in enumerate(tensors):
        bits, zero_point = int(columns["bits"][number]), int(columns["zero_point"][number])
        if not 1 <= bits <= MOST_BITS:
            raise DataError(f"{path}: {one.name} has {bits} bits, 1 to {MOST_BITS} are allowed")
        if abs(zero_point) > MOST_ZERO_POINT:
            raise DataError(f"{path}: {one.name} has the zero point {zero_point}, allowed is ±{MOST_ZERO_POINT}")
        form = IntFormat(bits=bits, signed=bool(columns["signed"][number]))
        yield Tensor(name=one.name, values=one.values, format=form, zero_point=zero_point)


def _read_array(file: IO[bytes], size: int, where: str) -> Array:
    """Read an .npy stream of ``size`` bytes; what its header promises must be just what follows it."""
    if size > MOST_BYTES:
        raise DataError(f"{where}: has {size} bytes, more than the {MOST_BYTES} that are read")
    version = np.lib.format.read_magic(file)
    head = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if head is None:
        raise DataError(f"{where}: is of .npy version {version}, 1.0 and 2.0 are read")
    shape, fortran, dtype = head(file)
    if dtype.hasobject:
        raise DataError(f"{where}: holds Python objects, which are never unpickled")
    wanted, content = prod(shape) * dtype.itemsize, file.read()
    if wanted != len(content):
        raise DataError(f"{where}: {shape} of {dtype} take {wanted} bytes, {len(content)} stand there")
    flat = np.frombuffer(content, dtype)
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return array.astype(dtype.newbyteorder("="))
