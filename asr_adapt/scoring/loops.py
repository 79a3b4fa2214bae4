"""Signs that a decoder has run away: the same words again and again, or nothing at all.

Floor 1, a pure function of one decoded text. The flags are shown beside the scores; the text is
scored as it is.
"""

from __future__ import annotations

import re
import zlib

from asr_adapt.records import LOOP

# Above this the text is taken for a loop by Whisper's own long-form decoding
# (`compression_ratio_threshold`, github.com/openai/whisper, whisper/transcribe.py).
COMPRESSION_LIMIT = 2.4

# "Mayday" and a ship's name are said three times, "pan pan" too (ITU-R M.1171): six times the
# same word and three times the same phrase are normal on the radio.
_SAME_WORD = 7
_SAME_PHRASE = 4
_LONGEST_PHRASE_WORDS = 12  # a sentence; what repeats in longer stretches compresses well

# No speaker gets there: fast conversation is about 5 words per second.
_WORDS_PER_S = 10.0
_FEWEST_WORDS = 12  # a call sign and a number are said in a breath


def flag_text(text: str, duration_s: float) -> tuple[str, ...]:
    """Return what is suspicious about a decoded text.

    Args:
        text: decoded text as written.
        duration_s: length of the audio it was decoded from, in seconds.

    Returns:
        ``("empty",)`` if the text has no letter or digit, ``("loop",)`` if words repeat beyond
        what people say, if the text compresses as only loops do, or if it holds more words than
        the audio has room for; else ``()``.

    >>> flag_text("mayday mayday mayday", 2.0), flag_text("over and " * 9, 4.0), flag_text("...", 1)
    ((), ('loop',), ('empty',))
    """
    words = re.findall(r"[^\W_]+", text.lower())
    if not words:
        return ("empty",)
    hurried = len(words) >= _FEWEST_WORDS and len(words) > _WORDS_PER_S * duration_s
    if hurried or _compression_ratio(text) > COMPRESSION_LIMIT or _repeats(words):
        return (LOOP,)
    return ()


def _compression_ratio(text: str) -> float:
    plain = text.encode("utf-8", "replace")
    return len(plain) / len(zlib.compress(plain))


def _repeats(words: list[str]) -> bool:
    return any(
        _longest_run(words, size) >= (_SAME_WORD if size == 1 else _SAME_PHRASE)
        for size in range(1, _LONGEST_PHRASE_WORDS + 1)
    )


def _longest_run(words: list[str], size: int) -> int:
    """How often a phrase of `size` words, not all the same, stands in a row."""
    longest = equal = 0
    for i in range(size, len(words)):
        equal = equal + 1 if words[i] == words[i - size] else 0
        # A run of one word is also a run of pairs of it; that is counted at size 1 only.
        mixed = size == 1 or len(set(words[i - size : i])) > 1
        if mixed:
            longest = max(longest, 1 + equal // size)
    return longest
