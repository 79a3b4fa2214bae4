"""A recipe of one's own data: it runs, can be moved, and never trains on a test speaker."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_adapt.base_weights.weights import PACKAGES, package_files
from asr_adapt.cli import cli
from asr_adapt.config import load_recipe
from asr_adapt.errors import DataError, LeakError, Stopped, UsageError
from asr_adapt.manifest import read_manifest
from asr_adapt.own_data import CheckedData
from asr_adapt.own_recipe import PARTS, NewRecipe, write_recipe
from asr_adapt.records import Utterance
from asr_adapt.stopping import StopRequest

SPEAKERS = ("ann", "bob", "cid", "dee", "eve", "fay")


@pytest.fixture
def rows(tmp_path: Path) -> list[Utterance]:
    """Four clips of each of six speakers, in folders of their own, all clips of one name."""
    made = []
    rng = np.random.default_rng(1)
    for speaker in SPEAKERS:
        for number in range(4):
            path = tmp_path / "calls" / speaker / f"day{number}" / "call.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, 0.1 * rng.standard_normal(8000), 16_000)
            name = f"{speaker}{number}"
            text = f"call {number} of {speaker}"
            made.append(Utterance(name, path, 0.0, 0.5, reference=text, speaker=speaker))
    return made


def make(
    rows: list[Utterance], out: Path, name: str = "calls", stop: StopRequest | None = None
) -> dict[str, int]:
    """Write a recipe and return its counts."""
    wanted = NewRecipe(name, 'the "calls"\n.csv', "whisper-tiny.en", seed=3)
    said: list[str] = []
    return write_recipe(
        CheckedData(rows, []),
        wanted,
        out,
        notice=said.append,
        progress=lambda done, total: None,
        stop=stop or StopRequest(),
    )


def test_parts_share_no_speaker_and_lose_nothing(rows: list[Utterance], tmp_path: Path) -> None:
    counts = make(rows, tmp_path / "recipes")
    folder = tmp_path / "recipes/calls/data"
    parts = {name: read_manifest(folder / f"{name}.jsonl") for name in PARTS}
    assert {name: len(members) for name, members in parts.items()} == counts
    assert sorted(u.utterance_id for p in parts.values() for u in p) == sorted(
        u.utterance_id for u in rows
    )
    speakers = [{u.speaker for u in members} for members in parts.values()]
    assert sum(map(len, speakers)) == len(SPEAKERS)
    assert all(speakers)


def test_the_folder_can_be_moved_and_its_sounds_are_the_originals(
    rows: list[Utterance], tmp_path: Path
) -> None:
    make(rows, tmp_path / "recipes")
    original = {u.utterance_id: u.audio_path.read_bytes() for u in rows}
    moved = tmp_path / "elsewhere" / "calls"
    moved.parent.mkdir()
    shutil.move(tmp_path / "recipes/calls", moved)
    shutil.rmtree(tmp_path / "calls")
    for name in PARTS:
        path = moved / "data" / f"{name}.jsonl"
        for line in path.read_text().splitlines():
            assert not Path(json.loads(line)["audio_path"]).is_absolute()
        for u in read_manifest(path):
            assert u.audio_path.read_bytes() == original[u.utterance_id]
    config = load_recipe(moved / "recipe.toml")
    assert config.data_dir == "data"
    assert config.seed == 3


def test_the_split_column_is_obeyed_unless_it_leaks(rows: list[Utterance], tmp_path: Path) -> None:
    marked = [replace(u, tags={"split": "test" if u.speaker == "eve" else "train"}) for u in rows]
    make(marked, tmp_path / "recipes")
    test = read_manifest(tmp_path / "recipes/calls/data/test.jsonl")
    assert {u.speaker for u in test} == {"eve"}
    leaking = [
        replace(u, tags={"split": "test" if n == 0 else "train"}) for n, u in enumerate(rows)
    ]
    with pytest.raises(LeakError, match="'ann'"):
        make(leaking, tmp_path / "recipes", "leaking")
    assert not (tmp_path / "recipes/leaking").exists()


def test_one_speaker_is_not_tested_on_what_was_trained_on(
    rows: list[Utterance], tmp_path: Path
) -> None:
    with pytest.raises(LeakError, match="column 'split'"):
        make([replace(u, speaker="ann") for u in rows], tmp_path / "recipes")
    assert not list((tmp_path / "recipes").glob("*"))


def test_rows_without_text_are_left_out_and_too_few_are_refused(
    rows: list[Utterance], tmp_path: Path
) -> None:
    some = [replace(u, reference=None) if u.speaker == "fay" else u for u in rows]
    assert sum(make(some, tmp_path / "recipes").values()) == 20
    with pytest.raises(DataError):
        make([replace(u, reference=None) for u in rows[1:]] + rows[:1], tmp_path / "other")


def test_what_is_there_stays_and_what_is_stopped_leaves_nothing(
    rows: list[Utterance], tmp_path: Path
) -> None:
    out = tmp_path / "recipes"
    (out / "calls").mkdir(parents=True)
    with pytest.raises(UsageError, match="is there already"):
        make(rows, out)
    assert not list((out / "calls").iterdir())
    stop = StopRequest(signal_name="SIGTERM")
    with pytest.raises(Stopped):
        make(rows, out, "stopped", stop)
    assert [path.name for path in out.iterdir()] == ["calls"]


@pytest.mark.parametrize("name", ["", "../calls", "a b", "-x", "a/b", "x\ny"])
def test_names_that_are_no_folder_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name a folder"):
        NewRecipe(name, "calls.csv", "whisper-tiny.en")


@pytest.mark.parametrize("shares", [(0, 0.2), (0.1, 0), (0.5, 0.5), (float("nan"), 0.2)])
def test_shares_that_leave_nothing_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="share"):
        NewRecipe("calls", "calls.csv", "whisper-tiny.en", *shares)


@pytest.mark.weights
@pytest.mark.slow
def test_a_handful_of_clips_becomes_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six sentences, as if of six speakers, whisper-tiny.en: table, recipe, adapter, report."""
    if package_files(PACKAGES["whisper-tiny.en"]) is None:
        pytest.skip("whisper-tiny.en is not installed")
    hibari = pytest.importorskip("hibari")
    voice = hibari.Hibari()
    monkeypatch.chdir(tmp_path)
    lines = ["audio,text,speaker,context"]
    for number, ship in enumerate(("Anna", "Star", "Nora", "Luna", "Vega", "Orca")):
        text = f"{ship} to harbour control"
        soundfile.write(f"{number}.wav", np.asarray(voice(text), np.float32), 24000)
        lines.append(f"{number}.wav,{text},speaker{number},{ship}")
    Path("calls.csv").write_text("\n".join(lines) + "\n")
    cli.main(["new-recipe", "calls", "--from", "calls.csv"], standalone_mode=False)
    small = ("train.epochs=1", "train.evaluations=1")
    sets = [word for key in small for word in ("--set", key)]
    command = ["run", "recipes/calls/recipe.toml", *sets, "--out", "run"]
    cli.main(command, standalone_mode=False)
    report = json.loads(Path("run/report.json").read_text())
    assert [arm["name"] for arm in report["arms"]] == ["base", "base+bias", "lora", "lora+bias"]
    assert "no test speaker" in report["run"]["leak_check"]
