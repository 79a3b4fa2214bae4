"""What the report says of context and entities: the same numbers everywhere, escaped, in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from asr_adapt.errors import ManifestError
from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.console import render_table
from asr_adapt.reporting.context import changes, context_columns, entity_columns, sentences, verdict
from asr_adapt.reporting.results import Report
from asr_adapt.scoring.score_records import Difference
from tests.test_report import Page, make_run, page


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("context")
    return build_report([make_run(folder / "run", count=12)], folder / "out"), folder / "out"


def test_page_and_markdown_show_the_values_of_the_json(built: tuple[Report, Path]) -> None:
    content = json.loads((built[1] / "report.json").read_text(encoding="utf-8"))
    shown = " ".join(Page(page(built[1])).text)
    markdown = (built[1] / "report.md").read_text(encoding="utf-8")
    for arm in content["arms"]:
        assert arm["measures"]["biased_wer"]["value"] == arm["context_wer"]
        assert arm["measures"]["term_recall"]["value"] == arm["term_recall"]
        for name in ("biased_wer", "unbiased_wer", "term_precision", "entity_accuracy.number"):
            value = f"{100 * arm['measures'][name]['value']:.1f} %"
            assert value in shown
            assert value in markdown


def test_differences_are_those_of_the_values(built: tuple[Report, Path]) -> None:
    content = json.loads((built[1] / "report.json").read_text(encoding="utf-8"))
    for part in content["sets"]:
        values = {arm["name"]: arm["measures"] for arm in part["arms"]}
        assert part["differences"]
        for each in part["differences"]:
            a, b = (values[each[side]][each["measure"]]["value"] for side in ("a", "b"))
            assert each["difference"] == pytest.approx(b - a)


def test_the_page_judges_telling_the_context(built: tuple[Report, Path]) -> None:
    part = built[0].primary
    said = [each.text for each in sentences(part)]
    assert len(said) == 4
    text = " ".join(" ".join(Page(page(built[1])).text).split())
    assert all(each in text for each in said)
    pairs = {(row.a, row.b) for row in changes(part, context_columns(part))}
    assert pairs == {("base", "base+bias"), ("lora", "lora+bias")}


def test_more_found_is_better_and_more_errors_are_worse() -> None:
    more = Difference("term_recall", "base", "base+bias", 0.2, (0.1, 0.3), 0.01)
    assert verdict(more) == "better"
    for name, judged in (
        ("entity_accuracy.number", "better"),
        ("leak_rate", "worse"),
        ("unbiased_wer", "worse"),
    ):
        assert verdict(replace(more, measure=name)) == judged
    assert verdict(replace(more, ci95=(0.0, 0.3))) == "unclear"


def test_one_kind_of_entity_needs_no_column_for_all(built: tuple[Report, Path]) -> None:
    part = built[0].primary
    assert part.scores.arms[0].measure("entity_accuracy")
    assert entity_columns(part) == ["entity_accuracy.number"]


def test_the_terminal_shows_context_within_80_characters(
    built: tuple[Report, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Console(width=80).print(render_table(built[0]))
    shown = capsys.readouterr().out
    assert "…" not in shown
    for arm in built[0].primary.scores.arms:
        assert f"{100 * (arm.context_wer or 0):.1f}" in shown
        assert f"{100 * (arm.other_wer or 0):.1f}" in shown


def _without_context(run: Path) -> None:
    for path in run.glob("sets/*/manifest.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        lines = (json.dumps({**row, "context": []}) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8")


def test_the_list_told_about_a_set_is_scored(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base",), count=4)
    _without_context(run)
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    unlisted = build_report([run], tmp_path / "before").primary
    assert unlisted.scores.arms[0].term_recall is None
    (run / "sets/test/phrases.txt").write_text("Maas Approach\n\nNordic Falcon\n", "utf-8")
    record["sets"][0]["phrases"] = "sets/test/phrases.txt"
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    listed = build_report([run], tmp_path / "after").primary
    assert listed.entry.phrases == ("Maas Approach", "Nordic Falcon")
    assert {term.phrase for term in listed.scores.arms[0].terms} <= set(listed.entry.phrases)
    assert listed.scores.arms[0].words == unlisted.scores.arms[0].words


@pytest.mark.parametrize("value", ["../../secret.txt", "sets/test/nothing.txt", 7])
def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path, value: object) -> None:
    run = make_run(tmp_path / "run", arms=("base",), count=2)
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["sets"][0]["phrases"] = value
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"run\.json|nothing\.txt"):
        build_report([run], tmp_path / "out")
