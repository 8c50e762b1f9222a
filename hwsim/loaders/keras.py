"""A Keras model object becomes a Network of the same operations, not yet simplified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwsim.data import OpenInput, OpenShape, fits
from hwsim.errors import ModelError, UnsupportedError
from hwsim.loaders.framework import keras
from hwsim.loaders.keras_draft import Call, Draft, NoIntegerForm, Several
from hwsim.loaders.keras_embedding import with_indices
from hwsim.loaders.keras_layers import importer
from hwsim.loaders.keras_weights import check_finite
from hwsim.network import Input, Network, Shape
from hwsim.target.settings import Reading


def import_model(model: Any, reading: Reading | None = None, shapes: Mapping[str, Shape] | None = None) -> Network:
    """Return the network of a Functional or built Sequential model, nested models included, read as a target asks for.

    ``shapes`` gives the shape of a sample for inputs that leave sizes open. Raises ModelError for other models, for
    inputs of unknown size and for weights that are not finite; UnsupportedError with all layers that have no integer
    form.
    """
    inputs, graph = inputs_of(model), graph_of(model)
    names = [one.name for one in inputs]
    unknown = [name for name in shapes or () if name not in names]
    if unknown:
        raise ModelError(f"shapes are given for {unknown}, the model's inputs are {names}")
    draft = Draft(reading=reading or Reading())
    for one in inputs:
        shape = _fixed(one.name, one.shape, (shapes or {}).get(one.name))
        draft.add([Input(name=draft.unique(one.name), shape=shape)])
    outputs = _walk(graph, [operation.name for operation in draft.operations], "", draft)
    operations = tuple(with_indices(draft))
    if draft.unsupported:
        raise UnsupportedError(draft.unsupported)
    return Network(name=str(model.name), operations=operations, outputs=tuple(outputs))


def inputs_of(model: Any) -> list[OpenInput]:
    """Return the inputs of a model.

    Raises ModelError for a model without a graph.
    """
    graph = graph_of(model)
    if graph is None:
        raise ModelError(_why_no_graph(model))
    names = Draft()
    return [
        OpenInput(names.unique(str(one._keras_history.operation.name)), tuple(one.shape[1:])) for one in graph.inputs
    ]


def graph_of(model: Any) -> Any:
    """Return the graph of calls by which Keras runs ``model``, or None where it runs by Python code.

    The graph has ``inputs``, ``outputs``, ``_inputs_struct`` and ``_nodes_by_depth``; Keras publishes no
    other way to see one call of a shared layer apart from the next.
    """
    if not type(model).call.__module__.startswith("keras."):
        return None
    graph = getattr(model, "_functional", model)
    return graph if hasattr(graph, "_nodes_by_depth") else None


def _why_no_graph(model: Any) -> str:
    if hasattr(model, "_functional") and type(model).call.__module__.startswith("keras."):
        advice = "call model.build((None, height, width, channels)) first"
        return f"{model.name}: this Sequential model is not built; {advice}"
    advice = "rebuild it as a Functional model: keras.Model(inputs, outputs)"
    return f"{model.name}: {type(model).__name__} is a subclassed model, a Python program; {advice}"


def _fixed(name: str, shape: OpenShape, given: Shape | None) -> Shape:
    """Return the shape of an input's samples, its open sizes as ``given``."""
    found = tuple(int(size) for size in (given or ()))
    if given is not None and not (fits(found, shape) and min(found, default=1) > 0):
        raise ModelError(f"{name}: the shape {found} is given for an input of the shape {shape}")
    whole = tuple(size for size in shape if size is not None)
    if given is None and len(whole) < len(shape):
        example = ", ".join("32" if size is None else str(size) for size in shape)
        raise ModelError(
            f"{name}: the input shape {shape} leaves sizes open: give data or calibration data that has them, or the "
            f"network hwsim.load(model, shapes={{{name!r}: ({example})}}); on the command line --data, or of points "
            f"and profile --shape '{name}={example.replace(' ', '')}'"
        )
    return whole if given is None else found


def _walk(graph: Any, inputs: Sequence[str], prefix: str, draft: Draft) -> list[str]:
    """Import every call inside ``graph``, fed by the tensors ``inputs``; return the names of its results."""
    names = {id(tensor): name for tensor, name in zip(graph.inputs, inputs, strict=True)}
    for node in _nodes(graph):
        given = _given(node)
        if all(id(tensor) in names for tensor in given):
            results = _import_call(node, [names[id(tensor)] for tensor in given], prefix, draft)
            names.update(zip(map(id, node.outputs), results, strict=True))
    return [names[id(tensor)] for tensor in graph.outputs]


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield the calls in the order in which Keras runs them, without those that make nothing but masks."""
    depths = sorted(graph._nodes_by_depth, reverse=True)
    calls = [node for depth in depths for node in graph._nodes_by_depth[depth] if not node.is_input]
    needed = {id(tensor) for tensor in graph.outputs}
    for node in reversed(calls):
        if needed.intersection(map(id, node.outputs)):
            needed.update(map(id, _given(node)))
    yield from (node for node in calls if needed.intersection(map(id, node.outputs)))


def _given(node: Any) -> list[Any]:
    """Return the tensors that a call takes, masks left out."""
    masks = set(map(id, keras().tree.flatten(node.arguments.kwargs.get("mask"))))
    return [tensor for tensor in node.input_tensors if id(tensor) not in masks]


def _import_call(node: Any, inputs: Sequence[str], prefix: str, draft: Draft) -> list[str]:
    layer = node.operation
    name = draft.unique(f"{prefix}{layer.name}")
    graph = graph_of(layer) if hasattr(layer, "inputs") and hasattr(layer, "layers") else None
    try:
        if node.arguments.kwargs.get("training"):
            raise NoIntegerForm("called with training=True")
        if len(inputs) < len(node.input_tensors):
            raise NoIntegerForm("called with a mask; hwsim computes with all values, those of all time steps too")
        if graph is not None:
            return _walk(graph, inputs, f"{name}/", draft)
        return _import_layer(node, name, inputs, draft)
    except NoIntegerForm as reason:
        draft.unsupported.append(f"{name} ({type(layer).__name__}: {reason})")
    return _stand_ins(node, name, draft)


def _import_layer(node: Any, name: str, inputs: Sequence[str], draft: Draft) -> list[str]:
    layer = node.operation
    translate = importer(layer, len(inputs))
    check_finite(layer, name)
    shapes = tuple(shape for shape in map(draft.shapes.__getitem__, inputs) if shape is not None)
    if len(shapes) < len(inputs):
        return _stand_ins(node, name, draft)
    call = Call(
        layer=layer,
        name=name,
        inputs=tuple(inputs),
        shapes=shapes,
        arguments=tuple(node.arguments.args),
        keywords=dict(node.arguments.kwargs),
        tensors=tuple(node.input_tensors),
        reading=draft.reading,
    )
    made = translate(call)
    operations = made.operations if isinstance(made, Several) else made
    results = made.results if isinstance(made, Several) else [operations[-1].name if operations else inputs[0]]
    if len(results) != len(node.outputs):
        raise NoIntegerForm(f"called for {len(node.outputs)} results")
    draft.add(operations)
    return list(results)


def _stand_ins(node: Any, name: str, draft: Draft) -> list[str]:
    return [draft.stand_in(f"{name}#{index}", tensor.shape[1:]) for index, tensor in enumerate(node.outputs)]
