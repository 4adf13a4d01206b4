"""`--help`: by family, of one flag, beside a model; and which flag is meant by an unknown one."""

import re

import pytest
from absl import flags as absl_flags

from cnnjax.config import flags, help, hints, register
from cnnjax.config.config import KNOBS, Config
from cnnjax.config.knobs import ConfigError
from cnnjax.config.models import defaults_of
from cnnjax.config.rules import find_knob


@pytest.fixture
def show(capsys):
    def show(*arguments):
        values = absl_flags.FlagValues()
        absl_flags.DEFINE_enum("mix", None, ["cpu"], "Of unlike runs.", flag_values=values)
        flags.define_config(values, Config())
        with pytest.raises(SystemExit) as ended:
            flags.parse(values, ["command", *arguments], "A command.")
        assert ended.value.code == 0
        return capsys.readouterr().out

    return show


def list_flags(text):
    return re.findall(r"^  --(\w+)  \(", text, re.MULTILINE)


def test_everything_is_there_once_below_its_family(show):
    names = list_flags(show("--help"))
    assert names == ["mix", "plugin", "traceback", "flagfile", "help", *[
        name for knob in KNOBS for name in ((knob, "epochs") if knob == "steps" else (knob,))
    ]]  # fmt: skip


@pytest.mark.parametrize("family", help.list_families())
def test_a_family_alone(show, family):
    text = show(f"--help={family.upper()}")
    assert text.startswith(f"{family.capitalize()}: ")
    expected = [knob.name for knob in KNOBS.values() if knob.family.lower() == family]
    assert [name for name in list_flags(text) if name != "epochs"] == expected


@pytest.mark.parametrize("knob", [name for name in register.CHOICES if name in KNOBS])
def test_a_flag_alone_has_a_line_on_each_choice(show, knob):
    text = show(f"--help={knob}")
    assert list_flags(text) == [knob]
    for name, meaning in help.list_choices(KNOBS[knob]).items():
        assert re.search(rf"^ +{name} +{re.escape(meaning[:20])}", text, re.MULTILINE), name


def test_each_choice_says_what_it_is_in_one_line_that_ends():
    for knob in register.CHOICES:
        for name, meaning in register.scan(knob).items():
            assert meaning.endswith("."), f"{knob}={name}: {meaning}"
    for name, model in register.CHOICES["model"].items():
        assert model.help.endswith("."), f"{name}: {model.help}"


def test_what_reads_a_flag_is_said(show):
    assert "Read with --optimizer=momentum | nesterov." in show("--help=momentum")
    assert "Read by --model=mlp | mnist1d_mlp." in show("--help=residual")
    assert "Read by all models but" in show("--help=--head")
    assert "Read" not in show("--help=seed") and "default: 0" in show("--help=seed")
    assert "--mix  (cpu; default: none)" in show("--help=mix")
    assert "Passes over the training images" in show("--help=epochs")


@pytest.mark.parametrize("model", ["resnet18", "resnet20", "lenet5", "airbench94"])
def test_beside_a_model_its_defaults_are_shown(show, model, tmp_path):
    text = show(f"--model={model}", "--help")
    for name, value in defaults_of(model).items():
        shown = flags.format_knob(value) or "none"
        head = rf"^  --{name}  \(.*; (default: )?{re.escape(shown)}(, by| in) {model}"
        assert re.search(head, text.replace("\n      ", " "), re.MULTILINE), name
    assert f"--match  (parameters | macs; not read by {model})" in text
    assert "--learning_rate  (a number > 0.0; default: 0.003)" in text
    (tmp_path / "recipe").write_text(f"--model={model}\n")
    assert show("--help", f"--flagfile={tmp_path / 'recipe'}") == text
    assert f"by {model}" not in show("--help")


def test_a_wrong_flag_beside_help_does_not_hinder_it(show):
    assert "Layers: " in show("--help", "--pool_size=x", "--nonsense")


def test_a_wrong_model_beside_help_is_refused_as_elsewhere(capsys):
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    with pytest.raises(SystemExit) as ended:
        flags.parse(values, ["command", "--pool_size=x", "--help", "--model=bogus"], "A command.")
    assert ended.value.code == 2
    assert "error: flag --model=bogus: give cnn|mlp|" in capsys.readouterr().err


def test_a_model_is_read_behind_a_wrong_flag(show):
    assert "by resnet20" in show("--pool_size=x", "--model=resnet20", "--help")


def test_a_script_without_knobs_names_neither_families_nor_models():
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string("seed", "seed", "Column, which is no knob.", flag_values=values)
    text = " ".join(help.render(values, "A command.").split())
    assert text.endswith("This text; --help=NAME is on one flag.")


def test_a_flag_that_may_be_repeated_says_so_in_a_sentence(show):
    text = " ".join(show("--help=plugin").split())
    assert text.endswith("the name of an entry point. May be given several times.")


def test_a_measure_is_told_once(show):
    assert show("--help=measure").count("among the five likeliest") == 1


@pytest.mark.parametrize(
    ("topic", "hint"),
    [("pol", "did you mean pool?"), ("lr", "did you mean learning_rate?"),
     ("runs", "the families are"),
     ("layer", "did you mean layers?"), ("qqqq", "the families are data, network, layers")],
)  # fmt: skip
def test_help_on_what_there_is_not_names_what_is_meant(topic, hint):
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    with pytest.raises(ConfigError, match=f"^--help={topic}: .*{re.escape(hint)}"):
        flags.parse(values, ["command", f"--help={topic}"], "A command.")


@pytest.mark.parametrize("width", [50, 60, 80])
def test_no_word_of_help_is_broken_at_any_width(width):
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    wide, narrow = (help.render(values, "A command.", "", size) for size in (100, width))
    assert wide.split() == narrow.split()
    assert all(len(line) <= width or len(line.split()) == 1 for line in narrow.splitlines())


@pytest.mark.parametrize(
    ("given", "meant"),
    [("lr", "learning_rate"), ("wd", "weight_decay"), ("bs", "batch_size"), ("epoch", "epochs"),
     ("optim", "optimizer"), ("learning-rate", "learning_rate"), ("Batch-Size", "batch_size"),
     ("poool", "pool"), ("arch", "model"), ("grid", None), ("zzzz", None)],
)  # fmt: skip
def test_what_others_call_a_flag_is_answered_with_ours(given, meant, capsys):
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    with pytest.raises(SystemExit) as ended:
        flags.parse(values, ["command", f"--{given}=1"], "A command.")
    assert ended.value.code == 2
    said = f"did you mean --{meant}?" if meant else "--help lists all"
    assert f"error: unknown flag --{given}: {said}" in capsys.readouterr().err


def test_a_knob_of_a_grid_is_answered_alike():
    with pytest.raises(ConfigError, match="unknown knob 'lr': did you mean learning_rate?"):
        find_knob("lr")


def test_each_hint_is_a_flag_that_there_is():
    scripts = {"epochs", "seeds", "runs", "workdir", "plan", "quiet", "flagfile"}
    for given, meant in {**hints.MEANT, **hints.ELSE}.items():
        assert meant in {*KNOBS, *scripts}, given
    assert not set(hints.MEANT) & set(KNOBS)
