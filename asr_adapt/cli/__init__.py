"""The command line: options to function calls, errors to exit codes; no other logic.

Imports that take seconds stand inside the commands that need them, so that ``--help`` is quick and
``score`` and ``report`` run without torch.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from asr_adapt import __version__
from asr_adapt.cli.common import EXIT_CODES
from asr_adapt.cli.completion import completion
from asr_adapt.cli.data import data
from asr_adapt.cli.doctor import doctor
from asr_adapt.cli.evaluate import eval_command
from asr_adapt.cli.export import export_command
from asr_adapt.cli.finetune import finetune
from asr_adapt.cli.new_recipe import new_recipe
from asr_adapt.cli.pick import pick
from asr_adapt.cli.pseudo import pseudo
from asr_adapt.cli.recipes import run_command
from asr_adapt.cli.reports import report, score
from asr_adapt.cli.synth import synth
from asr_adapt.cli.transcribe import transcribe_command
from asr_adapt.cli.tune_bias import tune_bias_command
from asr_adapt.errors import AsrAdaptError, EnvironmentProblem

LONGEST_CAUSE = 300
"""So many characters of what a library says are shown; --verbose shows all of it."""


def main() -> None:
    """Run the command line and turn errors into one line and an exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        cli.main(standalone_mode=False, prog_name="asr-adapt")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except AsrAdaptError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if "--verbose" in sys.argv:
            click.echo(traceback.format_exc(), err=True, nl=False)
        problem = in_our_words(error)
        click.echo(f"error: {problem}", err=True)
        sys.exit(problem.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("error: stopped before work began; start it again", err=True)
        sys.exit(75)


def in_our_words(error: Exception) -> AsrAdaptError:
    """Return what to say about an error that is none of ours: of the disk, else a bug of ours."""
    advice = "what is done is kept: put that right and start again"
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{error.filename}: "
        return EnvironmentProblem(f"{where}{error.strerror}; {advice}")
    full = os.strerror(errno.ENOSPC)
    if full in str(error):  # safetensors has its own kind of error for it
        return EnvironmentProblem(f"{full}; {advice}")
    said = " ".join(str(error).split())[:LONGEST_CAUSE]
    return AsrAdaptError(
        f"a bug in asr-adapt: {type(error).__name__}: {said}; please report it with what the same "
        "command prints with --verbose"
    )


@click.group(epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="asr-adapt")
def cli() -> None:
    """Adapt speech recognition to a noisy domain, and measure what it brings.

    \b
    asr-adapt eval calls.csv --model whisper-tiny.en --out runs/base
    asr-adapt finetune train.csv --model whisper-tiny.en --out adapters/calls
    asr-adapt eval test.csv --model whisper-tiny.en --adapter adapters/calls --out runs/calls
    """


COMMANDS = (
    *(eval_command, finetune, report, score, run_command, data, doctor, transcribe_command),
    *(export_command, new_recipe, pseudo, synth, pick, tune_bias_command, completion),
)

for command in COMMANDS:
    cli.add_command(command)
