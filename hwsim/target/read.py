"""Read a target file; what is wrong with it is told all at once, each mistake with its line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml
from yaml.reader import ReaderError

from hwsim.errors import TargetError
from hwsim.target.mistake import LocatedError, Mistake, overlap
from hwsim.target.positions import Document, parse
from hwsim.target.short import as_written
from hwsim.target.target import Target

LARGEST = 1_000_000
"""Files of more bytes are refused: no target is that long."""

_PLAIN_WORDS = {
    "mapping values are not allowed here": "a second ':' in a line, or wrong indentation; quote such text",
    "expected the node content": "a value that is missing, or a bracket that is not closed",
    "could not find expected ':'": "a line without 'key: value', or a quote or bracket not closed before it",
    "but found another document": "more than one document; a target file has no '---' but in its first line",
    "while scanning a quoted scalar": "a quote that is never closed",
    "expected ',' or '}'": "a '{' that is not closed, or a ',' missing between keys",
    "expected ',' or ']'": "a '[' that is not closed, or a ',' missing between entries",
    "expected <block end>": "a line that is not indented like those before it",
    "cannot start any token": "a character that YAML does not allow here; put the text in quotes",
}


def read_target(path: str | Path) -> Target:
    """Return the target in the YAML file ``path``.

    Raise TargetError with every mistake as ``path:line: key: value, what is allowed, nearest spelling``.
    """
    document = _document(str(path), _text(Path(path)))
    if document.data is None and not document.unreadable:
        raise TargetError([f"{path}:1: an empty file, but a target has at least a name: `name: my-target`"])
    try:
        target = Target.from_dict(document.data)
        found: tuple[Mistake, ...] = ()
    except LocatedError as error:
        target, found = None, error.located
    mistakes = sorted([*document.mistakes, *_with_lines(found, document)])
    if target is None or mistakes:
        raise TargetError([f"{path}:{line}: {sentence}" for line, sentence in mistakes])
    return target


def _with_lines(found: Iterable[Mistake], document: Document) -> Iterable[tuple[int, str]]:
    """Give each mistake its line; what is said of values that could not be read is left out."""
    for mistake in found:
        if not any(overlap(at, lost) for at in mistake.locations for lost in document.unreadable):
            places = [place for at in mistake.locations for place in (at, as_written(at))]
            yield document.line(*places), str(mistake)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise TargetError([f"{path}: {path.stat().st_size} bytes, but a target file has at most {LARGEST}"])
        content = path.read_bytes()
    except FileNotFoundError:
        raise TargetError([f"{path}: no such file"]) from None
    except IsADirectoryError:
        raise TargetError([f"{path}: a folder, not a YAML file"]) from None
    except OSError as error:
        raise TargetError([f"{path}: cannot be read: {error.strerror}"]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        sentence = f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8 text"
        raise TargetError([f"{path}:{line}: {sentence}"]) from None


def _document(path: str, text: str) -> Document:
    try:
        return parse(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sentence = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML; remove it"
        raise TargetError([f"{path}:{line}: {sentence}"]) from None
    except yaml.MarkedYAMLError as error:
        tabs = _tabs(text, error)
        if tabs:
            sentence = "a tab, but only spaces may stand here; replace it"
            raise TargetError([f"{path}:{line}: {sentence}" for line in tabs]) from None
        raise TargetError([f"{path}:{_line(error)}: not YAML: {_words(error)}"]) from None


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _tabs(text: str, error: yaml.MarkedYAMLError) -> list[int]:
    """Return the lines that are indented with tabs or stopped the scanner at one."""
    stopped = _line(error) if "'\\t'" in str(error.problem) else 0
    lines = text.splitlines()
    return [
        number
        for number, line in enumerate(lines, 1)
        if number == stopped or "\t" in line[: len(line) - len(line.lstrip())]
    ]


def _words(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}"
    start = error.context_mark
    since = f" (it began in line {start.line + 1})" if start and start.line + 1 != _line(error) else ""
    for words, plain in _PLAIN_WORDS.items():
        if words in said:
            return plain + since * ("document" not in plain)
    return str(error.problem or error.context) + since
