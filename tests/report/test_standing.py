"""A report that would be written again as it stands is left as it is, and any other is not."""

import pytest

from cnnjax.report import folders, mistaken, page, standing
from tests.report.test_report import COMMAND, judge, make_records


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A report, and what counts how often one was written since."""
    path = standing.write_report(judge(make_records()), tmp_path, COMMAND)
    times, write = [], page.write_report
    monkeypatch.setattr(page, "write_report", lambda *own: (times.append(own), write(*own))[1])
    return path, times


def test_what_stands_is_not_drawn_again(written, tmp_path):
    path, times = written
    before = {own: own.stat().st_mtime_ns for own in path.parent.rglob("*")}
    assert standing.write_report(judge(make_records()), tmp_path, COMMAND) == path
    assert not times and {own: own.stat().st_mtime_ns for own in path.parent.rglob("*")} == before


def test_what_a_person_keeps_beside_it_is_no_matter(written, tmp_path):
    path, times = written
    path.with_name("notes.txt").write_text("mine")
    standing.write_report(judge(make_records()), tmp_path, COMMAND)
    assert not times and path.with_name("notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "file", ["report.html", "verdicts.json", "figures/differences.svg", "about.json"]
)
@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_what_was_harmed_is_written_again(file, harm, written, tmp_path):
    path, times = written
    own = path.parent / file
    whole = own.read_bytes()
    own.unlink() if harm == "gone" else own.write_bytes(whole[: len(whole) // 2])
    standing.write_report(judge(make_records()), tmp_path, COMMAND)
    assert len(times) == 1 and own.read_bytes() == whole


def newer(record):
    return record._replace(provenance={**record.provenance, "date": "2031-01-01T00:00:00"})


@pytest.mark.parametrize(
    ("records", "more"),
    [
        (lambda own: [newer(own[0]), *own[1:]], ()),
        (lambda own: [own[0]._replace(id="other"), *own[1:]], ()),
        (lambda own: own, ("all",)),
        (lambda own: own, ("", "md")),
    ],
)
def test_other_runs_or_wishes_make_another_report(records, more, written, tmp_path):
    _, times = written
    standing.write_report(judge(records(make_records())), tmp_path, COMMAND, *more)
    assert len(times) == 1


def test_so_do_another_command_other_images_and_other_code(written, tmp_path, monkeypatch):
    path, times = written
    standing.write_report(judge(make_records()), tmp_path, "another")
    assert len(times) == 1 and "another" in path.read_text()
    errors = [mistaken.Section("digits", [], [], [], {}, 0, 0)]
    monkeypatch.setattr(mistaken, "collect", lambda *own: errors)
    standing.write_report(judge(make_records()), tmp_path, "another")
    assert len(times) == 2
    monkeypatch.setattr(standing, "_hash_code", lambda: b"newer")
    standing.write_report(judge(make_records()), tmp_path, "another")
    assert len(times) == 3


def test_an_index_that_is_gone_comes_back(written, tmp_path):
    _, times = written
    (tmp_path / folders.INDEX).unlink()
    standing.write_report(judge(make_records()), tmp_path, COMMAND)
    assert (tmp_path / folders.INDEX).exists() and not times
