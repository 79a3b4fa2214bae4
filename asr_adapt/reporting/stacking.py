"""Put the alignments of several arms beneath one reference, word under word.

Pure functions over aligned words; no files. The result is a list of blocks, each narrow enough
for one line of a page, in which every row has as many cells as the reference row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from asr_adapt.scoring.alignment import AlignedWord


@dataclass(frozen=True, slots=True)
class Cell:
    """What an arm has in one column: ``hit``, ``sub``, ``del``, ``ins`` or ``gap`` (nothing)."""

    kind: str
    text: str


GAP = Cell("gap", "")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a reference word, "" where only arms have words, and a cell for each arm."""

    reference: str
    cells: tuple[Cell, ...]

    @property
    def width(self) -> int:
        """Characters of the widest entry, with a mark and the space beside it."""
        return 2 + max(len(text) for text in (self.reference, *(cell.text for cell in self.cells)))


@dataclass(frozen=True, slots=True)
class Block:
    """Columns that fit on a line, seen by row: the reference and (arm, cells) in arm order."""

    reference: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def stack_alignments(alignments: Mapping[str, Sequence[AlignedWord]], width: int) -> list[Block]:
    """Align several arms with their common reference.

    Args:
        alignments: for each arm its alignment with the same reference words.
        width: characters on a line; a longer utterance continues in a further block.

    Raises:
        ValueError: if the alignments are not of the same reference.
    """
    slots = {arm: _by_slot(words) for arm, words in alignments.items()}
    spoken = {tuple(word.reference for _, word in each if word) for each in slots.values()}
    if len(spoken) > 1:
        raise ValueError("the alignments are not of one reference")
    columns: list[Column] = []
    for slot in zip(*slots.values(), strict=True):
        columns += _columns(slot)
    return [_block(tuple(alignments), part) for part in _wrap(columns, width)]


_Slot = tuple[list[str], AlignedWord | None]


def _by_slot(words: Iterable[AlignedWord]) -> list[_Slot]:
    """Cut an alignment before each reference word: (words inserted before it, the word).

    The last slot has no word: it holds what was inserted after the end.
    """
    slots: list[_Slot] = []
    inserted: list[str] = []
    for word in words:
        if word.kind == "ins":
            inserted.append(word.hypothesis)
        else:
            slots.append((inserted, word))
            inserted = []
    return [*slots, (inserted, None)]


def _columns(slot: Sequence[_Slot]) -> list[Column]:
    """Return the columns of one slot: insertions stand beside the word, ends flush."""
    depth = max(len(inserted) for inserted, _ in slot)
    columns = []
    for place in range(depth):
        cells = []
        for inserted, _ in slot:
            index = place - (depth - len(inserted))
            cells.append(Cell("ins", inserted[index]) if index >= 0 else GAP)
        columns.append(Column("", tuple(cells)))
    words = [word for _, word in slot if word]
    if words:
        columns.append(Column(words[0].reference, tuple(_cell(word) for word in words)))
    return columns


def _cell(word: AlignedWord) -> Cell:
    return Cell(word.kind, word.hypothesis)


def _wrap(columns: Sequence[Column], width: int) -> list[list[Column]]:
    lines: list[list[Column]] = []
    used = width
    for column in columns:
        if used + column.width > width:
            lines.append([])
            used = 0
        lines[-1].append(column)
        used += column.width
    return lines


def _block(arms: tuple[str, ...], columns: Sequence[Column]) -> Block:
    rows = tuple(
        (arm, tuple(column.cells[row] for column in columns)) for row, arm in enumerate(arms)
    )
    return Block(tuple(column.reference for column in columns), rows)
