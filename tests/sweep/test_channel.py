"""What the processes of one program say to each other, and how one that is lost is noticed."""

import concurrent.futures
import contextlib
import json
import queue
import socket
import time

import pytest

from cnnjax.config.errors import RunError
from cnnjax.sweep import channel
from cnnjax.sweep.channel import Place


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def meet(port, count, come=None, seconds=20.0):
    """The crews of those processes that come, or why not."""
    own = range(count) if come is None else come
    places = [Place("127.0.0.1", port, count, process) for process in own]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        pending = [pool.submit(channel.gather, place, seconds) for place in places]
        return [future.exception() or future.result() for future in pending]


@pytest.fixture
def crews(port):
    found = meet(port, 3)
    yield found
    for crew in found:
        crew.leave()
        for line in crew.lines.values():
            line.close()


def test_what_process_0_tells_comes_to_all_in_order(crews):
    leader, *others = crews
    assert leader.leads and not any(crew.leads for crew in others)
    assert [*leader.lines] == [1, 2] and all([*crew.lines] == [0] for crew in others)
    for step in range(3):
        leader.tell({"do": "step", "step": step})
    for crew in others:
        assert [crew.lines[0].receive(5)["step"] for _ in range(3)] == [0, 1, 2]
    others[1].tell({"do": "done"})
    assert leader.lines[2].receive(5) == {"do": "done"}
    with pytest.raises(TimeoutError):
        leader.lines[1].receive(0.05)


def test_who_does_not_come_is_named(port):
    (leader, other) = meet(port, 4, come=[0, 2], seconds=1.0)
    assert isinstance(leader, RunError) and isinstance(other, RunError)
    assert str(leader).startswith("2 processes of 4 did not come within 1 seconds: 1, 3;")
    assert str(other) == f"process 0 at 127.0.0.1:{port} says: {leader}"


def test_a_process_0_that_is_not_there_is_named(port):
    (alone,) = meet(port, 2, come=[1], seconds=0.3)
    assert str(alone).startswith(f"process 0 at 127.0.0.1:{port} did not answer within 0.3 seconds")


def test_a_port_that_is_taken_is_named(port):
    with socket.create_server(("", port)):
        (leader,) = meet(port, 2, come=[0], seconds=0.3)
    assert str(leader).startswith(f"process 0 cannot listen on port {port}")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"do": "come", "process": 1, "count": 3}, "it is one of 3 processes, and here are 2"),
        ({"do": "GET / HTTP/1.1"}, "it did not say who it is"),
        ("nonsense", None),
    ],
)
def test_a_stranger_is_sent_away_and_the_others_come(port, said, why):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        leader = pool.submit(channel.gather, Place("127.0.0.1", port, 2, 0), 20.0)
        stranger = connect(port)
        stranger.sendall((said if isinstance(said, str) else json.dumps(said)).encode() + b"\n")
        answer = stranger.makefile().readline()
        assert (json.loads(answer)["why"] if answer else None) == (
            why or "it did not say who it is"
        )
        (other,) = meet(port, 2, come=[1])
        assert leader.result().lines[1].name == "process 1 (::ffff:127.0.0.1)"
        assert other.lines[0].name == f"process 0 at 127.0.0.1:{port}"


def connect(port):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.01)
    raise AssertionError("nobody listens")


def watch(crew, seconds=60.0, asked=lambda: False):
    """What is said of the lost, as it comes."""
    said = queue.Queue()
    crew.watch(seconds, asked, lambda *why: said.put(why))
    return said


def test_one_that_ends_is_lost_at_once(crews):
    said = [watch(crew) for crew in crews]
    for line in crews[2].lines.values():
        line.close()
    why, status = said[0].get(timeout=3)
    assert why.startswith("process 2 (") and status is None
    assert said[1].empty()


def test_one_that_is_silent_is_lost(crews, monkeypatch):
    monkeypatch.setattr(channel, "SILENT_SECONDS", 1.5)
    said = [watch(crew) for crew in crews[:2]]
    why, status = said[0].get(timeout=6)
    assert why.endswith("was not heard of for 1.5 seconds") and status is None


def test_whoever_came_long_before_the_others_has_as_long_to_say_that_he_lives(crews):
    """Till all are there nobody says it."""
    for crew in crews:
        for line in crew.lines.values():
            line.heard -= 100
    said = [watch(crew) for crew in crews]
    time.sleep(0.5)
    assert all(own.empty() for own in said)


@pytest.mark.parametrize("at_work", [True, False])
def test_whose_end_was_told_ends_the_others_with_its_status(crews, at_work):
    """One at rest reads it by itself."""
    said = watch(crews[1])
    with crews[1].at_work("segment") if at_work else contextlib.nullcontext():
        crews[0].tell({"do": "end", "status": 1})
        for line in crews[0].lines.values():
            line.close()
        if at_work:
            why, status = said.get(timeout=3)
            assert "ended" in why and status == 1
        else:
            assert crews[1].lines[0].receive(3) == {"do": "end", "status": 1}
            time.sleep(0.5)
            assert said.empty()


def test_one_that_ended_before_all_had_come_may_come_again(port):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        leader = pool.submit(channel.gather, Place("127.0.0.1", port, 3, 0), 20.0)
        early = connect(port)
        early.sendall(json.dumps({"do": "come", "process": 1, "count": 3}).encode() + b"\n")
        time.sleep(0.3)
        early.close()
        one, two = meet(port, 3, come=[1, 2])
        assert [*leader.result().lines] == [1, 2]
        assert not isinstance(one, Exception) and not isinstance(two, Exception)


def test_one_that_is_stuck_says_at_what_and_shows_it(crews, capfd):
    said = watch(crews[0], 0.2)
    with crews[0].at_work("segment"):
        assert said.get(timeout=3) == ("stuck for 0.2 seconds at segment", None)
    assert "test_one_that_is_stuck" in capfd.readouterr().err


def test_one_at_rest_is_never_stuck(crews):
    said = watch(crews[0], 0.2)
    for _ in range(5):
        with crews[0].at_work("segment"):
            time.sleep(0.1)
    time.sleep(0.3)
    assert said.empty()


def test_what_one_is_asked_process_0_knows(crews):
    asked = []
    for crew in crews:
        watch(crew, asked=lambda crew=crew: crew is crews[2] and bool(asked))
    time.sleep(0.2)
    assert not crews[0].asked
    asked.append(True)
    until = time.monotonic() + 5
    while not crews[0].asked and time.monotonic() < until:
        time.sleep(0.05)
    assert crews[0].asked


def test_those_who_leave_are_not_lost(crews):
    said = [watch(crew) for crew in crews]
    for crew in crews:
        crew.leave()
    for line in crews[1].lines.values():
        line.close()
    time.sleep(0.4)
    assert all(own.empty() for own in said)
