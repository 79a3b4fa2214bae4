"""The note that a recipe's data is ready: what it was made with, and a digest of each manifest.

Reads and writes ``prepared.json`` in the data folder, so that preparing twice does nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

NOTE = "prepared.json"
"""Name of the note."""


def is_prepared(out_dir: Path, settings: Mapping[str, Any]) -> bool:
    """Say whether the folder holds data made with these settings and unchanged since.

    Args:
        out_dir: the data folder.
        settings: what the data depends on, as JSON values.
    """
    try:
        note = json.loads((out_dir / NOTE).read_text(encoding="utf-8"))
        digests = {str(name): str(digest) for name, digest in note["files"].items()}
        unchanged = all(_digest(out_dir / name) == digest for name, digest in digests.items())
        return bool(digests) and unchanged and note["settings"] == dict(settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def note_prepared(out_dir: Path, settings: Mapping[str, Any], names: Iterable[str]) -> None:
    """Write the note, last of all.

    Args:
        out_dir: the data folder.
        settings: what the data depends on, as JSON values.
        names: files of the folder whose digests the note holds: the manifests.
    """
    files = {name: _digest(out_dir / name) for name in sorted(names)}
    note = {"settings": dict(settings), "files": files}
    part = out_dir / f".{NOTE}.part"
    part.write_text(json.dumps(note, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(out_dir / NOTE)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
