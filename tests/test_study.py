"""From records to verdicts and files: on records made by hand, so that the answers are known."""

import csv
import json
import re

import numpy as np
import pytest

from cnnjax import judge as judge_lib
from cnnjax import plan as plan_lib
from cnnjax import store, study
from cnnjax.knobs import ConfigError
from cnnjax.report import page, terminal
from cnnjax.study import Claim, Comparison, Study

GRID = {"pool": ("max", "avg"), "padding": ("SAME", "VALID")}
CLAIM = Claim(
    "planted",
    "Max beats average by far.",
    (
        Comparison({"pool": "max"}, {"pool": "avg"}, ">", "two points"),
        Comparison({"padding": "SAME"}, {"padding": "VALID"}, "=", "equivalent"),
    ),
)
STUDY = Study("made-by-hand", "Which?", {"train_examples": 300}, GRID, (CLAIM,))
EFFECTS = {"max": 0.02, "avg": 0.0}  # padding has none


def make_records(num_seeds=20, effects=EFFECTS, spread=0.003):
    base = study.make_base(STUDY, {})
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.01, num_seeds)  # shared by the arms of a seed
    records = []
    for index, config in enumerate(study.make_lanes(STUDY, base, num_seeds)):
        accuracy = 0.9 + effects[config.pool] + luck[config.seed] + rng.normal(0, spread)
        metrics = [
            {"step": step, "validation_accuracy": accuracy - 1 / step, "train_loss": 1 / step}
            for step in (50, 100)
        ]
        scores = {"test_accuracy": accuracy, "test_loss": 0.3, "num_test_examples": 1000,
                  "diverged": False}  # fmt: skip
        parameters = 100 if config.padding == "SAME" else 80
        cost = {"parameters": parameters, "macs": 2000, "receptive_field": 6,
                "map_shape": [4, 4, 8]}  # fmt: skip
        provenance = {"origin": "cpu map", "date": f"2026-01-0{1 + index % 2}",
                      "packages": {"jax": "0.10.2"}}  # fmt: skip
        records.append(store.Record(f"id{index}", config, scores, metrics, cost, provenance))
    return records


def judge(records):
    return judge_lib.judge(STUDY, study.make_base(STUDY, {}), records)


def test_a_planted_effect_is_supported_and_none_is_equivalent():
    pooling, padding = judge(make_records()).verdicts
    assert (pooling["a"], pooling["b"]) == ("pool=max", "pool=avg")
    assert pooling["verdict"] == "supported"
    assert pooling["difference"] == pytest.approx(0.02, abs=0.002)
    assert pooling["pair_correlation"] > 0.9  # the luck of a seed cancels
    assert padding["verdict"] == "equivalent"


def test_a_reversed_effect_is_refuted():
    pooling, _ = judge(make_records(effects={"max": 0.0, "avg": 0.02})).verdicts
    assert pooling["verdict"] == "refuted"


def test_few_seeds_are_inconclusive_and_say_why():
    pooling, _ = judge(make_records(num_seeds=3)).verdicts
    assert pooling["verdict"] == "inconclusive"
    assert "3 seeds can reach an adjusted p of 0.5 at best" in pooling["warnings"]
    assert "nothing can be supported or refuted" in plan_lib.warn_of_seeds(STUDY, 3)[0]
    assert not plan_lib.warn_of_seeds(STUDY, 20)


def test_p_values_are_adjusted_within_the_claim():
    for row in judge(make_records()).verdicts:
        assert row["p_adjusted"] >= row["p"]


def test_the_order_of_records_does_not_matter():
    records = make_records()
    assert judge(records).verdicts == judge(records[::-1]).verdicts


def test_confounds_are_flagged_beside_the_verdict():
    pooling, padding = judge(make_records()).verdicts
    assert padding["warnings"] == ["differ in parameters: 100 against 80"]
    assert pooling["warnings"] == []


def test_divergence_is_counted_and_flagged():
    records = make_records()
    records[0].scores["diverged"] = True
    judgement = judge(records)
    assert judgement.arms[0].num_diverged == 1
    assert "runs that diverged: 1 against 0" in judgement.verdicts[0]["warnings"]


def test_missing_seeds_are_refused():
    with pytest.raises(ValueError, match="do not have the same seeds"):
        judge(make_records()[:-1])


def test_runs_of_different_origin_are_never_compared():
    records = make_records()
    records[3].provenance["origin"] = "gpu vmap"
    with pytest.raises(ValueError, match="different origin: cpu map, gpu vmap"):
        judge(records)


def test_a_flag_that_the_study_varies_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match="--pool cannot be set here: .* varies it over max, avg"):
        study.make_base(STUDY, {"pool": "max"})
    assert study.make_base(STUDY, {"steps": 5}).steps == 5


def test_a_free_grid_compares_each_value_with_the_first():
    (claim,) = study.make_factorial_claims({"pool": ("max", "avg", "none"), "stride": (1, 2)})
    assert [(pair.a, pair.b) for pair in claim.comparisons] == [
        ({"pool": "max"}, {"pool": "avg"}),
        ({"pool": "max"}, {"pool": "none"}),
        ({"stride": 1}, {"stride": 2}),
    ]


def test_plan_counts_groups_lanes_and_work():
    plan = plan_lib.make_plan(STUDY, study.make_base(STUDY, {}), 20, (8, 8, 1), 10)
    assert (plan.num_groups, plan.num_lanes) == (4, 80)
    assert plan.state_bytes == 4 * 4 * 20 * max(cost.parameters for cost in plan.arms.values())
    macs = sum(cost.macs for cost in plan.arms.values())
    assert plan.training_macs == 3 * macs * 32 * 400 * 20


VERDICT_KEYS = """claim dataset metric a b num_seeds mean_a mean_b difference interval p p_adjusted
effect_size wins pair_correlation margin verdict predicted warnings""".split()


@pytest.fixture
def written(tmp_path):
    return page.write_report(judge(make_records()), tmp_path, "python launch.py made & by <hand>")


def test_report_files(written):
    folder = written.parent
    assert written == folder / "report.html"
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert len(verdicts) == 2 and all(set(VERDICT_KEYS) <= set(row) for row in verdicts)
    with open(folder / "records.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 80
    assert {row["arm"] for row in rows} == {
        f"pool={p} padding={q}" for p in GRID["pool"] for q in GRID["padding"]
    }
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "curves.svg",
        "differences.svg",
    }


def test_page_holds_everything_and_fetches_nothing(written):
    html = written.read_text()
    command = "python launch.py made &amp; by &lt;hand&gt;"
    for word in (
        command, "Supported", "equivalent", "planted", "1,000 test images", "20 seeds",
        "differ in parameters", "jax 0.10.2",
    ):  # fmt: skip
        assert word in html, word
    assert html.count("<svg") == 2 and 'role="img" aria-label="' in html
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\(http|src=", html)


def test_the_same_records_give_the_same_page(written, tmp_path):
    again = page.write_report(
        judge(make_records()), tmp_path / "again", "python launch.py made & by <hand>"
    )
    assert again.read_text() == written.read_text()


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_shows_every_verdict_whole(width, capsys):
    from rich.console import Console

    judgement = judge(make_records())
    terminal.print_judgement(judgement, Console(width=width))
    shown = capsys.readouterr().out
    for word in ("supported", "equivalent", "planted", "pool=max − pool=avg"):
        assert word in shown
    assert "…" not in shown and max(map(len, shown.splitlines())) <= width
