"""What is declared outside of the package is a choice like any other, where it is asked for."""

import dataclasses
import json
import os
import pathlib
import pickle
import re
import subprocess
import sys

import pytest

import cnnjax
from cnnjax.config import families, plugins, register, rules, texts
from cnnjax.config.config import (
    KNOBS,
    Config,
    from_json,
    make_config,
    override,
    settings_of,
    structure_of,
    to_json,
    with_seed,
)
from cnnjax.config.errors import ConfigError
from cnnjax.records.address import record_id
from cnnjax.records.remembered import remember_choice
from tests.outside import SCHEDULE

ROOT = pathlib.Path(__file__).parents[2]


def test_the_package_gives_its_names_when_they_are_asked_for():
    assert set(cnnjax.NAMES) <= set(dir(cnnjax)) and cnnjax.pooling is register.pooling
    with pytest.raises(AttributeError, match="no attribute 'poling'"):
        _ = cnnjax.poling
    code = "import sys, cnnjax; cnnjax.family; print('jax' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_a_choice_from_outside_is_one_like_any_other(outside):
    plugins.load([outside["gem_outside"]])
    plugins.load([outside["gem_outside"]])
    assert KNOBS["pool"].choices[-1] == "gem"
    assert register.find("pool", "gem").help.startswith("The generalised mean")
    assert make_config({"pool": "gem", "pool_size": 3}).pool == "gem"
    with pytest.raises(ConfigError, match=r"give max\|.*\|gem; did you mean gem\?$"):
        make_config({"pool": "gme"})


def test_nothing_is_loaded_that_was_not_asked_for(outside):
    assert "gem" not in KNOBS["pool"].choices and "se_ratio" not in KNOBS
    with pytest.raises(ConfigError, match="unknown knob 'se_ratio'"):
        make_config({"se_ratio": 2})


def test_knobs_of_ones_own_are_knobs_and_typed_by_their_class(outside):
    before = Config()
    plugins.load([outside["squeeze_outside"]])
    (family,) = rules.OWN.values()
    assert before.of(family).se_ratio == 4 and getattr(before, "se_ratio") == 4  # noqa: B009
    config = make_config({"model": "squeeze", "se_ratio": 2})
    assert config.of(family).se_ratio == 2 and config.own == (family(se_ratio=2),)
    assert to_json(config)["se_ratio"] == 2 and from_json(to_json(config)) == config
    assert from_json(json.loads(json.dumps(to_json(config)))) == config
    assert settings_of(config) == {"model": "squeeze", "se_ratio": 2}
    assert make_config(settings_of(config)) == config
    assert with_seed(structure_of(config), 3).of(family).se_ratio == 2
    assert dataclasses.replace(config, steps=7).of(family).se_ratio == 2
    assert pickle.loads(pickle.dumps(config)) == config
    other = override(config, {"se_ratio": 1})
    assert other.of(family).se_ratio == 1 and hash(other) != hash(config) and other != config
    assert override(config, {"model": "cnn"}) == Config()


def test_a_knob_of_ones_own_is_checked_and_read_where_its_file_is_used(outside):
    plugins.load([outside["squeeze_outside"]])
    with pytest.raises(ConfigError, match="--se_ratio=0 is not allowed: give an integer >= 1"):
        make_config({"model": "squeeze", "se_ratio": 0})
    with pytest.raises(ConfigError, match="--se_ratio=2 does nothing with --model=cnn"):
        make_config({"se_ratio": 2})
    with pytest.raises(ConfigError, match="did you mean se_ratio"):
        make_config({"se_ration": 2})


def test_a_model_from_outside_has_the_knobs_that_act_by_the_roles_of_its_parameters(outside):
    plugins.load([outside["squeeze_outside"]])
    config = make_config({"model": "squeeze", "freeze": "convolutions", "init_gain": 2.0})
    assert (config.freeze, config.init_gain) == ("convolutions", 2.0)
    with pytest.raises(ConfigError, match=r"choose --model=cnn\|.*\|squeeze$"):
        make_config({"model": "mlp", "freeze": "convolutions"})
    with pytest.raises(ConfigError, match="--bias=false does nothing with --model=squeeze"):
        make_config({"model": "squeeze", "bias": False})


