"""What nothing needs is removed from a folder of runs, and nothing else."""

import fcntl
import os
import pathlib
import time

import pytest

from cnnjax.records import holder, leases, prune
from cnnjax.records.record import record_path, write_record
from tests.by_hand import make_records

HOURS = 3600.0
LONG_AGO, SINCE = time.time() - 3 * HOURS, time.time() - 2 * HOURS


def write(path, when=LONG_AGO, content="x" * 1000):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (when, when))
    for folder in (path.parent, path.parent.parent):
        os.utime(folder, (when, when))
    return path


def list_tree(runs):
    return {str(path.relative_to(runs)) for path in runs.rglob("*") if path.is_file()}


def run(runs, plan=False, named=(), **more):
    said: list[str] = []
    found = list(prune.prune(runs, said.append, named, plan, **more))
    return [str(own.path.relative_to(runs)) for own in found], said


@pytest.fixture
def runs(tmp_path):
    """Two finished runs, id0 and id1, and a report."""
    for record in make_records(num_seeds=1)[:2]:
        used = {"plugins/used": "used"} if record.id == "id0" else {}
        write_record(tmp_path, record._replace(provenance={**record.provenance, "texts": used}))
        os.utime(record_path(tmp_path, record.id), (SINCE, SINCE))
    for name in ("report.html", "about.json", "figures/curves.svg", "notes.txt"):
        write(tmp_path / "pooling" / name)
    write(tmp_path / "records" / "plugins" / "used.py")
    write(tmp_path / "records" / "plugins" / "reported.py")
    return tmp_path


def make_leftovers(runs):
    """Of each kind, and for each kind something that only looks like it."""
    gone = [
        write(runs / "checkpoints" / "id0" / "step-000000000010.safetensors").parent,
        write(runs / "checkpoints" / "id2" / "step-000000000010.safetensors.damaged"),
        write(runs / "checkpoints" / "id2" / ".step-000000000020.safetensors.abcd1234"),
        write(runs / "records" / "id0" / "record.json.damaged"),
        write(runs / "records" / "id0" / ".predictions.npz.abcd1234"),
        write(runs / "records" / ".index.json.abcd1234"),
        write(runs / "records" / "id1" / ".record.json.new"),
        write(runs / "records" / "plugins" / "unused.py"),
        write(runs / ".README.txt.abcd1234"),
        write(runs / ".pooling.abcd1234" / "figures" / "curves.svg").parents[1],
    ]
    write(runs / "checkpoints" / "id2" / "step-000000000020.safetensors")  # it goes on from there
    write(
        runs / "checkpoints" / "id1" / "step-000000000010.safetensors", time.time()
    )  # for weights
    write(runs / "records" / "id1" / "predictions.npz.damaged")  # nothing took its place
    write(runs / "records" / "id3" / "record.json.damaged")
    write(runs / "records" / "id0" / "mine.md")
    write(runs / "records" / "id0" / "mine.md.damaged")  # a person's own
    write(runs / "records" / "id1" / ".record.json.abcd1234", time.time())  # someone writes it
    write(runs / "records" / "id1" / ".mine.abcd1234")
    write(runs / "records" / "plugins" / "young.py", time.time())
    write(runs / ".pooling.abcd9999.old" / "report.html")  # a swap that was cut off: both are left
    write(runs / ".pooling.abcd9999" / "report.html")
    write(runs / ".cache.abcd1234" / "anything")
    return [str(path.relative_to(runs)) for path in gone]


def test_what_is_not_needed_goes_and_all_else_stays(runs):
    untouched = list_tree(runs)
    gone = make_leftovers(runs)
    before = list_tree(runs)
    planned, _ = run(runs, plan=True, named=["reported"])
    assert list_tree(runs) == before
    removed, said = run(runs, named=["reported"])
    assert sorted(removed) == sorted(gone) and planned == removed and said == []
    left = list_tree(runs)
    assert before - left == {path for path in before if any(map(path.startswith, gone))}
    assert untouched <= left
    assert run(runs, named=["reported"]) == ([], [])  # nothing is left to do


def test_a_file_that_a_process_holds_is_left(runs):
    with write(runs / "records" / ".index.json.new").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(runs, named=["reported"]) == ([], [])
    assert run(runs, named=["reported"])[0] == ["records/.index.json.new"]


