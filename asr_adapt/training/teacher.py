"""General speech without labels: its text is what the untouched model makes of it.

The base model listens with its full window, once; what it wrote is kept in the cache by the content
of the sound. Training mixes the clips in (`asr_adapt.training.dataset`), selection measures on
others what an adapter forgets. A clip on which the base model loops or hears nothing teaches
nothing and is left out, with a notice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asr_adapt.base_weights.weight_cache import cache_root
from asr_adapt.decode import ArmPlan, decode_arms
from asr_adapt.files import file_sha256
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses
from asr_adapt.model import SpeechModel
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.settings import DecodeSettings, ReplaySettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.dataset import REPLAY

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class GeneralSpeech:
    """General speech with the base model's text as reference.

    Attributes:
        replay: to mix into training.
        dev: to measure what is forgotten; none of it is in ``replay``.
    """

    replay: Sequence[Utterance] = ()
    dev: Sequence[Utterance] = ()


def teach(
    base: SpeechModel,
    general: Sequence[Utterance],
    settings: ReplaySettings,
    seed: int,
    *,
    stop: StopRequest,
    notice: Callable[[str], None],
    progress: Progress | None = None,
) -> GeneralSpeech:
    """Draw general speech and have the untouched base model write its text.

    Args:
        base: untuned weights with the full window.
        general: clips of at most 30 s; references, if there are any, are not looked at.
        settings: how many clips.
        seed: of the draw.
        stop: a signal ends the work; what is written by then is kept.
        notice: told how many clips were left out.
        progress: told how many clips are done, of how many.

    Raises:
        Stopped: a signal came.
    """
    drawn = draw(general, settings, seed)
    if not drawn.replay and not drawn.dev:
        return drawn
    texts = base_texts(base, [*drawn.replay, *drawn.dev], stop, progress)
    taught = GeneralSpeech(with_texts(drawn.replay, texts), with_texts(drawn.dev, texts))
    lost = len(drawn.replay) + len(drawn.dev) - len(taught.replay) - len(taught.dev)
    if lost:
        notice(f"{lost} clips of general speech left out: {base.name} loops or hears nothing there")
    return taught


def draw(general: Sequence[Utterance], settings: ReplaySettings, seed: int) -> GeneralSpeech:
    """Draw the clips to replay and those to measure with, apart from each other."""
    order = np.random.default_rng([seed, 4]).permutation(len(general))
    n_dev = min(settings.dev_clips, len(general) // 5)
    dev, rest = sorted(order[:n_dev]), sorted(order[n_dev : n_dev + settings.clips])
    return GeneralSpeech([general[i] for i in rest], [general[i] for i in dev])


def base_texts(
    base: SpeechModel, clips: Sequence[Utterance], stop: StopRequest, progress: Progress | None
) -> dict[str, Hypothesis]:
    """Return what the base model writes for each clip, by `content_key`, or wrote before."""
    keys = sorted({key for key, _ in keyed(clips)})
    name = hashlib.sha256("\n".join([base.sha256, *keys]).encode()).hexdigest()[:24]
    path = cache_root() / "teacher" / f"{name}.jsonl"
    named = {key: replace(clip, utterance_id=key) for key, clip in keyed(clips)}
    rows = list(named.values())
    decode_arms(
        base, rows, [ArmPlan("base")], DecodeSettings(), HypothesisLog(path), stop, progress
    )
    return {row.utterance_id: row for row in read_hypotheses(path)}


def keyed(clips: Sequence[Utterance]) -> list[tuple[str, Utterance]]:
    """Return the clips with the key of their content."""
    return [(content_key(clip), clip) for clip in clips]


def content_key(clip: Utterance) -> str:
    """Return a checksum of what is heard: the file's bytes, the stretch and the language."""
    heard = f"{file_sha256(clip.audio_path)} {clip.start_s} {clip.duration_s} {clip.language}"
    return hashlib.sha256(heard.encode()).hexdigest()[:24]


def usable(row: Hypothesis) -> bool:
    """Whether the base model wrote something that can be taught."""
    return bool(row.text) and row.error is None and not row.flags


def with_texts(clips: Sequence[Utterance], texts: Mapping[str, Hypothesis]) -> list[Utterance]:
    """Return the clips that can be taught, each with its text."""
    rows = [(clip, texts[key]) for key, clip in keyed(clips)]
    return [with_text(clip, row.text) for clip, row in rows if usable(row)]


def with_text(clip: Utterance, text: str) -> Utterance:
    """Return the clip with a text, to be sent over channels unless it came over one already."""
    fresh = clip.tags.get("channel", "none") in ("none", "clean")
    tags = {**clip.tags, "channel": REPLAY} if fresh else clip.tags
    return replace(clip, reference=text, context=(), tags=tags)
