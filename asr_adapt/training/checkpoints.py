"""Checkpoints that are whole or not there.

A checkpoint is written to a staging folder, flushed to the disk, listed with sizes and checksums,
and renamed last. Resuming takes the newest one whose list holds, and says which ones do not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from asr_adapt.errors import DataError
from asr_adapt.files import file_sha256, flush

LIST_NAME = "files.json"
PREFIX = "step-"
KEPT = 2


def seal(staged: Path, root: Path, step: int) -> Path:
    """Turn a fully written folder into the checkpoint of a step, and drop all but the newest two.

    Args:
        staged: the written folder, on the same file system as ``root``.
        root: where checkpoints live.
        step: optimizer step.
    """
    files = sorted(p for p in staged.rglob("*") if p.is_file())
    listing = {
        str(p.relative_to(staged)): {"bytes": p.stat().st_size, "sha256": file_sha256(p)}
        for p in files
    }
    (staged / LIST_NAME).write_text(json.dumps({"step": step, "files": listing}, indent=1))
    for path in (*files, staged / LIST_NAME, staged):
        flush(path)
    target = root / f"{PREFIX}{step:08d}"
    if target.exists():  # left from before a resume from an older step
        shutil.rmtree(target)
    staged.rename(target)
    flush(root)
    for old in sorted(root.glob(f"{PREFIX}*"))[:-KEPT]:
        shutil.rmtree(old)
    return target


def fault(checkpoint: Path) -> str | None:
    """Say what is wrong with a checkpoint; None if it is whole."""
    try:
        listing = json.loads((checkpoint / LIST_NAME).read_text())["files"]
        items = [(name, row["bytes"], row["sha256"]) for name, row in listing.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{LIST_NAME} is missing or unreadable"
    for name, size, sha256 in items:
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes, not {size}"
        if file_sha256(path) != sha256:
            return f"{name} does not match its checksum"
    return None


def newest_whole(root: Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint, and a line for each newer one that had to be skipped.

    None only where there is no checkpoint at all.

    Raises:
        DataError: there are checkpoints and none is whole; training never restarts silently.
    """
    skipped: list[str] = []
    for checkpoint in _newest_first(root):
        wrong = fault(checkpoint)
        if wrong is None:
            return checkpoint, skipped
        skipped.append(f"{checkpoint}: skipped, {wrong}")
    if skipped:
        raise DataError(
            f"{root}: no checkpoint is whole ({'; '.join(skipped)}); "
            "delete the folder to start again from step 0"
        )
    return None, []


def _newest_first(root: Path) -> Iterator[Path]:
    yield from sorted(root.glob(f"{PREFIX}*"), reverse=True)
