"""experiments.checks: known answers, and programs compiled for TPUs that are not there."""

import types

import pytest

from cnnjax.config.config import KNOBS
from experiments.checks import __main__ as checks
from experiments.checks import tpu

OPTAX = True  # see conftest.py


def call(*arguments):
    return checks.main(["checks", *arguments], None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--all"], "--all goes with --tpu"),
        (["--topology=v5e:2x2"], "--topology goes with --tpu"),
        (["cnn"], "unexpected 'cnn'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        call(*arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_without_the_compiler_nothing_passes(monkeypatch, capsys):
    monkeypatch.setattr(tpu, "is_installed", lambda: False)
    with pytest.raises(SystemExit) as ended:
        call("--tpu")
    shown = capsys.readouterr()
    assert ended.value.code == 2 and shown.out == "" and shown.err.count("\n") == 1
    assert "was not checked" in shown.err and "'.[tpu]'" in shown.err


ROW = tpu.Compiled("cnn bfloat16", "advance", 2.0, 2**20, 3e6, "none")


@pytest.mark.parametrize(
    ("found", "status", "last"),
    [
        ([ROW, ROW], 0, "2 programs compiled, 0 networks failed"),
        ([ROW, tpu.Failure("vgg11 float32", "no")], 1, "1 programs compiled, 1 networks failed"),
    ],
)
def test_a_network_that_is_refused_is_a_failure(monkeypatch, capsys, found, status, last):
    monkeypatch.setattr(tpu, "is_installed", lambda: True)
    monkeypatch.setattr(tpu, "compile_all", lambda everything, topology: iter(found))
    assert call("--tpu") == status
    shown = capsys.readouterr().out
    assert last in shown and "cnn bfloat16: advance" in shown and "1.0 MiB" in shown
    assert ("failed: vgg11 float32: no" in shown) == bool(status)


def test_an_executable_says_what_it_holds_and_which_collectives_it_has():
    memory = types.SimpleNamespace(
        argument_size_in_bytes=10, output_size_in_bytes=5, temp_size_in_bytes=3,
        alias_size_in_bytes=4,
    )  # fmt: skip
    text = "\n".join(
        ("  a = f32[] all-reduce(b), replica_groups={}", "  c = f32[] all-reduce-start(d)",
         "  e = f32[2] all-gather(f)", "  g = f32[2] add(h, i)")
    )  # fmt: skip
    compiled = types.SimpleNamespace(
        memory_analysis=lambda: memory, cost_analysis=lambda: {"flops": 7.0}, as_text=lambda: text
    )
    found = tpu.describe_compiled("cnn", "advance", 1.5, compiled)
    assert (found.chip_bytes, found.flops) == (14, 7.0)
    assert found.collectives == "2 all-reduce, 1 all-gather"


def test_the_networks_are_three_in_bfloat16_or_all_in_both_precisions():
    few = tpu.list_networks(everything=False)
    assert [config.model for config in few.values()] == ["cnn", "resnet20", "airbench94"]
    assert all(config.dtype == "bfloat16" for config in few.values())
    everything = tpu.list_networks(everything=True)
    assert len(everything) == 2 * len(KNOBS["model"].choices)
    assert all(config.lanes_strategy == "vmap" for config in everything.values())
