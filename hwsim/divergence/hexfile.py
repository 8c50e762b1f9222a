"""Memory files as Verilog's $readmemh reads them (IEEE 1364-2005, 17.2.9): hexadecimal words, comments, addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import DataError

MOST_BITS = 62
"""Words of more bits are refused, so that the difference of two fits 64 bits."""

MOST_BYTES = 1 << 28
"""The largest file that is read."""

_WORD = re.compile(r"[0-9a-fA-F][0-9a-fA-F_]*")
_UNKNOWN = re.compile(r"[0-9a-fA-FxXzZ?_]+")
_PIECE = re.compile(r"//|/\*|\*/|(?:(?!//|/\*|\*/)\S)+")


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """The words (n,) of a file as unsigned integers, and the line on which each stands."""

    path: Path
    values: NDArray[np.int64]
    lines: NDArray[np.int64]

    @property
    def digits_bits(self) -> int:
        """The width of the largest word, in whole hexadecimal digits."""
        return 4 * max(1, -(-int(self.values.max()).bit_length() // 4))

    def integers(self, bits: int, signed: bool) -> NDArray[np.int64]:
        """Return the integers that words of ``bits`` stand for, in two's complement if ``signed``.

        ``bits`` is 1 to MOST_BITS. Bits above it are taken where they repeat the sign, as simulators write them; raises
        DataError with the line of the first word that is wider.
        """
        low = self.values & ((1 << bits) - 1)
        found: NDArray[np.int64] = np.where(low >> (bits - 1) != 0, low - (1 << bits), low) if signed else low
        extension = self.values - found  # a power of 16 where ones stand above a negative word
        extended = (found < 0) & np.isin(extension, [1 << more for more in range(4, MOST_BITS + 1, 4)])
        wrong = np.flatnonzero((self.values >> bits != 0) & ~extended)
        if wrong.size:
            at = int(wrong[0])
            raise DataError(f"{self.path}, line {self.lines[at]}: {int(self.values[at]):x} does not fit {bits} bits")
        return found


def read_hex(path: Path) -> Words:
    """Read a file; addresses may begin anywhere but leave no word out and give none twice.

    Raises DataError with the line of what is wrong: a digit that is none, x or z, an address that is skipped.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DataError(f"{path}: has {size} bytes, more than the {MOST_BYTES} that are read")
    values: list[int] = []
    lines: list[int] = []
    starts: list[tuple[int, int, int]] = []
    inside = False
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        for piece in _PIECE.findall(line):
            if inside:
                inside = piece != "*/"
            elif piece == "//":
                break
            elif piece == "/*":
                inside = True
            elif piece.startswith("@"):
                starts.append((_word(piece[1:], path, number, "address"), len(values), number))
            else:
                values.append(_word(piece, path, number, "word"))
                lines.append(number)
    if not values:
        raise DataError(f"{path}: holds no word")
    order = _in_order(starts, len(values), path)
    return Words(path=path, values=np.array(values, np.int64)[order], lines=np.array(lines, np.int64)[order])


def _word(text: str, path: Path, line: int, what: str) -> int:
    if _WORD.fullmatch(text):
        value = int(text.replace("_", ""), 16)
        if value >> MOST_BITS:
            raise DataError(f"{path}, line {line}: the {what} {text:.40} has more than {MOST_BITS} bits")
        return value
    if _UNKNOWN.fullmatch(text):
        raise DataError(f"{path}, line {line}: {text:.40} has digits that are unknown (x) or not driven (z)")
    raise DataError(f"{path}, line {line}: {text[:40]!r} is no hexadecimal {what}")


def _in_order(starts: list[tuple[int, int, int]], count: int, path: Path) -> NDArray[np.int64]:
    """Return where the words of ascending addresses stand in the file."""
    if not starts or starts[0][1] > 0:
        starts = [(0, 0, 1), *starts]
    ends = [*(first for _, first, _ in starts[1:]), count]
    blocks = sorted(
        (address, first, end - first, line) for (address, first, line), end in zip(starts, ends, strict=True)
    )
    blocks = [one for one in blocks if one[2] > 0]
    order: list[NDArray[np.int64]] = []
    due = blocks[0][0]
    for address, first, size, line in blocks:
        if address != due:
            what = f"leaves out addresses {due:x} to {address - 1:x}" if address > due else f"gives {address:x} twice"
            raise DataError(f"{path}, line {line}: the block at address {address:x} {what}")
        order.append(np.arange(first, first + size))
        due = address + size
    return np.concatenate(order)
