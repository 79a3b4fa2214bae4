"""asr-adapt: adapt speech recognition to a noisy domain, and measure what it brings.

What the commands do is here as functions: `evaluate`, `finetune`, `transcribe` and `report`
(docs/python.md). Importing the package loads nothing but this file.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr_adapt.api import evaluate, finetune, report, transcribe

__version__ = "0.1.0"
__all__ = ["__version__", "evaluate", "finetune", "report", "transcribe"]


class _Package(ModuleType):
    """This package, whose functions load when they are asked for.

    Two of them share their name with a module. Python makes a module an attribute of its package
    when it is imported; here the function stays, and the module is reached by importing from it:
    ``from asr_adapt.report import build``. A class of its own for a module is Python's way to do
    so (https://docs.python.org/3/reference/datamodel.html#customizing-module-attribute-access).
    """

    def __getattr__(self, name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'asr_adapt' has no attribute {name!r}")
        from asr_adapt import api

        return getattr(api, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in __all__ or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
