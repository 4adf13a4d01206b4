"""Operations and their gradients beside PyTorch's, where it is installed (extra `bench`)."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnjax.config import register
from cnnjax.config.config import Config, make_config, numbers_of
from cnnjax.networks import cost, layers, norms
from cnnjax.ops import pool
from experiments.benchmark import flax, pytorch
from tests import here

OPTAX = True  # see conftest.py
torch = pytest.importorskip("torch")
functional = torch.nn.functional


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same(ours, theirs, *arrays, atol=2e-5):
    """Outputs and their gradients: NHWC against NCHW, kernels HWIO against OIHW."""
    to_torch = [array.transpose(3, 2, 0, 1) if i else array.transpose(0, 3, 1, 2)
                for i, array in enumerate(arrays)]  # fmt: skip
    tensors = [torch.tensor(array, requires_grad=True) for array in to_torch]
    expected = theirs(*tensors)
    found = ours(*arrays)
    np.testing.assert_allclose(
        found, expected.detach().numpy().transpose(0, 2, 3, 1), atol=atol, rtol=1e-4
    )
    weights = draw(*found.shape, seed=9)
    (expected * torch.tensor(weights.transpose(0, 3, 1, 2))).sum().backward()
    grads = jax.grad(lambda *x: (ours(*x) * weights).sum(), argnums=tuple(range(len(arrays))))
    for index, (own, tensor) in enumerate(zip(grads(*arrays), tensors, strict=True)):
        axes = (2, 3, 1, 0) if index else (0, 2, 3, 1)
        np.testing.assert_allclose(
            own, tensor.grad.numpy().transpose(axes), atol=5 * atol, rtol=1e-3
        )


@pytest.mark.parametrize(
    ("window", "stride", "cells", "dilation", "groups"),
    [((3, 3), 1, 1, 1, 1), ((3, 3), 2, 1, 1, 1), ((1, 5), 1, 0, 1, 1), ((3, 2), 1, 0, 2, 1),
     ((3, 3), 1, 1, 1, 2), ((3, 3), 2, 1, 1, 4), ((5, 5), 3, 2, 1, 1)],
)  # fmt: skip
def test_convolution(window, stride, cells, dilation, groups):
    images, kernel = draw(2, 9, 8, 4), draw(*window, 4 // groups, 8, seed=1)
    assert_same(
        lambda x, k: here.conv2d(
            x, k, stride, "explicit", explicit=(cells, cells), dilation=dilation, groups=groups
        ),
        lambda x, k: functional.conv2d(x, k, None, stride, cells, dilation, groups),
        images,
        kernel,
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_named_paddings(padding):
    assert_same(
        lambda x, k: here.conv2d(x, k, 1, padding.upper()),
        lambda x, k: functional.conv2d(x, k, padding=padding),
        draw(2, 7, 6, 3), draw(4, 3, 3, 5, seed=1),
    )  # fmt: skip


@pytest.mark.parametrize("size", range(4, 12))
@pytest.mark.parametrize(("span", "stride"), [(1, 2), (1, 3), (2, 3), (2, 5), (3, 2), (3, 4)])
def test_ceil_is_ceil_mode(size, span, stride):
    """Theirs has it for pooling alone: a sum of each window is a convolution with ones."""
    kernel = np.eye(3, dtype=np.float32)[None, None] * np.ones((span, span, 1, 1), np.float32)
    assert_same(
        lambda x: here.conv2d(x, kernel, stride, "CEIL"),
        lambda x: functional.avg_pool2d(
            x, span, stride, ceil_mode=True, divisor_override=1, count_include_pad=False
        ),
        draw(2, size, 7, 3),
    )


@pytest.mark.parametrize(
    ("fill", "mode"), [("edge", "replicate"), ("reflect", "reflect"), ("circular", "circular")]
)
def test_fills(fill, mode):
    assert_same(
        lambda x, k: here.conv2d(x, k, 1, "explicit", explicit=(2, 1), fill=fill),
        lambda x, k: functional.conv2d(functional.pad(x, (1, 1, 2, 2), mode=mode), k),
        draw(2, 7, 6, 3), draw(3, 3, 3, 5, seed=1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, "VALID"), (3, 2, "HALF"), (3, 1, "HALF")]
)
def test_pooling(size, stride, padding):
    cells, maps = (size // 2 if padding == "HALF" else 0), draw(2, 8, 9, 3)
    pairs = [
        (lambda x: pool.max_pool(x, size, stride, padding),
         lambda x: functional.max_pool2d(x, size, stride, cells)),
        (lambda x: pool.avg_pool(x, size, stride, padding),
         lambda x: functional.avg_pool2d(x, size, stride, cells, count_include_pad=False)),
        (lambda x: pool.avg_pool(x, size, stride, padding, count_padding=True),
         lambda x: functional.avg_pool2d(x, size, stride, cells)),
    ]  # fmt: skip
    for ours, theirs in pairs:
        assert_same(ours, theirs, maps)
    if padding == "VALID":
        assert_same(
            lambda x: pool.l2_pool(x, size, stride),
            lambda x: functional.lp_pool2d(x, 2.0, size, stride),
            maps,
        )


ACTIVATIONS = {
    "relu": functional.relu, "leaky_relu": functional.leaky_relu, "elu": functional.elu,
    "gelu": functional.gelu, "silu": functional.silu, "tanh": torch.tanh,
    "scaled_tanh": lambda x: 1.7159 * torch.tanh(2 / 3 * x), "sigmoid": torch.sigmoid,
    "softplus": functional.softplus, "hard_swish": functional.hardswish,
    "maxout": lambda x: x.unflatten(1, (-1, 2)).amax(dim=2), "identity": lambda x: x,
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    assert_same(register.find("activation", name).make, ACTIVATIONS[name], 2 * draw(2, 5, 4, 6))


def test_norms():
    maps = draw(4, 5, 6, 16)

    def ours(name):
        def apply(x):
            module = _Norm(name)
            variables = module.init(jax.random.key(0), x)
            return module.apply(variables, x, mutable=["batch_stats"])[0]

        return apply

    assert_same(ours("batch"), lambda x: functional.batch_norm(x, None, None, training=True), maps)
    assert_same(ours("group"), lambda x: functional.group_norm(x, 8, eps=1e-6), maps)
    assert_same(
        ours("layer"),
        lambda x: functional.layer_norm(x.permute(0, 2, 3, 1), (16,), eps=1e-6).permute(0, 3, 1, 2),
        maps,
    )
    # Theirs takes alpha over the number of channels.
    assert_same(
        norms.respond, lambda x: functional.local_response_norm(x, 5, 5e-4, 0.75, 2.0), maps
    )


@pytest.mark.parametrize("train", [False, True])
def test_airbench94(train):
    """The whole network with the same weights: logits, and the running statistics of training."""
    config, images = make_config({"model": "airbench94"}), draw(4, 32, 32, 3)
    network = here.make_model(config, (32, 32, 3), 10)
    params, stats = jax.jit(network.init)(jax.random.key(0))
    biases = draw(24, seed=1)
    params = {**params, "conv_1": {"bias": biases}}
    theirs = pytorch.make_pytorch_airbench(np.asarray(stats["conv_1"]["kernel"]), 10)
    modules = [module for module in theirs if hasattr(module, "weight")]
    names = ["conv_1"]
    names += [f"{kind}_{number}" for number in range(2, 8) for kind in ("conv", "norm")]
    with torch.no_grad():
        modules[0].bias.copy_(torch.from_numpy(biases))
        for name, module in zip(names[1:], modules[1:-1], strict=True):
            if name.startswith("conv"):
                kernel = np.asarray(params[name]["kernel"])
                module.weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1)))
            else:
                own = draw(len(module.bias), seed=2)
                params[name] = {"bias": own}
                module.bias.copy_(torch.from_numpy(own))
        logits = np.asarray(params["head"]["logits"]["kernel"])
        modules[-1].weight.copy_(torch.tensor(logits.T))
        expected = theirs.train(train)(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    key = jax.random.key(1) if train else None
    found, stats = jax.jit(network.apply)(params, stats, images, key)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)
    for name, module in zip(names, modules, strict=False):
        if name.startswith("norm"):
            np.testing.assert_allclose(
                stats[name]["mean"], module.running_mean, rtol=1e-3, atol=1e-4
            )
            own = np.asarray(stats[name]["var"])
            if train:  # PyTorch's takes the sample's variance, n / (n - 1) times the batch's
                count = 4 * (15, 7, 3)[int(name[5:]) // 2 - 1] ** 2
                own = 0.6 + (own - 0.6) * count / (count - 1)
            np.testing.assert_allclose(own, module.running_var, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", ["resnet18_small", "airbench94"])
def test_opponents_have_our_parameters_and_our_operations(model):
    images = draw(8, 32, 32, 3)
    measured = cost.measure(make_config({"model": model}), (32, 32, 3), 10)
    network = flax.make_network(make_config({"model": model}), images, 10)
    forward = jax.jit(lambda v, x: network.apply(v, x, train=False))
    shapes: dict = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))
    sizes = [leaf.size for leaf in jax.tree.leaves(shapes["params"])]
    assert sum(sizes) == measured.parameters
    counted = forward.lower(shapes, images).compile().cost_analysis()["flops"]
    assert counted / (2 * 8 * measured.macs) == pytest.approx(1, rel=0.25)


class _Norm(layers.nn.Module):
    name_: str

    @layers.nn.compact
    def __call__(self, x):
        return norms.normalise(Config(norm=self.name_), x, True, "norm")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, 0.1)),
        ("momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        ("nesterov", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
        ("adam", lambda p: torch.optim.Adam(p, 0.1)),
        ("adamw", lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.3)),
    ],
)
def test_optimisers(name, make):
    start, grads = draw(3, 4), [draw(3, 4, seed=seed) for seed in range(5)]
    tensor = torch.tensor(start, requires_grad=True)
    theirs = make([tensor])
    decay = {"weight_decay": 0.3} if name == "adamw" else {}
    config = Config(optimizer=name, schedule="constant", learning_rate=0.1, **decay)
    numbers = {key: jnp.asarray(value) for key, value in numbers_of(config).items()}
    ours = here.make_optimizer(config, numbers)
    params = {"kernel": jnp.asarray(start)}
    state = ours.init(params)
    for grad in grads:
        tensor.grad = torch.tensor(grad)
        theirs.step()
        updates, state = ours.update({"kernel": jnp.asarray(grad)}, state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params["kernel"], tensor.detach().numpy(), atol=1e-5)
