"""Utterances to training batches: audio, channel, window, prompt and labels.

Every batch of a run is planned before the first step, and what chance decides in batch i depends on
the seed and on i alone. So a resumed run sees the same batches as an unbroken one, whatever loads
them. Shapes: B batch, M mel bins, F encoder frames, L decoder tokens.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torchaudio

from asr_adapt.audio import load_utterance
from asr_adapt.context.bias import (
    build_prompt,
    draw_training_phrases,
    plain_words,
    said_phrases,
    training_contexts,
    unique,
)
from asr_adapt.context.distractors import sound_alikes
from asr_adapt.errors import DataError
from asr_adapt.links import draw_link, received
from asr_adapt.model import SpeechModel, mel_features, prompted_start
from asr_adapt.records import Utterance
from asr_adapt.settings import Augmentation, PromptMix, PromptSettings, ReplaySettings
from asr_adapt.suppression import barred_at_first
from asr_adapt.token_cap import MAX_DECODER_TOKENS
from asr_adapt.window import MAX_FRAMES, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Window, length_bucket
from asr_adapt.words.text import is_written_without_spaces

LONGEST_SAMPLES = MAX_FRAMES * SAMPLES_PER_FRAME

IGNORED_LABEL = -100
REPLAY = "replay"
"""Tag ``channel`` of general speech that is sent over a channel drawn anew in each epoch."""

BUCKET_POOL = 16  # batches sorted by length together: long enough to fill, short enough to shuffle


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """One planned batch: which utterances, in which pass over the data."""

    epoch: int
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SoftText:
    """What a text might have been: at each of its N tokens, its end included, the K likeliest.

    Attributes:
        ids: tokens, likeliest first, (N, K).
        shares: their probabilities, (N, K).
    """

    ids: torch.Tensor
    shares: torch.Tensor

    def cut(self, likeliest: int) -> SoftText:
        """Return the likeliest tokens alone, their shares adding up to 1."""
        shares = self.shares[:, :likeliest]
        return SoftText(self.ids[:, :likeliest], shares / shares.sum(-1, keepdim=True))


def plan_batches(
    durations_s: Sequence[float], batch_size: int, epochs: int, seed: int
) -> list[BatchPlan]:
    """Plan the batches of a whole run: every utterance once an epoch, like lengths together."""
    plans: list[BatchPlan] = []
    for epoch in range(epochs):
        rng = np.random.default_rng([seed, epoch])
        order = [int(i) for i in rng.permutation(len(durations_s))]
        size = batch_size * BUCKET_POOL
        pools = [order[i : i + size] for i in range(0, len(order), size)]
        batches = [
            tuple(ranked[i : i + batch_size])
            for ranked in (sorted(pool, key=lambda i: durations_s[i]) for pool in pools)
            for i in range(0, len(ranked), batch_size)
        ]
        plans += [BatchPlan(epoch, batches[i]) for i in rng.permutation(len(batches))]
    return plans


def check_references(utterances: Sequence[Utterance], model: SpeechModel) -> None:
    """Refuse training data without references or with references Whisper cannot hold.

    Raises:
        DataError: naming the first such utterances and how many there are.
    """
    missing = [u.utterance_id for u in utterances if u.reference is None]
    if missing:
        raise DataError(
            f"{len(missing)} training utterances have no reference text, such as '{missing[0]}'"
        )
    room = MAX_DECODER_TOKENS - len(prompted_start(model, (), "en"))
    long = [
        (u.utterance_id, n)
        for u in utterances
        if (n := len(text_tokens(model, u.reference or "")) + 1) > room
    ]
    if long:
        uid, n = long[0]
        raise DataError(
            f"utterance '{uid}': its reference is {n} tokens long and Whisper's decoder holds "
            f"{room}; split or drop it ({len(long)} such utterance(s))"
        )


def text_tokens(model: SpeechModel, reference: str) -> list[int]:
    """Return the tokens of a reference as Whisper would write it: mostly after a leading space.

    Not in scripts that put none between words, nor where the space would be a token of its own,
    which Whisper may not begin with.
    """
    text = reference.strip()
    if not text or is_written_without_spaces(text):
        return model.tokenize(text)
    spaced = model.tokenize(f" {text}")
    return model.tokenize(text) if spaced[0] in barred_at_first(model) else spaced


class TrainingBatches(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """The planned batches of a run; item i is the whole i-th batch.

    Args:
        model: for its tokenizer and feature extractor.
        utterances: training utterances with references; ids need not differ, as labelled and
            general speech come from files of their own.
        plans: from `plan_batches`.
        window: the window to train with; its slack is drawn between half and one and a half.
        mix: how often which kind of prompt is given.
        prompts: how phrases become a prompt.
        augmentation: what is done to the sound.
        replay: over which channels general speech is sent, and how much of ``soft`` is taught.
        soft: what else the text of each utterance might be; None where it is certain.
        seed: of everything drawn.
    """

    def __init__(
        self,
        model: SpeechModel,
        utterances: Sequence[Utterance],
        plans: Sequence[BatchPlan],
        *,
        window: Window,
        mix: PromptMix,
        prompts: PromptSettings,
        augmentation: Augmentation,
        replay: ReplaySettings,
        soft: Sequence[SoftText | None],
        seed: int,
    ) -> None:
        self.model = model
        self.utterances = utterances
        self.plans = plans
        self.window = window
        self.mix = mix
        self.prompts = prompts
        self.augmentation = augmentation
        self.replay = replay
        self.soft = soft
        self.seed = seed
        self.contexts = training_contexts(utterances)
        self.pool = unique(p for c in self.contexts for p in c)
        said = {
            phrase
            for u, context in zip(utterances, self.contexts, strict=True)
            for phrase in said_phrases(context, u.reference or "")
        }
        self.alike = sound_alikes(said, self.pool, plain_words) if mix.alike_share else {}

    def __len__(self) -> int:
        return len(self.plans)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        plan = self.plans[index]
        rng = np.random.default_rng([self.seed, 1, index])
        chosen = [self.utterances[i] for i in plan.indices]
        sounds = [self._sound(u, plan.epoch) for u in chosen]
        features = mel_features(self.model, sounds, self._frames(sounds, rng))
        features = mask_spectrum(features, sounds, self.augmentation, int(rng.integers(2**31)))
        tokens = collate_tokens([self._tokens(i, rng) for i in plan.indices], self._pad_id)
        targets = collate_targets(tokens["labels"], [self._soft(i) for i in plan.indices])
        return {"input_features": features, **tokens, **targets}

    @property
    def _pad_id(self) -> int:
        return int(self.model.tokenizer.convert_tokens_to_ids("<|endoftext|>"))

    def _soft(self, row: int) -> SoftText | None:
        soft = self.soft[row]
        return soft.cut(self.replay.likeliest) if soft else None

    def _sound(self, utterance: Utterance, epoch: int) -> np.ndarray:
        sound = load_utterance(utterance)
        # A checksum, not hash(): Python's differs from process to process.
        key = zlib.crc32(utterance.utterance_id.encode())
        rng = np.random.default_rng([self.seed, 2, epoch, key])
        channel = self.channel_of(utterance, rng)
        sound = at_other_speed(sound, self.augmentation.speed_percent, rng)
        sound = through_channel(sound, replace(self.augmentation, channel=channel), rng)
        gain_db = rng.uniform(-self.augmentation.gain_db, self.augmentation.gain_db)
        louder: np.ndarray = np.clip(sound * np.float32(10 ** (gain_db / 20)), -1.0, 1.0)
        return louder

    def channel_of(self, utterance: Utterance, rng: np.random.Generator) -> str:
        """Return the channel for this epoch; sound that came over one already gets none."""
        tag = utterance.tags.get("channel")
        if tag == REPLAY:
            drawn = rng.random()
            if drawn < self.replay.channel_share:
                return draw_channel(self.augmentation, rng)
            rest = drawn - self.replay.channel_share
            return "telephone" if rest < self.replay.telephone_share else "none"
        return draw_channel(self.augmentation, rng) if tag == "clean" else "none"

    def _frames(self, sounds: Sequence[np.ndarray], rng: np.random.Generator) -> int:
        longest_s = max(len(s) for s in sounds) / SAMPLE_RATE_HZ
        if self.window.slack_frames is None:
            return self.window.frames(longest_s)
        slack = self.window.slack_frames
        drawn = int(rng.integers(slack // 2, slack + slack // 2 + 1))
        return replace(self.window, slack_frames=min(drawn, MAX_FRAMES - 1)).frames(longest_s)

    def _tokens(self, row: int, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        utterance, context = self.utterances[row], self.contexts[row]
        reference = utterance.reference or ""
        phrases = draw_training_phrases(reference, context, self.pool, self.mix, rng, self.alike)
        text = text_tokens(self.model, reference)
        start = prompted_start(self.model, (), utterance.language)
        room = MAX_DECODER_TOKENS - len(start) - len(text) - 2
        if room < 1:
            return start, [*text, self._pad_id]
        budget = min(self.prompts.budget_tokens, room)
        prompt = build_prompt(
            phrases, self.model.tokenize, replace(self.prompts, budget_tokens=budget)
        )
        start = prompted_start(self.model, prompt.token_ids, utterance.language)
        return start, [*text, self._pad_id]


def collate_tokens(
    rows: Sequence[tuple[list[int], list[int]]], pad_id: int
) -> dict[str, torch.Tensor]:
    """Make decoder inputs and labels of (start, text) token rows.

    The loss is taken on the text and its end alone: labels of the prompt, of the start tokens and
    of padding are -100. The end token doubles as padding, so it is kept where it ends a text.

    Returns:
        ``decoder_input_ids`` and ``labels``, both (B, L), shifted against each other by one.
    """
    length = max(len(start) + len(text) for start, text in rows) - 1
    inputs = torch.full((len(rows), length), pad_id)
    labels = torch.full((len(rows), length), IGNORED_LABEL)
    for i, (start, text) in enumerate(rows):
        whole = start + text
        inputs[i, : len(whole) - 1] = torch.tensor(whole[:-1])
        labels[i, len(start) - 1 : len(whole) - 1] = torch.tensor(text)
    return {"decoder_input_ids": inputs, "labels": labels}


def collate_targets(
    labels: torch.Tensor, softs: Sequence[SoftText | None]
) -> dict[str, torch.Tensor]:
    """Make the distributions to be learned: of labels, which are certain, or of soft texts.

    Args:
        labels: (B, L), -100 where nothing is learned.
        softs: for each row what else its text might be, (N, K) for the N labels of the row.

    Returns:
        ``target_ids`` and ``target_shares``, both (B, L, K).
    """
    width = max([1, *(soft.ids.shape[1] for soft in softs if soft)])
    ids = torch.zeros(*labels.shape, width, dtype=torch.long)
    shares = torch.zeros(*labels.shape, width)
    ids[..., 0], shares[..., 0] = labels.clamp(min=0), 1.0
    for row, soft in enumerate(softs):
        if soft:
            places = labels[row] != IGNORED_LABEL
            ids[row, places], shares[row, places] = 0, 0.0
            ids[row, places, : soft.ids.shape[1]] = soft.ids.long()
            shares[row, places, : soft.ids.shape[1]] = soft.shares
    return {"target_ids": ids, "target_shares": shares}


def at_other_speed(sound: np.ndarray, percent: int, rng: np.random.Generator) -> np.ndarray:
    """Play sound up to ``percent`` faster or slower, but never so slowly that Whisper cuts it."""
    faster = int(rng.integers(-percent, percent + 1))
    if faster == 0 or len(sound) * 100 > LONGEST_SAMPLES * (100 + faster):
        return sound
    played = torchaudio.functional.resample(torch.from_numpy(sound), 100 + faster, 100)
    changed: np.ndarray = played.numpy()
    return changed


def draw_channel(augmentation: Augmentation, rng: np.random.Generator) -> str:
    """Return the augmentation's channel, or one of its others in their share of draws."""
    others = augmentation.other_channels
    if not others or rng.random() >= augmentation.other_share:
        return augmentation.channel
    return others[int(rng.integers(len(others)))]


