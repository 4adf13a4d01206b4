"""What a notebook calls: values come back, nothing is printed, and JAX may be in use already."""

import inspect
import json
import pathlib
import subprocess
import sys
import types
from typing import Any

import jax
import numpy as np
import pytest

import cnnjax
from cnnjax import notebook
from cnnjax.config.knobs import RunError
from cnnjax.study import claims
from cnnjax.study.claims import Claim, Comparison, Study

OPTAX = True  # see conftest.py
ROOT = pathlib.Path(__file__).parents[1]
TINY = {
    "widths": [4], "hidden": [8], "train_examples": 48, "batch_size": 16, "steps": 6,
    "eval_every": 3,
}  # fmt: skip
ARMS = ({"pool": "max"}, {"pool": "avg"})
STUDY = Study(
    "small", "Which?", {}, ARMS, (Claim("one", "Max wins.", (Comparison(*ARMS, ">", "higher"),)),)
)


@pytest.fixture
def near(data_dir, digits):
    """Where the digits are prepared."""
    return {"data_dir": str(data_dir)}


def test_a_network_is_trained_in_a_line_and_leaves_no_file(near, digits, tmp_path, monkeypatch,
                                                           capsys):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    own = cnnjax.train(**TINY, pool="avg", **near)
    assert own.config.pool == "avg" and own.config.widths == (4,)
    assert own.predict(digits.test.images[:3]).shape == (3, 10)
    assert 0 <= own.scores["test_accuracy"] <= 1
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr() == ("", "")


def test_a_folder_is_gone_on_with_and_opened(near, tmp_path):
    own = cnnjax.train(**TINY, workdir=tmp_path / "one", **near)
    again = cnnjax.train(**TINY, workdir=tmp_path / "one", **near)
    assert own.path == again.path == tmp_path / "one" and own.record == again.record
    assert cnnjax.load_run(tmp_path / "one").scores == own.scores


def test_epochs_are_steps_of_the_training_images(near):
    rest = {name: value for name, value in TINY.items() if name not in ("steps", "eval_every")}
    assert cnnjax.train(**rest, epochs=2, eval_every=0, **near).config.steps == 6
    with pytest.raises(cnnjax.ConfigError, match="give one of the two"):
        cnnjax.train(**TINY, epochs=2, **near)


def test_what_cannot_be_is_said(near, tmp_path):
    with pytest.raises(cnnjax.ConfigError, match="max"):
        cnnjax.train(pool="maxx", **near)
    with pytest.raises(cnnjax.ConfigError, match="pool"):
        cnnjax.train(poool="max", **near)
    for grid, message in [
        ({}, "is empty"), ({"pool": ["max"]}, "at least two"), ({"seed": [1, 2]}, "same seeds"),
    ]:  # fmt: skip
        with pytest.raises(cnnjax.ConfigError, match=message):
            cnnjax.sweep(grid, runs=tmp_path, **near)
    with pytest.raises(cnnjax.ConfigError, match="no combination of the grid"):
        cnnjax.sweep({"pool": ["max", "avg"]}, baseline={"pool": "none"}, runs=tmp_path, **near)
    with pytest.raises(cnnjax.ConfigError, match="final, best, none"):
        cnnjax.conduct(STUDY, runs=tmp_path, keep="all", **near)  # pyright: ignore
    with pytest.raises(cnnjax.ConfigError, match="no folder of runs"):
        cnnjax.records(tmp_path / "gone")


GRID = {"pool": ["max", "avg"], "padding": ["SAME", "VALID"]}


