"""The report shows what training measured at each strength, in words, as a table and as a plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.strength import (
    StrengthCurve,
    StrengthPoint,
    cells,
    columns,
    find_strengths,
    sentences,
)
from tests.test_report import RECORD, SCHEMA, Page, make_run, page, rebuild

TITLE = "How strongly the adapter is applied"
ROWS = [
    {"strength": 1.0, "wer": 0.30, "general_wer": 0.08, "behind": 0.01, "behind_se": 0.02},
    {"strength": 0.8, "wer": 0.31, "general_wer": 0.06, "behind": 0.0, "behind_se": 0.0},
    {"strength": 0.6, "wer": 0.33, "general_wer": 0.05, "behind": 0.01, "behind_se": 0.015},
    {"strength": 0.4, "wer": 0.37, "general_wer": 0.06, "behind": 0.06, "behind_se": 0.02},
]


def adapter(rows: object, strength: object = 1.0) -> dict[str, Any]:
    return {**RECORD["adapter"], "strength": strength, "strength_wer": rows}


def written(folder: Path, rows: object, strength: object = 1.0) -> tuple[str, str]:
    """Return page and markdown of a run with these strengths."""
    _, out = rebuild(folder, count=4, adapter=adapter(rows, strength))
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, SCHEMA)
    return page(out), (out / "report.md").read_text(encoding="utf-8")


def test_page_and_markdown_say_what_was_measured_and_what_was_used(tmp_path: Path) -> None:
    html, markdown = written(tmp_path, ROWS)
    text = " ".join("".join(Page(html).text).split())
    for shown in (text, markdown):
        assert TITLE in shown
        assert "Training recommends 0.6: the weakest strength" in shown
        assert "one standard error" in shown
        assert "This run applied 1, which" in shown
    for cell in ("0.6 (recommended)", "1 (applied)", "33.0 %", "5.0 %", "1.0 ± 1.5"):
        assert f">{cell}<" in html
        assert f" {cell} |" in markdown
    assert 'aria-label="Word error rate on dev speech by strength of the adapter"' in html
    assert '<a href="#strength">' in html
    assert 'id="strength"' in html
    assert "behind_se" not in text  # nor as settings, where the adapter's other facts stand


def test_without_general_speech_the_domain_stands_alone(tmp_path: Path) -> None:
    rows = [{key: row[key] for key in row if key != "general_wer"} for row in ROWS]
    html, markdown = written(tmp_path, rows)
    assert "at which the error rate is at most one standard error" in markdown
    assert "| strength | domain | above the least |" in markdown
    assert "general speech</text>" not in html


def test_speech_as_received_has_a_column_of_its_own(tmp_path: Path) -> None:
    html, markdown = written(tmp_path, [{**row, "received_wer": 0.2} for row in ROWS])
    assert "| strength | domain | general | received | above the least |" in markdown
    assert "20.0" in markdown
    assert "general, received</text>" in html


def test_what_is_made_up_in_silence_has_a_column_of_its_own(tmp_path: Path) -> None:
    html, markdown = written(tmp_path, [{**row, "silence_wer": 0.125} for row in ROWS])
    assert "| strength | domain | general | silence | above the least |" in markdown
    assert "12.5" in markdown
    assert "silence, made up</text>" in html
    assert "Silence:" not in written(tmp_path / "without", ROWS)[1]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        ROWS[:1],
        "many",
        [ROWS[0], "0.8"],
        [ROWS[0], {"strength": "<b>", "wer": 0.1}],
        [ROWS[0], {"strength": 0.5}],
        [{key: row[key] for key in ("strength", "wer", "general_wer")} for row in ROWS],
        [{**row, "behind": 3.0, "behind_se": -1.0} for row in ROWS],  # none of them is the least
    ],
)
def test_less_than_two_whole_strengths_are_no_curve(tmp_path: Path, rows: object) -> None:
    html, markdown = written(tmp_path, rows)
    assert TITLE not in html
    assert TITLE not in markdown
    assert 'href="#strength"' not in html


def test_what_run_json_says_is_text(tmp_path: Path) -> None:
    html, markdown = written(tmp_path, ROWS, "<script>alert(1)</script>")
    assert "Training recommends 0.6" in markdown
    assert "This run applied" not in markdown
    assert "<script>alert" not in html


def test_each_run_has_its_own_curve(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name, ("base", "lora"), 4, adapter=adapter(ROWS, strength))
        for name, strength in (("harbour", 0.6), ("tower", 0.4))
    ]
    report = build_report(runs, tmp_path / "out")
    found = find_strengths(report)
    assert [(each.label, each.used) for each in found] == [("harbour", 0.6), ("tower", 0.4)]
    markdown = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert markdown.index("### harbour") < markdown.index("### tower")


def test_strengths_are_listed_strongest_first_with_a_cell_for_each_heading() -> None:
    points = tuple(StrengthPoint(s, 0.5, {}, 0.0, 0.0) for s in (1.0, 0.5))
    curve = StrengthCurve("", points, None)
    assert [len(row) for row in cells(curve)] == [len(columns(curve))] * 2
    assert [row[0] for row in cells(curve)] == ["1", "0.5 (recommended)"]
    assert len(sentences(curve)) == 1
