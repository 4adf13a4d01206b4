"""Programs that wait for themselves for ever on a CPU, whose devices share one pool of threads.

What calls back into Python waits in one of them for what another is to do: two devices may not.
What factorises several matrices at once does so on any number of devices.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
from jax.extend import core

from cnnjax.config import contracts, texts
from cnnjax.config.config import Config
from cnnjax.config.errors import PluginError
from cnnjax.sweep import trial

CALLS = {"pure_callback", "io_callback", "debug_callback", "debug_print"}
FACTORISATIONS = {
    "cholesky", "eig", "eigh", "geqrf", "geqp3", "hessenberg", "householder_product", "lu", "qr",
    "schur", "svd", "triangular_solve", "tridiagonal", "tridiagonal_solve",
}  # fmt: skip


def check_choices(groups: Iterable[tuple[Config, trial.Info]]) -> None:
    """Raises PluginError where a choice from outside is found to be wrong, or would stand still."""
    groups = list(dict.fromkeys(groups))
    trial.check_choices(groups)
    for structure, info in groups:
        takes_one_device(structure, info)


def takes_one_device(structure: Config, info: trial.Info) -> bool:
    """Whether lanes of a structure must train on one device of a CPU: for a choice from outside.

    Raises PluginError where they cannot on any. Nothing of ours does such things: only what is
    from outside is traced.
    """
    files = ", ".join(texts.texts_of(structure))
    if not files or jax.default_backend() != "cpu":
        return False
    calls, factorisation = _find_waiting(structure, info)
    if factorisation:
        other = ", or leave out --lanes_strategy=vmap" * (structure.lanes_strategy == "vmap")
        raise PluginError(
            f"{files}: several matrices are factorised at once ({factorisation}), for which a"
            " CPU's threads may wait for ever: give the function of one matrix to"
            f" jax.custom_batching.sequential_vmap{other}"
        )
    return calls


@functools.lru_cache(maxsize=1000)
def _find_waiting(structure: Config, info: trial.Info) -> tuple[bool, str]:
    """Whether it calls back into Python, and what it factorises many of."""
    traced = trial.trace(structure, *info, structure.lanes_strategy == "vmap")
    steps = [step for program in traced for step in list_steps(program.jaxpr)]
    many = (
        step.primitive.name
        for step in steps
        if step.primitive.name in FACTORISATIONS and len(_shape_of(step.invars[0])) > 2
    )
    return any(step.primitive.name in CALLS for step in steps), next(many, "")


# By config: a choice that is declared anew, as in a cell, has the same.
contracts.REMEMBERED.append(lambda source: _find_waiting.cache_clear())


def _shape_of(var: Any) -> tuple[int, ...]:
    return var.aval.shape


def list_steps(program: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """All steps of a program, those of programs within it too."""
    for step in program.eqns:
        yield step
        for inner in core.jaxprs_in_params(step.params):
            yield from list_steps(inner)
