"""What trackers are told of a report, read back with their own packages."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from asr_adapt import environment
from asr_adapt.errors import EnvironmentProblem, UsageError
from asr_adapt.progress import ProgressDisplay
from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.make import ReportWishes, make_report
from asr_adapt.reporting.results import Report
from asr_adapt.reporting.trackers import log, logged, to_tensorboard
from tests.hostile import HOSTILE, hostile_run
from tests.test_report import make_run

Built = tuple[Report, Path, dict[str, Any]]
SAFE = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("logged")
    report = build_report([make_run(folder / "run", count=6)], folder / "out")
    return report, folder / "out", json.loads((folder / "out/report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    report = build_report([hostile_run(folder / "run")], folder / "out", embed_audio=True)
    return report, folder / "out"


def records(table: logged.Table) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def leaves(record: Mapping[str, Any]) -> list[float]:
    """Return all numbers of a JSON object, those in lists of two too, in their order."""
    found: list[float] = []
    for value in record.values():
        if isinstance(value, dict):
            found += leaves(value)
        elif isinstance(value, list) and all(isinstance(each, float) for each in value):
            found += value
        elif isinstance(value, int | float):
            found.append(value)
    return found


def test_tables_hold_every_number_of_the_json(built: Built) -> None:
    report, out, content = built
    told = logged.collect(report, out)
    for table, key in ((told.arms, "arms"), (told.comparisons, "comparisons")):
        rows = records(table)
        wanted = [(part["name"], each) for part in content["sets"] for each in part[key]]
        assert [row["set"] for row in rows] == [name for name, _ in wanted]
        for row, (_, each) in zip(rows, wanted, strict=True):
            numbers = [value for value in row.values() if isinstance(value, int | float)]
            assert set(leaves(each)) <= set(numbers)
            assert row.get("name") == each.get("name")
            assert len(numbers) >= len(leaves(each))
    for part in content["sets"]:
        for arm in part["arms"]:
            label = arm["name"].replace("+", "_")
            assert told.figures.get(f"{part['name']}/{label}/wer") == arm["wer"]


def test_each_shown_utterance_is_a_row_with_all_arms(built: Built) -> None:
    report, out, _ = built
    told = logged.collect(report, out)
    shown = [(part, each) for part in report.sets for each in part.examples]
    sounds = {each.name: each for each in told.sounds}
    for row, (part, example) in zip(records(told.utterances), shown, strict=True):
        assert (row["set"], row["utterance_id"]) == (
            part.entry.name,
            example.utterance.utterance_id,
        )
        assert row["reference"] == example.utterance.reference
        for heard in example.heard:
            assert row[heard.arm] == heard.text
            assert row[f"{heard.arm} WER"] == heard.score.words.rate
        assert example.clip is not None
        assert sounds[row["sound"]].wav == (out / example.clip.address).read_bytes()


def test_sounds_shown_for_a_reason_come_first(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, out, _ = built
    shown = [each for part in report.sets for each in part.examples]
    wanted = {f"u{i}.wav" for i, each in enumerate(shown) if each.reasons}
    assert 0 < len(wanted) < len(shown)
    monkeypatch.setattr(logged, "MOST_SOUNDS", len(wanted))
    assert {each.name for each in logged.collect(report, out).sounds} == wanted


def test_hostile_text_stays_text(hostile: tuple[Report, Path]) -> None:
    told = logged.collect(*hostile)
    for key in [*told.figures, *(each.label for each in told.sounds)]:
        assert SAFE.fullmatch(key)
        assert ".." not in key.split("/")
        assert len(key) <= 250
    assert all(re.fullmatch(r"u\d+\.wav", each.name) for each in told.sounds)
    assert len({each.label for each in told.sounds}) == len(told.sounds) > 0
    said = {str(row["reference"]) for row in records(told.utterances)}
    encoded = (text.encode("utf-8", "replace").decode() for text in HOSTILE)
    assert all(any(text in each for each in said) for text in encoded)
    assert told.sounds[0].wav[:4] == b"RIFF"  # from an embedded page


def test_labels_are_apart_whatever_the_names_are() -> None:
    names = ["a+b", "a_b", "A/B", "x" * 300, "x" * 299 + "y", "..", "", "é", "a b"]
    found = logged.labels(names)
    assert list(found) == names
    assert len({each.casefold() for each in found.values()}) == len(names)
    assert all(SAFE.fullmatch(each) and "/" not in each for each in found.values())


def test_tensorboard_reads_what_was_logged(built: Built) -> None:
    pytest.importorskip("tensorboard")
    report, out, _ = built
    told = logged.collect(report, out)
    (out / "tensorboard").mkdir()
    (out / "tensorboard" / "mine.txt").write_text("kept")
    for _ in range(2):  # the second replaces the first
        said = to_tensorboard.write(told, out)
    assert said == f"tensorboard --logdir {out / 'tensorboard'}"
    assert len(list((out / "tensorboard").iterdir())) == 2
    read = read_events(out / "tensorboard")
    assert read.Tags()["scalars"] == list(told.figures)
    for key, value in told.figures.items():
        assert [each.value for each in read.Scalars(key)] == [pytest.approx(value, rel=1e-6)]
    assert len(read.Tags()["audio"]) == len(told.sounds) > 0
    for sound in told.sounds:
        (event,) = read.Audio(f"sounds/{sound.label}")
        assert event.encoded_audio_string == sound.wav
        assert event.length_frames == round(event.sample_rate * clip_length(report, sound.name))
    for table in told.tables:
        (text,) = read.Tensors(f"{table.name}/text")
        lines = text.tensor_proto.string_val[0].decode().splitlines()
        assert len(lines) == len(table.rows) + 2


def read_events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder), size_guidance=dict.fromkeys(("audio", "tensors"), 0))
    read.Reload()
    return read


def clip_length(report: Report, name: str) -> float:
    shown = [each for part in report.sets for each in part.examples]
    clip = shown[int(name[1:-4])].clip
    assert clip is not None
    return clip.duration_s


@pytest.mark.filterwarnings("ignore")  # of its own copy of html5lib
def test_tensorboard_renders_hostile_text_as_text(hostile: tuple[Report, Path]) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.plugin_util import markdown_to_safe_html

    report, out = hostile
    shown = markdown_to_safe_html(to_tensorboard.markdown(logged.collect(report, out).utterances))
    assert shown.count("<tr>") == 1 + sum(len(part.examples) for part in report.sets)
    assert not re.search(r"<(?!/?(table|thead|tbody|tr|th|td)\b)", shown)


@pytest.mark.filterwarnings("ignore")  # of what mlflow is made of
def test_mlflow_reads_what_was_logged(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    read_back_from_mlflow(mlflow, built[0], built[1], tmp_path, monkeypatch)


@pytest.mark.filterwarnings("ignore")  # of what mlflow is made of
def test_mlflow_keeps_hostile_text(
    hostile: tuple[Report, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    read_back_from_mlflow(mlflow, *hostile, tmp_path, monkeypatch)


def read_back_from_mlflow(
    mlflow: Any, report: Report, out: Path, folder: Path, patch: pytest.MonkeyPatch
) -> None:
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'runs.db'}")
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    patch.chdir(folder)
    told = logged.collect(report, out)
    said: list[str] = []
    log.log_report(report, out, ["mlflow"], said.append)
    found = re.search(r"run (\w+) in sqlite", said[0])
    assert found
    run = mlflow.get_run(found[1])
    assert run.data.metrics == pytest.approx(dict(told.figures))
    client = mlflow.MlflowClient()
    names = {each.path for each in client.list_artifacts(found[1], "sounds")}
    assert names == {f"sounds/{each.name}" for each in told.sounds}
    here = Path(mlflow.artifacts.download_artifacts(run_id=found[1], artifact_path="sounds"))
    for sound in told.sounds:
        assert (here / sound.name).read_bytes() == sound.wav
    for table in told.tables:
        frame = mlflow.load_table(f"tables/{table.name}.json", run_ids=[found[1]])
        assert list(frame.columns) == list(table.columns)
        assert len(frame) == len(table.rows)
    heard = mlflow.load_table("tables/utterances.json", run_ids=[found[1]])
    assert list(heard["reference"]) == [row["reference"] for row in records(told.utterances)]


@pytest.mark.filterwarnings("ignore")  # of what wandb is made of
def test_wandb_keeps_what_was_logged(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    read_back_from_wandb(built[0], built[1], tmp_path, monkeypatch)


@pytest.mark.filterwarnings("ignore")  # of what wandb is made of
def test_wandb_keeps_hostile_text(
    hostile: tuple[Report, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    read_back_from_wandb(*hostile, tmp_path, monkeypatch)


def read_back_from_wandb(
    report: Report, out: Path, folder: Path, patch: pytest.MonkeyPatch
) -> None:
    patch.setenv("WANDB_MODE", "offline")
    for name in ("CONFIG", "CACHE", "DATA"):
        patch.setenv(f"WANDB_{name}_DIR", str(folder / name))
    told = logged.collect(report, out)
    said: list[str] = []
    log.log_report(report, out, ["wandb"], said.append)
    home, tables = Path(said[0].rpartition("wandb sync ")[2]), told.tables
    assert home.parent == out / "wandb"
    plain = list((home / "files/media/table").glob("*.table.json"))
    assert sorted(path.name.partition("_")[0] for path in plain) == sorted(t.name for t in tables)
    # What is sent later, with the sounds that the table in `plain` only names.
    staged = [path.read_bytes() for path in (folder / "DATA/artifacts/staging").iterdir()]
    stored = {
        tuple(table["columns"]): table["data"]
        for table in (json.loads(each) for each in staged if each[:1] == b"{")
        if "columns" in table
    }
    digests = {hashlib.sha256(each).hexdigest() for each in staged}
    sounds = {each.name: hashlib.sha256(each.wav).hexdigest() for each in told.sounds}
    assert set(sounds.values()) <= digests
    for table in tables:
        for row, kept in zip(table.rows, stored[table.columns], strict=True):
            for column, mine, theirs in zip(table.columns, row, kept, strict=True):
                if column == "sound" and mine:
                    assert theirs["sha256"] == sounds[str(mine)]
                    assert SAFE.fullmatch(theirs["path"])
                else:
                    assert theirs == mine


@pytest.mark.parametrize("name", log.WRITERS)
def test_a_missing_package_is_named_before_any_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(wanted: str) -> object:
        return None if wanted == name else find_spec(wanted)

    monkeypatch.setattr(environment, "find_spec", find)
    wishes = ReportWishes(log_to=[name])
    with pytest.raises(EnvironmentProblem, match=rf"pip install 'asr-adapt\[{name[0]}?"):
        make_report([tmp_path], tmp_path / "out", wishes, ProgressDisplay(quiet=True), seed=1)
    assert not (tmp_path / "out").exists()


def test_unknown_trackers_are_refused() -> None:
    with pytest.raises(UsageError, match="tensorboard, wandb, mlflow"):
        log.check_trackers(["tensorboard", "neptune"])
    log.check_trackers([])
