"""Importers: the same three clips in every format come out as the same utterances."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_adapt.errors import ManifestError, UsageError
from asr_adapt.importers.columns import COLUMN_GUESSES, ColumnNames, with_columns
from asr_adapt.manifest import ImportedData, load_data, read_manifest
from asr_adapt.records import Utterance

WORDS = {"a": "Hällo, this is a", "b b": "securite", "ü": "over; and out, two"}


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with three clips of 1.0, 1.5 and 2.0 s, one rate each."""
    for number, name in enumerate(WORDS):
        rate_hz = (16000, 8000, 44100)[number]
        times = np.arange(round(rate_hz * (1 + number / 2))) / rate_hz
        soundfile.write(tmp_path / f"{name}.wav", 0.2 * np.sin(2000 * times), rate_hz)
    return tmp_path


def texts(data: ImportedData) -> dict[str, str | None]:
    return {u.audio_path.stem: u.reference for u in data.utterances}


def only(data: ImportedData) -> Utterance:
    assert data.skipped == ()
    (utterance,) = data.utterances
    return utterance


def csv_text(delimiter: str, newline: str) -> str:
    quoted = (f'{name}.wav{delimiter}"{words}"' for name, words in WORDS.items())
    return newline.join([f"audio{delimiter}text", *quoted, ""])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_as_spreadsheets_write_it(
    clips: Path, encoding: str, delimiter: str, newline: str
) -> None:
    (clips / "x.csv").write_bytes(csv_text(delimiter, newline).encode(encoding))
    data = load_data(clips / "x.csv")
    assert texts(data) == WORDS
    assert [u.utterance_id for u in data.utterances] == list(WORDS)
    assert [u.duration_s for u in data.utterances] == [1.0, 1.5, 2.0]
    assert data.skipped == ()
    assert data.mapping == {"audio": "audio", "text": "text"}


def test_tsv_with_quotes_in_the_words_as_in_common_voice(clips: Path) -> None:
    lines = ["client_id\tpath\tsentence\tlocale\tage", 'anna\ta.wav\t"Stop," he said\ten\ttwenties']
    (clips / "validated.tsv").write_text("\n".join(lines) + "\n")
    utterance = only(load_data(clips / "validated.tsv"))
    assert utterance.reference == '"Stop," he said'
    assert (utterance.speaker, utterance.language) == ("anna", "en")
    assert utterance.tags == {"age": "twenties"}


@pytest.mark.parametrize("text", COLUMN_GUESSES["text"])
@pytest.mark.parametrize("audio", COLUMN_GUESSES["audio"])
def test_usual_column_names_are_recognised(clips: Path, audio: str, text: str) -> None:
    (clips / "x.csv").write_text(f"{text.upper()}, {audio.title()} \nover,a.wav\n")
    assert only(load_data(clips / "x.csv")).reference == "over"


def test_columns_can_be_named_by_the_user(clips: Path) -> None:
    (clips / "x.csv").write_text("text,audio,words,clip no\nwrong,wrong.wav,right,a.wav\n")
    names = ColumnNames(audio="clip no", text="words")
    utterance = only(load_data(clips / "x.csv", columns=names))
    assert (utterance.reference, utterance.audio_path.name) == ("right", "a.wav")
    with pytest.raises(ManifestError, match="no column 'sound'; the columns are: text, audio"):
        load_data(clips / "x.csv", columns=ColumnNames(audio="sound"))


def test_any_column_can_be_named_in_pairs(clips: Path) -> None:
    (clips / "x.csv").write_text("audio,text,von,bis\na.wav,over,0.25,0.75\n")
    names = with_columns(ColumnNames(text="text"), ("start=von", "end=bis"))
    utterance = only(load_data(clips / "x.csv", columns=names))
    assert (utterance.start_s, utterance.duration_s) == (0.25, 0.5)
    for pair in ("begin=von", "start", "start="):
        with pytest.raises(UsageError, match=f"--column {pair}: need OURS=THEIRS"):
            with_columns(ColumnNames(), (pair,))


