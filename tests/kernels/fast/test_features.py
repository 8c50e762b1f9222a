"""Which tier a machine gets, on machines that are made up, and that each of them computes the same integers."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from golden.case import program_of, stage, target, tensor, weight
from kernels.fast.datapaths import HERE, OFFERED, Case, compiled, dense, sums_of
from numba.core import config

from hwsim.engine import Execution, execute
from hwsim.errors import SettingError
from hwsim.network import Conv2D, Relu
from hwsim.program import Program
from hwsim_kernels.fast import features, ir
from hwsim_kernels.fast.features import AMX, ENVIRONMENT, NUMPY, PORTABLE, TIERS, VNNI, offered, tier

AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512dq")
TILES = ("amx-tile", "amx-int8", "amx-bf16")
EVERYTHING = (*AVX512, "avx512vnni", *TILES)


@dataclass
class Machine:
    """A machine that is made up: what it has stands in for what this one has."""

    monkeypatch: pytest.MonkeyPatch

    def has(self, names: Iterable[str], *, permitted: bool = True, compiles: bool = True) -> None:
        """Give it features, tiles that the system permits or not, and a compiler or none."""
        # replaced where ``offered`` asks for them alone: kernels go on to be compiled for the real machine
        self.monkeypatch.setattr(features, "features", lambda: frozenset(names))
        self.monkeypatch.setattr(features, "tiles_permitted", lambda: permitted)
        self.monkeypatch.setattr(config, "DISABLE_JIT", not compiles)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine to make up, on which no tier is forced."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    return Machine(monkeypatch)


# --- detection ----------------------------------------------------------------------------------------


def test_a_machine_with_everything_gets_amx(machine: Machine) -> None:
    machine.has(EVERYTHING)
    assert offered() == {"plain": True, "numpy": True, "portable": True, "vnni": True, "amx": True}
    assert tier() == AMX


@pytest.mark.parametrize("missing", ["amx-tile", "amx-int8"])
def test_a_machine_without_amx_gets_vnni(machine: Machine, missing: str) -> None:
    machine.has(set(EVERYTHING) - {missing})
    assert offered() == {"plain": True, "numpy": True, "portable": True, "vnni": True, "amx": False}
    assert tier() == VNNI


def test_a_system_that_does_not_permit_tiles_gets_vnni(machine: Machine) -> None:
    machine.has(EVERYTHING, permitted=False)
    assert offered() == {"plain": True, "numpy": True, "portable": True, "vnni": True, "amx": False}
    assert tier() == VNNI


@pytest.mark.parametrize("missing", ["avx512vnni", "avx512bw", "avx512vl"])
def test_a_machine_without_vnni_and_amx_gets_the_portable_tier(machine: Machine, missing: str) -> None:
    machine.has(set(EVERYTHING) - {missing, *TILES})
    assert offered() == {"plain": True, "numpy": True, "portable": True, "vnni": False, "amx": False}
    assert tier() == PORTABLE


@pytest.mark.parametrize("has", [(), ("sse2",), ("neon", "fp-armv8"), ("avx2", "fma"), ("avxvnni",), ("avx512vnni",)])
def test_any_machine_gets_the_portable_tier(machine: Machine, has: tuple[str, ...]) -> None:
    machine.has(has, permitted=False)
    assert tier() == PORTABLE


def test_vnni_of_short_registers_is_enough(machine: Machine) -> None:
    machine.has(("avx2", "avxvnni"))
    assert offered() == {"plain": True, "numpy": True, "portable": True, "vnni": True, "amx": False}
    assert tier() == VNNI


def test_amx_needs_vnni_of_long_registers(machine: Machine) -> None:
    machine.has({*EVERYTHING, "avx2", "avxvnni"} - {"avx512vnni"})
    assert tier() == VNNI
    machine.has(set(EVERYTHING) - {"avx512vnni"})
    assert offered() == {"plain": True, "numpy": True, "portable": True, "vnni": False, "amx": False}
    assert tier() == PORTABLE


def test_without_compiler_there_is_numpy(machine: Machine) -> None:
    machine.has(EVERYTHING, compiles=False)
    assert offered() == {"plain": True, "numpy": True, "portable": False, "vnni": False, "amx": False}
    assert tier() == NUMPY


def test_numba_without_compiler_is_noticed() -> None:
    question = "from hwsim_kernels.fast.features import offered, tier; print(tier(), offered())"
    answer = python(question, NUMBA_DISABLE_JIT="1", **{ENVIRONMENT: ""})
    assert answer == "1 {'plain': True, 'numpy': True, 'portable': False, 'vnni': False, 'amx': False}"


def test_features_are_those_that_llvm_names_and_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"avx2": True, "amx-int8": False, "avx512vnni": True}
    monkeypatch.setattr(ir.binding, "get_host_cpu_features", lambda: found)
    assert ir.compiled_for(None, None) == {"avx2", "avx512vnni"}
    assert features.features() == ir.HOST


def test_features_are_those_that_numba_is_told_to_compile_for() -> None:
    assert ir.compiled_for("haswell", None) == ir.compiled_for("haswell", "") == frozenset()
    assert ir.compiled_for(None, "+sse2,-avx,+amx-int8") == {"sse2", "amx-int8"}


# --- the system's permission --------------------------------------------------------------------------


class System:
    """A system library that gives one answer and remembers what it was asked."""

    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.asked: list[tuple[int, ...]] = []

    def syscall(self, *arguments: int) -> int:
        """Give the answer."""
        self.asked.append(arguments)
        return self.answer


@pytest.mark.parametrize(("answer", "permitted"), [(0, True), (-1, False), (-22, False)])
def test_linux_is_asked_for_the_tiles(monkeypatch: pytest.MonkeyPatch, answer: int, permitted: bool) -> None:
    system = on_a_system(monkeypatch, "Linux", "x86_64", answer)
    assert features.tiles_permitted.__wrapped__() is permitted
    assert system.asked == [(158, 0x1023, 18)]  # arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)


@pytest.mark.parametrize(("name", "processor"), [("Darwin", "arm64"), ("Windows", "AMD64"), ("Linux", "aarch64")])
def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch, name: str, processor: str) -> None:
    system = on_a_system(monkeypatch, name, processor, 0)
    assert features.tiles_permitted.__wrapped__() is False
    assert system.asked == []


def on_a_system(monkeypatch: pytest.MonkeyPatch, name: str, processor: str, answer: int) -> System:
    """Pretend to be on a system whose library gives an answer."""
    system = System(answer)
    monkeypatch.setattr(platform, "system", lambda: name)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    monkeypatch.setattr(ctypes, "CDLL", Mock(return_value=system))
    return system


# --- the environment ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TIERS)
def test_a_tier_that_works_can_be_forced(machine: Machine, name: str) -> None:
    machine.has(EVERYTHING)
    machine.monkeypatch.setenv(ENVIRONMENT, name)
    assert tier() == TIERS[name]


def test_an_empty_name_forces_nothing(machine: Machine) -> None:
    machine.has(AVX512)
    machine.monkeypatch.setenv(ENVIRONMENT, "")
    assert tier() == PORTABLE


@pytest.mark.parametrize("name", ["AMX", "avx512", "0", " amx", "none"])
def test_a_name_that_is_none_is_refused_with_those_that_are(machine: Machine, name: str) -> None:
    machine.has(EVERYTHING)
    machine.monkeypatch.setenv(ENVIRONMENT, name)
    with pytest.raises(ValueError, match="no such tier") as refusal:
        tier()
    assert str(refusal.value).startswith(f"HWSIM_TIER={name}: ")
    assert all(one in str(refusal.value) for one in TIERS)


@pytest.mark.parametrize("name", ["vnni", "amx"])
def test_a_tier_that_does_not_work_here_is_refused_with_those_that_do(machine: Machine, name: str) -> None:
    machine.has(AVX512)
    machine.monkeypatch.setenv(ENVIRONMENT, name)
    with pytest.raises(ValueError, match="does not offer") as refusal:
        tier()
    assert str(refusal.value) == (
        f"HWSIM_TIER={name}: this machine does not offer it; what works here: plain, numpy, portable"
    )


def test_the_error_reaches_whoever_runs_a_program(machine: Machine) -> None:
    machine.has(())
    machine.monkeypatch.setenv(ENVIRONMENT, "amx")
    with pytest.raises(SettingError, match="HWSIM_TIER=amx"):
        run(small_program())


# --- the same integers everywhere ---------------------------------------------------------------------

MACHINES: dict[str, tuple[tuple[str, ...], bool, bool]] = {
    "amx": (EVERYTHING, True, True),
    "vnni": ((*AVX512, "avx512vnni"), False, True),
    "portable": (("avx2",), False, True),
    "numpy": (EVERYTHING, True, False),
}
"""Features, whether tiles are permitted, and whether there is a compiler, for each tier."""


def small_program() -> Program:
    """Return a convolution of 2 x 70 steps, strides and padding, whose accumulator saturates now and then."""
    generator = np.random.default_rng(3)
    layer = Conv2D(
        name="layer",
        inputs=("x",),
        kernel=generator.integers(-128, 128, (2, 1, 70, 35)).astype(np.float32),
        bias=generator.integers(-100, 100, 35).astype(np.float32),
        padding=((1, 0), (0, 1)),
        strides=(2, 1),
        activation=Relu(negative_slope=0.25),
    )
    where = target([stage(18, "saturate")], requantize={"kind": "fixed"})
    return program_of(layer, (5, 4, 70), where, (tensor(), weight(), tensor(scale=900.0)))


def run(program: Program) -> Execution:
    """Run a program on seeded data."""
    data = np.random.default_rng(4).integers(-128, 128, (9, 5, 4, 70)).astype(np.float32)
    return execute(program, data)


@compiled
@pytest.mark.slow
def test_every_machine_computes_the_same_network(machine: Machine) -> None:
    program = small_program()
    machine.monkeypatch.setenv(ENVIRONMENT, "plain")
    plain = run(program)
    assert any(row.hits for row in plain.ledger if row.point.name == "accumulator")
    machine.monkeypatch.delenv(ENVIRONMENT)
    for name in [*OFFERED, "numpy"]:
        has, permitted, compiles = MACHINES[name]
        machine.has(has, permitted=permitted, compiles=compiles)
        assert tier() == TIERS[name]
        made = run(program)
        assert made.codes["layer"].tolist() == plain.codes["layer"].tolist()
        assert made.ledger == plain.ledger


@compiled
@pytest.mark.slow
def test_layouts_are_kept_apart_by_tier(machine: Machine) -> None:
    program = small_program()
    wanted: list[Any] = []
    for name in [*OFFERED, *OFFERED[::-1]]:
        machine.has(*MACHINES[name][:1], permitted=MACHINES[name][1])
        wanted.append(run(program).codes["layer"].tolist())
    assert all(one == wanted[0] for one in wanted)


def matrix_product() -> Case:
    """Return a product of matrices of bytes."""
    generator = np.random.default_rng(2)
    codes = generator.integers(-128, 128, (37, 100)).astype(np.int8)
    return dense(codes, generator.integers(-128, 128, (100, 41)), list(range(41)), zero_point=-5)


ELSEWHERE = """
import json
from kernels.fast.datapaths import HERE, sums_of
from kernels.fast.test_features import matrix_product
from kernels.fast.test_stepwise import Register, ramp, check
case, register = matrix_product(), ramp(40, 20, [64, 64], code=250)
same = {tier: sums_of(case, tier) == case.sums() for tier in HERE}
print(json.dumps([same, sorted(set(check(register, Register(15, (True,) * 128))))]))
"""


@compiled
@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="made for other processors")
@pytest.mark.parametrize("processor", ["x86-64", "haswell"])
def test_kernels_compiled_for_a_lesser_processor_give_the_same_sums(processor: str) -> None:
    # Numba keeps machine code of other processors apart, so this does not disturb what this one has compiled
    answer = python(ELSEWHERE, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="", **{ENVIRONMENT: ""})
    assert json.loads(answer) == [{"portable": True}, [800]]


INSTRUCTIONS = """
from numba import njit, types
from hwsim_kernels.fast import dots, features
@njit
def multiply(a, b, sums):
    dots.dot_bytes(a, 64, b, 1024, 16, sums, 128, sums, 128)
    dots.dot_shorts(a, 64, b, 1024, 16, sums, 128, sums, 128)
