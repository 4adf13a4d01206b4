"""What a script says of a plug-in that is wrong."""

import pathlib
import sys

import pytest

from experiments import script

SMALL = "--steps=4 --eval_every=4 --train_examples=64 --batch_size=16 --widths=4,4".split()


@pytest.fixture
def say(outside, monkeypatch, capsys, data_dir, tmp_path):
    """What a script says of a plug-in of that text, and the exit status it ends with."""
    path = pathlib.Path(outside["beside"]).with_name("mistaken.py")

    def run(main, text, *argv):
        path.write_text("import cnnjax\n\n" + text)
        given = [f"--data_dir={data_dir}", *(own.replace("FILE", str(path)) for own in argv)]
        monkeypatch.setattr(sys, "argv", ["script", *given])
        monkeypatch.setattr(script.signal, "signal", lambda number, handler: None)
        with pytest.raises(SystemExit) as ended:
            script.run(main, "")
        said = capsys.readouterr().err
        return ended.value.code, said, str(path)

    return run


def check_one_line(said, path, line, words):
    *_, last = said.splitlines()
    assert f"{path}:{line}: {words}" in last, said
    assert "Traceback" not in said and last.count(str(path) + ":") <= 2
