"""Label Studio both ways: what a model heard goes out, what people made of it comes back."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asr_adapt.errors import DataError, UsageError
from asr_adapt.labelling import suggestions_of_data, suggestions_of_run, write_tasks
from asr_adapt.manifest import load_data, write_manifest
from asr_adapt.records import Utterance

HEARD = {
    "a": ("Elbe traffic this is ada", -0.9),
    "b": ("Go ahead!", -0.1),
    "c": ("nobody knows", -2.0),
    "d": ("over", -0.2),
}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run: ``b`` is right but for its style, ``a`` and ``d`` are not, ``c`` is unknown."""
    (tmp_path / "sound").mkdir()
    soundfile.write(tmp_path / "sound" / "day 1.wav", 0.1 * np.ones(8000 * 9), 8000)
    said = {"a": "Elbe Traffic, this is Anna", "b": "go ahead", "c": None, "d": "out"}
    rows = [
        Utterance(
            uid,
            tmp_path / "sound" / "day 1.wav",
            2.0 * i,
            1.5,
            text,
            speaker="anna",
            context=("Anna", "Ada"),
            tags={"cnr_db": "12"},
        )
        for i, (uid, text) in enumerate(said.items())
    ]
    folder = tmp_path / "run" / "sets" / "calls"
    folder.mkdir(parents=True)
    write_manifest(folder / "manifest.jsonl", rows)
    log = [
        {"utterance_id": uid, "arm": arm, "text": text if arm == "base+bias" else "", **score}
        for uid, (text, logprob) in HEARD.items()
        for arm, score in (("base", {}), ("base+bias", {"avg_logprob": logprob}))
    ]
    (folder / "hypotheses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    paths = {"manifest": "sets/calls/manifest.jsonl", "hypotheses": "sets/calls/hypotheses.jsonl"}
    record = {
        "kind": "asr-adapt run",
        "normaliser": "spoken-en",
        "model": {"name": "toy"},
        "sets": [{"name": "calls", "role": "domain", "title": "Calls", **paths}],
    }
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    return tmp_path / "run"


def test_a_record_that_leads_out_of_its_run_is_refused(run_dir: Path) -> None:
    record = json.loads((run_dir / "run.json").read_text())
    record["sets"][0]["hypotheses"] = "../../elsewhere.jsonl"
    (run_dir / "run.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="leaves the run directory"):
        suggestions_of_run(run_dir)


def exported(tasks: list[dict[str, Any]], corrections: dict[str, str]) -> list[dict[str, Any]]:
    """What Label Studio exports once people have taken over and corrected the predictions."""
    export = []
    for number, task in enumerate(tasks, start=1):
        result = json.loads(json.dumps(task["predictions"][0]["result"]))
        corrected = corrections.get(task["data"]["utterance_id"])
        if corrected is not None:
            result[1]["value"]["text"] = [corrected]
        annotations = [{"id": number, "result": result, "was_cancelled": False}]
        export.append({"id": number, "data": task["data"], "annotations": annotations})
    return export


def test_errors_go_out_least_certain_first(run_dir: Path) -> None:
    chosen = suggestions_of_run(run_dir)
    assert [u.utterance_id for u, _ in chosen] == ["c", "a", "d"]
    assert [s.text for _, s in chosen] == [HEARD[uid][0] for uid in "cad"]
    assert chosen[1][1].score == pytest.approx(np.exp(-0.9), abs=1e-4)
    assert {s.source for _, s in chosen} == {"toy base+bias"}
    assert len(suggestions_of_run(run_dir, everything=True)) == 4
    assert len(suggestions_of_run(run_dir, "calls", "base")) == 4


def test_corrections_come_back_to_their_rows(run_dir: Path, tmp_path: Path) -> None:
    root = write_tasks(tmp_path / "work" / "tasks.json", suggestions_of_run(run_dir))
    assert root == tmp_path
    tasks = json.loads((tmp_path / "work" / "tasks.json").read_text())
    assert tasks[0]["data"]["audio"] == "/data/local-files/?d=sound/day%201.wav"
    export = exported(tasks, {"a": "Elbe Traffic, this is Anna", "c": "All ships"})
    (root / "export.json").write_text(json.dumps(export))
    data = load_data(root / "export.json")
    assert (data.format_name, data.skipped) == ("Label Studio", ())
    rows = {u.utterance_id: u for u in data.utterances}
    assert {uid: u.reference for uid, u in rows.items()} == {
        "c": "All ships",
        "a": "Elbe Traffic, this is Anna",
        "d": "over",
    }
    row = rows["c"]
    assert (row.start_s, row.duration_s, row.speaker) == (4.0, 1.5, "anna")
    assert (row.context, row.tags) == (("Anna", "Ada"), {"cnr_db": "12"})
    assert row.audio_path == tmp_path / "sound" / "day 1.wav"


def test_the_interface_has_what_the_predictions_name(run_dir: Path, tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.json", suggestions_of_run(run_dir))
    interface = ET.fromstring((tmp_path / "tasks.xml").read_text())  # noqa: S314 - our own
    controls = {e.get("name"): e for e in interface.iter() if e.get("name")}
    labels = {e.get("value") for e in interface.iter("Label")}
    (task, *_) = json.loads((tmp_path / "tasks.json").read_text())
    for result in task["predictions"][0]["result"]:
        control = controls[result["from_name"]]
        assert control.tag.lower() == result["type"]
        assert control.get("toName") == result["to_name"] == controls["audio"].get("name")
        assert set(result["value"].get("labels", [])) <= labels
    for element in controls.values():
        value = element.get("value", "")
        assert not value.startswith("$") or value[1:] in task["data"]


def test_data_can_be_checked_as_it_is(run_dir: Path, tmp_path: Path) -> None:
    rows = load_data(run_dir / "sets/calls/manifest.jsonl", allow_outside=True).usable()
    write_tasks(tmp_path / "tasks.json", suggestions_of_data(rows))
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    (tmp_path / "export.json").write_text(json.dumps(exported(tasks, {})))
    back = load_data(tmp_path / "export.json").usable()
    assert [u.reference for u in back] == [u.reference or "" for u in rows]


def test_tasks_never_replace_another_file(run_dir: Path, tmp_path: Path) -> None:
    chosen = suggestions_of_run(run_dir)
    for _ in range(2):
        write_tasks(tmp_path / "tasks.json", chosen)
    (tmp_path / "tasks.xml").write_text("<View/>")
    (tmp_path / "calls.json").write_text("[]")
    for name, kept in (("tasks.json", "tasks.xml"), ("calls.json", "calls.json")):
        with pytest.raises(UsageError, match=rf"{kept}: is there already.*--out"):
            write_tasks(tmp_path / name, chosen)
    assert (tmp_path / "tasks.xml").read_text() == "<View/>"
    assert (tmp_path / "calls.json").read_text() == "[]"


def test_what_is_not_there_is_named(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run directory"):
        suggestions_of_run(tmp_path)
    with pytest.raises(UsageError, match=r"--set other: the sets of .* are calls"):
        suggestions_of_run(run_dir, "other")
    with pytest.raises(UsageError, match=r"--arm lora: the arms of .* are base, base\+bias"):
        suggestions_of_run(run_dir, arm="lora")
