"""What a number was measured with: versions, processor, threads, commit; what it is logged to."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asr_adapt.errors import EnvironmentProblem
from asr_adapt.settings import TRACKER_EXTRAS

PACKAGES = ("torch", "torchaudio", "transformers", "peft", "datasets", "jiwer", "numpy")


def package_versions() -> dict[str, str]:
    """Return the versions of asr-adapt and the packages that numbers depend on."""
    from asr_adapt import __version__

    versions = {"asr-adapt": __version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def measured_with(device: str) -> dict[str, Any]:
    """Return what a number depends on beside its command: commit, versions and environment."""
    return {
        "commit": source_commit(),
        "versions": package_versions(),
        "environment": describe_machine(device),
    }


def describe_machine(device: str) -> dict[str, Any]:
    """Return processor, cores, platform and device in words."""
    return {
        "platform": platform.platform(terse=True),
        "python": platform.python_version(),
        "cpu": _processor_name(),
        "cores": os.cpu_count(),
        "device": device,
    }


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def check_tracker(name: str, option: str) -> None:
    """Refuse an experiment tracker whose package is not installed, before long work begins.

    Args:
        name: one of `asr_adapt.settings.TRACKER_EXTRAS`.
        option: that named it, for the message.

    Raises:
        EnvironmentProblem: naming the extra that installs it.
    """
    if not is_installed(name):
        raise EnvironmentProblem(
            f"{option} {name}: the package {name} is not installed; "
            f"pip install 'asr-adapt[{TRACKER_EXTRAS[name]}]'"
        )


def is_installed(module: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(module) is not None


def require_package(module: str, extra: str) -> None:
    """Refuse to go on without an optional package.

    Raises:
        EnvironmentProblem: naming the extra that installs it.
    """
    if not is_installed(module):
        package = module.replace("_", "-")
        raise EnvironmentProblem(
            f"package '{package}' is not installed: pip install 'asr-adapt[{extra}]'"
        )


def source_commit() -> str | None:
    """Return the git commit of the code that runs, ``-dirty`` if changed; None if unknown.

    ``ASR_ADAPT_COMMIT`` names it for copies without their git history.
    """
    if named := os.environ.get("ASR_ADAPT_COMMIT"):
        return named
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        run = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None
