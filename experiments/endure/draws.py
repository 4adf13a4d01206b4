"""Command lines as Hypothesis draws them: flags that a script has, and values like and unlike them.

Most of a command line is right, so that it comes as far as what flags mean together; the rest is
what people mistype and what nobody should.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hypothesis
from absl import flags as absl_flags
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from cnnjax.config import measured
from cnnjax.config.config import KNOBS, make_config
from cnnjax.config.datasets import BUILT_IN
from cnnjax.config.knobs import ConfigError, Knob, parse_value
from cnnjax.study import metrics
from experiments import claims

NUMBERS = (
    "0", "-0", "-0.0", "+1", "-1", "1.0", "0.5", "2.5", "1e3", "1e-3", "0x10", "1_000", "٣", "Ⅷ",
    "1,2", "1/3", "1/0", ".", "1e", "e", "nan", "-nan", "inf", "-inf", "infinity", "1e-46", "1e-39",
    "1e38", "1e39", "1e308", "1e309", "1e999999999", "2147483647", "2147483648", "4294967295",
    "4294967296", "9223372036854775808", "1" + "0" * 400, "9" * 5000,
)  # fmt: skip
TEXTS = (
    "", " ", "  ", "true", "True", "no", "None", "null", "[]", "{}", "()", "''", '""', "'", '"',
    "`", "\\", "\\n", "=", "==", "-", "--", "---", "%s", "%", "{0}", "{", "$HOME", "~", "*", "?",
    "#", ";", "|", "&", "<b>", "[red]", "[/]", ":", "::", ",", ",,", "x", "xx", "1x", "x1", "a b",
    "a\tb", "a\nb", "a\x00b", "\x1b[31m", "é", "日本", "\u202e", "\U0001f600", "\udcff", "ﬁ", "İ",
    "a" * 300, "a" * 100_000, "(", "(?P<", "[a", "a**", "os:getcwd", "nowhere:nothing",
)  # fmt: skip
SPLITS = ("train", "train[:50%]", "train[:1]", "train[5:]", "train[:-1]", "train[", "test", "all",
          "train+test", "train[0:0]", "train[:999%]", "nope")  # fmt: skip
PATHS = (
    "runs", "empty", "nowhere", "nowhere/deeper", "..", "../..", ".", "./runs/", "file.txt",
    "file.txt/below", "table.csv", "right.npz", "good.npz", "flags.txt", "loop.txt", "wrong.txt",
    "broken.py", "raises.py", "images", "/dev/null", "/nowhere", "~nobody/x", "a" * 300, "é", "a b",
    "\udcff", "a\x00b", "", "-", "gs://nowhere/x", "file://x", "~nobody/a\x00b",
)  # fmt: skip
OWN_DATA = tuple(f"{kind}:{path}" for kind in ("folder", "arrays", "idx") for path in PATHS)
# What is read as more than a text, by the name of its flag: what some people mean.
MEANT: Mapping[str, Sequence[str]] = {
    "dataset": (*BUILT_IN, "shapes/rotation=9", "shapes/noise=15", "mnist", "cifar10",
                "cifar10:3.0.2", "cifar10:0.0.0", "imagenet2012", "emnist/balanced", "emnist/x",
                "mnistt", "folder", "folder:images", "arrays:good.npz", *OWN_DATA),
    "train_split": SPLITS, "validation_split": SPLITS, "test_split": SPLITS,
    "group_by": ("a", r"\d+", r"(a)(b)?", "(", "(?P<x>", "a{9999999}", "(a+)+$", ""),
    "epochs": ("1", "0.5", "1/3", "90", "0", "-1", "1e6", "1e-9", "1/0", "nan"),
    "topology": ("v6e:2x2", "v4:2x2x1", "x", ":"),
    "delimiter": ("auto", "comma", ";", "|", "tab", "ab", ""),
    "lanes": ("1", "1,2", "0", "a"), "batch_sizes": ("8", "8,16", "0", "a"),
    "plugin": ("broken.py", "raises.py", "nowhere.py", "no_such_module", "a.b.c", "", ".", "é"),
    "engine": ("nowhere:nothing", "os:nothing", "nowhere.py:f", "a", ":", "a:b:c", ""),
    "mesh": ("auto", "run:1", "run:1,data:2", "data:0", "lanes:2", "run:9", "run", "data:2,", ""),
    "board": ("mine", "", "all"),
    "help": ("", "pool", "training", "nothing", "flagfile", "help", "--pool"),
    "baseline": ("pool=max", "pool=max padding=SAME", "x", "="),
    "study": ("mine", "..", "../x", "a/b", "", "a b", ".", "a" * 300),
    "arm": ("arm", "nothing"), "seed": ("seed",), "image": ("image", ""),
    "a": ("one", "two"), "b": ("one", "two"),
}  # fmt: skip
SAFE = ("plan", "judge_only")  # flags with which nothing trains
MANY = 60  # flags, of a script that has the knobs


def numbers() -> st.SearchStrategy[str]:
    """Numbers of all sizes, and texts that look like one."""
    return st.one_of(
        st.sampled_from(NUMBERS),
        st.integers(-3, 300).map(str),
        st.integers().map(str),
        st.floats().map(repr),
    )


def texts() -> st.SearchStrategy[str]:
    """Any text but a path from the root."""
    letters = st.characters(blacklist_characters="/")
    return st.one_of(st.sampled_from(TEXTS), st.text(letters, max_size=20))


def values_of_knob(knob: Knob) -> st.SearchStrategy[str]:
    """What a knob takes, or nearly."""
    if knob.name in MEANT:
        return st.sampled_from(MEANT[knob.name])
    if knob.name == "measure":
        return st.lists(st.sampled_from(measured.list_names()), max_size=3).map(",".join)
    if knob.choices:
        own = st.sampled_from(knob.choices)
        return st.lists(own, max_size=3).map(",".join) if knob.type is tuple else own
    if knob.type is bool:
        return st.sampled_from(("true", "false", "1", "0", "t", "F"))
    if knob.type is float:
        low, high = (bound if bound is not None else end for bound, end in (
            (knob.low if knob.low is not None else knob.above, 0.0),
            (knob.high if knob.high is not None else knob.below, 3.0)))  # fmt: skip
        return st.one_of(
            st.floats(low, high).map(repr),
            st.sampled_from((knob.default, low, high)).map(str),
        )
    whole = st.integers(int(knob.low or 0), min(int(knob.high or 70), 70))
    if knob.type is int:
        return st.one_of(whole, st.integers(0, 9), st.sampled_from((224, 600, 601, 2000))).map(str)
    small = st.integers(int(knob.low or 0), 9)
    many = st.lists(st.one_of(small, whole), max_size=2 if knob.pair else 6)
    return st.tuples(many, st.sampled_from(",x")).map(lambda own: own[1].join(map(str, own[0])))


def values_of_flag(flag: absl_flags.Flag) -> st.SearchStrategy[str]:
    """What a flag takes, or nearly."""
    knob = KNOBS.get(flag.name)
    if knob is not None and hasattr(flag.parser, "knob"):
        return values_of_knob(knob)
    if flag.name in MEANT:
        return st.sampled_from(MEANT[flag.name])
    if flag.name == "grid":
        return grids()
    if flag.name == "metric":
        return st.sampled_from([*metrics.list_names(), "x", "seed"])
    if choices := getattr(flag.parser, "enum_values", None):
        return st.sampled_from([*choices, choices[0].upper()])
    if flag.boolean:
        return st.sampled_from(("true", "false", "1", "0"))
    if isinstance(flag.parser, absl_flags.FloatParser):
        return st.one_of(st.floats(0, 9).map(repr), st.sampled_from(NUMBERS))
    if isinstance(flag.parser, absl_flags.IntegerParser):
        return st.one_of(st.integers(0, 99).map(str), st.sampled_from(NUMBERS))
    return st.sampled_from(PATHS)


@st.composite
def grids(draw: st.DrawFn) -> str:
    """A knob and its values, as --grid takes them."""
    knob = draw(st.sampled_from([*KNOBS.values()]))
    quote = draw(st.sampled_from(("", "", "", '"', "'")))
    own = values_of_knob(knob) if draw(st.integers(0, 7)) else numbers()
    found = dict.fromkeys(draw(st.lists(own, min_size=2, max_size=3)))
    joined = ",".join(f"{quote}{value}{quote}" for value in found)
    return draw(st.sampled_from((f"{knob.name}={joined}",) * 8 + (joined, f"{knob.name}=", "=")))


@st.composite
def flag_texts(draw: st.DrawFn, known: Sequence[absl_flags.Flag]) -> list[str]:
    """One flag, as one argument or as two."""
    flag = draw(st.sampled_from(known))
    own = values_of_flag(flag)
    value = draw(st.one_of(own, own, own, own, own, numbers(), texts()))
    name = draw(names(flag.name)) if draw(st.integers(0, 29)) == 17 else flag.name
    equal = [f"--{name}={value}"]
    forms = [equal] * 20 + [[f"-{name}={value}"], [*equal, f"--{name}={draw(own)}"]]
    if flag.boolean:
        forms += [[f"--{name}"], [f"--no{name}"]] * 5 + [[f"--no{name}={value}"]]
    else:
        forms += [[f"--{name}", value]] * 2 + [[f"--{name}"], [f"--no{name}"]]
    return draw(st.sampled_from(forms))


@st.composite
def names(draw: st.DrawFn, name: str) -> str:
    """A name mistyped."""
    place = draw(st.integers(0, len(name) - 1))
    return draw(st.sampled_from((
        name[:place] + name[place + 1 :], name[:place] + name[place:][:1] + name[place:],
        name.replace("_", "-"), name.upper(), name + " ", name[:place], draw(texts())
    )))  # fmt: skip


def positionals(script: str) -> st.SearchStrategy[str]:
    """What stands without a flag."""
    own: dict[str, Sequence[str]] = {
        "launch": [*claims.find_studies()] * 3 + ["poolin", "all"],
        "experiments.judge": ["table.csv"] * 99,
    }
    return st.sampled_from([*own[script], *PATHS, *TEXTS])


@st.composite
def knobs(draw: st.DrawFn, known: Sequence[absl_flags.Flag]) -> list[str]:
    """Flags of knobs that go together, though they may not suit the data."""
    ours = [flag.name for flag in known if flag.name in KNOBS and hasattr(flag.parser, "knob")]
    names = draw(st.lists(st.sampled_from(ours), unique=True, max_size=12)) if ours else []
    given: dict[str, Any] = {}
    found = []
    for name in sorted(names, key="model".__ne__):
        text = draw(values_of_knob(KNOBS[name]))
        try:
            tried = {**given, name: parse_value(KNOBS[name], text)}
            make_config(tried)
        except ConfigError:
            continue
        given = tried
        found.append(f"--{name}={text}")
    return found


@st.composite
def command_lines(
    draw: st.DrawFn, scripts: Mapping[str, Sequence[absl_flags.Flag]]
) -> tuple[str, list[str]]:
    """A script and arguments of it; what keeps it from training stands last."""
    often = [name for name, known in scripts.items() for _ in range(4 if len(known) > MANY else 1)]
    script = draw(st.sampled_from(often))
    known = scripts[script]
    flags = [[text] for text in draw(knobs(known))]
    others = [flag for flag in known if flag.name not in KNOBS or not flags]
    flags += draw(st.lists(flag_texts(others), max_size=draw(st.sampled_from((0, 1, 2, 4)))))
    if script == "experiments.ablate" and draw(st.integers(0, 4)):
        flags.append([f"--grid={draw(grids())}"])
    if script in ("launch", "experiments.judge") and draw(st.integers(0, 2)):
        flags.append([draw(positionals(script))])
    if draw(st.integers(0, 29)) == 17:
        flags.insert(draw(st.integers(0, len(flags))), [draw(texts())])
    own = [flag.name for flag in known if flag.name in SAFE]
    last = [[f"--{draw(st.sampled_from(sorted(own)))}"]] if own else []
    return script, [text for flag in [*flags, *last] for text in flag]


def for_each(
    number: int, seed: int, scripts: Mapping[str, Sequence[absl_flags.Flag]],
    attempt: Callable[[str, list[str]], None],
) -> None:  # fmt: skip
    """Draws so many command lines of scripts with these flags, always the same by the seed."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=number, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @hypothesis.given(command_lines(scripts))
    def one(drawn: tuple[str, list[str]]) -> None:
        attempt(*drawn)

    one()
