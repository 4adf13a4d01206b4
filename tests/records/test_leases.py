"""Several launches on one folder: each key is one's at a time, and none stays with the dead."""

import os
import shutil
import time

import pytest

from cnnjax.records.leases import Leases
from tests.watched import clock as clock
from tests.watched import join as join
from tests.watched import watch


def test_a_key_is_one_launch_s_until_it_lets_go(join):
    one, two = join(), join()
    assert one.claim("a") and one.claim("a") and two.claim("b")
    assert not two.claim("a") and one.still_ours("a") and not two.still_ours("a")
    one.release("a")
    assert not one.still_ours("a") and two.claim("a") and not one.claim("a")


def test_releasing_another_s_key_does_nothing(join):
    one, two = join(), join()
    assert one.claim("a")
    two.release("a")
    two.release("never claimed")
    assert one.still_ours("a")


def test_who_holds_a_key_is_said(join):
    one, two = join(), join()
    assert one.claim("a") and two.claim("b")
    said = f"process {os.getpid()} on {one.me.host}"
    assert two.held_by_others(["a", "b", "free"]) == {"a": said}


def test_the_end_leaves_no_file(join, tmp_path):
    one, two = join(), join()
    assert one.claim("a") and one.claim("b") and two.claim("c")
    one.close()
    assert two.still_ours("c") and two.claim("a")
    two.close()
    assert not list(tmp_path.iterdir())


def test_who_only_looks_writes_nothing(join, tmp_path):
    own = join()
    own.beat()
    assert own.held_by_others(["a"]) == {} and not own.is_alive("a") and not own.still_ours("a")
    own.close()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_another_launch_has_removed_as_empty_is_made_anew(join, tmp_path):
    one = join()
    assert one.claim("a")
    shutil.rmtree(tmp_path / "leases")
    assert not one.still_ours("a")
    assert one.claim("a") and not join().claim("a")


@pytest.mark.parametrize("key", ["", ".", "..", "../a", "a/b", ".hidden", "a\n", "a\0"])
def test_a_key_that_is_no_plain_name_is_refused(join, key):
    with pytest.raises(ValueError, match="is no key"):
        join().claim(key)


# Staleness


def test_a_claim_is_stale_when_its_count_stood_still_for_so_long(join, clock):
    one, two = join(), join()
    assert one.claim("a")
    assert not two.claim("a")  # the first look
    watch(clock, two, 29)
    assert not two.claim("a") and two.held_by_others(["a"])
    watch(clock, two, 1)
    assert not two.held_by_others(["a"]) and two.claim("a")


def test_a_first_look_finds_nothing_stale(join, clock):
    one, two = join(), join()
    assert one.claim("a")
    watch(clock, two, 1000)
    assert not two.claim("a")


def test_a_count_that_moves_keeps_every_claim(join, clock):
    one, two = join(), join()
    assert one.claim("a") and one.claim("b")
    for _ in range(10):
        watch(clock, two, 29)
        assert not two.claim("a") and set(two.held_by_others("ab")) == {"a", "b"}
        one.beat()


def test_a_claim_after_a_while_without_any_is_not_stale(join, clock):
    one, two = join(), join()
    assert one.claim("a") and not two.claim("a")
    one.release("a")
    watch(clock, two, 100, one)
    assert one.claim("a") and not two.claim("a")


def test_a_holder_that_was_only_suspended_finds_out_that_it_was_taken_over(join, clock):
    one, two = join(), join()
    assert one.claim("a") and one.claim("b") and not two.claim("a")
    watch(clock, two, 30)
    assert two.claim("a")
    one.beat()  # it goes on
    assert not one.still_ours("a") and one.still_ours("b") and not two.claim("b")
    one.release("a")
    assert two.still_ours("a") and not one.claim("a")
    two.release("a")
    assert one.claim("a") and one.still_ours("a")


def test_an_observer_that_was_suspended_itself_has_watched_nothing(join, clock):
    """As where a whole machine slept: both wake up, and the other's count has not moved yet."""
    one, two = join(), join()
    assert one.claim("a") and not two.claim("a")
    clock.now += 3600
    two.beat()
    assert not two.claim("a")
    watch(clock, two, 29)
    assert two.claim("a")


def test_the_time_of_day_is_not_read(join, clock, monkeypatch):
    one, two = join(), join()
    assert one.claim("a") and not two.claim("a")
    for path in (one._files.folder / "holders" / one.me.name, one._files.folder / "claims/a/1"):
        os.utime(path, (0, 0))
    monkeypatch.setattr(time, "time", lambda: -1e9)
    assert not two.claim("a") and one.still_ours("a")
    watch(clock, two, 30)
    assert two.claim("a")


def test_a_holder_whose_process_was_here_and_is_gone_is_stale_at_once(join, tmp_path):
    one = join()
    assert one.claim("a") and one.claim("b")
    two = join(dead=[one.me.name])
    assert not two.held_by_others(["a"]) and two.claim("a")
    assert sorted(path.name for path in (tmp_path / "leases/claims/a").iterdir()) == ["2"]
    two.close()  # tidies what nobody asked for, too
    assert not list(tmp_path.iterdir())


def test_of_many_observers_one_takes_over(join, clock):
    one, others = join(), [join() for _ in range(4)]
    assert one.claim("a") and not any(other.claim("a") for other in others)
    watch(clock, others[0], 30, *others[1:])
    assert sum(other.claim("a") for other in others) == 1
    assert sum(other.still_ours("a") for other in others) == 1


def late(monkeypatch, launch, before):
    """What others do between a launch's look and its creating of a claim."""
    create = Leases._create

    def create_late(self, path):
        if self is launch:
            monkeypatch.setattr(Leases, "_create", create)
            before()
        return create(self, path)

    monkeypatch.setattr(Leases, "_create", create_late)


def test_who_looked_before_others_took_over_and_let_go_takes_nothing_away(join, monkeypatch):
    """It creates the second generation as the first was stale, which is another's by then."""
    dead = join()
    assert dead.claim("a")
    slow, quick, third = (join([dead.me.name]) for _ in range(3))

    def take_over_and_let_go():
        assert quick.claim("a")
        quick.release("a")
        assert third.claim("a")

    late(monkeypatch, slow, take_over_and_let_go)
    assert not slow.claim("a") and third.still_ours("a") and not slow.claim("a")


def test_who_saw_a_free_key_gets_none_that_was_taken_over_since(join, monkeypatch):
    """It creates the first generation, and the second is in force."""
    dead = join()
    slow, quick = (join([dead.me.name]) for _ in range(2))
    late(monkeypatch, slow, lambda: dead.claim("a") and quick.claim("a"))
    assert not slow.claim("a") and quick.still_ours("a") and not slow.claim("a")
