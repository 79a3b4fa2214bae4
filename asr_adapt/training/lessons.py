"""Lessons: what the untouched model makes of general speech, and what else it might have written.

The base model listens with its full window, once: its text, and at each token of it, what it found
likeliest there. That says more than the text alone: where the model was sure, where it wavered, and
between what (Hinton et al. 2015, https://arxiv.org/abs/1503.02531). Kept in the cache by the
content of the sound, one file a batch, so that a stopped pass goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from asr_adapt.base_weights.weight_cache import cache_root
from asr_adapt.decode import (
    ArmPlan,
    decode_pass,
    encode_batch,
    failed_rows,
    hypothesis,
)
from asr_adapt.files import file_sha256
from asr_adapt.model import SpeechModel, autocast, prompted_start
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.settings import MOST_LIKELY, DecodeSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import (
    IGNORED_LABEL,
    SoftText,
    bucketed,
    collate_tokens,
    text_tokens,
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What the base model made of one clip.

    Attributes:
        row: its text, and what is suspicious about it.
        soft: what it might have written instead; None where it wrote nothing.
    """

    row: Hypothesis
    soft: SoftText | None


def lessons(
    base: SpeechModel, clips: Sequence[Utterance], stop: StopRequest, progress: Progress | None
) -> dict[str, Lesson]:
    """Return what the base model makes of each clip, by `content_key`, or made before.

    Raises:
        Stopped: a signal came; finished batches are in the cache.
    """
    named = {key: replace(clip, utterance_id=key) for key, clip in keyed(clips)}
    batch_size = DecodeSettings().batch_size
    parts = [base.sha256, str(batch_size), *sorted(named)]
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    folder = cache_root() / "teacher" / name
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Lesson] = {}
    batches = bucketed([named[key] for key in sorted(named)], batch_size, base.window.frames)
    for number, batch in enumerate(batches):
        stop.check()
        path = folder / f"{number}.safetensors"
        if not path.exists():
            write_lessons(path, listen(base, batch))
        found |= read_lessons(path)
        if progress:
            progress(len(found), len(named))
    stop.check()
    return found


def keyed(clips: Sequence[Utterance]) -> list[tuple[str, Utterance]]:
    """Return the clips with the key of their content."""
    return [(content_key(clip), clip) for clip in clips]


def content_key(clip: Utterance) -> str:
    """Return a checksum of what is heard: the file's bytes, the stretch and the language."""
    heard = f"{file_sha256(clip.audio_path)} {clip.start_s} {clip.duration_s} {clip.language}"
    return hashlib.sha256(heard.encode()).hexdigest()[:24]


def listen(base: SpeechModel, batch: Sequence[Utterance]) -> list[Lesson]:
    """Have the base model write the text of clips of one window, in one pass of encoder."""
    encoded = encode_batch(base, batch)
    lost = [Lesson(row, None) for row in failed_rows(encoded.failed, "base")]
    clips, hidden = encoded.utterances, encoded.hidden
    if not clips:
        return lost
    plan = ArmPlan("base")
    decoded = decode_pass(base, clips, hidden, plan, DecodeSettings()).decoded
    rows = [
        hypothesis(clip, plan.name, plan.prompt(clip.utterance_id), one, 0.0)
        for clip, one in zip(clips, decoded, strict=True)
    ]
    softs = soft_texts(base, hidden, [row.text for row in rows], clips[0].language)
    return [*lost, *(Lesson(row, soft) for row, soft in zip(rows, softs, strict=True))]


@torch.inference_mode()
def soft_texts(
    model: SpeechModel, hidden: torch.Tensor, texts: Sequence[str], language: str
) -> list[SoftText]:
    """Return what a model finds likeliest at each token of texts, and at their ends.

    Args:
        model: the weights.
        hidden: encoder outputs (B, F, width).
        texts: one for each row, told nothing before.
        language: of all of them.
    """
    end = int(model.tokenizer.convert_tokens_to_ids("<|endoftext|>"))
    start = prompted_start(model, (), language)
    tokens = collate_tokens([(start, [*text_tokens(model, text), end]) for text in texts], end)
    with autocast(model.device):
        states = model.whisper.model.decoder(
            input_ids=tokens["decoder_input_ids"].to(model.device),
            encoder_hidden_states=hidden,
            use_cache=False,
        ).last_hidden_state
        # Row by row: all logits of a batch at once would take gigabytes.
        return [
            likeliest(model.whisper.proj_out(row[places.to(model.device)]))
            for row, places in zip(states, tokens["labels"] != IGNORED_LABEL, strict=True)
        ]


def likeliest(logits: torch.Tensor) -> SoftText:
    """Return the likeliest tokens of each row of logits (N, vocabulary) with their shares."""
    shares, ids = logits.float().softmax(-1).topk(min(MOST_LIKELY, logits.shape[-1]))
    return SoftText(ids.int().cpu(), shares.cpu())


def write_lessons(path: Path, batch: Sequence[Lesson]) -> None:
    """Write the lessons of a batch, whole or not at all."""
    tensors: dict[str, torch.Tensor] = {}
    for lesson in batch:
        if lesson.soft:
            key = lesson.row.utterance_id
            tensors |= {f"{key}.ids": lesson.soft.ids, f"{key}.shares": lesson.soft.shares}
    rows = json.dumps([lesson.row.to_json() for lesson in batch])
    part = path.with_name(f"{path.name}.part")
    save_file(tensors, part, metadata={"rows": rows})
    part.replace(path)


def read_lessons(path: Path) -> dict[str, Lesson]:
    """Return the lessons of a batch by the key of the clip."""
    with safe_open(path, framework="pt") as file:
        rows = [Hypothesis.from_json(row) for row in json.loads(file.metadata()["rows"])]
        there = set(file.keys())
        return {
            row.utterance_id: Lesson(
                row,
                SoftText(
                    file.get_tensor(f"{row.utterance_id}.ids"),
                    file.get_tensor(f"{row.utterance_id}.shares"),
                )
                if f"{row.utterance_id}.ids" in there
                else None,
            )
            for row in rows
        }
