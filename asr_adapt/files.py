"""Files that are whole or not there, their checksums, and what is no file: floor 0."""

from __future__ import annotations

import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path

from asr_adapt.errors import UsageError

DATA_SUFFIXES = (
    *(".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt"),
    *(".wav", ".flac", ".mp3", ".ogg"),
)
"""What nobody would name a data set after."""


def check_out_folder(path: Path) -> None:
    """Refuse a folder to write in that is a file or lies below one, before work begins.

    Raises:
        UsageError: it can be no folder.
    """
    for part in (path, *path.parents):
        if part.is_dir():
            return
        if os.path.lexists(part):
            raise UsageError(f"{part}: is a file, where a folder is to be; use another --out")


def check_out_file(path: Path) -> None:
    """Refuse a file to write that is a folder or lies below a file, before work begins.

    Raises:
        UsageError: it can be no file.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, where a file is to be; use another --out")
    check_out_folder(path.parent)


def write_whole(path: Path, text: str) -> None:
    """Write a UTF-8 text file so that a reader finds the old content or all of the new.

    Written beside its place, flushed to the disk and renamed, which POSIX makes atomic
    (https://pubs.opengroup.org/onlinepubs/9799919799/functions/rename.html).
    """
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    put_in_place(part, path)


def refuse_other(path: Path, text: str) -> None:
    """Refuse to replace a file that is anything but the text that is to be written.

    Raises:
        UsageError: there is such a file; the message says what to do.
    """
    if path.exists() and not (path.is_file() and path.read_bytes() == text.encode()):
        raise UsageError(
            f"{path}: is there already and would be written over; move it, or use another --out"
        )


def put_in_place(part: Path, path: Path) -> None:
    """Rename a file that was written beside its place, once all of it is on the disk."""
    flush(part)
    part.replace(path)


def flush(path: Path) -> None:
    """Put a file or folder entry on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: object) -> None:
    """Write JSON that a reader finds whole, as `write_whole` does; folders above it are made.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
    """
    text = json_text(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


def json_text(content: object) -> str:
    """Return what `write_json` writes.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
    """
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """Return `file_sha256` of a file that many ask for: it is read once as long as it stays as is.

    Raises:
        OSError: the file cannot be read.
    """
    status = path.stat()
    return _hash_version(path, status.st_ino, status.st_size, status.st_mtime_ns)


@cache
def _hash_version(path: Path, *_version: int) -> str:
    return file_sha256(path)


def why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Say in a few words why a text file could not be read."""
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 text (byte {error.start})"
    return (error.strerror or str(error)).lower()


def names_hub_data(path: Path) -> bool:
    """Whether a name stands for a data set of the Hugging Face hub: OWNER/NAME, and no file here.

    A file that is missing from a folder that is there is a slip, and so is one with the suffix of a
    table: nobody wants to wait for the hub to say so.
    """
    if path.exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)):
        return False
    return not path.parent.exists() and path.suffix.lower() not in DATA_SUFFIXES
