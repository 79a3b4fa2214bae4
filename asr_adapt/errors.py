"""What can go wrong, and with which exit code the command line says so.

    AsrAdaptError            70  internal: a bug of ours if a user ever sees it bare
    ├── UsageError            2  a wrong option, an unknown configuration key
    ├── DataError             3  the user's data; names the file, row or utterance
    │   ├── AudioError           one audio file cannot be used
    │   ├── ManifestError        one row or file of a manifest cannot be used
    │   ├── BiasError            a bias list or prompt cannot be used
    │   └── LeakError            test material stands in the training data
    ├── EnvironmentProblem    4  weights, packages or programs that are missing here
    └── Stopped              75  stopped by a signal; the same command with --resume goes on

Every message is one line that says where, what is wrong and what to do.
"""

from __future__ import annotations

from pathlib import Path


class AsrAdaptError(Exception):
    """Base of all errors that asr-adapt raises on purpose."""

    exit_code = 70


class UsageError(AsrAdaptError):
    """An option or configuration value that cannot be obeyed."""

    exit_code = 2


class DataError(AsrAdaptError):
    """The user's data cannot be used as it is."""

    exit_code = 3


class AudioError(DataError):
    """One audio file, or a segment of it, cannot be used."""

    def __init__(self, path: Path | str, reason: str, utterance_id: str | None = None) -> None:
        self.path = str(path)
        self.reason = reason
        self.utterance_id = utterance_id
        who = f"utterance '{utterance_id}': " if utterance_id else ""
        super().__init__(f"{who}{path}: {reason}")


class ManifestError(DataError):
    """A manifest, or one row of it, cannot be used."""

    def __init__(self, path: Path | str, reason: str, line: int | None = None) -> None:
        self.path = str(path)
        self.reason = reason
        self.line = line
        super().__init__(f"{path}{f':{line}' if line is not None else ''}: {reason}")


class BiasError(DataError):
    """A bias list or a prompt cannot be used."""


class LeakError(DataError):
    """Material of the test set stands in the training data."""


class EnvironmentProblem(AsrAdaptError):
    """Something outside asr-adapt is missing or broken: weights, a package, a program."""

    exit_code = 4


class Stopped(AsrAdaptError):
    """Work was stopped by a signal and can be resumed."""

    exit_code = 75
