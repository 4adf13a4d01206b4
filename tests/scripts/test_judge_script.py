"""Anyone's runs, from a CSV file: the numbers of the library, and mistakes told in one line."""

import json

import numpy as np
import pytest
from scipy import stats as scipy_stats

from cnnjax.config.knobs import ConfigError
from experiments.judge import main as script_main

JUDGE = ["-m", "experiments.judge"]
PLAIN = ["--metric=accuracy"]
COMMON = {
    "metric", "a", "b", "num_seeds", "mean_a", "mean_b", "difference", "interval",
    "interval_seeds", "confidence", "degrees", "p", "p_sign_flip", "p_adjusted", "adjustment",
    "effect_size", "wins", "pair_correlation", "skewness", "image_error", "num_failed", "margin",
    "threshold", "relation", "role", "finding", "verdict", "differences", "warnings",
}  # fmt: skip


def draw_scores(num_seeds=12):
    rng = np.random.default_rng(0)
    shared = rng.normal(0.9, 0.02, num_seeds)
    return {
        name: shared + gap + rng.normal(0, 0.002, num_seeds)
        for name, gap in (("max", 0.01), ("avg [2x2]", 0.0), ("none", 0.0002))
    }


@pytest.fixture
def write(tmp_path):
    """Writes lines to a CSV file; by default well-formed ones, in an order unlike the seeds'."""

    def write(lines=None, encoding="utf-8"):
        if lines is None:
            lines = ["arm,seed,accuracy"]
            for seed in reversed(range(12)):
                lines += [f"{arm},{seed},{own[seed]}" for arm, own in draw_scores().items()]
        path = tmp_path / "runs.csv"
        path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
        return path

    return write


def judge(call, *arguments):
    """The rows of a run that ends well, and what it printed."""
    path = arguments[0].with_suffix(".json")
    run = call(*JUDGE, *arguments, f"--json={path}")
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return json.loads(path.read_text()), run.stdout


@pytest.mark.parametrize("family", ["bonferroni", "benjamini-hochberg"])
def test_every_pair_is_compared_as_scipy_does(call, write, family):
    rows, printed = judge(call, write(), *PLAIN, f"--family={family}")
    scores = draw_scores()
    pairs = [("max", "avg [2x2]"), ("max", "none"), ("avg [2x2]", "none")]
    assert [(row["a"], row["b"]) for row in rows] == pairs
    found = [scipy_stats.ttest_rel(scores[a], scores[b]) for a, b in pairs]
    level = 0.05 / 3 if family == "bonferroni" else 0.05 * 2 / 3  # two of three are found
    for row, expected in zip(rows, found, strict=True):
        assert set(row) == COMMON
        assert row["p"] == pytest.approx(expected.pvalue)
        assert row["interval"] == pytest.approx(tuple(expected.confidence_interval(1 - level)))
        assert (row["margin"], row["relation"], row["adjustment"]) == (0.005, "!=", family)
    assert [row["verdict"] for row in rows] == ["supported", "supported", "refuted"]
    assert [row["finding"] for row in rows] == ["ahead", "ahead", "equivalent"]
    assert [row["num_seeds"] for row in rows] == [12] * 3
    assert "accuracy, 12 paired seeds, margin 0.005: is a != b?" in printed
    assert "max − avg [2x2]" in printed and f"{100 * (1 - level):.3g}% interval" in printed
    assert "note: margin: 0.005, as all scores lie in [0, 1]" in printed


def test_one_arm_against_the_others_and_against_one(call, write):
    path = write()
    rows, _ = judge(call, path, *PLAIN, "--a=none")
    assert [(row["a"], row["b"]) for row in rows] == [("none", "max"), ("none", "avg [2x2]")]
    (row,), _ = judge(call, path, *PLAIN, "--a=none", "--b=max", "--relation=<", "--margin=0.05")
    assert (row["a"], row["b"], row["verdict"]) == ("none", "max", "equivalent")
    (row,), _ = judge(call, path, *PLAIN, "--a=none", "--b=max", "--relation=<", "--margin=0")
    assert row["difference"] < 0 and row["verdict"] == "supported"
    assert row["p_adjusted"] == row["p"]


