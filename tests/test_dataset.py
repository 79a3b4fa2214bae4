"""Training batches: labels where they belong, and the same batch whenever and wherever asked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asr_adapt.audio import load_audio
from asr_adapt.base_weights.weights import resolve_weights
from asr_adapt.errors import DataError
from asr_adapt.model import load_base
from asr_adapt.records import Utterance
from asr_adapt.settings import Augmentation, PromptMix, PromptSettings, ReplaySettings
from asr_adapt.training.dataset import (
    IGNORED_LABEL,
    REPLAY,
    BatchPlan,
    TrainingBatches,
    at_other_speed,
    bucketed,
    collate_targets,
    collate_tokens,
    draw_channel,
    plan_batches,
    text_tokens,
)
from asr_adapt.training.lessons import likeliest
from asr_adapt.window import FULL_WINDOW, Window, length_bucket
from tests.toys import toy_base, toy_rows

END = 256  # of the toy's tokenizer, and its padding
token_lists = st.lists(st.integers(0, 255), max_size=8)
rows = st.lists(
    st.tuples(token_lists.map(lambda t: [257, *t]), token_lists), min_size=1, max_size=5
)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("Mayday, mayday.", True),
        ("Привет", True),
        ("नमस्ते", True),
        ("안녕하세요", True),
        ("おはようございます。", False),
        ("運命", False),
        ("你好", False),
        ("ที่นี่", False),
        ("আমি", False),  # alone, the space would be the first token
    ],
)
def test_a_text_is_taught_as_whisper_may_begin_it(text: str, spaced: bool) -> None:
    model = load_base(resolve_weights("whisper-base"), torch.device("cpu"))
    tokens = text_tokens(model, f" {text} ")
    assert tokens[0] not in (model.whisper.generation_config.begin_suppress_tokens or ())
    assert model.tokenizer.decode(tokens) == (f" {text}" if spaced else text)


def batches(
    toy: Path,
    *,
    window: Window | None = None,
    mix: PromptMix | None = None,
    augmentation: Augmentation | None = None,
    epochs: int = 2,
    seed: int = 1,
) -> TrainingBatches:
    """Return the toy's training batches; every utterance is marked as clean."""
    utterances = [replace(u, tags={"channel": "clean"}) for u in toy_rows(toy, "train")]
    return TrainingBatches(
        toy_base(toy),
        utterances,
        plan_batches([u.duration_s for u in utterances], 4, epochs, seed),
        window=window or Window(64),
        mix=mix or PromptMix(),
        prompts=PromptSettings(),
        augmentation=augmentation or Augmentation(channel="vhf"),
        replay=ReplaySettings(),
        soft=[None] * len(utterances),
        seed=seed,
    )


def digest(batch: dict[str, torch.Tensor]) -> str:
    """Return a checksum over every number of a batch."""
    content = b"".join(batch[name].numpy().tobytes() for name in sorted(batch))
    return hashlib.sha256(content).hexdigest()


@given(st.lists(st.floats(0.1, 30), min_size=1, max_size=80), st.integers(1, 9), st.integers(1, 3))
def test_a_plan_holds_every_utterance_once_an_epoch(
    durations_s: list[float], batch_size: int, epochs: int
) -> None:
    plans = plan_batches(durations_s, batch_size, epochs, seed=1)
    for epoch in range(epochs):
        indices = [i for plan in plans if plan.epoch == epoch for i in plan.indices]
        assert sorted(indices) == list(range(len(durations_s)))
    assert max(len(plan.indices) for plan in plans) <= batch_size
    assert [plan.epoch for plan in plans] == sorted(plan.epoch for plan in plans)
    assert plans == plan_batches(durations_s, batch_size, epochs, seed=1)


def test_a_plan_puts_like_lengths_together() -> None:
    durations_s = [1.0 + i % 20 for i in range(128)]
    spread = [
        max(durations_s[i] for i in plan.indices) - min(durations_s[i] for i in plan.indices)
        for plan in plan_batches(durations_s, 8, 1, seed=3)
    ]
    assert max(spread) <= 3


