"""Scores of a run: every arm on the same utterances, from addable counts, with intervals.

Floor 3. Reads `Utterance` and `Hypothesis` rows, writes `RunScores`; the report turns them into
text. Works without torch, so a run can be scored again anywhere. Refuses hypotheses of unknown
utterances and two different texts for one utterance and arm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, reduce
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from asr_adapt.errors import DataError
from asr_adapt.records import ARMS, LOOP, ErrorCounts, Hypothesis, Utterance
from asr_adapt.scoring.alignment import (
    AlignedWord,
    align_words,
    count,
    score_characters,
    score_words,
)
from asr_adapt.scoring.bootstrap import (
    RESAMPLES,
    Blocks,
    add_by_block,
    choose_blocks,
    interval95,
    rates,
    resample_sums,
    two_sided_p,
)
from asr_adapt.scoring.entities import NORMALISER, Entity, count_entities, find_entities
from asr_adapt.scoring.measures import measure_arms
from asr_adapt.scoring.score_records import (
    NO_COUNTS,
    ArmScore,
    Comparison,
    RunScores,
    TermCounts,
    UtteranceScore,
    all_terms,
)
from asr_adapt.scoring.terms import (
    PhraseBook,
    count_terms,
    find_phrases,
    make_book,
    normalise_phrases,
    split_by_context,
)
from asr_adapt.words.text import get_normaliser, nobody_speaks, whispers_own

__all__ = [
    "AlignedWord",
    "ArmScore",
    "Comparison",
    "RunScores",
    "TermCounts",
    "UtteranceScore",
    "align_words",
    "confusions",
    "score_characters",
    "score_run",
    "score_words",
]

_Rows = Mapping[tuple[str, str], Hypothesis]


@dataclass(frozen=True, slots=True)
class _Forms:
    """The forms in which texts are compared, Whisper's by language; each knows what it has seen."""

    domain: Callable[[str], str]
    whisper: Mapping[str, Callable[[str], str]]
    raw: Callable[[str], str]
    finds_entities: bool


@dataclass(frozen=True, slots=True)
class _Reference:
    """What is asked of every arm: the text as written and normalised, phrases, entities."""

    written: str
    said: str
    book: PhraseBook
    entities: tuple[Entity, ...]
    whisper: Callable[[str], str]


def score_run(
    utterances: Sequence[Utterance],
    hypotheses: Sequence[Hypothesis],
    normaliser_name: str = "spoken-en",
    seed: int = 0,
    phrases: Sequence[str] = (),
) -> RunScores:
    """Score every arm of a run on the utterances that all arms have.

    A hypothesis with an error is failed, not empty: its utterance is left out for every arm and
    listed. A later row replaces a failed one of the same utterance and arm.

    Args:
        utterances: the set; those without a reference are listed and not scored, and so are those
            whose reference has no words though somebody speaks ("[unintelligible]").
        hypotheses: decoded rows of all arms, in any order.
        normaliser_name: the domain normaliser, see `asr_adapt.words.text.get_normaliser`.
        seed: seed of the resampling.
        phrases: listed for every utterance, besides its own context.

    Raises:
        DataError: there is nothing to score, or rows contradict each other.
        UsageError: there is no such normaliser.
    """
    normaliser = get_normaliser(normaliser_name)
    forms = _Forms(
        cache(normaliser),
        {own: cache(whispers_own(own)) for own in {u.language for u in utterances}},
        cache(get_normaliser("raw")),
        normaliser.name == NORMALISER,
    )
    rows = _index(hypotheses, utterances)
    labelled = [utterance for utterance in utterances if _can_be_scored(utterance, forms.domain)]
    arms = _arms(rows)
    if not labelled or not arms:
        missing = "no utterance has a reference" if arms else "there are no hypotheses"
        raise DataError(f"nothing to score: {missing}")
    scores = _score_utterances(labelled, rows, arms, forms, phrases)
    shared = [
        utterance
        for utterance in labelled
        if all(_has_text(rows.get((arm, utterance.utterance_id))) for arm in arms)
    ]
    compared = {arm: [scores[arm, u.utterance_id] for u in shared] for arm in arms}
    spoken = [u for u in shared if not scores[arms[0], u.utterance_id].silence]
    looping = {each.utterance_id for each in scores.values() if LOOP in each.flags}
    measures, differences = measure_arms(compared, choose_blocks(shared), seed)
    arm_scores = [
        replace(_add_arm(arm, labelled, shared, rows, scores, looping), measures=measures[arm])
        for arm in arms
    ]
    blocks = choose_blocks(spoken or shared)
    sums = _resample(spoken, arms, scores, blocks, seed)
    return RunScores(
        normaliser=normaliser.name,
        normaliser_version=normaliser.version,
        arms=tuple(_with_interval(score, sums) for score in arm_scores),
        comparisons=_compare(arm_scores, sums),
        utterances=tuple(scores.values()),
        blocks=blocks.kind,
        n_blocks=blocks.n,
        caveat=blocks.caveat,
        left_out=_ids(labelled, without=shared),
        looping=tuple(u.utterance_id for u in spoken if u.utterance_id in looping),
        unlabelled=_ids(utterances, without=labelled),
        seed=seed,
        resamples=RESAMPLES,
        differences=differences,
    )


