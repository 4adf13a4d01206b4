"""A store that many share: fetched and sent through a copy, claimed by one at a time."""

import fsspec
import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.records import shared
from cnnjax.records.files import FolderFiles
from cnnjax.records.leases import Leases


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path):
    """A store that is empty: of a test, and of a folder as objects."""
    place = f"memory://runs-{tmp_path.name}" if request.param == "memory" else ""
    yield place or f"file://{tmp_path / 'store'}"
    fs, root = fsspec.core.url_to_fs(place or f"file://{tmp_path / 'store'}")
    if fs.exists(root):
        fs.rm(root, recursive=True)


@pytest.fixture
def machines(url, tmp_path):
    """The copies of one store on two machines."""
    return [shared.open_runs(url, tmp_path / name) for name in ("one", "two")]


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.json").write_text(text)


def test_a_folder_is_no_copy_and_nothing_is_sent(tmp_path):
    runs = shared.open_runs(str(tmp_path / "runs"))
    assert runs == tmp_path / "runs" and shared.find(runs) is None
    write(runs / "a", record="1")
    for act in (shared.push, shared.pull, shared.remove):
        act(runs / "a")
    shared.pull_folders(runs, "record.json")
    assert shared.name_of(runs / "a") == str(runs / "a")
    assert [path.name for path in runs.iterdir()] == ["a"]


def test_a_copy_is_found_again_and_below_it_the_store(machines, url, tmp_path):
    one, two = machines
    assert one != two and shared.open_runs(f"{url}/", tmp_path / "one") == one
    assert shared.name_of(one) == url and shared.name_of(one / "a" / "b") == f"{url}/a/b"
    other = shared.open_runs(f"{url}/other", tmp_path / "one")
    assert other not in (one, two) and shared.name_of(other) == f"{url}/other"


def test_what_one_machine_sends_another_fetches(machines):
    one, two = (machine / "records" for machine in machines)
    write(one / "a", predictions="p", record="r")
    write(one / "b", record="r")
    for name in ("a", "b"):
        shared.push(one / name, last="record.json")
    shared.pull_folders(two, "record.json", ["a", "c"])
    assert sorted(path.name for path in two.iterdir()) == ["a"]
    assert (two / "a" / "predictions.json").read_text() == "p"
    shared.pull_folders(two, "record.json")
    assert (two / "b" / "record.json").read_text() == "r"
    (two / "a" / "record.json").write_text("here")  # what is here is not fetched again
    shared.pull_folders(two, "record.json")
    assert (two / "a" / "record.json").read_text() == "here"


def test_a_record_is_sent_after_what_it_names_and_fetched_after_it(machines, monkeypatch):
    one, two = machines
    sent, fetched, send, fetch = [], [], shared._send, shared._fetch
    monkeypatch.setattr(
        shared, "_send", lambda own, place, raw: (sent.append(place), send(own, place, raw))
    )
    monkeypatch.setattr(
        shared, "_fetch", lambda own, path: (fetched.append(path.name), fetch(own, path))
    )
    write(one / "a", record="r", zeta="z", alpha="a")
    shared.push(one / "a", last="record.json")
    shared.pull(two / "a", last="record.json")
    order = ["alpha.json", "zeta.json", "record.json"]
    assert [place.rpartition("/")[2] for place in sent] == order == fetched


def test_what_is_removed_here_is_removed_there(machines):
    one, two = machines
    write(one / "checkpoints" / "a", step="1")
    shared.push(one / "checkpoints" / "a")
    shared.remove(one / "checkpoints" / "a")
    shared.remove(one / "checkpoints" / "a")  # which is no error
    shared.pull(two / "checkpoints" / "a")
    assert not (two / "checkpoints").exists()


def test_temporary_files_stay_here(machines):
    one, two = machines
    write(one / "a", record="r")
    (one / "a" / ".record.json.new").touch()
    shared.push(one / "a")
    shared.pull(two / "a")
    assert [path.name for path in (two / "a").iterdir()] == ["record.json"]


def test_only_what_is_new_is_sent_where_asked(machines):
    one, two = machines
    for machine, text in ((one, "one"), (two, "two")):
        write(machine / "plugins", text=text)
        shared.push(machine / "plugins", new=True)
    (two / "plugins" / "text.json").unlink()
    shared.pull(two / "plugins")
    assert (two / "plugins" / "text.json").read_text() == "one"


def test_an_error_of_a_store_is_one_line_that_names_it(machines, url, monkeypatch):
    one, _ = machines

    def refuse(*arguments, **named):
        raise RuntimeError("403\nwith many\nlines")

    fs = shared.find(one).fs
    for name in ("pipe_file", "cat_file", "ls"):
        monkeypatch.setattr(fs, name, refuse)
    write(one / "a", record="r")
    for act in (shared.push, shared.pull):
        with pytest.raises(OSError) as caught:
            act(one / "a")
        assert str(caught.value) == f"{url}: 403"


@pytest.mark.parametrize(
    ("text", "said"),
    [("nothing://bucket/runs", "nothing"), ("s3://bucket/runs", r"pip install .*s3")],
)
def test_a_store_that_cannot_be_opened_is_refused(text, said, tmp_path, monkeypatch):
    def lack(*arguments, **named):
        raise ImportError

    if text.startswith("s3"):
        monkeypatch.setattr(fsspec.core, "url_to_fs", lack)
    with pytest.raises(ConfigError, match=said):
        shared.open_runs(text, tmp_path)
    assert not list(tmp_path.iterdir())


def open_leases(machine, clock):
    files = shared.ObjectFiles(shared.find(machine), machine / "leases")
    return Leases(files, 60, clock, is_gone=lambda holder: False, beat_seconds=100)


def test_of_two_machines_one_has_a_claim_until_its_count_stands_still(machines):
    now = [0.0]
    one, two = (open_leases(machine, lambda: now[0]) for machine in machines)
    assert one.claim("a") and one.claim("a") and not two.claim("a") and two.claim("b")
    assert list(two.held_by_others(["a", "b", "c"])) == ["a"]
    for _ in range(5):  # a holder that lives
        now[0] += 50
        one.beat()
        assert not two.claim("a")
    now[0] += 61
    assert two.claim("a") and two.still_ours("a") and not one.still_ours("a")
    one.release("a")
    assert two.still_ours("a")
    two.close()
    assert one.claim("a")
    one.close()
    shared_files = shared.ObjectFiles(shared.find(machines[0]), machines[0] / "leases")
    assert shared_files.list_names("claims") == [] == shared_files.list_names("holders")


def test_an_object_is_created_once(machines):
    files = [shared.ObjectFiles(shared.find(own), own / "leases") for own in machines]
    assert [own.create("claims/a/1", b"x", "") for own in files] == [True, False]
    assert files[1].read("claims/a/1") == b"x" and files[1].read("claims/a/2") is None


def test_a_folder_of_this_machine_keeps_its_own_leases(tmp_path):
    with shared.open_leases(tmp_path) as held:
        assert isinstance(held._files, FolderFiles) and held.claim("a")
        assert (tmp_path / "leases" / "claims" / "a" / "1").exists()
    assert not (tmp_path / "leases").exists()


def test_no_file_makes_a_folder_the_copy_of_a_store(machines, tmp_path, monkeypatch):
    """As one that a stranger sent: what it holds is only read."""
    write(machines[0] / "a", record="1")
    monkeypatch.setattr(shared, "_opened", {})  # as in another process
    assert shared.find(machines[0] / "a") is None
