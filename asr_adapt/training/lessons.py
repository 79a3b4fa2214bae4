"""Lessons: what the untouched model makes of general speech, and what else it might have written.

The base model listens with its full window, once: its text, and at each token of it, what it found
likeliest there. That says more than the text alone: where the model was sure, where it wavered, and
between what (Hinton et al. 2015, https://arxiv.org/abs/1503.02531). Kept in the cache by the
content of the sound, one file a batch, so that a stopped pass goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from asr_adapt.base_weights.weight_cache import cache_root
from asr_adapt.decode import (
    ArmPlan,
    encode_batch,
    failed_rows,
    hypothesis,
    search,
)
from asr_adapt.files import content_sha256, put_in_place
from asr_adapt.model import SpeechModel, autocast, computes_bfloat16, prompted_start
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


VERSION = "3"
"""Raise it when the same clips have other lessons, or are written down otherwise, than before."""


def lessons(
    base: SpeechModel,
    clips: Sequence[tuple[str, Utterance]],
    stop: StopRequest,
    progress: Progress | None,
) -> dict[str, Lesson]:
    """Return what the base model makes of each clip, or made before, by the key of its content.

    Args:
        base: the untouched model.
        clips: with their keys, from `keyed`.
        stop: a signal ends the work.
        progress: told how many clips are done, of how many.

    Raises:
        Stopped: a signal came; finished batches are in the cache.
    """
    named = {key: replace(clip, utterance_id=key) for key, clip in clips}
    batch_size = DecodeSettings().batch_size
    precision = "bfloat16" if computes_bfloat16(base.device) else "float32"
    made_on = [base.device.type, precision, base.sha256, str(batch_size)]
    parts = [VERSION, *made_on, *sorted(named)]
    name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    folder = cache_root() / "teacher" / name
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Lesson] = {}
    batches = bucketed([named[key] for key in sorted(named)], batch_size, base.window.frames)
    for number, batch in enumerate(batches):
        stop.check()
        found |= lessons_in(folder / f"{number}.safetensors", base, batch)
        if progress:
            progress(len(found), len(named))
    stop.check()
    return found


def lessons_in(path: Path, base: SpeechModel, batch: Sequence[Utterance]) -> dict[str, Lesson]:
    """Return the lessons of a batch from its file, which is written if it is missing or damaged."""
    try:
        return read_lessons(path)
    except (FileNotFoundError, SafetensorError):
        write_lessons(path, listen(base, batch))
        return read_lessons(path)


def keyed(clips: Sequence[Utterance]) -> list[tuple[str, Utterance]]:
    """Return the clips with the key of what is heard: a file's bytes, the stretch, the language.

    Each file is read once, however many clips are stretches of it.
    """
    return [(_content_key(content_sha256(clip.audio_path), clip), clip) for clip in clips]


def _content_key(file_key: str, clip: Utterance) -> str:
    heard = f"{file_key} {clip.start_s} {clip.duration_s} {clip.language}"
    return hashlib.sha256(heard.encode()).hexdigest()[:24]


def listen(base: SpeechModel, batch: Sequence[Utterance]) -> list[Lesson]:
    """Have the base model write the text of clips of one window, in one pass of encoder."""
    encoded = encode_batch(base, batch)
    lost = [Lesson(row, None) for row in failed_rows(encoded.failed, "base")]
    clips, hidden = encoded.utterances, encoded.hidden
    if not clips:
        return lost
    plan = ArmPlan("base")
    decoded = search(base, clips, hidden, plan, DecodeSettings())
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
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # other runs may write the same
    save_file(tensors, part, metadata={"rows": rows})
    put_in_place(part, path)


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
