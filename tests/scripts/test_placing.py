"""Flags of the engines that are ours."""

import pytest
from absl import flags as absl_flags

from cnnjax.config.clusters import Placing
from experiments import placing

GIVEN = {
    "ray_address": "10.0.0.2:6379", "task_cpus": 3, "task_gpus": 2, "task_tpus": 4,
    "task_nodes": 5, "slurm_time": 90, "slurm_partition": "gpu", "slurm_account": "lab",
    "slurm_constraint": "a100|h100",
}  # fmt: skip


def read(*argv):
    values = absl_flags.FlagValues()
    placing.define_flags(values)
    values(["launch.py", *argv])
    return placing.read_flags(values)


def test_nothing_is_asked_for_without_flags():
    assert read() == read("--engine=slurm") == Placing()


@pytest.mark.parametrize("name", GIVEN)
def test_each_flag_reaches_its_own_place(name):
    field, engines = placing.FLAGS[name][:2]
    for engine in engines:
        found = read(f"--engine={engine}", f"--{name}={GIVEN[name]}")
        assert found == Placing()._replace(**{field: GIVEN[name]}) != Placing()


@pytest.mark.parametrize("name", [*GIVEN, "slurm_options"])
@pytest.mark.parametrize("engine", [None, "ray", "slurm", "my_engine:run"])
def test_a_flag_of_another_engine_is_refused(name, engine, capsys):
    engines = placing.FLAGS[name].engines
    if engine in engines:
        return
    own = [f"--engine={engine}"] if engine else []
    with pytest.raises(SystemExit) as ended:
        read(*own, f"--{name}={GIVEN.get(name, 'qos=long')}")
    said = f"error: --{name} is of a cluster: give --engine={' or '.join(engines)} too\n"
    assert ended.value.code == 2 and capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("qos=long", (("qos", "long"),)),
        ("mem=16G, exclusive", (("mem", "16G"), ("exclusive", ""))),
        ('"comment=a, b",gres=gpu:a100:2', (("comment", "a, b"), ("gres", "gpu:a100:2"))),
        ("mail-type=END", (("mail-type", "END"),)),
    ],
)
def test_more_of_sbatch_is_read(text, options):
    assert read("--engine=slurm", f"--slurm_options={text}").options == options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--qos=long", "'--qos' is no option: give name=value, as qos=long"),
        ("=16G", "'' is no option"),
        ("qos=a,,mem=b", "has an empty value"),
        ("a b=3", "'a b' is no option"),
    ],
)
def test_what_is_no_option_of_sbatch_is_refused(text, said, capsys):
    with pytest.raises(SystemExit):
        read("--engine=slurm", f"--slurm_options={text}")
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["--task_nodes=0", "--slurm_time=2", "--task_cpus=0"])
def test_too_little_of_anything_is_refused(argument):
    with pytest.raises(absl_flags.IllegalFlagValueError):
        read("--engine=slurm", argument)
