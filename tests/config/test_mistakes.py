"""What is declared wrongly is refused at once: one line with file and line."""

import pathlib
import sys

import pytest

from cnnjax.config import plugins
from cnnjax.config.errors import ConfigError

# By kind, text behind `import cnnjax` (so its first line is the third), the line that is blamed,
# and what is said.
DECLARED = {
    "activation pieces": (
        "@cnnjax.activation('own', pieces='2')\ndef f(units):\n    return units\n",
        3, "activation own: pieces='2': give an integer",
    ),
    "pooling sees": (
        "@cnnjax.pooling('own', sees=3)\ndef f(maps, size, stride, padding):\n    return maps\n",
        3, "pooling own: sees=3: give a function",
    ),
    "metric label": (
        "@cnnjax.metric('own', margin=0.1, label=3)\ndef f(record):\n    return 1\n",
        3, "metric own: label=3: give a text",
    ),
    "metric resolution": (
        "@cnnjax.metric('own', margin=0.1, resolution='x')\ndef f(logits, labels):\n"
        "    return 1\n",
        3, "metric own: resolution='x': give a number or a function",
    ),
    "metric by image": (
        "@cnnjax.metric('own', margin=0.1, by_image='yes')\ndef f(logits, labels):\n"
        "    return 1\n",
        3, "metric own: by_image='yes': give True or False or a function",
    ),
    "measure finish": (
        "@cnnjax.measure('own', finish=3)\ndef f(model, params, stats, observed, key):\n"
        "    return {}\n",
        3, "measure own: finish=3: give a function or None",
    ),
    "model defaults": (
        "@cnnjax.model('own', reads=(), defaults={'widhts': 3})\ndef f(config, num_classes):\n"
        "    pass\n",
        3, "defaults of model own: reads 'widhts', which is no knob: did you mean widths?",
    ),
    "choice reads text": (
        "@cnnjax.choice('optimizer', 'own', reads='momentum')\n"
        "def f(numbers, schedule, kernels):\n    pass\n",
        3, "optimizer own: reads='momentum': give a tuple of names",
    ),
    "data set class": (
        "@cnnjax.dataset('own')\nclass Own:\n    pass\n",
        3, "data set own is the class Own: declare a function, or a builder of TFDS",
    ),
    "family help": (
        "@cnnjax.family\nclass Own:\n    ratio: int = cnnjax.structure(1, 3)\n",
        3, "Own: ratio is no knob: write ratio: int = cnnjax.structure(",
    ),
    "family without help": (
        "@cnnjax.family\nclass Own:\n    ratio: int = 4\n", 3, "Own: ratio is no knob: write",
    ),
    "family without type": (
        "@cnnjax.family\nclass Own:\n    ratio = cnnjax.structure(4, 'A ratio.')\n",
        3, "Own: ratio is no knob: write ratio: int = cnnjax.structure(4, ",
    ),
    "family of no class": ("@cnnjax.family\ndef own():\n    pass\n", 3, "family own: @"),
    "family without default": (
        "@cnnjax.family\nclass Own:\n    ratio: int\n", 3, "Own: ratio is no knob: write",
    ),
    "family wrong default": (
        "@cnnjax.family\nclass Own:\n    ratio: int = cnnjax.structure('x', 'A ratio.')\n",
        3, "--ratio=x is not allowed",
    ),
    "family wrong type": (
        "@cnnjax.family\nclass Own:\n    ratio: dict = cnnjax.structure({}, 'A ratio.')\n",
        3, "",
    ),
    "family wrong rule": (
        "@cnnjax.family\nclass Own:\n    ratio: int = cnnjax.structure(1, 'A ratio.', least=0)\n",
        3, "",
    ),
    "pooling bare": (
        "@cnnjax.pooling\ndef own(maps, size, stride, padding):\n    pass\n",
        3, '@cnnjax.pooling has no name: write @cnnjax.pooling("own")',
    ),
    "activation bare": (
        "@cnnjax.activation\ndef own(units):\n    pass\n",
        3, '@cnnjax.activation has no name: write @cnnjax.activation("own")',
    ),
    "measure bare": (
        "@cnnjax.measure\ndef own(model, params, stats, observed, key):\n    pass\n",
        3, '@cnnjax.measure has no name: write @cnnjax.measure("own")',
    ),
    "data set bare": (
        "@cnnjax.dataset\ndef own():\n    pass\n",
        3, '@cnnjax.dataset has no name: write @cnnjax.dataset("own")',
    ),
    "model bare": (
        "@cnnjax.model\ndef own(config, num_classes):\n    pass\n",
        3, '@cnnjax.model has no name: write @cnnjax.model("own", reads=())',
    ),
    "metric bare": (
        "@cnnjax.metric\ndef own(record):\n    pass\n",
        3, '@cnnjax.metric has no name: write @cnnjax.metric("own", margin=0.01)',
    ),
    "choice bare": (
        "@cnnjax.choice\ndef own(steps):\n    pass\n",
        3, '@cnnjax.choice has no name: write @cnnjax.choice("schedule", "own")',
    ),
    "choice without name": (
        "@cnnjax.choice('schedule')\ndef own(steps):\n    pass\n",
        3, '@cnnjax.choice has no name: write @cnnjax.choice("schedule", "name")',
    ),
    "declared twice": (
        "@cnnjax.activation('own')\ndef f(units):\n    return units\n"
        "@cnnjax.activation('own')\ndef f(units):\n    return 2 * units\n",
        6, "--activation=own is there already: give it another name",
    ),
    "family twice": (
        2 * "@cnnjax.family\nclass Own:\n    ratio: int = cnnjax.structure(1, 'A ratio.')\n",
        6, "family Own is there already: give it another name",
    ),
    "schedule signature": (
        "@cnnjax.choice('schedule', 'own')\ndef f():\n    pass\n",
        3, "schedule own takes (): write (steps)",
    ),
    "optimizer signature": (
        "@cnnjax.choice('optimizer', 'own')\ndef f(rate):\n    pass\n",
        3, "optimizer own takes (rate): write (numbers, schedule, kernels)",
    ),
    "augment signature": (
        "@cnnjax.choice('augment', 'own')\ndef f(images):\n    pass\n",
        3, "augment own takes (images): write (key, images)",
    ),
    "corruption signature": (
        "@cnnjax.choice('corruption', 'own', strengths=(0.0, 1.0))\ndef f(images):\n    pass\n",
        3, "corruption own takes (images): write (key, images, strength, way, pixels)",
    ),
    "corruption strengths": (
        "@cnnjax.choice('corruption', 'own')\ndef f(key, images, strength, way, pixels):\n"
        "    return images\n",
        3, "corruption own: give strengths=(0.0, 0.5, 1.0)",
    ),
    "choice trait": (
        "@cnnjax.choice('optimizer', 'own', avarages=2)\ndef f(numbers, schedule, kernels):\n"
        "    pass\n",
        3, "optimizer own: avarages says nothing here: it may say reads, averages",
    ),
    "choice reads": (
        "@cnnjax.choice('optimizer', 'own', reads=('momentun',))\n"
        "def f(numbers, schedule, kernels):\n    pass\n",
        3, "optimizer own: reads 'momentun', which is no knob: did you mean momentum?",
    ),
    "measure signature": (
        "@cnnjax.measure('own')\ndef f(model):\n    pass\n",
        3, "measure own takes (model): write (model, params, stats, observed, key)",
    ),
    "metric signature": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(labels, logits):\n    pass\n",
        3, "metric own takes ['labels', 'logits']: write (record) or (logits, labels)",
    ),
    "unknown decorator": (
        "@cnnjax.poling('own')\ndef f(maps):\n    pass\n",
        3, "AttributeError: module 'cnnjax' has no attribute 'poling'",
    ),
}  # fmt: skip


