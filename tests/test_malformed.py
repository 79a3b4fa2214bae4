"""A hundred broken files: each ends in one line that names the file and the line, and in code 3."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_adapt.cli import main

CSV = "id,audio,text,start,end\n"
TSV = "client_id\tpath\tsentence\n"
SRT = "1\n00:00:01,000 --> 00:00:02,000\nover\n\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nover\n\n"
XML = '<?xml version="1.0" encoding="{}"?>\n'
EAF_HEAD = (
    "<ANNOTATION_DOCUMENT>\n"
    '<HEADER><MEDIA_DESCRIPTOR RELATIVE_MEDIA_URL="./call.wav"/></HEADER>\n'
    '<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>\n'
    '<TIME_SLOT TIME_SLOT_ID="ts2"/>\n'
    '<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="9e9"/></TIME_ORDER>\n'
)
GRID_HEAD = '"ooTextFile"\n"TextGrid"\n0\n14\n<exists>\n1\n"IntervalTier"\n"anna"\n0\n14\n'
SOURCE = {"type": "file", "channels": [0], "source": "call.wav"}
RECORDING = {"id": "r", "sources": [SOURCE], "sampling_rate": 8000, "duration": 14.0}
SAID = {"id": "u", "recording_id": "r", "start": 0, "duration": 2.0, "channel": 0, "text": "over"}
CUT = {"id": "c", "start": 0, "duration": 2.0, "type": "MonoCut", "recording": RECORDING}


def row(**changes: object) -> str:
    """A row of our own manifest."""
    values = {"utterance_id": "u", "audio_path": "call.wav", "reference": "over", **changes}
    return json.dumps({k: v for k, v in values.items() if v != "absent"}) + "\n"


def nemo(**changes: object) -> str:
    return json.dumps({"audio_filepath": "call.wav", "text": "over", "duration": 2, **changes})


def cut(recording: object = None, **changes: object) -> str:
    said = [{**SAID, **changes}]
    return json.dumps({**CUT, "supervisions": said, "recording": recording or RECORDING}) + "\n"


def source(**changes: object) -> dict[str, object]:
    return {**RECORDING, "sources": [{**SOURCE, **changes}]}


def grid(intervals: str, count: int = 1) -> str:
    return f"{GRID_HEAD}{count}\n{intervals}"


def eaf(annotation: str, tier: str = 'TIER_ID="anna"') -> str:
    return (
        f"{EAF_HEAD}<TIER {tier}><ANNOTATION>\n{annotation}\n</ANNOTATION></TIER>\n"
        "</ANNOTATION_DOCUMENT>\n"
    )


def aligned(first: str, second: str) -> str:
    return (
        f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="a" TIME_SLOT_REF1="{first}" '
        f'TIME_SLOT_REF2="{second}"><ANNOTATION_VALUE>over</ANNOTATION_VALUE>'
        "</ALIGNABLE_ANNOTATION>"
    )


def task(result: object, **data: object) -> str:
    values = {"audio": "call.wav", **data}
    return json.dumps([{"id": 1, "data": values, "annotations": [{"result": result}]}], indent=1)


def words(**value: object) -> list[dict[str, object]]:
    return [{"id": "r", "type": "textarea", "from_name": "t", "value": {"text": ["x"], **value}}]


Case = tuple[str, str | bytes, int]
"""Name of the file, what it holds, and the line that is at fault."""
CASES: dict[str, Case] = {
    # tables
    "csv without a header": ("x.csv", "call.wav,over\n", 1),
    "csv of other things": ("x.csv", "price,colour\n1,red\n", 1),
    "csv without words": ("x.csv", "audio,price\ncall.wav,3\n", 1),
    "csv with a column twice": ("x.csv", "audio,text,text\ncall.wav,a,b\n", 1),
    "csv row too short": ("x.csv", CSV + "u,call.wav\n", 2),
    "csv row too long": ("x.csv", CSV + "a,call.wav,over,,\nu,call.wav,over,,,,\n", 3),
    "csv sound missing": ("x.csv", CSV + "u,gone.wav,over,,\n", 2),
    "csv sound empty": ("x.csv", CSV + "u,empty.wav,over,,\n", 2),
    "csv sound is none": ("x.csv", CSV + "u,x.csv,over,,\n", 2),
    "csv sound is a folder": ("x.csv", CSV + "u,.,over,,\n", 2),
    "csv ends before it starts": ("x.csv", CSV + "u,call.wav,over,5,2\n", 2),
    "csv starts after the end": ("x.csv", CSV + "u,call.wav,over,50,52\n", 2),
    "csv ends after the end": ("x.csv", CSV + "u,call.wav,over,5,20\n", 2),
    "csv starts before zero": ("x.csv", CSV + "u,call.wav,over,-1,2\n", 2),
    "csv time in words": ("x.csv", CSV + "u,call.wav,over,noon,\n", 2),
    "csv time not a number": ("x.csv", CSV + "u,call.wav,over,nan,\n", 2),
    "csv time without end": ("x.csv", CSV + "u,call.wav,over,0,inf\n", 2),
    "csv leaves its folder": ("x.csv", CSV + "u,../../etc/passwd,over,,\n", 2),
    "csv runs a command": ("x.csv", CSV + "u,touch pwned |,over,,\n", 2),
    "csv fetches": ("x.csv", CSV + "u,http://example.org/call.wav,over,,\n", 2),
    "csv from Windows": ("x.csv", CSV + "u,C:\\call.wav,over,,\n", 2),
    "csv nothing said": ("x.csv", CSV + "u,call.wav,,,\n", 2),
    "csv no sound named": ("x.csv", CSV + "u,,over,,\n", 2),
    "csv id twice": ("x.csv", CSV + "u,call.wav,a,,\nu,call.wav,b,,\n", 3),
    "csv id empty": ("x.csv", CSV + ",call.wav,a,,\n", 2),
    "csv in Latin-1": ("x.csv", (CSV + "u,call.wav,\xfcber,,\n").encode("latin-1"), 2),
    "csv with NUL": ("x.csv", CSV + "u,call.wav,o\0er,,\n", 2),
    "csv quote left open": ("x.csv", CSV + 'u,call.wav,"over,,\n', 2),
    "csv empty": ("x.csv", "", 1),
    "csv blank": ("x.csv", "\n  \n", 1),
    "csv in half of UTF-16": ("x.csv", CSV.encode("utf-16")[:-1], 1),
    "csv with a control character in a path": ("x.csv", CSV + "u,call\x1b.wav,over,,\n", 2),
    "csv no row survives a spreadsheet": ("x.csv", "sep=;\n" + CSV, 2),
    "tsv row too long": ("x.tsv", TSV + "c\tcall.wav\tover\tand\tout\n", 2),
    "tsv sound missing": ("x.tsv", TSV + "c\tgone.mp3\tover\n", 2),
    "tsv nothing said": ("x.tsv", TSV + "c\tcall.wav\t\n", 2),
    # JSON lines
    "manifest not JSON": ("x.jsonl", row() + "{'a': 1}\n", 2),
    "manifest cut off": ("x.jsonl", row() + row()[:-9], 2),
    "manifest with a list": ("x.jsonl", row() + "[1, 2]\n", 2),
    "manifest with NaN": ("x.jsonl", row() + '{"utterance_id": "v", "start_s": NaN}\n', 2),
    "manifest key twice": ("x.jsonl", row() + '{"utterance_id": "v", "utterance_id": "w"}\n', 2),
    "manifest key unknown": ("x.jsonl", row(colour="red"), 1),
    "manifest key missing": ("x.jsonl", row() + row(utterance_id="v", audio_path="absent"), 2),
    "manifest id null": ("x.jsonl", row(utterance_id=None), 1),
    "manifest id twice": ("x.jsonl", row() + row(), 2),
    "manifest tags no object": ("x.jsonl", row(tags=[1]), 1),
    "manifest tag no value": ("x.jsonl", row(tags={"a": [1]}), 1),
    "manifest words a number": ("x.jsonl", row(reference=7), 1),
    "manifest time true": ("x.jsonl", row(start_s=True), 1),
    "manifest context a number": ("x.jsonl", row(context=7), 1),
    "manifest half a character": ("x.jsonl", row(reference="\ud800"), 1),
    "manifest in UTF-16": ("x.jsonl", row().encode("utf-16"), 1),
    "manifest deep": ("x.jsonl", row() + "[" * 5000 + "\n", 2),
    "manifest blank": ("x.jsonl", "\n\n", 1),
    "NeMo sound missing": ("x.json", nemo(audio_filepath="gone.wav"), 1),
    "NeMo offset negative": ("x.json", nemo(offset=-3), 1),
    "NeMo too long": ("x.json", nemo(duration=99), 1),
    "NeMo words a list": ("x.json", nemo(text=["over"]), 1),
    "array cut off": ("x.json", '[\n{"audio": "call.wav", "text": "a"},\n{"audio', 3),
    "array not closed": ("x.json", '[\n{"audio": "call.wav", "text": "a"}\n', 3),
    "array without comma": ("x.json", '[{"audio": "call.wav", "text": "a"}\n{}]', 2),
    "array of nothing": ("x.json", "[\n]", 2),
    "array of numbers": ("x.json", "[\n1]", 2),
    "array and more": ("x.json", '[{"audio": "call.wav", "text": "a"}]\nmore', 2),
    "array of other things": ("x.json", '[{"price": 1}]', 1),
    # Lhotse
    "Lhotse command": ("x.jsonl", cut(source(type="command", source="touch pwned")), 1),
    "Lhotse address": ("x.jsonl", cut(source(type="url")), 1),
    "Lhotse sound missing": ("x.jsonl", cut(source(source="gone.wav")), 1),
    "Lhotse one of two channels": ("x.jsonl", cut(source(channels=[0, 1])), 1),
    "Lhotse transformed": ("x.jsonl", cut({**RECORDING, "transforms": [{"name": "Speed"}]}), 1),
    "Lhotse no sources": ("x.jsonl", cut({**RECORDING, "sources": []}), 1),
    "Lhotse mixed": ("x.jsonl", json.dumps({"id": "m", "type": "MixedCut", "tracks": []}), 1),
    "Lhotse time in words": ("x.jsonl", cut(start="noon"), 1),
    "Lhotse words a number": ("x.jsonl", cut(text=3), 1),
    "Lhotse without recordings": ("my_supervisions.jsonl", json.dumps(SAID), 1),
    "Lhotse no gzip": ("x.jsonl.gz", cut(), 1),
    # subtitles
    "SubRip arrow only": ("call.srt", SRT + "2\n-->\nover\n", 6),
    "SubRip sixty-one seconds": ("call.srt", SRT + "2\n00:00:03,000 --> 00:00:61,000\nover\n", 6),
    "SubRip words only": ("call.srt", SRT + "and some more\n", 5),
    "SubRip backwards": ("call.srt", SRT + "2\n00:00:09,000 --> 00:00:05,000\nover\n", 6),
    "SubRip too late": ("call.srt", SRT + "2\n00:10:00,000 --> 00:10:05,000\nover\n", 6),
    "SubRip without sound": ("other.srt", SRT, 1),
    "SubRip of numbers": ("call.srt", "1\n", 1),
    "SubRip in Latin-1": ("call.srt", (SRT + "\xfc").encode("latin-1"), 5),
    "WebVTT without its first line": ("call.vtt", VTT.removeprefix("WEBVTT"), 1),
    "WebVTT without cues": ("call.vtt", "WEBVTT\n", 1),
    "WebVTT cue without time": ("call.vtt", VTT + "over and out\n", 6),
    "WebVTT half a time": ("call.vtt", VTT + "00:03.000 -->\nover\n", 6),
    # NIST
    "STM four fields": ("x.stm", ";; c\ncall 1 anna 0\n", 2),
    "STM time in words": ("x.stm", "call 1 anna zero 2 over\n", 1),
    "STM without sound": ("x.stm", "gone 1 anna 0 2 over\n", 1),
    "STM too late": ("x.stm", "call 1 anna 0 99 over\n", 1),
    "STM backwards": ("x.stm", "call 1 anna 3 2 over\n", 1),
    "STM time not a number": ("x.stm", "call 1 anna nan 2 over\n", 1),
    "STM time without end": ("x.stm", "call 1 anna inf inf over\n", 1),
    "STM time beyond milliseconds": ("x.stm", "call 1 anna 1e308 1e308 over\n", 1),
    "STM name too long": ("x.stm", "c" * 5000 + " 1 anna 0 2 over\n", 1),
    "STM of comments": ("x.stm", ";; nothing\n", 1),
    "CTM four fields": ("x.ctm", "call 1 0 0.5 over\ncall 1 1.0 0.5\n", 2),
    "CTM alternatives": ("x.ctm", "call 1 * * <ALT_BEGIN>\n", 1),
    "CTM time in words": ("x.ctm", "call 1 0 long over\n", 1),
    "CTM backwards": ("x.ctm", "call 1 3 -1 over\n", 1),
    "CTM sum without end": ("x.ctm", "call 1 1e308 1e308 over\n", 1),
    "CTM leaves its folder": ("x.ctm", "../../etc/passwd 1 0 1 over\n", 1),
    # TextGrid
    "TextGrid cut off": ("call.TextGrid", grid('0\n1\n"over"\n', count=2), 14),
    "TextGrid quote left open": ("call.TextGrid", grid('0\n1\n"over\n'), 14),
    "TextGrid words for a time": ("call.TextGrid", grid('0\n"one"\n"over"\n'), 13),
    "TextGrid time for words": ("call.TextGrid", grid("0\n1\n2\n"), 14),
    "TextGrid half a tier": (
        "call.TextGrid",
        grid("0 1", count=1).replace('1\n"Int', '1.5\n"Int'),
        6,
    ),
    "TextGrid unknown tier": ("call.TextGrid", grid("").replace("IntervalTier", "Tier"), 7),
    "TextGrid of another kind": ("call.TextGrid", '"ooTextFile"\n"Pitch"\n', 1),
    "TextGrid in binary": ("call.TextGrid", b"ooBinaryFile\x08TextGrid", 1),
    "TextGrid without words": ("call.TextGrid", grid('0\n14\n""\n'), 7),
    "TextGrid too late": ("call.TextGrid", grid('0\n99\n"over"\n'), 12),
    "TextGrid time without end": ("call.TextGrid", grid('1e999\n1\n"over"\n'), 12),
    "TextGrid intervals without end": ("call.TextGrid", f"{GRID_HEAD}1e999\n", 11),
    "TextGrid tiers without end": ("call.TextGrid", '"ooTextFile"\n"TextGrid"\n0\n1\n1e999', 5),
    # ELAN
    "ELAN not XML": ("x.eaf", eaf("").replace("</TIER>", ""), 9),
    "ELAN another document": ("x.eaf", "<html></html>", 1),
    "ELAN with entities": ("x.eaf", '<!DOCTYPE d [\n<!ENTITY a "b">]>\n' + eaf(""), 1),
    "ELAN slot without time": ("x.eaf", eaf(aligned("ts1", "ts2")), 7),
    "ELAN slot not there": ("x.eaf", eaf(aligned("ts1", "ts9")), 7),
    "ELAN in Shift JIS": ("x.eaf", XML.format("shift_jis") + eaf(""), 1),
    "ELAN in nobody's encoding": ("x.eaf", XML.format("tlh-8") + eaf(""), 1),
    "ELAN time beyond floats": (
        "x.eaf",
        eaf(aligned("ts1", "ts3")).replace("9e9", "9" * 400),
        7,
    ),
    "ELAN time of too many digits": (
        "x.eaf",
        eaf(aligned("ts1", "ts3")).replace("9e9", "9" * 5000),
        7,
    ),
    "ELAN time not a number": ("x.eaf", eaf(aligned("ts1", "ts3")), 7),
    "ELAN backwards": ("x.eaf", eaf(aligned("ts1", "ts1")), 7),
    "ELAN tier without name": ("x.eaf", eaf(aligned("ts1", "ts2"), tier=""), 6),
    "ELAN without sound": ("x.eaf", eaf("").replace("call.wav", "gone.wav"), 1),
    # Label Studio
    "Label Studio sound missing": ("x.json", task(words(), audio="/data/upload/1/gone.wav"), 2),
    "Label Studio cloud": ("x.json", task(words(), audio="s3://bucket/call.wav"), 2),
    "Label Studio region too late": ("x.json", task(words(start=50, end=60)), 2),
    "Label Studio region without end": ("x.json", task(words(start=1)), 2),
    "Label Studio results no list": ("x.json", task([3]), 2),
    "Label Studio words a number": ("x.json", task(words(text=3)), 2),
    "Label Studio without sound": ("x.json", task(words()).replace("audio", "picture"), 1),
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound of 14 s, and one that is empty."""
    folder = tmp_path_factory.mktemp("sounds")
    soundfile.write(folder / "call.wav", 0.1 * np.sin(np.arange(14 * 8000) / 10), 8000)
    (folder / "empty.wav").touch()
    return folder


def test_there_are_a_hundred() -> None:
    assert len(CASES) >= 100
    assert len({Path(name).suffix for name, _, _ in CASES.values()}) >= 10


@pytest.mark.parametrize("name", CASES)
def test_a_broken_file_is_one_line_with_its_place(
    name: str,
    sounds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file_name, content, line = CASES[name]
    for sound in sounds.iterdir():
        shutil.copy(sound, tmp_path)
    path = tmp_path / file_name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    out = tmp_path / "out"
    command = ["asr-adapt", "data", "prepare", str(path), "--out", str(out), "--quiet"]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leaving:
        main()
    printed = capsys.readouterr()
    assert leaving.value.code == 3
    assert printed.out == ""
    (message,) = printed.err.splitlines()
    assert message.startswith("error: ")
    assert message.isprintable()
    assert f"{path}:{line}: " in message
    assert len(re.split(rf"{re.escape(str(path))}:\d+: ", message)[-1]) >= 8
    assert not out.exists()
    assert not (tmp_path / "pwned").exists()
