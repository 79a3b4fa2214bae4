"""What training measures its weights on: speech of the trade, and clips in which nobody speaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.settings import Augmentation
from asr_adapt.training import dev, selection
from asr_adapt.training.dev import dev_sets, words_per_second
from asr_adapt.training.quiet import quiet_clips
from asr_adapt.training.train_job import TrainJob
from tests.toys import toy_job, toy_rows, train_toy, with_settings

SHARE = 0.25
MADE = 3


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many made clips as show what is to be seen."""
    monkeypatch.setattr(dev, "MADE_CLIPS", MADE)


def learning_silence(toy: Path, channel: str = "none") -> TrainJob:
    job = toy_job(toy)
    augment = Augmentation(channel=channel)
    return with_settings(job, replace(job.settings, silence_share=SHARE, augment=augment))


def test_clips_without_speech_are_a_set_of_their_own(toy: Path, tmp_path: Path) -> None:
    """However many there are, none takes the place of speech."""
    job = learning_silence(toy)
    silent = [
        replace(job.dev[0], utterance_id=f"silent-{i}", reference="", recording_id=f"r{i}")
        for i in range(3)
    ]
    found = dev_sets(replace(job, dev=[*silent, *job.dev]), [], tmp_path)
    assert list(found.silence) == silent
    assert found.domain == dev_sets(job, [], tmp_path).domain
    assert len(found.domain) == job.settings.dev_limit
    assert not any(u.reference == "" for u in found.domain)


@pytest.mark.parametrize("channel", ["none", "vhf"])
def test_without_any_some_are_made_that_training_does_not_hear(
    channel: str, toy: Path, tmp_path: Path
) -> None:
    found = dev_sets(learning_silence(toy, channel), [], tmp_path).silence
    assert len(found) == MADE
    assert {u.reference for u in found} == {""}
    assert len({u.recording_id for u in found}) == MADE
    heard = quiet_clips(toy_rows(toy, "train"), MADE, tmp_path / "quiet", (1, 6))
    sounds = [{u.audio_path.read_bytes() for u in rows} for rows in (found, heard)]
    assert not sounds[0] & sounds[1]


def test_who_wants_no_silence_gets_none(toy: Path, tmp_path: Path) -> None:
    assert not dev_sets(toy_job(toy), [], tmp_path).silence
    assert not list(tmp_path.iterdir())


def test_pace_counts_words_over_all_of_the_speech() -> None:
    rows = [
        Utterance(f"u{i}", Path("a.wav"), 0.0, length, text)
        for i, (length, text) in enumerate([(2.0, "one two"), (4.0, "one two three four five")])
    ]
    assert words_per_second(rows, "raw") == pytest.approx(7 / 6)


def test_made_up_words_are_measured_against_speech_of_that_length(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two words in each silent clip at every strength."""

    def decode(_m: object, rows: list[Utterance], _a: object, _s: object, log: object, _: object):  # type: ignore[no-untyped-def]
        log.append([Hypothesis(u.utterance_id, "lora", "not said") for u in rows])  # type: ignore[attr-defined]

    job = learning_silence(toy)
    monkeypatch.setattr(selection, "decode_arms", decode)
    card = train_toy(toy, job, tmp_path / "out")
    sets = dev_sets(job, [], tmp_path)
    length_s = sum(clip.duration_s for clip in sets.silence)
    expected = 2 * MADE / (length_s * words_per_second(sets.domain, job.normaliser))
    assert len(card.strength_wer) == 4
    assert all(row["silence_wer"] == pytest.approx(expected) for row in card.strength_wer)
    assert card.strength == 0.4
