"""Epochs become steps before a Config is made, by the images of each arm and its batch."""

import pytest
from absl import flags as absl_flags

from cnnjax import api
from cnnjax.config import flags
from cnnjax.config.config import Config, make_config
from cnnjax.config.datasets import Where
from cnnjax.config.epochs import Epochs, fill_steps, parse
from cnnjax.config.knobs import ConfigError
from cnnjax.study.arms import make_base, make_configs, make_lanes, make_trials
from cnnjax.study.claims import Study, Tuning, cross
from experiments import ablate, claims


def read(*arguments):
    """What a command line says: the Config fields given, and the epochs."""
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    argv = ["command", *arguments]
    flags.parse(values, argv, "A command.")
    epochs = flags.read_epochs(values, argv)
    return flags.given_config(values), epochs and epochs.number


@pytest.mark.parametrize(
    ("text", "examples", "batch_size", "steps"),
    [
        ("1", 300, 32, 10), ("1", 320, 32, 10), ("0.5", 300, 32, 5), ("1/3", 300, 32, 4),
        ("0.1", 300, 30, 1), ("1e1", 300, 32, 94), ("0.001", 300, 32, 1), ("90", 1268355, 256,
        445907), ("0.7", 10, 1, 7),
    ],
)  # fmt: skip
def test_steps_are_rounded_up_and_nothing_is_lost_in_between(text, examples, batch_size, steps):
    given = {"train_examples": examples, "batch_size": batch_size}
    assert fill_steps(Epochs(parse(text)), given)["steps"] == steps


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "nan", "inf", "1e400", "1/0", "1,5"])
def test_other_epochs_are_refused(text, capsys):
    with pytest.raises(ConfigError, match="give a number > 0, such as 90, 0.5 or 1/3"):
        parse(text)
    with pytest.raises(SystemExit):
        read(f"--epochs={text}")
    assert "give a number > 0, such as 90, 0.5 or 1/3" in capsys.readouterr().err


def test_both_are_refused_and_the_command_line_is_before_a_recipe(tmp_path):
    (tmp_path / "steps").write_text("--steps=7\n--pool=avg\n")
    (tmp_path / "epochs").write_text("--epochs=7\n--pool=avg\n")
    (tmp_path / "both").write_text("--epochs=7\n--steps=7\n")
    assert read("--epochs=0.5") == ({}, parse("0.5"))
    assert read(f"--flagfile={tmp_path / 'epochs'}") == ({"pool": "avg"}, 7)
    assert read("--epochs=2", f"--flagfile={tmp_path / 'steps'}") == ({"pool": "avg"}, 2)
    assert read("--steps=2", f"--flagfile={tmp_path / 'epochs'}") == (
        {"pool": "avg", "steps": 2}, None
    )  # fmt: skip
    for arguments in (["--epochs=1", "--steps=1"], [f"--flagfile={tmp_path / 'both'}"]):
        with pytest.raises(ConfigError, match="both say how long a run is: give one of the two"):
            read(*arguments)


ARMS = cross({"train_examples": (100, 0), "batch_size": (10, 64)})


def test_each_arm_has_the_steps_of_its_own_images_and_batch(data_dir, digits):
    study = Study("sizes", "How many?", {"steps": 7}, ARMS, (), epochs=parse("1.5"))
    options = api.Options(data_dir / "runs", Where(str(data_dir)))
    given = {"warmup_steps": 2, "stop_at": 2}  # fewer than any arm has
    checked = api.check_study(study, given, options, prepare=False)
    assert set(checked.plan.steps.values()) == {2}
    assert sum(group.num_steps for group in checked.plan.groups) == 2 * checked.plan.num_lanes
    configs = make_configs(checked.study, checked.base)
    assert [config.steps for config in configs.values()] == [15, 3, 90, 15]  # 600 images in all
    assert list(configs) == [
        "train_examples=100 batch_size=10", "train_examples=100 batch_size=64",
        "train_examples=0 batch_size=10", "train_examples=0 batch_size=64",
    ]  # fmt: skip
    assert {lane.steps for lane in make_lanes(checked.study, checked.base, 2)} == {15, 3, 90}


def test_a_tuned_setting_has_its_own_steps():
    tuning = Tuning({"batch_size": (10, 20)})
    study = Study("one", "?", {"train_examples": 100}, ({"pool": "max"}, {"pool": "avg"}), (),
                  tuning=tuning, epochs=parse("2"))  # fmt: skip
    base = make_base(study, {})
    assert [trial.steps for trial in make_trials(study, base)] == [20, 10, 20, 10]
    chosen = study._replace(settings={"pool=max": {"batch_size": 20}})
    assert [arm.steps for arm in make_configs(chosen, base).values()] == [10, 7]  # 32 by default


