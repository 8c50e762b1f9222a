"""What a network costs on a target: memory before and after, conversions of values, multiplications, and speed."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.data import Data, Samples, plural
from hwsim.engine import threads
from hwsim.errors import HwsimError
from hwsim.network import Network
from hwsim.pipeline import Result, block_size
from hwsim.process.table import frame_of, html_of
from hwsim.program import Program
from hwsim.program.context import TO_ENCODE
from hwsim.program.records import (
    ConstantCodes,
    CountLevels,
    Decode,
    Encode,
    HostSoftmax,
    IntOperation,
    Ints,
    Join,
    LookUp,
    MatrixProduct,
    MultiplyAccumulate,
    MultiplyBy,
    Quantize,
    Relabel,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Sum,
    Tensor,
)
from hwsim.progress import tracked
from hwsim.quantize import Plan
from hwsim.reference import run_network
from hwsim.report.columns import paragraph, table
from hwsim.report.wording import counted

if TYPE_CHECKING:
    import pandas as pd

FLOAT_BITS = 32
"""Width of a value of the float network."""

BITS_PER_BYTE = 8


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one layer costs; memory in bits, all counts for one sample.

    ``float_*`` is the float network in 32 bits. ``constant_bits`` are multipliers, shifts and tables behind the sums;
    what is the same for all channels counts once. ``activation_bits`` are of the output, 0 where the host keeps it.
    ``quantise``, ``requantise``, ``dequantise``: how many values are converted from real to codes, from one scale to
    another, and back to real; ``decode`` and ``encode``: through a table of levels, where steps are not uniform.
    """

    layer: str
    kind: str
    macs: int = 0
    float_parameter_bits: int = 0
    weight_bits: int = 0
    bias_bits: int = 0
    constant_bits: int = 0
    float_activation_bits: int = 0
    activation_bits: int = 0
    quantise: int = 0
    requantise: int = 0
    dequantise: int = 0
    decode: int = 0
    encode: int = 0

    @property
    def parameter_bits(self) -> int:
        """All that is stored for the layer, whatever the data."""
        return self.weight_bits + self.bias_bits + self.constant_bits


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds that a run took, the median of ``repeats`` after a first one that does not count.

    ``integer_s`` is the simulator on this machine, not the hardware it simulates.
    """

    samples: int
    repeats: int
    integer_s: float
    float_s: float
    machine: str
    threads: int

    def __str__(self) -> str:
        ratio = self.integer_s / self.float_s
        return (
            f"speed of the simulation: {self._each(self.integer_s)} a sample in integers, {self._each(self.float_s)} "
            f"in float (TensorFlow), {ratio:.2g} times as long; median of {self.repeats} runs of "
            f"{counted(self.samples, 'sample')}, both warmed up, {self.machine}, {counted(self.threads, 'thread')}"
        )

    def _each(self, seconds: float) -> str:
        return f"{seconds / self.samples * 1e3:.3g} ms"


@dataclass(frozen=True, kw_only=True, repr=False)
class Characteristics:
    """What a network costs on a target, by layer and whole.

    ``peak_bits`` is the largest sum of feature maps that are alive at the same time, one sample; ``float_peak_bits``
    that of the float network in the same order. A reshaped tensor is its input.
    """

    network: str
    target: str
    layers: tuple[LayerCost, ...]
    peak_bits: int
    float_peak_bits: int
    speed: Speed | None = None

    def total(self, name: str) -> int:
        """Return the sum of a figure over all layers.

        >>> Characteristics(network="", target="", layers=(), peak_bits=0, float_peak_bits=0).total("macs")
        0
        """
        return sum(getattr(one, name) for one in self.layers)

    def __str__(self) -> str:
        """Return the figures as plain text, no line longer than 100 columns."""
        headers = ["layer", "MACs", "float\nbytes", "stored\nbytes", "float\nmap", "stored\nmap", *_steps()]
        body = [[one.layer, *map(_number, self._figures(one))] for one in self.layers]
        names = ("float_parameter_bits", "parameter_bits", "float_activation_bits", "activation_bits")
        whole = [self.total("macs"), *(_bytes(self.total(name)) for name in names), *map(self.total, _steps())]
        lines = [*self._sentences(), "", *table(headers, [*body, ["whole", *map(_number, whole)]], names=[24])]
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each layer; memory in bits, counts for one sample."""
        return frame_of(LayerCost, self.layers, {"parameter_bits": [one.parameter_bits for one in self.layers]})

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_of(f"{self.network} on {self.target}", self.to_frame(), self._sentences())

    def _figures(self, one: LayerCost) -> list[int]:
        bits = (one.float_parameter_bits, one.parameter_bits, one.float_activation_bits, one.activation_bits)
        return [one.macs, *map(_bytes, bits), *(getattr(one, name) for name in _steps())]

    def _sentences(self) -> list[str]:
        before, after = (_bytes(self.total(name)) for name in ("float_parameter_bits", "parameter_bits"))
        said = [
            f"{self.network} on {self.target}: parameters {before:,} bytes in float32, {after:,} "
            f"stored ({_bytes(self.total('weight_bits')):,} weights, {_bytes(self.total('bias_bits')):,} biases, "
            f"{_bytes(self.total('constant_bits')):,} multipliers and tables)",
            f"feature maps of one sample: at most {_bytes(self.float_peak_bits):,} bytes alive in float32, "
            f"{_bytes(self.peak_bits):,} stored",
            "conversions of one sample: " + ", ".join(self._conversions()),
        ]
        said += [] if self.speed is None else [str(self.speed)]
        return [line for text in said for line in paragraph(text, "  ")]

    def _conversions(self) -> Iterator[str]:
        for name in _steps():
            steps = sum(getattr(one, name) > 0 for one in self.layers)
            if steps:
                yield f"{name} {counted(self.total(name), 'value')} in {counted(steps, 'layer')}"