multiply.compile((types.intp,) * 3)
listing = multiply.inspect_asm()[(types.intp,) * 3]
print([name in listing for name in ("vpdpbusd", "vpdpwssd", "%ymm", "%zmm")], features.offered()["vnni"])
"""


@compiled
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="made for other processors")
@pytest.mark.parametrize(
    ("processor", "has", "wanted"),
    [
        ("alderlake", "avx,avx2,fma,avxvnni", [True, True, True, False]),
        ("cascadelake", "avx,avx2,avx512f,avx512bw,avx512vl,avx512vnni", [True, True, False, True]),
        ("haswell", "avx,avx2,fma", [False, False, True, False]),
    ],
)
def test_processors_get_the_best_that_they_have(processor: str, has: str, wanted: list[bool]) -> None:
    flags = ",".join(f"+{one}" for one in has.split(","))
    elsewhere = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": flags, "HWSIM_EMULATE": "", ENVIRONMENT: ""}
    assert python(INSTRUCTIONS, **elsewhere) == f"{wanted} {'vnni' in has}"


TILE_CODE = """
from numba import njit, types
from hwsim_kernels.fast import amx
@njit
def multiply(a, b, begin, sums):
    amx.dot_us(a, 64, b, 1024, 1, begin, 0, sums, 128)
