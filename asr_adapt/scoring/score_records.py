"""What a scored run consists of: utterances, arms and comparisons, all from addable counts.

Floor 3, types only; `asr_adapt.scoring.score` fills them and the report reads them. Rates are
fractions and None where there is nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from asr_adapt.records import ErrorCounts
from asr_adapt.scoring.alignment import AlignedWord

NO_COUNTS = ErrorCounts()


@dataclass(frozen=True, slots=True)
class TermCounts:
    """How often one context phrase was said, heard rightly and heard wrongly; addable.

    Attributes:
        phrase: the phrase as the context writes it.
        hits: occurrences said and heard.
        misses: occurrences said and not heard.
        false_insertions: occurrences heard and not said.
        leaks: those of them where nothing like the phrase was said.
    """

    phrase: str
    hits: int = 0
    misses: int = 0
    false_insertions: int = 0
    leaks: int = 0

    @property
    def recall(self) -> float | None:
        """Share of the spoken occurrences that were heard; None if never spoken."""
        return self.hits / said if (said := self.hits + self.misses) else None

    @property
    def precision(self) -> float | None:
        """Share of the heard occurrences that were spoken; None if never heard."""
        return self.hits / heard if (heard := self.hits + self.false_insertions) else None


@dataclass(frozen=True, slots=True)
class EntityCounts:
    """How many entities of one kind were heard exactly; addable.

    Attributes:
        kind: one of `asr_adapt.scoring.entities.KINDS`.
        right: those heard as whole units.
        said: all of them.
    """

    kind: str
    right: int
    said: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A quotient of counts of one arm.

    Attributes:
        name: one of `asr_adapt.scoring.measures.NAMES`.
        part: errors, finds or whatever is counted.
        whole: out of how many.
        ci95: 95 % interval of the quotient; None if there is none.
    """

    name: str
    part: int
    whole: int
    ci95: tuple[float, float] | None = None

    @property
    def value(self) -> float | None:
        """The quotient as a fraction; None where there is nothing to divide by."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure in two arms, on the same resamples.

    Attributes:
        measure: its name.
        a: the arm compared against.
        b: the other arm.
        difference: value of `b` minus value of `a`.
        ci95: its 95 % interval.
        p_value: two-sided bootstrap p-value of "no difference".
    """

    measure: str
    a: str
    b: str
    difference: float
    ci95: tuple[float, float]
    p_value: float


