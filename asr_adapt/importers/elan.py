"""ELAN's annotation files (.eaf), beside the recording that they name.

Read with expat, which knows lines; a document type declaration is refused, so that no entity can
grow or fetch anything. Format: https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote
from xml.parsers import expat

from asr_adapt.errors import ManifestError
from asr_adapt.importers.columns import ColumnNames
from asr_adapt.importers.rows import RowFile, SkippedRow
from asr_adapt.importers.segments import Segment, segment_row
from asr_adapt.importers.texts import MAX_TEXT_BYTES, beside_or_stem, find_sound
from asr_adapt.importers.tiers import Tier, chosen_segments


@dataclass(slots=True)
class _Annotation:
    line: int
    start: str
    end: str
    text: str = ""


@dataclass(slots=True)
class _TierElement:
    line: int
    name: str
    speaker: str | None
    is_dependent: bool
    annotations: list[_Annotation] = field(default_factory=list)


@dataclass(slots=True)
class _Document:
    """What is picked up while the file is parsed."""

    media: list[str] = field(default_factory=list)
    times_ms: dict[str, str | None] = field(default_factory=dict)
    tiers: list[_TierElement] = field(default_factory=list)
    root: str | None = None
    is_value: bool = False


def read_elan(path: Path, names: ColumnNames) -> RowFile:
    """Read the time-aligned annotations of the tiers that hold words.

    Tiers that depend on others (translations, glosses) are read only if ``names.text`` names one.

    Raises:
        ManifestError: the file is damaged, no tier holds words, or its sound is not there.
    """
    document = _parse(path)
    audio = _sound(path, document.media)
    skipped: list[SkippedRow] = []
    tiers = [
        Tier(t.line, t.name, tuple(_segments(t, path, document, audio, skipped)), t.speaker)
        for t in document.tiers
        if not t.is_dependent or t.name == names.text
    ]
    if skipped and not any(tier.segments for tier in tiers):
        return RowFile(path, path.parent, (), tuple(skipped), "ELAN", {"audio": audio})
    segments, taken = chosen_segments(path, tiers, names.text)
    rows = tuple(segment_row(segment) for segment in segments)
    mapping = {"audio": audio, "text": taken}
    return RowFile(path, path.parent, rows, tuple(skipped), "ELAN", mapping)


def _parse(path: Path) -> _Document:
    document = _Document()
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(name: str, attributes: dict[str, str]) -> None:
        _open_element(document, parser.CurrentLineNumber, name, attributes)

    def end(name: str) -> None:
        document.is_value = document.is_value and name != "ANNOTATION_VALUE"

    def characters(text: str) -> None:
        if document.is_value and document.tiers and document.tiers[-1].annotations:
            document.tiers[-1].annotations[-1].text += text

    def doctype(*_: object) -> None:
        raise ManifestError(
            path, "holds a document type declaration; remove it", parser.CurrentLineNumber
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise ManifestError(path, f"is larger than {MAX_TEXT_BYTES} bytes", 1)
        parser.Parse(path.read_bytes(), True)
    except OSError as problem:
        raise ManifestError(path, f"cannot be read: {problem.strerror or problem}") from problem
    except expat.ExpatError as problem:
        reason = f"not XML: {expat.ErrorString(problem.code)}"
        raise ManifestError(path, reason, problem.lineno) from problem
    except KeyError as problem:
        reason = f"an element without its attribute {problem}"
        raise ManifestError(path, reason, parser.CurrentLineNumber) from problem
    except (LookupError, ValueError) as problem:  # expat's and Python's words for the same
        raise ManifestError(path, "its encoding cannot be read; save it as UTF-8", 1) from problem
    if document.root != "ANNOTATION_DOCUMENT":
        raise ManifestError(path, f"is no ELAN document but '{document.root}'", 1)
    return document


def _open_element(document: _Document, line: int, name: str, attributes: dict[str, str]) -> None:
    document.root = document.root or name
    if name == "MEDIA_DESCRIPTOR":
        urls = (attributes.get("RELATIVE_MEDIA_URL"), attributes.get("MEDIA_URL"))
        document.media.extend(url for url in urls if url)
    elif name == "TIME_SLOT":
        document.times_ms[attributes["TIME_SLOT_ID"]] = attributes.get("TIME_VALUE")
    elif name == "TIER":
        speaker = attributes.get("PARTICIPANT") or None
        is_dependent = "PARENT_REF" in attributes
        document.tiers.append(_TierElement(line, attributes["TIER_ID"], speaker, is_dependent))
    elif name == "ALIGNABLE_ANNOTATION" and document.tiers:
        slots = (attributes["TIME_SLOT_REF1"], attributes["TIME_SLOT_REF2"])
        document.tiers[-1].annotations.append(_Annotation(line, *slots))
    elif name == "REF_ANNOTATION" and document.tiers:
        document.tiers[-1].annotations.append(_Annotation(line, "", ""))
    elif name == "ANNOTATION_VALUE":
        document.is_value = True


def _sound(path: Path, media: list[str]) -> str:
    """Return the sound that the file names, looked for beside it; else the one of its name."""
    for url in media:
        if found := find_sound(path.parent, unquote(url).replace("\\", "/").rsplit("/", 1)[-1]):
            return found
    return beside_or_stem(path)


def _segments(
    tier: _TierElement,
    path: Path,
    document: _Document,
    audio: str,
    skipped: list[SkippedRow],
) -> list[Segment]:
    segments: list[Segment] = []
    for annotation in tier.annotations:
        words = " ".join(annotation.text.split())
        if not words:
            continue
        try:
            times = [_time_s(slot, document) for slot in (annotation.start, annotation.end)]
        except ValueError as problem:
            skipped.append(SkippedRow(path, annotation.line, str(problem)))
        else:
            segments.append(Segment(annotation.line, audio, times[0], times[1], words))
    return segments


def _time_s(slot: str, document: _Document) -> float:
    """Return the time of a slot in seconds; ELAN counts milliseconds."""
    if not slot:
        raise ValueError("an annotation without times of its own; name the tier above it")
    if slot not in document.times_ms:
        raise ValueError(f"time slot '{slot}' is not in the file")
    value = document.times_ms[slot]
    if value is None:
        raise ValueError(f"time slot '{slot}' has no time; align the annotation in ELAN")
    if not value.isascii() or not value.isdigit():
        raise ValueError(f"'{value[:40]}' of time slot '{slot}' is no number of milliseconds")
    return float(value) / 1000
