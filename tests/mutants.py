"""Break the kernels in one place at a time and see that a test fails: python tests/mutants.py [MODULE ...]

Every mutant changes one comparison, operator, constant or choice in a scratch copy of the kernels and runs the tests of
tests/kernels against it, uncompiled. What no test notices is printed: a rule that nobody checks, or a change that makes
no difference. The exit code is the number of survivors, at most 99.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from hypothesis import Phase, settings

ROOT = Path(__file__).parents[1]
KERNELS = ROOT / "kernels" / "hwsim_kernels"

TESTS = {
    "accumulate": ["test_accumulate.py"],
    "counting": ["test_counting.py", "test_steps.py", "test_accumulate.py"],
    "exact": ["test_accumulate.py"],
    "float_products": ["test_float_products.py"],
    "float_sums": ["test_float_sums.py"],
    "gather": ["test_accumulate.py"],
    "lanes": ["test_accumulate.py"],
    "gates": ["test_gates.py"],
    "hard_silu": ["test_hard_silu.py"],
    "integer_gelu": ["test_integer_gelu.py"],
    "levels": ["test_levels.py"],
    "lookup": ["test_steps.py", "test_lookup.py"],
    "measure": ["test_measure.py"],
    "merging": ["test_merging.py"],
    "moments": ["test_moments.py"],
    "normalize": ["test_normalize.py"],
    "overflow": ["test_overflow.py"],
    "plain": ["test_accumulate.py"],
    "pooling": ["test_pooling.py"],
    "quantize": ["test_quantize.py"],
    "rational": ["test_float_sums.py"],
    "register": ["test_steps.py", "test_merging.py", "test_accumulate.py"],
    "resize": ["test_resize.py"],
    "rounding": ["test_rounding.py", "test_steps.py"],
    "softmax": ["test_softmax.py"],
    "softmax_divided": ["test_softmax_divided.py"],
    "softmax_lines": ["test_softmax_lines.py"],
    "softmax_polynomial": ["test_softmax_polynomial.py"],
    "steps": ["test_steps.py"],
    "wide": ["test_wide.py"],
}
"""The tests of tests/kernels that are to notice a change of each module."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Mod: ast.FloorDiv,
}
SECONDS = 60
"""A mutant that runs longer has met an endless loop, which counts as noticed."""


@dataclass(frozen=True)
class Mutant:
    """One changed module."""

    module: str
    line: int
    change: str
    source: str


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's functions."""
    tree = ast.parse((KERNELS / f"{module}.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    places = [
        (number, index)
        for number, function in enumerate(functions)
        for index, node in enumerate(ast.walk(function))
        for _ in range(len(list(changes(node))))
    ]
    for number, index in sorted(set(places)):
        original = list(ast.walk(functions[number]))[index]
        for change in range(len(list(changes(original)))):
            copy = deepcopy(tree)
            function = [node for node in copy.body if isinstance(node, ast.FunctionDef)][number]
            node = list(ast.walk(function))[index]
            before = ast.unparse(node)
            apply, what = list(changes(node))[change]
            apply()
            line = getattr(original, "lineno", functions[number].lineno)
            yield Mutant(module, line, f"{before[:60]}: {what}", ast.unparse(copy))


def changes(node: ast.AST) -> Iterator[tuple[Callable[[], object], str]]:
    """Yield what can be changed in a node: a function that does it, and its name."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        new = COMPARISONS[type(node.ops[0])]
        yield lambda: node.ops.__setitem__(0, new()), new.__name__
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        other = OPERATORS[type(node.op)]
        yield lambda: setattr(node, "op", other()), other.__name__
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        swapped = OPERATORS[type(node.op)]
        yield lambda: setattr(node, "op", swapped()), f"augmented {swapped.__name__}"
    if isinstance(node, ast.BoolOp):
        joined = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield lambda: setattr(node, "op", joined()), joined.__name__
    if isinstance(node, ast.Constant) and type(node.value) is int:
        more = node.value + 1
        yield lambda: setattr(node, "value", more), "one more"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
        name = "max" if node.func.id == "min" else "min"
        yield lambda: setattr(node.func, "id", name), name
    if isinstance(node, ast.IfExp | ast.If):
        yield lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test)), "the other branch"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert | ast.Not):
        yield lambda: setattr(node, "op", ast.UAdd()), "no sign"


def noticed(mutant: Mutant) -> bool:
    """Whether a test fails for a mutant."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "hwsim_kernels"
        shutil.copytree(KERNELS, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / f"{mutant.module}.py").write_text(mutant.source, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "mutants", "--no-header"]
        tests = [str(ROOT / "tests" / "kernels" / name) for name in TESTS[mutant.module]]
        path = os.pathsep.join([folder, str(ROOT), str(ROOT / "tests")])
        quick = {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                [*command, *tests],
                env=os.environ | quick,
                cwd=folder,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def pytest_configure() -> None:
    """Stop at the first example that fails: this file is a plugin of the runs that it starts."""
    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None, derandomize=True)
    settings.load_profile("mutants")


def main() -> int:
    """Run the mutants asked for and print those that no test notices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(TESTS)}; all by default")
    parser.add_argument("--sample", type=int, help="at most so many mutants of each module, chosen at random")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many to run at a time")
    options = parser.parse_args()
    chosen: list[Mutant] = []
    for module in options.modules or TESTS:
        found = list(mutants(module))
        chosen += random.Random(1).sample(found, min(len(found), options.sample or len(found)))
    survivors = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for number, (mutant, caught) in enumerate(zip(chosen, pool.map(noticed, chosen), strict=True), 1):
            if not caught:
                survivors += 1
                print(f"\rsurvived: {mutant.module}.py:{mutant.line}: {mutant.change}", flush=True)
            print(f"\r{number} of {len(chosen)} mutants, {survivors} survived", end="", flush=True, file=sys.stderr)
    print(f"\n{len(chosen)} mutants, {survivors} survived")
    return min(survivors, 99)


if __name__ == "__main__":
    sys.exit(main())
