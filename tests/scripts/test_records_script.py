"""`python -m experiments.records`: what runs a folder has."""

import contextlib
import json
import os
import sys

import pytest

from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.records import index, store
from cnnjax.records.inventory import Row
from cnnjax.records.record import record_path, write_record
from experiments import records as script
from experiments.script import INTERRUPTED
from tests.by_hand import fail, make_records

RECORDS = ["-m", "experiments.records"]


@pytest.fixture
def runs(tmp_path):
    for record in make_records(num_seeds=3):
        write_record(tmp_path, record)
    return tmp_path


def test_it_lists_a_row_for_each_setting_and_says_once_what_all_share(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert script.main(["records", "--list", f"--runs={runs}"], None) == 0
    shown = capsys.readouterr()
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["padding", "pool", "data"] in [row[:3] for row in rows]
    assert ["VALID", "avg", "digits"] in [row[:3] for row in rows]
    assert shown.out.count("digits") == 4 and shown.out.count("0-2") == 4
    assert "all: train_examples=300 draw=auto measure=robustness" in shown.out
    assert "12 records, 0.0 MiB, in " in shown.out and shown.err == ""


def test_as_json_it_names_every_record(runs, capsys):
    script.main(["records", "--list", "--json", f"--runs={runs}"], None)
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 4 and sum(len(row["ids"]) for row in rows) == 12
    assert {"dataset", "settings", "seeds", "test_accuracy", "num_failed", "origin"} <= set(rows[0])


def test_what_cannot_be_read_is_counted_and_no_failed_run_has_an_accuracy(tmp_path, capsys):
    one, other = make_records(num_seeds=1)[:2]
    write_record(tmp_path, fail(one))
    write_record(tmp_path, other)
    path = record_path(tmp_path, other.id)
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 99'))
    script.main(["records", "--list", f"--runs={tmp_path}"], None)
    shown = capsys.readouterr()
    assert "1 more is damaged or of another schema" in shown.err and "1 record" in shown.out
    assert "–" in shown.out and "%" not in shown.out
    script.main(["records", "--list", "--json", f"--runs={tmp_path}"], None)
    shown = capsys.readouterr()
    assert "1 more is damaged or of another schema" in shown.err and len(json.loads(shown.out)) == 1


@pytest.mark.parametrize("act", ["--list", "--export=table.csv"])
def test_where_all_is_damaged_that_is_said(runs, act):
    for path in (runs / "records").glob("*/record.json"):
        path.write_text("")
    with pytest.raises(ConfigError, match="12 records are damaged .*: --check names them"):
        script.main(["records", act, f"--runs={runs}"], None)


def test_of_many_varied_knobs_a_line_names_those_of_a_row(capsys):
    own = [{}, {"pool": "avg", "padding": "VALID", "norm": "batch", "flip": True, "stride": 2}]
    rows = [Row("digits", one, [0], 0.5, 0, "2026-01-01", "abcdef", ["id"]) for one in own]
    script.print_rows(rows)
    shown = capsys.readouterr().out
    assert "pool=avg padding=VALID norm=batch" in shown and "default" in shown


def test_a_record_is_opened_once_and_then_known_by_the_index(runs, capsys, monkeypatch):
    script.main(["records", "--list", f"--runs={runs}"], None)
    first = capsys.readouterr().out
    for module in (index, store):
        monkeypatch.setattr(module, "load_record", lambda *_: pytest.fail("a record is opened"))
    script.main(["records", "--list", f"--runs={runs}"], None)
    assert capsys.readouterr().out == first


def test_it_needs_no_jax(call, runs):
    code = (
        "import sys; from experiments import records\n"
        f"records.main(['records', '--list', '--runs={runs}'], None)\n"
        "assert 'jax' not in sys.modules"
    )
    run = call("-c", code)
    assert run.returncode == 0, run.stderr


ONE = "give --list, --check, --prune, --export=FILE or --bundle=FILE, one of them"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], ONE),
        (["--list", "--check"], ONE),
        (["--prune", "--export=a.csv"], ONE),
        (["--check", "--plan"], "--plan goes with --prune"),
        (["--list", "--study=pooling"], "--study goes with --bundle"),
        (["--check", "--json"], "--json goes with --list"),
        (["--export=a.xlsx"], "--export=a.xlsx: give a file that ends in .csv or .parquet"),
        (["--bundle="], "--bundle=: give a file that ends in .zip"),
        (["--prune", "--runs=nowhere"], "nowhere has no records: give --runs=FOLDER"),
        (["--export=a.csv", "--runs=nowhere"], "nowhere has no records: give --runs=FOLDER"),
        (["--bundle=a.zip", "--runs=nowhere"], "nowhere has no records: give --runs=FOLDER"),
        (["runs"], "unexpected 'runs': name the folder by --runs=runs"),
        (["--list", "--runs=nowhere"], "nowhere has no records: give --runs=FOLDER"),
    ],
)
def test_a_wrong_request_is_one_line(arguments, message, capsys):
    try:
        script.main(["records", *arguments], Stop(asked=False))
    except SystemExit as ended:
        assert ended.code == 2 and capsys.readouterr().err == f"error: {message}\n"
    except ConfigError as refusal:  # which `script.run` says
        assert message in str(refusal) and "\n" not in str(refusal)
    else:
        pytest.fail("it is taken")


