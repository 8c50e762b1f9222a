"""Vectors with the operators of Python, so that a micro-kernel reads as the formula that it computes.

A ``Lanes`` holds one vector of LLVM's while an intrinsic is built. Comparisons give masks, ``where`` chooses by them.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwsim_kernels.fast.ir import (
    F32,
    F64,
    I32,
    I64,
    Builder,
    Value,
    call,
    constant,
    ir,
    larger,
    load,
    smaller,
    splat,
    store,
    vector,
)

WIDTH = 16
"""Lanes of a strip: one line of the cache in 32-bit integers."""


class Lanes:
    """A vector of integers, or of floats, under construction."""

    def __init__(self, builder: Builder, value: Value) -> None:
        self.builder = builder
        self.value = value

    @staticmethod
    def read(builder: Builder, address: Value, bits: int, count: int = WIDTH) -> Lanes:
        """Return the vector of ``count`` lanes of ``bits`` bits at an address."""
        return Lanes(builder, load(builder, vector(ir.IntType(bits), count), address))

    @staticmethod
    def constant(builder: Builder, value: int, bits: int, count: int = WIDTH) -> Lanes:
        """Return a vector of equal, known lanes."""
        return Lanes(builder, constant(vector(ir.IntType(bits), count), value))

    @staticmethod
    def spread(builder: Builder, value: Value) -> Lanes:
        """Return a vector of equal lanes."""
        return Lanes(builder, splat(builder, value, WIDTH))

    @property
    def count(self) -> int:
        """How many lanes there are."""
        return int(self.value.type.count)

    @property
    def real(self) -> bool:
        """Whether the lanes are floats."""
        return self.value.type.element in (F32, F64)

    @property
    def bits(self) -> int:
        """How many bits a lane has, of integers or of a mask."""
        return int(self.value.type.element.width)

    def write(self, address: Value) -> None:
        """Store the lanes at an address."""
        store(self.builder, self.value, address)

    def _new(self, value: Value) -> Lanes:
        return Lanes(self.builder, value)

    def _of(self, other: Lanes | int) -> Value:
        return other.value if isinstance(other, Lanes) else constant(self.value.type, other)

    def __add__(self, other: Lanes | int) -> Lanes:
        add = self.builder.fadd if self.real else self.builder.add
        return self._new(add(self.value, self._of(other)))

    def __sub__(self, other: Lanes | int) -> Lanes:
        subtract = self.builder.fsub if self.real else self.builder.sub
        return self._new(subtract(self.value, self._of(other)))

    def __mul__(self, other: Lanes | int) -> Lanes:
        multiply = self.builder.fmul if self.real else self.builder.mul
        return self._new(multiply(self.value, self._of(other)))

    def __truediv__(self, other: Lanes) -> Lanes:
        return self._new(self.builder.fdiv(self.value, other.value))

    def __and__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.and_(self.value, self._of(other)))

    def __or__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.or_(self.value, self._of(other)))

    def __xor__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.xor(self.value, self._of(other)))

    def __lshift__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.shl(self.value, self._of(other)))

    def __rshift__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.ashr(self.value, self._of(other)))

    def unsigned_shift(self, other: Lanes) -> Lanes:
        """Return the lanes shifted to the right, zeros behind them."""
        return self._new(self.builder.lshr(self.value, other.value))

    def __lt__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.icmp_signed("<", self.value, self._of(other)))

    def __gt__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.icmp_signed(">", self.value, self._of(other)))

    def __ge__(self, other: Lanes | int) -> Lanes:
        return self._new(self.builder.icmp_signed(">=", self.value, self._of(other)))

    def differs(self, other: Lanes | int) -> Lanes:
        """Return the mask of lanes that differ."""
        compare = self.builder.fcmp_unordered if self.real else self.builder.icmp_signed
        return self._new(compare("!=", self.value, self._of(other)))

    def where(self, mask: Lanes, other: Lanes | int) -> Lanes:
        """Return these lanes where the mask is set, else the others."""
        return self._new(self.builder.select(mask.value, self.value, self._of(other)))

    def least(self, other: Lanes | int) -> Lanes:
        """Return the smaller of both, lane by lane."""
        return self._new(smaller(self.builder, self.value, self._of(other)))

    def most(self, other: Lanes | int) -> Lanes:
        """Return the larger of both, lane by lane."""
        return self._new(larger(self.builder, self.value, self._of(other)))

    def float32(self) -> Lanes:
        """Return the float32 whose bits these lanes are."""
        return self._new(self.builder.bitcast(self.value, vector(F32, self.count)))

    def float64(self) -> Lanes:
        """Return the float64 whose bits these lanes are, or, of float32, with more bits."""
        change = self.builder.fpext if self.real else self.builder.bitcast
        return self._new(change(self.value, vector(F64, self.count)))

    def as_float32(self) -> Lanes:
        """Return integers as float32, rounded to nearest even."""
        return self._new(self.builder.sitofp(self.value, vector(F32, self.count)))

    def as_float64(self) -> Lanes:
        """Return integers as float64, rounded to nearest even."""
        return self._new(self.builder.sitofp(self.value, vector(F64, self.count)))

    def as_integers(self) -> Lanes:
        """Return floats, cut to their integer part, as integers of as many bits."""
        element = I32 if self.value.type.element == F32 else I64
        return self._new(self.builder.fptosi(self.value, vector(element, self.count)))

    def rounded(self) -> Lanes:
        """Return floats rounded to the nearest integer, ties to the even one."""
        return self._float_function("nearbyint")

    def split(self) -> tuple[Lanes, Lanes, Lanes]:
        """Return the magnitude of floats as an integer and a fraction, and a mask of the negative ones."""
        size = self._float_function("fabs")
        floor = size._float_function("floor")  # noqa: SLF001  its own class
        negative = self.builder.fcmp_ordered("<", self.value, constant(self.value.type, 0.0))
        return floor.as_integers(), size - floor, self._new(negative)

    def scaled(self, factor: float) -> tuple[Lanes, Lanes]:
        """Return floats times a power of two as integers, cut, and a mask of those that were none."""
        product = self._new(self.builder.fmul(self.value, constant(self.value.type, factor)))
        whole = product.as_integers()
        back = self._new(self.builder.sitofp(whole.value, self.value.type))
        return whole, back.differs(product)

    def scaled_up(self, factor: float) -> Lanes:
        """Return floats times a power of two as integers, rounded up."""
        product = self._new(self.builder.fmul(self.value, constant(self.value.type, factor)))
        return product._float_function("ceil").as_integers()  # noqa: SLF001  its own class

    def _float_function(self, name: str) -> Lanes:
        """Return what one of LLVM's functions makes of floats."""
        kind = self.value.type
        bits = 32 if kind.element == F32 else 64
        return self._new(call(self.builder, f"llvm.{name}.v{kind.count}f{bits}", kind, [self.value]))

    def quotient(self, multiplier: Value, shift: Value) -> Lanes:
        """Return 32-bit lanes, none negative, times an unsigned number of 32 bits over 2**shift, rounded down."""
        builder = self.builder
        factor, by = (splat(builder, builder.zext(one, I64), WIDTH // 2) for one in (multiplier, shift))
        ends = (builder.lshr(builder.mul(one.value, factor), by) for one in self.unsigned_pairs())
        even, odd = (self._new(one) for one in ends)
        return even.between(odd)

    def pairs(self) -> tuple[Lanes, Lanes]:
        """Return every other lane from the first and from the second on, in 64 bits: of what lies in 32 bits, signed.

        Shifts there and back tell LLVM that one instruction can multiply what is left, even far from here.
        """
        if self.value.type.element == I64:
            ends = [self._every_other(first) << 32 for first in (0, 1)]
        else:
            whole = self._new(self.builder.bitcast(self.value, vector(I64, WIDTH // 2)))
            ends = [whole << 32, (whole >> 32) << 32]
        return ends[0] >> 32, ends[1] >> 32

    def unsigned_pairs(self) -> tuple[Lanes, Lanes]:
        """Return every other of 32-bit lanes in 64 bits, unsigned."""
        whole = self._new(self.builder.bitcast(self.value, vector(I64, WIDTH // 2)))
        return whole & ((1 << 32) - 1), self._new(self.builder.lshr(whole.value, constant(whole.value.type, 32)))

    def wide_pairs(self) -> tuple[Lanes, Lanes]:
        """Return every other of 64-bit lanes."""
        return self._every_other(0), self._every_other(1)

    def _every_other(self, first: int) -> Lanes:
        return self._picked(self, range(first, WIDTH, 2))

    def _picked(self, other: Lanes, places: Sequence[int]) -> Lanes:
        chosen = ir.Constant(vector(I32, len(places)), list(places))
        return self._new(self.builder.shuffle_vector(self.value, other.value, chosen))

    def beside(self, other: Lanes) -> Lanes:
        """Return one half of the lanes behind the other: *paired* lanes, if these are every other."""
        return self._picked(other, range(WIDTH))

    def in_order(self) -> Lanes:
        """Return paired lanes in their order."""
        return self._picked(self, [place // 2 + place % 2 * (WIDTH // 2) for place in range(WIDTH)])

    def between(self, odd: Lanes) -> Lanes:
        """Return the lowest 32 bits of every other lane, these first, as one vector."""
        joined = (self & ((1 << 32) - 1)) | (odd << 32)
        return self._new(self.builder.bitcast(joined.value, vector(I32, WIDTH)))

    def ones(self, bits: int) -> Lanes:
        """Return a mask as 1 and 0 in lanes of ``bits`` bits."""
        return self._new(self.builder.zext(self.value, vector(ir.IntType(bits), self.count)))

    def long(self) -> Lanes:
        """Return the lanes in 64 bits, sign kept."""
        return self._new(self.builder.sext(self.value, vector(I64, self.count)))

    def short(self) -> Lanes:
        """Return the lowest 32 bits of 64-bit lanes."""
        return self._new(self.builder.trunc(self.value, vector(I32, self.count)))

    def like(self, other: Lanes) -> Lanes:
        """Return the lowest bits of 64-bit lanes, as many as those of ``other`` have."""
        return self if other.bits == 64 else self.short()
