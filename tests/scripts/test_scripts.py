"""The commands, through their real command lines."""

import csv
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from experiments.claims import article

ROOT = pathlib.Path(__file__).parents[2]
SMALL = "fc-correlation"  # a study of two arms
LAUNCH, TRAIN, ABLATE = ["launch.py"], ["-m", "experiments.train"], ["-m", "experiments.ablate"]
BENCHMARK = ["-m", "experiments.benchmark"]
TINY = ["--widths=4", "--hidden=8", "--train_examples=48", "--batch_size=16", "--steps=6",
        "--pool_every=1"]  # fmt: skip
slow = functools.partial(pytest.param, marks=pytest.mark.slow)  # another of the kind is not


@pytest.mark.parametrize("script", [LAUNCH, TRAIN, ABLATE, BENCHMARK], ids=lambda s: s[-1])
def test_help_names_every_flag_with_type_default_and_meaning(call, script):
    run = call(*script, "--help")
    assert run.returncode == 0 and run.stderr == ""
    choices = "--dtype  (float32 | bfloat16; default: float32)"
    assert f"{choices}\n      Precision of the network's arithmetic;" in run.stdout
    assert "--learning_rate  (a number > 0.0; default: 0.003)" in run.stdout
    assert "--widths  (integers such as 16,32, each >= 1; default: 16,32)" in run.stdout
    assert "--flagfile" in run.stdout and "python " in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*LAUNCH, "--pool_size=x"], "flag --pool_size=x: give an integer >= 1"),
        ([*LAUNCH, "--activation=rely"], "flag --activation=rely: give relu|leaky_relu|"),
        ([*LAUNCH, "--learning_rate=-1"], "give a number > 0.0"),
        ([*LAUNCH, "--seeds=0"], "flag --seeds=0"),
        ([*LAUNCH, "--probe"], "--probe times a plan on this machine: give --plan"),
        (
            [*LAUNCH, "--leaning_rate=1"],
            "unknown flag --leaning_rate: did you mean --learning_rate?",
        ),
        ([*LAUNCH, "poolin"], "unknown study 'poolin': did you mean pooling?"),
        ([*LAUNCH, "pooling", "--pool=max"], "--pool cannot be set here: study pooling varies it"),
        ([*LAUNCH, "all", "--pool=max"], "--pool cannot be set here: study stride varies it"),
        ([*LAUNCH, "--quick", "--seeds=5"], "--quick means --seeds=10"),
        ([*LAUNCH, "--json"], "--json goes with --list"),
        ([*LAUNCH, "pooling", "--board=mine"], "--board goes with all: python launch.py all"),
        ([*LAUNCH, "all", "--board=mine"], "--board=mine is not known: none is declared: give the"),
        ([*LAUNCH, "all", "pooling"], "all is every study, and stands alone, without pooling: did"),
        ([*LAUNCH, "pooling", "all"], "without pooling: did you mean all?"),
        ([*LAUNCH, "pooling", "stride", "pooling"], "pooling is named 2 times: name each study"),
        ([*LAUNCH, "ALL"], "unknown study 'ALL': did you mean all?"),
        slow([*LAUNCH, "pooling", "--kernel_size=9", "--padding=VALID"], "conv_1: a 9x9 kernel"),
        slow([*LAUNCH, "padding", "--pool_size=9"], "pool_2: a 9x9 pooling leaves nothing"),
        ([*LAUNCH, "pooling", "--model=mlp"], "study pooling: --widths=8,16 does nothing with"),
        slow([*LAUNCH, "padding", "--train_examples=601"], "more than the 600 training images"),
        slow([*LAUNCH, "padding", "--train_examples=601", "--plan"], "more than the 600 training"),
        slow([*ABLATE, "--grid=train_examples=9,601", "--plan"], "--train_examples=601 is more"),
        ([*TRAIN, "--train_examples=601", "--plan"], "more than the 600 training images"),
        ([*ABLATE, "--list"], "unknown flag --list: python launch.py --list lists what there is"),
        ([*TRAIN, "--engine=a:b"], "unknown flag --engine: a run of its own is trained on this ma"),
        ([*LAUNCH, "--flagfile=/nowhere/flags"], "--flagfile=/nowhere/flags cannot be read: No"),
        ([*TRAIN], "--workdir is missing"),
        ([*TRAIN, "pool=avg", "--workdir=w"], "unexpected 'pool=avg'"),
        ([*TRAIN, "--workdir=w", "--model=mlp", "--pool=avg"], "does nothing with --model=mlp"),
        ([*TRAIN, "--workdir=w", "--kernel_size=9", "--padding=VALID"], "conv_1: a 9x9 kernel"),
        ([*ABLATE], "--grid is missing"),
        ([*ABLATE, "--grid=pol=max,avg"], "unknown knob 'pol': did you mean pool?"),
        (
            [*ABLATE, "--grid=pool=max,max"],
            "gives max twice: give at least two values, all differe",
        ),
        ([*ABLATE, "--grid=pool=max,,avg"], "--grid=pool=max,,avg: max,,avg has an empty value"),
        ([*ABLATE, "--grid=pool=max,avg", "--study=../../x"], "cannot name a report's folder"),
        ([*ABLATE, "pool=max, avg"], "write '--grid=pool=max, avg'"),
        ([*ABLATE, "--grid=pool=max,men"], "--pool=men is not allowed: give max|avg|"),
        ([*ABLATE, "--grid=pool"], "write --grid=pool=VALUE,VALUE"),
        ([*ABLATE, "--grid=seed=1,2"], "use --seeds=N"),
        ([*ABLATE, "--grid=pool=max,avg", "--baseline=pool=mx"], 'did you mean "pool=max"?'),
        ([*ABLATE, "--grid=pool=max,avg", "--metric=test_acuracy"], "did you mean test_accuracy?"),
        ([*ABLATE, "--grid=pool=max,avg", "--choose=test"], "flag --choose=test: value should"),
        ([*LAUNCH, "--first_seed=4294967290"], "20 seeds from there go beyond the last one"),
        ([*BENCHMARK, "--lanes=two"], "--lanes=two is not allowed"),
        ([*BENCHMARK, "--batch_sizes=32", "--batch_size=8"], "give one of them"),
        ([*BENCHMARK, "--roofline=f.svg"], "--roofline goes with --profile"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_one_line_and_status_2(call, tmp_path, arguments, message):
    runs = [f"--runs={tmp_path / 'runs'}"] if arguments[0] == "launch.py" else []
    run = call(*arguments, *runs)
    assert run.returncode == 2, run.stderr
    assert message in run.stderr and run.stderr.count("\n") == 1 and run.stdout == ""
    assert not (tmp_path / "runs").exists() and not (ROOT / "w").exists()


def test_list_as_json_keeps_its_contract(call):
    listing = json.loads(call(*LAUNCH, "--list", "--json").stdout)
    assert {"id", "claim", "kind", "status"} <= set(listing["claims"][0])
    assert "digits" in listing["datasets"] and listing["models"] == listing["knobs"]["model"]
    assert {"cnn", "mlp", "lenet5", "resnet18"} <= set(listing["models"])
    assert listing["knobs"]["stem"] == ["imagenet", "small"]
    assert "Studies" in call(*LAUNCH, "--list").stdout


def test_list_has_every_statement_of_the_article(call):
    listing = json.loads(call(*LAUNCH, "--list", "--json").stdout)
    others = {"variance", "zhang2019", "all-cnn"}
    assert {claim["id"] for claim in listing["claims"]} == {*article.ORDER, *others}
    status = {claim["id"]: claim["status"] for claim in listing["claims"]}
    assert (status["batches"], status["imagenet-2012"]) == ("in batches", "cited")


def test_list_says_which_claims_are_checked_rather_than_tried(call):
    listing = json.loads(call(*LAUNCH, "--list", "--json").stdout)
    known = [claim for claim in listing["claims"] if claim["kind"] == "known answer"]
    assert len(known) == 11
    assert {claim["status"] for claim in known} == {"checked by python launch.py all"}


def test_plan_trains_and_writes_nothing(call, tmp_path):
    run = call(*LAUNCH, SMALL, "--plan", "--keep=best", f"--runs={tmp_path / 'runs'}", "--seeds=3")
    assert "MiB in 6 files would be kept beside the records" in run.stdout and not run.returncode
    assert "2 groups (compiled programs), 6 lanes (2 arms x 3 seeds)" in run.stdout
    assert f"{SMALL}, rank correlation: 3 seeds find 3.26 standard deviations" in run.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_launch_trains_once_and_then_only_what_is_missing(call, tmp_path):
    command = [*LAUNCH, SMALL, *TINY, f"--runs={tmp_path}"]
    first = call(*command, "--seeds=2")
    assert first.returncode == 0, first.stderr
    assert "4 lanes trained, 0 read" in first.stdout
    assert "\x1b" not in first.stderr and "training" not in first.stderr  # no bar: no terminal
    assert {path.name for path in (tmp_path / SMALL).iterdir()} == {
        "report.html", "verdicts.json", "records.csv", "figures", "verdicts.csv", "verdicts.tex",
        "arms.tex", "about.json",
    }  # fmt: skip
    assert len(list(tmp_path.glob("records/*/record.json"))) == 4
    report = (tmp_path / SMALL / "verdicts.json").read_bytes()
    again = call(*command, "--seeds=2")
    assert "0 lanes trained, 4 read" in again.stdout
    assert (tmp_path / SMALL / "verdicts.json").read_bytes() == report
    assert "2 lanes trained, 4 read" in call(*command, "--seeds=3").stdout
    (earlier,) = (tmp_path / SMALL).glob("earlier-*")
    assert (earlier / "verdicts.json").read_bytes() == report
    index = (tmp_path / "index.html").read_text()
    assert f'"{SMALL}/report.html"' in index and f'"{SMALL}/{earlier.name}/report.html"' in index


def test_flagfile(call, tmp_path):
    (tmp_path / "flags").write_text("\n".join([*TINY, f"--runs={tmp_path}", "--seeds=2"]))
    run = call(*LAUNCH, SMALL, "--plan", f"--flagfile={tmp_path / 'flags'}")
    assert "4 lanes (2 arms x 2 seeds)" in run.stdout


@pytest.mark.slow
def test_ablate_crosses_a_grid(call, tmp_path):
    run = call(
        *ABLATE, "--grid=activation=relu,tanh", "--grid=widths=4,2x2", *TINY[1:], "--seeds=2",
        f"--runs={tmp_path}",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (folder,) = tmp_path.glob("ablate-activation-widths-??????")
    with open(folder / "records.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["arm"] for row in rows} == {
        f"activation={activation} widths={widths}"
        for activation in ("relu", "tanh")
        for widths in ("4", "2,2")
    }
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert [(row["a"], row["b"]) for row in verdicts] == [
        ("activation=relu", "activation=tanh"),
        ("widths=4", "widths=2,2"),
        ("lead of activation=relu widths=4 over activation=tanh widths=4",
         "lead of activation=relu widths=2,2 over activation=tanh widths=2,2"),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_best_by_validation_is_judged_on_fresh_seeds_and_the_test_split(call, tmp_path):
    rest = [flag for flag in LEARNING if "learning_rate" not in flag]
    command = [*ABLATE, "--grid=learning_rate=0.0001,0.01", *rest, "--choose=validation",
               "--seeds=3", "--study=rates", f"--runs={tmp_path}"]  # fmt: skip
    plan = call(*command, "--plan", "--first_seed=5")
    assert "12 lanes (2 arms x 3 seeds, 6 of the best one and the baseline)" in plan.stdout
    run = call(*command, "--first_seed=5")
    assert run.returncode == 0, run.stderr
    assert "12 lanes trained, 0 read" in run.stdout
    assert (
        "learning_rate=0.01 is the best of 2 arms by validation accuracy over seeds 5 to 7; it"
        in (run.stderr)
    )
    (chosen,) = json.loads((tmp_path / "rates-validation" / "verdicts.json").read_text())
    (judged,) = json.loads((tmp_path / "rates" / "verdicts.json").read_text())
    assert (chosen["metric"], judged["metric"]) == ("validation_accuracy", "test_accuracy")
    assert (judged["a"], judged["b"]) == ("learning_rate=0.01", "learning_rate=0.0001")
    shown = (tmp_path / "rates-validation" / "report.html").read_text()
    assert ">test accuracy<" not in shown and ">test-set s.e.<" not in shown  # what is yet to judge
    page = (tmp_path / "rates" / "report.html").read_text()
    assert "compared on seeds 8 to 10, which chose nothing" in page and "3 seeds (8 to 10)" in page
    with open(tmp_path / "rates" / "records.csv", newline="") as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"8", "9", "10"}
    again = call(*command, "--first_seed=5", "--judge_only")
    assert again.returncode == 0 and "nothing trained" in again.stdout
    assert json.loads((tmp_path / "rates" / "verdicts.json").read_text()) == [judged]


@pytest.mark.slow
def test_a_group_that_fails_is_status_1_and_spoils_no_other(call, tmp_path):
    run = call(*ABLATE, "--plugin=tests/nowhere.py", "--grid=activation=relu,nowhere", *TINY[:3],
               "--steps=2", "--seeds=2", f"--runs={tmp_path}")  # fmt: skip
    assert run.returncode == 1
    assert "failed: 2 lanes of" in run.stderr and "--activation=nowhere" in run.stderr
    assert len(list(tmp_path.glob("records/*/record.json"))) == 2


@pytest.mark.parametrize("flag", ["--runs", slow("--data_dir")])
def test_a_folder_that_cannot_be_is_status_1_in_one_line(call, flag):
    run = call(*LAUNCH, "padding", "--seeds=20", f"{flag}=/dev/null/x")
    assert run.returncode == 1
    assert "Not a directory: '/dev/null/x" in run.stderr and run.stderr.count("\n") == 1


RESULT_KEYS = """test_accuracy test_loss num_test_examples num_parameters macs steps
examples_per_second compile_seconds provenance""".split()


# A run that learns: one that does not has failed, and has no scores.
LEARNING = ["--widths=4", "--hidden=8", "--train_examples=200", "--batch_size=16", "--steps=60",
            "--learning_rate=0.01", "--pool_every=1", "--eval_every=40"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_train_writes_its_files_and_has_the_numbers_of_a_sweep(call, tmp_path):
    workdir, runs = tmp_path / "one", tmp_path / "runs"
    run = call(*TRAIN, *LEARNING, "--seed=1", f"--workdir={workdir}")
    assert run.returncode == 0, run.stderr
    result = json.loads((workdir / "result.json").read_text())
    assert set(RESULT_KEYS) <= set(result) and result["num_test_examples"] == 1000
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [40, 60]
    assert json.loads((workdir / "config.json").read_text())["seed"] == 1
    assert "test images are recognised" in (workdir / "report.html").read_text()
    call(*ABLATE, "--grid=padding=SAME,VALID", *LEARNING, "--draw=first",
         "--seeds=2", f"--runs={runs}")  # fmt: skip
    records = [json.loads(path.read_text()) for path in runs.glob("records/*/record.json")]
    (twin,) = [
        record for record in records
        if record["seed"] == 1 and record["config"]["padding"] == "SAME"
    ]  # fmt: skip
    assert twin["metrics"] == lines
    assert twin["scores"]["test_loss"] == result["test_loss"]
    again = call(*TRAIN, *LEARNING, "--seed=1", f"--workdir={workdir}")
    assert again.stdout == run.stdout
    other = call(*TRAIN, *LEARNING, "--seed=2", f"--workdir={workdir}")
    assert other.returncode == 2 and "holds a run with --seed=1, not 2" in other.stderr


@pytest.mark.slow
def test_the_second_run_of_a_command_compiles_nothing(
    environment, call, data_dir, monkeypatch, tmp_path
):
    monkeypatch.setitem(environment, "XDG_CACHE_HOME", str(tmp_path))

    def run(workdir):
        command = [*TRAIN, *TINY, f"--data_dir={data_dir}", f"--workdir={tmp_path / workdir}"]
        assert call(*command).returncode == 0
        return {path.name for path in (tmp_path / "cnnjax" / "xla").glob("*-cache")}

    first = run("first")
    assert first and run("second") == first


@pytest.mark.slow
def test_a_pooling_added_as_the_page_on_code_says_can_be_trained(tmp_path, data_dir):
    for folder in ("cnnjax", "experiments"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    page = (ROOT / "docs/code.md").read_text()
    code = page.split("<!-- pooling -->\n```python\n")[1].split("```")[0]
    assert len(code.strip().splitlines()) <= 10
    with (tmp_path / "cnnjax/ops/pool.py").open("a") as file:
        file.write("\n\n" + code)
    command = [sys.executable, *TRAIN, *TINY, f"--data_dir={data_dir}", "--workdir=run"]
    run = subprocess.run(
        [*command, "--pool=median"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "run/config.json").read_text())["pool"] == "median"
