"""How many tokens an utterance may take, so that a loop does not cost 400.

Whisper's tokens were made for text of the web: an English word is one or two of them, a letter of
Georgian three. So the most that can be said in a second depends on the language.
"""

from __future__ import annotations

from collections.abc import Iterable

from asr_adapt.window import length_bucket

ENGLISH = 10
"""Tokens a second. Fast speech is 5 words a second, about 7 tokens; what needs more is a loop."""
SPELLED = 40
"""Where letters take one to three tokens each: at 15 characters a second Georgian takes 38, Hindi
16, Tamil 13 (the multilingual tokenizer on the same sentence in each)."""
OTHER = 15
"""Any other language takes up to twice the tokens of English: at 15 characters a second Greek 8,
Czech 7, German 4, English 3; Japanese and Chinese 6 or 7 at 5 characters a second."""
SPELLED_LANGUAGES = frozenset(
    (
        *("am", "as", "bn", "bo", "gu", "hi", "hy", "ka", "km", "kn", "lo", "ml", "mr", "my", "ne"),
        *("pa", "sa", "sd", "si", "ta", "te", "th", "yi"),
    )
)
SPARE = 10
"""Tokens that any text may have, however short its sound: a word and its punctuation."""
MAX_DECODER_TOKENS = 448
"""Positions of Whisper's decoder (Radford et al. 2022, arXiv 2212.04356)."""
START_TOKENS = 4
"""Before an untold text: start, language, task, no timestamps."""


def tokens_per_s(language: str) -> int:
    """Return the most tokens of a second of speech; the language is an ISO 639-1 code."""
    if language == "en":
        return ENGLISH
    return SPELLED if language in SPELLED_LANGUAGES else OTHER


def token_cap(duration_s: float, language: str) -> int:
    """Return the most tokens that are decoded for an utterance, which the decoder has room for."""
    cap = tokens_per_s(language) * length_bucket(duration_s) + SPARE
    return min(cap, MAX_DECODER_TOKENS - START_TOKENS)


def in_words(languages: Iterable[str]) -> str:
    """Say how long texts of these languages may be."""
    rates = " or ".join(str(rate) for rate in sorted({tokens_per_s(each) for each in languages}))
    return f"{rates} tokens a second of audio and {SPARE} more"