multiply.compile((types.intp,) * 4)
listing = multiply.inspect_asm()[(types.intp,) * 4]
print(*(line.split()[0] for line in listing.splitlines() if "tmm" in line))
"""


@compiled
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="made for other processors")
def test_tiles_are_begun_multiplied_and_stored() -> None:
    # what an emulation cannot see; a processor with tiles is not needed, as nothing runs
    flags = "+avx,+avx2,+avx512f,+avx512bw,+avx512vl,+avx512vnni,+amx-int8,+amx-tile"
    elsewhere = {"NUMBA_CPU_NAME": "sapphirerapids", "NUMBA_CPU_FEATURES": flags, "HWSIM_EMULATE": "", ENVIRONMENT: ""}
    wanted = ["tileloadd"] * 8 + ["tdpbusd"] * 4 + ["tilestored"] * 4
    assert python(TILE_CODE, **elsewhere).split() == wanted


@compiled
@pytest.mark.slow
@pytest.mark.parametrize(("missing", "tiers"), [("avx512vnni", ["portable"]), ("amx-int8", ["portable", "vnni"])])
def test_no_tier_calls_instructions_of_another(missing: str, tiers: list[str]) -> None:
    if tiers[-1] not in OFFERED or missing not in features.features():
        pytest.skip(f"this machine does not offer {tiers[-1]} and {missing}")
    absent = {"avx512vnni", "avxvnni"} if missing == "avx512vnni" else {missing}
    present = {name: found and name not in absent for name, found in ir.binding.get_host_cpu_features().items()}
    flags = ",".join(("+" if found else "-") + name for name, found in present.items())
    processor = ir.binding.get_host_cpu_name()
    elsewhere = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": flags, "HWSIM_TEST_TIERS": "all"}
    answer = python(ELSEWHERE, **elsewhere, **{ENVIRONMENT: ""})
    assert json.loads(answer) == [dict.fromkeys(tiers, True), [800]]


@pytest.mark.parametrize("name", HERE)
def test_a_matrix_product_is_the_same_on_every_tier(name: str) -> None:
    case = matrix_product()
    assert sums_of(case, name) == case.sums()


def python(code: str, *arguments: str, **environment: str) -> str:
    """Return what a fresh interpreter prints."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    command = [sys.executable, "-c", code, *arguments]
    made = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path, **environment}
    )
    return made.stdout.strip()