@given(rows)
def test_labels_are_the_text_and_its_end_and_nothing_else(
    rows: list[tuple[list[int], list[int]]],
) -> None:
    ended = [(start, [*text, END]) for start, text in rows]
    batch = collate_tokens(ended, END)
    for i, (start, text) in enumerate(ended):
        inputs, labels = batch["decoder_input_ids"][i].tolist(), batch["labels"][i].tolist()
        assert [t for t in labels if t != IGNORED_LABEL] == text
        whole = start + text
        # Each label is the token that follows its input.
        for place, label in enumerate(labels):
            if label != IGNORED_LABEL:
                assert inputs[: place + 1] == whole[: place + 1]
                assert label == whole[place + 1]
        assert labels[: len(start) - 1] == [IGNORED_LABEL] * (len(start) - 1)
        assert labels[len(whole) - 1 :] == [IGNORED_LABEL] * (len(labels) - len(whole) + 1)


def test_inputs_are_transformers_own_shift_of_the_labels(toy: Path) -> None:
    """Whisper's own shift puts one start token before the labels; ours has one too, not two."""
    from transformers.models.whisper.modeling_whisper import shift_tokens_right

    model = toy_base(toy)
    start = model.tokenizer.convert_tokens_to_ids("<|startoftranscript|>")
    texts = [[5, 6, 7, END], [8, END]]
    ours = collate_tokens([([start], text) for text in texts], END)
    theirs = shift_tokens_right(ours["labels"], END, start)
    assert torch.equal(ours["decoder_input_ids"], theirs)
    assert (ours["decoder_input_ids"] == start).sum(-1).tolist() == [1, 1]


def test_every_item_starts_a_transcript_once_and_ends_it_once(toy: Path) -> None:
    items = batches(toy, augmentation=Augmentation())
    ids = items.model.tokenizer.convert_tokens_to_ids
    for index, plan in enumerate(items.plans):
        batch = items[index]
        assert (batch["decoder_input_ids"] == ids("<|startoftranscript|>")).sum(-1).eq(1).all()
        assert (batch["labels"] == END).sum(-1).eq(1).all()
        for row, i in zip(batch["labels"], plan.indices, strict=True):
            text = text_tokens(items.model, items.utterances[i].reference or "")
            assert row[row != IGNORED_LABEL].tolist() == [*text, END]


def test_an_item_is_the_same_in_any_order(toy: Path) -> None:
    forward, backward = batches(toy), batches(toy)
    places = (0, 7, 13, len(forward) - 1)
    digests = [digest(forward[i]) for i in places]
    torch.manual_seed(99)  # what the global generator says does not matter
    assert [digest(backward[i]) for i in reversed(places)] == digests[::-1]
    assert len(set(digests)) == len(digests)