def test_arms_that_are_not_compared_may_lack_seeds_and_scores(call, write):
    path = write(["arm,seed,accuracy", "a,0,1", "a,1,2", "b,0,2", "b,1,3", "c,0,x"])
    rows, printed = judge(call, path, *PLAIN, "--a=a", "--b=b")
    assert rows[0]["difference"] == -1.0
    assert rows[0]["verdict"] == "inconclusive" and "3 seeds are needed" in printed


def test_columns_have_any_names_and_order_and_excel_s_mark(call, write):
    lines = ["fold, note, score, method"]
    for number, fold in enumerate("αβγ"):
        lines += [f"{fold}, x, {number + 2}, A", f"{fold}, x, {number + 1}, B"]
    path = write(lines, "utf-8-sig")
    rows, _ = judge(call, path, "--arm=method", "--seed=fold", "--metric=score")
    assert (rows[0]["a"], rows[0]["difference"], rows[0]["wins"]) == ("A", 1.0, 1.0)


def test_seeds_are_compared_as_numbers(call, write):
    lines = ["arm,seed,accuracy", "a,0,1", "a,1,3", "b,0.0,0.5", "b,1.0,2"]
    (row,), _ = judge(call, write(lines), *PLAIN)
    assert (row["num_seeds"], row["difference"]) == (2, 0.75)


GOOD = ["arm,seed,accuracy", "a,0,0.5", "a,1,0.6", "b,0,0.4", "b,1,0.5"]


