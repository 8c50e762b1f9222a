"""Attention layers of Keras: the contractions that Keras itself computes, and a softmax over the keys.

The factor 1 / sqrt(key_dim) of multi-head attention goes into the weights and the bias of the query's projection: the
scales of its weights and its result take it up, so it costs no operation and no rounding of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.keras_constant import scaled
from hwsim.loaders.keras_draft import Call, NoIntegerForm, Several
from hwsim.loaders.keras_einsum import contraction, multiplied, sizes_of, weighted
from hwsim.loaders.keras_weights import array, float32
from hwsim.network import Add, Curve, Dense, MatMul, Multiply, Operation, Rearrange, Reshape, Shape, Softmax

MASKS = ("query_mask", "value_mask", "key_mask", "attention_mask", "mask")


@dataclass
class Steps:
    """The operations of a layer as they come, each with its shape; the last one stands last."""

    shapes: dict[str, Shape]
    operations: list[Operation] = field(default_factory=list[Operation])

    def add(self, *operations: Operation) -> str:
        """Append operations and return the name of the last one."""
        for one in operations:
            try:
                self.shapes[one.name] = one.output_shape(*(self.shapes[name] for name in one.inputs))
            except ValueError as error:
                raise NoIntegerForm(str(error)) from error
        self.operations += operations
        return operations[-1].name

    def contract(self, name: str, equation: str, first: str, second: str) -> str:
        """Append the contraction of two tensors; its equation counts the batch."""
        shapes = [self.shapes[first], self.shapes[second]]
        terms = contraction(equation, [len(shape) + 1 for shape in shapes])
        sizes = sizes_of([terms.first, terms.second], shapes)
        return self.add(*multiplied(name, (first, second), terms, sizes))


def multi_head_attention(call: Call) -> Several:
    """Import MultiHeadAttention, of a sequence with itself or with another, over any axes."""
    layer = call.layer
    # Keras names the keys first here.
    keys, queries, result = layer._dot_product_equation.replace("->", ",").split(",")
    return _heads(
        call,
        f"{queries},{keys}->{result}",
        factor=float(layer._inverse_sqrt_key_dim),
        axes=len(layer._attention_axes),
        window=getattr(layer, "_sliding_window", None),
        gated=bool(getattr(layer, "_use_gate", False)),
        repeats=1,
    )


def grouped_query_attention(call: Call) -> Several:
    """Import GroupQueryAttention, whose keys and values serve several heads each."""
    layer = call.layer
    return _heads(
        call,
        layer._dot_product_equation,
        factor=float(layer._inverse_sqrt_head_dim),
        axes=1,
        window=getattr(layer, "sliding_window", None),
        gated=bool(getattr(layer, "use_gate", False)),
        repeats=int(layer.num_repeats),
    )


def _heads(
    call: Call, equation: str, *, factor: float, axes: int, window: int | None, gated: bool, repeats: int
) -> Several:
    given = _arguments(call)
    layer, name = call.layer, call.name
    query, value, key = _sources(call, [given["query"], given["value"], given.get("key")])
    steps = Steps(dict(zip(call.inputs, call.shapes, strict=True)))

    def projected(part: str, source: str, scale: float = 1.0) -> str:
        dense = getattr(layer, f"_{part}_dense")
        bias = None if dense.bias is None else array(dense.bias) * scale
        word = name if part == "output" else f"{name}/{part}"
        inner = replace(call, layer=dense, name=word, inputs=(source,), shapes=(steps.shapes[source],))
        return steps.add(*weighted(inner, dense.equation, array(dense.kernel) * scale, bias, dense.activation))

    gate = projected("gate", query) if gated else None
    queries, keys, values = projected("query", query, factor), projected("key", key), projected("value", value)
    keys, values = (_repeated(steps, one, repeats) for one in (keys, values))
    scores = steps.contract(f"{name}/scores", equation, queries, keys)
    full = steps.shapes[scores]
    mask = _mask(full, causal=bool(given.get("use_causal_mask")), window=window)
    if mask is not None and (len(call.shapes[0]) != 2 or axes != 1):
        raise NoIntegerForm("use_causal_mask or sliding_window over other axes than that of a sequence")
    if axes > 1:
        flat = (*full[:-axes], prod(full[-axes:]))
        scores = steps.add(Reshape(name=f"{name}/scores/flat", inputs=(scores,), shape=flat))
    shares = steps.add(_softmax(f"{name}/softmax", scores, steps, mask))
    if axes > 1:
        shares = steps.add(Reshape(name=f"{name}/softmax/axes", inputs=(shares,), shape=full))
    context = steps.contract(f"{name}/context", layer._combine_equation, shares, values)
    if gate is not None:
        context = steps.add(Multiply(name=f"{name}/gated", inputs=(context, gate)))
    return _results(given, steps, projected("output", context), shares)


def dot_product_attention(call: Call) -> Several:
    """Import keras.ops.dot_product_attention of (sequence, heads, size); its factor is a scale of the scores."""
    given = _arguments(call)
    if given.get("bias") is not None or call.layer.attn_logits_soft_cap is not None:
        raise NoIntegerForm("called with bias or attn_logits_soft_cap")
    query, key, value = _sources(call, [given["query"], given["key"], given["value"]])
    if any(len(shape) != 3 for shape in call.shapes):
        raise NoIntegerForm(
            f"samples of the shapes {', '.join(map(str, call.shapes))}; hwsim wants (sequence, heads, size)"
        )
    steps = Steps(dict(zip(call.inputs, call.shapes, strict=True)))
    scores = steps.contract(f"{call.name}/scores", "btnh,bsnh->bnts", query, key)
    factor = given.get("scale")
    factor = steps.shapes[query][-1] ** -0.5 if factor is None else float(factor)
    scores = steps.add(scaled(replace(call, shapes=(steps.shapes[scores],)), scores, f"{scores}/scaled", factor))
    mask = _mask(steps.shapes[scores], causal=bool(call.layer.is_causal), window=None)
    shares = steps.add(_softmax(f"{call.name}/softmax", scores, steps, mask))
    return _results(given, steps, steps.contract(call.name, "bnts,bsnh->btnh", shares, value), shares)


def attention(call: Call) -> Several:
    """Import Attention, whose scores are products (``dot``) or sums of hyperbolic tangents (``concat``)."""
    layer = call.layer
    scale = None if layer.scale is None else float(array(layer.scale))
    if layer.score_mode == "concat":
        return _summed(call, 1.0 if scale is None else scale, array(layer.concat_score_weight))

    def scores(steps: Steps, query: str, key: str) -> str:
        name = f"{call.name}/scores"
        made = steps.add(MatMul(name=name, inputs=(query, key), transpose=(False, True)))
        if scale is None:
            return made
        inner = replace(call, shapes=(steps.shapes[made],))
        return steps.add(scaled(inner, made, f"{name}/scaled", scale))

    return _scored(call, scores)


def additive_attention(call: Call) -> Several:
    """Import AdditiveAttention, whose scores are weighted sums of hyperbolic tangents."""
    return _summed(call, 1.0, np.ones(()) if call.layer.scale is None else array(call.layer.scale))


def _summed(call: Call, inside: float, weights: NDArray[np.float64]) -> Several:
    """Return an attention with the scores ``sum of weights * tanh(inside * (query + key))`` over the last axis."""

    def scores(steps: Steps, query: str, key: str) -> str:
        name, (rows, size), (columns, _) = f"{call.name}/scores", steps.shapes[query], steps.shapes[key]
        own = steps.add(Reshape(name=f"{name}/query", inputs=(query,), shape=(rows, 1, size)))
        others = steps.add(Reshape(name=f"{name}/key", inputs=(key,), shape=(1, columns, size)))
        made = steps.add(Add(name=f"{name}/sum", inputs=(own, others)))
        if inside != 1:
            inner = replace(call, shapes=(steps.shapes[made],))
            made = steps.add(scaled(inner, made, f"{name}/scaled", inside))
        made = steps.add(Curve(name=f"{name}/tanh", inputs=(made,), function="tanh"))
        kernel = float32(np.broadcast_to(weights, (size,)).reshape(size, 1))
        made = steps.add(Dense(name=name, inputs=(made,), kernel=kernel, bias=np.zeros(1, np.float32)))
        return steps.add(Reshape(name=f"{name}/matrix", inputs=(made,), shape=(rows, columns)))

    return _scored(call, scores)


def _scored(call: Call, scores: Any) -> Several:
    given = _arguments(call)
    tensors = list(given["inputs"])
    query, value, key = _sources(call, [*tensors, None][:3])
    if any(len(shape) != 2 for shape in call.shapes):
        raise NoIntegerForm(
            f"samples of the shapes {', '.join(map(str, call.shapes))}; hwsim wants sequences of vectors"
        )
    steps = Steps(dict(zip(call.inputs, call.shapes, strict=True)))
    found = scores(steps, query, key)
    mask = _mask(steps.shapes[found], causal=bool(given.get("use_causal_mask")), window=None)
    shares = steps.add(_softmax(f"{call.name}/softmax", found, steps, mask))
    return _results(given, steps, steps.add(MatMul(name=call.name, inputs=(shares, value))), shares)


def _arguments(call: Call) -> dict[str, Any]:
    """Return the arguments of a call by name; refuse masks by theirs."""
    given = inspect.signature(call.layer.call).bind(*call.arguments, **call.keywords).arguments
    for name in MASKS:
        value = given.get(name)
        if value is not None and (not isinstance(value, list | tuple) or any(one is not None for one in value)):
            raise NoIntegerForm(f"called with {name}; hwsim masks by use_causal_mask and sliding_window alone")
    if any(getattr(one, "_keras_mask", None) is not None for one in call.tensors):
        raise NoIntegerForm("a layer before it gives its input a mask")
    return dict(given)


def _sources(call: Call, tensors: Sequence[Any]) -> tuple[str, str, str]:
    """Return the names of query, value and key; without a key the value is one."""
    query, value, key = (None if one is None else call.inputs[call.place(one)] for one in tensors)
    if query is None or value is None:
        raise NoIntegerForm("called without a query or a value")
    return query, value, value if key is None else key


def _repeated(steps: Steps, source: str, times: int) -> str:
    """Repeat each head of (…, heads, size), one behind another."""
    if times == 1:
        return source
    shape = steps.shapes[source]
    numbers = np.arange(prod(shape), dtype=np.int64).reshape(shape).repeat(times, axis=-2)
    return steps.add(Rearrange(name=f"{source}/repeated", inputs=(source,), index=numbers))


def _mask(shape: Shape, *, causal: bool, window: int | None) -> NDArray[np.bool_] | None:
    """Return which keys (…, rows, columns) each query sees: none behind it, or those fewer than ``window`` away."""
    if not causal and window is None:
        return None
    rows, columns = np.ogrid[: shape[-2], : shape[-1]]
    seen = np.ones(shape[-2:], np.bool_)
    if causal:
        seen &= rows >= columns
    if window is not None:
        seen &= np.abs(rows - columns) < window
    return np.ascontiguousarray(np.broadcast_to(seen, shape))


def _softmax(name: str, source: str, steps: Steps, mask: NDArray[np.bool_] | None) -> Softmax:
    return Softmax(name=name, inputs=(source,), axis=len(steps.shapes[source]) - 1, mask=mask)


def _results(given: dict[str, Any], steps: Steps, output: str, shares: str) -> Several:
    results = (output, shares) if given.get("return_attention_scores") else (output,)
    return Several(operations=tuple(steps.operations), results=results)
