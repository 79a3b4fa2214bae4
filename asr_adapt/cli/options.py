"""Options that several commands share: how data is read, prompts are made, the machine is used."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr_adapt.cli.common import Output
from asr_adapt.errors import UsageError
from asr_adapt.files import check_out_file, check_out_folder
from asr_adapt.settings import DECODED_TOGETHER, MAX_SEED

if TYPE_CHECKING:
    from asr_adapt.audio import LongPolicy

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH = click.Path(path_type=Path)


class OutFolder(click.Path):
    """A folder to write in; what can be none is refused before anything is loaded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path of the folder."""
        path = Path(value)
        check_out_folder(path)
        return path


class OutFile(click.Path):
    """A file to write; what can be none is refused before anything is loaded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path of the file."""
        path = Path(value)
        check_out_file(path)
        return path


OUT_FOLDER, OUT_FILE = OutFolder(), OutFile()
SEED = click.IntRange(0, MAX_SEED)


def options(*decorators: Decorator) -> Decorator:
    """Bundle options that several commands share."""

    def apply(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


_reading_columns = options(
    click.option(
        "--audio-column", metavar="NAME", help="Column with audio paths.  [default: guessed]"
    ),
    click.option(
        "--text-column",
        metavar="NAME",
        help="Column with transcripts, or tier of TextGrid and ELAN files.  [default: guessed]",
    ),
    click.option(
        "--speaker-column", metavar="NAME", help="Column with speakers.  [default: guessed]"
    ),
    click.option(
        "--context",
        "context_column",
        metavar="FIELD",
        help="Column with phrases known before decoding, separated by |, or else by ;."
        "  [default: context]",
    ),
    click.option(
        "--column",
        "other_columns",
        metavar="OURS=THEIRS",
        multiple=True,
        help="Any column by name, such as start=begin; ours are audio, text, utterance_id, start, "
        "duration, end, language, speaker, recording, context, split.  [default: guessed]",
    ),
    click.option(
        "--language", default="en", show_default=True, help="ISO 639-1 code of the speech."
    ),
    click.option(
        "--allow-outside", is_flag=True, help="Accept audio outside the data's own folder."
    ),
    click.option(
        "--max-bad",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Leave out at most so many rows that cannot be used; more end with exit code 3.",
    ),
    click.option(
        "--hub-split",
        default="train",
        show_default=True,
        help="Split to read if DATA is a data set of the Hugging Face hub.",
    ),
    click.option(
        "--long",
        "long_policy",
        type=click.Choice(["error", "skip", "split"]),
        default="error",
        show_default=True,
        help="What to do about utterances over 30 s.",
    ),
)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say how data is read, as one argument ``rules``."""

    @functools.wraps(command)
    def with_rules(
        *args: Any,
        audio_column: str | None,
        text_column: str | None,
        speaker_column: str | None,
        context_column: str | None,
        other_columns: tuple[str, ...],
        language: str,
        allow_outside: bool,
        max_bad: int,
        hub_split: str,
        long_policy: LongPolicy,
        **others: Any,
    ) -> None:
        from asr_adapt.importers.columns import ColumnNames, with_columns
        from asr_adapt.own_data import ReadingRules

        named = ColumnNames(
            audio=audio_column, text=text_column, speaker=speaker_column, context=context_column
        )
        columns = with_columns(named, other_columns)
        rules = ReadingRules(columns, language, allow_outside, max_bad, long_policy, hub_split)
        command(*args, rules=rules, **others)

    return _reading_columns(with_rules)


_output_flags = options(
    click.option(
        "--json", "as_json", is_flag=True, help="Print results as one JSON object on one line."
    ),
    click.option("--quiet", is_flag=True, help="No progress, only results and errors."),
    click.option(
        "--verbose",
        is_flag=True,
        help="Progress with the time in seconds, what libraries say, and where errors come from.",
    ),
)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say how it speaks, as one argument ``output``."""

    @functools.wraps(command)
    def with_output(*args: Any, as_json: bool, quiet: bool, verbose: bool, **others: Any) -> None:
        if quiet and verbose:
            raise UsageError("--quiet and --verbose: leave one out")
        command(*args, output=Output(as_json, quiet, verbose), **others)

    return _output_flags(with_output)


model_option = click.option(
    "--model",
    required=True,
    help="Base model: whisper-tiny.en or another short name, id on the hub, or folder.",
)

adapter_option = click.option(
    "--adapter", type=PATH, help="Folder that finetune wrote.  [default: none]"
)
strength_option = click.option(
    "--strength",
    type=float,
    help="Part of the adapter's change that is applied, 0 to 1, in the window it was trained with."
    "  [default: as finetune chose]",
)

bias_option = click.option(
    "--bias", type=PATH, help="File with phrases that may be said, one a line.  [default: none]"
)


def split_option(usual: str) -> Decorator:
    """Return the option that chooses rows by split; None where it is not given."""
    return click.option(
        "--split",
        metavar="NAME",
        help=f"Rows to use; all for all.  [default: {usual}, or all if data has no splits]",
    )


share_options = options(
    click.option(
        "--dev-share", default=0.1, show_default=True, help="Share of speech for dev, 0 to 1."
    ),
    click.option(
        "--test-share", default=0.2, show_default=True, help="Share of speech for test, 0 to 1."
    ),
)

beam_option = click.option("--beam-size", default=1, show_default=True, help="Beams; 1 is greedy.")


def batch_size_option(what: str) -> Decorator:
    """Return the option of how many of something are decoded together."""
    return click.option(
        "--batch-size",
        type=click.IntRange(min=1),
        default=DECODED_TOGETHER,
        show_default=True,
        help=f"{what} decoded together; fewer take less memory.",
    )


batch_option = batch_size_option("Utterances")

seed_option = click.option(
    "--seed", type=SEED, default=1, show_default=True, help="Seed of everything drawn, a number."
)

device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where to compute: auto, cpu or cuda.",
)

machine_options = options(device_option, seed_option)

prompt_options = options(
    click.option(
        "--prompt-template",
        default="{phrases}.",
        show_default=True,
        help="Prompt text; {phrases} stands for the phrases.",
    ),
    click.option(
        "--prompt-budget",
        default=223,
        show_default=True,
        help="Longest prompt, in tokens; phrases that do not fit are dropped and recorded.",
    ),
)

normaliser_option = click.option(
    "--normaliser",
    default="auto",
    show_default=True,
    help="Domain normaliser: auto (spoken-en for English, basic for other languages), spoken-en,"
    " basic, whisper-en or raw.",
)

report_options = options(
    click.option(
        "--also",
        type=click.Choice(("sde", "stm", "ctm", "seglst", "csv")),
        multiple=True,
        help="Write OUT/exports too, for NeMo's SDE, sclite (stm, ctm), meeteval or a spreadsheet;"
        " can be repeated.  [default: none]",
    ),
    click.option(
        "--embed-audio",
        is_flag=True,
        help="Put sounds and pictures into report.html: one file of up to 18 MB, to be mailed.",
    ),
    click.option(
        "--log-to",
        type=click.Choice(("tensorboard", "wandb", "mlflow")),
        multiple=True,
        help="Log numbers, tables and up to 100 sounds there too, TensorBoard's into"
        " OUT/tensorboard; can be repeated.  [default: none]",
    ),
)
