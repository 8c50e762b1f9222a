"""Saturation after every product: against the tools that can simulate it, by the time of one product.

Each of them takes as much as it can chew, on one thread: none has more.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import ours
from bench.figures import Missing, Outcome, Unit, Wrong
from bench.matmul import BITS, SIZE, activations, saturated, weights
from bench.measure import Call, Entry, Setup, contest
from bench.peers import package

Array = NDArray[Any]

AP_FIXED, APYTYPES, FXPMATH = "ap_fixed (g++ -O3)", "APyTypes", "fxpmath"
CASE = "some"
SIDE, SHORT = 64, 32
"""The peers' outputs are SIDE x SIDE; fxpmath takes SHORT steps instead of all."""


def per_mac(setup: Setup) -> Outcome:
    """Measure all four on (parts of) the same matrices, in which some sums overflow."""
    a, b, sums = activations(), weights(CASE), saturated(CASE)
    hot = int(np.argmax(b.sum(axis=0, dtype=np.int64)))
    columns = np.r_[hot, : SIDE - 1]
    left, right = a[:SIDE], np.ascontiguousarray(b[:, columns])
    expected, short = (one.sums[:SIDE][:, columns] for one in (sums, saturated(CASE, SHORT)))
    outcome = contest(
        setup,
        Unit(item="MAC"),
        [
            Entry(
                name="ours",
                prepare=lambda: ours.saturating_matmul(a, b, BITS),
                work=SIZE**3,
                expected=sums.sums,
            ),
            Entry(
                name=AP_FIXED,
                prepare=lambda: ap_fixed(left, right, setup.folder),
                work=SIDE**2 * SIZE,
                expected=expected,
            ),
            Entry(name=APYTYPES, prepare=lambda: apytypes(left, right), work=SIDE**2 * SIZE),
            Entry(
                name=FXPMATH,
                prepare=lambda: fxpmath(left[:, :SHORT], right[:SHORT]),
                work=SIDE**2 * SHORT,
                expected=short,
            ),
        ],
    )
    return outcome.plus(
        f"ours: {SIZE} x {SIZE} x {SIZE}, {setup.threads} threads; the others: {SIDE} x {SIZE} x {SIDE} "
        f"(fxpmath {SIDE} x {SHORT} x {SIDE}), one thread, all they can use",
        "APyTypes 0.5.1 does not saturate accumulators (its issue 857): it is checked on sums that do not overflow",
    )


def ap_fixed(a: Array, b: Array, folder: Path) -> Call:
    """Compile and load the C simulation, against the headers that come with hls4ml."""
    found = find_spec("hls4ml")  # its import would take seconds
    if found is None or found.origin is None or shutil.which("g++") is None:
        raise Missing(f"not installed: {'g++' if found else 'hls4ml'}")
    headers = Path(found.origin).parent / "templates" / "vivado" / "ap_types"
    source, library = Path(__file__).with_name("per_mac.cpp"), folder / "per_mac.so"
    options = ["-std=c++17", "-O3", "-w", "-shared", "-fPIC", f"-I{headers}"]
    subprocess.run(["g++", *options, str(source), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).matmul
    function.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3
    function.restype = None
    left, right = np.ascontiguousarray(a), np.ascontiguousarray(b)
    sums = np.empty((len(a), b.shape[1]), np.int32)

    def call() -> Array:
        function(left.ctypes.data, right.ctypes.data, sums.ctypes.data, *left.shape, right.shape[1])
        return sums

    return call


def apytypes(a: Array, b: Array) -> Call:
    """Prepare a product of fixed-point arrays with an accumulator."""
    types = package("apytypes")
    fixed, modes = types.APyFixedArray, {"quantization": types.QuantizationMode.TRN, "overflow": types.OverflowMode.SAT}

    def product(left: Any, right: Any) -> Any:
        with types.APyFixedAccumulatorContext(bits=BITS, frac_bits=0, **modes):
            return left @ right

    calm = weights("calm")[:, : b.shape[1]]
    found = product(fixed.from_array(a[:8], 9, 0), fixed.from_array(calm, 8, 0)).to_numpy()
    if not np.array_equal(found, a[:8].astype(np.int64) @ calm):
        raise Wrong("sums differ even where nothing overflows")
    left, right = fixed.from_array(a, 9, 0), fixed.from_array(b, 8, 0)
    return lambda: product(left, right)


def fxpmath(a: Array, b: Array) -> Call:
    """Prepare one addition of fixed-point arrays per step: its own product overflows only at the end."""
    fixed = package("fxpmath").Fxp
    left, right = (fixed(values.astype(np.int64), signed=True, n_word=9, n_frac=0) for values in (a, b))

    def call() -> Array:
        zeros = np.zeros((len(a), b.shape[1]))
        sums = fixed(zeros, signed=True, n_word=BITS, n_frac=0, overflow="saturate", rounding="floor")
        for step in range(len(b)):
            sums(sums + left[:, step : step + 1] * right[step : step + 1])
        return np.asarray(sums.val)

    return call
