"""`hwsim demo`: a small trained network on a roomy and on a narrow datapath, and why the narrow one errs."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hwsim
from hwsim.report import Report
from hwsim.report.columns import paragraph
from hwsim.report.text import proofs, story, verdict
from hwsim.report.wording import agreement

TARGETS = ("generic-int8", "narrow-acc16-saturate")
"""One with room for every sum, and one without."""

MOST_STORIES = 4


def run_demo(out: Path | None = None) -> None:
    """Run the shipped network on two targets and print what each loses; write a page for each to the folder ``out``."""
    with as_file(files("hwsim") / "demo") as folder:
        with np.load(folder / "digits.npz") as data:
            images, labels, calibration = data["images"], data["labels"], data["calibration"]
        print(f"A network of handwritten digits, {len(images)} images of 8 x 8 pixels, on two integer machines.")
        for target in TARGETS:
            result = hwsim.run(folder / "digits.keras", target, images, calibration=calibration)
            right = [share_right(scores, labels) for scores in (result.reference, result.outputs)]
            print("\n".join(["", *account(result.report, *right)]))
            if out is not None:
                write_pages(result.report, out)
        print(f"\n`hwsim targets {TARGETS[-1]}` shows the datapath that lost them.")


def share_right(scores: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the share of samples whose largest score (n, classes) is that of their label (n,)."""
    return float(np.mean(scores.argmax(axis=-1) == labels))


def account(report: Report, in_float: float, in_integers: float) -> list[str]:
    """Return lines that say how well a target does, and where and why it hurts."""
    stories = [story(one) for one in report.worst_points() if one.figures.hits and one.total > 1]
    lines = paragraph(f"{report.target}: {report.description}")
    lines += [f"  right in float {agreement(in_float)} %, in integers {agreement(in_integers)} %"]
    for text in (*map(verdict, report.outputs), proofs(report.points)):
        lines += paragraph(text, "    ", first="  ")
    if not stories:
        return [*lines, "  No point's clamping costs more than 1 LSB of its layer's output."]
    lines += ["  Where it hurts, the worst first:"]
    for text in stories[:MOST_STORIES]:
        lines += paragraph(text, "      ", first="    ")
    return lines


def write_pages(report: Report, out: Path) -> None:
    """Write a report as a page and as JSON, and say where."""
    page = out / f"{report.target}.html"
    report.to_html(page)
    report.to_json(page.with_suffix(".json"))
    print(f"  The whole report: {page}")
