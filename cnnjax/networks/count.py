"""What any Flax network is made of, read from its jaxpr: layers with their costs, and roles.

A network is traced for one image and evaluated, never compiled or allocated. A layer of ours says
itself what it computes, whatever form its arithmetic has; in all else a layer is a convolution, a
matrix product of units or a pooling in windows, and what its parameters are for follows from how
they get there: a kernel is what multiplies units, and `init_gain` reaches it where something that
is not affine, an activation, follows.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.errors
import jax
import jax.numpy as jnp
from flax import linen as nn

from cnnjax.config.errors import ConfigError
from cnnjax.networks import convolution, layers, norms
from cnnjax.networks.facts import Layer, Roles
from cnnjax.networks.values import Call, Found, Value
from cnnjax.networks.walk import NORMS, Walk

OWN = (convolution.Conv, layers.Pool, layers.Dense, layers.Rbf)
RNGS: tuple[str, ...] = ("dropout", "pool", "depth")  # what a network may draw in training


class Network(NamedTuple):
    """A network's layers in the order in which they are computed."""

    layers: tuple[Layer, ...]
    roles: Roles
    parameters: int
    map_shape: tuple[int, ...] | None  # of the last map that the logits are made of, if any
    receptive_field: int | None  # of that map
    mixes_batch: bool  # whether training changes what it keeps: a step is no sum over images
    output_shape: tuple[int, ...]  # for one image


