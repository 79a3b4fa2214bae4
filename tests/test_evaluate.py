"""Run directories: the arms that apply, and a broken-off run that ends like an unbroken one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asr_adapt.audio import apply_long_policy, load_utterance
from asr_adapt.errors import DataError, Stopped, UsageError
from asr_adapt.evaluation import evaluate, joined
from asr_adapt.evaluation_job import EvaluationJob, TestSet
from asr_adapt.hypotheses import HypothesisLog, read_hypotheses
from asr_adapt.manifest import read_manifest
from asr_adapt.records import ARMS, BiasList, Hypothesis, Utterance
from asr_adapt.settings import BiasSettings, BoostSettings, DecodeSettings, PromptSettings
from asr_adapt.stopping import StopRequest
from tests.toys import toy_job, toy_rows, toy_weights, train_toy

SHIPS = BiasList("ships", ("tug", "mast"), "ships.txt")


def quiet(_: str) -> Callable[[int, int], None]:
    """Show no progress."""
    return lambda done, total: None


@pytest.fixture(scope="module")
def adapter(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter trained on the toy."""
    folder = tmp_path_factory.mktemp("adapter") / "lora"
    train_toy(toy, toy_job(toy), folder)
    return folder


def without_context(rows: list[Utterance]) -> list[Utterance]:
    """Return the rows with nothing known about them."""
    return [replace(u, context=()) for u in rows]


def job_for(toy: Path, rows: list[Utterance], adapter: Path | None = None) -> EvaluationJob:
    """Return a job that decodes one domain set."""
    return EvaluationJob(
        sets=[TestSet("calls", "domain", "Calls", rows)],
        weights=toy_weights(toy),
        adapter=adapter,
        bias_list=None,
        prompts=PromptSettings(),
        decode=DecodeSettings(batch_size=4),
        normaliser="raw",
        device="cpu",
        seed=1,
    )


def run(job: EvaluationJob, out: Path, *, resume: bool = False) -> None:
    """Evaluate without a stop and without a word."""
    evaluate(job, out, resume=resume, stop=StopRequest(), progress_for=quiet)


def rows_of(out: Path, name: str = "calls") -> list[Hypothesis]:
    """Return a set's hypotheses without their times, in the order of arm and utterance."""
    rows = read_hypotheses(out / "sets" / name / "hypotheses.jsonl")
    return sorted(
        (replace(row, decode_s=0.0) for row in rows),
        key=lambda row: (ARMS.index(row.arm), row.utterance_id),
    )


def arms_of(out: Path, name: str = "calls") -> list[str]:
    """Return the arms of a set, in order."""
    return list(dict.fromkeys(row.arm for row in rows_of(out, name)))


def test_arms_that_have_nothing_to_tell_are_left_out(
    toy: Path, adapter: Path, tmp_path: Path
) -> None:
    told = toy_rows(toy, "test")[:4]
    untold = without_context(told)
    jobs = {
        "base": job_for(toy, untold),
        "base,base+bias": job_for(toy, told),
        "base,lora": job_for(toy, untold, adapter),
        "base,base+bias,lora,lora+bias": replace(job_for(toy, untold, adapter), bias_list=SHIPS),
        "lora+bias": replace(job_for(toy, told, adapter), arms=("lora+bias",)),
    }
    for expected, job in jobs.items():
        run(job, tmp_path / expected)
        assert arms_of(tmp_path / expected) == expected.split(",")


def test_general_speech_is_not_told_about_the_domain(toy: Path, tmp_path: Path) -> None:
    rows = without_context(toy_rows(toy, "test")[:4])
    general = TestSet("phone", "general", "Telephone", rows)
    job = replace(job_for(toy, rows), bias_list=SHIPS)
    run(replace(job, sets=[*job.sets, general]), tmp_path)
    assert arms_of(tmp_path) == ["base", "base+bias"]
    assert arms_of(tmp_path, "phone") == ["base"]
    told = [path.read_text() for path in tmp_path.glob("sets/*/phrases.txt")]
    assert told == ["tug\nmast\n"]
    prompts = {row.prompt for row in rows_of(tmp_path) if row.arm == "base+bias"}
    assert prompts == {"tug, mast."}
    assert {row.prompt for row in rows_of(tmp_path) if row.arm == "base"} == {None}


