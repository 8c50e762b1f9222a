"""docs/hardware.md has a row for every shipped target, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hwsim.target import shipped_targets

DOCS = Path(__file__).parents[2] / "docs"

VERDICTS = {
    "*verified against the real implementation*",
    "*against the vendor's model*",
    "*from the documentation*",
}


def rows() -> dict[str, list[str]]:
    """Return the cells of each row behind its target's name."""
    lines = (DOCS / "hardware.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {name.strip("`"): rest for name, *rest in cells}


def test_every_target_has_a_row() -> None:
    assert sorted(rows()) == shipped_targets()


@pytest.mark.parametrize("name", shipped_targets())
def test_a_row_says_what_judged(name: str) -> None:
    verdict, judge, test, missing = rows()[name]
    assert verdict in VERDICTS
    assert judge
    assert missing
    (file,) = re.findall(r"\[`[a-z_0-9]+\.py`\]\(([^)]+)\)", test)
    assert (DOCS / file).is_file()


@pytest.mark.parametrize("name", shipped_targets())
def test_the_test_of_a_real_target_loads_it(name: str) -> None:
    """A judge of a chip's arithmetic runs the shipped file, by its name, through ``golden.machines`` or ``setups``."""
    _, judge, test, _ = rows()[name]
    if "no chip" in judge:
        return
    (file,) = re.findall(r"\(([^)]+)\)", test)
    text = (DOCS / file).read_text(encoding="utf-8")
    if "from golden.setups import" in text:
        text += (DOCS.parent / "tests" / "golden" / "setups.py").read_text(encoding="utf-8")
    machines = (DOCS.parent / "tests" / "golden" / "machines.py").read_text(encoding="utf-8")
    constant = re.search(rf'^(\w+) = shipped\("{name}"\)', machines, re.MULTILINE)
    assert f'"{name}"' in text or (constant is not None and f"machines.{constant[1]}," in text)


@pytest.mark.parametrize("name", shipped_targets())
def test_a_header_cites_and_limits(name: str) -> None:
    """Targets of real arithmetic cite sources and say what they leave out."""
    _, judge, _, _ = rows()[name]
    head = (DOCS.parent / "targets" / f"{name}.yaml").read_text(encoding="utf-8").split("\nname:")[0]
    assert head.startswith("# ")
    if "no chip" not in judge and not name.startswith("tflite"):
        assert "Sources" in head
        assert "Not modelled:" in head
