"""Published weights give PyTorch's logits, where it is installed (extra `bench`).

Networks are torchvision's, written out here with its names, but narrow; and its files as they come.
"""

import re

import jax
import numpy as np
import pytest

from cnnjax.config.errors import ConfigError
from cnnjax.networks import published
from cnnjax.records import weights
from experiments import script
from experiments.benchmark import convert
from tests import here
from tests import published as layout
from tests.published import CLASSES, HIDDEN, NARROW, config_of, draw, shapes_of

torch = pytest.importorskip("torch")
nn = torch.nn


class Block(nn.Module):
    """Its BasicBlock, or with `wide` of 4 its Bottleneck, whose 3x3 kernel has the stride."""

    def __init__(self, channels, features, stride, wide):
        super().__init__()
        shapes = [(features, 3, stride), (features, 3, 1)]
        if wide > 1:
            shapes = [(features, 1, 1), (features, 3, stride), (features * wide, 1, 1)]
        self.number, seen = len(shapes), channels
        for index, (own, cells, shift) in enumerate(shapes, start=1):
            conv = nn.Conv2d(seen, own, cells, shift, cells // 2, bias=False)
            self.add_module(f"conv{index}", conv)
            self.add_module(f"bn{index}", nn.BatchNorm2d(own))
            seen = own
        self.downsample = None
        if stride > 1 or channels != seen:
            conv = nn.Conv2d(channels, seen, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(seen))

    def forward(self, maps):
        branch = maps
        for index in range(1, self.number + 1):
            branch = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(branch))
            if index < self.number:
                branch = branch.relu()
        return (branch + (maps if self.downsample is None else self.downsample(maps))).relu()


class ResNet(nn.Module):
    def __init__(self, blocks, wide, width, classes):
        super().__init__()
        seen = round(64 * width)
        self.conv1 = nn.Conv2d(3, seen, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(seen)
        for stage, count in enumerate(blocks, start=1):
            features, layers = round(32 * 2**stage * width), []
            for number in range(count):
                stride = 2 if stage > 1 and number == 0 else 1
                layers.append(Block(seen, features, stride, wide))
                seen = features * wide
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(seen, classes)

    def forward(self, images):
        maps = nn.functional.max_pool2d(self.bn1(self.conv1(images)).relu(), 3, 2, 1)
        for stage in range(1, 5):
            maps = getattr(self, f"layer{stage}")(maps)
        return self.fc(maps.mean(dim=(2, 3)))


class Plain(nn.Module):
    """Its AlexNet or VGG."""

    def __init__(self, name, width, hidden, classes):
        super().__init__()
        places, seen, layers = layout.PLAIN[name], 3, []
        pool = nn.MaxPool2d(3, 2) if name == "alexnet" else nn.MaxPool2d(2, 2)
        for place, (features, cells) in places.items():
            if len(layers) < place:
                layers.append(pool)
            stride, pad = (4, 2) if cells == 11 else (1, cells // 2)
            own = round(features * width)
            layers += [nn.Conv2d(seen, own, cells, stride, pad), nn.ReLU()]
            assert len(layers) == place + 2
            seen = own
        self.features = nn.Sequential(*layers, pool)
        side, _ = layout.CLASSIFIERS[name]
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        sizes = [seen * side**2, hidden, hidden, classes]
        first, second, last = (nn.Linear(*sizes[index : index + 2]) for index in range(3))
        parts = [first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), nn.Dropout(), last]
        if name == "alexnet":
            parts = [nn.Dropout(), first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), last]
        self.classifier = nn.Sequential(*parts)

    def forward(self, images):
        return self.classifier(self.avgpool(self.features(images)).flatten(1))


def make_theirs(name, width=NARROW, hidden=HIDDEN, classes=CLASSES):
    if name in layout.PLAIN:
        return Plain(name, width, hidden, classes)
    return ResNet(layout.RESNETS[name], 4 if name == "resnet50" else 1, width, classes)


