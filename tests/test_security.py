"""What docs/security.md promises of code and files: data are never run, and name no other file."""

import ast
import os
import pathlib
import re
import sys

import pytest

from cnnjax.config.config import Config, to_json
from cnnjax.config.errors import ConfigError
from cnnjax.records.record import record_path, write_record
from cnnjax.runs.load import load_run
from tests.by_hand import make_records

ROOT = pathlib.Path(__file__).parents[1]
FILES = [
    ROOT / "launch.py",
    *(ROOT / "cnnjax").rglob("*.py"),
    *(ROOT / "experiments").rglob("*.py"),
]
# Modules that make objects or run code of what they read, or read XML with all it asks for.
MODULES = set("pickle dill cloudpickle joblib marshal shelve yaml xml lxml runpy code".split())
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp",
    "torch.load", "shutil.unpack_archive", "tarfile.open", "np.loadtxt", "np.genfromtxt",
}  # fmt: skip
METHODS = {"extractall", "extract", "exec_module", "allow_pickle"}
IMPORTING = {"importlib.import_module", "importlib.util.spec_from_file_location"}
SAFE = {("torch.load", "weights_only", True)}  # a call that makes no objects, so given
# Code by a name that is not written there: plug-ins, which a person names, and our own modules.
NAMED = {
    "cnnjax/config/plugins.py": "--plugin and --engine, and what a parent process was given",
    "cnnjax/config/register.py": "homes of choices, by a table of ours",
    "cnnjax/config/doors.py": "our own modules, by a table of ours",
    "cnnjax/config/installed.py": "our own commands",
    "cnnjax/__init__.py": "our own modules, by a table of ours",
    "cnnjax/data/sources/official.py": "our own builders, by a table of ours",
    "cnnjax/data/sources/arrayrecord.py": "one module, by its name",
    "experiments/claims/known_answers.py": "our own checks",
    "experiments/endure/__main__.py": "our own parts, by a table of ours",
    "experiments/endure/commands.py": "our own scripts",
    "experiments/endure/forks.py": "our own scripts",
}
RUNS_CODE = {"cnnjax/config/plugins.py": {"exec_module"}}
HOSTILE = {"experiments/endure/headers.py": {"pickle"}}  # makes what is to be refused


def name_of(node):
    """Such as os.path.join, of an expression of names; empty of any other."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def list_dangers(path):
    """What a file of ours calls or imports that could run what it reads."""
    own = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            known = MODULES - HOSTILE.get(own, set())
            yield from (name for name in names if name.partition(".")[0] in known)
        if not isinstance(node, ast.Call):
            continue
        called = name_of(node.func)
        last = called.rpartition(".")[2]
        values = {(called, own.arg, getattr(own.value, "value", None)) for own in node.keywords}
        if called in CALLS and not values & SAFE or last in METHODS - RUNS_CODE.get(own, set()) or (
            called in IMPORTING and own not in NAMED
        ):  # fmt: skip
            yield called
        for given in node.keywords:
            value = getattr(given.value, "value", None)
            if (given.arg, value) in {("shell", True), ("allow_pickle", True)}:
                yield f"{called}({given.arg}=True)"


def test_nothing_of_ours_runs_or_unpickles_what_it_reads():
    found = {path: [*list_dangers(path)] for path in FILES}
    assert {str(path): own for path, own in found.items() if own} == {}
    assert len(FILES) > 150 and all((ROOT / name).exists() for name in NAMED)


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from yaml import load", "eval('1')", "os.system('x')", "torch.load(f)",
     "torch.load(f, weights_only=False)", "torch.load(f, weights_only=x)",
     "archive.extractall()", "np.load(f, allow_pickle=True)", "run('x', shell=True)",
     "importlib.import_module(name)", "spec.loader.exec_module(m)", "import xml.etree"],
)  # fmt: skip
def test_the_scan_sees(tmp_path, monkeypatch, text):
    (tmp_path / "a.py").write_text(text)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert [*list_dangers(tmp_path / "a.py")]


@pytest.fixture(scope="module")
def opened():
    """Every path that is opened or listed from here on."""
    paths, on = [], [True]

    def hear(event, arguments):
        if on and event in ("open", "os.listdir", "os.scandir", "import", "subprocess.Popen"):
            paths.append(str(arguments[0]))

    sys.addaudithook(hear)
    yield paths
    on.clear()


def test_a_record_of_others_opens_no_file_that_it_names(tmp_path, opened):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.py").write_text("raise SystemExit('it was run')")
    (secret / "x.npz").write_bytes(b"")
    config = to_json(Config(dataset=f"arrays:{secret / 'x.npz'}"))
    provenance = {
        **make_records(1)[0].provenance,
        "origin": {"plugins": {str(secret / "key.py"): "../../../secret/key", "x": "/etc/passwd"}},
        "files": {"../../secret/x.npz": "0"}, "class_names": ["<script>", "\x1b[2J"],
    }  # fmt: skip
    whole = make_records(1)[0]
    record = whole._replace(id="0" * 20, config=config, provenance=provenance)
    write_record(tmp_path / "runs", record)
    opened.clear()
    with pytest.warns(UserWarning, match="another text"):
        run = load_run(record_path(tmp_path / "runs", record.id).parent)
    assert run.scores["test_accuracy"] == whole.scores["test_accuracy"]
    assert opened and not [path for path in opened if "secret" in path or "passwd" in path]


@pytest.mark.parametrize("name", ["record.json", "result.json"])
def test_json_that_nests_without_end_is_refused(tmp_path, name):
    (tmp_path / name).write_text('{"a":' * 100_000)
    with pytest.raises((ConfigError, ValueError), match=re.escape(os.fspath(tmp_path / name))):
        load_run(tmp_path)


def test_the_scan_of_connections_sees(call):
    code = "import socket; socket.getaddrinfo('example.org', 80)"
    run = call("-c", code)
    assert run.returncode == 99 and "asked for" in run.stderr


@pytest.mark.slow
def test_a_study_of_digits_connects_to_nobody(call, environment, monkeypatch, tmp_path):
    """Not to the loopback either; every other command that tests start is watched but for it."""
    monkeypatch.setitem(environment, "CLOSED", "1")
    flags = ("--seeds=1", "--steps=2", "--train_examples=48", "--batch_size=16", "--eval_every=0")
    run = call("-m", "experiments.ablate", "--grid=pool=max,avg", *flags, f"--runs={tmp_path}")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "index.html").exists()


def test_offline_a_set_that_is_not_here_is_one_line(call, environment, monkeypatch, tmp_path):
    monkeypatch.setitem(environment, "CLOSED", "1")
    flags = ("--dataset=cifar10", "--offline", "--steps=2", f"--data_dir={tmp_path}")
    run = call("-m", "experiments.train", *flags, f"--workdir={tmp_path / 'run'}")
    note, line = run.stderr.splitlines()
    assert run.returncode == 1 and note.startswith("note: preparing cifar10")
    assert "--offline forbids it" in line and "--data_dir=FOLDER in which it is prepared" in line
