"""What looks wrong with references: their length, their characters, who says them in which part.

Used by ``inspection``. Reads utterances only, no sound; everything found is for a person to judge.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence

from asr_adapt.audio import END_SLACK_S, MAX_UTTERANCE_S
from asr_adapt.records import Utterance
from asr_adapt.words.text import Normaliser

MAX_CHARS_PER_S = 30.0
"""Twice what fast talkers say (about 15 characters, or 5 to 6 syllables, in a second)."""
MIN_CHARS_PER_S = 1.0
"""Less text than this for seconds of sound means that most of it is not written down."""
MIN_SPARSE_S = 5.0
"""Of shorter sound this is not asked: a single word after a long keying is common on the radio."""
LEAST_OVERLAP_S = 0.2
"""Neighbours that overlap by less are cut by ear; more means that two people speak at once."""
MARKUP = frozenset("[]{}<>|*_\\~^=")
"""Signs that transcribers use for notes, and that nobody says."""
_LATIN_WRITTEN = (
    *("af", "ca", "cs", "da", "de", "en", "es", "et", "eu", "fi", "fr", "ga", "hr", "hu", "id"),
    *("is", "it", "lt", "lv", "mt", "nl", "no", "pl", "pt", "ro", "sk", "sl", "sq", "sv", "sw"),
    *("tr", "vi"),
)
SCRIPTS = {
    **dict.fromkeys(_LATIN_WRITTEN, ("LATIN",)),
    **dict.fromkeys(("be", "bg", "mk", "ru", "uk"), ("CYRILLIC",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("ARABIC",)),
    "el": ("GREEK",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK", "LATIN"),
    "ko": ("HANGUL", "CJK"),
    "th": ("THAI",),
    "zh": ("CJK", "LATIN"),
}
"""Scripts of languages (Unicode CLDR, supplemental languageData), as they begin Unicode names."""


def text_problems(utterance: Utterance, normaliser: Normaliser) -> list[str]:
    """Name what looks wrong with the words of an utterance and their length.

    Args:
        utterance: with or without a reference.
        normaliser: what references are compared by; its characters are checked for English.
    """
    problems: list[str] = []
    if utterance.duration_s > MAX_UTTERANCE_S + END_SLACK_S:
        problems.append(f"longer than {MAX_UTTERANCE_S:g} s (cut it, or use --long)")
    if utterance.reference is None:
        return problems
    text = utterance.reference.strip()
    if not text:
        return [*problems, "no words (scored as silence)"]
    per_s = len(text) / utterance.duration_s
    if per_s > MAX_CHARS_PER_S:
        problems.append("too much text for its length")
    if per_s < MIN_CHARS_PER_S and utterance.duration_s > MIN_SPARSE_S:
        problems.append("too little text for its length")
    return [*problems, *_character_problems(text, utterance.language, normaliser)]


def _character_problems(text: str, language: str, normaliser: Normaliser) -> Iterator[str]:
    if odd := sorted({c for c in text if _is_odd(c)}):
        shown = " ".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in odd)
        yield f"characters that are neither words nor punctuation: {shown}"
    if foreign := _foreign_scripts(text, language):
        yield f"letters that '{language}' is not written in ({', '.join(foreign)})"
    elif language == "en" and normaliser.name not in ("raw", "basic"):
        left = {c for c in normaliser(text) if not c.isascii()}
        if left:
            shown = " ".join(sorted(left))
            yield f"characters that the normaliser {normaliser.name} does not know: {shown}"


def _foreign_scripts(text: str, language: str) -> list[str]:
    """Return the scripts of letters that a language does not use; none of an unknown language."""
    known = SCRIPTS.get(language)
    if known is None:
        return []
    # Names and units in plain Latin letters are usual in every language.
    letters = {c for c in text if c.isalpha() and not c.isascii()}
    scripts = {unicodedata.name(c, "UNKNOWN").split()[0] for c in letters}
    return sorted(script.lower() for script in scripts - {*known, "MODIFIER", "MASCULINE"})


def _is_odd(character: str) -> bool:
    """Whether a character is markup, a control character or a pictogram; tabs and lines are not."""
    return character in MARKUP or (
        unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "So")
        and not character.isspace()
    )


def shared_with_training(utterances: Sequence[Utterance]) -> Iterator[tuple[str, Utterance]]:
    """Yield test and dev utterances whose speaker or recording is in the training split too.

    A recording counts only where no speaker is known, as in ``splits``.
    """
    trained = [u for u in utterances if u.tags.get("split") == "train"]
    speakers = {u.speaker for u in trained if u.speaker}
    recordings = {u.recording for u in trained}
    for u in utterances:
        split = u.tags.get("split")
        if split not in ("test", "dev"):
            continue
        if u.speaker in speakers:
            yield f"a speaker of {split} who is in training too", u
        elif u.speaker is None and u.recording in recordings:
            yield f"a recording of {split} that is in training too", u


def overlapping(utterances: Sequence[Utterance]) -> Iterator[Utterance]:
    """Yield utterances that begin well before another one of their sound file has ended."""
    by_sound: dict[str, list[Utterance]] = defaultdict(list)
    for u in utterances:
        by_sound[str(u.audio_path)].append(u)
    for group in by_sound.values():
        end_s = 0.0
        for u in sorted(group, key=lambda u: u.start_s):
            if end_s - u.start_s > LEAST_OVERLAP_S:
                yield u
            end_s = max(end_s, u.start_s + u.duration_s)
