"""Damaged leases become stale, what the system refuses is said, and who holds one is known."""

import errno
import json
import os
import subprocess

import pytest

from cnnjax.records import holder
from cnnjax.records.leases import open_leases
from tests.watched import clock as clock
from tests.watched import join as join
from tests.watched import watch


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"\0" * 1024, b"null", b"[]", b"{", b'{"name": "x"}', b"\xff", b"[" * 1000, "folder",
        {"name": "../../x"}, {"pid": 0}, {"pid": -1}, {"pid": "1"}, {"pid": 2**40}, {"pid": True},
        {"host": "\x1b[2J"}, {"count": None}, {"name": None}, {"extra": 1},
    ],
)  # fmt: skip
def test_a_damaged_claim_is_stale_after_the_same_while(join, clock, damage):
    one, two = join(), join()
    assert one.claim("a")
    path = one._files.folder / "claims/a/1"
    fields = json.loads(path.read_bytes())
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        content = json.dumps(fields | damage) if isinstance(damage, dict) else damage
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert two.held_by_others(["a"]) == {"a": "an unknown process"}
    watch(clock, two, 29, one)
    assert not two.claim("a")
    watch(clock, two, 1, one)
    assert two.claim("a") and two.still_ours("a") and not one.still_ours("a")
    two.release("a")
    assert one.claim("a")


@pytest.mark.parametrize("damage", [None, b"", b"{}"])
def test_a_damaged_heartbeat_is_mended_by_its_holder_or_stale(join, clock, damage):
    one, two = join(), join()
    assert one.claim("a") and not two.claim("a")

    def harm():
        path = one._files.folder / "holders" / one.me.name
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)

    harm()
    watch(clock, two, 29)
    assert not two.claim("a")
    one.beat()
    watch(clock, two, 29)
    assert not two.claim("a")
    harm()
    watch(clock, two, 30)
    assert two.claim("a")


def test_a_claim_that_could_not_be_read_for_a_moment_is_not_stale_at_the_next(join, clock):
    one, two = join(), join()
    assert one.claim("a")
    path, aside = one._files.folder / "claims/a/1", one._files.folder / "claims/aside"
    for _ in range(3):
        path.rename(aside)
        path.write_bytes(b"")
        assert not two.claim("a")
        aside.replace(path)
        assert not two.claim("a")
        watch(clock, two, 31, one)
    assert one.still_ours("a")


def test_a_file_system_without_links(join, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    one, two = join(), join()
    assert one.claim("a") and not two.claim("a") and two.held_by_others(["a"])
    one.release("a")
    assert two.claim("a") and two.still_ours("a")


# What the system refuses


def test_a_full_disk_is_an_error_with_the_path_and_keeps_the_heartbeat(join, monkeypatch, tmp_path):
    one, two = join(), join()
    assert one.claim("a")
    before = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as full:

        def refuse(*arguments, **keywords):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(os, "link", refuse)
        full.setattr(os, "write", refuse)
        for act, name in (
            (lambda: one.claim("b"), "claims/b/1"),
            (lambda: join().claim("b"), "holders/"),
        ):
            with pytest.raises(OSError, match=f"No space left.*leases/{name}") as raised:
                act()
            assert "\n" not in str(raised.value)
    left = set(tmp_path.rglob("*")) - set(before)
    assert not [path for path in left if path.is_file()]
    assert one.claim("b") and not two.claim("a")


def test_a_folder_that_goes_while_it_is_made_is_made_again(join, monkeypatch):
    one, two, mkdir, going = join(), join(), os.mkdir, [1, 1]

    def mkdir_late(path, *mode):
        if going and os.fspath(path).endswith("/a"):
            going.pop()
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        mkdir(path, *mode)

    monkeypatch.setattr(os, "mkdir", mkdir_late)
    assert one.claim("a") and not two.claim("a") and not going


def test_a_file_in_the_place_of_a_key_is_an_error_with_the_path(join, tmp_path):
    (tmp_path / "leases" / "claims").mkdir(parents=True)
    (tmp_path / "leases" / "claims" / "a").write_text("")
    with pytest.raises(NotADirectoryError, match="claims/a"):
        join().claim("a")


def test_a_folder_that_cannot_be_is_an_error_with_the_path(tmp_path):
    (tmp_path / "file").write_text("")
    with open_leases(tmp_path / "file" / "leases") as own, pytest.raises(OSError, match="file"):
        own.claim("a")
    if os.geteuid() == 0:
        return  # whom no permission stops
    tmp_path.chmod(0o500)
    with open_leases(tmp_path / "leases") as own, pytest.raises(PermissionError, match="leases"):
        own.claim("a")


def test_an_error_at_the_end_does_not_hide_that_of_the_work(join, monkeypatch, tmp_path):
    def refuse(*arguments, **keywords):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with pytest.raises(KeyError), open_leases(tmp_path / "leases") as own:
        assert own.claim("a")
        monkeypatch.setattr(os, "unlink", refuse)
        raise KeyError("of the work")


# Who holds


def test_two_launches_of_one_process_have_names_of_their_own():
    assert holder.make_holder().name != holder.make_holder().name


def test_a_process_is_known_by_its_start_where_its_number_was_given_anew():
    me = holder.make_holder()
    assert holder.is_here(me) and not holder.is_gone(me)
    if me.started:
        assert holder.is_gone(me._replace(started=me.started - 1))


@pytest.mark.parametrize("other", [{"host": "another-machine"}, {"boot": "another-boot"}])
def test_of_another_machine_boot_or_container_no_process_is_known_to_be_gone(other):
    with subprocess.Popen(["true"]) as process:
        pass
    me = holder.make_holder()._replace(pid=process.pid)
    assert holder.is_gone(me) and not holder.is_gone(me._replace(**other))
