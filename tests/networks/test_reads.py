"""A model reads what its row says: a knob changes its traced programs there, and nowhere else."""

import copy
import functools
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.extend import core

from cnnjax.config import models as rows
from cnnjax.config import register
from cnnjax.config.allowed import But, Readers
from cnnjax.config.config import KNOBS, Config
from cnnjax.config.data import input_shape
from cnnjax.networks import cost, models
from cnnjax.training import optimizers
from tests import here
from tests.small import RESNETS, make_small, stand_in

OPTAX = True  # see conftest.py
SHAPE, CLASSES = (12, 12, 1), 10
BY_MODEL = [name for name, knob in KNOBS.items() if knob.by_model]
TRAINING = ("init_gain", "freeze")  # are read where weights are made and updated
# What a network would heed and nobody may give, since the model itself says what it is.
FIXED = {
    "logistic": {"hidden"},
    "resnet20": {"stem"},
}
# Other values that show, where the next best would not.
OTHER = {
    "widths": [(16, 8)], "width_multiplier": [0.37], "kernel_size": [(5,)], "dilation": [2],
    "pad": [(2,)], "hidden": [(5,)], "pool": ["avg", "none"], "pool_size": [3, 5],
    "pool_stride": [5], "pool_every": [2], "groups": [7], "init_gain": [2.0],
    "conv_form": ["patches", "native"],
}  # fmt: skip
NEEDS = {
    "residual": {"hidden": (32, 32), "logits": "linear"},
    "conv": {"connectivity": "all", "init": "he_normal", "first_layer": "learned"},
    "dilation": {"padding": "FULL"},  # a twin sees it in the size of the map alone
    "groups": {"connectivity": "all"},
    "connectivity": {"groups": 1, "widths": (16, 32)},
    "pool_padding": {"pool_size": 3},
    "count_padding": {"pool_size": 3, "pool_stride": 2, "padding": "SAME"},
    "hidden_activation": {"hidden": (8,), "logits": "linear"},  # for drawings there must be 84
}


def change(config: Config, **given) -> Config:
    """A copy with other values, whether or not they may be given."""
    changed = copy.copy(config)
    for name, value in given.items():
        object.__setattr__(changed, name, value)
    return changed


def prepare(config: Config, name: str) -> Config:
    """The config with what a knob needs to matter, as far as its model reads that."""
    needs = dict(NEEDS.get(name, {}))
    for other, allowed in KNOBS[name].used_with.items():
        if getattr(config, other) not in allowed:
            if isinstance(allowed, (But, Readers)):
                allowed = allowed.among(KNOBS[other].choices)
            needs[other] = allowed[0]
    return change(config, **{k: v for k, v in needs.items() if rows.reads(config.model, k)})


def others_of(config: Config, name: str) -> list:
    """Other values of a knob than the config's."""
    knob, value = KNOBS[name], getattr(config, name)
    if name in OTHER:
        return [other for other in OTHER[name] if other != value]
    if knob.choices:
        return [own for own in knob.choices if own not in (value, *knob.model_values)][:1]
    if knob.type is bool:
        return [not value]
    return [value + 0.3 if knob.type is float else value + 2]


def describe(program: Any) -> str:
    """A jaxpr as text that does not tell what JAX shares between traces."""
    if isinstance(program, core.ClosedJaxpr):
        return describe(program.jaxpr) + "".join(map(repr, program.consts))
    if isinstance(program, (tuple, list)):
        return ",".join(map(describe, program))
    if not isinstance(program, core.Jaxpr):
        return re.sub("0x[0-9a-f]+", "", str(program))  # addresses of functions
    numbers: dict[Any, str] = {}

    def name(operand: Any) -> str:
        if isinstance(operand, core.Literal):
            return str(operand)
        return numbers.setdefault(operand, f"{len(numbers)}:{operand.aval}")

    lines = [" ".join(map(name, (*program.constvars, *program.invars)))]
    for step in program.eqns:
        params = [f"{key}={describe(value)}" for key, value in sorted(step.params.items())]
        lines.append(
            " ".join([step.primitive.name, *params, *map(name, (*step.invars, *step.outvars))])
        )
    return "\n".join([*lines, " ".join(map(name, program.outvars))])


