"""Ways to tell the recogniser what is known: how phrases become the text before the speech.

Floor 2, small functions from what is known about an utterance to a prompt within its budget. Every
phrase is either in the prompt or among the dropped ones; where no phrase is known, nothing is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from asr_adapt.context.bias import SEPARATOR, Prompt, Tokenize, fit_prompt, unique
from asr_adapt.context.retrieval import most_similar
from asr_adapt.errors import UsageError
from asr_adapt.settings import PHRASE_ORDERS, PromptSettings

SENTENCE = "The names heard here are {phrases}."
"""The sentence around phrases where the user's template is the bare list."""

EXAMPLES = 3
"""Transcripts shown at most: more push the phrases away from the speech."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about an utterance before it is decoded.

    Attributes:
        context: phrases of this utterance, the most likely first.
        shared: phrases of every utterance.
        transcripts: texts of the training data, for examples; never of dev or test.
        heard: what a first pass made of it; "" where there was none.
    """

    context: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    transcripts: tuple[str, ...] = ()
    heard: str = ""

    @property
    def phrases(self) -> tuple[str, ...]:
        """All phrases, the utterance's own first."""
        return unique((*self.context, *self.shared))


Strategy = Callable[[Known, Tokenize, PromptSettings, str], Prompt]
"""What is known, a tokenizer, template and budget, and an order of phrases to a prompt."""


def glossary(known: Known, tokenize: Tokenize, settings: PromptSettings, order: str) -> Prompt:
    """Tell all phrases as a list in the user's template; what adapters are trained with."""
    return listed(known.phrases, tokenize, settings, order)


def per_utterance(known: Known, tokenize: Tokenize, settings: PromptSettings, order: str) -> Prompt:
    """Tell the utterance's own phrases only; the shared list is dropped, and said to be."""
    prompt = listed(known.context, tokenize, settings, order)
    told = {phrase.casefold() for phrase in unique(known.context)}
    left = tuple(phrase for phrase in unique(known.shared) if phrase.casefold() not in told)
    return replace(prompt, dropped_phrases=(*prompt.dropped_phrases, *left))


def sentence(known: Known, tokenize: Tokenize, settings: PromptSettings, order: str) -> Prompt:
    """Tell all phrases in a sentence, the last one after "and"."""
    bare = settings.template == PromptSettings().template
    template = SENTENCE if bare else settings.template

    def write(chosen: Sequence[str]) -> str:
        *others, last = arranged(chosen, order)
        text = f"{SEPARATOR.join(others)} and {last}" if others else last
        return template.replace("{phrases}", text)

    return fit_prompt(known.phrases, write, tokenize, settings.budget_tokens)


def few_shot(known: Known, tokenize: Tokenize, settings: PromptSettings, order: str) -> Prompt:
    """Tell all phrases as a list, after training transcripts like this utterance.

    The transcripts show the style in which the decoder is to go on, as examples do in a language
    model's prompt (Brown et al. 2020, https://arxiv.org/abs/2005.14165). They are the most similar
    to the first hypothesis, or to the phrases where nothing was heard yet, and get what room the
    phrases leave.
    """
    prompt = listed(known.phrases, tokenize, settings, order)
    if not prompt.text:
        return prompt
    like = known.heard or " ".join(known.context or known.phrases)
    shown: list[str] = []
    for example in most_similar(known.transcripts, like, EXAMPLES):
        # The most similar one stands nearest to the speech.
        text = " ".join([example, *shown, prompt.text])
        if len(tokenize(" " + text)) <= settings.budget_tokens:
            shown.insert(0, example)
    text = " ".join([*shown, prompt.text])
    return replace(prompt, text=text, token_ids=tuple(tokenize(" " + text)))


STRATEGIES: Mapping[str, Strategy] = {
    "glossary": glossary,
    "sentence": sentence,
    "few-shot": few_shot,
    "per-utterance": per_utterance,
}


def get_strategy(name: str) -> Strategy:
    """Return a strategy by name.

    Raises:
        UsageError: there is no such strategy.
    """
    if name not in STRATEGIES:
        raise UsageError(
            f"prompt strategy '{name}': unknown; choose one of {', '.join(STRATEGIES)}"
        )
    return STRATEGIES[name]


def listed(
    phrases: Sequence[str], tokenize: Tokenize, settings: PromptSettings, order: str
) -> Prompt:
    """Fit phrases, by priority, as a list in the user's template, written in an order."""

    def write(chosen: Sequence[str]) -> str:
        return settings.template.replace("{phrases}", SEPARATOR.join(arranged(chosen, order)))

    return fit_prompt(phrases, write, tokenize, settings.budget_tokens)


def arranged(phrases: Sequence[str], order: str) -> list[str]:
    """Return phrases in an order of `PHRASE_ORDERS`.

    Raises:
        UsageError: there is no such order.
    """
    if order not in PHRASE_ORDERS:
        raise UsageError(
            f"phrase order '{order}': unknown; choose one of {', '.join(PHRASE_ORDERS)}"
        )
    if order == "alphabetical":
        return sorted(phrases, key=lambda phrase: (phrase.casefold(), phrase))
    return list(phrases if order == "given" else reversed(phrases))
