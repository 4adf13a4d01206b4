"""--engine=cloud: what it writes for each route, and what it refuses; nothing is rented.

WRITE_GOLDEN=1 python -m pytest tests/scripts/test_cloud.py -k golden   # when a script is to change
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import launch
from cnnjax.config import families, plugins, slices
from cnnjax.config.errors import ConfigError
from experiments import ablate, rooms
from experiments.cloud import checkout, flags, machines, progress

GOLDEN = pathlib.Path(__file__).with_name("golden")
RUNS = "--runs=gs://bucket/runs"
STUDY = ["launch.py", "padding", "--seeds=3", RUNS, "--engine=cloud"]
GRID = ["-m", "experiments.ablate", "--grid=pool=max,avg", RUNS, "--engine=cloud"]
WRITTEN = {
    "fleet.sh": [*STUDY, "--accelerator=v6e-8", "--spot", "--count=8", "--zone=us-east5-b"],
    "legacy_fleet.sh": [*STUDY, "--accelerator", "v5e-4", "--count=2", "--project=my-project"],
    "legacy_slice.sh": [*STUDY, "--accelerator=v4-16", "--spot", "--dtype=bfloat16"],
    "slice.sh": [*STUDY, "--accelerator=v6e-16", "--spot=true", "--zone=us-east5-b"],
    "sky.yaml": [*STUDY, "--accelerator=v6e-8", "--spot", "--route=sky", "--count=8"],
    "sky_slice.yaml": [*STUDY, "--accelerator=v4-16", "--route=sky", "--zone=us-central2-b"],
}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "LOADED", {})
    monkeypatch.setenv(plugins.VARIABLE, "[]")
    monkeypatch.setattr(checkout, "find_revision", lambda: ("0" * 40, False))


def write(argv) -> str:
    """What is written, into the current folder."""
    main = launch.main if argv[0] == "launch.py" else ablate.main
    assert main(argv if main is launch.main else argv[1:], None) == 0
    [path] = pathlib.Path().glob("rent.*")
    return path.read_text()


@pytest.mark.parametrize("name", WRITTEN)
def test_golden(name, capsys):
    text = write(WRITTEN[name])
    said = capsys.readouterr()
    assert said.out.startswith("rent.") and said.out.count("\n") <= 3 and not said.err
    golden = GOLDEN / name
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", [name for name in WRITTEN if name.endswith(".sh")])
def test_bash_and_shellcheck_find_no_fault(name):
    for path in (GOLDEN / name, rooms.ROOT / "experiments/cloud/job.sh"):
        subprocess.run(["bash", "-n", path], check=True)
        if found := shutil.which("shellcheck"):
            run = subprocess.run([found, path], capture_output=True, text=True)
            assert run.returncode == 0, run.stdout


def test_a_grid_is_quoted_and_flags_of_renting_stay_here():
    own = ["--count", "2", "-spot", "--accelerator", "v6e-1", "--script", "rent.sh"]
    text = write([*GRID, *own, "--grid=init=he_normal, 'orthogonal'", "--quiet"])
    said = ".venv/bin/python -m experiments.ablate --grid=pool=max,avg --runs=gs://bucket/runs"
    assert f"""\n{said} '--grid=init=he_normal, '"'"'orthogonal'"'"'' --quiet\n""" in text


def test_all_studies_are_one_script(capsys):
    argv = ["launch.py", "all", "--quick", RUNS, "--engine=cloud", "--accelerator=v6e-1"]
    assert "launch.py all --quick --runs=gs://bucket/runs\n" in write(argv)
    assert capsys.readouterr().out.count("rent.sh: ") == 1


def test_two_sweeps_have_machines_of_their_own():
    names = set()
    for more in ("--seeds=3", "--seeds=4"):
        pathlib.Path("rent.sh").unlink(missing_ok=True)
        text = write([*GRID, more, "--accelerator=v6e-1"])
        names.add(text.partition("PREFIX=")[2].partition(" ")[0])
    assert len(names) == 2


def test_the_same_is_written_again_and_nothing_else_is_written_over(capsys):
    argv = [*GRID, "--accelerator=v6e-1"]
    assert write(argv) == write(argv)
    with pytest.raises(SystemExit) as ended:
        write([*argv, "--count=2"])
    assert ended.value.code == 2
    assert "--script=rent.sh is there already" in capsys.readouterr().err


CLOUD = ["--engine=cloud", RUNS]
V6E = [*CLOUD, "--accelerator=v6e-8"]
REFUSED = [
    (["--engine=cloud", "--accelerator=v6e-8"], "--runs=runs: machines that are rented share a"),
    (["--engine=cloud", "--accelerator=v6e-8", "--runs=gs://bucket"], "gs://BUCKET/FOLDER"),
    (["--engine=cloud", "--accelerator=v6e-8", "--runs=s3://bucket/runs"], "gs://BUCKET/FOLDER"),
    (CLOUD, "--engine=cloud: name what to rent, such as --accelerator=v6e-8"),
    ([*CLOUD, "--accelerator=v6-8"], "--accelerator=v6-8 is not known: did you mean v6e-8?"),
    ([*CLOUD, "--accelerator=v6e-7"], "did you mean v6e-8?"),
    ([*CLOUD, "--accelerator=tpu7x-2"], "no machine that is rented: the smallest is tpu7x-8"),
    ([*CLOUD, "--accelerator=v6e-16", "--count=2"], "--count=2: v6e-16 with --route=slice is a"),
    ([*V6E, "--route=slice", "--count=2"], "is one machine: give --route=fleet"),
    ([*V6E, "--route=slice"], "--route=slice is of several hosts, and v6e-8 has one"),
    ([*CLOUD, "--accelerator=v4-16", "--route=fleet"], "and v4-16 has 2: give --route=slice"),
    ([*CLOUD, "--accelerator=v4-16", "--route=sky", "--count=2"], "a slice of 2 VMs: leave out"),
    ([*CLOUD, "--accelerator=tpu7x-8", "--route=sky"], "no tpu7x-8: give --route=fleet"),
    ([*V6E, "--route=sky", "--project=my-project"], "--project=my-project: SkyPilot takes"),
    ([*V6E, "--route=train"], "fleet|slice|sky"),
    ([*V6E, "--count=0"], "--count"),
    ([*V6E, "--zone=us-east5"], "--zone=us-east5: give one such as us-east5-b"),
    ([*V6E, "--project=a b"], "--project=a b: give one such as my-project"),
    ([*V6E, "--plan"], "--plan is for this machine"),
    ([*V6E, "--status"], "--status is for this machine"),
    ([*V6E, "--price_per_hour=2"], "--price_per_hour is of a plan"),
    ([*V6E, "--time_limit=60"], "--time_limit ends as an interruption does, after which machines"),
    ([*V6E, "--multihost"], "--multihost is in the script where a slice has several hosts"),
    ([*V6E, "--data_dir=data"], "--data_dir=data lies on this machine"),
    ([*V6E, "--dataset=folder:images"], "the data set folder:images is not on the machines"),
    ([*V6E, "--plugin=own.py"], "--plugin=own.py is not on the machines"),
    ([*V6E, "--flagfile=rent.txt"], "--route stands in a file of flags"),
    ([*V6E, "--flagfile=plain.txt"], "--flagfile=plain.txt is not on the machines"),
    ([*V6E, "--script=."], "--script=. is there already"),
    ([*V6E, "--seeds=nine"], "--seeds"),
]
ALONE = ["--spot", "--count=2", "--route=fleet", "--zone=us-east5-b", "--project=a1", "--script=a"]
for flag in ALONE:
    name = flag.partition("=")[0]
    REFUSED.append(([flag], f"{name} is of what is rented: give --engine=cloud too"))


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_a_wrong_command_line_is_refused_and_nothing_is_written(given, words, capsys):
    pathlib.Path("own.py").touch()
    pathlib.Path("rent.txt").write_text("--route=fleet\n")
    pathlib.Path("plain.txt").write_text("--seeds=3\n")
    before = sorted(pathlib.Path().iterdir())
    try:
        launch.main(["launch.py", "padding", *given], None)
    except ConfigError as error:  # a script makes one line of it, and status 2
        said = str(error)
    except SystemExit as ended:
        said = capsys.readouterr().err.rstrip("\n")
        assert ended.code == 2
    assert words in said and "\n" not in said
    assert sorted(pathlib.Path().iterdir()) == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--accelerator=v6e-9", "--accelerator=v6e-9 is not known: did you mean v6e-8?"),
        ("--offline", "--offline uses no network, by which machines share a bucket: leave it out"),
    ],
)
def test_a_refusal_is_one_line_and_status_2(call, given, words):
    run = call("launch.py", "padding", *V6E, given, "--script=/nowhere/rent.sh")
    assert run.returncode == 2 and run.stderr.count("\n") == 1
    assert run.stderr.startswith(f"error: {words}")


def test_what_a_study_refuses_is_refused_before_anything_is_written():
    for more in ("--pool=max", "--model=mlp"):
        with pytest.raises(ConfigError):
            ablate.main(["ablate", "--grid=pool=max,avg", *V6E, more], None)
    assert not list(pathlib.Path().iterdir())


def test_every_slice_is_a_machine_of_the_table_but_the_smallest_of_two_kinds():
    found = {}
    for name in slices.SLICES:
        try:
            found[name] = machines.find_machine(name)
        except ConfigError:
            assert name == "tpu7x-2"
    for name, own in found.items():
        assert own.vms * own.chips_a_vm == own.chips == slices.SLICES[name].chips
        assert (own.machine_type is None) == (own.api == machines.LEGACY)
    shapes = {name: (own.vms, own.chips_a_vm) for name, own in found.items()}
    assert shapes["v6e-8"] == (1, 8) and shapes["v6e-16"] == (4, 4) and shapes["v6e-256"][0] == 64
    assert shapes["v4-8"] == (1, 4) and shapes["v4-16"] == (2, 4) and shapes["v5p-16"] == (2, 4)
    assert found["v5e-4"] == found["v5litepod-4"]
    assert found["v5e-4"].accelerator == "v5litepod-4" and found["v5e-4"].api == machines.LEGACY
    assert found["v6e-1"].machine_type == "ct6e-standard-1t"
    table = json.loads(machines.TABLE.read_text())
    assert table["read"].startswith("20") and all("://" in own for own in table["sources"])


def test_what_is_recorded_or_saved_is_progress(tmp_path):
    url, seen = f"file://{tmp_path}/runs", []
    for new in (None, "records/a/record.json", "checkpoints/b/step-3", "checkpoints/b/step-6"):
        if new is not None:
            (tmp_path / "runs" / new).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "runs" / new).touch()
        seen.append(progress.describe(url))
    assert len(set(seen)) == 4 and seen[0].startswith("0 recorded")
    assert seen[-1].startswith("1 recorded") and progress.describe(url) == seen[-1]


def test_no_flag_is_a_knob_and_none_of_it_imports_jax():
    assert {*flags.TAKEN_OUT} <= families.RESERVED
    own = sorted(path.stem for path in machines.TABLE.parent.glob("[!_]*.py"))
    code = "".join(f"import experiments.cloud.{name}\n" for name in own)
    code += "import sys\nassert not {'jax', 'numpy', 'gcsfs', 'google.cloud'} & {*sys.modules}\n"
    subprocess.run([sys.executable, "-c", code], cwd=rooms.ROOT, check=True)
