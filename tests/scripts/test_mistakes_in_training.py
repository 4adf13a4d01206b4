"""What training and judging find wrong in a plug-in: one line with file and line."""

import pytest

from experiments import ablate, script, train
from tests.mistaken import SMALL, check_one_line

OPTAX = True  # see conftest.py
LEARNING = [*SMALL[:-1], "--steps=60", "--train_examples=300"]
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
    "optimizer state": (
        "import jax.numpy as jnp\nimport optax\n"
        "@cnnjax.choice('optimizer', 'own')\ndef f(numbers, schedule, kernels):\n"
        "    init = lambda params: jnp.zeros((), jnp.int32)\n"
        "    return optax.GradientTransformation(init, lambda g, s, p: (g, s + 0.5))\n",
        "--optimizer=own", 5, "optimizer own gives float32 [] in its state for int32 []: keep the",
    ),
    "optimizer parts": (
        "import optax\n@cnnjax.choice('optimizer', 'own')\ndef f(numbers, schedule, kernels):\n"
        "    return optax.GradientTransformation(lambda p: (), lambda g, s, p: (g, p))\n",
        "--optimizer=own", 4, "optimizer own gives a state of other parts than it took: keep the",
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
    "optimizer exit": (
        "import sys\n@cnnjax.choice('optimizer', 'own')\ndef f(numbers, schedule, kernels):\n"
        "    sys.exit(3)\n",
        "--optimizer=own", 6, "SystemExit: 3",
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
    "measure of training": (
        "@cnnjax.measure('own', of_training=True)\n"
        "def f(model, params, stats, training, key):\n    return {'own': training.logits}\n",
        "--measure=own", 5, "AttributeError: 'Training' object has no attribute 'logits'",
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


UNSEEN = ("measure finish",)  # by a plan: what a measure found is there when it was trained


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in UNSEEN])
def test_a_plan_finds_it_too(say, name):
    text, flags, line, words = TRAINED[name]
    status, said, path = say(train.main, text, "--plugin=FILE", "--plan", *SMALL, flags)
    assert status == 2
    check_one_line(said, path, line, words)


QUICK = ("schedule shape", "augment shape")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in TRAINED],
)
def test_training_finds_what_is_wrong(say, name, tmp_path):
    text, flags, line, words = TRAINED[name]
    status, said, path = say(
        train.main, text, "--plugin=FILE", f"--workdir={tmp_path / 'run'}", "--quiet", *SMALL, flags
    )
    assert status == 2
    check_one_line(said, path, line, words)


def test_one_that_ends_python_ends_no_sweep(say, tmp_path):
    text, _, line, words = TRAINED["optimizer exit"]
    status, said, path = say(
        ablate.main, text, "--plugin=FILE", "--grid=optimizer=own,sgd", "--seeds=1", "--quiet",
        f"--runs={tmp_path}", *SMALL,
    )  # fmt: skip
    assert status == script.FAILED and "1 lane broke off" in said
    assert f"error: {path}:{line}: {words}" in said
    assert len(list(tmp_path.glob("records/*/record.json"))) == 1


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder for all: what a metric reads is trained once."""
    return tmp_path_factory.mktemp("runs")


def ablate_small(say, text, runs, *given):
    return say(
        ablate.main, text, *given, f"--runs={runs}", "--grid=bias=true,false",
        "--seeds=2", "--quiet", *LEARNING,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGED)
def test_judging_finds_what_is_wrong(say, name, runs):
    text, expected, line, words = JUDGED[name]
    status, said, path = ablate_small(say, text, runs, "--plugin=FILE", "--metric=own")
    assert status == expected
    if status == script.FAILED:  # runs broke off: behind the error stands what trains them alone
        said, broken, again = said.rstrip().rsplit("\n", 2)
        assert "4 lanes broke off" in broken and again.startswith("what trains them alone: python")
    check_one_line(said.replace(" (--traceback shows all)", ""), path, line, words)


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_no_engine_is_said_to_be_none(say, name, tmp_path):
    status, said, path = ablate_small(say, ENGINE, tmp_path, f"--engine={name}")
    assert ENGINES[name].replace("FILE", path) in said and "Traceback" not in said
    assert status == 2
