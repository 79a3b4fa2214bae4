"""Decoding: transformers' own text without a prompt, and nobody's neighbours change a text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import EncoderDecoderCache, WhisperForConditionalGeneration

from asr_adapt.audio import load_utterance
from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.context.bias import NO_PROMPT, Prompt, build_prompt
from asr_adapt.decode import (
    ArmPlan,
    Decoded,
    SharedSound,
    decode_arms,
    encode_sounds,
    generate,
    hypothesis,
    read_tokens,
)
from asr_adapt.errors import Stopped
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses
from asr_adapt.model import SpeechModel, load_base, prompted_start, with_adapter
from asr_adapt.records import FLAGS, NAMED_DROPPED, Hypothesis, Utterance
from asr_adapt.settings import DecodeSettings, PromptSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.token_cap import ENGLISH, SPARE, token_cap
from tests.toys import CPU, TOY_FULL, toy_base, toy_job, toy_rows, train_toy, with_settings

SENTENCES = (
    "Weser Traffic, this is motor vessel Anna Lotte, good morning, over.",
    "My position is five three degrees, four two minutes north, speed twelve knots.",
    "The pilot will board at the sea buoy in twenty minutes.",
    "Please repeat the last message.",
)
Sounds = list[np.ndarray]


@pytest.fixture(scope="module")
def trained(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> SpeechModel:
    """A toy model that writes something: trained for a few passes."""
    folder = tmp_path_factory.mktemp("trained") / "full"
    train_toy(toy, with_settings(toy_job(toy), TOY_FULL), folder)
    return with_adapter(toy_base(toy), folder)


@pytest.fixture(scope="module")
def tiny() -> SpeechModel:
    """Whisper tiny.en."""
    if package_files(PACKAGES["whisper-tiny.en"]) is None:
        pytest.skip("whisper-tiny.en is not installed")
    return load_base(resolve_weights("whisper-tiny.en"), CPU)


@pytest.fixture(scope="module")
def speech() -> Sounds:
    """The sentences, spoken by a synthetic voice; 16 kHz."""
    hibari = pytest.importorskip("hibari")
    from scipy.signal import resample_poly

    voice = hibari.Hibari()
    return [resample_poly(voice(text), 2, 3).astype(np.float32) for text in SENTENCES]


def decode_sounds(
    model: SpeechModel, sounds: Sequence[np.ndarray], prompts: Sequence[Prompt], beams: int = 1
) -> list[Decoded]:
    """Decode sounds in one batch in the full window, with 60 tokens at most."""
    starts = [prompted_start(model, p.token_ids, "en") for p in prompts]
    return generate(model, encode_sounds(model, sounds, 1500), starts, [60] * len(starts), beams)


def told(model: SpeechModel, *phrases: str) -> Prompt:
    """Return the prompt that tells the model the phrases."""
    return build_prompt(phrases, model.tokenize, PromptSettings())


def run_arms(
    model: SpeechModel,
    utterances: Sequence[Utterance],
    arms: Sequence[ArmPlan],
    path: Path,
    batch_size: int = 8,
) -> dict[tuple[str, str], Hypothesis]:
    """Decode arms into a log and return its rows by utterance and arm."""
    settings = DecodeSettings(batch_size=batch_size)
    decode_arms(model, utterances, arms, settings, HypothesisLog(path), StopRequest())
    return {(row.utterance_id, row.arm): row for row in read_hypotheses(path)}


def arms_of(model: SpeechModel, utterances: Sequence[Utterance]) -> list[ArmPlan]:
    """Return an arm without and one with prompts; every third utterance has nothing to be told."""
    prompts = {
        u.utterance_id: NO_PROMPT if i % 3 == 0 else told(model, *u.context)
        for i, u in enumerate(utterances)
    }
    return [ArmPlan("base"), ArmPlan("base+bias", prompts)]


def texts(rows: dict[tuple[str, str], Hypothesis]) -> dict[tuple[str, str], str]:
    """Return the texts of rows."""
    return {key: row.text for key, row in rows.items()}


@torch.inference_mode()
def teacher_forced(model: SpeechModel, sound: np.ndarray, start: list[int], text: str) -> float:
    """Return the mean log-probability of a text and its end, one position at a time, in float64."""
    hidden = encode_sounds(model, [sound], 1500).double()
    end = model.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    spoken = [*model.tokenize(text), end]
    whisper: WhisperForConditionalGeneration = model.whisper.double()
    try:
        tokens = torch.tensor([[*start, *spoken]])
        logits = whisper(encoder_outputs=(hidden,), decoder_input_ids=tokens).logits[0]
    finally:
        model.whisper.float()
    chosen = [
        float(logits[len(start) - 1 + i].log_softmax(-1)[token]) for i, token in enumerate(spoken)
    ]
    return sum(chosen) / len(chosen)


@pytest.mark.weights
def test_greedy_text_is_transformers_own(tiny: SpeechModel, speech: Sounds) -> None:
    ours = decode_sounds(tiny, speech, [NO_PROMPT] * len(speech))
    features = tiny.feature_extractor(speech, sampling_rate=16_000, return_tensors="pt")
    theirs = tiny.whisper.generate(
        features["input_features"], max_new_tokens=60, return_timestamps=False
    )
    expected = [
        tiny.tokenizer.decode(row, skip_special_tokens=True).strip() for row in theirs.tolist()
    ]
    assert [d.text for d in ours] == expected
    for text, sentence in zip(expected, SENTENCES, strict=True):
        assert set(text.lower().split()) & set(sentence.lower().split())


@pytest.mark.weights
def test_prompts_of_many_lengths_share_a_batch(tiny: SpeechModel, speech: Sounds) -> None:
    prompts = [
        told(tiny, "Anna Lotte", "Weser Traffic", "Nordic Star", "Maria Desgagnés"),
        NO_PROMPT,
        told(tiny, "sea buoy"),
        NO_PROMPT,
    ]
    together = decode_sounds(tiny, speech, prompts)
    plain = decode_sounds(tiny, speech, [NO_PROMPT] * 4)
    for i, (sound, prompt) in enumerate(zip(speech, prompts, strict=True)):
        alone = decode_sounds(tiny, [sound], [prompt])[0]
        assert together[i].text == alone.text
        assert together[i].avg_logprob == pytest.approx(alone.avg_logprob, abs=1e-4)
    # Those that are told nothing write what they write when nobody is told anything.
    assert [together[i].text for i in (1, 3)] == [plain[i].text for i in (1, 3)]


@pytest.mark.weights
def test_a_prompt_stays_out_of_the_text(tiny: SpeechModel, speech: Sounds) -> None:
    planted = told(tiny, "Quetzalcoatl", "Zanzibar Empress", "Xylophone")
    for decoded in decode_sounds(tiny, speech, [planted] * len(speech)):
        assert decoded.text
        for word in ("quetzalcoatl", "zanzibar", "xylophone"):
            assert word not in decoded.text.lower()


@pytest.mark.weights
def test_avg_logprob_is_that_of_teacher_forcing(tiny: SpeechModel, speech: Sounds) -> None:
    for prompt in (NO_PROMPT, told(tiny, "Anna Lotte")):
        decoded = decode_sounds(tiny, speech[:2], [prompt, NO_PROMPT])[0]
        start = prompted_start(tiny, prompt.token_ids, "en")
        expected = teacher_forced(tiny, speech[0], start, " " + decoded.text)
        assert decoded.avg_logprob == pytest.approx(expected, abs=1e-3)


@pytest.mark.weights
def test_beam_search_runs_with_prompts(tiny: SpeechModel, speech: Sounds) -> None:
    prompts = [told(tiny, "Anna Lotte"), NO_PROMPT]
    for decoded, sentence in zip(
        decode_sounds(tiny, speech[:2], prompts, beams=5), SENTENCES, strict=False
    ):
        assert set(decoded.text.lower().split()) & set(sentence.lower().split())
        assert decoded.avg_logprob is not None
        assert decoded.avg_logprob < 0


@pytest.mark.weights
def test_beams_that_share_their_sound_write_what_transformers_own_cache_makes_of_it(
    tiny: SpeechModel, speech: Sounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [told(tiny, "Anna Lotte"), NO_PROMPT, NO_PROMPT, told(tiny, "Elbe Pilot")]
    shared = decode_sounds(tiny, speech, prompts, beams=3)
    monkeypatch.setattr(SharedSound, "reorder_cache", EncoderDecoderCache.reorder_cache)
    assert decode_sounds(tiny, speech, prompts, beams=3) == shared


@pytest.mark.weights
def test_a_cap_is_kept_and_said(tiny: SpeechModel, speech: Sounds) -> None:
    start = prompted_start(tiny, (), "en")
    hidden = encode_sounds(tiny, speech[1:2], 1500)
    capped = generate(tiny, hidden, [start], [5])[0]
    assert capped.capped
    assert len(tiny.tokenize(" " + capped.text)) <= 5
    assert not generate(tiny, hidden, [start], [60])[0].capped


def test_batches_of_any_size_write_the_same_text(
    toy: Path, trained: SpeechModel, tmp_path: Path
) -> None:
    utterances = toy_rows(toy, "test")
    arms = arms_of(trained, utterances)
    found = [
        texts(run_arms(trained, utterances, arms, tmp_path / f"{size}.jsonl", size))
        for size in (1, 3, 8)
    ]
    assert found[0] == found[1] == found[2]
    assert len(set(found[0].values())) > 1
    assert len(found[0]) == 2 * len(utterances)


def test_the_order_of_utterances_changes_no_text(
    toy: Path, trained: SpeechModel, tmp_path: Path
) -> None:
    utterances = toy_rows(toy, "test")
    arms = [ArmPlan("base")]
    forward = run_arms(trained, utterances, arms, tmp_path / "a.jsonl", 4)
    backward = run_arms(trained, utterances[::-1], arms, tmp_path / "b.jsonl", 4)
    assert texts(forward) == texts(backward)


def test_an_empty_prompt_is_no_prompt(toy: Path, trained: SpeechModel, tmp_path: Path) -> None:
    utterances = toy_rows(toy, "test")
    empty = {u.utterance_id: NO_PROMPT for u in utterances}
    rows = run_arms(
        trained, utterances, [ArmPlan("base"), ArmPlan("base+bias", empty)], tmp_path / "a.jsonl"
    )
    for u in utterances:
        plain, prompted = rows[u.utterance_id, "base"], rows[u.utterance_id, "base+bias"]
        assert (plain.text, plain.avg_logprob) == (prompted.text, prompted.avg_logprob)
        assert prompted.prompt is None


def test_hypotheses_say_what_was_told_and_what_did_not_fit(
    toy: Path, trained: SpeechModel, tmp_path: Path
) -> None:
    utterances = toy_rows(toy, "test")[:2]
    small = PromptSettings(budget_tokens=6)  # the toy's tokens are bytes
    prompt = build_prompt(["tug", "lighthouse"], trained.tokenize, small)
    plan = ArmPlan("base+bias", {u.utterance_id: prompt for u in utterances})
    for row in run_arms(trained, utterances, [plan], tmp_path / "a.jsonl").values():
        assert row.prompt == "tug."
        assert row.dropped_phrases == ("lighthouse",)
        assert row.decode_s > 0


def test_of_a_long_list_the_first_that_did_not_fit_are_named_and_all_are_counted(
    toy: Path, tmp_path: Path
) -> None:
    """A list of ten thousand names would otherwise stand in every row, once for each arm."""
    (utterance,) = toy_rows(toy, "test")[:1]
    names = tuple(f"Ship {n}" for n in range(10_000))
    decoded = Decoded("over", -0.5, capped=False)
    row = hypothesis(utterance, "base+bias", Prompt("Tug.", (1, 2), names), decoded, 1.0)
    assert row.dropped_phrases == names[:NAMED_DROPPED]
    assert row.dropped_count == 10_000
    HypothesisLog(tmp_path / "h.jsonl").append([row])
    assert (tmp_path / "h.jsonl").stat().st_size < 20 * NAMED_DROPPED
    assert read_hypotheses(tmp_path / "h.jsonl") == [row]
    few = hypothesis(utterance, "base+bias", Prompt("Tug.", (1, 2), names[:3]), decoded, 1.0)
    assert (few.dropped_phrases, few.dropped_more) == (names[:3], 0)


def test_a_log_begun_elsewhere_is_completed_and_kept(
    toy: Path, trained: SpeechModel, tmp_path: Path
) -> None:
    utterances = toy_rows(toy, "test")
    arms = arms_of(trained, utterances)
    whole = run_arms(trained, utterances, arms, tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "part.jsonl").write_text("".join(lines[1:20:2]))
    again = run_arms(trained, utterances, arms, tmp_path / "part.jsonl")
    assert texts(again) == texts(whole)
    assert (tmp_path / "part.jsonl").read_text().startswith("".join(lines[1:20:2]))


def test_a_stop_leaves_whole_batches(toy: Path, trained: SpeechModel, tmp_path: Path) -> None:
    stop = StopRequest()
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        stop.signal_name = "SIGTERM"

    log = HypothesisLog(tmp_path / "a.jsonl")
    utterances = toy_rows(toy, "test")
    with pytest.raises(Stopped):
        decode_arms(trained, utterances, [ArmPlan("base")], DecodeSettings(4), log, stop, progress)
    assert len(read_hypotheses(log.path)) == seen[0] <= 4


def test_an_arm_that_listens_is_told_by_what_the_plain_one_heard(
    toy: Path, trained: SpeechModel, tmp_path: Path
) -> None:
    utterances = toy_rows(toy, "test")
    overheard: dict[str, str] = {}

    def listen(batch: Sequence[Utterance], heard: Sequence[str]) -> ArmPlan:
        ids = [u.utterance_id for u in batch]
        overheard.update(zip(ids, heard, strict=True))
        return ArmPlan("base+bias", {u: told(trained, h) for u, h in zip(ids, heard, strict=True)})

    arms = [ArmPlan("base"), ArmPlan("base+bias", listen=listen)]
    rows = run_arms(trained, utterances, arms, tmp_path / "both.jsonl")
    assert any(overheard.values())
    for u in utterances:
        plain, listened = rows[u.utterance_id, "base"], rows[u.utterance_id, "base+bias"]
        assert overheard[u.utterance_id] == plain.text
        assert (listened.prompt or "").strip(".") == plain.text
        assert listened.decode_s > plain.decode_s  # the first pass is paid for, too
    alone = run_arms(trained, utterances, arms[1:], tmp_path / "alone.jsonl")
    assert texts(alone) == {key: row.text for key, row in rows.items() if key[1] == "base+bias"}


def test_a_second_pass_that_is_not_believed_leaves_the_text_of_the_first(
    toy: Path, trained: SpeechModel, tmp_path: Path
) -> None:
    utterances = toy_rows(toy, "test")
    doubted = {u.utterance_id for u in utterances[::2]}

    def listen(batch: Sequence[Utterance], heard: Sequence[str]) -> ArmPlan:
        prompts = {u.utterance_id: told(trained, "high") for u in batch}
        return ArmPlan("base+bias", prompts, believes=lambda uid, first, text: uid not in doubted)

    arms = [ArmPlan("base"), ArmPlan("base+bias", listen=listen)]
    rows = run_arms(trained, utterances, arms, tmp_path / "both.jsonl")
    always = [ArmPlan("base+bias", {u.utterance_id: told(trained, "high") for u in utterances})]
    believed = run_arms(trained, utterances, always, tmp_path / "always.jsonl")
    for u in utterances:
        key = (u.utterance_id, "base+bias")
        kept = u.utterance_id in doubted
        assert ("untold" in rows[key].flags) == kept
        source = rows[u.utterance_id, "base"] if kept else believed[key]
        assert (rows[key].text, rows[key].avg_logprob) == (source.text, source.avg_logprob)


def test_a_told_row_that_loops_is_decoded_again_told_nothing(
    toy: Path, trained: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    utterances = toy_rows(toy, "test")
    short = len(prompted_start(trained, told(trained, "a").token_ids, "en"))
    looping = utterances[0].utterance_id

    def runs_away(
        model: SpeechModel, hidden: torch.Tensor, starts: Sequence[Sequence[int]], *rest: Any
    ) -> list[Decoded]:
        found = generate(model, hidden, starts, *rest)
        return [
            replace(one, text="tug " * 40) if len(start) > short else one
            for one, start in zip(found, starts, strict=True)
        ]

    prompts = {u.utterance_id: told(trained, "a") for u in utterances}
    arms = [ArmPlan("base"), ArmPlan("base+bias", {**prompts, looping: told(trained, "high")})]
    before = run_arms(trained, utterances, arms, tmp_path / "before.jsonl")
    monkeypatch.setattr("asr_adapt.decode.generate", runs_away)
    rows = run_arms(trained, utterances, arms, tmp_path / "after.jsonl")
    plain, again = rows[looping, "base"], rows[looping, "base+bias"]
    assert plain.text
    assert "loop" not in plain.flags
    assert again.text == plain.text
    assert again.avg_logprob == pytest.approx(plain.avg_logprob, abs=1e-4)
    assert {"loop", "untold"} <= set(again.flags)
    assert again.prompt == "high."
    others = [key for key in rows if key != (looping, "base+bias")]
    assert [(rows[k].text, rows[k].flags) for k in others] == [
        (before[k].text, before[k].flags) for k in others
    ]


def test_what_loops_told_nothing_is_decoded_again_with_repetitions_barred(
    toy: Path, trained: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs_away(
        model: SpeechModel,
        hidden: torch.Tensor,
        starts: Sequence[Sequence[int]],
        caps: Sequence[int],
        beam_size: int,
        boost: Any,
        no_repeat_tokens: int,
    ) -> list[Decoded]:
        text = "tug tug tug" if no_repeat_tokens else "tug " * 40
        return [Decoded(f"{text} {len(start)}", -0.5, not no_repeat_tokens) for start in starts]

    monkeypatch.setattr("asr_adapt.decode.generate", runs_away)
    utterances = toy_rows(toy, "test")[:2]
    prompts = {u.utterance_id: told(trained, "high") for u in utterances}
    arms = [ArmPlan("base"), ArmPlan("base+bias", prompts)]
    start = len(prompted_start(trained, (), "en"))
    for (_, arm), row in run_arms(trained, utterances, arms, tmp_path / "a.jsonl").items():
        assert row.text == f"tug tug tug {start}"
        assert row.flags == (("loop", "barred") if arm == "base" else ("loop", "untold", "barred"))


@pytest.mark.parametrize("beam_size", [1, 2])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_no_phrase_comes_twice_where_repetitions_are_barred(
    toy: Path, length: int, beam_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an untrained toy, which writes until it is stopped."""
    model = toy_base(toy)
    hidden = encode_sounds(model, [load_utterance(u) for u in toy_rows(toy, "test")[:3]], 1500)
    written: list[list[int]] = []

    def keep(model: SpeechModel, tokens: list[int], *rest: Any) -> Decoded:
        written.append(tokens)
        return read_tokens(model, tokens, *rest)

    monkeypatch.setattr("asr_adapt.decode.read_tokens", keep)
    starts = [prompted_start(model, (), "en")] * 3
    generate(model, hidden, starts, [20] * 3, beam_size)
    assert any(repeats(row, length) for row in written)
    written.clear()
    generate(model, hidden, starts, [20] * 3, beam_size, no_repeat_tokens=length)
    assert len(written) == 3
    assert not any(repeats(row, length) for row in written)


