"""What a study's search wants follows from its records alone, and so does what it chooses."""

import numpy as np
import pytest

from cnnjax.config.config import make_config
from cnnjax.config.errors import ConfigError
from cnnjax.study import checking, proposing, search, space, tuned, tuning, wanted
from cnnjax.study.arms import keep_apart, make_base, make_trials
from cnnjax.study.claims import DEFAULT, METHODS, SETTING, Search, Tuning
from cnnjax.study.space import Axis
from tests.searching import SIX, SPACE, draw_worth, make, record, run, worth


def trials_of(rounds):
    return [[lane for lane in own if lane.seed >= 1000] for own in rounds]


@pytest.mark.parametrize("method", METHODS)
def test_a_search_is_done_when_all_is_recorded_and_the_best_has_run_fresh_seeds(method):
    study = make(method)
    rounds, known = run(study)
    base = make_base(study, {})
    chosen, _ = wanted.choose(study, base, [*known.values()])
    best = chosen.settings[f"setting={method}"]
    assert 1e-3 < best["learning_rate"] < 1e-2 and best["pool"] == "max"
    assert chosen.settings[f"setting={method} runner-up"] != best
    assert "setting=default" not in chosen.settings
    judged = {(lane.learning_rate, lane.seed) for lane in rounds[-1]}
    assert {(best["learning_rate"], seed) for seed in range(3)} <= judged
    assert {(base.learning_rate, seed) for seed in range(3)} <= judged


@pytest.mark.parametrize("method", METHODS)
def test_whoever_recorded_it_and_in_what_order_the_same_is_proposed(method):
    study = make(method)
    base = make_base(study, {})
    rounds, known = run(study)
    ask = wanted.of_study(study, base, 3)
    assert run(study)[0] == rounds
    so_far = {}
    for own in rounds:
        assert list(ask([*so_far.values()][::-1])) == list(own)
        some = own[1::2]  # killed half way
        assert set(ask([*so_far.values(), *(known[lane] for lane in some)])) == {*own} - {*some}
        so_far |= {lane: known[lane] for lane in own}


def test_methods_that_need_no_records_propose_all_at_once_and_the_first_of_more():
    for method in ("random", "halton"):
        first, more = (
            [own.place for own in proposing.list_at_once(Search(SPACE, trials=number), method)]
            for number in (8, 20)
        )
        assert more[:8] == first and len({*more}) == 20
        assert all(0 <= own < 1 for place in more for own in place)
        other = proposing.list_at_once(Search(SPACE, trials=8, seed=1), method)
        assert [own.place for own in other] != first
        assert len(run(make(method))[0]) == 2


def test_halton_is_spread_more_evenly_than_chance():
    def find_gap(method):
        """The widest piece of the first axis without a trial."""
        found = proposing.list_at_once(Search(SPACE, trials=64), method)
        own = sorted([0.0, *(one.place[0] for one in found), 1.0])
        return max(np.diff(own))

    assert find_gap("halton") < 2 / 64 < find_gap("random")


def test_tpe_proposes_a_batch_from_those_before_it_and_comes_nearer():
    found = [trials_of(run(make("tpe", trials=48, seed=seed))[0])[:-1] for seed in range(3)]
    assert [len(own) for own in found[0]] == [4] * 12
    assert found[0][0] != found[1][0]
    reached = np.array([[np.mean([*map(worth, own)]) for own in trials] for trials in found])
    by_chance, led = reached[:, :2].mean(), reached[:, -4:].mean()  # of 0.9 at most
    assert 0.9 - led < (0.9 - by_chance) / 2


def test_a_batch_does_not_know_of_the_scores_of_its_own():
    study = make("tpe", trials=24, batch=8)
    _, known = run(study)
    changed, base = {}, make_base(study, {})
    own = search.list_trials(study, base, study.arms[1], search.take(known))
    last = {lane for trial in own[16:] for lane in trial.lanes}
    for lane, found in known.items():
        changed[lane] = record(lane, failed=True) if lane in last else found
    assert search.list_trials(study, base, study.arms[1], search.take(changed)) == own
    first = {lane for trial in own[:8] for lane in trial.lanes}
    for lane in first:
        changed[lane] = record(lane, failed=True)
    again = search.list_trials(study, base, study.arms[1], search.take(changed))
    assert again[:16] == own[:16]  # fewer than ten were known: by chance
    assert again[16:] != own[16:]


