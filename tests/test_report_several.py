"""Several runs on one page: shared arms once, others by the name of their run, all paired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from asr_adapt.errors import DataError
from asr_adapt.reporting import words
from asr_adapt.reporting.arms import of_run, same_weights, split_arm, told
from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.results import Report
from tests.test_report import RECORD, SCHEMA, Page, edit_rows, make_run, page


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """Two runs of one base model with other adapters; the second has one utterance less."""
    folder = tmp_path_factory.mktemp("several")
    first = make_run(folder / "week 1", count=9)
    adapter = {**RECORD["adapter"], "minutes_of_labels": 80.4}
    second = make_run(folder / "week 2", count=9, adapter=adapter)
    for name in ("test", "real", "general"):
        rows = second / "sets" / name

        def mend(row: dict[str, Any]) -> None:
            if row["arm"].startswith("lora"):
                row["text"] = row["text"].replace("uhm-hm", "")

        edit_rows(rows / "hypotheses.jsonl", mend)
        for file in ("manifest.jsonl", "hypotheses.jsonl"):
            lines = (rows / file).read_text(encoding="utf-8").splitlines(keepends=True)
            kept = (line for line in lines if json.loads(line)["utterance_id"] != "call-008")
            (rows / file).write_text("".join(kept), encoding="utf-8")
    return build_report([first, second], folder / "out"), folder / "out"


def test_shared_arms_stand_once_and_others_by_their_run(built: tuple[Report, Path]) -> None:
    arms = [arm.arm for arm in built[0].primary.scores.arms]
    assert arms[:2] == ["base", "base+bias"]
    tuned = {of_run(arm, run) for arm in ("lora", "lora+bias") for run in ("week 1", "week 2")}
    assert set(arms[2:]) == tuned
    assert built[0].primary.scores.left_out == ("call-008",)
    assert len(built[0].sets) == 3


def test_the_answer_compares_runs_and_names_their_costs(built: tuple[Report, Path]) -> None:
    said = [step.text for step in words.steps(built[0].primary)]
    starts = [
        "Telling the untouched model the context",
        "Fine-tuning (week 1)",
        "Telling the fine-tuned model the context (week 2)",
        "fine-tuned (week 2) against fine-tuned (week 1)",
    ]
    for start in starts:
        assert any(text.startswith(start) for text in said), start
    assert len(said) == 1 + 2 * 3 + 2
    assert "fine-tuned (week 2) on 80 minutes" in words.lead(built[0])
    assert "fine-tuned (week 1) on 40 minutes" in words.lead(built[0])
    cost = str(words.cost(built[0]))
    assert "adapting (week 1): 40 minutes" in cost
    assert "adapting (week 2): 80 minutes" in cost
    general = words.about_set(built[0].sets[2])
    assert [("week 1" in step.text, "week 2" in step.text) for step in general] == [
        (True, False),
        (False, True),
    ]


def test_page_and_json_hold_all_arms(built: tuple[Report, Path]) -> None:
    content = json.loads((built[1] / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, SCHEMA)
    assert len(content["arms"]) == 6
    assert len(content["further_runs"]) == 1
    text = " ".join(Page(page(built[1])).text)
    for arm in content["arms"]:
        assert arm["name"] in text


def test_sets_without_a_common_utterance_stay_apart(tmp_path: Path) -> None:
    first, second = (make_run(tmp_path / name, count=3) for name in ("a", "b"))
    for name in ("test", "real", "general"):
        for file in ("manifest.jsonl", "hypotheses.jsonl"):

            def rename(row: dict[str, Any]) -> None:
                row["utterance_id"] = f"b {row['utterance_id']}"

            edit_rows(second / "sets" / name / file, rename)
    report = build_report([first, second], tmp_path / "out")
    assert [part.entry.name for part in report.sets] == [
        *("test", "real", "general"),
        *("test (b)", "real (b)", "general (b)"),
    ]
    assert all(not part.scores.left_out for part in report.sets)
    assert [arm.arm for arm in report.primary.scores.arms] == [
        "base",
        "base+bias",
        "lora",
        "lora+bias",
    ]


def test_sets_that_are_alike_in_part_and_give_one_name_to_two_sounds_stay_apart(
    tmp_path: Path,
) -> None:
    """As two sizes of a recipe do: the same draw of sentences, other voices for most of them."""
    first, second = (make_run(tmp_path / name, count=3) for name in ("a", "b"))

    def speak_again(row: dict[str, Any]) -> None:
        if row["utterance_id"] == "call-001":
            row.update(audio_path="audio/other.wav", duration_s=row["duration_s"] + 0.3)

    edit_rows(second / "sets" / "test" / "manifest.jsonl", speak_again)
    report = build_report([first, second], tmp_path / "out")
    assert [part.entry.name for part in report.sets] == ["test", "real", "general", "test (b)"]


def test_other_speech_under_the_same_name_is_refused(tmp_path: Path) -> None:
    first, second = (make_run(tmp_path / name, count=2) for name in ("a", "b"))
    path = second / "sets" / "test" / "manifest.jsonl"
    edit_rows(path, lambda row: row.update(duration_s=row["duration_s"] - 0.1))
    with pytest.raises(DataError, match=r"run 'b', set 'test': .*'call-000' has another length"):
        build_report([first, second], tmp_path / "out")


def test_names_of_arms() -> None:
    assert split_arm("lora (a (b))") == ("lora", " (a (b))")
    assert told("lora (a)") == "lora+bias (a)"
    assert same_weights("lora+bias (a)") == "lora"
    assert same_weights("large (v3)") == "large (v3)"
