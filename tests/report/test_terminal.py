"""Tables of the terminal, however narrow it is: no word and no number is broken or cut."""

import re

import pytest
from rich.console import Console
from rich.markup import escape

from cnnjax.config import words
from cnnjax.config.config import Config, make_config
from cnnjax.networks import cost
from cnnjax.report import console as console_lib
from cnnjax.report import terminal


def show(capsys, width, print_it):
    """The lines of what is printed on a terminal of that width."""
    print_it(Console(width=width))
    return capsys.readouterr().out.splitlines()


def test_layer_names_stay_whole_at_80_columns(capsys):
    config = make_config({"model": "resnet50"})
    measured = cost.measure(config, (224, 224, 3), 1000)
    lines = show(capsys, 80, lambda console: terminal.print_cost(config, measured, console))
    shown = [line.split()[0] for line in lines if line.split()]
    for layer in measured.layers:
        assert shown.count(layer.name) == 2  # in the table, and beside the column that follows
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 80 and "4,089,184,256" in text and "…" not in text
    assert re.search(r"^ block_5/conv_1 +28×28×128 +65,536 +51,380,224 +392.0 KiB $", text, re.M)


CELLS = [
    ["lead of pool=max over pool=avg − 0.25", "+12,345.678", "[−282.5, −177.5]", "inconclusive"],
    ["dataset=folder:/photos/of/cats activation=relu", "−0.1", "[+0.00, +0.01]", "supported"],
    ["[/x] 日本語 [bold]", "1", "[1, 2]", "refuted"],
]


def make_table():
    table = console_lib.start_table("A question of several words, which may wrap?", "a − b")
    for name in ("difference", "95% interval", "verdict"):
        table.add_column(name, justify="right")
    for row in CELLS:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    return table


@pytest.mark.parametrize("width", [*range(32, 100), 200])
def test_no_word_and_no_number_is_broken_at_any_width(capsys, width):
    table = make_table()
    lines = show(capsys, width, lambda console: console_lib.print_table(table, console))
    text = "\n".join(lines)
    for name, *others in CELLS:
        assert all(cell in text for cell in others)
        assert all(word in text.split() for word in name.split())
    for header in ("difference", "95% interval", "verdict"):
        assert header in text
    longest = len("dataset=folder:/photos/of/cats") + len("[−282.5, −177.5]") + 5
    assert max(map(len, lines)) <= max(width, longest)


def test_what_fits_is_one_table(capsys):
    lines = show(capsys, 200, lambda console: console_lib.print_table(make_table(), console))
    assert sum("verdict" in line and "difference" in line for line in lines) == 1
    narrow = show(capsys, 70, lambda console: console_lib.print_table(make_table(), console))
    assert sum("a − b" in line for line in narrow) == 2
    assert narrow[0].startswith("A question of several words")


def test_a_header_wraps_before_its_column_goes_below(capsys):
    table = console_lib.start_table("", "arm")
    table.add_column("receptive field", justify="right")
    table.add_row("pool=max", "12")
    wide, narrow = (
        show(capsys, width, lambda console: console_lib.print_table(table, console))
        for width in (40, 25)
    )
    assert [line.split() for line in wide if "arm" in line] == [["arm", "receptive", "field"]]
    assert [line.split() for line in narrow if line.strip()][:2] == [
        ["receptive"],
        ["arm", "field"],
    ]


def test_the_plan_of_a_run_has_no_broken_number(capsys):
    config = Config(widths=(128, 256), hidden=(512,))
    measured = cost.measure(config, (224, 224, 3), 1000)
    for width in (30, 50, 80):
        lines = show(capsys, width, lambda console: terminal.print_cost(config, measured, console))
        text = "\n".join(lines)
        for layer in measured.layers:
            assert f" {layer.macs:,} " in text and f" {layer.parameters:,} " in text


ARMS = {
    "pool=max widths=16,32": {"pool": "max", "widths": (16, 32), "padding": "SAME"},
    "pool=avg": {"pool": "avg", "padding": "SAME"},
}


def make_arms_table():
    keys, cells = terminal.tell_apart(ARMS)
    table = console_lib.start_table("", *keys)
    table.add_column("mean%", justify="right")
    for name, mean in zip(ARMS, ("96.1", "95.9"), strict=True):
        table.add_row(*cells[name], mean)
    return keys, table


def test_arms_have_a_column_a_knob_in_which_they_differ(capsys):
    keys, table = make_arms_table()
    assert keys == ["pool", "widths"]
    lines = show(capsys, 80, lambda console: console_lib.print_table(table, console, len(keys)))
    assert [line.split() for line in lines if line.strip() and "─" not in line] == [
        ["pool", "widths", "mean%"], ["max", "16,32", "96.1"], ["avg", "95.9"],
    ]  # fmt: skip
    assert terminal.tell_apart({"": {}}) == (["arm"], {"": ["all"]})


def test_knobs_that_leave_no_room_stand_in_one_column(capsys):
    keys, table = make_arms_table()
    lines = show(capsys, 22, lambda console: console_lib.print_table(table, console, len(keys)))
    assert [line.split() for line in lines if line.strip() and "─" not in line] == [
        ["arm", "mean%"], ["pool=max"], ["widths=16,32", "96.1"], ["pool=avg", "95.9"],
    ]  # fmt: skip
    assert max(map(len, lines)) <= 22


def test_no_name_commands_the_terminal(capsys):
    """A class may be called as the sequence that clears the screen."""
    name = "\x1b[2J[red]cat[/red]\x9b"
    table = console_lib.start_table(name, name)
    table.add_row(escape(name))
    shown = show(capsys, 80, lambda console: console_lib.print_table(table, console))
    shown += show(capsys, 80, lambda console: console_lib.print_text(name, console))
    words.say(name)
    shown += capsys.readouterr().out.splitlines()
    assert sum(r"\x1b[2J[red]cat[/red]\u009b" in line for line in shown) >= 4, shown
    assert not {"\x1b", "\x9b"} & set("".join(shown))