def refuse(path, text):
    """What is said of a plug-in of that text."""
    path.write_text("import cnnjax\n\n" + text)
    with pytest.raises(ConfigError) as error:
        plugins.load([str(path)])
    return str(error.value)


@pytest.mark.parametrize("name", DECLARED)
def test_what_is_declared_wrongly_is_refused_with_its_place(outside, name):
    text, line, words = DECLARED[name]
    path = pathlib.Path(outside["beside"]).with_name("mistaken.py")
    said = refuse(path, text)
    assert said.startswith(f"--plugin={path}: {path}:{line}: {words}") and "\n" not in said


def test_a_file_beside_it_is_blamed_for_what_it_declares(outside):
    beside = pathlib.Path(outside["beside"]).with_name("helping.py")
    for text, words in (
        ("import cnnjax\n@cnnjax.pooling\ndef own():\n    pass\n", "2: @cnnjax.pooling has no"),
        ("import cnnjax\n@cnnjax.pooling('max')\ndef own():\n    pass\n", "2: --pool=max is"),
        ("import cnnjax\ncnnjax.study(3)\n", "2: cnnjax.study(3): give a cnnjax.Study"),
        ("import cnnjax\n@cnnjax.family\nclass A:\n    a: int = 1\n", "2: A: a is no knob"),
    ):
        beside.write_text(text)
        sys.modules.pop("helping", None)
        path = beside.with_name("mistaken.py")
        said = refuse(path, "import helping\n")
        assert f"{path}: {beside}:{words}" in said and said.count(str(beside)) == 1
