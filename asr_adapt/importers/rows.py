"""Rows of any format, on their way to utterances.

Every importer yields ``Row`` objects, which hold values as they stand in the file. Here they are
checked once, in the same way for all formats: types, paths, times, the header of the sound file,
repeated ids. A row that cannot be used becomes a ``SkippedRow`` that says where and why.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path

from asr_adapt.audio import AudioInfo, probe_audio, segment_problem
from asr_adapt.context.bias import split_phrases
from asr_adapt.errors import AudioError, DataError, ManifestError
from asr_adapt.records import Utterance, language_code
from asr_adapt.words.controls import has_controls

MAX_LINE_BYTES = 1_000_000
"""No row of a manifest is longer; a longer line is some other file, or an attack on memory."""
SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "validation": "dev",
    "val": "dev",
    "test": "test",
    "testing": "test",
}
"""Names people give to the parts of a data set, and ours."""

TAG_TYPES = (str, int, float, bool, date, time, timedelta, Decimal)
"""What can be written as one tag; a ``datetime`` is a ``date``."""

Probe = Callable[[Path, str | None], AudioInfo]


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that cannot be used, with the place and the reason."""

    source: Path
    line: int | None
    reason: str

    @property
    def where(self) -> str:
        """The place in the data: ``file:line``."""
        return str(self.source) if self.line is None else f"{self.source}:{self.line}"

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in its file; values are not checked yet. None means not given.

    Attributes:
        line: its line in the file; None where the format has no lines.
        end: where the segment ends, for formats that give it instead of a duration.
        context: a list of phrases, or text that separates them by ``|`` or ``;``.
        tags: every other column.
        left_out: columns that hold no single value in this row, such as lists, and are no tags.
        lacks_text: why there is no text, of formats in which each row should have one.
    """

    line: int | None
    audio: object
    text: object = None
    utterance_id: object = None
    start: object = None
    duration: object = None
    end: object = None
    language: object = None
    speaker: object = None
    recording: object = None
    context: object = None
    split: object = None
    tags: Mapping[str, object] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    lacks_text: str | None = None


@dataclass(frozen=True, slots=True)
class RowFile:
    """The rows of one file.

    Attributes:
        source: the file, named in messages.
        root: the folder that relative audio paths start from and have to stay in.
        rows: what could be read.
        skipped: rows that could not even be read.
        format_name: the format, for people.
        mapping: which column was taken for what: our name to theirs.
        lacks_text: why no row has a text, of formats that should have a place for it.
    """

    source: Path
    root: Path
    rows: tuple[Row, ...]
    skipped: tuple[SkippedRow, ...]
    format_name: str
    mapping: Mapping[str, str]
    lacks_text: ManifestError | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """What rows are checked against.

    Attributes:
        allow_outside: whether audio may lie outside of the folder of the rows.
        language: ISO 639-1 code of rows that name none.
        probe: reads the header of a sound file; None where sound files need not be here.
        unlabelled: whether rows may lack their text, which then is None.
    """

    allow_outside: bool
    language: str = "en"
    probe: Probe | None = None
    unlabelled: bool = False


@dataclass(frozen=True, slots=True)
class BuiltRows:
    """Checked rows.

    Attributes:
        utterances: what can be used.
        skipped: what cannot.
        places: where each utterance stands, ``file:line`` or its sound file, by its id.
    """

    utterances: tuple[Utterance, ...]
    skipped: tuple[SkippedRow, ...]
    places: Mapping[str, str]


def build_utterances(
    files: Sequence[RowFile],
    *,
    allow_outside: bool,
    language: str,
    unlabelled: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> BuiltRows:
    """Turn rows into utterances, checked against their sound files.

    Args:
        files: the rows, grouped by file.
        allow_outside: whether audio may lie outside of the folder of the rows.
        language: ISO 639-1 code of rows that name none.
        unlabelled: whether rows may lack their text, which then is None.
        progress: told how many rows of how many are done.

    Returns:
        The utterances and every row that cannot be used, in the order of the files.

    Raises:
        ManifestError: a file has no place for the text, and should.
    """
    checks = Checks(allow_outside, language, _remember(probe_audio), unlabelled)
    for file in files:
        if file.lacks_text and not unlabelled:
            raise file.lacks_text
    uses = Counter(_stem(row) for file in files for row in file.rows if row.utterance_id is None)
    total = sum(len(file.rows) for file in files)
    utterances: list[Utterance] = []
    skipped: list[SkippedRow] = []
    places: dict[str, str] = {}
    done = 0
    for file in files:
        bad = list(file.skipped)
        for row in file.rows:
            built = _build_or_skip(_named(row, uses), file, checks)
            if isinstance(built, Utterance) and built.utterance_id in places:
                built = SkippedRow(file.source, row.line, _taken(row, built, places))
            if isinstance(built, SkippedRow):
                bad.append(built)
            else:
                places[built.utterance_id] = _place(row, built, file)
                utterances.append(built)
            done += 1
            if progress is not None:
                progress(done, total)
        skipped.extend(sorted(bad, key=lambda row: row.line or 0))
    return BuiltRows(tuple(utterances), tuple(skipped), places)


def _place(row: Row, built: Utterance, file: RowFile) -> str:
    """Say where a row stands; of formats without lines that is its sound file."""
    return str(built.audio_path) if row.line is None else f"{file.source}:{row.line}"


def _taken(row: Row, built: Utterance, places: Mapping[str, str]) -> str:
    """Say whose id a row has, and what is done about it."""
    said = f"id '{built.utterance_id}' is taken by {places[built.utterance_id]}"
    return f"{built.audio_path}: {said}; rename one of them" if row.line is None else said


def _build_or_skip(row: Row, file: RowFile, checks: Checks) -> Utterance | SkippedRow:
    if row.lacks_text and not checks.unlabelled:
        source = file.source if row.line is not None else file.root / str(row.audio)
        return SkippedRow(source, row.line, row.lacks_text)
    try:
        return build_utterance(_with_split(row), file.root, checks)
    except AudioError as problem:
        return SkippedRow(file.source, row.line, f"{problem.path}: {problem.reason}")
    except DataError as problem:
        return SkippedRow(file.source, row.line, str(problem))


def _with_split(row: Row) -> Row:
    """Take the part of a row, which manifests have among their tags.

    Not asked of manifests that runs have written, which are read whatever their tags say.

    Raises:
        DataError: it is none of ours; whatever is not dev or test would be trained on.
    """
    value = row.split if row.split is not None else row.tags.get("split")
    split = _identifier(value, "split")
    if split is not None and split.lower() not in SPLITS:
        raise DataError(
            f"split '{split[:40]}' is none of train, dev and test; mend it, or rename the column "
            "if it says something else"
        )
    return replace(row, split=split)


def _remember(probe: Probe) -> Probe:
    """Probe each file once: tables of segments name the same recording in many rows."""
    known: dict[Path, AudioInfo] = {}

    def probe_once(path: Path, utterance_id: str | None) -> AudioInfo:
        if path not in known:
            known[path] = probe(path, utterance_id)
        return known[path]

    return probe_once


def _named(row: Row, uses: Mapping[str, int]) -> Row:
    """Name a row without an id after its sound file, with the line where that is not unique."""
    if row.utterance_id is not None:
        return row
    stem = _stem(row)
    return replace(row, utterance_id=stem if uses[stem] == 1 else f"{stem}:{row.line}")


def _stem(row: Row) -> str:
    text = row.audio.strip() if isinstance(row.audio, str) else ""
    return re.split(r"[/\\]", text)[-1].rsplit(".", 1)[0]


def build_utterance(row: Row, root: Path, checks: Checks) -> Utterance:
    """Check one row, whose relative audio path starts at ``root``, and build its utterance.

    Raises:
        DataError: a value cannot be used; the message says which and why.
    """
    path = resolve_audio_path(_required(row.audio, "audio"), root, checks.allow_outside)
    utterance_id = _required(_identifier(row.utterance_id, "id"), "id")
    start_s = _number(row.start, "start") or 0.0
    tags = {str(name): _tag(value) for name, value in row.tags.items() if value is not None}
    if split := _identifier(row.split, "split"):
        tags["split"] = SPLITS.get(split.lower(), split)
    return Utterance(
        utterance_id=utterance_id,
        audio_path=path,
        start_s=start_s,
        duration_s=_duration(row, path, utterance_id, start_s, checks.probe),
        reference=_text(row.text, "text"),
        language=language_code(_identifier(row.language, "language") or checks.language),
        speaker=_identifier(row.speaker, "speaker"),
        recording_id=_identifier(row.recording, "recording"),
        context=_phrases(row.context),
        tags=tags,
    )


def _duration(
    row: Row, path: Path, utterance_id: str, start_s: float, probe: Probe | None
) -> float:
    """Work out how long a row lasts, in seconds, and that its file reaches that far."""
    duration_s = _number(row.duration, "duration")
    end_s = _number(row.end, "end")
    if duration_s is None and end_s is not None:
        duration_s = round(end_s - start_s, 6)  # 0.5, not 0.49999999999999994
    if probe is not None:
        total_s = probe(path, utterance_id).duration_s
        if problem := segment_problem(total_s, start_s, duration_s):
            raise AudioError(path, problem, utterance_id)
        return total_s - start_s if duration_s is None else duration_s
    if duration_s is None:
        raise DataError("no duration")
    return duration_s


def resolve_audio_path(text: str, root: Path, allow_outside: bool) -> Path:
    """Return the absolute path of an audio file named in data, every link followed.

    Data comes from others: a path must not make us read what its author could not give us, so it
    stays in ``root`` unless the user says otherwise.

    Raises:
        DataError: no path of this system, or one that leaves ``root``.
    """
    if has_controls(text):
        raise DataError(f"audio path {text!r} holds control characters")
    if text.endswith("|") or text.startswith("|"):
        raise DataError(f"audio '{text}' is a command; convert it to a file, commands are not run")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise DataError(f"audio '{text}' is an address; download it, only files are read")
    if re.match(r"[A-Za-z]:[\\/]|\\\\|[^/]*\\", text):
        raise DataError(f"audio '{text}' is a Windows path; write it relative and with '/'")
    try:
        path = (root / text).resolve()
        inside = path.is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError) as problem:
        raise DataError(f"audio path '{text[:80]}' cannot be used: {problem}") from problem
    if not (inside or allow_outside):
        raise DataError(
            f"audio '{text}' lies outside of {root}; pass --allow-outside if you mean it"
        )
    return path


def _text(value: object, name: str) -> str | None:
    """Check a text that may be missing."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise DataError(f"{name} is {_kind(value)}, not text")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise DataError(f"{name} holds half a character (a lone surrogate)")
    if "\0" in value:
        raise DataError(f"{name} holds a NUL character")
    return value


