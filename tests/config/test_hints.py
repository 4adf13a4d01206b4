"""A wrong name of any kind is answered with the near one, found in one place."""

import re

import pytest
from absl import flags as absl_flags

from cnnjax.config import datasets, flags, help, hints, naming, rules
from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError
from cnnjax.config.knobs import check_value
from cnnjax.study import grids, metrics
from experiments import rooms

GRID = {"pool": ("max", "avg")}


@pytest.mark.parametrize(
    "ask, said",
    [
        (lambda: rules.find_knob("poool"), "unknown knob 'poool': did you mean pool?"),
        (lambda: rules.find_knob("zzzz"), "unknown knob 'zzzz': the knobs are dataset, "),
        (lambda: check_value(rules.KNOBS["pool"], "maxx"), "; did you mean max?"),
        (lambda: datasets.parse("mnits"), "--dataset=mnits is not known: did you mean mnist?"),
        (lambda: datasets.parse("zzzz"), "--dataset=zzzz is not known: give digits|"),
        (lambda: metrics.find("test_lss"), "no metric test_lss: did you mean test_loss?"),
        (lambda: metrics.find("zzzz"), "there is no metric zzzz: give test_top5"),
        (lambda: metrics.find_class("cet", ("cat", "dog")), "has that name: did you mean cat?"),
        (lambda: metrics.find_class("a", ("a", "a")), "several classes .*: give its number"),
        (lambda: grids.find_arm(GRID, "pool=agv"), 'did you mean "pool=avg"?'),
        (lambda: naming.check_reads("model", "m", {"poool"}), "no knob: did you mean pool?"),
    ],
)
def test_a_near_name_is_offered(ask, said):
    with pytest.raises(ConfigError, match=re.escape(said).replace(r"\.\*", ".*")):
        ask()


def test_scripts_and_help_say_it_alike():
    assert flags.describe_unknown("study", "poolin", ["pooling"]) == (
        "unknown study 'poolin': did you mean pooling?"
    )
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    with pytest.raises(ConfigError, match="did you mean layers"):
        help.render(values, "", "layerss")


def test_near_is_said_in_one_file():
    near = [path for path in rooms.list_files() if "difflib" in path.read_text(encoding="utf-8")]
    assert [path.name for path in near] == ["hints.py"]
    assert hints.suggest("stride", ["grid"], "nothing") == "nothing"
