"""Phrases that are easily taken for one another: the distractors that training learns most from.

Floor 2, on top of retrieval's measure of similarity. Reads phrases, returns for each the others of
a pool that are written and sound most like it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from asr_adapt.context.retrieval import build_index, similarities

CLOSEST = 8
"""Enough to draw from anew in each epoch."""

ROWS_AT_ONCE = 256
"""Phrases compared with the whole pool at a time: 256 rows of 10 000 phrases are 10 MB."""


def sound_alikes(
    phrases: Iterable[str], pool: Sequence[str], normalise: Callable[[str], str]
) -> dict[str, tuple[str, ...]]:
    """Return, for each phrase, the phrases of a pool that are easily taken for it, closest first.

    The measure is that of `asr_adapt.context.retrieval.retrieve`. A phrase is never its own
    distractor, in whatever case it is written.

    Args:
        phrases: what is said somewhere.
        pool: where distractors come from.
        normalise: the form in which texts are compared.
    """
    others = build_index(pool, normalise)
    mine = build_index(phrases, normalise)
    found: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(mine.phrases) if others.phrases else 0, ROWS_AT_ONCE):
        rows = range(start, min(start + ROWS_AT_ONCE, len(mine.phrases)))
        table = similarities([mine.spelled[i] for i in rows], others)
        order = np.argsort(-table, axis=1, kind="stable")[:, : CLOSEST + 1]
        for i, ranked in zip(rows, order, strict=True):
            phrase = mine.phrases[i]
            near = (others.phrases[j] for j in ranked)
            found[phrase] = tuple(p for p in near if p.casefold() != phrase.casefold())[:CLOSEST]
    return found
