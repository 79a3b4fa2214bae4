"""The hypothesis log: one JSON line for each utterance and arm, appended as they are decoded.

A torn last line, from a killed run, is cut off when the log is opened; everything before it counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.records import Hypothesis


def read_hypotheses(path: Path) -> list[Hypothesis]:
    """Read a hypothesis log.

    Raises:
        ManifestError: a line that is no hypothesis, or an utterance that an arm decoded twice.
    """
    rows: list[Hypothesis] = []
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = Hypothesis.from_json(json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            raise ManifestError(path, f"not a hypothesis: {error}", number) from None
        key = (row.utterance_id, row.arm)
        if key in seen:
            raise ManifestError(path, f"'{key[0]}' stands twice for arm '{key[1]}'", number)
        seen.add(key)
        rows.append(row)
    return rows


def _lines(path: Path) -> list[str]:
    # Not splitlines(): a text may hold U+2028 and the like, which end no row.
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


class HypothesisLog:
    """A hypothesis log that is open for appending."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        rows = read_hypotheses(path) if path.exists() else []
        self.done = {(row.utterance_id, row.arm) for row in rows}

    def append(self, rows: Iterable[Hypothesis]) -> None:
        """Append the rows that are not there yet, and put them on the disk before returning."""
        new = [row for row in rows if (row.utterance_id, row.arm) not in self.done]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(r.to_json(), ensure_ascii=False) + "\n" for r in new)
            file.flush()
            os.fsync(file.fileno())
        self.done |= {(row.utterance_id, row.arm) for row in new}


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
