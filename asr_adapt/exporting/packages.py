"""Packages of the extra ``export``: installed, or named with how to install them."""

from __future__ import annotations

from importlib.util import find_spec

from asr_adapt.errors import EnvironmentProblem


def is_installed(module: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(module) is not None


def require(module: str) -> None:
    """Refuse to go on without a package.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    if not is_installed(module):
        raise EnvironmentProblem(
            f"package '{module}' is not installed: pip install 'asr-adapt[export]'"
        )
