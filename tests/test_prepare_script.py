"""Making data can be stopped: at once, with the documented exit code, leaving nobody behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asr_adapt.recipe import run_script
from asr_adapt.stopping import StopRequest

SLOW = """
import sys, time
from pathlib import Path
from asr_adapt.prepare_script import run_prepare

def prepare(cache, out, size, seed):
    out.mkdir()
    (out / "begun").touch()
    try:
        time.sleep(60)
    finally:
        (out / "left").touch()

run_prepare(prepare, ["demo"])
"""


@pytest.fixture
def slow(tmp_path: Path) -> list[str]:
    """A prepare script that takes a minute, and how to call it."""
    script = tmp_path / "prepare.py"
    script.write_text(SLOW)
    out = str(tmp_path / "out")
    return [sys.executable, str(script), "--out", out, "--cache", str(tmp_path)]


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_with_75_and_one_line(
    slow: list[str], tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(slow, stderr=subprocess.PIPE, text=True) as process:
        wait_for(tmp_path / "out/begun")
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 75
    assert said == f"error: stopped by {number.name}; the same command goes on\n"
    assert (tmp_path / "out/left").exists()  # it could tidy up


def test_a_stop_is_passed_on_to_the_script(slow: list[str], tmp_path: Path) -> None:
    stop = StopRequest()

    class Impatient(StopRequest):
        """A request that comes once the script is at work."""

        @property
        def signal_name(self) -> str | None:
            return "SIGTERM" if (tmp_path / "out/begun").exists() else None

        @signal_name.setter
        def signal_name(self, _: str | None) -> None:
            pass

    began = time.monotonic()
    assert run_script(slow, Impatient(), quiet=True) == 75
    assert time.monotonic() - began < 50
    assert (tmp_path / "out/left").exists()
    assert run_script([sys.executable, "-c", "raise SystemExit(3)"], stop, quiet=True) == 3


@pytest.mark.slow
def test_nobody_is_left_behind_when_speaking_is_stopped(tmp_path: Path) -> None:
    """The processes that speak end with the one that gave them the work."""
    script = tmp_path / "prepare.py"
    script.write_text(
        """
from pathlib import Path
from asr_adapt.prepare_script import run_prepare
from asr_adapt.voices import SpeechRequest, find_voice, say_files

def prepare(cache, out, size, seed):
    out.mkdir()
    texts = [f"this is call number {i}" for i in range(4000)]
    voice = find_voice("hibari-heart")
    requests = [SpeechRequest(out / f"{i}.flac", voice, text) for i, text in enumerate(texts)]
    say_files(requests, cache, progress=lambda done, total: (out / "begun").touch())

if __name__ == "__main__":
    run_prepare(prepare, ["demo"])
"""
    )
    command = [sys.executable, str(script), "--out", str(tmp_path / "out"), "--cache", "."]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(tmp_path / "out/begun")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert "Traceback" not in said
    assert len(children) > 1
    gone_by = time.monotonic() + 20  # what tracks their resources ends a moment later
    while left := [pid for pid in children if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < gone_by, left
        time.sleep(0.1)
