"""One syntax for flags, files of flags and grids; what is printed can be given back to a shell."""

import subprocess

import pytest
from absl import flags as absl_flags

from cnnjax.config import flags, knobs, paths
from cnnjax.config.config import KNOBS, Config
from cnnjax.config.knobs import ConfigError
from cnnjax.report import folders
from cnnjax.study import own
from experiments import ablate


def parse(*arguments):
    """The Config fields that a command line gives."""
    values = absl_flags.FlagValues()
    flags.define_config(values, Config())
    flags.parse(values, ["command", *arguments], "A command.")
    return flags.given_config(values)


@pytest.mark.parametrize(
    ("name", "text", "value", "other"),
    [
        ("flip", "1", True, False), ("flip", "0", False, True), ("flip", "T", True, False),
        ("flip", "f", False, True), ("flip", " True", True, False), ("pool", " avg", "avg", "max"),
        ("widths", "4, 8", (4, 8), (2,)), ("widths", "4x8", (4, 8), (2,)),
        ("hidden", "", (), (2,)), ("kernel_size", "3x3", (3,), (5,)), ("steps", "7 ", 7, 8),
        ("learning_rate", " 1e-3", 1e-3, 1.0), ("steps", "1e3", 1000, 8), ("steps", "20.0", 20, 8),
        ("widths", "1e2,64", (100, 64), (2,)),
    ],
)  # fmt: skip
def test_a_flag_and_a_grid_read_a_value_alike(name, text, value, other):
    assert parse(f"--{name}={text}") == {name: value}
    grid = ablate.parse_grid([f"{name}='{text}',{knobs.format_value(other)}"])
    assert grid == {name: (value, other)}


@pytest.mark.parametrize(
    "text", ["flip=2", "pool=men", "widths=4,,8", "widths=4,", "steps=1e-3", "steps=1.5"]
)
def test_a_flag_and_a_grid_refuse_a_value_alike(text, capsys):
    name, _, value = text.partition("=")
    allowed = f"give {knobs.describe_allowed(KNOBS[name])}"
    with pytest.raises(SystemExit):
        parse(f"--{text}")
    assert allowed in capsys.readouterr().err
    with pytest.raises(ConfigError) as caught:
        ablate.parse_grid([f"{name}='{value}',1"])
    assert allowed in str(caught.value)


def test_a_boolean_flag_needs_no_value():
    assert parse("--flip", "--nobias") == {"flip": True, "bias": False}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("max,avg", ["max", "avg"]),
        (" max , avg ", ["max", "avg"]),
        ('"a,b",c', ["a,b", "c"]),
        ("'a,b' , c", ["a,b", "c"]),
        ('"say ""a,b""",c', ['say "a,b"', "c"]),
        ("'it''s',it's", ["it's", "it's"]),
        ('"", x', ["", "x"]),
        ("' padded '", [" padded "]),
        ("folder:/a b,'folder:/c, d'", ["folder:/a b", "folder:/c, d"]),
    ],
)
def test_values_of_a_grid_are_split_at_commas_outside_of_quotes(text, values):
    assert knobs.split_values(text) == values


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["pool=max,,avg"], "--grid=pool=max,,avg: max,,avg has an empty value: leave out the com"),
        (["pool=max,avg,"], "has an empty value"),
        (["hidden= ,64"], 'write "" if it is meant'),
        (["pool="], "--grid=pool= names no values: write --grid=pool=VALUE,VALUE"),
        (["pool"], "write --grid=pool=VALUE,VALUE"),
        ([""], "write --grid=KNOB=VALUE,VALUE"),
        (["=max,avg"], "write --grid=KNOB=VALUE,VALUE"),
        (["pool=max,'avg"], "begins with a quote that does not end the value"),
        (["pool=max, 'avg' x"], "begins with a quote that does not end the value"),
        (["pool=max"], "gives one: give at least two values, all different"),
        (["learning_rate=0.01,1e-2"], "gives 0.01 twice: give at least two values, all different"),
        (["flip=0,1,false"], "gives false twice"),
        (["kernel_size=3,5,3x3"], "gives 3 twice"),
        (["pool=max,avg", " pool =l2,blur"], "--grid=pool is given twice"),
        ([], "--grid is missing"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_in_one_line(texts, message):
    with pytest.raises(ConfigError, match="^[^\n]*$") as caught:
        ablate.parse_grid(texts)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["../../x", "a/b", "", ".", "..", ".x", "-x", "a b", "records",
                                  "Scoreboard", "x" * 101, "a\udcff", "a\n"])  # fmt: skip
def test_a_name_that_cannot_be_a_report_s_folder_is_refused(name):
    with pytest.raises(ConfigError, match="cannot name a report's folder: give letters"):
        own.check_name(name, "--study=")


def test_names_of_many_knobs_make_no_endless_folder():
    assert folders.join_names(["pool", "padding"]) == "pool-padding"
    name = folders.join_names(KNOBS)
    assert name.startswith("dataset-train_split-") and name.endswith("-and-more")
    assert len(name) < 120


