"""The hypothesis log: one JSON line for each utterance and arm, appended as they are decoded.

A torn last line, from a killed run, is cut off when the log is opened; everything before it counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from asr_adapt.errors import ManifestError, UsageError
from asr_adapt.records import Hypothesis

SHOWN_FILES = 3
BLOCK_BYTES = 1 << 16
"""Read at once from the end of a log, which is more than most rows are long."""


def read_hypotheses(path: Path) -> list[Hypothesis]:
    """Read a hypothesis log; a later row replaces a failed one of the same utterance and arm.

    Raises:
        ManifestError: a line that is no hypothesis, or an utterance that an arm decoded twice.
    """
    rows: dict[tuple[str, str], Hypothesis] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = Hypothesis.from_json(json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            raise ManifestError(path, f"not a hypothesis: {error}", number) from None
        key = (row.utterance_id, row.arm)
        earlier = rows.pop(key, None)
        if earlier and earlier.error is None:
            raise ManifestError(path, f"'{key[0]}' stands twice for arm '{key[1]}'", number)
        rows[key] = row
    return list(rows.values())


def _lines(path: Path) -> list[str]:
    # Not splitlines(): a text may hold U+2028 and the like, which end no row.
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


def refuse_leftovers(record: Path, left: Sequence[Path]) -> None:
    """Refuse to go on from files whose record is gone: they may be of any model and settings.

    Args:
        record: what would say how they were made, and is not there.
        left: files that new work would take for its own, as far as they are there.

    Raises:
        UsageError: there is one.
    """
    found = [str(path) for path in left if path.exists()]
    if found:
        more = f" and {len(found) - SHOWN_FILES} more" if len(found) > SHOWN_FILES else ""
        raise UsageError(
            f"{', '.join(found[:SHOWN_FILES])}{more}: left from earlier work, and no {record.name} "
            f"says what made it; restore {record}, delete what is left, or use another --out"
        )


class HypothesisLog:
    """A hypothesis log that is open for appending."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        rows = read_hypotheses(path) if path.exists() else []
        self.done = {(row.utterance_id, row.arm) for row in rows}
        self.failed = {(row.utterance_id, row.arm) for row in rows if row.error is not None}

    def retry_failed(self) -> None:
        """Count what failed in earlier work as not done; rows of another try replace it."""
        self.done -= self.failed

    def append(self, rows: Iterable[Hypothesis]) -> None:
        """Append the rows that are not there yet, and put them on the disk before returning."""
        new = [row for row in rows if (row.utterance_id, row.arm) not in self.done]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(r.to_json(), ensure_ascii=False) + "\n" for r in new)
            file.flush()
            os.fsync(file.fileno())
        self.done |= {(row.utterance_id, row.arm) for row in new}


def _cut_torn_line(path: Path) -> None:
    # Cut in place: a log that is written anew is empty for a moment, and a kill then loses it all.
    if path.exists() and (whole := _whole_bytes(path)) < path.stat().st_size:
        os.truncate(path, whole)


def _whole_bytes(path: Path) -> int:
    """Return where the last whole line ends; read from the end, since logs can be long."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK_BYTES)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
