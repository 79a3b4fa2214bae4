"""Boosted phrases: a bonus on tokens that spell a listed phrase, in greedy and in beam search.

Floor 3. Reads the decoded tokens of all rows and adds to their next-token scores; nothing is kept
between steps, so reordered beams cannot break it. Every row can have a list of its own besides the
shared one.

The bonus. The d-th token of a form of a phrase is worth (after NeMo's boosting tree, ``score *
depth_scaling + ln(d)`` from the second token on,
https://github.com/NVIDIA-NeMo/NeMo/blob/main/nemo/collections/asr/parts/context_biasing)::

    w(1) = bonus * rarity    w(d) = bonus * (depth_scale + ln d)    c(d) = w(1) + ... + w(d)

Rarity, from 0 to 1 (`asr_adapt.context.phrase_tree.token_rarity`), keeps first tokens cheap that
begin many words: without it a hundred names that nobody says cost whole words in noise. A node v of
the phrase tree at depth d, whose nearest finished form above it (or itself) ends at depth e, holds
``c(d) - c(e)``; if a form ends at v, it keeps ``c(d) - c(e')`` for good, e' being that of its
parent. Of a history, ``held`` is the most that any of its suffixes in the tree holds and ``kept``
the most that any form ending with it keeps, 0 for none; of a shared list and one of the utterance's
own the larger counts. The bonus of token t is::

    held(history + t) - held(history) + kept(history + t)

as in icefall's ContextGraph, an Aho-Corasick automaton
(https://github.com/k2-fsa/icefall/blob/master/icefall/context_graph.py): a match that fails gives
back what it held, except what a suffix that still matches holds. Summed over a text that ends, all
that was held is given back, and what the finished phrases keep remains.

The states of that automaton, failure links included, are the suffixes of a history that stand in
the tree. They are all found at once, by the hash of each of the last D tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from asr_adapt.context.phrase_tree import HASH_BASE, LIST_FACTOR, PhraseTree, TokenRules, build_tree
from asr_adapt.settings import BoostSettings

NO_LIST = -1
SHARED_LIST = 0


def later_sums(longest: int, settings: BoostSettings) -> np.ndarray:
    """Return w(2) + ... + w(d) for d from 0 to ``longest``, which is 0 up to 1."""
    each = settings.bonus * (
        settings.depth_scale + np.log(np.arange(1, longest + 1, dtype=np.float64))
    )
    each[:1] = 0.0
    return np.concatenate([[0.0], each.cumsum()])


def node_bonus(tree: PhraseTree, settings: BoostSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return what each node of a tree holds and keeps, float32 (N) each."""
    later = later_sums(len(tree.levels), settings)[tree.depths]
    worth = settings.bonus * tree.rarities + later
    finished = np.where(tree.ends, worth, 0.0)
    kept = np.zeros_like(worth)
    for level in tree.levels:
        above = finished[tree.parents[level]]
        kept[level] = np.where(tree.ends[level], worth[level] - above, 0.0)
        finished[level] = np.where(tree.ends[level], worth[level], above)
    held = worth - finished
    return held.astype(np.float32), kept.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class BoostTables:
    """A weighed phrase tree on a device. List 0 is shared by all rows; it may be empty.

    Attributes:
        sorted_hashes: hashes of the nodes, ascending (N).
        nodes: the node of each of them (N).
        tokens, first_children, n_children, held, kept: by node (N).
        shared_held, shared_kept, shared_bonus: of each next token where no more than the shared
            root matches, and their sum (vocabulary).
        powers: HASH_BASE to the power of a token's distance from the end, as many
            as the longest form has tokens.
    """

    sorted_hashes: torch.Tensor
    nodes: torch.Tensor
    tokens: torch.Tensor
    first_children: torch.Tensor
    n_children: torch.Tensor
    held: torch.Tensor
    kept: torch.Tensor
    shared_held: torch.Tensor
    shared_kept: torch.Tensor
    shared_bonus: torch.Tensor
    powers: torch.Tensor


