"""The examples of docs/process/training.md run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "process" / "training.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "training.md", "exec"), names)
    shown = names["trained"].predict(names["images"], verbose=0)
    assert (shown == names["program"].run(names["images"]).outputs["softmax"].astype(np.float32)).all()
    assert np.mean(shown.argmax(axis=-1) == names["labels"]) > 0.85
