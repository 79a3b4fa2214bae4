"""A checkpoint counts if every byte of it is there; else the next older one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from asr_adapt.errors import DataError
from asr_adapt.training.checkpoints import LIST_NAME, fault, newest_whole, seal

CONTENT = {
    "model.safetensors": b"weights" * 50,
    "rng.pth": b"\x00\x01" * 9,
    "sub/state.json": b"{}",
}


def staged(root: Path, step: int) -> Path:
    """Write what a Trainer would for a step."""
    folder = root / "staging" / f"checkpoint-{step}"
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content + str(step).encode())
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sealed checkpoints, of steps 5 and 10."""
    (tmp_path / "checkpoints").mkdir()
    for step in (5, 10):
        seal(staged(tmp_path, step), tmp_path / "checkpoints", step)
    return tmp_path / "checkpoints"


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut_last_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))


DAMAGES = (remove, empty, halve, cut_last_byte, flip_bit)


def test_the_newest_whole_checkpoint_is_taken(root: Path) -> None:
    found, skipped = newest_whole(root)
    assert found == root / "step-00000010"
    assert skipped == []


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*CONTENT, LIST_NAME])
def test_a_damaged_checkpoint_is_skipped_and_said(
    name: str, damage: Callable[[Path], None], root: Path
) -> None:
    damage(root / "step-00000010" / name)
    found, skipped = newest_whole(root)
    assert found == root / "step-00000005"
    assert len(skipped) == 1
    assert "step-00000010" in skipped[0]
    assert name in skipped[0]


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_none_is_whole_nothing_restarts_silently(
    damage: Callable[[Path], None], root: Path
) -> None:
    for checkpoint in root.iterdir():
        damage(checkpoint / "model.safetensors")
    with pytest.raises(DataError, match="no checkpoint is whole") as error:
        newest_whole(root)
    assert "step-00000005" in str(error.value)
    assert "step-00000010" in str(error.value)


def test_no_checkpoint_at_all_is_no_error(tmp_path: Path) -> None:
    assert newest_whole(tmp_path) == (None, [])


def test_every_bit_of_the_list_counts(root: Path) -> None:
    """A flipped bit in the list is found out, or leaves names, sizes and checksums as they were."""
    checkpoint = root / "step-00000010"
    original = (checkpoint / LIST_NAME).read_bytes()
    for place in range(len(original)):
        changed = bytearray(original)
        changed[place] ^= 0x04
        (checkpoint / LIST_NAME).write_bytes(bytes(changed))
        if fault(checkpoint) is None:
            assert json.loads(changed)["files"] == json.loads(original)["files"]


def test_two_checkpoints_are_kept(root: Path, tmp_path: Path) -> None:
    for step in (15, 20):
        seal(staged(tmp_path, step), root, step)
        assert len(list(root.iterdir())) == 2
    assert sorted(p.name for p in root.iterdir()) == ["step-00000015", "step-00000020"]


def test_a_step_taken_again_replaces_its_checkpoint(root: Path, tmp_path: Path) -> None:
    (root / "step-00000010" / "rng.pth").unlink()
    seal(staged(tmp_path, 10), root, 10)
    assert newest_whole(root) == (root / "step-00000010", [])


def test_a_sealed_checkpoint_holds_what_was_staged(root: Path) -> None:
    for name, content in CONTENT.items():
        assert (root / "step-00000010" / name).read_bytes() == content + b"10"
    assert not (root.parent / "staging" / "checkpoint-10").exists()
