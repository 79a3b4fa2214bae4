"""Tokens that Whisper may not write: symbols and noises anywhere, and the end as the first one.

What transformers' own processors do, which at each token search the whole vocabulary for the few
that they bar (`scripts/bench_decode.py` has what that costs).
"""

from __future__ import annotations

from collections.abc import Collection

import torch

from asr_adapt.model import SpeechModel


class Suppression:
    """A logits processor that makes tokens impossible; ids beyond the vocabulary are left out.

    Attributes:
        always: ids that are barred everywhere.
        at_first: ids that are barred as the first token.
        n_first: tokens that the decoder is given, prompt included.
    """

    def __init__(
        self,
        always: Collection[int],
        at_first: Collection[int],
        n_first: int,
        vocabulary: int,
        device: torch.device,
    ) -> None:
        self.always = _ids(always, vocabulary, device)
        self.at_first = _ids({*always, *at_first}, vocabulary, device)
        self.n_first = n_first

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores (R, vocabulary) of the next token, those of barred ones -inf.

        Args:
            input_ids: all tokens of each row so far (R, L).
            scores: logits or log-probabilities of the next token; left as they are.
        """
        first = input_ids.shape[1] == self.n_first
        return scores.index_fill(-1, self.at_first if first else self.always, -torch.inf)


def suppression(model: SpeechModel, n_first: int) -> Suppression:
    """Return what bars the tokens that a model's generation settings name."""
    always = model.whisper.generation_config.suppress_tokens or ()
    vocabulary = model.whisper.config.vocab_size
    return Suppression(always, barred_at_first(model), n_first, vocabulary, model.device)


def barred_at_first(model: SpeechModel) -> list[int]:
    """Return what a model may not begin with.

    Whisper bars the end as first token. What has learned silence may end there.
    """
    barred = list(model.whisper.generation_config.begin_suppress_tokens or ())
    if not model.hears_silence:
        return barred
    end = model.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    return [token for token in barred if token != end]


def _ids(tokens: Collection[int], vocabulary: int, device: torch.device) -> torch.Tensor:
    known = sorted(token for token in tokens if 0 <= token < vocabulary)
    return torch.tensor(known, dtype=torch.long, device=device)
