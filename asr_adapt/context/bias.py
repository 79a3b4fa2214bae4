"""What the recogniser is told before it listens: bias lists and the prompts made of them.

Reads a phrase file, picks the phrases of an utterance and fits them into Whisper's prompt. A phrase
that does not fit is returned as dropped, never cut or lost.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from types import MappingProxyType

import numpy as np

from asr_adapt.errors import BiasError
from asr_adapt.files import why_unreadable
from asr_adapt.records import BiasList, Utterance
from asr_adapt.settings import PromptMix, PromptSettings

SEPARATOR = ", "

LONGEST_PHRASE = 200
"""Characters. What is longer is a sentence or a slip, and would fill a prompt by itself."""

Tokenize = Callable[[str], list[int]]
"""Text to token ids, without special tokens."""

Write = Callable[[Sequence[str]], str]
"""Phrases, at least one, to the text of a prompt."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that fits.

    Attributes:
        text: what the decoder is given; empty where there is nothing to tell.
        token_ids: its tokens, without ``<|startofprev|>``.
        dropped_phrases: phrases that did not fit into the budget.
    """

    text: str
    token_ids: tuple[int, ...]
    dropped_phrases: tuple[str, ...] = ()


NO_PROMPT = Prompt("", ())


def read_bias_list(path: Path) -> BiasList:
    """Read a phrase file: one phrase a line in order of priority.

    ``#`` at the beginning of a line, or with spaces around it, starts a comment.

    Raises:
        BiasError: the file cannot be read, has no phrase, or a line of it is none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BiasError(f"{path}: cannot be read: {why_unreadable(error)}") from None
    said = [_COMMENT.sub("", line).strip() for line in lines]
    for number, phrase in enumerate(said, start=1):
        if problem := phrase and _no_phrase(phrase):
            raise BiasError(f"{path}:{number}: {problem}; write one phrase a line")
    phrases = unique(said)
    if not phrases:
        raise BiasError(f"{path}: no phrase in it; write one phrase a line")
    return BiasList(name=path.stem, phrases=phrases, source=str(path))


_COMMENT = re.compile(r"^\s*#.*|\s#\s.*")


def _no_phrase(text: str) -> str:
    """Say why a line is no phrase; nothing if it is one."""
    if not any(map(str.isalnum, text)):
        return f"'{text}' has no letter or digit"
    if "|" in text:
        return f"'{text[:60]}' is several phrases"
    if len(text) > LONGEST_PHRASE:
        return f"'{text[:60]}…' has {len(text)} characters, a phrase {LONGEST_PHRASE} at most"
    return ""


def split_phrases(cell: str) -> list[str]:
    """Take the phrases of one cell of a table apart.

    They are separated by ``|``, or by ``;`` where there is none; a list in brackets and quotes, as
    pandas writes one, is read too. What has no letter or digit is no phrase.

    >>> split_phrases("Nordic Star|Elbe Pilot; Cuxhaven| ; ")
    ['Nordic Star', 'Elbe Pilot; Cuxhaven']
    >>> split_phrases("['Ada', 'Ben']")
    ['Ada', 'Ben']
    """
    phrases = _listed(cell) or cell.split("|" if "|" in cell else ";")
    return [phrase.strip() for phrase in phrases if any(map(str.isalnum, phrase))]


def _listed(cell: str) -> list[str] | None:
    if not (cell.lstrip().startswith("[") and cell.rstrip().endswith("]")):
        return None
    try:
        values = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return values if all(isinstance(value, str) for value in values) else None


def unique(phrases: Iterable[str]) -> tuple[str, ...]:
    """Return the phrases trimmed, without blanks and repetitions (case ignored), in order."""
    seen: dict[str, str] = {}
    for phrase in phrases:
        trimmed = " ".join(phrase.split())
        if trimmed:
            seen.setdefault(trimmed.casefold(), trimmed)
    return tuple(seen.values())


def build_prompt(phrases: Iterable[str], tokenize: Tokenize, settings: PromptSettings) -> Prompt:
    """Fit phrases, in order, into a prompt of at most ``settings.budget_tokens`` tokens.

    A phrase that does not fit is dropped and the next, shorter one may still fit. No phrases give
    an empty prompt.
    """

    def write(chosen: Sequence[str]) -> str:
        return settings.template.replace("{phrases}", SEPARATOR.join(chosen))

    return fit_prompt(phrases, write, tokenize, settings.budget_tokens)


def fit_prompt(
    phrases: Iterable[str], write: Write, tokenize: Tokenize, budget_tokens: int
) -> Prompt:
    """Fit phrases, the most important first, into a prompt that ``write`` makes of them.

    Args:
        phrases: blanks and repetitions fall out.
        write: makes the prompt's text of the phrases that fit so far.
        tokenize: text to tokens.
        budget_tokens: longest prompt.

    Returns:
        A prompt within its budget; phrases without a place in it are its dropped ones.
    """
    fitting: list[str] = []
    dropped: list[str] = []
    tokens: list[int] = []
    words: dict[str, int] = {}
    for phrase in unique(phrases):
        # One more phrase is a separator and a token at least: a long list ends here, quickly.
        full = bool(fitting) and len(tokens) + 2 > budget_tokens
        text = "" if full else write([*fitting, phrase])
        # Of what follows, most does not fit either, which its words show: not all is encoded.
        full = full or (bool(dropped) and _exceeds(text, budget_tokens, tokenize, words))
        tried = [] if full else tokenize(" " + text)
        if not full and len(tried) <= budget_tokens:
            tokens = tried
            fitting.append(phrase)
        else:
            dropped.append(phrase)
    return Prompt(write(fitting) if fitting else "", tuple(tokens), tuple(dropped))


