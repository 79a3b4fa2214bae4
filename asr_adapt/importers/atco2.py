"""ATCO2's test sets: recordings of real air traffic control, each with an .xml and an .info file.

Segments become rows; their context is what the radar showed (the call signs nearby in .info, in
spoken form) and the call signs tagged anywhere in the recording. Read with expat; a document type
declaration is refused. Format: https://github.com/idiap/atco2-corpus, https://www.atco2.org/data
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from asr_adapt.errors import ManifestError
from asr_adapt.importers.rows import Row, RowFile, SkippedRow
from asr_adapt.importers.texts import find_sound, read_text

_TAGGED = re.compile(r"\[#callsign\](.*?)\[/#callsign\]", re.IGNORECASE | re.DOTALL)
_UNSURE = re.compile(r"\[(?:unk|ukn|xt)\b[^\]]*\]|<unk>|\(\(\s*\)\)", re.IGNORECASE)
_MARKUP = re.compile(r"\[[^\]]*\]|<[^>]*>")
FIELDS = ("start", "end", "speaker", "text", "non_english")


@dataclass(slots=True)
class _Segment:
    line: int
    values: dict[str, str] = field(default_factory=dict)


def is_atco2_folder(folder: Path) -> bool:
    """Say whether a folder holds ATCO2 recordings: a .xml with segments beside a .info file."""
    return any(path.with_suffix(".xml").is_file() for path in folder.glob("*.info"))


def read_atco2(folder: Path) -> list[RowFile]:
    """Read every recording of a folder.

    Returns:
        One entry per .xml; segments that cannot be used are named in it, with the reason.
    """
    return [_read_recording(path) for path in sorted(folder.glob("*.xml"))]


def _read_recording(path: Path) -> RowFile:
    mapping = {"audio": f"{path.stem} beside it", "context": "call signs nearby and tagged"}
    sound = find_sound(path.parent, path.stem)
    if sound is None:
        skipped = SkippedRow(path, None, f"no sound file {path.stem} beside it")
        return RowFile(path, path.parent, (), (skipped,), "ATCO2", mapping)
    segments = _parse(path)
    spoken = [s for segment in segments for s in _TAGGED.findall(segment.values.get("text", ""))]
    context = [*_nearby(path.with_suffix(".info")), *map(_plain, spoken)]
    phrases = tuple(dict.fromkeys(phrase for phrase in context if phrase))
    rows, skips = [], []
    for number, segment in enumerate(segments, start=1):
        if reason := _problem(segment):
            skips.append(SkippedRow(path, segment.line, reason))
        else:
            rows.append(_row(segment, sound, f"{path.stem}-{number:03d}", phrases))
    return RowFile(path, path.parent, tuple(rows), tuple(skips), "ATCO2", mapping)


def _row(segment: _Segment, sound: str, utterance_id: str, context: tuple[str, ...]) -> Row:
    values = segment.values
    recording = utterance_id.rpartition("-")[0]
    return Row(
        line=segment.line,
        audio=sound,
        text=_plain(values["text"]),
        utterance_id=utterance_id,
        start=values.get("start"),
        end=values.get("end"),
        speaker=f"{recording}-{values['speaker']}" if values.get("speaker") else None,
        recording=recording,
        context=list(context),
    )


def _problem(segment: _Segment) -> str | None:
    """Say why a segment cannot be trained on or scored, if so."""
    text = segment.values.get("text", "")
    if segment.values.get("non_english") == "1":
        return "is marked as not English"
    if _UNSURE.search(text):
        return "holds words that nobody could make out"
    return None if _plain(text) else "has no words"


def _plain(text: str) -> str:
    """Return the words of a transcript without tags and noises."""
    return " ".join(_MARKUP.sub(" ", text).split())


def _nearby(info: Path) -> Iterator[str]:
    """Yield the spoken forms of ``BLA131 : All Charter One Three One`` below "callsigns nearby"."""
    if not info.is_file():
        return
    _, _, listed = read_text(info).partition("callsigns nearby:")
    for line in listed.splitlines():
        _, colon, spoken = line.partition(":")
        if colon and spoken.strip():
            yield spoken.strip()


def _parse(path: Path) -> list[_Segment]:
    """Return the segments of a recording with the texts of their elements.

    Raises:
        ManifestError: the file is damaged or holds no segments.
    """
    found: list[_Segment] = []
    inside: list[str] = []
    parser = expat.ParserCreate()

    def start(name: str, _: dict[str, str]) -> None:
        inside.append(name)
        if name == "segment":
            found.append(_Segment(parser.CurrentLineNumber))

    def end(_: str) -> None:
        inside.pop()

    def characters(text: str) -> None:
        if found and inside and inside[-1] in FIELDS and "segment" in inside:
            values = found[-1].values
            values[inside[-1]] = values.get(inside[-1], "") + text

    def doctype(*_: object) -> None:
        raise ManifestError(path, "declares a document type; ATCO2's files do not")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, doctype
    try:
        parser.Parse(read_text(path).encode(), True)
    except expat.ExpatError as problem:
        reason = f"is not XML: {expat.ErrorString(problem.code)}"
        raise ManifestError(path, reason, problem.lineno) from problem
    if not found:
        raise ManifestError(path, "holds no segments; is it of ATCO2?")
    for segment in found:
        segment.values = {name: text.strip() for name, text in segment.values.items()}
    return found
