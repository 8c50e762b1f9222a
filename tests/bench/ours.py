"""Every call into what is measured. Prepared calls take no arguments, so that nothing but the work is timed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hwsim_kernels as kernels
from bench.figures import Missing
from hwsim.data import Samples
from hwsim.engine import Engine, execute, threads
from hwsim.engine.crew import Crew
from hwsim.network import Network
from hwsim.pipeline import Simulation
from hwsim.program import Program
from hwsim_kernels.describe import product_field, stage_fields
from hwsim_kernels.fast.blocks import prepare, write_sums
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.features import tier
from hwsim_kernels.fast.memory import lined_up, unset
from hwsim_kernels.fields import TERMS

Array = NDArray[Any]
Prepared = Callable[[], Array]

BATCH = 32


def int8_matmul(a: NDArray[np.uint8], b: NDArray[np.int8]) -> Prepared:
    """Prepare the sums (m, n) of a (m, k) by constant weights b (k, n) in a register of 32 bits that wraps."""
    return _matmul(a, b, kernels.Stage(32), np.int32)


def int16_matmul(a: NDArray[np.int16], b: NDArray[np.int8] | NDArray[np.int16]) -> Prepared:
    """Prepare the same with operands of 16 bits, exact in 64 bits."""
    return _matmul(a, b, kernels.Stage(64), np.int64)


def saturating_matmul(a: NDArray[np.uint8], b: NDArray[np.int8], bits: int) -> Prepared:
    """Prepare the same with a register of ``bits`` that saturates after every product, and its ledger."""
    return _matmul(a, b, kernels.Stage(bits, "saturate"), np.int32)


def _matmul(a: Array, b: Array, stage: kernels.Stage, result: type[np.int32] | type[np.int64]) -> Prepared:
    rows, steps = a.shape
    places = np.zeros((steps, 3), np.int64)
    places[:, 2] = np.arange(steps)
    many = threads()
    share = -(-rows // many // 32) * 32
    field, ones = stage_fields([stage]), np.ones(2, np.int64)
    field[:, TERMS] = steps
    path = Datapath(
        zero_point=0,
        outside=0,
        taps=places,
        strides=ones,
        spread=ones,
        weights=b[None].astype(np.int32),
        start=np.zeros(b.shape[1], np.int64),
        start_level=0,
        product=product_field(None),
        stages=field,
        ends=np.eye(1, steps, steps - 1, dtype=np.int64),
        positions=(share, 1),
        exact=stage.overflow == "wrap",
        contained=True,
    )
    layer = prepare(path, a.dtype, (share, 1, steps), tier())
    if layer is None:
        return lambda: kernels.matmul(a, b, stages=[stage])
    # as the engine holds its tensors: no row of a tile lies across two lines of the cache
    a, out = lined_up(a), unset((rows, b.shape[1]), result)
    crew = Crew(many)

    def part(first: int) -> None:
        write_sums(layer, a[None, first : first + share, None, :], out[first : first + share])

    def run() -> Array:
        crew.share(part, range(0, rows, share))
        return out

    return run


def program_run(program: Program, data: Array) -> Prepared:
    """Prepare a whole program; the call returns the codes of its only result, or the real values of a softmax."""
    return lambda: next(iter(program.run(data, batch_size=BATCH).codes.values()))


def program_run_without_ledger(program: Program, data: Array) -> Prepared:
    """Prepare the same without counters."""
    if "ledger" not in inspect.signature(execute).parameters:
        raise Missing("not available: execute() takes no `ledger`")
    run: Any = execute
    return lambda: next(iter(run(program, data, batch_size=BATCH, ledger=False).codes.values()))


def simulation(network: Network, program: Program, data: Array) -> Callable[[], None]:
    """Prepare the streaming part of ``hwsim.run``: integers beside float, every layer measured against it."""
    inputs = network.inputs
    return lambda: Simulation(network, program, Samples(data, inputs)).run(BATCH, (), reference=True)


def last_operation(program: Program, data: Array) -> Prepared:
    """Prepare the last operation of a program, on what those before it make of ``data``."""
    engine = Engine(BATCH)  # its threads live as long as the call
    tensors: dict[str, Array] = {program.inputs[0].name: data}
    *before, last = program.operations
    for one in before:
        tensors[one.output.name], _ = engine.run(one, [tensors[name] for name in one.inputs], 0)
    inputs = [tensors[name] for name in last.inputs]
    return lambda: engine.run(last, inputs, 0)[0]