def test_asking_for_an_item_leaves_the_global_generator_alone(toy: Path) -> None:
    """Dropout draws from it; a resumed run, which skips items, has to draw the same."""
    items = batches(toy)
    before = torch.random.get_rng_state()
    _ = items[0]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_item_is_the_same_in_another_process(toy: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.test_dataset import batches, digest; "
        "print(digest(batches(Path(sys.argv[1]))[3]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(toy)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )
    assert run.stdout.split() == [digest(batches(toy)[3])]


def test_sound_is_drawn_anew_in_every_epoch(toy: Path) -> None:
    items = batches(toy)
    utterance = items.utterances[0]
    first, again, second = (items._sound(utterance, epoch) for epoch in (0, 0, 1))
    assert (first == again).all()
    assert not np.array_equal(first, second)


def test_replayed_speech_is_sent_over_channels_in_the_shares_asked_for(toy: Path) -> None:
    items = batches(toy)
    items.replay = ReplaySettings(channel_share=0.5, telephone_share=0.2)
    general = replace(items.utterances[0], tags={"channel": REPLAY})
    rng = np.random.default_rng(1)
    drawn = Counter(items.channel_of(general, rng) for _ in range(2000))
    assert set(drawn) == {"vhf", "telephone", "none"}
    assert drawn["vhf"] / 2000 == pytest.approx(0.5, abs=0.05)
    assert drawn["telephone"] / 2000 == pytest.approx(0.2, abs=0.05)
    assert items.channel_of(replace(general, tags={"channel": "vhf"}), rng) == "none"


def test_sound_that_came_over_a_channel_gets_no_second_one(toy: Path) -> None:
    items = batches(toy, augmentation=Augmentation(channel="vhf", gain_db=0, speed_percent=0))
    clean = items.utterances[0]
    recorded = replace(clean, tags={})
    original = load_audio(clean.audio_path, clean.start_s, clean.duration_s)
    assert (items._sound(recorded, 0) == original).all()
    assert not (items._sound(clean, 0) == original).all()


def test_other_speeds_are_within_the_share_and_take_the_pitch_along() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    rng = np.random.default_rng(1)
    speeds = set()
    for _ in range(40):
        played = at_other_speed(tone, 10, rng)
        speed = len(tone) / len(played)
        speeds.add(round(speed, 2))
        peak_hz = np.argmax(np.abs(np.fft.rfft(played, 160_000))) / 10
        assert peak_hz == pytest.approx(440 * speed, rel=0.005)
    assert 0.9 <= min(speeds) < max(speeds) <= 1.1
    assert len(speeds) > 10
    assert (at_other_speed(tone, 0, rng) == tone).all()


def test_what_just_fits_the_window_is_not_slowed_down() -> None:
    whole = np.zeros(30 * 16_000, np.float32)
    rng = np.random.default_rng(1)
    assert max(len(at_other_speed(whole, 10, rng)) for _ in range(30)) == len(whole)


def prompt_shares(items: TrainingBatches) -> Counter[str]:
    """Count examples by what they are told: true phrases, wrong ones only, or nothing."""
    ids = items.model.tokenizer.convert_tokens_to_ids
    previous, start = ids("<|startofprev|>"), ids("<|startoftranscript|>")
    counts: Counter[str] = Counter()
    for index, plan in enumerate(items.plans):
        for row, i in zip(items[index]["decoder_input_ids"].tolist(), plan.indices, strict=True):
            if row[0] != previous:
                counts["none"] += 1
                continue
            prompt = items.model.tokenizer.decode(row[1 : row.index(start)])
            said = set((items.utterances[i].reference or "").split())
            told = set(prompt.strip(" .").split(", "))
            counts["true" if said & told else "wrong"] += 1
    return counts


def test_prompts_have_the_shares_asked_for(toy: Path) -> None:
    quiet = Augmentation(frequency_mask_bins=0, time_mask_share=0)
    drawn = prompt_shares(batches(toy, mix=PromptMix(0.5, 0.3, 3), augmentation=quiet, epochs=6))
    total = sum(drawn.values())
    assert total == 288
    # Four standard deviations of a share of 0.5 in 288 draws are 0.12. Of the wrong prompts, those
    # for which no distractor was drawn (1 in 4, or more where all words are said) are none at all.
    assert drawn["true"] / total == pytest.approx(0.5, abs=0.12)
    assert 0.1 < drawn["wrong"] / total < 0.3
    none = prompt_shares(batches(toy, mix=PromptMix(0, 0), augmentation=quiet, epochs=1))
    assert set(none) == {"none"}
    always = prompt_shares(batches(toy, mix=PromptMix(1, 0), augmentation=quiet, epochs=1))
    assert set(always) == {"true"}


def test_windows_vary_around_the_slack_and_hold_the_speech(toy: Path) -> None:
    items = batches(toy, window=Window(100), augmentation=Augmentation(), epochs=3)
    widths = set()
    for index, plan in enumerate(items.plans):
        frames = items[index]["input_features"].shape[-1] // 2
        longest_s = max(items.utterances[i].duration_s for i in plan.indices)
        assert Window(50).frames(longest_s) <= frames <= Window(200).frames(longest_s)
        widths.add(frames)
    assert len(widths) > 2


@pytest.mark.parametrize("window", [FULL_WINDOW, Window(128, 400), Window(64)])
@given(st.lists(st.floats(0.1, 30), min_size=1, max_size=40), st.integers(1, 8))
def test_decoding_batches_hold_everything_once_and_share_a_window(
    window: Window, durations_s: list[float], batch_size: int
) -> None:
    utterances = [
        Utterance(str(i), Path("a.wav"), 0, d, language="en" if i % 3 else "de")
        for i, d in enumerate(durations_s)
    ]
    groups = bucketed(utterances, batch_size, window.frames)
    assert Counter(u.utterance_id for g in groups for u in g) == Counter(
        u.utterance_id for u in utterances
    )
    for group in groups:
        assert len(group) <= batch_size
        assert len({u.language for u in group}) == 1
        assert len({window.frames(length_bucket(u.duration_s)) for u in group}) == 1
        lengths = [u.duration_s for u in group]
        assert lengths == sorted(lengths, reverse=True)
    if window == FULL_WINDOW:  # all share it: no batch but the last of a language is short
        short = [group for group in groups if len(group) < batch_size]
        assert len(short) == len({group[0].language for group in short})


def test_a_missing_sound_names_the_utterance(toy: Path) -> None:
    items = batches(toy, epochs=1)
    gone = replace(items.utterances[0], audio_path=Path("/nowhere/x.flac"))
    items = TrainingBatches(
        items.model,
        [gone],
        [BatchPlan(0, (0,))],
        window=Window(64),
        mix=PromptMix(),
        prompts=PromptSettings(),
        augmentation=Augmentation(),
        replay=ReplaySettings(),
        soft=[None],
        seed=1,
    )
    with pytest.raises(DataError, match=gone.utterance_id):
        _ = items[0]


def test_labelled_and_general_speech_may_share_an_id(toy: Path) -> None:
    items = batches(toy, epochs=1, augmentation=Augmentation())
    labelled, other = (replace(u, utterance_id="0001") for u in items.utterances[:2])
    assert labelled.context
    other = replace(other, context=())
    n_tokens = len(text_tokens(items.model, other.reference or "")) + 1
    soft = likeliest(torch.randn(n_tokens, 50, generator=torch.Generator().manual_seed(1)))
    told = TrainingBatches(
        items.model,
        [labelled, other],
        [BatchPlan(0, (0, 1))],
        window=Window(64),
        mix=PromptMix(true_share=1.0, wrong_share=0.0, max_distractors=0),
        prompts=PromptSettings(),
        augmentation=Augmentation(),
        replay=ReplaySettings(),
        soft=[None, soft],
        seed=1,
    )
    batch = told[0]
    taught = batch["labels"] != IGNORED_LABEL
    assert told.contexts == [labelled.context, ()]
    assert torch.equal(batch["target_ids"][0, taught[0], 0], batch["labels"][0, taught[0]])
    assert torch.equal(batch["target_shares"][0, taught[0], 0], torch.ones(int(taught[0].sum())))
    assert torch.equal(batch["target_ids"][1, taught[1]], soft.cut(16).ids.long())


def test_soft_texts_fill_the_places_of_labels_and_no_others() -> None:
    labels = torch.tensor([[IGNORED_LABEL, 7, 8, END], [5, END, IGNORED_LABEL, IGNORED_LABEL]])
    soft = likeliest(torch.randn(3, 50, generator=torch.Generator().manual_seed(1))).cut(4)
    targets = collate_targets(labels, [soft, None])
    ids, shares = targets["target_ids"], targets["target_shares"]
    assert ids.shape == shares.shape == (2, 4, 4)
    assert torch.equal(ids[0, 1:], soft.ids.long())
    assert torch.equal(shares[0, 1:], soft.shares)
    assert ids[1, :2, 0].tolist() == [5, END]
    assert torch.allclose(shares[labels != IGNORED_LABEL].sum(-1), torch.ones(5))
    hard = collate_targets(labels, [None, None])
    assert hard["target_ids"].shape == (2, 4, 1)


@pytest.mark.parametrize("kept", [1, 3, 16])
def test_a_cut_soft_text_adds_up_to_one_and_keeps_its_order(kept: int) -> None:
    soft = likeliest(torch.randn(5, 300, generator=torch.Generator().manual_seed(2)))
    cut = soft.cut(kept)
    assert cut.ids.shape == (5, kept)
    assert torch.allclose(cut.shares.sum(-1), torch.ones(5))
    assert (cut.shares.diff(dim=-1) <= 0).all()
    assert torch.allclose(cut.shares[:, 0] * soft.shares[:, :kept].sum(-1), soft.shares[:, 0])


def test_other_channels_are_drawn_in_their_share(toy: Path) -> None:
    others = Augmentation(channel="vhf", other_channels=("am", "nbfm"), other_share=0.4)
    rng = np.random.default_rng(1)
    drawn = Counter(draw_channel(others, rng) for _ in range(3000))
    assert drawn["vhf"] / 3000 == pytest.approx(0.6, abs=0.05)
    assert drawn["am"] / 3000 == pytest.approx(0.2, abs=0.04)
    assert set(drawn) == {"vhf", "am", "nbfm"}


def test_without_other_channels_nothing_is_drawn() -> None:
    """So a training without them is the one it was before there were any."""
    rng, untouched = np.random.default_rng(1), np.random.default_rng(1)
    assert draw_channel(Augmentation(channel="vhf"), rng) == "vhf"
    assert rng.random() == untouched.random()
