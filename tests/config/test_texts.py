"""What a run uses from outside is in its address: its code, with the files beside it."""

import inspect
import pathlib
import sys

import pytest

import cnnjax
from cnnjax.config import plugins, register, texts
from cnnjax.config.config import (
    Config,
    make_config,
)
from cnnjax.config.errors import ConfigError
from cnnjax.records.plugins import hash_files, keep_texts
from experiments import rooms
from tests.outside import SCHEDULE


def test_a_run_is_addressed_by_what_it_uses_of_them_and_by_nothing_else(outside, tmp_path):
    plugins.load([outside["gem_outside"], outside["squeeze_outside"]])
    gem, squeeze = Config(pool="gem"), make_config({"model": "squeeze"})
    assert hash_files(Config()) is None
    assert set(hash_files(gem) or ()) == {"gem_outside.py", "beside.py"}
    assert set(hash_files(squeeze) or ()) == {"squeeze_outside.py"}
    for _ in range(2):
        keep_texts(tmp_path, gem)
    kept = {path.stem: path.read_text() for path in (tmp_path / "plugins").glob("*.py")}
    assert set(kept) == set((hash_files(gem) or {}).values())
    assert "START = 3.0\n" in kept.values()


def test_its_code_is_hashed_with_the_files_beside_it_and_not_its_comments(outside):
    def hashes(name, old, new):
        path = pathlib.Path(outside[name])
        path.write_text(path.read_text().replace(old, new))
        texts.READ.clear()
        return hash_files(Config(pool="gem"))

    plugins.load([outside["gem_outside"]])
    first = hash_files(Config(pool="gem"))
    assert hashes("gem_outside", '"""The generalised mean', '"""A generalised mean') == first
    assert hashes("beside", "3.0", "3.0  # as published") == first
    second = hashes("beside", "3.0", "2.0")
    assert second != first and hashes("gem_outside", "1e-3", "1e-4") != second


def test_the_text_is_that_which_was_loaded(outside):
    plugins.load([outside["gem_outside"]])
    first = hash_files(Config(pool="gem"))
    pathlib.Path(outside["beside"]).write_text("START = 1.0\n")
    assert hash_files(Config(pool="gem")) == first


def test_a_cell_that_runs_again_replaces_what_it_declared(outside):
    def cell(value):
        scope = {"__name__": "__cell__", "cnnjax": cnnjax}
        exec(CELL.replace("VALUE", str(value)), scope)
        return scope

    cell(1)
    config = make_config({"activation": "bent", "bend": 5})
    again = cell(2)
    assert config.of(again["Bent"]).bend == 5 and Config().of(again["Bent"]).bend == 2
    assert inspect.unwrap(register.find("activation", "bent").make) is again["bent"]
    assert list(hash_files(config) or ()) == ["__cell__:Bent", "__cell__:bent"]


CELL = '''
@cnnjax.family
class Bent:
    bend: int = cnnjax.structure(VALUE, "How much.")

@cnnjax.activation("bent")
def bent(units):
    """Bent."""
    return units * VALUE
'''


@pytest.mark.parametrize("make", ["functools.partial(scale, by=BY)", "make_scale(BY)"])
def test_what_was_made_elsewhere_is_of_the_file_that_declares_it(outside, make):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "factory.py").write_text(
        "def scale(units, by):\n    return by * units\n\n"
        "def make_scale(by):\n    return lambda units: scale(units, by)\n"
    )
    path = folder / "scaled.py"
    path.write_text(
        "import functools\nimport cnnjax\nfrom factory import make_scale, scale\nBY = 2\n"
        f"cnnjax.activation('scaled')({make})\n"
    )
    plugins.load([str(path)])
    found = texts.texts_of(Config(activation="scaled"))
    assert set(found) == {"factory.py", "scaled.py"} and "BY = 2" in found["scaled.py"]
    assert register.find("activation", "scaled").source == str(path)


def test_packages_without_a_file_of_their_own_are_followed(outside):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "loose").mkdir()
    (folder / "loose" / "deep.py").write_text("HALF = 0.5\n")
    (folder / "loose_outside.py").write_text("from loose.deep import HALF\n" + SCHEDULE)
    plugins.load([str(folder / "loose_outside.py")])
    assert set(texts.texts_of(Config(schedule="half"))) == {"loose/deep.py", "loose_outside.py"}


def test_a_measure_that_is_always_made_is_every_runs(outside):
    path = pathlib.Path(outside["beside"])
    path.write_text(
        "import cnnjax\n@cnnjax.measure('mine', always=True)\ndef mine(*all):\n    return {}\n"
    )
    assert hash_files(Config()) is None
    plugins.load([str(path)])
    assert set(hash_files(Config()) or ()) == {"beside.py"}


