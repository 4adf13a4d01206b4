"""experiments.checks: known answers, and programs compiled for TPUs that are not there."""

import contextlib
import types

import pytest
from jax.experimental import topologies

from cnnjax.config import register, slices
from cnnjax.config.config import KNOBS, make_config
from cnnjax.config.knobs import ConfigError, RunError
from cnnjax.networks import cost
from cnnjax.sweep import aot
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
        (["--models=cnn"], "--models goes with --tpu"),
        (["--meshes=data"], "--meshes goes with --tpu"),
        (["--tpu", "--meshes=lane"], "unknown mesh 'lane': did you mean lanes?"),
        (["--tpu", "--models=ccn"], "unknown model 'ccn': did you mean cnn?"),
        (["--tpu", "--all", "--models=cnn"], "--all and --models exclude each other"),
        (["cnn"], "unexpected 'cnn'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        call(*arguments)
    assert ended.value.code == 2 and message in capsys.readouterr().err


def test_without_the_compiler_nothing_passes(monkeypatch, capsys):
    monkeypatch.setattr(slices, "is_compiler_installed", lambda: False)
    with pytest.raises(ConfigError, match="--tpu was not checked"):
        call("--tpu")
    assert capsys.readouterr().out == ""


ROW = tpu.Compiled("cnn bfloat16", "advance", 2.0, 2**20, 3e6, "none")


@pytest.mark.parametrize(
    ("found", "status", "last"),
    [
        ([ROW, ROW], 0, "2 programs compiled, 0 networks failed"),
        ([ROW, tpu.Failure("vgg11 float32", "no")], 1, "1 program compiled, 1 network failed"),
    ],
)
def test_a_network_that_is_refused_is_a_failure(monkeypatch, capsys, found, status, last):
    monkeypatch.setattr(slices, "is_compiler_installed", lambda: True)
    monkeypatch.setattr(tpu, "compile_all", lambda *_: iter(found))
    assert call("--tpu") == status
    shown, progress = capsys.readouterr()
    assert last in shown and "cnn bfloat16: advance" in shown and "1.0 MiB" in shown
    assert ("failed: vgg11 float32: no" in shown) == bool(status)
    assert "cnn bfloat16: 0 s" in progress  # a line as each is done: all take long


def test_an_executable_says_what_it_holds_and_which_collectives_it_has():
    memory = types.SimpleNamespace(
        argument_size_in_bytes=10, output_size_in_bytes=5, temp_size_in_bytes=3,
        alias_size_in_bytes=4, generated_code_size_in_bytes=6,
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


MODELS, DTYPES = KNOBS["model"].choices, KNOBS["dtype"].choices


@pytest.mark.parametrize(
    ("arguments", "models", "dtypes", "effort", "meshes"),
    [
        ([], ("cnn", "resnet20", "airbench94"), ("bfloat16",), tpu.USUAL, ("lanes",)),
        (["--all"], MODELS, DTYPES, tpu.LEAST, tpu.MESHES),
        (["--models=cnn,vgg11"], ("cnn", "vgg11"), DTYPES, tpu.LEAST, ("lanes",)),
        (["--models=cnn", "--meshes=data"], ("cnn",), DTYPES, tpu.LEAST, ["data"]),
    ],
)
def test_flags_say_which_networks(monkeypatch, arguments, models, dtypes, effort, meshes):
    monkeypatch.setattr(slices, "is_compiler_installed", lambda: True)
    asked = []
    monkeypatch.setattr(tpu, "compile_all", lambda *given: asked.append(given) or iter([ROW]))
    assert call("--tpu", *arguments) == 0
    assert [(tuple(found), *rest) for found, *rest in asked] == [
        (models, dtypes, tpu.TOPOLOGY, effort, meshes)
    ]


@pytest.mark.parametrize(
    ("kind", "count", "data"),
    [("lanes", 16, 1), ("data", 16, 16), ("mixed", 16, 4), ("mixed", 256, 16), ("mixed", 8, 4)],
)
def test_chips_share_batches_by_the_kind_of_mesh(kind, count, data):
    assert tpu.count_data(kind, count) == data


@pytest.mark.parametrize(
    ("kind", "collectives", "said"),
    [
        ("lanes", "none", None),
        ("lanes", "1 all-gather", "advance of lanes alone has 1 all-gather"),
        ("data", "2 all-reduce", None),
        ("mixed", "none", "shares of a batch are not added up"),
    ],
)
def test_what_chips_tell_each_other_is_what_their_mesh_needs(kind, collectives, said):
    rows = [ROW._replace(program="init"), ROW._replace(collectives=collectives)]
    with pytest.raises(RunError, match=said) if said else contextlib.nullcontext():
        tpu.check_collectives(rows, kind)


def test_every_model_has_a_config_in_both_precisions():
    everything = tpu.list_networks(MODELS, DTYPES)
    assert len(everything) == 2 * len(MODELS)
    assert {config.batch_size for config in everything.values()} == {tpu.BATCH}
    assert all(config.lanes_strategy == "vmap" for config in everything.values())


def test_the_title_says_the_batch_and_whether_memory_is_a_bound(monkeypatch, capsys):
    monkeypatch.setattr(tpu, "BATCH", 24)
    for effort, bound in ((tpu.USUAL, False), (tpu.LEAST, True)):
        tpu.print_results([ROW], "v5e:2x2", effort)
        shown = " ".join(capsys.readouterr().out.split())
        assert "compiled for v5e:2x2, batches of 24 images" in shown
        assert ("at most" in shown) == bound


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ("INVALID_ARGUMENT: Invalid TPU external name: TPU v9", ConfigError,
         "--topology=v9:2x2 is not known to the compiler: give one such as"),
        ("ABORTED: Internal error when accessing libtpu multi-process lockfile. Run ...", RunError,
         "another process holds the TPU compiler: run this again once that has ended"),
        ("ABORTED: The TPU is already in use by process with pid 7", RunError,
         "another process holds the TPU compiler"),
        ("INTERNAL: no\nmemory", RunError, "the TPU compiler did not start (INTERNAL: no memory)"),
    ],
)  # fmt: skip
def test_a_compiler_that_does_not_start_says_why(monkeypatch, said, kind, message):
    def refuse(**_):
        raise RuntimeError(said)

    monkeypatch.setattr(topologies, "get_topology_desc", refuse)
    with pytest.raises(kind) as found:
        aot.find_devices("v9:2x2")
    assert str(found.value).startswith(message) and "\n" not in str(found.value)


def test_residual_networks_are_whole_again_after_a_failure():
    before = dict(register.CHOICES["model"])
    config = make_config({"model": "resnet20"})
    whole = cost.measure(config, (8, 8, 1), 10).parameters
    with pytest.raises(ZeroDivisionError), tpu.few_blocks():
        assert cost.measure(config, (8, 8, 1), 10).parameters < whole
        raise ZeroDivisionError
    assert before == register.CHOICES["model"]
    assert cost.measure(config, (8, 8, 1), 10).parameters == whole
