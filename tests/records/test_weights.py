"""Weights go to a file and come back to the bit; a file that is not whole is refused."""

import numpy as np
import pytest
from safetensors import numpy as others

from cnnjax.config.knobs import ConfigError
from cnnjax.records import weights


@pytest.fixture
def tree():
    draw = np.random.default_rng(0)
    return {
        "params": {
            "conv_1": {"kernel": draw.normal(size=(3, 3, 1, 4)).astype(np.float32)},
            "scale": np.float32(2.5),
        },
        "stats": {"norm": {"count": np.arange(3, dtype=np.int32).reshape(3, 1)}},
    }


def test_what_is_saved_comes_back_to_the_bit(tree, tmp_path):
    about = {"config": {"pool": "avg"}, "mean": [0.1, float(np.float32(0.1))]}
    weights.save(tmp_path / "new" / weights.NAMES["final"], tree, about)
    found = weights.load(tmp_path / "new" / weights.NAMES["final"])
    assert found.about == about
    assert found.tree.keys() == tree.keys()
    for layer, name in (("conv_1", "kernel"),):
        one, other = found.tree["params"][layer][name], tree["params"][layer][name]
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
    assert found.tree["params"]["scale"].shape == ()
    np.testing.assert_array_equal(found.tree["stats"]["norm"]["count"], [[0], [1], [2]])


def test_the_same_tree_gives_the_same_file(tree, tmp_path):
    for name in ("one", "other"):
        weights.save(tmp_path / name, tree, {"b": 1, "a": 2})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_transposed_array_is_saved_as_it_is_seen(tmp_path):
    own = np.arange(6.0).reshape(2, 3).T
    weights.save(tmp_path / "w", {"a": own})
    np.testing.assert_array_equal(weights.load(tmp_path / "w").tree["a"], own)


def test_other_libraries_read_it_and_write_it(tree, tmp_path):
    weights.save(tmp_path / "w", tree)
    found = others.load_file(tmp_path / "w")
    assert "params/conv_1/kernel" in found
    others.save_file({"a/b": np.ones(2)}, tmp_path / "theirs")
    assert weights.load(tmp_path / "theirs").about == {}


def test_a_file_that_is_cut_or_changed_is_refused(tree, tmp_path):
    path = tmp_path / "w"
    weights.save(path, tree)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(ConfigError, match="no weights that can be read"):
        weights.load(path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ConfigError, match="was changed"):
        weights.load(path)
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="no weights"):
        weights.load(path)


def test_a_file_with_any_bit_of_its_header_flipped_is_refused(tree, tmp_path):
    path = tmp_path / weights.NAMES["final"]
    weights.save(path, tree, {"seed": 7})
    content = path.read_bytes()
    for byte in range(8 + int.from_bytes(content[:8], "little")):
        for bit in (1, 4, 64):
            flipped = bytearray(content)
            flipped[byte] ^= bit
            path.write_bytes(flipped)
            try:
                assert weights.load(path).about == {}  # as of a file that others wrote
            except ConfigError as error:
                assert str(path) in str(error)


def test_a_name_with_a_slash_is_refused(tmp_path):
    with pytest.raises(ValueError, match="slash"):
        weights.save(tmp_path / "w", {"a/b": np.ones(2)})
