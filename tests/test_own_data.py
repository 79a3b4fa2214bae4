"""A user's own data: checked before work depends on it, split without shared speakers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_adapt.cli import cli
from asr_adapt.errors import DataError, LeakError, Stopped, UsageError
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.manifest import read_manifest
from asr_adapt.own_data import (
    CheckedData,
    ReadingRules,
    TrainingData,
    check_given_dev,
    check_shares,
    check_sounds,
    prepare_manifests,
    read_checked,
    refuse_leaks,
    refuse_unlabelled,
    select_for_dev,
    select_for_test,
    training_data,
)
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import PSEUDO_CONFIDENCE, Utterance
from asr_adapt.stopping import StopRequest
from tests.toys import toy_rows, write_csv

RULES = ReadingRules(ColumnNames(), allow_outside=True)


def silent(_: str) -> None:
    """Take a notice and say nothing."""


def broken(rows: list[Utterance], folder: Path) -> list[Utterance]:
    """Replace the third row's sound by one that cannot be read."""
    path = folder / "broken.flac"
    path.write_bytes(b"fLaC")
    return [*rows[:2], replace(rows[2], audio_path=path), *rows[3:]]


def test_sounds_that_cannot_be_used_are_named(toy: Path, tmp_path: Path) -> None:
    rows = broken(toy_rows(toy, "test"), tmp_path)
    with pytest.raises(DataError, match=r"broken\.flac") as error:
        check_sounds(rows, 0)
    assert rows[2].utterance_id in str(error.value)
    kept, excluded = check_sounds(rows, 1)
    assert [u.utterance_id for u in kept] == [
        u.utterance_id for u in rows if u.audio_path.name != "broken.flac"
    ]
    assert [row["id"] for row in excluded] == [rows[2].utterance_id]


def test_noise_is_estimated_where_nothing_says_it(toy: Path) -> None:
    rows = toy_rows(toy, "test")[:2]
    known = replace(rows[0], tags={"cnr_db": "7"})
    kept, _ = check_sounds([known, rows[1]], 0)
    assert kept[0].tags == {"cnr_db": "7"}
    assert float(kept[1].tags["snr_db"]) > 10  # tones with a little noise


