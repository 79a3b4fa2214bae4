"""Which column of somebody's table means what.

Names are compared in lower case without spaces; what the user says goes first. The mapping that
comes out is shown to the user, so that a wrong guess is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from asr_adapt.errors import ManifestError, UsageError
from asr_adapt.importers.rows import TAG_TYPES, Row

COLUMN_GUESSES: Mapping[str, tuple[str, ...]] = {
    "audio": (
        *("audio", "audio_path", "audio_filepath", "audio_file", "path", "file", "file_name"),
        *("filename", "file_path", "filepath", "wav", "wav_path", "wav_filename", "clip"),
    ),
    "text": (
        "text",
        "transcript",
        "transcription",
        "sentence",
        "reference",
        "ref",
        "normalized_text",
    ),
    "utterance_id": ("id", "utterance_id", "utt_id", "uttid", "utterance", "key", "segment_id"),
    "start": ("start", "start_s", "offset", "start_time", "segment_start", "segment_start_time"),
    "duration": ("duration", "duration_s", "length_s"),
    "end": ("end", "end_s", "end_time", "segment_end", "segment_end_time"),
    "language": ("language", "lang", "locale"),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "client_id"),
    "recording": ("recording", "recording_id", "session", "session_id"),
    "context": ("context", "phrases", "bias"),
    "split": ("split", "subset", "partition"),
}
"""Names that the columns of known data sets have; the first that is there is taken."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Names of columns that the user gives; None leaves it to the guess."""

    audio: str | None = None
    text: str | None = None
    utterance_id: str | None = None
    start: str | None = None
    duration: str | None = None
    end: str | None = None
    language: str | None = None
    speaker: str | None = None
    recording: str | None = None
    context: str | None = None
    split: str | None = None


def with_columns(names: ColumnNames, pairs: Iterable[str]) -> ColumnNames:
    """Add columns that are given as ``ours=theirs``.

    Raises:
        UsageError: no such pair, or a name that is none of ours.
    """
    ours = [field.name for field in fields(ColumnNames)]
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if name not in ours or not equals or not column:
            raise UsageError(f"--column {pair}: need OURS=THEIRS, with one of {', '.join(ours)}")
        names = replace(names, **{name: column})
    return names


def guess_columns(
    columns: list[str], names: ColumnNames, source: Path, line: int = 1
) -> dict[str, str]:
    """Decide which column is what: our name to theirs, for those that are there.

    Args:
        columns: all columns.
        names: what the user says about them.
        source: the file, for messages.
        line: where the columns are named.

    Raises:
        ManifestError: a column the user named is missing, or none can be taken for the audio.
    """
    by_plain_name = {_plain(column): column for column in reversed(columns)}
    mapping: dict[str, str] = {}
    listed = ", ".join(columns[:20]) or "none"
    for field, wanted in asdict(names).items():
        if wanted is not None:
            if wanted not in columns:
                raise ManifestError(
                    source, f"no column '{wanted}'; the columns are: {listed}", line
                )
            mapping[field] = wanted
            continue
        found = (by_plain_name.get(guess) for guess in COLUMN_GUESSES[field])
        column = next((c for c in found if c is not None and c not in mapping.values()), None)
        if column is not None:
            mapping[field] = column
    if problem := lacking("audio", mapping, columns, source, line):
        raise problem
    return mapping


def lacking(
    field: str, mapping: Mapping[str, str], columns: list[str], source: Path, line: int = 1
) -> ManifestError | None:
    """Return what is to be said of a table without a column for a field; None where it has one."""
    if field in mapping:
        return None
    listed = ", ".join(columns[:20]) or "none"
    reason = f"no column for the {field} among: {listed}; name it with --{field}-column"
    return ManifestError(source, reason, line)


def _plain(column: str) -> str:
    return column.strip().lower().replace(" ", "_")


def rows_from_columns(
    lines: Iterable[tuple[int, Mapping[str, object]]], mapping: Mapping[str, str]
) -> Iterator[Row]:
    """Turn lines into rows by a mapping; columns that mean nothing to us become tags.

    Lists, objects and bytes (alignments, embeddings, pictures) are left out of them: a row that
    holds some is a good row, and they would fill the memory.
    """
    used = set(mapping.values())
    for line, values in lines:
        found = {field: values.get(column) for field, column in mapping.items()}
        further = {n: v for n, v in values.items() if n not in used and n and v is not None}
        tags = {name: value for name, value in further.items() if isinstance(value, TAG_TYPES)}
        yield Row(
            line=line,
            audio=found.get("audio"),
            text=found.get("text"),
            utterance_id=found.get("utterance_id"),
            start=found.get("start"),
            duration=found.get("duration"),
            end=found.get("end"),
            language=found.get("language"),
            speaker=found.get("speaker"),
            recording=found.get("recording"),
            context=found.get("context"),
            split=found.get("split"),
            tags=tags,
            left_out=tuple(name for name in further if name not in tags),
        )
