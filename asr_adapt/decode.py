"""Utterances to hypotheses: the encoder once for each set of weights, then every arm on it.

Text goes raw into the hypothesis log; nothing is normalised here. Batches depend on the utterances
alone, so a resumed run decodes exactly what an unbroken one would have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    GenerationMixin,
    LogitsProcessorList,
)
from transformers.modeling_outputs import BaseModelOutput

from asr_adapt.audio import load_utterance
from asr_adapt.context.bias import NO_PROMPT, Prompt
from asr_adapt.context.boosting import BoostedRows, BoostPlan, PhraseBooster
from asr_adapt.errors import AudioError
from asr_adapt.hypotheses import HypothesisLog
from asr_adapt.model import (
    SpeechModel,
    autocast,
    autocast_steps,
    encode,
    mel_features,
    prompted_start,
)
from asr_adapt.records import LOOP, NAMED_DROPPED, Hypothesis, Utterance
from asr_adapt.scoring.loops import flag_text
from asr_adapt.settings import DecodeSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.suppression import suppression
from asr_adapt.token_cap import MAX_DECODER_TOKENS, token_cap
from asr_adapt.training.dataset import bucketed
from asr_adapt.window import MAX_FRAMES, length_bucket

NO_REPEAT_TOKENS = 5
"""Of what loops told nothing, no phrase of so many tokens is written twice when it is decoded
again: a word of two tokens can still be said three times, as "Mayday" is."""

ENCODED_FRAMES = 2 * MAX_FRAMES
"""Together on a CPU: of 8 or 16 full windows at once, each takes a quarter longer to encode."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ArmPlan:
    """One arm to decode.

    Attributes:
        name: as in the hypotheses.
        prompts: what is told about each utterance, by id; None for an arm without prompts.
        boost: phrases that are boosted; None for an arm without.
        listen: makes the plan for some utterances of what a first pass heard of each, in the same
            order; None for an arm whose plan stands. The first pass is told nothing.
        believes: whether to take a text rather than that of the first pass: (utterance id, text of
            the first pass, text); of plans that ``listen`` makes.
        no_repeat_tokens: length of phrases, in tokens, that may not come twice; 0 where all may.
    """

    name: str
    prompts: Mapping[str, Prompt] | None = None
    boost: BoostPlan | None = None
    listen: Callable[[Sequence[Utterance], Sequence[str]], ArmPlan] | None = None
    believes: Callable[[str, str, str], bool] | None = None
    no_repeat_tokens: int = 0

    @property
    def plain(self) -> bool:
        """Whether the arm is told nothing."""
        return self.prompts is None and self.boost is None and self.listen is None

    def tells(self, utterance_id: str) -> bool:
        """Whether the utterance is told anything."""
        return bool(self.prompt(utterance_id).token_ids) or self.boost is not None

    def prompt(self, utterance_id: str) -> Prompt:
        """Return the prompt for an utterance."""
        return self.prompts[utterance_id] if self.prompts is not None else NO_PROMPT


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the decoder made of one utterance.

    Attributes:
        text: raw.
        avg_logprob: the model's own mean log-probability of its tokens.
        capped: whether the token cap ended it.
        untold: whether it is the text of a pass that was told nothing, the told one not being
            believed.
        looped: whether what was decoded first looped.
        barred: whether repetitions were barred from it.
    """

    text: str
    avg_logprob: float | None
    capped: bool
    untold: bool = False
    looped: bool = False
    barred: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class EncodedBatch:
    """Utterances of one window, heard once.

    Attributes:
        utterances: those whose sound could be used, in their order.
        hidden: their encoder outputs, float32 (B, F, width).
        failed: why the others could not, by id.
    """

    utterances: Sequence[Utterance]
    hidden: torch.Tensor
    failed: Mapping[str, str]


class SharedSound(EncoderDecoderCache):  # type: ignore[misc]
    """Keys and values of what was written and of the sound, which all beams of a clip share.

    Beam search sorts the cache anew at each token. Within a clip that changes nothing of the sound,
    by far the most of it (`scripts/bench_decode.py` has what leaving it in place brings).
    """

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Sort what the beams wrote."""
        self.self_attention_cache.reorder_cache(beam_idx)


@dataclass(frozen=True, slots=True)
class DecodedPass:
    """What one pass made of some utterances, and how long it took, the encoder left out."""

    decoded: Sequence[Decoded]
    seconds: float