@pytest.mark.parametrize(
    ("lines", "arguments", "message"),
    [
        (GOOD, ["--metric=acuracy"], "unknown column 'acuracy': did you mean accuracy?"),
        (GOOD, ["--arm=method", *PLAIN], "give one of arm, seed, accuracy (--arm names a column)"),
        ([*GOOD[:-1], "b,1,n/a"], PLAIN, "line 5: accuracy 'n/a' is no finite number (arm b,"),
        *(
            ([*GOOD[:-1], f"b,1,{text}"], PLAIN, f"line 5: accuracy '{text}' is no finite number")
            for text in ("1_0", "１", "infinity", "-inf", "0x1p3", "1e999", "1e-300", "0.9%%")
        ),
        ([*GOOD[:-1], '"b",1,"0,5"'], PLAIN, "line 5: accuracy '0,5' is no finite number"),
        (GOOD[:-1], PLAIN, "arm b lacks seed 1, which arm a has"),
        ([*GOOD, "b,2,0.5"], PLAIN, "arm a lacks seed 2, which arm b has"),
        ([*GOOD, "b,1,0.5"], PLAIN, "arm b repeats seed 1 (lines 5 and 6)"),
        ([*GOOD, "b,1"], PLAIN, "line 6: 2 fields where the header has 3"),
        ([*GOOD, "b,1,1,1,1"], PLAIN, "line 6: 5 fields where the header has 3"),
        ([*GOOD, ",1,1"], PLAIN, "line 6: no arm"),
        ([*GOOD, "b,,1"], PLAIN, "line 6: no seed"),
        (GOOD[:3], PLAIN, "only one arm, a: a comparison needs two"),
        ([*GOOD[:-1], "b,1,50%"], PLAIN, "line 5 has a score with %, line 2 one without"),
        ([*GOOD, "b,1.0,0.5"], PLAIN, "arm b repeats seed 1.0 (lines 5 and 6)"),
        (["arm,seed,accuracy", "a,0,93", "b,0,93"], [*PLAIN, "--relation=="], "needs --margin"),
        (GOOD, [*PLAIN, "--threshold=0.1"], "--threshold goes with --relation"),
        (GOOD, [*PLAIN, "--delimiter=x"], "--delimiter=x: give auto, comma, semicolon, tab, bar"),
        (GOOD, [*PLAIN, "--cluster=seed"], "--cluster goes with images"),
        (["arm,seed;accuracy,arm;seed"], [*PLAIN, "--seed=seed"], "unknown column"),
        (GOOD[:1], PLAIN, "has no line below its header"),
        ([], PLAIN, "empty"),
        (["arm,arm,seed,accuracy"], PLAIN, "has 2 columns 'arm'"),
        (["arm,seed,accuracy", 'a,0,"1'], PLAIN, "no CSV: unexpected end of data"),
        (GOOD, [*PLAIN, "--a=c"], "--a: unknown arm 'c': give one of a, b"),
        (GOOD, [*PLAIN, "--a=a", "--b=max"], "--b: unknown arm 'max'"),
        (GOOD, [*PLAIN, "--b=a"], "--b goes with --a"),
        (GOOD, [*PLAIN, "--a=a", "--b=a"], "both a: give two arms"),
        (GOOD, [*PLAIN, "--relation=~"], "value should be one of <>|<|=|!=>"),
        (GOOD, [*PLAIN, "--margin=-1"], "--margin=-1"),
        (GOOD, [*PLAIN, "--margin=nan"], "--margin=nan: give a number >= 0"),
        (GOOD, [*PLAIN, "--margin=half"], "--margin=half"),
        (
            GOOD,
            [*PLAIN, "--relation=>", "--threshold=0", "--margin=1"],
            "--margin does nothing with --threshold",
        ),
        (GOOD, [*PLAIN, "--unpaired", "--seed=x"], "--seed does nothing with --unpaired"),
        (GOOD, [*PLAIN, "more.csv"], "one file at a time"),
        (GOOD, [*PLAIN, "--metrics=x"], "unknown flag --metrics: did you mean --metric?"),
        (GOOD, [*PLAIN, "--json=/dev/null/x"], "--json=/dev/null/x cannot be written:"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_told(write, capsys, lines, arguments, message):
    with pytest.raises((ConfigError, SystemExit)) as caught:  # script.run makes both one line
        script_main(["judge", str(write(lines)), *arguments], None)
    printed = capsys.readouterr()
    said = printed.err if isinstance(caught.value, SystemExit) else str(caught.value)
    assert message in said and printed.out == "" and caught.value.args[0] != 0


@pytest.mark.parametrize(
    ("lines", "arguments", "message"),
    [
        (GOOD, ["--metric=acuracy"], "unknown column 'acuracy': did you mean accuracy?"),
        ([*GOOD[:-1], "b,1,n/a"], PLAIN, "line 5: accuracy 'n/a' is no finite number"),
        (GOOD[:-1], PLAIN, "arm b lacks seed 1, which arm a has: give every arm the same seeds"),
        (GOOD, [*PLAIN, "--margin=half"], "--margin=half"),
        (GOOD, [*PLAIN, "--json=/dev/null/x"], "--json=/dev/null/x cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(call, write, lines, arguments, message):
    run = call(*JUDGE, write(lines), *arguments)
    assert run.returncode == 2, run.stdout
    assert message in run.stderr and run.stderr.count("\n") == 1 and run.stdout == ""


@pytest.mark.parametrize(
    ("path", "message"),
    [([], "no file: give a CSV file"), (["nowhere.csv"], "nowhere.csv: No such file"),
     (["tests"], "tests: Is a directory")],
)  # fmt: skip
def test_a_file_that_is_none_is_one_line_and_status_2(call, path, message):
    run = call(*JUDGE, *path, *PLAIN)
    assert run.returncode == 2 and message in run.stderr and run.stderr.count("\n") == 1


def test_bytes_that_are_no_text_are_one_line_and_status_2(call, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"arm,seed,accuracy\na,0,\xff\n")
    run = call(*JUDGE, tmp_path / "x.csv", *PLAIN)
    assert run.returncode == 2 and "x.csv, line 2: the byte 0xff is no UTF-8" in run.stderr


@pytest.mark.slow
def test_a_study_s_own_records_give_its_own_verdict(call, tmp_path):
    run = call("-m", "experiments.ablate", "--grid=padding=VALID,SAME", "--widths=4", "--hidden=8",
               "--train_examples=48", "--batch_size=16", "--steps=150", "--seeds=3", "--study=own",
               f"--runs={tmp_path}")  # fmt: skip
    assert run.returncode == 0, run.stderr
    (own,) = json.loads((tmp_path / "own" / "verdicts.json").read_text())
    (row,), _ = judge(call, tmp_path / "own" / "records.csv", f"--a={own['a']}",
                      f"--resolution={1 / 360}")  # fmt: skip
    same = ("metric", "a", "b", "num_seeds", "mean_a", "difference", "num_failed", "margin")
    assert {key: row[key] for key in same} == {key: own[key] for key in same}
    assert row["interval"] == pytest.approx(own["interval_seeds"])  # the table has no images


def test_help_names_every_flag_with_type_default_and_meaning(call):
    run = call(*JUDGE, "--help")
    assert run.returncode == 0 and run.stderr == ""
    assert "--relation  (> | < | = | !=; default: !=)\n      What is said of a" in run.stdout
    assert "--metric  (text; default: test_accuracy)" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 100