def test_tpe_flees_from_where_runs_fail():
    study = make("tpe", trials=48, batch=8)
    rounds, _ = run(study, failed=lambda lane: lane.learning_rate > 10**-2.5)
    rates = [[lane.learning_rate for lane in own] for own in trials_of(rounds)[:-1]]
    assert sum(rate > 10**-2.5 for rate in rates[-1]) <= 2


def test_every_seed_of_a_trial_counts():
    study = make("random", trials=6, seeds=(1000, 1001, 1002))
    rounds, known = run(study)
    assert len(rounds[0]) == 6 * 3
    base = make_base(study, {})
    ranked = tuning.list_trials(study, base, study.arms[1], known)
    rate = ranked[0].setting["learning_rate"]
    one = next(lane for lane in rounds[0] if lane.learning_rate == rate)
    failed = {**known, one: record(one, failed=True)}
    left = tuning.list_trials(study, base, study.arms[1], failed)
    assert [own.setting for own in left] == [own.setting for own in ranked[1:]]


def test_halving_chooses_among_those_that_were_trained_to_the_end():
    study = make("halving", trials=27, batch=9)
    _, known = run(study)
    base = make_base(study, {})
    tried = search.list_trials(study, base, study.arms[1], search.take(known))
    whole = [own.proposal.number for own in tried if own.whole]
    ranked = tuning.list_trials(study, base, study.arms[1], known)
    assert len(tried) == 27 and [own.number for own in ranked] == whole and len(whole) < 9
    assert {lane.stop_at for own in tried for lane in own.lanes} == {50, 100, 150, 200, 250, 300,
                                                                     350, 0}  # fmt: skip


def test_in_a_race_the_runs_of_those_behind_are_the_others():
    study = make("random", trials=12, seeds=SIX, race=True)
    rounds, known = run(study, worth=draw_worth)
    base = make_base(study, {})
    tried = search.list_trials(study, base, study.arms[1], search.take(known))
    counts = [len(own.lanes) for own in tried]
    best = int(np.argmax([worth(own.lanes[0]) for own in tried]))
    assert sum(counts) <= 12 * 6 and min(counts) == 4 < 6 < counts[best]
    assert {lane.seed for lane in tried[best].lanes} == set(range(1000, 1000 + counts[best]))
    chosen, _ = wanted.choose(study, base, [*known.values()])
    (won,) = [own for own in tried if own.setting == chosen.settings["setting=random"]]
    assert len(won.lanes) == max(counts)
    whole = run(make("random", trials=12, seeds=SIX))[0]
    assert {*rounds[0]} == {lane for lane in whole[0] if lane.seed < 1004}  # as without a race


def test_no_seed_of_a_race_judges_what_it_chose():
    study = make("random", trials=12, seeds=(1000, 1001, 1002), race=True)
    apart = keep_apart(study, range(1020, 1040))
    assert apart.tuning.seeds == (1040, 1041, 1042)
    assert not set(apart.tuning.all_seeds) & {*range(1020, 1040)}
    alone = keep_apart(make("random", seeds=(1000, 1001, 1002)), range(1020, 1040))
    assert alone.tuning.seeds == (1000, 1001, 1002)


