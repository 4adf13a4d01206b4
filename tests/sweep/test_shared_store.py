"""Machines that share a store: each lane is trained once, and any of them writes the report."""

import fsspec
import pytest

from cnnjax import api
from cnnjax.config.datasets import Where
from cnnjax.records import shared
from cnnjax.study import grids
from cnnjax.study.options import Options
from cnnjax.sweep import runner
from cnnjax.sweep.observer import Observer

OPTAX = True  # see conftest.py
GIVEN = {"widths": (4,), "hidden": (), "steps": 20, "eval_every": 10, "train_examples": 64}


@pytest.fixture
def machines(tmp_path):
    """The options of two machines with a store in common and nothing else."""
    url = f"memory://sweep-{tmp_path.name}"
    yield [shared.open_runs(url, tmp_path / name) for name in ("one", "two")]
    fs, root = fsspec.core.url_to_fs(url)
    fs.rm(root, recursive=True)


def train(runs, data_dir, num_seeds=2, checkpoint_every=None, steps=20, **observing):
    study = grids.make_study({"pool": ("max", "avg")})
    options = Options(
        runs, Where(str(data_dir)), num_seeds=num_seeds, checkpoint_every=checkpoint_every
    )
    trained = []
    observer = Observer(on_record=trained.append, **observing)
    finished = api.run_study(
        api.check_study(study, {**GIVEN, "steps": steps}, options), options, observer
    )
    return finished, options


def names_of(runs, folder):
    own = shared.find(runs)
    return shared._list(own, f"{own.root}/{folder}")


@pytest.mark.slow
def test_what_one_machine_trained_another_reads_and_both_report_alike(machines, data_dir, digits):
    one, two = machines
    first, options = train(one, data_dir)
    assert first.source.startswith("4 lanes trained, 0 read from memory://")
    second, others = train(two, data_dir)
    assert second.source.startswith("0 lanes trained, 4 read from memory://")
    assert [own.scores for own in second.records] == [own.scores for own in first.records]
    report = api.report_study(second, others)
    assert names_of(one, report.path.parent.name) and not names_of(one, "checkpoints")
    more, _ = train(one, data_dir, num_seeds=3)
    assert more.source.startswith("2 lanes trained, 4 read from memory://")
    assert len(names_of(two, "records")) == 6


@pytest.mark.slow
def test_another_machine_goes_on_from_a_checkpoint_in_the_store(
    machines, data_dir, digits, tmp_path
):
    one, two = machines

    def is_saved():
        return bool(list((one / "checkpoints").glob("*/step-*")))

    with pytest.raises(runner.Interrupted):
        train(one, data_dir, checkpoint_every=10, steps=80, should_stop=is_saved)
    assert names_of(two, "checkpoints")
    finished, _ = train(two, data_dir, steps=80)
    peace, _ = train(tmp_path / "peace", data_dir, steps=80)
    assert not names_of(one, "checkpoints")
    key = sorted((own.id, own.scores["test_loss"]) for own in peace.records)
    assert sorted((own.id, own.scores["test_loss"]) for own in finished.records) == key
