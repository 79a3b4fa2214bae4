"""The data file of Flight of the Amazon Queen: which speech file says what.

Reads ``queen.1c`` as Debian ships it. The layout was worked out from the bytes: an index, dialogue
trees (``*.DOG``), scenes (``*.CUT``), a table of objects (``QUEEN.JAS``) and the texts that belong
to it (``QUEEN2.JAS``). All numbers are big-endian. Refuses a file that is cut short or different.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.errors import DataError

HERO = "joe"
"""Who speaks where the files name nobody: the hero of the game."""

_INDEX_START, _INDEX_ENTRY = 15, 21  # bytes: magic, version, flags, count; name, bundle, place
_HEADER = 20  # bytes that stand before the content of each script file
_LEVEL = 96  # bytes of one level of a dialogue tree: six entries of 16
_SCENE_RECORD = 34  # bytes of one line's stage direction, before the list of people
_SCENE_FRAME = 20  # bytes of one animation frame
_FRAMES_END = -2
_VERBS = 12
_ANSWERS = 40  # answers the hero gives anywhere; they are counted before the descriptions

_COMMAND = re.compile(r"\*.{0,2}")  # "*14", "*FR": a gesture, and the end of one recorded segment
_NAME = re.compile(r"[A-Z0-9_]{1,8}\.[A-Z0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One recorded segment of a line.

    Attributes:
        key: name of the speech file without its extension.
        text: the words of the segment as written, gestures removed.
        speaker: HERO, the name of a dialogue file without its number, or the name of an object.
        scene: where it is said: a room, or a dialogue partner.
        script: the file that the text stands in.
    """

    key: str
    text: str
    speaker: str | None
    scene: str
    script: str


@dataclass(frozen=True, slots=True)
class Container:
    """The data file in memory, and where each file lies in it."""

    path: Path
    data: bytes
    places: Mapping[str, tuple[int, int]]

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; DataError where there is none."""
        if name not in self.places:
            raise DataError(f"{self.path}: no file '{name}' inside; is it another edition?")
        start, size = self.places[name]
        return self.data[start : start + size]

    def names(self, extension: str) -> list[str]:
        """Return the sorted names of the files with an extension such as ``.SB``."""
        return sorted(name for name in self.places if name.endswith(extension))


def read_container(path: Path) -> Container:
    """Read a data file and its index.

    Raises:
        DataError: it cannot be read, does not begin with an index, or ends early.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) < _INDEX_START or not data.startswith(b"QTBL"):
        raise DataError(f"{path}: does not begin with the index 'QTBL'; is it queen.1c?")
    (count,) = struct.unpack_from(">H", data, _INDEX_START - 2)
    places = {}
    for number in range(count):
        try:
            raw, start, size = struct.unpack_from(
                ">12sxII", data, _INDEX_START + number * _INDEX_ENTRY
            )
        except struct.error:
            raise DataError(f"{path}: the index ends at entry {number} of {count}") from None
        name = raw.split(b"\0")[0].decode("ascii", "replace")
        if start + size > len(data):
            raise DataError(f"{path}: '{name}' lies beyond the end of the file; is it cut short?")
        if _NAME.fullmatch(name):  # names become file names: one with a path in it is left out
            places[name] = (start, size)
    return Container(path, data, places)


def read_lines(container: Container) -> dict[str, SpokenLine]:
    """Return the line of each speech file that has one, by the speech file's name without ``.SB``.

    Raises:
        DataError: a script file is not laid out as expected.
    """
    found: dict[str, SpokenLine] = {}
    for line in _all_lines(container):
        if f"{line.key}.SB" in container.places and line.text:
            found.setdefault(line.key, line)  # where a number stands twice, the first one is spoken
    return found


def _all_lines(container: Container) -> Iterator[SpokenLine]:
    tables = _read_tables(container)
    yield from tables.remarks()
    for name in container.names(".DOG") + container.names(".CUT"):
        content = container.read(name)[_HEADER:]
        try:
            if name.endswith(".DOG"):
                yield from _dialogue(name, content)
            else:
                yield from _scene(name, content, tables)
        except (struct.error, IndexError):
            raise DataError(f"{container.path}: '{name}' inside ends early") from None


def _segments(prefix: str, text: str, rest: tuple[str | None, str, str]) -> Iterator[SpokenLine]:
    for number, words in enumerate(_COMMAND.split(text), start=1):
        yield SpokenLine(f"{prefix}{number:X}", " ".join(words.split()), *rest)