READING = '''
import cnnjax

@cnnjax.pooling("plain")
def plain(maps, size, stride, padding="VALID"):
    """Counts nothing."""

@cnnjax.pooling("counting")
def counting(maps, size, stride, padding="VALID", *, count_padding):
    """Counts the border."""

@cnnjax.choice("norm", "bare")
def bare(config, units, train, name):
    """Without a knob."""

@cnnjax.choice("norm", "scaled", reads=("norm_scale", "norm_epsilon"))
def scaled(config, units, train, name):
    """With two."""

@cnnjax.choice("optimizer", "heavy", reads=("momentum",))
def heavy(numbers, schedule, kernels):
    """With momentum."""
'''


def test_a_choice_from_outside_has_the_knobs_that_it_says_it_reads(outside):
    path = pathlib.Path(outside["beside"]).with_name("reading.py")
    path.write_text(READING)
    plugins.load([str(path)])
    border = {"pool_padding": "SAME", "count_padding": True}
    assert make_config({"pool": "counting", **border}).count_padding
    assert not make_config({"norm": "scaled", "norm_scale": False, "norm_epsilon": 0.1}).norm_scale
    assert make_config({"optimizer": "heavy", "momentum": 0.5}).momentum == 0.5
    for given, words in (
        ({"pool": "plain", **border}, r"--pool=plain: .* --pool=avg\|counting$"),
        ({"norm": "bare", "norm_scale": False}, r"choose --norm=batch\|layer\|group\|scaled$"),
        ({"norm": "scaled", "norm_momentum": 0.5}, r"--norm=scaled: .* --norm=batch$"),
        ({"momentum": 0.5}, r"choose --optimizer=momentum\|nesterov\|heavy$"),
    ):
        with pytest.raises(ConfigError, match=words):
            make_config(given)


def test_a_choice_of_records_alone_may_have_read_any_knob(outside):
    remember_choice("norm", "gone")
    assert not make_config({"norm": "gone", "norm_scale": False}).norm_scale


def test_at_its_defaults_a_family_changes_no_address(outside):
    before = Config(), to_json(Config()), record_id(Config(), {})
    plugins.load([outside["squeeze_outside"], outside["gem_outside"]])
    assert (Config(), to_json(Config()), record_id(Config(), {})) == before
    at_default, other = (make_config({"model": "squeeze", "se_ratio": value}) for value in (4, 2))
    assert at_default == make_config({"model": "squeeze"}) and at_default.own == ()
    assert "se_ratio" not in to_json(at_default)
    assert record_id(at_default, {}) != record_id(other, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1 / 0\n", r"broken.py:1: ZeroDivisionError: division by zero$"),
        ("import cnnjax\n\ndef f(x:\n", r"broken.py:3: SyntaxError: "),
        ("import nowhere_at_all\n", r"broken.py:1: ModuleNotFoundError: No module named"),
        (
            "import cnnjax\n\n@cnnjax.pooling('max')\ndef f(maps):\n    return maps\n",
            r"broken.py:3: --pool=max is there already: give it another name$",
        ),
        ("import cnnjax\ncnnjax.choice('pol', 'x')\n", r"broken.py:2: choice\('pol', 'x'\): give"),
        (
            "import cnnjax\n@cnnjax.family\nclass A:\n    steps: int = cnnjax.structure(1, 'x')\n",
            r"broken.py:2: A: --steps is there already",
        ),
        (
            "import cnnjax\n@cnnjax.family\nclass A:\n    seeds: int = cnnjax.structure(1, 'x')\n",
            r"broken.py:2: A: --seeds is a flag of scripts: give it another name$",
        ),
        (
            "import cnnjax\n@cnnjax.family\nclass A:\n    noplan: int = cnnjax.structure(1, 'x')\n",
            r"broken.py:2: A: --noplan is a flag of scripts",
        ),
        (
            "import cnnjax\n@cnnjax.family\nclass A:\n    own: int = cnnjax.structure(1, 'x')\n",
            r"broken.py:2: A: a knob cannot be called own",
        ),
        (
            "from cnnjax.config.knobs import number\nimport cnnjax\n"
            "@cnnjax.family\nclass A:\n    rate: float = number(1.0, 'x')\n",
            r"broken.py:3: A: --rate is no number of ours",
        ),
        (
            "import cnnjax\n@cnnjax.family\nclass A:\n"
            "    rate: int = cnnjax.structure(1, 'x', used_with={'modle': ('cnn',)})\n",
            r"broken.py:2: A: --rate is used with modle, which is no knob",
        ),
    ],
)  # fmt: skip
def test_an_error_in_a_plug_in_is_one_line_with_its_place(outside, text, words):
    path = pathlib.Path(outside["beside"]).with_name("broken.py")
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as error:
        plugins.load([str(path)])
    assert "\n" not in str(error.value) and str(error.value).startswith(f"--plugin={path}: ")
    assert not plugins.LOADED


