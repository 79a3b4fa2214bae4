"""`scripts/figures` reads committed results and judges each figure by its bar."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "figures"


def arm(name: str, wer: float, recall: float = 0.5) -> dict[str, Any]:
    return {"name": name, "wer": wer, "term_recall": recall}


def comparison(a: str, b: str, difference: float, low: float, high: float) -> dict[str, Any]:
    return {"a": a, "b": b, "wer_difference": difference, "ci95": [low, high]}


def part(wers: tuple[float, ...], certain: bool = True, **fields: Any) -> dict[str, Any]:
    names = ("base", "base+bias", "lora", "lora+bias")
    recalls = (0.4, 0.65, 0.7, 0.9)
    slack = 0.01 if certain else 10.0
    found = dict(zip(names, wers, strict=False))
    pairs = [("base", "lora"), ("lora", "lora+bias")]
    changes = {(a, b): found[b] - found[a] for a, b in pairs if a in found and b in found}
    return {
        "arms": [arm(n, w, r) for (n, w), r in zip(found.items(), recalls, strict=False)],
        "comparisons": [comparison(*p, d, d - slack, d + slack) for p, d in changes.items()],
        **fields,
    }


def silence(name: str, made_up: int) -> dict[str, Any]:
    return {"name": name, "silence_insertions": made_up, "silence_s": 120.0}


def result(
    wers: tuple[float, ...] = (0.6, 0.5, 0.12, 0.08), certain: bool = True
) -> dict[str, Any]:
    return {
        **part(wers, certain),
        "sets": [
            {"role": "silence", "arms": [silence("base", 30), silence("lora", 3)]},
            part(wers, certain, role="domain"),
            part((0.5, 0.4, 0.3, 0.2), certain, role="real"),
            part((0.05, 0.05, 0.054, 0.06), role="general"),
        ],
        "run": {"command": ["asr-adapt", "run", "a recipe.toml"]},
    }


def write(root: Path, name: str, content: object) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def figures(root: Path, *options: str) -> tuple[int, dict[str, str], str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--root", root, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    return done.returncode, lines, done.stderr


QUIET = {"requests_outside": 0, "console_lines": 0}
BENCH_REPORT: dict[str, Any] = {
    "counts": {"formats": 14, "malformed": 120},
    "hostile": {"given": 81, "shown": 81, "ran": 0, **QUIET},
    "page": {"run": "r", "cards_equal": True, "numbers": 9, "numbers_equal": 9, **QUIET},
    "time": {"first_count_s": 4.2, "open_report_s": 90.0},
}


def told(arm: str, listed: str, wer: float, biased: float, unbiased: float) -> dict[str, Any]:
    return {
        "arm": arm, "list": listed, "wer": wer, "biased_wer": biased, "unbiased_wer": unbiased,
    }  # fmt: skip


CONTEXT = [
    row
    for weights in ("base", "lora")
    for row in (
        told(weights, "10", 0.5, 0.8, 0.4),
        told(f"{weights}+prompt", "10", 0.4, 0.3, 0.402),
        told(f"{weights}+both", "10", 0.4, 0.1, 0.41),
        told(weights, "wrong", 0.5, 0.8, 0.4),
        told(f"{weights}+prompt", "wrong", 0.503, 0.8, 0.403),
        told(f"{weights}+both", "wrong", 0.55, 0.8, 0.45),
        told(f"{weights}+boost", "wrong", 0.5, 0.8, 0.399),
    )
]


TRIALS = """
beam_size = 5
command = ["asr-adapt", "run", "a recipe.toml"]
[bias]
mode = "both"
[[trial]]
[trial.choice]
beam_size = 1
[trial.choice.bias]
mode = "prompt"
[trial.measured]
wer = 0.28
[[trial]]
[trial.choice]
beam_size = 5
[trial.choice.bias]
mode = "both"
[trial.measured]
wer = 0.21
"""

CURVE = {
    "points": [
        {"minutes": 0, "arms": [{"name": "base", "wer": {"value": 0.6}}]},
        {"minutes": 5, "arms": [{"name": "lora", "wer": {"value": 0.4}}]},
        {"minutes": 10, "arms": [{"name": "lora", "wer": {"value": 0.3}}]},
    ],
    "fits": [
        {
            "arm": "lora",
            "now": {"value": 0.31},
            "gain": {"value": 0.05, "low": 0.02, "high": 0.08},
        }
    ],
    "command": "a bench",
}


def seed_means(lora: float, both: float) -> list[dict[str, Any]]:
    """Return a set as scripts/seeds writes it."""
    rates = {"lora": lora, "lora+bias": both}
    arms = [{"name": n, "wers": [r] * 3, "mean": r, "spread": 0.05} for n, r in rates.items()]
    return [{"name": "calls", "arms": arms}]


def beside(lora: float, both: float) -> dict[str, Any]:
    """Return another way of training as scripts/seeds writes it, beside SEEDS."""
    costs = {"lora": 0.30 / lora - 1, "lora+bias": 0.20 / both - 1}
    return {"sets": seed_means(lora, both), "costs": {"calls": costs}}


SEEDS = {
    "seeds": [1, 2, 3],
    "sets": seed_means(0.30, 0.20),
    "against": beside(0.29, 0.195),
    "command": "a bench",
}
NO_LABELS = {
    "share_of_gain": {"pseudo": {"lora": 0.6}, "text": {"lora": 0.55}},
    "rates": {
        "labelled": {"base": {"wer": 0.6}, "lora": {"wer": 0.4}},
        "pseudo": {"lora": {"wer": 0.48}},
        "text": {"lora": {"wer": 0.49}},
    },
    "command": "a bench",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    recipes = tmp_path / "recipes"
    write(recipes, "maritime/results/whisper-tiny.en-demo.json", result())
    write(recipes, "maritime/results/whisper-tiny.en.json", result())
    write(recipes, "maritime/results/whisper-base.json", result())
    for name in ("dialogue", "atc", "dispatch"):
        write(recipes, f"{name}/results/whisper-tiny.en-demo.json", result())
    bench = {"decode_ratio": 1.02, "step_ratio": 1.03, "build_s": 0.4, "phrases": 10_000}
    write(tmp_path, "scripts/results/bench_bias.json", {**bench, "command": "a bench"})
    write(tmp_path, "scripts/results/report.json", {**BENCH_REPORT, "command": "a bench"})
    context = {"rows": CONTEXT, "command": "a bench"}
    for name in (
        "maritime/results/context/whisper-tiny.en.json",
        "maritime/results/context/whisper-base.json",
        "atc/results/context/whisper-tiny.en.json",
        "dispatch/results/context/whisper-tiny.en.json",
    ):
        write(recipes, name, context)
    write(recipes, "maritime/results/tuned/whisper-tiny.en-demo.json", result())
    trials = recipes / "maritime/results/tuned/whisper-tiny.en-demo.toml"
    trials.write_text(TRIALS)
    write(recipes, "maritime/results/curve/whisper-tiny.en.json", CURVE)
    write(recipes, "maritime/results/seeds/whisper-tiny.en-demo.json", SEEDS)
    write(recipes, "maritime/results/no-labels/whisper-tiny.en.json", NO_LABELS)
    return recipes


def test_good_results_hold(root: Path) -> None:
    code, lines, _ = figures(root, "--strict")
    assert code == 0
    assert "80.0 % below (60.0 % -> 12.0 %)" in lines["m1.lora_relative"]
    assert "+25.0 points" in lines["m1.bias_term_recall"]
    assert "5.0 % -> 5.4 %" in lines["m3.telephone.base"]
    for name, line in lines.items():
        shown = name.startswith("m3.") or name in ("c.tune_bias.test", "r.learning_curve")
        shown = shown or name.startswith("t.no_speech.")
        expected = "shown" if shown else "holds"
        assert f"  {expected}  " in line, line
        assert line.endswith(("asr-adapt run 'a recipe.toml'", "a bench"))


def test_a_gain_under_its_bar_falls_short(root: Path) -> None:
    write(root, "maritime/results/whisper-base.json", result((0.6, 0.5, 0.3, 0.13)))
    code, lines, _ = figures(root)
    assert code == 0
    assert "falls short" in lines["m2.base.lora_relative"]
    assert "falls short" in lines["m2.base.lora_bias_relative"]
    assert figures(root, "--strict")[0] == 1


def test_more_than_half_a_point_is_forgotten_too_much(root: Path) -> None:
    worse = result()
    worse["sets"][3] = part((0.05, 0.05, 0.056, 0.06), role="general")
    write(root, "maritime/results/whisper-base.json", worse)
    _, lines, _ = figures(root)
    assert "falls short" in lines["t.telephone.base"]
    assert "  holds  " in lines["t.telephone.tiny.en-demo"]


def test_the_best_way_of_telling_is_one_that_leaves_other_words_alone(root: Path) -> None:
    _, lines, _ = figures(root)
    assert "62.5 % below (80.0 % -> 30.0 %) with base+prompt" in lines["c.maritime.base_best"]
    assert "+0.3 points with lora+prompt" in lines["c.maritime.lora_wrong_list"]
    harmful = [row for row in CONTEXT if "prompt" not in row["arm"]]
    context = {"rows": harmful, "command": "a bench"}
    write(root, "maritime/results/context/whisper-tiny.en.json", context)
    assert "missing" in figures(root)[1]["c.maritime.base_best"]


def test_tuning_has_to_beat_the_default_on_dev(root: Path) -> None:
    assert "28.0 % -> 21.0 % with both, 5 beams" in figures(root)[1]["c.tune_bias.dev"]
    path = root / "maritime/results/tuned/whisper-tiny.en-demo.toml"
    path.write_text(TRIALS.replace("0.21", "0.28"))
    assert "falls short" in figures(root)[1]["c.tune_bias.dev"]


def test_boosting_in_vain_may_not_cost_other_words(root: Path) -> None:
    assert "-0.1 points" in figures(root)[1]["c.atc.never_said"]
    rows = [
        {**row, "unbiased_wer": row["unbiased_wer"] + 0.01 * ("boost" in row["arm"])}
        for row in CONTEXT
    ]
    write(root, "atc/results/context/whisper-tiny.en.json", {"rows": rows, "command": "a bench"})
    assert "falls short" in figures(root)[1]["c.atc.never_said"]


def test_a_learning_curve_is_shown_point_by_point(root: Path) -> None:
    line = figures(root)[1]["r.learning_curve"]
    assert "lora: 5 min 40.0 %, 10 min 30.0 %; twice that -5.0 points (-8.0" in line


def test_an_interval_that_holds_zero_falls_short(root: Path) -> None:
    write(root, "maritime/results/whisper-tiny.en-demo.json", result(certain=False))
    _, lines, _ = figures(root)
    assert "falls short" in lines["m1.lora_bias_below_lora"]
    assert "falls short" in lines["m1.real_lora_below_base"]


def test_comparisons_are_found_either_way_round(root: Path) -> None:
    turned = result()
    turned["comparisons"] = [comparison("lora+bias", "lora", 0.04, 0.01, 0.07)]
    write(root, "maritime/results/whisper-tiny.en-demo.json", turned)
    _, lines, _ = figures(root)
    assert "-4.0 points [-7.0, -1.0]" in lines["m1.lora_bias_below_lora"]
    assert "  holds  " in lines["m1.lora_bias_below_lora"]


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "maritime/results/whisper-tiny.en-demo.json", part((0.6,)))
    code, lines, _ = figures(tmp_path)
    assert code == 0
    assert all("  missing  " in line for line in lines.values())
    assert "no wer of arm 'lora'" in lines["m1.lora_relative"]
    assert figures(tmp_path, "--strict")[0] == 1


def test_a_result_that_is_no_report_is_refused(root: Path) -> None:
    write(root, "toy/results/other.json", [1])
    code, _, problem = figures(root)
    assert code == 1
    assert "other.json: no 'arms'" in problem


@pytest.mark.parametrize(
    ("name", "part", "change"),
    [
        ("r.formats", "counts", {"formats": 11}),
        ("r.malformed_files", "counts", {"malformed": 99}),
        ("r.hostile_strings", "hostile", {"shown": 80}),
        ("r.hostile_strings", "hostile", {"ran": 1}),
        ("r.hostile_strings", "hostile", {"given": 59, "shown": 59}),
        ("r.first_page_equals_json", "page", {"numbers_equal": 8}),
        ("r.first_page_equals_json", "page", {"requests_outside": 1}),
        ("r.first_progress_s", "time", {"first_count_s": 10.0}),
    ],
)
def test_a_report_or_importer_under_its_bar_falls_short(
    root: Path, name: str, part: str, change: dict[str, Any]
) -> None:
    content = {**BENCH_REPORT, part: {**BENCH_REPORT[part], **change}}
    write(root.parent, "scripts/results/report.json", content)
    _, lines, _ = figures(root)
    assert "falls short" in lines[name]


def test_dialogue_needs_all_four_arms(root: Path) -> None:
    write(root, "dialogue/results/whisper-tiny.en-demo.json", result((0.6, 0.5, 0.4)))
    _, lines, _ = figures(root)
    assert "falls short" in lines["m2.dialogue_arms"]


def test_adapters_are_shown_on_the_sets_of_other_runs(root: Path) -> None:
    cell = {"adapter": "air", "set": "sea: calls", "wer": 0.4, "difference": -0.1}
    found = {
        "command": "scripts/transfer air sea",
        "trained": {"air": {}, "sea": {}},
        "own_sets": {"sea: calls": ["sea"], "phone": ["air", "sea"], "hail": ["air"], "own": []},
        "refused": [{"adapter": name, "set": "own", "why": "heard"} for name in ("air", "sea")],
        "cells": [
            {**cell, "difference_ci95": [-0.2, -0.05]},
            {"adapter": "none", "set": "sea: calls", "wer": 0.5, "difference_ci95": None},
        ],
    }
    write(root.parent, "docs/transfer/tiny.json", found)
    _, lines, _ = figures(root)
    shown = {name: line for name, line in lines.items() if name.startswith("t.transfer.")}
    assert list(shown) == ["t.transfer.tiny.air.on.sea.calls", "t.transfer.tiny.sea.on.hail"]
    line = shown["t.transfer.tiny.air.on.sea.calls"]
    assert "50.0 % -> 40.0 %, -10.0 points [-20.0 points, -5.0 points], better" in line
    assert "missing" in shown["t.transfer.tiny.sea.on.hail"]


@pytest.mark.parametrize(
    ("seeds", "spread", "status"),
    [([1, 2, 3], 0.05, "holds"), ([1, 2, 3], 0.2, "falls short"), ([1, 2], 0.05, "missing")],
)
def test_three_seeds_may_spread_by_a_tenth(
    root: Path, seeds: list[int], spread: float, status: str
) -> None:
    sets = seed_means(0.30, 0.20)
    sets[0]["arms"][1]["spread"] = spread
    changed = {**SEEDS, "seeds": seeds, "sets": sets}
    write(root, "maritime/results/seeds/whisper-tiny.en-demo.json", changed)
    assert status in figures(root)[1]["t.three_seeds"]


def test_replay_may_cost_a_twentieth_in_either_arm(root: Path) -> None:
    path = "maritime/results/seeds/whisper-tiny.en-demo.json"
    assert "holds" in figures(root)[1]["t.replay_cost"]
    write(root, path, {**SEEDS, "against": beside(0.29, 0.18)})
    assert "falls short" in figures(root)[1]["t.replay_cost"]
    write(root, path, {key: value for key, value in SEEDS.items() if key != "against"})
    assert "missing" in figures(root)[1]["t.replay_cost"]


def test_half_of_the_gain_is_to_be_left(root: Path) -> None:
    poor = json.loads(json.dumps(NO_LABELS))
    poor["share_of_gain"]["text"]["lora"] = 0.4
    write(root, "maritime/results/no-labels/whisper-tiny.en.json", poor)
    _, lines, _ = figures(root)
    assert "falls short" in lines["t.text_only"]
    assert "holds" in lines["t.pseudo_labels"]
