"""Characters that have no place in a name or in a line to read out: one rule for all readers.

Unlike ``str.isprintable`` it lets spaces of other kinds through: macOS writes U+202F into the names
of recordings ("9.41 AM.wav"), Word U+00A0, and Japanese separates names by U+3000.
"""

from __future__ import annotations

import unicodedata

_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, invisible format characters, half characters, and ends of lines and paragraphs, by the
General_Category of https://www.unicode.org/reports/tr44/."""
_JOINERS = frozenset("\u200c\u200d")
"""Format characters that names of several scripts are spelled with
(https://www.unicode.org/reports/tr31/#Layout_and_Format_Control_Characters). The others hide, or
turn the direction of the text around them: https://trojansource.codes."""


def has_controls(text: str) -> bool:
    r"""Say whether a text holds control characters, or others that nobody sees.

    >>> has_controls("at 9.41\u202fAM"), has_controls("\u0646\u0627\u0645\u0647\u200c\u0627\u06cc")
    (False, False)
    >>> has_controls("red\x1b[31m"), has_controls("left\u202eright")
    (True, True)
    """
    if text.isprintable():
        return False
    return any(unicodedata.category(c) in _CATEGORIES and c not in _JOINERS for c in text)
