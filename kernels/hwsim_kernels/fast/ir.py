"""What micro-kernels share when they write LLVM's instructions: vectors, loops and the machine's own instructions.

A kernel here is an ``intrinsic``: Numba puts the instructions that it builds into compiled code. Vectors of fixed size
are LLVM's, which splits them for machines whose registers are shorter; so these kernels need no particular processor
but for those that call an instruction by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import llvmlite.binding  # pyright: ignore[reportMissingTypeStubs]
import llvmlite.ir  # pyright: ignore[reportMissingTypeStubs]
from numba.core import config
from numba.extending import intrinsic

# llvmlite has no types
ir: Any = llvmlite.ir
binding: Any = llvmlite.binding

I1: Any = ir.IntType(1)
I8: Any = ir.IntType(8)
I16: Any = ir.IntType(16)
I32: Any = ir.IntType(32)
I64: Any = ir.IntType(64)
F32: Any = ir.FloatType()
F64: Any = ir.DoubleType()
VOID: Any = ir.VoidType()
ADDRESS: Any = I8.as_pointer()

Builder = Any
Value = Any


def compiled_for(name: str | None, flags: str | None) -> frozenset[str]:
    """Return the features, by LLVM's names, of the processor that Numba compiles for.

    It is the one at hand, unless NUMBA_CPU_NAME or NUMBA_CPU_FEATURES (``+sse2,-avx``) tell Numba of another.
    """
    if name or flags is not None:
        return frozenset(one[1:] for one in (flags or "").split(",") if one.startswith("+"))
    return frozenset(one for one, present in binding.get_host_cpu_features().items() if present)


HOST: frozenset[str] = compiled_for(config.CPU_NAME, config.CPU_FEATURES)  # type: ignore[attr-defined]
"""What the processor that code is compiled for has."""

machine_code: Callable[[Callable[..., Any]], Any] = intrinsic
"""Decorates a function that returns a signature and what builds the instructions; compiled code calls the result."""


def vector(element: Any, lanes: int) -> Any:
    """Return the type of a vector."""
    return ir.VectorType(element, lanes)


def splat(builder: Builder, value: Value, lanes: int) -> Value:
    """Return a vector whose lanes all hold ``value``."""
    kind = vector(value.type, lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(vector(I32, lanes), [0] * lanes))


def constant(kind: Any, value: float) -> Value:
    """Return a constant, or a vector of equal ones."""
    if isinstance(kind, ir.VectorType):
        return ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count)
    return ir.Constant(kind, value)


def at(builder: Builder, address: Value, offset: Value) -> Value:
    """Return an address (an integer) moved by a number of bytes."""
    return builder.add(address, offset if isinstance(offset, ir.Value) else ir.Constant(I64, offset))


def load(builder: Builder, kind: Any, address: Value) -> Value:
    """Read a value, of whatever alignment, at an address."""
    read = builder.load(builder.inttoptr(address, kind.as_pointer()))
    read.align = 1
    return read


def store(builder: Builder, value: Value, address: Value) -> None:
    """Write a value, of whatever alignment, to an address."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 1


def call(builder: Builder, name: str, result: Any, arguments: Sequence[Value]) -> Value:
    """Call one of LLVM's own functions."""
    known = builder.module.globals.get(name)
    function = known or ir.Function(builder.module, ir.FunctionType(result, [one.type for one in arguments]), name)
    return builder.call(function, arguments)


def smaller(builder: Builder, one: Value, other: Value) -> Value:
    """Return the smaller of signed integers, lane by lane."""
    return _picked(builder, "smin", one, other)


def larger(builder: Builder, one: Value, other: Value) -> Value:
    """Return the larger of signed integers, lane by lane."""
    return _picked(builder, "smax", one, other)


def widened(builder: Builder, ends: Sequence[Value], values: Sequence[Value]) -> list[Value]:
    """Return the least and the most of what ``ends``, a least and a most, and values are."""
    least, most = ends
    for value in values:
        least, most = smaller(builder, least, value), larger(builder, most, value)
    return [least, most]


def _picked(builder: Builder, name: str, one: Value, other: Value) -> Value:
    kind = one.type
    return call(builder, f"llvm.{name}.v{kind.count}i{kind.element.width}", kind, [one, other])


@contextmanager
def loop(builder: Builder, count: Value, states: Sequence[Value], *, never: bool = False) -> Any:
    """Repeat a body ``count`` times, at least once unless ``never`` is possible; yield (index, states, set_states, …).

    ``states`` are the values before the first time; the body calls ``set_states`` with those for the next. What the
    last time leaves is in the list that is yielded last, once the loop is done.
    """
    before, body, behind = builder.block, builder.append_basic_block(), builder.append_basic_block()
    if never:
        builder.cbranch(builder.icmp_signed(">", count, ir.Constant(I64, 0)), body, behind)
    else:
        builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(I64)
    index.add_incoming(ir.Constant(I64, 0), before)
    held = [builder.phi(one.type) for one in states]
    for one, first in zip(held, states, strict=True):
        one.add_incoming(first, before)
    left: list[Value] = []

    def leave(values: Sequence[Value]) -> None:
        left[:] = values

    result: list[Value] = []
    yield index, held, leave, result
    following, end = builder.add(index, ir.Constant(I64, 1)), builder.block
    index.add_incoming(following, end)
    for one, last in zip(held, left, strict=True):
        one.add_incoming(last, end)
    builder.cbranch(builder.icmp_signed("<", following, count), body, behind)
    builder.position_at_end(behind)
    result[:] = left
    if never:
        result[:] = [builder.phi(one.type) for one in states]
        for one, first, last in zip(result, states, left, strict=True):
            one.add_incoming(first, before)
            one.add_incoming(last, end)