def _can_be_scored(utterance: Utterance, normalise: Callable[[str], str]) -> bool:
    said = utterance.reference
    return said is not None and (bool(normalise(said)) or nobody_speaks(said))


def confusions(scores: Iterable[UtteranceScore]) -> Counter[tuple[str, str]]:
    """Count which word was heard for which; ("", w) is an insertion, (w, "") a deletion.

    Words heard where nobody speaks are no confusions: they stand on their own line.
    """
    return Counter(
        (column.reference, column.hypothesis)
        for score in scores
        if not score.silence
        for column in score.alignment
        if column.kind != "hit"
    )


def _index(hypotheses: Iterable[Hypothesis], utterances: Iterable[Utterance]) -> _Rows:
    known = Counter(utterance.utterance_id for utterance in utterances)
    if twice := [name for name, times in known.items() if times > 1]:
        raise DataError(f"utterance '{twice[0]}': stands {known[twice[0]]} times in the manifest")
    rows: dict[tuple[str, str], Hypothesis] = {}
    for row in hypotheses:
        if row.utterance_id not in known:
            raise DataError(
                f"hypothesis of utterance '{row.utterance_id}' ({row.arm}): not in the manifest;"
                " score with the manifest it was decoded from"
            )
        earlier = rows.get((row.arm, row.utterance_id))
        if earlier and _has_text(earlier) and _has_text(row) and earlier.text != row.text:
            raise DataError(
                f"utterance '{row.utterance_id}': two different texts from arm '{row.arm}';"
                " remove the rows of one decoding"
            )
        if not _has_text(earlier):
            rows[row.arm, row.utterance_id] = row
    return rows


def _has_text(row: Hypothesis | None) -> bool:
    return row is not None and row.error is None


def _arms(rows: _Rows) -> list[str]:
    found = dict.fromkeys(arm for arm, _ in rows)
    return [arm for arm in ARMS if arm in found] + [arm for arm in found if arm not in ARMS]


def _ids(utterances: Iterable[Utterance], without: Iterable[Utterance]) -> tuple[str, ...]:
    gone = {utterance.utterance_id for utterance in without}
    return tuple(u.utterance_id for u in utterances if u.utterance_id not in gone)


def _score_utterances(
    labelled: Sequence[Utterance],
    rows: _Rows,
    arms: Sequence[str],
    forms: _Forms,
    shared: Sequence[str],
) -> dict[tuple[str, str], UtteranceScore]:
    # A phrase is shown the way it is written first, though utterances may write it differently.
    contexts = (p for u in labelled for p in u.context)
    written = normalise_phrases((*contexts, *shared), forms.domain)
    common = normalise_phrases(shared, forms.domain)
    scores: dict[tuple[str, str], UtteranceScore] = {}
    for utterance in labelled:
        listed = normalise_phrases(utterance.context, forms.domain) | common
        book = make_book({phrase: written[phrase] for phrase in listed})
        reference = _read_reference(utterance, book, forms)
        for arm in arms:
            if row := rows.get((arm, utterance.utterance_id)):
                score = _score_utterance(reference, row, forms)
                scores[arm, utterance.utterance_id] = score
    return scores


def _read_reference(utterance: Utterance, book: PhraseBook, forms: _Forms) -> _Reference:
    written = utterance.reference or ""
    said = forms.domain(written)
    words = said.split()
    entities: tuple[Entity, ...] = ()
    if forms.finds_entities:
        entities = find_entities(written, words, forms.domain, find_phrases(words, book))
    return _Reference(written, said, book, entities, forms.whisper[utterance.language])


