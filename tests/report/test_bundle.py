"""A bundle has all that a reviewer judges by, and nothing from elsewhere."""

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import zipfile

import pytest

from cnnjax.config.knobs import ConfigError
from cnnjax.records import predictions
from cnnjax.records.plugins import hash_text
from cnnjax.records.record import record_path, write_record
from cnnjax.report import bundle
from cnnjax.report.instructions import judge_command
from tests.by_hand import make_records
from tests.outside import GEM

RECORDS = make_records(num_seeds=2)
TEXT = "import cnnjax\n"
HASH = hash_text(TEXT)
COMMAND = "python launch.py pooling --plugin=/home/me/mine.py --runs=/home/me/runs --seeds=2"


@pytest.fixture
def runs(tmp_path):
    """Eight records, and a report that compares four."""
    runs = tmp_path / "runs"
    for record in RECORDS:
        answers = predictions.pack(*map(predictions.np.array, ([1, 2], [0.5, 0.5], [1, 1])))
        write_record(runs, predictions.keep(runs, record, answers))
    about = {"command": COMMAND, "plugins": {"mine.py": HASH}}
    ids = [record.id for record in RECORDS[:4]]
    report = runs / "pooling"
    (report / "figures").mkdir(parents=True)
    (report / "about.json").write_text(json.dumps(about))
    (report / "records.csv").write_text("\n".join(["arm,record", *(f"a,{id}" for id in ids)]))
    for name in ("report.html", "verdicts.json", "figures/a.svg", "notes.txt"):
        (report / name).write_text(name)
    shutil.copytree(report, runs / "other")
    (runs / "records" / "plugins").mkdir()
    (runs / "records" / "plugins" / f"{HASH}.py").write_text(TEXT)
    return runs


def read(path):
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_it_has_records_plug_ins_reports_and_the_checksum_of_each(runs, tmp_path):
    packed = bundle.write(tmp_path / "all.zip", runs)
    found = read(tmp_path / "all.zip")
    assert packed.num_records == 8 and packed.num_reports == 2 and packed.warnings == []
    assert packed.size == (tmp_path / "all.zip").stat().st_size
    for record in RECORDS:
        for name in ("record.json", "predictions.npz"):
            own = runs / "records" / record.id / name
            assert found[f"runs/records/{record.id}/{name}"] == own.read_bytes()
    assert found[f"runs/records/plugins/{HASH}.py"] == found["plugins/pooling/mine.py"]
    assert found["runs/pooling/figures/a.svg"] == b"figures/a.svg"
    assert "runs/pooling/notes.txt" not in found  # a person's own
    sums = dict(line.split("  ")[::-1] for line in found.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(own).hexdigest() for name, own in found.items()}


def test_the_same_things_make_the_same_bundle(runs, tmp_path):
    for name in ("one", "two"):
        bundle.write(tmp_path / f"{name}.zip", runs)
        shutil.copytree(runs, tmp_path / "moved", dirs_exist_ok=True)  # other times
    bundle.write(tmp_path / "three.zip", tmp_path / "moved")
    one, *others = ((tmp_path / f"{name}.zip").read_bytes() for name in ("one", "two", "three"))
    assert all(other == one for other in others)


def test_of_one_report_it_has_the_runs_that_this_compares(runs, tmp_path):
    packed = bundle.write(tmp_path / "one.zip", runs, "pooling")
    found = read(tmp_path / "one.zip")
    assert packed.num_records == 4 and not any(name.startswith("runs/other") for name in found)
    assert f"runs/records/{RECORDS[5].id}/record.json" not in found
    with pytest.raises(ConfigError, match="--study=gone: there is no report .*gone"):
        bundle.write(tmp_path / "gone.zip", runs, "gone")
    assert not (tmp_path / "gone.zip").exists()