def test_it_says_how_much_it_is(runs):
    make_leftovers(runs)
    assert {own.size for own in prune.prune(runs, print, plan=True)} == {1000}


def test_no_text_goes_where_a_record_may_have_used_it_unsaid(runs):
    write(runs / "records" / "plugins" / "unused.py")
    (older,) = make_records(num_seeds=1)[2:3]
    write_record(runs, older)  # says nothing of texts, and needs none: digits are ours
    assert run(runs, plan=True, named=["reported"])[0] == ["records/plugins/unused.py"]
    write_record(runs, older._replace(config={**older.config, "dataset": "mine"}))
    assert run(runs, plan=True) == ([], [])
    record_path(runs, older.id).write_text("damaged")
    assert run(runs, plan=True) == ([], [])


def test_an_empty_folder_of_checkpoints_goes_with_its_run_finished(runs):
    for id in ("id0", "id2"):
        (runs / "checkpoints" / id).mkdir(parents=True)  # of id2 there is no record
    assert run(runs, named=["reported"])[0] == ["checkpoints/id0"]
    assert run(runs, named=["reported"]) == ([], [])


def test_a_damaged_record_keeps_its_checkpoints(runs):
    write(runs / "checkpoints" / "id0" / "step-000000000010.safetensors")
    record_path(runs, "id0").write_text("damaged")
    os.utime(record_path(runs, "id0"))
    assert run(runs, named=["reported"]) == ([], [])


def test_links_are_left_as_they_are(runs, tmp_path_factory):
    elsewhere = write(tmp_path_factory.mktemp("elsewhere") / "id0" / "step-1.safetensors").parent
    write(elsewhere / ".record.json.abcd1234")
    (runs / "checkpoints").mkdir()
    (runs / "checkpoints" / "id0").symlink_to(elsewhere)
    (runs / "records" / "id0" / "record.json.damaged").symlink_to(elsewhere / "step-1.safetensors")
    assert run(runs, named=["reported"]) == ([], [])
    assert (elsewhere / "step-1.safetensors").exists()


def test_what_a_launch_that_is_alive_holds_is_left(runs):
    gone = make_leftovers(runs)
    with leases.open_leases(runs / "leases") as held:
        assert held.claim("id0")
        removed, said = run(runs)
        assert [line for line in said if "id0 is left: process" in line and "has it" in line]
        assert held.still_ours("id0")
    mine = {path for path in gone if "id0" in path} | {"records/plugins/unused.py"}
    assert set(removed) == set(gone) - mine


def make_claim(runs, key, host=None):
    """A claim that a launch left which was killed here, or elsewhere."""
    me = holder.make_holder()
    dead = me._replace(name="dead", pid=2**22 + 7 if host is None else me.pid, host=host or me.host)
    for path in (runs / "leases" / "claims" / key / "1", runs / "leases" / "holders" / "dead"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(holder.dump(dead))


def test_claims_of_killed_launches_go_and_what_they_held(runs):
    write(runs / "checkpoints" / "id0" / "step-000000000010.safetensors")
    make_claim(runs, "id0")
    named = {"checkpoints/id0", "leases/claims/id0", "leases/holders/dead"}
    for plan in (True, False):
        removed, said = run(runs, plan, ["reported"])
        assert set(removed) == named and said == []
    assert not (runs / "leases").exists()
    assert (runs / "checkpoints").exists()  # someone may be about to write into it


@pytest.mark.parametrize("plan", [True, False])
def test_a_launch_on_another_machine_is_watched_until_it_is_known_whether_it_lives(runs, plan):
    make_claim(runs, "id7", host="elsewhere")
    removed, (said,) = run(runs, plan, ["reported"], stale_seconds=0.6)
    assert removed == ["leases/claims/id7"]
    assert said.startswith("watching for 0.6 seconds whether process")
    assert (runs / "leases").exists() == plan


def test_a_store_that_cannot_be_written_is_refused(runs, monkeypatch):
    def refuse(path, *given, **more):
        raise PermissionError(13, "Permission denied", str(path))

    make_leftovers(runs)
    monkeypatch.setattr(pathlib.Path, "unlink", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        run(runs)
