"""The card beside an adapter: it comes back as it was written, and nothing else is believed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asr_adapt.adapter import CARD_NAME, AdapterCard, not_learned, read_card, write_card
from asr_adapt.api.session import Session, say_languages
from asr_adapt.errors import DataError
from asr_adapt.files import file_sha256
from asr_adapt.progress import ProgressDisplay

WEIGHTS = b"any bytes will do: the card knows their checksum"


@pytest.fixture
def card(tmp_path: Path) -> AdapterCard:
    """A card that lies beside its weights in ``tmp_path``."""
    (tmp_path / "adapter_model.safetensors").write_bytes(WEIGHTS)
    made = AdapterCard(
        method="lora",
        base_name="toy",
        base_sha256="0" * 64,
        window_slack_frames=64,
        window_least_frames=200,
        prompt_template="{phrases}.",
        prompt_budget_tokens=100,
        normaliser="raw",
        seed=1,
        weights_sha256=file_sha256(tmp_path / "adapter_model.safetensors"),
        label_minutes=1.5,
        hears_silence=True,
        training_s=10.0,
        trainable_parameters=10,
        steps=8,
        chosen_step=4,
        dev_wer=({"step": 4, "wer": 0.5}, {"step": 8, "wer": 0.75}),
        training_curve=({"step": 5, "loss": 1.25},),
        trained_on={"speakers": ["a"], "recordings": [], "audio": []},
        phrases=("Østersøen",),
        settings={"epochs": 2},
        versions={"torch": "2.11.0"},
        command=("asr-adapt", "finetune"),
        data_sha256={"train": "1" * 64, "dev": "2" * 64, "general": "3" * 64},
    )
    write_card(tmp_path, made)
    return made


def change(folder: Path, **values: Any) -> None:
    """Change fields of the written card."""
    row = json.loads((folder / CARD_NAME).read_text())
    (folder / CARD_NAME).write_text(json.dumps({**row, **values}))


def test_a_card_comes_back_as_it_was_written(card: AdapterCard, tmp_path: Path) -> None:
    assert read_card(tmp_path) == card
    write_card(tmp_path, replace(card, strength=0.4, window_slack_frames=None))
    assert read_card(tmp_path).strength == 0.4
    assert read_card(tmp_path).window.slack_frames is None


def test_every_changed_byte_of_the_weights_is_noticed(card: AdapterCard, tmp_path: Path) -> None:
    path = tmp_path / "adapter_model.safetensors"
    for place in range(len(WEIGHTS)):
        path.write_bytes(WEIGHTS[:place] + b"\xff" + WEIGHTS[place + 1 :])
        with pytest.raises(DataError, match=r"adapter_model\.safetensors.*checksum"):
            read_card(tmp_path)
    for size in (0, 1, len(WEIGHTS) - 1):
        path.write_bytes(WEIGHTS[:size])
        with pytest.raises(DataError, match="checksum"):
            read_card(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "JSON"), ("[]", "version"), ("{}", "version"), ('{"card_version": 99}', "version")],
)
def test_what_is_no_card_is_refused(
    text: str, says: str, card: AdapterCard, tmp_path: Path
) -> None:
    (tmp_path / CARD_NAME).write_text(text)
    with pytest.raises(DataError, match=f"{CARD_NAME}.*{says}"):
        read_card(tmp_path)


def test_fields_too_many_or_too_few_are_named(card: AdapterCard, tmp_path: Path) -> None:
    change(tmp_path, colour="blue")
    with pytest.raises(DataError, match="colour"):
        read_card(tmp_path)
    row = json.loads((tmp_path / CARD_NAME).read_text())
    del row["colour"], row["seed"]
    (tmp_path / CARD_NAME).write_text(json.dumps(row))
    with pytest.raises(DataError, match="seed"):
        read_card(tmp_path)


def test_a_folder_without_card_or_weights_is_no_adapter(card: AdapterCard, tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(DataError, match=r"no adapter_model\.safetensors"):
        read_card(tmp_path)
    with pytest.raises(DataError, match="finetune"):
        read_card(tmp_path / "nowhere")


def test_speech_of_another_language_than_was_learned_is_pointed_out(
    card: AdapterCard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    french = replace(card, languages=("fr",))
    write_card(tmp_path, french)
    assert read_card(tmp_path).languages == ("fr",)
    assert not_learned(french, ["fr"]) is None
    session = Session(ProgressDisplay())
    say_languages(tmp_path, ["fr"], session)
    assert capsys.readouterr().err == ""
    say_languages(tmp_path, ["en"], session)
    assert "learned fr" in capsys.readouterr().err
    assert re.search(
        r"learned fr.* read as en:.*--language", not_learned(french, ["fr", "en"]) or ""
    )
    assert not_learned(card, ["en"]) is None  # it does not say


def test_a_card_may_name_no_languages(card: AdapterCard, tmp_path: Path) -> None:
    row = json.loads((tmp_path / CARD_NAME).read_text())
    del row["languages"]
    (tmp_path / CARD_NAME).write_text(json.dumps(row))
    assert read_card(tmp_path) == card
