"""What every command does alike: listen to signals, show progress, print results once.

Results go to standard output, as lines or, with ``--json``, as one object; all else goes to
standard error.
"""

from __future__ import annotations

import json
import logging
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from asr_adapt.errors import AsrAdaptError, ManifestError, Stopped, UsageError
from asr_adapt.files import names_hub_data

if TYPE_CHECKING:
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.reporting.results import Report
    from asr_adapt.stopping import StopRequest

EXIT_CODES = """\b
Exit codes: 0 done, 2 usage, 3 bad data, 4 environment, 70 our bug, 75 stopped and resumable."""

GO_ON_BY_THEMSELVES = ("run", "transcribe")
"""Commands that need no option to go on where they were stopped."""
SHOWN_OF_A_SET = ("name", "role", "title", "utterances", "arms", "comparisons")


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks.

    Attributes:
        as_json: results are one JSON object, the only thing on standard output.
        quiet: no progress on standard error.
        verbose: progress with the time, what libraries say, and where errors come from.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    def result(self, record: Mapping[str, Any], *lines: str) -> None:
        """Print what a command came to: the record with ``--json``, else the lines."""
        click.echo(json.dumps(record) if self.as_json else "\n".join(lines))


def typed(parameter: str) -> bool:
    """Say whether an option of the running command was typed."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source == ParameterSource.COMMANDLINE


def refuse_typed(reason: str, *parameters: str) -> None:
    """Refuse options that would do nothing as the command stands.

    Raises:
        UsageError: one of the parameters was typed.
    """
    for name in parameters:
        if typed(name):
            raise UsageError(f"--{name.replace('_', '-')}: {reason}")


def refuse_prompts_beside(adapter: Path | None) -> None:
    """Refuse options of prompts beside an adapter, which is told in those it was trained with.

    Raises:
        UsageError: there is an adapter and one of them was typed.
    """
    if adapter:
        reason = "an adapter is told in the prompts it was trained with; leave it out"
        refuse_typed(reason, "prompt_template", "prompt_budget")


def check_there(data: Path) -> None:
    """Refuse data that is not there before what reads it is loaded, which takes seconds.

    Raises:
        ManifestError: there is no such file or folder, nor could it be a data set of the hub.
    """
    if not data.exists() and not names_hub_data(data):
        raise ManifestError(data, "no such file or folder")


@contextmanager
def working(output: Output) -> Iterator[tuple[StopRequest, ProgressDisplay]]:
    """Listen to signals and show progress while a command works."""
    from asr_adapt.progress import ProgressDisplay
    from asr_adapt.stopping import stop_on_signals

    way_on = how_to_go_on(click.get_current_context().command)
    with (
        stop_on_signals(way_on) as stop,
        ProgressDisplay(output.quiet, clock=output.verbose) as display,
        library_messages(output.verbose),
    ):
        display.say("asr-adapt starts")
        try:
            yield stop, display
        except KeyboardInterrupt:  # the second signal
            raise Stopped(f"stopped at once; {way_on}") from None
        except AsrAdaptError:
            if output.verbose:
                click.echo(traceback.format_exc(), err=True, nl=False)
            raise


def how_to_go_on(command: click.Command) -> str:
    """Say how the work of a command is taken up again after a stop."""
    if any(parameter.name == "resume" for parameter in command.params):
        return "the same command with --resume goes on"
    if command.name in GO_ON_BY_THEMSELVES:
        return "the same command goes on where it was"
    return "start it again: it begins anew"


@contextmanager
def library_messages(shown: bool) -> Iterator[None]:
    """Show on standard error what libraries log, from level INFO on."""
    if not shown:
        yield
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def commands_below(group: click.Group, words: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command of a group with its words, those of groups in it too."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_below(command, f"{words}{name} ")
        else:
            yield f"{words}{name}", command


def command_line() -> list[str]:
    """Return the command as it was typed."""
    return ["asr-adapt", *sys.argv[1:]]


def as_typed(*words: object) -> str:
    """Return a command as a shell takes it."""
    return shlex.join(["asr-adapt", *map(str, words)])


def show(report: Report, out_dir: Path, output: Output) -> None:
    """Print the table of a report and where it lies."""
    page = out_dir / "report.html"
    if output.as_json:
        output.result(report_record(report, page))
        return
    from rich.console import Console

    from asr_adapt.reporting.console import render_table

    Console(soft_wrap=True).print(render_table(report))
    click.echo(f"report: {page}")


def report_record(report: Report, page: Path) -> dict[str, Any]:
    """Return the arms of every set as ``report.json`` has them, and where the report lies."""
    from asr_adapt.reporting.as_json import report_to_json

    whole = report_to_json(report)
    sets = [{key: part[key] for key in SHOWN_OF_A_SET} for part in whole["sets"]]
    return {"report": str(page), "normaliser": whole["normaliser"], "sets": sets}
