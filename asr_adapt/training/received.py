"""Clips as received: held out and sent over training's channel, to measure what carries over.

An adapter can gain on its domain's dev speech and lose on every other voice over the same channel.
Clips of general speech, whose text the untouched model wrote of the clean sound, show that without
a label. Writes the received sounds into a folder; the same seed gives the same ones on the same
kind of processor.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr_adapt.audio import SAMPLE_RATE_HZ, load_utterance, write_flac
from asr_adapt.records import Utterance
from asr_adapt.settings import Augmentation
from asr_adapt.training.dataset import REPLAY, draw_channel, through_channel


def as_received(
    clips: Sequence[Utterance], augmentation: Augmentation, folder: Path, seed: int
) -> list[Utterance]:
    """Send clips over the channel once, each over a link of its own.

    Args:
        clips: general speech with the base model's text, or clean clips; what came over a
            channel is left out.
        augmentation: the channel and its links; without one there is nothing to receive.
        folder: gets the audio; what is there already is kept.
        seed: of the links.

    Returns:
        The clips as received, under other ids, with the text of the clean ones.
    """
    if augmentation.channel == "none":
        return []
    return [
        _received(clip, augmentation, folder, seed)
        for clip in clips
        if clip.tags.get("channel") in (REPLAY, "clean")
    ]


def _received(clip: Utterance, augmentation: Augmentation, folder: Path, seed: int) -> Utterance:
    key = zlib.crc32(clip.utterance_id.encode())
    rng = np.random.default_rng([seed, 7, key])
    channel = draw_channel(augmentation, rng)
    path = folder / f"received-{key:08x}.flac"
    sound = load_utterance(clip)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_flac(path, through_channel(sound, replace(augmentation, channel=channel), rng))
    return replace(
        clip,
        utterance_id=f"received-{clip.utterance_id}",
        audio_path=path,
        start_s=0.0,
        duration_s=len(sound) / SAMPLE_RATE_HZ,
        tags={**clip.tags, "channel": channel},
    )
