"""What is loaded again is read again."""

import importlib
import pathlib
import sys

from cnnjax.config import plugins
from cnnjax.config.config import Config
from cnnjax.records.plugins import hash_files


def test_a_file_that_is_loaded_again_is_read_again(outside):
    path = pathlib.Path(outside["beside"]).with_name("again.py")
    text = "import cnnjax\n\n@cnnjax.activation('again')\ndef f(units):\n    return units\n"
    path.write_text(text)
    plugins.load([str(path)])
    before = hash_files(Config(activation="again"))
    path.write_text(text.replace("return units", "return -units"))
    assert hash_files(Config(activation="again")) == before  # what runs is still the former
    importlib.reload(sys.modules["again"])
    assert hash_files(Config(activation="again")) != before
