"""How far two machines agree: in bits, within a tolerance, in the verdict."""

import json
import math

import pytest

from cnnjax.config.knobs import ConfigError
from cnnjax.study import checking
from cnnjax.study.arms import make_base, make_configs
from cnnjax.study.claims import SETTING
from experiments.agree import __main__ as agree
from experiments.agree import cases, levels
from experiments.agree.levels import BITS, NOTHING, VERDICT, WITHIN, Numbers
from tests.records.test_origin import NEVER

OWN = Numbers("a", [[2.0, 1.0], [2.0, 0.5]], "supported", 0.1)
ORIGIN = {"platform": "cpu", "cpu": "znver5"}


@pytest.mark.parametrize(
    ("other", "level", "deviation"),
    [
        (OWN, BITS, 0.0),
        (OWN._replace(digest="b"), WITHIN, 0.0),
        (OWN._replace(digest="b", losses=[[2.0, 1.0], [1.99, 0.5]]), WITHIN, 0.01),
        (OWN._replace(digest="b", losses=[[2.0, 1.0], [2.0, 0.53]]), VERDICT, 0.03),
        (OWN._replace(digest="b", verdict="inconclusive"), NOTHING, 0.0),
        (OWN._replace(digest="b", losses=[[2.0, None], [2.0, 0.5]]), VERDICT, math.inf),
        (OWN._replace(digest="b", losses=[[2.0, 1.0]]), VERDICT, math.inf),
    ],
)
def test_two_machines_agree_as_far_as_their_numbers_do(other, level, deviation):
    found = levels.compare(OWN, other, tolerance=0.02)
    assert found.level == level and found.deviation == pytest.approx(deviation)


def test_runs_that_diverged_on_both_agree():
    gone = OWN._replace(digest="b", losses=[[2.0, None], [2.0, 0.5]])
    assert levels.compare(gone, gone._replace(digest="c"), 0.01).level == WITHIN


@pytest.mark.parametrize("name", cases.CASES)
def test_every_case_is_a_study_that_can_be(name):
    study = cases.make_study(name)
    checking.check_study(study)
    checking.check_names(study)
    assert len(make_configs(study, make_base(study, {}))) == 2
    assert not any(SETTING in arm for arm in study.arms)


def test_the_reference_that_ships_has_every_case_and_a_machine_and_releases():
    found = agree.read_reference(agree.REFERENCE)
    assert [*found] == [*cases.CASES]
    for name, row in found.items():
        evaluations = [len(run) for run in row["numbers"].losses]
        steps = cases.CASES[name].base.get("steps", cases.SHORT["steps"])
        assert evaluations == [steps // cases.SHORT["eval_every"]] * 2 * cases.SEEDS
        assert {"cpu", "versions", "program"} <= {*row["origin"]}


def say(tmp_path, monkeypatch, capsys, own=OWN, other=OWN, of=ORIGIN):
    """The exit status and what is printed where a machine has these numbers."""
    row = {"numbers": own._asdict(), "origin": ORIGIN}
    monkeypatch.setattr(agree, "train", lambda name: row)
    path = tmp_path / "there.json"
    path.write_text(json.dumps({"dense": {"numbers": other._asdict(), "origin": of}}))
    status = agree.main(["agree", "--cases=dense", f"--reference={path}"], NEVER)
    return status, capsys.readouterr().out


def test_machines_of_one_origin_must_have_the_same_bits(tmp_path, monkeypatch, capsys):
    status, told = say(tmp_path, monkeypatch, capsys)
    assert status == 0 and "same bits" in told and "one origin" in told
    status, _ = say(tmp_path, monkeypatch, capsys, other=OWN._replace(digest="b"))
    assert status == 1


def test_other_machines_must_agree_within_the_tolerance(tmp_path, monkeypatch, capsys):
    of = {"platform": "gpu", "cpu": None}
    near = OWN._replace(digest="b", losses=[[2.0, 1.0], [2.0, 0.501]])
    status, told = say(tmp_path, monkeypatch, capsys, other=near, of=of)
    assert status == 0 and "same within 0.001" in told and "platform: gpu against cpu" in told
    far = near._replace(losses=[[2.0, 1.0], [2.0, 0.8]])
    status, told = say(tmp_path, monkeypatch, capsys, other=far, of=of)
    assert status == 1 and "same verdict" in told
    status, told = say(tmp_path, monkeypatch, capsys, other=near._replace(verdict="refuted"), of=of)
    assert status == 1 and "another verdict" in told


def test_a_machine_agrees_with_itself_to_the_bit_and_with_the_reference(tmp_path, capsys):
    path = tmp_path / "here.json"
    assert agree.main(["agree", "--cases=dense", f"--write={path}"], NEVER) == 0
    assert "same" in capsys.readouterr().out
    assert agree.main(["agree", "--cases=dense", f"--reference={path}"], NEVER) == 0
    assert "same bits" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"dense": {}}', '{"dense": {"numbers": {}}}'])
def test_what_is_no_reference_is_refused(text, tmp_path):
    path = tmp_path / "there.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="holds no numbers of a machine"):
        agree.main(["agree", f"--reference={path}"], NEVER)
