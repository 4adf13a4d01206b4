"""A record of a plug-in that is not loaded is still read, listed and judged."""

import json
import shutil
import sys

import pytest

from cnnjax.config import plugins, register
from cnnjax.config.config import KNOBS, Config, make_config, to_json
from cnnjax.config.errors import ConfigError
from cnnjax.records import index, inventory, kept, remembered
from cnnjax.records.plugins import hash_files, keep_texts
from cnnjax.records.record import write_record
from cnnjax.study import grids, metrics
from cnnjax.study.arms import make_base, make_lanes
from experiments import ablate, records, script
from tests.by_hand import ORIGIN, make_records
from tests.outside import METRIC, forget
from tests.scripts.test_plugins import script_stop

DATA = '''
import cnnjax

@cnnjax.dataset("stripes")
def make_stripes():
    """Stripes."""
    return {}
'''
FAMILY = """
import cnnjax

@cnnjax.family
class Own:
    KNOB: int = cnnjax.structure(1, "Of a version.")
    slope: int = cnnjax.structure(1, "Of both.")

@cnnjax.activation("bent")
def bent(units):
    return units
"""
LOST = """
import cnnjax

PLACES = (2, 4)

@cnnjax.family
class Own:
    deep: int = cnnjax.structure(PLACES[0], "How deep.", low=1)

@cnnjax.activation(name := "bent", pieces=PLACES[0] // 2)
def bent(units):
    return units
"""


def store(runs, lanes, score=None, name=""):
    """Records of these lanes, and the texts of what is loaded, as training leaves them."""
    (model,) = make_records(num_seeds=1)[:1]
    scores = {**model.scores, "validation_accuracy": 0.9}
    for place, lane in enumerate(lanes):
        accuracy = 0.8 + 0.01 * (place % 3) + 0.001 * place
        origin = {**ORIGIN, "plugins": hash_files(lane), "former_knobs": {}}
        config = to_json(lane)
        own = {**scores, "test_accuracy": accuracy, **({score: accuracy} if score else {})}
        provenance = {"origin": origin, "date": "2026-01-01", "packages": {}}
        write_record(runs, model._replace(
            id=f"{name}{lane.seed}-{place}", config=config, scores=own, provenance=provenance
        ))  # fmt: skip
        keep_texts(runs / "records", lane)


def make_study(grid, metric="test_accuracy", **given):
    study = grids.make_study(grid, metric)
    return make_lanes(study, make_base(study, given), 3)


@pytest.fixture
def unload(outside):
    """What is loaded in a test is not loaded any more."""
    modules = set(sys.modules)
    return lambda: forget(modules)


@pytest.fixture
def judge(tmp_path, capsys):
    def judge(*arguments):
        argv = ["ablate", "--judge_only", f"--runs={tmp_path}", *arguments]
        assert ablate.main(argv, script_stop()) == script.DONE
        return capsys.readouterr().out

    return judge


def test_a_grid_of_its_own_knob_is_judged(outside, unload, tmp_path, judge, capsys):
    plugins.load([outside["squeeze_outside"]])
    store(tmp_path, make_study({"se_ratio": (2, 4, 8)}, model="squeeze"))
    unload()
    assert "se_ratio" not in KNOBS
    said = judge("--model=squeeze", "--grid=se_ratio=2,4,8", "--seeds=3")
    assert "se_ratio=2 − se_ratio=4" in said or "se_ratio=4 − se_ratio=2" in said
    unload()
    assert records.main(["records", "--list", f"--runs={tmp_path}"], script_stop()) == 0
    shown = capsys.readouterr().out
    rows = [line.split()[:2] for line in shown.splitlines()]
    assert ["2", "digits"] in rows and ["8", "digits"] in rows
    assert "model=squeeze" in shown.partition("all: ")[2]


def test_all_that_has_a_name_is_judged_by_it(outside, unload, tmp_path, judge):
    for name, text in (("hits", METRIC), ("stripes", DATA)):
        outside[name] = outside["beside"].replace("beside", name)
        with open(outside[name], "w") as file:
            file.write(text)
    plugins.load([outside[name] for name in ("hits", "stripes", "gem_outside", "squeeze_outside")])
    grid, given = {"pool": ("max", "gem")}, {"dataset": "stripes", "pool_every": 1}
    store(tmp_path, make_study(grid, "hits", **given), "hits")
    unload()
    said = judge(
        "--dataset=stripes", "--metric=hits", "--grid=pool=max,gem", "--pool_every=1", "--seeds=3"
    )
    assert "hits of all" in said and "gem" in said
    metric = metrics.find("hits")
    assert (metric.margin, metric.share, metric.measure) == (0.02, True, "hits")


def test_an_arm_lets_go_what_it_would_not_read(outside, unload, tmp_path):
    """A text says what a model reads, and of which choices a knob is."""
    plugins.load([outside["squeeze_outside"]])
    lanes = make_study({"model": ("cnn", "squeeze")}, se_ratio=2)
    store(tmp_path, lanes)
    unload()
    remembered.remember(index.list_heads(tmp_path), tmp_path / "records")
    again = make_study({"model": ("cnn", "squeeze")}, se_ratio=2)
    assert [to_json(lane) for lane in again] == [
        record.config for record in sorted(
            index.list_heads(tmp_path), key=lambda own: int(own.id.partition("-")[2])
        )
    ]  # fmt: skip


