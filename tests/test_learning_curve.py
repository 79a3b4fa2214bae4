"""The learning curve: its law is the least-squares one, its labels nest, and it goes on."""

from __future__ import annotations

import json
import math
import signal
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from asr_adapt.adapter import AdapterCard, read_card
from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.cli import main
from asr_adapt.config import load_recipe
from asr_adapt.curve import draw as learning_curve
from asr_adapt.curve.draw import CurveJob, curve_on_dev, run_curve
from asr_adapt.curve.parts import nested_parts, point_job
from asr_adapt.curve.power_law import PowerLaw, fit_power_law, resampled_laws
from asr_adapt.curve.record import (
    CurveArm,
    CurvePoint,
    Estimate,
    LearningCurve,
    read_curve,
    write_curve,
)
from asr_adapt.curve.scores import fit_arm, score_points
from asr_adapt.errors import DataError, Stopped, UsageError
from asr_adapt.evaluation_job import EvaluationJob, TestSet
from asr_adapt.manifest import write_manifest
from asr_adapt.progress import ProgressDisplay
from asr_adapt.records import Hypothesis, Utterance
from asr_adapt.reporting import build, plots
from asr_adapt.reporting.build import build_report
from asr_adapt.reporting.curve import price, recommendation, unsure
from asr_adapt.scoring.score import score_run
from asr_adapt.settings import DecodeSettings, PromptSettings, TrainSettings
from asr_adapt.stopping import StopRequest
from asr_adapt.training.train_job import TrainJob
from asr_adapt.training.watched import train_watched
from tests.conftest import ROOT
from tests.test_flow import begin
from tests.test_flow import said as said_so_far
from tests.toys import table, toy_job, toy_rows, toy_weights

MINUTES = (5.0, 10.0, 20.0, 40.0)


@settings(max_examples=40)
@given(
    floor=st.floats(0.0, 0.3),
    scale=st.floats(0.05, 2.0),
    exponent=st.floats(0.05, 1.5),
    minutes=st.lists(st.integers(1, 300), min_size=3, max_size=6, unique=True),
)
def test_points_on_a_law_give_that_law(
    floor: float, scale: float, exponent: float, minutes: list[int]
) -> None:
    law = PowerLaw(floor, scale, exponent)
    found = fit_power_law([float(m) for m in minutes], [law(m) for m in minutes])
    for m in np.geomspace(min(minutes), max(minutes), 9):
        assert found(m) == pytest.approx(law(m), abs=1e-5)


