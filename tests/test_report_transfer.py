"""The transfer matrix: every adapter against the untouched model, on sets that several decoded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jiwer
import jsonschema
import pytest

from asr_adapt.hypotheses import read_hypotheses
from asr_adapt.manifest import read_manifest
from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.markdown import transfer_cell
from asr_adapt.reporting.results import Report
from asr_adapt.reporting.transfer import (
    Cell,
    Transfer,
    find_transfer,
    transfer_from_json,
    transfer_to_json,
)
from tests.test_report import RECORD, SCHEMA, Page, edit_rows, make_run, page

HARBOUR, TOWER = ({**RECORD["adapter"], "sha256": sha} for sha in ("aa", "bb"))


def found_in(report: Report) -> Transfer:
    found = find_transfer(report.runs, report.sets)
    assert found is not None
    return found


def spoil(run: Path, arm: str) -> None:
    """Make an arm hear a word that nobody said in every utterance."""
    for path in run.glob("sets/*/hypotheses.jsonl"):

        def add(row: dict[str, Any]) -> None:
            row["text"] += " zebra" * (row["arm"] == arm)

        edit_rows(path, add)


def raw_wer(run: Path, arm: str) -> float:
    """Count the errors of an arm on the first set with jiwer."""
    rows = read_manifest(run / "sets/test/manifest.jsonl", allow_outside=True)
    hypotheses = read_hypotheses(run / "sets/test/hypotheses.jsonl")
    heard = {row.utterance_id: row.text.lower() for row in hypotheses if row.arm == arm}
    said = [(row.reference or "").lower() for row in rows]
    return float(jiwer.wer(said, [heard[row.utterance_id] for row in rows]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with other adapters, and one of the untouched model, on the same sets."""
    folder = tmp_path_factory.mktemp("transfer")
    make_run(folder / "harbour", ["lora"], adapter=HARBOUR, normaliser="raw")
    make_run(folder / "tower", ["lora"], adapter=TOWER, normaliser="raw")
    make_run(folder / "untouched", ["base"], adapter=None, normaliser="raw")
    spoil(folder / "tower", "lora")
    for path in folder.glob("*/sets/*/*.jsonl"):
        edit_rows(path, lower)
    return folder


def lower(row: dict[str, Any]) -> None:
    for key in ("reference", "text"):
        if key in row:
            row[key] = row[key].lower()


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return build_report([folder / x for x in ("untouched", "harbour", "tower")], folder / "out")


def test_rows_are_adapters_and_columns_are_sets(folder: Path, report: Report) -> None:
    found = found_in(report)
    assert found.rows == ("none", "harbour", "tower")
    assert [column.name for column in found.columns] == ["test", "real", "general"]
    assert len(found.cells) == 9
    for row, run, arm in (("none", "untouched", "base"), ("tower", "tower", "lora")):
        assert found.cells[row, "test"].wer == pytest.approx(raw_wer(folder / run, arm))


def test_a_cell_holds_the_paired_difference_to_the_untouched_model(report: Report) -> None:
    found = found_in(report)
    for column in found.columns:
        none, *adapters = (found.cells[row, column.name] for row in found.rows)
        assert none.difference is None
        for cell in adapters:
            assert cell.difference is not None
            assert cell.difference == pytest.approx(cell.wer - none.wer)
            low, high = cell.difference_ci95 or (0.0, 0.0)
            assert low <= cell.difference <= high
    better, worse = found.cells["harbour", "test"], found.cells["tower", "test"]
    assert better.verdict == "better"
    assert (worse.difference or 0) > (better.difference or 0)


def test_the_order_of_the_runs_changes_no_number(folder: Path, report: Report) -> None:
    runs = [folder / name for name in ("tower", "harbour", "untouched")]
    turned = found_in(build_report(runs, folder / "turned"))
    assert turned.rows == ("none", "tower", "harbour")
    for key, cell in found_in(report).cells.items():
        assert turned.cells[key].difference == pytest.approx(cell.difference)
        assert turned.cells[key].verdict == cell.verdict


