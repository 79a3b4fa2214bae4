"""The house: version, licence and the commands that the README promises."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from asr_adapt import __version__
from asr_adapt.cli import cli

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md")


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[([^]]+)]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__


def test_the_licence_is_apache_2() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    for name in project["license-files"]:
        assert (ROOT / name).is_file()


def commands(text: str, program: str) -> list[list[str]]:
    """Return the calls of a program in the code blocks of a document, as words."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    calls = [shlex.split(line, comments=True) for line in lines]
    return [words for words in calls if words and words[0].endswith(program)]


def find_command(words: list[str]) -> click.Command:
    """Return the click command that the words after ``asr-adapt`` name."""
    command: click.Command = cli
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        assert word in command.commands, f"asr-adapt {' '.join(words)}: no command {word}"
        command = command.commands[word]
    return command


@pytest.mark.parametrize("document", DOCUMENTS)
def test_promised_commands_exist_with_their_options(document: str) -> None:
    for words in commands((ROOT / document).read_text(), "asr-adapt"):
        command = find_command(words[1:])
        known = {option for p in command.params for option in p.opts} | {"--help", "--version"}
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= known, words


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_commands_and_scripts_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for words in re.findall(r"`asr-adapt ([a-z -]+)", text):
        find_command(words.split())
    for name in set(re.findall(r"\bscripts/(\w[\w.]*\w)", text)):
        script = ROOT / "scripts" / name
        assert script.is_file(), name
        assert os.access(script, os.X_OK), name


def test_there_is_something_to_check() -> None:
    assert commands((ROOT / "README.md").read_text(), "asr-adapt")


def test_the_recipes_named_in_the_readme_exist() -> None:
    for name in set(re.findall(r"recipes/[\w/.-]+\.toml", (ROOT / "README.md").read_text())):
        assert (ROOT / name).is_file(), name
