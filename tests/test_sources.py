"""Speech sources: the game's data file, names and splits, telephone prompts."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_adapt.errors import DataError
from asr_adapt.records import Utterance
from asr_adapt.sources.asterisk import read_asterisk
from asr_adapt.sources.fotaq import (
    CAST,
    DEV_SPEAKERS,
    TEST_SPEAKERS,
    TRAIN_SPEAKERS,
    read_fotaq,
    split_speakers,
)
from asr_adapt.sources.fotaq_format import HERO, read_container, read_lines
from asr_adapt.sources.names import find_names
from asr_adapt.sources.prepared import is_prepared, note_prepared

# --- a data file in the game's layout, made by hand


def _text(text: str, align: int) -> bytes:
    raw = bytes([len(text)]) + text.encode("cp437")
    return raw if not text else raw + b"\0" * (-len(raw) % align)


def _numbered(lines: dict[int, str]) -> bytes:
    return b"".join(struct.pack(">i", n) + _text(text, 4) for n, text in lines.items())


def _dialogue(talk: int, hero: dict[int, str], other: dict[int, str], again: list[str]) -> bytes:
    levels = 2
    tree = b"\0" * (96 * levels)
    body = _numbered(hero)
    answers_at = 32 + len(tree) + len(body)
    answers = _numbered(other)
    greeting_at = answers_at + len(answers)
    head = struct.pack(">5h", -levels, talk, talk, len(hero), len(other)) + b"\0" * 12
    head += struct.pack(">3H", answers_at, 0, greeting_at) + b"\0" * 4
    return b"\0" * 20 + head + tree + body + answers + b"".join(_text(t, 2) for t in again)


def _scene(speakers: list[int], texts: list[str], animated: bool) -> bytes:
    records = b""
    for speaker in speakers:
        fields = [speaker, *[0] * 4, int(animated), *[0] * 11]
        records += struct.pack(">17h", *fields) + struct.pack(">3h", 2, -1, 7)
        if animated:
            records += struct.pack(">10h", *range(10)) + struct.pack(">h", -2)
    head = struct.pack(">3h3H", 0, -len(speakers), 0, 0, 12 + len(records), 0)
    # The strings are padded where the file pads them: by their place in it.
    content = bytearray(head + records)
    for text in texts:
        content += bytes([len(text)]) + text.encode("cp437")
        if text and len(content) % 2:
            content += b"\0"
    return b"\0" * 20 + bytes(content)


def _tables() -> dict[str, bytes]:
    descriptions = ["Wow!*14It's Floda", "c1a.CUT"]
    names = ["door", "Princess Azura"]
    answers = [f"Answer {n}" for n in range(1, 41)]
    texts = [*descriptions, *names, "a room", *["open"] * 12, *answers]
    objects = [(1, 0, 0, 1, 0, 9, 0, 0), (-2, 0, 0, 0, 0, 9, 0, 0)]
    table = struct.pack(">4H", 1, len(names), len(objects), len(descriptions))
    table += b"".join(struct.pack(">8h", *row) for row in objects)
    return {
        "QUEEN.JAS": b"\0" * 20 + table,
        "QUEEN2.JAS": "\r\n".join(texts).encode("cp437"),
    }


def _pack(files: dict[str, bytes]) -> bytes:
    start = 15 + 21 * len(files)
    index, bodies = b"", b""
    for name, content in files.items():
        index += struct.pack(">12sBII", name.encode(), 1, start + len(bodies), len(content))
        bodies += content
    return b"QTBLCEM10\0\0\0\1" + struct.pack(">H", len(files)) + index + bodies


def _mp3(number: int) -> bytes:
    time_s = np.arange(11025 + 800 * number) / 11025
    buffer = io.BytesIO()
    tone = 0.2 * np.sin(2 * np.pi * (200 + 20 * number) * time_s)
    soundfile.write(buffer, tone, 11025, format="MP3")
    return buffer.getvalue()


SPOKEN = [
    *("05SSSSJ1", "050010J2", "050010P1", "050010P3", "05XXXXP1", "05XXXXJ1"),
    *("C9A__011", "C9A__022", "JOE00011", "JOE00411", "JOE00412", "UNTITLED"),
]


def _scripts(animated: bool = False) -> dict[str, bytes]:
    dialogue = _dialogue(
        5,
        {0: "Excuse me Bob.*03", 0x10: "*03And where is Floda?"},
        {0x10: "Beyond Sloth Island.*01*02<cough> Ask Azura.", 0x11: "Never recorded"},
        ["Hello again Joe.", "Howdy Bob.*02"],
    )
    scene = _scene([2, 0], ["", "Help me!", "*FRI see the Princess Azura!*03"], animated)
    return {**_tables(), "BOB1.DOG": dialogue, "C9A.CUT": scene}


@pytest.fixture
def game(tmp_path: Path) -> Path:
    speech = {f"{key}.SB": _mp3(n) for n, key in enumerate(SPOKEN)}
    (tmp_path / "queen.1c").write_bytes(_pack(_scripts() | speech))
    return tmp_path


@pytest.mark.parametrize("animated", [False, True])
def test_each_speech_file_gets_its_segment_and_speaker(tmp_path: Path, animated: bool) -> None:
    speech = {f"{key}.SB": b"x" for key in SPOKEN}
    path = tmp_path / "queen.1c"
    path.write_bytes(_pack(_scripts(animated) | speech))
    lines = read_lines(read_container(path))
    assert {key: (line.text, line.speaker, line.scene) for key, line in lines.items()} == {
        "05SSSSJ1": ("Excuse me Bob.", HERO, "bob"),
        "050010J2": ("And where is Floda?", HERO, "bob"),
        "050010P1": ("Beyond Sloth Island.", "bob1", "bob"),
        "050010P3": ("<cough> Ask Azura.", "bob1", "bob"),
        "05XXXXP1": ("Hello again Joe.", "bob1", "bob"),
        "05XXXXJ1": ("Howdy Bob.", HERO, "bob"),
        "C9A__011": ("Help me!", "Princess Azura", "room9"),
        "C9A__022": ("I see the Princess Azura!", HERO, "room9"),
        "JOE00011": ("Answer 1", HERO, "remarks"),
        "JOE00411": ("Wow!", HERO, "room9"),
        "JOE00412": ("It's Floda", HERO, "room9"),
    }


def test_utterances_carry_speaker_scene_and_its_names(game: Path) -> None:
    utterances = {u.utterance_id: u for u in read_fotaq(game, game / "speech")}
    assert len(utterances) == len(SPOKEN) - 1
    answer = utterances["fotaq-050010P1"]
    assert (answer.speaker, answer.tags["artist"]) == ("bob", "coleman")
    assert answer.reference == "Beyond Sloth Island."
    # The names of the scene, said in this line or not; Floda and Azura are in two of three scenes.
    assert answer.context == ("Bob", "Joe", "Sloth Island")
    assert answer.context == utterances["fotaq-05SSSSJ1"].context
    for utterance in utterances.values():
        samples, rate_hz = soundfile.read(utterance.audio_path)
        assert utterance.duration_s == pytest.approx(len(samples) / rate_hz, abs=0.01)


def test_reading_twice_gives_the_same(game: Path) -> None:
    assert read_fotaq(game, game / "speech") == read_fotaq(game, game / "speech")


def test_progress_ends_at_the_total(game: Path) -> None:
    seen: list[tuple[int, int]] = []
    read_fotaq(game, game / "speech", lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(SPOKEN) - 1, len(SPOKEN) - 1)


def test_the_same_recording_comes_once(tmp_path: Path) -> None:
    speech = {f"{key}.SB": _mp3(1) for key in SPOKEN}
    (tmp_path / "queen.1c").write_bytes(_pack(_scripts() | speech))
    assert len(read_fotaq(tmp_path, tmp_path / "speech")) == 1


def test_a_data_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = _pack(_scripts() | {f"{key}.SB": b"x" for key in SPOKEN})
    path = tmp_path / "queen.1c"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"queen\.1c"):
            read_lines(read_container(path))


@pytest.mark.parametrize("name", ["BOB1.DOG", "C9A.CUT", "QUEEN.JAS"])
def test_a_script_cut_short_is_named(tmp_path: Path, name: str) -> None:
    files = _scripts()
    files[name] = files[name][: len(files[name]) // 2]
    path = tmp_path / "queen.1c"
    path.write_bytes(_pack(files))
    with pytest.raises(DataError, match=name):
        read_lines(read_container(path))


def test_names_in_the_index_never_become_paths(tmp_path: Path) -> None:
    path = tmp_path / "queen.1c"
    path.write_bytes(_pack(_scripts() | {"../../x.SB": b"x", "/tmp/x.SB": b"x"}))  # noqa: S108
    assert read_container(path).names(".SB") == []


def test_no_game_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 files queen\.1c"):
        read_fotaq(tmp_path, tmp_path / "speech")


# --- names and splits


def test_names_are_capitals_inside_a_sentence() -> None:
    scenes = {
        "a": ["We fly to Sloth Island.", "Wow! Look there.", "The Skull is a skull."],
        "b": ["Floda is near.", "I hate Floda's men.", "I THINK so"],
        **{f"c{n}": ["Nothing here."] for n in range(10)},
    }
    names = find_names(scenes)
    assert names["a"] == ("Sloth Island",)
    assert names["b"] == ("Floda",)
    assert all(names[f"c{n}"] == () for n in range(10))


def test_names_that_everybody_says_are_no_help() -> None:
    scenes = {f"s{n}": ["Hey there Joe, hi."] for n in range(10)}
    assert set(find_names(scenes).values()) == {()}


def test_every_character_is_on_one_side_and_so_is_every_artist() -> None:
    sides = [TRAIN_SPEAKERS, DEV_SPEAKERS, TEST_SPEAKERS]
    assert sum(len(side) for side in sides) == len(CAST) == len(frozenset().union(*sides))
    artists = [
        {artist for who in side for artist in CAST[who].replace(" or ", ", ").split(", ")}
        for side in sides
    ]
    assert sum(len(side) for side in artists) == len(set().union(*artists))


def test_unknown_and_wordless_speakers_are_in_no_set() -> None:
    def line(number: int, speaker: str | None, kind: str) -> Utterance:
        return Utterance(
            f"u{number}", Path("a.mp3"), 0, 1, "hm", speaker=speaker, tags={"kind": kind}
        )

    split = split_speakers(
        [line(1, "joe", "words"), line(2, None, "words"), line(3, "gorilla", "wordless")]
    )
    assert [u.utterance_id for u in split.train] == ["u1"]
    assert split.dev == split.test == ()


# --- telephone prompts


def test_prompts_lose_their_notes_and_tones_are_left_out(tmp_path: Path) -> None:
    sounds = tmp_path / "sounds" / "en"
    (sounds / "letters").mkdir(parents=True)
    for name in ("agent-pass", "beep", "letters/at", "hush"):
        soundfile.write(sounds / f"{name}.wav", np.full(4000, 0.1), 8000)
    text = (
        "; a comment\n\nagent-pass: Please  enter.\nbeep: [a tone]\nletters/at: at [@]\n"
        "hush: (1 second of silence)\nlost: No recording.\n../../etc: Out.\n"
    )
    transcript = tmp_path / "text.gz"
    transcript.write_bytes(gzip.compress(text.encode()))
    prompts = read_asterisk(tmp_path, transcript)
    assert [(p.utterance_id, p.reference, p.duration_s) for p in prompts] == [
        ("asterisk-agent-pass", "Please enter.", 0.5),
        ("asterisk-letters-at", "at", 0.5),
    ]
    assert [p.tags["group"] for p in prompts] == ["prompts", "letters"]


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"\xff\xfe", mtime=0)[:-4]])
def test_a_broken_transcript_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    soundfile.write(tmp_path / "agent-pass.wav", np.full(800, 0.1), 8000)
    (tmp_path / "text.gz").write_bytes(content)
    if not content:
        assert read_asterisk(tmp_path, tmp_path / "text.gz") == []
        return
    with pytest.raises(DataError, match=r"text\.gz"):
        read_asterisk(tmp_path, tmp_path / "text.gz")


# --- the note that data is ready


def test_data_is_ready_until_something_changes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    assert not is_prepared(tmp_path, {"seed": 1})
    note_prepared(tmp_path, {"seed": 1}, ["a.jsonl"])
    assert is_prepared(tmp_path, {"seed": 1})
    assert not is_prepared(tmp_path, {"seed": 2})
    (tmp_path / "a.jsonl").write_text("{} \n")
    assert not is_prepared(tmp_path, {"seed": 1})
    (tmp_path / "prepared.json").write_text('{"files": [')
    assert not is_prepared(tmp_path, {"seed": 1})
