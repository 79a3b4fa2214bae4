"""Whether an exported model writes what was measured: the same clips by all ways of decoding.

A model that is good here and poor where it is deployed is a common complaint
(https://github.com/SYSTRAN/faster-whisper/issues/1099). Two things may differ: programs that read
the formats compute the full window of 30 s, where the adapter was measured in its own, and they
compute, search and bar tokens in their own way. Both are shown, each against what it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path

from asr_adapt.audio import load_utterance
from asr_adapt.decode import ArmPlan, Progress, encode_batch, search
from asr_adapt.exporting.readers import READERS
from asr_adapt.model import SpeechModel
from asr_adapt.records import ErrorCounts, Utterance
from asr_adapt.scoring.alignment import score_words
from asr_adapt.settings import DecodeSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import bucketed
from asr_adapt.window import FULL_WINDOW

Texts = Mapping[str, str]
"""What was heard, by the id of the clip."""

OWN, FULL = "adapter, its window", "adapter, 30 s"
"""Names of the two ways in which we decode."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One way of decoding the clips.

    Attributes:
        name: of the way: one of ours, or the format.
        errors: words that are wrong, against what was said, of clips of which that is known.
        changed: words that differ from what the way before writes: of the full window from the
            adapter's own, of formats from the full window. None for the first.
        same: clips with the same words as that.
        clips: how many were decoded.
    """

    name: str
    errors: ErrorCounts
    changed: ErrorCounts | None
    same: int
    clips: int


def compare(
    model: SpeechModel,
    folders: Mapping[str, Path],
    clips: Sequence[Utterance],
    normalise: Callable[[str], str],
    stop: StopRequest,
    progress_for: Callable[[str], Progress],
) -> list[Compared]:
    """Decode clips with the adapter, in both windows, and with every format.

    Args:
        model: the base with the adapter, LoRA merged.
        folders: the exported folder of each format whose program is installed.
        clips: at most 30 s each; the sounds can be read.
        normalise: brings texts to the form in which words are compared.
        stop: checked between clips.
        progress_for: starts a progress line with a title.

    Raises:
        Stopped: a signal came.
    """
    own = decoded(model, clips, stop, progress_for(f"decoding: {OWN}"))
    full = decoded(replace(model, window=FULL_WINDOW), clips, stop, progress_for(FULL))
    found = [_compared(OWN, own, None, clips, normalise)]
    found.append(_compared(FULL, full, own, clips, normalise))
    for form, folder in folders.items():
        texts = read_clips(form, folder, model, clips, stop, progress_for(f"decoding: {form}"))
        found.append(_compared(form, texts, full, clips, normalise))
    return found


def decoded(
    model: SpeechModel, clips: Sequence[Utterance], stop: StopRequest, progress: Progress
) -> Texts:
    """Decode clips as `asr-adapt eval` does, greedily and told nothing."""
    settings, plan = DecodeSettings(), ArmPlan("lora")
    texts: dict[str, str] = {}
    for batch in bucketed(clips, settings.batch_size, model.window.frames):
        stop.check()
        encoded = encode_batch(model, batch)
        rows = encoded.utterances
        if rows:
            heard = search(model, rows, encoded.hidden, plan, settings)
            texts |= {u.utterance_id: one.text for u, one in zip(rows, heard, strict=True)}
        progress(len(texts), len(clips))
    return texts


def read_clips(
    form: str,
    folder: Path,
    model: SpeechModel,
    clips: Sequence[Utterance],
    stop: StopRequest,
    progress: Progress,
) -> Texts:
    """Decode clips with the program that reads a format."""
    read = READERS[form](folder, model)
    texts: dict[str, str] = {}
    for number, clip in enumerate(clips, start=1):
        stop.check()
        texts[clip.utterance_id] = read(load_utterance(clip), clip.language)
        progress(number, len(clips))
    return texts


def _compared(
    name: str,
    texts: Texts,
    before: Texts | None,
    clips: Sequence[Utterance],
    normalise: Callable[[str], str],
) -> Compared:
    words = {u.utterance_id: normalise(texts[u.utterance_id]) for u in clips}
    said = [u for u in clips if u.reference is not None]
    errors = [score_words(normalise(u.reference or ""), words[u.utterance_id]) for u in said]
    if before is None:
        return Compared(name, _total(errors), None, len(clips), len(clips))
    changes = [score_words(normalise(before[u.utterance_id]), words[u.utterance_id]) for u in clips]
    same = sum(not change.errors for change in changes)
    return Compared(name, _total(errors), _total(changes), same, len(clips))


def _total(counts: Sequence[ErrorCounts]) -> ErrorCounts:
    return reduce(add, counts, ErrorCounts())
