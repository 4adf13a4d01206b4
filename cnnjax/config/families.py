"""Knobs from outside: a small frozen dataclass, as each family of ours is. Imports no JAX.

    @cnnjax.family
    class SqueezeExcite:
        "Squeeze and excitation."

        se_ratio: int = cnnjax.structure(16, "Reduction of the channels.", low=1)

A run has it where it differs from its defaults: `config.of(SqueezeExcite).se_ratio`.
"""

import dataclasses
import inspect
import typing
from typing import Any, TypeVar

from cnnjax.config import callers, contracts, knobs, rules
from cnnjax.config.config import Config
from cnnjax.config.errors import ConfigError

T = TypeVar("T")
# The flags that stand beside knobs in a script, absl's own, and arguments of `cnnjax.train`.
RESERVED = frozenset(
    "accelerator baseline batch batch_sizes batches board bundle check checkpoint_every"
    " checkpoint_minutes choose coordinator_address count csv data_dir datasets engine epochs"
    " export first_seed fit flagfile format grid h help helpfull helpshort helpxml"
    " join_minutes json judge_only keep lanes list manual_dir mesh method metric minutes mix"
    " multihost networks num_processes observer offline on_error opponents out plan plugin"
    " probe process_id profile project prune quick quiet race raw ray_address readme repeats"
    " restart roofline rounds route runs scaling script search search_seed seeds setting"
    " skip_bad_files slurm slurm_account slurm_constraint slurm_options slurm_partition"
    " slurm_time space split spot status stuck_minutes study task_cpus task_gpus task_nodes"
    " task_tpus tensorboard time_limit top traceback trials undefok until workdir zone".split()
)


@typing.dataclass_transform(frozen_default=True, field_specifiers=(knobs.structure,))
def family(cls: type[T]) -> type[T]:
    """Declares knobs of one's own, each a field `name: type = structure(default, help, ...)`.

    A knob that says neither `used_with` nor `by_model` is read by runs that use a choice of the
    same file. Raises ConfigError where a knob cannot be.
    """
    made: Any = cls
    _check_class(cls)
    if "__dataclass_params__" not in vars(cls):
        made = dataclasses.dataclass(frozen=True)(cls)
    if not made.__dataclass_params__.frozen:
        raise ConfigError(f"{cls.__name__}: its knobs can be changed: @dataclass(frozen=True)")
    source = callers.find_source(__name__) or cls.__module__
    key = f"{cls.__module__}.{cls.__qualname__}"
    before = rules.OWN.get(key)
    if callers.declares_twice(source, "family", key) and before:
        raise ConfigError(f"family {cls.__name__} is there already: give it another name")
    own = {name: knob._replace(source=source) for name, knob in knobs.make_knobs(made).items()}
    for knob in own.values():
        _check(cls.__name__, knob, before)
        if unknown := set(knob.used_with) - {*rules.KNOBS, *own}:
            raise ConfigError(
                f"{cls.__name__}: --{knob.name} is used with {unknown.pop()}, which is no knob"
            )
    if before:
        contracts.forget(source)
    for name in knobs.make_knobs(before) if before else ():  # a notebook's cell runs again
        del rules.KNOBS[name]
        delattr(Config, name)
    rules.OWN[key] = made
    rules.KNOBS.update(own)
    for name, knob in own.items():  # what a Config has that was made before
        setattr(Config, name, knob.default)
    return made


def _check_class(cls: Any) -> None:
    """Raises ConfigError unless it is a class of fields that are knobs."""
    if not isinstance(cls, type):
        raise ConfigError(f"family {getattr(cls, '__name__', cls)}: @cnnjax.family is of a class")
    own = dict(vars(cls))
    typed = own.get("__annotations__") or inspect.get_annotations(cls)
    fields = [name for name, value in own.items() if isinstance(value, dataclasses.Field)]
    for name in dict.fromkeys([*typed, *fields]):
        value = vars(cls).get(name)
        if "__dataclass_params__" in own:
            value = own["__dataclass_fields__"].get(name)
        knob = isinstance(value, dataclasses.Field) and isinstance(value.metadata.get("help"), str)
        if name not in typed or not knob:
            raise ConfigError(
                f"{cls.__name__}: {name} is no knob: write"
                f' {name}: int = cnnjax.structure(4, "what it is")'
            )


def _check(family: str, knob: knobs.Knob, before: type | None) -> None:
    name = knob.name
    if name in RESERVED or name.startswith("no") and name[2:] in {*rules.KNOBS, *RESERVED}:
        raise ConfigError(f"{family}: --{name} is a flag of scripts: give it another name")
    there = rules.KNOBS.get(name)
    if there is not None and (before is None or knob.name not in before.__annotations__):
        raise ConfigError(f"{family}: --{knob.name} is there already: give it another name")
    if there is None and hasattr(Config, knob.name):
        raise ConfigError(f"{family}: a knob cannot be called {knob.name}")
    if knob.traced:
        raise ConfigError(f"{family}: --{knob.name} is no number of ours: declare a structure(...)")
    knobs.check_value(knob, knob.default)
