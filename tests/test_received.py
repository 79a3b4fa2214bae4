"""Held-out general speech over training's channel: the same sounds whenever they are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asr_adapt.audio import load_utterance
from asr_adapt.records import Utterance
from asr_adapt.settings import Augmentation
from asr_adapt.training.dataset import REPLAY
from asr_adapt.training.received import as_received
from tests.toys import toy_rows

RADIO = Augmentation(channel="vhf", other_channels=("am",))


def clips(toy: Path) -> list[Utterance]:
    return [replace(u, tags={"channel": REPLAY}) for u in toy_rows(toy, "train")[:8]]


def test_clips_are_received_with_the_text_of_the_clean_ones(toy: Path, tmp_path: Path) -> None:
    clean = clips(toy)
    received = as_received(clean, RADIO, tmp_path, 1)
    assert [u.reference for u in received] == [u.reference for u in clean]
    assert not {u.utterance_id for u in received} & {u.utterance_id for u in clean}
    assert {u.tags["channel"] for u in received} == {"vhf", "am"}
    for before, after in zip(clean, received, strict=True):
        sounds = load_utterance(before), load_utterance(after)
        assert len(sounds[0]) == len(sounds[1])
        assert (sounds[0] != sounds[1]).any()


def test_the_same_seed_gives_the_same_sounds(toy: Path, tmp_path: Path) -> None:
    first, again, other = (
        [u.audio_path.read_bytes() for u in as_received(clips(toy), RADIO, tmp_path / name, seed)]
        for name, seed in (("one", 1), ("two", 1), ("three", 2))
    )
    assert first == again
    assert first != other


def test_without_a_channel_or_over_one_already_nothing_is_received(
    toy: Path, tmp_path: Path
) -> None:
    assert as_received(clips(toy), Augmentation(), tmp_path, 1) == []
    heard = [replace(u, tags={"channel": "telephone"}) for u in clips(toy)]
    assert as_received(heard, RADIO, tmp_path, 1) == []
