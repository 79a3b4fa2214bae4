"""README.md says what is so: its numbers, its files, its commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from asr_adapt import errors
from asr_adapt.cli import cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = sorted(ROOT.glob("recipes/*/results/*.json"))
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
SPANS = re.findall(r"`([^`\n]+)`", README)
OTHER_LINES = ("source .venv/bin/activate",)


def section(text: str, name: str) -> str:
    return text.partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0]


def run_readme(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "readme"), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def arm(name: str, wer: float, **fields: Any) -> dict[str, Any]:
    return {"name": name, "wer": wer, "wer_ci95": [wer - 0.01, wer + 0.01], **fields}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small project with a result, its README filled."""
    result = {
        "arms": [arm("base", 0.6)],
        "sets": [
            {
                "title": "Calls",
                "utterances": 100,
                "arms": [
                    arm("base", 0.6123, term_recall=0.02),
                    arm("lora", 0.125, term_recall=0.9),
                ],
            },
            {"title": "Odd | title", "utterances": 60, "arms": [arm("base", 0.0488)]},
        ],
        "run": {
            "command": ["asr-adapt", "run", "recipes/maritime/recipe.toml", "--set", "size=full"],
            "seed": 7,
            "commit": "abc",
            "adapter": {"minutes_of_labels": 40.4, "training_s": 600.0},
            "environment": {"device": "cpu", "cpu": "Some CPU", "cores": 2},
        },
    }
    path = tmp_path / "recipes" / "maritime" / "results" / "whisper-base.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result), encoding="utf-8")
    (path.parents[1] / "recipe.toml").write_text('title = "Ships"\n', encoding="utf-8")
    for folder in ("scripts", "asr_adapt"):
        (tmp_path / folder).mkdir()
    (tmp_path / "asr_adapt" / "text.py").write_text('"""Texts: ``a|b``\nand more.\n\nMore."""\n')
    (tmp_path / "scripts" / "go").write_text("#!/usr/bin/env bash\n# Go there. And back.\n")
    shutil.copy(ROOT / "README.md", tmp_path)
    assert run_readme("--root", tmp_path).returncode == 0
    return tmp_path


def test_numbers_are_those_of_the_committed_results() -> None:
    text = section(README, "results")
    assert text.strip()
    done = subprocess.run(
        [sys.executable, "-c", RENDER, ROOT / "scripts" / "readme", ROOT],
        capture_output=True,
        text=True,
        check=True,
    )
    assert text.strip() == done.stdout.strip(), "out of date: run scripts/readme"


RENDER = """
import runpy, sys, pathlib
print(runpy.run_path(sys.argv[1])["render_results"](pathlib.Path(sys.argv[2])))
"""


def test_commands_of_results_can_be_typed_elsewhere() -> None:
    for path in RESULTS:
        command = json.loads(path.read_text(encoding="utf-8"))["run"].get("command")
        assert command, path
        words = shlex.split(command) if isinstance(command, str) else command
        local = [word for word in words if Path(word.partition("=")[2] or word).is_absolute()]
        assert not local, path


def test_every_file_of_the_package_is_listed_with_what_it_is() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section(README, "files"), flags=re.MULTILINE)
    listed = [path for path, _ in rows if path.startswith("asr_adapt/")]
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "asr_adapt").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert set(listed) == there, "out of date: run scripts/readme"
    assert len(listed) == len(there)
    assert not [path for path, text in rows if not text.strip()]
    scripts = {p.relative_to(ROOT).as_posix() for p in (ROOT / "scripts").iterdir() if p.is_file()}
    recipes = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("recipes/*/recipe.toml")}
    assert {path for path, _ in rows} == there | scripts | recipes


def test_the_tables_show_rates_intervals_and_origin(checkout: Path) -> None:
    text = section((checkout / "README.md").read_text(encoding="utf-8"), "results")
    calls = "| Calls, 100 utterances | WER % | 61.2 [60.2, 62.2] | - | 12.5 [11.5, 13.5] | - |"
    assert calls in text
    assert "|  | terms heard % | 2.0 | - | 90.0 | - |" in text
    assert "| Odd \\| title, 60 utterances | WER % | 4.9 [3.9, 5.9] | - | - | - |" in text
    assert "40 minutes of labelled speech; 10 minutes of training" in text
    assert "on 2 cores of Some CPU; seed 7, commit abc." in text
    assert "    asr-adapt run recipes/maritime/recipe.toml --set size=full" in text


def test_files_are_described_by_their_first_sentence(checkout: Path) -> None:
    text = section((checkout / "README.md").read_text(encoding="utf-8"), "files")
    assert "| `asr_adapt/text.py` | Texts: `a\\|b` and more. |" in text
    assert "| `scripts/go` | Go there. |" in text
    assert "| `recipes/maritime/recipe.toml` | Ships. |" in text


