"""Check the tensors that an operation reads and makes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hwsim.formats import IntFormat, bits_needed
from hwsim.program.records import (
    FloatSum,
    HostSoftmax,
    IntOperation,
    Join,
    MatrixProduct,
    Product,
    Quantize,
    Sum,
    Tensor,
)
from hwsim.program.verify.fields import STORED_BITS
from hwsim.program.verify.need import need


def check_tensors(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check how many tensors an operation reads, and which side of the datapath each stands on."""
    several = isinstance(one, Sum | FloatSum | Join)
    wanted = 2 if isinstance(one, Product | MatrixProduct) else 1
    need(len(inputs) > 0 if several else len(inputs) == wanted, f"{one.name}: reads {len(inputs)} tensors")
    for tensor in inputs:
        real = tensor.format is None
        need(real == isinstance(one, Quantize), f"{one.name}: {tensor.name!r} is {'real' if real else 'integer'}")
    output, form = one.output, one.output.format
    need(bool(output.shape) and min(output.shape) > 0, f"{one.name}: its output has no values")
    need((form is None) == isinstance(one, HostSoftmax), f"{one.name}: its output is on the wrong side of the datapath")
    if form is not None:
        need(form.bits <= STORED_BITS, f"{one.name}: a code has {form.bits} bits, at most {STORED_BITS} are possible")
        need(2.0**-300 < output.scale < 2.0**300, f"{one.name}: a scale is {output.scale}")
        need(form.holds(output.zero_point, output.zero_point), f"{one.name}: its zero point is no code")
        check_tensor(one.name, output, form)


def check_tensor(name: str, tensor: Tensor, form: IntFormat) -> None:
    """Check the levels or shifts of codes that are no plain integers."""
    if tensor.levels:
        many = form.maximum - form.minimum + 1
        need(len(tensor.levels) == many, f"{name}: {len(tensor.levels)} levels for {many} codes")
        ascending = all(low < high for low, high in pairwise(tensor.levels))
        need(ascending and not tensor.shift, f"{name}: its levels do not ascend, or it has shifts too")
        needed = bits_needed(tensor.levels[0], tensor.levels[-1], signed=tensor.levels[0] < 0)
        need(needed <= STORED_BITS, f"{name}: a level has {needed} bits, at most {STORED_BITS} are possible")
    if tensor.shift:
        need(len(tensor.shift) == tensor.shape[-1], f"{name}: shifts and channels differ in number")
        inside = min(tensor.shift) >= 0 and max(tensor.shift) + form.bits <= STORED_BITS
        need(inside and tensor.zero_point == 0, f"{name}: its shifts are too large, or it has a zero point")


def check_alike(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check that an operation on single values keeps its input's shape."""
    need(one.output.shape == inputs[0].shape, f"{one.name}: its input has another shape than its output")
