"""Which tensors of two dumps belong together: those of one name, else those of one size, in their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from hwsim.divergence.dump import Dump, Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Matched:
    """Pairs in the order of the first dump, how they were found ("name" or "order"), and what has no partner."""

    pairs: tuple[tuple[Tensor, Tensor], ...]
    how: str
    only_a: tuple[Tensor, ...]
    only_b: tuple[Tensor, ...]


def match(a: Dump, b: Dump) -> Matched:
    """Pair tensors by name if any two bear the same, else by order.

    Names are the same, too, where they differ in signs and capitals alone, or in a number in front: `03_conv1.relu` of
    a folder is `conv1/relu`. By order, tensors of equal size are paired, as many as possible without crossing; two
    lone tensors are paired in any case.
    """
    for same in (str, _plain, _without_number):
        pairs = _by_name(a.tensors, b.tensors, same)
        if pairs:
            return _matched(a, b, pairs, "name")
    return _matched(a, b, _by_order(a.tensors, b.tensors), "order")


def _plain(name: str) -> str:
    """Return a name as files can bear it.

    >>> _plain("conv1/Relu:0") == _plain("conv1_relu.0")
    True
    """
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _without_number(name: str) -> str:
    return re.sub(r"^[0-9]+_", "", _plain(name))


def _by_name(a: Sequence[Tensor], b: Sequence[Tensor], same: Callable[[str], str]) -> list[tuple[Tensor, Tensor]]:
    """Return the pairs of one name, but for names that several tensors of a side bear."""
    named_a, named_b = _unique(a, same), _unique(b, same)
    return [(one, named_b[name]) for name, one in named_a.items() if name in named_b]


def _unique(tensors: Sequence[Tensor], same: Callable[[str], str]) -> dict[str, Tensor]:
    names = [same(one.name) for one in tensors]
    often = Counter(names)
    return {name: one for name, one in zip(names, tensors, strict=True) if often[name] == 1}


def _by_order(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    if len(a) == len(b) == 1:  # whoever gives two tensors wants them compared
        return [(a[0], b[0])]
    matcher = SequenceMatcher(None, [one.values.size for one in a], [one.values.size for one in b], autojunk=False)
    return [
        (a[block.a + offset], b[block.b + offset])
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]


def _matched(a: Dump, b: Dump, pairs: list[tuple[Tensor, Tensor]], how: str) -> Matched:
    found_a, found_b = {id(one) for one, _ in pairs}, {id(one) for _, one in pairs}
    return Matched(
        pairs=tuple(pairs),
        how=how,
        only_a=tuple(one for one in a.tensors if id(one) not in found_a),
        only_b=tuple(one for one in b.tensors if id(one) not in found_b),
    )