def test_without_its_text_a_knob_is_known_by_the_values_that_records_have(
    outside, unload, tmp_path
):
    plugins.load([outside["squeeze_outside"]])
    store(tmp_path, make_study({"se_ratio": (2, 4, 8)}, model="squeeze"))
    unload()
    shutil.rmtree(tmp_path / "records" / "plugins")
    heads = index.list_heads(tmp_path)
    remembered.remember(heads, tmp_path / "records")
    rows = inventory.list_rows(heads)
    assert sorted(row.settings.get("se_ratio", 0) for row in rows) == [0, 2, 8]
    assert len({row.origin for row in rows}) == 1
    assert make_config({"model": "squeeze", "se_ratio": 8}).own
    with pytest.raises(ConfigError, match="--plugin=squeeze_outside.py"):
        register.find("model", "squeeze").make(Config(), 10)


def test_a_knob_that_there_was_once_is_none_from_outside(tmp_path):
    former, *others = make_records(num_seeds=1)
    for record in (former._replace(config={**former.config, "old": 3}), *others):
        write_record(tmp_path, record)
    remembered.remember(index.list_heads(tmp_path), tmp_path / "records")
    assert "old" not in KNOBS


def test_what_a_text_does_not_say_by_literals_is_not_known(outside, unload, tmp_path):
    outside["lost"] = outside["beside"].replace("beside", "lost")
    with open(outside["lost"], "w") as file:
        file.write(LOST)
    plugins.load([outside["lost"]])
    store(tmp_path, make_study({"deep": (2, 5)}, activation="bent"))
    unload()
    remembered.remember(index.list_heads(tmp_path), tmp_path / "records")
    assert make_config({"activation": "bent", "deep": 5}).own
    assert KNOBS["deep"].default not in (5,)


def test_nothing_of_a_kept_text_is_run(outside, unload, tmp_path):
    plugins.load([outside["gem_outside"]])
    store(tmp_path, make_study({"pool": ("max", "gem")}, pool_every=1))
    unload()
    for path in (tmp_path / "records" / "plugins").iterdir():
        path.write_text("raise SystemExit\n" + path.read_text())
    remembered.remember(index.list_heads(tmp_path), tmp_path / "records")
    text = r"its text is .*records/plugins/\w{16}.py"
    said = rf"--pool=gem is of a plug-in that is not loaded: --plugin=gem_outside.py \({text}\)"
    with pytest.raises(ConfigError, match=said):
        register.find("pool", "gem").make()


def test_versions_of_a_plug_in_are_told_apart(outside, unload, tmp_path, capsys):
    plugins.load([outside["gem_outside"]])
    lanes = make_study({"pool": ("max", "gem")}, pool_every=1)
    store(tmp_path / "one", lanes)
    unload()
    with open(outside["beside"], "w") as file:
        file.write("START = 2.0\n")
    plugins.load([outside["gem_outside"]])
    store(tmp_path / "two", make_study({"pool": ("max", "gem")}, pool_every=1))
    unload()
    for path in (tmp_path / "two" / "records").iterdir():
        if path.is_dir():
            name = path.name if path.name == "plugins" else f"two-{path.name}"
            shutil.copytree(path, tmp_path / "one" / "records" / name, dirs_exist_ok=True)
    for path in (tmp_path / "one" / "records").glob("two-*/record.json"):
        fields = json.loads(path.read_text())
        del fields["sha256"]  # as of before there were checksums
        path.write_text(json.dumps({**fields, "schema": 1, "id": path.parent.name}))
    records.main(["records", "--list", f"--runs={tmp_path / 'one'}"], script_stop())
    shown = capsys.readouterr().out
    heads = index.list_heads(tmp_path / "one")
    hashes = {head.provenance["origin"]["plugins"]["beside.py"] for head in heads
              if head.config["pool"] == "gem"}  # fmt: skip
    assert len(hashes) == 2
    for hash in hashes:
        assert f"beside.py {hash[:6]}" in shown
    assert "gem_outside.py" not in shown  # of which there is one text


def test_each_version_of_a_family_says_its_own_knobs(outside, unload, tmp_path):
    modules = set(sys.modules)
    for knob, name in (("deep", "early"), ("wide", "late")):
        with open(outside["beside"], "w") as file:
            file.write(FAMILY.replace("KNOB", knob))
        plugins.load([outside["beside"]])
        store(tmp_path, make_study({knob: (1, 2), "slope": (1, 2)}, activation="bent"), name=name)
        forget(modules)
    remembered.remember(index.list_heads(tmp_path), tmp_path / "records")
    config = make_config({"activation": "bent", "deep": 2, "wide": 2, "slope": 2})
    assert {"deep", "wide", "slope"} <= set(to_json(config))


def test_the_metric_of_a_corruption_is_known_by_its_text(outside, unload, tmp_path):
    plugins.load([outside["every_outside"]])
    store(tmp_path, make_study({"pool": ("max", "avg")}, measure=("robustness",)), "auc_fog")
    unload()
    register.CHOICES["metric"].pop("auc_fog", None)  # another process does not know it
    with pytest.raises(ConfigError, match="there is no metric auc_fog"):
        metrics.find("auc_fog")
    remembered.remember(index.list_heads(tmp_path), tmp_path / "records")
    assert metrics.find("auc_fog").measure == "robustness"
    assert register.read_trait("corruption", "fog", "unit", "") == "share"


@pytest.mark.parametrize("text", ["(", "a\0b", "-" * 200_000 + "1", "(" * 100_000, "\udcff"])
def test_a_kept_text_that_is_no_python_says_nothing(tmp_path, text):
    path = tmp_path / kept.FOLDER / "0123456789abcdef.py"
    path.parent.mkdir()
    path.write_bytes(text.encode(errors="surrogateescape"))
    (found,) = kept.read_texts(tmp_path, [{}])
    assert not found.choices and not found.families