def decode_arms(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    arms: Sequence[ArmPlan],
    settings: DecodeSettings,
    log: HypothesisLog,
    stop: StopRequest,
    progress: Progress | None = None,
) -> None:
    """Decode every utterance with every arm of one set of weights, as far as the log lacks it.

    An utterance whose sound cannot be used gets a hypothesis with the error.

    Raises:
        Stopped: a signal came; all finished batches are in the log.
    """
    total = len(utterances) * len(arms)
    done = 0
    for batch in bucketed(utterances, settings.batch_size, model.window.frames):
        stop.check()
        pending = [a for a in arms if any((u.utterance_id, a.name) not in log.done for u in batch)]
        if pending:
            decode_batch(model, batch, pending, settings, log)
        done += len(batch) * len(arms)
        if progress:
            progress(done, total)
    stop.check()


def decode_batch(
    model: SpeechModel,
    batch: Sequence[Utterance],
    arms: Sequence[ArmPlan],
    settings: DecodeSettings,
    log: HypothesisLog,
) -> None:
    """Decode one batch of utterances of one window with each arm, into the log."""
    started = time.perf_counter()
    encoded = encode_batch(model, batch)
    usable, hidden = encoded.utterances, encoded.hidden
    if not usable:
        for arm in arms:
            log.append(failed_rows(encoded.failed, arm.name))
        return
    encode_s = time.perf_counter() - started
    plain: DecodedPass | None = None
    for arm in arms:
        plan, first_s = arm, 0.0
        if arm.listen:
            # Whoever decodes with this arm alone needs the first pass: its time is the arm's too.
            plain = plain or decode_pass(model, usable, hidden, ArmPlan(arm.name), settings)
            started = time.perf_counter()
            plan = arm.listen(usable, [one.text for one in plain.decoded])
            first_s = plain.seconds + time.perf_counter() - started
        done = decode_pass(model, usable, hidden, plan, settings)
        plain = done if arm.plain else plain
        share_s = (encode_s + first_s + done.seconds) / len(usable)
        rows = [
            hypothesis(u, arm.name, plan.prompt(u.utterance_id), d, share_s)
            for u, d in zip(usable, believed(plan, usable, plain, done), strict=True)
        ]
        log.append([*rows, *failed_rows(encoded.failed, arm.name)])


def believed(
    plan: ArmPlan, utterances: Sequence[Utterance], plain: DecodedPass | None, done: DecodedPass
) -> Sequence[Decoded]:
    """Return of each utterance what is taken: the text of the pass, or that of the first one."""
    if not (plan.believes and plain):
        return done.decoded
    return [
        told
        if plan.believes(u.utterance_id, first.text, told.text)
        else replace(first, untold=True)
        for u, first, told in zip(utterances, plain.decoded, done.decoded, strict=True)
    ]


def decode_pass(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    hidden: torch.Tensor,
    plan: ArmPlan,
    settings: DecodeSettings,
) -> DecodedPass:
    """Decode the encoder outputs (B, F, width) of utterances of one window.

    A prompt can set off a loop that the sound does not: what loops is decoded again, told nothing
    (Whisper's own long-form decoding drops the prompt of what compresses too well:
    github.com/openai/whisper, whisper/transcribe.py). What loops even so is decoded with
    repetitions barred, where that code draws its tokens by lot. A text is taken if it does not
    loop; where none is, the first one stands.
    """
    started = time.perf_counter()
    decoded = search(model, utterances, hidden, plan, settings)
    told = [plan.tells(utterance.utterance_id) for utterance in utterances]
    untold = ArmPlan(plan.name)
    barred = replace(untold, no_repeat_tokens=NO_REPEAT_TOKENS)
    for again, concerned in ((untold, told), (barred, [True] * len(told))):
        looping = [i for i, one in enumerate(decoded) if concerned[i] and loops(one, utterances[i])]
        for i, one in ended(model, utterances, hidden, looping, again, settings):
            decoded[i] = replace(one, untold=told[i], looped=True, barred=again is barred)
    return DecodedPass(decoded, time.perf_counter() - started)


def ended(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    hidden: torch.Tensor,
    looping: Sequence[int],
    plan: ArmPlan,
    settings: DecodeSettings,
) -> Iterator[tuple[int, Decoded]]:
    """Decode again what looped; yield the places and texts of those that do not any more."""
    if not looping:
        return
    rows = [utterances[i] for i in looping]
    found = search(model, rows, hidden[list(looping)], plan, settings)
    for i, one in zip(looping, found, strict=True):
        if not loops(one, utterances[i]):
            yield i, one


def loops(decoded: Decoded, utterance: Utterance) -> bool:
    """Whether a text is the same words again and again."""
    return LOOP in flag_text(decoded.text, utterance.duration_s)


def search(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    hidden: torch.Tensor,
    plan: ArmPlan,
    settings: DecodeSettings,
) -> list[Decoded]:
    """Return the texts that the decoder finds for utterances of one window, as they are."""
    ids = [u.utterance_id for u in utterances]
    return generate(
        model,
        hidden,
        [prompted_start(model, plan.prompt(uid).token_ids, utterances[0].language) for uid in ids],
        [token_cap(u.duration_s, u.language) for u in utterances],
        settings.beam_size,
        plan.boost.rows(ids) if plan.boost else None,
        plan.no_repeat_tokens,
    )


