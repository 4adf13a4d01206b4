"""What experiments.judge makes of other tables: signs, scales, images, failed and missing runs."""

import io
import json

import numpy as np
import pytest
from scipy import stats as scipy_stats

from cnnjax.config.knobs import ConfigError
from cnnjax.study import statistics
from experiments.judge import main

A, B = [0.91, 0.93, 0.96, 0.92], [0.90, 0.91, 0.91, 0.91]


def table(a=A, b=B, sign=",", form="{}"):
    lines = [["arm", "seed", "score"]]
    for arm, scores in (("a", a), ("b", b)):
        lines += [[arm, str(seed), form.format(score)] for seed, score in enumerate(scores)]
    return "\n".join(sign.join(line) for line in lines) + "\n"


@pytest.fixture
def judge(tmp_path, capsys, monkeypatch):
    """The first row of a table (text or bytes) and what was printed."""
    monkeypatch.setenv("COLUMNS", "100")

    def judge(content, *arguments):
        path = tmp_path / "runs.csv"
        out = tmp_path / "rows.json"
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        files = [] if content is None else [str(path)]
        assert main(["judge", *files, "--metric=score", f"--json={out}", *arguments], None) == 0  # pyright: ignore
        return json.loads(out.read_text())[0], capsys.readouterr().out

    return judge


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_delimiter_mark_and_line_end(judge, sign, encoding):
    row, _ = judge(table(sign=sign).replace("\n", "\r\n").encode(encoding))
    assert row["difference"] == pytest.approx(0.0225)


def test_a_header_that_two_delimiters_split_asks_for_one(judge):
    text = "x;arm;seed;score;x,arm,seed,score\n"
    lines = "".join(f"x;{arm};{seed};0.{arm_score};x,{arm},{seed},0.{arm_score}\n"
                    for arm, arm_score in (("a", 2), ("b", 1)) for seed in range(3))  # fmt: skip
    with pytest.raises(ConfigError, match="can be split at ',' and ';': give --delimiter"):
        judge(text + lines)
    row, _ = judge(text + lines, "--delimiter=semicolon")
    assert row["difference"] == pytest.approx(0.1)


