"""Whatever is wrong in a plug-in, of any kind: one line with file and line, and no traceback."""

import pathlib
import sys

import pytest

import launch
from cnnjax.config import plugins
from cnnjax.study import own
from experiments import ablate, script, train

OPTAX = True  # see conftest.py
SMALL = "--steps=4 --eval_every=4 --train_examples=64 --batch_size=16 --widths=4,4".split()
LEARNING = [*SMALL[:-1], "--steps=60", "--train_examples=300"]
# Mistakes that a plan finds: kind, text behind `import cnnjax` (so its first line is the third),
# flags, the line that is blamed, and what is said.
PLANNED = {
    "activation signature": (
        "@cnnjax.activation('own')\ndef f():\n    return 1\n",
        "--activation=own", 3, r"activation own takes (): write (units)",
    ),
    "activation of two": (
        "@cnnjax.activation('own')\ndef f(units, slope):\n    return units\n",
        "--activation=own", 3, "activation own takes (units, slope): write (units)",
    ),
    "activation None": (
        "@cnnjax.activation('own')\ndef f(units):\n    units + 1\n",
        "--activation=own", 3, "activation own gives None: give units [",
    ),
    "activation text": (
        "@cnnjax.activation('own')\ndef f(units):\n    return 'no'\n",
        "--activation=own", 3, "activation own gives the text 'no': give units [",
    ),
    "activation shape": (
        "@cnnjax.activation('own')\ndef f(units):\n    return units[..., :1]\n",
        "--activation=own", 3, "activation own gives float32 [1, 8, 8, 1]: give units [1, 8, 8, 4]",
    ),
    "activation dtype": (
        "@cnnjax.activation('own')\ndef f(units):\n    return (units > 0).astype(int)\n",
        "--activation=own", 3, "activation own gives int32 [",
    ),
    "activation ValueError": (
        "@cnnjax.activation('own')\ndef f(units):\n    raise ValueError('bad')\n",
        "--activation=own", 5, "ValueError: bad",
    ),
    "activation below": (
        "def g(units):\n    return units.nothing\n@cnnjax.activation('own')\n"
        "def f(units):\n    return g(units)\n",
        "--activation=own", 4, "AttributeError: ",
    ),
    "activation of text": (
        "cnnjax.activation('own')('relu')\n",
        "--activation=own", 3, "activation own is the text 'relu': declare a function",
    ),
    "pooling signature": (
        "@cnnjax.pooling('own')\ndef f(maps):\n    return maps\n",
        "--pool=own", 3, "pooling own takes (maps): write (maps, size, stride, padding)",
    ),
    "pooling keyword": (
        "@cnnjax.pooling('own')\ndef f(maps, size, stride, padding, *, power):\n    return maps\n",
        "--pool=own", 3, "pooling own takes (maps, size, stride, padding, *, power): write (",
    ),
    "pooling None": (
        "@cnnjax.pooling('own')\ndef f(maps, size, stride, padding):\n    pass\n",
        "--pool=own", 3, "pooling own gives None for maps [",
    ),
    "pooling shape": (
        "@cnnjax.pooling('own')\ndef f(maps, size, stride, padding):\n"
        "    return maps.mean(axis=(1, 2))\n",
        "--pool=own", 3, "pooling own gives float32 [1, 4] for maps [1, 8, 8, 4]: give maps [N, H'",
    ),
    "pooling dtype": (
        "@cnnjax.pooling('own')\ndef f(maps, size, stride, padding):\n"
        "    return maps[:, ::2, ::2].astype(int)\n",
        "--pool=own", 3, "pooling own gives int32 [",
    ),
    "pooling ValueError": (
        "@cnnjax.pooling('own')\ndef f(maps, size, stride, padding):\n    raise ValueError('no')\n",
        "--pool=own", 5, "ValueError: no",
    ),
    "norm None": (
        "@cnnjax.choice('norm', 'own')\ndef f(config, units, train, name):\n    pass\n",
        "--norm=own", 3, "norm own gives None: give units [",
    ),
    "norm signature": (
        "@cnnjax.choice('norm', 'own')\ndef f(units):\n    return units\n",
        "--norm=own", 3, "norm own takes (units): write (config, units, train, name)",
    ),
    "init signature": (
        "@cnnjax.choice('init', 'own')\ndef f(shape):\n    return shape\n",
        "--init=own", 3, "initial kernel own takes (shape): write (key, shape, dtype)",
    ),
    "init shape": (
        "import jax.numpy as jnp\n@cnnjax.choice('init', 'own')\n"
        "def f(key, shape, dtype=jnp.float32):\n    return jnp.zeros(shape[:-1])\n",
        "--init=own", 4, "initial kernel own gives float32 [3, 3, 1]: give a kernel [3, 3, 1, 4]",
    ),
    "init None": (
        "@cnnjax.choice('init', 'own')\ndef f(key, shape, dtype=None):\n    pass\n",
        "--init=own", 3, "initial kernel own gives None: give a kernel",
    ),
    "model signature": (
        "@cnnjax.model('own', reads=())\ndef f(config):\n    pass\n",
        "--model=own", 3, "model own takes (config): write (config, num_classes)",
    ),
    "model None": (
        "@cnnjax.model('own', reads=())\ndef f(config, num_classes):\n    pass\n",
        "--model=own", 3, "model own gives None: give a Linen module",
    ),
    "model text": (
        "@cnnjax.model('own', reads=())\ndef f(config, num_classes):\n    return 'resnet'\n",
        "--model=own", 3, "model own gives the text 'resnet': give a Linen module",
    ),
    "model class": (
        "from flax import linen as nn\n@cnnjax.model('own', reads=())\n"
        "def f(config, num_classes):\n    return nn.Dense\n",
        "--model=own", 4, "model own gives the class Dense: give a Linen module",
    ),
    "model reads": (
        "@cnnjax.model('own', reads='widths')\ndef f(config, num_classes):\n    pass\n",
        "--model=own", 3, "model own: reads='widths': give a tuple",
    ),
    "data set None": (
        "@cnnjax.dataset('own')\ndef f():\n    pass\n",
        "--dataset=own", 3, "--dataset=own gives NoneType: return a dict",
    ),
    "data set signature": (
        "@cnnjax.dataset('own')\ndef f(path):\n    pass\n",
        "--dataset=own", 3, "data set own takes (path): write ()",
    ),
    "data set keys": (
        "import numpy as np\n@cnnjax.dataset('own')\ndef f():\n    return {'x': np.zeros(9)}\n",
        "--dataset=own", 4, "--dataset=own",
    ),
    "data set labels": (
        "import numpy as np\n@cnnjax.dataset('own')\ndef f():\n"
        "    return {'x_train': np.zeros((9, 8, 8)), 'y_train': np.zeros(7),\n"
        "            'x_test': np.zeros((9, 8, 8)), 'y_test': np.zeros(9)}\n",
        "--dataset=own", 4, "--dataset=own",
    ),
    "data set text": (
        "@cnnjax.dataset('own')\ndef f():\n"
        "    return {'x_train': 'a', 'y_train': 'b', 'x_test': 'c', 'y_test': 'd'}\n",
        "--dataset=own", 3, "--dataset=own",
    ),
    "data set file": (
        "@cnnjax.dataset('own')\ndef f():\n    return open('gone')\n",
        "--dataset=own", 5, "FileNotFoundError: ",
    ),
    "family without help": (
        "@cnnjax.family\nclass Own:\n    ratio: int = 4\n", "", 3, "Own: ratio is no knob: write",
    ),
    "family without type": (
        "@cnnjax.family\nclass Own:\n    ratio = cnnjax.structure(4, 'A ratio.')\n",
        "", 3, "Own: ratio is no knob: write ratio: int = cnnjax.structure(4, ",
    ),
    "family of no class": ("@cnnjax.family\ndef own():\n    pass\n", "", 3, "family own: @"),
    "family without default": (
        "@cnnjax.family\nclass Own:\n    ratio: int\n", "", 3, "Own: ratio is no knob: write",
    ),
    "family wrong default": (
        "@cnnjax.family\nclass Own:\n    ratio: int = cnnjax.structure('x', 'A ratio.')\n",
        "", 3, "--ratio=x is not allowed",
    ),
    "family wrong type": (
        "@cnnjax.family\nclass Own:\n    ratio: dict = cnnjax.structure({}, 'A ratio.')\n",
        "", 3, "",
    ),
    "family wrong rule": (
        "@cnnjax.family\nclass Own:\n    ratio: int = cnnjax.structure(1, 'A ratio.', least=0)\n",
        "", 3, "",
    ),
    "pooling bare": (
        "@cnnjax.pooling\ndef own(maps, size, stride, padding):\n    pass\n",
        "", 3, '@cnnjax.pooling has no name: write @cnnjax.pooling("own")',
    ),
    "activation bare": (
        "@cnnjax.activation\ndef own(units):\n    pass\n",
        "", 3, '@cnnjax.activation has no name: write @cnnjax.activation("own")',
    ),
    "measure bare": (
        "@cnnjax.measure\ndef own(model, params, stats, observed, key):\n    pass\n",
        "", 3, '@cnnjax.measure has no name: write @cnnjax.measure("own")',
    ),
    "data set bare": (
        "@cnnjax.dataset\ndef own():\n    pass\n",
        "", 3, '@cnnjax.dataset has no name: write @cnnjax.dataset("own")',
    ),
    "model bare": (
        "@cnnjax.model\ndef own(config, num_classes):\n    pass\n",
        "", 3, '@cnnjax.model has no name: write @cnnjax.model("own", reads=())',
    ),
    "metric bare": (
        "@cnnjax.metric\ndef own(record):\n    pass\n",
        "", 3, '@cnnjax.metric has no name: write @cnnjax.metric("own", margin=0.01)',
    ),
    "choice bare": (
        "@cnnjax.choice\ndef own(steps):\n    pass\n",
        "", 3, '@cnnjax.choice has no name: write @cnnjax.choice("schedule", "own")',
    ),
    "choice without name": (
        "@cnnjax.choice('schedule')\ndef own(steps):\n    pass\n",
        "", 3, '@cnnjax.choice has no name: write @cnnjax.choice("schedule", "name")',
    ),
    "declared twice": (
        "@cnnjax.activation('own')\ndef f(units):\n    return units\n"
        "@cnnjax.activation('own')\ndef f(units):\n    return 2 * units\n",
        "", 6, "--activation=own is there already: give it another name",
    ),
    "family twice": (
        2 * "@cnnjax.family\nclass Own:\n    ratio: int = cnnjax.structure(1, 'A ratio.')\n",
        "", 6, "family Own is there already: give it another name",
    ),
    "schedule signature": (
        "@cnnjax.choice('schedule', 'own')\ndef f():\n    pass\n",
        "", 3, "schedule own takes (): write (steps)",
    ),
    "optimizer signature": (
        "@cnnjax.choice('optimizer', 'own')\ndef f(rate):\n    pass\n",
        "", 3, "optimizer own takes (rate): write (numbers, schedule, kernels)",
    ),
    "augment signature": (
        "@cnnjax.choice('augment', 'own')\ndef f(images):\n    pass\n",
        "", 3, "augment own takes (images): write (key, images)",
    ),
    "corruption signature": (
        "@cnnjax.choice('corruption', 'own', strengths=(0.0, 1.0))\ndef f(images):\n    pass\n",
        "", 3, "corruption own takes (images): write (key, images, strength, way, pixels)",
    ),
    "corruption strengths": (
        "@cnnjax.choice('corruption', 'own')\ndef f(key, images, strength, way, pixels):\n"
        "    return images\n",
        "", 3, "corruption own: give strengths=(0.0, 0.5, 1.0)",
    ),
    "choice trait": (
        "@cnnjax.choice('optimizer', 'own', avarages=2)\ndef f(numbers, schedule, kernels):\n"
        "    pass\n",
        "", 3, "optimizer own: avarages says nothing here: it may say reads, averages",
    ),
    "choice reads": (
        "@cnnjax.choice('optimizer', 'own', reads=('momentun',))\n"
        "def f(numbers, schedule, kernels):\n    pass\n",
        "", 3, "optimizer own: reads 'momentun', which is no knob: did you mean momentum?",
    ),
    "measure signature": (
        "@cnnjax.measure('own')\ndef f(model):\n    pass\n",
        "", 3, "measure own takes (model): write (model, params, stats, observed, key)",
    ),
    "metric signature": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(labels, logits):\n    pass\n",
        "", 3, "metric own takes ['labels', 'logits']: write (record) or (logits, labels)",
    ),
    "unknown decorator": (
        "@cnnjax.poling('own')\ndef f(maps):\n    pass\n",
        "", 3, "AttributeError: module 'cnnjax' has no attribute 'poling'",
    ),
}  # fmt: skip
MODULE = """from flax import linen as nn
@cnnjax.model('own', reads=())
def f(config, num_classes):
    return Net(num_classes)
class Net(nn.Module):
    num_classes: int
    @nn.compact
    def __call__(self, {arguments}):
        {line}
        return nn.Dense(self.num_classes)(images.mean(axis=(1, 2)))
"""
# What is wrong in a module that a model gives: arguments of its call, its first line, place, words.
MODULES = {
    "no train": ("images", "", 4, "model own: give Net a method __call__(self, images, train)"),
    "three": ("images, train, more", "", 4, "model own: give Net a method __call__("),
    "shape": ("images, train", "return images", 4, "Net gives [8, 8, 1] for an image, not logits"),
    "None": ("images, train", "return None", 4, "Net gives 0 arrays: give the logits"),
    "text": ("images, train", "return 'no'", 4, "TypeError: "),
    "pair": ("images, train", "return images, images", 4, "Net gives 2 arrays: give the logits"),
    "ValueError": ("images, train", "raise ValueError('own')", 11, "ValueError: own"),
    "stream": (
        "images, train",
        "images = images + (self.make_rng('masks')[0] if train else 0)",
        11, "it draws from 'masks' as it trains: make_rng gives dropout, pool, depth",
    ),
    "dropout": (
        "images, train",
        "images = nn.Dropout(0.5, rng_collection='masks')(images, deterministic=not train)",
        11, "it draws from 'masks' as it trains: make_rng gives dropout, pool, depth",
    ),
    "collection": (
        "images, train",
        "if train: self.variable('counts', 'seen', lambda: 0).value += 1",
        11, "",
    ),
}  # fmt: skip
# Mistakes that training finds.
TRAINED = {
    "schedule None": (
        "@cnnjax.choice('schedule', 'own')\ndef f(steps):\n    pass\n",
        "--schedule=own", 3, "schedule own gives None: give a function of the step",
    ),
    "schedule number": (
        "@cnnjax.choice('schedule', 'own')\ndef f(steps):\n    return 1.0\n",
        "--schedule=own", 3, "schedule own gives 1.0: give a function of the step",
    ),
    "schedule step": (
        "@cnnjax.choice('schedule', 'own')\ndef f(steps):\n    return lambda step: None\n",
        "--schedule=own", 3, "schedule own gives None at a step: give one number",
    ),
    "schedule steps": (
        "@cnnjax.choice('schedule', 'own')\ndef f(steps):\n    return lambda: 1.0\n",
        "--schedule=own", 3, "TypeError: ",
    ),
    "schedule shape": (
        "import jax.numpy as jnp\n@cnnjax.choice('schedule', 'own')\ndef f(steps):\n"
        "    return lambda step: jnp.ones(3)\n",
        "--schedule=own", 4, "schedule own gives float32 [3] at a step: give one number",
    ),
    "optimizer None": (
        "@cnnjax.choice('optimizer', 'own')\ndef f(numbers, schedule, kernels):\n    pass\n",
        "--optimizer=own", 3, "optimizer own gives None: give an optax.GradientTransformation",
    ),
    "optimizer text": (
        "@cnnjax.choice('optimizer', 'own')\ndef f(numbers, schedule, kernels):\n"
        "    return 'adam'\n",
        "--optimizer=own", 3, "optimizer own gives the text 'adam': give an optax.Grad",
    ),
    "optimizer update": (
        "import optax\n@cnnjax.choice('optimizer', 'own')\ndef f(numbers, schedule, kernels):\n"
        "    return optax.GradientTransformation(lambda params: (), lambda g, s, p=None: g)\n",
        "--optimizer=own", 4, "optimizer own gives a dict: give (updates, state)",
    ),
    "optimizer shape": (
        "import jax, optax\n@cnnjax.choice('optimizer', 'own')\n"
        "def f(numbers, schedule, kernels):\n"
        "    return optax.GradientTransformation(\n        lambda params: (),\n"
        "        lambda g, s, p=None: (jax.tree.map(lambda x: x[None], g), s))\n",
        "--optimizer=own", 4, "optimizer own gives [1, 4] for conv_1/bias: give an update of",
    ),
    "optimizer error": (
        "@cnnjax.choice('optimizer', 'own')\ndef f(numbers, schedule, kernels):\n"
        "    return numbers['rate']\n",
        "--optimizer=own", 5, "KeyError: 'rate'",
    ),
    "augment None": (
        "@cnnjax.choice('augment', 'own')\ndef f(key, images):\n    pass\n",
        "--augment=own", 3, "augment own gives None: give images [16, 8, 8, 1]",
    ),
    "augment shape": (
        "@cnnjax.choice('augment', 'own')\ndef f(key, images):\n    return images[:, :4]\n",
        "--augment=own", 3, "augment own gives float32 [16, 4, 8, 1]: give images [16, 8, 8, 1]",
    ),
    "augment dtype": (
        "@cnnjax.choice('augment', 'own')\ndef f(key, images):\n"
        "    return images.astype('uint8')\n",
        "--augment=own", 3, "augment own gives uint8 [16, 8, 8, 1]: give images",
    ),
    "corruption None": (
        "@cnnjax.choice('corruption', 'own', strengths=(0.0, 1.0), unit='x')\n"
        "def f(key, images, strength, way, pixels):\n    pass\n",
        "--measure=robustness", 3, "corruption own gives None: give images [",
    ),
    "measure None": (
        "@cnnjax.measure('own')\ndef f(model, params, stats, observed, key):\n    pass\n",
        "--measure=own", 3, "measure own gives None: give arrays by name, in a dict",
    ),
    "measure text": (
        "@cnnjax.measure('own')\ndef f(model, params, stats, observed, key):\n"
        "    return {'own': 'no'}\n",
        "--measure=own", 3, "measure own gives the text 'no' as own: give an array",
    ),
    "measure number": (
        "@cnnjax.measure('own')\ndef f(model, params, stats, observed, key):\n"
        "    return {'own': 1.0}\n",
        "--measure=own", 3, "measure own gives 1.0 as own: give an array",
    ),
    "measure shape": (
        "@cnnjax.measure('own')\ndef f(model, params, stats, observed, key):\n"
        "    return {'own': observed.logits}\n",
        "--measure=own", 3, "measure own: own has shape (",
    ),
    "measure score": (
        "@cnnjax.measure('own')\ndef f(model, params, stats, observed, key):\n"
        "    return {'test_accuracy': observed.logits.mean()}\n",
        "--measure=own", 3, "measures ",
    ),
    "measure finish": (
        "@cnnjax.measure('own', finish=lambda values, spec: None)\n"
        "def f(model, params, stats, observed, key):\n    return {'own': observed.logits.mean()}\n",
        "--measure=own", 3, "measure own: finish gives None: give scores by name",
    ),
    "measure error": (
        "@cnnjax.measure('own')\ndef f(model, params, stats, observed, key):\n"
        "    return {'own': observed.nothing}\n",
        "--measure=own", 5, "AttributeError: ",
    ),
}  # fmt: skip
# Mistakes that judging finds, or what a group of an arm trains for it.
JUDGED = {
    "record text": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(record):\n    return 'good'\n",
        2, 3, "metric own gives the text 'good': give one number",
    ),
    "record array": (
        "import numpy as np\n@cnnjax.metric('own', margin=0.1)\ndef f(record):\n"
        "    return np.zeros(3)\n",
        2, 4, "metric own gives float64 [3]: give one number",
    ),
    "record by image": (
        "@cnnjax.metric('own', margin=0.1, by_image=True)\ndef f(record):\n    return 1.0\n",
        2, 3, "metric own gives 1.0: give one number for each test image",
    ),
    "record error": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(record):\n    return record.scores['gone']\n",
        2, 5, "KeyError: 'gone'",
    ),
    "record None": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(record):\n    pass\n",
        2, 3, "metric own gives None of every run",
    ),
    "logits None": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(logits, labels):\n    pass\n",
        1, 3, "metric own gives None: give one number",
    ),
    "logits text": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(logits, labels):\n    return 'good'\n",
        1, 3, "metric own gives the text 'good': give one number",
    ),
    "logits shape": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(logits, labels):\n    return logits\n",
        1, 3, "metric own gives float32 [",
    ),
    "logits by image": (
        "@cnnjax.metric('own', margin=0.1, by_image=True)\ndef f(logits, labels):\n"
        "    return labels[:3]\n",
        1, 3, "metric own gives an array of shape (3,), and not one value for each",
    ),
    "logits error": (
        "@cnnjax.metric('own', margin=0.1)\ndef f(logits, labels):\n    return 1 // 0\n",
        1, 5, "ZeroDivisionError: ",
    ),
}  # fmt: skip
ENGINE = """def none(jobs, observer):
    pass

def texts(jobs, observer):
    return ['done']

def one(jobs):
    return []

def broken(jobs, observer):
    1 / 0
"""
ENGINES = {
    "math:floor": "error: --engine=math:floor: write a function of (jobs, observer)",
    "FILE:none": "FILE:3: it gives None: give the groups that failed, or none, in a row",
    "FILE:texts": "FILE:6: it gives the text 'done': give a Failure of each group",
    "FILE:one": "FILE:9: write a function of (jobs, observer)",
    "FILE:broken": "error: FILE:13: ZeroDivisionError: division by zero",
}
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
    "declare(arms=(MAX, {**AVG, 'steps': 5, 'epochs': 1}))": "steps=5 epochs=1 has steps and epochs",
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