def _exceeds(text: str, budget_tokens: int, tokenize: Tokenize, words: dict[str, int]) -> bool:
    """Say whether a text is longer than a budget, as far as its words tell without encoding it.

    No token of Whisper reaches across a space: a text is cut into words, each with the space before
    it, before it is encoded (https://github.com/openai/gpt-2/blob/master/src/encoder.py). So a text
    has as many tokens as its words together, and a word has one at least.

    Args:
        text: of a prompt, without the space before it.
        budget_tokens: no more tokens than these are wanted.
        tokenize: text to tokens.
        words: tokens of the words of earlier texts; those that had to be counted are added.
    """
    parts = text.split()
    if parts != text.split(" "):  # other white space is encoded together with its neighbours
        return False
    tokens = sum(map(words.get, parts, repeat(1)))
    for part in parts:
        if tokens > budget_tokens:
            return True
        if part not in words:
            words[part] = len(tokenize(" " + part))
            tokens += words[part] - 1
    return tokens > budget_tokens


def remembering(tokenize: Tokenize) -> Tokenize:
    """Return a tokenizer that encodes every single word once, for many prompts of one long list."""
    word = cache(tokenize)
    return lambda text: tokenize(text) if " " in text[1:] else word(text)


def said_phrases(phrases: Iterable[str], reference: str) -> tuple[str, ...]:
    """Return the phrases that stand in the reference as whole words, case ignored."""
    padded = f" {plain_words(reference)} "
    return tuple(p for p in phrases if f" {plain_words(p)} " in padded)


def plain_words(text: str) -> str:
    """Lower-case a text and keep its letters, digits and inner apostrophes, single-spaced."""
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in text.casefold())
    return " ".join(word.strip("'") for word in kept.split() if word.strip("'"))


def training_contexts(utterances: Sequence[Utterance]) -> list[tuple[str, ...]]:
    """Give each training utterance phrases to be told, in the order of the utterances.

    An utterance's own context where the data has any. Where none of the data has, the words of its
    reference that are rare in the training set stand in for it, so that the adapter keeps listening
    to prompts (after the rare-word lists of Le et al. 2021, https://arxiv.org/abs/2104.02194).
    """
    if any(u.context for u in utterances):
        return [u.context for u in utterances]
    words = [plain_words(u.reference or "").split() for u in utterances]
    frequency: dict[str, int] = {}
    for said in words:
        for word in set(said):
            frequency[word] = frequency.get(word, 0) + 1
    rare = max(2, len(utterances) // 50)
    return [unique(w for w in said if len(w) > 3 and frequency[w] <= rare) for said in words]


def draw_training_phrases(
    reference: str,
    context: Sequence[str],
    pool: Sequence[str],
    mix: PromptMix,
    rng: np.random.Generator,
    alike: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[str, ...]:
    """Draw what one training example is told: true phrases among others, others only, or nothing.

    Args:
        reference: what is said in the example.
        context: the phrases known about it; those not said serve as near distractors.
        pool: phrases of the whole training set, for more distractors.
        mix: the share of each kind.
        rng: source of chance; the same state gives the same phrases.
        alike: by phrase, those that are easily taken for it (`asr_adapt.context.distractors`).
    """
    kind = rng.random()
    if kind >= mix.true_share + mix.wrong_share:
        return ()
    spoken = said_phrases(context, reference)
    told = spoken if kind < mix.true_share else ()
    n_others = int(rng.integers(0, mix.max_distractors + 1))
    hard = unique(other for phrase in spoken for other in alike.get(phrase, ()))
    n_hard = min(len(hard), round(mix.alike_share * n_others))
    chosen = [hard[i] for i in rng.choice(len(hard), n_hard, replace=False)] if n_hard else []
    # The utterance's own context first: it holds what is confusable in practice.
    near = [context[i] for i in rng.permutation(len(context))]
    far = [pool[i] for i in rng.choice(len(pool), min(len(pool), n_others), replace=False)]
    n_near = min(len(near), (n_others + 1) // 2)
    candidates = unique([*chosen, *near[:n_near], *far])
    said = set(said_phrases(candidates, reference))
    phrases = [*told, *[c for c in candidates if c not in said][:n_others]]
    return unique(phrases[i] for i in rng.permutation(len(phrases)))


def prompts_for(
    utterances: Iterable[Utterance],
    tokenize: Tokenize,
    bias_list: BiasList | None,
    settings: PromptSettings,
) -> Mapping[str, Prompt]:
    """Build each utterance's prompt from its context and the shared list, context first."""
    shared = bias_list.phrases if bias_list else ()
    tokenize = remembering(tokenize)
    built: dict[tuple[str, ...], Prompt] = {}
    prompts: dict[str, Prompt] = {}
    for u in utterances:
        told = (*u.context, *shared)
        if told not in built:
            built[told] = build_prompt(told, tokenize, settings)
        prompts[u.utterance_id] = built[told]
    return prompts


def list_record(bias_list: BiasList) -> str:
    """Name a bias list with a checksum of its phrases: the file may be edited later."""
    digest = hashlib.sha256("\n".join(bias_list.phrases).encode()).hexdigest()[:12]
    return f"{bias_list.source}: {len(bias_list.phrases)} phrases, sha256 {digest}"
