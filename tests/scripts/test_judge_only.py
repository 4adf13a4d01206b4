"""--judge_only judges what has records, and says what has none."""

import pytest

import launch
from cnnjax.records import archive
from experiments import checks, conduct, script
from tests.records.test_origin import NEVER


@pytest.mark.parametrize("names", [["all"], ["pooling", "padding"]])
def test_studies_that_have_records_are_judged_though_others_lack_them(
    tmp_path, monkeypatch, capsys, names
):
    seen = []

    def conduct_one(study, given, options, stop):
        if study.name != "padding":
            raise archive.NoRecords(f"study {study.name} has none")
        seen.append(study.name)
        return script.DONE, None

    def write(judgements, lacking, options, board):
        assert list(judgements) == ["padding"] and "pooling" in lacking

    monkeypatch.setattr(conduct, "conduct", conduct_one)
    monkeypatch.setattr(launch, "write_scoreboard", write)
    argv = ["launch.py", *names, "--judge_only", f"--runs={tmp_path}"]
    assert launch.main(argv, NEVER) == script.FAILED
    assert seen == ["padding"]
    said = capsys.readouterr().err.splitlines()
    assert "not judged: study pooling has none" in said
    assert all(line.startswith("not judged: ") for line in said)
    with pytest.raises(archive.NoRecords):
        launch.main(["launch.py", "pooling", "--judge_only"], NEVER)


def test_a_study_without_records_has_not_been_run():
    from experiments import claims, scoreboard
    from experiments.claims import known_answers

    outcomes = {known.id: checks.Outcome("supported", "") for known in known_answers.KNOWN_ANSWERS}
    rows = scoreboard.collect([claims.STUDIES["padding"]], {}, outcomes, ["padding"])
    assert {row["verdict"] for row in rows if row.get("study") == "padding"} == {"not yet run"}
