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
FILES = (ROOT / "docs" / "FILES.md").read_text(encoding="utf-8")
RESULTS = sorted(ROOT.glob("recipes/*/results/*.json"))
GUIDES = ("README.md", "docs/data.md", "docs/guide.md", "docs/deploy.md")
TEXTS = {place: (ROOT / place).read_text(encoding="utf-8") for place in GUIDES}
BLOCK = re.compile(r"^```\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINES = [
    line
    for text in TEXTS.values()
    for block in BLOCK.findall(text)
    for line in block.splitlines()
    if line.strip()
]
SPANS = [span for text in TEXTS.values() for span in re.findall(r"`([^`\n]+)`", text)]
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
            {
                "title": "Odd | title",
                "role": "real",
                "utterances": 60,
                "arms": [arm("base", 0.0488), arm("lora", 0.03)],
            },
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
    for folder in ("docs", "scripts", "asr_adapt"):
        (tmp_path / folder).mkdir()
    (tmp_path / "asr_adapt" / "text.py").write_text('"""Texts: ``a|b``\nand more.\n\nMore."""\n')
    (tmp_path / "scripts" / "go").write_text("#!/usr/bin/env bash\n# Go there. And back.\n")
    shutil.copy(ROOT / "README.md", tmp_path)
    assert run_readme("--root", tmp_path).returncode == 0
    return tmp_path


def test_the_documents_are_filled_from_results_and_files_as_they_are() -> None:
    done = run_readme("--check")
    assert done.returncode == 0, done.stdout


def test_commands_of_results_can_be_typed_elsewhere() -> None:
    for path in RESULTS:
        command = json.loads(path.read_text(encoding="utf-8"))["run"].get("command")
        assert command, path
        words = shlex.split(command) if isinstance(command, str) else command
        local = [word for word in words if Path(word.partition("=")[2] or word).is_absolute()]
        assert not local, path


def listed(text: str) -> list[str]:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", text, flags=re.MULTILINE)
    assert not [path for path, said in rows if not said.strip()]
    return [path for path, _ in rows]


def test_every_file_of_the_package_is_listed_with_what_it_is() -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "asr_adapt").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert sorted(listed(FILES)) == sorted(there), "out of date: run scripts/readme"


def test_the_readme_lists_modules_packages_scripts_and_recipes() -> None:
    scripts = [p.relative_to(ROOT).as_posix() for p in (ROOT / "scripts").iterdir() if p.is_file()]
    recipes = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("recipes/*/recipe.toml")]
    modules = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("asr_adapt/*.py")]
    packages = [f"asr_adapt/{path.parent.name}/" for path in ROOT.glob("asr_adapt/*/__init__.py")]
    assert sorted(listed(section(README, "files"))) == sorted(
        [*scripts, *recipes, *modules, *packages]
    )


def test_the_tables_show_rates_intervals_and_origin(checkout: Path) -> None:
    text = (checkout / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    calls = "| Calls, 100 utterances | WER % | 61.2 [60.2, 62.2] | - | 12.5 [11.5, 13.5] | - |"
    assert calls in text
    assert "|  | terms heard % | 2.0 | - | 90.0 | - |" in text
    odd = "| Odd \\| title, 60 utterances | WER % | 4.9 [3.9, 5.9] | - | 3.0 [2.0, 4.0] | - |"
    assert odd in text
    assert "40 minutes of labelled speech; 10 minutes of training" in text
    assert "on 2 cores of Some CPU; seed 7, commit abc." in text
    assert "    asr-adapt run recipes/maritime/recipe.toml --set size=full" in text


def test_the_summary_shows_the_arms_what_stands_beside_them_and_the_command(checkout: Path) -> None:
    text = section((checkout / "README.md").read_text(encoding="utf-8"), "results")
    place = "[maritime, whisper-base](recipes/maritime/results/whisper-base.json)"
    arms = "61.2 [60.2, 62.2] | - | 12.5 [11.5, 13.5] | -"
    assert f"| {place} | {arms} | 4.9 → 3.0 | - |" in text
    assert "```\nasr-adapt run recipes/maritime/recipe.toml --set size=full\n```" in text


def test_files_are_described_by_their_first_sentence(checkout: Path) -> None:
    text = section((checkout / "README.md").read_text(encoding="utf-8"), "files")
    assert "| `asr_adapt/text.py` | Texts: `a\\|b` and more. |" in text
    assert "| `scripts/go` | Go there. |" in text
    assert "| `recipes/maritime/recipe.toml` | Ships. |" in text


@pytest.mark.parametrize("place", ["README.md", "docs/RESULTS.md"])
def test_a_number_that_differs_is_found(checkout: Path, place: str) -> None:
    page = checkout / place
    text = page.read_text(encoding="utf-8")
    assert run_readme("--check", "--root", checkout).returncode == 0
    assert "61.2 [" in text
    page.write_text(text.replace("61.2 [", "61.3 ["), encoding="utf-8")
    done = run_readme("--check", "--root", checkout)
    assert done.returncode == 1
    assert f"{place}: out of date; run scripts/readme" in done.stdout


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


@pytest.mark.parametrize("place", GUIDES)
def test_links_lead_somewhere(place: str) -> None:
    text = re.sub(r"<!--.*?-->", "", TEXTS[place], flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)\)", text)
    local = [link for link in links if "://" not in link]
    assert not [link for link in local if not ((ROOT / place).parent / link).exists()]


def test_named_scripts_are_there() -> None:
    scripts = [span.split()[0] for span in SPANS if span.startswith("scripts/")]
    assert scripts
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