def compare(theirs, tensors, config, shape, classes=CLASSES):
    """Asserts that both give the same logits for random images [H, W, C]; the largest difference.

    Logits are about as large as one, so that a difference of 1e-4 says something.
    """
    theirs.load_state_dict({name: torch.tensor(own) for name, own in tensors.items()})
    images = np.random.default_rng(2).normal(size=(2, *shape)).astype(np.float32)
    images[1] = (images[1] + 1) / 2
    with torch.no_grad():
        there = theirs.eval()(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
    params, stats = published.convert(tensors, config, shape, classes)
    network = here.make_model(config, shape, classes)
    found, _ = jax.jit(network.apply)(params, stats, images)
    assert 0.1 < there.std() < 30 and np.ptp(there, axis=0).max() > 0.01
    np.testing.assert_allclose(found, there, rtol=0, atol=1e-4)
    return np.abs(found - there).max()


@pytest.mark.parametrize("name", published.SETTINGS)
def test_names_and_shapes_are_those_of_the_modules(name):
    theirs = {key: tuple(own.shape) for key, own in make_theirs(name).state_dict().items()}
    assert theirs == shapes_of(name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (64, 64, 3)), ("resnet18", (45, 58, 3)), ("resnet34", (64, 64, 3)),
        ("resnet50", (64, 64, 3)), ("resnet50", (37, 64, 3)),
        # Of the size for which they were made, and of others: the map has 1x1 cells, 2x3, 3x3.
        ("vgg11", (224, 224, 3)), ("vgg11", (32, 32, 3)), ("vgg16", (224, 224, 3)),
        ("vgg16", (64, 96, 3)), ("alexnet", (224, 224, 3)), ("alexnet", (64, 64, 3)),
        ("alexnet", (127, 130, 3)),
    ],
)  # fmt: skip
def test_logits_are_pytorchs(name, shape):
    compare(make_theirs(name), draw(shapes_of(name)), config_of(name), shape)


@pytest.mark.parametrize("name", published.SETTINGS)
def test_logits_are_those_of_torchvision_itself(name):
    """At its own width, where it is installed."""
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:  # the latter beside a PyTorch of another build
        pytest.skip(f"torchvision cannot be imported: {error}")
    side, hidden = 64 if name == "alexnet" else 32, 4096
    own = {"hidden": (hidden, hidden)} if name in layout.PLAIN else {}
    config = config_of(name, width_multiplier=1.0, **own)
    theirs = torchvision.models.get_model(name, num_classes=CLASSES)
    compare(theirs, draw(shapes_of(name, 1, hidden)), config, (side, side, 3))


class Silent(script.Stop):
    """One that leaves signals alone."""

    def __init__(self):
        pass


def save(path, content):
    torch.save(content, path)
    return path


def test_a_state_dict_is_converted_and_becomes_a_network(tmp_path, capsys):
    tensors = draw(shapes_of("resnet18"))
    state = {name: torch.tensor(own) for name, own in tensors.items()}
    source, target = save(tmp_path / "in.pth", state), tmp_path / "new" / "out.safetensors"
    assert convert.main(["convert", str(source), str(target)], Silent()) == 0
    assert capsys.readouterr().out == f"{target}: 122 tensors\n"
    read = weights.load(target).tree
    assert read.keys() == tensors.keys()
    for name, own in tensors.items():
        np.testing.assert_array_equal(read[name], own)
    params, _ = published.convert(read, config_of("resnet18"), (64, 64, 3), CLASSES)
    assert params["conv_stem"]["kernel"].shape == (7, 7, 3, 8)


@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_wrapper_and_a_prefix_are_left_out(tmp_path, wrapper, prefix):
    kernel = torch.arange(6.0).reshape(2, 3).T
    state = {f"{prefix}fc.weight": kernel, f"{prefix}fc.bias": torch.ones(2, dtype=torch.bfloat16)}
    content = {wrapper: state, "epoch": 3} if wrapper else state
    found = convert.read(save(tmp_path / "in.pth", content))
    assert found.keys() == {"fc.weight", "fc.bias"}
    np.testing.assert_array_equal(found["fc.weight"], kernel)
    assert found["fc.weight"].flags["C_CONTIGUOUS"] and found["fc.bias"].dtype == np.float32


def test_a_prefix_of_some_names_is_kept(tmp_path):
    state = {"module.fc": torch.ones(1), "fc": torch.ones(1)}
    assert convert.read(save(tmp_path / "in.pth", state)).keys() == state.keys()


class Hostile:
    def __reduce__(self):
        return print, ("it was run",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.ones(2), "it holds no state dict but a Tensor: give what torch.save("),
        ({}, "it holds no state dict but a dict"),
        ({3: torch.ones(2)}, "it holds no state dict but a dict"),
        ({"fc": torch.ones(1), "epoch": 3}, "'epoch' is a int, not a tensor"),
        ({"fc": torch.eye(2).to_sparse()}, "'fc' is sparse, quantised or complex"),
        ({"fc": torch.ones(1, dtype=torch.complex64)}, "'fc' is sparse, quantised or complex"),
        ({"fc": Hostile()}, "no file of tensors alone that torch.load reads with weights_only=Tr"),
        (nn.Linear(2, 2), "no file of tensors alone"),
    ],
)
def test_what_is_no_state_dict_is_refused_in_a_line(tmp_path, capsys, content, message):
    path = save(tmp_path / "in.pth", content)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        convert.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_file_that_is_cut_is_refused(tmp_path, share):
    path = save(tmp_path / "in.pth", {"fc": torch.ones(100)})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ConfigError, match="no file of tensors alone"):
        convert.read(path)
