"""Which phrases of a long list could have been said, judged by what a first pass heard.

Floor 2, the home of rapidfuzz and jellyfish. Reads a list of any length and one hypothesis, returns
the few phrases that a prompt or a boost has room for. Pure functions: the same list in any order
gives the same answer. Nothing here knows a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jellyfish import metaphone
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

SPELLED_SHARE = 0.6
"""Weight of the spelling in a similarity, the sound having the rest. On names that whisper-base
misread on the radio, 0.5 to 0.7 found as many; spelling or sound alone found fewer."""

CROWDING = 0.05
"""How much a phrase loses for those that fit the same place better; measured on the same names."""

_DIGITS = {
    "0": "zero",
    "1": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
}

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PhraseIndex:
    """A list made ready for retrieval; building it takes about 0.1 ms a phrase.

    Attributes:
        phrases: as they are written, sorted, without repetitions.
        spelled: their normalised letters without spaces, digits as words.
        sounds: their phonetic keys.
        word_counts: lengths of stretches of a hypothesis that are compared with them, in words.
        normalise: brings a text to the form in which texts are compared.
    """

    phrases: tuple[str, ...]
    spelled: tuple[str, ...]
    sounds: tuple[str, ...]
    word_counts: tuple[int, ...]
    normalise: Callable[[str], str]


def build_index(phrases: Iterable[str], normalise: Callable[[str], str]) -> PhraseIndex:
    """Prepare a list for retrieval.

    Args:
        phrases: any phrases; blank ones and repetitions fall out.
        normalise: the domain normaliser, by which "Delta 5" and "D five" are the same.
    """
    kept = sorted({" ".join(phrase.split()) for phrase in phrases} - {""})
    words = [normalise(phrase).split() for phrase in kept]
    spelled = tuple(map(spell, words))
    # Names are heard split or glued: one word fewer and one more are compared, too.
    counts = {n + more for n in map(len, words) if n for more in (-1, 0, 1)} - {0}
    sounds = tuple(map(sound_key, spelled))
    return PhraseIndex(tuple(kept), spelled, sounds, tuple(sorted(counts)), normalise)


def retrieve(index: PhraseIndex, heard: str, limit: int) -> tuple[str, ...]:
    """Return the phrases that most likely stand behind what was heard, best first.

    Every stretch of words of the hypothesis is compared with every phrase. With ``lev`` the
    Levenshtein distance over the longer length, the similarity of stretch w and phrase p is ::

        s(w, p) = 0.6 (1 - lev(letters of w, of p)) + 0.4 (1 - lev(metaphone of w, of p))

    after the spelled and phonetic matching of names by Zobel & Dart 1996 ("Phonetic string
    matching", SIGIR; https://doi.org/10.1145/243199.243258); metaphone is Philips 1990, without
    spaces, since names are heard split or glued. A phrase counts with its best stretch and loses
    0.05 ln(1 + r) for the r phrases that fit a stretch from the same word on better, so that one
    name with a hundred relatives does not crowd out the next one.

    Args:
        index: the list.
        heard: raw text of a first pass.
        limit: at most so many phrases.

    Returns:
        Phrases that were heard letter by letter first, then by that score, the longer and then the
        alphabetically first of equals. A list that is no longer than ``limit`` comes whole; of a
        longer one nothing is returned where nothing was heard.
    """
    starts, stretches = windows(index.normalise(heard).split(), index.word_counts)
    if not stretches:
        return index.phrases if len(index.phrases) <= limit else ()
    table = similarities(stretches, index)
    best = table.argmax(axis=0)
    score = table.max(axis=0)
    lengths = np.array([len(letters) for letters in index.spelled])
    heard_letters = set(stretches)
    unheard = np.array([letters not in heard_letters for letters in index.spelled])
    order = np.lexsort((np.arange(len(score)), -lengths, -score, unheard))
    place = np.array(starts)[best]
    crowded = score - np.float32(CROWDING) * np.log1p(ranks_within(place, order))
    # Rounded: sums of different processors may differ in the last digit, phrases may not.
    order = np.lexsort((np.arange(len(score)), -lengths, -crowded.round(5), unheard))
    return tuple(index.phrases[i] for i in order[:limit])


def similarities(stretches: Sequence[str], index: PhraseIndex) -> Floats:
    """Return the similarity of each stretch to each phrase, (stretches, phrases), 0 to 1."""
    scorer = Levenshtein.normalized_similarity
    spelled = process.cdist(stretches, index.spelled, scorer=scorer, dtype=np.float32)
    keys = [sound_key(stretch) for stretch in stretches]
    sounds = process.cdist(keys, index.sounds, scorer=scorer, dtype=np.float32)
    mixed = SPELLED_SHARE * spelled + (1 - SPELLED_SHARE) * sounds
    # An empty phrase equals nothing, whatever the distance of two empty strings says.
    mixed[:, [not letters for letters in index.spelled]] = 0
    return mixed.round(5).astype(np.float32)


def windows(words: Sequence[str], counts: Iterable[int]) -> tuple[list[int], list[str]]:
    """Return the distinct stretches of a text of certain lengths: where they start, and letters."""
    found: dict[str, int] = {}
    for n in counts:
        for start in range(len(words) - n + 1):
            found.setdefault(spell(words[start : start + n]), start)
    return list(found.values()), list(found)


def ranks_within(place: NDArray[np.intp], order: NDArray[np.intp]) -> Floats:
    """Return how many come earlier in ``order`` with the same ``place``, for each item."""
    by_place = order[np.argsort(place[order], kind="stable")]
    sorted_places = place[by_place]
    first = np.searchsorted(sorted_places, sorted_places, side="left")
    ranks = np.empty(len(place), dtype=np.float32)
    ranks[by_place] = np.arange(len(place)) - first
    return ranks


def spell(words: Iterable[str]) -> str:
    """Join normalised words to letters, single digits spelled out.

    >>> spell(["d", "5", "kilo"])
    'dfivekilo'
    """
    return "".join(_DIGITS.get(word, word) for word in words)


def sound_key(letters: str) -> str:
    """Return how letters sound in English; letters of other scripts stand for themselves.

    >>> sound_key("northgate") == sound_key("norrthgait")
    True
    """
    return metaphone(letters).replace(" ", "") or letters


def most_similar(texts: Sequence[str], to: str, limit: int) -> tuple[str, ...]:
    """Return the texts that share most words with another, best first, equals by alphabet.

    Similarity is rapidfuzz's ``token_set_ratio``: what both have in common counts, order does not.
    """
    ratio = process.cdist(
        [to.casefold()], [t.casefold() for t in texts], scorer=fuzz.token_set_ratio
    )
    ranked = sorted(zip(-ratio[0].astype(float), texts, strict=True))
    return tuple(text for _, text in ranked[:limit])
