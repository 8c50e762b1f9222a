"""Arrays in every form that callers bring, and datapaths in the words of the package and of the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import GENERATORS, ROUNDINGS, Json, fits, integers

from hwsim_kernels import Format, Stage, lfsr

Shape = tuple[int, ...]

SHAPES: tuple[Shape, ...] = ((), (1,), (5,), (2, 3), (3, 1), (2, 2, 2), (0,), (0, 3), (2, 0))


def nested(values: Sequence[int], shape: Shape) -> Any:
    """Return flat values as nested lists of a shape, a single number for no axes."""
    if not shape:
        return values[0]
    size = len(values) // shape[0] if shape[0] else 0
    return [nested(values[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]


def read_only(array: np.ndarray) -> np.ndarray:
    """Return an array that cannot be written to."""
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def spread_out(array: np.ndarray) -> np.ndarray:
    """Return the values of an array with gaps between them, in every axis, the last one backwards."""
    if not array.ndim:
        return array
    roomy = np.zeros([2 * size for size in array.shape], array.dtype)
    view = roomy[tuple(slice(None, None, 2) for _ in array.shape)][..., ::-1]
    view[...] = array
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda array: array,
    "list": lambda array: array.tolist() if array.size or array.ndim == 1 else array,  # [] has one axis
    "objects": lambda array: array.astype(object),
    "Fortran": lambda array: array.copy("F"),
    "gaps": spread_out,
    "read only": read_only,
}


def smallest(values: Sequence[int], unsigned: bool) -> Any:
    """Return the narrowest type that holds values, Python's own integers for more than 64 bits."""
    kinds = ("uint8", "uint16", "uint32", "uint64") if unsigned else ("int8", "int16", "int32", "int64", "uint64")
    for kind in kinds:
        info = np.iinfo(kind)
        if all(info.min <= value <= info.max for value in values):
            return np.dtype(kind)
    return np.dtype(object)


@composite
def forms(draw: DrawFn, values: Sequence[int], shape: Shape) -> Any:
    """Return values in a shape as an array or list of some type and layout."""
    unsigned = not values or min(values) >= 0
    kinds = [smallest(values, False), np.dtype(object)] + ([smallest(values, True)] if unsigned else [])
    if all(-(1 << 63) <= value < 1 << 63 for value in values):
        kinds.append(np.dtype(np.int64))
    array = np.array(values, object).reshape(shape).astype(draw(st.sampled_from(kinds)))
    made = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](array)
    return made.item() if isinstance(made, np.ndarray) and not shape and draw(st.booleans()) else made


@composite
def tensors(draw: DrawFn, bits: int = 63, shapes: Sequence[Shape] = SHAPES) -> tuple[list[int], Shape, Any]:
    """Return flat values of up to ``bits`` bits, their shape, and some form of both."""
    shape = draw(st.sampled_from(shapes))
    size = prod(shape)
    values = draw(st.lists(integers(bits), min_size=size, max_size=size))
    return values, shape, draw(forms(values, shape))


@composite
def parameters(draw: DrawFn, shape: Shape, one: st.SearchStrategy[int]) -> tuple[list[int], Any]:
    """Return a parameter for every channel, and what to pass: one number, or one for each channel."""
    channels = shape[-1] if shape else 1
    if not shape or draw(st.booleans()):
        number = draw(one)
        return [number] * channels, draw(st.sampled_from([number, np.int64(number), [number], np.array(number)]))
    numbers = draw(st.lists(one, min_size=channels, max_size=channels))
    return numbers, draw(forms(numbers, (channels,)))


def check(result: Any, values: Sequence[int], shape: Shape) -> None:
    """Compare a result with flat values: every integer, the shape, and the type that the values need."""
    if not shape:
        assert isinstance(result, int)
        assert result == values[0]
        return
    assert result.shape == shape
    assert result.tolist() == nested(values, shape)
    narrow = all(-(1 << 63) <= value < 1 << 63 for value in values)
    unsigned = all(0 <= value < 1 << 64 for value in values)
    assert result.dtype == (np.int64 if narrow else np.uint64 if unsigned else object)


# --- formats, draws and datapaths ---------------------------------------------------------------------


def form(section: Json) -> Format:
    """Return a width of the oracle as a Format."""
    return Format(section["bits"], section["overflow"], section["signed"], section["saturated_bits"])


def stage(section: Json) -> Stage:
    """Return a stage of the oracle, or a product, as a Stage."""
    return Stage(**{key: value for key, value in section.items() if key != "name"})


def draws_for(random: Json, *modes: str) -> Any:
    """Return what a caller passes as ``draws`` for modes, of which the stochastic ones need some."""
    if not any(mode.startswith("stochastic") for mode in modes):
        return None
    return lfsr(random["bits"], random["taps"], random["seed"])


generators = st.sampled_from(GENERATORS)


@composite
def products(draw: DrawFn, high: int = 64) -> Json:
    """Return what products are brought to."""
    shift = draw(st.sampled_from([0, 1, 3, 8, 33]))
    return {**draw(fits(1, high)), "shift": shift, "rounding": draw(st.sampled_from(ROUNDINGS))}


@composite
def stage_sections(draw: DrawFn, high: int = 64, shifts: Sequence[int] = (0, 0, 0, 1, 3, 8, 33, 59)) -> list[Json]:
    """Return one to three stages of the oracle, from the inside out."""
    levels = draw(st.integers(1, 3))
    sections = [draw(one_stage(high, shifts, level == levels - 1)) for level in range(levels)]
    return [{**section, "name": f"level{level}"} for level, section in enumerate(sections)]


@composite
def one_stage(draw: DrawFn, high: int, shifts: Sequence[int], last: bool) -> Json:
    """Return one stage of the oracle, without a name."""
    tree = not last and draw(st.booleans())
    return {
        **draw(fits(1, high)),
        "terms": None if last else draw(st.integers(1, 7)),
        "check": draw(st.sampled_from(["each", "last"])),
        "shape": "tree" if tree else "chain",
        "shift": 0 if tree else draw(st.sampled_from(shifts)),
        "rounding": draw(st.sampled_from(ROUNDINGS)),
    }


@composite
def datapaths(draw: DrawFn, high: int = 64, shifts: Sequence[int] = (0, 0, 0, 1, 3, 8, 33, 59)) -> Json:
    """Return stages and perhaps a product, without an order."""
    product = draw(st.none() | products(high))
    return {"product": product, "stages": draw(stage_sections(high, shifts)), "tile": None}


def modes_of(mac: Json) -> list[str]:
    """Return the rounding modes of a datapath."""
    sections = [*mac["stages"], *([mac["product"]] if mac["product"] else [])]
    return [section["rounding"] for section in sections]


def as_arguments(mac: Json, random: Json) -> Json:
    """Return a datapath as the layers take it."""
    return {
        "product": stage(mac["product"]) if mac["product"] else None,
        "stages": [stage(section) for section in mac["stages"]],
        "draws": draws_for(random, *modes_of(mac)),
    }


@composite
def biases(draw: DrawFn, mac: Json, outputs: int) -> Any:
    """Return no bias, or one for each output, often at the limits of the last stage."""
    if draw(st.booleans()):
        return None
    low, high = stage(mac["stages"][-1]).limits
    high = min(high, (1 << 63) - 1)
    one = st.sampled_from([low, high]) | st.integers(low, high)
    return draw(st.lists(one, min_size=outputs, max_size=outputs))


def operands(bits: int) -> st.SearchStrategy[int]:
    """Return codes of up to ``bits`` bits, sign included."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return st.integers(low, high) | st.sampled_from([low, high, 0])
