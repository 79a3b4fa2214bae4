"""Hand the adapted model to other programs: `export`.

Reads an adapter, writes a folder for each format; with speech at hand it compares what they write.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from asr_adapt.api.session import (
    Names,
    PathText,
    Session,
    default_reading,
    names_of,
    say_languages,
)
from asr_adapt.files import check_out_folder
from asr_adapt.settings import check_seed

if TYPE_CHECKING:
    from asr_adapt.exporting.export import Exported
    from asr_adapt.own_data import ReadingRules


def export(
    adapter: PathText,
    *,
    model: str,
    out: PathText,
    to: Names = ("hf",),
    precision: str | None = None,
    strength: float | None = None,
    check: PathText | None = None,
    split: str | None = None,
    limit: int = 20,
    reading: ReadingRules | None = None,
    normaliser: str = "auto",
    device: str = "auto",
    seed: int = 1,
    session: Session | None = None,
) -> Exported:
    """Write the model with an adapter merged in, in the formats of other programs.

    Args:
        adapter: folder that `finetune` wrote.
        model: base model: short name, hub id or folder.
        out: gets a folder for each format.
        to: formats: ``hf``, ``ct2``, ``ggml``.
        precision: of the weights; None for the usual one of each format.
        strength: part of the adapter's change that is applied, 0 to 1; None as training chose.
        check: speech by which formats are compared with the adapter; needs no text.
        split: rows of it to use; ``all`` for all, None for its test rows or, without splits, all.
        limit: utterances that are compared.
        reading: names of columns, language, and what is allowed in the data.
        normaliser: what texts are brought to before they are compared
            (`asr_adapt.words.text.normaliser_for`).
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of which utterances are compared.
        session: how work is watched.

    Returns:
        The folders by format, and what the comparison came to (error counts).

    Raises:
        AsrAdaptError: of the kind that `asr_adapt.errors` lists; the message says what to do.
    """
    from asr_adapt.base_weights.weights import resolve_weights
    from asr_adapt.exporting.export import ExportJob
    from asr_adapt.exporting.export import export as write_formats
    from asr_adapt.words.text import normaliser_for

    session, reading = session or Session(), reading or default_reading()
    display = session.display
    check_out_folder(Path(out))
    check_seed(seed)
    usual = normaliser_for(normaliser, ())
    job = ExportJob(
        weights=resolve_weights(model),
        adapter=Path(adapter),
        forms=names_of(to),
        precision=precision,
        strength=strength,
        normaliser=usual.name,
        device=device,
        command=session.command,
    )
    if check is not None:
        from asr_adapt.audio import apply_long_policy
        from asr_adapt.own_data import read_checked, select_for_test
        from asr_adapt.splits import limited

        read = read_checked(Path(check), replace(reading, unlabelled=True), display, session.stop)
        pieces, _ = apply_long_policy(select_for_test(read, split, display.say), reading.long)
        languages = {u.language for u in pieces}
        say_languages(adapter, languages, session)
        compared_by = normaliser_for(normaliser, languages).name
        job = replace(job, clips=limited(pieces, limit, seed), normaliser=compared_by)
    return write_formats(job, Path(out), stop=session.stop, progress_for=display.start)
