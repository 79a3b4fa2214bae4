"""The same three utterances, written by each format's own ecosystem, come out as the same rows."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.json_array import read_array
from asr_adapt.importers.segments import Segment, merge_segments
from asr_adapt.manifest import load_data, write_manifest
from asr_adapt.records import Utterance

Spoken = tuple[float, float, str, str]
SPOKEN: tuple[Spoken, ...] = (
    (0.5, 2.25, "Elbe Traffic, this is Ada", "anna"),
    (5.0, 6.5, 'Ada: go ahead & say "over"', "ben"),
    (9.0, 12.75, "Über Kanal 16, bitte", "anna"),
)
"""Start and end in seconds, words, speaker."""
PANDAS_TABLE = {
    "audio": ["call.wav"] * 3,
    "start": [start for start, _, _, _ in SPOKEN],
    "end": [end for _, end, _, _ in SPOKEN],
    "text": [text for _, _, text, _ in SPOKEN],
    "speaker": [speaker for _, _, _, speaker in SPOKEN],
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound of 14 s."""
    path = tmp_path_factory.mktemp("sound") / "call.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(14 * 8000) / 10), 8000)
    return path


@pytest.fixture
def folder(recording: Path, tmp_path: Path) -> Path:
    """A folder with that sound."""
    shutil.copy(recording, tmp_path / "call.wav")
    return tmp_path


def write_csv(folder: Path) -> Path:
    import pandas as pd

    pd.DataFrame(PANDAS_TABLE).to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def write_excel_csv(folder: Path) -> Path:
    """As a German Excel writes it: its own first line, semicolons, decimal commas, a BOM."""
    import pandas as pd

    text = pd.DataFrame(PANDAS_TABLE).to_csv(
        index=False, sep=";", decimal=",", lineterminator="\r\n"
    )
    (folder / "x.csv").write_bytes(f"sep=;\r\n{text}".encode("utf-8-sig"))
    return folder / "x.csv"


def write_unicode_text(folder: Path) -> Path:
    """As Excel writes "Unicode text"."""
    import pandas as pd

    table = pd.DataFrame(PANDAS_TABLE)
    table.to_csv(folder / "x.txt", index=False, sep="\t", quoting=csv.QUOTE_NONE, encoding="utf-16")
    return folder / "x.txt"


def write_metadata_parquet(folder: Path) -> Path:
    import pandas as pd

    table = pd.DataFrame(PANDAS_TABLE).rename(columns={"audio": "file_name"})
    table.to_parquet(folder / "metadata.parquet")
    return folder


def write_nemo(folder: Path) -> Path:
    """NeMo's own scripts write one json.dumps a line."""
    rows = [
        {
            "audio_filepath": "call.wav",
            "offset": start,
            "duration": end - start,
            "text": text,
            "speaker": speaker,
        }
        for start, end, text, speaker in SPOKEN
    ]
    (folder / "x.json").write_text("\n".join(json.dumps(row) for row in rows))
    return folder / "x.json"


def write_json_array(folder: Path) -> Path:
    import pandas as pd

    pd.DataFrame(PANDAS_TABLE).to_json(folder / "x.json", orient="records", indent=2)
    return folder / "x.json"


def write_own(folder: Path) -> Path:
    rows = [
        Utterance(f"u{i}", folder / "call.wav", start, end - start, text, speaker=speaker)
        for i, (start, end, text, speaker) in enumerate(SPOKEN)
    ]
    write_manifest(folder / "x.jsonl", rows)
    return folder / "x.jsonl"


def write_srt(folder: Path) -> Path:
    import pysubs2

    subtitles = pysubs2.SSAFile()
    for start, end, text, _ in SPOKEN:
        times = pysubs2.make_time(s=start), pysubs2.make_time(s=end)
        subtitles.append(pysubs2.SSAEvent(*times, text.replace(", ", r",\N")))
    subtitles.save(str(folder / "call.srt"))
    return folder / "call.srt"


