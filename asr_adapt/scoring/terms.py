"""Context phrases in a text: which were said, which were heard, and the errors that fall on them.

Floor 3, pure functions on aligned normalised words. Phrases never overlap: where several fit, the
longest one that starts first counts, so "Aurora Star" is not also an "Aurora".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from asr_adapt.records import ErrorCounts
from asr_adapt.scoring.alignment import (
    AlignedWord,
    count,
    number_goes_on,
    score_characters,
)
from asr_adapt.scoring.score_records import TermCounts

Phrase = tuple[str, ...]
"""A phrase as normalised words."""

LEAK_SIMILARITY = 0.4
"""A false phrase less similar than this to what was said in its place counts as leaked. On 200
maritime calls (whisper-base) nine tenths of phrases laid at random over a text stay below 0.36,
and half of the misheard phrases reach 0.58."""

LEAKS_PER_UTTERANCE = 0.05
"""From here on leaks are too many: a phrase made up in every twentieth utterance is something a
reader notices, and names that nobody said are the errors that mislead."""


@dataclass(frozen=True, slots=True)
class PhraseBook:
    """Phrases ready to be found in a text, however many they are.

    Attributes:
        written: normalised words of each phrase to the way it is written.
        by_first: the phrases that begin with a word, longest first.
        words: every word of every phrase.
    """

    written: Mapping[Phrase, str]
    by_first: Mapping[str, tuple[Phrase, ...]]
    words: frozenset[str]


def make_book(written: Mapping[Phrase, str]) -> PhraseBook:
    """Sort phrases by their first words."""
    by_first: dict[str, list[Phrase]] = {}
    for phrase in sorted(written, key=len, reverse=True):
        by_first.setdefault(phrase[0], []).append(phrase)
    words = frozenset(word for phrase in written for word in phrase)
    return PhraseBook(written, {word: tuple(some) for word, some in by_first.items()}, words)


def normalise_phrases(context: Iterable[str], normalise: Callable[[str], str]) -> dict[Phrase, str]:
    """Map each phrase in normalised words to the first way it is written; empty ones fall out."""
    phrases: dict[Phrase, str] = {}
    for written in context:
        if words := tuple(normalise(written).split()):
            phrases.setdefault(words, written)
    return phrases


def find_phrases(words: Sequence[str], book: PhraseBook) -> list[tuple[int, Phrase]]:
    """Find whole phrases in a text, left to right, longest first, without overlap.

    The possessive of a phrase is the phrase: normalised, "Aurora's" ends in an s.

    >>> book = make_book({("aurora",): "Aurora", ("aurora", "star"): "Aurora Star"})
    >>> find_phrases("aurora star auroras".split(), book)
    [(0, ('aurora', 'star')), (2, ('aurora',))]
    """
    found: list[tuple[int, Phrase]] = []
    start = 0
    while start < len(words):
        match = _phrase_at(words, start, book)
        if match:
            found.append((start, match))
        start += len(match) if match else 1
    return found


def _phrase_at(words: Sequence[str], start: int, book: PhraseBook) -> Phrase | None:
    first = words[start]
    begun = book.by_first.get(first, ())
    single = book.by_first.get(first.removesuffix("s"), ()) if first.endswith("s") else ()
    whole = (p for p in begun if tuple(words[start : start + len(p)]) == p)
    owner = (p for p in (*begun, *single) if _is_possessive(words[start : start + len(p)], p))
    return next(whole, None) or next(owner, None)


def _is_possessive(words: Sequence[str], phrase: Phrase) -> bool:
    last = phrase[-1]
    spoken = last.isalpha() and len(last) > 1
    return spoken and len(words) == len(phrase) and tuple(words) == (*phrase[:-1], f"{last}s")


def heard_phrases(
    columns: Sequence[AlignedWord], book: PhraseBook
) -> list[tuple[int, int, Phrase]]:
    """Find the phrases heard, with the first and the last of the columns they cover.

    A phrase that ends in a digit and goes on with one that was not said is another number:
    "Speedbird 421" is no "Speedbird 42".
    """
    places = [i for i, column in enumerate(columns) if column.hypothesis]
    found = find_phrases([columns[i].hypothesis for i in places], book)
    covered = [(places[at], places[at + len(phrase) - 1], phrase) for at, phrase in found]
    return [
        (first, last, phrase)
        for first, last, phrase in covered
        if not (phrase[-1].isdigit() and number_goes_on(columns, last + 1))
    ]


def count_terms(columns: Sequence[AlignedWord], book: PhraseBook) -> tuple[TermCounts, ...]:
    """Count each phrase that was said or heard; a hit is one said and one heard, wherever.

    Of the phrases heard and not said, those that stand where nothing like them was said (see
    `leaked_phrases`) are counted as leaks too; the others were heard for something similar.

    Args:
        columns: normalised reference against normalised hypothesis.
        book: the phrases listed for the utterance.
    """
    said = Counter(p for _, p in find_phrases([c.reference for c in columns if c.reference], book))
    heard = Counter(phrase for _, _, phrase in heard_phrases(columns, book))
    both, found = said & heard, said | heard
    leaks = leaked_phrases(columns, book) if heard - said else Counter[Phrase]()
    return tuple(
        TermCounts(
            book.written[phrase],
            hits=both[phrase],
            misses=said[phrase] - both[phrase],
            false_insertions=heard[phrase] - both[phrase],
            leaks=min(leaks[phrase], heard[phrase] - both[phrase]),
        )
        for phrase in sorted(found)
    )


def leaked_phrases(columns: Sequence[AlignedWord], book: PhraseBook) -> Counter[Phrase]:
    """Count the phrases heard where nothing like them was said.

    A heard phrase covers a stretch of the alignment. It leaked if no run of reference words
    within that stretch and one column to either side is similar to it: similarity is 1 minus the
    Levenshtein distance of the characters, spaces left out, over the longer length, and
    `LEAK_SIMILARITY` the least that is similar. A phrase that was said, but elsewhere in the
    utterance, looks leaked here; `count_terms` does not count it, since it is a hit.
    """
    return Counter(
        phrase
        for first, last, phrase in heard_phrases(columns, book)
        if _closest(columns, first, last, phrase) < LEAK_SIMILARITY
    )


def _closest(columns: Sequence[AlignedWord], first: int, last: int, phrase: Phrase) -> float:
    """Return the similarity of a phrase to the reference run around its columns most like it."""
    low, high = max(0, first - 1), min(len(columns), last + 2)
    said = [column.reference for column in columns[low:high] if column.reference]
    runs = (said[i:j] for i in range(len(said)) for j in range(i + 1, len(said) + 1))
    return max((_similarity("".join(run), "".join(phrase)) for run in runs), default=0.0)


def _similarity(said: str, heard: str) -> float:
    return 1 - score_characters(said, heard).errors / max(len(said), len(heard))


def split_by_context(
    columns: Sequence[AlignedWord], book: PhraseBook
) -> tuple[ErrorCounts, ErrorCounts]:
    """Split word errors into those on context phrases and the rest.

    After Le et al. 2021 (arXiv 2104.02194), "biased" and "unbiased" WER: a reference word is
    biased if it belongs to a listed phrase, an insertion if the inserted word does. Here a
    reference word belongs only where the whole phrase was said, so that the "of" of "Pride of
    Hull" does not claim every "of".

    Returns:
        Counts on context phrases, counts on all else; together they are all columns.
    """
    said = [column.reference for column in columns if column.kind != "ins"]
    inside: set[int] = set()
    for start, phrase in find_phrases(said, book):
        inside.update(range(start, start + len(phrase)))
    sides: tuple[list[AlignedWord], list[AlignedWord]] = ([], [])
    position = 0
    for column in columns:
        if column.kind == "ins":
            belongs = column.hypothesis in book.words
        else:
            belongs = position in inside
            position += 1
        sides[not belongs].append(column)
    return count(sides[0]), count(sides[1])
