"""Where the voice packages lie; they are optional and imported only when a voice speaks."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from asr_adapt.environment import require_package
from asr_adapt.errors import EnvironmentProblem


def package_folder(module: str) -> Path:
    """Return the folder of an installed data package, without importing it.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    require_package(module, "voices")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise EnvironmentProblem(f"package '{module}' is broken: it has no files; install it again")
    return Path(spec.origin).parent