def repeats(tokens: Sequence[int], length: int) -> bool:
    """Whether a phrase of some length comes twice before the first padding."""
    phrases = [tuple(tokens[i : i + length]) for i in range(len(tokens) - length + 1)]
    return len(set(phrases)) < len(phrases)


@pytest.mark.parametrize("text", ["", "tug tug", "tug " * 40])
@pytest.mark.parametrize("marks", [*itertools.product([False, True], repeat=4)])
def test_all_flags_have_a_meaning(text: str, marks: tuple[bool, ...]) -> None:
    capped, untold, looped, barred = marks
    row = hypothesis(
        Utterance("a", Path("a.wav"), 0.0, 1.0),
        "base",
        NO_PROMPT,
        Decoded(text, None, capped, untold, looped, barred),
        0.1,
    )
    assert set(row.flags) <= set(FLAGS)
    assert len(set(row.flags)) == len(row.flags)


def test_what_loops_even_so_is_left_as_it_was_first(
    toy: Path, trained: SpeechModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs_away(
        model: SpeechModel, hidden: torch.Tensor, starts: Sequence[Sequence[int]], *rest: Any
    ) -> list[Decoded]:
        return [Decoded(f"tug {len(start)} " * 20, None, False) for start in starts]

    monkeypatch.setattr("asr_adapt.decode.generate", runs_away)
    utterances = toy_rows(toy, "test")[:2]
    plan = ArmPlan("base+bias", {u.utterance_id: told(trained, "high") for u in utterances})
    start = len(prompted_start(trained, told(trained, "high").token_ids, "en"))
    for row in run_arms(trained, utterances, [plan], tmp_path / "a.jsonl").values():
        assert row.text.startswith(f"tug {start} tug")
        assert row.flags == ("loop",)


def test_a_sound_that_cannot_be_used_fails_alone(
    toy: Path, trained: SpeechModel, tmp_path: Path
) -> None:
    utterances = toy_rows(toy, "test")
    whole = run_arms(trained, utterances, [ArmPlan("base")], tmp_path / "whole.jsonl")
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"no sound")
    bad = [replace(utterances[0], audio_path=broken), *utterances[1:]]
    rows = run_arms(trained, bad, [ArmPlan("base")], tmp_path / "bad.jsonl")
    failed = rows[utterances[0].utterance_id, "base"]
    assert failed.text == ""
    assert "broken.flac" in (failed.error or "")
    others = {k: v for k, v in texts(rows).items() if k[0] != utterances[0].utterance_id}
    assert others == {k: v for k, v in texts(whole).items() if k in others}
    alone = run_arms(trained, bad[:1], [ArmPlan("base")], tmp_path / "alone.jsonl")
    assert alone[utterances[0].utterance_id, "base"].error == failed.error


