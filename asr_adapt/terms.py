"""Context phrases in a text: which were said, which were heard, and the errors that fall on them.

Floor 3, pure functions on normalised words. Phrases never overlap: where several fit, the longest
one that starts first counts, so "Aurora Star" is not also an "Aurora".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from asr_adapt.alignment import AlignedWord, count
from asr_adapt.records import ErrorCounts
from asr_adapt.score_records import TermCounts

Phrase = tuple[str, ...]
"""A phrase as normalised words."""


def normalise_phrases(context: Iterable[str], normalise: Callable[[str], str]) -> dict[Phrase, str]:
    """Map each phrase in normalised words to the first way it is written; empty ones fall out."""
    phrases: dict[Phrase, str] = {}
    for written in context:
        if words := tuple(normalise(written).split()):
            phrases.setdefault(words, written)
    return phrases


def find_phrases(words: Sequence[str], phrases: Iterable[Phrase]) -> list[tuple[int, Phrase]]:
    """Find whole phrases in a text, left to right, longest first, without overlap.

    >>> find_phrases("aurora star aurora".split(), [("aurora",), ("aurora", "star")])
    [(0, ('aurora', 'star')), (2, ('aurora',))]
    """
    longest_first = sorted(phrases, key=len, reverse=True)
    found: list[tuple[int, Phrase]] = []
    start = 0
    while start < len(words):
        match = next((p for p in longest_first if tuple(words[start : start + len(p)]) == p), None)
        if match:
            found.append((start, match))
        start += len(match) if match else 1
    return found


def count_terms(
    reference: Sequence[str], hypothesis: Sequence[str], phrases: Mapping[Phrase, str]
) -> tuple[TermCounts, ...]:
    """Count each phrase that was said or heard; a hit is one said and one heard, wherever.

    Args:
        reference: normalised words said.
        hypothesis: normalised words heard.
        phrases: normalised words of each context phrase to its written form.
    """
    said = Counter(phrase for _, phrase in find_phrases(reference, phrases))
    heard = Counter(phrase for _, phrase in find_phrases(hypothesis, phrases))
    both = said & heard
    return tuple(
        TermCounts(written, both[phrase], said[phrase] - both[phrase], heard[phrase] - both[phrase])
        for phrase, written in phrases.items()
        if said[phrase] or heard[phrase]
    )


def split_by_context(
    columns: Sequence[AlignedWord], phrases: Iterable[Phrase]
) -> tuple[ErrorCounts, ErrorCounts]:
    """Split word errors into those on context phrases and the rest.

    After Le et al. 2021 (arXiv 2104.02194), "biased" and "unbiased" WER: a reference word is
    biased if it belongs to a listed phrase, an insertion if the inserted word does. Here a
    reference word belongs only where the whole phrase was said, so that the "of" of "Pride of
    Hull" does not claim every "of".

    Returns:
        Counts on context phrases, counts on all else; together they are all columns.
    """
    phrases = list(phrases)
    listed = {word for phrase in phrases for word in phrase}
    said = [column.reference for column in columns if column.kind != "ins"]
    inside: set[int] = set()
    for start, phrase in find_phrases(said, phrases):
        inside.update(range(start, start + len(phrase)))
    sides: tuple[list[AlignedWord], list[AlignedWord]] = ([], [])
    position = 0
    for column in columns:
        if column.kind == "ins":
            belongs = column.hypothesis in listed
        else:
            belongs = position in inside
            position += 1
        sides[not belongs].append(column)
    return count(sides[0]), count(sides[1])