def test_a_report_that_names_no_records_takes_all_along(runs, tmp_path):
    (runs / "pooling" / "records.csv").unlink()
    packed = bundle.write(tmp_path / "one.zip", runs, "pooling")
    (warning,) = packed.warnings
    assert packed.num_records == 8 and "does not name its records: all are packed" in warning


def test_what_is_damaged_is_named_and_left_out(runs, tmp_path):
    ids = [record.id for record in RECORDS]
    record_path(runs, ids[0]).write_text("damaged")
    (runs / "records" / ids[1] / "predictions.npz").write_bytes(b"damaged")
    (runs / "records" / ids[2] / "predictions.npz").unlink()  # scores are good without
    shutil.rmtree(runs / "records" / ids[3])
    (runs / "records" / "plugins" / f"{HASH}.py").unlink()
    packed = bundle.write(tmp_path / "one.zip", runs, "pooling")
    assert packed.num_records == 1 and f"runs/records/{ids[2]}/record.json" in read(
        tmp_path / "one.zip"
    )
    said = "\n".join(packed.warnings)
    assert "is no JSON" in said and "is not the file that its record was written with" in said
    assert "is gone, which had the answer" in said and "is gone, which the report compares" in said
    assert f"{HASH}.py is gone" in said and said.count("left out") == 3


def test_nothing_from_outside_the_folder_gets_in_and_nothing_gets_out(runs, tmp_path):
    secret = tmp_path / "secret"
    (secret / "figures").mkdir(parents=True)
    for name in ("report.html", "record.json", "about.json", "figures/b.svg"):
        (secret / name).write_text("SECRET")
    (runs / "linked").symlink_to(secret)
    (runs / "records" / "linked").symlink_to(secret)
    (runs / "pooling" / "arms.tex").symlink_to(secret / "report.html")
    (runs / "records" / RECORDS[0].id / "final.safetensors").symlink_to(secret / "report.html")
    (runs / "records" / RECORDS[1].id / "predictions.npz").unlink()
    (runs / "records" / RECORDS[1].id / "predictions.npz").symlink_to(secret / "report.html")
    shutil.rmtree(runs / "other" / "figures")
    (runs / "other" / "figures").symlink_to(secret / "figures")
    plugins = {"../../up.py": HASH, "/abs.py": HASH, "sub/../up.py": HASH, "a\\b.py": HASH}
    about = {"command": COMMAND, "plugins": {**plugins, "cell.ipynb:gem": HASH, "ok/mine.py": HASH}}
    (runs / "pooling" / "about.json").write_text(json.dumps(about))
    bundle.write(tmp_path / "all.zip", runs)
    found = read(tmp_path / "all.zip")
    assert not any(b"SECRET" in own for own in found.values())
    assert all(re.fullmatch(r"(\w[\w.+-]*/)*\w[\w.+-]*", name) for name in found)
    own = {name for name in found if name.startswith("plugins/pooling")}
    assert own == {"plugins/pooling/ok/mine.py"}


