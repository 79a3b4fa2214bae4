"""Debian packages as data, with programs that only pretend to be apt's."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.sources.debian import fetch_debian


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put programs called apt-get, apt-cache and dpkg-deb first; return their log's path."""

    def make(sha256: str | None = None, size: int | None = None, known: bool = True) -> Path:
        log, bin_dir = tmp_path / "log", tmp_path / "bin"
        bin_dir.mkdir()
        digest = sha256 or hashlib.sha256(b"deb").hexdigest()
        stanza = f"Package: hello\\nVersion: 1:2.0-1\\nSize: {size or 3}\\nSHA256: {digest}\\n"
        show = f"printf '{stanza}'" if known else "echo 'E: No packages found' >&2; exit 100"
        fetch = 'case "$*" in *download*) printf deb > h.deb;; esac'
        programs = {
            "apt-get": f'echo "apt-get $*" >> {log}\n{fetch}',
            "apt-cache": f'echo "apt-cache $*" >> {log}\n{show}',
            "dpkg-deb": f'echo "dpkg-deb $1" >> {log}\nmkdir -p "$3/usr" && echo hi > "$3/usr/hi"',
        }
        for name, body in programs.items():
            (bin_dir / name).write_text(f"#!/bin/sh\n{body}\n")
            (bin_dir / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_dir}:/usr/bin:/bin")
        return log

    return make


def test_a_package_is_fetched_once(tmp_path: Path, apt: Callable[..., Path]) -> None:
    log = apt()
    folder = fetch_debian("hello", tmp_path / "cache")
    assert folder == (tmp_path / "cache" / "hello_1%3a2.0-1").resolve()
    assert (folder / "usr" / "hi").read_text() == "hi\n"
    before = log.read_text()
    assert "download hello=1:2.0-1" in before
    assert fetch_debian("hello", tmp_path / "cache") == folder
    assert log.read_text() == before


def test_two_at_once_fetch_it_once(tmp_path: Path, apt: Callable[..., Path]) -> None:
    log = apt()
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(fetch_debian("hello", tmp_path / "cache")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 4
    assert len(set(folders)) == 1
    assert log.read_text().count("download") == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"sha256": "0" * 64}, "SHA-256"), ({"size": 4}, "3 bytes instead of 4")],
)
def test_a_wrong_download_leaves_nothing(
    tmp_path: Path,
    apt: Callable[..., Path],
    settings: dict[str, str | int],
    told: str,
) -> None:
    apt(**settings)
    with pytest.raises(EnvironmentProblem, match=told):
        fetch_debian("hello", tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".hello.lock"]


@pytest.mark.parametrize(("user", "updates"), [(0, 1), (1000, 0)])
def test_missing_lists_are_updated_once_by_root_only(
    tmp_path: Path,
    apt: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    user: int,
    updates: int,
) -> None:
    log = apt(known=False)
    monkeypatch.setattr("os.geteuid", lambda: user)
    with pytest.raises(EnvironmentProblem, match="apt-get update"):
        fetch_debian("hello", tmp_path / "cache")
    assert log.read_text().count(" update") == updates


def test_without_apt_the_package_may_be_unpacked_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="unpack the package yourself") as problem:
        fetch_debian("hello", tmp_path / "cache")
    assert problem.value.exit_code == 4
    (tmp_path / "cache" / "hello_2").mkdir()
    assert fetch_debian("hello", tmp_path / "cache").name == "hello_2"


@pytest.mark.parametrize("name", ["", "-o", "../x", "Hello", "a b", "a"])
def test_only_package_names_reach_apt(tmp_path: Path, name: str) -> None:
    with pytest.raises(EnvironmentProblem, match="not a Debian package name"):
        fetch_debian(name, tmp_path)
