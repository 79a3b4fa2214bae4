"""Manifests: what is written is read again, and whatever is wrong is said with file and line."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_adapt.errors import DataError, ManifestError
from asr_adapt.importers.rows import SkippedRow
from asr_adapt.manifest import (
    ImportedData,
    load_data,
    read_manifest,
    select_split,
    write_manifest,
)
from asr_adapt.records import Utterance

QUICK = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAME = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12)
TIME_S = st.floats(0.001, 1e6)


@st.composite
def utterances(draw: st.DrawFn) -> list[Utterance]:
    phrases = st.lists(NAME, max_size=4, unique=True).map(tuple)
    return [
        Utterance(
            utterance_id=utterance_id,
            audio_path=Path("clips") / f"{number}.wav",
            start_s=draw(TIME_S),
            duration_s=draw(TIME_S),
            reference=draw(st.none() | TEXT),
            language=draw(st.sampled_from(["en", "de"])),
            speaker=draw(st.none() | NAME),
            recording_id=draw(st.none() | NAME),
            context=draw(phrases),
            tags=draw(st.dictionaries(NAME, TEXT, max_size=3)),
        )
        for number, utterance_id in enumerate(draw(st.lists(NAME, unique=True, max_size=5)))
    ]


@QUICK
@given(rows=utterances())
def test_what_is_written_is_read_again_and_its_bytes_are_stable(
    tmp_path: Path, rows: list[Utterance]
) -> None:
    path = tmp_path / "m.jsonl"
    rows = [replace(row, audio_path=tmp_path / row.audio_path) for row in rows]
    write_manifest(path, rows)
    first = path.read_bytes()
    again = read_manifest(path)
    assert again == rows
    write_manifest(path, again)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["m.jsonl"], "nothing is left behind"


def test_a_manifest_can_move_with_its_audio(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    utterance = Utterance("u", tmp_path / "here" / "clips" / "a.wav", 0, 1)
    write_manifest(tmp_path / "here" / "m.jsonl", [utterance])
    (tmp_path / "here").rename(tmp_path / "there")
    (moved,) = read_manifest(tmp_path / "there" / "m.jsonl")
    assert moved.audio_path == tmp_path / "there" / "clips" / "a.wav"


def test_audio_outside_is_written_absolute_and_read_only_if_allowed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "m.jsonl"
    write_manifest(path, [Utterance("u", tmp_path / "out.wav", 0, 1)])
    assert json.loads(path.read_text())["audio_path"] == str(tmp_path / "out.wav")
    with pytest.raises(ManifestError, match=r"m\.jsonl:1: .*--allow-outside"):
        read_manifest(path)
    assert read_manifest(path, allow_outside=True)[0].audio_path == tmp_path / "out.wav"


def test_repeated_ids_are_not_written_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    utterance = Utterance("u", tmp_path / "a.wav", 0, 1)
    write_manifest(path, [utterance])
    before = path.read_bytes()
    with pytest.raises(ManifestError, match="'u'"):
        write_manifest(path, [utterance, utterance])
    assert path.read_bytes() == before


def row(**changes: object) -> str:
    values = {"utterance_id": "b", "audio_path": "a.wav", "start_s": 0, "duration_s": 1.0}
    return json.dumps(values | changes)


MALFORMED: dict[str, tuple[str | bytes, str]] = {
    "broken JSON": ('{"utterance_id": "b",', "not JSON"),
    "single quotes": ("{'utterance_id': 'b'}", "not JSON"),
    "two objects on a line": (row() + row(), "not JSON"),
    "a list": ("[1]", "not an object"),
    "a number": ("7", "not an object"),
    "null": ("null", "not an object"),
    "NaN": ('{"utterance_id": "b", "audio_path": "a.wav", "duration_s": NaN}', "NaN"),
    "infinity": ('{"utterance_id": "b", "audio_path": "a.wav", "duration_s": 1e999}', "duration"),
    "huge integer": (
        '{"utterance_id": "b", "audio_path": "a.wav", "duration_s": ' + "9" * 5000 + "}",
        "limit|duration",
    ),
    "deep nesting": ("[" * 100_000, "nested"),
    "long line": (row(reference="x" * 1_000_001), "more than 1000000 bytes"),
    "not UTF-8": (row().encode()[:-1] + b',"reference":"\xe9"}', "not UTF-8"),
    "UTF-16 in the middle": (row().encode("utf-16"), "not UTF-8"),
    "NUL bytes": (b"\0\0\0", "not JSON"),
    "key twice": ('{"utterance_id": "b", "utterance_id": "c", "audio_path": "a.wav"}', "twice"),
    "unknown key": (row(refrence="x"), "unknown key 'refrence'.*reference"),
    "no id": ('{"audio_path": "a.wav", "duration_s": 1}', "'utterance_id' is missing"),
    "no audio": ('{"utterance_id": "b", "duration_s": 1}', "'audio_path' is missing"),
    "empty id": (row(utterance_id=""), "id is empty"),
    "null id": (row(utterance_id=None), "id is empty"),
    "blank id": (row(utterance_id="  "), "id is empty"),
    "id as a list": (row(utterance_id=["b"]), "id is a list"),
    "id with an escape": (row(utterance_id="\x1b[31mred"), "control"),
    "repeated id": (row(utterance_id="a"), "already on line 1"),
    "empty audio": (row(audio_path=""), "audio is empty"),
    "audio as a number": (row(audio_path=7), "audio is a number"),
    "audio as an object": (row(audio_path={"type": "command"}), "audio is an object"),
    "negative start": (row(start_s=-1), "start -1"),
    "zero duration": (row(duration_s=0), "duration 0"),
    "negative duration": (row(duration_s=-2), "duration -2"),
    "duration in words": (row(duration_s="long"), "duration 'long'"),
    "duration true": (row(duration_s=True), "duration is true or false"),
    "reference as a number": (row(reference=118), "text is a number"),
    "reference as a list": (row(reference=["a"]), "text is a list"),
    "half a character": (row(reference="\ud800"), "half a character"),
    "NUL in the reference": (row(reference="a\0b"), "NUL"),
    "context as a number": (row(context=7), "context is a number"),
    "context of numbers": (row(context=[7]), "context phrase is a number"),
    "tags as a list": (row(tags=["a"]), "tags are not an object"),
    "nested tag": (row(tags={"a": {"b": 1}}), "tag is an object"),
    "speaker as an object": (row(speaker={}), "speaker is an object"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_line_is_one_error_with_file_and_line(tmp_path: Path, name: str) -> None:
    line, reason = MALFORMED[name]
    data = line if isinstance(line, bytes) else line.encode()
    path = tmp_path / "m.jsonl"
    path.write_bytes(row(utterance_id="a").encode() + b"\n\n" + data + b"\n")
    with pytest.raises(ManifestError, match=reason) as caught:
        read_manifest(path)
    assert f"{path}:3: " in str(caught.value)
    assert "\n" not in str(caught.value)


ATTACKS = [
    "../secret.wav",
    "clips/../../secret.wav",
    "/etc/passwd",
    "link.wav",
    "linked/secret.wav",
    "~/../../secret.wav",
    "a\0.wav",
    "a\n.wav",
    "\x1b[2J.wav",
    "sox in.wav -t wav - |",
    "| sh",
    "http://example.com/a.wav",
    "file:///etc/passwd",
    "s3://bucket/a.wav",
    "C:\\Users\\a.wav",
    "C:/Users/a.wav",
    "\\\\server\\a.wav",
    "..\\secret.wav",
    "clips\\a.wav",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, attack: str) -> None:
    root = tmp_path / "data"
    root.mkdir()
    tone = 0.1 * np.sin(np.arange(16000) * 0.2)
    soundfile.write(tmp_path / "secret.wav", tone, 16000)
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "linked").symlink_to(tmp_path)
    (root / "m.jsonl").write_text(row(audio_path=attack) + "\n")
    with pytest.raises(ManifestError, match=r"m\.jsonl:1: "):
        read_manifest(root / "m.jsonl")
    data = load_data(root / "m.jsonl")
    assert data.utterances == ()
    assert data.skipped[0].where == f"{root}/m.jsonl:1"


def test_a_path_too_long_for_the_system_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(row(audio_path="x" * 5000) + "\n")
    assert len(load_data(tmp_path / "m.jsonl").skipped) == 1


def test_a_path_that_comes_back_in_is_no_attack(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(row(audio_path="x/../a.wav") + "\n")
    assert read_manifest(tmp_path / "m.jsonl")[0].audio_path == tmp_path / "a.wav"


def test_nothing_to_read_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "array.json").write_text(json.dumps([["a.wav", "x"]]))
    (tmp_path / "wide.jsonl").write_bytes(row().encode("utf-16"))
    (tmp_path / "table.xlsx").touch()
    (tmp_path / "folder").mkdir()
    expected = {
        "empty.jsonl": "is empty",
        "array.json": "not an object",
        "wide.jsonl": "UTF-16",
        "table.xlsx": "unknown format",
        "folder": "nor audio",
        "nowhere.csv": "no such file",
    }
    for name, reason in expected.items():
        with pytest.raises(ManifestError, match=reason):
            load_data(tmp_path / name)


@pytest.mark.parametrize("text", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_bom_and_windows_line_ends_do_not_matter(tmp_path: Path, text: str, newline: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(f"{text}{row()}{newline}{row(utterance_id='c')}{newline}".encode())
    assert [u.utterance_id for u in read_manifest(path)] == ["b", "c"]


def test_load_data_keeps_good_rows_and_lists_the_others(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(16000) * 0.2), 16000)
    bad = [line for line, _ in MALFORMED.values() if isinstance(line, str) and len(line) < 9000]
    lines = [row(utterance_id="a", duration_s=1.0), *bad, row(utterance_id="z", duration_s=0.5)]
    (tmp_path / "m.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done: list[tuple[int, int]] = []
    data = load_data(tmp_path / "m.jsonl", progress=lambda n, of: done.append((n, of)))
    assert [u.utterance_id for u in data.utterances] == ["a", "z"]
    assert [skip.line for skip in data.skipped] == list(range(2, len(bad) + 2))
    assert done[-1][0] == done[-1][1]
    with pytest.raises(DataError) as caught:
        data.usable()
    message = str(caught.value)
    assert message.startswith(f"{len(bad)} of {len(bad) + 2} rows cannot be used")
    assert message.count("\n") == 11
    assert message.endswith(f"and {len(bad) - 10} more")
    assert len(data.usable(max_bad=len(bad))) == 2
    with pytest.raises(DataError):
        data.usable(max_bad=len(bad) - 1)


def test_no_usable_row_is_an_error_whatever_is_allowed() -> None:
    skipped = (SkippedRow(Path("x.csv"), 2, "no such file"),)
    with pytest.raises(DataError, match=r"x\.csv:2"):
        ImportedData((), skipped, "CSV", {}).usable(max_bad=100)


@QUICK
@given(data=st.binary(max_size=300))
def test_no_bytes_at_all_give_a_traceback(tmp_path: Path, data: bytes) -> None:
    for name in ("x.jsonl", "x.csv", "x.tsv"):
        (tmp_path / name).write_bytes(data)
        with suppress(DataError):
            load_data(tmp_path / name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["audio", "text", "start", "duration", "end", "id", "context", "speaker"])


@QUICK
@given(rows=st.lists(st.dictionaries(KEYS, JSON), max_size=4))
def test_no_json_gives_a_traceback(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps(values) for values in rows))
    try:
        data = load_data(path)
    except ManifestError:
        return
    assert data.utterances == ()
    assert len(data.skipped) == len(rows)


def test_splits_named_by_the_data_can_be_selected() -> None:
    rows = [Utterance(n, Path("a.wav"), 0, 1, tags={"split": n}) for n in ("train", "test")]
    assert select_split(rows, "test") == [rows[1]]
    assert select_split([Utterance("u", Path("a.wav"), 0, 1)], "train") == []


def test_reading_manifests_never_loads_torch() -> None:
    code = (
        "import sys, asr_adapt.manifest, asr_adapt.splits, asr_adapt.inspection;"
        "print(*{'torch', 'transformers', 'datasets', 'librosa', 'matplotlib'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
