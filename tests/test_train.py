"""Training: it learns, chooses by dev WER, and a stopped run ends like an unbroken one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import trainer as hf_trainer

from asr_adapt.adapter import AdapterCard, read_card
from asr_adapt.decode import decode_arms, decode_batch
from asr_adapt.errors import DataError, EnvironmentProblem, Stopped, UsageError
from asr_adapt.model import encode
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.settings import Augmentation, PromptSettings, TrainSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training import selection, trainer
from asr_adapt.training import train as training
from asr_adapt.training.callbacks import TrainStatus
from asr_adapt.training.dataset import IGNORED_LABEL, BatchPlan, SoftText, plan_batches
from asr_adapt.training.lessons import likeliest
from asr_adapt.training.selection import DevMeasure
from asr_adapt.training.strength import WordErrors
from asr_adapt.training.train_job import TrainJob, finished_adapter
from tests.toys import TOY_FULL, as_errors, toy_base, toy_job, train_toy, with_settings

METHODS = ("lora", "full")
STEPS = 8  # of toy_job; it evaluates at steps 4 and 8


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `unbroken` adapters lie."""
    return tmp_path_factory.mktemp("unbroken")


@pytest.fixture(scope="module")
def unbroken(toy: Path, trained: Path) -> dict[str, AdapterCard]:
    """The adapter of each method, trained without a stop."""
    return {method: train_toy(toy, toy_job(toy, method), trained / method) for method in METHODS}


@pytest.fixture
def done(trained: Path, unbroken: dict[str, AdapterCard]) -> Path:
    """The folder of the LoRA adapter of `unbroken`."""
    return trained / "lora"


def stop_at(step: int, stop: StopRequest) -> Callable[[TrainStatus], None]:
    """Return an observer that asks for a stop after ``step``, as a signal would."""

    def observe(status: TrainStatus) -> None:
        if status.step == step:
            stop.signal_name = "SIGTERM"

    return observe


def hear(
    monkeypatch: pytest.MonkeyPatch,
    wers: Sequence[float],
    seen: Callable[[Path], None] = lambda _: None,
) -> None:
    """Let dev find these error rates, one for each set of weights in turn."""
    left, found = list(wers), dict[Path, WordErrors]()

    def measured(_m: Any, dev: Sequence[Utterance], _j: Any, log: Path, _s: Any) -> WordErrors:
        seen(log)
        if log not in found:
            found[log] = as_errors(left.pop(0), dev)
        return found[log]

    monkeypatch.setattr(selection, "word_errors", measured)


def stopped_at(step: int, toy: Path, job: TrainJob, out: Path) -> None:
    """Train until a stop after ``step``."""
    stop = StopRequest()
    with pytest.raises(Stopped):
        train_toy(toy, job, out, stop=stop, observer=stop_at(step, stop))


def test_training_lowers_the_loss(toy: Path, tmp_path: Path) -> None:
    card = train_toy(toy, with_settings(toy_job(toy), TOY_FULL), tmp_path / "out")
    losses = [row["loss"] for row in card.training_curve]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_job_gives_the_same_weights(
    method: str, toy: Path, tmp_path: Path, unbroken: dict[str, AdapterCard]
) -> None:
    again = train_toy(toy, toy_job(toy, method), tmp_path / "again")
    assert again.weights_sha256 == unbroken[method].weights_sha256
    assert again.dev_wer == unbroken[method].dev_wer
    other = train_toy(toy, replace(toy_job(toy, method), seed=2), tmp_path / "other")
    assert other.weights_sha256 != again.weights_sha256