@functools.cache
def make(network: Config):
    """A model, the program of its initial weights, and their shapes."""
    model = here.make_model(network, SHAPE, CLASSES)
    init, shapes = jax.make_jaxpr(model.init, return_shape=True)(jax.random.key(0))
    return model, describe(init), shapes


PROGRAMS = ("module", "init", "logits", "update")  # from the quickest to trace


@functools.cache
def trace(config: Config, program: str) -> str:
    """What a run of this config makes of its model: initial weights, logits or an update."""
    try:
        network = cost.find_network(config, SHAPE, CLASSES)
        if program == "module":  # alone
            init = models.make_module(network, CLASSES, here.PLATFORM).init
            images = jax.ShapeDtypeStruct((1, *input_shape(network, SHAPE)), "float32")
            init = functools.partial(init, train=False)
            return describe(jax.make_jaxpr(init)(jax.random.key(0), images))
        model, init, (params, stats) = make(network)
        if program == "init":
            return init
        if program == "logits":
            images = jax.ShapeDtypeStruct((2, *SHAPE), "float32")
            return describe(jax.make_jaxpr(model.apply)(params, stats, images, jax.random.key(1)))

        def update(params):
            numbers = {"learning_rate": jnp.float32(0.1), "weight_decay": jnp.float32(0)}
            sgd = change(network, optimizer="sgd")
            rule = optimizers.make_optimizer(sgd, numbers, model.roles)
            scaled = models.scale_kernels(params, jnp.float32(network.init_gain), model.roles)
            return rule.update(scaled, rule.init(params), params)[0]

        return describe(jax.make_jaxpr(update)(params))
    except ValueError as error:  # a network that cannot be is another one, too
        return str(error)


def differ(one: Config, other: Config, training: bool = True) -> bool:
    """Whether a program of theirs differs; none is traced beyond the first that does."""
    programs = PROGRAMS if training else PROGRAMS[:-1]
    return any(trace(one, program) != trace(other, program) for program in programs)


def find_reads(config: Config) -> set[str]:
    """What a model should heed: the knobs of its row, and what is fixed."""
    model = config.model
    reads = register.find("model", model).traits["reads"] & set(KNOBS)
    fixed = set(FIXED.get(model, ()))
    if "hidden" in reads and "match" not in reads:
        fixed |= {"residual"}  # the head of a network has no shortcuts
    if "conv" in reads:
        fixed |= {"dilation"}
    if config.width_multiplier != 1:
        fixed |= {"groups"}  # divide the channels
    return reads | fixed


@pytest.fixture
def small(request, monkeypatch) -> Iterator[Config]:
    """A model of few layers."""
    if plan := RESNETS.get(request.param):
        few = plan._replace(features=plan.features[:2], blocks=(1, 1))
        stand_in(monkeypatch, request.param, lambda config, num_classes: few)
    given = {"pool_every": 1} if rows.reads(request.param, "pool_every") else {}
    yield make_small(request.param, **given)
    for remembered in (make, trace):  # of the model that stood in
        remembered.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("small", register.names("model"), indirect=True)
def test_what_a_row_says_is_read_changes_the_model(small):
    seen = set()
    for name in find_reads(small):
        config = prepare(small, name)
        others = [change(config, **{name: value}) for value in others_of(config, name)]
        if any(differ(config, other, name in TRAINING) for other in others):
            seen.add(name)
    assert seen == find_reads(small)


@pytest.mark.slow
@pytest.mark.parametrize("small", register.names("model"), indirect=True)
def test_what_it_does_not_say_changes_nothing(small):
    heeded = find_reads(small)
    unread = [name for name in BY_MODEL if name not in heeded]
    for name in unread:
        small = prepare(small, name)
    others = {name: others_of(small, name)[0] for name in unread}
    if differ(small, change(small, **others)):
        guilty = [n for n in unread if differ(small, change(small, **{n: others[n]}))]
        pytest.fail(f"{small.model} reads {guilty}")