@pytest.mark.parametrize(
    ("grid", "arguments", "words"),
    [
        (GRID, {"choose": "test"}, "choose='test' is not allowed: give 'validation'"),
        (GRID, {"seed": 4}, "seed: every arm runs the same seeds; give how many, or first_seed"),
        (GRID, {"seeds": 0}, "seeds=0 is not allowed: give an integer >= 1"),
        (GRID, {"seeds": 2.5}, "seeds=2.5 is not allowed"),
        (GRID, {"seeds": True}, "seeds=True is not allowed"),
        (GRID, {"first_seed": -1}, "first_seed=-1 is not allowed: give an integer >= 0"),
        (GRID, {"baseline": "pool=max"}, "baseline='pool=max': give a dict"),
        (GRID, {"baseline": {"pol": "max"}}, "unknown knob 'pol': did you mean pool?"),
        (GRID, {"stesp": 2}, "unknown knob 'stesp': did you mean steps?"),
        ({"poool": ["max", "avg"]}, {}, "unknown knob 'poool': did you mean pool?"),
        ({"data_dir": ["a", "b"]}, {}, "unknown knob 'data_dir'"),
        ({"pool": "max"}, {}, "the grid's pool: give a list of values"),
        ({"pool": 3}, {}, "the grid's pool: give a list of values"),
        ("pool", {}, "the grid 'pool': give the values of each knob"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_in_a_line(grid, arguments, words, near, tmp_path):
    with pytest.raises(cnnjax.ConfigError) as error:
        cnnjax.sweep(grid, runs=tmp_path, **arguments, **near)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_is_conducted_is_a_study_on_seeds_of_its_own(tmp_path):
    with pytest.raises(cnnjax.ConfigError, match="conduct.'pooling'.: give a cnnjax.Study"):
        cnnjax.conduct("pooling", runs=tmp_path)  # pyright: ignore
    wrong: list[dict[str, Any]] = [{"seed": 4}, {"seeds": 0}, {"first_seed": 0.5}]
    for arguments in wrong:
        with pytest.raises(cnnjax.ConfigError, match=next(iter(arguments))):
            cnnjax.conduct(STUDY, runs=tmp_path, **arguments)


def conducted(monkeypatch, *arguments, **named) -> Any:
    """The study, and what else is given for it, that a sweep would conduct."""
    monkeypatch.setattr(notebook, "_conduct", lambda *found: found)
    return cnnjax.sweep(*arguments, **named)


def test_a_baseline_is_named_as_the_report_names_it(monkeypatch):
    other = {"padding": "VALID", "pool": "avg"}
    study, *_ = conducted(monkeypatch, GRID, baseline=other, choose="validation")
    assert list(study.choosing.baseline.items()) == [("pool", "avg"), ("padding", "VALID")]
    assert claims.name_arm(study.choosing.baseline) in claims.name_arms(study)
    (claim,) = study.claims
    assert {claims.name_arm(own.b) for own in claim.comparisons} == {"pool=avg padding=VALID"}


def test_numbers_of_numpy_are_taken_as_flags_take_them(monkeypatch):
    grid = {"steps": np.array([10, 20]), "learning_rate": [np.float32(0.01), np.float64(0.1)]}
    study, options, *_ = conducted(
        monkeypatch, grid, seeds=np.int64(3), baseline={"learning_rate": 0.1, "steps": 1e1}
    )
    assert study.arms[0] == {"steps": 10, "learning_rate": 0.01} and options.num_seeds == 3
    values = {value for arm in study.arms for value in arm.values()}
    assert {type(value) for value in values} == {int, float}
    _, _, given = notebook._split(
        {"widths": np.array([4, 8]), "steps": 1e3, "batch_size": 20.0, "flip": np.bool_(True),
         "hidden": [np.int64(8), 16.0], "warmup_steps": jax.numpy.int32(3)}
    )  # fmt: skip
    assert repr(given) == repr(
        {"widths": (4, 8), "steps": 1000, "batch_size": 20, "flip": True, "hidden": (8, 16),
         "warmup_steps": 3}
    )  # fmt: skip
    with pytest.raises(cnnjax.ConfigError, match="--steps=2.5 is not allowed"):
        cnnjax.train(steps=2.5)


@pytest.mark.slow
def test_a_grid_is_swept_judged_and_read_again(near, tmp_path, capsys):
    runs, notes = tmp_path / "runs", []
    found = cnnjax.sweep(
        {"pool": ["max", "avg"]}, seeds=2, runs=runs, keep="final", **TINY, **near,
        observer=cnnjax.Observer(on_note=notes.append),
    )  # fmt: skip
    assert len(found.records) == 4 and len(found.verdicts) == 1
    assert found.path.exists() and found.path.parent.name.startswith("ablate-pool-")
    assert "decide nothing" in notes[0] and notes[0] in found.notes
    assert json.loads((found.path.parent / "verdicts.json").read_text())[0]["a"] == "pool=max"
    assert "cnnjax.sweep({&#39;pool&#39;: [&#39;max&#39;" in found.path.read_text()
    own = cnnjax.load_run(runs / "records" / found.records[0].id)
    assert own.scores["test_accuracy"] == found.records[0].scores["test_accuracy"]
    assert own.metrics == found.records[0].metrics
    assert own.config.seed == 0 and own.predict([[[[0]] * 8] * 8]).shape == (1, 10)
    shown = found._repr_html_()
    assert "<table>" in shown and "<svg" in shown and "pool=max" in shown
    assert repr(found).startswith("Results(4 records")
    rows = cnnjax.records(runs)
    assert {row["pool"] for row in rows} == {"max", "avg"} and rows[0]["widths"] == (4,)
    assert rows[0]["test_accuracy"] in [r.scores["test_accuracy"] for r in found.records]
    assert set(map(type, rows[0].values())) <= {str, int, float, bool, tuple, type(None)}
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_weights_that_are_asked_for_later_are_trained_again_to_the_same_bits(near, tmp_path):
    asked = {**TINY, **near, "runs": tmp_path, "seeds": 1}
    first = cnnjax.conduct(STUDY, **asked)
    folder = tmp_path / "records" / first.records[0].id
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".safetensors") == []
    second = cnnjax.conduct(STUDY, keep="final", **asked)
    assert [r.scores for r in second.records] == [r.scores for r in first.records]
    assert (folder / "final.safetensors").exists()


def test_a_run_that_breaks_off_is_an_error_with_its_cause(near, tmp_path, monkeypatch):
    from cnnjax.sweep import sessions

    def fail(*arguments, **named):
        raise MemoryError("no more of it")

    monkeypatch.setattr(sessions, "open_session", fail)
    with pytest.raises(RunError, match="1 lanes of cnn on digits.*no more of it") as error:
        cnnjax.conduct(STUDY, seeds=1, runs=tmp_path, **TINY, **near)
    assert isinstance(error.value.__cause__, MemoryError)


def test_records_are_a_table_of_pandas_where_it_is_installed(tmp_path, monkeypatch):
    pandas = types.ModuleType("pandas")
    pandas.DataFrame = lambda rows: ("frame", rows)  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert cnnjax.records(tmp_path) == ("frame", [])


def test_settings_of_jax_that_others_want_are_theirs_again(near, monkeypatch):
    jax.config.update("jax_enable_x64", True)
    try:
        own = cnnjax.train(**TINY, **near)
        assert jax.config.values["jax_enable_x64"]
    finally:
        jax.config.update("jax_enable_x64", False)
    assert own.metrics == cnnjax.train(**TINY, **near).metrics


def test_importing_it_imports_neither_jax_nor_numpy():
    code = "import sys, cnnjax; dir(cnnjax); print('jax' in sys.modules, 'numpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.split() == ["False", "False"], ran.stderr


def test_a_room_is_a_package_and_a_function():
    import cnnjax.records.store as store
    from cnnjax.sweep import runner

    assert cnnjax.records.store is store and cnnjax.sweep.runner is runner  # pyright: ignore
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        cnnjax.trian  # noqa: B018  # pyright: ignore
    assert list(inspect.signature(cnnjax.sweep).parameters)[:2] == ["grid", "seeds"]
    for name in cnnjax.NAMES:
        assert callable(getattr(cnnjax, name)) and name in dir(cnnjax)
    public = [name for name in dir(cnnjax) if not name.startswith("__")]
    assert public == sorted(cnnjax.NAMES)


@pytest.mark.slow
def test_after_jax_was_used_it_takes_the_devices_that_there_are(environment):
    code = (
        "import jax; jax.numpy.ones(3).sum()\n"
        "import cnnjax\n"
        "own = cnnjax.train(widths=[4], hidden=[], train_examples=32, batch_size=16, steps=2,"
        " eval_every=0)\n"
        "cnnjax.train(widths=[4], hidden=[], train_examples=32, steps=1, eval_every=0)\n"
        "print(len(jax.devices()), own.scores['num_test_examples'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[0] == "1"
    assert ran.stderr.count("JAX was used before: it keeps the devices that it has (1, of") == 1


TYPED = {  # a line of code, and what pyright says of it
    "reveal_type(cnnjax.train(steps=3))": '"Run"',
    "reveal_type(cnnjax.train().predict)": "-> ndarray[",
    "reveal_type(cnnjax.sweep({'pool': ['max']}, seeds=3))": '"Results"',
    "cnnjax.sweep({}, seeds='3')": 'cannot be assigned to parameter "seeds"',
    "reveal_type(cnnjax.load_run('x').metrics)": '"list[dict[str, Any]]"',
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What pyright says of the lines, all checked at once."""
    pytest.importorskip("pyright")
    path = tmp_path_factory.mktemp("typed") / "typed.py"
    lines = ["import cnnjax", *TYPED]
    path.write_text("\n".join(lines) + "\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, path],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)["generalDiagnostics"]
    return {lines[own["range"]["start"]["line"]]: own["message"] for own in found}


@pytest.mark.parametrize("code", TYPED)
def test_a_type_checker_sees_what_there_is(code, said):
    assert TYPED[code] in said[code]
