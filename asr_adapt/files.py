"""Files that are whole or not there: floor 0, for records that a killed program must not tear."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a UTF-8 text file so that a reader finds the old content or all of the new.

    Written beside its place, flushed to the disk and renamed, which POSIX makes atomic
    (https://pubs.opengroup.org/onlinepubs/9799919799/functions/rename.html).
    """
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