@pytest.mark.parametrize(
    ("arms", "says"),
    [
        (("lora",), "--arms lora: needs --adapter; "),
        (("base+bias",), "--arms base+bias: needs context or --bias; "),
        (("lora+bias",), "--arms lora+bias: needs --adapter and context or --bias; "),
        (("lora", "base+bias"), "--adapter; --arms base+bias: needs context or --bias; "),
        ((), "--arms: names none"),
        (("bse",), "--arms: 'bse' is unknown"),
    ],
)
def test_arms_of_which_none_applies_are_refused_and_nothing_is_written(
    arms: tuple[str, ...], says: str, toy: Path, tmp_path: Path
) -> None:
    job = job_for(toy, without_context(toy_rows(toy, "test")[:2]))
    with pytest.raises(UsageError, match=re.escape(says)):
        run(replace(job, arms=arms), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_further_set_of_which_nothing_is_decoded_is_refused(toy: Path, tmp_path: Path) -> None:
    rows = without_context(toy_rows(toy, "test")[:2])
    job = replace(job_for(toy, rows), bias_list=SHIPS, arms=("base+bias",))
    general = TestSet("phone", "general", "Telephone", rows)
    with pytest.raises(UsageError, match=r"context in the data; nothing else .* of Telephone"):
        run(replace(job, sets=[*job.sets, general]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_context_of_an_utterance_comes_before_the_list(toy: Path, tmp_path: Path) -> None:
    rows = [replace(u, context=("keel",)) for u in toy_rows(toy, "test")[:2]]
    run(replace(job_for(toy, rows), bias_list=SHIPS, arms=("base+bias",)), tmp_path)
    assert {row.prompt for row in rows_of(tmp_path)} == {"keel, tug, mast."}


def test_retrieval_tells_no_more_than_its_candidates(toy: Path, tmp_path: Path) -> None:
    """The toy hears nothing: of a list longer than the limit, nothing could have been said."""
    rows = without_context(toy_rows(toy, "test")[:4])
    job = replace(job_for(toy, rows), bias_list=SHIPS)
    for candidates, expected in ((1, {None}), (2, {"mast, tug."})):
        out = tmp_path / str(candidates)
        run(replace(job, bias=BiasSettings("retrieve", candidates=candidates)), out)
        assert {row.prompt for row in rows_of(out) if row.arm == "base+bias"} == expected
    with pytest.raises(UsageError, match="'decode'"):
        run(job, tmp_path / "1", resume=True)


def test_examples_are_needed_where_they_are_shown(toy: Path, tmp_path: Path) -> None:
    rows = without_context(toy_rows(toy, "test")[:2])
    job = replace(job_for(toy, rows), bias_list=SHIPS, bias=BiasSettings(strategy="few-shot"))
    with pytest.raises(UsageError, match="--examples"):
        run(job, tmp_path / "without")
    shown = BiasList("examples", ("the tug is at the mast",), "test")
    run(replace(job, examples=shown), tmp_path / "with")
    prompts = {row.prompt for row in rows_of(tmp_path / "with") if row.arm == "base+bias"}
    assert prompts == {"the tug is at the mast tug, mast."}


def test_the_run_directory_holds_what_was_decoded(toy: Path, adapter: Path, tmp_path: Path) -> None:
    rows = toy_rows(toy, "test")[:4]
    run(job_for(toy, rows, adapter), tmp_path)
    manifest = read_manifest(tmp_path / "sets/calls/manifest.jsonl", allow_outside=True)
    assert [u.utterance_id for u in manifest] == [u.utterance_id for u in rows]
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["adapter"]["sha256"]
    assert record["model"]["sha256"] == toy_weights(toy).sha256
    assert len(rows_of(tmp_path)) == 4 * len(ARMS)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 0.8, 0.99, 1.0])
def test_a_run_torn_at_any_byte_ends_like_an_unbroken_one(
    share: float, toy: Path, adapter: Path, tmp_path: Path
) -> None:
    job = job_for(toy, toy_rows(toy, "test")[:8], adapter)
    out = tmp_path / "run"
    run(job, out)
    whole = rows_of(out)
    path = out / "sets/calls/hypotheses.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    run(job, out, resume=True)
    assert rows_of(out) == whole


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_a_stopped_run_goes_on(batches: int, toy: Path, adapter: Path, tmp_path: Path) -> None:
    job = job_for(toy, toy_rows(toy, "test")[:8], adapter)
    run(job, tmp_path / "whole")
    stop = StopRequest()
    seen: list[int] = []

    def stopping(_: str) -> Callable[[int, int], None]:
        def update(done: int, total: int) -> None:
            seen.append(done)
            if len(seen) == batches:
                stop.signal_name = "SIGINT"

        return update

    try:
        evaluate(job, tmp_path / "run", resume=False, stop=stop, progress_for=stopping)
    except Stopped:
        before = (tmp_path / "run/sets/calls/hypotheses.jsonl").read_bytes()
        run(job, tmp_path / "run", resume=True)
        assert (tmp_path / "run/sets/calls/hypotheses.jsonl").read_bytes().startswith(before)
    else:
        pytest.fail(f"only {len(seen)} batches: the stop came too late to be one")
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")


def test_a_finished_run_is_left_as_it_is(toy: Path, tmp_path: Path) -> None:
    job = job_for(toy, toy_rows(toy, "test")[:4])
    run(job, tmp_path)
    before = (tmp_path / "sets/calls/hypotheses.jsonl").read_bytes()
    run(job, tmp_path, resume=True)
    assert (tmp_path / "sets/calls/hypotheses.jsonl").read_bytes() == before
    with pytest.raises(UsageError, match="--resume"):
        run(job, tmp_path)
    assert (tmp_path / "sets/calls/hypotheses.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"normaliser": "whisper-en"}, "normaliser"),
        ({"decode": DecodeSettings(4, 2)}, "decode': beam_size 1, not 2;"),
        ({"adapter": None}, "adapter"),
        ({"bias_list": SHIPS}, "decode"),
        ({"bias": BiasSettings("boost")}, "decode"),
        ({"seed": 2}, "seed"),
    ],
    ids=["normaliser", "beam", "adapter", "list", "mode", "seed"],
)
def test_another_run_is_not_resumed(
    change: dict[str, Any], says: str, toy: Path, adapter: Path, tmp_path: Path
) -> None:
    job = replace(job_for(toy, toy_rows(toy, "test")[:2], adapter), arms=("base",))
    run(job, tmp_path)
    with pytest.raises(UsageError, match=f"another '{says}"):
        run(replace(job, **change), tmp_path, resume=True)


