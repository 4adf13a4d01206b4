"""One program on several hosts, here processes of this machine with a device or two each.

What becomes of it where one is lost is tried by experiments.endure --part=hosts.
"""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from cnnjax.config.config import Config, structure_of
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError, RunError
from cnnjax.data import stream
from cnnjax.sweep import channel, feeds, follow, multihost, placed, placement
from experiments.endure.nodes import find_port
from experiments.endure.outcomes import read_numbers
from tests import true_formats

OPTAX = True  # see conftest.py
ROOT = pathlib.Path(__file__).parents[2]
SMALL = ["--widths=4,4", "--hidden=8", "--train_examples=48", "--batch_size=16", "--steps=6",
         "--eval_every=3", "--quiet"]  # fmt: skip


def start(port, process, arguments, environment, count=2, **more):
    command = [
        sys.executable, *arguments, "--multihost", f"--coordinator_address=127.0.0.1:{port}",
        f"--num_processes={count}", f"--process_id={process}", "--join_minutes=1",
    ]  # fmt: skip
    return subprocess.Popen(
        command, cwd=ROOT, env={**environment, "JAX_NUM_CPU_DEVICES": "1", **more},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(arguments, environment, own=({}, {})):
    """How each of two processes ends, given its `own` variables: status, stdout, stderr."""
    port = find_port()
    processes = [
        start(port, at, arguments, environment, **variables) for at, variables in enumerate(own)
    ]
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *own) for process, own in zip(processes, said, strict=True)]


def run_alone(arguments, environment):
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_sweep_has_the_bits_of_one_host(environment, compiled_as_for_users, tmp_path):
    sweep = ["-m", "experiments.ablate", "--grid=learning_rate=0.01,0.1", "--seeds=2", *SMALL]
    first, second = run([*sweep, f"--runs={tmp_path / 'many'}", "--keep=best"], environment)
    assert (first[0], second[0]) == (0, 0), (first, second)
    assert first[1].startswith("report:") and second[1] == ""
    run_alone([*sweep, f"--runs={tmp_path / 'one'}", "--keep=best"], environment)
    assert read_numbers(tmp_path / "many") == read_numbers(tmp_path / "one")
    kept = [*(tmp_path / "many").glob("records/*/best.safetensors")]
    assert len(kept) == 4
    for path in kept:
        one = tmp_path / "one" / path.relative_to(tmp_path / "many")
        assert path.read_bytes() == one.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("source", ["memory", "stream"])
def test_hosts_share_each_batch_with_the_bits_of_one_with_as_many_devices(
    environment, compiled_as_for_users, tmp_path, source
):
    """A sum of two has no order. A stream is read in shares."""
    photos = true_formats.write_folder(tmp_path / "photos", per_class=20)
    data = [f"--dataset=folder:{photos}", "--image_size=16", "--feed=stream", "--crop=0.3"]
    train = ["-m", "experiments.train", *SMALL, "--norm=batch", "--mesh=data:2"]
    if source == "stream":
        train += [*data, "--train_examples=0"]
    ended = run([*train, f"--workdir={tmp_path / 'many'}"], environment)
    assert [status for status, *_ in ended] == [0, 0], ended
    run_alone(
        [*train, f"--workdir={tmp_path / 'one'}"], {**environment, "JAX_NUM_CPU_DEVICES": "2"}
    )
    assert read_numbers(tmp_path / "many") == read_numbers(tmp_path / "one")


@pytest.mark.slow
def test_unlike_hosts_are_refused_before_anything_is_compiled(environment, tmp_path):
    train = ["-m", "experiments.train", *SMALL, f"--workdir={tmp_path / 'run'}"]
    ended = run(train, environment, ({}, {"NPROC": "9"}))
    assert [status for status, *_ in ended] == [2, 2]
    assert (
        "process 1 (::ffff:127.0.0.1) differs from process 0 in cpu_threads: the same"
        in (ended[0][2])
    )
    assert not (tmp_path / "run").exists()


def test_other_data_on_another_host_are_said(digits, data_dir, tiny, monkeypatch):
    said = []
    monkeypatch.setattr(multihost, "answer", said.append)
    asked = {"every": 0, "at_most": None, "mesh_asked": "auto", "budget": 2**30}
    there = follow.Follower(Where(str(data_dir)), lambda text: None)
    for data in (digits.fingerprint, "of others"):
        there.open([tiny], asked, data, "memory")
    assert said == [None, "digits holds other data here than on process 0"]
    assert there.session is None