def test_what_tensorboard_is_told_stays_beside_the_adapter(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    train_toy(toy, replace(toy_job(toy), report_to="tensorboard"), tmp_path)
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"train/loss" in events.read_bytes()


@pytest.mark.parametrize("step", [1, 4, 6])
@pytest.mark.parametrize("method", METHODS)
def test_a_stopped_run_ends_like_an_unbroken_one(
    method: str, step: int, toy: Path, tmp_path: Path, unbroken: dict[str, AdapterCard]
) -> None:
    job = toy_job(toy, method)
    out = tmp_path / "out"
    stopped_at(step, toy, job, out)
    seen: list[int] = []
    card = train_toy(toy, job, out, resume=True, observer=lambda s: seen.append(s.step))
    assert seen == list(range(step + 1, STEPS + 1))  # not one step twice, none left out
    assert card.weights_sha256 == unbroken[method].weights_sha256
    assert card.dev_wer == unbroken[method].dev_wer
    assert read_card(out) == card
    assert not (out / "training").exists()


def test_resuming_full_training_warns_of_no_weight(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(hf_trainer.logger, "warning", lambda text, *_: said.append(text))
    job = toy_job(toy, "full")
    stopped_at(7, toy, job, tmp_path / "out")
    train_toy(toy, job, tmp_path / "out", resume=True)
    assert said == []


def test_stops_can_follow_each_other(
    toy: Path, tmp_path: Path, unbroken: dict[str, AdapterCard]
) -> None:
    job = toy_job(toy)
    stopped_at(2, toy, job, tmp_path / "out")
    for step in (3, 7):
        stop = StopRequest()
        with pytest.raises(Stopped):
            train_toy(
                toy, job, tmp_path / "out", resume=True, stop=stop, observer=stop_at(step, stop)
            )
    card = train_toy(toy, job, tmp_path / "out", resume=True)
    assert card.weights_sha256 == unbroken["lora"].weights_sha256
    assert card.dev_wer == unbroken["lora"].dev_wer


@pytest.mark.parametrize("evaluation", [1, 2])
def test_a_stop_while_dev_is_decoded_loses_no_candidate(
    evaluation: int,
    toy: Path,
    tmp_path: Path,
    unbroken: dict[str, AdapterCard],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = StopRequest()
    calls = 0

    def stopping(*arguments: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == evaluation:
            stop.signal_name = "SIGINT"
        decode(*arguments, **named)

    decode = decode_arms
    monkeypatch.setattr(selection, "decode_arms", stopping)
    with pytest.raises(Stopped):
        train_toy(toy, toy_job(toy), tmp_path / "out", stop=stop)
    card = train_toy(toy, toy_job(toy), tmp_path / "out", resume=True)
    assert card.dev_wer == unbroken["lora"].dev_wer
    assert card.weights_sha256 == unbroken["lora"].weights_sha256


def test_a_second_stop_while_the_same_dev_is_decoded_loses_no_candidate(
    toy: Path, tmp_path: Path, unbroken: dict[str, AdapterCard], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, out = toy_job(toy), tmp_path / "out"
    for resume in (False, True, True):
        stop = StopRequest()

        def stopping(*arguments: Any, asked: StopRequest = stop) -> None:
            asked.signal_name = "SIGTERM"
            decode_arms(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(selection, "decode_arms", stopping)
            with pytest.raises(Stopped):
                train_toy(toy, job, out, resume=resume, stop=stop)
    card = train_toy(toy, job, out, resume=True)
    assert card.dev_wer == unbroken["lora"].dev_wer
    assert card.weights_sha256 == unbroken["lora"].weights_sha256


def test_training_time_is_counted_over_stops(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each checkpoint, since nobody can note it when killed, and whatever ends training."""
    job, out = toy_job(toy), tmp_path / "out"
    record = out / "training" / "seconds.json"
    noted: list[float] = []

    def observe(status: TrainStatus) -> None:
        noted.append(json.loads(record.read_text()) if record.exists() else 0.0)

    def interrupted(*_: object) -> None:
        raise Stopped("while strengths are measured")

    with monkeypatch.context() as patch:
        patch.setattr(DevMeasure, "strengths", interrupted)
        with pytest.raises(Stopped):
            train_toy(toy, job, out, observer=observe)
    assert noted[:4] == [0.0] * 4
    assert 0 < noted[4] == noted[-1] < json.loads(record.read_text())
    spent = json.loads(record.read_text())
    assert train_toy(toy, job, out, resume=True).training_s > spent


def test_a_run_killed_while_the_adapter_is_published_goes_on(
    toy: Path,
    tmp_path: Path,
    unbroken: dict[str, AdapterCard],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_card", killed)
        with pytest.raises(KeyboardInterrupt):
            train_toy(toy, toy_job(toy), tmp_path / "out")
    card = train_toy(toy, toy_job(toy), tmp_path / "out", resume=True)
    assert card.weights_sha256 == unbroken["lora"].weights_sha256


def test_a_damaged_newest_checkpoint_costs_steps_and_nothing_else(
    toy: Path, tmp_path: Path, unbroken: dict[str, AdapterCard]
) -> None:
    job, out = toy_job(toy), tmp_path / "out"
    stopped_at(6, toy, job, out)
    newest = max((out / "training" / "checkpoints").iterdir())
    (newest / "optimizer.pt").write_bytes(b"")
    card = train_toy(toy, job, out, resume=True)
    assert card.weights_sha256 == unbroken["lora"].weights_sha256


@pytest.mark.parametrize(
    ("wers", "chosen"),
    [((0.5, 0.4), 8), ((0.4, 0.5), 4), ((0.4, 0.4), 8)],
    ids=["last", "first", "last of equals"],
)
def test_the_step_with_the_lowest_dev_wer_is_chosen(
    wers: tuple[float, float],
    chosen: int,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: dict[int, bytes] = {}

    def seen(log: Path) -> None:
        kept[int(log.parent.name.removeprefix("candidate-"))] = (
            log.parent / "adapter_model.safetensors"
        ).read_bytes()

    hear(monkeypatch, [*wers, 1.0, 1.0, 1.0], seen)  # any part of the strength is worse
    card = train_toy(toy, toy_job(toy), tmp_path / "out")
    assert card.chosen_step == chosen
    assert [row["wer"] for row in card.dev_wer] == list(wers)
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() == kept[chosen]
    assert kept[4] != kept[8]


@pytest.mark.parametrize(
    ("wers", "strength"),
    [((0.5, 0.4, 0.3, 0.4), 0.6), ((0.3, 0.4, 0.5, 0.6), 1.0), ((0.3, 0.4, 0.3, 0.5), 0.6)],
    ids=["part", "full", "weakest of equals"],
)
def test_the_strength_with_the_lowest_dev_wer_is_stored(
    wers: tuple[float, ...],
    strength: float,
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hear(monkeypatch, [1.0, *wers])  # the candidate of step 4, then that of step 8 at each strength
    card = train_toy(toy, toy_job(toy), tmp_path / "out")
    assert [row["wer"] for row in card.strength_wer] == list(wers)
    assert card.strength == strength


@pytest.mark.parametrize(("method", "lines"), [("lora", 1), ("full", 0)])
def test_measuring_strengths_is_shown_to_its_end(
    toy: Path, tmp_path: Path, method: str, lines: int
) -> None:
    shown: list[list[tuple[int, int]]] = []

    def start(title: str) -> Callable[[int, int], None]:
        assert "strengths" in title
        shown.append([])
        return lambda done, total: shown[-1].append((done, total))

    card = train_toy(toy, toy_job(toy, method), tmp_path / method, progress_for=start)
    total = len(card.strength_wer)
    assert shown == [[(done, total) for done in range(1, total + 1)]] * lines


def test_a_stop_between_strengths_decodes_nothing_twice(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbroken: dict[str, AdapterCard]
) -> None:
    stop = StopRequest()
    decoded: list[Path] = []

    def counted(*arguments: Any) -> None:
        decoded.append(arguments[-1].path)
        if len(decoded) == 4:  # two candidates, and strengths 0.8 and 0.6 of the chosen one
            stop.signal_name = "SIGTERM"
        decode_batch(*arguments)

    monkeypatch.setattr("asr_adapt.decode.decode_batch", counted)
    train_toy(toy, toy_job(toy), tmp_path / "whole")
    names = [path.parts[-2:] for path in decoded]
    decoded.clear()
    with pytest.raises(Stopped):
        train_toy(toy, toy_job(toy), tmp_path / "out", stop=stop)
    card = train_toy(toy, toy_job(toy), tmp_path / "out", resume=True)
    assert [path.parts[-2:] for path in decoded] == names
    assert [name for _, name in names[2:]] == ["dev-0.8.jsonl", "dev-0.6.jsonl", "dev-0.4.jsonl"]
    assert card.strength_wer == unbroken["lora"].strength_wer
    assert card.strength == unbroken["lora"].strength


def test_dev_wer_pools_errors_over_both_prompt_conditions(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two words wrong without prompts, none with them: 1 of 4."""

    def decode(_m: Any, dev: list[Utterance], arms: list[Any], _s: Any, log: Any, _: Any) -> None:
        for arm in arms:
            text = "ship tug" if arm.prompts else "ship mast"
            log.append([Hypothesis(u.utterance_id, arm.name, text) for u in dev])

    monkeypatch.setattr(selection, "decode_arms", decode)
    dev = [replace(u, reference="ship tug") for u in toy_job(toy).dev]
    found = selection.word_errors(
        toy_base(toy), dev, toy_job(toy), tmp_path / "dev.jsonl", StopRequest()
    )
    assert found.wer == pytest.approx(0.25)
    assert set(found.errors) == {1}
    assert set(found.words) == {4}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"normaliser": "spoken-en"},
        {"settings": TrainSettings(epochs=3)},
        {"train": ()},
    ],
    ids=["seed", "normaliser", "epochs", "data"],
)
def test_another_job_is_not_resumed(change: dict[str, Any], toy: Path, tmp_path: Path) -> None:
    job = toy_job(toy)
    stopped_at(1, toy, job, tmp_path / "out")
    if "train" in change:
        change = {"train": [replace(u, reference="ship") for u in job.train]}
    with pytest.raises(UsageError, match="other data or settings"):
        train_toy(toy, replace(job, **change), tmp_path / "out", resume=True)


def test_an_unfinished_run_is_not_overwritten(toy: Path, tmp_path: Path) -> None:
    stopped_at(1, toy, toy_job(toy), tmp_path / "out")
    before = sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "out").rglob("*"))
    with pytest.raises(UsageError, match="--resume"):
        train_toy(toy, toy_job(toy), tmp_path / "out")
    assert before == sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "out").rglob("*"))


