"""`scripts/transfer`: every adapter on every set, resumable, and nothing it was trained on."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asr_adapt.errors import DataError, UsageError
from asr_adapt.evaluation import evaluate
from asr_adapt.evaluation_job import EvaluationJob, TestSet
from asr_adapt.hypotheses import read_hypotheses
from asr_adapt.records import Utterance
from asr_adapt.reporting.runs import Run, RunSet
from asr_adapt.settings import DecodeSettings, PromptSettings
from asr_adapt.stopping import StopRequest
from tests.toys import toy_job, toy_rows, toy_weights, train_toy

ROOT = Path(__file__).parent.parent
LABELS = ("sea", "air")


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The functions of the script, without running it."""
    return runpy.run_path(str(ROOT / "scripts" / "transfer"))


@pytest.fixture(scope="module")
def runs(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two finished runs: each has an adapter, calls of its own and a set that both have."""
    folder = tmp_path_factory.mktemp("runs")
    rows = toy_rows(toy, "test")
    own = {"sea": rows[:3], "air": rows[3:6]}
    for seed, label in enumerate(LABELS, start=1):
        run = folder / label
        train_toy(toy, replace(toy_job(toy), seed=seed), run / "adapter")
        sets = [
            TestSet("calls", "domain", "Calls", own[label]),
            TestSet("phone", "general", "Telephone", rows[6:8]),
        ]
        decode(toy, run, sets)
    return [folder / label for label in LABELS]


def decode(toy: Path, run: Path, sets: list[TestSet]) -> None:
    """Decode sets as a recipe does, at half of the strength."""
    job = EvaluationJob(
        sets=sets,
        weights=toy_weights(toy),
        adapter=run / "adapter",
        bias_list=None,
        prompts=PromptSettings(),
        decode=DecodeSettings(),
        normaliser="raw",
        device="cpu",
        seed=1,
        strength=0.5,
    )
    quiet: Callable[[str], Callable[[int, int], None]] = lambda _: lambda done, total: None  # noqa: E731
    evaluate(job, run, resume=False, stop=StopRequest(), progress_for=quiet)


def start(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    """Run the script with a command line."""
    monkeypatch.setattr(sys, "argv", ["scripts/transfer", *map(str, words), "--device", "cpu"])
    script["main"]()


def texts(path: Path, arm: str) -> dict[str, str]:
    rows = read_hypotheses(path)
    return {row.utterance_id: row.text for row in rows if row.arm == arm}


def test_every_adapter_decodes_every_set(
    script: dict[str, Any],
    runs: list[Path],
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "TRANSFER.md").write_text(f"a\n{script['BEGIN']}\nold\n{script['END']}\nz\n")
    seen = f"seen={toy / 'train.jsonl'}"
    words: list[object] = [*runs, "--model", toy / "model", "--out", tmp_path / "out"]
    words += ["--publish", "--docs", docs, "--add", seen]
    start(script, monkeypatch, *words)
    result = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert result["adapters"] == ["none", "sea", "air"]
    assert [each["name"] for each in result["sets"]] == ["sea: calls", "air: calls", "phone"]
    assert len(result["cells"]) == 9
    assert result["own_sets"]["phone"] == ["sea", "air"]
    assert {each["strength"] for each in result["trained"].values()} == {0.5}
    # Speech that was trained on is refused, and said to be.
    assert [(each["adapter"], each["set"]) for each in result["refused"]] == [
        ("sea", "seen"),
        ("air", "seen"),
    ]
    # What an adapter heard of its own calls is what it heard in its run.
    for run in runs:
        again = tmp_path / "out/adapters" / run.name / f"{run.name}-calls/sets/set"
        before = run / "sets/calls/hypotheses.jsonl"
        assert texts(again / "hypotheses.jsonl", "lora") == texts(before, "lora")
    page = (docs / "TRANSFER.md").read_text(encoding="utf-8")
    assert page.startswith(f"a\n{script['BEGIN']}")
    assert page.endswith(f"{script['END']}\nz\n")
    assert script["render_results"](docs) in page
    [copy] = (docs / "transfer").glob("*.json")
    assert json.loads(copy.read_text(encoding="utf-8")) == result

    # A killed run goes on: rows that are there stay, what is missing comes back the same.
    log = tmp_path / "out/adapters/air/sea-calls/sets/set/hypotheses.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0] + lines[1][:9])
    whole = texts(tmp_path / "out/untouched/phone/sets/set/hypotheses.jsonl", "base")
    start(script, monkeypatch, *words)
    assert log.read_text().startswith(lines[0])
    assert json.loads((tmp_path / "out" / "transfer.json").read_text()) == result
    assert texts(tmp_path / "out/untouched/phone/sets/set/hypotheses.jsonl", "base") == whole


def test_one_run_is_no_matrix(
    script: dict[str, Any],
    runs: list[Path],
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        start(script, monkeypatch, runs[0], "--model", toy / "model", "--out", tmp_path)
    assert ended.value.code == UsageError.exit_code
    assert "is no transfer" in capsys.readouterr().err


def test_one_adapter_is_tried_on_the_sets_of_runs_of_any_base_model(
    script: dict[str, Any],
    runs: list[Path],
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "air"
    shutil.copytree(runs[1], other)
    record = json.loads((other / "run.json").read_text())
    record["model"]["sha256"] = "0" * 64
    (other / "run.json").write_text(json.dumps(record))
    words = ("--model", toy / "model", "--out", tmp_path / "out", "--sets", other)
    start(script, monkeypatch, runs[0], *words)
    result = json.loads((tmp_path / "out/transfer.json").read_text())
    assert result["adapters"] == ["none", "sea"]
    assert [each["name"] for each in result["sets"]] == ["sea: calls", "air: calls", "phone"]
    assert len(result["cells"]) == 6


def run_of(label: str, **record: Any) -> Run:
    base = {"model": {"sha256": "0"}, "normaliser": "raw", "adapter": {"sha256": label}}
    u = Utterance("u", Path("u.wav"), 0.0, 1.0, reference="tug", tags={"channel": label})
    sets = tuple(RunSet(role, role, role, (u,), ()) for role in ("domain", "silence"))
    return Run(Path(label), {**base, **record}, sets)


def test_what_cannot_stand_in_one_table_is_refused(script: dict[str, Any]) -> None:
    first = run_of("sea")
    script["check_alike"]([first, run_of("air")])
    odd: dict[str, dict[str, Any]] = {
        "base model": {"model": {"sha256": "1"}},
        "normaliser": {"normaliser": "spoken-en"},
        "without an adapter": {"adapter": None},
    }
    for said, record in odd.items():
        with pytest.raises(DataError, match=f"air: .*{said}"):
            script["check_alike"]([first, run_of("air", **record)])


def test_sets_are_named_after_their_run_and_silence_is_left_out(script: dict[str, Any]) -> None:
    found = script["common_sets"]([run_of("sea"), run_of("air")])
    assert [each.name for each in found] == ["sea: domain", "air: domain"]
    assert [each.name for each in script["common_sets"]([run_of("sea")])] == ["domain"]


def test_a_sound_that_is_not_there_is_named(script: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"u\.wav: not there"):
        script["check_sounds"](run_of("sea").sets)


def test_names_make_no_paths(script: dict[str, Any]) -> None:
    assert script["file_name"]("../../a b: c") == "a-b-c"
    assert script["file_name"]("..") == "set"


def test_the_committed_page_is_what_the_committed_results_say(script: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "TRANSFER.md").read_text(encoding="utf-8")
    between = page.partition(script["BEGIN"])[2].partition(script["END"])[0]
    assert between.strip() == script["render_results"](ROOT / "docs").strip()