def test_it_is_written_whole_or_not_at_all(runs, tmp_path, monkeypatch):
    (tmp_path / "all.zip").write_text("before")
    monkeypatch.setattr(bundle, "_read_texts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bundle.write(tmp_path / "all.zip", runs)
    assert (tmp_path / "all.zip").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip", "runs"]
    asked = iter([False, True])
    with pytest.raises(bundle.Stopped):
        bundle.write(tmp_path / "all.zip", runs, should_stop=lambda: next(asked))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip", "runs"]
    with pytest.raises(ConfigError, match="has no records: give"):
        bundle.write(tmp_path / "none.zip", tmp_path / "nowhere")


def test_where_all_is_damaged_it_says_so(runs, tmp_path):
    first, *others = sorted(runs.glob("records/*/record.json"))
    first.unlink()
    first.mkdir()
    packed = bundle.write(tmp_path / "some.zip", runs)
    assert packed.num_records == 7 and packed.warnings[0] == f"{first} is no file: left out"
    for path in others:
        path.write_text("damaged")
    for name, words in (
        ("", "8 records are damaged or of another schema"),
        ("pooling", "4 records that it compares are damaged or gone"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"{words}: --check names"):
            bundle.write(tmp_path / "all.zip", runs, name)
    assert not (tmp_path / "all.zip").exists()


JUDGE = "--judge_only --runs=bundle/runs"


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (COMMAND, f"python launch.py pooling --plugin=bundle/plugins/s/mine.py --seeds=2 {JUDGE}"),
        ("python /a/launch.py all --runs=x --engine e.py:f", f"python launch.py all {JUDGE}"),
        ("cnnjax-ablate --runs 'my runs' --grid='pool=a,\"b\"'",
         f"cnnjax-ablate '--grid=pool=a,\"b\"' {JUDGE}"),
        ("python launch.py --plugin /x/mine.py --judge_only",
         f"python launch.py --plugin=bundle/plugins/s/mine.py {JUDGE}"),
        ("python launch.py --plugin=a.b", f"python launch.py --plugin=a.b {JUDGE}"),
        ("cnnjax.sweep({'pool': ['max', 'avg']}, seeds=2)",) * 2,
        ("", "(the report does not name its command)"),
    ],
)  # fmt: skip
def test_the_command_of_a_report_judges_what_was_unpacked(command, wanted):
    assert judge_command(command, "s", ["plugins/s/mine.py", "plugins/other/mine.py"]) == wanted


@pytest.mark.slow
def test_a_reviewer_judges_a_study_with_its_own_pooling_and_metric_elsewhere(call, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "beside.py").write_text("START = 2.0\n")
    (mine / "gem_mine.py").write_text(f"{GEM}{STUDY}")
    small = "--seeds=3 --steps=10 --eval_every=5 --train_examples=64 --widths=4,4".split()
    command = ["launch.py", "gem-mine", f"--plugin={mine / 'gem_mine.py'}", *small]
    run = call(*command, f"--runs={tmp_path / 'runs'}")
    assert run.returncode == 0, run.stderr
    runs = tmp_path / "runs"
    verdicts = (runs / "gem-mine" / "verdicts.json").read_bytes()
    packed = ["--study=gem-mine", f"--bundle={tmp_path / 'b.zip'}", f"--runs={runs}"]
    run = call("-m", "experiments.records", *packed)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    for folder in (mine, runs):
        shutil.rmtree(folder)
    place = tmp_path / "bundle"
    with zipfile.ZipFile(tmp_path / "b.zip") as own:
        own.extractall(place)
    (place / "runs" / "gem-mine" / "verdicts.json").unlink()
    (line,) = (own for own in (place / "README.txt").read_text().splitlines() if "launch.py" in own)
    said = shlex.split(line.replace("bundle/", f"{place}/"))[1:]
    run = call(*said)
    assert run.returncode == 0 and "0 lanes trained" not in run.stdout, run.stderr
    assert (place / "runs" / "gem-mine" / "verdicts.json").read_bytes() == verdicts
    sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=place, capture_output=True)
    changed = [line for line in sums.stdout.decode().splitlines() if not line.endswith(": OK")]
    assert {line.partition(":")[0] for line in changed} == {
        "runs/gem-mine/report.html", "runs/gem-mine/about.json",
    }  # fmt: skip


STUDY = '''
from cnnjax.study.claims import Claim, Comparison, Study, cross


@cnnjax.metric("above_chance", margin=0.01)
def find_above_chance(record):
    """Accuracy above chance."""
    value = record.scores["test_accuracy"]
    return None if value is None else value - 0.1


better = Comparison({"pool": "gem"}, {"pool": "max"}, ">", "?", "above_chance")
claims = (Claim("gem", "It is better.", (better,)),)
cnnjax.study(Study("gem-mine", "?", {"pool_every": 1}, cross({"pool": ("max", "gem")}), claims))
'''
