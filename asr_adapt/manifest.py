"""Manifests: utterances as JSON lines, and everybody else's formats on the way in.

``read_manifest`` is strict and for our own files, ``load_data`` takes whatever a user has and
returns what can be used together with what cannot and why. Audio paths in a manifest are relative
to its folder and stay inside it unless the caller allows otherwise.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from asr_adapt.errors import DataError, ManifestError
from asr_adapt.files import put_in_place
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.detect import read_files
from asr_adapt.importers.jsonl import iterate_objects, manifest_row
from asr_adapt.importers.rows import Checks, RowFile, SkippedRow, build_utterance, build_utterances
from asr_adapt.records import Utterance

SHOWN_PROBLEMS = 10
"""How many bad rows a message lists; the rest are counted."""


@dataclass(frozen=True, slots=True)
class ImportedData:
    """What was found in a user's data.

    Attributes:
        utterances: what can be used, in the order of the data.
        skipped: what cannot, each with place and reason.
        format_name: the format that was recognised.
        mapping: which column was taken for what: our name to theirs; under ``left out`` the
            columns that are no tags, because they hold no single values.
        places: where each utterance stands, ``file:line`` or its sound file, by its id.
    """

    utterances: tuple[Utterance, ...]
    skipped: tuple[SkippedRow, ...]
    format_name: str
    mapping: Mapping[str, str]
    places: Mapping[str, str] = field(default_factory=dict)

    def usable(self, max_bad: int = 0) -> list[Utterance]:
        """Return the utterances, unless too many rows had to be skipped.

        Raises:
            DataError: more than ``max_bad`` rows cannot be used, or none can.
        """
        bad = len(self.skipped)
        if bad > max_bad or not self.utterances:
            space = " " if bad == 1 else "\n  "
            shown = "".join(f"{space}{row}" for row in self.skipped[:SHOWN_PROBLEMS])
            more = f"\n  and {bad - SHOWN_PROBLEMS} more" if bad > SHOWN_PROBLEMS else ""
            advice = "" if bad == 0 else "; mend them, or pass --max-bad to go on without them"
            total = bad + len(self.utterances)
            raise DataError(f"{bad} of {total} rows cannot be used{advice}:{shown}{more}")
        return list(self.utterances)


def read_manifest(path: Path, *, allow_outside: bool = False) -> list[Utterance]:
    """Read a manifest of ours; the sound files need not be here.

    Args:
        path: JSON lines, one ``Utterance`` each.
        allow_outside: whether audio may lie outside of the manifest's folder.

    Raises:
        ManifestError: the first line that cannot be used, by file and line.
    """
    utterances: list[Utterance] = []
    lines: dict[str, int] = {}
    for item in iterate_objects(path):
        if isinstance(item, SkippedRow):
            raise ManifestError(item.source, item.reason, item.line)
        try:
            row = manifest_row(item)
            utterance = build_utterance(row, path.parent, Checks(allow_outside))
        except (ValueError, DataError) as problem:
            raise ManifestError(path, str(problem), item.line) from problem
        first = lines.setdefault(utterance.utterance_id, item.line)
        if first != item.line:
            reason = f"id '{utterance.utterance_id}' is already on line {first}"
            raise ManifestError(path, reason, item.line)
        utterances.append(utterance)
    return utterances


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest: the same utterances give the same bytes, a reader never sees half a file.

    Audio paths inside the manifest's folder are written relative to it, others absolute.

    Raises:
        ManifestError: two utterances have the same id.
        OSError: the file cannot be written.
    """
    text = manifest_text(path, utterances)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)


def manifest_text(path: Path, utterances: Iterable[Utterance]) -> str:
    """Return what `write_manifest` writes to a path.

    Raises:
        ManifestError: two utterances have the same id.
    """
    root = path.parent.resolve()
    ids: set[str] = set()
    lines: list[str] = []
    for utterance in utterances:
        if utterance.utterance_id in ids:
            raise ManifestError(path, f"two utterances have the id '{utterance.utterance_id}'")
        ids.add(utterance.utterance_id)
        values = utterance.to_json()
        audio = Path(os.path.realpath(utterance.audio_path))
        inside = audio.is_relative_to(root)
        values["audio_path"] = (audio.relative_to(root) if inside else audio).as_posix()
        lines.append(json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False))
    return "".join(f"{line}\n" for line in lines)


def load_data(
    path: Path,
    *,
    allow_outside: bool = False,
    columns: ColumnNames | None = None,
    language: str = "en",
    unlabelled: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImportedData:
    """Read a user's data in whatever known format it comes, and check every sound file's header.

    Which formats are known is in ``importers.detect``.

    Args:
        path: a file or a folder.
        allow_outside: whether audio may lie outside of the folder of the file that names it.
        columns: names of columns, where guessing does not find them.
        language: ISO 639-1 code of rows that name none.
        unlabelled: whether rows may lack their text, which then is None.
        progress: told how many rows of how many are done.

    Raises:
        ManifestError: the data as a whole cannot be read; rows that cannot be used are listed in
            the result instead.
    """
    audio_dir = partial(_folder_for_sounds, path)
    files = read_files(path, columns or ColumnNames(), audio_dir)
    return _build(files, allow_outside, language, unlabelled, progress)


def _folder_for_sounds(path: Path) -> Path:
    """Name a folder in the cache for sounds that come as bytes inside a table."""
    # Imported here because reading manifests needs nothing else of it.
    from asr_adapt.base_weights.weight_cache import cache_root

    return cache_root() / "audio" / hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]


def _build(
    files: Sequence[RowFile],
    allow_outside: bool,
    language: str,
    unlabelled: bool,
    progress: Callable[[int, int], None] | None,
) -> ImportedData:
    built = build_utterances(
        files,
        allow_outside=allow_outside,
        language=language,
        unlabelled=unlabelled,
        progress=progress,
    )
    first = files[0]
    left_out = dict.fromkeys(name for file in files for row in file.rows for name in row.left_out)
    mapping = {**first.mapping, **({"left out": "; ".join(left_out)} if left_out else {})}
    return ImportedData(built.utterances, built.skipped, first.format_name, mapping, built.places)


def load_hub_data(
    name: str,
    split: str,
    audio_dir: Path,
    *,
    columns: ColumnNames | None = None,
    language: str = "en",
    progress: Callable[[int, int], None] | None = None,
) -> ImportedData:
    """Read one split of a data set of the Hugging Face hub.

    Args:
        name: a data set of the hub.
        split: its split, such as ``train``.
        audio_dir: where its audio is written as files.
        columns: names of columns, where guessing does not find them.
        language: ISO 639-1 code of rows that name none.
        progress: told how many rows of how many are done.

    Raises:
        EnvironmentProblem: the data set cannot be fetched or read.
        ManifestError: it has no column for the audio.
    """
    # Imported here because ``datasets`` takes seconds, and few commands need it.
    from asr_adapt.importers.hub import load_hub

    file = load_hub(name, split, audio_dir, columns)
    return _build([file], False, language, unlabelled=False, progress=progress)


def select_split(utterances: Iterable[Utterance], split: str) -> list[Utterance]:
    """Return the utterances that their data assigns to ``train``, ``dev`` or ``test``."""
    return [utterance for utterance in utterances if utterance.tags.get("split") == split]


def utterances_sha256(utterances: Sequence[Utterance]) -> str:
    """Return a checksum of all that is known about utterances; where their files lie may change."""
    rows = [{**u.to_json(), "audio_path": u.audio_path.name} for u in utterances]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