def write_vtt(folder: Path) -> Path:
    import webvtt

    file = webvtt.WebVTT()
    for start, end, text, speaker in SPOKEN:
        times = (f"00:00:{seconds:06.3f}" for seconds in (start, end))
        escaped = text.replace("&", "&amp;")
        file.captions.append(webvtt.Caption(*times, f"<v {speaker}>{escaped}</v>"))
    file.save(str(folder / "call.en.vtt"))
    return folder / "call.en.vtt"


def write_stm(folder: Path) -> Path:
    """By hand after NIST's description; the label is as sclite's own examples have it."""
    lines = [f"call 1 {who} {start} {end} <o,f0,female> {text}" for start, end, text, who in SPOKEN]
    head = ";; made by hand\n"
    gap = "call 1 inter_segment_gap 2.25 5.0 <o,f0,female> IGNORE_TIME_SEGMENT_IN_SCORING\n"
    (folder / "x.stm").write_text(head + gap + "\n".join(lines) + "\n")
    return folder / "x.stm"


def write_textgrid(folder: Path, form: str) -> Path:
    from praatio import textgrid

    grid = textgrid.Textgrid()
    for name in ("anna", "ben"):
        entries = [(start, end, text) for start, end, text, who in SPOKEN if who == name]
        grid.addTier(textgrid.IntervalTier(name, entries, 0, 14))
    grid.addTier(textgrid.PointTier("clicks", [(1.0, "x")], 0, 14))
    grid.addTier(textgrid.IntervalTier("phones", [(0.5, 0.6, "E")], 0, 14))
    grid.save(str(folder / "call.TextGrid"), form, includeBlankSpaces=True)
    return folder / "call.TextGrid"


def write_long_textgrid(folder: Path) -> Path:
    return write_textgrid(folder, "long_textgrid")


def write_praat_textgrid(folder: Path) -> Path:
    """Praat itself writes UTF-16 where a text is not plain Latin."""
    path = write_textgrid(folder, "short_textgrid")
    path.write_bytes(path.read_text("utf-8").encode("utf-16"))
    return path


def write_elan(folder: Path) -> Path:
    import pympi

    document = pympi.Elan.Eaf()
    document.add_linked_file("file:///somewhere/else/call.wav", "./call.wav")
    document.remove_tier("default")
    for name in ("A", "B"):
        document.add_tier(name, part={"A": "anna", "B": "ben"}[name])
    for start, end, text, who in SPOKEN:
        tier = {"anna": "A", "ben": "B"}[who]
        document.add_annotation(tier, round(start * 1000), round(end * 1000), text)
    document.to_file(str(folder / "annotations.eaf"))
    return folder / "annotations.eaf"


def write_label_studio(folder: Path) -> Path:
    """By hand after Label Studio's description of its export."""
    results = []
    for i, (start, end, text, who) in enumerate(SPOKEN):
        region = {"id": f"r{i}", "to_name": "audio", "original_length": 14.0}
        times = {"start": start, "end": end, "channel": 0}
        labels = {"value": {**times, "labels": [who]}, "type": "labels", "from_name": "who"}
        words = {"value": {**times, "text": [text]}, "type": "textarea", "from_name": "words"}
        results += [{**region, **labels}, {**region, **words}]
    older = {"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": []}
    newer = {"id": 2, "updated_at": "2026-01-02T00:00:00Z", "result": results}
    refused = {"id": 3, "updated_at": "2026-01-03T00:00:00Z", "result": [], "was_cancelled": True}
    audio = "/data/upload/1/1a2b3c4d-call.wav"
    task = {"id": 7, "annotations": [newer, older, refused], "data": {"audio": audio}}
    (folder / "export.json").write_text(json.dumps([task], indent=2))
    return folder / "export.json"


WRITERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "CSV, pandas": ("CSV table (',')", write_csv),
    "CSV of Excel": ("CSV table (';')", write_excel_csv),
    "Unicode text of Excel": ("TSV table", write_unicode_text),
    "audiofolder with metadata.parquet": ("parquet table", write_metadata_parquet),
    "NeMo manifest": ("NeMo manifest", write_nemo),
    "JSON array, pandas": ("JSON array", write_json_array),
    "asr-adapt manifest": ("asr-adapt manifest", write_own),
    "SubRip, pysubs2": ("SubRip subtitles (3 cues)", write_srt),
    "WebVTT, webvtt-py": ("WebVTT subtitles (3 cues)", write_vtt),
    "STM": ("STM (1 segments not to be scored left out)", write_stm),
    "TextGrid, praatio": ("TextGrid", write_long_textgrid),
    "TextGrid in UTF-16": ("TextGrid", write_praat_textgrid),
    "ELAN, pympi": ("ELAN", write_elan),
    "Label Studio": ("Label Studio", write_label_studio),
}


def spoken(path: Path) -> list[Spoken]:
    """Import a file and return what is said in it, in order of time."""
    data = load_data(path, allow_outside=True)
    assert data.skipped == ()
    return heard(data.usable())


def heard(utterances: list[Utterance]) -> list[Spoken]:
    assert {u.audio_path.name for u in utterances} == {"call.wav"}
    return sorted(
        (u.start_s, round(u.start_s + u.duration_s, 6), u.reference or "", u.speaker or "")
        for u in utterances
    )


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_utterances(name: str, folder: Path) -> None:
    format_name, write = WRITERS[name]
    path = write(folder)
    data = load_data(path)
    assert data.format_name == format_name
    nobody = name.startswith("SubRip")
    assert spoken(path) == [(a, b, text, "" if nobody else who) for a, b, text, who in SPOKEN]
    assert len(data.places) == 3
    assert all(place.rpartition(":")[2].isdigit() for place in data.places.values())


@pytest.mark.slow
def test_what_lhotse_writes_gives_the_same_utterances(folder: Path) -> None:
    """Cuts, recordings with supervisions, Kaldi folders and CTM, all by Lhotse."""
    import lhotse
    from lhotse.kaldi import export_to_kaldi
    from lhotse.supervision import AlignmentItem

    recordings = lhotse.RecordingSet.from_recordings(
        [lhotse.Recording.from_file(folder / "call.wav")]
    )
    supervisions = lhotse.SupervisionSet.from_segments(
        lhotse.SupervisionSegment(
            f"u{i}",
            "call",
            start,
            round(end - start, 6),
            text=text,
            speaker=who,
            language="English",
            alignment={"word": [AlignmentItem(w, start, 0.1) for w in text.split()]},
        )
        for i, (start, end, text, who) in enumerate(SPOKEN)
    )
    recordings.to_file(folder / "radio_recordings_train.jsonl.gz")
    supervisions.to_file(folder / "radio_supervisions_train.jsonl.gz")
    cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
    cuts.to_file(folder / "whole.jsonl.gz")
    cuts.trim_to_supervisions().to_file(folder / "trimmed.jsonl")
    export_to_kaldi(recordings, supervisions, folder / "kaldi")
    for name in ("whole.jsonl.gz", "trimmed.jsonl", "kaldi", "radio_recordings_train.jsonl.gz"):
        assert spoken(folder / name) == list(SPOKEN), name
    assert spoken(folder) == list(SPOKEN)
    supervisions.write_alignment_to_ctm(folder / "x.ctm")
    words = load_data(folder / "x.ctm").usable()
    assert [u.start_s for u in words] == [start for start, _, _, _ in SPOKEN]
    assert [u.reference for u in words] == [text for _, _, text, _ in SPOKEN]


