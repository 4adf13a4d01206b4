"""--plan --accelerator: refusals, and what is printed of made-up figures; nothing is compiled."""

import pytest

from cnnjax.config import slices
from cnnjax.config.config import Config
from cnnjax.config.datasets import Where
from cnnjax.config.errors import ConfigError
from cnnjax.study.bill import Forecast, Wave
from cnnjax.sweep import forecast
from experiments import ablate, rented, train

GIB = 2**30
SLICE = slices.find_slice("v6e-4")
GRID = "--grid=pool=max,avg"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(slices, "is_compiler_installed", lambda: True)


SCRIPTS = {"ablate": (ablate.main, [GRID]), "train": (train.main, [])}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accelerator=v6e-4"], "--accelerator=v6e-4 compiles and trains nothing: give --plan"),
        (["--plan", "--price_per_hour=2"], "--price_per_hour is of a slice: name it too"),
        (["--plan", "--accelerator=v6e-4", "--price_per_hour=inf"], "give the dollars of an hour"),
        (["--plan", "--accelerator=v6e-4", "--price_per_hour=-1"], "number >= 0"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(script, arguments, message, capsys):
    main, given = SCRIPTS[script]
    with pytest.raises(SystemExit) as ended:
        main([script, *given, *arguments], None)
    shown = capsys.readouterr()
    assert ended.value.code == 2 and message in shown.err and shown.err.count("\n") == 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_wrong_name_and_a_missing_compiler_are_refused(script, monkeypatch):
    main, given = SCRIPTS[script]
    with pytest.raises(ConfigError, match="--accelerator=v6-4 is not known: did you mean v6e-4?"):
        main([script, *given, "--plan", "--accelerator=v6-4"], None)
    monkeypatch.setattr(slices, "is_compiler_installed", lambda: False)
    with pytest.raises(ConfigError, match="--accelerator=v6e-4 was not checked: .*not installed"):
        main([script, *given, "--plan", "--accelerator=v6e-4"], None)


def make_forecast(pool: str, **changes) -> Forecast:
    wave = Wave(128, 8 * 10**9, 2**20, {}, 12.3)
    usual = Forecast(Config(pool=pool, steps=1000), 256, 128, (wave,), True, 0.09)
    return usual._replace(**changes)


def show(monkeypatch, capsys, found, price=None) -> tuple[int, str, str]:
    """Status, stdout and stderr of a plan that finds these, blanks as one."""
    monkeypatch.setattr(forecast, "foresee", lambda *_: found)
    asked = rented.Rented(SLICE, price)
    status = rented.print_forecast([], Where(), asked, quiet=False)
    shown = capsys.readouterr()
    return status, " ".join(shown.out.split()), shown.err


def test_a_plan_says_what_a_chip_holds_how_long_at_least_and_for_how_much(monkeypatch, capsys):
    found = [make_forecast("max"), make_forecast("avg", step_seconds=0.27)]
    status, shown, said = show(monkeypatch, capsys, found, price=10.0)
    assert status == 0 and not said
    assert "compiled for v6e-4 (v6e:2x2, 4 chips of 29.8 GiB), with no TPU" in shown
    row = "max 256 128 7.5 GiB 25.0% none 1.0 MiB 12.3 s ≥ 90 ms ≥ 3.0 minutes"
    assert row in shown and "avg" in shown
    assert "training takes v6e-4 at least 12.0 minutes (48.0 minutes of one chip)" in shown
    assert "bill: at least $2.00 for that" in shown and "not counted: evaluation" in shown


def test_of_little_the_bill_is_less_than_a_cent(monkeypatch, capsys):
    _, shown, _ = show(monkeypatch, capsys, [make_forecast("max", step_seconds=1e-7)], price=10.0)
    assert "≥ 0.0001 ms ≥ 0.2 ms" in shown and "bill: less than a cent for that" in shown


def test_without_a_price_there_is_no_bill(monkeypatch, capsys):
    _, shown, _ = show(monkeypatch, capsys, [make_forecast("max")])
    assert "bill" not in shown


def test_what_does_not_fit_is_said_beside_what_does(monkeypatch, capsys):
    large = Wave(128, 40 * GIB)
    none = make_forecast("avg", waves=(large, large._replace(lanes=64)), fits=False)
    status, shown, said = show(monkeypatch, capsys, [make_forecast("max"), none])
    assert status == 0 and not said
    assert "pool=avg: does not fit 29.8 GiB: 128 lanes at once: 40.0 GiB of each chip; " in shown
    assert "without 1 group of which nothing is known" in shown
    assert "avg 256 64 40.0 GiB 134.2% – – 0.0 s" in shown  # it was not compiled to the end


def test_which_wave_fits_is_said(monkeypatch, capsys):
    large, small = Wave(256, 40 * GIB), Wave(128, 20 * GIB)
    halved = make_forecast("max", waves=(large, small))
    _, shown, _ = show(monkeypatch, capsys, [halved])
    assert "256 lanes at once: 40.0 GiB of each chip, too much of 29.8 GiB; 128 lanes" in shown
    in_turn = make_forecast("max", waves=(large,), fits=False, in_turn=Wave(4, GIB))
    _, shown, _ = show(monkeypatch, capsys, [in_turn])
    assert "--lanes_strategy=map fits: 4 lanes at once: 1.0 GiB of each chip" in shown


def test_where_nothing_fits_the_plan_fails_in_one_line(monkeypatch, capsys):
    refused = make_forecast("max", waves=(), fits=False, step_seconds=None, error="no layout")
    status, shown, said = show(monkeypatch, capsys, [refused], price=3.0)
    assert status == 1 and said == "error: no group of these fits v6e-4\n"
    assert "the compiler refuses it: no layout" in shown and "bill" not in shown


def test_collectives_and_two_devices_a_chip_are_counted(monkeypatch, capsys):
    wave = Wave(8, 2 * GIB, collectives={"all-reduce": 2})
    found = make_forecast("max", waves=(wave,), devices_a_chip=2, step_seconds=None)
    _, shown, _ = show(monkeypatch, capsys, [found])
    assert "4.0 GiB" in shown and "2 all-reduce" in shown
    assert "time: nothing is known of it" in shown


def test_a_group_that_stands_alone_is_all(monkeypatch, capsys):
    _, shown, _ = show(monkeypatch, capsys, [make_forecast("max")])
    assert shown.count("256 128") == 1 and "all 256" in shown
