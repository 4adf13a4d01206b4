"""Operations and their gradients beside PyTorch's, where it is installed (extra `bench`)."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnnjax import layers, optim
from cnnjax.config import Config, numbers_of
from cnnjax.ops import activation, conv, pool

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
        lambda x, k: conv.conv2d(
            x, k, stride, "explicit", explicit=(cells, cells), dilation=dilation, groups=groups
        ),
        lambda x, k: functional.conv2d(x, k, None, stride, cells, dilation, groups),
        images,
        kernel,
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_named_paddings(padding):
    assert_same(
        lambda x, k: conv.conv2d(x, k, 1, padding.upper()),
        lambda x, k: functional.conv2d(x, k, padding=padding),
        draw(2, 7, 6, 3), draw(4, 3, 3, 5, seed=1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fill", "mode"), [("edge", "replicate"), ("reflect", "reflect"), ("circular", "circular")]
)
def test_fills(fill, mode):
    assert_same(
        lambda x, k: conv.conv2d(x, k, 1, "explicit", explicit=(2, 1), fill=fill),
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
    "maxout": lambda x: torch.maximum(*x.chunk(2, dim=1)), "identity": lambda x: x,
}  # fmt: skip


@pytest.mark.parametrize("name", activation.ACTIVATIONS)
def test_activations(name):
    assert_same(activation.ACTIVATIONS[name], ACTIVATIONS[name], 2 * draw(2, 5, 4, 6))


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
        layers.respond, lambda x: functional.local_response_norm(x, 5, 5e-4, 0.75, 2.0), maps
    )


class _Norm(layers.nn.Module):
    name_: str

    @layers.nn.compact
    def __call__(self, x):
        return layers.normalise(Config(norm=self.name_), x, True, "norm")


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
    ours = optim.make_optimizer(config, numbers)
    params = {"kernel": jnp.asarray(start)}
    state = ours.init(params)
    for grad in grads:
        tensor.grad = torch.tensor(grad)
        theirs.step()
        updates, state = ours.update({"kernel": jnp.asarray(grad)}, state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params["kernel"], tensor.detach().numpy(), atol=1e-5)
