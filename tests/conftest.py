"""What tests share: a tiny random Whisper with its tones, and a way to run the program."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# No time limit an example: machines are shared, and what is tested is never how long it takes.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")

RunProgram = Callable[..., subprocess.CompletedProcess[str]]


def load_script(path: Path) -> ModuleType:
    """Import a script that is in no package, whatever its name ends in."""
    loader = SourceFileLoader(path.stem, str(path))
    spec = importlib.util.spec_from_loader(path.stem, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy recipe's data: tones, manifests and a tiny random Whisper."""
    folder = tmp_path_factory.mktemp("toy")
    load_script(ROOT / "recipes" / "toy" / "prepare.py").prepare(folder, "demo", 1)
    return folder


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in float32 on every processor, for comparisons to the last digits."""
    monkeypatch.setattr("asr_adapt.model.computes_bfloat16", lambda device: False)


@pytest.fixture(scope="session")
def run_program() -> RunProgram:
    """Run ``asr-adapt`` as a user would, in a process of its own."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "asr_adapt", *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
        )

    return run