@pytest.fixture
def say(outside, monkeypatch, capsys, data_dir, tmp_path):
    """What a script says of a plug-in of that text, and the exit status it ends with."""
    path = pathlib.Path(outside["beside"]).with_name("mistaken.py")

    def run(main, text, *argv):
        path.write_text("import cnnjax\n\n" + text)
        given = [f"--data_dir={data_dir}", *(own.replace("FILE", str(path)) for own in argv)]
        monkeypatch.setattr(sys, "argv", ["script", *given])
        monkeypatch.setattr(script.signal, "signal", lambda number, handler: None)
        with pytest.raises(SystemExit) as ended:
            script.run(main, "")
        said = capsys.readouterr().err
        return ended.value.code, said, str(path)

    return run


def check_one_line(said, path, line, words):
    *_, last = said.splitlines()
    assert f"{path}:{line}: {words}" in last, said
    assert "Traceback" not in said and last.count(str(path) + ":") <= 2


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_finds_what_is_wrong(say, name):
    text, flags, line, words = PLANNED[name]
    given = SMALL if "model" not in flags else SMALL[:-1]
    status, said, path = say(train.main, text, "--plugin=FILE", "--plan", *given, *flags.split())
    assert status == 2
    check_one_line(said, path, line, words)


@pytest.mark.parametrize("name", MODULES)
def test_a_plan_finds_what_is_wrong_in_a_module(say, name):
    arguments, first, line, words = MODULES[name]
    text = MODULE.format(arguments=arguments, line=first or "pass")
    given = ("--plugin=FILE", "--plan", "--model=own", *SMALL[:-1])
    status, said, path = say(train.main, text, *given)
    assert status == 2
    check_one_line(said, path, line, words)


