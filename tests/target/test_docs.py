"""The pages that follow from the code are those that docs/make.py would write now."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_are_current() -> None:
    spec = importlib.util.spec_from_file_location("make", DOCS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    pages = make.pages()
    assert set((DOCS / "modes").iterdir()) <= set(pages)
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not current: run python docs/make.py"
