"""The table of what techniques buy, and its command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from improve.drafts import LOW_BITS, normed_model
from pipeline.tiny import dense, image_network, reals, target_with
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.errors import HwsimError
from hwsim.network import Input, Network, Weighted
from hwsim.quantize.decide import kernel_of
from hwsim.techniques import TechniqueFigures, Techniques

TARGET = target_with(**LOW_BITS)
DATA = reals(40, 6, 6, 3, seed=8)


def test_rows_are_none_each_alone_and_all() -> None:
    names = ("per_channel", "adaround", "correct_bias")
    found = hwsim.compare_techniques(image_network(), TARGET, DATA, techniques=[*names, "adaround+correct_bias"])
    assert [row.name for row in found.rows] == ["none", *names, "adaround+correct_bias", "all"]
    assert found.rows[-1].techniques == names
    rows = {row.name: row for row in found.rows}
    for name, row in rows.items():
        wanted = hwsim.run(image_network(), TARGET, DATA, techniques=row.techniques).report
        assert row.sqnr_db == pytest.approx(wanted.outputs[0].sqnr_db, abs=1e-4), name
        assert row.top1_agreement == wanted.outputs[0].top1_agreement
    ratios = {name: row.sqnr_db or 0.0 for name, row in rows.items()}
    assert min(ratios["adaround"], ratios["correct_bias"]) > ratios["none"] + 2
    assert rows["none"].weight_loss == rows["correct_bias"].weight_loss
    assert (rows["adaround"].weight_loss or 0.0) > (rows["none"].weight_loss or 0.0)
    assert (rows["per_channel"].weight_loss or 9.9) < (rows["none"].weight_loss or 0.0)


def test_the_weight_loss_is_the_sum_of_squares() -> None:
    network = image_network()
    found = hwsim.compare_techniques(network, TARGET, DATA, techniques=())
    plan = hwsim.run(network, TARGET, DATA).plan
    wanted = 0.0
    for operation in network.operations:
        if isinstance(operation, Weighted):
            kernel, scale = kernel_of(operation).astype(np.float64), plan.weights[operation.name].scale[0]
            wanted += float(np.sum((kernel - np.clip(np.rint(kernel / scale), -8, 7) * scale) ** 2))
    assert [row.name for row in found.rows] == ["none"]
    assert found.rows[0].weight_loss == pytest.approx(wanted, rel=1e-6)


def test_by_default_a_model_gets_what_it_has_use_for() -> None:
    found = hwsim.compare_techniques(normed_model(), TARGET, reals(20, 6, 6, 2))
    names = [row.name for row in found.rows]
    assert names[:3] == ["none", "not folded", "equalise"]
    assert names[-1] == "all"
    assert not {"fold", "unbound", "unbound+equalise"} & set(names)
    single = Network(name="one", operations=(Input(name="x", shape=(3,)), dense("fc", "x", 3, 2)), outputs=("fc",))
    rows = [row.name for row in hwsim.compare_techniques(single, TARGET, reals(20, 3)).rows]
    assert not {"equalise", "not folded"} & set(rows)


def test_what_a_target_does_not_allow_stands_in_its_row() -> None:
    binary = target_with(requantize={"kind": "none"}, activations={"symmetric": True}, weights={"granularity": "layer"})
    network = Network(name="one", operations=(Input(name="x", shape=(3,)), dense("fc", "x", 3, 2)), outputs=("fc",))
    found = hwsim.compare_techniques(network, binary, reals(20, 3), techniques=["per_channel", "correct_bias"])
    rows = {row.name: row for row in found.rows}
    assert "output_channel" in rows["per_channel"].failure
    assert rows["per_channel"].sqnr_db is None
    assert not rows["correct_bias"].failure
    assert "all" not in rows
    assert f"per_channel: {rows['per_channel'].failure[:20]}" in str(found)


def test_data_that_is_read_once_serves_all_rows() -> None:
    batches = (DATA[first : first + 8] for first in range(0, 40, 8))
    found = hwsim.compare_techniques(image_network(), TARGET, batches, techniques=["correct_bias"])
    wanted = hwsim.compare_techniques(image_network(), TARGET, DATA, techniques=["correct_bias"])
    assert [row.sqnr_db for row in found.rows] == [row.sqnr_db for row in wanted.rows]
    assert found.samples == 40


def test_an_unknown_name_is_refused_at_once() -> None:
    with pytest.raises(HwsimError, match="'nothing'"):
        hwsim.compare_techniques(image_network(), TARGET, DATA, techniques=["adaround+nothing"])


def figures() -> Techniques:
    """Return figures of all kinds: no error, nothing classified, a failure, a name that looks like HTML."""
    rows = (
        TechniqueFigures(
            name="none", techniques=(), sqnr_db=float("inf"), weight_loss=0.0, clamping_lsb=0.0, round_off_lsb=1.0
        ),
        TechniqueFigures(name="<b>", techniques=("adaround", "fold"), failure="no <i>"),
    )
    return Techniques(network="net", target="npu", samples=3, notes=("a note",), rows=rows)


def test_the_table_prints_itself() -> None:
    text = str(figures())
    assert text.startswith("net on npu: 3 samples")
    assert "<b>: no <i>" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    frame = figures().to_frame()
    assert list(frame.index) == ["none", "<b>"]
    assert frame.loc["<b>", "techniques"] == "adaround+fold"
    html = figures()._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert json.loads(figures().to_json())["rows"][0]["sqnr_db"] == "inf"


def test_the_command_prints_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []

    def compare(*positional: object, **options: object) -> Techniques:
        calls.append((positional, options))
        return figures()

    monkeypatch.setattr(hwsim, "compare_techniques", compare, raising=False)
    model = tmp_path / "model.keras"
    model.write_text("")
    command = ["techniques", str(model), "--target", "npu", "--technique", "adaround", "--technique", "a+b"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "net on npu" in result.stdout
    assert calls[0][1]["techniques"] == ["adaround", "a+b"]
    assert json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)["network"] == "net"


def test_a_run_takes_techniques(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []

    def run(*_positional: object, **options: object) -> None:
        calls.append(options)
        raise HwsimError("seen")

    monkeypatch.setattr(hwsim, "run", run, raising=False)
    model = tmp_path / "model.keras"
    model.write_text("")
    for more in ([], ["--technique", "fold", "--technique", "adaround"]):
        CliRunner().invoke(app, ["run", str(model), "--target", "npu", *more])
    assert [tuple(options["techniques"]) for options in calls] == [(), ("fold", "adaround")]
