"""The cache of converted weights: CTranslate2 files in, a sealed transformers directory out.

`asr_adapt.base_weights.weights` says which files; what is built here is kept under a name that
changes with every input. Checksums are verified before a conversion and each time a converted
directory is used. Refuses damaged input; a conversion that was interrupted is done again, never
used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from asr_adapt.base_weights.ctranslate2_format import parse_container
from asr_adapt.base_weights.ctranslate2_whisper import CONVERTER_VERSION, write_transformers
from asr_adapt.errors import EnvironmentProblem
from asr_adapt.files import file_sha256, flush

_RECORD = "converted.json"


def cache_root(cache_dir: Path | None = None) -> Path:
    """Return the folder for converted weights: the argument, else ``ASR_ADAPT_CACHE``, else XDG's.

    Source of the default: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if cache_dir is not None:
        return cache_dir
    if named := os.environ.get("ASR_ADAPT_CACHE"):
        return Path(named).expanduser()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a relative path.
    base = Path(xdg) if xdg.startswith("/") else Path.home() / ".cache"
    return base / "asr-adapt"


@dataclass(frozen=True, slots=True)
class Ct2Files:
    """The files of one CTranslate2 Whisper and the checksums they must have.

    Attributes:
        name: goes into the folder's name; letters, digits, dots and dashes.
        parts: the pieces of ``model.bin``, to be joined in order.
        config: ``config.json`` (suppressed tokens, alignment heads).
        tokenizer: ``tokenizer.json``.
        sha256: of the joined ``model.bin``.
        side_sha256: of ``config`` and ``tokenizer``.
    """

    name: str
    parts: tuple[Path, ...]
    config: Path
    tokenizer: Path
    sha256: str
    side_sha256: tuple[str, str]

    @property
    def key(self) -> str:
        """The name of the converted directory: it changes with every input and the converter."""
        inputs = "\n".join((self.sha256, *self.side_sha256))
        digest = hashlib.sha256(inputs.encode()).hexdigest()[:16]
        return f"{self.name}-{digest}-v{CONVERTER_VERSION}"


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        EnvironmentProblem: not readable, or something else than an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"{path}: not readable as JSON ({error}); fetch it again"
        ) from error
    if not isinstance(content, dict):
        raise EnvironmentProblem(f"{path}: not a JSON object; fetch it again")
    return content


def _convert(files: Ct2Files, folder: Path) -> None:
    try:
        data = b"".join(part.read_bytes() for part in files.parts)
    except OSError as error:
        raise EnvironmentProblem(f"{error.filename}: cannot be read ({error.strerror})") from error
    found = hashlib.sha256(data).hexdigest()
    if found != files.sha256:
        raise EnvironmentProblem(
            f"{' + '.join(map(str, files.parts))}: checksum {found[:12]}… where {files.name} has "
            f"{files.sha256[:12]}…; the file is damaged, install or fetch it again"
        )
    write_transformers(
        parse_container(data, str(files.parts[0])),
        read_json(files.config),
        read_json(files.tokenizer),
        folder,
        str(files.parts[0].parent),
    )


def _seal(folder: Path, files: Ct2Files) -> None:
    """Write down what a whole directory holds, and bring all of it to the disk."""
    written = sorted(folder.iterdir())
    record = {
        "source_sha256": files.sha256,
        "converter_version": CONVERTER_VERSION,
        "files": {path.name: file_sha256(path) for path in written},
    }
    (folder / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for path in (*written, folder / _RECORD, folder):
        path.chmod(0o755 if path.is_dir() else 0o644)
        flush(path)


def is_whole(folder: Path) -> bool:
    """Return whether a converted directory is as it was written, by checksums."""
    try:
        listed: dict[str, str] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))["files"]
        return bool(listed) and all(
            file_sha256(folder / Path(name).name) == sha for name, sha in listed.items()
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one line that says what to do."""
    try:
        yield
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write converted weights to {root} ({error.strerror or error}); "
            "free some space or set ASR_ADAPT_CACHE to another folder"
        ) from error


def converted(files: Ct2Files, cache_dir: Path | None = None) -> Path:
    """Return the converted directory, made now if it is not there, whole, from before.

    It is built beside its place and renamed into it, under a lock: another process waits and then
    finds it, and a process that dies leaves nothing that looks finished.

    Raises:
        EnvironmentProblem: the input is damaged or no Whisper, or the cache cannot be written.
    """
    root = cache_root(cache_dir).absolute() / "weights"
    folder = root / files.key
    if is_whole(folder):  # before the lock, so that a read-only cache serves as well
        return folder
    with _disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not is_whole(folder):
                _build(files, folder)
    return folder


def _build(files: Ct2Files, folder: Path) -> None:
    building = folder.with_name(f"{folder.name}.part")
    for leftover in (building, folder):
        if leftover.exists():
            shutil.rmtree(leftover)
    building.mkdir()
    _convert(files, building)
    _seal(building, files)
    building.rename(folder)