def hypothesis(
    utterance: Utterance, arm: str, prompt: Prompt, decoded: Decoded, decode_s: float
) -> Hypothesis:
    """Put together the row of one utterance and arm."""
    flags = (LOOP,) if decoded.looped else flag_text(decoded.text, utterance.duration_s)
    flags += ("cap",) * decoded.capped + ("untold",) * decoded.untold
    flags += ("barred",) * decoded.barred
    return Hypothesis(
        utterance_id=utterance.utterance_id,
        arm=arm,
        text=decoded.text,
        prompt=prompt.text or None,
        dropped_phrases=prompt.dropped_phrases[:NAMED_DROPPED],
        avg_logprob=decoded.avg_logprob,
        decode_s=round(decode_s, 4),
        flags=flags,
        dropped_more=max(0, len(prompt.dropped_phrases) - NAMED_DROPPED),
    )


def failed_rows(failed: Mapping[str, str], arm: str) -> list[Hypothesis]:
    """Return the rows of utterances that could not be decoded, by id and reason."""
    return [Hypothesis(uid, arm, text="", error=reason) for uid, reason in failed.items()]


def load_sounds(
    utterances: Sequence[Utterance],
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Load what can be loaded; return sounds and reasons of failure, each by utterance id."""
    loaded: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    for u in utterances:
        try:
            loaded[u.utterance_id] = load_utterance(u)
        except AudioError as error:
            failed[u.utterance_id] = str(error)
    return loaded, failed


def encode_batch(model: SpeechModel, batch: Sequence[Utterance]) -> EncodedBatch:
    """Load and encode utterances of one window, as far as their sounds can be used."""
    loaded, failed = load_sounds(batch)
    usable = [u for u in batch if u.utterance_id in loaded]
    frames = model.window.frames(float(length_bucket(batch[0].duration_s)))
    sounds = [loaded[u.utterance_id] for u in usable]
    hidden = encode_sounds(model, sounds, frames) if sounds else torch.empty(0)
    return EncodedBatch(usable, hidden, failed)


@torch.inference_mode()
def encode_sounds(model: SpeechModel, sounds: Sequence[np.ndarray], frames: int) -> torch.Tensor:
    """Encode sounds in a window of ``frames``; returns float32 (B, frames, width)."""
    features = mel_features(model, sounds, frames).to(model.device)
    rows = ENCODED_FRAMES // frames if model.device.type == "cpu" else len(sounds)
    with autocast(model.device):
        parts = [encode(model.whisper, part) for part in torch.split(features, rows)]
    return torch.cat(parts).float()


@torch.inference_mode()
def generate(
    model: SpeechModel,
    hidden: torch.Tensor,
    starts: Sequence[Sequence[int]],
    caps: Sequence[int],
    beam_size: int = 1,
    boost: BoostedRows | None = None,
    no_repeat_tokens: int = 0,
) -> list[Decoded]:
    """Decode encoder outputs, each after its own first tokens.

    Whisper's own ``generate`` takes one prompt for all; the generic one takes left-padded first
    tokens with a mask, so that prompts of any length share a batch.

    Args:
        model: the weights.
        hidden: encoder outputs (B, F, width).
        starts: first decoder tokens of each row, prompt included.
        caps: most tokens of each row; lowered where a prompt leaves less room.
        beam_size: 1 for greedy search.
        boost: lists of phrases that are boosted, for each row. The log-probabilities returned are
            the model's own, without the bonus.
        no_repeat_tokens: length of the phrases, in tokens, that may not come twice, first tokens
            included; 0 where all may.
    """
    length = max(len(start) for start in starts)
    rooms = [min(cap, MAX_DECODER_TOKENS - length) for cap in caps]
    pad = model.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    ids = torch.full((len(starts), length), pad)
    mask = torch.zeros((len(starts), length), dtype=torch.long)
    for i, start in enumerate(starts):
        ids[i, length - len(start) :] = torch.tensor(start)
        mask[i, length - len(start) :] = 1
    with autocast_steps(model.device):
        output: Any = GenerationMixin.generate(
            model.whisper,
            generation_config=search_settings(
                model, length + max(rooms), beam_size, pad, no_repeat_tokens
            ),
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            past_key_values=SharedSound(DynamicCache(), DynamicCache()),
            attention_mask=torch.ones(hidden.shape[:2], dtype=torch.long, device=model.device),
            decoder_input_ids=ids.to(model.device),
            decoder_attention_mask=mask.to(model.device),
            logits_processor=processors(model, boost, length, beam_size),
        )
    new_tokens = output.sequences[:, length:]
    if boost and beam_size > 1:
        chosen = forced_logprobs(model, hidden, output.sequences, mask.to(model.device))
        scores = means_to_the_end(chosen, new_tokens, pad, rooms)
    else:
        scores = mean_logprobs(output, new_tokens, pad, rooms)
    return [
        read_tokens(model, row.tolist(), score, pad, room)
        for row, score, room in zip(new_tokens, scores, rooms, strict=True)
    ]


def processors(
    model: SpeechModel, boost: BoostedRows | None, n_first: int, beam_size: int
) -> LogitsProcessorList:
    """Return what changes the scores of next tokens: barred ones, and the bonus of phrases."""
    barred = suppression(model, n_first)
    return LogitsProcessorList(
        [barred, PhraseBooster(boost, n_first, beam_size)] if boost else [barred]
    )


def search_settings(
    model: SpeechModel, max_length: int, beam_size: int, pad: int, no_repeat_tokens: int
) -> GenerationConfig:
    """Build the generation settings: nothing sampled, and nothing barred twice."""
    own = model.whisper.generation_config
    return GenerationConfig(
        max_length=max_length,
        num_beams=beam_size,
        do_sample=False,
        no_repeat_ngram_size=no_repeat_tokens,
        suppress_tokens=[],  # None would be filled from the model's own settings
        begin_suppress_tokens=[],
        eos_token_id=pad,
        pad_token_id=pad,
        bos_token_id=pad,
        decoder_start_token_id=own.decoder_start_token_id,
        return_dict_in_generate=True,
        output_logits=beam_size == 1,
        output_scores=beam_size > 1,
    )


def mean_logprobs(
    output: Any, new_tokens: torch.Tensor, pad: int, rooms: Sequence[int]
) -> list[float | None]:
    """Return the mean log-probability of each row's tokens, its end included."""
    if getattr(output, "sequences_scores", None) is not None:
        return [float(s) for s in output.sequences_scores]  # length-normalised by beam search
    # Token by token, and of the tokens alone: all logits side by side took 6 % of decoding.
    chosen = torch.stack(
        [
            logits.gather(-1, tokens[:, None]).squeeze(-1) - logits.logsumexp(-1)
            for logits, tokens in zip(output.logits, new_tokens.unbind(1), strict=True)
        ],
        dim=1,
    )
    return means_to_the_end(chosen, new_tokens, pad, rooms)


def means_to_the_end(
    chosen: torch.Tensor, new_tokens: torch.Tensor, pad: int, rooms: Sequence[int]
) -> list[float | None]:
    """Return the mean of each row of ``chosen`` (B, L) up to and including its first end token.

    What lies beyond a row's room does not count.
    """
    places = torch.arange(new_tokens.shape[1], device=new_tokens.device)
    inside = places < torch.tensor(rooms, device=new_tokens.device)[:, None]
    counted = ((new_tokens == pad).cumsum(-1) <= 1) & inside
    means = (chosen * counted).sum(-1) / counted.sum(-1).clamp(min=1)
    return [float(m) for m in means]


def forced_logprobs(
    model: SpeechModel,
    hidden: torch.Tensor,
    sequences: torch.Tensor,
    first_mask: torch.Tensor,
) -> torch.Tensor:
    """Return the log-probabilities of decoded tokens (B, L - S), read by the model all at once.

    Beam search scores with the bonus in it; this is what the model itself thinks of the result.

    Args:
        model: the weights.
        hidden: encoder outputs (B, F, width).
        sequences: first and decoded tokens (B, L).
        first_mask: 1 where a row's first tokens are, 0 where they are padded on the left (B, S).
    """
    whisper, length = model.whisper, first_mask.shape[1]
    rest = first_mask.new_ones(sequences.shape[0], sequences.shape[1] - length)
    mask = torch.cat([first_mask, rest], dim=1)[:, :-1]
    with autocast_steps(model.device):  # as the tokens were decoded
        states = whisper.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            decoder_input_ids=sequences[:, :-1],
            decoder_attention_mask=mask,
            decoder_position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        ).last_hidden_state[:, length - 1 :]
        # Row by row: all logits of a batch at once would take gigabytes.
        logits = (whisper.proj_out(row).float() for row in states)
        return torch.stack(
            [
                row.log_softmax(-1).gather(-1, tokens[:, None]).squeeze(-1)
                for row, tokens in zip(logits, sequences[:, length:], strict=True)
            ]
        )


def read_tokens(
    model: SpeechModel, tokens: list[int], score: float | None, pad: int, room: int
) -> Decoded:
    """Turn decoded tokens, as many as a row has room for, into text."""
    tokens = tokens[:room]
    text = model.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    return Decoded(text, score, capped=len(tokens) >= room and pad not in tokens)
