"""What each utterance is told: its phrases, chosen where they are many, and the prompt of them.

Floor 3. Every arm with ``+bias`` and every trial of tuning gets its prompts and its boosted phrases
here. Retrieval hears only what a first pass without any bias made of the utterance, and that text
stands where the second pass has filled up with what it was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from asr_adapt.context.bias import NO_PROMPT, Prompt, Tokenize, remembering, unique
from asr_adapt.context.retrieval import PhraseIndex, build_index, retrieve
from asr_adapt.context.strategies import Known, get_strategy
from asr_adapt.records import Utterance
from asr_adapt.scoring.alignment import align_words
from asr_adapt.scoring.terms import leaked_phrases, make_book, normalise_phrases
from asr_adapt.settings import BiasSettings, PromptSettings


@dataclass(frozen=True, slots=True)
class Told:
    """What one utterance is told.

    Attributes:
        prompt: its prompt; of the phrases it was to hold, those that did not fit are dropped.
        boosted: phrases that are boosted.
        phrases: all phrases it is told, in one way or the other.
    """

    prompt: Prompt
    boosted: tuple[str, ...]
    phrases: tuple[str, ...]


class Teller:
    """Makes what utterances are told, for one list and one way of telling.

    Attributes:
        listens: whether it needs to know what a first pass heard.
    """

    def __init__(
        self,
        shared: Sequence[str],
        bias: BiasSettings,
        prompts: PromptSettings,
        tokenize: Tokenize,
        normalise: Callable[[str], str],
        transcripts: Sequence[str] = (),
    ) -> None:
        """Prepare the shared list.

        Args:
            shared: phrases of every utterance.
            bias: the way of telling.
            prompts: template and budget.
            tokenize: text to tokens.
            normalise: the form in which retrieval compares texts.
            transcripts: training texts that ``few-shot`` shows.
        """
        self.shared = unique(shared)
        self.bias = bias
        self.prompts = prompts
        self.tokenize = remembering(tokenize)
        self.normalise = normalise
        self.transcripts = tuple(transcripts)
        self.index = build_index(self.shared, normalise) if bias.retrieves else None
        self.listens = bias.retrieves or (bias.strategy == "few-shot" and bias.prompts)
        self.strategy = get_strategy(bias.strategy)
        self.written: dict[Known, Prompt] = {}

    def tell(self, utterance: Utterance, heard: str = "") -> Told:
        """Return what an utterance is told.

        Args:
            utterance: its context is told before the shared list.
            heard: what a first pass made of it; used by ``retrieve`` and ``few-shot`` only.
        """
        known = Known(unique(utterance.context), self.shared, self.transcripts, heard)
        chosen = likely(known, self.index, self.bias.candidates) if self.index else known
        prompt = self._prompt(chosen) if self.bias.prompts else NO_PROMPT
        boosted = chosen.phrases if self.bias.boosts else ()
        dropped = set(() if boosted else prompt.dropped_phrases)
        phrases = tuple(phrase for phrase in chosen.phrases if phrase not in dropped)
        return Told(prompt, boosted, phrases)

    def believes(self, told: Told, heard: str, text: str) -> bool:
        """Return whether a text rests on the sound, as far as a first pass can tell.

        Where retrieval chose what was told, every phrase of it resembles something heard. One that
        stands where nothing like it was heard (`leaked_phrases`, the first pass being what was
        said) was read from the list, and often a whole loop of them.

        Args:
            told: what was told.
            heard: what a first pass made of the utterance.
            text: what the second pass made of it.
        """
        if not self.index:
            return True
        book = make_book(normalise_phrases(told.phrases, self.normalise))
        columns = align_words(self.normalise(heard), self.normalise(text))
        return not leaked_phrases(columns, book)

    def _prompt(self, known: Known) -> Prompt:
        # Many utterances know the same; only examples depend on what was heard.
        key = known if self.bias.strategy == "few-shot" else replace(known, heard="")
        if key not in self.written:
            self.written[key] = self.strategy(key, self.tokenize, self.prompts, self.bias.order)
        return self.written[key]


def likely(known: Known, shared: PhraseIndex, limit: int) -> Known:
    """Keep at most ``limit`` phrases that could have been said, best first.

    An utterance's own phrases come before those of the shared list: somebody knew more than that
    they exist.
    """
    own = retrieve(build_index(known.context, shared.normalise), known.heard, limit)
    taken = {phrase.casefold() for phrase in own}
    others = retrieve(shared, known.heard, limit)
    rest = [phrase for phrase in others if phrase.casefold() not in taken]
    return replace(known, context=own, shared=tuple(rest[: limit - len(own)]))


def tell_all(
    utterances: Iterable[Utterance], teller: Teller, heard: Mapping[str, str]
) -> dict[str, Told]:
    """Return what each utterance is told, by its id, with what a first pass heard of it."""
    return {u.utterance_id: teller.tell(u, heard.get(u.utterance_id, "")) for u in utterances}