def test_four_points_give_the_numbers_of_the_law() -> None:
    law = PowerLaw(0.1, 0.6, 0.4)
    found = fit_power_law(MINUTES, [law(m) for m in MINUTES])
    assert found.floor == pytest.approx(0.1, abs=1e-6)
    assert found.scale == pytest.approx(0.6, abs=1e-6)
    assert found.exponent == pytest.approx(0.4, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_law_is_the_one_scipys_curve_fit_finds(seed: int) -> None:
    """Both minimise the same squares: neither may leave less over than the other."""
    noise = np.random.default_rng(seed).normal(0, 0.01, 6)
    x = np.array([2.0, 5.0, 10.0, 20.0, 40.0, 80.0])
    y = 0.12 + 0.7 * x**-0.5 + noise

    def model(m: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return np.asarray(a + b * m**-c)

    theirs, _ = curve_fit(
        model, x, y, p0=(0.1, 0.5, 0.5), bounds=([0, 0, 0.01], [1, 50, 3]), xtol=1e-12, ftol=1e-12
    )
    ours = fit_power_law(x.tolist(), y.tolist())
    left_by_theirs = float(np.sum((y - model(x, *theirs)) ** 2))
    left_by_ours = sum((b - ours(a)) ** 2 for a, b in zip(x, y, strict=True))
    assert left_by_ours <= left_by_theirs * (1 + 1e-6)
    assert ours(160.0) == pytest.approx(model(np.array(160.0), *theirs), abs=1e-3)


def test_rates_that_rise_give_a_flat_law() -> None:
    law = fit_power_law(MINUTES, [0.2, 0.2, 0.25, 0.3])
    assert law(80.0) == pytest.approx(law(5.0))
    assert law.minutes_for(0.1) == math.inf


def test_two_points_are_refused() -> None:
    with pytest.raises(UsageError, match="3 points"):
        fit_power_law([5.0, 5.0, 10.0], [0.3, 0.3, 0.2])


def rows(count: int, seed: int = 0) -> list[Utterance]:
    """Return labelled utterances of 1 to 9 s by a dozen speakers."""
    lengths = np.random.default_rng(seed).uniform(1.0, 9.0, count)
    return [
        Utterance(f"u{i:03d}", Path(f"u{i}.wav"), 0.0, float(s), "a b c d", speaker=f"s{i % 12}")
        for i, s in enumerate(lengths)
    ]


def silent(_: str) -> None:
    """Take a notice and say nothing."""


@settings(max_examples=30)
@given(
    count=st.integers(1, 80),
    minutes=st.lists(st.floats(0.05, 10.0), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_each_part_holds_the_smaller_ones_and_no_more_than_it_needs(
    count: int, minutes: list[float], seed: int
) -> None:
    data = rows(count)
    parts = nested_parts(data, minutes, seed, silent)
    for smaller, larger in pairwise(parts):
        assert {u.utterance_id for u in smaller.utterances} < {
            u.utterance_id for u in larger.utterances
        }
    for part in parts:
        found = sum(u.duration_s for u in part.utterances) / 60
        assert [u for u in data if u in part.utterances] == list(part.utterances)
        assert found >= part.asked_minutes or len(part.utterances) == count
        assert found - part.asked_minutes <= max(u.duration_s for u in data) / 60
    assert parts == nested_parts(data, minutes, seed, silent)


def test_more_minutes_than_there_are_end_with_all_there_is_and_a_notice() -> None:
    data = rows(30)
    there = sum(u.duration_s for u in data) / 60
    notices: list[str] = []
    parts = nested_parts(data, [1.0, 40.0, 80.0], 1, notices.append)
    assert [part.folder for part in parts] == ["1", f"{there:.1f}"]
    assert list(parts[-1].utterances) == data
    assert f"40 minutes asked for, {there:.1f} are there" in notices[0]
    assert "80 minutes" in notices[1]


def test_another_seed_draws_other_labels() -> None:
    first, second = (nested_parts(rows(60), [2.0], seed, silent)[0] for seed in (1, 2))
    assert list(first.utterances) != list(second.utterances)


def test_no_labels_are_refused() -> None:
    with pytest.raises(DataError, match="no labelled"):
        nested_parts([], [5.0], 1, silent)


def test_a_point_trains_on_its_labels_with_as_much_less_general_speech(toy: Path) -> None:
    job = replace(toy_job(toy), train=rows(60), general=rows(50, 7))
    small, whole = nested_parts(job.train, [2.0, 99.0], 1, silent)
    share = sum(u.duration_s for u in small.utterances) / sum(u.duration_s for u in job.train)
    assert point_job(job, small).settings.replay.clips == round(share * 40)  # 10 of 50 measure
    assert point_job(job, whole) == job


def heard(data: list[Utterance], arm: str, wrong: float, seed: int) -> list[Hypothesis]:
    """Return texts with a share of the words wrong."""
    dice = np.random.default_rng(seed)
    return [
        Hypothesis(
            u.utterance_id,
            arm,
            " ".join("x" if dice.random() < wrong else w for w in (u.reference or "").split()),
        )
        for u in data
    ]


def test_points_score_as_a_run_of_each_would() -> None:
    """Same words, same blocks, same seed: `score_run` is the reference."""
    data = rows(40)
    texts = [
        heard(data, "base", 0.6, 1),
        heard(data, "lora", 0.4, 2) + heard(data, "lora+bias", 0.3, 3),
        heard(data, "lora", 0.2, 4) + heard(data, "lora+bias", 0.1, 5),
    ]
    scores = score_points(data, texts, "raw", 3)
    for arms, hypotheses in zip(scores.arms, texts, strict=True):
        run = score_run(data, hypotheses, "raw", 3)
        assert [arm.name for arm in arms] == [arm.arm for arm in run.arms]
        for ours, theirs in zip(arms, run.arms, strict=True):
            assert ours.wer.value == pytest.approx(theirs.wer)
            assert (ours.wer.low, ours.wer.high) == pytest.approx(theirs.wer_ci95)
            assert ours.errors == theirs.words.errors


def test_an_utterance_that_one_point_failed_on_counts_for_none() -> None:
    data = rows(20)
    first, second = heard(data, "base", 0.0, 1), heard(data, "lora", 0.5, 2)
    second[0] = replace(second[0], error="no sound")
    scores = score_points(data, [first, second], "raw", 1)
    assert scores.utterances == 19
    assert {arm.words for arms in scores.arms for arm in arms} == {19 * 4}


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(DataError, match="none to score"):
        score_points(rows(3), [[]], "raw", 1)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Made-up curves with a known law: of 40 intervals of 95 %, nearly all hold the truth."""
    law = PowerLaw(0.1, 0.6, 0.5)
    truth = [law(m) for m in MINUTES]
    dice = np.random.default_rng(5)
    held = 0
    for seed in range(40):
        tested = dice.normal(0, 0.01)  # the test speech is hard or easy for all points alike
        rates = [rate + tested + dice.normal(0, 0.004) for rate in truth]
        draws = np.array(rates) + dice.normal(0, 0.01, (100, 1)) + dice.normal(0, 0.004, (100, 4))
        fit = fit_arm("lora", MINUTES, rates, draws, seed)
        assert fit is not None
        assert fit.doubled.high is not None
        held += fit.doubled.low <= law(80.0) <= fit.doubled.high
    assert held >= 34


def test_draws_without_noise_give_the_law_itself() -> None:
    law = PowerLaw(0.1, 0.6, 0.4)
    rates = [law(m) for m in MINUTES]
    fit = fit_arm("lora", MINUTES, rates, np.tile(rates, (20, 1)), 1)
    assert fit is not None
    assert (fit.now.value, fit.doubled.value) == pytest.approx((law(40.0), law(80.0)), abs=1e-5)
    assert (fit.doubled.low, fit.doubled.high) == pytest.approx((law(80.0),) * 2, abs=1e-4)
    assert fit.next_point_minutes is not None
    price = law.minutes_for(law(40.0) - 0.01) - 40.0
    assert fit.next_point_minutes.value == pytest.approx(price, rel=1e-2)
    assert fit.band[0].minutes == pytest.approx(5.0)
    assert fit.band[-1].minutes == pytest.approx(80.0)


def test_three_points_say_what_their_interval_does_not_know() -> None:
    rates = [0.4, 0.3, 0.25]
    fit = fit_arm("lora", MINUTES[:3], rates, np.tile(rates, (20, 1)), 1)
    assert fit is not None
    assert "three points" in fit.caveat
    laws = resampled_laws(MINUTES[:3], rates, np.tile(rates, (3, 1)), 1)
    assert laws[0](20.0) == pytest.approx(0.25, abs=1e-4)
    assert fit_arm("lora", MINUTES[:2], rates[:2], np.tile(rates[:2], (20, 1)), 1) is None


def toy_curve_job(toy: Path, minutes: tuple[float, ...] = (0.05, 0.1, 0.2)) -> CurveJob:
    """Return a curve of a few seconds of tones, 4 steps a point at most."""
    training = toy_job(toy)
    settings = replace(training.settings, epochs=1, evaluations=1)
    dev = TestSet("dev", "domain", "dev of the toy", toy_rows(toy, "dev")[:4])
    scoring = EvaluationJob(
        sets=[dev],
        weights=toy_weights(toy),
        adapter=None,
        bias_list=None,
        prompts=PromptSettings(),
        decode=DecodeSettings(),
        normaliser="raw",
        device="cpu",
        seed=1,
    )
    return CurveJob(replace(training, settings=settings), minutes, scoring, chose=True)


def draw_curve(
    job: CurveJob, out: Path, *, resume: bool = False, stop: StopRequest | None = None
) -> LearningCurve:
    """Draw a curve without showing progress."""
    with ProgressDisplay(quiet=True) as display:
        return run_curve(job, out, resume=resume, stop=stop or StopRequest(), display=display)


@pytest.fixture(scope="module")
def toy_curve(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished curve."""
    out = tmp_path_factory.mktemp("curve") / "toy"
    draw_curve(toy_curve_job(toy), out)
    return out


def test_a_curve_has_a_point_for_each_adapter_and_the_base_model(
    toy: Path, toy_curve: Path
) -> None:
    curve = read_curve(toy_curve / "curve.json")
    assert curve.finished
    assert curve.points[0].minutes == 0
    assert {arm.name for arm in curve.points[0].arms} <= {"base", "base+bias"}
    for point in curve.trained:
        card = read_card(toy_curve / point.folder)
        assert point.adapter_sha256 == card.weights_sha256
        assert (point.minutes, point.steps) == (card.label_minutes, card.steps)
        assert {arm.name for arm in point.arms} <= {"lora", "lora+bias"}
    sizes = [point.utterances for point in curve.trained]
    assert sizes == sorted(set(sizes))
    assert {fit.arm for fit in curve.fits} == {arm.name for arm in curve.trained[0].arms}


def test_a_curve_that_was_stopped_goes_on_and_ends_like_an_unbroken_one(
    toy: Path, toy_curve: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    whole = train_watched

    def stopping(*arguments: object, **named: object) -> AdapterCard:
        stop.signal_name = "SIGTERM" if len(trained) == 1 else ""
        stop.check()
        trained.append(Path(str(arguments[2])).name)
        return whole(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(learning_curve, "train_watched", stopping)
    stop = StopRequest()
    with pytest.raises(Stopped):
        draw_curve(toy_curve_job(toy), tmp_path / "out", stop=stop)
    begun = read_curve(tmp_path / "out/curve.json")
    assert (begun.finished, len(begun.trained)) == (False, 1)
    stop = StopRequest()
    trained.append("a second stop is not wanted")
    curve = draw_curve(toy_curve_job(toy), tmp_path / "out", resume=True, stop=stop)
    assert trained == ["0.05", "a second stop is not wanted", "0.1", "0.2"]

    def timeless(curve: LearningCurve) -> LearningCurve:
        return replace(curve, points=tuple(replace(p, training_s=0.0) for p in curve.points))

    assert timeless(curve) == timeless(read_curve(toy_curve / "curve.json"))


def test_a_finished_curve_is_not_drawn_again(
    toy: Path, toy_curve: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_curve, "train_watched", None)
    again = draw_curve(toy_curve_job(toy), toy_curve, resume=True)
    assert again == read_curve(toy_curve / "curve.json")


def test_a_folder_of_other_work_is_refused(toy: Path, toy_curve: Path, tmp_path: Path) -> None:
    job = toy_curve_job(toy)
    with pytest.raises(UsageError, match="--resume"):
        draw_curve(job, toy_curve)
    with pytest.raises(UsageError, match="points or settings"):
        draw_curve(replace(job, minutes=(0.05, 0.15)), toy_curve, resume=True)
    adapter = next(path.parent for path in toy_curve.glob("*/asr_adapt.json"))
    with pytest.raises(UsageError, match="holds an adapter"):
        draw_curve(job, adapter)


def test_a_curve_without_an_arm_that_is_trained_is_refused(toy: Path, tmp_path: Path) -> None:
    job = toy_curve_job(toy)
    told_nothing = replace(job, scoring=replace(job.scoring, arms=("base",)))
    with pytest.raises(UsageError, match="lora"):
        draw_curve(told_nothing, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "another"}, "not a learning curve"),
        ({"version": 2}, "version 1"),
        ({"colour": "red"}, "colour: unknown key"),
        ({"points": [{"minutes": "ten"}]}, "points[0]"),
        ({"epochs": 1.5}, "epochs"),
    ],
)
def test_a_file_that_is_no_curve_is_refused_by_name(
    change: dict[str, object], said: str, toy_curve: Path, tmp_path: Path
) -> None:
    content = json.loads((toy_curve / "curve.json").read_text())
    path = tmp_path / "curve.json"
    path.write_text(json.dumps({**content, **change}))
    with pytest.raises(DataError) as caught:
        read_curve(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"epochs": NaN}', "{", "null"])
def test_a_torn_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"curve\.json"):
        read_curve(path)


# --- what it says, and the report ----------------------------------------------------------------


def known_curve(
    rates: list[float], spread: float, minutes: tuple[float, ...] = MINUTES
) -> LearningCurve:
    """Return a finished curve of ``lora+bias`` with these rates, each as unsure as ``spread``."""
    draws = np.array(rates) + np.random.default_rng(1).normal(0, spread, (200, len(rates)))
    points = [CurvePoint("base", 0.0, 0.0, 0, (curve_arm("base", 0.6),))]
    points += [
        CurvePoint(f"{m:g}", m, m, int(10 * m), (curve_arm("lora+bias", rate),), 8, 60.0, 1.0, "ab")
        for m, rate in zip(minutes, rates, strict=True)
    ]
    fit = fit_arm("lora+bias", minutes, rates, np.maximum(draws, 0), 1)
    return LearningCurve(
        finished=True,
        job_sha256="0",
        model="whisper-tiny.en",
        model_sha256="0",
        method="lora",
        epochs=3,
        seed=1,
        normaliser="raw",
        available_minutes=max(minutes),
        scored_on="calls | <b>dev</b>",
        scored_utterances=40,
        chose=True,
        blocks="speaker",
        n_blocks=12,
        points=tuple(points),
        fits=(fit,) if fit else (),
    )


def curve_arm(name: str, rate: float) -> CurveArm:
    """Return an arm's score of 1000 words."""
    return CurveArm(name, Estimate(rate, 0.9 * rate, 1.1 * rate), round(1000 * rate), 1000)


LAW = PowerLaw(0.05, 0.8, 0.5)
CLEAR = [LAW(m) for m in MINUTES]


def test_a_clear_curve_says_what_twice_the_labels_bring_and_what_a_point_costs() -> None:
    said = recommendation(known_curve(CLEAR, 0.002))
    now, then = (f"{100 * LAW(m):.1f}" for m in (40.0, 80.0))
    assert said.startswith("More labels are worth it: doubling the labels from 40 to 80 minutes")
    assert f"from {now} to about {then} % (" in said
    cost = LAW.minutes_for(LAW(40.0) - 0.01) - 40.0
    assert f"costs about {cost:.1f} more minutes" in said


def test_a_flat_curve_says_that_more_labels_bring_little() -> None:
    said = recommendation(known_curve([0.3, 0.21, 0.2, 0.2], 0.0005))
    assert said.startswith("More labels of this kind bring little")


def test_an_unsure_curve_says_that_it_cannot_say() -> None:
    curve = known_curve([0.5, 0.55, 0.35, 0.3], 0.08)
    assert unsure(curve.fits[0])
    assert recommendation(curve).startswith("The learning curve cannot say")


def test_too_few_points_and_unfinished_curves_say_so() -> None:
    assert "2 points" in recommendation(known_curve(CLEAR[:2], 0.001, MINUTES[:2]))
    unfinished = replace(known_curve(CLEAR, 0.001), finished=False)
    assert "not finished" in recommendation(unfinished)


def test_a_point_that_is_never_reached_has_no_price() -> None:
    fit = known_curve([0.3, 0.21, 0.2, 0.2], 0.0005).fits[0]
    assert "more than twice" in price(fit)


def test_a_curve_reads_back_as_it_was_written(tmp_path: Path) -> None:
    curve = known_curve(CLEAR, 0.002)
    write_curve(tmp_path / "curve.json", curve)
    assert read_curve(tmp_path / "curve.json") == curve


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A decoded run of two arms."""
    data = rows(12)
    folder = tmp_path / "run" / "sets" / "calls"
    folder.mkdir(parents=True)
    write_manifest(folder / "manifest.jsonl", data)
    found = heard(data, "base", 0.6, 1) + heard(data, "lora+bias", 0.2, 2)
    (folder / "hypotheses.jsonl").write_text("".join(json.dumps(h.to_json()) + "\n" for h in found))
    entry = {"name": "calls", "role": "domain", "title": "Calls"}
    for kind, name in (("manifest", "manifest.jsonl"), ("hypotheses", "hypotheses.jsonl")):
        entry[kind] = f"sets/calls/{name}"
    record = {
        "kind": "asr-adapt run",
        "normaliser": "raw",
        "model": {"name": "toy"},
        "sets": [entry],
    }
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    return tmp_path / "run"


def test_the_report_shows_the_curve_in_all_its_files(run_dir: Path, tmp_path: Path) -> None:
    curve = known_curve(CLEAR, 0.002)
    path = tmp_path / "curve.json"
    write_curve(path, curve)
    out = tmp_path / "report"
    build_report([run_dir], out, curve=path)
    content = json.loads((out / "report.json").read_text())
    schema = json.loads((Path(build.__file__).parent / "report.schema.json").read_text())
    jsonschema.validate(content, schema)
    said = recommendation(curve)
    assert content["learning_curve"]["recommendation"] == said
    assert content["learning_curve"]["points"][1]["arms"][0]["wer"]["value"] == CLEAR[0]
    page, text = ((out / name).read_text() for name in ("report.html", "report.md"))
    assert said in page
    assert said in text
    for rate in CLEAR:
        assert f"{100 * rate:.1f} %" in page
        assert f"{100 * rate:.1f} %" in text
    assert "calls | &lt;b&gt;dev&lt;/b&gt;" in page
    assert "<b>dev</b>" not in page + text
    assert 'aria-label="Word error rate by minutes of labels' in page


def test_a_curve_in_the_run_is_found_and_a_run_without_has_no_section(
    run_dir: Path, tmp_path: Path
) -> None:
    build_report([run_dir], tmp_path / "without")
    assert "learning_curve" not in json.loads((tmp_path / "without/report.json").read_text())
    assert 'id="curve"' not in (tmp_path / "without/report.html").read_text()
    (run_dir / "curve").mkdir()
    write_curve(run_dir / "curve/curve.json", known_curve(CLEAR, 0.002))
    build_report([run_dir], tmp_path / "with")
    assert "learning_curve" in json.loads((tmp_path / "with/report.json").read_text())


def test_the_same_curve_gives_the_same_picture() -> None:
    line = plots.CurveLine(
        "lora", "fine-tuned", ((5.0, 0.3, 0.2, 0.4),), ((5.0, 0.3, 0.2, 0.4), (10.0, 0.2, 0.1, 0.3))
    )
    assert plots.plot_curve([line]) == plots.plot_curve([line])
    assert "style=" not in plots.plot_curve([line])


# --- the command line ----------------------------------------------------------------------------


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the program in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["asr-adapt", *map(str, arguments)])
    try:
        main()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    return 0


def finetune_curve(toy: Path, folder: Path, minutes: str) -> list[str]:
    """Return a command that draws a curve from a user's own table, 1 epoch a point."""
    train_csv, dev_csv = (table(toy, folder, split) for split in ("train", "dev"))
    return [
        *("finetune", str(train_csv), "--dev", str(dev_csv), "--model", str(toy / "model")),
        *("--epochs", "1", "--normaliser", "raw", "--out", str(folder / "out")),
        *("--curve", minutes),
    ]


@pytest.mark.parametrize("minutes", ["", "ten", "0,5", "-1", "5,5.0", "5;10", "nan", "inf"])
def test_minutes_that_are_none_are_refused(
    minutes: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("nowhere.csv", "--model", "x", "--out", tmp_path / "out")
    assert call(monkeypatch, "finetune", *arguments, f"--curve={minutes}") == 2
    assert "--curve" in capsys.readouterr().err


@pytest.mark.slow
def test_finetune_draws_a_curve_that_survives_a_signal_and_reaches_the_report(
    toy: Path,
    run_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = finetune_curve(toy, tmp_path, "0.05,0.1")
    errors, path = tmp_path / "errors", tmp_path / "out" / "curve.json"
    assert begin(command, errors, lambda: "point 2" in said_so_far(errors), signal.SIGTERM) == 75
    begun = read_curve(path)
    assert (begun.finished, len(begun.trained)) == (False, 1)
    assert call(monkeypatch, *command) == 2
    capsys.readouterr()
    assert call(monkeypatch, *command, "--resume", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["curve"] == str(path)
    curve = read_curve(path)
    assert curve.finished
    assert curve.chose
    assert curve.trained[0] == begun.trained[0]
    assert [arm["wer"]["value"] for arm in printed["points"][1]["arms"]] == [
        arm.wer.value for arm in curve.trained[0].arms
    ]
    report = ("report", run_dir, "--curve", path, "--out", tmp_path / "report")
    assert call(monkeypatch, *report) == 0
    assert "2 points" in (tmp_path / "report/report.md").read_text()


@pytest.mark.slow
def test_a_recipe_draws_its_curve_on_its_first_test_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = ROOT / "recipes/toy/recipe.toml"
    settings = ("train.epochs=1", "train.evaluations=1")
    changes = [word for setting in settings for word in ("--set", setting)]
    places = ("--data", tmp_path / "data", "--out", tmp_path / "run")
    command = ("run", recipe, *changes, *places, "--curve", "0.05,0.1")
    assert call(monkeypatch, *command) == 0
    assert "curve: " in capsys.readouterr().out
    curve = read_curve(tmp_path / "run/curve/curve.json")
    title = load_recipe(recipe).test[0].title
    assert (curve.scored_on, curve.chose, curve.finished) == (title, False, True)
    assert call(monkeypatch, *command) == 0  # and is not drawn again
    assert read_curve(tmp_path / "run/curve/curve.json") == curve


CALLS = (
    "Elbe Pilot, this is Baltic Star, we are two miles west of the buoy.",
    "Baltic Star, reduce your speed to six knots.",
    "All ships, keep clear of the fairway.",
)


def spoken_calls(folder: Path) -> list[Utterance]:
    """Have a synthetic voice speak the calls."""
    if package_files(PACKAGES["whisper-tiny.en"]) is None:
        pytest.skip("whisper-tiny.en is not installed")
    voice = pytest.importorskip("hibari").Hibari()
    made = []
    for number, text in enumerate(CALLS):
        sound = np.asarray(voice(text), np.float64)
        path = folder / f"call{number}.wav"
        soundfile.write(path, sound, 24_000)
        context = ("Baltic Star", "Elbe Pilot")
        length_s = len(sound) / 24_000
        made.append(Utterance(f"c{number}", path, 0.0, length_s, text, context=context))
    return made


@pytest.mark.slow
@pytest.mark.weights
def test_real_weights_learn_more_from_more_labels(tmp_path: Path) -> None:
    """Two tiny points of whisper-tiny.en: drawn, trained, scored; the record is whole."""
    spoken = spoken_calls(tmp_path)
    training = TrainJob(
        train=spoken,
        dev=spoken[:1],
        settings=TrainSettings(epochs=1, batch_size=2, evaluations=1),
        prompts=PromptSettings(),
        normaliser="spoken-en",
        seed=1,
    )
    weights = resolve_weights("whisper-tiny.en")
    job = curve_on_dev(training, (0.01, 0.1), weights, "cpu", "dev")
    curve = draw_curve(job, tmp_path / "out")
    assert curve.finished
    assert curve.model == "whisper-tiny.en"
    assert [arm.name for arm in curve.points[0].arms] == ["base", "base+bias"]
    assert len(curve.trained) == 2
    assert curve.trained[0].utterances < curve.trained[1].utterances
    for point in curve.trained:
        assert read_card(tmp_path / "out" / point.folder).weights_sha256 == point.adapter_sha256
        assert all(arm.words > 0 for arm in point.arms)
    assert "2 points" in recommendation(curve)
