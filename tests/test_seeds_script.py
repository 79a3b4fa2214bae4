"""`scripts/seeds` shows what chance in training does, and refuses what differs in more."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import load_script

SCRIPT = Path(__file__).parents[1] / "scripts/seeds"


@pytest.fixture(scope="module")
def seeds() -> ModuleType:
    return load_script(SCRIPT)


def report(seed: int, lora: float, base: float = 0.5) -> dict[str, Any]:
    """Return what the script reads of a report."""
    arms = [
        {"name": "base", "wer": base, "reference_words": 100},
        {"name": "lora", "wer": lora, "reference_words": 100},
    ]
    quiet = [{"name": "lora", "wer": None, "reference_words": 0}]
    return {
        "run": {
            "adapter": {"seed": seed, "strength": 0.6},
            "command": ["run"],
            "commit": "c",
            "environment": {},
        },
        "sets": [{"name": "calls", "arms": arms}, {"name": "no-speech", "arms": quiet}],
    }


def test_the_spread_is_relative_to_the_mean_and_silence_has_none(seeds: ModuleType) -> None:
    result = seeds.compare([report(1, 0.2), report(2, 0.25), report(3, 0.3)])
    calls, quiet = result["sets"]
    (lora,) = calls["arms"]
    assert lora["mean"] == pytest.approx(0.25)
    assert lora["spread"] == pytest.approx(0.1 / 0.25)
    assert quiet["arms"] == []
    assert result["seeds"] == [1, 2, 3]


def test_the_order_of_runs_does_not_matter(seeds: ModuleType) -> None:
    runs = [report(1, 0.2), report(2, 0.25), report(3, 0.3)]
    one, other = (seeds.compare(order)["sets"][0]["arms"][0] for order in (runs, runs[::-1]))
    assert (one["mean"], one["spread"]) == pytest.approx((other["mean"], other["spread"]))


def test_what_differs_in_more_than_the_seed_is_refused(seeds: ModuleType) -> None:
    first = report(1, 0.2)
    other_sets = deepcopy(report(2, 0.2))
    other_sets["sets"][0]["name"] = "other"
    assert seeds.check_runs([first, report(2, 0.3)]) is None
    assert "untouched" in seeds.check_runs([first, report(2, 0.3, base=0.6)])
    assert "seeds" in seeds.check_runs([first, report(1, 0.3)])
    assert "other test sets" in seeds.check_runs([first, other_sets])


def test_the_result_is_written(
    seeds: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(report(seed, 0.2 + seed / 100)))
        folders.append(str(folder))
    out = tmp_path / "results/seeds.json"
    assert seeds.main([*folders, "--out", str(out)]) == 0
    assert json.loads(out.read_text())["kind"] == "seeds"
    assert "calls: lora: 21.0, 22.0 %, spread 4.7 %" in capsys.readouterr().out


def test_another_way_of_training_stands_beside(
    seeds: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders: dict[str, list[str]] = {"a": [], "b": []}
    for name, lora in (("a", 0.22), ("b", 0.2)):
        for seed in (1, 2):
            folder = tmp_path / name / str(seed)
            folder.mkdir(parents=True)
            run = report(seed, lora)
            run["sets"][0]["arms"] = run["sets"][0]["arms"][name == "b" :]  # it needs no base arm
            (folder / "report.json").write_text(json.dumps(run))
            folders[name].append(str(folder))
    out = tmp_path / "seeds.json"
    assert seeds.main([*folders["a"], "--against", *folders["b"], "--out", str(out)]) == 0
    beside = json.loads(out.read_text())["against"]
    assert beside["costs"]["calls"]["lora"] == pytest.approx(0.1)
    assert "against: calls: lora: 20.0, 20.0 %" in capsys.readouterr().out


def test_one_run_has_no_spread_but_may_stand_beside_another(
    seeds: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []
    for name, lora in (("a", 0.21), ("b", 0.2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report(1, lora)))
        runs.append(str(tmp_path / name))
    with pytest.raises(SystemExit):
        seeds.main(runs[:1])
    assert "two or more" in capsys.readouterr().err
    assert seeds.main([runs[0], "--against", runs[1]]) == 0
    assert "spread" not in capsys.readouterr().out


def test_what_cannot_stand_beside_is_refused(seeds: ModuleType) -> None:
    runs = [report(1, 0.2), report(2, 0.2)]
    shorter = deepcopy(runs)
    for each in shorter:
        each["sets"][0]["arms"][1]["reference_words"] = 90
    assert seeds.check_against(runs, deepcopy(runs)) is None
    assert "seeds are [1, 3]" in seeds.check_against(runs, [runs[0], report(3, 0.2)])
    assert "other test sets" in seeds.check_against(runs, shorter)
    assert "seeds are [1]" in seeds.check_against(runs, runs[:1])


def test_a_folder_without_a_report_is_named(seeds: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        seeds.main([str(tmp_path / "nothing"), str(tmp_path)])
    assert stopped.value.code == 2
