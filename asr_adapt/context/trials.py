"""What a way of telling comes to on dev: sounds encoded once, decoded for every trial, scored.

Floor 4. Encoder outputs stay in memory (about 3 MB a clip for whisper-base), so a trial costs its
decoding only. References are read here, to be scored against; nothing told ever comes from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce

from asr_adapt.context.bias_file import BiasChoice, Measured
from asr_adapt.context.plans import told_plan
from asr_adapt.context.telling import Teller, Told, tell_all
from asr_adapt.decode import ArmPlan, EncodedBatch, decode_pass, encode_batch
from asr_adapt.errors import DataError
from asr_adapt.model import SpeechModel
from asr_adapt.records import ErrorCounts, Utterance
from asr_adapt.scoring.alignment import align_words
from asr_adapt.scoring.terms import (
    PhraseBook,
    count_terms,
    make_book,
    normalise_phrases,
    split_by_context,
)
from asr_adapt.settings import DECODED_TOGETHER, DecodeSettings, PromptSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import bucketed

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DevSpeech:
    """What trials are measured on.

    Attributes:
        utterances: labelled speech of the domain; never test speech.
        shared: phrases told about every utterance.
        transcripts: training texts for ``few-shot``.
        prompts: template and budget.
        normalise: the form in which words are compared.
        batch_size: utterances decoded together.
    """

    utterances: Sequence[Utterance]
    shared: Sequence[str]
    transcripts: Sequence[str]
    prompts: PromptSettings
    normalise: Callable[[str], str]
    batch_size: int = DECODED_TOGETHER


@dataclass(frozen=True, slots=True)
class DecodedDev:
    """Texts by utterance id, and the seconds they took without the encoder."""

    texts: Mapping[str, str]
    decode_s: float


class DevTrials:
    """Measures choices on dev speech with one set of weights."""

    def __init__(self, model: SpeechModel, dev: DevSpeech, stop: StopRequest) -> None:
        """Take a model and speech; `prepare` has to follow."""
        self.model = model
        self.dev = dev
        self.stop = stop
        self.batches: list[EncodedBatch] = []
        self.normalise = cache(dev.normalise)
        self.books = {u.utterance_id: self._book(u) for u in dev.utterances}
        self.plain: dict[int, DecodedDev] = {}

    def prepare(self, progress: Progress) -> None:
        """Encode every sound.

        Raises:
            DataError: a sound cannot be used.
            Stopped: a signal came.
        """
        done = 0
        for batch in bucketed(self.dev.utterances, self.dev.batch_size, self.model.window.frames):
            self.stop.check()
            encoded = encode_batch(self.model, batch)
            if encoded.failed:
                raise DataError(next(iter(encoded.failed.values())))
            self.batches.append(encoded)
            done += len(batch)
            progress(done, len(self.dev.utterances))

    def with_lists(self, dev: DevSpeech) -> DevTrials:
        """Return trials of the same sounds under other lists; nothing is encoded again.

        Args:
            dev: the same utterances with other contexts or shared phrases.
        """
        other = DevTrials(self.model, dev, self.stop)
        other.batches, other.plain = self.batches, self.plain
        return other

    def measure_untold(self, beam_size: int, progress: Progress) -> Measured:
        """Decode dev told nothing, and score it.

        Raises:
            Stopped: a signal came.
        """
        return self._scored(self._untold(beam_size, progress), {})

    def measure(self, choice: BiasChoice, progress: Progress) -> Measured:
        """Decode dev as a choice says, and score it.

        Raises:
            Stopped: a signal came; the trial is not counted.
        """
        teller = Teller(
            self.dev.shared,
            choice.bias,
            self.dev.prompts,
            self.model.tokenize,
            self.normalise,
            self.dev.transcripts,
        )
        first = self._untold(choice.beam_size, progress) if teller.listens else DecodedDev({}, 0.0)
        started = time.perf_counter()
        told = tell_all(self.dev.utterances, teller, first.texts)
        telling_s = time.perf_counter() - started
        plan = told_plan("trial", told, self.model, teller)
        decoded = self._decode(plan, choice.beam_size, progress)
        # The first pass is run once for all trials, but whoever uses the choice pays it each time.
        seconds = first.decode_s + telling_s + decoded.decode_s
        texts = {
            uid: text
            if teller.believes(told[uid], first.texts.get(uid, ""), text)
            else first.texts[uid]
            for uid, text in decoded.texts.items()
        }
        return self._scored(DecodedDev(texts, seconds), told)

    def _book(self, utterance: Utterance) -> PhraseBook:
        listed = (*utterance.context, *self.dev.shared)
        return make_book(normalise_phrases(listed, self.normalise))

    def _untold(self, beam_size: int, progress: Progress) -> DecodedDev:
        """Return the first pass: told nothing, searched as the second one."""
        if beam_size not in self.plain:
            self.plain[beam_size] = self._decode(ArmPlan("trial"), beam_size, progress)
        return self.plain[beam_size]

    def _decode(self, plan: ArmPlan, beam_size: int, progress: Progress) -> DecodedDev:
        texts: dict[str, str] = {}
        started = time.perf_counter()
        settings = DecodeSettings(self.dev.batch_size, beam_size)
        for batch in self.batches:
            self.stop.check()
            rows = batch.utterances
            done = decode_pass(self.model, rows, batch.hidden, plan, settings)
            texts.update(
                zip((u.utterance_id for u in rows), (d.text for d in done.decoded), strict=True)
            )
            progress(len(texts), len(self.dev.utterances))
        return DecodedDev(texts, time.perf_counter() - started)

    def _scored(self, decoded: DecodedDev, told: Mapping[str, Told]) -> Measured:
        biased, unbiased, leaks = self._count(decoded.texts)
        words = (biased + unbiased).rate
        if words is None:
            raise DataError("dev references hold no word: nothing to tune on")
        n = len(self.dev.utterances)
        dropped = sum(len(each.prompt.dropped_phrases) for each in told.values())
        return Measured(
            wer=words,
            unbiased_wer=unbiased.rate,
            decode_s=round(decoded.decode_s, 3),
            phrases_told=sum(len(each.phrases) for each in told.values()) / n,
            phrases_dropped=dropped / n,
            biased_wer=biased.rate,
            leak_rate=leaks / n,
        )

    def _count(self, texts: Mapping[str, str]) -> tuple[ErrorCounts, ErrorCounts, int]:
        """Return the errors on phrases and on all other words, and how many phrases leaked."""
        sides, leaks = [], 0
        for u in self.dev.utterances:
            book = self.books[u.utterance_id]
            said, heard = self.normalise(u.reference or ""), self.normalise(texts[u.utterance_id])
            columns = align_words(said, heard)
            sides.append(split_by_context(columns, book))
            leaks += sum(term.leaks for term in count_terms(columns, book))
        biased, unbiased = zip(*sides, strict=True)
        return reduce(ErrorCounts.__add__, biased), reduce(ErrorCounts.__add__, unbiased), leaks
