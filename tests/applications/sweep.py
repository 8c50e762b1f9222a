"""The networks of keras.applications at full size: what 8 bits, tight accumulators and 16 bits make of each.

    python tests/applications/sweep.py --full --out sweep/                    # all, one process each; long
    python tests/applications/sweep.py --full --out sweep/ --only 'ResNet*'   # some
    python tests/applications/sweep.py --full --out sweep/ --page docs/applications.md

Each network runs in a process of its own, so that the peak of memory is its own. What is in the folder already is not
run again. Weights are random but well scaled (``well_scaled``): none can be downloaded on every machine, and figures of
losses are those of such weights. Without ``--full`` images are as small as the network takes them.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

START, END = "<!-- applications:start -->", "<!-- applications:end -->"
HEADERS = (
    "network", "input", "million parameters", "billion MACs", "float s", "target", "hwsim s", "SQNR dB",
    "worst layer dB", "top-1", "clamped %", "round-off", "peak GB",
)  # fmt: skip


def main() -> int:
    """Run what is asked for and is not there yet; print the table. Return 1 if a network failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the size that each network was made for")
    parser.add_argument("--images", type=int, default=2, help="how many images each network sees")
    parser.add_argument("--only", default="*", help="a pattern of names")
    parser.add_argument("--out", type=Path, required=True, help="a folder for a JSON file of each network and table.md")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds that a network may take")
    parser.add_argument("--page", type=Path, help="a Markdown page into which the table goes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        run_one(given.child, given.full, given.images, given.out)
        return 0
    from applications.networks import NAMES

    given.out.mkdir(parents=True, exist_ok=True)
    failed = [name for name in NAMES if fnmatch.fnmatch(name, given.only) and not in_child(name, given)]
    table = table_of([read(given.out / f"{name}.json", name) for name in NAMES])
    (given.out / "table.md").write_text(table)
    if given.page:
        insert(given.page, table)
    print(table)
    return 1 if failed else 0


def in_child(name: str, given: argparse.Namespace) -> bool:
    """Let a process of its own run a network unless its file is there; return whether it is there in the end."""
    path: Path = given.out / f"{name}.json"
    if path.exists():
        return True
    command = [sys.executable, str(Path(__file__)), "--child", name, "--images", str(given.images)]
    command += ["--out", str(given.out), *(["--full"] if given.full else [])]
    started = time.perf_counter()
    try:
        done = subprocess.run(command, timeout=given.timeout, capture_output=True, text=True, check=False)
        error = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except subprocess.TimeoutExpired:
        error = [f"not done in {given.timeout:.0f} s"]
    print(f"{name}: {time.perf_counter() - started:.0f} s", *error, flush=True)
    return path.exists()


def run_one(name: str, full: bool, count: int, out: Path) -> None:
    """Run one network on every target and write its figures."""
    import keras
    from applications.networks import build, images, smallest
    from applications.networks import full as full_size

    import hwsim
    from hwsim.engine.tiers import WORK

    WORK.little = -1  # small networks, too, on the kernels that long runs take
    size = full_size(name) if full else smallest(name)
    keras.utils.set_random_seed(0)
    data = images(name, size, count)
    model = build(name, data, 1000)
    model.predict(data, verbose=0)
    started = time.perf_counter()
    model.predict(data, verbose=0)
    figures: dict[str, Any] = {
        "network": name,
        "input": size,
        "images": count,
        "parameters": model.count_params(),
        "float_seconds": (time.perf_counter() - started) / count,
    }
    network = hwsim.run(model, "generic-int8", data[:1]).network  # proved; whatever has to be compiled is compiled
    figures["macs"] = products(network)
    figures["import_error"] = network.import_error
    del model
    figures["targets"] = {
        label: run_on(network, label, data) for label in ("generic-int8", "edge-npu-acc20", "16 bits")
    }
    (out / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")


def run_on(network: Any, label: str, data: Any) -> dict[str, Any]:
    """Return the figures of a network on a target."""
    from applications.targets import sixteen_bits

    import hwsim

    started = time.perf_counter()
    result = hwsim.run(network, sixteen_bits() if label == "16 bits" else label, data)
    taken = time.perf_counter() - started
    started = time.perf_counter()
    result.program.run(data)
    alone = time.perf_counter() - started
    report, output = result.report, result.report.outputs[0]
    local = [one.sqnr_local_db for one in report.layers if one.sqnr_local_db is not None]
    points = [one for one in report.points if one.kind_of_point != "once"]
    return {
        "run_seconds": taken,
        "seconds": alone / len(data),
        "sqnr_db": output.sqnr_db,
        "top1": output.top1_agreement,
        "worst_layer_db": min(local),
        "clamped": sum(one.hits for one in points) / max(sum(one.values for one in points), 1),
        "round_off": median(one.round_off for one in report.layer_losses() if one.round_off),
        "peak": peak(),
    }


def peak() -> int:
    """Return the most bytes that this process ever held. Unlike getrusage, this knows nothing of the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status says nothing of VmHWM")


def products(network: Any) -> int:
    """Return the products of one image: for each output of a weighted layer, the weights that meet in it."""
    from math import prod

    from hwsim.network import Conv2D, Dense

    weighted = [one for one in network.operations if isinstance(one, Conv2D | Dense)]
    return sum(prod(one.kernel.shape[:-1]) * prod(network.shapes[one.name]) for one in weighted)


def read(path: Path, name: str) -> dict[str, Any]:
    """Return the figures of a network, its name alone where it did not run."""
    return json.loads(path.read_text()) if path.exists() else {"network": name}


def table_of(networks: list[dict[str, Any]]) -> str:
    """Return a table in Markdown, a row for each network and target; a dash for what did not run."""
    rows = [row for one in networks for row in rows_of(one)]
    lines = [HEADERS, tuple("---" if index in (0, 5) else "--:" for index in range(len(HEADERS))), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def rows_of(one: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of a network: its own figures stand in the first alone."""
    if "targets" not in one:
        return [(one["network"], *["–"] * (len(HEADERS) - 1))]
    from hwsim.report.wording import percent

    size = f"{one['input']}²"
    head = (
        one["network"],
        size,
        f"{one['parameters'] / 1e6:.1f}",
        f"{one['macs'] / 1e9:.2f}",
        number(one["float_seconds"]),
    )
    rows = []
    for index, (target, found) in enumerate(one["targets"].items()):
        ratios = (f"{found['sqnr_db']:.1f}", f"{found['worst_layer_db']:.1f}", f"{100 * found['top1']:.0f} %")
        losses = (percent(found["clamped"]), f"{found['round_off']:.2f}", f"{found['peak'] / 1e9:.1f}")
        rows.append((*(head if index == 0 else [""] * len(head)), target, number(found["seconds"]), *ratios, *losses))
    return rows


def number(seconds: float) -> str:
    """Return a time with two digits or more."""
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"


def insert(page: Path, table: str) -> None:
    """Put the table between the marks of a page."""
    before, rest = page.read_text().split(START)
    page.write_text(f"{before}{START}\n{table}{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    sys.path[0] = str(ROOT / "tests")
    sys.path += [str(ROOT), str(ROOT / "kernels")]  # behind an installed hwsim and PYTHONPATH
    sys.exit(main())