def test_who_has_learned_nothing_at_the_first_rung_may_yet_go_on():
    study = make("halving", trials=9, batch=9)
    base, known = make_base(study, {}), {}
    ask = wanted.of_tuning(study, base)
    while lanes := ask([*known.values()]):
        for lane in lanes:
            own = record(lane, failed=lane.stop_at == 50)
            shown = None if lane.learning_rate > 0.02 else worth(lane)  # null where one diverged
            hidden = own.scores if not own.failed else {"failed": True}
            known[lane] = own._replace(
                scores=hidden, metrics=[{"step": 50, "validation_accuracy": shown}]
            )
    (told,) = wanted.list_searches(study, base, [*known.values()])
    diverged = {own.number for own in told.trials if own.setting["learning_rate"] > 0.02}
    assert diverged == {own.number for own in told.trials if np.isnan(own.score)} != set()
    whole = [own.number for own in told.trials if own.whole]
    assert whole and not diverged & {*whole}


def test_what_was_searched_is_told_whole():
    study = make("halving", trials=9, batch=9)
    _, known = run(study, failed=lambda lane: lane.learning_rate > 0.05)
    (told,) = wanted.list_searches(study, make_base(study, {}), [*known.values()])
    assert (told.arm, told.method, told.metric) == (
        "setting=halving", "halving", "validation_accuracy"
    )  # fmt: skip
    assert [own.number for own in told.trials] == list(range(9))
    for own in told.trials:
        assert np.isnan(own.score) == (own.setting["learning_rate"] > 0.05)
        assert own.steps in (50, 150, 400) and own.whole == (own.steps == 400)
    best = max((own for own in told.trials if own.whole), key=lambda own: own.score)
    assert told.chosen == best.number


def test_the_end_of_a_range_is_noted():
    narrow = space.parse_space(["learning_rate=log:1e-4..1.1e-3"])
    study = make("halton", trials=64)
    study = study._replace(tuning=study.tuning._replace(search=Search(narrow, "halton", 64)))
    _, known = run(study)
    _, notes = wanted.choose(study, make_base(study, {}), [*known.values()])
    assert "near the end of its range" in notes[0] and "learning_rate=0.001" in notes[0]


def test_an_arm_keeps_what_it_sets_itself():
    study = make("random")
    arms = ({"pool": "avg"}, {"pool": "max"})
    study = study._replace(arms=arms, claims=())
    rounds, known = run(study)
    assert {lane.pool for lane in rounds[0]} == {"avg", "max"}
    chosen, _ = wanted.choose(study, make_base(study, {}), [*known.values()])
    assert all("pool" not in own for own in chosen.settings.values()) and len(chosen.settings) == 2


def test_a_flag_that_is_searched_is_refused():
    with pytest.raises(ConfigError, match="--pool cannot be set here: .* tunes it"):
        make_base(make("random"), {"pool": "max"})


SIZES = {"image_size": Axis(8, 40, is_whole=True)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tuning": None}, "has no Tuning"),
        ({"arms": ({SETTING: "tpi"}, {SETTING: DEFAULT})}, "did you mean tpe"),
        ({"tuning": Tuning({"pool": ("max", "avg")}, search=Search(SPACE))}, "one of the two"),
        ({"tuning": Tuning(search=Search({}))}, "needs a space"),
        ({"tuning": Tuning(search=Search(SPACE, trials=0))}, "trials=0"),
        (
            {"tuning": Tuning(seeds=SIX, search=Search(SPACE, "tpe", race=True)), "arms": ({},)},
            "random or halton",
        ),
        ({"tuning": Tuning(search=Search(SPACE, race=True))}, "needs 5 seeds"),
        ({"tuning": Tuning(search=Search(SIZES, "tpe")), "arms": ({},)}, "name a few values"),
    ],
)
def test_a_search_that_cannot_be_is_refused(change, said):
    study = make("random")._replace(claims=())._replace(**change)
    with pytest.raises(ConfigError, match=said):
        checking.check_study(study)
        checking.check_names(study)


def test_without_optuna_tpe_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install .*tune"):
        proposing.import_optuna()


def test_knobs_that_do_not_go_together_are_refused_before_anything_runs():
    wrong = space.parse_space(["optimizer=adam,momentum", "momentum=0.5..0.9"])
    study = tuned.make_study(Search(wrong), (1000,))
    with pytest.raises(ConfigError, match="momentum"):
        make_trials(study, make_config({}))