def _required(value: object, name: str) -> str:
    text = _text(value, name)
    if text is None or not text.strip():
        raise DataError(f"{name} is empty")
    return text


def _identifier(value: object, name: str) -> str | None:
    """Check a short name; whole numbers and dates will do, nothing and blanks are None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes 12.0 of 12 in a column with gaps
    if isinstance(value, int | date) and not isinstance(value, bool):
        return str(value)
    text = _text(value, name)
    if text is None or not text.strip():
        return None
    if has_controls(text):
        raise DataError(f"{name} {text[:80]!r} holds control characters")
    return text.strip()


def _number(value: object, name: str) -> float | None:
    """Check a time in seconds; blanks are None, spreadsheets may write commas."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise DataError(f"{name} is {_kind(value)}, not a number of seconds")
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{name} '{str(value)[:40]}' is not a number of seconds")
    return number


def _phrases(value: object) -> tuple[str, ...]:
    """Check context phrases; the first mention of each keeps its place."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = split_phrases(value)
    if not isinstance(value, list | tuple):
        raise DataError(f"context is {_kind(value)}, not a list of phrases")
    phrases = (_text(phrase, "a context phrase") for phrase in value)
    return tuple(dict.fromkeys(phrase.strip() for phrase in phrases if phrase and phrase.strip()))


def _tag(value: object) -> str:
    if isinstance(value, TAG_TYPES):
        return _text(str(value), "a tag") or ""
    raise DataError(f"a tag is {_kind(value)}, not one value")


def _kind(value: object) -> str:
    """Name the type of a JSON value for people."""
    names = {bool: "true or false", dict: "an object", list: "a list", str: "text"}
    return names.get(type(value), "empty" if value is None else "a number")
