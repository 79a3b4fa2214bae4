"""asr-adapt: adapt speech recognition to a noisy domain, and measure what it brings.

What the commands do is here as functions: `evaluate`, `export`, `finetune`, `report` and
`transcribe` (docs/python.md). Importing the package loads nothing but this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr_adapt.api import evaluate, export, finetune, report, transcribe

__version__ = "0.1.0"
__all__ = ["__version__", "evaluate", "export", "finetune", "report", "transcribe"]


def __getattr__(name: str) -> object:
    """Load a function when it is asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'asr_adapt' has no attribute {name!r}")
    from asr_adapt import api

    return getattr(api, name)