def name_of(path: Any) -> str:
    """The path of a parameter as text, such as block_1/conv_1/kernel."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def flatten(params: Any) -> dict[str, Any]:
    """The parameters of a tree by path."""
    return {name_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}


@functools.lru_cache(maxsize=4096)
def read_once(module: nn.Module, image_shape: tuple[int, ...]) -> Network:
    """`read`, which remembers."""
    return _read(module, image_shape)


def read(module: nn.Module, image_shape: tuple[int, ...]) -> Network:
    """A network for images [H, W, C]: called with [N, H, W, C] and `train`, it gives [N, classes].

    An attribute `roles` of the module, if it has one, replaces those that are found.
    Raises what the module does, ValueError from our layers, where it does not fit the images.
    """
    try:
        hash(module)
    except TypeError:  # a field that is a list, say
        return _read(module, image_shape)
    return read_once(module, tuple(image_shape))


def _read(module: nn.Module, image_shape: tuple[int, ...]) -> Network:
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    tracer = Tracer()
    with nn.intercept_methods(tracer.call):
        init = functools.partial(module.init, train=False)
        variables = jax.eval_shape(init, jax.random.key(0), images)
        tracer.known = True
        params, stats = variables.get("params", {}), variables.get("batch_stats", {})
        apply = functools.partial(_apply, module)
        evaluated = jax.make_jaxpr(apply)(params, stats, images)
        if len(evaluated.out_avals) != 1:
            raise ConfigError(
                f"{type(module).__name__} gives {len(evaluated.out_avals)} arrays: give the logits"
            )
        others = [name for name in flatten(stats) if name.rpartition("/")[0] not in tracer.own]
        trained = None
        if others:
            trained = jax.make_jaxpr(functools.partial(apply, train=True))(params, stats, images)
    facts = dict(tracer.paths.values()), tracer.inputs, list(tracer.calls.values())
    walk = Walk(*facts, flatten(params))
    logits = walk.run(evaluated, stats)[0]
    output = tuple(evaluated.out_avals[0].shape[1:])
    kept = trained.jaxpr.outvars[1:] if trained else ()
    held = trained.jaxpr.invars if trained else ()
    found = _with_parameters(walk)
    absent = {call.path: call.facts.absent for call in tracer.calls.values()}
    cells, last = logits.view.source if logits.view else (0, -1)
    roles = getattr(module, "roles", None) or _find_roles(walk, logits, found)
    return Network(
        tuple(one.layer for one in found),
        _check_roles(roles, walk.sizes),
        sum(walk.sizes.values()) - sum(absent.values()),
        found[last].layer.output_shape if cells else None,
        found[last].layer.receptive_field if cells else None,
        tracer.mixes or any(own not in held for own in kept),
        output,
    )


def find_fields(
    init: Callable[[Any], tuple[Any, Any]], apply: Callable[..., Any],
    see: Callable[..., Mapping[str, Any]], image_shape: tuple[int, ...],
) -> dict[str, int | None]:  # fmt: skip
    """Cells of the image, along one axis, that one cell of each value of a network sees, by name.

    `init(key)` gives parameters and statistics, `see(apply, params, stats, images)` values for
    images [1, H, W, C] of a network that is called by that `apply`. None for the whole image,
    whatever its size.
    """
    images, tracer = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32), Tracer()

    def marked(*given: Any) -> Any:
        with nn.intercept_methods(tracer.call):
            return apply(*given)

    with nn.intercept_methods(tracer.call):
        params, stats = jax.eval_shape(init, jax.random.key(0))
    tracer.known = True
    trace = jax.make_jaxpr(functools.partial(see, marked), return_shape=True)
    closed, names = trace(params, stats, images)
    facts = dict(tracer.paths.values()), tracer.inputs, list(tracer.calls.values())
    views = [value.view for value in Walk(*facts, flatten(params)).run(closed, stats)]
    return {
        name: None if view is None or view.gathered else view.field
        for name, view in zip(names, views, strict=True)
    }


def _apply(module: nn.Module, params: Any, stats: Any, images: Any, train: bool = False) -> Any:
    variables = {"params": params, "batch_stats": stats}
    if not train:
        return module.apply(variables, images, train=False)
    rngs = {name: jax.random.key(0) for name in RNGS}
    return module.apply(variables, images, train=True, mutable=["batch_stats"], rngs=rngs)


def check_training(module: nn.Module, image_shape: tuple[int, ...], num_classes: int) -> None:
    """Raises ConfigError where a network draws, as it trains, what training does not give it.

    And where it does not give logits for each of several images. What else it raises as it trains,
    such as on what it would keep from step to step, comes as it is.
    """
    one, two = (jax.ShapeDtypeStruct((n, *image_shape), jnp.float32) for n in (1, 2))
    variables = jax.eval_shape(functools.partial(module.init, train=False), jax.random.key(0), one)
    params, stats = variables.get("params", {}), variables.get("batch_stats", {})
    train = functools.partial(_apply, module, train=True)
    try:
        logits, _ = jax.eval_shape(train, params, stats, two)
    except flax.errors.InvalidRngError as error:
        asked = re.search(r'PRNG for "(\w+)"', str(error))
        name = asked[1] if asked else str(error)
        raise ConfigError(
            f"it draws from {name!r} as it trains: make_rng gives {', '.join(RNGS)}"
        ) from error
    if logits.shape != (2, num_classes) or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ConfigError(
            f"{type(module).__name__} gives {logits.dtype} {list(logits.shape)} for 2 images, not"
            f" logits [2, {num_classes}], of floats"
        )


class Tracer:
    """Marks, in a jaxpr, which module computes what; in place of a layer of ours stands a mark."""

    def __init__(self) -> None:
        self.known = False  # whether all layers of ours have been called
        self.paths: dict[str, tuple[int, tuple[str, type]]] = {}  # a module's number, path, type
        self.own: set[str] = set()  # paths of ours
        self.mixes = False  # whether there is a batch normalisation of ours
        self.inputs: dict[str, tuple[int, ...]] = {}  # shape that it is called on
        self.calls: dict[tuple, Call] = {}  # of layers of ours, by path and shape of the input

    def call(self, function: Any, args: Any, kwargs: Any, context: Any) -> Any:
        """An interceptor of Flax's methods."""
        module, path = context.module, "/".join(context.module.path)
        number, _ = self.paths.setdefault(path, (len(self.paths), (path, type(module))))
        called = context.method_name == "__call__" and args and hasattr(args[0], "shape")
        shape = tuple(args[0].shape) if called else ()
        if called:
            self.inputs[path] = shape
        if called and isinstance(module, (*OWN, norms.BatchNorm)):
            self.own.add(path)
        if called and isinstance(module, norms.BatchNorm):
            self.mixes = True
            # Evaluated it is affine, cell by cell.
            return args[0] if self.known else function(*args, **kwargs)
        if not called or not isinstance(module, OWN):
            with jax.named_scope(f"@{number}"):
                return function(*args, **kwargs)
        place = (path, shape)
        if not self.known or place not in self.calls:
            output = function(*args, **kwargs)
            config = getattr(module, "config", None)
            size = jnp.dtype(config.dtype if config else output.dtype).itemsize
            facts = module.describe(shape, tuple(output.shape))
            self.calls[place] = Call(facts, path, tuple(output.shape), output.dtype, size)
            if not self.known:
                return output
        return _mark(list(self.calls).index(place), self.calls[place], args[0])