def test_lhotse_manifests_that_run_or_change_something_are_bad_rows(folder: Path) -> None:
    def cut(**recording: object) -> dict[str, object]:
        source = {"type": "file", "channels": [0], "source": "call.wav"}
        whole = {"id": "r", "sources": [source], "sampling_rate": 8000, "duration": 14}
        times = {"id": "u", "start": 0, "duration": 2}
        said = [{**times, "recording_id": "r", "channel": 0, "text": "x"}]
        return {
            **times,
            "type": "MonoCut",
            "recording": {**whole, **recording},
            "supervisions": said,
        }

    stereo = {"type": "file", "channels": [0, 1], "source": "call.wav"}
    rows = [
        cut(),
        cut(sources=[{"type": "command", "channels": [0], "source": "touch pwned"}]),
        cut(sources=[{"type": "url", "channels": [0], "source": "http://x/call.wav"}]),
        cut(transforms=[{"name": "Speed", "kwargs": {"factor": 0.9}}]),
        cut(sources=[stereo]),
        {**cut(), "type": "MixedCut", "tracks": []},
        {**cut(), "recording": None},
        {**cut(), "start": "soon"},
    ]
    (folder / "cuts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load_data(folder / "cuts.jsonl")
    assert [u.utterance_id for u in data.utterances] == ["u"]
    reasons = [skip.reason for skip in data.skipped]
    wanted = ("'command'", "'url'", "transformed", "channel 0 of 2", "MixedCut", "features", "soon")
    for reason, part in zip(reasons, wanted, strict=True):
        assert part in reason


def test_common_voice_has_its_clips_and_splits(folder: Path) -> None:
    (folder / "clips").mkdir()
    for name in ("a", "b"):
        shutil.copy(folder / "call.wav", folder / "clips" / f"{name}.mp3")
    header = "client_id\tpath\tsentence\tup_votes\tlocale\n"
    (folder / "train.tsv").write_text(f'{header}c1\ta.mp3\t"Stop," he said\t2\ten\n')
    (folder / "test.tsv").write_text(f"{header}c2\tb.mp3\tover\t2\ten\n")
    (folder / "validated.tsv").write_text(f"{header}c1\ta.mp3\tagain\t2\ten\n")
    data = load_data(folder)
    assert (data.format_name, data.skipped) == ("Common Voice", ())
    assert [(u.speaker, u.reference, u.tags["split"]) for u in data.utterances] == [
        ("c1", '"Stop," he said', "train"),
        ("c2", "over", "test"),
    ]
    assert [u.tags["split"] for u in load_data(folder / "test.tsv").utterances] == ["test"]
    assert "split" not in load_data(folder / "validated.tsv").utterances[0].tags


def test_a_folder_of_annotated_recordings_is_read_whole(folder: Path) -> None:
    write_srt(folder)
    shutil.copy(folder / "call.wav", folder / "other.wav")
    (folder / "other.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nover\n")
    data = load_data(folder)
    assert data.skipped == ()
    assert {u.audio_path.name for u in data.utterances} == {"call.wav", "other.wav"}
    assert len(data.utterances) == 4


def test_tiers_can_be_named_and_aligned_words_are_joined(folder: Path) -> None:
    from praatio import textgrid

    grid = textgrid.Textgrid()
    words = [(0.5, 0.9, "go"), (0.9, 1.4, "ahead"), (6.0, 6.5, "over")]
    grid.addTier(textgrid.IntervalTier("anna - words", words, 0, 14))
    grid.addTier(textgrid.IntervalTier("anna - phones", [(0.5, 0.7, "g")], 0, 14))
    path = folder / "call.TextGrid"
    grid.save(str(path), "long_textgrid", includeBlankSpaces=True)
    assert spoken(path) == [(0.5, 1.4, "go ahead", "anna"), (6.0, 6.5, "over", "anna")]
    phones = load_data(path, columns=ColumnNames(text="anna - phones"))
    assert [u.reference for u in phones.utterances] == ["g"]
    with pytest.raises(ManifestError, match=r"no tier 'ben'; the tiers are: 'anna - words', 'anna"):
        load_data(path, columns=ColumnNames(text="ben"))


def test_dependent_tiers_of_elan_are_read_only_by_name(folder: Path) -> None:
    import pympi

    document = pympi.Elan.Eaf()
    document.add_linked_file("file:///x/call.wav", "./call.wav")
    document.add_linguistic_type("inside", "Included_In")
    document.add_tier("said")
    document.add_tier("meant", ling="inside", parent="said")
    document.add_annotation("said", 1000, 2000, "jo")
    document.add_annotation("meant", 1000, 2000, "yes")
    document.to_file(str(folder / "x.eaf"))
    assert [u.reference for u in load_data(folder / "x.eaf").utterances] == ["jo"]
    named = load_data(folder / "x.eaf", columns=ColumnNames(text="meant"))
    assert [u.reference for u in named.utterances] == ["yes"]


def test_cues_are_joined_up_to_thirty_seconds_and_over_short_pauses_only() -> None:
    def cue(start_s: float, end_s: float, speaker: str | None = None) -> Segment:
        return Segment(1, "call.wav", start_s, end_s, f"{start_s:g}", speaker)

    cues = [cue(0, 10), cue(11, 20), cue(20, 30), cue(30, 31), cue(34, 35), cue(36, 37, "ben")]
    cues += [cue(38, 39, "ben"), cue(50, 40, "ben"), cue(51, 52, "ben"), cue(60, 120, "ben")]
    spans = [(s.start_s, s.end_s, s.text) for s in merge_segments(cues)]
    assert spans == [
        (0, 30, "0 11 20"),
        (30, 31, "30"),
        (34, 35, "34"),
        (36, 39, "36 38"),
        (50, 40, "50"),
        (51, 52, "51"),
        (60, 120, "60"),
    ]


def test_channels_of_one_recording_are_not_mixed(folder: Path) -> None:
    (folder / "x.stm").write_text("call A anna 0 1 hello\ncall B ben 1 2 over\n")
    data = load_data(folder / "x.stm")
    assert data.utterances == ()
    assert all("channels A, B" in skip.reason for skip in data.skipped)


def test_recordings_named_by_their_whole_path_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some tools write them; given by a relative path, the file lies in a folder without one."""
    (folder / "x.stm").write_text(f"{folder}/call 1 anna 0 2 over\n")
    monkeypatch.chdir(folder)
    for path in (Path("x.stm"), folder / "x.stm"):
        (utterance,) = load_data(path).utterances
        assert utterance.audio_path == folder / "call.wav"


def test_a_whole_path_does_not_lead_out_of_the_folder(folder: Path) -> None:
    inside = folder / "inside"
    inside.mkdir()
    (inside / "x.stm").write_text(f"{folder}/call 1 anna 0 2 over\n")
    (skip,) = load_data(inside / "x.stm").skipped
    assert "--allow-outside" in skip.reason
    assert load_data(inside / "x.stm", allow_outside=True).utterances


def test_tasks_that_nobody_annotated_have_no_reference(folder: Path) -> None:
    tasks = [
        {"id": 1, "data": {"audio": "/data/local-files/?d=call.wav", "utterance_id": "u1"}},
        {"id": 2, "data": {"audio": "call.wav"}, "annotations": [{"result": []}]},
    ]
    (folder / "x.json").write_text(json.dumps(tasks))
    rows = load_data(folder / "x.json").usable()
    assert [(u.utterance_id, u.reference) for u in rows] == [("u1", None), ("task-2", "")]


def test_objects_of_an_array_keep_their_lines(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('\ufeff[ {"a": 1},\n\n {"a":\n2} , 3,\n{"b": [\n]}]\n')
    lines, skipped = read_array(tmp_path / "x.json")
    assert [(line.line, line.values) for line in lines] == [
        (1, {"a": 1}),
        (3, {"a": 2}),
        (5, {"b": []}),
    ]
    assert [skip.line for skip in skipped] == [4]