def test_what_shares_its_batch_changes_no_row(toy: Path, trained: SpeechModel) -> None:
    """Not even a cap: an untrained toy writes until each row's own stops it."""
    for model in (trained, toy_base(toy)):
        sounds = [load_utterance(u) for u in toy_rows(toy, "test")[:3]]
        hidden = encode_sounds(model, sounds, 1500)
        starts = [prompted_start(model, (), "en")] * 3
        alone = [
            generate(model, hidden[i : i + 1], starts[:1], [cap])[0]
            for i, cap in enumerate((4, 9, 30))
        ]
        together = generate(model, hidden, starts, (4, 9, 30))
        for one, other in zip(alone, together, strict=True):
            assert (one.text, one.capped) == (other.text, other.capped)
            assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-4)


def test_a_loop_costs_tokens_by_its_length_and_is_flagged(toy: Path, tmp_path: Path) -> None:
    """An untrained toy writes until it is stopped."""
    model = toy_base(toy)
    path = tmp_path / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(32_000), 16_000)
    utterance = Utterance("noise", path, 0.0, 2.0, reference="ship")
    made: list[int] = []
    model.whisper.model.decoder.register_forward_hook(lambda *_: made.append(1))
    row = run_arms(model, [utterance], [ArmPlan("base")], tmp_path / "a.jsonl")["noise", "base"]
    assert len(made) <= token_cap(2.0, "en") == 2 * ENGLISH + SPARE
    assert len(made) < token_cap(2.0, "en") or "cap" in row.flags


