"""Two normalised texts against each other: which words were hit, changed, lost or added.

Floor 1, the home of jiwer. Reads normalised text only (`asr_adapt.words.text`), writes counts and
alignments. Every rate further up is a quotient of counts added here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import jiwer

from asr_adapt.records import ErrorCounts

Kind = Literal["hit", "sub", "del", "ins"]

_AS_IT_IS = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
_KINDS: dict[str, Kind] = {"equal": "hit", "substitute": "sub", "delete": "del", "insert": "ins"}


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """One column of an alignment.

    Attributes:
        kind: ``hit``, ``sub``, ``del`` (said, not heard) or ``ins`` (heard, not said).
        reference: the word said; "" in an insertion.
        hypothesis: the word heard; "" in a deletion.
    """

    kind: Kind
    reference: str
    hypothesis: str


def align_words(reference: str, hypothesis: str) -> list[AlignedWord]:
    """Align two normalised texts word by word at the lowest Levenshtein distance.

    >>> [column.kind for column in align_words("cleared to land", "clear land")]
    ['sub', 'del', 'hit']
    """
    return align_units(reference.split(), hypothesis.split())


def intruder(columns: Sequence[AlignedWord], i: int) -> str:
    """Return the word that was heard and not said in column ``i``; "" where there is none.

    A wrong word in place of a digit is wrong for itself, and intrudes on no neighbour.
    """
    if not 0 <= i < len(columns) or columns[i].kind == "hit" or columns[i].reference.isdigit():
        return ""
    return columns[i].hypothesis


def number_goes_on(columns: Sequence[AlignedWord], i: int) -> bool:
    """Tell whether column ``i`` holds a digit or decimal that was heard and not said.

    Beside a number that was heard right, it makes another number of it: "1 6 6" is not "1 6".
    """
    heard = intruder(columns, i)
    return heard.isdigit() or heard == "decimal"


def align_units(reference: list[str], hypothesis: list[str]) -> list[AlignedWord]:
    """Align two lists of words or characters at the lowest Levenshtein distance."""
    if not reference or not hypothesis:
        return _one_sided(reference, hypothesis)
    columns: list[AlignedWord] = []
    for chunk in _chunks(reference, hypothesis):
        said = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        heard = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        kind = _KINDS[chunk.type]
        width = max(len(said), len(heard))
        said, heard = said or [""] * width, heard or [""] * width
        columns += [AlignedWord(kind, r, h) for r, h in zip(said, heard, strict=True)]
    return columns


def score_words(reference: str, hypothesis: str) -> ErrorCounts:
    """Count word errors between two normalised texts.

    >>> score_words("cleared to land", "clear land")
    ErrorCounts(hits=1, substitutions=1, deletions=1, insertions=0)
    """
    return count(align_words(reference, hypothesis))


def score_characters(reference: str, hypothesis: str) -> ErrorCounts:
    """Count character errors between two normalised texts, the spaces between words included."""
    return count(align_units(list(reference), list(hypothesis)))


def count(columns: Iterable[AlignedWord]) -> ErrorCounts:
    """Add up the kinds of the columns of an alignment."""
    kinds = Counter(column.kind for column in columns)
    return ErrorCounts(kinds["hit"], kinds["sub"], kinds["del"], kinds["ins"])


def _one_sided(reference: list[str], hypothesis: list[str]) -> list[AlignedWord]:
    deleted = [AlignedWord("del", word, "") for word in reference]
    return deleted + [AlignedWord("ins", "", word) for word in hypothesis]


def _chunks(reference: list[str], hypothesis: list[str]) -> list[jiwer.AlignmentChunk]:
    # jiwer splits text itself and drops lone spaces; handed over in private-use code points, one
    # per distinct unit, words and characters (spaces too) take the same way through it.
    codes = {unit: chr(0xF0000 + i) for i, unit in enumerate(dict.fromkeys(reference + hypothesis))}
    output = jiwer.process_words(
        " ".join(codes[unit] for unit in reference),
        " ".join(codes[unit] for unit in hypothesis),
        reference_transform=_AS_IT_IS,
        hypothesis_transform=_AS_IT_IS,
    )
    return cast("list[jiwer.AlignmentChunk]", output.alignments[0])
