"""Which of many hosts this is: by flags, or as a cluster says."""

import pytest
from absl import flags as absl_flags

from cnnjax.config import hosts as config_hosts
from cnnjax.config.errors import ConfigError
from cnnjax.sweep import multihost
from experiments import hosts as hosts_script


def read(*arguments):
    values = absl_flags.FlagValues()
    hosts_script.define_flags(values)
    absl_flags.DEFINE_boolean("plan", False, "", flag_values=values)
    absl_flags.DEFINE_boolean("offline", False, "", flag_values=values)
    absl_flags.DEFINE_string("engine", None, "", flag_values=values)
    values(["", *arguments])
    return hosts_script.read_flags(values)


ALL = ["--multihost", "--coordinator_address=a:80", "--num_processes=2", "--process_id=1"]


def test_flags_say_which_host_this_is():
    assert read() is None
    assert read("--multihost") == config_hosts.Hosts()
    found = read(*ALL, "--join_minutes=0.5", "--stuck_minutes=2")
    assert found == config_hosts.Hosts("a:80", 2, 1, 30.0, 120.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (ALL[:2], "--num_processes, --process_id: give all of"),
        (ALL[:3], "--process_id: give all of"),
        ([*ALL, "--process_id=2"], "--process_id=2 of --num_processes=2: they are numbered from 0"),
        ([*ALL, "--coordinator_address=here"], "--coordinator_address=here: give HOST:PORT"),
        ([*ALL, "--coordinator_address=:80"], "give HOST:PORT"),
        ([*ALL, "--coordinator_address=a:65536"], "give HOST:PORT"),
        ([*ALL, "--join_minutes=inf"], "--join_minutes=inf: give a second"),
        ([*ALL, "--join_minutes=0.001"], "--join_minutes=0.001: give a second"),
        ([*ALL, "--coordinator_address=a:x"], "give HOST:PORT"),
    ],
)
def test_a_host_that_cannot_be_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        read(*given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (ALL[1:], "--coordinator_address is of a program on many hosts: give --multihost too"),
        (["--process_id=0"], "--process_id is of a program on many hosts"),
        (["--join_minutes=1"], "--join_minutes is of a program on many hosts"),
        ([*ALL, "--plan"], "--plan trains nothing and is for one host"),
        ([*ALL, "--offline"], "--offline uses no network, by which hosts meet"),
        ([*ALL, "--engine=a:b"], "--engine sends runs elsewhere, and --multihost trains here"),
    ],
)
def test_what_does_not_go_together_is_refused(given, words, capsys):
    with pytest.raises(SystemExit) as ended:
        read(*given)
    assert ended.value.code == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "found"), [("10.0.0.2:8476", ("10.0.0.2", 8476)), ("[::1]:80", ("::1", 80))]
)
def test_an_address_is_read(address, found):
    assert config_hosts.split_address(address) == found


@pytest.mark.parametrize(("tasks", "devices"), [("1(x2)", None), ("8(x2)", [0])])
def test_slurm_says_which_host_this_is(monkeypatch, tasks, devices):
    """A task alone on its node has all devices of it, one of several its own."""
    slurm = {"SLURM_JOB_ID": "5000", "SLURM_STEP_NODELIST": "node[03-04]", "SLURM_NTASKS": "2",
             "SLURM_PROCID": "1", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_NODES": "2",
             "SLURM_STEP_TASKS_PER_NODE": tasks}  # fmt: skip
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    found, local = multihost.find_place(config_hosts.Hosts())
    assert (found.host, found.count, found.process) == ("node03", 2, 1)
    assert local == devices


def test_where_nobody_says_it_the_flags_are_named():
    with pytest.raises(ConfigError, match="nothing here says which hosts there are"):
        multihost.find_place(config_hosts.Hosts())
