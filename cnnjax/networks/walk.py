"""Follows values through a network's jaxpr: which layers there are, and what reaches them."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from flax import linen as nn
from jax.extend import core

from cnnjax.networks.facts import Facts, Layer
from cnnjax.networks.receptive import View, Window, array_of, follow, move, slide
from cnnjax.networks.values import Call, Found, Value, either, hand_on, is_below

MANY = 100  # rounds of a loop after which no view grows any more that matters
NORMS = (nn.BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm, nn.RMSNorm)
# What changes no value, and what is affine in one operand where the others see no image.
COPIES = {
    "convert_element_type", "reduce_precision", "copy", "reshape", "squeeze", "transpose",
    "broadcast_in_dim", "optimization_barrier",
}  # fmt: skip
AFFINE = {
    "add", "add_any", "sub", "mul", "div", "neg", "reduce_sum", "reduce_window_sum", "slice", "pad",
}  # fmt: skip


class Walk:
    """Follows values through a jaxpr, and keeps the layers that it meets."""

    def __init__(
        self,
        modules: Mapping[int, tuple[str, type]],  # path and type by the number of their mark
        inputs: Mapping[str, tuple[int, ...]],  # shape of what a module is called on
        calls: Sequence[Call],  # of layers of ours, by the number of their mark
        params: Mapping[str, Any],
    ) -> None:
        self.modules, self.inputs, self.calls = modules, inputs, calls
        self.shapes = {name: tuple(leaf.shape) for name, leaf in params.items()}
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        self.found: list[Found] = []
        self.activated: set[int] = set()  # layers whose output something not affine takes
        self.biases: dict[int, frozenset[str]] = {}
        self.side = 1  # of the image, the longer one

    def run(self, closed: core.ClosedJaxpr, stats: Any) -> list[Value]:
        """What the results of `_apply` are."""
        values = [Value(frozenset({name})) for name in self.shapes]
        values += [Value()] * len(jax.tree.leaves(stats))
        self.side = max(closed.in_avals[-1].shape[1:3])
        return self.follow(closed.jaxpr, [*values, Value(view=View())], 1, "")

    def follow(self, jaxpr: core.Jaxpr, values: list[Value], times: int, stack: str) -> list[Value]:
        """The results of a jaxpr that is run so many times on these values."""
        known = dict(zip(jaxpr.invars, values, strict=True))
        needed, kept = {v for v in jaxpr.outvars if isinstance(v, core.Var)}, []
        for eqn in reversed(jaxpr.eqns):
            if eqn.effects or needed & set(eqn.outvars):
                needed |= {v for v in eqn.invars if isinstance(v, core.Var)}
                kept.append(eqn)

        def look(var: core.Var | core.Literal) -> Value:
            return known.get(var, Value()) if isinstance(var, core.Var) else Value()

        for eqn in reversed(kept):
            outs = self.step(eqn, [look(var) for var in eqn.invars], times, stack)
            known.update(zip(eqn.outvars, outs, strict=True))
        return [look(var) for var in jaxpr.outvars]

    def step(self, eqn: core.JaxprEqn, values: list[Value], times: int, stack: str) -> list[Value]:
        """The results of one operation."""
        name, own = eqn.primitive.name, eqn.params
        stack = f"{stack}/{eqn.source_info.name_stack}"
        if name == "jit" and own["name"].startswith("@"):
            return [self.meet_own(int(own["name"][1:]), values[0], times)]
        if name == "scan":
            return self.scan(eqn, values, times, stack)
        if name == "while":  # how often is not known: once
            given, num_consts = values[own["cond_nconsts"] :], own["body_nconsts"]
            count = len(given) - num_consts
            return self.repeat(own["body_jaxpr"].jaxpr, given, num_consts, count, times, 2, stack)
        if name == "cond":
            return self.branch(own["branches"], values[1:], times, stack)
        for inner in core.jaxprs_in_params(own):
            if len(inner.invars) == len(values) and len(inner.outvars) == len(eqn.outvars):
                return self.follow(inner, values, times, stack)
        marks = re.findall(r"@(\d+)", stack)
        owner, kind = self.modules[int(marks[-1])] if marks else ("", nn.Module)
        view = follow(eqn, [value.view for value in values], issubclass(kind, NORMS))
        leaves = frozenset().union(*(value.leaves for value in values))
        if view is None:
            copied = name in COPIES and values
            maker = values[0].owner if copied else owner
            return [Value(leaves, None, None, maker)] * len(eqn.outvars)
        if name in ("conv_general_dilated", "dot_general"):
            return [self.multiply(eqn, values, view, owner, times)]
        out = self.compute(name, values, view, owner)
        if name.startswith("reduce_window") and math.prod(own["window_dimensions"]) > 1:
            cells = math.prod(own["window_dimensions"])
            facts = Facts(0, cells * array_of(eqn.outvars[0]).size)
            out = out._replace(
                view=self.meet(facts, f"{owner}/pool".strip("/"), owner, view, eqn, times)
            )
        return [out] * len(eqn.outvars)

    def compute(self, name: str, values: list[Value], view: View, owner: str) -> Value:
        """What is neither a product nor made of other operations."""
        seen = [value for value in values if value.view is not None]
        affine = seen[0].affine if len(seen) == 1 else None
        if name not in COPIES | AFFINE or (name == "div" and values[0].view is None):
            affine = None
        if affine is None:
            self.activated |= {value.affine for value in seen if value.affine is not None}
        elif name in ("add", "add_any", "sub") and self.found[affine].owner == owner:
            others = frozenset().union(*(v.leaves for v in values if v.view is None))
            self.biases[affine] = self.biases.get(affine, frozenset()) | others
        return Value(view=view, affine=affine, owner=seen[0].owner if name in COPIES else owner)

    def multiply(
        self, eqn: core.JaxprEqn, values: list[Value], view: View, owner: str, times: int
    ) -> Value:  # fmt: skip
        """A convolution or a product of matrices, of units and a kernel or of units alone."""
        own, shapes = eqn.params, [array_of(var).shape for var in eqn.invars]
        cells, is_conv = array_of(eqn.outvars[0]).size, eqn.primitive.name == "conv_general_dilated"
        if is_conv:
            spec = own["dimension_numbers"].rhs_spec
            macs = cells * math.prod(shapes[1][axis] for axis in spec[1:])
            macs //= math.prod(own["lhs_dilation"])
        else:
            macs = cells * math.prod(shapes[0][axis] for axis in own["dimension_numbers"][0][0])
        leaves, logits = frozenset(), None
        if all(value.view for value in values[:2]):
            self.activated |= {v.affine for v in values[:2] if v.affine is not None}
        else:
            place = 0 if values[0].view is None else 1
            kernel, units = values[place], values[1 - place]
            leaves = frozenset(n for n in kernel.leaves if len(self.shapes[n]) > 1)
            if not is_conv and len(leaves) == 1 and leaves == kernel.leaves:
                (name,) = leaves
                whole = shapes[place] == self.shapes[name] and kernel.owner is None
                matrix = len(shapes[place]) == 2 and own["dimension_numbers"][0][place] == (0,)
                given = self.inputs.get(owner) == shapes[1 - place] and units.owner != owner
                if whole and matrix and given and len(shapes[1 - place]) == 2:
                    logits = name if is_below(name, owner) else None
        facts = Facts(macs, macs, convolution=is_conv)
        view = self.meet(facts, owner or "product", owner, view, eqn, times, leaves, logits)
        return Value(view=view, affine=len(self.found) - 1, owner=owner)

    def meet_own(self, number: int, units: Value, times: int) -> Value:
        """A layer of ours, which says itself what it computes."""
        facts, path, shape, _, itemsize = self.calls[number]
        leaves = frozenset(name for name in self.shapes if is_below(name, path))
        view = units.view or View()
        if facts.window is not None:
            windows = [
                Window(span, facts.stride, before)
                for span, before in zip(facts.window, facts.before, strict=True)
            ]
            view = slide(view, windows, view.axes)
        if not leaves and units.affine is not None:
            self.activated.add(units.affine)
        logits = None if facts.activated or facts.window else f"{path}/kernel"
        view = self.add(
            facts, path, path, view, shape, itemsize * math.prod(shape[1:]), times, leaves, logits,
            own=True,
        )  # fmt: skip
        return Value(view=view, affine=len(self.found) - 1 if logits else None, owner=path)

    def meet(
        self, facts: Facts, name: str, owner: str, view: View, eqn: core.JaxprEqn, times: int,
        kernels: frozenset[str] = frozenset(), logits: str | None = None,
    ) -> View:  # fmt: skip
        """A layer that is no module of ours."""
        result = array_of(eqn.outvars[0])
        memory = result.size * result.dtype.itemsize
        return self.add(facts, name, owner, view, result.shape, memory, times, kernels, logits)

    def add(
        self, facts: Facts, name: str, owner: str, view: View, shape: tuple[int, ...],
        memory: int, times: int, kernels: frozenset[str], logits: str | None, own: bool = False,
    ) -> View:  # fmt: skip
        """Keeps a layer; gives what its output sees."""
        is_map, shape = len(shape) == 4, tuple(shape)
        output = shape[1:]
        if is_map:
            view = view._replace(whole=view.whole or view.gathered)
            if None not in view.axes:  # height, width, channels
                output = tuple(shape[axis] for axis in view.axes if axis is not None)
                output += (math.prod(shape) // math.prod(output),)
                view = view._replace(source=(math.prod(output[:2]), len(self.found)))
        field = None if view.whole else view.field if is_map else self.side
        sizes = (facts.macs * times, facts.connections * times, memory * times)
        layer = Layer(name, output, 0, *sizes, field)
        self.found.append(Found(layer, facts, owner, times, kernels, own, logits))
        return view

    def scan(self, eqn: core.JaxprEqn, values: list[Value], times: int, stack: str) -> list[Value]:
        """A loop over the leading axis of some operands."""
        own, length = eqn.params, eqn.params["length"]
        if "ft_in" in own:  # JAX 0.12 keeps the operands' trees in place of their numbers
            num_consts, num_carry = (len(part) for part in own["ft_in"].unpack()[:2])
        else:
            num_consts, num_carry = own["num_consts"], own["num_carry"]
        start = num_consts + num_carry
        slices = [
            value._replace(view=value.view and move(value.view, array_of(var).shape, _before))
            for value, var in zip(values[start:], eqn.invars[start:], strict=True)
        ]
        given = [*values[:start], *slices]
        outs = self.repeat(
            own["jaxpr"].jaxpr, given, num_consts, num_carry, times * length, length, stack
        )
        return outs[:num_carry] + [
            out._replace(view=out.view and _after(out.view)) for out in outs[num_carry:]
        ]

    def repeat(
        self, body: core.Jaxpr, values: list[Value], num_consts: int, num_carry: int,
        times: int, length: int, stack: str,
    ) -> list[Value]:  # fmt: skip
        """The body of a loop, in its last round, of what all rounds before hand on."""
        start, end = len(self.found), num_consts + num_carry
        for _ in range(min(length, MANY) - 1):
            carry = self.follow(body, values, times, stack)[:num_carry]
            del self.found[start:]
            values = [*values[:num_consts], *map(hand_on, values[num_consts:end], carry),
                      *values[end:]]  # fmt: skip
        return self.follow(body, values, times, stack)

    def branch(
        self, branches: Sequence[core.ClosedJaxpr], values: list[Value], times: int, stack: str
    ) -> list[Value]:
        """Of several branches the one with the most MACs; results are of any."""
        start, macs, results = len(self.found), [], []
        for closed in branches:
            results.append(self.follow(closed.jaxpr, values, times, stack))
            macs.append(sum(one.layer.macs for one in self.found[start:]))
            del self.found[start:]
        best = macs.index(max(macs))
        merged = self.follow(branches[best].jaxpr, values, times, stack)
        for other in results[:best] + results[best + 1 :]:
            merged = [either(*pair) for pair in zip(merged, other, strict=True)]
        return merged


def _before(axis: int) -> int | None:
    return axis - 1 if axis else None


def _after(view: View) -> View:
    axes = tuple(None if axis is None else axis + 1 for axis in view.axes)
    return view._replace(axes=axes)  # pyright: ignore[reportArgumentType]
