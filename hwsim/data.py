"""The data a user gives: arrays, files, data sets or iterables, read in blocks and checked as they pass."""

from __future__ import annotations

import itertools
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import DataError

Reals = NDArray[np.float32]
Block = list[Reals]
"""One array (n, …) for each input of the network."""

Data = object
"""An array, a list or mapping of arrays, the path of an .npy or .npz file, a tf.data.Dataset or iterable of batches."""

OpenShape = tuple[int | None, ...]
"""The shape of a sample, None for a size that the data is free to choose."""

Inputs = Sequence[tuple[str, OpenShape]]
"""Name and sample shape of each input."""


def fits(shape: tuple[int, ...], wanted: OpenShape) -> bool:
    """Whether a shape is the one wanted, where that leaves nothing open.

    >>> fits((8, 9, 3), (None, None, 3)), fits((8, 3), (None, None, 3))
    (True, False)
    """
    return len(shape) == len(wanted) and all(b in (None, a) for a, b in zip(shape, wanted, strict=True))


class Samples:
    """Data for the inputs of a network, delivered in blocks of a wanted size.

    ``codes`` gives type, scale and zero point of inputs whose arrays may hold integers: an array of just that type is
    taken for codes. Iterables are read once as they come; everything else can be read again. Sizes that a shape leaves
    open are for `settle` to find. Raises DataError for a wrong shape, no samples at all, NaN or infinity.
    """

    def __init__(self, data: Data, inputs: Inputs) -> None:
        self.inputs = inputs
        self.source = data
        self.synthetic = False
        self.codes: Mapping[str, tuple[str, float, int]] = {}
        self.arrays = self._as_arrays(data)

    @property
    def count(self) -> int | None:
        """How many samples there are, where that is known before they are read."""
        return None if self.arrays is None else len(self.arrays[0])

    def blocks(self, size: int, limit: int | None = None) -> Iterator[Block]:
        """Yield blocks of ``size`` samples, the last one perhaps shorter, ``limit`` samples in all at most."""
        first = 0
        for block in self._cut(size, limit):
            checked = [self._checked(array, number, first) for number, array in enumerate(block)]
            first += len(checked[0])
            yield checked
        if first == 0:
            raise DataError("the data is empty: it holds no sample")

    def rereadable(self, limit: int) -> Samples:
        """Return the first ``limit`` samples, to be read now, while this object can still be read from the start."""
        if self.arrays is not None or not isinstance(self.source, Iterator):
            return self
        taken, count = [], 0
        for number, element in enumerate(self.source):
            taken.append(element)
            count += len(self._from_element(number, element)[0])
            if count >= limit:
                break
        self.source = itertools.chain(taken, self.source)
        again = Samples(iter(taken), self.inputs)
        again.codes = self.codes
        return again

    def settle(self) -> dict[str, tuple[int, ...]]:
        """Take the open sizes from the first sample, for all that come; return the shape of each input's samples."""
        first = next(self.rereadable(1).blocks(1, 1))
        found = {name: array.shape[1:] for (name, _), array in zip(self.inputs, first, strict=True)}
        self.inputs = list(found.items())
        return found

    def _cut(self, size: int, limit: int | None) -> Iterator[Sequence[Any]]:
        if self.arrays is not None:
            stop = min(len(self.arrays[0]), limit or len(self.arrays[0]))
            for first in range(0, stop, size):
                yield [array[first : min(first + size, stop)] for array in self.arrays]
            return
        yield from rebatch(itertools.starmap(self._from_element, enumerate(self._iterable())), size, limit)

    def _iterable(self) -> Iterable[object]:
        if not isinstance(self.source, Iterable):
            raise DataError(
                f"data of type {type(self.source).__name__} cannot be read: give an array, the path of an .npy or .npz "
                "file, a tf.data.Dataset or an iterable of batches"
            )
        return self.source

    def _as_arrays(self, data: Data) -> list[Any] | None:
        if isinstance(data, str | Path):
            return self._from_file(Path(data))
        if isinstance(data, Mapping):
            return self._matched(self._named(data, "the mapping"))
        if _is_array(data):
            return self._matched([data])
        if isinstance(data, list | tuple) and data and all(map(_is_array, data)):
            several = len(self.inputs) > 1
            if several or (len(data) == 1 and not fits(data[0].shape, self.inputs[0][1])):
                return self._matched(data)
        return None

    def _from_file(self, path: Path) -> list[Any]:
        """Read an .npz file, or map an .npy file into memory; nothing is unpickled."""
        try:
            if zipfile.is_zipfile(path):
                with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                    return self._matched(self._named(archive, str(path)))
            return self._matched([np.lib.format.open_memmap(path, mode="r")])
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from error
        except (ValueError, EOFError, MemoryError, NotImplementedError, RuntimeError) as error:
            raise DataError(f"{path}: is no .npy or .npz file of numbers") from error
        except (zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{path}: is damaged ({error})") from error

    def _named(self, arrays: Mapping[Any, Any], where: str) -> list[Any]:
        """Take the arrays named like the inputs; for a single input also the only array, or `images`, `x`, `data`."""
        names = [name for name, _ in self.inputs]
        if all(name in arrays for name in names):
            return [arrays[name] for name in names]
        if len(names) == 1:
            candidates = (
                list(arrays) if len(arrays) == 1 else [name for name in ("images", "x", "data") if name in arrays]
            )
            if candidates:
                return [arrays[candidates[0]]]
        raise DataError(f"{where} holds arrays named {list(arrays)}, the network's inputs are {names}")

    def _matched(self, values: Sequence[Any], where: str = "", like: str = "") -> list[NDArray[Any]]:
        """Return one array for each input, all of its shape and of the same number of samples."""
        if len(values) != len(self.inputs):
            wanted = ", ".join(name for name, _ in self.inputs)
            raise DataError(
                f"{where}the network has {plural(len(self.inputs), 'input')} ({wanted}), "
                f"the data has {plural(len(values), 'array')}"
            )
        arrays = [_as_array(one, f"{where}input {name!r}") for (name, _), one in zip(self.inputs, values, strict=True)]
        for (name, shape), array in zip(self.inputs, arrays, strict=True):
            if not fits(array.shape[1:], shape) or array.ndim == 0:
                advice = "; a single sample needs an axis in front, data[None]" if fits(array.shape, shape) else ""
                found = f"the data has shape {array.shape}{advice}"
                raise DataError(f"{where}input {name!r} takes samples of shape {shape}{like}, {found}")
        counts = {name: len(array) for (name, _), array in zip(self.inputs, arrays, strict=True)}
        if len(set(counts.values())) > 1:
            raise DataError(f"{where}the inputs have different numbers of samples: {counts}")
        if not where and not any(counts.values()):
            raise DataError("the data is empty: it holds no sample")
        return arrays

    def _from_element(self, number: int, element: object) -> list[NDArray[Any]]:
        """Return the inputs of one element of an iterable: a batch or a sample, perhaps with a label behind it."""
        where = f"element {number} of the data: "
        if isinstance(element, list | tuple) and element and self._is_inputs(element[0]):
            element = element[0]
        if isinstance(element, Mapping):
            parts = self._named(element, f"element {number} of the data")
        elif isinstance(element, list | tuple) and not self._is_rows(element):
            parts = list(element)[: len(self.inputs)]
        else:
            parts = [element]
        arrays = [_as_array(part, where) for part in parts]
        single = [
            array[None] if fits(array.shape, shape) else array
            for array, (_, shape) in zip(arrays, self.inputs, strict=False)
        ]
        return self._matched(single, where, ", as those before have" if number else "")

    def _is_inputs(self, part: object) -> bool:
        """Whether the first part of an element holds the inputs alone, so that labels stand behind it."""
        if isinstance(part, list | tuple):
            return len(part) == len(self.inputs) and all(map(_is_array, part))
        return isinstance(part, Mapping)

    def _is_rows(self, element: Sequence[Any]) -> bool:
        """Whether a list is a batch, or a sample, row by row, and not the inputs one behind another."""
        if not isinstance(element, list) or len(self.inputs) > 1:
            return False
        try:
            shape = np.shape(element)
        except ValueError:
            return not any(map(_is_array, element))
        return fits(shape, self.inputs[0][1]) or fits(shape[1:], self.inputs[0][1])

    def _checked(self, values: Any, number: int, first: int) -> Reals:  # noqa: ANN401
        name = self.inputs[number][0]
        kind = np.asarray(values).dtype
        if kind.kind not in "biuf" and not np.can_cast(kind, np.float32):
            raise DataError(f"input {name!r}: data of type {kind} is no number")
        dtype, scale, zero_point = self.codes.get(name, ("", 1.0, 0))
        if kind.name == dtype:
            values = scale * (np.asarray(values, np.float64) - zero_point)
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(values, dtype=np.float32)
        if not np.isfinite(array).all():
            place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
            value = float(array[place])
            raise DataError(f"input {name!r}: sample {first + place[0]} holds {value} at {place[1:]}")
        return array


def _is_array(value: object) -> bool:
    return hasattr(value, "__array__") and hasattr(value, "shape")


def _as_array(value: Any, where: str) -> NDArray[Any]:  # noqa: ANN401
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where.removesuffix(': ')}: {type(value).__name__} is no array of numbers") from error