def test_avg_logprob_agrees_on_the_toy(toy: Path, trained: SpeechModel, tmp_path: Path) -> None:
    utterances = toy_rows(toy, "test")[:3]
    sounds = [load_utterance(u) for u in utterances]
    for sound, decoded in zip(sounds, decode_sounds(trained, sounds, [NO_PROMPT] * 3), strict=True):
        if decoded.capped:
            continue
        raw = generate_tokens(trained, sound)
        expected = mean_logprob(trained, sound, raw)
        assert decoded.avg_logprob == pytest.approx(expected, abs=1e-3)


@torch.inference_mode()
def generate_tokens(model: SpeechModel, sound: np.ndarray) -> list[int]:
    """Greedy search written out: the most likely token until the end."""
    hidden = encode_sounds(model, [sound], 1500)
    start = prompted_start(model, (), "en")
    end = model.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    barred = model.whisper.generation_config.begin_suppress_tokens or []
    tokens: list[int] = []
    while not tokens or tokens[-1] != end:
        given = torch.tensor([[*start, *tokens]])
        logits = model.whisper(encoder_outputs=(hidden,), decoder_input_ids=given).logits[0, -1]
        if not tokens:
            logits[barred] = -torch.inf
        tokens.append(int(logits.argmax()))
    return tokens


@torch.inference_mode()
def mean_logprob(model: SpeechModel, sound: np.ndarray, tokens: list[int]) -> float:
    """Return the mean log-probability of tokens, all at once."""
    hidden = encode_sounds(model, [sound], 1500)
    start = prompted_start(model, (), "en")
    given = torch.tensor([[*start, *tokens]])
    logits = model.whisper(encoder_outputs=(hidden,), decoder_input_ids=given).logits[0].double()
    places = logits[len(start) - 1 : -1].log_softmax(-1)
    return float(places[torch.arange(len(tokens)), torch.tensor(tokens)].mean())
