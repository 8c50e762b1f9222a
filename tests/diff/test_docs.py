"""The example of docs/diff.md gives what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hwsim

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8")


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^```\n(different, .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert code is not None
    assert len(shown) == 2
    (tmp_path / "hwsim").symlink_to(ROOT / "hwsim")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code[1], names)
    printed = capsys.readouterr().out
    ours, device = names["ours"], names["device"]
    assert isinstance(ours, hwsim.Result)
    assert isinstance(device, hwsim.Result)
    # counts may move a little with the machine's floats; layers, places and causes may not
    assert sentences(printed) == sentences(shown[0])
    assert sentences(str(hwsim.diff(ours.tensors, device.tensors))) == sentences(shown[1])


def sentences(text: str) -> list[str]:
    """Return what stands before the table, digits left out."""
    return re.sub(r"[\d,.]+", "#", text.split("\n\n", maxsplit=1)[0]).split()


def test_every_kind_of_cause_is_explained() -> None:
    rows = {
        name for row in re.findall(r"^\| (`[a-z_`, ]+`) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "hwsim" / "divergence").glob("*.py"))
    made = set(re.findall(r'kind="(\w+)"', source)) | set(
        re.findall(r'(?:cause|predicted|_moved)\(\s*(?:case, [^"]*?)?"(\w+)"', source)
    )
    made -= {"stable"}  # a way of sorting
    assert len(made) > 12
    assert made <= rows