def plural(number: int, word: str) -> str:
    """Return a number with its word.

    >>> plural(1, "input"), plural(2, "array")
    ('1 input', '2 arrays')
    """
    return f"{number} {word}" + "s" * (number != 1)


def rebatch(chunks: Iterable[Sequence[NDArray[Any]]], size: int, limit: int | None) -> Iterator[Block]:
    """Join and cut chunks of any size into blocks of ``size`` samples, ``limit`` samples in all at most."""
    held: list[Sequence[NDArray[Any]]] = []
    count = taken = 0
    for chunk in chunks:
        rest = len(chunk[0]) if limit is None else min(len(chunk[0]), limit - taken)
        held.append([array[:rest] for array in chunk])
        count, taken = count + rest, taken + rest
        while count >= size:
            joined = _joined(held)
            yield [array[:size] for array in joined]
            held.clear()
            held.append([array[size:] for array in joined])
            count -= size
        if limit is not None and taken >= limit:
            break
    if count:
        yield _joined(held)


def _joined(chunks: Sequence[Sequence[NDArray[Any]]]) -> Block:
    """Join chunks; a single one is not copied, so that cutting a large chunk takes no more time than its size."""
    return list(chunks[0]) if len(chunks) == 1 else [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def synthetic(inputs: Sequence[tuple[str, tuple[int, ...]]], count: int, seed: int = 0) -> list[Reals]:
    """Return ``count`` seeded random samples, uniform in [0, 1), for each input."""
    generator = np.random.default_rng(seed)
    return [generator.random((count, *shape), dtype=np.float32) for _, shape in inputs]