def _mark(number: int, call: Call, units: Any) -> Any:
    """An operation, named by a layer's number, from its input to an output of its shape."""

    def mark(units: Any) -> Any:
        return jnp.broadcast_to(units.ravel()[0], call.shape).astype(call.dtype)

    mark.__name__ = f"@{number}"
    return jax.jit(mark)(units)


def _with_parameters(walk: Walk) -> list[Found]:
    """The layers with their parameters, of which one that several share counts once."""
    seen, found = set(), []
    for number, one in enumerate(walk.found):
        names = one.kernels | walk.biases.get(number, frozenset())
        count = sum(walk.sizes[name] for name in names if one.own or name not in seen)
        seen |= names
        layer, times = one.layer, one.times
        biased = 0 if one.own or number not in walk.biases else math.prod(layer.output_shape)
        connections = layer.connections + biased * times
        parameters = count - one.facts.absent
        layer = layer._replace(parameters=parameters, connections=connections)
        found.append(one._replace(layer=layer))
    return found


def _find_roles(walk: Walk, logits: Value, found: list[Found]) -> Roles:
    """Roles by the way that parameters take; those of our own layers as these say."""
    kernels, scaled, convolutions = set(), set(), set()
    for number, one in enumerate(found):
        matrices = {name for name in one.kernels if len(walk.shapes[name]) > 1}
        kernels |= matrices
        if one.own:  # of a separable convolution the second half: the gain counts once a layer
            scaled |= matrices & {f"{one.owner}/kernel"} if one.facts.activated else set()
        elif number in walk.activated:
            scaled |= matrices
        if one.facts.convolution:
            convolutions |= one.kernels | walk.biases.get(number, frozenset())
    last = None if logits.affine is None else found[logits.affine].logits
    if last is not None and sum(last in one.kernels for one in found) > 1:
        last = None  # other layers have the same kernel
    first = next((one.owner for one in found if one.kernels or one.own), "")
    biases = {f"{path}/bias" for path, kind in walk.modules.values() if _is_norm(path, kind)}
    norm_biases = frozenset(biases & set(walk.sizes))
    return Roles(
        frozenset(kernels), frozenset(scaled), frozenset(convolutions), last, first, norm_biases
    )


def _is_norm(path: str, kind: type) -> bool:
    """Whether a module is a norm: by its type, or as `norms.normalise` names one."""
    own = path.rpartition("/")[2]
    return own.startswith("norm_") or issubclass(kind, (*NORMS, norms.BatchNorm))


def _check_roles(roles: Roles, sizes: Mapping[str, int]) -> Roles:
    named = roles.kernels | roles.scaled | roles.convolutions | roles.norm_biases
    named |= {roles.logits or ""}
    if unknown := sorted(named - set(sizes) - {""}):
        raise ValueError(
            f"its roles name {unknown[0]}, which is no parameter: there are {', '.join(sizes)}"
        )
    return roles
