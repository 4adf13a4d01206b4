"""How a study is run is said once, for flags, Python and what works on it."""

import inspect
import pathlib

import pytest
from absl import flags as absl_flags

import cnnjax
from cnnjax.config.errors import ConfigError
from cnnjax.study.options import DEFAULTS, MOST_SEEDS, check_options
from experiments import conduct


def test_flags_and_a_notebook_have_the_same_defaults():
    values = absl_flags.FlagValues()
    conduct.define_flags(values)
    absl_flags.DEFINE_boolean("traceback", False, "", flag_values=values)
    values(["launch.py"])
    options = conduct.read_flags(values, ["launch.py"]).options
    assert options == DEFAULTS._replace(command="python launch.py")
    own = inspect.signature(cnnjax.conduct).parameters
    names = {"seeds": "num_seeds", "first_seed": "first_seed", "keep": "keep"}
    for name, field in names.items():
        assert own[name].default == getattr(DEFAULTS, field)
    assert pathlib.Path(own["runs"].default) == DEFAULTS.runs


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"keep": "all"}, "keep='all': give final, best, none"),
        ({"format": "pdf"}, "format='pdf': give html or md"),
        ({"num_seeds": MOST_SEEDS + 1}, "seeds=10001: give 1 to 10000"),
        ({"engine": "gone.py:run"}, "--engine=gone.py: there is no such file"),
    ],
)
def test_what_cannot_be_is_refused_whoever_asks(wrong, said):
    check_options(DEFAULTS)
    with pytest.raises(ConfigError, match=said):
        check_options(DEFAULTS._replace(**wrong))