@pytest.mark.parametrize("name", TRAINED)
def test_training_finds_what_is_wrong(say, name, tmp_path):
    text, flags, line, words = TRAINED[name]
    status, said, path = say(
        train.main, text, "--plugin=FILE", f"--workdir={tmp_path / 'run'}", "--quiet", *SMALL, flags
    )
    assert status == 2
    check_one_line(said, path, line, words)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder for all: what a metric reads is trained once."""
    return tmp_path_factory.mktemp("runs")


def ablate_small(say, text, runs, *given):
    return say(
        ablate.main, text, *given, f"--runs={runs}", "--grid=bias=true,false",
        "--seeds=2", "--quiet", *LEARNING,
    )  # fmt: skip


@pytest.mark.parametrize("name", JUDGED)
def test_judging_finds_what_is_wrong(say, name, runs):
    text, expected, line, words = JUDGED[name]
    status, said, path = ablate_small(say, text, runs, "--plugin=FILE", "--metric=own")
    assert status == expected
    check_one_line(said.replace(" (--traceback shows all)", ""), path, line, words)


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_no_engine_is_said_to_be_none(say, name, tmp_path):
    status, said, path = ablate_small(say, ENGINE, tmp_path, f"--engine={name}")
    assert ENGINES[name].replace("FILE", path) in said and "Traceback" not in said
    assert status == 2


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


def test_a_file_beside_it_is_blamed_for_what_it_declares(say, outside):
    beside = pathlib.Path(outside["beside"]).with_name("helping.py")
    for text, words in (
        ("import cnnjax\n@cnnjax.pooling\ndef own():\n    pass\n", "2: @cnnjax.pooling has no"),
        ("import cnnjax\n@cnnjax.pooling('max')\ndef own():\n    pass\n", "2: --pool=max is"),
        ("import cnnjax\ncnnjax.study(3)\n", "2: cnnjax.study(3): give a cnnjax.Study"),
        ("import cnnjax\n@cnnjax.family\nclass A:\n    a: int = 1\n", "2: A: a is no knob"),
    ):
        beside.write_text(text)
        sys.modules.pop("helping", None)
        status, said, path = say(train.main, "import helping\n", "--plugin=FILE", "--plan")
        assert status == 2 and f"{path}: {beside}:{words}" in said and said.count(str(beside)) == 1
