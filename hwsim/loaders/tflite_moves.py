"""Operators of ``.tflite`` files that move codes: each is done to the numbers of values instead of to the values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.tflite_draft import Draft, RefusedError, codes, given, result
from hwsim.loaders.tflite_file import FileOperator, FileTensor
from hwsim.network import Rearrange

Ints = NDArray[np.int64]
Move = Callable[[Ints, FileOperator], Ints]

HIGHEST_RANK = 8
"""Axes that slices may have."""

LARGEST = 1 << 28
"""Values of a repeated tensor, so that a file cannot fill the memory."""


def mover(move: Move, source: int = 0) -> Callable[[Draft, FileOperator], None]:
    """Return the importer of an operator that makes one tensor of what its input ``source`` holds."""

    def importer(draft: Draft, operator: FileOperator) -> None:
        moved = move(numbered(draft, draft.source(operator, source)[1]), operator)
        rearranged(draft, draft.source(operator, source)[0], result(operator), moved)

    return importer


def numbered(draft: Draft, tensor: FileTensor) -> Ints:
    """Return the numbers of one sample's values, in the tensor's shape with a batch of 1."""
    sample = draft.shape(tensor)
    lead = (1,) * (len(tensor.shape) - len(sample))
    return np.arange(np.prod(sample, dtype=np.int64), dtype=np.int64).reshape(*lead, *sample)


def rearranged(draft: Draft, name: str, output: FileTensor, moved: Ints, fill: float = 0.0) -> None:
    """Add what brings values to the places of ``moved``."""
    shape = draft.shape(output)
    if moved.size != np.prod(shape, dtype=np.int64) or not moved.size:
        raise RefusedError(f"makes {moved.size} values of the shape {output.shape}, or moves samples of a batch")
    index = np.ascontiguousarray(moved.reshape(shape))
    draft.add(Rearrange(name=draft.name(output), inputs=(name,), index=index, fill=fill), output)


def constants(operator: FileOperator, number: int, what: str) -> list[int]:
    """Return integers that an operator is given as a constant."""
    values = given(operator, number).values
    if values is None or values.dtype.kind != "i":
        raise RefusedError(f"takes {what} that are no constants")
    return [int(one) for one in values.reshape(-1)]


def transposed(numbers: Ints, operator: FileOperator) -> Ints:
    """Do TRANSPOSE."""
    order = constants(operator, 1, "axes")
    if sorted(order) != list(range(numbers.ndim)) or order[:1] != [0]:
        raise RefusedError(f"orders the axes {order}; the batch stays first")
    return numbers.transpose(order)


def strided_slice(numbers: Ints, operator: FileOperator) -> Ints:
    """Do STRIDED_SLICE."""
    begin, end, strides = (constants(operator, number, "places") for number in (1, 2, 3))
    if not len(begin) == len(end) == len(strides) <= numbers.ndim <= HIGHEST_RANK or 0 in strides:
        raise RefusedError(f"slices {numbers.ndim} axes from {begin} to {end} by {strides}")
    masks = {word: int(operator.options.get(f"{word}Mask", 0)) for word in ("Begin", "End", "ShrinkAxis")}
    if operator.options.get("EllipsisMask", 0) or operator.options.get("NewAxisMask", 0):
        raise RefusedError("slices with new axes or an ellipsis")
    picked: list[Any] = []
    for axis, (first, last, stride) in enumerate(zip(begin, end, strides, strict=True)):
        if masks["ShrinkAxis"] >> axis & 1:
            if not -numbers.shape[axis] <= first < numbers.shape[axis]:
                raise RefusedError(f"picks {first} of {numbers.shape[axis]} along axis {axis}")
            picked.append(first)
            continue
        start = None if masks["Begin"] >> axis & 1 else first
        stop = None if masks["End"] >> axis & 1 else last
        picked.append(slice(start, stop, stride))
    return np.asarray(numbers[tuple(picked)])


def sliced(numbers: Ints, operator: FileOperator) -> Ints:
    """Do SLICE."""
    begin, size = (constants(operator, number, "places") for number in (1, 2))
    if len(begin) != numbers.ndim or len(size) != numbers.ndim or min(begin) < 0:
        raise RefusedError(f"slices {numbers.ndim} axes from {begin}, {size} each")
    ends = [None if many == -1 else first + many for first, many in zip(begin, size, strict=True)]
    return numbers[tuple(slice(*pair) for pair in zip(begin, ends, strict=True))]


def split(draft: Draft, operator: FileOperator) -> None:
    """Import SPLIT, whose axis comes first."""
    _parts(draft, operator, 1, constants(operator, 0, "an axis"), None)


def split_unevenly(draft: Draft, operator: FileOperator) -> None:
    """Import SPLIT_V, whose axis comes last."""
    _parts(draft, operator, 0, constants(operator, 2, "an axis"), constants(operator, 1, "sizes"))


def unpack(draft: Draft, operator: FileOperator) -> None:
    """Import UNPACK."""
    _parts(draft, operator, 0, [int(operator.options.get("Axis", 0))], None)


def _parts(draft: Draft, operator: FileOperator, source: int, axes: list[int], sizes: list[int] | None) -> None:
    name, tensor = draft.source(operator, source)
    numbers, many = numbered(draft, tensor), len(operator.outputs)
    axis = axes[0] + numbers.ndim if axes and axes[0] < 0 else next(iter(axes), -1)
    if len(axes) != 1 or not 0 <= axis < numbers.ndim or not many:
        raise RefusedError(f"splits along {axes} of {numbers.ndim} axes")
    cuts: Any = many
    if sizes is not None:
        given_sizes = [one if one >= 0 else numbers.shape[axis] - sum(max(each, 0) for each in sizes) for one in sizes]
        if len(sizes) != many or sum(given_sizes) != numbers.shape[axis] or min(given_sizes) < 0:
            raise RefusedError(f"splits {numbers.shape[axis]} values into {sizes}")
        cuts = np.cumsum(given_sizes)[:-1]
    elif numbers.shape[axis] % many:
        raise RefusedError(f"splits {numbers.shape[axis]} values into {many} parts")
    for output, part in zip(operator.outputs, np.split(numbers, cuts, axis), strict=True):
        rearranged(draft, name, output, part)


def padded(draft: Draft, operator: FileOperator) -> None:
    """Import PADV2, and PAD of other axes than rows and columns: a constant code, or the zero point, around."""
    (name, source), output = draft.source(operator), result(operator)
    numbers = numbered(draft, source)
    amounts = pairs(operator, numbers.ndim)
    value = operator.inputs[2] if len(operator.inputs) > 2 else None  # noqa: PLR2004
    fill = 0.0
    if value is not None:
        stored, one = codes(source), value.values
        if one is None or one.size != 1:
            raise RefusedError("pads with what is no constant")
        fill = stored.scale[0] * (int(one.reshape(-1)[0]) - stored.zero_point[0])
    rearranged(draft, name, output, np.pad(numbers, amounts, constant_values=-1), fill)


def pairs(operator: FileOperator, axes: int) -> list[tuple[int, int]]:
    """Return how much is put before and behind each axis."""
    amounts = constants(operator, 1, "amounts")
    if len(amounts) != 2 * axes or min(amounts) < 0:
        raise RefusedError(f"pads {axes} axes by {amounts}")
    return list(zip(amounts[::2], amounts[1::2], strict=True))


def mirrored(numbers: Ints, operator: FileOperator) -> Ints:
    """Do MIRROR_PAD."""
    amounts = pairs(operator, numbers.ndim)
    room = 1 - int(operator.options.get("Mode", 0))
    if any(max(pair) > size - room for pair, size in zip(amounts, numbers.shape, strict=True)):
        raise RefusedError(f"mirrors {amounts} of the shape {numbers.shape}")
    return np.pad(numbers, amounts, "reflect" if room else "symmetric")


def tiled(numbers: Ints, operator: FileOperator) -> Ints:
    """Do TILE."""
    times = constants(operator, 1, "numbers")
    if len(times) != numbers.ndim or min(times) < 1 or np.prod(times, dtype=np.int64) * numbers.size > LARGEST:
        raise RefusedError(f"repeats {times} times the shape {numbers.shape}")
    return np.tile(numbers, times)


def depth_to_space(numbers: Ints, operator: FileOperator) -> Ints:
    """Do DEPTH_TO_SPACE."""
    block = int(operator.options.get("BlockSize", 0))
    if numbers.ndim != 4 or block < 1 or numbers.shape[3] % (block * block):  # noqa: PLR2004
        raise RefusedError(f"makes blocks of {block} from the shape {numbers.shape}")
    _, height, width, channels = numbers.shape
    parted = numbers.reshape(1, height, width, block, block, channels // block**2)
    return parted.transpose(0, 1, 3, 2, 4, 5).reshape(1, height * block, width * block, -1)


def space_to_depth(numbers: Ints, operator: FileOperator) -> Ints:
    """Do SPACE_TO_DEPTH."""
    block = int(operator.options.get("BlockSize", 0))
    if numbers.ndim != 4 or block < 1 or numbers.shape[1] % block or numbers.shape[2] % block:  # noqa: PLR2004
        raise RefusedError(f"makes blocks of {block} from the shape {numbers.shape}")
    _, height, width, channels = numbers.shape
    parted = numbers.reshape(1, height // block, block, width // block, block, channels)
    return parted.transpose(0, 1, 3, 2, 4, 5).reshape(1, height // block, width // block, -1)


def nearest_neighbor(numbers: Ints, operator: FileOperator) -> Ints:
    """Do RESIZE_NEAREST_NEIGHBOR, places in float32 (internal/reference/resize_nearest_neighbor.h)."""
    if numbers.ndim != 4:  # noqa: PLR2004
        raise RefusedError(f"resizes the shape {numbers.shape}")
    size = constants(operator, 1, "sizes")
    if len(size) != 2 or min(size) < 1:  # noqa: PLR2004
        raise RefusedError(f"resizes to {size}")
    corners, half = bool(operator.options.get("AlignCorners")), bool(operator.options.get("HalfPixelCenters"))
    rows, columns = (_nearest(numbers.shape[1 + axis], size[axis], corners=corners, half=half) for axis in (0, 1))
    return numbers[:, rows][:, :, columns]


def _nearest(inputs: int, outputs: int, *, corners: bool, half: bool) -> Sequence[int]:
    ends = corners and outputs > 1
    scale = np.float32(inputs - 1) / np.float32(outputs - 1) if ends else np.float32(inputs) / np.float32(outputs)
    at = (np.arange(outputs, dtype=np.float32) + np.float32(0.5 if half else 0)) * scale
    places = np.floor(at + np.float32(0.5)) if corners else np.floor(at)
    return [int(one) for one in np.clip(places, 0, inputs - 1)]