def test_all_flags_that_stand_beside_knobs_are_reserved():
    own = ("conduct", "ablate", "train", "script", "listing", "benchmark/__main__",
           "benchmark/input_pipeline")  # fmt: skip
    scripts = [ROOT / "experiments" / f"{name}.py" for name in own]
    scripts += [ROOT / "launch.py", ROOT / "cnnjax" / "config" / "flags.py"]
    flag = r'(?:DEFINE_\w+|define_(?:integer|number))\(\s*(?:values,\s*)?"(\w+)"'
    names = {name for path in scripts for name in re.findall(flag, path.read_text())}
    assert {"seeds", "runs", "plugin", "grid"} < names <= families.RESERVED
    assert not families.RESERVED & set(rules.KNOBS)


def test_a_plug_in_that_is_not_there_is_said_to_be(outside, monkeypatch):
    monkeypatch.chdir(pathlib.Path(outside["beside"]).parent)
    with pytest.raises(ConfigError, match="no such file"):
        plugins.load(["gone.py"])
    with pytest.raises(ConfigError, match="no such module: did you mean gem_outside.py"):
        plugins.load(["gem_outside"])
    with pytest.raises(ConfigError, match="give FILE.py, package.module or one of"):
        plugins.load(["no_such.module"])


def test_a_file_cannot_be_called_as_another_module_is(outside):
    for name in ("json.py", "flax.py"):
        path = pathlib.Path(outside["beside"]).with_name(name)
        path.write_text("")
        with pytest.raises(ConfigError, match="rename the file"):
            plugins.load([str(path)])


def test_a_module_and_an_entry_point_are_plug_ins(outside, monkeypatch):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "their_package").mkdir()
    (folder / "their_package" / "__init__.py").write_text("")
    (folder / "their_package" / "parts.py").write_text("from .more import HALF\n" + SCHEDULE)
    (folder / "their_package" / "more.py").write_text("HALF = 0.5\n")
    found = folder / "theirs-1.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (found / "entry_points.txt").write_text("[cnnjax.plugins]\ntheirs = their_package.parts\n")
    monkeypatch.syspath_prepend(str(folder))
    plugins.load(["theirs"])
    plugins.load(["their_package.parts"])
    assert list(plugins.LOADED) == ["their_package.parts"]
    config = Config(schedule="half")
    assert set(texts.texts_of(config)) == {
        "their_package/__init__.py", "their_package/more.py", "their_package/parts.py",
    }  # fmt: skip


def test_an_error_in_a_module_is_located_and_in_what_it_imports(outside, monkeypatch):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "wrong_package").mkdir()
    (folder / "wrong_package" / "__init__.py").write_text("")
    (folder / "wrong_package" / "parts.py").write_text("from .more import HALF\n")
    (folder / "wrong_package" / "more.py").write_text("\nHALF = half\n")
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(ConfigError, match=r"wrong_package/more.py:2: NameError: name 'half'"):
        plugins.load(["wrong_package.parts"])


def test_a_file_beside_it_that_another_one_hides_is_told(outside, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "beside.py").write_text("START = 9.0\n")
    (other / "second.py").write_text(pathlib.Path(outside["gem_outside"]).read_text().replace(
        '"gem"', '"gem2"'))  # fmt: skip
    plugins.load([outside["gem_outside"]])
    with pytest.raises(ConfigError, match=r"beside.py beside it is not what it imports, which is"):
        plugins.load([str(other / "second.py")])


def test_a_child_process_has_the_plug_ins_of_its_parent(outside):
    plugins.load([outside["gem_outside"]])
    code = (
        "from cnnjax.config import plugins, rules; plugins.load_inherited();"
        "print(rules.KNOBS['pool'].choices[-1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True
    )
    assert run.stdout == "gem\n", run.stderr


def test_an_engine_is_a_function_of_a_module(outside):
    path = pathlib.Path(outside["beside"])
    path.write_text("def run(jobs, observer):\n    return iter(())\n")
    assert list(plugins.find_engine(f"{path}:run")((), None)) == []
    with pytest.raises(ConfigError, match="has no function go"):
        plugins.find_engine(f"{path}:go")
    with pytest.raises(ConfigError, match="give module:function"):
        plugins.find_engine("local")
    with pytest.raises(ConfigError, match="--engine=gone.py: there is no such file"):
        plugins.find_engine("gone.py:run")
