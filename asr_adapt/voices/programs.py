"""Voices that are programs: Debian's flite, fetched without root where it is not installed.

Writes below the cache folder. Refuses (EnvironmentProblem) systems on which flite neither is
installed nor can be fetched, and a flite that fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from asr_adapt.audio import read_channels
from asr_adapt.errors import EnvironmentProblem
from asr_adapt.sources.debian import fetch_debian
from asr_adapt.voices.catalog import Voice
from asr_adapt.voices.neural import Speech

TIMEOUT_S = 60.0
ALSA_PACKAGES = ("libasound2t64", "libasound2")
"""The sound library that flite links, by its names from Debian 13 on and before."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program and the folders of the libraries that it needs."""

    path: Path
    libraries: tuple[Path, ...]

    def environment(self) -> dict[str, str]:
        """The environment to run it in."""
        folders = [str(path) for path in self.libraries]
        inherited = os.environ.get("LD_LIBRARY_PATH")
        return {
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(folders + ([inherited] if inherited else [])),
        }


def speak_flite(voice: Voice, text: str, speed: float, cache_dir: Path) -> Speech:
    """Speak with flite.

    Raises:
        EnvironmentProblem: there is no flite, or it fails.
    """
    program = find_flite(cache_dir)
    speaker = voice.styles[0][0]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "text", Path(folder) / "speech.wav"
        source.write_text(text, encoding="utf-8")
        stretch = f"duration_stretch={1 / speed:.4f}"
        command = [program.path, "-voice", speaker, "--setf", stretch, "-f", source, "-o", target]
        done = subprocess.run(  # noqa: S603  an argument list; the text goes in as a file
            [str(part) for part in command],
            env=program.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0 or not target.exists():
            why = done.stderr.decode(errors="replace").strip()[-200:]
            raise EnvironmentProblem(f"{program.path}: exit status {done.returncode}: {why}")
        samples, rate_hz = read_channels(target)
    return np.asarray(samples[:, 0], np.float32), rate_hz


@cache
def find_flite(cache_dir: Path) -> Program:
    """Return the flite that is installed, else fetch Debian's into the cache.

    Raises:
        EnvironmentProblem: neither is possible.
    """
    installed = shutil.which("flite")
    if installed:
        return Program(Path(installed), ())
    folders = [fetch_debian(package, cache_dir) for package in ("flite", "libflite1")]
    if find_library("asound") is None:
        folders.append(_fetch_first(ALSA_PACKAGES, cache_dir))
    libraries = [path for folder in folders for path in sorted(folder.glob("usr/lib/*-linux-gnu*"))]
    return Program(folders[0] / "usr" / "bin" / "flite", tuple(libraries))


def _fetch_first(packages: tuple[str, ...], cache_dir: Path) -> Path:
    """Fetch the first of several packages that the archive has."""
    for package in packages[:-1]:
        try:
            return fetch_debian(package, cache_dir)
        except EnvironmentProblem:
            continue
    return fetch_debian(packages[-1], cache_dir)