def test_all_columns_of_a_table_arrive(clips: Path) -> None:
    (clips / "x.csv").write_text(
        "id,audio,text,speaker,start,end,context,split,recording,language,ship\n"
        "u1,ü.wav,over,anna,0.25,1.5,Ada | Ben|Ada| ,validation,watch 3,de,Ada\n"
    )
    assert only(load_data(clips / "x.csv")) == Utterance(
        utterance_id="u1",
        audio_path=clips / "ü.wav",
        start_s=0.25,
        duration_s=1.25,
        reference="over",
        language="de",
        speaker="anna",
        recording_id="watch 3",
        context=("Ada", "Ben"),
        tags={"ship": "Ada", "split": "dev"},
    )


@pytest.mark.parametrize("written", ["de", "DE", "de-CH", "de_at", " De "])
def test_languages_are_known_with_a_country_and_in_capitals(written: str, clips: Path) -> None:
    (clips / "x.csv").write_text(f"audio,text,locale\na.wav,over,{written}\nü.wav,over,\n")
    rules = load_data(clips / "x.csv", language="EN").utterances
    assert [u.language for u in rules] == ["de", "en"]


def test_a_split_that_is_none_of_ours_is_refused_by_line(clips: Path) -> None:
    (clips / "x.csv").write_text("audio,text,split\na.wav,over,tset\nü.wav,over,TEST\n")
    data = load_data(clips / "x.csv")
    assert [u.tags["split"] for u in data.utterances] == ["test"]
    (row,) = data.skipped
    assert str(row).startswith(f"{clips}/x.csv:2: split 'tset' is none of train, dev and test")
    manifest = {"utterance_id": "a", "audio_path": "a.wav", "start_s": 0, "duration_s": 0.5}
    (clips / "m.jsonl").write_text(json.dumps({**manifest, "tags": {"split": "tset"}}) + "\n")
    (row,) = load_data(clips / "m.jsonl").skipped
    assert str(row).startswith(f"{clips}/m.jsonl:1: split 'tset'")
    (clips / "v.jsonl").write_text(json.dumps({**manifest, "tags": {"split": "Valid"}}) + "\n")
    assert only(load_data(clips / "v.jsonl")).tags == {"split": "dev"}
    assert read_manifest(clips / "m.jsonl")[0].tags == {"split": "tset"}


def test_two_sounds_of_one_name_are_both_named(tmp_path: Path) -> None:
    for name in ("x.flac", "x.ogg"):
        soundfile.write(tmp_path / name, np.zeros(16000), 16000)
    data = load_data(tmp_path)
    (row,) = data.skipped
    assert f"{tmp_path}/x.flac" in row.reason
    assert f"{tmp_path}/x.ogg" in row.reason
    assert "rename one" in row.reason


def test_decimal_commas_and_lists_with_semicolons(clips: Path) -> None:
    (clips / "x.csv").write_text("audio;text;start;duration;context\nü.wav;x;0,5;1,25;\n")
    utterance = only(load_data(clips / "x.csv"))
    assert (utterance.start_s, utterance.duration_s) == (0.5, 1.25)
    (clips / "y.csv").write_text("audio,text,context\na.wav,x,Ada; Ben\n")
    assert only(load_data(clips / "y.csv")).context == ("Ada", "Ben")


def test_rows_of_one_file_get_ids_by_line_and_blank_rows_are_nothing(clips: Path) -> None:
    (clips / "x.csv").write_text("audio,text,start,end\na.wav,x,0,0.4\n,,,\n\na.wav,y,0.4,0.9\n")
    data = load_data(clips / "x.csv")
    assert [u.utterance_id for u in data.utterances] == ["a:2", "a:5"]