@pytest.mark.parametrize(("mode", "prompt"), [("boost", None), ("both", "tug, mast.")])
def test_boosted_phrases_come_into_the_text_and_into_the_record(
    mode: str, prompt: str | None, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The untrained toy writes nonsense; a bonus above all its scores makes it write the list."""
    # Its tokens are letters, which are too common to begin a phrase with any bonus.
    monkeypatch.setattr(
        "asr_adapt.context.phrase_tree.token_rarity", lambda tokens, _: np.ones(len(tokens))
    )
    rows = without_context(toy_rows(toy, "test")[:2])
    bias = BiasSettings(mode, BoostSettings(bonus=20.0))
    run(replace(job_for(toy, rows), bias_list=SHIPS, bias=bias), tmp_path)
    for row in rows_of(tmp_path):
        text = row.text.lower()
        assert ("tug" in text or "mast" in text) == (row.arm == "base+bias")
        assert row.prompt == (prompt if row.arm == "base+bias" else None)
        assert row.dropped_phrases == ()
    recorded = json.loads((tmp_path / "run.json").read_text())["decode"]["bias"]
    assert (recorded["mode"], recorded["boost"]["bonus"]) == (mode, 20.0)


def test_an_edited_bias_list_is_not_resumed(toy: Path, tmp_path: Path) -> None:
    job = replace(job_for(toy, toy_rows(toy, "test")[:2]), bias_list=BiasList("b", ("tug",), "b"))
    run(job, tmp_path)
    with pytest.raises(UsageError, match="another 'decode'"):
        run(replace(job, bias_list=BiasList("b", ("mast",), "b")), tmp_path, resume=True)


def test_changed_data_is_not_resumed(toy: Path, tmp_path: Path) -> None:
    rows = toy_rows(toy, "test")[:2]
    run(job_for(toy, rows), tmp_path)
    corrected = [replace(rows[0], reference="ship ship"), rows[1]]
    with pytest.raises(UsageError, match="data has changed"):
        run(job_for(toy, corrected), tmp_path, resume=True)


def test_a_run_without_its_sets_says_what_to_do(toy: Path, tmp_path: Path) -> None:
    job = job_for(toy, toy_rows(toy, "test")[:2])
    run(job, tmp_path)
    shutil.rmtree(tmp_path / "sets")
    says = r"no file sets/calls/manifest\.jsonl.*restore it, or delete run\.json and sets/"
    with pytest.raises(UsageError, match=says):
        run(job, tmp_path, resume=True)
    (tmp_path / "run.json").unlink()
    run(job, tmp_path)
    assert rows_of(tmp_path)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("left", ["hypotheses.jsonl", "pieces.jsonl"])
def test_text_without_a_record_of_what_decoded_it_is_no_work_of_this_run(
    left: str, resume: bool, toy: Path, tmp_path: Path
) -> None:
    job = job_for(toy, toy_rows(toy, "test")[:2])
    stranger = Hypothesis(job.sets[0].utterances[0].utterance_id, "base", "of another model")
    log = tmp_path / "sets/calls" / left
    HypothesisLog(log).append([stranger])
    with pytest.raises(UsageError, match=rf"{left}: .*no run\.json.*delete.*another --out"):
        run(job, tmp_path, resume=resume)
    assert not (tmp_path / "run.json").exists()
    assert read_hypotheses(log) == [stranger]
    log.unlink()
    run(job, tmp_path)
    assert "of another model" not in {row.text for row in rows_of(tmp_path)}


def test_an_adapter_for_other_weights_is_refused_before_any_work(
    toy: Path, adapter: Path, tmp_path: Path
) -> None:
    job = job_for(toy, toy_rows(toy, "test")[:2], adapter)
    other = replace(job.weights, sha256="f" * 64, name="other")
    with pytest.raises(DataError, match="not on other"):
        run(replace(job, weights=other), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_adapter_knows_its_base_wherever_that_lies_now(
    toy: Path, adapter: Path, tmp_path: Path
) -> None:
    """Trained on one machine and used on another: no word of it, for the checksum agrees."""
    moved = shutil.copytree(adapter, tmp_path / "adapter")
    config = json.loads((moved / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "/another/machine/whisper"
    (moved / "adapter_config.json").write_text(json.dumps(config))
    job = replace(job_for(toy, toy_rows(toy, "test")[:2], moved), arms=("lora",))
    run(job, tmp_path / "run")  # warnings are errors in tests
    assert rows_of(tmp_path / "run")


@pytest.fixture
def long_row(toy: Path, tmp_path: Path) -> Utterance:
    """70 seconds of the toy's words with pauses between them."""
    rows = toy_rows(toy, "test")
    pause = np.zeros(8_000, dtype=np.float32)
    sounds: list[np.ndarray] = []
    while sum(map(len, sounds)) < 70 * 16_000:
        sounds += [load_utterance(rows[len(sounds) // 2 % len(rows)]), pause]
    sound = np.concatenate(sounds)[: 70 * 16_000]
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(sound))
    soundfile.write(tmp_path / "long.flac", sound + noise, 16_000)
    return replace(rows[0], utterance_id="long", audio_path=tmp_path / "long.flac", duration_s=70.0)


def test_long_speech_is_decoded_in_pieces_and_joined(
    toy: Path, tmp_path: Path, long_row: Utterance
) -> None:
    short = toy_rows(toy, "test")[:2]
    run(job_for(toy, [short[0], long_row, short[1]]), tmp_path / "run")
    rows = rows_of(tmp_path / "run")
    ids = {short[0].utterance_id, "long", short[1].utterance_id}
    assert {(row.utterance_id, row.arm) for row in rows} == {
        (uid, arm) for uid in ids for arm in ("base", "base+bias")
    }
    pieces, _ = apply_long_policy([long_row], "split")
    assert len(pieces) >= 3
    parts = {
        (row.utterance_id, row.arm): row.text
        for row in read_hypotheses(tmp_path / "run/sets/calls/pieces.jsonl")
    }
    for row in rows:
        if row.utterance_id == "long":
            texts = [parts[piece.utterance_id, row.arm] for piece in pieces]
            assert row.text == " ".join(text for text in texts if text)


@pytest.mark.parametrize(
    ("parts", "mean"),
    [
        ([("speech " * 10, -0.3)], -0.3),
        ([("one two", -0.2), ("six ten", -0.4)], -0.3),
        # A breath at the end, of which nothing was written, is one token of some fifty.
        ([("speech " * 30, -0.2), ("", -4.0)], -0.22),
        ([("", -1.0), ("", -3.0)], -2.0),
        ([("one", None), ("two", None)], None),
        ([("one", None), ("two", -0.5)], -0.5),
    ],
)
def test_long_pieces_weigh_more_in_the_log_probability_of_all(
    parts: list[tuple[str, float | None]], mean: float | None
) -> None:
    rows = [Hypothesis(f"u{i}", "base", text, avg_logprob=p) for i, (text, p) in enumerate(parts)]
    found = joined("long", "base", rows).avg_logprob
    assert found == (None if mean is None else pytest.approx(mean, abs=0.005))


def test_a_stop_among_pieces_of_the_second_weights_goes_on(
    toy: Path,
    adapter: Path,
    tmp_path: Path,
    long_row: Utterance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = replace(job_for(toy, [long_row], adapter), arms=("base", "lora"))
    job = replace(job, decode=DecodeSettings(batch_size=1))
    run(job, tmp_path / "whole")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_module("asr_adapt.evaluation"), "join_pieces", killed)
        with pytest.raises(KeyboardInterrupt):
            run(job, tmp_path / "run")
    path = tmp_path / "run/sets/calls/pieces.jsonl"
    whole = (tmp_path / "whole/sets/calls/pieces.jsonl").read_text().splitlines(keepends=True)
    lines = len(path.read_text().splitlines())
    path.write_text("".join(whole[: lines + 1]))  # all of base, one piece of lora
    run(job, tmp_path / "run", resume=True)
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")
    assert len(rows_of(tmp_path / "run")) == 2
