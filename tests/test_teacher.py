"""General speech gets the base model's own text, once, and no label is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from asr_adapt.adapter import AdapterCard, read_card
from asr_adapt.audio import load_utterance
from asr_adapt.decode import ArmPlan, decode_arms
from asr_adapt.errors import Stopped
from asr_adapt.files import file_sha256
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses
from asr_adapt.model import SpeechModel, mel_features, prompted_start, with_adapter
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.settings import DecodeSettings, ReplaySettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import REPLAY, text_tokens
from asr_adapt.training.lessons import keyed, lessons
from asr_adapt.training.strength import best_strength
from asr_adapt.training.teacher import draw, teach, usable
from asr_adapt.training.train import finetune
from asr_adapt.training.train_job import TrainJob
from asr_adapt.window import FULL_WINDOW
from tests.toys import TOY_FULL, toy_base, toy_job, toy_rows, train_toy, with_settings


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def trained(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All weights of a toy that writes something, as an adapter folder."""
    folder = tmp_path_factory.mktemp("trained") / "full"
    train_toy(toy, with_settings(toy_job(toy), TOY_FULL), folder)
    return folder


@pytest.fixture
def _babble_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take whatever the toy writes, loops and all."""
    monkeypatch.setattr("asr_adapt.training.teacher.usable", lambda row: bool(row.text))


@pytest.fixture
def base(toy: Path, trained: Path, _babble_will_do: None) -> SpeechModel:
    return replace(with_adapter(toy_base(toy), trained), window=FULL_WINDOW, card=None)


def silent(_: str) -> None:
    pass


def taught(base: SpeechModel, general: Sequence[Utterance]) -> list[str]:
    """Return the texts of the clips to replay."""
    settings = ReplaySettings(clips=6, dev_clips=2)
    speech = teach(base, general, [], settings, 1, stop=StopRequest(), notice=silent)
    return [u.reference or "" for u in speech.replay]


def test_the_text_is_what_the_base_model_decodes(
    toy: Path, base: SpeechModel, tmp_path: Path
) -> None:
    general = [replace(u, reference=None) for u in toy_rows(toy, "train")[:12]]
    settings = ReplaySettings(clips=8, dev_clips=2)
    speech = teach(base, general, [], settings, 1, stop=StopRequest(), notice=silent)
    log = HypothesisLog(tmp_path / "log.jsonl")
    decode_arms(base, general, [ArmPlan("base")], DecodeSettings(), log, StopRequest())
    expected = {row.utterance_id: row.text for row in read_hypotheses(log.path) if row.text}
    rows = [*speech.replay, *speech.dev]
    assert rows
    assert {u.utterance_id for u in rows} <= set(expected)
    assert all(u.reference == expected[u.utterance_id] for u in rows)
    assert {u.tags["channel"] for u in rows} == {REPLAY}
    assert not {u.utterance_id for u in speech.replay} & {u.utterance_id for u in speech.dev}


def test_labels_change_nothing_and_the_second_time_nothing_is_decoded(
    toy: Path, base: SpeechModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    general = toy_rows(toy, "train")[:10]
    before = taught(base, general)
    monkeypatch.setattr("asr_adapt.training.lessons.encode_batch", None)  # a decode would fail
    assert (
        taught(base, [replace(u, reference=f"label {i}") for i, u in enumerate(general)]) == before
    )
    moved = [replace(u, utterance_id=f"other-{u.utterance_id}") for u in general]
    assert taught(base, moved) == before


def test_the_key_is_the_sound_not_its_name(toy: Path, tmp_path: Path) -> None:
    clip = toy_rows(toy, "train")[0]
    copy = tmp_path / "copy.flac"
    copy.write_bytes(clip.audio_path.read_bytes())
    same = replace(clip, audio_path=copy, utterance_id="x")
    others = [replace(clip, start_s=0.1), replace(clip, language="de")]
    keys = [key for key, _ in keyed([clip, same, *others])]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_file_is_read_once_for_all_its_stretches(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr("asr_adapt.files.file_sha256", counted)
    copy = tmp_path / "copy.flac"
    copy.write_bytes(toy_rows(toy, "train")[0].audio_path.read_bytes())
    clip = replace(toy_rows(toy, "train")[0], audio_path=copy)
    keys = [key for key, _ in keyed([replace(clip, start_s=0.1 * i) for i in range(5)])]
    assert len(set(keys)) == 5
    assert read == [clip.audio_path]


def test_a_damaged_lesson_is_listened_to_again(
    toy: Path, base: SpeechModel, tmp_path: Path
) -> None:
    general = toy_rows(toy, "train")[:10]
    before = taught(base, general)
    written = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert written
    written[0].write_bytes(written[0].read_bytes()[:50])
    assert taught(base, general) == before
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_no_more_is_drawn_than_asked_for_and_a_fifth_is_the_most_for_dev(toy: Path) -> None:
    general = toy_rows(toy, "train")[:10]
    drawn = draw(general, [], ReplaySettings(clips=3, dev_clips=40), 1)
    assert (len(drawn.replay), len(drawn.dev)) == (3, 2)
    assert draw(general, [], ReplaySettings(clips=3, dev_clips=40), 1) == drawn
    assert draw([], [], ReplaySettings(), 1) == draw([], [], ReplaySettings(), 2)


@pytest.mark.usefixtures("_babble_will_do")
def test_voices_that_are_trained_on_and_measured_on_are_said(toy: Path, base: SpeechModel) -> None:
    """One voice among the general speech leaves no choice; many do, unless all are trained on."""
    clips = toy_rows(toy, "train")[:10]
    apart = [replace(u, speaker=f"s{number}") for number, u in enumerate(clips)]
    one = [replace(u, speaker="anna") for u in clips]
    for general, labelled, warned in ((apart, [], False), (one, [], True), (apart, apart, True)):
        told: list[str] = []
        settings = ReplaySettings(clips=8, dev_clips=2)
        teach(base, general, labelled, settings, 1, stop=StopRequest(), notice=told.append)
        assert any("voices that are not trained on" in line for line in told) == warned


def test_a_loop_or_silence_is_not_taught() -> None:
    assert usable(Hypothesis("a", "base", "Good morning."))
    assert not usable(Hypothesis("a", "base", ""))
    assert not usable(Hypothesis("a", "base", "a a a a a a", flags=("loop",)))
    assert not usable(Hypothesis("a", "base", "", error="no sound"))


def test_a_stop_ends_the_lesson_and_it_goes_on(toy: Path, base: SpeechModel) -> None:
    stop = StopRequest()
    stop.signal_name = "SIGTERM"
    general = toy_rows(toy, "train")[:10]
    with pytest.raises(Stopped):
        teach(base, general, [], ReplaySettings(), 1, stop=stop, notice=silent)
    assert taught(base, general)


@pytest.mark.usefixtures("_babble_will_do")
def test_training_replays_and_measures_general_speech(
    toy: Path, trained: Path, tmp_path: Path
) -> None:
    job = toy_job(toy)
    general = [replace(u, reference=None) for u in toy_rows(toy, "train")[16:28]]

    def train(job: TrainJob, name: str) -> AdapterCard:
        base = replace(with_adapter(toy_base(toy), trained), window=FULL_WINDOW, card=None)
        return finetune(base, job, tmp_path / name, resume=False, stop=StopRequest())

    card, plain = train(replace(job, general=general), "with"), train(job, "without")
    assert card.steps > plain.steps
    assert card.label_minutes == plain.label_minutes  # nothing of it was labelled by anyone
    assert all("general_wer" in row for row in card.strength_wer)
    over_a_channel = job.settings.augment.channel != "none"
    assert all(("received_wer" in row) == over_a_channel for row in card.strength_wer)
    assert not any("general_wer" in row for row in plain.strength_wer)
    assert read_card(tmp_path / "with").strength == best_strength(card.strength_wer)


@pytest.mark.usefixtures("float32")
def test_what_else_a_text_might_be_is_what_the_model_finds_likely(
    toy: Path, base: SpeechModel
) -> None:
    """Against the network itself, one clip at a time, all its vocabulary in float64."""
    clips = [u for u in toy_rows(toy, "train")[:6]]
    found = lessons(base, keyed(clips), StopRequest(), None)
    whisper = base.whisper.double()
    told = [(clip, found[key]) for key, clip in keyed(clips) if found[key].row.text]
    assert told
    for clip, lesson in told:
        soft = lesson.soft
        assert soft is not None
        sound = load_utterance(clip)
        features = mel_features(base, [sound], base.window.frames(clip.duration_s)).double()
        start = prompted_start(base, (), "en")
        text = text_tokens(base, lesson.row.text)
        with torch.inference_mode():
            logits = whisper(features, decoder_input_ids=torch.tensor([start + text])).logits[0]
        shares, ids = logits[len(start) - 1 :].softmax(-1).topk(soft.ids.shape[1])
        assert len(soft.ids) == len(text) + 1
        assert torch.allclose(soft.shares.double(), shares, atol=1e-4)
        assert (soft.ids[:, 0] == ids[:, 0]).float().mean() > 0.9  # ties fall as they may


def test_lessons_are_the_same_after_a_stop_and_whoever_asks(
    toy: Path, base: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = keyed(toy_rows(toy, "train")[:20])
    whole = lessons(base, clips, StopRequest(), None)
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(tmp_path / "other"))
    stop = StopRequest()

    def stop_early(done: int, total: int) -> None:
        if done < total:
            stop.signal_name = "SIGTERM"

    with pytest.raises(Stopped):
        lessons(base, clips, stop, stop_early)
    resumed = lessons(base, clips[::-1], StopRequest(), None)
    assert set(resumed) == set(whole)
    for key, lesson in whole.items():
        assert resumed[key].row.text == lesson.row.text
        assert (resumed[key].soft is None) == (lesson.soft is None)
        if lesson.soft:
            other = resumed[key].soft
            assert other is not None
            assert torch.equal(other.shares, lesson.soft.shares)


def test_an_unreadable_clip_teaches_nothing_and_stops_nothing(
    toy: Path, base: SpeechModel, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC not really")
    clips = toy_rows(toy, "train")[:6]
    clips = [replace(clips[0], audio_path=broken), *clips[1:]]
    told: list[str] = []
    speech = teach(
        base,
        clips,
        [],
        ReplaySettings(clips=6, dev_clips=0),
        1,
        stop=StopRequest(),
        notice=told.append,
    )
    assert clips[0].utterance_id not in {u.utterance_id for u in speech.replay}
    assert told
