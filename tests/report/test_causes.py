"""Verdicts, and where the error comes from, on the page and in the text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report.synthetic import OUTPUT, POINT, synthetic_report
from report.test_html import EVIL, tags_of

from hwsim.report import Report
from hwsim.report.attribution import costs_table, folded, gains, waterfall_table
from hwsim.report.causes import bars_of, causes_of, culprit, fact
from hwsim.report.figures import AdviceFigures, CostFigures, WaterfallFigures
from hwsim.report.page.html import excerpt_of, page_of
from hwsim.report.verdict import verdict_of

STEPS = tuple(
    WaterfallFigures(step=step, sqnr_db=db, flips=flips, top1=1 - flips / 100)
    for step, db, flips in (
        ("ideal", float("inf"), 0),
        ("weights", 40.0, 0),
        ("activations", 30.0, 1),
        ("accumulator", -2.0, 50),
        ("rounding", -2.0, 50),
    )
)
COST = CostFigures(
    layer="conv1",
    kind="conv2d",
    point="accumulator",
    points=("accumulator",),
    state="matters",
    cost=0.8,
    moves=0.7,
    gain_db=12.5,
    changed=40,
    mended=31,
    sqnr_lifted_db=10.5,
    sqnr_alone_db=1.25,
    flips_alone=44,
)
QUIET = replace(COST, layer="conv2", state="negligible", cost=0.001)
ADVICE = AdviceFigures(
    text="conv1: accumulator of 21 bits",
    yaml="layers:\n  conv1: {bias: {bits: 21}}\n",
    sqnr_db=25.0,
    gain_db=27.0,
    flips=1,
    flips_before=50,
    top1=0.99,
    top1_before=0.5,
)


def attributed() -> Report:
    report = replace(synthetic_report(2), points=(POINT,))
    return replace(report, attributed=64, waterfall=STEPS, costs=(COST, QUIET), advice=(ADVICE,))


@pytest.mark.parametrize(
    ("top1", "db", "grade"),
    [
        (1.0, 3.0, 0),
        (0.99, 3.0, 0),
        (0.989, 60.0, 1),
        (0.95, 60.0, 1),
        (0.9499, 60.0, 2),
        (None, 20.0, 0),
        (None, 19.9, 1),
        (None, 9.9, 2),
        (None, float("inf"), 0),
        (None, float("-inf"), 2),
    ],
)
def test_verdict_by_decisions_or_by_the_error(top1: float | None, db: float, grade: int) -> None:
    report = replace(synthetic_report(1), outputs=(replace(OUTPUT, top1_agreement=top1, sqnr_db=db),))
    verdict = verdict_of(report)
    assert verdict is not None and verdict.grade == grade
    assert ("holds this network" in verdict.sentence) == (grade < 2)
    assert ("nearly" in verdict.sentence) == (grade == 1)
    assert ("held from" in verdict.sentence) == (grade > 0)


def test_worst_result_decides_and_nothing_compared_gives_no_verdict() -> None:
    good, bad = replace(OUTPUT, top1_agreement=1.0), replace(OUTPUT, name="other", top1_agreement=0.3)
    verdict = verdict_of(replace(synthetic_report(1), outputs=(good, bad)))
    assert verdict is not None and verdict.grade == 2 and "30.00 %" in verdict.sentence
    assert verdict_of(replace(synthetic_report(1), outputs=(replace(OUTPUT, sqnr_db=None),))) is None
    random = verdict_of(replace(synthetic_report(1), synthetic=True))
    assert random is not None and "random numbers" in random.sentence


def test_bars_fall_from_the_longest() -> None:
    bars = bars_of(STEPS)
    assert [bar.left for bar in bars] == [100.0, 100.0, 75.0, 0.0, 0.0]
    assert [bar.lost for bar in bars] == [0.0, 0.0, 25.0, 75.0, 0.0]
    assert [bar.sqnr for bar in bars] == ["exact", "40.0", "30.0", "-2.0", "-2.0"]
    assert [bar.loses for bar in bars] == ["", "-", "10.0", "32.0", "0.0"]


def test_culprits_say_why() -> None:
    said = culprit(COST, [POINT])
    assert said.name == "conv1 accumulator" and said.cost == "80.0"
    assert said.why == (
        "0.28 % of values outside s20, 21 bits needed; without its loss the run gains +12.5 dB and 31 flips are "
        "mended; alone it leaves 1.2 dB and flips 44"
    )
    biased = replace(POINT, low=0, high=0, inexact=7, round_rms_lsb=0.5, round_bias_lsb=-0.4)
    assert fact(biased) == "round-off RMS 0.500 LSB, bias -0.400 LSB"


def test_page_shows_verdict_waterfall_culprits_and_yaml_first() -> None:
    page = page_of(attributed())
    places = [
        page.index(text)
        for text in (
            "This target nearly holds",
            "Where the error comes from",
            "<b>conv1 accumulator</b>: 80.0 %",
            "conv1: {bias: {bits: 21}}",
            "top-1 as in float",
            "1 point can be ignored",
            "Truncation points</h2>",
        )
    ]
    assert places == sorted(places)
    tags_of(page)
    plain = page_of(synthetic_report(2))
    assert "--attribute" in plain and "Where the error comes from</h3>" not in plain
    assert "conv1 accumulator" in excerpt_of(attributed())


def test_text_has_the_same_figures() -> None:
    text = str(attributed())
    assert "conv1  accumulator  80.0     +12.5      31      1.2     44" in text
    assert "1 point can be ignored, each by itself." in text
    assert "    layers:\n      conv1: {bias: {bits: 21}}" in text
    assert gains(ADVICE) == "+27.0 dB, to 25.0 dB; top-1 50.00 to 99.00 %, flips 50 to 1"
    assert len(waterfall_table(STEPS)) == 7
    assert costs_table([QUIET]) == ["No single point matters."]


def test_points_not_measured_are_named() -> None:
    untried = replace(COST, layer="a", state="not tried", cost=None)
    stuck = replace(COST, layer="b", state="not lifted", cost=None, note="codes cannot be finer")
    text = " ".join(" ".join(folded([untried, stuck])).split())
    assert "a accumulator" in text and "not lifted: b accumulator: codes cannot be finer" in text


def test_whatever_a_name_holds_stays_text() -> None:
    evil = replace(COST, layer=EVIL, point=EVIL, kind=EVIL, how=EVIL, note=EVIL, points=(EVIL,))
    advice = replace(ADVICE, text=EVIL, yaml=EVIL, technique=EVIL)
    step = replace(STEPS[0], step=EVIL, not_ideal=(EVIL,))
    report = replace(
        attributed(),
        costs=(evil, replace(evil, state="negligible")),
        advice=(advice,),
        waterfall=(step,),
        attribution_notes=(EVIL,),
    )
    tags = [tag for tag, _ in tags_of(page_of(report))]
    assert tags.count("script") == 1 and "img" not in tags
    assert not {"script", "img"} & {tag for tag, _ in tags_of(excerpt_of(report))}
    assert causes_of(report) is not None