def weigh_tree(
    tree: PhraseTree, settings: BoostSettings, vocabulary: int, device: torch.device
) -> BoostTables:
    """Give the nodes of a tree their bonus and put it on a device.

    Args:
        tree: list 0 is the shared one.
        settings: size of the bonus.
        vocabulary: how many tokens the model scores.
        device: where the model decodes.
    """
    held, kept = node_bonus(tree, settings)
    order = np.argsort(tree.hashes, kind="stable")
    first, n = tree.first_children[SHARED_LIST], tree.n_children[SHARED_LIST]
    shared = np.zeros((2, vocabulary), dtype=np.float32)
    shared[:, tree.tokens[first : first + n]] = held[first : first + n], kept[first : first + n]
    powers = np.cumprod(np.full(max(len(tree.levels), 1), HASH_BASE, dtype=np.int64))

    def put(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    return BoostTables(
        sorted_hashes=put(tree.hashes[order]),
        nodes=put(order),
        tokens=put(tree.tokens),
        first_children=put(tree.first_children),
        n_children=put(tree.n_children),
        held=put(held),
        kept=put(kept),
        shared_held=put(shared[0]),
        shared_kept=put(shared[1]),
        shared_bonus=put(shared[0] + shared[1]),
        powers=put(np.concatenate([[1], powers[:-1]])),
    )


@dataclass(frozen=True, slots=True, eq=False)
class BoostPlan:
    """The boosted phrases of an arm.

    Attributes:
        tables: the tree of all its lists.
        lists: the number of each utterance's own list; `NO_LIST` for none besides the shared one.
        phrases: how many phrases each utterance's lists hold together.
    """

    tables: BoostTables
    lists: Mapping[str, int]
    phrases: Mapping[str, int]

    def rows(self, utterance_ids: Sequence[str]) -> BoostedRows:
        """Return the lists of the utterances of a batch."""
        return BoostedRows(self.tables, tuple(self.lists[uid] for uid in utterance_ids))


@dataclass(frozen=True, slots=True, eq=False)
class BoostedRows:
    """The tables, and which own list each utterance of a batch has, `NO_LIST` for none."""

    tables: BoostTables
    lists: tuple[int, ...]


def plan_boost(
    shared: Sequence[str],
    own: Mapping[str, Sequence[str]],
    rules: TokenRules,
    settings: BoostSettings,
    vocabulary: int,
    device: torch.device,
) -> BoostPlan:
    """Build the tables of a shared list and of each utterance's own phrases.

    Args:
        shared: phrases that may be said in any utterance.
        own: by utterance id, further phrases that may be said in that one.
        rules: the tokenizer.
        settings: size of the bonus.
        vocabulary: how many tokens the model scores.
        device: where the model decodes.

    Raises:
        BiasError: a phrase holds a control token.
    """
    common = set(shared)
    numbers: dict[tuple[str, ...], int] = {}
    lists, phrases = {}, {}
    for uid, told in own.items():
        further = tuple(sorted(set(told) - common))
        number = numbers.setdefault(further, 1 + len(numbers)) if further else NO_LIST
        lists[uid], phrases[uid] = number, len(common) + len(further)
    tree = build_tree([sorted(common), *numbers], rules)
    return BoostPlan(weigh_tree(tree, settings, vocabulary, device), lists, phrases)


class PhraseBooster:
    """A logits processor for one batch: adds the bonus of every row's lists to its scores."""

    def __init__(self, boost: BoostedRows, n_first: int, beams: int) -> None:
        """Prepare a batch.

        Args:
            boost: the weighed tree and the list of each utterance.
            n_first: how many first tokens the decoder is given, prompt included; the last one is
                the token after which the transcript starts.
            beams: rows an utterance has, side by side.
        """
        own = torch.tensor(boost.lists, device=boost.tables.nodes.device).repeat_interleave(beams)
        self.tables = boost.tables
        self.first = n_first - 1
        self.list_hashes = torch.stack([torch.zeros_like(own), own * LIST_FACTOR], dim=1)
        self.own_rows = torch.nonzero(own != NO_LIST).squeeze(1)
        self.own_roots = own[self.own_rows]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores (R, vocabulary) of the next token with the bonus of each.

        Args:
            input_ids: all tokens of each row so far (R, L).
            scores: logits or log-probabilities of the next token.
        """
        table = self.tables
        rows, nodes = self.matches(input_ids)
        held = scores.new_zeros(len(scores))
        held = held.scatter_reduce(0, rows, table.held[nodes], "amax")
        boosted = scores - held[:, None]
        boosted += table.shared_bonus
        places, bonus = self.further_bonus(rows, nodes, scores.shape[1])
        row = places // scores.shape[1]
        boosted.view(-1)[places] = scores.reshape(-1)[places] - held[row] + bonus
        return boosted

    def matches(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows and nodes (M each) of all suffixes that stand in the tree.

        A row's own root is among them; the shared root's children are in the tables.
        """
        table = self.tables
        start = max(self.first, input_ids.shape[1] - len(table.powers))
        latest_first = input_ids[:, start:].flip(1)
        sums = ((latest_first + 1) * table.powers[: latest_first.shape[1]]).cumsum(1)
        hashes = (sums[:, None, :] + self.list_hashes[:, :, None]).flatten(1)
        places = torch.searchsorted(table.sorted_hashes, hashes)
        places = places.clamp_(max=len(table.sorted_hashes) - 1)
        rows, columns = torch.nonzero(table.sorted_hashes[places] == hashes, as_tuple=True)
        nodes = table.nodes[places[rows, columns]]
        return torch.cat([self.own_rows, rows]), torch.cat([self.own_roots, nodes])

    def further_bonus(
        self, rows: torch.Tensor, nodes: torch.Tensor, vocabulary: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where (row * vocabulary + token) matches can go on, and the bonus there."""
        table = self.tables
        counts = table.n_children[nodes]
        offsets = table.first_children[nodes] - counts.cumsum(0) + counts
        children = torch.arange(int(counts.sum()), device=nodes.device)
        children += offsets.repeat_interleave(counts)
        tokens = table.tokens[children]
        keys = rows.repeat_interleave(counts) * vocabulary + tokens
        places, place = torch.unique(keys, return_inverse=True)
        next_tokens = places % vocabulary
        held = table.shared_held[next_tokens].scatter_reduce(0, place, table.held[children], "amax")
        kept = table.shared_kept[next_tokens].scatter_reduce(0, place, table.kept[children], "amax")
        return places, held + kept
