"""A plug-in as a person uses it: in every script, from a folder of its own."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

import launch
from cnnjax import api
from cnnjax.config import plugins, texts
from cnnjax.config.config import make_config
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError
from cnnjax.networks import cost
from cnnjax.records import archive
from cnnjax.records.store import load_records
from cnnjax.runs.train import claim
from cnnjax.study import metrics
from cnnjax.study.claims import Study, cross
from experiments import ablate, judge, script, train
from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import baselines

OPTAX = True  # see conftest.py
NEVER: Any = None  # nobody asks these to stop
SCRIPTS = {
    "launch": launch, "train": train, "ablate": ablate, "judge": judge, "benchmark": benchmark,
}  # fmt: skip
SMALL = "--steps=10 --eval_every=5 --train_examples=64 --pool_every=1 --widths=4,4".split()


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_takes_plug_ins(outside, capsys, name):
    plugin = f"--plugin={outside['squeeze_outside']}"
    with pytest.raises(SystemExit) as ended:
        SCRIPTS[name].main([name, plugin, "--help"], NEVER)
    said = capsys.readouterr().out
    assert ended.value.code == 0 and "--plugin" in said and "--traceback" in said
    if name != "judge":  # which has no knobs
        assert "Squeeze: Squeeze and excitation." in said and "| squeeze;" in said
        assert "  --se_ratio  (an integer >= 1; default: 4)" in said


def test_a_flag_file_may_name_it(outside, tmp_path, capsys):
    (tmp_path / "flags").write_text(f"--plugin={outside['gem_outside']}\n")
    with pytest.raises(SystemExit):
        launch.main(["launch.py", f"--flagfile={tmp_path / 'flags'}", "--help"], NEVER)
    assert "| gem;" in capsys.readouterr().out.replace("\n     ", "")


def test_it_is_listed(outside, capsys):
    argv = ["launch.py", f"--plugin={outside['gem_outside']}", "--list", "--json"]
    assert launch.main(argv, NEVER) == script.DONE
    assert json.loads(capsys.readouterr().out)["knobs"]["pool"][-1] == "gem"


def test_a_wrong_plug_in_is_one_line_unless_all_is_asked_for(outside, capsys):
    path = pathlib.Path(outside["beside"]).with_name("wrong.py")
    path.write_text("import cnnjax\n\nx = undefined\n")
    for more in ([], ["--traceback"]):
        with pytest.raises(SystemExit) as ended:
            train.main(["train", f"--plugin={path}", *more], NEVER)
        said = capsys.readouterr().err
        assert ended.value.code == 2
        assert said.endswith(
            f"error: --plugin={path}: {path}:3: NameError: name 'undefined' is not defined\n"
        )
        assert ("Traceback" in said) == bool(more) and (len(said.splitlines()) == 1) != bool(more)


@pytest.mark.slow
def test_an_error_in_its_function_is_one_line_with_its_place(outside):
    path = pathlib.Path(outside["beside"]).with_name("late.py")
    path.write_text(
        "import cnnjax\n\n\n@cnnjax.pooling('late')\ndef late(maps, size, stride, padding):\n"
        "    '''Late.'''\n    return maps.reshape(7, 7)\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "experiments.train", f"--plugin={path}", "--pool=late", "--plan"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 2 and run.stderr.count("\n") == 1
    assert run.stderr.startswith(f"error: {path}:7: ")


def conduct_study(study, data_dir, runs, **given):
    options = api.Options(runs, Where(str(data_dir)), 2)
    return api.run_study(api.check_study(study, given, options), options)


def test_its_arms_are_trained_planned_and_judged_with_ours(outside, data_dir, tmp_path):
    plugins.load([outside["gem_outside"]])
    study = Study("gem", "?", {}, cross({"pool": ("max", "gem")}), ())
    given = {"steps": 10, "eval_every": 5, "train_examples": 64, "pool_every": 1, "widths": (4, 4)}
    options = api.Options(tmp_path, Where(str(data_dir)), 2)
    checked = api.check_study(study, given, options)
    ours, theirs = checked.plan.arms.values()
    assert theirs.parameters == ours.parameters + 2 and theirs.macs == ours.macs
    assert [layer.output_shape for layer in theirs.layers] == [
        layer.output_shape for layer in ours.layers
    ]
    finished = api.run_study(checked, options)
    assert not finished.failures
    by_pool = {record.config["pool"]: record for record in finished.records}
    assert by_pool["max"].provenance["origin"]["plugins"] is None
    hashes = by_pool["gem"].provenance["origin"]["plugins"]
    assert set(hashes) == {"gem_outside.py", "beside.py"}
    kept = {path.stem for path in (tmp_path / "records" / "plugins").iterdir()}
    assert kept == set(hashes.values())
    assert api.find_earlier(study, given, options).records == finished.records


def test_other_text_is_trained_anew_and_never_judged_with_the_former(
    outside, data_dir, tmp_path, monkeypatch
):
    plugins.load([outside["gem_outside"]])
    study = Study("gem", "?", {}, cross({"pool": ("max", "gem")}), ())
    given = {"steps": 10, "eval_every": 5, "train_examples": 64, "pool_every": 1, "widths": (4, 4)}
    first = conduct_study(study, data_dir, tmp_path, **given)
    texts_of = texts.texts_of
    monkeypatch.setattr(
        texts, "texts_of",
        lambda *asked, **how: {
            name: text + "x = 1\n" for name, text in texts_of(*asked, **how).items()
        },
    )  # fmt: skip
    second = conduct_study(study, data_dir, tmp_path, **given)
    assert second.source.startswith("2 lanes trained, 2 read")
    options = api.Options(tmp_path, Where(str(data_dir)), 2)
    stock = [record.id for record in api.find_earlier(study, given, options).records]
    assert stock in ([record.id for record in own.records] for own in (first, second))
    arms = [(None, [own]) for own in (*first.records, second.records[-1])]
    different, _ = archive.compare_arms(arms, ())  # pyright: ignore[reportArgumentType]
    assert any(line.startswith("plugins gem_outside.py: ") for line in different)


@pytest.mark.slow
def test_records_of_a_plug_in_that_is_not_loaded_are_read(outside, data_dir, tmp_path):
    code = (
        "import sys; sys.argv[0] = 'ablate'\n"
        "from experiments import ablate, script\n"
        "script.run(ablate.main, '')\n"
    )
    argv = ["--grid=pool=max,gem", "--seeds=3", f"--runs={tmp_path}", f"--data_dir={data_dir}"]
    run = subprocess.run(
        [sys.executable, "-c", code, f"--plugin={outside['gem_outside']}", *argv, *SMALL],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert sorted({record.config["pool"] for record in load_records(tmp_path)}) == ["gem", "max"]
    study = Study("maxima", "?", {}, cross({"pool": ("max",)}), ())
    given = {"steps": 10, "eval_every": 5, "train_examples": 64, "pool_every": 1, "widths": (4, 4)}
    options = api.Options(tmp_path, Where(str(data_dir)), 3)
    checked = api.check_study(study, given, options)
    assert api.look_ahead(checked, {"command line": set(given)}, options).timing is not None
    run = subprocess.run(
        [sys.executable, "-c", code, "--judge_only", *argv, *SMALL],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "pool=max − pool=gem" in run.stdout


def test_a_network_and_its_own_knob_change_shapes_and_address(outside):
    plugins.load([outside["squeeze_outside"]])
    few, many = (
        cost.measure(make_config({"model": "squeeze", "se_ratio": ratio}), (8, 8, 1), 10)
        for ratio in (1, 8)
    )
    assert few.parameters > many.parameters and few.map_shape == many.map_shape == (8, 8, 8)


@pytest.mark.slow
def test_a_run_may_have_one_of_every_kind(outside, data_dir, tmp_path):
    plugins.load([outside["every_outside"]])
    config = make_config({
        "activation": "bent", "norm": "rms", "init": "small", "optimizer": "signs",
        "schedule": "linear", "augment": ("dim", "flip_vertical"),
        "measure": ("robustness", "sharpness"), "steps": 60, "eval_every": 30,
        "train_examples": 200,
    })  # fmt: skip
    result = api.train_run(config, tmp_path / "one", Where(str(data_dir)))
    assert not result["failed"] and result["test_accuracy"] > 0.5 and result["sharpness"] > 0
    curve = result["robustness"]["fog"]
    assert curve["strengths"] == [0.0, 0.5, 1.0]
    assert curve["accuracy"][0] == pytest.approx(result["test_accuracy"])
    assert result["auc_fog"] < result["test_accuracy"]
    area = metrics.find("auc_fog")
    assert (area.label, area.measure) == ("accuracy under fog", "robustness")
    assert "auc_fog" in metrics.list_names()
    assert set(result["provenance"]["origin"]["plugins"]) == {"every_outside.py"}
    assert len(list((tmp_path / "one" / "plugins").iterdir())) == 1
    plain = api.train_run(
        make_config({"measure": ("robustness",), "steps": 10, "eval_every": 5}),
        tmp_path / "two", Where(str(data_dir)),
    )  # fmt: skip
    assert set(plain["provenance"]["origin"]["plugins"]) == {"every_outside.py"}  # by its fog


def test_a_folder_holds_the_run_of_its_own_knobs(outside, tmp_path):
    plugins.load([outside["squeeze_outside"]])
    two, usual = (make_config({"model": "squeeze", **given}) for given in ({"se_ratio": 2}, {}))
    found = {"origin": {"plugins": None}}
    claim(tmp_path / "two", two, found)
    claim(tmp_path / "two", two, found)
    with pytest.raises(ConfigError, match="holds a run with --se_ratio=2, not 4"):
        claim(tmp_path / "two", usual, found)
    claim(tmp_path / "usual", usual, found)
    with pytest.raises(ConfigError, match="holds a run with --se_ratio=4, not 2"):
        claim(tmp_path / "usual", two, found)


@pytest.mark.slow
def test_another_engine_trains(outside, data_dir, tmp_path, capsys):
    path = pathlib.Path(outside["beside"]).with_name("my_engine.py")
    path.write_text(
        "from cnnjax.sweep.engines import local\n\n\ndef run(jobs, observer):\n"
        "    print('mine:', sum(len(job.lanes) for job in jobs))\n"
        "    yield from local.run(jobs, observer)\n"
    )
    argv = ["--grid=pool=max,avg", "--seeds=2", f"--runs={tmp_path}", f"--data_dir={data_dir}"]
    given = ["ablate", f"--engine={path}:run", *argv, *SMALL]
    assert ablate.main(given, script_stop()) == script.DONE
    assert "mine: 4" in capsys.readouterr().out


@pytest.mark.slow
def test_what_breaks_off_is_named_with_what_trains_it_and_the_rest_is_judged(
    outside, data_dir, tmp_path, capsys
):
    path = pathlib.Path(outside["beside"]).with_name("breaking.py")
    path.write_text(
        "from cnnjax.config.config import from_json, structure_of\n"
        "from cnnjax.sweep import runner\n"
        "from cnnjax.sweep.engines import local\n\n\n"
        "def run(jobs, observer):\n"
        "    for job in jobs:\n"
        "        bad = [own for own in job.lanes if own['pool'] == 'stride']\n"
        "        good = tuple(own for own in job.lanes if own not in bad)\n"
        "        lanes = tuple(map(from_json, bad))\n"
        "        if lanes:\n"
        "            group = runner.Group(structure_of(lanes[0]), lanes)\n"
        "            yield runner.Failure(group, RuntimeError('out of luck'))\n"
        "        if good:\n"
        "            yield from local.run([job._replace(lanes=good)], observer)\n"
    )
    argv = ["--grid=pool=max,avg,stride", "--seeds=3", f"--runs={tmp_path}"]
    argv = ["ablate", *argv, f"--data_dir={data_dir}", "--study=luck", *SMALL]
    assert ablate.main([*argv, f"--engine={path}:run"], script_stop()) == script.FAILED
    shown = capsys.readouterr()
    assert "failed: 3 lanes of --" in shown.err and "--pool=stride" in shown.err
    assert "RuntimeError: out of luck" in shown.err
    assert "3 lanes broke off and left no record" in shown.err
    assert "what trains them alone: python -m experiments.ablate --grid=pool=max,avg" in shown.err
    assert "warning: claim ablation lacks 1 of 2 comparisons" in shown.out
    assert len(json.loads((tmp_path / "luck" / "verdicts.json").read_text())) == 1
    assert ablate.main(argv, script_stop()) == script.DONE
    assert "3 lanes trained, 6 read" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "luck" / "verdicts.json").read_text())) == 2


def script_stop() -> Any:
    import contextlib

    class Never:
        requested = False

        @contextlib.contextmanager
        def listen(self):
            yield lambda: False

    return Never()


def test_an_opponent_says_what_it_does_not_know(outside):
    plugins.load([outside["gem_outside"]])
    with pytest.raises(ConfigError, match="--pool=gem has no opponent: they know max, avg"):
        baselines.check_known(make_config({"pool": "gem"}))
    baselines.check_known(make_config({"model": "airbench94"}))
