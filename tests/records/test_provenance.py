"""What decides a lane's numbers follows from the imports of one root."""

import ast
import functools
import shutil

import pytest

from cnnjax.config import register
from cnnjax.records import provenance

READ = {}


def read_imports(path, read=provenance.read_imports):
    """As `read`, once for each text."""
    text = path.read_text(encoding="utf-8")
    if text not in READ:
        READ[text] = list(read(path))
    return READ[text]


code_only = functools.cache(provenance.code_only)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, whose version is told anew at each call."""
    copy = shutil.copytree(provenance.PACKAGE, tmp_path / "cnnjax")
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for remembered in (read_imports, code_only):  # of a text, whose copies are many
        monkeypatch.setattr(provenance, remembered.__name__, remembered)
    find_modules = functools.cache(provenance.find_modules.__wrapped__)  # of the copy
    monkeypatch.setattr(provenance, "find_modules", find_modules)
    monkeypatch.setattr(provenance, "program_version", provenance.program_version.__wrapped__)
    return copy


def touch(path):
    """Appends a statement that does something."""
    path.write_text(path.read_text() + "\n\nTOUCHED = 1\n")


@pytest.mark.parametrize("module", provenance.list_closure())
def test_code_that_decides_numbers_changes_the_version(package, module):
    before = provenance.program_version()
    touch(provenance.find_modules()[module])
    assert provenance.program_version() != before


@pytest.mark.parametrize("trait, value", [("reads", {"norm"}), ("defaults", {"bias": False})])
def test_the_row_of_a_network_that_a_twin_stands_for_changes_the_version(
    package, monkeypatch, trait, value
):
    before = provenance.program_version()
    for model, changes in (("lenet5", False), ("mlp", True)):
        row = dict(register.find("model", model).traits)
        monkeypatch.setitem(row, trait, value)
        monkeypatch.setitem(
            register.CHOICES["model"], model, register.find("model", model)._replace(traits=row)
        )
        assert (provenance.program_version() != before) == changes


@pytest.mark.parametrize(
    "file",
    [
        "report/page.py", "records/store.py", "records/address.py", "study/judge.py",
        "sweep/engines/local.py",
        "sweep/runner.py", "data/load.py", "data/sources/folder.py", "config/flags.py",
        "config/presets.py", "networks/notes.py", "config/hints.py", "config/installed.py",
        "config/words.py",
    ],
)  # fmt: skip
def test_other_code_does_not(package, file):
    before = provenance.program_version()
    touch(package / file)
    assert provenance.program_version() == before


def test_neither_records_nor_data_sources_decide_a_number():
    closure = provenance.list_closure()
    assert len(closure) > 30 and provenance.ROOT in closure
    for room in ("records", "data.sources", "data.builders", "study", "report"):
        assert not [module for module in closure if module.startswith(f"cnnjax.{room}")]


def test_what_is_for_readers_imports_nothing_that_decides_a_number():
    known = provenance.find_modules()
    for module in provenance.FOR_READERS:
        assert module in known and provenance.list_imports(module) <= provenance.FOR_READERS


@pytest.mark.parametrize(
    "new",
    [
        'x: int = structure(1, "Help.", low=0)  # as it is\n',
        'x: int = structure(1, "Other help.", low=0)\n',
        'x: int = structure(1, "Help.", allowed="a number", low=0)\n',
        '"""A docstring."""\n\nx: int = structure(1, "Help.", low=0)\n',
    ],
)
def test_what_is_for_readers_does_not_count(new):
    code = '"""Of a module."""\nx: int = structure(1, "Help.", low=0)\n'
    assert provenance.code_only(new).strip('\n"') == provenance.code_only(code).strip('\n"')


ROW = """
@register.model("x", reads=presets.CNN, defaults={"bias": True})
def x(config, num_classes):
    return Dense()
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [("CNN", "MLP", False), ("True", "False", False), ('"x"', '"y"', True),
     ("Dense()", "ResNet((16,), (1,))", True)],
)  # fmt: skip
def test_the_layers_of_a_model_count_and_its_defaults_stand_in_the_config(old, new, counts):
    changed = provenance.code_only(ROW.replace(old, new)) != provenance.code_only(ROW)
    assert changed == counts


@pytest.mark.parametrize("new", ["structure(2, 'Help.', low=0)", "structure(1, 'Help.', low=1)"])
def test_defaults_and_rules_of_knobs_count(new):
    assert provenance.code_only(f"x = {new}") != provenance.code_only(
        "x = structure(1, 'Help.', low=0)"
    )


RULES = "config/rules.py", "config/knobs.py", "config/training.py", "config/augmentation.py"


@pytest.mark.parametrize("file", RULES)
def test_what_a_refusal_says_does_not_count_and_when_it_refuses_does(package, file):
    path, before = package / file, provenance.program_version()
    tree = ast.parse(path.read_text())
    refusals = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    assert refusals
    for node in refusals:
        assert isinstance(node.exc, ast.Call)
        node.exc.args = [ast.Constant("other words")]
    path.write_text(ast.unparse(tree))
    assert provenance.program_version() == before
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and node.body[-1] in refusals:
            node.test = ast.UnaryOp(ast.Not(), node.test)
            break
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
    assert provenance.program_version() != before


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("def describe_x(x) -> str:\n    return f'of {x}'\n", False),
        ("def describe_x(x) -> dict:\n    return {'of': x}\n", True),
        ("def find_x(x) -> str:\n    return f'of {x}'\n", True),
    ],
)
def test_what_puts_a_message_into_words_does_not_count(text, counts):
    changed = provenance.code_only(text.replace("of", "from")) != provenance.code_only(text)
    assert changed == counts


def test_what_was_found_is_kept_by_the_code_that_it_was_found_of(package, tmp_path):
    before = provenance.program_version()
    (place,) = (tmp_path / "cache" / "cnnjax" / "program").iterdir()
    assert place.read_text() == before == provenance.find_version()
    place.write_text("0123456789abcdef")
    assert provenance.program_version() == "0123456789abcdef"
    place.write_text("damaged")
    assert provenance.program_version() == before == place.read_text()
    path = package / "training" / "program.py"
    path.write_text(path.read_text() + "\nEXTRA = 1\n")
    assert provenance.program_version() not in (before, "0123456789abcdef")


def test_where_nothing_can_be_kept_it_is_found_each_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert provenance.program_version.__wrapped__() == provenance.find_version()