def test_page_markdown_and_json_hold_the_table(folder: Path, report: Report) -> None:
    content = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, SCHEMA)
    assert transfer_from_json(content["transfer"]) == found_in(report)
    assert transfer_to_json(found_in(report)) == content["transfer"]
    text = " ".join(Page(page(folder / "out")).text)
    lines = (folder / "out" / "report.md").read_text(encoding="utf-8")
    assert 'id="transfer"' in page(folder / "out")
    assert "## Transfer" in lines
    for cell in found_in(report).cells.values():
        assert transfer_cell(cell) in text
        assert transfer_cell(cell) in lines


def test_one_adapter_is_no_transfer(folder: Path, tmp_path: Path) -> None:
    again = shutil.copytree(folder / "harbour", tmp_path / "again")
    one = build_report([folder / "harbour", again, folder / "untouched"], tmp_path / "out")
    assert find_transfer(one.runs, one.sets) is None
    content = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert "transfer" not in content
    assert "#transfer" not in page(tmp_path / "out")


def test_adapters_that_hear_the_same_have_a_row_each(folder: Path, tmp_path: Path) -> None:
    twin = shutil.copytree(folder / "harbour", tmp_path / "twin")
    record = json.loads((twin / "run.json").read_text(encoding="utf-8"))
    record["adapter"]["strength"] = 0.5
    (twin / "run.json").write_text(json.dumps(record), encoding="utf-8")
    both = build_report([folder / "untouched", folder / "harbour", twin], tmp_path / "out")
    found = found_in(both)
    assert found.rows == ("none", "harbour", "twin")
    assert found.cells["harbour", "test"] == found.cells["twin", "test"]


def test_each_run_is_compared_with_its_own_base_model(tmp_path: Path) -> None:
    arms = ["base", "lora"]
    runs = [
        make_run(tmp_path / "small", arms, adapter=HARBOUR),
        make_run(tmp_path / "large", arms, adapter=TOWER),
    ]
    spoil(runs[1], "base")
    spoil(runs[1], "lora")
    found = found_in(build_report(runs, tmp_path / "out"))
    assert found.rows == ("none (small)", "none (large)", "small", "large")
    small, large = found.cells["small", "test"], found.cells["large", "test"]
    assert large.wer > small.wer
    assert large.difference == pytest.approx(large.wer - found.cells["none (large)", "test"].wer)


@pytest.mark.parametrize("told_by", ["name", "channel"])
def test_the_same_lines_over_two_radios_are_two_sets(tmp_path: Path, told_by: str) -> None:
    runs = [make_run(tmp_path / name, count=3) for name in ("sea", "air")]
    path = runs[1] / "sets/real/manifest.jsonl"

    def other_radio(row: dict[str, Any]) -> None:
        if told_by == "name":
            row["audio_path"] = row["audio_path"].replace("clip", "airband")
        else:
            row["tags"]["channel"] = "am"
        row["duration_s"] -= 0.1

    edit_rows(path, other_radio)
    for clip in list((runs[1] / "audio/real").iterdir()):
        shutil.copy(clip, clip.with_name(clip.name.replace("clip", "airband")))
    both = build_report(runs, tmp_path / "out")
    assert [part.entry.name for part in both.sets] == ["test", "real", "general", "real (air)"]
    assert [part.entry.runs for part in both.sets] == [
        *(("sea", "air"), ("sea",), ("sea", "air"), ("air",))
    ]


def test_what_is_certain_is_marked() -> None:
    assert transfer_cell(Cell(0.4, (0.3, 0.5))) == "40.0"
    assert transfer_cell(None) == "\N{EN DASH}"
    signs = {(-0.2, -0.1): "▼", (0.1, 0.2): "▲", (-0.1, 0.1): "≈"}
    for bounds, sign in signs.items():
        assert f"40.0 {sign} (" in transfer_cell(Cell(0.4, None, sum(bounds) / 2, bounds))
