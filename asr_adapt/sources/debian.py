"""Debian packages as a source of data: fetched, checked and unpacked, never installed.

Reads the package lists of apt and writes below a cache folder. Needs no root. Refuses a download
whose size or SHA-256 is not the promised one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from asr_adapt.errors import DataError, EnvironmentProblem
from asr_adapt.files import file_sha256

_PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian Policy 5.6.1

_APT_OPTIONS = (
    # apt as root otherwise downloads as the user _apt, who may not write into our folder.
    "-oAPT::Sandbox::User=root",
    "-oAcquire::Retries=3",
    "-oAcquire::http::Timeout=60",
    "-oAcquire::https::Timeout=60",
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What apt promises about the package it would download."""

    version: str
    size_bytes: int
    sha256: str


def fetch_debian(package: str, cache_dir: Path) -> Path:
    """Return the folder with the files of a Debian package, fetching it where it is not there yet.

    The folder is ``cache_dir/<package>_<version>``. One that is present is used as it is, without
    asking apt, so a machine without apt can be given the unpacked package by hand. It appears
    whole or not at all, and two processes may ask for the same package at once.

    Args:
        package: name of a binary package, such as ``asterisk-core-sounds-en``.
        cache_dir: where unpacked packages are kept; made where missing.

    Returns:
        The folder that stands for ``/`` of the package: ``usr/share/...`` lies below it.

    Raises:
        EnvironmentProblem: apt-get or dpkg-deb is missing, the package is unknown or cannot be
            downloaded, or the download is not what was promised.
    """
    if not _PACKAGE_NAME.fullmatch(package):
        raise EnvironmentProblem(f"'{package}' is not a Debian package name")
    cache_dir = cache_dir.resolve()
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / f".{package}.lock"):
        return _present(package, cache_dir) or _fetch(package, cache_dir)


def find_one(folder: Path, name: str) -> Path:
    """Return the one file of a name in an unpacked package, or in any folder above it.

    Raises:
        DataError: there is none, or there are several.
    """
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        raise DataError(f"{folder}: {len(found)} files {name} below it, one is needed")
    return found[0]


def _present(package: str, cache_dir: Path) -> Path | None:
    """The unpacked package in the cache; package names hold no underscore: the glob is exact."""
    folders = sorted(path for path in cache_dir.glob(f"{package}_*") if path.is_dir())
    return folders[-1] if folders else None


def _fetch(package: str, cache_dir: Path) -> Path:
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            raise EnvironmentProblem(
                f"package '{package}': {program} is not there; needs Debian's or Ubuntu's apt-get "
                f"and dpkg-deb, or unpack the package yourself into {cache_dir}/{package}_VERSION"
            )
    candidate = _find_candidate(package)
    folder = cache_dir / f"{package}_{candidate.version.replace(':', '%3a')}"
    with tempfile.TemporaryDirectory(prefix=f".{package}-", dir=cache_dir) as scratch:
        deb = _download(package, candidate, Path(scratch))
        _check(deb, candidate.size_bytes, candidate.sha256)
        unpacked = Path(scratch) / "unpacked"
        _run(["dpkg-deb", "-x", str(deb), str(unpacked)], f"package '{package}': cannot unpack it")
        unpacked.chmod(0o755)
        unpacked.replace(folder)
    return folder


def _find_candidate(package: str) -> _Candidate:
    """Ask apt's lists, updating them once where they miss the package and we are allowed to."""
    candidate = _read_candidate(package)
    if candidate is None and os.geteuid() == 0:
        _run(["apt-get", *_APT_OPTIONS, "update"], "cannot update apt's package lists")
        candidate = _read_candidate(package)
    if candidate is None:
        raise EnvironmentProblem(
            f"package '{package}': not in apt's package lists; run `sudo apt-get update`, "
            "and see that the archive's main (Ubuntu: universe) is among apt's sources"
        )
    return candidate


def _read_candidate(package: str) -> _Candidate | None:
    found = _apt(["apt-cache", "show", "--no-all-versions", package])
    for stanza in found.stdout.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, flags=re.MULTILINE))
        if {"Version", "Size", "SHA256"} <= fields.keys():  # an installed copy has no SHA256
            return _Candidate(fields["Version"], int(fields["Size"]), fields["SHA256"])
    return None


def _download(package: str, candidate: _Candidate, folder: Path) -> Path:
    _run(
        ["apt-get", *_APT_OPTIONS, "download", f"{package}={candidate.version}"],
        f"package '{package}': cannot download it",
        folder,
    )
    debs = list(folder.glob("*.deb"))
    if len(debs) != 1:
        raise EnvironmentProblem(f"package '{package}': apt-get left {len(debs)} files, not one")
    return debs[0]


def _check(deb: Path, size_bytes: int, sha256: str) -> None:
    if deb.stat().st_size != size_bytes:
        raise EnvironmentProblem(
            f"{deb.name}: {deb.stat().st_size} bytes instead of {size_bytes}; try again"
        )
    digest = file_sha256(deb)
    if digest != sha256:
        raise EnvironmentProblem(
            f"{deb.name}: SHA-256 is {digest}, not {sha256}; the archive has another version, "
            "or the download is damaged: try again, or another mirror"
        )


def _apt(command: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  an argument list; package names are checked above
        command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _run(command: Sequence[str], problem: str, cwd: Path | None = None) -> None:
    done = _apt(command, cwd)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("E:")]
        why = " ".join(lines) or done.stderr.strip()[-300:] or f"exit status {done.returncode}"
        raise EnvironmentProblem(f"{problem}: {why}")