def test_standard_input(judge, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(table().encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    row, _ = judge(None, "-")
    assert row["difference"] == pytest.approx(0.0225)


def test_columns_of_one_name_that_nobody_asked_for_are_no_error(judge):
    text = table().replace("score\n", "score,x,x\n", 1)
    head, _, rest = text.partition("\n")
    row, _ = judge(head + "\n" + rest.replace("\n", ",1,2\n"))
    assert row["difference"] == pytest.approx(0.0225)


def test_the_margin_fits_the_scale(judge):
    percent = [f"{100 * x:.1f}" for x in A], [f"{100 * x:.1f}" for x in B]
    assert judge(table())[0]["margin"] == 0.005
    row, printed = judge(table(*percent, form="{}%"))
    assert row["margin"] == 0.5 and "margin: 0.5 points" in printed
    row, printed = judge(table(*percent))
    assert row["margin"] is None and "note: no equivalence is judged" in printed
    row, _ = judge(table(percent[0], percent[0]))
    assert row["verdict"] == "inconclusive"  # equal scores, and no margin within which to be so
    assert judge(table(percent[0], percent[0]), "--margin=0.5")[0]["finding"] == "equivalent"


def test_a_threshold_in_place_of_0(judge):
    row, printed = judge(table(), "--threshold=0.1", "--relation=>")
    assert row["verdict"] == "refuted" and row["threshold"] == 0.1 and row["margin"] is None
    assert "is a − b > 0.1?" in printed
    assert judge(table(), "--threshold=0.1", "--relation=<")[0]["verdict"] == "supported"


def test_rounding_is_no_win_of_runs_that_are_not_paired(judge):
    lines = [f"{arm},{value}" for arm, value in (("a", 0.1 + 0.2), ("b", 0.3)) for _ in range(8)]
    row, _ = judge("\n".join(["arm,score", *lines]), "--unpaired")
    assert row["wins"] == 0.5 and row["p"] == pytest.approx(1)


def test_unpaired_runs_get_welch_s_t(judge):
    text = "arm,score\n" + "".join(f"a,{x}\n" for x in A) + "".join(f"b,{x}\n" for x in B[:3])
    row, printed = judge(text, "--unpaired")
    expected = scipy_stats.ttest_ind(A, B[:3], equal_var=False)
    assert row["p"] == pytest.approx(expected.pvalue)
    assert row["interval"] == pytest.approx(tuple(expected.confidence_interval()))
    assert row["degrees"] == pytest.approx(expected.df)
    assert row["num_seeds"] == 3 and "runs not paired" in printed
    row, printed = judge(text.replace("0.96", "nan"), "--unpaired")
    assert row["num_failed"] == [1, 0] and "runs that failed, left out: 1 of 7" in printed


def test_welch_s_estimate_knows_rounding():
    found = statistics.estimate_unpaired([1, 1, 1], [0, 0, 0], resolution=1.0)
    assert found.variance == pytest.approx(2 / 12 / 3) and found.degrees == pytest.approx(4)


@pytest.mark.parametrize("word", ["", "nan", "NaN", "failed"])
def test_failed_runs_are_left_out_and_counted(judge, word):
    row, printed = judge(table([*A[:3], word], B))
    assert row["num_failed"] == [1, 0] and row["num_seeds"] == 3
    assert row["p"] == pytest.approx(scipy_stats.ttest_rel(A[:3], B[:3]).pvalue)
    assert "seeds in which a run failed, left out: 1 of 4" in printed


def test_incomplete_seeds_are_refused_or_dropped(judge):
    with pytest.raises(ConfigError, match="arm b lacks seed 3, which arm a has"):
        judge(table(A, B[:3]))
    row, printed = judge(table(A, B[:3]), "--incomplete=drop")
    assert row["num_seeds"] == 3 and "dropped, as not every arm has it: seed 3" in printed


def test_seeds_are_numbers(judge):
    text = table().replace("b,0,", "b,0.0,").replace("b,1,", "b,1e0,").replace("b,2,", "b,02,")
    assert judge(text)[0]["num_seeds"] == 4


def test_all_errors_are_told_at_once(judge):
    with pytest.raises(ConfigError) as caught:
        judge(table(["x"] * 4, ["1_0", "２", "y"]) + "a,1\n")
    told = str(caught.value)
    for part in ("line 2", "line 5", "line 8", "line 9: 2 fields", "'1_0'", "lacks seed 3"):
        assert part in told
    with pytest.raises(ConfigError, match="; and 2 more"):
        judge(table(["x"] * 6, ["y"] * 6))


def test_equal_rounded_differences_are_no_certainty(judge):
    row, _ = judge(table([0.92, 0.93, 0.94], [0.91, 0.92, 0.93]))
    half = scipy_stats.t.isf(0.025, 2) * 0.01 / np.sqrt(6) / np.sqrt(3)
    assert row["interval"] == pytest.approx([0.01 - half, 0.01 + half])
    row, _ = judge(table([0.92, 0.93, 0.94], [0.91, 0.92, 0.93]), "--resolution=0.001")
    assert row["interval"][0] == pytest.approx(0.01 - half / 10)


def test_digits_follow_the_interval(judge):
    a = [f"{x:.5f}" for x in (0.9003, 0.9104, 0.9205)]
    row, printed = judge(table(a, [f"{x:.5f}" for x in (0.9, 0.91, 0.92)]))
    assert row["difference"] == pytest.approx(0.0004) and "+0.00040" in printed


def draw_images(num_seeds=4, num_images=40):
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 1, num_images)
    return [(hard + rng.normal(0, 1, (num_seeds, num_images)) > at) * 1 for at in (-0.8, 0.0)]


def crossed(d):
    """R3's variance and degrees, written out."""
    n, t = d.shape
    s, i = d.mean(1).var(ddof=1) / n, d.mean(0).var(ddof=1) / t
    rest = d - d.mean(1, keepdims=True) - d.mean(0, keepdims=True) + d.mean()
    e = (rest**2).sum() / ((n - 1) * (t - 1)) / (n * t)
    v = max(s + i - e, s, i)
    df = v**2 / (s**2 / (n - 1) + i**2 / (t - 1) + e**2 / ((n - 1) * (t - 1)))
    half = scipy_stats.t.isf(0.025, max(df, n - 1)) * np.sqrt(v)
    return [d.mean() - half, d.mean() + half]


def by_image(a, b, cluster=None):
    lines = ["arm,seed,image,score,group"]
    for arm, right in (("a", a), ("b", b)):
        for seed, row in enumerate(right):
            lines += [f"{arm},{seed},i{j},{x},{j // 2}" for j, x in enumerate(row)]
    return "\n".join(lines) + "\n"


def test_images_are_drawn_too(judge, tmp_path):
    a, b = draw_images()
    row, printed = judge(by_image(a, b))
    assert row["interval"] == pytest.approx(crossed((a - b).astype(float)))
    assert "4 paired seeds and 40 images" in printed and row["image_error"] > 0
    path = tmp_path / "right.npz"
    arms, seeds = np.repeat(["a", "b"], 4), np.tile(range(4), 2)
    np.savez(path, right=np.concatenate([a, b]) == 1, arm=arms, seed=seeds)
    assert judge(None, f"--images={path}")[0] == row
    clustered, _ = judge(by_image(a, b), "--cluster=group")
    pairs = (a - b).reshape(4, 20, 2).mean(2)
    assert clustered["interval"] == pytest.approx(crossed(pairs))
    np.savez(path, right=np.concatenate([a, b]), arm=arms, seed=seeds, cluster=np.arange(40) // 2)
    assert judge(None, f"--images={path}")[0]["interval"] == clustered["interval"]


def test_images_that_some_run_lacks_are_told(judge):
    a, b = draw_images()
    text = by_image(a, b)
    with pytest.raises(ConfigError, match="arm b, seed 3 lacks image i39"):
        judge(text[: text.rindex("b,")])


def test_images_of_each_seed_s_own_are_judged_over_seeds(judge):
    a, b = draw_images()
    lines = by_image(a, b).splitlines()
    own = [line.replace(",i", f",{line.split(',')[1]}i") for line in lines[1:]]
    row, printed = judge("\n".join([lines[0], *own]) + "\n")
    assert row["p"] == pytest.approx(scipy_stats.ttest_rel(a.mean(1), b.mean(1)).pvalue)
    assert row["image_error"] is None and "every seed has images of its own" in printed


def test_a_run_without_an_image_s_score_failed(judge):
    a, b = (side.tolist() for side in draw_images())
    a[2][5] = ""
    row, _ = judge(by_image(a, b))
    assert row["num_failed"] == [1, 0] and row["num_seeds"] == 3


def test_one_image_for_all_is_no_population(judge):
    row, _ = judge(table().replace("\n", ",same\n").replace("score,same", "score,image", 1))
    assert row["image_error"] is None
    assert row["p"] == pytest.approx(scipy_stats.ttest_rel(A, B).pvalue)


@pytest.mark.parametrize("form", ["failed", "nan"])
def test_where_every_run_failed_nothing_is_judged(judge, form):
    row, printed = judge(table(["failed"] * 4, [form] * 4), "--relation==")
    assert row["verdict"] == "inconclusive" and row["difference"] is None
    assert "every run failed" in printed and "4 of 4 failed" in printed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [({"right": np.ones((2, 3))}, "no array 'arm'"),
     ({"right": np.ones(3), "arm": ["a"], "seed": [0]}, r"give \[runs, images\]"),
     ({"right": np.ones((2, 3)), "arm": ["a"], "seed": [0]}, "arm has shape")],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_told(judge, tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ConfigError, match=message):
        judge(None, f"--images={tmp_path / 'x.npz'}")
