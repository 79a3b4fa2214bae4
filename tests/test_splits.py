"""Splits keep people apart, and leaks are found whatever they are called."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_adapt.errors import DataError, LeakError
from asr_adapt.files import file_sha256
from asr_adapt.records import Utterance
from asr_adapt.splits import (
    Fingerprint,
    check_against,
    check_dev,
    check_leaks,
    fingerprint,
    hold_out,
    shared_with,
    split_by_speaker,
)


def clip(
    name: str, speaker: str | None = None, recording: str | None = None, duration_s: float = 4.0
) -> Utterance:
    """An utterance in a file of its own."""
    path = Path(f"/nowhere/{name}.wav")
    return Utterance(name, path, 0, duration_s, name, speaker=speaker, recording_id=recording)


@st.composite
def data_sets(draw: st.DrawFn) -> list[Utterance]:
    speakers = st.none() | st.sampled_from("abcdefgh")
    recordings = st.none() | st.sampled_from("klmn")
    size = draw(st.integers(2, 40))
    lengths_s = st.floats(0.5, 30)
    return [clip(f"u{n}", draw(speakers), draw(recordings), draw(lengths_s)) for n in range(size)]


@settings(deadline=None, max_examples=200)
@given(rows=data_sets(), share=st.floats(0.02, 0.4), seed=st.integers(0, 99))
def test_a_split_is_a_partition_that_keeps_what_its_rule_promises(
    rows: list[Utterance], share: float, seed: int
) -> None:
    split = split_by_speaker(rows, share, seed)
    assert sorted(u.utterance_id for u in (*split.train, *split.dev)) == sorted(
        u.utterance_id for u in rows
    )
    assert split.train
    assert split.dev
    if split.rule.startswith("by speaker"):
        both = {u.block for u in split.train} & {u.block for u in split.dev}
        assert both == set()
    elif split.rule.startswith("by recording"):
        assert {u.recording for u in split.train} & {u.recording for u in split.dev} == set()
    shuffled = random.Random(seed).sample(rows, len(rows))  # noqa: S311
    again = split_by_speaker(shuffled, share, seed)
    assert {u.utterance_id for u in again.dev} == {u.utterance_id for u in split.dev}


@settings(deadline=None, max_examples=200)
@given(rows=data_sets(), trained=data_sets(), count=st.integers(0, 12), seed=st.integers(0, 99))
def test_who_is_held_out_is_not_trained_on_wherever_that_can_be(
    rows: list[Utterance], trained: list[Utterance], count: int, seed: int
) -> None:
    held, rest = hold_out(rows, trained, count, seed)
    assert not set(held) & set(rest)
    assert len(held) <= min(count, len(rows) // 5)
    left_out = set(range(len(rows))) - set(rest)
    assert len(left_out) <= len(rows) // 5
    sizes = Counter(u.block for u in rows)
    both = {rows[i].block for i in left_out} & {rows[i].block for i in rest}
    if both:  # by lot: speakers apart would have given less than half of what was wanted
        assert min(sizes.values()) > len(rows) // 5 or 2 * min(sizes.values()) < count
        assert left_out == set(held)


def test_voices_that_nothing_is_trained_on_are_held_out_first() -> None:
    rows = [clip(f"u{n}", f"heard{n % 20}") for n in range(100)]
    rows += [clip(f"v{n}", f"new{n % 4}") for n in range(16)]
    trained = [clip(f"w{n}", f"heard{n}") for n in range(20)]
    held, rest = hold_out(rows, trained, 20, 1)
    assert {rows[i].speaker for i in held} == {"new0", "new1", "new2", "new3"}
    assert sorted([*held, *rest]) == list(range(len(rows)))
    few = [u for u in rows if u.speaker in {"new0", *(f"heard{n}" for n in range(20))}]
    held, rest = hold_out(few, trained, 20, 1)  # four clips would say too little
    assert len(held) == 20
    assert not {few[i].speaker for i in held} & {few[i].speaker for i in rest}


def test_one_voice_alone_is_held_out_by_lot() -> None:
    rows = [clip(f"u{n}", "anna") for n in range(50)]
    held, rest = hold_out(rows, [], 40, 1)
    assert (len(held), len(rest)) == (10, 40)
    assert hold_out(rows, [], 40, 1) == (held, rest)
    assert hold_out(rows, [], 40, 2) != (held, rest)


def test_the_share_is_met_where_there_is_a_choice() -> None:
    rows = [clip(f"u{n}", f"s{n % 50}") for n in range(500)]
    for share in (0.05, 0.1, 0.3):
        dev = split_by_speaker(rows, share, 0).dev
        assert len(dev) / len(rows) == pytest.approx(share, abs=0.02)


def test_the_seed_decides_the_draw() -> None:
    rows = [clip(f"u{n}", f"s{n % 10}") for n in range(100)]
    drawn = {frozenset(u.speaker for u in split_by_speaker(rows, 0.2, s).dev) for s in range(20)}
    assert len(drawn) > 5


def test_two_speakers_are_too_few_to_give_one_away() -> None:
    rows = [clip(f"u{n}", "ab"[n % 2]) for n in range(100)]
    split = split_by_speaker(rows, 0.1, 0)
    assert split.rule.startswith("by recording")
    assert "2 speakers are too few" in split.rule
    assert len(split.dev) == 10


def test_the_rule_says_what_is_known() -> None:
    nameless = [clip(f"u{n}") for n in range(20)]
    assert "no speaker is known" in split_by_speaker(nameless, 0.1, 0).rule
    one = [clip(f"u{n}", "anna") for n in range(20)]
    assert "only speaker 'anna'" in split_by_speaker(one, 0.1, 0).rule
    film = [clip(f"u{n}", recording="film") for n in range(20)]
    assert split_by_speaker(film, 0.1, 0).rule.startswith("by utterance")
    crew = [clip(f"u{n}", f"s{n}") for n in range(20)]
    assert "none of 20 speakers" in split_by_speaker(crew, 0.1, 0).rule


@pytest.mark.parametrize(("size", "share"), [(0, 0.1), (1, 0.1), (5, 0.0), (5, 1.0), (5, -1)])
def test_what_cannot_be_split_is_refused(size: int, share: float) -> None:
    with pytest.raises(DataError):
        split_by_speaker([clip(f"u{n}") for n in range(size)], share, 0)


def test_a_split_has_no_leak_and_a_shared_speaker_is_named() -> None:
    rows = [clip(f"u{n}", f"s{n % 10}") for n in range(50)]
    split = split_by_speaker(rows, 0.2, 0)
    check_leaks(split.train, split.dev)
    stranger = clip("x", split.train[0].speaker)
    expected = f"1 of {len(split.dev) + 1} test utterances have a speaker .*'{stranger.speaker}'"
    with pytest.raises(LeakError, match=expected) as caught:
        check_leaks(split.train, [*split.dev, stranger])
    assert "('x')" in str(caught.value)
    assert "--allow-leaks" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_leaks_are_counted_and_few_are_shown() -> None:
    rows = [clip(f"u{n}", "anna") for n in range(9)]
    with pytest.raises(LeakError, match=r"9 of 9 .* \('u0', 'u1', 'u2' and 6 more\)"):
        check_leaks([clip("t", "anna")], rows)


def test_a_shared_recording_is_found() -> None:
    with pytest.raises(LeakError, match="a recording that is in training: 'watch'"):
        check_leaks([clip("a", "x", "watch")], [clip("b", "y", "watch")])
    check_leaks([clip("a", "x", "watch 1")], [clip("b", "y", "watch 2")])


def test_the_same_sound_is_found_under_another_name(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    first.write_bytes(b"the same bytes")
    second.write_bytes(b"the same bytes")
    one, two = Utterance("a", first, 0, 1), Utterance("b", second, 0, 1)
    with pytest.raises(LeakError, match="a recording that is in training"):
        check_leaks([one], [two])
    apart = [replace(one, recording_id="k"), replace(two, recording_id="l")]
    with pytest.raises(LeakError, match=r"a sound file that is in training: 'b\.wav'"):
        check_leaks(apart[:1], apart[1:])
    second.write_bytes(b"other bytes")
    check_leaks([one], [two])


def test_all_checks_of_a_run_read_a_file_once_as_long_as_it_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr("asr_adapt.files.file_sha256", counted)
    train, test = (
        Utterance(name, tmp_path / f"{name}.wav", 0.0, 1.0, speaker=name) for name in ("a", "b")
    )
    train.audio_path.write_bytes(b"one sound")
    test.audio_path.write_bytes(b"another one")
    for _ in range(2):
        check_leaks([train], [test])
        check_dev([train], [test])
    assert sorted(read) == [train.audio_path, test.audio_path]
    test.audio_path.unlink()
    test.audio_path.write_bytes(b"one sound")
    with pytest.raises(LeakError, match="in training"):
        check_leaks([train], [test])


@pytest.mark.parametrize(
    ("start_s", "refused"), [(0.0, True), (0.5, True), (4.9, False), (6, False)]
)
def test_dev_may_not_be_cut_from_what_is_trained_on(
    tmp_path: Path, start_s: float, refused: bool
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound")
    train, dev = Utterance("t", path, 0.0, 5.0), Utterance("d", path, start_s, 5.0)
    if not refused:
        check_dev([train], [dev])
        return
    with pytest.raises(LeakError, match=r"1 of 1 dev utterances.*call\.wav.*--dev"):
        check_dev([train], [dev])


@pytest.mark.parametrize("train_id", [None, "call", "k"])
@pytest.mark.parametrize("test_id", [None, "call", "l"])
def test_two_segments_of_one_file_leak_whatever_their_recordings_are_called(
    tmp_path: Path, train_id: str | None, test_id: str | None
) -> None:
    """A table without a column of recordings meets subtitles, which name theirs by the file."""
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound")
    train = [Utterance("a", path, 0, 2, recording_id=train_id)]
    test = [Utterance("b", path, 2, 2, recording_id=test_id)]
    with pytest.raises(LeakError, match=r"1 of 1 .* that is in training: .*call"):
        check_leaks(train, test)


def test_a_fingerprint_of_an_older_adapter_is_checked_by_what_it_holds(tmp_path: Path) -> None:
    """They lack the files of named recordings, but hold their names and their segments."""
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound")
    named = Utterance("a", path, 0, 2, recording_id="k")
    new = fingerprint([named])
    only_its_id = new.recordings & fingerprint([clip("x", None, "k")]).recordings
    old = Fingerprint.from_json({**new.to_json(), "recordings": sorted(only_its_id)})
    for leak in (replace(named, start_s=2), replace(named, recording_id="l")):
        with pytest.raises(LeakError):
            check_against(old, [leak])
    check_against(old, [replace(named, recording_id="l", start_s=2)])
    nameless = fingerprint([replace(named, recording_id=None)])  # as they always were
    with pytest.raises(LeakError, match="a sound file"):
        check_against(nameless, [replace(named, recording_id="l", start_s=2)])


def test_a_file_under_several_names_stays_in_one_part(tmp_path: Path) -> None:
    """Else a split by recording would be refused as a leak afterwards."""
    rows: list[Utterance] = []
    for n in range(12):
        path = tmp_path / f"{n}.wav"
        path.write_bytes(b"%d" % n)
        names = [None, f"k{n}", f"l{n}"]
        rows += [
            Utterance(f"{n}-{at}", path, at, 1, recording_id=name) for at, name in enumerate(names)
        ]
    split = split_by_speaker(rows, 0.3, 0)
    assert split.rule.startswith("by recording: none of 12 recordings")
    check_leaks(split.train, split.dev)


@pytest.mark.parametrize(
    ("spoken", "phrase", "leaks"),
    [
        ("this is Nordic Star, over", "nordic star", True),
        ("this is nordic, star", "Nordic Star", True),
        ("this is nordic starling", "nordic star", False),
        ("this is star nordic", "nordic star", False),
        ("the ada", "Ada", True),
        ("the adagio", "Ada", False),
        ("", "Ada", False),
        ("Århus Æther", "århus", True),
    ],
)
def test_phrases_spoken_in_training_are_found_as_whole_words(
    spoken: str, phrase: str, leaks: bool
) -> None:
    train = [replace(clip("a"), reference=spoken, context=("Zeta",))]
    test = [replace(clip("b"), context=("Zeta", phrase, "Omega"))]
    check_leaks(train, test, phrase_groups=False)
    if not leaks:
        check_leaks(train, test, phrase_groups=True)
        return
    with pytest.raises(LeakError, match=f"1 of 1 .* a context phrase .*'{phrase}'"):
        check_leaks(train, test, phrase_groups=True)
    check_leaks(train, test, phrase_groups=True, known_phrases=[phrase.upper()])


def test_a_fingerprint_finds_leaks_and_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    train = [clip("a", "anna", "watch"), Utterance("s", tmp_path / "a.wav", 0, 1)]
    stored = json.dumps(fingerprint(train).to_json())
    for secret in ("anna", "watch", "a.wav"):
        assert secret not in stored
    trained_on = Fingerprint.from_json(json.loads(stored))
    assert trained_on == fingerprint(train)
    check_against(trained_on, [clip("b", "ben", "other")])
    for leak in (clip("b", "anna"), clip("b", None, "watch"), train[1]):
        with pytest.raises(LeakError):
            check_against(trained_on, [leak])


def test_what_is_shared_can_be_said_without_refusing_it() -> None:
    trained_on = fingerprint([clip("a", "anna", "watch")])
    unheard, heard = clip("b", "ben", "other"), clip("c", "anna", "new")
    assert shared_with(trained_on, [unheard]) == []
    (said,) = shared_with(trained_on, [heard, unheard])
    assert said.startswith("1 of 2 test utterances have a speaker that is in training")
    assert "'anna'" in said


@pytest.mark.parametrize("values", [{}, {"speakers": 1, "recordings": [], "audio": []}])
def test_what_is_no_fingerprint_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(DataError, match="not a fingerprint"):
        Fingerprint.from_json(values)
