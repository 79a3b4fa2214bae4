"""``asr-adapt completion``: the script with which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from asr_adapt.cli.common import EXIT_CODES, Output
from asr_adapt.cli.options import output_options
from asr_adapt.errors import UsageError

COMPLETE_VARIABLE = "_ASR_ADAPT_COMPLETE"
"""What click reads in the environment when a shell asks for candidates
(https://click.palletsprojects.com/en/stable/shell-completion/)."""


@click.command(epilog=EXIT_CODES)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@output_options
def completion(shell: str, output: Output) -> None:
    """Print the script with which SHELL completes commands, options and their values.

    Write it where the shell looks for such scripts, once; a new shell then knows it.

    \b
    asr-adapt completion bash > ~/.local/share/bash-completion/completions/asr-adapt
    asr-adapt completion zsh > ~/.zfunc/_asr-adapt
    asr-adapt completion fish > ~/.config/fish/completions/asr-adapt.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"{shell}: this release of click knows no such shell")
    program = click.get_current_context().find_root().command
    script = kind(program, {}, "asr-adapt", COMPLETE_VARIABLE).source()
    output.result({"shell": shell, "script": script}, script)