def through_channel(
    sound: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """Send clean speech through the augmentation's channel; length is kept."""
    if augmentation.channel == "none":
        return sound
    seed = int(rng.integers(2**31))
    cnr_db = (augmentation.cnr_db_low, augmentation.cnr_db_high)
    link = draw_link(augmentation.channel, rng, cnr_db)
    return received(link, sound, seed)[: len(sound)]


def mask_spectrum(
    features: torch.Tensor, sounds: Sequence[np.ndarray], augmentation: Augmentation, seed: int
) -> torch.Tensor:
    """Hide one stretch of time and one band of each example (SpecAugment), at the batch's mean."""
    longest = max(len(s) for s in sounds) // (SAMPLES_PER_FRAME // 2)
    time_param = int(longest * augmentation.time_mask_share)
    masked = features.unsqueeze(1)  # torchaudio masks each example on its own given (B, 1, M, T)
    level = float(features.mean())
    # torchaudio draws from the global generator; borrow it, so dropout's draws stay as they were.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for axis, param in ((2, augmentation.frequency_mask_bins), (3, time_param)):
            if param > 0:
                masked = torchaudio.functional.mask_along_axis_iid(masked, param, level, axis)
    return masked.squeeze(1)


def bucketed(
    utterances: Sequence[Utterance], batch_size: int, frames: Callable[[float], int]
) -> list[list[Utterance]]:
    """Group utterances for decoding: batches of one window, longest first, order fixed.

    Args:
        utterances: in any order.
        batch_size: most in a batch.
        frames: from whole seconds of speech to the window they are decoded in.
    """
    windows: dict[tuple[int, str], list[Utterance]] = {}
    for u in sorted(utterances, key=lambda u: u.duration_s, reverse=True):
        windows.setdefault((frames(length_bucket(u.duration_s)), u.language), []).append(u)
    return [
        group[i : i + batch_size]
        for _, group in sorted(windows.items(), reverse=True)
        for i in range(0, len(group), batch_size)
    ]


def label_minutes(utterances: Sequence[Utterance]) -> float:
    """Return the minutes of labelled audio, each utterance counted once."""
    return sum(u.duration_s for u in utterances if u.reference is not None) / 60


def phrases_said(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the context phrases that are really said in the references, sorted."""
    said = {p for u in utterances for p in said_phrases(u.context, u.reference or "")}
    return tuple(sorted(said))
