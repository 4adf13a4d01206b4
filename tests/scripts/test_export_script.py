"""`python -m experiments.export`: a run's folder to a file that needs no cnnjax."""

import json

import pytest

from cnnjax.config.knobs import ConfigError
from experiments import export as script

SMALL = (
    "--widths=4", "--hidden=8", "--train_examples=48", "--batch_size=16", "--steps=6",
    "--pool_every=1", "--eval_every=3", "--quiet",
)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no run: name the folder of a finished run"),
        (["a", "b", "--out=c"], "one run at a time, not a b: name the folder"),
        (["a"], "--out is missing: name a new folder, such as --out=exported"),
        (["a", "--out="], "--out is missing"),
        (["a", "--out=b", "--format=pickle"], "--format=pickle: value should be one of <stable"),
        (["a", "--out=b", "--keep=none"], "--keep=none: value should be one of <final|best>"),
        (["gs://a/b", "--out=b"], "gs://a/b is in a store: name a folder of this machine"),
        (["a", "--out=s3://b"], "s3://b is in a store: name a folder of this machine"),
        (["a\0", "--out=b"], "no path has a zero byte"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        script.main(["export", *arguments], None)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and message in said and said.count("\n") == 1


class Stop:
    """Nobody stops it."""

    def listen(self):
        import contextlib

        return contextlib.nullcontext(lambda: False)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "one is no folder of a run"),
        ([], "one holds no run: it has neither config.json nor record.json"),
        (["config.json"], "one holds no final.safetensors: the run is not done"),
    ],
)
def test_what_is_no_run_with_weights_is_said(files, message, tmp_path):
    for name in files or ():
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / name).write_text("{}")
    if files == []:
        (tmp_path / "one").mkdir()
    with pytest.raises(ConfigError, match=message):
        script.main(["export", str(tmp_path / "one"), f"--out={tmp_path / 'out'}"], Stop())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_of_either_weights_is_exported_and_a_full_folder_is_not(call, tmp_path):
    train = ("-m", "experiments.train", *SMALL, f"--workdir={tmp_path}/one")
    assert call(*train, "--keep=best").returncode == 0
    exported = ("-m", "experiments.export", tmp_path / "one", f"--out={tmp_path}/out")
    ran = call(*exported)
    assert ran.returncode == 0, ran.stderr
    files = ["model.stablehlo", "best.safetensors", "about.json", "README.txt"]
    lines = ran.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines[:4]] == [
        f"{tmp_path}/out/{name}" for name in files
    ]
    assert lines[4].startswith("opened in a fresh process: probabilities differ from the run's by")
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert about["config"]["widths"] == [4] and about["step"] in (3, 6)
    again = call(*exported)
    assert again.returncode == 2
    assert again.stderr == f"error: {tmp_path}/out is there already: name a new folder\n"
    lacking = call(*exported[:-1], f"--out={tmp_path}/more", "--keep=final")
    assert lacking.returncode == 2 and "holds no final.safetensors" in lacking.stderr
    brief = call(*exported[:-1], f"--out={tmp_path}/brief", "--quiet")
    assert brief.stdout.count("\n") == 1 and "brief/model.stablehlo: " in brief.stdout