LINES = ["# Möwe", "", "--widths=4,8", "  // and", " --dataset=folder:Möwe "]
GIVEN = {"widths": (4, 8), "dataset": "folder:Möwe"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_flag_file_may_have_any_mark_and_ends_of_lines(tmp_path, encoding, end):
    (tmp_path / "flags").write_bytes(end.join(LINES).encode(encoding))
    assert parse(f"--flagfile={tmp_path / 'flags'}") == GIVEN
    assert parse("--flagfile", str(tmp_path / "flags")) == GIVEN


def test_a_flag_file_in_another_encoding_is_named_with_its_line(tmp_path):
    path = tmp_path / "flags"
    path.write_bytes("\n".join(LINES[:3]).encode("latin-1"))  # a comment harms nobody
    assert parse(f"--flagfile={path}") == {"widths": (4, 8)}
    path.write_bytes("\n".join(LINES).encode("latin-1"))
    with pytest.raises(ConfigError, match="flags, line 5: byte 0xf6 is no UTF-8: save the file"):
        parse(f"--flagfile={path}")


def test_flag_files_stand_in_their_place_and_may_name_others(tmp_path):
    inner, outer = tmp_path / "in ner", tmp_path / "outer"
    inner.write_text("--steps=3\n")
    outer.write_text(f"--steps=2\n--flagfile={inner}\n--seed=5\n")
    assert parse("--steps=1", f"--flagfile={outer}") == {"steps": 3, "seed": 5}
    assert parse(f"--flagfile={outer}", "--steps=1") == {"steps": 1, "seed": 5}


def test_a_flag_file_that_cannot_be_read_is_told_in_one_line(tmp_path):
    (tmp_path / "itself").write_text(f"--flagfile={tmp_path / 'itself'}\n")
    for name, message in (
        ("nowhere", "cannot be read: No such file"), ("", "cannot be read: Is a directory"),
        ("itself", "reads itself"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            parse(f"--flagfile={tmp_path}/{name}")
    for arguments in (["--flagfile"], ["--flagfile="]):
        with pytest.raises(ConfigError, match="names no file: give --flagfile=FILE"):
            parse(*arguments)


@pytest.mark.parametrize(
    "argument",
    ["--pool=avg", "--runs=my runs", "--grid=dataset='a,b',\"c\"", "--runs=$HOME", "a\\b",
     "folder:/ph\udcffotos/it's\\x", "two\nlines\tand\x1b", "", "Möwe−"],
)  # fmt: skip
def test_a_printed_command_is_read_back_by_a_shell(argument):
    line = flags.quote_command(["printf", "%s|", argument])
    assert knobs.printable(line) == line  # one line, all of which can be shown
    shown = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert shown.decode(errors="surrogateescape") == f"{argument}|"


def test_what_cannot_be_shown_is_shown_as_an_escape():
    assert knobs.printable("ph\udcffotos\n − ü\x85") == r"ph\xffotos\x0a − ü\u0085"
    assert knobs.format_value("folder:/ph\udcff") == r"folder:/ph\xff"


def test_more_seeds_than_anyone_needs_are_one_line(call):
    run = call("launch.py", "--seeds=4294967296", "--plan")
    assert run.returncode == 2 and run.stdout == ""
    (line,) = run.stderr.strip().splitlines()
    assert "seeds" in line and "10000" in line


def test_the_help_has_a_heading_a_family(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    lines = capsys.readouterr().out.splitlines()
    heads = [line for line in lines if line and not line.startswith(" ") and ": " in line]
    assert [head.partition(":")[0] for head in heads] == [
        "Data", "Network", "Layers", "Training", "Augmentation", "Execution"
    ]  # fmt: skip
    assert max(map(len, lines)) <= 100
    start = lines.index(next(head for head in heads if head.startswith("Augmentation")))
    assert lines[start + 2].startswith("  --flip  (true | false; default: false)")


@pytest.mark.parametrize("flag", ["--noflip=1", "--notraceback=x", "--noskip_bad_files="])
def test_a_negated_flag_takes_no_value(flag, capsys):
    values = absl_flags.FlagValues()
    flags.define_where(values)
    flags.define_config(values, Config())
    with pytest.raises(SystemExit) as ended:
        flags.parse(values, ["command", flag], "A command.")
    said = f"error: {flag} is not allowed: give {flag.partition('=')[0]} alone\n"
    assert ended.value.code == 2 and capsys.readouterr().err == said


def test_a_network_of_convolutions_has_one(capsys):
    with pytest.raises(ConfigError, match="--widths= is not allowed: give integers such as 16,32"):
        Config(widths=())
    assert Config(hidden=()).hidden == ()


@pytest.mark.parametrize("path", ["~no-such-user/flags", "~no\0body", "a" * 300])
def test_a_path_that_cannot_be_is_only_not_there(path):
    with pytest.raises(ConfigError, match="--flagfile=.* cannot be read"):
        parse(f"--flagfile={path}")
    assert str(paths.expand(path)) == path and paths.expand("~/x").is_absolute()


def test_more_evaluations_than_anyone_reads_are_one_line():
    with pytest.raises(
        ConfigError, match="asks for 2,147,483,647 evaluations: give --eval_every=2148"
    ):
        Config(steps=2**31 - 1, eval_every=1, batch_size=1)
    assert Config(steps=2**31 - 1, eval_every=2148, batch_size=1).eval_every == 2148