@pytest.mark.parametrize(
    "name", ["at 9.41\u202fAM", "clip\u00a01", "\u5c71\u7530\u3000\u592a", "\u0646\u200c\u06cc"]
)
def test_spaces_and_joiners_of_other_scripts_are_no_control_characters(
    clips: Path, name: str
) -> None:
    """Recordings of macOS have U+202F before AM; Japanese and Persian names have others."""
    (clips / "a.wav").rename(clips / f"{name}.wav")
    (clips / "x.csv").write_text(f"audio,text,speaker\n{name}.wav,over,{name}\n", "utf-8")
    utterance = only(load_data(clips / "x.csv"))
    assert (utterance.utterance_id, utterance.speaker) == (name, name)
    assert utterance.audio_path == clips / f"{name}.wav"


@pytest.mark.parametrize("sign", ["\x1b", "\x85", "\u2028", "\u202e", "\u2066", "\u200e", "\ufeff"])
def test_signs_that_hide_or_turn_the_text_around_are_refused(clips: Path, sign: str) -> None:
    rows = [{"audio": f"a{sign}b.wav"}, {"audio": "a.wav", "speaker": f"an{sign}na"}]
    lines = [json.dumps({"text": "over", **row}) + "\n" for row in rows]
    (clips / "x.jsonl").write_text("".join(lines))
    skipped = load_data(clips / "x.jsonl").skipped
    assert [row.line for row in skipped] == [1, 2]
    assert all("control characters" in row.reason and row.reason.isprintable() for row in skipped)


