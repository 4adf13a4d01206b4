"""A study and a claim that cannot be are refused where they are declared, with file and line."""

import pathlib

import pytest

import launch
from cnnjax.config import plugins
from cnnjax.study import own
from tests.mistaken import check_one_line

STUDY = """from cnnjax.study.claims import Choosing, Claim, Comparison, Lead, Published, Score
from cnnjax.study.claims import Slope, Study, Tuning, cross
MAX, AVG = {"pool": "max"}, {"pool": "avg"}
def ask(a=MAX, b=AVG, relation=">", predicted="more", *more, **given):
    return (Claim("own", "More.", (Comparison(a, b, relation, predicted, *more, **given),)),)
def declare(**given):
    return Study(**{"name": "mine", "question": "?", "base": {}, "arms": (MAX, AVG),
                    "claims": ask(), **given})
"""
# What is said of a study, by what it is declared with.
STUDIES = {
    "declare(claims=ask(predicted=0.5))": "claim own: Comparison 1: predicted=0.5: give a text",
    "declare(claims=ask(relation='>='))": "Comparison 1: relation='>=': give one of >, <, =, !=",
    "declare(claims=ask(MAX, AVG, '>', 'x', 0.01))": "Comparison 1: metric=0.01: give a text",
    "declare(claims=ask(margin='1'))": "Comparison 1: margin='1': give a number or None",
    "declare(claims=ask(a='max'))": "Comparison 1: a='max': give a dict by name of knob or a",
    "declare(claims=ask(a={'pol': 'max'}))": "claim own: no arm has pol=max",
    "declare(claims=ask(a={'pool': 'l2'}))": "claim own: no arm has pool=l2",
    "declare(claims=ask(a=Score({'pool': 'l2'}, 'x')))": "claim own: no arm has pool=l2",
    "declare(claims=ask(a=Lead(MAX, {'pool': 'l2'})))": "claim own: no arm has pool=l2",
    "declare(claims=ask(a=Slope({}, 'epochs'), b=0.0))": "a slope over epochs cannot be: name arms",
    "declare(claims=ask(a=Slope({}, 'pool'), b=0.0))": "a slope over pool cannot be: name a knob",
    "declare(claims=ask(a=Slope({}, 'steps'), b=0.0))": "a slope over steps needs arms that set it",
    "declare(claims=ask(metric='acuracy'))": "there is no metric acuracy: did you mean ",
    "declare(claims=ask(a=Score(MAX, 'acuracy')))": "there is no metric acuracy: did you mean ",
    "declare(claims=ask()[0])": "study mine: claims=Claim(",
    "declare(claims=ask() + ask())": "study mine has a claim own twice",
    "declare(claims=(Claim('own', 'More.', ()),))": "claim own has no comparison",
    "declare(claims=(Claim('own', 'More.', ask()[0].comparisons, parts=2),))": "parts=2 of 1",
    "declare(metric='acuracy')": "there is no metric acuracy: did you mean ",
    "declare(metric=0.1)": "study mine: metric=0.1: give a text",
    "declare(base={'stpes': 5})": "study mine: base: stpes is no knob: did you mean steps?",
    "declare(base={'steps': -5})": "study mine: base: --steps=-5 is not allowed: give an integer",
    "declare(base={'epochs': 5})": "epochs is none of its base: Study(epochs=...)",
    "declare(base=['steps'])": "study mine: base=['steps']: give a dict by name of knob",
    "declare(arms=(MAX, {'pool': 'avg', 'stpes': 5}))": "arm pool=avg stpes=5: stpes is no knob",
    "declare(arms=(MAX, {'pool': 'agv'}), claims=())": "arm pool=agv: --pool=agv is not allowed",
    "declare(arms=(MAX, AVG, MAX))": "study mine has an arm twice",
    "declare(arms=(), claims=())": "study mine has no arm",
    "declare(arms=MAX, claims=())": "study mine: arms={'pool': 'max'}: give a tuple, each a dict",
    "declare(arms=(MAX, {**AVG, 'steps': 5, 'epochs': 1}))": "epochs=1 has steps and epochs",
    "declare(arms=(MAX, {**AVG, 'steps': 5}), epochs=1)": "steps=5 has steps and epochs",
    "declare(tuning=Tuning({'epochs': (1, 2)}), arms=({**MAX, 'steps': 2}, AVG))": "has steps and",
    "declare(arms=(MAX, {**AVG, 'epochs': -1}))": "--epochs=-1 is not allowed: give a number > 0",
    "declare(epochs=-1)": "--epochs=-1 is not allowed: give a number > 0",
    "declare(controls=({'pool': 'l2'},))": "controls: no arm has pool=l2",
    "declare(published=(Published(MAX, 'high', 'X'),))": "Published 1: value='high': give a number",
    "declare(choosing=Choosing({'pool': 'l2'}))": "baseline: no arm has pool=l2",
    "declare(choosing=Choosing(MAX, metric='acuracy'))": "there is no metric acuracy",
    "declare(tuning=Tuning({'lerning_rate': (1, 2)}))": "tuning: lerning_rate is no knob: did you",
    "declare(tuning=Tuning({'learning_rate': 0.1}))": "tuning: grid=",
    "declare(tuning=Tuning({'learning_rate': (0.1, 1.0)}, metric='auc_blur'))": "not of the valid",
    "declare(tuning=Tuning({'learning_rate': (0.1, 1.0)}, metric='test_loss'))": "not of the valid",
    "declare(choosing=Choosing(MAX, metric='test_loss'))": "not of the validation split",
    "declare(adjustment='none')": "study mine: adjustment='none': give one of bonferroni, benja",
    "declare(name='all')": "study all cannot name a report's folder",
    "declare(name=3)": "study 3: name=3: give a text",
    "{'name': 'mine'}": "cnnjax.study(a dict): give a cnnjax.Study",
}  # fmt: skip
CLAIMS = {
    "'a', 'A.', board='mine', kind='quoted'": "kind='quoted': give one of cited, experiment",
    "'a', 3, board='mine'": "statement=3: give a text",
    "'a', 'A.', board='a b'": "board a b cannot name a report's folder",
    "'a', 'A.', board='mine', check=True": "claim a of board mine: check=True: give a function",
    "'a', 'A.', board='mine', check=lambda seed: 1": "board mine: its check takes (seed)",
}


@pytest.mark.parametrize("declared", STUDIES)
def test_what_is_no_study_is_refused_where_it_is_declared(say, declared):
    text = STUDY + f"cnnjax.study({declared})\n"
    status, said, path = say(launch.main, text, "--plugin=FILE", "--plan", "mine")
    assert status == 2
    check_one_line(said, path, 11, "")
    assert STUDIES[declared] in said


@pytest.mark.parametrize("declared", CLAIMS)
def test_what_is_no_claim_is_refused_where_it_is_declared(say, declared):
    text = f"cnnjax.claim({declared})\n"
    status, said, path = say(launch.main, text, "--plugin=FILE", "all", "--board=mine")
    assert status == 2
    check_one_line(said, path, 3, "")
    assert CLAIMS[declared] in said


def test_a_study_may_name_what_the_next_plug_in_declares(outside):
    study = pathlib.Path(outside["beside"]).with_name("first.py")
    study.write_text(
        "import cnnjax\nfrom cnnjax import Study\n"
        "cnnjax.study(Study('mine', '?', {}, ({'pool': 'gem'}, {'pool': 'max'}), ()))\n"
    )
    plugins.load([str(study), outside["gem_outside"]])
    assert "mine" in own.STUDIES