def characteristics(
    subject: Result | Program, network: Network | None = None, *, data: Data | None = None, repeats: int = 5
) -> Characteristics:
    """Return what a network costs on a target.

    subject: a Result, or a Program. With a Program alone, decoding and encoding by tables are not told.
    network: the float network of a program; only needed where speed is measured.
    data: samples on which the speed of the integer run and of the float run is measured; without, it is not.
    repeats: how often both run; the median counts.

    Raises HwsimError where speed is to be measured without a network, or fewer than one repeat is asked for.
    """
    plan = subject.plan if isinstance(subject, Result) else None
    network = subject.network if isinstance(subject, Result) else network
    program = subject.program if isinstance(subject, Result) else subject
    return Characteristics(
        network=program.network,
        target=program.target,
        layers=tuple(layer_costs(program, plan)),
        peak_bits=peak(program, stored_bits_of, (Relabel, Decode)),
        float_peak_bits=peak(program, float_bits_of, (Relabel, Quantize, Encode, Decode)),
        speed=None if data is None else measured_speed(program, network, data, repeats),
    )


def layer_costs(program: Program, plan: Plan | None) -> Iterator[LayerCost]:
    """Yield what each layer costs, in the order of the network."""
    layers: dict[str, list[IntOperation]] = {}
    for one in program.operations:
        layers.setdefault(one.layer, []).append(one)
    for name, operations in layers.items():
        last = operations[-1].output
        conversions = dict.fromkeys(_steps(), 0)
        for one in operations:
            for kind, values in conversions_of(one, program):
                conversions[kind] += values
        yield LayerCost(
            layer=name,
            kind=operations[0].kind,
            float_activation_bits=float_bits_of(last),
            activation_bits=max(stored_bits_of(one.output) for one in operations if not isinstance(one, Decode)),
            constant_bits=sum(constant_bits(step) for one in operations for step in steps_of(one))
            + (0 if plan is None else table_bits(plan, name)),
            **conversions,
            **parameters_of(operations),
        )


def parameters_of(operations: list[IntOperation]) -> dict[str, int]:
    """Return products for one sample, and bits of weights (or constants) and biases; nothing for other layers."""
    one = operations[0]
    if isinstance(one, MatrixProduct):
        return {"macs": prod(one.output.shape) * one.places.size}
    if isinstance(one, ConstantCodes):
        assert one.output.format is not None
        size, bits = one.codes.size, one.output.format.bits
        return {"float_parameter_bits": size * FLOAT_BITS, "weight_bits": size * bits}
    if not isinstance(one, MultiplyAccumulate):
        return {}
    formats = {point.name: point.format for point in one.points}
    weight, bias = formats.get("weight"), formats.get("bias")
    if weight is None or bias is None:  # means: their weights of 1 are stored nowhere
        return {}
    # each value of a transposed convolution's input meets every weight of its channel once
    places = one.view if one.spread.max() > 1 else one.output_view
    return {
        "macs": places[0] * places[1] * one.weights.size,
        "float_parameter_bits": (one.weights.size + one.channels) * FLOAT_BITS,
        "weight_bits": one.weights.size * weight.bits,
        "bias_bits": one.channels * bias.bits,
    }


def steps_of(one: IntOperation) -> list[Step]:
    """Return all steps of an operation, those on its inputs first."""
    before = [step for steps in one.input_steps for step in steps] if isinstance(one, Sum | Join) else []
    return [*before, *getattr(one, "steps", ())]


def constant_bits(step: Step) -> int:
    """Return the bits of the multipliers, shifts, levels or table that a step reads."""
    match step:
        case ScaleFixed():
            found = _stored(step.multiplier) + _stored(step.shift)
        case MultiplyBy():
            found = _stored(step.multiplier)
        case ShiftLeft():
            found = _stored(step.shift)
        case ScaleFloat():
            ratios = step.ratio / step.divisor
            found = step.precision * (1 if (ratios == ratios[0]).all() else ratios.size)
        case LookUp():
            found = step.table.size * _width(step.table)
        case CountLevels():
            found = step.levels.size * _width(step.levels)
        case _:
            found = 0
    return found