def test_resuming_where_nothing_was_begun_begins(
    toy: Path, tmp_path: Path, unbroken: dict[str, AdapterCard]
) -> None:
    """A signal may come before the first file is written; its message promises --resume."""
    said: list[str] = []
    card = training.finetune(
        toy_base(toy),
        toy_job(toy),
        tmp_path / "out",
        resume=True,
        stop=StopRequest(),
        notice=said.append,
    )
    assert card.weights_sha256 == unbroken["lora"].weights_sha256
    assert any("step 0" in line for line in said)  # never silently


def test_the_card_says_what_was_trained(
    toy: Path, tmp_path: Path, unbroken: dict[str, AdapterCard]
) -> None:
    job, card = toy_job(toy), unbroken["lora"]
    plans = plan_batches([u.duration_s for u in job.train], 4, 2, job.seed)
    assert card.steps == len(plans) == STEPS
    assert card.label_minutes == pytest.approx(sum(u.duration_s for u in job.train) / 60, abs=0.01)
    assert not card.hears_silence
    assert card.base_sha256 == toy_base(toy).sha256
    assert len(card.trained_on["speakers"]) == len({u.speaker for u in [*job.train, *job.dev]})
    assert set(card.phrases) <= {p for u in job.train for p in u.context}
    assert json.loads(json.dumps(dict(card.settings)))["epochs"] == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 2}, "seed"),
        ({"normaliser": "spoken-en"}, "normaliser"),
        ({"prompts": PromptSettings(budget_tokens=40)}, "prompts.budget_tokens"),
        ({"settings": {"epochs": 3}}, "settings.epochs"),
        ({"settings": {"members": 2}}, "settings.members"),
        ({"settings": {"augment": Augmentation(channel="vhf")}}, "settings.augment.channel"),
        ({"train": "ship"}, "train"),
        ({"dev": "ship"}, "dev"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_finished_adapter_of_another_job_is_named(
    change: dict[str, Any], says: str, toy: Path, unbroken: dict[str, AdapterCard], done: Path
) -> None:
    job, sha256 = toy_job(toy), unbroken["lora"].base_sha256
    assert finished_adapter(done, job, sha256) == unbroken["lora"]
    for key, value in change.items():
        if key == "settings":
            change = {key: replace(job.settings, **value)}
        elif isinstance(value, str) and key in ("train", "dev"):
            change = {key: [replace(u, reference=value) for u in getattr(job, key)]}
    with pytest.raises(UsageError, match=rf"another run, which differs in {says};"):
        finished_adapter(done, replace(job, **change), sha256)


def test_no_adapter_is_finished_where_none_is_nor_on_another_model(
    toy: Path, done: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="the model"):
        finished_adapter(done, toy_job(toy), "0" * 64)
    assert finished_adapter(tmp_path / "nowhere", toy_job(toy), "0" * 64) is None


@pytest.mark.parametrize("where", ["train", "dev"])
def test_a_reference_whisper_cannot_hold_is_named(where: str, toy: Path, tmp_path: Path) -> None:
    job = toy_job(toy)
    rows = list(getattr(job, where))
    rows[2] = replace(rows[2], reference="ship " * 100)  # the toy's tokens are bytes
    bad = replace(job, train=rows) if where == "train" else replace(job, dev=rows)
    with pytest.raises(DataError, match=rf"'{rows[2].utterance_id}'.*tokens long"):
        train_toy(toy, bad, tmp_path / "out")
    assert not (tmp_path / "out").exists()  # nothing to clear away before the next try


def test_jobs_that_cannot_choose_a_step_are_refused(toy: Path, tmp_path: Path) -> None:
    job = toy_job(toy)
    with pytest.raises(DataError, match="no dev"):
        train_toy(toy, replace(job, dev=()), tmp_path / "out")
    silent = [replace(u, reference="") for u in job.dev]
    with pytest.raises(DataError, match="no word"):
        train_toy(toy, replace(job, dev=silent), tmp_path / "silent")
    assert not (tmp_path / "silent").exists()  # before anything was trained
    unknown = [replace(u, reference=None) for u in job.train]
    with pytest.raises(DataError, match=unknown[0].utterance_id):
        train_toy(toy, replace(job, train=unknown), tmp_path / "unlabelled")


def test_a_step_that_has_learned_nothing_yet_is_measured_all_the_same(
    toy: Path, tmp_path: Path
) -> None:
    """The first step's learning rate is 0 where the rate rises, so lora_B is still 0 after it."""
    settings = replace(
        toy_job(toy).settings, epochs=1, batch_size=2, evaluations=4, warmup_share=0.5
    )
    job = replace(toy_job(toy), settings=settings, train=toy_job(toy).train[:8])
    assert [row["step"] for row in train_toy(toy, job, tmp_path / "out").dev_wer] == [1, 2, 3, 4]


def test_the_whole_slack_range_trains(toy: Path, tmp_path: Path) -> None:
    """Slack is drawn up to twice the setting; that must not leave the window's range."""
    settings = replace(
        toy_job(toy).settings, window_slack_frames=1400, epochs=1, evaluations=1, batch_size=2
    )
    job = replace(toy_job(toy), settings=settings, train=toy_job(toy).train[:8])
    assert train_toy(toy, job, tmp_path / "out").window_slack_frames == 1400


def test_a_batch_is_one_item_and_a_second_one_is_not_lost() -> None:
    item = {"labels": torch.zeros(2, 3)}
    assert trainer.only_item([item]) is item
    with pytest.raises(ValueError, match="too many values"):
        trainer.only_item([item, item])


def test_training_on_another_gpu_than_the_first_says_how() -> None:
    for name in ("cpu", "cuda", "cuda:0"):
        trainer.check_device(torch.device(name))
    with pytest.raises(EnvironmentProblem, match="CUDA_VISIBLE_DEVICES=3"):
        trainer.check_device(torch.device("cuda:3"))


@pytest.mark.parametrize("method", METHODS)
def test_the_base_stays_as_it_came(method: str, toy: Path) -> None:
    base = toy_base(toy)
    model = trainer.trainable(base, toy_job(toy, method))
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(1)
    before = toy_base(toy).network.state_dict()
    after = base.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_is_that_of_an_independent_computation(method: str, toy: Path) -> None:
    job = toy_job(toy, method)
    model = trainer.trainable(toy_base(toy), job)
    model.network.eval()  # no dropout
    plans = plan_batches([u.duration_s for u in job.train], 4, 2, job.seed)
    batch = trainer.training_batches(model, job, job.train, plans, [None] * len(job.train))[0]
    loss = float(trainer.training_loss(model, batch).detach())

    whisper = model.whisper.double()
    with torch.inference_mode():
        hidden = encode(whisper, batch["input_features"].double())
        total, count = 0.0, 0
        for row in range(len(hidden)):
            logits = whisper(
                encoder_outputs=(hidden[row : row + 1],),
                decoder_input_ids=batch["decoder_input_ids"][row : row + 1],
            ).logits[0]
            for place, label in enumerate(batch["labels"][row].tolist()):
                if label != -100:
                    total -= float(logits[place].log_softmax(-1)[label])
                    count += 1
    assert loss == pytest.approx(total / count, rel=1e-5)


def test_a_soft_target_that_is_sure_of_the_text_is_the_text(toy: Path) -> None:
    """And one that is not costs what the KL divergence and its own entropy are, in float64."""
    job = toy_job(toy)
    model = trainer.trainable(toy_base(toy), job)
    model.network.eval()
    rows = job.train[:4]
    plans = [BatchPlan(0, tuple(range(4)))]
    hard = trainer.training_batches(model, job, rows, plans, [None] * 4)[0]
    places = [labels[labels != IGNORED_LABEL] for labels in hard["labels"]]
    sure = [
        SoftText(ids=labels[:, None].int(), shares=torch.ones(len(labels), 1)) for labels in places
    ]
    same = trainer.training_batches(model, job, rows, plans, sure)[0]
    assert all(torch.equal(hard[name], same[name]) for name in hard)

    unsure = [_drawn_soft(len(labels), seed) for seed, labels in enumerate(places)]
    soft = trainer.training_batches(model, job, rows, plans, unsure)[0]
    loss = float(trainer.training_loss(model, soft).detach())
    whisper = model.whisper.double()
    terms: list[float] = []
    with torch.inference_mode():
        for i, drawn in enumerate(unsure):
            hidden = encode(whisper, soft["input_features"][i : i + 1].double())
            logits = whisper(
                encoder_outputs=(hidden,), decoder_input_ids=soft["decoder_input_ids"][i : i + 1]
            ).logits[0]
            found = logits[soft["labels"][i] != IGNORED_LABEL].log_softmax(-1)
            target = torch.zeros_like(found)
            told = drawn.cut(job.settings.replay.likeliest)
            target.scatter_(-1, told.ids.long(), told.shares.double())
            divergence = torch.nn.functional.kl_div(found, target, reduction="none").sum(-1)
            entropy = -torch.xlogy(target, target).sum(-1)
            terms += (divergence + entropy).tolist()
    assert loss == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def _drawn_soft(places: int, seed: int) -> SoftText:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(places, 250, generator=generator)
    return likeliest(logits)