@pytest.mark.parametrize(("true", "false"), [("61.2 [", "61.3 ["), ("100 utter", "101 utter")])
def test_a_number_that_differs_is_found(checkout: Path, true: str, false: str) -> None:
    readme = checkout / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert run_readme("--check", "--root", checkout).returncode == 0
    assert true in text
    readme.write_text(text.replace(true, false), encoding="utf-8")
    done = run_readme("--check", "--root", checkout)
    assert done.returncode == 1
    assert "run scripts/readme" in done.stdout


def test_filling_twice_changes_nothing_and_keeps_the_rest(checkout: Path) -> None:
    readme = checkout / "README.md"
    once = readme.read_text(encoding="utf-8")
    assert run_readme("--root", checkout).returncode == 0
    assert readme.read_text(encoding="utf-8") == once
    assert once.partition("<!-- results")[0] == README.partition("<!-- results")[0]


def test_marks_that_are_gone_are_named(checkout: Path) -> None:
    (checkout / "README.md").write_text("# Empty\n", encoding="utf-8")
    done = run_readme("--root", checkout)
    assert done.returncode == 1
    assert "<!-- results:begin -->" in done.stderr


def parsed(words: list[str]) -> None:
    """Parse a command line as the program would, without running it."""
    command: click.Command = cli
    context = click.Context(cli, info_name="asr-adapt")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"asr-adapt has no command '{words[0]}'"
        command, words = found, words[1:]
    command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize("line", LINES)
def test_lines_of_code_blocks_can_be_typed(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "asr-adapt":
        parsed(words[1:])
        recipes = [word for word in words if word.startswith("recipes/")]
        assert all((ROOT / word).is_file() for word in recipes)
    elif line not in OTHER_LINES:
        assert os.access(ROOT / words[0], os.X_OK), f"no program {words[0]}"


def known_options(command: click.Command) -> set[str]:
    found = {option for parameter in command.params for option in parameter.opts}
    if isinstance(command, click.Group):
        return found.union(*(known_options(each) for each in command.commands.values()))
    return found


def test_options_and_commands_in_the_text_exist() -> None:
    spoken = [span for span in SPANS if span.startswith(("--", "asr-adapt "))]
    options = {word for span in spoken for word in span.split() if word.startswith("--")}
    assert options <= known_options(cli) | {"--help"}
    commands = {span.split()[1] for span in spoken if span.startswith("asr-adapt ")}
    assert commands <= set(cli.commands)


def test_links_and_paths_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL))
    local = [link for link in links if "://" not in link]
    assert local
    assert not [link for link in local if not (ROOT / link).exists()]
    scripts = [span.split()[0] for span in SPANS if span.startswith("scripts/")]
    assert all((ROOT / script).is_file() for script in scripts)


def test_the_picture_is_shown_when_it_is_there() -> None:
    hidden = "docs/report.png)\n-->" in README
    assert hidden != (ROOT / "docs" / "report.png").exists()


def test_exit_codes_are_those_of_the_errors() -> None:
    table = README.partition("## Exit codes")[2].partition("##")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", table, flags=re.MULTILINE)}
    raised = {
        each.exit_code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.AsrAdaptError)
    }
    assert listed == raised | {0}


def test_the_pages_of_ways_of_telling_hold_every_row_of_their_json() -> None:
    assert run_readme("--check").returncode == 0
    for path in sorted(ROOT.glob("recipes/*/results/context/*.json")):
        page = (path.parent / "README.md").read_text(encoding="utf-8")
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        for row in rows:
            assert f"| `{row['arm']}` | {row['list']} | {100 * row['wer']:.1f} |" in page


def test_a_page_that_differs_is_found(checkout: Path) -> None:
    folder = checkout / "recipes" / "sea" / "results" / "context"
    folder.mkdir(parents=True)
    row = {"arm": "base", "list": "10", "wer": 0.5, "biased_wer": None, "unbiased_wer": 0.4}
    result = {"model": "m", "set": "calls", "utterances": 2, "names_said": 1, "seed": 1}
    rows = [{**row, "leak_rate": 0.0, "decode_s": 1.0}]
    result |= {"rows": rows, "command": "a bench"}
    (folder / "m.json").write_text(json.dumps(result))
    missing = run_readme("--check", "--root", checkout)
    assert missing.returncode == 1
    assert "recipes/sea/results/context/README.md" in missing.stdout
    run_readme("--root", checkout)
    assert run_readme("--check", "--root", checkout).returncode == 0
    assert "| `base` | 10 | 50.0 | - | 40.0 | 0.0 | 1 |" in (folder / "README.md").read_text()