def check_address(file, *used):
    """A change of that file is seen in the hashes of all that use it, and of nothing else."""
    others = [Config(), Config(pool="gem")]
    before = [hash_files(config) for config in (*used, *others)]
    file.write_text(file.read_text() + "\nCHANGED = 1\n")
    texts.READ.clear()
    after = [hash_files(config) for config in (*used, *others)]
    count = len(used)
    assert all(one and one != two for one, two in zip(before[:count], after[:count], strict=True))
    assert before[count:] == after[count:]


ANY = (
    "from loose import more",
    "import loose.more",
    "import importlib; importlib.import_module('loose.more')",
    "def later(): import loose.more",
    "def later(): from loose.more import HALF",
    "from loose.within import HALF",
    "import elsewhere",
)
RELATIVE = (
    "from .more import HALF as more",
    "from . import more",
    "import importlib; importlib.import_module('.more', __package__)",
)


@pytest.mark.parametrize(
    ("plugin", "line"),
    [("loose/parts.py", line) for line in ANY]
    + [("loose.parts", line) for line in (*ANY, *RELATIVE)],
)
def test_what_it_imports_is_in_its_address_however_it_is_imported(
    outside, monkeypatch, plugin, line
):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "loose").mkdir()
    (folder / "loose" / "more.py").write_text("HALF = 0.5\n")
    (folder / "loose" / "within.py").write_text("from loose.more import HALF\n")
    (folder / "away").mkdir()
    (folder / "away" / "elsewhere.py").write_text("import loose.more\n")
    (folder / "loose" / "parts.py").write_text(f"{line}\nHALF = 0.5\n{SCHEDULE}")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.syspath_prepend(str(folder / "away"))
    monkeypatch.chdir(folder)
    plugins.load([plugin, outside["gem_outside"]])
    check_address(folder / "loose" / "more.py", Config(schedule="half"))
    assert not any("site-packages" in name for name in texts.texts_of(Config(schedule="half")))


def test_what_another_file_declares_of_it_is_in_its_address(outside):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "named.py").write_text(
        "import cnnjax\ndef declare(made):\n"
        "    return cnnjax.family(made) if isinstance(made, type) else"
        " cnnjax.activation(made.__name__)(made)\n"
    )
    (folder / "mine.py").write_text(
        "import cnnjax\nfrom named import declare\n"
        "@declare\nclass Own:\n    slope: int = cnnjax.structure(1, 'How steep.')\n"
        "@declare\ndef steep(units):\n    return 2 * units\n"
    )
    plugins.load([str(folder / "mine.py"), outside["gem_outside"]])
    steep, own = Config(activation="steep"), make_config({"activation": "steep", "slope": 2})
    for file in ("mine.py", "named.py"):
        check_address(folder / file, steep, own)


def test_a_family_of_a_file_beside_it_is_read_by_what_that_declares(outside):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "knobs_beside.py").write_text(
        "import cnnjax\nclass Own:\n    slope: int = cnnjax.structure(1, 'How steep.')\n"
    )
    (folder / "mine.py").write_text(
        "import cnnjax\nimport knobs_beside\ncnnjax.family(knobs_beside.Own)\n"
        "@cnnjax.activation('steep')\ndef steep(units):\n    return 2 * units\n"
    )
    plugins.load([str(folder / "mine.py"), outside["gem_outside"]])
    own = make_config({"activation": "steep", "slope": 2})
    for file in ("mine.py", "knobs_beside.py"):
        check_address(folder / file, own)
    with pytest.raises(cnnjax.ConfigError, match="--slope=2 does nothing with --activation=relu"):
        make_config({"slope": 2})


def test_what_is_typed_in_a_cell_and_declared_by_a_file_has_both_in_its_address(
    outside, monkeypatch
):
    folder = pathlib.Path(outside["beside"]).parent
    (folder / "named.py").write_text(
        "import cnnjax\ndef declare(made): return cnnjax.activation('steep')(made)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    found = []
    for slope in ("2", "3", "2"):
        code = f"from named import declare\n@declare\ndef steep(units):\n    return {slope} * units"
        exec(code, {"__name__": "__cell__"})
        found.append(hash_files(Config(activation="steep")) or {})
    assert list(found[0]) == ["named.py", "named.py:steep"]
    assert found[0] == found[2] != found[1]


def test_a_package_beside_a_file_that_is_called_as_our_scripts_are_is_refused(outside):
    """Whatever it declares: a script has imported ours, and would give it that."""
    assert sys.modules["experiments"].__file__ == str(rooms.ROOT / "experiments" / "__init__.py")
    path = pathlib.Path(outside["beside"]).with_name("with_experiments.py")
    path.with_name("experiments").mkdir()
    (path.with_name("experiments") / "__init__.py").write_text("")
    path.write_text("import experiments\n")
    with pytest.raises(ConfigError, match="beside it is not what it imports.*: rename the file"):
        plugins.load([str(path)])
