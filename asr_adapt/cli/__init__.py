"""The command line: options to function calls, errors to exit codes; no other logic.

Imports that take seconds stand inside the commands that need them, so that ``--help`` is quick and
``score`` and ``report`` run without torch.
"""

from __future__ import annotations

import os
import sys

import click

from asr_adapt import __version__
from asr_adapt.cli.common import EXIT_CODES
from asr_adapt.cli.completion import completion
from asr_adapt.cli.data import data
from asr_adapt.cli.doctor import doctor
from asr_adapt.cli.evaluate import eval_command
from asr_adapt.cli.finetune import finetune
from asr_adapt.cli.new_recipe import new_recipe
from asr_adapt.cli.pick import pick
from asr_adapt.cli.pseudo import pseudo
from asr_adapt.cli.recipes import run_command
from asr_adapt.cli.reports import report, score
from asr_adapt.cli.synth import synth
from asr_adapt.cli.transcribe import transcribe_command
from asr_adapt.cli.tune_bias import tune_bias_command
from asr_adapt.errors import AsrAdaptError


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
    except (KeyboardInterrupt, click.Abort):
        click.echo("error: stopped before work began; start it again", err=True)
        sys.exit(75)


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
    *(new_recipe, pseudo, synth, pick, tune_bias_command, completion),
)

for command in COMMANDS:
    cli.add_command(command)