def _string(content: bytes, place: int, align: int) -> tuple[str, int]:
    """Read a string with its length before it; one that is not empty is padded to ``align``."""
    end = place + 1 + content[place]
    after = end if content[place] == 0 else -(-end // align) * align
    return content[place + 1 : end].decode("cp437"), after


def _dialogue(name: str, content: bytes) -> Iterator[SpokenLine]:
    """Read a dialogue: what the hero can say, what is answered, and the greeting for next time."""
    levels, _, talk, hero_lines, answers = struct.unpack_from(">5h", content, 0)
    answers_at, _, greeting_at = struct.unpack_from(">3H", content, 22)
    stem = name.removesuffix(".DOG")
    partner = stem.rstrip("0123456789").lower()
    hero_at = 32 + _LEVEL * abs(levels)
    for place, count, letter, who in (
        (hero_at, hero_lines, "J", HERO),
        (answers_at, answers, "P", stem.lower()),
    ):
        for number, text in _numbered(content, place, count):
            # The opening line, number 0, is recorded under letters.
            code = f"{number:04X}" if number else "SSSS"
            yield from _segments(f"{talk:02d}{code}{letter}", text, (who, partner, name))
    place = greeting_at
    for letter, who in (("P", stem.lower()), ("J", HERO)):
        text, place = _string(content, place, 2)
        yield from _segments(f"{talk:02d}XXXX{letter}", text, (who, partner, name))


def _numbered(content: bytes, place: int, count: int) -> Iterator[tuple[int, str]]:
    for _ in range(count):
        (number,) = struct.unpack_from(">i", content, place)
        text, place = _string(content, place + 4, 4)
        yield number, text


@dataclass(frozen=True, slots=True)
class _Tables:
    """Texts and objects of the whole game; numbers count from 1."""

    answers: tuple[str, ...]
    descriptions: tuple[str, ...]
    names: tuple[str, ...]
    objects: tuple[tuple[int, ...], ...]  # name, x, y, description, entry, room, state, image

    def object_name(self, number: int) -> str | None:
        """Name of an object; negative numbers are captions, of which nobody is the speaker."""
        if number == 0:
            return HERO
        if not 0 < number <= len(self.objects):
            return None
        name = abs(self.objects[number - 1][0])  # negative: not shown yet
        return self.names[name - 1] if 0 < name <= len(self.names) else None

    def remarks(self) -> Iterator[SpokenLine]:
        """What the hero says of things, with the room in which the thing is."""
        rooms = {row[3]: row[5] for row in reversed(self.objects)}
        for number, text in enumerate(self.answers + self.descriptions, start=1):
            room = rooms.get(number - _ANSWERS)
            scene = "remarks" if room is None else f"room{room}"
            yield from _segments(f"JOE{number:04d}", text, (HERO, scene, "QUEEN2.JAS"))


def _read_tables(container: Container) -> _Tables:
    content = container.read("QUEEN.JAS")[_HEADER:]
    texts = container.read("QUEEN2.JAS").decode("cp437").split("\r\n")
    try:
        rooms, names, objects, descriptions = struct.unpack_from(">4H", content, 0)
        rows = tuple(struct.unpack_from(">8h", content, 8 + 16 * n) for n in range(objects))
    except struct.error:
        raise DataError(f"{container.path}: 'QUEEN.JAS' inside ends early") from None
    answers_at = descriptions + names + rooms + _VERBS
    return _Tables(
        answers=tuple(texts[answers_at : answers_at + _ANSWERS]),
        descriptions=tuple(texts[:descriptions]),
        names=tuple(texts[descriptions : descriptions + names]),
        objects=rows,
    )


def _scene(name: str, content: bytes, tables: _Tables) -> Iterator[SpokenLine]:
    """Read a scene: stage directions say who speaks, the texts follow in the same order."""
    _, count = struct.unpack_from(">2h", content, 0)
    (place,) = struct.unpack_from(">H", content, 8)
    stem = name.removesuffix(".CUT")
    room = re.fullmatch(r"C(\d+)[A-Z]", stem)
    where = f"room{int(room[1])}" if room else stem.lower()
    # One text more than directions: the first is shown when the scene opens.
    for number, speaker in enumerate([None, *_directions(content, abs(count))]):
        text, place = _string(content, place, 2)
        who = None if speaker is None else tables.object_name(speaker)
        yield from _segments(f"{stem:_<5}{number:02d}", text, (who, where, name))


def _directions(content: bytes, count: int) -> list[int]:
    """Return the number of the object that each direction is for."""
    place, numbers = 12, []
    for _ in range(count):
        record = struct.unpack_from(">17h", content, place)
        place += _SCENE_RECORD
        (people,) = struct.unpack_from(">H", content, place)
        place += 2 + 2 * people
        if record[5] > 0:
            while struct.unpack_from(">h", content, place)[0] != _FRAMES_END:
                place += _SCENE_FRAME
            place += 2
        numbers.append(record[0])
    return numbers
