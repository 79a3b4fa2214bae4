"""The voice codec codec2 through Debian's programs, fetched without root where not installed.

Writes below the cache folder. Refuses (EnvironmentProblem) systems on which codec2 neither is
installed nor can be fetched, and a program that fails. The codec: https://github.com/drowe67/codec2
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.sources.debian import fetch_debian

TIMEOUT_S = 60.0
LIBRARY_PACKAGES = ("libcodec2-1.2", "libcodec2-1.0")
"""The library of the programs, by its names from Debian 13 on and before."""


@dataclass(frozen=True, slots=True)
class Codec2:
    """The programs ``c2enc`` and ``c2dec``; speech goes in and out through pipes.

    Attributes:
        encoder: path of ``c2enc``.
        decoder: path of ``c2dec``.
        libraries: folders of the libraries that they need.
    """

    encoder: Path
    decoder: Path
    libraries: tuple[Path, ...] = ()

    def encode(self, pcm: bytes, mode: str) -> bytes:
        """Return packed frames of 16-bit little-endian samples at 8 kHz; a rest is left out.

        Raises:
            EnvironmentProblem: the program fails.
        """
        return self._run(self.encoder, mode, pcm)

    def decode(self, frames: bytes, mode: str) -> bytes:
        """Return 16-bit little-endian samples at 8 kHz of packed frames.

        Raises:
            EnvironmentProblem: the program fails.
        """
        return self._run(self.decoder, mode, frames)

    def _run(self, program: Path, mode: str, given: bytes) -> bytes:
        inherited = os.environ.get("LD_LIBRARY_PATH")
        folders = [str(path) for path in self.libraries] + ([inherited] if inherited else [])
        done = subprocess.run(  # noqa: S603  an argument list; speech goes in through a pipe
            [str(program), mode, "-", "-"],
            env={**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(folders)},
            input=given,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            why = done.stderr.decode(errors="replace").strip()[-200:]
            raise EnvironmentProblem(f"{program}: exit status {done.returncode}: {why}")
        return done.stdout


@cache
def find_codec2(cache_dir: Path) -> Codec2:
    """Return the codec2 that is installed, else fetch Debian's into the cache.

    Raises:
        EnvironmentProblem: neither is possible.
    """
    encoder, decoder = shutil.which("c2enc"), shutil.which("c2dec")
    if encoder and decoder:
        return Codec2(Path(encoder), Path(decoder))
    programs = fetch_debian("codec2", cache_dir) / "usr" / "bin"
    library = _fetch_library(cache_dir)
    folders = tuple(sorted(library.glob("usr/lib/*-linux-gnu*")))
    return Codec2(programs / "c2enc", programs / "c2dec", folders)


def _fetch_library(cache_dir: Path) -> Path:
    """Fetch the library by the name it has in this archive."""
    for package in LIBRARY_PACKAGES:
        if any(cache_dir.glob(f"{package}_*")):
            return fetch_debian(package, cache_dir)
    for package in LIBRARY_PACKAGES[:-1]:
        try:
            return fetch_debian(package, cache_dir)
        except EnvironmentProblem:
            continue
    return fetch_debian(LIBRARY_PACKAGES[-1], cache_dir)
