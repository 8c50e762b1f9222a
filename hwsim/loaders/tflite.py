"""A quantised ``.tflite`` file becomes a network, with its own scales and zero points beside it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hwsim.errors import ModelError, UnsupportedError
from hwsim.loaders.tflite_draft import Draft, LostError, RefusedError, makes_a_shape
from hwsim.loaders.tflite_file import FileGraph, FileOperator, read_graph
from hwsim.loaders.tflite_operators import IMPORTERS
from hwsim.network import Network
from hwsim.network.stored import Stored


def import_tflite(path: Path) -> Network:
    """Return the network in a file, weights dequantised; ``Network.stored`` holds the file's own scales.

    Every operation bears the name of the tensor that it makes. Raises ModelError for a damaged file and
    UnsupportedError with all operators that have no integer form here.
    """
    graph = read_graph(path)
    draft = Draft(graph)
    refused = [*_refused_tensors(draft, graph), *_import_all(draft, graph.operators)]
    if refused:
        raise UnsupportedError(refused)
    try:
        return Network(
            name=path.stem,
            operations=tuple(draft.operations),
            outputs=tuple(dict.fromkeys(draft.made[one.index] for one in graph.outputs)),
            stored=Stored(tensors=draft.tensors, weights=draft.weights),
        )
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: its graph makes no sense ({error})") from error


def _refused_tensors(draft: Draft, graph: FileGraph) -> list[str]:
    """Take in the graph's inputs; return a line for each that is refused."""
    refused: list[str] = []
    for tensor in graph.inputs:
        try:
            draft.take_input(tensor)
        except RefusedError as error:
            refused.append(f"{draft.name(tensor)} (input): {error}")
    return refused


def _import_all(draft: Draft, operators: tuple[FileOperator, ...]) -> list[str]:
    """Import operators in order; return a line for each that is refused, those of one unknown kind together."""
    refused: list[str] = []
    unknown: Counter[str] = Counter()
    for operator in operators:
        if makes_a_shape(operator):
            continue
        if operator.word not in IMPORTERS:
            unknown[operator.word] += 1
            draft.give_up(operator)
            continue
        try:
            IMPORTERS[operator.word](draft, operator)
        except LostError:
            draft.give_up(operator)
        except RefusedError as error:
            refused.append(f"{draft.name(operator.outputs[0]) if operator.outputs else '?'} ({operator.word}): {error}")
            draft.give_up(operator)
    return [*refused, *(f"{word}, {count} times" if count > 1 else word for word, count in unknown.items())]