def test_every_study_takes_epochs_but_those_that_vary_steps():
    for study in claims.STUDIES.values():
        asked = study._replace(epochs=parse("2"))
        if any("steps" in arm for arm in study.arms):
            with pytest.raises(ConfigError, match="--epochs cannot be set here: .* varies"):
                make_base(asked, {})
        else:
            assert make_configs(asked, make_base(asked, {}))


def test_epochs_are_varied_like_a_knob():
    with pytest.raises(ConfigError, match="unknown knob 'epoch': did you mean epochs?"):
        ablate.parse_grid(["epoch=1,2"])
    grid = ablate.parse_grid(["epochs=1, 0.5", "batch_size=10,20"])
    assert grid["epochs"] == (1, parse("1/2"))
    study = Study("grid", "?", {"train_examples": 100}, cross(grid), ())
    arms = make_configs(study, make_base(study, {}))
    assert {name: arm.steps for name, arm in arms.items()} == {
        "epochs=1 batch_size=10": 10, "epochs=1 batch_size=20": 5,
        "epochs=1/2 batch_size=10": 5, "epochs=1/2 batch_size=20": 3,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="--steps cannot be set here: .* varies --epochs over 1"):
        make_base(study, {"steps": 3})
    for texts in (["epochs=1,1.0"], ["epochs=0,1"], ["epochs=1,2", "steps=1,2"]):
        with pytest.raises(ConfigError, match="twice|is not allowed|give one"):
            ablate.parse_grid(texts)


def test_a_run_has_the_steps_of_its_training_split(data_dir, digits):
    where = Where(str(data_dir))
    assert api.make_timed({}, Epochs(parse("2")), where, prepare=False).steps == 38
    given = {"batch_size": 600, "warmup_steps": 1}
    assert api.make_timed(given, Epochs(parse("3")), where) == make_config({**given, "steps": 3})
    with pytest.raises(ConfigError, match="--warmup_steps=1 leaves nothing of --steps=1"):
        api.make_timed(given, Epochs(parse("1")), where)


def test_a_wrong_run_is_refused_before_its_data_are_prepared(tmp_path):
    where = Where(str(tmp_path))
    with pytest.raises(ConfigError, match="does nothing with --model=mlp"):
        api.make_timed({"model": "mlp", "pool": "avg"}, Epochs(parse("1")), where)
    with pytest.raises(ConfigError, match="digits is not prepared yet: give --steps or --train_"):
        api.make_timed({}, Epochs(parse("1")), where, prepare=False)
    assert not list(tmp_path.iterdir())


def write_arms(*values, **rest):
    """The steps of arms of so many epochs each, of 100 images by one."""
    shared = {"train_examples": 100, "batch_size": 1}
    study = Study("own", "?", shared, tuple({"epochs": value} for value in values), (), **rest)
    return [arm.steps for arm in make_configs(study, make_base(study, {})).values()]


def test_epochs_of_a_study_are_exact_however_they_are_written():
    assert write_arms(0.07, "1/2", 1, parse("0.29")) == [7, 50, 100, 29]
    study = Study("own", "?", {"train_examples": 100, "batch_size": 1}, ({},), (), epochs=0.07)
    assert make_base(study, {}).steps == 7


@pytest.mark.parametrize("value", [0, -1, "x", float("nan")])
def test_a_study_of_other_epochs_is_refused(value):
    with pytest.raises(ConfigError, match="--epochs=.* is not allowed: give a number > 0"):
        write_arms(value, 1)
    study = Study("own", "?", {"train_examples": 100}, ({},), (), epochs=value)
    with pytest.raises(ConfigError, match="is not allowed: give a number > 0"):
        make_base(study, {})


def test_epochs_in_a_base_are_referred_to_their_place():
    study = Study("own", "?", {"epochs": 2}, ({"pool": "max"}, {"pool": "avg"}), ())
    with pytest.raises(ConfigError, match=r"epochs is none of its base: Study\(epochs=...\)"):
        make_base(study, {})


def plan(*arguments):
    """Makes an ablation's plan of 100 images by 10."""
    argv = ["ablate", "--plan", "--seeds=1", "--train_examples=100", "--batch_size=10", *arguments]
    return ablate.main(argv, None)


@pytest.mark.parametrize("length", ["--epochs=7", "--steps=7"])
def test_a_grid_is_before_the_length_of_a_recipe(length, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "recipe").write_text(f"{length}\n")
    recipe = f"--flagfile={tmp_path / 'recipe'}"
    assert plan(recipe, "--grid=epochs=1,1/2", f"--runs={tmp_path}") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["epochs", "steps"] in [row[:2] for row in rows]
    assert ["1", "10"] in [row[:2] for row in rows] and ["1/2", "5"] in [row[:2] for row in rows]
    assert plan(recipe, "--grid=steps=3,4", f"--runs={tmp_path}") == 0
    assert "7" not in capsys.readouterr().out.split("by default")[0].split()
    with pytest.raises(ConfigError, match="the grid varies .* over 3, 4; leave one of the two out"):
        plan(length, "--grid=steps=3,4", f"--runs={tmp_path}")