def test_a_wrong_request_is_status_2(call):
    run = call(*RECORDS, "--list", "--runs=nowhere")
    assert run.returncode == 2 and run.stderr.count("\n") == 1


def test_help_is_answered(call):
    run = call(*RECORDS, "--help")
    assert run.returncode == 0 and "--runs  (text; default: runs)" in run.stdout


def test_what_is_damaged_is_named_and_status_1(runs, capsys):
    command = ["records", "--check", f"--runs={runs}"]
    assert script.main(command, None) == 0
    assert capsys.readouterr().out == "12 records checked, 0 damaged\n"
    path = record_path(runs, make_records(num_seeds=3)[0].id)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    assert script.main(command, None) == 1
    line, count = capsys.readouterr().out.splitlines()
    assert line == f"{path} was changed since it was written: its checksum is another"
    assert count == "12 records checked, 1 damaged"


class Stop:
    """Whether someone asked to stop, as `script.Stop` tells."""

    def __init__(self, asked):
        self.asked = asked

    @contextlib.contextmanager
    def listen(self):
        yield lambda: self.asked


def test_a_bundle_that_is_interrupted_leaves_nothing(runs, tmp_path):
    command = ["records", f"--bundle={tmp_path / 'out' / 'a.zip'}", f"--runs={runs}"]
    assert script.main(command, Stop(asked=True)) == INTERRUPTED
    assert not any((tmp_path / "out").iterdir())


def test_a_table_and_a_bundle_leave_out_what_is_damaged_and_say_so(runs, tmp_path, capsys):
    path = record_path(runs, make_records(num_seeds=3)[0].id)
    path.write_text("")
    for flag, said in (
        ("--export=a.csv", "11 runs, "),
        ("--bundle=a.zip", "11 records, 0 reports"),
    ):
        flag, _, name = flag.partition("=")
        command = ["records", f"{flag}={tmp_path / 'out' / name}", f"--runs={runs}"]
        assert script.main(command, Stop(asked=False)) == 0
        shown = capsys.readouterr()
        assert shown.err.startswith(f"warning: {path} is no JSON") and "left out" in shown.err
        assert shown.out.startswith(said) and shown.out.rstrip().endswith(
            str(tmp_path / "out" / name)
        )
        assert (tmp_path / "out" / name).exists()


def test_pruning_names_what_goes_and_how_much_it_is(runs, capsys):
    id = make_records(num_seeds=3)[0].id
    checkpoint = runs / "checkpoints" / id / "step-000000000010.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(bytes(2**20))
    os.utime(checkpoint, (0, 0))
    line = f"{checkpoint.parent}: 1.0 MiB, checkpoints of a finished run\n1 thing, 1.0 MiB, "
    for flags, done in ((["--plan"], "would be removed\n"), ([], "removed\n")):
        assert checkpoint.exists()
        assert script.main(["records", "--prune", *flags, f"--runs={runs}"], None) == 0
        shown = capsys.readouterr()
        assert (shown.out, shown.err) == (line + done, "")
    assert script.main(["records", "--prune", f"--runs={runs}"], None) == 0
    assert capsys.readouterr().out == "0 things, 0.0 KiB, removed\n"
    assert len(index.list_heads(runs)) == 12


def test_without_pyarrow_a_line_says_how_to_add_it(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RunError, match="Parquet needs pyarrow: pip install .*table"):
        script.main(["records", f"--export={tmp_path / 'a.parquet'}", f"--runs={runs}"], None)