def table_bits(plan: Plan, layer: str) -> int:
    """Return the bits of a layer's tables: levels, and the powers of two by which scales differ."""
    found = 0
    for entry in (plan.weights.get(layer), plan.tensors.get(layer)):
        if entry is not None and entry.levels is not None:
            levels = np.asarray(entry.levels, np.int64)
            found += levels.size * _width(levels)
        if entry is not None and entry.shift:
            shifts = np.asarray(entry.shift, np.int64)
            found += shifts.size * _width(shifts)
    return found


def _stored(values: Ints) -> int:
    return _width(values) * (1 if (values == values[0]).all() else values.size)


def _width(values: Ints) -> int:
    """Return the bits of the narrowest format for all values; that of none but 0 has none."""
    low, high = int(values.min()), int(values.max())
    return max(high.bit_length(), (~low).bit_length() if low < 0 else 0) + (low < 0)


def conversions_of(one: IntOperation, program: Program) -> Iterator[tuple[str, int]]:
    """Yield the kind of each conversion of an operation and how many values of one sample it takes."""
    values = prod(one.output.shape)
    if isinstance(one, Quantize):
        yield "quantise", values
    if isinstance(one, Sum | Join):
        for name, steps in zip(one.inputs, one.input_steps, strict=True):
            if any(map(rescales, steps)):
                yield "requantise", prod(program.tensors[name].shape)
    if any(map(rescales, getattr(one, "steps", ()))):
        yield "requantise", values
    if isinstance(one, Encode):
        yield "encode", values
    if isinstance(one, Decode):
        yield "decode", values
    if isinstance(one, HostSoftmax):
        yield "dequantise", values
    if one.output.name in program.outputs and one.output.format is not None:
        yield "dequantise", values


def rescales(step: Step) -> bool:
    """Whether a step brings a value to another scale: a leaky slope alone does not."""
    if isinstance(step, ScaleFixed):
        return not step.negatives_only
    return isinstance(step, ScaleFloat | LookUp | CountLevels)


def float_bits_of(tensor: Tensor) -> int:
    """Return the bits of a tensor in the float network."""
    return prod(tensor.shape) * FLOAT_BITS


def stored_bits_of(tensor: Tensor) -> int:
    """Return the bits of stored codes; real values are with the host, integers to be encoded on their way: no bits."""
    passing = tensor.format is None or tensor.name.endswith(TO_ENCODE)
    return 0 if passing or tensor.format is None else prod(tensor.shape) * tensor.format.bits


def peak(program: Program, bits: Callable[[Tensor], int], aliases: tuple[type[IntOperation], ...]) -> int:
    """Return the most bits of tensors that are alive at one time: inputs and output of an operation, and what waits.

    The output of an operation of ``aliases`` is its input under another name.
    """
    root: dict[str, str] = {}
    for one in program.operations:
        if isinstance(one, aliases):
            root[one.output.name] = root.get(one.inputs[0], one.inputs[0])
    last_use: dict[str, int] = {}
    for name, number in program.last_use.items():
        last_use[root.get(name, name)] = max(number, last_use.get(root.get(name, name), -1))
    alive: dict[str, int] = {one.name: bits(one) for one in program.inputs}
    most = sum(alive.values())
    for number, one in enumerate(program.operations):
        if one.output.name not in root:
            alive[one.output.name] = bits(one.output)
        most = max(most, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last_use.get(name, -1) > number}
    return most


def measured_speed(program: Program, network: Network | None, data: Data, repeats: int) -> Speed:
    """Run a program and its float network on all samples, alternately, and return the medians."""
    if network is None:
        raise HwsimError("to measure speed beside float, give the network that the program was lowered from")
    if repeats < 1:
        raise HwsimError(f"repeats must be at least 1, not {repeats}")
    blocks = list(Samples(data, program.inputs).blocks(block_size(network)))
    names = [one.name for one in program.inputs]

    def in_integers() -> None:
        for block in blocks:
            program.run(dict(zip(names, block, strict=True)), ledger=False)

    def in_float() -> None:
        for block in blocks:
            run_network(network, block, network.outputs)

    taken: dict[Callable[[], None], list[float]] = {in_integers: [], in_float: []}
    with tracked("measuring speed", repeats + 1) as advance:
        for _ in range(repeats + 1):
            for run, times in taken.items():
                start = time.perf_counter()
                run()
                times.append(time.perf_counter() - start)
            advance(1)
    return Speed(
        samples=sum(len(block[0]) for block in blocks),
        repeats=repeats,
        integer_s=statistics.median(taken[in_integers][1:]),
        float_s=statistics.median(taken[in_float][1:]),
        machine=machine(),
        threads=threads(),
    )


def machine() -> str:
    """Name the processor and how many of it there are."""
    found: Mapping[str, str] = {}
    info = Path("/proc/cpuinfo")
    if info.exists():
        pairs = (line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        found = {key.strip(): value.strip() for key, value in pairs}
    name = found.get("model name") or platform.processor() or platform.machine()
    return f"{name}, {plural(os.cpu_count() or 1, 'processor')}"


def _steps() -> tuple[str, ...]:
    return ("quantise", "requantise", "dequantise", "decode", "encode")


def _bytes(bits: int) -> int:
    return -(-bits // BITS_PER_BYTE)


def _number(value: int) -> str:
    return f"{value:,}" if value else "-"
