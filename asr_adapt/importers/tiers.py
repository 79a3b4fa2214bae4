"""Tiers of annotation programs (Praat, ELAN): which of them holds what is said.

The tier that the user names is taken, as --text-column; else every tier that is not known to hold
something else. Tiers of single words, as forced aligners write them, are joined to utterances.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_adapt.errors import ManifestError
from asr_adapt.importers.segments import Segment, merge_segments

NOT_WORDS = re.compile(
    r"phon\w*|segments?|sampa|ipa|syll\w*|tones?|pos|gloss|notes?|comments?|noise"
)
WORDS = re.compile(r"words?")
NO_SPEAKER = re.compile(r"words?|text|transcri\w+|utt\w*|sentences?|default|orth?\w*|tier")
"""Names of tiers, as their users give them: of other things, of single words, of no speaker."""
MAX_WORD_GAP_S = 0.5
"""Words of an aligned tier further apart are separate utterances."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier with its segments that hold text; ``speaker`` where the format names one."""

    line: int
    name: str
    segments: tuple[Segment, ...]
    speaker: str | None = None


def chosen_segments(
    path: Path, tiers: Sequence[Tier], wanted: str | None
) -> tuple[list[Segment], str]:
    """Choose tiers and return their segments with speakers.

    Args:
        path: the file, for messages.
        tiers: those that can hold words.
        wanted: the tier that the user names; None to guess.

    Returns:
        The segments, tier by tier, and which tiers were taken, in words.

    Raises:
        ManifestError: no tier of that name, or none that holds words.
    """
    listed = ", ".join(f"'{tier.name}'" for tier in tiers[:20]) or "none"
    if wanted is not None:
        chosen = [tier for tier in tiers if tier.name == wanted]
        if not chosen:
            raise ManifestError(path, f"no tier '{wanted}'; the tiers are: {listed}", 1)
    else:
        usable = [
            tier for tier in tiers if tier.segments and not NOT_WORDS.fullmatch(_kind(tier.name))
        ]
        chosen = [tier for tier in usable if not WORDS.fullmatch(_kind(tier.name))] or usable
        if not chosen:
            reason = f"no tier with words among: {listed}; name it with --text-column"
            raise ManifestError(path, reason, tiers[0].line if tiers else 1)
    segments = [segment for tier in chosen for segment in _of_tier(tier)]
    return segments, "tier " + ", ".join(f"'{tier.name}'" for tier in chosen)


def _of_tier(tier: Tier) -> Iterator[Segment]:
    speaker = tier.speaker or _speaker(tier.name)
    named = (Segment(s.line, s.audio, s.start_s, s.end_s, s.text, speaker) for s in tier.segments)
    if WORDS.fullmatch(_kind(tier.name)):
        return merge_segments(named, longest_pause_s=MAX_WORD_GAP_S)
    return named


def _kind(name: str) -> str:
    """Return what a tier's name says about it: ``words`` of ``anna - words``."""
    return re.split(r"\s+-\s+|[_/]", name.strip().lower())[-1]


def _speaker(name: str) -> str | None:
    kind = _kind(name)
    plain = name.strip()
    if NO_SPEAKER.fullmatch(kind):
        plain = plain[: len(plain) - len(kind)].rstrip(" -_/")
    return plain or None
