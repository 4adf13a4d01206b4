"""`python -m experiments.records`: what runs a folder has."""

import json

import pytest

from cnnjax.records import index, store
from cnnjax.records.inventory import Row
from cnnjax.records.record import record_path, write_record
from experiments import records as script
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --list or --check, one of them"),
        (["--list", "--check"], "give --list or --check, one of them"),
        (["runs"], "unexpected 'runs': name the folder by --runs=runs"),
        (["--list", "--runs=nowhere"], "nowhere has no records: give --runs=FOLDER"),
    ],
)
def test_a_wrong_request_is_one_line_and_status_2(arguments, message, call):
    run = call(*RECORDS, *arguments)
    assert run.returncode == 2 and message in run.stderr and run.stderr.count("\n") == 1


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
