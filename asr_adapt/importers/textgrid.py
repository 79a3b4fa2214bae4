"""Praat's TextGrid files, long and short, beside the recording of the same name.

Read by Praat's own rule: only numbers, texts in quotes and <flags> that stand free count. That
gives every interval its line, which praatio does not.
Format: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.rows import RowFile
from asr_adapt.importers.segments import Segment, segment_row
from asr_adapt.importers.texts import beside_or_stem, read_text
from asr_adapt.importers.tiers import Tier, chosen_segments

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|![^\n]*|(\S+)')
_NUMBER = re.compile(r"[-+]?\d[\d.]*(?:[eE][-+]?\d+)?%?$")


@dataclass(frozen=True, slots=True)
class _Value:
    line: int
    value: str | float


def read_textgrid(path: Path, names: ColumnNames) -> RowFile:
    """Read the intervals of a TextGrid that hold text; points are marks, not speech.

    Raises:
        ManifestError: the file is damaged, no tier holds words, or there is no sound beside it.
    """
    reader = _Reader(path, read_text(path))
    audio = beside_or_stem(path)
    tiers = list(reader.tiers(audio))
    segments, taken = chosen_segments(path, tiers, names.text)
    rows = tuple(segment_row(segment) for segment in segments)
    return RowFile(path, path.parent, rows, (), "TextGrid", {"audio": audio, "text": taken})


class _Reader:
    """Takes the values of a TextGrid one by one and knows the line of each."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.values = _values(path, text)
        self.line = 1

    def number(self, what: str) -> float:
        """Take a number.

        Raises:
            ManifestError: the file ends or holds a text there.
        """
        value = self._next(what)
        if isinstance(value, str):
            raise ManifestError(self.path, f"'{value[:40]}' stands where the {what} is", self.line)
        return value

    def text(self, what: str) -> str:
        """Take a text in quotes.

        Raises:
            ManifestError: the file ends or holds a number there.
        """
        value = self._next(what)
        if not isinstance(value, str):
            raise ManifestError(self.path, f"{value:g} stands where the {what} is", self.line)
        return value

    def _next(self, what: str) -> str | float:
        found = next(self.values, None)
        if found is None:
            raise ManifestError(self.path, f"ends where the {what} should be", self.line)
        self.line = found.line
        return found.value

    def tiers(self, audio: str) -> Iterator[Tier]:
        """Yield the interval tiers, after the file's head."""
        kind = self.text("file type") == "ooTextFile" and self.text("kind of object")
        if kind != "TextGrid":
            raise ManifestError(self.path, "is no TextGrid in text form; save it as one", 1)
        for what in ("start", "end"):
            self.number(what)
        for _ in range(self._count("number of tiers")):
            kind = self.text("kind of tier")
            line, name = self.line, self.text("tier's name")
            for what in ("tier's start", "tier's end"):
                self.number(what)
            size = self._count("number of intervals")
            if kind == "TextTier":
                self._pass_points(size)
            elif kind == "IntervalTier":
                yield Tier(line, name, tuple(self._intervals(size, audio)))
            else:
                raise ManifestError(self.path, f"unknown kind of tier '{kind[:40]}'", line)

    def _intervals(self, size: int, audio: str) -> Iterator[Segment]:
        for _ in range(size):
            start_s = self.number("start of an interval")
            line = self.line
            end_s = self.number("end of an interval")
            if words := " ".join(self.text("text of an interval").split()):
                yield Segment(line, audio, start_s, end_s, words)

    def _pass_points(self, size: int) -> None:
        for _ in range(size):
            self.number("time of a point")
            self.text("mark of a point")

    def _count(self, what: str) -> int:
        count = self.number(what)
        if not count.is_integer() or count < 0:
            raise ManifestError(self.path, f"{count:g} is no {what}", self.line)
        return int(count)


def _values(path: Path, text: str) -> Iterator[_Value]:
    """Yield what stands free in the file."""
    line, last = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        quoted, word = match.groups()
        if quoted is not None:
            yield _Value(line, quoted.replace('""', '"'))
        elif word is not None and _NUMBER.match(word):
            try:
                yield _Value(line, float(word.rstrip("%")))
            except ValueError as problem:
                raise ManifestError(path, f"'{word[:40]}' is no number", line) from problem
        elif word is not None and '"' in word:
            raise ManifestError(path, "a quote that is not closed", line)