@dataclass(frozen=True, slots=True)
class UtteranceScore:
    """One arm on one utterance.

    Attributes:
        utterance_id: the utterance.
        arm: the arm.
        reference: the domain-normalised reference.
        hypothesis: the domain-normalised hypothesis.
        words: word errors, domain-normalised.
        characters: character errors, domain-normalised, spaces included.
        raw_words: word errors on the text as written, only white space evened out.
        whisper_words: word errors after Whisper's own normaliser of the language.
        context_words: the part of `words` that falls on context phrases (Le et al. 2021).
        other_words: the rest of `words`.
        terms: per context phrase that was said or heard.
        phrases: how many phrases were listed for the utterance.
        entities: call signs, numbers and positions, per kind that was said.
        alignment: reference against hypothesis, word by word.
        silence: nothing was said; the words heard are in `words.insertions` only.
        flags: what decoding found suspicious (`asr_adapt.records.Hypothesis`).
        dropped_phrases: context that did not fit into the prompt, as far as it is named.
        dropped_count: how many phrases did not fit, named or not.
        failed: why there is no hypothesis; None if there is one. All counts are then empty.
    """

    utterance_id: str
    arm: str
    reference: str = ""
    hypothesis: str = ""
    words: ErrorCounts = NO_COUNTS
    characters: ErrorCounts = NO_COUNTS
    raw_words: ErrorCounts = NO_COUNTS
    whisper_words: ErrorCounts = NO_COUNTS
    context_words: ErrorCounts = NO_COUNTS
    other_words: ErrorCounts = NO_COUNTS
    terms: tuple[TermCounts, ...] = ()
    phrases: int = 0
    entities: tuple[EntityCounts, ...] = ()
    alignment: tuple[AlignedWord, ...] = ()
    silence: bool = False
    flags: tuple[str, ...] = ()
    dropped_phrases: tuple[str, ...] = ()
    dropped_count: int = 0
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class ArmScore:
    """One arm on all utterances that every arm has.

    Attributes:
        arm: the arm.
        utterances: how many utterances are scored, silence included.
        words: domain-normalised word errors; silence not included.
        characters: domain-normalised character errors; silence not included.
        raw_words: word errors on the text as written.
        whisper_words: word errors after Whisper's own normaliser of the language.
        context_words: errors on words of context phrases (Le et al. 2021).
        other_words: errors on all other words.
        steady_words: word errors of the utterances in which no arm loops; silence not included.
        wer_ci95: 95 % interval of the domain-normalised WER; None without reference words.
        terms: per context phrase, added over utterances, most often said first.
        silence_utterances: utterances in which nothing was said.
        silence_insertions: words heard in them.
        failed: ids without a hypothesis because of an error; counted in no rate.
        missing: ids without any hypothesis row; counted in no rate.
        flagged: how many of the scored utterances carry each flag.
        decode_s: decoding time of the scored utterances.
        audio_s: their length.
        measures: scores for context and for entities, as far as there is something to count.
    """

    arm: str
    utterances: int
    words: ErrorCounts
    characters: ErrorCounts
    raw_words: ErrorCounts
    whisper_words: ErrorCounts
    context_words: ErrorCounts
    other_words: ErrorCounts
    steady_words: ErrorCounts
    wer_ci95: tuple[float, float] | None
    terms: tuple[TermCounts, ...]
    silence_utterances: int
    silence_insertions: int
    failed: tuple[str, ...]
    missing: tuple[str, ...]
    flagged: Mapping[str, int]
    decode_s: float
    audio_s: float
    measures: tuple[Measure, ...] = ()

    def measure(self, name: str) -> Measure | None:
        """Return a measure by its name; None if there was nothing to count."""
        return next((each for each in self.measures if each.name == name), None)

    @property
    def wer(self) -> float | None:
        """Domain-normalised word error rate as a fraction."""
        return self.words.rate

    @property
    def cer(self) -> float | None:
        """Domain-normalised character error rate as a fraction."""
        return self.characters.rate

    @property
    def wer_raw(self) -> float | None:
        """Word error rate of the text as written."""
        return self.raw_words.rate

    @property
    def wer_whisper(self) -> float | None:
        """Word error rate after Whisper's own normaliser of the language."""
        return self.whisper_words.rate

    @property
    def context_wer(self) -> float | None:
        """Word error rate on context phrases; None if none was said."""
        return self.context_words.rate

    @property
    def other_wer(self) -> float | None:
        """Word error rate on everything else."""
        return self.other_words.rate

    @property
    def wer_without_loops(self) -> float | None:
        """Word error rate of the utterances in which no arm loops."""
        return self.steady_words.rate

    @property
    def term_recall(self) -> float | None:
        """Share of spoken context phrases that were heard; None if none was said."""
        return all_terms(self.terms).recall

    @property
    def term_precision(self) -> float | None:
        """Share of heard context phrases that were spoken; None if none was heard."""
        return all_terms(self.terms).precision

    @property
    def rtf(self) -> float | None:
        """Decoding time per second of audio; None without audio."""
        return self.decode_s / self.audio_s if self.audio_s else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms on the same utterances.

    Attributes:
        a: the arm compared against.
        b: the other arm.
        wer_difference: WER of `b` minus WER of `a`; negative where `b` is better.
        ci95: its 95 % interval, both arms resampled together.
        p_value: two-sided bootstrap p-value of "no difference".
        probability_of_improvement: share of resamples in which `b` is better (Bisani & Ney 2004).
        relative: the difference as a fraction of the WER of `a`; None if that is 0.
    """

    a: str
    b: str
    wer_difference: float
    ci95: tuple[float, float]
    p_value: float
    probability_of_improvement: float
    relative: float | None


@dataclass(frozen=True, slots=True)
class RunScores:
    """All arms of a run on one set.

    Attributes:
        normaliser: name of the domain normaliser.
        normaliser_version: its version.
        arms: one score per arm, in the order of `asr_adapt.records.ARMS`.
        comparisons: every pair of arms that share reference words, earlier arm first.
        differences: the same pairs for every measure that both arms have.
        utterances: every arm on every labelled utterance, failed ones included.
        blocks: what was resampled together: ``speaker``, ``recording`` or ``utterance``.
        n_blocks: how many such blocks there are.
        caveat: what the choice of blocks means for the intervals; None if nothing.
        left_out: labelled ids not scored since an arm has no text for them.
        looping: scored ids, silence not included, in which some arm loops.
        unlabelled: ids without a reference, or with one that does not say what is said.
        seed: seed of the resampling.
        resamples: how many resamples were drawn.
    """

    normaliser: str
    normaliser_version: str
    arms: tuple[ArmScore, ...]
    comparisons: tuple[Comparison, ...]
    utterances: tuple[UtteranceScore, ...]
    blocks: str
    n_blocks: int
    caveat: str | None
    left_out: tuple[str, ...]
    looping: tuple[str, ...]
    unlabelled: tuple[str, ...]
    seed: int
    resamples: int
    differences: tuple[Difference, ...] = ()

    def arm(self, name: str) -> ArmScore:
        """Return the score of one arm; KeyError if the run has no such arm."""
        return {score.arm: score for score in self.arms}[name]


def all_terms(terms: Iterable[TermCounts]) -> TermCounts:
    """Add up the counts of several phrases; the sum has no phrase."""
    listed = list(terms)
    return TermCounts(
        "",
        sum(term.hits for term in listed),
        sum(term.misses for term in listed),
        sum(term.false_insertions for term in listed),
        sum(term.leaks for term in listed),
    )
