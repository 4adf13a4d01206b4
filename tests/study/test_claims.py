"""The studies of the claims: every one can run, none leaves out a statement of the article."""

import dataclasses

import pytest

from cnnjax import api
from cnnjax.config.config import Config, request_of, settings_of, to_json
from cnnjax.config.datasets import BUILT_IN, Where
from cnnjax.data import load
from cnnjax.networks import cost
from cnnjax.study import foresight, judge, metrics, wanted
from cnnjax.study.arms import make_base, make_configs, make_lanes
from cnnjax.study.checking import check_study
from cnnjax.study.claims import Claim, Comparison, Study
from cnnjax.study.plan import make_plan
from experiments import claims
from experiments.claims import article, connectivity, heads, known_answers

ANY_SEEDS = 10
STUDIES = pytest.mark.parametrize("own", claims.STUDIES.values(), ids=claims.STUDIES)


@pytest.fixture(scope="session")
def infos(data_dir):
    where = Where(str(data_dir))
    configs = [Config(dataset=name) for name in BUILT_IN]
    return {request_of(config): load.load_info(config, where) for config in configs}


@STUDIES
def test_every_study_can_be_planned(own, infos):
    check_study(own)
    base = make_base(own, {})
    plan = make_plan(own, base, ANY_SEEDS, infos)
    assert plan.num_lanes >= len(own.arms) * ANY_SEEDS
    assert not foresight.warn_of_seeds(own, ANY_SEEDS)


@STUDIES
def test_every_metric_is_known(own):
    for claim in own.claims:
        assert claim.comparisons and all(pair.predicted for pair in claim.comparisons)
        for pair in claim.comparisons:
            metrics.find(pair.metric or own.metric)


def test_no_statement_of_the_article_is_without_a_row():
    beside = set(claims.STUDIES) - {claims.DEFAULT, *claims.ALL}
    assert beside == {"variance", "zhang2019", "all-cnn"}
    studies = [own for name, own in claims.STUDIES.items() if name not in beside]
    tried = {claim.id for own in studies for claim in own.claims}
    known = {known.id for known in known_answers.KNOWN_ANSWERS}
    others = {statement.id for statement in article.OTHERS}
    assert tried | known | others == set(article.ORDER)
    assert len(article.ORDER) == len(set(article.ORDER)) == 28
    assert not others & (tried | known)


def test_a_claim_tried_twice_says_the_same():
    for id in article.ORDER:
        said = {c.statement for own in claims.STUDIES.values() for c in own.claims if c.id == id}
        assert len(said) <= 1


@pytest.mark.parametrize(("study", "within"), [
    (connectivity.STUDY, 0.04), (heads.HEAD, 0.01),
])  # fmt: skip
def test_arms_said_to_be_matched_have_as_many_parameters(study, within, infos):
    base = make_base(study, {})
    counts = [
        cost.measure(arm, *infos[request_of(base)]).parameters
        for arm in make_configs(study, base).values()
    ]
    assert max(counts) / min(counts) - 1 <= within


@pytest.mark.slow
def test_arms_that_are_the_same_function_come_out_equivalent(tiny, digits, tmp_path):
    """For a 3x3 kernel of stride 1 both borders are one cell on each side."""
    same = Study(
        name="same",
        question="Is a thing itself?",
        base={**settings_of(tiny), "steps": 60},
        arms=({"padding": "SAME"}, {"padding": "HALF"}),
        claims=(
            Claim("same", "SAME is better.", (
                Comparison({"padding": "SAME"}, {"padding": "HALF"}, ">", "equivalent"),
            )),
        ),
    )  # fmt: skip
    base = make_base(same, {})
    lanes = make_lanes(same, base, 6)
    outcome = api.train_wanted(
        wanted.fixed(lanes), {request_of(base): digits}, api.Options(tmp_path)
    )
    (row,) = judge.judge(same, base, [*outcome.records.values()]).verdicts
    assert row["verdict"] == "equivalent" and row["difference"] == 0
    assert row["num_failed"] == [0, 0] and row["image_error"] == 0
    # As wide as the rounding of two accuracies of 1,000 images leaves it.
    assert row["interval"] == pytest.approx([-0.0004285, 0.0004285], abs=1e-6)


@pytest.mark.slow
def test_lanes_of_several_data_sets_run_in_one_call(tiny, digits, data_dir, tmp_path):
    dots = load.load_dataset(Config(dataset="dot"), Where(str(data_dir)))
    lanes = [dataclasses.replace(tiny, dataset=name) for name in ("dot", "digits")]
    datasets = dict(zip(map(request_of, lanes), (dots, digits), strict=True))
    outcome = api.train_wanted(wanted.fixed(lanes), datasets, api.Options(tmp_path))
    assert [outcome.records[lane].config for lane in lanes] == [*map(to_json, lanes)]
    origins = {str(record.provenance["origin"]) for record in outcome.records.values()}
    assert len(origins) == 2