def _score_utterance(reference: _Reference, row: Hypothesis, forms: _Forms) -> UtteranceScore:
    said = reference.said
    blank = UtteranceScore(
        row.utterance_id,
        row.arm,
        reference=said,
        silence=not said,
        flags=row.flags,
        dropped_phrases=row.dropped_phrases,
        dropped_count=row.dropped_count,
        failed=row.error,
    )
    if row.error is not None:
        return blank
    heard = forms.domain(row.text)
    columns = align_words(said, heard)
    context_words, other_words = split_by_context(columns, reference.book)
    return replace(
        blank,
        hypothesis=heard,
        words=count(columns),
        characters=score_characters(said, heard),
        raw_words=score_words(forms.raw(reference.written), forms.raw(row.text)),
        whisper_words=score_words(
            reference.whisper(reference.written), reference.whisper(row.text)
        ),
        context_words=context_words,
        other_words=other_words,
        terms=count_terms(columns, reference.book),
        phrases=len(reference.book.written),
        entities=count_entities(columns, reference.entities),
        alignment=tuple(columns),
    )


def _add_arm(
    arm: str,
    labelled: Sequence[Utterance],
    shared: Sequence[Utterance],
    rows: _Rows,
    scores: Mapping[tuple[str, str], UtteranceScore],
    looping: Container[str],
) -> ArmScore:
    here = [scores[arm, utterance.utterance_id] for utterance in shared]
    spoken = [score for score in here if not score.silence]
    silent = [score for score in here if score.silence]
    found = {u.utterance_id: rows.get((arm, u.utterance_id)) for u in labelled}
    return ArmScore(
        arm=arm,
        utterances=len(here),
        words=_add(score.words for score in spoken),
        characters=_add(score.characters for score in spoken),
        raw_words=_add(score.raw_words for score in spoken),
        whisper_words=_add(score.whisper_words for score in spoken),
        context_words=_add(score.context_words for score in spoken),
        other_words=_add(score.other_words for score in spoken),
        steady_words=_add(s.words for s in spoken if s.utterance_id not in looping),
        wer_ci95=None,
        terms=_add_terms(term for score in here for term in score.terms),
        silence_utterances=len(silent),
        silence_insertions=sum(score.words.insertions for score in silent),
        failed=tuple(name for name, row in found.items() if row and row.error is not None),
        missing=tuple(name for name, row in found.items() if row is None),
        flagged=dict(Counter(flag for score in here for flag in score.flags)),
        decode_s=sum(rows[arm, utterance.utterance_id].decode_s for utterance in shared),
        audio_s=sum(utterance.duration_s for utterance in shared),
    )


def _add(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    return reduce(ErrorCounts.__add__, counts, NO_COUNTS)


def _add_terms(terms: Iterable[TermCounts]) -> tuple[TermCounts, ...]:
    by_phrase: dict[str, list[TermCounts]] = {}
    for term in terms:
        by_phrase.setdefault(term.phrase, []).append(term)
    added = [replace(all_terms(found), phrase=phrase) for phrase, found in by_phrase.items()]
    return tuple(sorted(added, key=lambda term: (-(term.hits + term.misses), term.phrase)))


def _resample(
    spoken: Sequence[Utterance],
    arms: Sequence[str],
    scores: Mapping[tuple[str, str], UtteranceScore],
    blocks: Blocks,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Return resampled WERs per arm, all from the same draws; empty without reference words."""
    if not spoken:
        return {}
    words = [[scores[arm, u.utterance_id].words for arm in arms] for u in spoken]
    # Every arm has the same references, so one column of lengths serves all.
    table = [[row[0].reference_length, *(counts.errors for counts in row)] for row in words]
    sums = resample_sums(add_by_block(np.array(table, dtype=np.float64), blocks), seed)
    return {arm: rates(sums[:, i], sums[:, 0]) for i, arm in enumerate(arms, start=1)}


def _with_interval(score: ArmScore, sums: Mapping[str, NDArray[np.float64]]) -> ArmScore:
    return replace(score, wer_ci95=interval95(sums[score.arm])) if score.arm in sums else score


def _compare(
    scores: Sequence[ArmScore], sums: Mapping[str, NDArray[np.float64]]
) -> tuple[Comparison, ...]:
    """Compare every pair of arms, the earlier one as `a`."""
    comparisons = []
    for a, b in combinations(scores, 2):
        if a.wer is None or b.wer is None:
            continue
        differences = sums[b.arm] - sums[a.arm]
        comparison = Comparison(
            a=a.arm,
            b=b.arm,
            wer_difference=b.wer - a.wer,
            ci95=interval95(differences),
            p_value=two_sided_p(differences),
            probability_of_improvement=float(np.mean(differences < 0)),
            relative=(b.wer - a.wer) / a.wer if a.wer else None,
        )
        comparisons.append(comparison)
    return tuple(comparisons)