def test_alone_there_is_nobody_to_tell(digits, tiny):
    assert not multihost.is_many() and not multihost.is_asked()
    with multihost.together("init"), multihost.agreed("open", [tiny]):
        pass
    tree = {"a": jax.numpy.ones(2)}
    assert multihost.settle(tree) is tree and multihost.share(tree, None) is tree
    assert isinstance(multihost.fetch(tree)["a"], np.ndarray)
    multihost.end(0)


def test_a_stream_comes_in_shares_to_the_devices_of_a_batch(tmp_path):
    """Each device has, of all steps, its examples of each batch: every other one."""
    config = Config(batch_size=6, feed="stream", steps=5, seed=3)
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1).repeat(8, 1).repeat(8, 2)
    examples = [(image, np.int64(at % 10)) for at, image in enumerate(images)]
    mesh = placement.lay_out(1, 2)
    spec = placed.program.DataSpec((8, 8, 1), 10, 20, 0.0, 1.0, streamed=True)
    validation = placed.batches.pad_batches(images, np.zeros(20, np.int64), 20)
    data = placed.GroupData(spec, None, validation, validation, stream=examples)
    numbers = placement.stack_numbers([config], mesh, spec)
    chunks = feeds.open_feed(structure_of(config), numbers, data, 0, [2, 2, 1], 2, mesh)
    (whole,) = stream.open_streams(config, examples, [3], 0, (8, 8, 1))
    for length in (2, 2, 1):
        chunk = next(chunks)
        assert chunk.images.shape == (1, 12, 8, 8, 1) and chunk.labels.shape == (1, 12)
        for step in range(length):
            expected, labels = next(whole)
            shares = [np.asarray(shard.data)[0] for shard in chunk.images.addressable_shards]
            own = [share[3 * step : 3 * (step + 1)] for share in shares]
            np.testing.assert_array_equal(np.stack(own, 1).reshape(expected.shape), expected)
            shares = [np.asarray(shard.data)[0] for shard in chunk.labels.addressable_shards]
            own = [share[3 * step : 3 * (step + 1)] for share in shares]
            np.testing.assert_array_equal(np.stack(own, 1).ravel(), labels)
    whole.close()
    chunks.close()


def test_hosts_with_other_plug_ins_or_devices_are_unlike(monkeypatch):
    """Process 0 hears what another has, and names what differs."""

    class Line:
        name = "process 1"

        def __init__(self, machine):
            self.machine = machine

        def hear(self):
            return {"machine": self.machine}

    class Crew:
        leads = True

        def tell(self, said):
            self.said = said

    other = Crew()
    other.leads = False
    follow.agree(other)
    own = json.loads(json.dumps(other.said["machine"]))
    for changed in ({}, {"plugins": {"mine.py": "0"}}, {"devices": 7}):
        crew = Crew()
        crew.lines = {1: Line({**own, **changed})}
        if not changed:
            follow.agree(crew)
            continue
        with pytest.raises(
            ConfigError, match=f"process 1 differs .* in {next(iter(changed))}: the"
        ):
            follow.agree(crew)


@pytest.mark.parametrize(
    ("there", "spread", "mesh"), [(3, True, (3, 1)), (4, True, (2, 2)), (3, False, (1, 2))]
)
def test_no_device_of_many_hosts_is_left_out(monkeypatch, there, spread, mesh):
    monkeypatch.setattr(placement, "is_spread", lambda: spread)
    assert placement.share_out_devices(1, 4, there) == mesh


def test_what_went_wrong_here_counts_more_than_elsewhere(monkeypatch, tiny):
    class Line:
        name = "process 1"

        def hear(self):
            return {"do": "done", "error": "its own trouble"}

    crew = channel.Crew(channel.Place("a", 1, 2, 0), {})
    crew.lines = {1: Line()}
    monkeypatch.setattr(crew, "tell", lambda said: None)
    monkeypatch.setattr(multihost, "_crew", [crew])
    with pytest.raises(ConfigError, match="ours"), multihost.agreed("open", [tiny]):
        raise ConfigError("ours")
    with pytest.raises(RunError, match="process 1: its own trouble"):
        with multihost.agreed("open", [tiny]):
            pass


def test_what_is_told_is_what_a_session_does():
    """Each step of another host is a method of a session, or opens one."""
    from cnnjax.sweep import session

    assert {*follow.STEPS} - {"open", "segment"} <= {*vars(session.Session)}
    text = pathlib.Path(session.__file__).read_text(encoding="utf-8")
    told = {part.split('"')[1] for part in text.split("multihost.")[1:] if part[0] in "ta"
            and '"' in part.split(")")[0]}  # fmt: skip
    assert told == {*follow.STEPS}
