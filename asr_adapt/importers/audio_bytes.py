"""Sounds that come as bytes inside a data set, written out as files named after their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SUFFIXES = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff"}


def write_audio(value: Mapping[str, Any] | None, audio_dir: Path) -> str | None:
    """Write audio bytes to a file named after them; an existing one is kept.

    Paths inside a data set name files on its author's machine, and are not followed.

    Args:
        value: ``bytes`` and ``path``, as the audio columns of ``datasets`` have them.
        audio_dir: an existing folder.

    Returns:
        The file's name; None without bytes.
    """
    data = value.get("bytes") if value else None
    if not isinstance(data, bytes) or not data:
        return None
    name = hashlib.sha256(data).hexdigest()[:24] + _SUFFIXES.get(data[:4], ".mp3")
    path = audio_dir / name
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)
    return name
