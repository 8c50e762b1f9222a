"""YAML text to plain data that remembers the line of every key, and whatever is wrong with it as YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hwsim.target.mistake import Location, dotted

DEEPEST = 20
"""More levels of nesting than any target has; what is deeper is refused before it is read."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(_TAG + kind for kind in ("str", "int", "float", "bool", "null"))


@dataclass(frozen=True)
class Document:
    """A YAML document: its data, the line of each key (from 1), and (line, sentence) of each mistake."""

    data: object
    lines: Mapping[Location, int]
    mistakes: tuple[tuple[int, str], ...]
    unreadable: frozenset[Location]

    def line(self, *locations: Location) -> int:
        """Return the line of the first location that is in the document, else of the nearest parent."""
        found = next((at for at in locations if at in self.lines), locations[0])
        while found not in self.lines and found:
            found = found[:-1]
        return self.lines.get(found, 1)


def parse(text: str) -> Document:
    """Return the document in ``text``; raise yaml.YAMLError if it is not YAML."""
    loader = _Composer(text)
    try:
        node = loader.get_single_node()
        return _Reader(loader).read(node)
    finally:
        loader.dispose()


class _Composer(yaml.SafeLoader):
    """Composes nodes, but follows no alias and stops at absurd depth, so that small files stay small."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.references: list[tuple[int, str]] = []

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:  # noqa: ANN401 (PyYAML's own)
        event = self.peek_event()  # type: ignore[no-untyped-call]
        name = getattr(event, "anchor", None)
        if name is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            line = event.start_mark.line + 1 if event.start_mark else 1
            self.references.append((line, sign + name))
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            return ScalarNode("alias", "", event.start_mark, event.end_mark)  # type: ignore[arg-type]
        if self.depth >= DEEPEST:
            raise yaml.MarkedYAMLError(None, None, f"more than {DEEPEST} levels of nesting", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reader:
    """Turns nodes into data, one location at a time."""

    def __init__(self, loader: _Composer) -> None:
        self.loader = loader
        self.lines: dict[Location, int] = {}
        self.unreadable: set[Location] = set()
        self.mistakes = [
            (line, f"{name}: anchors and aliases (& and *) are not read; write the values out")
            for line, name in loader.references
        ]

    def read(self, node: Node | None) -> Document:
        data = None if node is None else self._value(node, ())
        return Document(data, self.lines, tuple(self.mistakes), frozenset(self.unreadable))

    def _value(self, node: Node, at: Location) -> object:
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, at)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self._value(item, (*at, index)) for index, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, at)
        return self._refuse(node, at, f"the tag {_short(node.tag)} is not read; leave it out")

    def _mapping(self, node: MappingNode, at: Location) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._tell(key_node, at, "a key must be one word, not a list or a mapping")
                continue
            key, line = str(key_node.value), key_node.start_mark.line + 1
            here = (*at, key)
            if key in values:
                self.mistakes.append((line, f"{dotted(here)}: given twice, first in line {self.lines[here]}"))
                continue
            self.lines[here] = line
            values[key] = self._value(value_node, here)
        return values

    def _scalar(self, node: ScalarNode, at: Location) -> object:
        """Return what YAML 1.1 makes of a word, unless that would surprise the writer."""
        if node.tag == "alias":
            return self._refuse(node, at, "")
        if node.tag == _TAG + "timestamp":
            return self._refuse(node, at, f"YAML reads {node.value} as a date; put it in quotes for text")
        if node.tag not in _PLAIN:
            return self._refuse(node, at, f"the tag {_short(node.tag)} is not read; leave it out")
        try:
            value = self.loader.construct_object(node)
        except (ValueError, KeyError, yaml.YAMLError):
            return self._refuse(node, at, f"{node.value[:40]!r} is no {node.tag.removeprefix(_TAG)}")
        if isinstance(value, int | float) and (":" in node.value or re.match(r"[-+]?0[0-9_]", node.value)):
            text = f"YAML reads {node.value[:40]} as the number {value}; write {value}, or put it in quotes"
            return self._refuse(node, at, text)
        return value

    def _refuse(self, node: Node, at: Location, sentence: str) -> object:
        """Leave a value out (None); nothing more is said of it than ``sentence``."""
        self.unreadable.add(at)
        if sentence:
            self._tell(node, at, sentence)
        return None

    def _tell(self, node: Node, at: Location, sentence: str) -> None:
        place = f"{dotted(at)}: " if at else ""
        self.mistakes.append((node.start_mark.line + 1, place + sentence))


def _short(tag: str) -> str:
    return tag.replace(_TAG, "!!")[:40]