BAD_ROWS = {
    "missing file": ("gone.wav,x,,", "no such file"),
    "empty file": ("empty.wav,x,,", "0 bytes"),
    "broken file": ("broken.wav,x,,", "truncated"),
    "no sound": ("x.csv,x,,", "not a sound file"),
    "no words": ("a.wav,,,", "words are missing"),
    "blank words": ("a.wav,   ,,", "words are missing"),
    "no audio": (",x,,", "audio is empty"),
    "too few cells": ("a.wav,x", "has 2 cells, the header has 4"),
    "too many cells": ("a.wav,x,,,,", "has 6 cells"),
    "ends before it starts": ("a.wav,x,0.5,0.2", "lasts -0.3"),
    "after the end": ("a.wav,x,5,6", "starts at 5 s"),
    "longer than the file": ("a.wav,x,0,9", "ends at 9.00 s"),
    "time in words": ("a.wav,x,noon,", "start 'noon' is not a number"),
    "NaN": ("a.wav,x,nan,", "start 'nan'"),
    "outside": ("../a.wav,x,,", "--allow-outside"),
    "a command": ("cat a.wav |,x,,", "command"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_listed_with_line_and_reason(clips: Path, name: str) -> None:
    line, reason = BAD_ROWS[name]
    (clips / "empty.wav").touch()
    (clips / "broken.wav").write_bytes((clips / "a.wav").read_bytes()[:5000])
    (clips / "x.csv").write_text(f"audio,text,start,end\nü.wav,good,,\n{line}\nb b.wav,good,,\n")
    data = load_data(clips / "x.csv")
    assert [u.utterance_id for u in data.utterances] == ["ü", "b b"]
    (skip,) = data.skipped
    assert skip.where == f"{clips}/x.csv:3"
    assert reason in skip.reason


def test_repeated_and_empty_ids_are_bad_rows(clips: Path) -> None:
    (clips / "x.csv").write_text("id,audio,text\nu,a.wav,x\nu,a.wav,y\n,a.wav,z\n")
    first, second = load_data(clips / "x.csv").skipped
    assert "taken by" in first.reason
    assert "x.csv:2" in first.reason
    assert second.reason == "id is empty"


BAD_TABLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "blank": (b"\n \n", "is empty"),
    "no header": (b"a.wav,hello\n", "no header row"),
    "no audio column": (b"name,text\na,b\n", "no column for the audio among: name, text"),
    "no text column": (b"audio,length\na,b\n", "--text-column"),
    "column twice": (b"audio,text,text\na,b,c\n", "two columns are called 'text'"),
    "open quote": (b'audio,text\na.wav,"over\nb.wav,out\n', "not a table"),
    "text after a quote": (b'audio,text\na.wav,"over" and out\n', "not a table"),
    "Latin-1": ("audio,text\na.wav,x\nb.wav,Hällo\n".encode("latin-1"), ":3: not UTF-8"),
    "half of UTF-16": ("audio,text\n".encode("utf-16") + b"a", "not UTF-16"),
    "NUL": (b"audio,text\na\0.wav,x\n", ":2: holds NUL"),
    "huge cell": (b"audio,text\na.wav," + b"x" * 1_000_001, "not a table"),
    "a zip": (b"PK\x03\x04\x14\0\xff\xfe", "not UTF-8|NUL"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    data, reason = BAD_TABLES[name]
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(ManifestError, match=reason) as caught:
        load_data(tmp_path / "x.csv")
    assert "x.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absolute_paths_need_permission_unless_they_stay_inside(clips: Path) -> None:
    (clips / "tables").mkdir()
    table = clips / "tables" / "x.csv"
    table.write_text(f"audio,text\n{clips}/a.wav,x\n")
    assert "--allow-outside" in load_data(table).skipped[0].reason
    assert only(load_data(table, allow_outside=True)).audio_path == clips / "a.wav"
    (clips / "y.csv").write_text(f"audio,text\n{clips}/a.wav,x\n")
    assert only(load_data(clips / "y.csv")).audio_path == clips / "a.wav"


def test_nemo_manifest(clips: Path) -> None:
    rows: list[dict[str, object]] = [
        {"audio_filepath": "ü.wav", "text": "one", "offset": 0.5, "duration": 1.0, "lang": "de"},
        {"audio_filepath": "a.wav", "text": "", "duration": 1.0, "pred_text": "two", "snr": 12},
        {"audio_filepath": "b b.wav", "duration": 1.5},
    ]
    (clips / "x.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load_data(clips / "x.json")
    assert data.format_name == "NeMo manifest"
    assert data.skipped == ()
    first, second, third = data.utterances
    assert (first.start_s, first.duration_s, first.language) == (0.5, 1.0, "de")
    assert (second.reference, second.tags) == ("", {"pred_text": "two", "snr": "12"})
    assert third.reference is None


def test_folder_of_audio_with_texts(clips: Path) -> None:
    for name, words in WORDS.items():
        (clips / f"{name}.txt").write_text(f"\ufeff{words}\r\n", "utf-8")
    (clips / "more").mkdir()
    (clips / "a.wav").rename(clips / "more" / "c.WAV")
    (clips / "more" / "empty.txt").touch()
    soundfile.write(clips / "more" / "empty.flac", np.ones(100) * 0.1, 8000)
    data = load_data(clips)
    assert data.format_name == "folder of audio"
    assert {u.utterance_id: u.reference for u in data.utterances} == {
        "b b": WORDS["b b"],
        "ü": WORDS["ü"],
    }
    reasons = [str(skip) for skip in data.skipped]
    assert reasons == [
        f"{clips}/more/c.WAV: no c.txt beside it",
        f"{clips}/more/empty.flac: empty.txt is empty: the words are missing",
    ]


def test_where_labels_are_to_be_made_rows_may_lack_their_text(clips: Path) -> None:
    """As they do in what is half labelled; whatever else is wrong with a row still is."""
    half = "audio,text\na.wav,over\nü.wav,\nb b.wav,  \ngone.wav,\n"
    tables = {"half.csv": (half, ["over", None, None]), "none.csv": ("audio\na.wav\n", [None])}
    for name, (table, references) in tables.items():
        (clips / name).write_text(table)
        data = load_data(clips / name, unlabelled=True)
        assert [u.reference for u in data.utterances] == references
    assert [row.line for row in load_data(clips / "half.csv").skipped] == [3, 4, 5]
    (gone,) = load_data(clips / "half.csv", unlabelled=True).skipped
    assert str(gone).startswith(f"{clips}/half.csv:5: {clips}/gone.wav: no such file")
    with pytest.raises(ManifestError, match="no column for the text among: audio; name it"):
        load_data(clips / "none.csv")


def test_a_folder_half_labelled_is_whole_where_labels_are_to_be_made(clips: Path) -> None:
    (clips / "a.txt").write_text("over")
    (clips / "ü.txt").write_bytes(b"\xff")
    (clips / "b b.txt").touch()
    data = load_data(clips, unlabelled=True)
    assert {u.utterance_id: u.reference for u in data.utterances} == dict.fromkeys(
        u for u in WORDS if u not in ("a", "ü")
    ) | {"a": "over"}
    assert [row.reason for row in data.skipped] == ["ü.txt is not UTF-8"]


def test_folder_without_any_text_is_audio_to_be_transcribed(clips: Path) -> None:
    assert texts(load_data(clips)) == dict.fromkeys(WORDS)


def test_audiofolder_with_metadata_beside_or_in_parts(clips: Path) -> None:
    (clips / "metadata.csv").write_text("file_name,transcription\na.wav,x\n")
    assert only(load_data(clips)).reference == "x"
    (clips / "metadata.csv").unlink()
    for part, split in (("train", "train"), ("validation", "dev"), ("test", "test")):
        folder = clips / "set" / part
        folder.mkdir(parents=True)
        (folder / "1.wav").write_bytes((clips / "a.wav").read_bytes())
        (folder / "metadata.jsonl").write_text('{"file_name": "1.wav", "text": "x"}\n')
        assert split in {u.tags["split"] for u in load_data(clips / "set").utterances}
    data = load_data(clips / "set")
    assert [u.utterance_id for u in data.utterances] == ["test/1", "train/1", "dev/1"]


def test_columns_of_lists_and_objects_are_left_out_and_named_once(clips: Path) -> None:
    """Alignments and embeddings are no tags, but the rows that have them are good rows."""
    rows: list[dict[str, object]] = [
        {"audio": "a.wav", "text": "one", "words": [{"at": 0.1}], "place": "Oulu"},
        {"audio": "b b.wav", "text": "two", "words": None, "meta": {"a": 1}, "place": 7},
    ]
    (clips / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (clips / "x.json").write_text(json.dumps(rows))
    for name in ("x.jsonl", "x.json"):
        data = load_data(clips / name)
        assert data.skipped == ()
        assert [u.tags for u in data.utterances] == [{"place": "Oulu"}, {"place": "7"}]
        assert data.mapping == {"audio": "audio", "text": "text", "left out": "words; meta"}


def test_a_parquet_table_of_all_types_is_read(clips: Path) -> None:
    """Dates are their text; whole numbers that came as 12.0, as pandas has them, are names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "audio": ["a.wav", "b b.wav"],
        "text": ["one", "two"],
        "speaker": [12.0, None],
        "session": [date(2024, 5, 17), date(2024, 5, 18)],
        "made": [datetime(2024, 5, 17, 9, 41, 5), None],
        "clock": [time(9, 41), time(9, 42)],
        "fee": [Decimal("1.50"), None],
        "picture": [b"\x89PNG", None],
        "embedding": [[0.1, 0.2], [0.3]],
        "where": [{"lat": 1.0}, {"lat": 2.0}],
        "clean": [True, False],
    }
    pq.write_table(pa.table(columns), clips / "x.parquet")
    data = load_data(clips / "x.parquet")
    assert data.skipped == ()
    one, two = data.utterances
    assert (one.speaker, two.speaker) == ("12", None)
    assert (one.recording_id, two.recording_id) == ("2024-05-17", "2024-05-18")
    assert one.tags == {
        "made": "2024-05-17 09:41:05",
        "clock": "09:41:00",
        "fee": "1.50",
        "clean": "True",
    }
    assert two.tags == {"clock": "09:42:00", "clean": "False"}
    assert data.mapping["left out"] == "picture; embedding; where"


@pytest.mark.parametrize(
    ("value", "name"), [(12, "12"), (12.0, "12"), (-0.0, "0"), (1e15, "1" + "0" * 15)]
)
def test_whole_numbers_are_names(clips: Path, value: float, name: str) -> None:
    row = {"audio": "a.wav", "text": "one", "id": value, "speaker": value, "recording": value}
    (clips / "x.jsonl").write_text(json.dumps(row))
    utterance = only(load_data(clips / "x.jsonl"))
    assert (utterance.utterance_id, utterance.speaker, utterance.recording_id) == (name,) * 3


def test_fractions_are_no_names(clips: Path) -> None:
    (clips / "x.jsonl").write_text(json.dumps({"audio": "a.wav", "text": "one", "speaker": 1.5}))
    (skip,) = load_data(clips / "x.jsonl").skipped
    assert "speaker is a number, not text" in skip.reason


def kaldi(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, "utf-8")
    return folder


def test_kaldi_folder_without_segments(clips: Path) -> None:
    kaldi(
        clips, wav_scp="u1 a.wav\nu2 b b.wav\n", text="u1 one two\nu2\tthree\n", utt2spk="u1 anna\n"
    )
    first, second = load_data(clips).utterances
    assert (first.utterance_id, first.reference, first.speaker) == ("u1", "one two", "anna")
    assert (second.audio_path.name, second.reference, second.speaker) == ("b b.wav", "three", None)


def test_kaldi_folder_with_segments_pipes_and_gaps(clips: Path) -> None:
    kaldi(
        clips,
        wav_scp="rec ü.wav\npipe sox ü.wav -t wav - |\nrec a.wav\n",
        segments="s1 rec 0.5 1.25\ns2 pipe 0 1\ns3 other 0 1\ns4 rec 0\ns6 rec 0 1\n",
        text="s1 one\ns2 two\ns3 three\ns4 four\ns5 five\n",
    )
    data = load_data(clips)
    (utterance,) = data.utterances
    assert (utterance.start_s, utterance.duration_s) == (0.5, 0.75)
    assert utterance.recording_id == "rec"
    reasons = {Path(skip.where).name: skip.reason for skip in data.skipped}
    assert "commands are not run" in reasons["text:2"]
    assert "not in wav.scp" in reasons["text:3"]
    assert "segments" in reasons["text:4"]
    assert "segments" in reasons["text:5"]
    assert "already on line 1" in reasons["wav.scp:3"]
    assert "no line in text" in reasons["segments:5"]
    assert len(reasons) == 6


def test_kaldi_folder_without_text_is_refused(clips: Path) -> None:
    with pytest.raises(ManifestError, match="without the file 'text'"):
        load_data(kaldi(clips, wav_scp="u1 a.wav\n"))


@pytest.mark.slow
def test_parquet_with_bytes_of_the_audio(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    values = [{"bytes": (clips / f"{n}.wav").read_bytes(), "path": f"/x/{n}.wav"} for n in WORDS]
    columns = {
        "audio": [*values, {"bytes": None, "path": "/etc/passwd"}],
        "text": [*WORDS.values(), "none"],
        "id": ["1", "2", "3", "4"],
    }
    datasets.Dataset.from_dict(columns).to_parquet(str(clips / "x.parquet"))
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(clips / "cache"))
    data = load_data(clips / "x.parquet")
    assert [u.reference for u in data.utterances] == list(WORDS.values())
    assert [u.duration_s for u in data.utterances] == [1.0, 1.5, 2.0]
    (skip,) = data.skipped
    assert skip.reason == "no audio bytes in this row"
    for utterance, name in zip(data.utterances, WORDS, strict=True):
        assert utterance.audio_path.read_bytes() == (clips / f"{name}.wav").read_bytes()
        assert utterance.audio_path.is_relative_to(clips / "cache")


def test_a_parquet_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(ManifestError, match=r"x\.parquet:1: no parquet table") as caught:
        load_data(tmp_path / "x.parquet")
    assert "\n" not in str(caught.value)
