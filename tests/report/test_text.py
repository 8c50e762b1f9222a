"""The text report: 100 columns whatever the figures and names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from report.synthetic import LAYER, OUTPUT, POINT, reports, synthetic_report
from rich.cells import cell_len

from hwsim.report import Report
from hwsim.report.columns import WIDTH, paragraph, table
from hwsim.report.text import MOST_LAYERS, proofs, story, verdict


@given(reports())
@settings(deadline=None)
def test_no_line_is_wider_than_a_terminal(report: Report) -> None:
    for line in str(report).split("\n"):
        assert cell_len(line) <= WIDTH, line
        assert line.isprintable()


def test_first_lines_say_what_was_run() -> None:
    lines = str(synthetic_report(12)).split("\n")
    assert lines[0] == "digits on edge-npu-acc20: 400 samples, 12 layers, 48 truncation points"
    assert lines[2].startswith("data: 16 synthetic samples")
    assert lines[4].startswith("This target nearly holds this network: 97.25 % of decisions are float's")
    assert lines[6] == "softmax: SQNR 24.5 dB, largest error 0.34; top-1 agrees on 97.25 %, 3 samples flip: 3, 77, 391"


def test_large_network_is_folded_to_its_worst_layers() -> None:
    text = str(synthetic_report(110))
    assert "80 layers more, which lose less" in text
    assert len(text.split("\n")) < MOST_LAYERS + 50


def test_worst_point_comes_first_with_its_first_occurrence() -> None:
    report = synthetic_report(12)
    worst = report.worst_points()[0].figures
    assert (worst.layer, worst.point) == ("block1_branch3x3_convolution_7", "accumulator")
    assert f"{worst.layer} accumulator: sample 0, position 17, channel 3, step 141" in str(report)


def test_names_that_would_move_the_cursor_are_escaped() -> None:
    report = replace(synthetic_report(1), network="a\x1b[2Jb\nc\u202e")
    assert str(report).startswith(r"a\x1b[2Jb c\u202e on")


def test_proofs_count_accumulators() -> None:
    points = [replace(POINT, proven=True, low=0, high=0), replace(POINT, low=0, high=0), POINT]
    assert proofs(points) == (
        "1 of 3 accumulators is proved never to overflow; 1 left their range; 1 stayed in range on these samples."
    )


def test_verdicts() -> None:
    assert verdict(replace(OUTPUT, sqnr_db=None)) == "softmax: not compared with float"
    exact = replace(OUTPUT, sqnr_db=float("inf"), max_error=0.0, top1_agreement=1.0, flip_count=0, flips=())
    assert verdict(exact) == "softmax: no error at all, largest error 0; top-1 agrees on 100 %, no sample flips"
    one = replace(OUTPUT, flip_count=1, flips=(8,))
    assert verdict(one).endswith("1 sample flips: 8")


def test_story_of_an_accumulator() -> None:
    report = replace(synthetic_report(1), layers=(LAYER,), points=(POINT,))
    assert story(report.worst_points()[0]) == (
        "conv1 accumulator: 0.28 % of 250,000 values came from outside the range; 21 bits are needed, s20 has 20; "
        "90 sums outside in the end, 10 only on the way; in 2 of 4 channels; this puts 1.60 LSB into an output"
    )


@pytest.mark.parametrize("text", ["", "word", "long " * 60, "x" * 450, "宽" * 200, "a " + "宽字 " * 80])
def test_paragraphs_keep_every_letter_within_the_width(text: str) -> None:
    lines = paragraph(text, "    ", first="  ")
    assert all(cell_len(line) <= WIDTH for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_table_keeps_narrow_names_whole_and_shortens_wide_ones() -> None:
    lines = table(["layer", "kind", "figure"], [["n" * 150 + "end", "conv2d", "1" * 20]], names=[20, 6])
    assert cell_len(lines[1]) == WIDTH
    assert "end" in lines[1] and "…" in lines[1] and "conv2d" in lines[1]
