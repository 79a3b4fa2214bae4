"""Phrases to a tree of tokens: every way a phrase may be written, in the tokens Whisper writes.

Floor 2, numpy only; `asr_adapt.context.boosting` gives the nodes their bonus. A phrase that holds
one of the tokenizer's control tokens is refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np

from asr_adapt.errors import BiasError
from asr_adapt.words.numerals import spell_digits
from asr_adapt.words.spoken_words import UNITS_OF_TEN

TokenizeAll = Callable[[Sequence[str]], Sequence[Sequence[int]]]
"""Texts to token ids, all at once, without special tokens added."""

HASH_BASE = -7046029254386353131
"""2**64 divided by the golden ratio, as a signed number: the odd multiplier of Knuth, The Art of
Computer Programming vol. 3, 6.4. Hashes wrap at 64 bits, alike in numpy and torch."""

LIST_FACTOR = -4417276706812531889
"""An odd multiplier for the number of a list (Steele et al. 2014, the mixing constant of
splitmix64, https://doi.org/10.1145/2714064.2660195)."""

N_BYTES = 256
"""Tokens below this number stand for single bytes (Radford et al. 2019, byte-level BPE)."""

_DIGIT_WORDS = {str(v): w for w, v in reversed(UNITS_OF_TEN.items())} | {"0": "zero"}

_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
"""Scripts written without spaces between words, as Unicode names begin."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What the tree must know of a tokenizer.

    Attributes:
        tokenize_all: texts to tokens.
        text_start: the token after which a transcript starts, ``<|notimestamps|>``.
        first_control: tokens from here on are control tokens.
        space: the token of a space alone; it is worth nothing, or it would favour any listed word.
    """

    tokenize_all: TokenizeAll
    text_start: int
    first_control: int
    space: int


@dataclass(frozen=True, slots=True, eq=False)
class PhraseTree:
    """Lists of phrases as one forest of token tries; node i < n_lists is the root of list i.

    Children of a node are neighbours. All arrays have one entry a node (N).

    Attributes:
        n_lists: how many roots.
        tokens: token on the way to the node; -1 at roots.
        parents: parent node; -1 at roots.
        depths: how many tokens of the way there count; a space alone and the text's start do not.
        rarities: how rare the first of them is, from 0 to 1 (`token_rarity`); 0 before it.
        ends: whether a form of a phrase ends there.
        first_children: the first child, where there is one.
        n_children: how many children.
        hashes: hash of list and tokens, by which a history finds its node.
        levels: the nodes one, two, ... tokens below the roots.
    """

    n_lists: int
    tokens: np.ndarray
    parents: np.ndarray
    depths: np.ndarray
    rarities: np.ndarray
    ends: np.ndarray
    first_children: np.ndarray
    n_children: np.ndarray
    hashes: np.ndarray
    levels: Sequence[slice]


def build_tree(lists: Sequence[Sequence[str]], rules: TokenRules) -> PhraseTree:
    """Build the tree of some lists of phrases.

    Raises:
        BiasError: a phrase holds a control token.
    """
    phrases = dict.fromkeys(chain.from_iterable(lists))
    forms = phrase_forms(phrases, rules)
    owners = [i for i, each in enumerate(lists) for phrase in each for _ in forms[phrase]]
    paths = [path for each in lists for phrase in each for path in forms[phrase]]
    return _grow(paths, np.array(owners, dtype=np.int64), len(lists), rules)


def spellings(phrase: str) -> tuple[str, ...]:
    """Return the ways a phrase may be written: case, and numbers as figures or as words.

    Capitals throughout are looked for only where the phrase has them: their first tokens are single
    letters, as those of many words are, and boosting them made quiet speech be shouted.

    >>> spellings("Pilot two")
    ('Pilot two', 'pilot two', 'Pilot Two', 'Pilot 2', 'pilot 2')
    """
    cased = (c for text in _number_spellings(phrase) for c in _cases(text))
    return tuple(dict.fromkeys(cased))


def _cases(text: str) -> tuple[str, ...]:
    title = " ".join(word[:1].upper() + word[1:].lower() for word in text.split())
    return (text, text.lower(), title)


def _number_spellings(phrase: str) -> Iterable[str]:
    words = phrase.split()
    phrase = " ".join(words)
    spelled = spell_digits([word.lower() for word in words])
    if not any(word.isdigit() for word in spelled):
        return (phrase,)
    as_written = {word.lower(): word for word in words if not word.isdigit()}
    digits = [word if word.isdigit() else as_written.get(word, word) for word in spelled]
    joined = [
        f"{'' if i and a.isdigit() and b.isdigit() else ' '}{b}"
        for i, (a, b) in enumerate(zip(["", *digits], digits, strict=False))
    ]
    in_words = [_DIGIT_WORDS.get(word, word) for word in digits]
    return (phrase, "".join(joined).strip(), " ".join(digits), " ".join(in_words))


def phrase_forms(
    phrases: Iterable[str], rules: TokenRules
) -> Mapping[str, Sequence[tuple[int, ...]]]:
    """Return the token sequences by which each phrase may be written.

    Within a text a form starts with a space; at its start, or in a script without spaces, it need
    not. A plural is a form of its own only where its tokens do not begin with those of the
    singular, and a possessive never is: ``'s`` is a token of its own behind a finished phrase,
    which keeps its bonus once.
    """
    spelled = {phrase: spellings(phrase) for phrase in phrases}
    tokens = _word_tokens(spelled, rules)
    return {
        phrase: tuple(dict.fromkeys(path for text in texts for path in _paths(text, tokens, rules)))
        for phrase, texts in spelled.items()
    }


def _word_tokens(
    spelled: Mapping[str, Sequence[str]], rules: TokenRules
) -> Mapping[str, tuple[int, ...]]:
    """Tokenise each word once: Whisper's tokens never reach over a space into the next word."""
    needed: dict[str, str] = {}
    for phrase, texts in spelled.items():
        for text in texts:
            words = text.split()
            needed.update((f" {word}", phrase) for word in words)
            needed[words[0]] = needed[f" {words[-1]}s"] = phrase
    found = rules.tokenize_all(list(needed))
    for (piece, phrase), ids in zip(needed.items(), found, strict=True):
        if max(ids, default=0) >= rules.first_control:
            raise BiasError(
                f"phrase {phrase!r}: {piece.strip()!r} holds a control token of Whisper; remove it"
            )
    return {piece: tuple(ids) for piece, ids in zip(needed, found, strict=True)}


def _paths(
    text: str, tokens: Mapping[str, tuple[int, ...]], rules: TokenRules
) -> Iterable[tuple[int, ...]]:
    words = text.split()
    spaced = [tokens[f" {word}"] for word in words]
    whole = tuple(chain.from_iterable(spaced))
    yield whole
    plural = (*chain.from_iterable(spaced[:-1]), *tokens[f" {words[-1]}s"])
    if plural[: len(whole)] != whole:
        yield plural
    bare = (*tokens[words[0]], *chain.from_iterable(spaced[1:]))
    yield bare if _needs_no_space(words[0][0]) else (rules.text_start, *bare)


@lru_cache(maxsize=4096)
def _needs_no_space(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_WITHOUT_SPACES)


def _grow(
    paths: Sequence[Sequence[int]], owners: np.ndarray, n_lists: int, rules: TokenRules
) -> PhraseTree:
    """Make nodes of paths, level by level: the distinct pairs of parent and next token."""
    matrix, lengths = _padded(paths)
    base = max(rules.first_control, rules.text_start) + 1  # above every token of a path
    at = owners.copy()  # the node where each path has come to
    parents, tokens = [np.full(n_lists, -1)], [np.full(n_lists, -1)]
    total = n_lists
    for column in range(matrix.shape[1]):
        going = np.flatnonzero(lengths > column)
        pairs, place = np.unique(at[going] * base + matrix[going, column], return_inverse=True)
        at[going] = total + place
        parents.append(pairs // base)
        tokens.append(pairs % base)
        total += len(pairs)
    bounds = np.cumsum([len(level) for level in parents]).tolist()
    levels = [slice(a, b) for a, b in pairwise(bounds)]
    tree_parents, tree_tokens = np.concatenate(parents), np.concatenate(tokens)
    first_children, n_children = _children(tree_parents, n_lists)
    depths, rarities = _ranks(tree_parents, tree_tokens, levels, rules)
    ends = np.zeros(total, dtype=bool)
    ends[at] = True
    return PhraseTree(
        n_lists=n_lists,
        tokens=tree_tokens,
        parents=tree_parents,
        depths=depths,
        rarities=rarities,
        ends=ends,
        first_children=first_children,
        n_children=n_children,
        hashes=_hashes(tree_parents, tree_tokens, levels),
        levels=levels,
    )


def _padded(paths: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return paths as a matrix (F, longest), padded with -1, and their lengths (F)."""
    lengths = np.fromiter(map(len, paths), dtype=np.int64, count=len(paths))
    matrix = np.full((len(paths), int(lengths.max(initial=0))), -1, dtype=np.int64)
    flat = np.fromiter(chain.from_iterable(paths), dtype=np.int64, count=int(lengths.sum()))
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = flat
    return matrix, lengths


def _children(parents: np.ndarray, n_lists: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each node's first child and number of children; nodes are sorted by parent."""
    below_roots = parents[n_lists:]
    numbers = np.arange(len(parents))
    first = np.searchsorted(below_roots, numbers, side="left") + n_lists
    last = np.searchsorted(below_roots, numbers, side="right") + n_lists
    return first, last - first


def token_rarity(tokens: np.ndarray, first_control: int) -> np.ndarray:
    """Return how rare tokens are, from 0 for bytes and the first merges to 1 for the last.

    Byte-pair encoding merges what is most frequent first (Sennrich et al. 2016,
    https://arxiv.org/abs/1508.07909) and words follow Zipf's law, so the logarithm of a token's
    number stands in for minus the logarithm of its frequency. The first 256 tokens are bytes.
    """
    last = max(first_control, N_BYTES + 1)
    rarity: np.ndarray = np.log(np.clip(tokens, N_BYTES, last) / N_BYTES) / np.log(last / N_BYTES)
    return rarity


def _ranks(
    parents: np.ndarray, tokens: np.ndarray, levels: Sequence[slice], rules: TokenRules
) -> tuple[np.ndarray, np.ndarray]:
    """Return depth of every node and rarity of the first token that counts on its way."""
    counts = (tokens != rules.space) & (tokens != rules.text_start)
    own = token_rarity(tokens, rules.first_control)
    depths = np.zeros(len(parents), dtype=np.int64)
    rarities = np.zeros(len(parents))
    for here in levels:
        above = parents[here]
        depths[here] = depths[above] + counts[here]
        starts = counts[here] & (depths[above] == 0)
        rarities[here] = np.where(starts, own[here], rarities[above])
    return depths, rarities


def _hashes(parents: np.ndarray, tokens: np.ndarray, levels: Sequence[slice]) -> np.ndarray:
    """Return the hash of every node, a polynomial of its tokens and its list."""
    sums = np.zeros(len(parents), dtype=np.int64)
    lists = np.arange(len(parents))
    for here in levels:
        above = parents[here]
        sums[here] = sums[above] * HASH_BASE + tokens[here] + 1
        lists[here] = lists[above]
    hashes = sums + lists * LIST_FACTOR
    if len(np.unique(hashes)) < len(hashes):  # 1 in 10**8 for a million nodes
        raise BiasError("two phrases of the bias list have the same hash; leave one of them out")
    return hashes