def test_long_speech_goes_by_the_rule(toy: Path, tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(35 * 16_000)
    soundfile.write(tmp_path / "long.wav", noise, 16_000)
    long = replace(toy_rows(toy, "test")[0], audio_path=tmp_path / "long.wav", duration_s=35.0)
    path = write_csv(tmp_path / "data.csv", [long, *toy_rows(toy, "test")[1:4]])
    display = ProgressDisplay(quiet=True)
    with pytest.raises(DataError, match="long"):
        read_checked(path, RULES, display, StopRequest())
    skipped = read_checked(path, replace(RULES, long="skip"), display, StopRequest())
    assert len(skipped.utterances) == 3
    assert [row["reason"] for row in skipped.excluded] == ["longer than 30 s, skipped"]
    whole = read_checked(path, replace(RULES, long="split"), display, StopRequest())
    assert len(whole.utterances) == 4
    assert max(u.duration_s for u in whole.utterances) == pytest.approx(35.0)


def test_data_of_which_every_row_is_left_out_say_why(toy: Path, tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(35 * 16_000)
    soundfile.write(tmp_path / "long.wav", noise, 16_000)
    display = ProgressDisplay(quiet=True)
    long = replace(toy_rows(toy, "test")[0], audio_path=tmp_path / "long.wav", duration_s=35.0)
    path = write_csv(tmp_path / "data.csv", [long])
    with pytest.raises(DataError, match=r"data\.csv: all 1 rows were left out.*longer than 30 s"):
        read_checked(path, replace(RULES, long="skip"), display, StopRequest())
    silence = replace(long, audio_path=tmp_path / "none.wav", duration_s=1.0)
    soundfile.write(tmp_path / "none.wav", np.full(16_000, np.nan), 16_000, subtype="FLOAT")
    path = write_csv(tmp_path / "none.csv", [silence])
    with pytest.raises(DataError, match=r"none\.csv: all 1 rows were left out.*none\.wav"):
        read_checked(path, replace(RULES, max_bad=1), display, StopRequest())


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        (["inspect"], "reading"),
        (["inspect"], "listening"),
        (["prepare", "--out", "parts"], "reading"),
        (["prepare", "--out", "parts"], "checking"),
    ],
)
def test_a_signal_ends_reading_between_two_sounds(
    words: list[str], stage: str, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_csv(tmp_path / "data.csv", toy_rows(toy, "train"))
    begun: list[int] = []

    def start(_: ProgressDisplay, title: str) -> Callable[[int, int], None]:
        def told(done: int, __: int) -> None:
            if title.startswith(stage):
                begun.append(done)
                if done == 2:
                    os.kill(os.getpid(), signal.SIGINT)

        return told

    monkeypatch.setattr(ProgressDisplay, "start", start)
    words = ["data", words[0], str(path), *words[1:], "--allow-outside"]
    with pytest.raises(Stopped, match="SIGINT"):
        cli.main(words, standalone_mode=False)
    assert begun == [1, 2]
    assert not (tmp_path / "parts").exists()


def test_dev_speech_is_set_apart_by_speaker(toy: Path) -> None:
    data = CheckedData(toy_rows(toy, "train"), [])
    said: list[str] = []
    chosen = training_data(data, None, 1, said.append)
    assert not {u.utterance_id for u in chosen.train} & {u.utterance_id for u in chosen.dev}
    assert len(chosen.train) + len(chosen.dev) == len(data.utterances)
    assert said[-1].startswith(f"dev: {len(chosen.dev)} of {len(data.utterances)}")
    again = training_data(data, None, 1, silent)
    assert again == chosen


def test_the_split_column_and_given_dev_data_come_first(toy: Path) -> None:
    rows = toy_rows(toy, "train")
    names = {0: "train", 1: "dev", 2: "test"}
    marked = [replace(u, tags={"split": names[i % 3]}) for i, u in enumerate(rows)]
    chosen = training_data(CheckedData(marked, []), None, 1, silent)
    assert chosen.train == marked[0::3]
    assert chosen.dev == marked[1::3]
    given = CheckedData(toy_rows(toy, "dev"), [])
    chosen = training_data(CheckedData(marked, []), given, 1, silent)
    assert chosen.train == marked[0::3]
    assert chosen.dev == given.utterances


@pytest.mark.parametrize("part", ["train", "dev"])
def test_labelled_speech_that_would_have_to_be_split_is_refused(part: str, toy: Path) -> None:
    rows = {name: toy_rows(toy, name) for name in ("train", "dev")}
    rows[part][1] = replace(rows[part][1], duration_s=45.0)
    train, dev = CheckedData(rows["train"], []), CheckedData(rows["dev"], [])
    with pytest.raises(DataError, match=rows[part][1].utterance_id) as refused:
        training_data(train, dev, 1, silent)
    assert "--long skip" in str(refused.value)
    assert "--long split" not in str(refused.value)


def test_dev_labels_that_a_model_wrote_are_said(toy: Path) -> None:
    rows = toy_rows(toy, "train")
    made = [replace(u, tags={**u.tags, PSEUDO_CONFIDENCE: "0.81"}) for u in rows]
    said: list[str] = []
    chosen = training_data(CheckedData(made, []), None, 1, said.append)
    assert f"{len(chosen.dev)} of {len(chosen.dev)} dev labels" in said[-1]
    assert "--dev" in said[-1]
    checked = CheckedData(toy_rows(toy, "dev"), [])
    training_data(CheckedData(made, []), checked, 1, said.append)
    assert "dev labels" not in said[-1]


def test_rows_without_text_are_left_out_of_training(toy: Path) -> None:
    rows = toy_rows(toy, "train")
    rows[0] = replace(rows[0], reference=None)
    said: list[str] = []
    chosen = training_data(CheckedData(rows, []), None, 1, said.append)
    assert rows[0] not in [*chosen.train, *chosen.dev]
    assert said[0].startswith("1 utterances without text")


def test_too_little_to_split_is_said(toy: Path) -> None:
    with pytest.raises(DataError, match="too few"):
        training_data(CheckedData(toy_rows(toy, "train")[:1], []), None, 1, silent)
    given = CheckedData(toy_rows(toy, "dev"), [])
    with pytest.raises(DataError, match="0 utterances to train on"):
        training_data(CheckedData([], []), given, 1, silent)


def test_test_rows_are_those_of_the_split(toy: Path) -> None:
    rows = toy_rows(toy, "test")
    assert select_for_test(CheckedData(rows, []), None, silent) == rows
    assert select_for_test(CheckedData(rows, []), "all", silent) == rows
    with pytest.raises(DataError, match="no splits"):  # a typed name is never passed over
        select_for_test(CheckedData(rows, []), "train", silent)
    marked = [replace(u, tags={"split": "test" if i else "train"}) for i, u in enumerate(rows)]
    data = CheckedData(marked, [])
    assert select_for_test(data, "test", silent) == marked[1:]
    assert select_for_test(data, None, silent) == marked[1:]
    assert select_for_test(data, None, silent, usual="train") == marked[:1]
    assert select_for_test(data, "all", silent) == marked
    with pytest.raises(DataError, match="--split"):
        select_for_test(data, "dev", silent)


def test_dev_rows_are_those_marked_or_else_those_not_marked_otherwise(toy: Path) -> None:
    rows = toy_rows(toy, "dev")
    assert select_for_dev("d", CheckedData(rows, []), silent).utterances == rows
    names = ("train", "dev", "test")
    marked = [replace(u, tags={"split": names[i % 3]}) for i, u in enumerate(rows)]
    assert select_for_dev("d", CheckedData(marked, []), silent).utterances == marked[1::3]
    partly = [u if u.tags["split"] != "dev" else replace(u, tags={}) for u in marked]
    assert select_for_dev("d", CheckedData(partly, []), silent).utterances == partly[1::3]
    with pytest.raises(DataError, match=r"^d: every row is marked train or test.*--dev"):
        select_for_dev("d", CheckedData(marked[0::3], []), silent)


def test_dev_data_need_text(toy: Path) -> None:
    rows = toy_rows(toy, "dev")
    bare = [replace(u, reference=None) for u in rows]
    with pytest.raises(DataError, match=rf"^d: none of {len(rows)} utterances has a text.*--dev"):
        select_for_dev("d", CheckedData(bare, []), silent)
    said: list[str] = []
    kept = select_for_dev("d", CheckedData([*bare[:1], *rows[1:]], []), said.append)
    assert kept.utterances == rows[1:]
    assert said[0].startswith(f"d: {len(rows) - 1} of {len(rows)} utterances are dev")


def test_given_dev_is_not_trained_on_and_what_else_it_shares_is_said(toy: Path) -> None:
    train, dev = toy_rows(toy, "train"), toy_rows(toy, "dev")
    apart = [replace(u, speaker="ben", recording_id=f"d{i}") for i, u in enumerate(dev)]
    heard = [replace(u, speaker="ann", recording_id=f"t{i}") for i, u in enumerate(train)]
    said: list[str] = []
    check_given_dev(TrainingData(heard, apart), said.append)
    assert said == []
    of_ann, of_t3 = replace(apart[0], speaker="ann"), replace(apart[0], recording_id="t3")
    for name, shared in (("ann", of_ann), ("t3", of_t3)):
        check_given_dev(TrainingData(heard, [*apart, shared]), said.append)
        assert f"'{name}'" in said[-1]
    assert len(said) == 2
    with pytest.raises(LeakError, match=rf"1 of {len(dev)} dev utterances.*--allow-leaks"):
        check_given_dev(TrainingData(heard, [*apart[1:], heard[3]]), silent)


def test_a_test_set_without_any_text_is_refused(toy: Path) -> None:
    bare = [replace(u, reference=None) for u in toy_rows(toy, "test")[:2]]
    with pytest.raises(DataError, match=r"^calls: none of 2 utterances has a text.*transcribe"):
        refuse_unlabelled("calls", bare)
    silence = replace(bare[0], reference="")
    refuse_unlabelled("calls", [bare[1], silence])


def test_leaks_are_refused_or_said() -> None:
    def leak() -> None:
        raise LeakError("ann is in both")

    said: list[str] = []
    with pytest.raises(LeakError):
        refuse_leaks(leak, False, said.append)
    assert refuse_leaks(leak, True, said.append) == "LEAK: ann is in both"
    assert said == ["leak allowed: ann is in both"]
    assert refuse_leaks(lambda: None, False, said.append).startswith("no test speaker")


def test_prepared_manifests_share_no_speaker(toy: Path, tmp_path: Path) -> None:
    rows = [
        replace(u, speaker=f"s{i % 12}")
        for i, u in enumerate([*toy_rows(toy, "train"), *toy_rows(toy, "test")])
    ]
    written = prepare_manifests(CheckedData(rows, []), tmp_path, 0.1, 0.2, 1, silent)
    parts = {name: read_manifest(tmp_path / name, allow_outside=True) for name in written}
    assert sum(written.values()) == len(rows)
    speakers = [{u.speaker for u in part} for part in parts.values()]
    assert sum(map(len, speakers)) == len(set().union(*speakers)) == 12
    assert len(parts["train.jsonl"]) > len(parts["test.jsonl"]) >= len(parts["dev.jsonl"])


def test_test_speech_is_never_split_off_by_clip(toy: Path, tmp_path: Path) -> None:
    rows = [replace(u, speaker="ann", recording_id="r") for u in toy_rows(toy, "train")]
    with pytest.raises(LeakError, match="column 'split'"):
        prepare_manifests(CheckedData(rows, []), tmp_path, 0.1, 0.2, 1, silent)
    assert not list(tmp_path.iterdir())


def test_prepared_manifests_honour_the_split_column(toy: Path, tmp_path: Path) -> None:
    rows = [replace(u, speaker=f"s{i}") for i, u in enumerate(toy_rows(toy, "train"))]
    marked = [replace(u, tags={**u.tags, "split": "test"}) for u in rows[:3]]
    marked += [replace(u, tags={**u.tags, "split": "train"}) for u in rows[3:8]]
    said: list[str] = []
    prepare_manifests(CheckedData([*marked, *rows[8:]], []), tmp_path, 0.1, 0.2, 1, said.append)
    assert said[0] == "test: by the split column"
    assert said[1].startswith("dev: by speaker")
    parts = {
        name: read_manifest(tmp_path / f"{name}.jsonl", allow_outside=True)
        for name in ("train", "dev", "test")
    }
    assert [u.utterance_id for u in parts["test"]] == [u.utterance_id for u in rows[:3]]
    assert sum(map(len, parts.values())) == len(rows)
    for name, part in parts.items():
        assert {u.tags["split"] for u in part} == {name}


def test_a_split_column_that_leaks_is_said_and_one_without_train_refused(
    toy: Path, tmp_path: Path
) -> None:
    rows = [replace(u, speaker="ann") for u in toy_rows(toy, "train")]
    names = ("train", "dev", "test")
    marked = [replace(u, tags={"split": names[i % 3]}) for i, u in enumerate(rows)]
    said: list[str] = []
    prepare_manifests(CheckedData(marked, []), tmp_path, 0.1, 0.2, 1, said.append)
    assert "'ann'" in said[2]
    held_out = [u for u in marked if u.tags["split"] != "train"]
    with pytest.raises(DataError, match="none is left for train"):
        prepare_manifests(CheckedData(held_out, []), tmp_path, 0.1, 0.2, 1, silent)


def test_preparing_again_changes_nothing_and_never_replaces_other_rows(
    toy: Path, tmp_path: Path
) -> None:
    data = CheckedData(toy_rows(toy, "train"), [])
    prepare_manifests(data, tmp_path, 0.1, 0.2, 1, silent)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    prepare_manifests(data, tmp_path, 0.1, 0.2, 1, silent)
    (tmp_path / "dev.jsonl").write_text("my own\n")
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(UsageError, match=r"dev\.jsonl: is there already.*--out"):
        prepare_manifests(data, tmp_path, 0.1, 0.2, 1, silent)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after == {"dev.jsonl": b"my own\n", "test.jsonl": before["test.jsonl"]}


def test_audio_outside_of_the_manifests_is_said_with_the_way_out(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, u in enumerate(rows := toy_rows(toy, "train")):
        copy = tmp_path / "my calls" / f"{number}.wav"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(u.audio_path.read_bytes())
        rows[number] = replace(u, audio_path=copy)
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    prepare_manifests(CheckedData(rows, []), Path("data/calls"), 0.1, 0.2, 1, said.append)
    assert "--allow-outside" in said[-1]
    assert "--out 'my calls' needs no option" in said[-1]
    read_manifest(Path("data/calls/train.jsonl"), allow_outside=True)
    prepare_manifests(CheckedData(rows, []), Path("my calls"), 0.1, 0.2, 1, said.append)
    assert not said[-1].startswith("my calls")
    read_manifest(Path("my calls/train.jsonl"))


@pytest.mark.parametrize(
    ("dev", "test", "named"),
    [
        (0.1, -0.1, "--test-share -0.1"),
        (0.1, 0.0, "--test-share 0"),
        (0.1, 1.0, "--test-share 1"),
        (float("nan"), 0.2, "--dev-share nan"),
        (0.6, 0.6, "--dev-share 0.6 and --test-share 0.6"),
    ],
)
def test_shares_that_leave_a_part_empty_are_refused_by_option(
    dev: float, test: float, named: str
) -> None:
    check_shares(0.1, 0.2)
    with pytest.raises(UsageError, match=f"^{named}:"):
        check_shares(dev, test)


def test_shares_are_looked_at_before_data(tmp_path: Path) -> None:
    words = ["data", "prepare", str(tmp_path / "none.csv"), "--out", str(tmp_path)]
    with pytest.raises(UsageError, match="--test-share 0:"):
        cli.main([*words, "--test-share", "0"], standalone_mode=False)
