"""Text files of any importer, read whole, and the sound files that belong to them by name.

Takes UTF-8 with or without BOM and UTF-16; refuses what is too large, empty or no text.
"""

from __future__ import annotations

from pathlib import Path

from asr_adapt.errors import ManifestError

MAX_TEXT_BYTES = 500_000_000
"""Files are read as a whole; a larger one would need a few gigabytes."""
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au")


def read_text(path: Path) -> str:
    """Read a text file, decoded by its byte order mark, as UTF-8 without one.

    Raises:
        ManifestError: it cannot be read, is empty or not text; with the line where there is one.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise ManifestError(path, f"is larger than {MAX_TEXT_BYTES} bytes; use JSON lines", 1)
        data = path.read_bytes()
    except OSError as problem:
        raise ManifestError(path, f"cannot be read: {problem.strerror or problem}") from problem
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise ManifestError(path, f"not {name}; save it as UTF-8", line) from problem
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ManifestError(path, "holds NUL characters; is this a text file?", line)
    if not text.strip():
        raise ManifestError(path, "is empty", 1)
    return text


def find_sound(folder: Path, stem: str) -> str | None:
    """Return the name of the sound file ``stem`` of a folder, or of a folder right inside it.

    Args:
        folder: where the text file lies.
        stem: the name without its suffix; one that has a suffix of sound is taken as it is.

    Returns:
        The path relative to ``folder``, or as it is where ``stem`` is a whole path; None where
        there is none. Whether it may lie there is checked with the row.
    """
    if stem.lower().endswith(AUDIO_SUFFIXES) and _is_file(folder / stem):
        return stem
    inside = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    for place in (Path(), *map(Path, inside)):
        for suffix in AUDIO_SUFFIXES:
            for name in (place / (stem + suffix), place / (stem + suffix.upper())):
                if _is_file(folder / name):
                    return name.as_posix()
    return None


def _is_file(path: Path) -> bool:
    """Say whether there is a file of that name; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def beside_or_stem(path: Path) -> str:
    """Return the sound file that belongs to a text file by name.

    ``call.en.vtt`` belongs to ``call.en.wav``, else to ``call.wav``.

    Raises:
        ManifestError: there is no such file.
    """
    stem = path.name
    while "." in stem.lstrip("."):
        stem = stem.rpartition(".")[0]
        if found := find_sound(path.parent, stem):
            return found
    wanted = path.with_suffix(".wav").name
    raise ManifestError(path, f"no sound file beside it, such as {wanted}", 1)
