"""The walk-through runs from its start to its end, without warnings that stop it, and shows what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quantisation.ipynb"


@pytest.mark.slow
def test_the_walk_through_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nbformat: Any = pytest.importorskip("nbformat", reason="notebooks cannot be read without nbformat")
    nbclient: Any = pytest.importorskip("nbclient", reason="notebooks cannot run without nbclient")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # a cell that fails raises CellExecutionError, with the cell's traceback
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [{kind for output in cell.outputs for kind in output.get("data", {})} for cell in code]
    assert sum("image/png" in kinds for kinds in shown) >= 3
    assert sum("text/html" in kinds for kinds in shown) >= 6
    printed = "".join(output.text for cell in code for output in cell.outputs if output.output_type == "stream")
    assert "right in float: 99.5 %" in printed
    assert "codes differ" in printed
