"""The core types: what crosses from one floor of the program to another.

All are frozen and refuse nonsense when built, so the code that receives one need not check it.
Times are seconds, rates are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asr_adapt.errors import DataError

ARMS = ("base", "base+bias", "lora", "lora+bias")
"""The four arms of a comparison, in the order they are shown."""

PSEUDO_CONFIDENCE = "pseudo_confidence"
"""Tag of a reference that a model wrote: how sure it was, 0 to 1."""

NAMED_DROPPED = 1000
"""So many of the phrases that did not fit into a prompt are named in a hypothesis, which is all of
them but for the longest lists. Of those the others are counted: a list of ten thousand names would
be 240 kB in every row."""

LOOP = "loop"
"""The flag of a text that ran away."""

FLAGS = {
    "empty": "no letter or digit was written",
    LOOP: "the same words again and again, or more of them than the sound has room for: in the "
    "text or, where it is flagged untold or barred too, in what was decoded first",
    "cap": "cut off at the most tokens that speech of its length has",
    "untold": "the text of a pass that was told nothing: what was told looped, or was written "
    "where nothing like it was heard",
    "barred": "the text of a pass in which no phrase may come twice",
}
"""What is suspicious about a decoded text: the flags of a hypothesis, in words."""


def language_code(text: str) -> str:
    """Return a language as `Utterance` has it: in small letters, without a country.

    >>> language_code("EN"), language_code("pt-BR"), language_code("de_CH")
    ('en', 'pt', 'de')
    """
    return text.strip().lower().replace("_", "-").partition("-")[0]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech with what is known about it.

    Attributes:
        utterance_id: unique within a manifest.
        audio_path: the sound file.
        start_s: where the utterance starts in the file.
        duration_s: its length; positive.
        reference: what was said; None where nobody has written it down, "" for no speech at all.
        language: ISO 639-1 code.
        speaker: who speaks, where known; the unit of splits and of resampling.
        recording_id: the recording it was cut from; defaults to the audio path.
        context: phrases known before decoding, such as the ships in range.
        tags: facts to break results down by, such as ``{"cnr_db": "12", "voice": "flite-slt"}``.
    """

    utterance_id: str
    audio_path: Path
    start_s: float
    duration_s: float
    reference: str | None = None
    language: str = "en"
    speaker: str | None = None
    recording_id: str | None = None
    context: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.utterance_id or self.utterance_id != self.utterance_id.strip():
            raise DataError(f"utterance id {self.utterance_id!r}: empty or padded with spaces")
        if not (math.isfinite(self.start_s) and self.start_s >= 0):
            raise DataError(
                f"utterance '{self.utterance_id}': start {self.start_s} s is not a time >= 0"
            )
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise DataError(
                f"utterance '{self.utterance_id}': duration {self.duration_s} s is not a time > 0"
            )

    @property
    def recording(self) -> str:
        """The recording the utterance belongs to: its recording id, else its audio file."""
        return self.recording_id or str(self.audio_path)

    @property
    def block(self) -> str:
        """The unit that is resampled together in the bootstrap: speaker, else recording."""
        return self.speaker or self.recording

    def to_json(self) -> dict[str, Any]:
        """Return the utterance as a JSON object, the row format of manifests."""
        return {
            "utterance_id": self.utterance_id,
            "audio_path": str(self.audio_path),
            "start_s": self.start_s,
            "duration_s": self.duration_s,
            "reference": self.reference,
            "language": self.language,
            "speaker": self.speaker,
            "recording_id": self.recording_id,
            "context": list(self.context),
            "tags": dict(self.tags),
        }


@dataclass(frozen=True, slots=True)
class BiasList:
    """Phrases that may be said, in order of priority."""

    name: str
    phrases: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        for phrase in self.phrases:
            if not phrase.strip():
                raise DataError(f"bias list '{self.name}' ({self.source}): an empty phrase")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one arm made of one utterance.

    Attributes:
        utterance_id: the utterance.
        arm: the arm that decoded it.
        text: raw decoded text, prompt removed, not normalised.
        prompt: the prompt text that the decoder was given; None without one.
        dropped_phrases: context phrases that did not fit into the prompt, by rank; at most
            `NAMED_DROPPED` of them in logs since there is ``dropped_more``.
        avg_logprob: mean log-probability of the decoded tokens; None if nothing was decoded. Of
            speech that was decoded in pieces, theirs are weighted by the length of their texts.
        decode_s: this utterance's share of the time on the clock in this arm, encoder included.
        flags: what is suspicious, of `FLAGS`.
        error: why there is no text; the utterance then counts as failed, not as empty.
        dropped_more: how many phrases did not fit either and are not named.
    """

    utterance_id: str
    arm: str
    text: str
    prompt: str | None = None
    dropped_phrases: tuple[str, ...] = ()
    avg_logprob: float | None = None
    decode_s: float = 0.0
    flags: tuple[str, ...] = ()
    error: str | None = None
    dropped_more: int = 0

    @property
    def dropped_count(self) -> int:
        """How many context phrases did not fit into the prompt, named or not."""
        return len(self.dropped_phrases) + self.dropped_more

    def to_json(self) -> dict[str, Any]:
        """Return the hypothesis as a JSON object, the row format of ``hypotheses.jsonl``."""
        return asdict(self)

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> Hypothesis:
        """Build a hypothesis from a row of ``hypotheses.jsonl``; extra keys raise TypeError."""
        listed = {"dropped_phrases", "flags"}
        values: dict[str, Any] = {k: tuple(v) if k in listed else v for k, v in row.items()}
        return Hypothesis(**values)


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Edit operations between references and hypotheses; addable over utterances.

    There is no mean of rates: add counts, then ask for the rate.

    >>> ErrorCounts(2, 1, 0, 0) + ErrorCounts(1, 0, 1, 2)
    ErrorCounts(hits=3, substitutions=1, deletions=1, insertions=2)
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __post_init__(self) -> None:
        for name in ("hits", "substitutions", "deletions", "insertions"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is negative: {getattr(self, name)}")

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Units in the reference: hits, substitutions and deletions."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float | None:
        """Errors per reference unit as a fraction; None where there is no reference."""
        return self.errors / self.reference_length if self.reference_length else None
