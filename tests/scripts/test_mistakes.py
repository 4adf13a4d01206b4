"""What a plan finds wrong in a plug-in: one line with file and line, and no traceback."""

import pytest

from experiments import train
from tests.mistaken import SMALL, check_one_line

OPTAX = True  # see conftest.py
# By kind, text behind `import cnnjax` (so its first line is the third), flags, the line that is
# blamed, and what is said.
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
    "activation exit": (
        "@cnnjax.activation('own')\ndef f(units):\n    raise SystemExit\n",
        "--activation=own", 5, "SystemExit: no more is said",
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
    "data set builder": (
        "import tensorflow_datasets as tfds\n@cnnjax.dataset('own')\n"
        "class Own(tfds.core.GeneratorBasedBuilder):\n"
        "    VERSION = tfds.core.Version('1.0.0')\n    def _info(self):\n        return 1 / 0\n"
        "    def _split_generators(self, manager):\n        return {}\n"
        "    def _generate_examples(self):\n        yield 1\n",
        "--dataset=own", 8, "ZeroDivisionError: ",
    ),
    "data set file": (
        "@cnnjax.dataset('own')\ndef f():\n    return open('gone')\n",
        "--dataset=own", 5, "FileNotFoundError: ",
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
    "integers": (
        "images, train", "return nn.Dense(10)(images.mean(axis=(1, 2))).astype(int)",
        4, "Net gives int32 [2, 10] for 2 images, not logits [2, 10], of floats",
    ),
    "one row": (
        "images, train", "return nn.Dense(10)(images.reshape(1, -1)[:, :64])",
        4, "Net gives float32 [1, 10] for 2 images, not logits [2, 10], of floats",
    ),
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


SLOW = {"data set builder": (pytest.mark.slow,)}  # which imports TFDS


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in PLANNED])
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
